"""Compositing: against a readable loop, invariances, empty rays, and extremes."""

import math

import pytest
import torch
from geometry_builders import random_edges, random_rays, seeded
from torch import Tensor

from pixelnerf.geometry.volume import composite, compositing_weights

BLACK = torch.zeros(1, 3)


def random_volume(rays: int = 40, samples: int = 12) -> tuple[Tensor, Tensor, Tensor]:
    """Edges, densities (many of them zero) and colours."""
    edges = random_edges(random_rays(rays), samples)
    density = (3 * torch.randn(rays, samples, generator=seeded(1))).clamp_min(0)
    return edges, density, torch.rand(rays, samples, 3, generator=seeded(2))


def test_weights_by_hand():
    density = torch.tensor([[math.log(2), 2 * math.log(2), 0.0]])
    weights = compositing_weights(density, torch.tensor([[1.0, 0.5, 1.0]]))
    torch.testing.assert_close(weights, torch.tensor([[0.5, 0.25, 0.0]]))


def test_weights_and_colors_equal_a_loop_along_the_ray():
    edges, density, colors = (values.double() for values in random_volume())
    transmittance = torch.ones(40, dtype=torch.float64)
    color = torch.zeros(40, 3, dtype=torch.float64)
    columns = []
    for sample, length in enumerate(edges.diff(dim=-1).unbind(-1)):
        alpha = 1 - torch.exp(-density[:, sample] * length)
        columns.append(transmittance * alpha)
        color = color + columns[-1][:, None] * colors[:, sample]
        transmittance = transmittance * (1 - alpha)
    weights = compositing_weights(density.float(), edges.diff(dim=-1).float())
    torch.testing.assert_close(weights.double(), torch.stack(columns, dim=-1), atol=1e-6, rtol=0)
    output = composite(colors.float(), weights, edges.float(), torch.tensor([[0.2, 0.5, 1.0]]))
    color = color + transmittance[:, None] * torch.tensor([0.2, 0.5, 1.0])
    torch.testing.assert_close(output.color.double(), color, atol=1e-6, rtol=0)


def test_weights_and_transmittance_sum_to_one():
    edges, density, _ = random_volume()
    lengths = edges.diff(dim=-1)
    for thickness in (1e-6, 1.0, 10.0, 1e4):
        weights = compositing_weights(thickness * density, lengths)
        transmittance = torch.exp(-(thickness * density * lengths).sum(dim=-1))
        torch.testing.assert_close(weights.sum(dim=-1) + transmittance, torch.ones(40), atol=1e-6, rtol=0)


def test_thin_matter_keeps_its_digits():
    weights = compositing_weights(torch.full((1, 3), 1e-9), torch.ones(1, 3))
    torch.testing.assert_close(weights, torch.full((1, 3), 1e-9), atol=0, rtol=1e-6)


@pytest.mark.parametrize("share", [0.5, 0.1, 0.0])
def test_splitting_intervals_of_constant_matter_changes_nothing(share):
    edges, density, colors = random_volume()
    inserted = edges[:, :-1] + share * edges.diff(dim=-1)
    split = torch.cat([torch.stack([edges[:, :-1], inserted], dim=-1).flatten(1), edges[:, -1:]], dim=-1)
    background = torch.tensor([[0.1, 0.9, 0.4]])

    def render(edges: Tensor, repeats: int):
        weights = compositing_weights(density.repeat_interleave(repeats, dim=-1), edges.diff(dim=-1))
        return composite(colors.repeat_interleave(repeats, dim=-2), weights, edges, background)

    before, after = render(edges, 1), render(split, 2)
    torch.testing.assert_close(after.color, before.color, atol=1e-6, rtol=0)
    torch.testing.assert_close(after.opacity, before.opacity, atol=1e-6, rtol=0)
    torch.testing.assert_close(after.weights.unflatten(-1, (12, 2)).sum(dim=-1), before.weights, atol=1e-6, rtol=0)


def test_empty_rays_show_the_background_at_far():
    edges, _, colors = random_volume()
    output = composite(colors, torch.zeros(40, 12), edges, torch.tensor([[0.1, 0.2, 0.3]]))
    assert torch.equal(output.color, torch.tensor([0.1, 0.2, 0.3]).expand(40, 3))
    assert not output.opacity.any()
    torch.testing.assert_close(output.distance, edges[:, -1])
    torch.testing.assert_close(output.median_distance, edges[:, -1])


def test_background_by_batch_element_or_by_ray():
    edges, density, colors = (values.unflatten(0, (4, 10)) for values in random_volume())
    weights = compositing_weights(density, edges.diff(dim=-1))
    backgrounds = torch.rand(4, 1, 3, generator=seeded())
    by_element = composite(colors, weights, edges, backgrounds)
    by_ray = composite(colors, weights, edges, backgrounds.expand(4, 10, 3))
    assert torch.equal(by_element.color, by_ray.color)
    for element in range(4):
        alone = composite(colors[element], weights[element], edges[element], backgrounds[element])
        torch.testing.assert_close(by_element.color[element], alone.color)


