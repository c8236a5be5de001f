"""Damaged inputs, always the same for a seed, and the limits within which a program reads them."""

import json
import multiprocessing
import os
import random
import resource
import shutil
import signal
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import cv2

from pixelnerf.errors import UserError

SLOWEST = 10.0
"""Seconds of processor time for one input; ten times as many by the clock."""
MOST_MEMORY = 1 << 30
"""Bytes that a batch of inputs may add to the process."""
TOKENS = [b"NaN", b"-1", b"0", b"1e400", b"null", b"[]", b"../..", b"\xff\xfe", b"\x00", b"999999999999"]
VALUES = [None, True, -1, 0, 1e400, float("nan"), 10**12, 10**400, 1e-300, "", "x", "../..", "\x00", [], {}, [[1], 2]]
TREES = (".json", ".gltf")


def damaged_tree(draw: random.Random, tree: Any) -> Any:
    """A copy of nested lists and dictionaries in which one value or key is another, absent or there twice."""
    if not isinstance(tree, dict | list) or not tree or draw.random() < 0.15:
        return draw.choice(VALUES)
    if isinstance(tree, list):
        index = draw.randrange(len(tree))
        changed = [damaged_tree(draw, tree[index])] if draw.random() < 0.8 else [tree[index]] * draw.choice((0, 2))
        return [*tree[:index], *changed, *tree[index + 1 :]]
    key = draw.choice(list(tree))
    rest = {name: value for name, value in tree.items() if name != key}
    return rest if draw.random() < 0.1 else {**rest, key: damaged_tree(draw, tree[key])}


def damaged_bytes(draw: random.Random, content: bytes) -> bytes:
    """What transfers and editors leave of a file."""
    kind, place, end = draw.randrange(5), draw.randrange(len(content) + 1), 0
    if kind == 0:
        return content[:place]
    if kind == 1:
        return content[:place] + draw.choice(TOKENS) + content[place:]
    if kind == 2:
        end = place + draw.randrange(1, 9)
        return content[:place] + draw.randbytes(draw.randrange(9)) + content[end:]
    if kind == 3:
        words = content.split(b" ")
        words[draw.randrange(len(words))] = draw.choice(TOKENS)
        return b" ".join(words)
    return content[:place] + content[place + draw.randrange(1, 200) :]


def damage_a_file(draw: random.Random, root: Path, folder: str = ".") -> None:
    """Deletes or damages one of the files in a folder, seldom a photo. What is linked to it stays as it is."""
    files = [path for path in sorted((root / folder).rglob("*")) if path.is_file()]
    fragile = [path for path in files if path.suffix != ".png"]
    path = draw.choice(fragile if fragile and draw.random() < 0.7 else files)
    content = path.read_bytes()
    path.unlink()
    if draw.random() < 0.15:
        return
    if path.suffix in TREES and draw.random() < 0.5:
        path.write_text(json.dumps(damaged_tree(draw, json.loads(content))))
    else:
        path.write_bytes(damaged_bytes(draw, content))


@dataclass(frozen=True)
class Kind:
    """A kind of input: how a whole one is written into a new folder, read from there, and damaged."""

    write: Callable[[Path], Any]
    read: Callable[[Path], Any]
    damage: Callable[[random.Random, Path], None] = damage_a_file


def files_of(root: Path) -> dict[Path, tuple[int, int, int]]:
    """Every file below a folder, and what changes if anyone writes to it."""
    stats = {path: path.stat() for path in sorted(root.rglob("*")) if path.is_file()}
    return {path: (stat.st_ino, stat.st_size, stat.st_mtime_ns) for path, stat in stats.items()}


def read_damaged(name: str, kind: Kind, whole: Path, folder: Path, seed: int) -> str:
    """Reads the seed's damaged copy of an input; what is wrong with how that went, or nothing."""
    draw = random.Random(f"{name} {seed}")
    root = shutil.copytree(whole, folder / str(seed), copy_function=os.link)
    kind.damage(draw, root)
    before = files_of(folder) | files_of(whole)
    problem = ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            kind.read(root)
    except UserError as error:
        if "\n" in str(error):
            problem = f"several lines: {str(error)[:300]!r}"
        elif _ran_out_of_memory(error):
            problem = f"more than {MOST_MEMORY >> 20} MiB asked for: {error}"
    except Exception as error:
        import traceback

        problem = f"{type(error).__name__}: {error}; at {traceback.extract_tb(error.__traceback__)[-6:]}"
    if not problem and files_of(folder) | files_of(whole) != before:
        problem = "a file was changed"
    shutil.rmtree(root)
    return problem


def _ran_out_of_memory(error: BaseException | None) -> bool:
    """Whether an error, or one that it replaced, is of the limit of memory."""
    while error is not None:
        if isinstance(error, MemoryError) or "allocate memory" in str(error):
            return True
        error = error.__context__
    return False


@cache
def _forks() -> Any:
    """Processes forked from one without threads: those of the tests leave locks behind."""
    forks = multiprocessing.get_context("forkserver")
    forks.set_forkserver_preload(["fuzz_server"])
    before = os.environ.get("PYTHONPATH")
    # Python 3.11 does not tell the server where modules are.
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    try:
        forkserver.ensure_running()
    finally:
        del os.environ["PYTHONPATH"]
        if before is not None:
            os.environ["PYTHONPATH"] = before
    return forks


def problems_of(name: str, whole: Path, folder: Path, seeds: Sequence[int]) -> list[str]:
    """Reads a batch of damaged inputs of a kind in a process of its own, under limits, and says what went wrong."""
    source, sink = _forks().Pipe(duplex=False)
    child = _forks().Process(target=_read_batch, args=(name, whole, folder, seeds, sink))
    child.start()
    sink.close()
    last, problems, finished = None, [], False
    try:
        while source.poll(10 * SLOWEST):
            seed, problem = source.recv()
            finished = seed is None
            last = seed
            if problem:
                problems.append(f"{name}, seed {seed}: {problem}")
    except EOFError:
        pass
    if not finished:
        child.kill()
        child.join()
        problems.append(f"{name}, seed {last}: hung or died (exit status {child.exitcode})")
    child.join()
    return problems


def _read_batch(name: str, whole: Path, folder: Path, seeds: Sequence[int], sink: Connection) -> None:
    """What the process does: it sends each seed before it reads its input, and again with what went wrong."""
    from fuzz_kinds import KINDS

    cv2.setNumThreads(1)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    virtual = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (virtual + MOST_MEMORY, resource.RLIM_INFINITY))
    # What is written to the terminal is not what is tested.
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    for seed in seeds:
        sink.send((seed, ""))
        # Unhandled, its signal ends the process wherever it is.
        signal.setitimer(signal.ITIMER_PROF, SLOWEST)
        if problem := read_damaged(name, KINDS[name], whole, folder, seed):
            sink.send((seed, " ".join(problem.split())[:1500]))
    signal.setitimer(signal.ITIMER_PROF, 0)
    sink.send((None, ""))
