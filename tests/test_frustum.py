"""Moments of frustums: closed form against Monte Carlo, stable form against the naive one, equivariance."""

from dataclasses import replace
from fractions import Fraction

import pytest
import torch
from geometry_builders import full_covariance, random_edges, random_rays, random_rotations, seeded
from torch import Tensor

from pixelnerf.geometry.frustum import (
    conical_frustums,
    covariance_diagonal,
    cylindrical_frustums,
    point_samples,
)
from pixelnerf.types import Rays

SHAPES = [conical_frustums, cylindrical_frustums]


def axis_ray(radius: float) -> Rays:
    """A cone of half-angle atan(radius) from the world's origin along x."""
    bound = torch.tensor([1.0])
    return Rays(torch.zeros(1, 3), torch.tensor([[1.0, 0.0, 0.0]]), torch.tensor([radius]), bound, bound)


def points_in_frustum(rays: Rays, left: float, right: float, conical: bool, count: int) -> Tensor:
    """Points (ray, count, 3) uniform in a frustum between t = left and t = right."""
    generator = seeded(5)
    shape = (len(rays.near), count, 1)
    share, angle, area = (torch.rand(shape, generator=generator, dtype=torch.float64) for _ in range(3))
    # The area of a cone's slice grows with t^2, so t^3 is uniform.
    t = (left**3 + share * (right**3 - left**3)) ** (1 / 3) if conical else left + share * (right - left)
    directions = rays.directions.double()[:, None]
    across = torch.linalg.cross(directions, torch.tensor([[[0.3, -0.5, 0.8]]], dtype=torch.float64), dim=-1)
    across = across / across.norm(dim=-1, keepdim=True)
    beside = torch.linalg.cross(directions, across, dim=-1) / directions.norm(dim=-1, keepdim=True)
    radius = rays.radii.double()[:, None, None] * area.sqrt() * (t if conical else 1)
    angle = 2 * torch.pi * angle
    return rays.origins.double()[:, None] + t * directions + radius * (angle.cos() * across + angle.sin() * beside)


@pytest.mark.parametrize(("left", "right"), [(1.0, 2.0), (0.0, 1.5), (3.0, 3.2)])
@pytest.mark.parametrize("frustums", SHAPES)
def test_moments_match_monte_carlo(frustums, left, right):
    rays = random_rays(3)
    rays = replace(rays, radii=rays.radii * 5)
    count = 400_000
    points = points_in_frustum(rays, left, right, frustums is conical_frustums, count)
    centered = points - points.mean(dim=1, keepdim=True)
    covariance = centered.mT @ centered / count
    gaussians = frustums(rays, torch.tensor([left, right]).expand(3, 2))
    # Five standard errors; a covariance's is at most sqrt(2) of its variances' mean.
    deviation = covariance.diagonal(dim1=-2, dim2=-1).amax(dim=-1).sqrt()
    mean_error = (gaussians.means[:, 0] - points.mean(dim=1)).abs().amax(dim=-1)
    assert (mean_error < 5 * deviation / count**0.5).all()
    covariance_error = (full_covariance(gaussians)[:, 0] - covariance).abs().amax(dim=(-2, -1))
    assert (covariance_error < 5 * 2**0.5 * deviation**2 / count**0.5).all()


def naive_moments(left, right, number=float):
    """Mean and variance of t, and radial variance for radius 1, by mip-NeRF's equation before it is rearranged."""
    left, right = number(left), number(right)
    volume = right**3 - left**3
    mean = number(3) / 4 * (right**4 - left**4) / volume
    square = number(3) / 5 * (right**5 - left**5) / volume
    return mean, square - mean**2, square / 4


def stable_moments(left, right):
    edges = torch.tensor([[left, right]])
    thin, wide = conical_frustums(axis_ray(0.0), edges), conical_frustums(axis_ray(1.0), edges)
    return thin.means[0, 0, 0].item(), thin.axial.item(), wide.radial.item()


def test_stable_form_equals_the_naive_one_in_float64():
    edges = random_edges(random_rays(20), 1)
    for left, right in edges.tolist():
        # The naive variance loses about (t / length)^2 of float64's 16 digits.
        assert stable_moments(left, right) == pytest.approx(naive_moments(left, right), rel=2e-6)


