"""Pictures of the frozen validation views, logged to W&B."""

import lightning.pytorch as pl
from lightning.pytorch.loggers import WandbLogger
from typing_extensions import override

from pixelnerf.evaluation.pictures import comparison_strip
from pixelnerf.training.module import FewShotModule


class ValidationPanels(pl.Callback):
    """Logs input | prediction | truth | depth | error of the first frozen views after each validation."""

    def __init__(self, count: int) -> None:
        self._count = count

    @override
    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not isinstance(trainer.logger, WandbLogger):
            return
        assert isinstance(pl_module, FewShotModule), "only this module keeps its validation renders"
        renders = pl_module.validation_renders[: self._count]
        strips = [
            comparison_strip(
                item.photos.images[0, 0].movedim(0, -1).numpy() if item.photos.images.shape[1] else None,
                render.color.numpy(),
                item.images[0].movedim(0, -1).numpy(),
                render.distance.numpy(),
                render.opacity.numpy(),
                (item.near, item.far),
            )
            for item, render in renders
        ]
        if strips:
            names = [item.name for item, _ in renders]
            trainer.logger.log_image("val/panels", strips, step=trainer.global_step, caption=names)
