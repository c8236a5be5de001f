"""What a finished run leaves: weights that are evaluated, shared, and started from, and nothing that is executed."""

import copy
import os
import pickle

import pytest
import torch
from ball_scene import write_nmr
from datasets_and_runs import train
from training_runs import assert_equal, tiny_config

from datasets.registry import build_dataset
from pixelnerf.checkpoints.checkpoint import load_checkpoint
from pixelnerf.checkpoints.shared_weights import save_shared
from pixelnerf.errors import UserError
from pixelnerf.images.metrics import psnr, truncate_to_8_bits
from pixelnerf.model.image import render_image
from pixelnerf.scenes.data_module import ValidationItems
from pixelnerf.scenes.scene import DamagedScenes


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_nmr(tmp_path_factory.mktemp("data"), views=5, size=32)


@pytest.fixture(scope="module", params=["float32", "bfloat16"])
def finished(tmp_path_factory, data, request):
    """A finished run of six steps; validation is in float32, whatever training multiplies in."""
    run_dir = tmp_path_factory.mktemp("run")
    return train(tiny_config(run_dir, data, f"trainer.precision={request.param}"))


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
