"""Scenes that are wider than the period of a positional encoding are named before hours are spent on them."""

import math
import re

import pytest
import torch
from dataset_layouts import write_blender, write_llff
from datasets_and_runs import parse_whole, train
from training_runs import compose_values

from datasets.registry import build_dataset
from pixelnerf.geometry.encoding import positional_encoding
from pixelnerf.model.inputs import PositionConfig
from pixelnerf.training.encoding_period import repetition
from pixelnerf.training.experiment import ExperimentConfig


def position_config(**changes):
    values = {"frame": "world", "integrated": True, "min_degree": 0, "max_degree": 10, "scale": 1.0}
    return PositionConfig(**{**values, "include_input": False, **changes})


def scenes_of(root, *overrides):
    values = compose_values("experiment=mipnerf_blender", f"dataset.root={root}", "run_dir=unused", *overrides)
    return build_dataset(parse_whole(ExperimentConfig, values).dataset).scenes("train")


@pytest.fixture
def capture(tmp_path):
    """A capture that reaches 20 times as far as its nearest point."""
    return scenes_of(write_llff(tmp_path / "llff"), "dataset=llff", "dataset.images=images_4", "dataset.far=40")


def test_a_wide_scene_is_named_and_the_advice_helps(capture):
    note = repetition(position_config(), capture)
    assert note is not None
    extent = float(re.search(r"spans ([\d.]+) units", note)[1])
    scale = float(re.search(r"position\.scale=([\d.]+)", note)[1])
    degrees = int(re.search(r"max_degree=(\d+)", note)[1])
    assert repetition(position_config(scale=scale, max_degree=degrees), capture) is None
    assert scale * 2**degrees == 2**10  # the finest frequency stays
    # Two points of the scene that the model could not tell apart, and now can.
    points = torch.tensor([[0.3, 0.2, 0.1], [0.3, 0.2, 0.1 + 2 * math.pi]], dtype=torch.float64)
    assert extent > 2 * math.pi
    before, after = positional_encoding(points, 0, 10), positional_encoding(points, 0, degrees, scale)
    assert torch.allclose(before[0], before[1], atol=1e-6)
    assert (after[0] - after[1]).abs().max() > 0.5


@pytest.mark.parametrize("told_apart", [{"include_input": True}, {"frame": "view_normalized"}])
def test_encodings_that_tell_all_points_apart_pass(capture, told_apart):
    assert repetition(position_config(**told_apart), capture) is None


def test_normalised_device_coordinates_pass(tmp_path):
    scenes = scenes_of(write_llff(tmp_path), "dataset=llff", "dataset.images=images_4", "dataset.ndc=true")
    assert repetition(position_config(), scenes) is None


def test_a_blender_scene_passes_at_the_published_frequencies(tmp_path):
    root = write_blender(tmp_path / "scene", views=12, focal=1.3889 * 32)
    assert repetition(position_config(max_degree=16), scenes_of(root)) is None


def test_training_says_so_in_one_line(tmp_path, capsys):
    values = compose_values(
        "experiment=mipnerf_blender",
        "dataset=llff",
        f"dataset.root={write_llff(tmp_path / 'llff')}",
        *("dataset.images=images_4", "dataset.far=40", f"run_dir={tmp_path / 'run'}", "logger.mode=disabled"),
        *("model.field.width=16", "model.field.depth=2", "model.field.skip_after=1", "model.field.direction_width=8"),
        *("model.renderer.coarse_samples=4", "model.renderer.placement.samples=4", "trainer.loader.batch.rays=16"),
        *("trainer.max_steps=1", "trainer.accelerator=cpu", "trainer.loader.val_views=1"),
    )
    train(parse_whole(ExperimentConfig, values))
    lines = [line for line in capsys.readouterr().err.splitlines() if "model.position.scale" in line]
    assert len(lines) == 1
