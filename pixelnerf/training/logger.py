"""W&B's log of a run, which can fail without costing the run anything else."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import wandb
from lightning.pytorch.loggers import WandbLogger
from rich.console import Console
from typing_extensions import override

from pixelnerf.training.experiment import LoggerConfig


class RunLogger(WandbLogger):
    """W&B's logger for Lightning; the first error ends the log, with a line that says so, and training goes on.

    Args:
        config: the mode, the project, and the group.
        name: of the experiment.
        run_dir: the run's folder, where W&B writes.
        resolved: the whole configuration, as plain values.
    """

    def __init__(self, config: LoggerConfig, name: str, run_dir: Path, resolved: dict[str, Any]) -> None:
        # Copies of what is logged stay with the run, and not in the home folder.
        os.environ["WANDB_DATA_DIR"] = str(run_dir / "wandb")
        super().__init__(
            name=f"{name}/{run_dir.name}",
            save_dir=run_dir,
            project=config.project,
            group=config.group,
            offline=config.mode == "offline",
            # Our progress lines are enough; W&B would wrap the terminal's output.
            settings=wandb.Settings(console="off", silent=True),
        )
        # Lightning always passes this, and W&B warns that it has no effect.
        self._wandb_init.pop("anonymous", None)
        self._artifact = f"{name}-model".replace("/", "-")
        self._failed = False
        self.log_hyperparams(resolved)

    @property
    @override
    def experiment(self) -> Any:
        """W&B's run, or one that ignores all calls after an error or in later processes."""
        whole = WandbLogger.experiment.fget
        assert whole is not None
        found = None if self._failed else self._attempt(whole, self)
        return _NoRun() if found is None else found

    @override
    def log_hyperparams(self, params: Any) -> None:
        self._attempt(super().log_hyperparams, params)

    @override
    def log_metrics(self, metrics: Any, step: int | None = None) -> None:
        self._attempt(super().log_metrics, metrics, step)

    @override
    def log_image(self, key: str, images: list[Any], step: int | None = None, **kwargs: Any) -> None:
        self._attempt(super().log_image, key, images, step, **kwargs)

    def log_best_checkpoint(self, path: Path, score: float | None) -> None:
        """Adds the best checkpoint to the run as an artifact (with an offline run's files until synchronised)."""

        def log() -> None:
            artifact = wandb.Artifact(self._artifact, type="model", metadata={"val/psnr": score})
            artifact.add_file(str(path))
            self.experiment.log_artifact(artifact)

        if path.is_file():
            self._attempt(log)

    def close(self, succeeded: bool) -> None:
        """Ends W&B's run, so that its files are whole and the next run of this process gets one of its own."""
        self._attempt(lambda: self.experiment.finish(exit_code=0 if succeeded else 1))

    def _attempt(self, action: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        if self._failed:
            return None
        try:
            return action(*arguments, **options)
        except Exception as error:  # W&B raises its own, those of sockets, and those of files
            if self._failed:
                # What an action inside this one has said already.
                return None
            self._failed = True
            if isinstance(error, ConnectionError):
                _forget_service()
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            Console(stderr=True).print(
                f"W&B stopped logging ({reason}); training goes on without it (logger.mode=offline needs no service, "
                "logger.mode=disabled no W&B)",
                soft_wrap=True,
                markup=False,
            )
            return None


class _NoRun:
    """Stands for W&B's run after an error: ignores all calls."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *arguments, **options: None


def _forget_service() -> None:
    """Leaves W&B nothing to end with an error when the program ends; the process's next run gets a new service."""
    with suppress(Exception, SystemExit):
        wandb.teardown(exit_code=1)
    wandb.run = None
