"""Placement of intervals and points: ordered, in range, right quantiles, right distribution."""

import pytest
import torch
from geometry_builders import random_edges, random_rays, seeded
from torch import Tensor

from pixelnerf.geometry.sampling import resample_edges, sample_points_from_histogram, stratified_edges

GENERATORS = [None, 0]


def generator_of(seed):
    return None if seed is None else seeded(seed)


def histograms(rays: int = 300, samples: int = 24) -> tuple[Tensor, Tensor]:
    """Edges and weights, among them empty, spiky, tiny and full ones."""
    edges = random_edges(random_rays(rays), samples)
    weights = torch.rand(rays, samples, generator=seeded(1)) / samples
    weights[:20] = 0
    weights[20:40] *= 1e-30
    weights[40:60] = torch.eye(samples)[torch.arange(20)]
    weights[60:80, ::2] = 0
    # Some intervals without length, some of a few units in the last place.
    edges[80:100, 5:9] = edges[80:100, 5:6]
    edges[100:120] = 1000 + torch.arange(samples + 1) * 2.0**-13
    return edges, weights


def assert_ascending_within(values: Tensor, first: Tensor, last: Tensor):
    assert values.isfinite().all()
    assert (values.diff(dim=-1) >= 0).all()
    assert (values >= first).all()
    assert (values <= last).all()


@pytest.mark.parametrize("seed", GENERATORS)
@pytest.mark.parametrize("spacing", ["linear", "disparity"])
@pytest.mark.parametrize("count", [1, 2, 64])
def test_stratified_edges_ascend_from_near_to_far(spacing, count, seed):
    near = 0.01 + 3 * torch.rand(2, 100, generator=seeded(1))
    far = near * torch.logspace(0.01, 5, 100)
    edges = stratified_edges(near, far, count, generator_of(seed), spacing)
    assert edges.shape == (2, 100, count + 1)
    assert_ascending_within(edges, near[..., None], far[..., None])
    if seed is None:
        assert torch.equal(edges[..., 0], near)
        assert torch.equal(edges[..., -1], far)


def test_spacing_is_even_in_t_or_in_its_reciprocal():
    near, far = torch.tensor([2.0]), torch.tensor([6.0])
    linear = stratified_edges(near, far, 4, None, "linear")
    assert linear[0].tolist() == [2.0, 3.0, 4.0, 5.0, 6.0]
    disparity = stratified_edges(near, far, 4, None, "disparity")
    torch.testing.assert_close(1 / disparity[0], torch.linspace(1 / 2, 1 / 6, 5))


def test_each_stratified_fence_is_uniform_in_its_stratum():
    rays = 20_000
    near, far = torch.full((rays,), 1.0), torch.full((rays,), 5.0)
    edges = stratified_edges(near, far, 4, seeded(), "linear")
    strata = [(1.0, 1.5), (1.5, 2.5), (2.5, 3.5), (3.5, 4.5), (4.5, 5.0)]
    for column, (low, high) in zip(edges.T, strata, strict=True):
        shares = ((column - low) / (high - low)).sort().values
        even = (torch.arange(rays) + 0.5) / rays
        # Kolmogorov-Smirnov: beyond 2.2 / sqrt(n) with probability 1e-4.
        assert (shares - even).abs().max() < 2.2 / rays**0.5


@pytest.mark.parametrize("seed", GENERATORS)
@pytest.mark.parametrize("padding", [0.0, 0.01])
@pytest.mark.parametrize("count", [1, 24, 100])
def test_resampled_edges_ascend_within_the_old_range(count, padding, seed):
    edges, weights = histograms()
    resampled = resample_edges(edges, weights, count, padding, generator_of(seed))
    assert resampled.shape == (300, count + 1)
    assert_ascending_within(resampled, edges[:, :1], edges[:, -1:])


@pytest.mark.parametrize("draw", [0.0, 1 - 2**-24])
def test_smallest_and_largest_draws_stay_in_range(monkeypatch, draw):
    edges, weights = histograms()
    monkeypatch.setattr(torch, "rand", lambda shape, **_: torch.full(shape, draw))
    for sampled in (
        stratified_edges(edges[:, 0], edges[:, -1], 100, seeded(), "linear"),
        resample_edges(edges, weights, 100, 0.01, seeded()),
        sample_points_from_histogram(edges, weights, 100, seeded()),
    ):
        assert_ascending_within(sampled, edges[:, :1], edges[:, -1:])


