"""Every YAML composes, validates, builds, and runs forward and backward."""

import copy
import importlib
import pkgutil
import re
from pathlib import Path

import pytest
import torch
from builders import random_photos, ring_cameras
from config_values import yaml_values
from datasets_and_runs import parse_whole
from hydra import compose, initialize_config_dir
from training_runs import REPOSITORY, compose_values

import datasets
import pixelnerf
from datasets.registry import parse_dataset
from pixelnerf.config import Config
from pixelnerf.errors import UserError
from pixelnerf.geometry.rays import image_rays
from pixelnerf.model.config import ModelConfig
from pixelnerf.model.net import build_net
from pixelnerf.refine.config import build_refiner
from pixelnerf.refine.refiner import Candidates, PatchBatch
from pixelnerf.training.experiment import ExperimentConfig, RefinerExperimentConfig
from pixelnerf.training.optimization import training_loss


def options(group: str) -> list[str]:
    folder = REPOSITORY / "conf" / group
    return sorted(str(path.relative_to(folder).with_suffix("")) for path in folder.rglob("*.yaml"))


def composed(*overrides: str) -> ExperimentConfig:
    return parse_whole(ExperimentConfig, compose_values("run_dir=unused", *overrides))


def run_both_ways(config: ExperimentConfig) -> None:
    values = copy.deepcopy(config.model.model_dump())
    if values["encoder"] is not None:
        values["encoder"]["pretrained"] = False
    model = type(config.model).model_validate(values)
    net = build_net(model).train()
    least = config.trainer.loader.batch.source_views[0]
    cameras = ring_cameras(1, 32)
    photos = random_photos(cameras).map_tensors(lambda tensor: tensor[:, : max(least, 0)])
    rays = image_rays(cameras[0, 0], 1.2, 4.0)[slice(500, 506)].map_tensors(lambda tensor: tensor[None])
    generator = torch.Generator().manual_seed(0)
    output = net.render(net.encode(photos), rays, torch.ones(1, 3), generator)
    loss = training_loss(output, torch.rand(1, 6, 3), torch.ones(1, 6), config.trainer.loss)
    loss.backward()
    assert torch.isfinite(loss)
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())


REFINERS = [name for name in options("experiment") if name.startswith("refine_")]


@pytest.mark.parametrize("name", sorted({*options("experiment")} - {*REFINERS}))
def test_every_experiment_runs(name):
    config = composed(f"experiment={name}")
    assert Path(name).name in config.name
    run_both_ways(config)


@pytest.mark.parametrize("name", REFINERS)
def test_every_training_of_a_refiner_runs(name):
    values = compose_values("run_dir=unused", f"experiment={name}", "checkpoint=any.ckpt")
    config = parse_whole(RefinerExperimentConfig, values)
    assert config.name == name
    refiner = build_refiner(config.refiner).train()
    patch = torch.rand(1, 3, config.refiner.side, config.refiner.side)
    candidates = Candidates(patch[None], torch.ones(1, 1, dtype=torch.bool)) if refiner.needs_reference else None
    loss = sum(refiner.losses(PatchBatch(patch, patch.flip(-1), candidates)).terms.values())
    loss.backward()
    assert torch.isfinite(loss)


def test_a_codebook_of_512_codes_is_one_option():
    values = compose_values("run_dir=unused", "experiment=refine_codebook", "checkpoint=any.ckpt", "refiner.codes=512")
    assert parse_whole(RefinerExperimentConfig, values).refiner.codes == 512


@pytest.mark.parametrize("name", options("model"))
def test_every_model_runs(name):
    config = composed(f"model={name}")
    assert config.model.name == name
    run_both_ways(config)


@pytest.mark.parametrize("name", [name for name in options("dataset") if not name.startswith("base/")])
def test_every_dataset_validates(name):
    composed(f"dataset={name}")


def config_classes(base: type[Config]) -> set[type[Config]]:
    return {found for child in base.__subclasses__() for found in (child, *config_classes(child))}


def test_defaults_have_one_home():
    """YAML has all values, so that no config class may fill in one of its own."""
    for package in (pixelnerf, datasets):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    classes = {found for found in config_classes(Config) if found.__module__.startswith(("pixelnerf.", "datasets."))}
    assert len(classes) > 40
    defaults = {
        f"{found.__module__}.{found.__qualname__}.{name}"
        for found in classes
        if found.__module__ != "pixelnerf.evaluation.published"  # its rows are data
        for name, field in found.model_fields.items()
        if not field.is_required()
    }
    assert not defaults


@pytest.mark.parametrize("key", ["cache_gib", "near", "generator.size"])
def test_a_missing_key_is_one_line(key):
    values = yaml_values("dataset/shapes13")
    *parents, last = key.split(".")
    del (values[parents[0]] if parents else values)[last]
    expected = f"config key 'dataset.{key}' is missing; set it with dataset.{key}=VALUE"
    with pytest.raises(UserError, match=f"^{re.escape(expected)}$"):
        parse_dataset(values)


def test_a_synset_stands_in_one_table():
    folders = ("conf", "datasets", "pixelnerf", "scripts")
    sources = [path for folder in folders for path in (REPOSITORY / folder).rglob("*")]
    text = "".join(path.read_text("utf-8") for path in sources if path.suffix in (".yaml", ".py"))
    synsets = {name: synset for name, synset in yaml_values("dataset/nmr")["synsets"].items() if name != "hybrid"}
    assert [name for name, synset in synsets.items() if text.count(f'"{synset}"') != 1] == []


