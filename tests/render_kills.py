"""Kills `pixelnerf render`, runs it again, and compares with a run that nobody disturbed.

The suite kills once; `scripts/kill_programs render` any number of times.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
LONGEST_RUN = 600
SETTINGS = ("--size", "32", "--frames", "4", "--device", "cpu")


def start(folder: Path) -> subprocess.Popen[bytes]:
    """A run into `folder/photo`,."""
    command = [sys.executable, "-m", "pixelnerf.app.cli", "render", "../photo.png", "--output", "photo", *SETTINGS]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT)


def finish(folder: Path) -> None:
    """A run to its end."""
    process = start(folder)
    assert process.wait(LONGEST_RUN) == 0, (folder / "log").read_text()


def kill_when(folder: Path, files: int, delay: float = 0.0) -> bool:
    """Starts a run and kills it `delay` seconds after `files` files have their final names; whether it still ran."""
    process = start(folder)
    deadline = time.monotonic() + LONGEST_RUN
    while len(contents(folder)) < files and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    time.sleep(delay)
    alive = process.poll() is None
    if alive:
        process.kill()
    process.wait()
    return alive


def contents(folder: Path) -> dict[str, bytes]:
    """What lies in the output folder under final names, the record, whose text changes, left out."""
    root = folder / "photo"
    files = [path for path in root.rglob("*") if path.is_file() and not path.name.startswith(".")]
    return {str(path.relative_to(root)): path.read_bytes() for path in files if path.name != "render.json"}


def check_one_kill(whole: Path, folder: Path, files: int, delay: float) -> tuple[bool, int]:
    """Whether the kill met a run, and how many files stood; what stands is whole, and the next run ends alike.

    Raises:
        AssertionError: a half-written file, a folder that is refused, or files that differ.
    """
    expected = contents(whole)
    killed = kill_when(folder, files, delay)
    left = contents(folder)
    assert all(expected[name] == content for name, content in left.items()), "half-written under a final name"
    if (folder / "photo").is_dir() and left:
        assert (folder / "photo/render.json").is_file(), "a folder that is not marked as ours"
    finish(folder)
    assert contents(folder) == expected
    assert (folder / "photo/render.json").read_bytes() == (whole / "photo/render.json").read_bytes()
    assert not list((folder / "photo").rglob(".*")), "half-written files stay"
    return killed, len(left)
