"""A run that is killed, or that its surroundings fail, keeps what it has done."""

import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from training_runs import REPOSITORY, TINY, assert_equal

from pixelnerf.checkpoints.checkpoint import load_checkpoint
from pixelnerf.errors import UserError
from pixelnerf.tools.files import file_written_whole, folder_written_whole, refusal_in_a_line
from pixelnerf.training.callbacks import read_curve

PATIENCE = 300
OPTIONS = ("trainer.max_steps=8", "trainer.validate_every=4", "trainer.checkpoint_every=2", "resume=auto")
# Long enough to be hit.
VALIDATION = "trainer.loader.val_views=5"


def start(run_dir, nmr_root, *overrides, **environment):
    data = ("dataset=nmr", f"dataset.root={nmr_root}", "dataset.categories=[airplane,chair]")
    return subprocess.Popen(
        [sys.executable, "train.py", *data, *TINY, f"hydra.run.dir={run_dir}", *overrides],
        cwd=REPOSITORY,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(process):
    _, errors = process.communicate(timeout=PATIENCE)
    return process.returncode, errors


def test_a_run_killed_twice_ends_in_the_weights_of_an_unbroken_one(tmp_path, nmr_root):
    """Once while a checkpoint is written, once in a validation; `scripts/kill_programs` does it at any moments."""
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    unbroken = start(whole, nmr_root, *OPTIONS, VALIDATION)

    def writing():
        return any((broken / "checkpoints").glob(".partial-*"))

    def validating():
        last, curve = broken / "checkpoints/last.ckpt", broken / "validation.csv"
        return last.is_file() and curve.is_file() and curve.stat().st_mtime_ns < last.stat().st_mtime_ns

    for moment in (writing, validating):
        process = start(broken, nmr_root, *OPTIONS, VALIDATION)
        deadline = time.monotonic() + PATIENCE
        while not moment() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.001)
        with suppress(ProcessLookupError):  # on a slow machine a moment can pass unseen
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    for process in (unbroken, start(broken, nmr_root, *OPTIONS, VALIDATION)):
        status, errors = finish(process)
        assert status == 0, errors
    for name in ("last.ckpt", "best.ckpt"):
        states = [torch.load(run / "checkpoints" / name, weights_only=True) for run in (whole, broken)]
        for key in ("state_dict", "current_model_state", "optimizer_states", "global_step"):
            assert_equal(states[0][key], states[1][key], f"{name} {key}")
    curves = [[(point.step, point.psnr) for point in read_curve(run / "validation.csv")] for run in (whole, broken)]
    assert curves[0] == curves[1]
    assert {path.name for path in (broken / "checkpoints").iterdir()} == {"last.ckpt", "best.ckpt"}


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 12 MB: room for one or two checkpoints, but not for a third beside them."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs root, to mount a file system")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_is_one_line_and_the_last_checkpoint_is_whole(small_disk, nmr_root):
    process = start(small_disk / "run", nmr_root, *OPTIONS, "trainer.max_steps=100000", "trainer.checkpoint_every=1")
    last = small_disk / "run/checkpoints/last.ckpt"
    deadline = time.monotonic() + PATIENCE
    while not last.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    # Again and again, because the run is just writing a checkpoint, or has just removed one.
    with (small_disk / "other").open("ab", buffering=0) as other:
        while process.poll() is None and time.monotonic() < deadline:
            with suppress(OSError):
                other.write(bytes(max(shutil.disk_usage(small_disk).free - 2**16, 0)))
            time.sleep(0.05)
    status, errors = finish(process)
    assert status == 2, errors
    *_, line = errors.strip().splitlines()
    assert "cannot write" in line
    assert "No space left on device" in line
    assert "Traceback" not in errors
    assert load_checkpoint(last).step >= 1
    assert not list((small_disk / "run/checkpoints").glob(".partial-*"))


