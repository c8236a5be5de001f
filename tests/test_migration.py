"""Configurations of older checkpoints are read in today's words."""

import copy

import pytest
from config_values import yaml_values
from datasets_and_runs import parse_whole
from training_runs import REPOSITORY, compose_values

from datasets.registry import parse_dataset
from pixelnerf.checkpoints.checkpoint import load_checkpoint
from pixelnerf.checkpoints.migration import migrated
from pixelnerf.training.experiment import ExperimentConfig


@pytest.mark.parametrize("name", ["shapes13", "shapes13_all"])
def test_the_shipped_weights_carry_a_configuration_that_is_valid_today(name):
    config = load_checkpoint(REPOSITORY / f"weights/{name}.safetensors").config
    parsed = parse_whole(ExperimentConfig, {**config, "run_dir": "unused", "resume": None, "start_from": None})
    assert {1, 2, 4, 8} == {*parsed.trainer.loader.batch.downscales}


@pytest.mark.parametrize("name", ["nmr", "nmr_sample", "shapes13_large"])
def test_a_table_of_categories_becomes_their_names_and_folders(name):
    values = yaml_values(f"dataset/{name}")
    older = {key: value for key, value in values.items() if key != "synsets"}
    older["categories"] = {category: values["synsets"][category] for category in values["categories"]}
    if "generator" in values:
        older["generator"] = {key: value for key, value in values["generator"].items() if key != "synsets"}
    today = migrated({"dataset": older})["dataset"]
    assert today["categories"] == values["categories"]
    assert today["synsets"].items() <= values["synsets"].items()
    assert parse_dataset(today).train_categories == parse_dataset(values).train_categories
    assert migrated({"dataset": today}) == {"dataset": today}
    assert migrated({"dataset": {"parts": {"a": older}}}) == {"dataset": {"parts": {"a": today}}}


@pytest.mark.parametrize(
    ("dataset", "old", "new"),
    [
        ("blender", {"shrink": [1, 4]}, {"downscales": [1, 4]}),
        ("dtu", {"shrink": 2}, {"downscale": 2}),
        ("llff", {"factor": 4, "shrink": 2}, {"images": "images_4", "downscale": 2}),
        ("llff", {"factor": 1}, {"images": "images"}),
        ("multicam", {"name": "multiscale_blender"}, {"name": "multicam"}),
        ("colmap", {"scale_world": None}, {"scale_world": False}),
    ],
)
def test_old_keys_become_todays(dataset, old, new):
    values = compose_values("run_dir=unused", f"dataset={dataset}", "trainer.loader.batch.downscales=[1,2,8]")
    expected = {**values, "dataset": {**values["dataset"], **new}}
    older = copy.deepcopy(values)
    older["trainer"]["loader"]["batch"]["resolution_scales"] = [1.0, 0.5, 0.125]
    del older["trainer"]["loader"]["batch"]["downscales"]
    for key in new:
        del older["dataset"][key]
    older["dataset"] |= {key: value for key, value in old.items() if value is not None}
    assert migrated(older) == expected
    assert migrated(expected) == expected


@pytest.mark.parametrize("dataset", ["nmr", "shapes13"])
def test_options_that_came_later_are_off(dataset):
    values = compose_values("run_dir=unused", f"dataset={dataset}")
    expected = copy.deepcopy(values)
    expected["dataset"]["half_side"] = None
    older = copy.deepcopy(values)
    del older["dataset"]["half_side"], older["dataset"]["half_depth"]
    del older["trainer"]["loader"]["batch"]["unbounded_share"], older["trainer"]["loader"]["batch"]["photo_damage"]
    for key in ("rig", "textures", "light"):
        older["dataset"].get("generator", {}).pop(key, None)
    del older["model"]["encoder"]["thin_channels"], older["model"]["field"]["photo_colors"]
    del older["trainer"]["loader"]["batch"]["up_error"], older["trainer"]["loader"]["batch"]["unknown_up_share"]
    assert migrated(older) == expected


def test_a_run_with_new_options_under_old_names_keeps_them():
    switched_on = ("model.encoder.thin_channels=16", "model.field.photo_colors=true")
    batch = ("trainer.loader.batch.unbounded_share=0.1", "trainer.loader.batch.downscales=[1,1,2]")
    expected = compose_values("run_dir=unused", "dataset=shapes13", *switched_on, *batch)
    older = copy.deepcopy(expected)
    del older["trainer"]["loader"]["batch"]["downscales"]
    older["trainer"]["loader"]["batch"]["resolution_scales"] = [1.0, 1.0, 0.5]
    assert older["dataset"]["half_side"] == 0.5
    assert migrated(older) == expected


@pytest.mark.parametrize("model", ["nerf", "mipnerf", "tiny_nerf"])
def test_models_of_one_scene_get_no_options_of_photos(model):
    values = {"model": yaml_values(f"model/{model}")}
    assert migrated(values) == values
