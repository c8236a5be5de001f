import csv
from functools import partial
from types import SimpleNamespace

import pytest
import torch
import yaml

from pixelnerf.errors import UserError
from pixelnerf.training.callbacks import ValidationCurve, read_curve
from pixelnerf.training.sweep import read_sweep


def write_run(folder, overrides, values):
    (folder / ".hydra").mkdir(parents=True)
    (folder / ".hydra/overrides.yaml").write_text(yaml.safe_dump(overrides))
    lines = [f"{100 * (index + 1)},{index + 1}.5,{value}" for index, value in enumerate(values)]
    (folder / "validation.csv").write_text("\n".join(["step,minutes,psnr", *lines]) + "\n")


@pytest.fixture
def sweep(tmp_path):
    for job, (width, seed, values) in enumerate(
        [(16, 0, [10.0, 20.0]), (16, 1, [12.0, 22.0]), (32, 0, [15.0, 24.0]), (32, 1, [15.0, 24.0])]
    ):
        write_run(tmp_path / str(job), ["experiment=some", f"model.field.width={width}", f"seed={seed}"], values)
    return tmp_path


@pytest.fixture
def collect(run_script):
    return partial(run_script, "collect_sweep.py")


def test_training_writes_the_curve(tmp_path):
    """Also over an interruption: the steps that a resumed run repeats appear once."""
    trainer = SimpleNamespace(callback_metrics={"val/psnr": torch.tensor(20.0)}, is_global_zero=True, global_step=100)
    curve = ValidationCurve(tmp_path, SimpleNamespace(seconds=90.0))
    curve.on_validation_end(trainer, None)
    trainer.global_step, trainer.callback_metrics["val/psnr"] = 200, torch.tensor(21.5)
    curve.on_validation_end(trainer, None)
    curve.on_validation_end(trainer, None)
    assert read_curve(tmp_path / "validation.csv") == [(100, 1.5, 20.0), (200, 1.5, 21.5)]


def test_a_table_with_mean_and_spread_over_seeds(collect, sweep):
    status, printed, _ = collect(sweep)
    assert status == 0
    rows = list(csv.DictReader((sweep / "sweep.csv").open()))
    assert [row["setting"] for row in rows] == ["model.field.width=16", "model.field.width=32"]
    assert rows[0]["psnr"] == "21.00"
    assert rows[0]["psnr_spread"] == "1.41"
    assert rows[1]["psnr_spread"] == "0.00"
    assert rows[0]["seeds"] == "2"
    assert rows[0]["steps"] == "200"
    assert (sweep / "sweep.md").read_text() == printed
    assert printed.index("width=32") < printed.index("width=16")
    assert (sweep / "sweep.png").read_bytes().startswith(b"\x89PNG")


def test_a_variant_is_called_by_its_own_name(sweep):
    for job, name in enumerate(("base", "base", "two_layers", "two_layers")):
        overrides = [f"variant=tiny_nerf/{name}", f"seed={job % 2}", "experiment=ablation/tiny_nerf"]
        (sweep / str(job) / ".hydra/overrides.yaml").write_text(yaml.safe_dump(overrides))
    assert [setting.name for setting in read_sweep(sweep)] == ["base", "two_layers"]


def test_runs_without_a_validation_and_failed_ones_are_left_out_and_named(collect, sweep):
    write_run(sweep / "4", ["experiment=some", "model.field.width=64", "seed=0"], [])
    write_run(sweep / "5", ["model.field.width=128"], [9.0])
    (sweep / "5/failed.txt").write_text("the loss is nan at step 7\n")
    status, printed, errors = collect(sweep)
    assert status == 0
    assert errors.splitlines() == [
        "left out: 4 (experiment=some, model.field.width=64) has no validation",
        "left out: 5 (model.field.width=128) failed: the loss is nan at step 7",
    ]
    assert "64" not in printed
    assert len(read_sweep(sweep)) == 2


def test_runs_that_differ_in_their_seed_alone_are_one_setting(sweep):
    for job in ("2", "3"):
        (sweep / job / "validation.csv").unlink()
    (only,) = read_sweep(sweep)
    assert only.name == "all runs"
    assert only.last_psnr == [20.0, 22.0]


def test_a_folder_without_runs_is_one_line(collect, tmp_path):
    status, _, errors = collect(tmp_path)
    assert status == 2
    assert str(tmp_path) in errors
    assert len(errors.strip().splitlines()) == 1
    (tmp_path / "0").mkdir()
    (tmp_path / "0/validation.csv").write_text("step,minutes,psnr\n1,1,1\n")
    with pytest.raises(UserError, match="overrides"):
        read_sweep(tmp_path)
