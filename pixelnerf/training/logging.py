"""W&B logging: offline by default, sweeps as groups, panels of frozen views, the best checkpoint as an artifact."""

from pathlib import Path
from typing import Any, Literal

import wandb
from lightning.pytorch.loggers import WandbLogger
from pydantic import Field

from pixelnerf.config import Config


class LoggerConfig(Config):
    """`group` joins the runs of a sweep. `panels` is the number of validation views logged as pictures."""

    mode: Literal["offline", "online", "disabled"]
    project: str
    group: str | None
    panels: int = Field(ge=0)


def build_logger(config: LoggerConfig, name: str, run_dir: Path, resolved: dict[str, Any]) -> WandbLogger | None:
    """The W&B logger with the resolved configuration, or None when disabled."""
    if config.mode == "disabled":
        return None
    logger = WandbLogger(
        name=f"{name}/{run_dir.name}",
        save_dir=run_dir,
        project=config.project,
        group=config.group,
        offline=config.mode == "offline",
        # Our progress lines are enough; W&B would wrap the terminal's output.
        settings=wandb.Settings(console="off", silent=True),
    )
    # Lightning always passes this, and W&B warns that it has no effect.
    logger._wandb_init.pop("anonymous", None)
    logger.log_hyperparams(resolved)
    return logger


def log_best_checkpoint(logger: WandbLogger | None, path: Path, name: str, score: float | None) -> None:
    """Adds the best checkpoint to the run as an artifact (with an offline run's files until synchronised)."""
    if logger is None or not path.is_file():
        return
    artifact = wandb.Artifact(f"{name}-model".replace("/", "-"), type="model", metadata={"val/psnr": score})
    artifact.add_file(str(path))
    logger.experiment.log_artifact(artifact)
