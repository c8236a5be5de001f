"""One training run of a refiner: on patches, validated on whole views, from a configuration to checkpoints on disk."""

import torch
from jaxtyping import Float, UInt8
from numpy import ndarray
from rich.console import Console
from torch import Tensor
from typing_extensions import override

from pixelnerf.checkpoints.checkpoint import load_start
from pixelnerf.images.metrics import psnr, sharpness
from pixelnerf.images.pictures import error_picture, side_by_side
from pixelnerf.refine.config import build_refiner
from pixelnerf.refine.refiner import PatchBatch, Refiner
from pixelnerf.scenes.scene import SceneDataset
from pixelnerf.training.experiment import RefinerExperimentConfig
from pixelnerf.training.module import RunModule
from pixelnerf.training.refiner.data import PairDataModule
from pixelnerf.training.refiner.pairs import Pair, make_pairs
from pixelnerf.training.run import TrainingResult, fit, start_run, training_device


def train_refiner(config: RefinerExperimentConfig, dataset: SceneDataset) -> TrainingResult:
    """Renders the pairs, then trains; `checkpoints/best.ckpt` is the best on the training views kept for validation.

    Raises:
        UserError: as `pixelnerf.training.run.train`, or the model's checkpoint does not fit.
    """
    budget = start_run(config, "refiner", config.refiner)
    refiner = build_refiner(config.refiner)
    if config.start_from is not None:
        load_start(config.start_from, refiner, "refiner", config.refiner)
    pairs = make_pairs(config, dataset, torch.device(training_device(config.trainer)), Console(stderr=True))
    module = RefinerModule(refiner, config, lambda: budget.progress)
    # Candidates are found on the CPU, like the pairs, by a copy: the refiner itself moves to the trainer's device.
    data = PairDataModule(pairs, build_refiner(config.refiner), config.trainer.patches, config.seed)
    return fit(config, budget, module, data)


class RefinerModule(RunModule):
    """Trains a refiner."""

    net: Refiner

    @override
    def training_step(self, batch: PatchBatch, batch_index: int) -> Float[Tensor, ""]:
        # The library draws revived codes from the global generator, and takes no other.
        with torch.random.fork_rng():
            torch.manual_seed(self.step_seed)
            losses = self.net.losses(batch)
        loss = torch.stack(list(losses.terms.values())).sum()
        self.log_step(loss, (losses.refined.detach() - batch.truth).square().mean())
        self.log_dict({f"train/{name}": term.detach() for name, term in losses.terms.items()})
        self.log_dict(self.net.health())
        return loss

    @override
    def validation_step(self, pair: Pair, batch_index: int) -> None:
        refined = self.net.refine(pair.view, pair.reference)
        truth = pair.truth().to(refined.device).movedim(0, -1)
        values = {}
        for suffix, image in (("", refined), ("_unrefined", pair.view.color)):
            picture = image.movedim(0, -1)
            values[f"val/psnr{suffix}"] = psnr(picture, truth)
            values[f"val/sharpness{suffix}"] = sharpness(picture, truth)
        self.log_dict(values, batch_size=1, on_epoch=True, sync_dist=True)
        self._shown.append((pair.to("cpu"), refined.cpu()))

    @override
    def _strip(self, item: Pair, output: Tensor) -> tuple[str, UInt8[ndarray, "height width 3"]]:
        """render | refined | truth | error of render | error of refined."""
        images = (item.view.color, output, item.truth())
        before, after, truth = (image.movedim(0, -1).float().numpy() for image in images)
        errors = [error_picture(before, truth), error_picture(after, truth)]
        return item.name, side_by_side([before, after, truth, *errors])
