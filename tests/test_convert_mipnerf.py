"""mip-NeRF's Flax checkpoints, written as Flax packs them, against a plain forward pass in the original's order."""

from functools import partial

import msgpack
import numpy as np
import pytest
import torch
import yaml

from pixelnerf.checkpoints.checkpoint import load_checkpoint
from pixelnerf.checkpoints.original_mipnerf import convert_state, model_of_experiment, read_flax_file
from pixelnerf.errors import UserError
from pixelnerf.model.net import build_net
from pixelnerf.model.pyramid import no_features
from pixelnerf.types import Cameras, Gaussians, Photos

WIDTHS = [(96, 256), *[(256, 256)] * 4, (352, 256), *[(256, 256)] * 2, (256, 1), (256, 256), (283, 128), (128, 3)]


def packed(value, code=1):
    """As flax.serialization packs an array."""
    array = np.asarray(value)
    return msgpack.ExtType(code, msgpack.packb((array.shape, array.dtype.name, array.tobytes()), use_bin_type=True))


def write(path, tree):
    path.write_bytes(msgpack.packb(tree, default=packed, use_bin_type=True))
    return path


@pytest.fixture(scope="module")
def layers():
    random = np.random.default_rng(0)
    return {
        f"Dense_{number}": {
            "kernel": (random.standard_normal(shape) * np.sqrt(2 / shape[0])).astype(np.float32),
            "bias": (0.1 * random.standard_normal(shape[1])).astype(np.float32),
        }
        for number, shape in enumerate(WIDTHS)
    }


@pytest.fixture(scope="module")
def net(repository):
    values = yaml.safe_load((repository / "conf/model/mipnerf.yaml").read_text())
    return build_net(model_of_experiment(values, "blender"))


@pytest.fixture
def convert(run_script):
    return partial(run_script, "convert_checkpoint.py")


def original_forward(layers, means, variances, directions):
    """Density and colour by the original's formulas and order of features, in double precision."""

    def dense(number, x):
        return x @ layers[f"Dense_{number}"]["kernel"].astype(np.float64) + layers[f"Dense_{number}"]["bias"]

    def waves(x, degrees):
        phases = (x[:, None] * 2.0 ** np.arange(degrees)[:, None]).reshape(len(x), -1)
        return np.sin(np.concatenate([phases, phases + np.pi / 2], axis=-1))

    spread = (variances[:, None] * 4.0 ** np.arange(16)[:, None]).reshape(len(means), -1)
    inputs = waves(means, 16) * np.exp(-0.5 * np.concatenate([spread, spread], axis=-1))
    x = inputs
    for number in range(8):
        x = np.maximum(dense(number, x), 0)
        if number == 4:
            x = np.concatenate([x, inputs], axis=-1)
    density = np.logaddexp(0, dense(8, x)[:, 0] - 1)
    condition = np.concatenate([directions, waves(directions, 4)], axis=-1)
    x = np.maximum(dense(10, np.concatenate([dense(9, x), condition], axis=-1)), 0)
    return density, 1.002 / (1 + np.exp(-dense(11, x))) - 0.001


def samples():
    """Wide Gaussians at the scene's scale, whose high frequencies vanish, and small ones where they do not."""
    random = np.random.default_rng(1)
    directions = random.standard_normal((64, 3))
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    size = np.where(np.arange(64) < 32, 1.0, 1e-4)
    means = random.standard_normal((64, 3)) * size[:, None]
    axial, radial = 0.02 * size**2, 0.01 * size**2
    single = [values.astype(np.float32) for values in (means, directions, axial, radial)]
    means, directions, axial, radial = (values.astype(np.float64) for values in single)
    variances = axial[:, None] * directions**2 + radial[:, None]
    point, along, thick, wide = (torch.from_numpy(values)[None] for values in single)
    rays = Gaussians(point[:, :, None], along, thick[..., None], wide[..., None])
    return means, variances, directions, rays


