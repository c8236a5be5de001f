import io

import numpy as np
import pytest
import torch
from dataset_layouts import write_blender
from datasets_and_runs import make_pairs, train_refiner
from PIL import Image
from refiner_runs import refiner_config, save_model
from rich.console import Console
from training_runs import compose_values
from wandb_files import read_offline_run

import train as program
from pixelnerf.checkpoints.checkpoint import load_checkpoint, load_refiner
from pixelnerf.checkpoints.shared_weights import save_shared
from pixelnerf.errors import UserError
from pixelnerf.images.metrics import psnr
from pixelnerf.refine.config import build_refiner
from pixelnerf.training.refiner import pairs as pairs_module
from pixelnerf.training.refiner.run import PatchBatches

QUIET = Console(quiet=True)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A scene whose held-out splits are not there, so that nothing can look at them."""
    folder = write_blender(tmp_path_factory.mktemp("scene"), views=6)
    for split in ("val", "test"):
        (folder / f"transforms_{split}.json").unlink()
    return folder


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory, root):
    return save_model(tmp_path_factory.mktemp("model") / "model.safetensors", root)


@pytest.fixture(scope="module", params=["codebook", "reference"])
def finished(request, tmp_path_factory, root, checkpoint):
    """The kind of a refiner, and a finished training of six steps."""
    folder = tmp_path_factory.mktemp("run")
    return request.param, train_refiner(refiner_config(request.param, folder, root, checkpoint))


def test_a_run_leaves_a_refiner_that_loads(finished):
    name, result = finished
    assert (result.step, result.stopped_by) == (6, None)
    loaded = load_refiner(result.run_dir / "checkpoints/best.ckpt")
    assert loaded.own.name == name
    assert not loaded.refiner.training


def test_validation_measures_whole_refined_views(finished, root, checkpoint):
    name, result = finished
    config = refiner_config(name, result.run_dir, root, checkpoint)
    (pair,) = make_pairs(config, CPU, QUIET).val
    refiner = load_refiner(result.run_dir / "checkpoints/best.ckpt").refiner
    with torch.no_grad():
        refined = refiner.refine(pair.view, pair.reference)
    assert psnr(refined, pair.truth()) == pytest.approx(result.best_psnr, abs=1e-3)


def test_stop_and_resume_equals_an_unbroken_run_bit_for_bit(finished, tmp_path, root, checkpoint):
    name, whole = finished
    train_refiner(refiner_config(name, tmp_path / "part", root, checkpoint, "trainer.max_steps=3"))
    last = tmp_path / "part/checkpoints/last.ckpt"
    resumed = train_refiner(refiner_config(name, tmp_path / "resumed", root, checkpoint, f"resume={last}"))
    assert resumed.step == 6
    # Renders of the run that is resumed are used again.
    assert not (tmp_path / "resumed/pairs").exists()
    first, second = (
        torch.load(run / "checkpoints/last.ckpt", weights_only=True) for run in (whole.run_dir, tmp_path / "resumed")
    )
    for key, tensor in first["state_dict"].items():
        assert torch.equal(tensor, second["state_dict"][key]), key


def test_pairs_are_rendered_once_for_a_checkpoint(tmp_path, monkeypatch, root, checkpoint):
    config = refiner_config("codebook", tmp_path, root, checkpoint)
    first = make_pairs(config, CPU, QUIET)
    rendered = []
    original = pairs_module.render_views

    def counted(net, scene, inputs, targets, *rest):
        rendered.extend(targets)
        return original(net, scene, inputs, targets, *rest)

    monkeypatch.setattr(pairs_module, "render_views", counted)
    console = Console(file=io.StringIO(), width=120)
    again = make_pairs(config, CPU, console)
    assert rendered == []
    assert "6/6" in console.file.getvalue()
    assert torch.equal(first.train[0].view.color, again.train[0].view.color)
    damaged = next(tmp_path.glob("pairs/*/00002.npz"))
    damaged.write_bytes(damaged.read_bytes()[:100])
    make_pairs(config, CPU, QUIET)
    assert rendered == [2]
    other = save_model(tmp_path / "other.safetensors", root, "model.field.width=8")
    make_pairs(refiner_config("codebook", tmp_path, root, other), CPU, QUIET)
    assert len(rendered) == 1 + 6


def test_refiners_of_all_kinds_share_their_renders(tmp_path, root, checkpoint):
    made = {}
    for kind in ("codebook", "reference"):
        pairs = make_pairs(refiner_config(kind, tmp_path, root, checkpoint, "pairs.views=4"), CPU, QUIET)
        made[kind] = {pair.index for part in (pairs.train, pairs.val) for pair in part}
    assert 0 in made["codebook"]
    assert made["reference"] == made["codebook"] - {0}


def test_validation_views_and_the_reference_are_not_trained_on(tmp_path, root, checkpoint):
    made = make_pairs(refiner_config("reference", tmp_path, root, checkpoint), CPU, QUIET)
    used, held_out = ({pair.index for pair in part} for part in (made.train, made.val))
    assert used
    assert held_out
    assert not used & held_out
    assert 0 not in used | held_out
    assert all(torch.equal(pair.reference.color, pair.scene.images([0])[0]) for pair in made.train)


def test_batches_are_a_function_of_the_step_and_patches_belong_together(tmp_path, root, checkpoint):
    config = refiner_config("reference", tmp_path, root, checkpoint)
    made = make_pairs(config, CPU, QUIET)
    batches = PatchBatches(made.train, build_refiner(config.refiner), 3, 0, 0)
    assert torch.equal(batches.batch(4).truth, batches.batch(4).truth)
    assert not torch.equal(batches.batch(4).truth, batches.batch(5).truth)
    batch = batches.batch(4)
    views = [torch.cat([pair.view.color, pair.truth()]) for pair in made.train]
    patch = torch.cat([batch.rendered[0], batch.truth[0]])
    assert any(is_part(patch, view) for view in views)


def is_part(patch, image):
    """Whether a square patch, turned or mirrored, is cut from an image."""
    windows = image.unfold(1, 16, 1).unfold(2, 16, 1)
    turned = [torch.rot90(flipped, k, (1, 2)) for flipped in (patch, patch.flip(-1)) for k in range(4)]
    return any((windows == one[:, None, None]).all(-1).all(-1).all(0).any() for one in turned)


def test_wandb_shows_the_health_of_the_codebook_and_pictures(tmp_path, root, checkpoint):
    train_refiner(refiner_config("codebook", tmp_path, root, checkpoint, "logger.mode=offline", "logger.panels=1"))
    records = read_offline_run(tmp_path)
    keys = {item.key or "/".join(item.nested_key) for r in records for item in r.history.item}
    assert {"codebook/perplexity", "codebook/dead_share", "train/imitation", "val/psnr", "val/psnr_unrefined"} <= keys
    assert {"val/sharpness", "val/sharpness_unrefined"} <= keys
    (picture,) = list(tmp_path.glob("wandb/offline-run-*/files/media/images/val/panels*.png"))[:1]
    assert np.asarray(Image.open(picture)).shape == (32, 5 * 32 + 4 * 2, 3)


def test_a_mistake_is_one_line(finished, tmp_path, root, checkpoint):
    name, result = finished
    refiner = result.run_dir / "checkpoints/last.ckpt"
    cut = tmp_path / "cut.ckpt"
    cut.write_bytes(refiner.read_bytes()[:500])
    empty = tmp_path / "empty.safetensors"
    save_shared(empty, torch.nn.Linear(1, 1), load_refiner(refiner).config, 0)

    def train(model, *overrides):
        return lambda: train_refiner(refiner_config(name, tmp_path, root, model, *overrides))

    for call, message in (
        (lambda: load_checkpoint(refiner), "holds no model but a refiner"),
        (lambda: load_refiner(checkpoint), "holds no refiner but a model"),
        (lambda: load_refiner(cut), "not a readable checkpoint"),
        (lambda: load_refiner(empty), "holds weights that do not fit"),
        (lambda: load_refiner(tmp_path / "none.ckpt"), "no such checkpoint"),
        (train(refiner), "holds no model but a refiner"),
        (train(checkpoint, f"resume={checkpoint}"), "not a checkpoint of this program"),
        (
            train(checkpoint, f"start_from={refiner}", "refiner.width=6"),
            r"another refiner \(refiner.width is 4 there and 6 here\)",
        ),
        (train(checkpoint, "pairs.views=1"), "too few"),
    ):
        with pytest.raises(UserError, match=message) as caught:
            call()
        assert "\n" not in str(caught.value)


def test_a_reference_that_is_not_there_is_one_line(tmp_path, root, checkpoint):
    with pytest.raises(UserError, match=r"reference_view=6 is none of them"):
        make_pairs(refiner_config("reference", tmp_path, root, checkpoint, "refiner.reference_view=6"), CPU, QUIET)


def test_the_program_trains_a_refiner_where_one_is_composed(tmp_path):
    options = ("checkpoint=none.ckpt", f"run_dir={tmp_path}", f"dataset.root={tmp_path}")
    values = compose_values("experiment=refine_codebook", *options)
    with pytest.raises(UserError, match=r"no such checkpoint: none\.ckpt"):
        program.main(values)
