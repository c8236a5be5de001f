"""The Lightning module: a training step, a validation of frozen views, the optimiser."""

from collections.abc import Callable
from typing import Any

import lightning.pytorch as pl
import torch
from jaxtyping import Float, UInt8
from numpy import ndarray
from torch import Tensor
from typing_extensions import override

from pixelnerf.images.metrics import psnr, truncate_to_8_bits
from pixelnerf.images.pictures import comparison_strip
from pixelnerf.model.image import ImageOutput, render_image
from pixelnerf.model.net import Net
from pixelnerf.scenes.data_module import ValidationItem
from pixelnerf.scenes.sampler import TrainBatch
from pixelnerf.training.experiment import ExperimentConfig
from pixelnerf.training.losses import pixel_means, training_loss
from pixelnerf.training.optimization import build_optimizer


class NonFiniteLossError(Exception):
    """The loss became NaN or infinite; says at which step and for which objects."""


class FewShotModule(pl.LightningModule):
    """Trains a net. `progress` tells the spent share of the budget, which the learning rate follows.

    All randomness of a step comes from (seed, step, rank), so a resumed run repeats an unbroken one exactly.
    """

    def __init__(self, net: Net, config: ExperimentConfig, progress: Callable[[], float]) -> None:
        super().__init__()
        self.net = net
        self.config = config
        self._renders: list[tuple[ValidationItem, ImageOutput]] = []
        self._progress = progress

    @override
    def training_step(self, batch: TrainBatch, batch_index: int) -> Float[Tensor, ""]:
        seed = step_seed(self.config.seed, self.global_step, self.global_rank)
        generator = torch.Generator(self.device).manual_seed(seed)
        features = self.net.encode(batch.photos)
        loss_config = self.config.trainer.loss
        train_coarse = loss_config.coarse_weight > 0
        output = self.net.render(features, batch.rays, batch.background, generator, train_coarse)
        loss = training_loss(output, batch.colors, batch.coverage, loss_config)
        if not torch.isfinite(loss):
            raise NonFiniteLossError(
                f"the loss is {loss.item()} at step {self.global_step}, objects {', '.join(batch.names)}"
            )
        with torch.no_grad():
            error = (pixel_means(output.color.detach(), batch.colors.shape[1]) - batch.colors).square().mean()
            self.log("train/loss", loss.detach())
            self.log("train/psnr", -10 * torch.log10(error))
            self.log("train/opacity", output.opacity.detach().mean())
        return loss

    @override
    def validation_step(self, item: ValidationItem, batch_index: int) -> None:
        features = self.net.encode(item.photos)
        for view, image in zip(item.views, item.images, strict=True):
            render = render_image(self.net, features, view)
            value = psnr(truncate_to_8_bits(render.color), image.movedim(0, -1))
            self.log("val/psnr", value, batch_size=1, on_epoch=True, sync_dist=True)
            self.log("val/opacity", render.opacity.mean(), batch_size=1, on_epoch=True, sync_dist=True)
            if view is item.views[0]:
                self._renders.append((item.to("cpu"), render.to("cpu")))

    @override
    def on_validation_epoch_start(self) -> None:
        self._renders.clear()

    @override
    def configure_optimizers(self) -> Any:
        optimizer, schedule = build_optimizer(self.net, self.config.trainer.optimizer, self._progress)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    @override
    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["config"] = self.config.model_dump(mode="json")

    def validation_strips(self, count: int) -> dict[str, UInt8[ndarray, "height width 3"]]:
        """input | prediction | truth | depth | error of the first frozen views, by their scenes."""
        return {
            item.name: comparison_strip(
                item.photos.images[0, 0].movedim(0, -1).numpy() if item.photos.images.shape[1] else None,
                render.color.numpy(),
                item.images[0].movedim(0, -1).numpy(),
                render.distance.numpy(),
                render.opacity.numpy(),
                (item.views[0].near, item.views[0].far),
            )
            for item, render in self._renders[:count]
        }


def step_seed(seed: int, step: int, rank: int) -> int:
    """The seed of a step's random numbers."""
    # Distinct odd multipliers keep (seed, step, rank) apart; the mask is torch's range of seeds.
    return (seed * 1_000_003 + step * 7_919 + rank * 104_729) & (2**63 - 1)
