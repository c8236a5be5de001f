import copy
import os
import pickle
import signal

import pytest
import torch
from ball_scene import write_nmr
from dataset_layouts import write_blender
from datasets_and_runs import parse_whole, train
from training_runs import compose_values, tiny_config
from wandb_files import read_offline_run

from datasets.registry import build_dataset
from pixelnerf.checkpoints.checkpoint import load_checkpoint
from pixelnerf.checkpoints.shared_weights import save_shared
from pixelnerf.errors import UserError
from pixelnerf.images.metrics import psnr, truncate_to_8_bits
from pixelnerf.model.image import render_image
from pixelnerf.scenes.data_module import ValidationItems
from pixelnerf.scenes.scene import DamagedScenes
from pixelnerf.training.experiment import ExperimentConfig
from pixelnerf.training.optimization import OptimizerConfig, learning_rate_factor


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_nmr(tmp_path_factory.mktemp("data"), views=5, size=32)


@pytest.fixture(scope="module", params=["float32", "bfloat16"])
def finished(tmp_path_factory, data, request):
    """A finished run of six steps; validation is in float32, whatever training multiplies in."""
    run_dir = tmp_path_factory.mktemp("run")
    return train(tiny_config(run_dir, data, f"trainer.precision={request.param}"))


def read(path):
    return torch.load(path, weights_only=True)


def assert_equal(first, second, place=""):
    if isinstance(first, torch.Tensor):
        assert torch.equal(first, second), place
    elif isinstance(first, dict):
        assert first.keys() == second.keys(), place
        for key in first:
            assert_equal(first[key], second[key], f"{place}.{key}")
    elif isinstance(first, list | tuple):
        for index, pair in enumerate(zip(first, second, strict=True)):
            assert_equal(*pair, f"{place}[{index}]")
    else:
        assert first == second, place


def test_stop_and_resume_equals_an_unbroken_run_bit_for_bit(tmp_path, data):
    whole = train(tiny_config(tmp_path / "whole", data))
    part = tmp_path / "part"
    config = tiny_config(part, data)
    interrupt_after(config, 3)
    resumed = train(tiny_config(tmp_path / "resumed", data, f"resume={part / 'checkpoints/last.ckpt'}"))
    assert (whole.step, resumed.step) == (6, 6)
    first, second = (read(tmp_path / run / "checkpoints/last.ckpt") for run in ("whole", "resumed"))
    for key in ("state_dict", "current_model_state", "optimizer_states", "global_step"):
        assert_equal(first[key], second[key], key)
    assert first["lr_schedulers"][0]["_last_lr"] == second["lr_schedulers"][0]["_last_lr"]


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
    assert result.interrupted
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


def test_evaluation_reproduces_the_logged_validation(finished, data):
    loaded = load_checkpoint(finished.run_dir / "checkpoints/best.ckpt")
    config = tiny_config(finished.run_dir, data)
    items = ValidationItems(build_dataset(config.dataset).scenes("val"), config.trainer.loader, DamagedScenes("raise"))
    values = []
    for item in (items[index] for index in range(len(items))):
        with torch.no_grad():
            features = loaded.net.encode(item.photos)
        render = render_image(loaded.net, features, item.views[0])
        values.append(psnr(truncate_to_8_bits(render.color), item.images[0].movedim(0, -1)))
    assert sum(values) / len(values) == pytest.approx(finished.best_psnr, abs=1e-4)


def test_shared_weights_carry_everything(finished, tmp_path):
    loaded = load_checkpoint(finished.run_dir / "checkpoints/best.ckpt")
    path = tmp_path / "model.safetensors"
    save_shared(path, loaded.net, loaded.config, loaded.step)
    again = load_checkpoint(path)
    assert {key: again.config[key] for key in ("model", "trainer")} == {
        key: loaded.config[key] for key in ("model", "trainer")
    }
    assert again.step == loaded.step
    assert_equal(dict(loaded.net.state_dict()), dict(again.net.state_dict()))
    assert [file.name for file in tmp_path.iterdir()] == ["model.safetensors"]


def test_bad_checkpoints_are_one_line(finished, tmp_path, data):
    good = finished.run_dir / "checkpoints/last.ckpt"
    cut = tmp_path / "cut.ckpt"
    cut.write_bytes(good.read_bytes()[:1000])
    other = tmp_path / "other.ckpt"
    torch.save({"weights": torch.zeros(3)}, other)
    for path in (cut, other, tmp_path / "absent.ckpt"):
        with pytest.raises(UserError, match=str(path)) as caught:
            load_checkpoint(path)
        assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match=r"model\.field\.width is 16 there and 24 here"):
        train(tiny_config(tmp_path / "run", data, f"resume={good}", "model.field.width=24"))
    with pytest.raises(UserError, match=r"cannot resume .*coarse_samples is 6 there and 9 here"):
        train(tiny_config(tmp_path / "run", data, f"resume={good}", "model.renderer.coarse_samples=9"))


