"""Agreement with the outputs of the original mip-NeRF program, to 1e-5 in float32."""

import numpy as np
import pytest
import torch
from geometry_builders import full_covariance
from torch import Tensor

from pixelnerf.geometry.encoding import integrated_positional_encoding, positional_encoding
from pixelnerf.geometry.frustum import conical_frustums, covariance_diagonal, cylindrical_frustums
from pixelnerf.geometry.sampling import resample_edges, stratified_edges
from pixelnerf.geometry.volume import composite, compositing_weights
from pixelnerf.types import Rays


@pytest.fixture(scope="module")
def golden(shared_folder) -> dict[str, Tensor]:
    path = shared_folder / "golden" / "mipnerf_math.npz"
    if not path.is_file():
        pytest.skip(f"no golden outputs {path}")
    with np.load(path, allow_pickle=False) as arrays:
        return {name: torch.from_numpy(np.atleast_1d(array)) for name, array in arrays.items()}


@pytest.fixture(scope="module")
def rays(golden) -> Rays:
    edges = golden["t_vals"]
    return Rays(golden["origins"], golden["directions"], golden["radii"][:, 0], edges[:, 0], edges[:, -1])


def assert_agrees(ours: Tensor, theirs: Tensor):
    assert ours.dtype == torch.float32
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)


def by_coordinate(features: Tensor, degrees: int) -> Tensor:
    """Within the sine and the cosine block their order is by frequency, then coordinate; ours the other way round."""
    return features.unflatten(-1, (2, degrees, 3)).transpose(-2, -1).flatten(-3)


@pytest.mark.parametrize(("name", "frustums"), [("cone", conical_frustums), ("cylinder", cylindrical_frustums)])
def test_frustums(golden, rays, name, frustums):
    gaussians = frustums(rays, golden["t_vals"])
    assert_agrees(gaussians.means, golden[f"{name}_mean"])
    assert_agrees(covariance_diagonal(gaussians), golden[f"{name}_cov_diag"])
    assert_agrees(full_covariance(gaussians), golden[f"{name}_cov"])


@pytest.mark.parametrize("name", ["ipe_0_16", "ipe_full_0_16"])
def test_integrated_positional_encoding(golden, name):
    encoded = integrated_positional_encoding(golden["cone_mean"], golden["cone_cov_diag"], 0, 16)
    assert_agrees(encoded, by_coordinate(golden[name], 16))


def test_positional_encoding_of_directions(golden):
    identity, encoded = golden["pe_0_4"].split([3, 24], dim=-1)
    assert torch.equal(identity, golden["directions"])
    assert_agrees(positional_encoding(golden["directions"], 0, 4), by_coordinate(encoded, 4))


@pytest.mark.parametrize("background", [0, 1])
def test_compositing(golden, background):
    edges = golden["t_vals"]
    lengths = edges.diff(dim=-1) * golden["directions"].norm(dim=-1, keepdim=True)
    weights = compositing_weights(golden["density"][..., 0], lengths)
    output = composite(golden["rgb"], weights, edges, torch.full((1, 3), float(background)))
    assert_agrees(weights, golden["render_weights"])
    assert_agrees(output.color, golden[f"render_rgb_bg{background}"])
    assert_agrees(output.opacity, golden["render_acc"])
    # The original puts the distance of empty rays at near by a slip; ours is far.
    empty = golden["empty_ray_rows"]
    filled = torch.ones(len(edges), dtype=torch.bool).index_fill(0, empty, False)
    assert_agrees(output.distance[filled], golden["render_distance"][filled])
    assert_agrees(output.distance[empty], edges[empty, -1])


def test_resampling(golden):
    resampled = resample_edges(golden["t_vals"], golden["render_weights"], 32, 0.01, None)
    assert_agrees(resampled, golden["resample_t"])


def test_frustums_of_resampled_edges(golden, rays):
    # From their edges: ours may be off by 1e-5, and the directions, up to five long, would stretch that.
    gaussians = conical_frustums(rays, golden["resample_t"])
    assert_agrees(gaussians.means, golden["resample_mean"])
    assert_agrees(covariance_diagonal(gaussians), golden["resample_cov_diag"])


@pytest.mark.parametrize(("name", "spacing"), [("uniform_t_lindisp0", "linear"), ("uniform_t_lindisp1", "disparity")])
def test_even_edges(golden, name, spacing):
    near, far = torch.full((64,), 2.0), torch.full((64,), 6.0)
    assert_agrees(stratified_edges(near, far, 32, None, spacing), golden[name])
