import csv
import io
from types import SimpleNamespace

import pytest
import torch
from ball_scene import write_nmr
from evaluation_builders import (
    constant_net,
    dataset_values,
    evaluator,
    open_dataset,
    oracle_net,
    protocol,
    protocol_values,
    row,
    run_fake,
    run_values,
)
from rich.console import Console

from pixelnerf.errors import UserError
from pixelnerf.evaluation import run, subject
from pixelnerf.evaluation.evaluator import Evaluator, scene_pictures, shown_target
from pixelnerf.evaluation.protocol import resolve
from pixelnerf.evaluation.report import results_table
from pixelnerf.evaluation.run import default_output
from pixelnerf.evaluation.subject import training_categories
from pixelnerf.images.metrics import PSNR_CEILING, psnr
from pixelnerf.scenes import rendering
from pixelnerf.scenes.photos import scene_photos
from pixelnerf.scenes.scene import DamagedScenes


def first_item(nmr_root, **changes):
    return resolve(protocol(**changes), open_dataset(nmr_root), DamagedScenes("raise")).items[0]


def measured(evaluation):
    return {(one.views, one.method): one for one in evaluation.measurements}


def test_a_constant_picture_has_the_psnr_of_its_truncated_value(nmr_root):
    item = first_item(nmr_root)
    found = measured(evaluator(constant_net(0.7)).evaluate(item))
    for count in (1, 2):
        truths = item.scene.images(item.targets[count])
        # 0.7 * 255 = 178.5 is cut to 178.
        expected = sum(psnr(torch.full_like(truth, 178 / 255), truth) for truth in truths) / len(truths)
        assert found[count, "model"].scores.psnr == pytest.approx(expected, abs=1e-5)
        assert found[count, "model"].targets == len(truths) == 4


def test_a_perfect_model_reaches_the_ceiling_and_baselines_do_not(nmr_root):
    item = first_item(nmr_root)
    found = measured(evaluator(oracle_net(item.scene)).evaluate(item))
    for count in (1, 2):
        model = found[count, "model"].scores
        assert model.psnr == PSNR_CEILING
        assert model.ssim == pytest.approx(1)
        assert model.lpips is None
        assert 5 < found[count, "nearest_view"].scores.psnr < 40
        assert 5 < found[count, "background"].scores.psnr < 40


def test_photos_are_encoded_once_for_each_number_of_views(nmr_root):
    net = constant_net(0.5)
    evaluator(net).evaluate(first_item(nmr_root))
    assert net.encoded == [1, 2]


def test_copying_the_input_is_perfect_for_the_input(nmr_root):
    """With one target beside the input, and the input asked for: the copy is exact."""
    item = first_item(nmr_root)
    truths = scene_pictures(item.scene, item.inputs[1], 1)
    assert torch.equal(truths, scene_photos(item.scene, item.inputs[1]).images[0].movedim(1, -1))


def test_downscaled_truths_are_box_means_and_renders_fit_them(nmr_root):
    item = first_item(nmr_root, downscales=[2])
    method = evaluator(constant_net(0.5), downscales=[2]).method
    full = item.scene.images(item.targets[1])
    means = torch.nn.functional.avg_pool2d(full, 2).movedim(1, -1)
    torch.testing.assert_close(scene_pictures(item.scene, item.targets[1], 2), means)
    render = method.render(item.scene, item.inputs[1], item.targets[1][:1], 0.5)[0].output
    assert render.color.shape == means[0].shape == (8, 8, 3)


def test_photos_are_given_shrunk(nmr_root):
    given = []

    class Net(type(constant_net(0.5))):
        def encode(self, photos):
            given.append(photos)
            return super().encode(photos)

    net = Net(constant_net(0.5).colors)
    item = first_item(nmr_root, input_downscale=2)
    evaluation = evaluator(net, input_downscale=2).evaluate(item)
    (view,) = item.inputs[1]
    means = torch.nn.functional.avg_pool2d(item.scene.images([view]), 2)
    torch.testing.assert_close(given[0].images[0], means)
    assert given[0].cameras.sizes.tolist() == [[[8, 8]]]
    torch.testing.assert_close(given[0].cameras.intrinsics[0, 0, :2], item.scene.cameras().intrinsics[view, :2] / 2)
    # The copied photo has the size of the targets, and not more detail than the model was given.
    repeated = means.repeat_interleave(2, -1).repeat_interleave(2, -2)
    torch.testing.assert_close(evaluation.shown[0].photos, repeated.movedim(1, -1))
    assert evaluation.shown[0].truth.shape == (16, 16, 3)