@pytest.mark.parametrize(
    ("left", "length"),
    [(1.0, 2.0**-20), (1000.0, 2.0**-10), (1e6, 2.0), (1e-6, 1e-9), (0.0, 1e-8), (0.0, 1e6), (1.0, 1e6), (1e-3, 1e-9)],
)
def test_stable_form_is_right_at_extremes(left, length):
    edges = torch.tensor([left, left + length])
    left, right = edges.tolist()
    exact = [float(moment) for moment in naive_moments(left, right, Fraction)]
    assert stable_moments(left, right) == pytest.approx(exact, rel=2e-6)


def test_naive_form_fails_in_float32_where_the_stable_one_holds():
    left, right = torch.tensor(100.0), torch.tensor(100.0 + 2**-10)
    _, naive_variance, _ = naive_moments(left, right, lambda value: torch.as_tensor(value, dtype=torch.float32))
    exact = float(naive_moments(left.item(), right.item(), Fraction)[1])
    assert abs(naive_variance.item() - exact) > exact
    assert stable_moments(left.item(), right.item())[1] == pytest.approx(exact, rel=2e-6)


def test_empty_intervals_are_points_with_finite_gradients():
    rays = axis_ray(0.1)
    edges = torch.tensor([[0.0, 0.0, 1.0, 1.0]], requires_grad=True)
    gaussians = conical_frustums(rays, edges)
    assert gaussians.means[0, :, 0].tolist() == [0.0, 0.75, 1.0]
    assert gaussians.radial[0].tolist() == pytest.approx([0.0, 0.0015, 0.0025])
    (gradient,) = torch.autograd.grad(covariance_diagonal(gaussians).sum() + gaussians.means.sum(), edges)
    assert gradient.isfinite().all()


@pytest.mark.parametrize("frustums", SHAPES)
def test_rotation_and_translation_move_the_gaussians_along(frustums):
    rays = random_rays(10)
    edges = random_edges(rays, 6)
    rotation, translation = random_rotations(1, seed=4)[0], torch.tensor([1.0, -2.0, 0.5])
    moved = replace(rays, origins=rays.origins @ rotation.T + translation, directions=rays.directions @ rotation.T)
    before, after = frustums(rays, edges), frustums(moved, edges)
    torch.testing.assert_close(after.means, before.means @ rotation.T + translation, atol=2e-5, rtol=0)
    expected = rotation @ full_covariance(before) @ rotation.T
    torch.testing.assert_close(full_covariance(after), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("scale", [0.01, 3.7])
def test_scaling_the_world_scales_the_gaussians(scale):
    rays = random_rays(10)
    edges = random_edges(rays, 6)
    before = conical_frustums(rays, edges)
    after = conical_frustums(replace(rays, origins=scale * rays.origins), scale * edges)
    torch.testing.assert_close(after.means, scale * before.means, atol=2e-5 * scale, rtol=0)
    expected = scale**2 * full_covariance(before)
    torch.testing.assert_close(full_covariance(after), expected, atol=1e-5 * scale**2, rtol=1e-5)


def test_unit_of_t_does_not_matter():
    rays = random_rays(10)
    edges = random_edges(rays, 6)
    before = conical_frustums(rays, edges)
    faster = replace(rays, directions=4 * rays.directions, radii=4 * rays.radii)
    after = conical_frustums(faster, edges / 4)
    torch.testing.assert_close(after.means, before.means, atol=1e-5, rtol=0)
    torch.testing.assert_close(full_covariance(after), full_covariance(before), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("frustums", [*SHAPES, point_samples])
def test_diagonal_is_the_full_covariance_s(frustums):
    rays = random_rays(10)
    gaussians = frustums(rays, random_edges(rays, 6))
    diagonal = full_covariance(gaussians).diagonal(dim1=-2, dim2=-1)
    torch.testing.assert_close(covariance_diagonal(gaussians), diagonal)


def test_diagonal_of_a_flat_gaussian_is_not_negative():
    rays = replace(random_rays(200), radii=torch.full((200,), 10.0))
    rays = replace(rays, directions=torch.eye(3)[2] * rays.directions)
    edges = 5 + torch.tensor([0.0, 1e-6]).expand(200, 2)
    assert (covariance_diagonal(conical_frustums(rays, edges)) >= 0).all()


def test_points_lie_on_the_left_edges_without_extent():
    rays = random_rays(4)
    edges = random_edges(rays, 3)
    gaussians = point_samples(rays, edges)
    expected = rays.origins[:, None] + edges[:, :3, None] * rays.directions[:, None]
    assert torch.equal(gaussians.means, expected)
    assert not full_covariance(gaussians).any()
