"""A tiny model of one painted scene, and tiny trainings of refiners on its renders."""

from pathlib import Path

import torch
from datasets_and_runs import parse_whole
from training_runs import compose_values

from pixelnerf.checkpoints.shared_weights import save_shared
from pixelnerf.config import parse_config
from pixelnerf.model.config import ModelConfig
from pixelnerf.model.net import build_net
from pixelnerf.training.experiment import RefinerExperimentConfig

TINY_MODEL = (
    "experiment=tiny_nerf",
    "model.field.width=16",
    "model.field.depth=2",
    "model.renderer.coarse_samples=6",
    "logger.mode=disabled",
)
TINY_REFINER = {
    "codebook": ("refiner.codes=16", "refiner.code_channels=4"),
    "reference": ("refiner.grid=2",),
}
TINY_TRAINING = (
    "refiner.side=16",
    "refiner.overlap=4",
    "refiner.width=4",
    "refiner.halvings=2",
    "trainer.patches=2",
    "trainer.val_views=1",
    "trainer.max_steps=6",
    "trainer.validate_every=3",
    "trainer.checkpoint_every=3",
    "trainer.log_every=1",
    "trainer.optimizer.schedule=constant",
    "trainer.optimizer.warmup_share=0",
    "trainer.optimizer.learning_rate=1e-3",
    "trainer.accelerator=cpu",
    "pairs.validate_every=3",
    "logger.mode=disabled",
)


def save_model(path: Path, root: Path, *overrides: str) -> Path:
    """Random weights, as `train.py` would leave them after training at half the photos' size."""
    values = compose_values("run_dir=unused", f"dataset.root={root}", *TINY_MODEL, *overrides)
    torch.manual_seed(1)
    save_shared(path, build_net(parse_config(ModelConfig, values["model"], "model")), values, 5)
    return path


def refiner_config(name: str, run_dir: Path, root: Path, checkpoint: Path, *overrides: str) -> RefinerExperimentConfig:
    values = compose_values(
        f"experiment=refine_{name}",
        f"run_dir={run_dir}",
        f"checkpoint={checkpoint}",
        f"dataset.root={root}",
        *TINY_TRAINING,
        *TINY_REFINER[name],
        *overrides,
    )
    return parse_whole(RefinerExperimentConfig, values)
