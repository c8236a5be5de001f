"""What the programs do between composed values and the packages: they open the dataset and hand it over."""

from typing import Any, TypeVar

import torch
from rich.console import Console

from datasets.registry import build_dataset, parse_dataset
from pixelnerf.checkpoints.checkpoint import load_checkpoint
from pixelnerf.config import Config, parse_config
from pixelnerf.evaluation import run as evaluation_run
from pixelnerf.evaluation.config import EvaluationConfig
from pixelnerf.evaluation.run import EvaluationResult
from pixelnerf.training import run as training_run
from pixelnerf.training.experiment import ExperimentConfig, RefinerExperimentConfig
from pixelnerf.training.refiner import pairs as refiner_pairs
from pixelnerf.training.refiner import run as refiner_run
from pixelnerf.training.refiner.pairs import Pairs
from pixelnerf.training.run import TrainingResult

ConfigType = TypeVar("ConfigType", bound=Config)


def parse_whole(config_class: type[ConfigType], values: dict[str, Any]) -> ConfigType:
    """A configuration with its dataset validated by the reader's own class."""
    return parse_config(config_class, {**values, "dataset": parse_dataset(values["dataset"])}, "")


def train(config: ExperimentConfig) -> TrainingResult:
    return training_run.train(config, build_dataset(config.dataset))


def train_refiner(config: RefinerExperimentConfig) -> TrainingResult:
    return refiner_run.train_refiner(config, build_dataset(config.dataset))


def make_pairs(config: RefinerExperimentConfig, device: torch.device, console: Console) -> Pairs:
    return refiner_pairs.make_pairs(config, build_dataset(config.dataset), device, console)


def evaluate(config: EvaluationConfig) -> EvaluationResult:
    model, dataset = load_checkpoint(config.checkpoint), build_dataset(config.dataset)
    return evaluation_run.evaluate(model, config, dataset, (), Console(quiet=True))
