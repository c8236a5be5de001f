"""Sweeps by Hydra's launchers: on the cores of one machine, and through submitit."""

import importlib.util
import os
import subprocess
import sys

import pytest
from hydra import compose, initialize_config_dir
from training_runs import REPOSITORY, TINY

from pixelnerf.training.sweep import left_out, read_sweep

LAUNCHERS = [importlib.util.find_spec(f"hydra_plugins.hydra_{name}_launcher") for name in ("joblib", "submitit")]
pytestmark = pytest.mark.skipif(None in LAUNCHERS, reason="needs pixelnerf[sweep]")


@pytest.mark.parametrize("launcher", ["joblib", "submitit_local"])
def test_a_sweep_goes_on_after_a_failed_point_which_is_named(tmp_path, nmr_root, launcher):
    """The second of three points asks for more views than there are."""
    arguments = [
        *(sys.executable, "train.py", "-m", f"hydra/launcher={launcher}", f"hydra.sweep.dir={tmp_path}"),
        *("dataset=nmr", f"dataset.root={nmr_root}", "dataset.categories=[airplane,chair]"),
        *TINY,
        *("trainer.max_steps=1", "trainer.loader.batch.source_views=[1,1],[9,9],[2,2]"),
    ]
    done = subprocess.run(
        arguments,
        cwd=REPOSITORY,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 2, done.stderr
    assert "point 1 of the sweep failed: scene" in done.stderr.splitlines()[-1]
    (line,) = left_out(tmp_path)
    assert line.startswith("1 (")
    assert "source_views=[9,9]" in line
    assert len(read_sweep(tmp_path)) == 2


def test_a_cluster_s_launcher_composes():
    options = ["hydra/launcher=submitit_slurm", "hydra.launcher.partition=gpu", "hydra.launcher.timeout_min=120"]
    with initialize_config_dir(str(REPOSITORY / "conf"), version_base=None):
        composed = compose("config", options, return_hydra_config=True)
    assert composed.hydra.launcher._target_.endswith("SlurmLauncher")
    assert (composed.hydra.launcher.partition, composed.hydra.launcher.timeout_min) == ("gpu", 120)