def test_several_sizes_stand_beside_their_mean(nmr_root, checkpoint, tmp_path):
    result = run_fake(constant_net(0.9), nmr_root, tmp_path, checkpoint, downscales=[2, 1])
    single = run_fake(constant_net(0.9), nmr_root, tmp_path / "single", checkpoint, downscales=[2])
    for count in (1, 2):
        seen = row(result, "seen", count)
        assert list(seen.sizes) == ["16x16", "8x8"]
        for means in (seen.means, seen.sizes["8x8"], seen.categories["airplane"]):
            assert means.objects == 2
        assert seen.means.psnr == pytest.approx(sum(means.psnr for means in seen.sizes.values()) / 2)
        alone = row(single, "seen", count)
        assert alone.sizes == {}
        assert seen.sizes["8x8"].psnr == pytest.approx(alone.means.psnr)
        assert row(result, "unseen", count, "background").sizes.keys() == {"16x16", "8x8"}
    rows = list(csv.DictReader((tmp_path / "per_object.csv").open()))
    assert {row["size"] for row in rows} == {"16x16", "8x8"}
    console = Console(width=200, file=io.StringIO())
    console.print(results_table(result.results))
    text = console.file.getvalue()
    assert text.count("at 16x16") == text.count("at 8x8") == 4
    assert "<td>8x8</td>" in (tmp_path / "report.html").read_text()


def test_without_8_bits_the_value_is_kept(nmr_root):
    item = first_item(nmr_root)
    found = measured(evaluator(constant_net(0.7), eight_bits=False).evaluate(item))
    truths = item.scene.images(item.targets[1])
    expected = sum(psnr(torch.full_like(truth, 0.7), truth) for truth in truths) / len(truths)
    assert found[1, "model"].scores.psnr == pytest.approx(expected, abs=1e-5)


def test_a_model_without_photos_has_no_photo_to_copy(nmr_root, checkpoint, tmp_path):
    result = run_fake(constant_net(0.9), nmr_root, tmp_path / "out", checkpoint, inputs={"name": "none"})
    assert {(one.method, one.kind) for one in result.results.rows} == {("model", "model"), ("background", "baseline")}
    assert row(result, "seen", 0).means.objects == 2
    html = (tmp_path / "out/report.html").read_text()
    assert "0 photos" in html
    assert "input 1" not in html


def test_the_shown_target_is_one_of_all_numbers_of_photos(nmr_root):
    item = first_item(nmr_root, targets={"exclude": [], "every": 1, "limit": 2, "shared": False})
    shown = {count: shown_target(item, count) for count in item.targets}
    assert all(shown[count] in item.targets[count] for count in shown)
    item = first_item(nmr_root)
    assert shown_target(item, 1) == shown_target(item, 2) not in item.inputs[2]


def comparable_files(folder):
    """Everything but the report, whose head tells the time that this run took."""
    names = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "report.html"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in names}


def test_an_interrupted_evaluation_goes_on(monkeypatch, nmr_root, checkpoint, tmp_path):
    monkeypatch.setattr(rendering, "time", SimpleNamespace(perf_counter=lambda: 0.0))
    unbroken = run_fake(constant_net(0.9), nmr_root, tmp_path / "unbroken", checkpoint)
    evaluate, evaluated = Evaluator.evaluate, []

    def interrupted(self, item):
        if len(evaluated) == 3:
            raise KeyboardInterrupt
        evaluated.append(item.scene.name)
        return evaluate(self, item)

    monkeypatch.setattr(Evaluator, "evaluate", interrupted)
    with pytest.raises(KeyboardInterrupt, match="3 of 4 scenes are done"):
        run_fake(constant_net(0.9), nmr_root, tmp_path / "broken", checkpoint)
    assert not (tmp_path / "broken/metrics.json").exists()

    evaluated.clear()
    resumed = run_fake(constant_net(0.9), nmr_root, tmp_path / "broken", checkpoint)
    assert len(evaluated) == 1
    assert resumed.results == unbroken.results
    assert comparable_files(tmp_path / "broken") == comparable_files(tmp_path / "unbroken")


