import io
import json

import pytest
import torch
from config_values import yaml_values
from dataset_layouts import write_blender
from datasets_and_runs import evaluate, parse_whole
from evaluation_builders import protocol_values, row
from refiner_runs import refiner_config, save_model
from rich.console import Console

from datasets.readers.blender import BlenderConfig, BlenderDataset
from pixelnerf.checkpoints.checkpoint import load_checkpoint
from pixelnerf.checkpoints.shared_weights import save_shared
from pixelnerf.config import parse_config
from pixelnerf.errors import UserError
from pixelnerf.evaluation.config import EvaluationConfig
from pixelnerf.evaluation.methods import downscaled, enlarge
from pixelnerf.evaluation.report import results_table
from pixelnerf.images.metrics import psnr, sharpness
from pixelnerf.model.image import render_image
from pixelnerf.refine.config import build_refiner
from pixelnerf.scenes.photos import scene_photos
from pixelnerf.types import View

ALL_TESTS = {"all": {"splits": ["test"], "categories": None, "objects_per_category": None}}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_blender(tmp_path_factory.mktemp("data") / "balls")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory, root):
    folder = tmp_path_factory.mktemp("model")
    return save_model(folder / "model.safetensors", root, "trainer.loader.batch.supersample=2")


@pytest.fixture(scope="module")
def refiners(tmp_path_factory, root, checkpoint):
    """Untrained ones, which change nothing."""
    folder = tmp_path_factory.mktemp("refiners")
    paths = {}
    for name in ("codebook", "reference"):
        config = refiner_config(name, folder, root, checkpoint)
        paths[name] = folder / f"{name}.safetensors"
        save_shared(paths[name], build_refiner(config.refiner), config.model_dump(mode="json"), 3)
    return paths


def balls(root):
    return yaml_values("dataset/blender", root=str(root), near=1.0, far=4.5)


def run(root, checkpoint, output, **changes):
    values = {
        "checkpoint": checkpoint,
        "renders": None,
        "shard": None,
        "output": output,
        "protocol": protocol_values(groups=ALL_TESTS, inputs={"name": "none"}, eight_bits=False),
        "dataset": balls(root),
        "device": "cpu",
        "rays_per_chunk": None,
        "quality": "exact",
        "turntables": False,
        "precision": "float32",
        "refiners": [],
        "bicubic": None,
        **changes,
    }
    return evaluate(parse_whole(EvaluationConfig, values))


@pytest.fixture(scope="module")
def result(root, checkpoint, refiners, tmp_path_factory):
    output = tmp_path_factory.mktemp("out")
    return run(root, checkpoint, output, refiners=list(refiners.values()), bicubic=2)


def test_one_table_has_all_methods(result, refiners):
    kinds = {one.method: one.kind for one in result.results.rows}
    assert kinds == {
        "model": "model",
        "codebook": "refined",
        "reference": "refined",
        "bicubic": "baseline",
        "background": "baseline",
    }
    assert result.results.refiners == {name: str(path) for name, path in refiners.items()}
    console = Console(width=200, file=io.StringIO())
    console.print(results_table(result.results))
    text, html = console.file.getvalue(), (result.output / "report.html").read_text()
    for title in ("this model", "+ codebook refiner", "+ reference refiner", "its low-resolution render, bicubic"):
        assert title in text
        assert title in html


def test_refiners_that_change_nothing_score_as_the_model_and_take_longer(result):
    model = row(result, "all", 0).means
    for name in ("codebook", "reference"):
        refined = row(result, "all", 0, name).means
        for metric in ("psnr", "ssim", "sharpness"):
            assert getattr(refined, metric) == pytest.approx(getattr(model, metric), abs=1e-6)
        assert refined.seconds > model.seconds > 0
    assert row(result, "all", 0, "background").means.seconds is None


def test_pictures_of_every_method_are_there(result):
    for name in ("codebook", "reference", "bicubic", "truth"):
        assert len(list(result.output.glob(f"pictures/balls/32x32/*_{name}.png"))) == 1


