"""Composed configurations and tiny training runs for the tests."""

from pathlib import Path

import torch
from datasets_and_runs import parse_whole
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from pixelnerf.training.experiment import ExperimentConfig

REPOSITORY = Path(__file__).resolve().parents[1]

TINY = (
    "trainer=default",
    "model.encoder.backbone=resnet18.tv_in1k",
    "model.encoder.pretrained=false",
    "model.encoder.stages=2",
    "model.field.width=16",
    "model.field.blocks=2",
    "model.field.injection_blocks=1",
    "model.renderer.coarse_samples=6",
    "model.renderer.placement.samples=6",
    "trainer.loader.batch.objects=2",
    "trainer.loader.batch.rays=24",
    "trainer.loader.val_scenes=2",
    "trainer.loader.val_views=1",
    "trainer.max_steps=6",
    "trainer.validate_every=3",
    "trainer.checkpoint_every=3",
    "trainer.log_every=1",
    "trainer.accelerator=cpu",
    "trainer.optimizer.learning_rate=1e-3",
    "trainer.ema_decay=0.9",
    "logger.mode=disabled",
)


def compose_values(*overrides: str) -> dict:
    """The plain values that `train.py` would see."""
    with initialize_config_dir(str(REPOSITORY / "conf"), version_base=None):
        return OmegaConf.to_container(compose("config", list(overrides)), resolve=True)


def tiny_config(run_dir: Path, root: Path, *overrides: str) -> ExperimentConfig:
    """A run of seconds on what `ball_scene.write_nmr` wrote at `root`."""
    data = ("dataset=nmr", f"dataset.root={root}", "dataset.categories=[airplane,chair]")
    return parse_whole(ExperimentConfig, compose_values(*data, f"run_dir={run_dir}", *TINY, *overrides))


def assert_equal(first, second, place=""):
    """Whether two nested states are equal, bit for bit."""
    if isinstance(first, torch.Tensor):
        assert torch.equal(first, second), place
    elif isinstance(first, dict):
        assert first.keys() == second.keys(), place
        for key in first:
            assert_equal(first[key], second[key], f"{place}.{key}")
    elif isinstance(first, list | tuple):
        for index, pair in enumerate(zip(first, second, strict=True)):
            assert_equal(*pair, f"{place}[{index}]")
    else:
        assert first == second, place
