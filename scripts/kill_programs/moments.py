"""Moments of a training at which it is worth killing."""

import time
from collections.abc import Callable
from pathlib import Path

Moment = Callable[[Path], bool]
"""Whether a run in a folder is at a moment of interest."""


def writing_checkpoint(folder: Path) -> bool:
    """A checkpoint is half written."""
    return any((folder / "checkpoints").glob(".partial-*"))


def validating(folder: Path) -> bool:
    """A state was saved before a validation whose row is not there yet."""
    last, curve = folder / "checkpoints/last.ckpt", folder / "validation.csv"
    return last.is_file() and (not curve.is_file() or curve.stat().st_mtime < last.stat().st_mtime)


def writing_log(folder: Path) -> bool:
    """W&B has just written."""
    newest = max((path.stat().st_mtime for path in folder.glob("wandb/*/*.wandb")), default=0.0)
    return time.time() - newest < 0.01


def first_step(folder: Path) -> bool:
    """The run has begun, and has no checkpoint yet."""
    return (folder / "wandb").is_dir() and not (folder / "checkpoints/last.ckpt").exists()
