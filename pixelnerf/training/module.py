"""The Lightning module: training step, validation on frozen views, optimiser."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import lightning.pytorch as pl
import torch
from jaxtyping import Float, UInt8
from lightning.pytorch.loggers import WandbLogger
from numpy import ndarray
from torch import Tensor, nn
from typing_extensions import override

from pixelnerf.images.metrics import psnr, truncate_to_8_bits
from pixelnerf.images.pictures import comparison_strip
from pixelnerf.model.image import render_image
from pixelnerf.model.net import Net
from pixelnerf.scenes.data_module import ValidationItem
from pixelnerf.scenes.sampler import TrainBatch
from pixelnerf.training.experiment import ExperimentConfig, RunConfig
from pixelnerf.training.optimization import build_optimizer, pixel_means, training_loss
from pixelnerf.training.processes import check_photo_sizes, share_of_noise
from pixelnerf.types import ImageOutput


class NonFiniteLossError(Exception):
    """The loss became NaN or infinite; the message has the step and the objects."""


class RunModule(pl.LightningModule):
    """Common to training models and refiners: the optimiser, the configuration in checkpoints, the check for NaN.

    `progress` returns the spent share of the budget, which the learning rate follows. All randomness of a step comes
    from (seed, step), so a resumed run reproduces an uninterrupted one exactly.
    """

    def __init__(self, net: nn.Module, config: RunConfig[Any], progress: Callable[[], float]) -> None:
        super().__init__()
        self.net = net
        self.config = config
        self._progress = progress
        self._shown: list[tuple[Any, Any]] = []

    @property
    def step_seed(self) -> int:
        """The seed of this step's random numbers."""
        # Odd multipliers keep steps and seeds of one experiment apart; the mask is torch's range of seeds.
        return (self.config.seed * 1_000_003 + self.global_step * 7_919) & (2**63 - 1)

    def mean_over_processes(self, values: Tensor) -> Tensor:
        """The mean over the processes that train together, without a gradient."""
        return self.trainer.strategy.reduce(values.detach().clone(), reduce_op="mean")

    def log_step(self, loss: Tensor, error: Tensor, objects: Sequence[str] = ()) -> None:
        """Logs a step's loss, and the PSNR of its mean squared `error`, as means over processes.

        Raises:
            NonFiniteLossError: the loss is NaN or infinite, in any process.
        """
        mean_loss, mean_error = self.mean_over_processes(torch.stack([loss, error])).unbind()
        if not torch.isfinite(mean_loss):
            of = f", objects {', '.join(objects)}" if objects and not torch.isfinite(loss) else ""
            raise NonFiniteLossError(f"the loss is {mean_loss.item()} at step {self.global_step}{of}")
        self.log("train/loss", mean_loss)
        self.log("train/psnr", -10 * torch.log10(mean_error))

    @override
    def configure_optimizers(self) -> Any:
        optimizer, schedule = build_optimizer(self.net, self.config.trainer.optimizer, self._progress)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    @override
    def on_validation_epoch_start(self) -> None:
        self._shown.clear()

    @override
    def on_validation_end(self) -> None:
        shown = self._shown[: self.config.logger.panels]
        if shown and isinstance(self.logger, WandbLogger):
            strips = dict(self._strip(*one) for one in shown)
            self.logger.log_image("val/panels", list(strips.values()), step=self.global_step, caption=list(strips))

    @abstractmethod
    def _strip(self, item: Any, output: Any) -> tuple[str, UInt8[ndarray, "height width 3"]]:
        """The name and the pictures of one element of `_shown`."""

    @override
    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["config"] = self.config.model_dump(mode="json")


class FewShotModule(RunModule):
    """Trains a net."""

    net: Net
    config: ExperimentConfig
    # Number of views validated so far, and sums of their PSNR and opacity.
    _validated: Float[Tensor, "3"]

    @override
    def training_step(self, batch: TrainBatch, batch_index: int) -> Float[Tensor, ""]:
        generator = torch.Generator(self.device).manual_seed(self.step_seed)
        check_photo_sizes(batch.photos, self.trainer.strategy)
        features = self.net.encode(batch.photos)
        loss_config = self.config.trainer.loss
        train_coarse = loss_config.coarse_weight > 0
        with share_of_noise(self.global_rank, self.trainer.world_size):
            output = self.net.render(features, batch.rays, batch.background, generator, train_coarse)
        masked_pixels = self.mean_over_processes(batch.coverage.isfinite().sum().float())
        loss = training_loss(output, batch.colors, batch.coverage, loss_config, masked_pixels)
        error = (pixel_means(output.color.detach(), batch.colors.shape[1]) - batch.colors).square().mean()
        self.log_step(loss, error, batch.names)
        self.log("train/opacity", self.mean_over_processes(output.opacity.mean()))
        return loss

    @override
    def validation_step(self, item: ValidationItem | None, batch_index: int) -> None:
        if item is None:
            return
        features = self.net.encode(item.photos)
        for view, image in zip(item.views, item.images, strict=True):
            render = render_image(self.net, features, view)
            value = psnr(truncate_to_8_bits(render.color), image.movedim(0, -1))
            self._validated += self._validated.new_tensor([1.0, value, float(render.opacity.mean())])
            if view is item.views[0]:
                self._shown.append((item.to("cpu"), render.to("cpu")))

    @override
    def on_validation_epoch_start(self) -> None:
        super().on_validation_epoch_start()
        self._validated = torch.zeros(3, device=self.device)

    @override
    def on_validation_epoch_end(self) -> None:
        # Lightning's own mean over processes is wrong where they have different numbers of views.
        count, value, opacity = self.mean_over_processes(self._validated).unbind()
        self.log_dict({"val/psnr": value / count, "val/opacity": opacity / count})

    @override
    def _strip(self, item: ValidationItem, output: ImageOutput) -> tuple[str, UInt8[ndarray, "height width 3"]]:
        """input | prediction | truth | depth | error, of the item's first view."""
        return item.name, comparison_strip(
            item.photos.images[0, 0].movedim(0, -1).numpy() if item.photos.images.shape[1] else None,
            output.color.numpy(),
            item.images[0].movedim(0, -1).numpy(),
            output.distance.numpy(),
            output.opacity.numpy(),
            (item.views[0].near, item.views[0].far),
        )