def test_a_new_run_starts_from_shared_weights(finished, tmp_path, data):
    loaded = load_checkpoint(finished.run_dir / "checkpoints/best.ckpt")
    path = tmp_path / "model.safetensors"
    save_shared(path, loaded.net, loaded.config, loaded.step)
    result = train(
        tiny_config(
            tmp_path / "run",
            data,
            f"start_from={path}",
            "model.renderer.coarse_samples=9",  # how rays are sampled is not part of the weights
            "trainer.max_steps=3",
            "trainer.optimizer.learning_rate=1e-12",
            "trainer.optimizer.weight_decay=0",
        )
    )
    assert result.step == 3
    after = dict(load_checkpoint(result.run_dir / "checkpoints/last.ckpt").net.named_parameters())
    for name, parameter in loaded.net.named_parameters():
        torch.testing.assert_close(after[name], parameter, rtol=0, atol=1e-6, msg=name)
    with pytest.raises(UserError, match=r"cannot start from .*model\.field\.width is 16 there and 24 here"):
        train(tiny_config(tmp_path / "other", data, f"start_from={path}", "model.field.width=24"))
    with pytest.raises(UserError, match="set only one of them"):
        tiny_config(tmp_path / "other", data, f"start_from={path}", f"resume={path}")


def test_a_new_run_may_switch_on_layers_that_its_weights_lack(finished, tmp_path, data):
    loaded = load_checkpoint(finished.run_dir / "checkpoints/best.ckpt")
    config = copy.deepcopy(loaded.config)
    # As in a file from before there were such layers.
    del config["model"]["field"]["photo_colors"], config["model"]["encoder"]["thin_channels"]
    old, new = tmp_path / "old.safetensors", tmp_path / "run/checkpoints/last.ckpt"
    save_shared(old, loaded.net, config, loaded.step)
    switched_on = ("model.field.photo_colors=true", "model.encoder.thin_channels=4")
    short = ("trainer.max_steps=1", "trainer.optimizer.learning_rate=1e-12", "trainer.optimizer.weight_decay=0")
    train(tiny_config(tmp_path / "run", data, f"start_from={old}", *switched_on, *short))
    after = dict(load_checkpoint(new).net.named_parameters())
    for name, parameter in loaded.net.named_parameters():
        torch.testing.assert_close(after.pop(name), parameter, rtol=0, atol=1e-6, msg=name)
    assert {name.split(".")[0] for name in after} == {"fields", "thin_map", "thin_injections"}
    train(tiny_config(tmp_path / "plain", data, f"start_from={old}", *short))
    with pytest.raises(
        UserError, match=r"photo_colors is True there and False here|thin_channels is 4 there and 0 here"
    ):
        train(tiny_config(tmp_path / "other", data, f"start_from={new}", *short))


def test_nothing_in_a_checkpoint_is_executed(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (os.system, (f"touch {tmp_path / 'exploded'}",))

    path = tmp_path / "bomb.ckpt"
    path.write_bytes(pickle.dumps({"config": Bomb(), "state_dict": {}}))
    with pytest.raises(UserError):
        load_checkpoint(path)
    torch.save({"config": Bomb(), "state_dict": {}}, path)
    with pytest.raises(UserError):
        load_checkpoint(path)
    assert not (tmp_path / "exploded").exists()


def test_a_loss_that_is_not_a_number_stops_with_step_objects_and_checkpoint(tmp_path, data):
    config = tiny_config(
        tmp_path, data, "trainer.optimizer.learning_rate=1e30", "trainer.gradient_clip=null", "trainer.max_steps=50"
    )
    with pytest.raises(UserError, match=r"at step \d+, objects .*train\d") as caught:
        train(config)
    assert "\n" not in str(caught.value)
    assert (tmp_path / "checkpoints/nan.ckpt").is_file()


@pytest.mark.parametrize("workers", [0, 1])
def test_a_damaged_photo_is_one_line_from_a_worker_too(tmp_path, workers):
    root = write_nmr(tmp_path / "data", views=5, size=32)
    for image in root.glob("*/*/image/*.png"):
        image.write_bytes(image.read_bytes()[:100])
    config = tiny_config(tmp_path / "run", root, f"trainer.loader.num_workers={workers}", "trainer.loader.val_scenes=0")
    with pytest.raises(UserError, match=r"cannot read image '.*\.png'") as caught:
        train(config)
    assert "\n" not in str(caught.value)


def test_an_unwritable_run_folder_is_one_line(tmp_path, data):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot write"):
        train(tiny_config(tmp_path / "file" / "run", data))


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
