"""Agreement with the outputs of the original pixelNeRF program, through the importer of its checkpoints.

Measured: every latent, network output, weight and pixel of both files is within 1e-5 (largest difference 6.1e-6); none
of their samples lies behind a camera, where ours deliberately differs (a zero feature instead of a mirrored one).

The golden networks' buffers are noise as their weights are, also the constants of the positional encoding, which no
real checkpoint varies. The importer therefore gets the true constants, and the encoding is replaced by the noisy one;
that the importer's order and signs of input columns fit the true encoding has a test of its own.
"""

import json
from dataclasses import dataclass

import numpy as np
import pytest
import torch
import yaml
from original_weights import FREQUENCIES, PHASES, filled, original_state
from torch import Tensor

from pixelnerf.checkpoints.original_pixelnerf import convert_state, input_columns, model_of_experiment
from pixelnerf.geometry.encoding import positional_encoding
from pixelnerf.geometry.frustum import point_samples
from pixelnerf.geometry.volume import composite, compositing_weights
from pixelnerf.model import inputs
from pixelnerf.model.net import Net, build_net
from pixelnerf.types import Cameras, Gaussians, Photos, Rays, SceneFeatures

FLIP = torch.tensor([1.0, -1.0, -1.0])


@dataclass(frozen=True)
class Golden:
    """The original's arrays, and its network imported into ours with the photos encoded."""

    arrays: dict[str, Tensor]
    white: bool
    net: Net
    photos: Photos
    features: SceneFeatures
    frequencies: Tensor
    phases: Tensor


def photos_of(arrays: dict[str, Tensor]) -> Photos:
    images = (arrays["images"] + 1) / 2
    objects, views, _, height, width = images.shape
    center = arrays.get("c", torch.tensor([[width / 2, height / 2]]))
    intrinsics = torch.zeros(objects, views, 3, 3)
    intrinsics[..., [0, 1], [0, 1]] = arrays["focal"].reshape(1, -1).expand(objects, 2)[:, None]
    # Their pixel (0, 0) is the first pixel's centre, ours its corner.
    intrinsics[..., :2, 2] = center.expand(objects, 2)[:, None] + 0.5
    intrinsics[..., 2, 2] = 1
    poses = arrays["poses_c2w_opengl"] * torch.cat([FLIP, torch.ones(1)])
    cameras = Cameras(poses, intrinsics, torch.tensor([width, height]).expand(objects, views, 2))
    one = torch.ones(objects, views)
    return Photos(images, cameras, 1.2 * one, 4.0 * one, one.bool())


@pytest.fixture(scope="module", params=["sn64_1view", "dtu_3view"])
def golden(repository, shared_folder, request) -> Golden:
    path = shared_folder / "golden" / f"pixelnerf_{request.param}.npz"
    if not path.is_file():
        pytest.skip(f"no golden outputs {path}")
    with np.load(path, allow_pickle=False) as file:
        names = json.loads(str(file["param_names"]))
        experiment, white = str(file["conf"]), bool(file["white_bkgd"])
        arrays = {name: torch.from_numpy(file[name]) for name in file.files if file[name].dtype == np.float32}
    values = yaml.safe_load((repository / "conf/model/pixelnerf.yaml").read_text())
    net = build_net(model_of_experiment(values, experiment), load_pretrained=False).eval()
    net.load_state_dict(convert_state(original_state(names), net, path.name))
    photos = photos_of(arrays)
    with torch.no_grad():
        features = net.encode(photos)
    noise = dict(names)
    frequencies, phases = (filled(name, noise[name]).flatten() for name in ("code._freqs", "code._phases"))
    return Golden(arrays, white, net, photos, features, frequencies, phases)


@pytest.fixture
def noisy_encoding(golden, monkeypatch):
    """The golden networks' encoding, in our order of features and with the signs that our columns have."""

    def encode(points: Tensor, min_degree: int, max_degree: int, scale: float) -> Tensor:
        if max_degree == min_degree:
            return points[..., :0]
        waves = (golden.phases[:, None] + (points * FLIP)[..., None, :] * golden.frequencies[:, None]).sin()
        sines, cosines = waves[..., 0::2, :] * FLIP, waves[..., 1::2, :]
        return torch.cat([part.transpose(-1, -2).flatten(-2) for part in (sines, cosines)], dim=-1)

    monkeypatch.setattr(inputs, "positional_encoding", encode)


def assert_agrees(ours: Tensor, theirs: Tensor):
    assert ours.dtype == torch.float32
    difference = (ours - theirs).abs()
    assert difference.max() < 1e-4
    assert (difference < 1e-5).float().mean() > 0.999


def test_latents(golden):
    with torch.no_grad():
        latents = golden.net.encoder.pyramid(golden.photos.images.flatten(0, 1)).movedim(-1, 1)
    assert_agrees(latents[:, ::37, ::3, ::3], golden.arrays["latent_slice"])


@pytest.mark.usefixtures("noisy_encoding")
@pytest.mark.parametrize(("level", "name"), [(0, "out_coarse"), (1, "out_fine")])
def test_network_outputs(golden, level, name):
    points = golden.arrays["xyz"][:, :, None]
    nothing = torch.zeros(points.shape[:-1])
    with torch.no_grad():
        density, color = golden.net.radiance(
            golden.features, level, Gaussians(points, golden.arrays["viewdirs"], nothing, nothing)
        )
    assert_agrees(torch.cat([color, density[..., None]], dim=-1)[:, :, 0], golden.arrays[name])


@pytest.mark.usefixtures("noisy_encoding")
def test_composited_pixels(golden):
    origins, directions, near, far = golden.arrays["rays"].split([3, 3, 1, 1], dim=-1)
    rays = Rays(origins, directions, torch.zeros_like(near[..., 0]), near[..., 0], far[..., 0])
    distances = golden.arrays["z"].view(*near.shape[:2], -1)
    edges = torch.cat([distances, far], dim=-1)
    with torch.no_grad():
        density, color = golden.net.radiance(golden.features, 1, point_samples(rays, edges))
    weights = compositing_weights(density, edges.diff(dim=-1))
    output = composite(color, weights, edges, torch.full((1, 3), float(golden.white)))
    assert_agrees(weights.flatten(0, 1), golden.arrays["weights"])
    assert_agrees(output.color.flatten(0, 1), golden.arrays["rgb"])
    # Theirs is neither divided by opacity nor taken at the intervals' middles.
    assert_agrees((weights * distances).sum(dim=-1).flatten(), golden.arrays["depth"])


def test_input_columns_turn_their_features_into_ours():
    generator = torch.Generator().manual_seed(0)
    point, direction = torch.randn(2, 50, 3, generator=generator).unbind(0)
    weight = torch.randn(7, 42, generator=generator)
    opengl = point * FLIP
    waves = (PHASES[:, None] + opengl[:, None, :] * FREQUENCIES[:, None]).sin().flatten(1)
    theirs = torch.cat([opengl, waves, direction * FLIP], dim=-1) @ weight.T
    columns, signs = input_columns()
    assert sorted(columns.tolist()) == list(range(42))
    features = torch.cat([point, positional_encoding(point, 0, 6, 1.5), direction], dim=-1)
    torch.testing.assert_close(features @ (weight[:, columns] * signs).T, theirs, atol=1e-4, rtol=0)
