"""One training run, from a validated configuration to checkpoints on disk."""

import logging
import signal
import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import lightning.pytorch as pl
import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO
from lightning.pytorch.callbacks import LearningRateMonitor, ModelCheckpoint, WeightAveraging
from lightning.pytorch.plugins import MixedPrecision, Precision
from lightning.pytorch.utilities import rank_zero_only
from lightning.pytorch.utilities.exceptions import SIGTERMException
from rich.console import Console
from torch import Tensor
from typing_extensions import override

from pixelnerf.checkpoints.checkpoint import Section, check_resumable, load_start
from pixelnerf.config import Config
from pixelnerf.errors import UserError
from pixelnerf.model.net import build_net
from pixelnerf.scenes.data_module import SceneDataModule, workers_ended
from pixelnerf.scenes.scene import SceneDataset
from pixelnerf.tools.device import uses_bfloat16
from pixelnerf.tools.files import file_written_whole, refusal_in_a_line, remove_partial
from pixelnerf.training.budget import Budget, CutShortError
from pixelnerf.training.callbacks import ProgressLine, ValidationCurve
from pixelnerf.training.encoding_period import repetition
from pixelnerf.training.experiment import ExperimentConfig, LoopConfig, RunConfig
from pixelnerf.training.logger import RunLogger
from pixelnerf.training.module import FewShotModule, NonFiniteLossError
from pixelnerf.training.processes import cluster_plugins, processes_started


@dataclass(frozen=True)
class TrainingResult:
    """Where a run ended, and its best validation PSNR in dB, None without a validation.

    If a signal stopped it, `step` is that of `last.ckpt`; zero if there is none yet.
    """

    run_dir: Path
    step: int
    minutes: float
    best_psnr: float | None
    stopped_by: signal.Signals | None


def train(config: ExperimentConfig, dataset: SceneDataset) -> TrainingResult:
    """Trains a model to the end of its budget, writing `checkpoints/{best,last}.ckpt` in the run's folder.

    `dataset` is the one that `config.dataset` describes.

    Raises:
        UserError: bad data, a checkpoint that does not fit, an unwritable folder, or a loss that became NaN (with the
            step, the objects, and a saved checkpoint).
    """
    budget = start_run(config, "model", config.model)
    if getattr(rank_zero_only, "rank", 0) == 0 and (note := repetition(config.model.position, dataset.scenes("train"))):
        Console(stderr=True).print(note, soft_wrap=True, markup=False)
    data = SceneDataModule(dataset, config.trainer.loader, config.seed)
    begins = config.resumed is None
    net = build_net(config.model, load_pretrained=begins and config.start_from is None)
    if begins and config.start_from is not None:
        load_start(config.start_from, net, "model", config.model)
    return fit(config, budget, FewShotModule(net, config, lambda: budget.progress), data)


def start_run(config: RunConfig[Any], section: Section, trained: Config) -> Budget:
    """Prepares a run: creates its folder, sets the seed, and returns its budget; `trained` is of the model or refiner.

    Raises:
        UserError: the folder cannot be written, or the checkpoint to resume from is missing or of something else.
    """
    checkpoints = config.run_dir / "checkpoints"
    if getattr(rank_zero_only, "rank", 0) == 0:
        with refusal_in_a_line(f"into {checkpoints}", "; choose another run_dir"):
            checkpoints.mkdir(parents=True, exist_ok=True)
            (checkpoints / ".writable").touch()
            (checkpoints / ".writable").unlink()
            remove_partial(checkpoints)
    torch.manual_seed(config.seed)
    # Advertising, and notes on internals that users cannot act on.
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", module="lightning.pytorch.utilities._pytree")
    warnings.filterwarnings("ignore", "Checkpoint directory .* exists and is not empty")
    if config.resumed is not None:
        check_resumable(config.resumed, section, trained, config.trainer.optimizer.name)
    loop = config.trainer
    return Budget(loop.max_steps, loop.max_minutes, loop.checkpoint_every, config.last_checkpoint)


def fit(
    config: RunConfig[Any], budget: Budget, module: pl.LightningModule, data: pl.LightningDataModule
) -> TrainingResult:
    """Runs Lightning's loop: checkpoints, the progress line, the validation curve, W&B.

    The module must log `train/psnr` and `val/psnr`, and store its configuration in checkpoints.

    Raises:
        UserError: the loss became NaN; the message has the step and the saved checkpoint.
    """
    with budget.signals_noted(), workers_ended():
        return _fit(config, budget, module, data)


