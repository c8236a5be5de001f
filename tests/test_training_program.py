"""`train.py` as a program: signals, exit statuses and its last line."""

import os
import signal
import subprocess
import sys
import time

from training_runs import REPOSITORY, TINY

from pixelnerf.checkpoints.checkpoint import load_checkpoint


def start_program(run_dir, nmr_root, *overrides):
    arguments = [
        sys.executable,
        "train.py",
        "dataset=nmr",
        f"dataset.root={nmr_root}",
        f"run_dir={run_dir}",
        "dataset.categories=[airplane,chair]",
        *TINY,
        *overrides,
    ]
    # A session of its own, so that a signal can reach its workers, too, as a terminal's Ctrl-C does.
    return subprocess.Popen(
        arguments,
        cwd=REPOSITORY,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_ctrl_c_writes_the_checkpoint_and_exits_130(tmp_path, nmr_root):
    process = start_program(
        tmp_path, nmr_root, "trainer.max_steps=100000", "trainer.checkpoint_every=2", "trainer.loader.num_workers=1"
    )
    last = tmp_path / "checkpoints/last.ckpt"
    deadline = time.monotonic() + 120
    while not last.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "interrupted at step" in errors
    assert "Traceback" not in errors
    assert load_checkpoint(last).step > 0


def test_a_mistake_on_the_command_line_is_one_line(tmp_path, nmr_root):
    process = start_program(tmp_path, nmr_root, "model.field.widht=3")
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "width" in errors
    assert len(errors.strip().splitlines()) == 1
