"""Two processes on the CPU train what one trains."""

import os
import signal
import subprocess
import sys

import pytest
import torch
from ball_scene import write_nmr
from datasets_and_runs import train
from training_runs import REPOSITORY, TINY, assert_equal, tiny_config
from wandb_files import read_offline_run

from pixelnerf.training.callbacks import read_curve

STEPS = 50
OPTIONS = (
    "trainer.precision=float32",
    f"trainer.max_steps={STEPS}",
    "trainer.validate_every=25",
    "trainer.loader.val_scenes=3",
    "trainer.loss.opacity_weight=0.3",
    "logger.mode=offline",
)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_nmr(tmp_path_factory.mktemp("data"), views=5, size=16)


def start_two(run_dir, data, *overrides):
    launcher = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")
    dataset = ("dataset=nmr", f"dataset.root={data}", "dataset.categories=[airplane,chair]")
    return subprocess.Popen(
        [*launcher, "train.py", *dataset, f"hydra.run.dir={run_dir}", *TINY, *overrides],
        cwd=REPOSITORY,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
    )


def logged(run_dir, key):
    items = (item for record in read_offline_run(run_dir) for item in record.history.item)
    return torch.tensor(
        [float(item.value_json) for item in items if "/".join(item.nested_key) == key or item.key == key]
    )


def test_losses_and_validations_equal_those_of_one_process(tmp_path, data):
    process = start_two(tmp_path / "two", data, *OPTIONS)
    one = train(tiny_config(tmp_path / "one", data, *OPTIONS))
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors
    losses = [logged(tmp_path / run, "train/loss") for run in ("one", "two")]
    assert len(losses[0]) == STEPS
    print((losses[0] - losses[1]).abs())
    curves = [read_curve(tmp_path / run / "validation.csv") for run in ("one", "two")]
    print(curves)
    print(os.popen(f"find {tmp_path}").read())
    print(errors)
    assert 0