def test_a_disk_that_fills_at_any_byte_of_a_checkpoint_is_one_line(tmp_path):
    """torch closes the archive that it could not finish, and then complains of its length instead of the disk."""
    path = tmp_path / "last.ckpt"
    state = {f"layer{index}.weight": torch.rand(40, 30) for index in range(6)}
    torch.save(state, path)
    before, limits = path.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)

    def save_into(size):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
        try:
            with (
                refusal_in_a_line("the checkpoint", "; make room"),
                file_written_whole(path) as temporary,
                temporary.open("wb") as file,
            ):
                torch.save(state, file)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    # In the tensors, and in the list of them at the end.
    for size in (*range(0, len(before), 8191), *range(len(before) - 2000, len(before), 211)):
        with pytest.raises(UserError, match="cannot write the checkpoint: File too large; make room"):
            save_into(size)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_model_that_fills_the_disk_is_refused(small_disk):
    """pycolmap writes what there is room for, and says nothing."""
    pycolmap = pytest.importorskip("pycolmap")
    model = pycolmap.Reconstruction()
    for x in range(5000):
        model.add_point3D(np.array([x, 0.0, 1.0]), pycolmap.Track(), np.zeros(3, np.uint8))
    (small_disk / "other").write_bytes(bytes(shutil.disk_usage(small_disk).free - 2**16))
    with (
        pytest.raises(UserError, match="cannot write a model: No space left on device"),
        refusal_in_a_line("a model"),
        folder_written_whole(small_disk / "model") as folder,
    ):
        model.write_binary(str(folder))
    assert {path.name for path in small_disk.iterdir()} == {"other"}


def test_a_home_folder_that_cannot_be_written_changes_nothing(tmp_path, nmr_root):
    status, errors = finish(start(tmp_path, nmr_root, *OPTIONS, "logger.mode=offline", HOME="/dev/null/home"))
    assert status == 0, errors
    assert all(line.startswith("step ") for line in errors.strip().splitlines() if line.strip()), errors
    assert list(tmp_path.glob("wandb/offline-run-*/*.wandb"))


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path, nmr_root):
    (tmp_path / "file").touch()
    status, errors = finish(start(tmp_path / "file/run", nmr_root, *OPTIONS))
    assert status == 2
    (line,) = errors.strip().splitlines()
    assert "cannot write" in line
    assert "hydra.run.dir" in line


LOG_WHOSE_SERVICE_DIES = """
import os, signal, sys, time
from pathlib import Path
from pixelnerf.training.experiment import LoggerConfig
from pixelnerf.training.logger import RunLogger

def services():
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = stat.read_text().partition("(")[2].rpartition(")")
        except OSError:
            continue
        if "wandb" in name and int(rest.split()[1]) == os.getpid():
            yield int(stat.parent.name)

config = LoggerConfig(mode="offline", project="test", group=None, panels=0)
logger = RunLogger(config, "some", Path(sys.argv[1]), {"seed": 0})
logger.log_metrics({"train/loss": 1.0}, 1)
found = list(services())
for service in found:
    os.kill(service, signal.SIGKILL)
time.sleep(0.5)
for step in range(2, 50):
    logger.log_metrics({"train/loss": 1.0}, step)
logger.close(succeeded=True)
print(len(found))
"""


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds W&B's service in /proc")
def test_a_log_whose_service_dies_ends_in_one_line(tmp_path):
    """In a process of its own, for W&B's service is the process's."""
    # Not the service of a log in this process, whose address W&B keeps in the environment.
    environment = {name: value for name, value in os.environ.items() if name != "WANDB_SERVICE"}
    done = subprocess.run(
        [sys.executable, "-c", LOG_WHOSE_SERVICE_DIES, tmp_path],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "1\n"
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("W&B stopped logging (")


LOG_WITHOUT_A_KEY = """
import sys
from pathlib import Path
from pixelnerf.training.experiment import LoggerConfig
from pixelnerf.training.logger import RunLogger

logger = RunLogger(LoggerConfig(mode="online", project="test", group=None, panels=0), "some", Path(sys.argv[1]), {})
for step in range(3):
    logger.log_metrics({"train/loss": 1.0}, step)
logger.close(succeeded=True)
print("went on")
"""


def test_an_online_log_without_a_key_is_one_line(tmp_path):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WANDB")}
    # No file of earlier logins, and no network to ask.
    environment |= {"HOME": str(tmp_path), "NETRC": str(tmp_path / "none"), "https_proxy": "http://127.0.0.1:9"}
    done = subprocess.run(
        [sys.executable, "-c", LOG_WITHOUT_A_KEY, tmp_path],
        cwd=REPOSITORY,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stdout) == (0, "went on\n"), done.stderr
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("W&B stopped logging (")
    assert "logger.mode=offline" in line