def test_distances_by_hand():
    edges = torch.tensor([[1.0, 2.0, 4.0, 5.0]]).expand(4, 4)
    weights = torch.tensor([[0.0, 1.0, 0.0], [0.25, 0.5, 0.25], [0.2, 0.0, 0.2], [0.5, 0.0, 0.5]])
    output = composite(torch.zeros(4, 3, 3), weights, edges, BLACK)
    torch.testing.assert_close(output.distance, torch.tensor([3.0, 3.0, 3.0, 3.0]))
    # In the third less than half of the light is ever stopped; in the fourth half of it exactly at t = 2.
    torch.testing.assert_close(output.median_distance, torch.tensor([3.0, 3.0, 5.0, 2.0]))


def test_distances_stay_within_the_edges():
    edges, density, colors = random_volume()
    for thickness in (0.0, 1e-12, 1e-7, 1.0, 1e10):
        weights = compositing_weights(thickness * density, edges.diff(dim=-1))
        output = composite(colors, weights, edges, BLACK)
        assert (output.distance >= edges[:, 0]).all()
        assert (output.distance <= edges[:, -1]).all()
        assert (output.median_distance >= edges[:, 0]).all()
        assert (output.median_distance <= edges[:, -1]).all()


def test_distance_approaches_far_as_the_matter_vanishes():
    edges = torch.tensor([[1.0, 2.0, 6.0]])
    distances = [
        composite(torch.zeros(1, 2, 3), torch.tensor([[opacity, 0.0]]), edges, BLACK).distance.item()
        for opacity in (1.0, 1e-4, 1e-8, 1e-12, 0.0)
    ]
    assert distances == sorted(distances)
    assert distances[0] == pytest.approx(1.5)
    assert distances[-1] == 6.0


@pytest.mark.parametrize("length", [0.0, 1e-10, 1.0, 1e10, math.inf])
@pytest.mark.parametrize("density", [0.0, 1e-30, 1.0, 1e10, 1e38])
def test_values_and_gradients_are_finite_at_extremes(density, length):
    densities = torch.tensor([[0.5, density, 0.5, density]], requires_grad=True)
    colors = torch.rand(1, 4, 3, generator=seeded()).requires_grad_()
    lengths = torch.tensor([[0.5, 0.5, length, length]])
    weights = compositing_weights(densities, lengths)
    output = composite(colors, weights, torch.tensor([[0.0, 0.5, 1.0, 2.0, 3.0]]), BLACK)
    assert not output.median_distance.requires_grad
    total = output.color.sum() + output.opacity.sum() + output.distance.sum()
    gradients = torch.autograd.grad(total, (densities, colors))
    for values in (output.color, output.opacity, output.distance, output.median_distance, weights, *gradients):
        assert values.isfinite().all()
    assert (weights >= 0).all()
    assert weights.sum() <= 1 + 1e-6


def test_infinite_last_interval_stops_all_light_where_there_is_matter():
    lengths = torch.tensor([[1.0, 1.0, math.inf]])
    assert compositing_weights(torch.tensor([[0.0, 1.0, 0.1]]), lengths).sum().item() == pytest.approx(1.0)
    assert compositing_weights(torch.zeros(1, 3), lengths).sum().item() == 0.0


def test_gradients_are_the_derivatives():
    edges, density, colors = (values[:5].double() for values in random_volume())
    density = (density + 0.1).requires_grad_()

    def render(density: Tensor, colors: Tensor):
        output = composite(colors, compositing_weights(density, edges.diff(dim=-1)), edges, BLACK.double())
        return output.color, output.opacity, output.distance

    assert torch.autograd.gradcheck(render, (density, colors.requires_grad_()))


def test_deep_matter_leaves_no_denormals():
    weights = compositing_weights(torch.full((1, 200), 1.0), torch.ones(1, 200))
    assert weights.min() > 1e-30
    assert weights[0, 100:].max() < 1e-16


def test_half_precision_density_and_color_are_composited_in_float32():
    edges, density, colors = random_volume()
    density, colors = density.bfloat16(), colors.bfloat16()
    lengths = edges.diff(dim=-1)
    with torch.autocast("cpu", torch.bfloat16):
        output = composite(colors, compositing_weights(density, lengths), edges, BLACK)
    expected = composite(colors.float(), compositing_weights(density.float(), lengths), edges, BLACK)
    for name in ("color", "opacity", "distance", "median_distance", "weights"):
        value = getattr(output, name)
        assert value.dtype == torch.float32
        assert torch.equal(value, getattr(expected, name))
