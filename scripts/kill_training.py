"""Kills a training run at random moments and checks that nothing is lost: `scripts/kill_training.py --kills 100`.

The run that is killed (SIGKILL, all of its processes) and continued by the same command until it ends must equal the
unbroken run: weights, averaged weights and optimiser bit for bit, every validation, and the best checkpoint.
"""

import argparse
import os
import random
import runpy
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from pixelnerf.entry import run_plain

REPOSITORY = Path(__file__).resolve().parents[1]
CUT_SHORT = (
    "experiment=quickstart",
    "trainer.max_minutes=null",
    "trainer.max_steps=24",
    "trainer.validate_every=8",
    "trainer.checkpoint_every=3",
    "trainer.log_every=1",
    "trainer.loader.batch.objects=2",
    "trainer.loader.batch.rays=16",
    "trainer.loader.val_scenes=2",
    "trainer.accelerator=cpu",
    "dataset.generator.categories=[airplane,car,chair]",
    "dataset.generator.objects=10",
    "dataset.generator.seen_train_objects=6",
    "dataset.generator.views=8",
    "dataset.generator.size=32",
)
"""Quickstart with little data, a checkpoint every three steps and three validations, without a limit in minutes."""

STATE = ("state_dict", "current_model_state", "averaging_state", "optimizer_states", "global_step")


def main() -> None:
    """Prints where each kill hit and exits with 1 at the first difference."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--folder", type=Path, default=Path("runs/kill_training"), help="emptied first")
    parser.add_argument("overrides", nargs="*", help="further ones, for instance dataset.root=PATH; begin with --")
    arguments = parser.parse_args()
    draw = random.Random(arguments.seed)
    shutil.rmtree(arguments.folder, ignore_errors=True)
    arguments.folder.mkdir(parents=True)
    overrides = [*CUT_SHORT, f"dataset.root={arguments.folder / 'data'}", *arguments.overrides, "resume=auto"]
    load_program()
    began = time.monotonic()
    whole = arguments.folder / "whole"
    process = start(whole, overrides)
    if ended(process, wait=True) != 0:
        raise SystemExit(f"the unbroken run failed; see {log_of(whole)}")
    duration = time.monotonic() - began
    print(f"unbroken: {duration:.0f} s")
    hits: Counter[str] = Counter()
    runs = 0
    while sum(hits.values()) < arguments.kills:
        broken = arguments.folder / f"broken_{runs}"
        status = None
        kills = 0
        while status is None:
            # Later kills of a run come late, so that it gets on.
            moment = WATCHED[draw.randrange(len(WATCHED))] if sum(hits.values()) < arguments.kills else None
            status = killed(start(broken, overrides), broken, moment, draw, duration, hits)
            kills += status is None
        if status != 0:
            raise SystemExit(f"status {status} after {kills} kills; see {log_of(broken)}")
        if difference := first_difference(whole, broken):
            raise SystemExit(f"{broken} differs from the unbroken run after {kills} kills: {difference}")
        print(f"run {runs}: equal after {kills} kills", flush=True)
        shutil.rmtree(broken)
        runs += 1
    print(f"{sum(hits.values())} kills of {runs} runs, all equal: {dict(hits)}")


def load_program() -> None:
    """Imports what training imports, once: every start is a fork of this process, which saves its seconds."""
    import torch

    import pixelnerf.training.refiner.run
    import pixelnerf.training.run  # noqa: F401  (all are for the forks)

    torch.set_num_threads(1)


def log_of(folder: Path) -> Path:
    """What the runs in a folder printed."""
    return folder.with_suffix(".log")


def start(folder: Path, overrides: list[str]) -> int:
    """Starts `train.py` in a process, and a process group, of its own; returns its id."""
    process = os.fork()
    if process:
        return process
    os.setsid()
    with log_of(folder).open("a") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    sys.argv = ["train.py", *overrides, f"hydra.run.dir={folder}"]
    try:
        runpy.run_path(str(REPOSITORY / "train.py"), run_name="__main__")
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


WATCHED: tuple[Moment | None, ...] = (None, None, writing_checkpoint, validating, writing_log, first_step)
"""None is any moment."""


def killed(
    process: int, folder: Path, moment: Moment | None, draw: random.Random, duration: float, hits: Counter[str]
) -> int | None:
    """Kills a run at or soon after a moment; None if it was killed, its status if it ended before."""
    began, delay = time.monotonic(), draw.uniform(0, duration)
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


def first_difference(whole: Path, broken: Path) -> str | None:
    """What differs between two finished runs."""
    import torch

    from pixelnerf.training.callbacks import read_curve

    curves = [[(point.step, point.psnr) for point in read_curve(run / "validation.csv")] for run in (whole, broken)]
    if curves[0] != curves[1]:
        return f"validation.csv: {curves[0]} and {curves[1]}"
    for name in ("last.ckpt", "best.ckpt"):
        states = [torch.load(run / "checkpoints" / name, weights_only=True) for run in (whole, broken)]
        for key in STATE:
            if (place := _unequal(*(state.get(key) for state in states))) is not None:
                return f"{name}: {key}{place}"
    if leftovers := [path.name for path in (broken / "checkpoints").iterdir() if path.suffix != ".ckpt"]:
        return f"left over: {leftovers}"
    return None


def _unequal(first: object, second: object) -> str | None:
    import torch

    if isinstance(first, torch.Tensor) and isinstance(second, torch.Tensor):
        return None if torch.equal(first, second) else ""
    if isinstance(first, dict) and isinstance(second, dict) and first.keys() == second.keys():
        pairs = [(key, first[key], second[key]) for key in first]
    elif isinstance(first, list | tuple) and isinstance(second, list | tuple) and len(first) == len(second):
        pairs = [(index, *pair) for index, pair in enumerate(zip(first, second, strict=True))]
    else:
        return None if type(first) is type(second) and first == second else ""
    for key, *pair in pairs:
        if (place := _unequal(*pair)) is not None:
            return f"[{key!r}]{place}"
    return None


if __name__ == "__main__":
    run_plain(main)
