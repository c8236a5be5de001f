"""Kills a program at random moments and checks that nothing is lost: `scripts/kill_programs.py training --kills 100`.

A run that is killed (SIGKILL, all of its processes) and started again by the same command until it ends must leave what
the unbroken run leaves. A training: weights, averaged weights and optimiser bit for bit, every validation, and the best
checkpoint. The others: the same files, byte for byte except for seconds.
"""

import argparse
import csv
import io
import json
import os
import random
import runpy
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pixelnerf.entry import run_plain

REPOSITORY = Path(__file__).resolve().parents[1]
WEIGHTS = REPOSITORY / "weights/shapes13.safetensors"
LITTLE = {"categories": ("airplane", "car", "chair"), "objects": 10, "seen_train_objects": 6, "views": 8, "size": 32}
"""Of the built-in data. Views of an evaluation are 24, which its protocol names."""
STATE = ("state_dict", "current_model_state", "averaging_state", "optimizer_states", "global_step")

Moment = Callable[[Path], bool]
"""Whether a run in a folder is at a moment of interest."""


@dataclass(frozen=True)
class Program:
    """What is run to write a folder, given one with data.

    Attributes:
        script: below the repository.
        arguments: from the folder of data, and the one that is written.
        difference: what differs between the folders of two finished runs; None if nothing.
        moments: when it may be killed; None is any moment.
    """

    script: str
    arguments: Callable[[Path, Path], list[str]]
    difference: Callable[[Path, Path], str | None]
    moments: tuple[Moment | None, ...] = (None,)


def main() -> None:
    """Prints where each kill hit and exits with 1 at the first difference."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("program", choices=sorted(PROGRAMS))
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--folder", type=Path, help="emptied first; by default runs/killed_PROGRAM")
    arguments = parser.parse_args()
    program, draw = PROGRAMS[arguments.program], random.Random(arguments.seed)
    folder: Path = (arguments.folder or Path("runs") / f"killed_{arguments.program}").absolute()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    load_programs()
    data = folder / "data"
    if arguments.program not in ("shapes13", "training"):
        prepare(arguments.program, data)
    began = time.monotonic()
    whole = folder / "whole"
    if ended(start(program, data, whole), wait=True) != 0:
        raise SystemExit(f"the unbroken run failed; see {log_of(whole)}")
    duration = time.monotonic() - began
    print(f"unbroken: {duration:.0f} s", flush=True)
    hits: Counter[str] = Counter()
    runs = 0
    while sum(hits.values()) < arguments.kills:
        broken = folder / f"broken_{runs}"
        status = None
        kills = 0
        while status is None:
            enough = sum(hits.values()) >= arguments.kills
            moment = None if enough else draw.choice(program.moments)
            delay = float("inf") if enough else draw.uniform(0, duration)
            status = killed(start(program, data, broken), broken, moment, delay, draw, hits)
            kills += status is None
        if status != 0:
            raise SystemExit(f"status {status} after {kills} kills; see {log_of(broken)}")
        if difference := program.difference(whole, broken):
            raise SystemExit(f"{broken} differs from the unbroken run after {kills} kills: {difference}")
        print(f"run {runs}: equal after {kills} kills", flush=True)
        shutil.rmtree(broken)
        runs += 1
    print(f"{sum(hits.values())} kills of {runs} runs, all equal: {dict(hits)}")


def training(data: Path, output: Path) -> list[str]:
    """Quickstart with little data, a checkpoint every three steps and three validations, without a limit in minutes."""
    return [
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
        *composed("dataset.generator", LITTLE),
        f"dataset.root={data}",
        "resume=auto",
        f"hydra.run.dir={output}",
    ]


def refiner(data: Path, output: Path) -> list[str]:
    """Pairs of a few objects' views, and a few steps of a refiner on them."""
    return [
        "experiment=refine_codebook",
        "dataset=shapes13",
        f"dataset.root={data}",
        *composed("dataset.generator", LITTLE),
        f"checkpoint={WEIGHTS}",
        "pairs.input_views=1",
        "pairs.views=4",
        f"pairs.folder={output / 'pairs'}",
        "refiner.side=16",
        "refiner.overlap=4",
        "refiner.width=4",
        "refiner.halvings=2",
        "refiner.codes=16",
        "refiner.code_channels=4",
        "trainer.patches=2",
        "trainer.val_views=1",
        "trainer.max_steps=6",
        "trainer.validate_every=3",
        "trainer.checkpoint_every=3",
        "trainer.accelerator=cpu",
        "logger.mode=disabled",
        "resume=auto",
        f"hydra.run.dir={output}",
    ]


