"""Pictures of the frozen validation views, logged to W&B."""

from typing import Protocol, runtime_checkable

import lightning.pytorch as pl
from jaxtyping import UInt8
from lightning.pytorch.loggers import WandbLogger
from numpy import ndarray
from typing_extensions import override


@runtime_checkable
class ShowsValidation(Protocol):
    """A module that can show its last validation."""

    def validation_strips(self, count: int) -> dict[str, UInt8[ndarray, "height width 3"]]:
        """Strips of pictures of the first frozen views, by name."""
        ...


class ValidationPanels(pl.Callback):
    """Logs the strips of the first frozen views after each validation."""

    def __init__(self, count: int) -> None:
        self._count = count

    @override
    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not isinstance(trainer.logger, WandbLogger):
            return
        assert isinstance(pl_module, ShowsValidation), "modules that are trained with panels have some to show"
        strips = pl_module.validation_strips(self._count)
        if strips:
            trainer.logger.log_image(
                "val/panels", list(strips.values()), step=trainer.global_step, caption=list(strips)
            )