def test_stored_results_are_used_only_where_nothing_that_decides_them_changed(
    monkeypatch, nmr_root, checkpoint, tmp_path
):
    dataset, tiny = dataset_values(nmr_root), protocol_values()

    def encodings(**changes):
        net = constant_net(0.9)
        values = {"checkpoint": checkpoint, "output": tmp_path / "out", "protocol": tiny, "dataset": dataset, **changes}
        run_values(net, **values)
        return len(net.encoded)

    everything = 4 * 2
    assert encodings() == everything
    assert encodings() == 0
    checkpoint.write_bytes(b"another checkpoint")
    assert encodings() == everything
    tiny["targets"]["exclude"] = [0]
    assert encodings() == everything
    for key, value in {"near": 1.1, "pixel_center": 0.0}.items():
        dataset[key] = value
        assert encodings() == everything
    for key, value in {"cache_gib": 0.5, "on_error": "skip", "how_to_get": "somewhere"}.items():
        dataset[key] = value
        assert encodings() == 0
    assert encodings(precision="bfloat16") == everything
    assert encodings() == everything
    for changed, name, value in ((run.torch, "__version__", "0.0"), (subject, "RENDERER_VERSION", -1)):
        with monkeypatch.context() as patch:
            patch.setattr(changed, name, value)
            assert encodings() == everything
            assert encodings() == 0
        assert encodings() == everything
    damaged = next((tmp_path / "out/scenes").glob("*.json"))
    damaged.write_text(damaged.read_text()[:50])
    assert encodings() == 2


def test_damaged_scenes_are_left_out_and_counted(checkpoint, tmp_path):
    """One that cannot be opened, and one whose photo cannot be read, at each of its sizes."""
    nmr_root = write_nmr(tmp_path / "nmr", objects_per_split=3, views=4, size=16)
    photo = nmr_root / "02691156/test0/image/0001.png"
    photo.write_bytes(photo.read_bytes()[:60])
    cameras = nmr_root / "03001627/test1/cameras.npz"
    cameras.write_bytes(b"nothing")

    def run_it(on_error):
        output = tmp_path / on_error
        return run_fake(constant_net(0.9), nmr_root, output, checkpoint, on_error, downscales=[1, 2])

    with pytest.raises(UserError, match=str(cameras)):
        run_it("raise")
    result = run_it("skip")
    assert result.results.notes["damaged"].startswith("scenes left out as damaged: 2,")
    assert row(result, "seen", 1).means.objects == row(result, "unseen", 1).means.objects == 2
    assert "left out as damaged" in (tmp_path / "skip/report.html").read_text()
    assert run_it("skip").results == result.results


def test_a_folder_that_cannot_be_written_is_named(nmr_root, checkpoint, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"cannot write into output folder .*file/out"):
        run_fake(constant_net(0.9), nmr_root, tmp_path / "file/out", checkpoint)


def test_training_on_unseen_categories_is_noted(nmr_root, checkpoint, tmp_path):
    honest = run_fake(constant_net(0.9), nmr_root, tmp_path / "a", checkpoint)
    assert not {"seen", "unseen"} & honest.results.notes.keys()
    swapped = protocol_values()["groups"]
    swapped = {"seen": swapped["unseen"], "unseen": swapped["seen"]}
    wrong = run_fake(constant_net(0.9), nmr_root, tmp_path / "b", checkpoint, groups=swapped)
    assert "trained on airplane" in wrong.results.notes["unseen"]
    assert "not trained on chair" in wrong.results.notes["seen"]


def test_training_categories_of_a_checkpoint():
    one = {"categories": {"car": "1", "lamp": "2"}, "train_categories": None}
    assert training_categories({"dataset": one}) == {"car", "lamp"}
    other = {"categories": {"sofa": "3", "lamp": "2"}, "train_categories": ["sofa"]}
    assert training_categories({"dataset": {"parts": {"a": one, "b": other}}}) == {"car", "lamp", "sofa"}
    assert training_categories({"dataset": {"root": "x"}}) == set()


def test_results_lie_in_the_training_runs_folder(tmp_path):
    assert default_output(tmp_path / "checkpoints/best.ckpt", "p") == tmp_path / "evaluation/p"
    assert default_output(tmp_path / "shared.safetensors", "p") == tmp_path / "evaluation/p"
