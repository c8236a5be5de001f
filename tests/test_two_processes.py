"""Two processes on the CPU train what one trains."""

import os
import subprocess
import sys

import pytest
import torch
from ball_scene import write_nmr
from datasets_and_runs import train
from training_runs import REPOSITORY, TINY, tiny_config
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


def test_two_processes_train_and_validate_what_one_does_and_one_goes_on(tmp_path, data):
    """Three validation scenes do not divide evenly; one photo an object, so batch norm sees one photo a process."""
    process = start_two(tmp_path / "two", data, *OPTIONS)
    train(tiny_config(tmp_path / "one", data, *OPTIONS))
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    one, two = (logged(tmp_path / run, "train/loss") for run in ("one", "two"))
    assert len(one) == STEPS
    torch.testing.assert_close(two, one, rtol=0, atol=1e-5)
    one, two = (read_curve(tmp_path / run / "validation.csv") for run in ("one", "two"))
    assert [point.step for point in two] == [25, 50]
    assert [point.psnr for point in two] == pytest.approx([point.psnr for point in one], abs=1e-3)
    # What the first process writes, once.
    assert len(list((tmp_path / "two").glob("wandb/offline-run-*"))) == 1
    assert {path.name for path in (tmp_path / "two").iterdir()} == {".hydra", "checkpoints", "validation.csv", "wandb"}
    assert errors.count("best validation") == 1
    states = []
    for run in ("one", "two"):
        more = (f"resume={tmp_path / run / 'checkpoints/last.ckpt'}", "trainer.max_steps=52", "logger.mode=disabled")
        assert train(tiny_config(tmp_path / f"{run}_more", data, *OPTIONS, *more)).step == 52
        states.append(torch.load(tmp_path / f"{run}_more/checkpoints/last.ckpt", weights_only=True)["state_dict"])
    for name, tensor in states[0].items():
        torch.testing.assert_close(states[1][name], tensor, rtol=1e-3, atol=1e-4, msg=name)
