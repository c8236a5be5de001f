"""One training run of a refiner, from a validated configuration to checkpoints on disk."""

import torch
from rich.console import Console

from pixelnerf.checkpoints.checkpoint import check_resumable, load_start
from pixelnerf.refine.config import build_refiner
from pixelnerf.scenes.scene import SceneDataset
from pixelnerf.training.refiner.data import PairDataModule
from pixelnerf.training.refiner.experiment import RefinerExperimentConfig
from pixelnerf.training.refiner.module import RefinerModule
from pixelnerf.training.refiner.pairs import make_pairs
from pixelnerf.training.run import TrainingResult, fit, start_run, training_device


def train_refiner(config: RefinerExperimentConfig, dataset: SceneDataset) -> TrainingResult:
    """Renders the pairs, then trains; `checkpoints/best.ckpt` is the best on the training views kept for validation.

    Raises:
        UserError: as `pixelnerf.training.run.train`, or the model's checkpoint does not fit.
    """
    budget = start_run(config)
    if config.resume is not None:
        check_resumable(config.resume, "refiner", config.refiner)
    refiner = build_refiner(config.refiner)
    if config.start_from is not None:
        load_start(config.start_from, refiner, "refiner", config.refiner)
    pairs = make_pairs(config, dataset, torch.device(training_device(config.trainer)), Console(stderr=True))
    module = RefinerModule(refiner, config, lambda: budget.progress)
    # Candidates are found on the CPU, like the pairs, by a copy: the refiner itself moves to the trainer's device.
    data = PairDataModule(pairs, build_refiner(config.refiner), config.trainer.patches, config.seed)
    return fit(config, budget, module, data)
