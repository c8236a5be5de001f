"""The Lightning module of refiners: training on patches, validation on whole views."""

from collections.abc import Callable

import torch
from jaxtyping import Float, UInt8
from numpy import ndarray
from torch import Tensor
from typing_extensions import override

from pixelnerf.images.metrics import psnr, sharpness
from pixelnerf.images.pictures import error_picture, side_by_side
from pixelnerf.refine.refiner import Refiner
from pixelnerf.refine.views import PatchBatch
from pixelnerf.training.module import RunModule
from pixelnerf.training.refiner.data import ValidationPair
from pixelnerf.training.refiner.experiment import RefinerExperimentConfig


class RefinerModule(RunModule):
    """Trains a refiner."""

    net: Refiner

    def __init__(self, refiner: Refiner, config: RefinerExperimentConfig, progress: Callable[[], float]) -> None:
        super().__init__(refiner, config, progress)
        self._refined: list[tuple[ValidationPair, Tensor]] = []

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
    def validation_step(self, pair: ValidationPair, batch_index: int) -> None:
        refined = self.net.refine(pair.view, pair.reference)
        truth = pair.truth.movedim(0, -1)
        for suffix, image in (("", refined), ("_unrefined", pair.view.color)):
            picture = image.movedim(0, -1)
            values = {f"val/psnr{suffix}": psnr(picture, truth), f"val/sharpness{suffix}": sharpness(picture, truth)}
            self.log_dict(values, batch_size=1, on_epoch=True, sync_dist=True)
        self._refined.append((pair.to("cpu"), refined.cpu()))

    @override
    def on_validation_epoch_start(self) -> None:
        self._refined.clear()

    def validation_strips(self, count: int) -> dict[str, UInt8[ndarray, "height width 3"]]:
        """render | refined | truth | error of render | error of refined, by view name."""
        strips = {}
        for pair, refined in self._refined[:count]:
            before, after, truth = (
                image.movedim(0, -1).float().numpy() for image in (pair.view.color, refined, pair.truth)
            )
            errors = [error_picture(before, truth), error_picture(after, truth)]
            strips[pair.name] = side_by_side([before, after, truth, *errors])
        return strips