def test_the_converted_net_computes_what_the_original_does(convert, layers, tmp_path):
    source = write(tmp_path / "checkpoint_7", {"optimizer": {"target": {"params": {"MLP_0": layers}}, "state": {}}})
    target = tmp_path / "ours.safetensors"
    status, printed, errors = convert(source, target, "--experiment", "blender", "--step", 7)
    assert status == 0, errors
    assert "pixel_center" not in printed
    loaded = load_checkpoint(target)
    assert loaded.step == 7
    means, variances, directions, rays = samples()
    density, color = original_forward(layers, means, variances, directions)
    nothing = torch.zeros(1, 0)
    cameras = Cameras(torch.zeros(1, 0, 4, 4), torch.zeros(1, 0, 3, 3), torch.zeros(1, 0, 2, dtype=torch.long))
    photos = Photos(torch.zeros(1, 0, 3, 0, 0), cameras, nothing, nothing, nothing.bool())
    with torch.no_grad():
        our_density, our_color = loaded.net.radiance(no_features(photos), 1, rays)
    assert density.std() > 0.05
    assert color.std() > 0.05
    np.testing.assert_allclose(our_density[0, :, 0].numpy(), density, atol=1e-5)
    np.testing.assert_allclose(our_color[0, :, 0].numpy(), color, atol=1e-5)


@pytest.mark.parametrize("place", ["params", "target/params", "optimizer/target/params"])
def test_parameters_are_found_in_every_layout(net, layers, tmp_path, place):
    tree = {"MLP_0": layers}
    for name in reversed(place.split("/")):
        tree = {name: tree, "step": packed(np.int32(5), code=3)}
    converted = convert_state(read_flax_file(write(tmp_path / "checkpoint_5", tree)), net, "checkpoint_5")
    np.testing.assert_array_equal(converted["fields.0.density.weight"], layers["Dense_8"]["kernel"].T)


def test_a_forward_facing_model_has_cylinders(repository):
    values = yaml.safe_load((repository / "conf/model/mipnerf.yaml").read_text())
    assert model_of_experiment(values, "llff").renderer.frustum == "cylinder"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda layers: layers.pop("Dense_11"), "missing: MLP_0/Dense_11/bias, MLP_0/Dense_11/kernel"),
        (lambda layers: layers.update(Dense_12={"bias": np.zeros(2)}), "left over: MLP_0/Dense_12/bias"),
        (lambda layers: layers.update(Dense_3={**layers["Dense_3"], "bias": np.zeros(9)}), r"Dense_3/bias \[9\] for"),
        (lambda layers: layers.update(Dense_3={**layers["Dense_3"], "bias": "nine"}), "another shape: .*Dense_3/bias"),
    ],
)
def test_every_tensor_is_accounted_for(net, layers, tmp_path, change, expected):
    changed = dict(layers)
    change(changed)
    tree = read_flax_file(write(tmp_path / "checkpoint_1", {"params": {"MLP_0": changed}}))
    with pytest.raises(UserError, match=expected) as caught:
        convert_state(tree, net, "checkpoint_1")
    assert "\n" not in str(caught.value)


def truncated(tree):
    return msgpack.packb(tree, default=packed)[:-7]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "not a readable Flax checkpoint"),
        (b"\xc1 no msgpack", "not a readable Flax checkpoint"),
        (msgpack.packb([1, 2]), "holds a list"),
        (truncated({"params": np.zeros(3)}), "not a readable Flax checkpoint"),
        (msgpack.packb({"params": msgpack.ExtType(9, b"code")}), "extension of type 9"),
        (msgpack.packb({"params": msgpack.ExtType(1, msgpack.packb(([2], "float32", b"1234")))}), "has 1 values"),
        (msgpack.packb({"params": msgpack.ExtType(1, msgpack.packb(([-1], "float32", b"1234")))}), "shape"),
        (msgpack.packb({"params": msgpack.ExtType(1, msgpack.packb(([1], "object", b"12345678")))}), "type 'object'"),
        (msgpack.packb({"params": msgpack.ExtType(1, msgpack.packb(([1], "float32", b"123")))}), "buffer size"),
        (msgpack.packb({"params": msgpack.ExtType(1, msgpack.packb(7))}), "shape, type, bytes"),
        (msgpack.packb({"weights": {}}), "no parameters where Flax puts them"),
    ],
)
def test_a_damaged_file_is_one_line(convert, tmp_path, content, expected):
    source = tmp_path / "checkpoint_1"
    source.write_bytes(content)
    status, _, errors = convert(source, tmp_path / "ours.safetensors", "--experiment", "multiblender")
    assert status == 2
    assert expected in errors
    assert str(source) in errors
    assert len(errors.strip().splitlines()) == 1
    assert not (tmp_path / "ours.safetensors").exists()


def test_a_missing_file_is_one_line(convert, tmp_path):
    status, _, errors = convert(tmp_path / "none", tmp_path / "ours.safetensors", "--experiment", "blender")
    assert (status, errors) == (2, f"no such weights file: {tmp_path / 'none'}\n")
