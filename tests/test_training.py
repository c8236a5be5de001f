"""A run learns, stops, resumes and is logged."""

import os
import signal

import pytest
import torch
from ball_scene import write_nmr
from dataset_layouts import write_blender
from datasets_and_runs import parse_whole, train
from training_runs import assert_equal, compose_values, tiny_config
from wandb_files import read_offline_run

from datasets.registry import build_dataset
from pixelnerf.errors import UserError
from pixelnerf.images.metrics import psnr
from pixelnerf.scenes.data_module import ValidationItems
from pixelnerf.scenes.scene import DamagedScenes
from pixelnerf.training.experiment import ExperimentConfig
from pixelnerf.training.optimization import OptimizerConfig, learning_rate_factor


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_nmr(tmp_path_factory.mktemp("data"), views=5, size=32)


def read(path):
    return torch.load(path, weights_only=True)


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_stop_and_resume_equals_an_unbroken_run_bit_for_bit(tmp_path, data, optimizer):
    by = f"trainer.optimizer.name={optimizer}"
    whole = train(tiny_config(tmp_path / "whole", data, by))
    part = tmp_path / "part"
    config = tiny_config(part, data, by)
    interrupt_after(config, 3)
    resumed = train(tiny_config(tmp_path / "resumed", data, by, f"resume={part / 'checkpoints/last.ckpt'}"))
    assert (whole.step, resumed.step) == (6, 6)
    first, second = (read(tmp_path / run / "checkpoints/last.ckpt") for run in ("whole", "resumed"))
    for key in ("state_dict", "current_model_state", "optimizer_states", "global_step"):
        assert_equal(first[key], second[key], key)
    assert first["lr_schedulers"][0]["_last_lr"] == second["lr_schedulers"][0]["_last_lr"]


def test_a_run_is_not_resumed_by_another_optimizer(tmp_path, data):
    train(tiny_config(tmp_path / "first", data, "trainer.optimizer.name=muon"))
    last = tmp_path / "first/checkpoints/last.ckpt"
    with pytest.raises(UserError, match=r"trained by muon, not adamw; set trainer.optimizer.name=muon, or begin"):
        train(tiny_config(tmp_path / "second", data, "trainer.optimizer.name=adamw", f"resume={last}"))


def interrupt_after(config, steps):
    """Runs training and asks it to stop after some steps, as Ctrl-C does."""
    from pixelnerf.training.module import FewShotModule

    original = FewShotModule.training_step

    def step(self, batch, index):
        if self.global_step == steps - 1:
            os.kill(os.getpid(), signal.SIGINT)
        return original(self, batch, index)

    FewShotModule.training_step = step
    try:
        result = train(config)
    finally:
        FewShotModule.training_step = original
    assert result.stopped_by == signal.SIGINT
    assert result.step == steps


def test_training_learns(tmp_path, data):
    config = tiny_config(
        tmp_path,
        data,
        "model.field.width=32",
        "model.renderer.coarse_samples=12",
        "model.renderer.placement.samples=12",
        "trainer.loader.batch.rays=96",
        "trainer.max_steps=150",
        "trainer.validate_every=75",
        "trainer.optimizer.learning_rate=3e-3",
    )
    scenes = build_dataset(config.dataset).scenes("val")
    white = min(psnr(torch.ones_like(images), images) for images in (scene.images([0]) for scene in scenes))
    assert train(config).best_psnr > white + 2


def test_minutes_end_a_run_and_the_learning_rate_with_it(tmp_path, data):
    config = tiny_config(tmp_path, data, "trainer.max_steps=100000", "trainer.max_minutes=0.03")
    result = train(config)
    assert 0 < result.step < 100000
    state = read(tmp_path / "checkpoints/last.ckpt")
    optimizer = config.trainer.optimizer
    assert max(state["lr_schedulers"][0]["_last_lr"]) < 0.1 * optimizer.learning_rate
    assert result.best_psnr is not None


def test_the_learning_rate_rises_and_falls():
    config = OptimizerConfig(
        name="adamw",
        learning_rate=1.0,
        encoder_rate=1.0,
        weight_decay=0.0,
        schedule="cosine",
        final_share=0.01,
        warmup_share=0.1,
        warmup_start=0.01,
    )
    factors = [learning_rate_factor(step / 100, config) for step in range(101)]
    assert factors[0] == pytest.approx(0.01)
    assert factors[-1] == pytest.approx(0.01)
    assert factors[:11] == sorted(factors[:11])
    assert factors[10:] == sorted(factors[10:], reverse=True)
    assert max(factors) > 0.95


def test_an_offline_wandb_run_reads_back(tmp_path, data):
    result = train(tiny_config(tmp_path, data, "logger.mode=offline", "logger.group=sweep-1", "logger.panels=1"))
    records = read_offline_run(tmp_path)
    run = next(record.run for record in records if record.WhichOneof("record_type") == "run")
    assert run.run_group == "sweep-1"
    keys = {item.key or "/".join(item.nested_key) for r in records for item in r.history.item}
    assert {"train/loss", "train/psnr", "val/psnr", "speed/steps_per_second"} <= keys
    assert any(key.startswith("lr-") for key in keys)
    assert any(key.startswith("val/panels") for key in keys)
    assert any(record.WhichOneof("record_type") == "config" for record in records)
    artifacts = [
        r for r in records if "artifact" in str(r.WhichOneof("record_type")) or r.request.HasField("log_artifact")
    ]
    assert artifacts, "the best checkpoint is an artifact of the run"
    assert list(tmp_path.glob("wandb/offline-run-*/files/media/images/val/panels*.png"))
    assert result.best_psnr is not None


@pytest.mark.parametrize("mode", ["disabled", "offline"])
def test_a_scene_of_several_sizes_is_validated_at_all_of_them(tmp_path, monkeypatch, mode):
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    values = compose_values(
        "experiment=mipnerf_multiscale",
        "dataset=blender_multiscale",
        f"dataset.root={write_blender(tmp_path / 'scene', size=16)}",
        "dataset.downscales=[1,2]",
        f"run_dir={tmp_path / 'run'}",
        *("model.field.width=16", "model.field.depth=2", "model.field.skip_after=1", "model.field.direction_width=8"),
        *("model.renderer.coarse_samples=4", "model.renderer.placement.samples=4", "trainer.loader.batch.rays=16"),
        *("trainer.max_steps=2", "trainer.validate_every=2", "trainer.checkpoint_every=2", "trainer.accelerator=cpu"),
        f"logger.mode={mode}",
    )
    config = parse_whole(ExperimentConfig, values)
    images = ValidationItems(
        build_dataset(config.dataset).scenes("val"), config.trainer.loader, DamagedScenes("raise")
    )[0].images
    assert {image.shape for image in images} == {(3, 16, 16), (3, 8, 8)}
    assert train(config).best_psnr is not None
