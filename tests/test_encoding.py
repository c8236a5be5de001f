"""Positional encodings of points and their expectation over Gaussians."""

import math

import pytest
import torch
from geometry_builders import seeded

from pixelnerf.geometry.encoding import integrated_positional_encoding, positional_encoding


@pytest.mark.parametrize(
    ("min_degree", "max_degree", "scale"), [(0, 10, 1.0), (0, 4, 1.0), (0, 6, 1.5), (-2, 3, math.pi)]
)
def test_features_are_sines_then_cosines_by_coordinate_then_frequency(min_degree, max_degree, scale):
    point = [0.3, -0.7, 1.1]
    frequencies = [scale * 2.0**degree for degree in range(min_degree, max_degree)]
    phases = [coordinate * frequency for coordinate in point for frequency in frequencies]
    expected = torch.tensor([*map(math.sin, phases), *map(math.cos, phases)])
    encoded = positional_encoding(torch.tensor([point]), min_degree, max_degree, scale)
    torch.testing.assert_close(encoded[0], expected, atol=3e-5, rtol=0)


def test_no_degrees_give_no_features():
    assert positional_encoding(torch.ones(2, 3), 4, 4).shape == (2, 0)


@pytest.mark.parametrize("max_degree", [4, 16])
def test_without_variance_the_expectation_is_the_encoding(max_degree):
    points = torch.randn(50, 3, generator=seeded())
    encoded = positional_encoding(points, 0, max_degree, 1.5)
    assert torch.equal(integrated_positional_encoding(points, torch.zeros(50, 3), 0, max_degree, 1.5), encoded)


def test_expectation_matches_monte_carlo():
    count = 200_000
    means = torch.tensor([[0.4, -1.3, 2.0]], dtype=torch.float64)
    variances = torch.tensor([[0.001, 0.05, 0.6]], dtype=torch.float64)
    draws = means + variances.sqrt() * torch.randn(count, 3, generator=seeded(), dtype=torch.float64)
    expected = positional_encoding(draws, 0, 6, 1.5).mean(dim=0)
    encoded = integrated_positional_encoding(means, variances, 0, 6, 1.5)[0]
    # A feature's variance is at most 1, so five standard errors are:
    assert (encoded - expected).abs().max() < 5 / count**0.5


@pytest.mark.parametrize("magnitude", [1.0, 20.0])
def test_float32_is_accurate_at_sixteen_degrees(magnitude):
    points = magnitude * torch.randn(500, 3, generator=seeded())
    exact_phases = points.double()[..., None] * 2.0 ** torch.arange(16)
    exact = torch.cat([exact_phases.sin().flatten(-2), exact_phases.cos().flatten(-2)], dim=-1)
    error = (positional_encoding(points, 0, 16) - exact).abs().unflatten(-1, (2, 3, 16)).amax(dim=(0, 1, 2))
    # Each fold by 100 pi, rounded to float32, is off by up to half a step of 2^-15.
    turns = points.abs().max() * 2.0 ** torch.arange(16) / (100 * math.pi)
    assert (error < 2e-7 + turns.floor() * 2**-16).all()


def test_wide_gaussians_vanish_without_denormals():
    means = torch.randn(50, 3, generator=seeded())
    variances = torch.logspace(-4, 6, 50)[:, None].expand(50, 3)
    encoded = integrated_positional_encoding(means, variances, 0, 16)
    nonzero = encoded[encoded != 0].abs()
    assert nonzero.min() > 1e-30
    assert encoded[-1].abs().max() < 1e-17


@pytest.mark.parametrize("variance", [0.0, 1e-12, 1.0, 1e12, 1e25])
def test_values_and_gradients_are_finite_at_extremes(variance):
    means = torch.tensor([[0.0, 1e-6, 1e6]], requires_grad=True)
    variances = torch.full((1, 3), variance, requires_grad=True)
    encoded = integrated_positional_encoding(means, variances, 0, 16)
    gradients = torch.autograd.grad(encoded.sum(), (means, variances))
    assert encoded.isfinite().all()
    assert encoded.abs().max() <= 1
    assert all(gradient.isfinite().all() for gradient in gradients)


def test_gradients_are_the_derivatives():
    means = torch.randn(4, 3, generator=seeded(), dtype=torch.float64, requires_grad=True)
    variances = torch.rand(4, 3, generator=seeded(), dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda m, v: integrated_positional_encoding(m, v, 0, 3), (means, variances))
    assert torch.autograd.gradcheck(lambda m: positional_encoding(m, 0, 3, 1.5), (means,))


def test_inputs_are_left_alone():
    means, variances = torch.full((2, 3), 1000.0), torch.full((2, 3), 100.0)
    integrated_positional_encoding(means, variances, 0, 4)
    assert means.unique().tolist() == [1000.0]
    assert variances.unique().tolist() == [100.0]