def _fit(
    config: RunConfig[Any], budget: Budget, module: pl.LightningModule, data: pl.LightningDataModule
) -> TrainingResult:
    checkpoints = config.run_dir / "checkpoints"
    mode = config.logger.mode
    resolved = config.model_dump(mode="json")
    logger = RunLogger(config.logger, config.name, config.run_dir, resolved) if mode != "disabled" else None
    best = ModelCheckpoint(checkpoints, "best", "val/psnr", mode="max", enable_version_counter=False)
    callbacks: list[pl.Callback] = [
        # The average must be updated before the budget saves it.
        # Without a device it would keep the average where the model is now, which is not yet the GPU.
        WeightAveraging(training_device(config.trainer), multi_avg_fn=moving_average(config.trainer.ema_decay)),
        budget,
        ProgressLine(budget),
        ValidationCurve(config.run_dir, budget),
        best,
    ]
    if logger is not None:
        callbacks.append(LearningRateMonitor("step"))
    trainer = _build_trainer(config, callbacks, logger)
    finished, score = False, None
    try:
        _run_loop(trainer, module, data, config, budget)
        finished = budget.stopped_by is None
        score = float(best.best_model_score) if best.best_model_score is not None else None
        if logger is not None and trainer.is_global_zero:
            logger.log_best_checkpoint(checkpoints / "best.ckpt", score)
    finally:
        if logger is not None and trainer.is_global_zero:
            logger.close(finished)
    step = trainer.global_step if budget.stopped_by is None else budget.saved_step or 0
    return TrainingResult(config.run_dir, step, budget.seconds / 60, score, budget.stopped_by)


def _run_loop(
    trainer: pl.Trainer,
    module: pl.LightningModule,
    data: pl.LightningDataModule,
    config: RunConfig[Any],
    budget: Budget,
) -> None:
    try:
        trainer.fit(module, data, ckpt_path=config.resumed, weights_only=True)
    except NonFiniteLossError as error:
        path = config.run_dir / "checkpoints" / "nan.ckpt"
        trainer.save_checkpoint(path)
        raise UserError(f"{error}; the state is in {path}; lower trainer.optimizer.learning_rate") from None
    except (CutShortError, SIGTERMException):
        assert budget.stopped_by is not None, "only a signal cuts a run short"


def moving_average(decay: float) -> Callable[[list[Tensor], list[Tensor], Tensor], None]:
    """An exponential moving average whose decay rises to `decay`, so that the first weights are soon forgotten.

    It takes all tensors of one type at once, because a GPU's time would go into starting hundreds of small kernels.
    """

    def update(averages: list[Tensor], currents: list[Tensor], updates: Tensor) -> None:
        count = float(updates)
        weight = 1 - min(decay, (1 + count) / (10 + count))
        if averages[0].is_floating_point():
            torch._foreach_lerp_(averages, currents, weight)  # pyright: ignore[reportPrivateImportUsage]
        else:
            torch._foreach_copy_(averages, currents)  # pyright: ignore[reportPrivateImportUsage]

    return update


def training_device(config: LoopConfig) -> Literal["cuda", "cpu"]:
    """The type of device that a run trains on."""
    return "cuda" if config.accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available() else "cpu"


def _build_trainer(config: RunConfig[Any], callbacks: list[pl.Callback], logger: RunLogger | None) -> pl.Trainer:
    loop: LoopConfig = config.trainer
    device_type = training_device(loop)
    processes = processes_started(loop.devices)
    half = uses_bfloat16(loop.precision, device_type)
    return pl.Trainer(
        accelerator=loop.accelerator,
        devices=processes.on_this_machine,
        num_nodes=processes.machines,
        strategy="ddp" if processes.total > 1 else "auto",
        # The budget stops it.
        max_steps=-1,
        max_epochs=-1,
        val_check_interval=loop.validate_every,
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        gradient_clip_val=loop.gradient_clip,
        log_every_n_steps=loop.log_every,
        logger=logger if logger is not None else False,
        callbacks=callbacks,
        plugins=[
            _AtomicCheckpointIO(),
            _BFloat16Precision(device_type) if half else Precision(),
            *cluster_plugins(processes, device_type),
        ],
        # Each process reads its own share of every batch and validation.
        use_distributed_sampler=False,
        default_root_dir=config.run_dir,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


class _BFloat16Precision(MixedPrecision):
    """bfloat16 where autocast considers it safe, float32 weights, and validation in float32, like evaluation.

    Lightning refuses to clip the gradients of a fused optimiser, because float16's are scaled; bfloat16's are not.
    """

    def __init__(self, device_type: str) -> None:
        super().__init__("bf16-mixed", device_type)

    @override
    def clip_gradients(self, *args: Any, **options: Any) -> None:
        Precision.clip_gradients(self, *args, **options)

    @override
    @contextmanager
    def val_step_context(self) -> Generator[None, None, None]:
        yield


class _AtomicCheckpointIO(TorchCheckpointIO):
    """Checkpoints appear whole or not at all, so neither a crash nor a full disk leaves half a file."""

    @override
    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        place, way_out = f"the checkpoint {path}", "; the one before is whole: make room, and continue with resume=PATH"
        with refusal_in_a_line(place, way_out):
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            # Into an open file: given a path, torch would put the temporary name into the archive.
            with file_written_whole(Path(path)) as temporary, temporary.open("wb") as file:
                torch.save(checkpoint, file)