def test_resampling_by_hand():
    edges = torch.arange(6.0)[None]
    weights = torch.tensor([[0.0, 0.0, 1.0, 0.0, 0.0]])
    # Maximum of neighbours and their average: 0, 1/2, 1, 1/2, 0. Quarters of that lie at 1, 2, 2.5, 3, 4.
    resampled = resample_edges(edges, weights, 4, 0.0, None)
    torch.testing.assert_close(resampled, torch.tensor([[1.0, 2.0, 2.5, 3.0, 4.0]]), atol=1e-5, rtol=0)
    # Padding 1/2 makes it 1/2, 1, 3/2, 1, 1/2 of 9/2.
    padded = resample_edges(edges, weights, 9, 0.5, None)
    expected = torch.tensor([[0.0, 1.0, 1.5, 2.0, 2 + 1 / 3, 2 + 2 / 3, 3.0, 3.5, 4.0, 5.0]])
    torch.testing.assert_close(padded, expected, atol=1e-5, rtol=0)


def test_flat_and_empty_histograms_resample_evenly():
    edges = stratified_edges(torch.ones(2), torch.full((2,), 3.0), 8, None, "linear")
    weights = torch.stack([torch.zeros(8), torch.full((8,), 0.1)])
    expected = stratified_edges(torch.ones(2), torch.full((2,), 3.0), 12, None, "linear")
    for padding in (0.0, 0.01):
        torch.testing.assert_close(resample_edges(edges, weights, 12, padding, None), expected, atol=1e-5, rtol=0)


def test_random_resampling_follows_the_blurred_histogram():
    rays, count = 2000, 10
    edges = torch.tensor([1.0, 1.5, 3.0, 3.2, 4.0]).expand(rays, 5)
    weights = torch.tensor([0.05, 0.6, 0.0, 0.2]).expand(rays, 4)
    # By hand: maxima .05 .6 .6 .2 .2, averages .325 .6 .4 .2, each raised by 0.01.
    expected = torch.tensor([0.335, 0.61, 0.41, 0.21])
    expected = expected / expected.sum()
    resampled = resample_edges(edges, weights, count, 0.01, seeded())
    shares = torch.histogram(resampled.flatten(), bins=edges[0]).hist / resampled.numel()
    # One draw in each of 11 strata: at most the spread of independent draws.
    error = 5 * (expected * (1 - expected) / resampled.numel()).sqrt()
    assert ((shares - expected).abs() < error).all()


@pytest.mark.parametrize("seed", GENERATORS)
def test_points_from_a_histogram_ascend_within_it(seed):
    edges, weights = histograms()
    points = sample_points_from_histogram(edges, weights, 50, generator_of(seed))
    assert points.shape == (300, 50)
    assert_ascending_within(points, edges[:, :1], edges[:, -1:])


def test_points_without_generator_are_even_quantiles():
    edges = torch.tensor([[0.0, 1.0, 3.0]])
    weights = torch.tensor([[1.0, 3.0]])
    points = sample_points_from_histogram(edges, weights, 5, None)
    expected = torch.tensor([[0.0, 1.0, 1 + 2 / 3, 1 + 4 / 3, 3.0]])
    torch.testing.assert_close(points, expected, atol=1e-4, rtol=0)


def test_random_points_are_distributed_as_the_weights():
    rays, count = 1000, 16
    edges = torch.tensor([1.0, 1.5, 3.0, 3.2, 4.0]).expand(rays, 5)
    weights = torch.tensor([0.1, 0.4, 0.0, 0.5]).expand(rays, 4)
    points = sample_points_from_histogram(edges, weights, count, seeded()).flatten().sort().values
    distances = torch.tensor([1.0, 1.5, 3.0, 3.2, 4.0])
    cumulative = torch.tensor([0.0, 0.1, 0.5, 0.5, 1.0])
    interval = (torch.searchsorted(distances, points, right=True) - 1).clamp(0, 3)
    within = (points - distances[interval]) / (distances[interval + 1] - distances[interval])
    exact = cumulative[interval] + within * (cumulative[interval + 1] - cumulative[interval])
    even = (torch.arange(rays * count) + 0.5) / (rays * count)
    assert (exact - even).abs().max() < 2.2 / (rays * count) ** 0.5


def test_no_gradient_flows_into_the_weights():
    edges, weights = histograms()
    weights.requires_grad_()
    assert not resample_edges(edges, weights, 8, 0.01, None).requires_grad
    assert not sample_points_from_histogram(edges, weights, 8, None).requires_grad


def test_a_generator_alone_decides_the_randomness():
    edges, weights = histograms()

    def draw(seed):
        generator = seeded(seed)
        return torch.cat(
            [
                stratified_edges(edges[:, 0], edges[:, -1], 8, generator, "linear"),
                resample_edges(edges, weights, 8, 0.01, generator),
                sample_points_from_histogram(edges, weights, 8, generator),
            ],
            dim=-1,
        )

    torch.manual_seed(1)
    first = draw(0)
    torch.manual_seed(2)
    assert torch.equal(draw(0), first)
    assert not torch.equal(draw(1), first)