def evaluation(data: Path, output: Path) -> list[str]:
    """Baked views of three objects."""
    return [
        f"checkpoint={WEIGHTS}",
        "protocol=shapes13_unseen",
        "protocol.groups.seen.objects_per_category=1",
        "protocol.groups.seen.categories=[airplane,car]",
        "protocol.groups.unseen.categories=[chair]",
        "protocol.groups.unseen.objects_per_category=1",
        *composed("dataset.generator", LITTLE | {"views": 24}),
        f"dataset.root={data}",
        "quality=baked",
        "device=cpu",
        f"output={output}",
    ]


def shapes13(data: Path, output: Path) -> list[str]:
    """Thirty objects."""
    chosen = ["--categories", *LITTLE["categories"], "--objects", "10", "--seen-train", "6"]
    return [*chosen, "--views", "8", "--size", "32", "--workers", "2", "--root", str(output)]


def meshes(data: Path, output: Path) -> list[str]:
    """Solids."""
    return [str(data), str(output), "--size", "32", "--views", "8", "--workers", "2", "--seed", "3"]


def render(data: Path, output: Path) -> list[str]:
    """One photo; pages have their folder's name in them, so it is the same in all runs."""
    chosen = ["--size", "32", "--frames", "4", "--device", "cpu"]
    return ["render", str(data / "photo.png"), "--output", str(output / "photo"), *chosen]


def composed(prefix: str, values: dict[str, Any]) -> list[str]:
    """Overrides, as Hydra reads them."""
    texts = {key: f"[{','.join(value)}]" if isinstance(value, tuple) else value for key, value in values.items()}
    return [f"{prefix}.{key}={value}" for key, value in texts.items()]


def prepare(name: str, data: Path) -> None:
    """What a program reads."""
    data.mkdir()
    if name == "meshes":
        import trimesh

        for number in range(12):
            folder = data / ("ball", "box")[number % 2]
            folder.mkdir(exist_ok=True)
            solid = (trimesh.creation.icosphere(2), trimesh.creation.box((1, 2, 1)))[number % 2]
            solid.apply_scale(1 + number / 10)
            solid.export(folder / f"{number}.obj")
    elif name == "render":
        from PIL import Image, ImageDraw

        photo = Image.new("RGB", (128, 128), "white")
        ImageDraw.Draw(photo).ellipse([30, 40, 100, 90], fill="firebrick")
        photo.save(data / "photo.png")


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


def different_training(whole: Path, broken: Path) -> str | None:
    """What differs between two finished trainings, and the pairs of a refiner's."""
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
    return different_files(whole / "pairs", broken / "pairs")


def different_files(whole: Path, broken: Path) -> str | None:
    """The first file that differs, or that only one folder has. A report, which says how long all took, may differ."""
    contents = []
    for root in (whole, broken):
        files = sorted(path for path in root.rglob("*") if path.is_file() and path.name != "report.html")
        contents.append({str(path.relative_to(root)): _content(path, root) for path in files})
    first, second = contents
    unequal = (name for name in sorted(first.keys() | second.keys()) if first.get(name) != second.get(name))
    return next(unequal, None)


def _content(path: Path, root: Path) -> object:
    """Bytes, with the folder's own path left out; JSON and CSV without seconds."""
    content = path.read_bytes().replace(str(root).encode(), b"")
    if path.suffix == ".csv":
        return _without_seconds(list(csv.DictReader(io.StringIO(content.decode()))))
    return _without_seconds(json.loads(content)) if path.suffix == ".json" else content


def _without_seconds(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_seconds(item) for key, item in value.items() if "seconds" not in key}
    return [_without_seconds(item) for item in value] if isinstance(value, list) else value


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


WATCHED = (None, None, writing_checkpoint, validating, writing_log, first_step)
PROGRAMS = {
    "training": Program("train.py", training, different_training, WATCHED),
    "refiner": Program("train.py", refiner, different_training),
    "evaluation": Program("eval_fewshot.py", evaluation, different_files),
    "shapes13": Program("scripts/make_shapes13.py", shapes13, different_files),
    "meshes": Program("scripts/render_meshes.py", meshes, different_files),
    "render": Program("pixelnerf/app/cli.py", render, different_files),
}


if __name__ == "__main__":
    run_plain(main)