@pytest.mark.parametrize("group", ["trainer", "logger"])
def test_every_option_validates(group):
    # The refiners' trainer is validated with their experiments.
    for name in {*options(group)} - {"refiner"}:
        composed(f"{group}={name}")


def leaves(values: dict, place: str = "") -> list[str]:
    found = []
    for key, value in values.items():
        here = f"{place}.{key}" if place else key
        found += leaves(value, here) if isinstance(value, dict) and value else [here]
    return found


@pytest.mark.parametrize("key", ["model.field.width", "trainer.loader.batch.rays", "dataset.near", "logger.mode"])
def test_a_typo_in_any_section_fails_with_its_name(key):
    values = compose_values("run_dir=unused")
    assert key in leaves(values)
    *parents, last = key.split(".")
    place = values
    for parent in parents:
        place = place[parent]
    place[last + "x"] = place.pop(last)
    with pytest.raises(UserError, match=f"{last}x.*did you mean '{last}'"):
        parse_whole(ExperimentConfig, values)


@pytest.mark.parametrize("name", options("variant"))
def test_every_variant_changes_one_thing_of_its_ablation(name):
    experiment = f"experiment=ablation/{Path(name).parent}"
    base, changed = (
        compose_values("run_dir=unused", experiment),
        compose_values("run_dir=unused", experiment, f"variant={name}"),
    )
    parse_whole(ExperimentConfig, changed)
    different = [key for key in leaves(base) if leaf(base, key) != leaf(changed, key)]
    # A first MLP that is not the second's needs a loss of its own.
    assert len(different) == {"base": 0, "two_fields": 2}.get(Path(name).name, 1), different


@pytest.mark.parametrize("name", options("experiment/ablation"))
def test_an_ablation_sweeps_over_all_its_variants(name):
    with initialize_config_dir(str(REPOSITORY / "conf"), version_base=None):
        hydra = compose("config", [f"experiment=ablation/{name}"], return_hydra_config=True).hydra
    assert hydra.mode.name == "MULTIRUN"
    swept = [part.strip() for part in hydra.sweeper.params.variant.split(",")]
    assert sorted(swept) == [variant for variant in options("variant") if Path(variant).parent.name == name]


def leaf(values: dict, key: str) -> object:
    for part in key.split("."):
        values = values[part]
    return values


def test_the_comparison_is_of_equal_work():
    ours, theirs = (composed(f"experiment=equal_work/{name}") for name in ("mip_pixelnerf", "pixelnerf"))
    assert (ours.model.name, theirs.model.name) == ("mip_pixelnerf", "pixelnerf")
    assert ours.trainer == theirs.trainer
    assert ours.dataset == theirs.dataset
    for key in ("backbone", "stages", "pretrained", "first_pool"):
        assert getattr(ours.model.encoder, key) == getattr(theirs.model.encoder, key)
    for key in ("width", "blocks", "injection_blocks"):
        assert getattr(ours.model.field, key) == getattr(theirs.model.field, key)
    work = [(model.renderer.coarse_samples, evaluations(model)) for model in (ours.model, theirs.model)]
    assert work[0] == work[1]


def evaluations(model: ModelConfig) -> int:
    """How many samples of a ray the second pass asks the field for."""
    net = build_net(model).eval()
    photos = random_photos(ring_cameras(1, 32)).map_tensors(lambda tensor: tensor[:, :1])
    rays = image_rays(ring_cameras(1, 32)[0, 0], 1.2, 4.0)[slice(0, 4)].map_tensors(lambda tensor: tensor[None])
    return net.render(net.encode(photos), rays, torch.ones(1, 3)).weights.shape[-1]


def test_an_mlp_that_nothing_would_train_is_refused():
    with pytest.raises(UserError, match="coarse_weight=0 would never train"):
        composed("model=nerf", "dataset=blender", "trainer.loss.coarse_weight=0")
    assert composed("model=mip_pixelnerf", "trainer.loss.coarse_weight=0").trainer.loss.coarse_weight == 0


def test_a_rule_between_keys_is_one_short_line():
    with pytest.raises(UserError) as refusal:
        composed("resume=last.ckpt", "start_from=other.ckpt")
    assert str(refusal.value) == (
        "config: resume continues a run and start_from starts a new one: set only one of them"
    )
    with pytest.raises(UserError) as refusal:
        composed("model.renderer.frustum=point")
    assert str(refusal.value).startswith("config key 'model': renderer.frustum=point has no size to integrate over")
    assert len(str(refusal.value)) < 200


def test_paths_may_begin_at_home_and_are_never_empty(monkeypatch):
    monkeypatch.setenv("HOME", "/srv/ada")
    assert composed('start_from="~/best.ckpt"').start_from == Path("/srv/ada/best.ckpt")
    assert composed('dataset.root="~/data"').dataset.root == Path("/srv/ada/data")
    for key in ("start_from", "dataset.root"):
        with pytest.raises(UserError, match=f"config key '{key}' = '': a path is empty"):
            composed(f"{key}=")
