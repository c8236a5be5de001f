"""`train.py` as a program: signals, exit statuses and its last line."""

import os
import signal
import subprocess
import sys
import time

import pytest
import torch
from training_runs import REPOSITORY, TINY, assert_equal, compose_values

from pixelnerf.app.programs.train import main
from pixelnerf.checkpoints.checkpoint import load_checkpoint
from pixelnerf.training.callbacks import read_curve


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


def wait_for(path, process):
    deadline = time.monotonic() + 120
    while not path.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)


def test_ctrl_c_writes_the_checkpoint_and_exits_130(tmp_path, nmr_root):
    process = start_program(
        tmp_path, nmr_root, "trainer.max_steps=100000", "trainer.checkpoint_every=2", "trainer.loader.num_workers=1"
    )
    last = tmp_path / "checkpoints/last.ckpt"
    wait_for(last, process)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 130, errors
    assert "interrupted at step" in errors
    assert "Traceback" not in errors
    assert load_checkpoint(last).step > 0


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGUSR1, 138)])
def test_a_scheduler_s_signal_saves_and_the_same_command_goes_on(tmp_path, nmr_root, number, status):
    """Validation after every step is most of the time, so the signal likely comes in one; none is left out for it."""
    options = ("resume=auto", "trainer.max_steps=12", "trainer.validate_every=1", "trainer.loader.val_views=5")
    process = start_program(tmp_path, nmr_root, *options, "trainer.loader.num_workers=1")
    wait_for(tmp_path / "validation.csv", process)
    os.killpg(process.pid, number)
    _, errors = process.communicate(timeout=240)
    assert process.returncode == status, errors
    assert "interrupted at step" in errors
    assert "Traceback" not in errors
    assert 0 < load_checkpoint(tmp_path / "checkpoints/last.ckpt").step < 12
    process = start_program(tmp_path, nmr_root, *options)
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors
    assert [point.step for point in read_curve(tmp_path / "validation.csv")] == list(range(1, 13))


def test_a_finished_run_that_is_started_again_stays_as_it_is(tmp_path, nmr_root):
    options = ("resume=auto", "trainer.max_steps=2", "trainer.validate_every=2")
    states = []
    for _ in range(2):
        process = start_program(tmp_path, nmr_root, *options)
        assert process.communicate(timeout=240) is not None
        assert process.returncode == 0
        states.append(torch.load(tmp_path / "checkpoints/last.ckpt", weights_only=True))
    assert_equal(states[0]["state_dict"], states[1]["state_dict"])
    assert states[1]["global_step"] == 2


def test_resuming_in_a_folder_of_the_current_time_is_one_line(nmr_root):
    arguments = [sys.executable, "train.py", "dataset=nmr", f"dataset.root={nmr_root}", *TINY, "resume=auto"]
    done = subprocess.run(arguments, cwd=REPOSITORY, capture_output=True, text=True, timeout=240)
    assert done.returncode == 2
    assert done.stderr.strip().splitlines() == [done.stderr.strip()]
    assert "hydra.run.dir=" in done.stderr


def test_a_mistake_on_the_command_line_is_one_line(tmp_path, nmr_root):
    process = start_program(tmp_path, nmr_root, "model.field.widht=3")
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 2
    assert "width" in errors
    assert len(errors.strip().splitlines()) == 1


def test_the_last_line_shows_names_as_they_are(tmp_path, nmr_root, capsys):
    folder = tmp_path / "[bold]run (1)[/bold]"
    data = ("dataset=nmr", f"dataset.root={nmr_root}", "dataset.categories=[airplane,chair]")
    main(compose_values(*data, f'run_dir="{folder}"', *TINY, "trainer.max_steps=1", "trainer.loader.val_scenes=0"))
    assert f"run folder: {folder}\n" in capsys.readouterr().err
