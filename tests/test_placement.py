"""Placement of the second pass, and the intervals of points."""

import pytest
import torch
from builders import ring_cameras
from geometry_builders import seeded

from pixelnerf.config import parse_config
from pixelnerf.errors import UserError
from pixelnerf.geometry.rays import image_rays
from pixelnerf.geometry.volume import composite, compositing_weights
from pixelnerf.model.placement import UnionPlacement, place_fine_edges
from pixelnerf.model.renderer import Renderer, RendererConfig
from pixelnerf.types import Rays

NEAR, FAR, COARSE = 1.2, 4.0, 64
VALUES = {
    "frustum": "point",
    "coarse_samples": COARSE,
    "spacing": "linear",
    "placement": {"name": "union", "histogram_samples": 16, "depth_samples": 16, "depth_deviation": 0.01},
    "separate_fields": True,
    "density_unit": "world",
    "infinite_last_interval": False,
    "normalize_directions": True,
}
UNION = UnionPlacement(name="union", histogram_samples=16, depth_samples=16, depth_deviation=0.01)


def some_rays(count: int) -> Rays:
    rays = image_rays(ring_cameras(1, 16, seed=9)[0, 0], NEAR, FAR)[slice(count)]
    return rays.map_tensors(lambda tensor: tensor[None])


def wall(depth):
    """Nothing in front of a depth along the rays, matter behind it."""

    def radiance(level, gaussians):
        origin = ring_cameras(1, 16, seed=9).poses[0, 0, :3, 3]
        distance = (gaussians.means - origin).norm(dim=-1)
        return 1000.0 * (distance > depth), torch.ones(*distance.shape, 3)

    return radiance


@pytest.mark.parametrize("seed", [None, 0])
def test_the_union_keeps_the_coarse_points_and_finds_the_wall(seed):
    rays = some_rays(50)
    generator = None if seed is None else seeded(seed)
    output = Renderer(RendererConfig(**VALUES)).render(wall(2.5), rays, torch.zeros(1, 3), generator)
    points = output.edges[..., :-1]
    assert points.shape == (1, 50, COARSE + 16 + 16)
    assert (output.edges.diff(dim=-1) >= 0).all()
    assert (output.edges[..., -1] == FAR).all()
    assert (points >= NEAR).all()
    coarse = output.coarse.edges[..., :-1]
    assert all(set(few.tolist()) <= set(many.tolist()) for few, many in zip(coarse[0], points[0], strict=True))
    spacing = (FAR - NEAR) / COARSE
    assert (((points - 2.5).abs() < 2 * spacing).sum(dim=-1) >= 16 + 16).all()
    torch.testing.assert_close(output.distance, torch.full((1, 50), 2.5), atol=spacing, rtol=0)


def test_points_stand_one_in_each_stratum():
    rays = some_rays(50)
    for generator in (None, seeded(0)):
        output = Renderer(RendererConfig(**{**VALUES, "placement": None, "separate_fields": False})).render(
            wall(2.5), rays, torch.zeros(1, 3), generator
        )
        share = (output.edges[..., :-1] - NEAR) / (FAR - NEAR) * COARSE
        assert torch.equal(share.floor(), torch.arange(float(COARSE)).expand_as(share))


def test_drawn_points_follow_the_weights():
    """Half of the light in one stratum and half in another; a ray without light is sampled evenly."""
    rays = some_rays(2)
    count = 20_000
    edges = torch.linspace(NEAR, FAR, 5).expand(1, 2, 5)
    weights = torch.tensor([[[0.0, 0.5, 0.0, 0.5], [0.0, 0.0, 0.0, 0.0]]])
    coarse = composite(torch.ones(1, 2, 4, 3), weights, edges, torch.zeros(1, 3))
    placement = UnionPlacement(name="union", histogram_samples=count, depth_samples=0, depth_deviation=0.01)
    found = place_fine_edges(rays, coarse, placement, "linear", seeded(0))[..., :-1]
    shares = torch.stack([torch.histc(ray, 4, NEAR, FAR) for ray in found[0]]) / count
    expected = torch.tensor([[0.0, 0.5, 0.0, 0.5], [0.25, 0.25, 0.25, 0.25]])
    torch.testing.assert_close(shares, expected, atol=0.02, rtol=0)


def test_points_around_the_depth_are_normal():
    rays = some_rays(1)
    edges = torch.linspace(NEAR, FAR, 5).expand(1, 1, 5)
    weights = torch.tensor([[[0.0, 0.0, 1.0, 0.0]]])
    coarse = composite(torch.ones(1, 1, 4, 3), weights, edges, torch.zeros(1, 3))
    placement = UnionPlacement(name="union", histogram_samples=0, depth_samples=10_000, depth_deviation=0.05)
    for generator in (None, seeded(0)):
        found = place_fine_edges(rays, coarse, placement, "linear", generator)[0, 0, :-1]
        around = found[~torch.isin(found, edges)]
        assert abs(around.mean() - edges[0, 0, 2]) < 2e-3
        assert abs(around.std() - 0.05) < 2e-3


def test_no_gradient_flows_and_a_nan_stays_in_range():
    rays = some_rays(3)
    edges = torch.linspace(NEAR, FAR, 9).expand(1, 3, 9)
    density = torch.rand(1, 3, 8, generator=seeded(0)).requires_grad_()
    weights = compositing_weights(density, edges.diff(dim=-1))
    coarse = composite(
        torch.ones(1, 3, 8, 3), weights * torch.tensor([1.0, float("nan"), 0.0])[:, None], edges, rays.origins[:, :1]
    )
    found = place_fine_edges(rays, coarse, UNION, "linear", seeded(0))
    assert not found.requires_grad
    assert found.isfinite().all()
    assert (found >= NEAR).all()


def test_an_infinite_last_interval_is_opaque_wherever_there_is_density():
    rays = some_rays(5)
    one_pass = {**VALUES, "placement": None, "separate_fields": False}

    def haze(level, gaussians):
        return torch.full(gaussians.means.shape[:-1], 1e-3), torch.ones_like(gaussians.means)

    for infinite, opacity in ((True, 1.0), (False, 0.0028)):
        config = RendererConfig(**{**one_pass, "infinite_last_interval": infinite})
        output = Renderer(config).render(haze, rays, torch.zeros(1, 3), None)
        torch.testing.assert_close(output.opacity, torch.full((1, 5), opacity), atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"frustum": "cone"}, "union"),
        ({"placement": None}, "separate_fields"),
        ({"placement": {**VALUES["placement"], "histogram_samples": 0, "depth_samples": 0}}, "null for one pass"),
        ({"placement": {**VALUES["placement"], "sampels": 3}}, r"renderer\.placement\.sampels"),
        ({"placement": {"name": "histogram", "samples": 0, "padding": 0.01}}, r"renderer\.placement\.samples"),
    ],
)
def test_nonsense_is_refused_in_one_line(changes, expected):
    with pytest.raises(UserError, match=expected) as caught:
        parse_config(RendererConfig, {**VALUES, **changes}, "model.renderer")
    assert "\n" not in str(caught.value)
