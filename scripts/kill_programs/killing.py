"""Starts a program in a fork, and kills it."""

import os
import random
import runpy
import signal
import sys
import time
from collections import Counter
from pathlib import Path

from moments import Moment
from programs import REPOSITORY, Program


def load_programs() -> None:
    """Imports what the programs import, once: every start is a fork of this process, which saves its seconds."""
    import torch

    import pixelnerf.app.cli
    import pixelnerf.app.programs.evaluate
    import pixelnerf.training.refiner.run
    import pixelnerf.training.run  # noqa: F401  (all are for the forks)

    torch.set_num_threads(1)


def log_of(folder: Path) -> Path:
    """What the runs in a folder printed."""
    return folder.with_suffix(".log")


def start(program: Program, data: Path, folder: Path) -> int:
    """Starts a program in a process, and a process group, of its own; returns its id."""
    process = os.fork()
    if process:
        return process
    os.setsid()
    with log_of(folder).open("a") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    sys.argv = [program.script, *program.arguments(data, folder)]
    try:
        runpy.run_path(str(REPOSITORY / program.script), run_name="__main__")
    except SystemExit as end:
        # Not sys.exit: the fork must not run what its parent registered for its own end. W&B's service is waited for.
        os._exit(end.code if isinstance(end.code, int) else 1)
    except BaseException:
        import traceback

        traceback.print_exc()
    os._exit(1)


def ended(process: int, wait: bool = False) -> int | None:
    """The exit status of a process; None while it runs."""
    found, status = os.waitpid(process, 0 if wait else os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if found else None


def killed(
    process: int, folder: Path, moment: Moment | None, delay: float, draw: random.Random, hits: Counter[str]
) -> int | None:
    """Kills a run at or soon after a moment, or after a delay; None if it was killed, its status if it ended before."""
    began = time.monotonic()
    hit = "any"
    while True:
        if (status := ended(process)) is not None:
            return status
        if moment is not None and moment(folder):
            # Somewhere in it, not always at its start.
            time.sleep(draw.choice((0, 0.001, 0.01, 0.1)))
            hit = moment.__name__
            break
        if moment is None and time.monotonic() - began > delay:
            break
        time.sleep(0.0005)
    if (status := ended(process)) is not None:
        return status
    try:
        os.killpg(process, signal.SIGKILL)
    except ProcessLookupError:
        # So early that it is not yet a group of its own.
        os.kill(process, signal.SIGKILL)
    ended(process, wait=True)
    hits[hit] += 1
    return None
