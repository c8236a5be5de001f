"""Photos of a capture that are left out, and the world that the others are in."""

import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from config_values import yaml_values
from dataset_checks import CONFIGS, scenes_of
from dataset_layouts import write_colmap, write_llff, write_transforms
from datasets_and_runs import parse_whole, train
from training_runs import TINY, compose_values

from pixelnerf.checkpoints.checkpoint import LoadedModel, check_world
from pixelnerf.checkpoints.migration import migrated
from pixelnerf.errors import UserError
from pixelnerf.training.experiment import ExperimentConfig

LAYOUTS = {"llff": write_llff, "transforms": write_transforms, "colmap": write_colmap}


@pytest.mark.parametrize("name", LAYOUTS)
def test_photos_are_left_out_and_splits_count_the_others(tmp_path, name):
    LAYOUTS[name](tmp_path)
    own_world = {"scale_world": False} if name == "llff" else {}
    everything = scenes_of(name, tmp_path, test_every=0, **own_world)[0]
    for split, views in (("train", [2, 7]), ("test", [1, 6, 8])):
        scene = scenes_of(name, tmp_path, split, test_every=2, leave_out=(0, "3-5"), **own_world)[0]
        assert scene.num_views == len(views)
        assert torch.equal(scene.images(range(len(views))), everything.images(views))
        assert torch.equal(scene.cameras().poses, everything.cameras().poses[views])


def test_the_world_of_a_capture_is_that_of_the_photos_that_are_used(tmp_path):
    write_llff(tmp_path)
    rows = np.load(tmp_path / "poses_bounds.npy")
    rows[0, 8], rows[0, 15] = 100.0, 0.01  # far away, and with a bound of another world
    np.save(tmp_path / "poses_bounds.npy", rows)
    scene = scenes_of("llff", tmp_path, test_every=0, leave_out=(0,))[0]
    # Near is 1.2 in any world; far tells by which photo the world was scaled.
    assert scene.far == pytest.approx(4.5 / 1.5 / 0.75)
    torch.testing.assert_close(scene.cameras().poses[:, :3, 3].mean(dim=0), torch.zeros(3), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("leave_out", "expected"),
    [
        (("3-",), "'3-' is neither a photo's number nor a range such as 14-34"),
        (("5-3",), "'5-3' ends before it begins"),
        ((-1,), "'-1' is neither"),
        (("7-9",), "has '7-9', but .*poses_bounds.npy' has the photos 0 to 8"),
        (("0-8",), "leaves no photo"),
    ],
)
def test_what_cannot_be_left_out_is_said(tmp_path, leave_out, expected):
    with pytest.raises((ValueError, UserError), match=expected):
        len(scenes_of("llff", write_llff(tmp_path), leave_out=leave_out)[0].images([0]))


@pytest.mark.parametrize(
    ("options", "fits"),
    [
        ({}, True),
        ({"downscale": 2, "test_every": 3, "near": 0.5}, True),
        ({"scale_world": False}, False),
        ({"leave_out": ("3",)}, False),
        ({"name": "llff"}, False),
    ],
)
def test_a_model_of_one_place_is_evaluated_in_its_world(tmp_path, options, fits):
    trained = {"name": "colmap", "root": str(tmp_path), "scale_world": True, "leave_out": ["3-4"]}
    model = LoadedModel(SimpleNamespace(reads_photos=False), {"dataset": trained}, 0)
    changes = {**trained, "images": "images_4", **options}
    config = CONFIGS.validate_python(yaml_values(f"dataset/{changes['name']}", **changes))
    ours = config.model_dump(mode="json")
    if fits:
        check_world(tmp_path, model, ours)
        return
    expected = re.escape("dataset=colmap dataset.scale_world=true dataset.leave_out=[3-4]")
    with pytest.raises(UserError, match=expected):
        check_world(tmp_path, model, ours)
    # A checkpoint from before the options was in the files' own world.
    older = LoadedModel(SimpleNamespace(reads_photos=False), migrated({"dataset": {"name": "colmap"}}), 0)
    if config.scale_world:
        with pytest.raises(UserError, match=r"dataset=colmap dataset\.scale_world=false"):
            check_world(tmp_path, older, ours)
    else:
        check_world(tmp_path, older, ours)
    # A model that renders from photos does not care.
    check_world(tmp_path, LoadedModel(SimpleNamespace(reads_photos=True), {"dataset": trained}, 0), ours)


@pytest.mark.parametrize(
    ("trained", "ours", "wanted"),
    [
        ((0.4, 6.6, 1.4), (1.2, 4.0, None), "dataset.near=0.4 dataset.far=6.6 dataset.half_depth=1.4"),
        ((0.4, 6.6, 1.4), (1.2, 4.0, 1.4), "dataset.near=0.4 dataset.far=6.6 dataset.half_depth=1.4"),
        ((1.2, 4.0, None), (0.4, 6.6, 1.4), "dataset.half_depth=null"),
        ((1.2, 4.0, None), (0.8, 1.8, None), None),
        ((0.4, 6.6, 1.4), (0.4, 6.6, 1.4), None),
    ],
)
def test_photos_with_frames_of_their_own_need_the_bounds_of_training(tmp_path, trained, ours, wanted):
    """Densities count in half of the bounds' range, which follows the scene's scale only where frames do."""
    before, now = (dict(zip(("near", "far", "half_depth"), values, strict=True)) for values in (trained, ours))
    model = LoadedModel(SimpleNamespace(reads_photos=True), {"dataset": before}, 0)
    if wanted is None:
        check_world(tmp_path, model, now)
    else:
        with pytest.raises(UserError, match=re.escape(f"evaluate it with {wanted}")):
            check_world(tmp_path, model, now)


FIVE_PHOTOS = ("dataset=colmap", "dataset.images=images_4", "dataset.near=1", "dataset.far=5")
TINY_MIPNERF = (
    "experiment=mipnerf_capture",
    "model.field.width=8",
    "model.field.depth=4",
    "model.renderer.coarse_samples=4",
    "model.renderer.placement.samples=4",
    "trainer.loader.batch.rays=16",
    "trainer.loader.batch.coarse_first=[]",
    "trainer.max_steps=2",
    "trainer.validate_every=1",
    "trainer.accelerator=cpu",
    "logger.mode=disabled",
)


def run_on_five_photos(tmp_path, *overrides):
    root = write_colmap(tmp_path / "capture", views=5)
    options = (f"run_dir={tmp_path / 'run'}", f"dataset.root={root}", *overrides)
    return train(parse_whole(ExperimentConfig, compose_values(*options)))


def test_one_held_out_photo_is_enough_for_a_model_of_one_place(tmp_path):
    result = run_on_five_photos(tmp_path, *TINY_MIPNERF, *FIVE_PHOTOS, "dataset.test_every=8")
    assert result.step == 2
    assert result.best_psnr is not None


def test_a_model_of_photos_says_at_once_that_one_held_out_photo_is_too_few(tmp_path):
    with pytest.raises(UserError, match=r"1 views, all of them inputs in validation"):
        run_on_five_photos(tmp_path, *TINY, *FIVE_PHOTOS, "dataset.test_every=8", "trainer.validate_every=6")
    assert not list((tmp_path / "run/checkpoints").iterdir()), "it trained first"