def test_the_low_resolution_render_is_what_training_compared(root, checkpoint, tmp_path):
    """Trained with 2x2 sub-pixels, a low-resolution pixel is their mean, not the render of one wide cone."""
    means = row(run(root, checkpoint, tmp_path, bicubic=4), "all", 0, "bicubic").means
    (scene,) = BlenderDataset(parse_config(BlenderConfig, balls(root), "")).scenes("test")
    net = load_checkpoint(checkpoint).net
    scores = []
    for view in range(scene.num_views):
        camera = scene.cameras()[view].scaled(0.5)
        with torch.no_grad():
            features = net.encode(scene_photos(scene, []))
            render = render_image(net, features, View(camera, scene.near, scene.far, torch.ones(3)))
        low = torch.nn.functional.avg_pool2d(render.color.movedim(-1, 0)[None], 2)
        assert low.shape == (1, 3, 8, 8)
        big = torch.nn.functional.interpolate(low, (32, 32), mode="bicubic").clamp(0, 1)[0]
        scores.append(psnr(big, scene.images([view])[0]))
    assert means.psnr == pytest.approx(sum(scores) / len(scores), abs=1e-4)


def test_enlarging_keeps_size_brightness_and_bounds():
    pictures = torch.rand(2, 6, 8, 3, generator=torch.Generator().manual_seed(0))
    big = enlarge(pictures, 4)
    assert big.shape == (2, 24, 32, 3)
    assert big.min() >= 0
    assert big.max() <= 1
    flat = torch.full((1, 6, 8, 3), 0.3)
    torch.testing.assert_close(enlarge(flat, 2), torch.full((1, 12, 16, 3), 0.3))
    torch.testing.assert_close(downscaled(flat, 2), torch.full((1, 3, 4, 3), 0.3))


def test_sharpness_falls_with_blur_and_rises_with_noise():
    generator = torch.Generator().manual_seed(0)
    truth = torch.rand(24, 24, 3, generator=generator)
    blurred = enlarge(downscaled(truth[None], 2), 2)[0]
    assert sharpness(truth, truth) == 1
    assert sharpness(blurred, truth) < 0.6
    assert sharpness(0.5 * truth, truth) == pytest.approx(0.5, abs=1e-4)
    noisy = blurred + 0.5 * torch.rand(24, 24, 3, generator=generator)
    assert sharpness(noisy, truth) > sharpness(blurred, truth)
    flat = torch.full((24, 24, 3), 0.5)
    assert sharpness(flat, flat) == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"refiners": "none.ckpt"}, "no such checkpoint: none.ckpt"),
        ({"refiners": "model"}, "holds no refiner but a model"),
        ({"refiners": "twice"}, "two refiners of the kind 'codebook'"),
        ({"bicubic": 3}, "bicubic=3 does not divide 32x32"),
        ({"bicubic": 1}, "config key 'bicubic' = 1"),
    ],
)
def test_a_mistake_is_one_line(root, checkpoint, refiners, tmp_path, changes, message):
    known = {"model": checkpoint, "twice": [refiners["codebook"]] * 2}
    with pytest.raises(UserError, match=message) as caught:
        run(root, checkpoint, tmp_path / "out", **{key: known.get(value, value) for key, value in changes.items()})
    assert "\n" not in str(caught.value)


def test_a_scene_without_the_reference_is_one_line(root, checkpoint, refiners, tmp_path):
    alone = write_blender(tmp_path / "other")
    content = json.loads((alone / "transforms_train.json").read_text())
    content["frames"] = content["frames"][:2]
    (alone / "transforms_train.json").write_text(json.dumps(content))
    other = tmp_path / "third.safetensors"
    config = refiner_config("reference", tmp_path, root, checkpoint, "refiner.reference_view=2")
    save_shared(other, build_refiner(config.refiner), config.model_dump(mode="json"), 3)
    with pytest.raises(UserError, match="training view 2 of each scene, which 'other' does not have"):
        run(alone, checkpoint, tmp_path / "out", refiners=str(other))
