"""The Lightning module of refiners: patches are trained on, whole views validated."""

from collections.abc import Callable
from typing import Any

import lightning.pytorch as pl
import torch
from jaxtyping import Float, UInt8
from numpy import ndarray
from torch import Tensor
from typing_extensions import override

from pixelnerf.images.metrics import psnr, sharpness
from pixelnerf.images.pictures import error_picture, side_by_side
from pixelnerf.refine.refiner import Refiner
from pixelnerf.refine.views import PatchBatch
from pixelnerf.training.module import NonFiniteLossError, step_seed
from pixelnerf.training.optimization import build_optimizer
from pixelnerf.training.refiner.data import ValidationPair
from pixelnerf.training.refiner.experiment import RefinerExperimentConfig


class RefinerModule(pl.LightningModule):
    """Trains a refiner. `progress` tells the spent share of the budget, which the learning rate follows.

    All randomness of a step comes from (seed, step, rank), so a resumed run repeats an unbroken one exactly.
    """

    def __init__(self, refiner: Refiner, config: RefinerExperimentConfig, progress: Callable[[], float]) -> None:
        super().__init__()
        self.net = refiner
        self.config = config
        self._refined: list[tuple[ValidationPair, Tensor]] = []
        self._progress = progress

    @override
    def training_step(self, batch: PatchBatch, batch_index: int) -> Float[Tensor, ""]:
        # Revived codes are drawn from the global generator, which the library offers no other for.
        with torch.random.fork_rng():
            torch.manual_seed(step_seed(self.config.seed, self.global_step, self.global_rank))
            losses = self.net.losses(batch)
        loss = torch.stack(list(losses.terms.values())).sum()
        if not torch.isfinite(loss):
            raise NonFiniteLossError(f"the loss is {loss.item()} at step {self.global_step}")
        with torch.no_grad():
            error = (losses.refined - batch.truth).square().mean()
            self.log("train/loss", loss.detach())
            self.log("train/psnr", -10 * torch.log10(error))
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

    @override
    def configure_optimizers(self) -> Any:
        optimizer, schedule = build_optimizer(self.net, self.config.trainer.optimizer, self._progress)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    @override
    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["config"] = self.config.model_dump(mode="json")

    def validation_strips(self, count: int) -> dict[str, UInt8[ndarray, "height width 3"]]:
        """render | refined | truth | error of the render | error of the refined, by the views' names."""
        strips = {}
        for pair, refined in self._refined[:count]:
            before, after, truth = (
                image.movedim(0, -1).float().numpy() for image in (pair.view.color, refined, pair.truth)
            )
            errors = [error_picture(before, truth), error_picture(after, truth)]
            strips[pair.name] = side_by_side([before, after, truth, *errors])
        return strips
