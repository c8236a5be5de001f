"""Files of shared weights: what they carry, and that damage is noticed."""

import subprocess
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch
from ball_scene import write_nmr
from datasets_and_runs import train
from safetensors import safe_open
from training_runs import REPOSITORY, tiny_config

from pixelnerf.checkpoints.checkpoint import load_checkpoint
from pixelnerf.checkpoints.shared_weights import save_shared
from pixelnerf.errors import UserError


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    data = write_nmr(tmp_path_factory.mktemp("data"), views=5, size=32)
    folder = tmp_path_factory.mktemp("run")
    train(tiny_config(folder, data, "trainer.max_steps=2"))
    return folder


def share(source, target, *options):
    command = [sys.executable, str(REPOSITORY / "scripts/share_checkpoint.py"), str(source), str(target), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def private_of(config):
    return {key: config[key] for key in ("run_dir", "resume", "start_from")}


def rewritten(source, target, change):
    """A copy whose tensors or metadata were changed after it was written."""
    with safe_open(source, "pt") as file:
        metadata = file.metadata()
    state = safetensors.torch.load_file(source)
    change(state, metadata)
    safetensors.torch.save_file(state, target, metadata)
    return target


def test_a_shared_file_is_the_checkpoint_without_the_places_of_a_disk(run_dir, tmp_path):
    checkpoint = run_dir / "checkpoints/last.ckpt"
    target = tmp_path / "shared.safetensors"
    result = share(checkpoint, target)
    assert result.returncode == 0, result.stderr
    assert str(target) in result.stdout
    loaded, shared = load_checkpoint(checkpoint), load_checkpoint(target)
    assert shared.step == loaded.step == 2
    assert {**loaded.config, "dataset": None} == {**shared.config, **private_of(loaded.config), "dataset": None}
    place = loaded.config["dataset"]["root"]
    assert Path(place).is_absolute()
    assert shared.config["dataset"] == {**loaded.config["dataset"], "root": Path(place).name}
    assert str(Path(place).parent).encode() not in target.read_bytes()
    assert set(loaded.config) - set(shared.config) == {"run_dir", "resume", "start_from"}
    for name, tensor in loaded.net.state_dict().items():
        assert torch.equal(tensor, shared.net.state_dict()[name]), name


def test_half_precision_halves_the_file_and_rounds_the_weights(run_dir, tmp_path):
    checkpoint = run_dir / "checkpoints/last.ckpt"
    whole, half = tmp_path / "whole.safetensors", tmp_path / "half.safetensors"
    loaded = load_checkpoint(checkpoint)
    save_shared(whole, loaded.net, loaded.config, loaded.step)
    assert share(checkpoint, half, "--half").returncode == 0
    sizes = [sum(tensor.nbytes for tensor in safetensors.torch.load_file(path).values()) for path in (whole, half)]
    assert sizes[1] < 0.51 * sizes[0]
    net = load_checkpoint(half).net
    for name, tensor in load_checkpoint(whole).net.state_dict().items():
        again = net.state_dict()[name]
        assert again.dtype == tensor.dtype
        if tensor.is_floating_point():
            torch.testing.assert_close(again, tensor, rtol=2**-11, atol=2**-25)


def test_weights_that_float16_cannot_hold_are_refused(tmp_path):
    net = torch.nn.Linear(1, 1)
    torch.nn.init.constant_(net.weight, 1e6)
    with pytest.raises(UserError, match=r"half precision: weight holds a value"):
        save_shared(tmp_path / "a.safetensors", net, {}, 0, half=True)
    assert not list(tmp_path.iterdir())


def test_a_changed_weight_name_shape_or_config_is_noticed(run_dir, tmp_path):
    good = tmp_path / "good.safetensors"
    loaded = load_checkpoint(run_dir / "checkpoints/last.ckpt")
    save_shared(good, loaded.net, loaded.config, loaded.step)

    def nudge(state, metadata):
        name = next(name for name, tensor in state.items() if tensor.is_floating_point() and tensor.numel())
        state[name].view(-1)[0] += 1e-3

    def exchange(state, metadata):
        first, second, *_ = sorted(state)
        state[first], state[second] = state[second], state[first]

    def reconfigure(state, metadata):
        metadata["config"] = metadata["config"].replace('"seed": 0', '"seed": 1')

    def unsign(state, metadata):
        del metadata["sha256"]

    load_checkpoint(rewritten(good, tmp_path / "same.safetensors", lambda state, metadata: None))
    for change in (nudge, exchange, reconfigure, unsign):
        bad = rewritten(good, tmp_path / f"{change.__name__}.safetensors", change)
        with pytest.raises(UserError, match=f"{bad} is damaged"):
            load_checkpoint(bad)


def test_mistakes_are_one_line(run_dir, tmp_path):
    checkpoint = run_dir / "checkpoints/last.ckpt"
    for source, target, message in (
        (tmp_path / "none.ckpt", tmp_path / "a.safetensors", "no such checkpoint"),
        (checkpoint, tmp_path / "a.ckpt", "must end in .safetensors"),
    ):
        result = share(source, target)
        assert result.returncode == 2
        assert message in result.stderr
        assert result.stderr.count("\n") == 1
