"""A baked volume is what its definition says: a medium of cells, seen along straight rays."""

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from baked_volumes import ball_with_thin_parts, ring_camera
from builders import FAR, NEAR, random_photos, ring_cameras, small_net

from pixelnerf.geometry.cameras import look_at
from pixelnerf.model.baked import BakedVolume, march, render_baked
from pixelnerf.model.baked_march import FAINTEST, find_gaps, march_on_cpu
from pixelnerf.model.baking import EVALUATIONS, bake
from pixelnerf.model.image import render_image
from pixelnerf.model.net import RawRadiance
from pixelnerf.types import Cameras, View

WHITE = torch.ones(3)
CELL = 0.05


def volume_of(density, colors=(0.9, 0.4, 0.1), slopes=None):
    """A volume around the world's origin."""
    parts = torch.zeros(*density.shape, 4, 3)
    parts[..., 0, :] = torch.tensor(colors)
    if slopes is not None:
        parts[..., 1:, :] = slopes
    corner = -CELL * torch.tensor(density.shape) / 2
    return BakedVolume(corner, torch.eye(3), torch.tensor(CELL), density, parts)


def ball(size=16, density=200.0):
    """Hard-edged, thin at one side."""
    grid = torch.stack(torch.meshgrid(*[torch.arange(size) - (size - 1) / 2] * 3, indexing="ij"), dim=-1)
    inside = grid.norm(dim=-1) < 0.4 * size
    return inside * density * torch.where(grid[..., 0] > 0, 0.05, 1.0)


def camera(position=(1.6, 1.2, 0.9), size=48, focal=1.6):
    pose = look_at(torch.tensor(position), torch.zeros(3), torch.tensor([0.0, 0.0, 1.0]))
    intrinsics = torch.tensor([[focal * size, 0, size / 2], [0, focal * size, size / 2], [0, 0, 1]])
    return Cameras(pose, intrinsics, torch.tensor([size, size]))


def view(size=48, background=WHITE, **where):
    return View(camera(size=size, **where), 0.1, 10.0, background)


@pytest.mark.parametrize("offset", [0.0, 0.013, 0.041])
def test_a_slab_stops_what_its_length_says(offset):
    """But for a sixth of a cell at either end, where the density's root falls to zero within a cell."""
    volume = volume_of(torch.full((9, 9, 9), 3.0))
    axis = View(camera(position=(2.0 + offset, 0.0, 1e-4), size=9, focal=12.0), 0.1, 10.0, WHITE)
    image = render_baked(volume, axis)
    cells = -math.log(1 - image.opacity[4, 4].item()) / (3.0 * CELL)
    assert 8.6 < cells < 8.75
    first = 2.0 + offset - 4.5 * CELL
    depths = torch.linspace(0, 9 * CELL, 1001)
    light = torch.exp(-3.0 * depths)
    mean = first + float((light * depths).sum() / light.sum())
    assert image.distance[4, 4].item() == pytest.approx(mean, abs=0.02)
    assert image.median_distance[4, 4].item() == pytest.approx(first + math.log(2) / 3.0, abs=0.02)


def test_matter_hardly_swells():
    """A ball whose cells hold their share of it, of optical depth 1 if full as baked objects' are, keeps its outline.

    With densities interpolated instead of their roots it is wider by 0.36 cells all around.
    """
    size, fine, radius, distance, pixels, focal = 16, 6, 5.3, 2.5, 128, 2.6
    grid = (torch.arange(size * fine) + 0.5) / fine - size / 2
    inside = (torch.stack(torch.meshgrid(grid, grid, grid, indexing="ij")).norm(dim=0) < radius).float()
    density = F.avg_pool3d(inside[None, None], fine)[0, 0] / CELL
    seen = View(camera((0.0, distance, 1e-4), pixels, focal), 0.1, 10.0, WHITE)
    found = math.sqrt(render_baked(volume_of(density), seen).opacity.sum().item() / math.pi)
    true = focal * pixels * radius * CELL / math.sqrt(distance**2 - (radius * CELL) ** 2)
    assert (found / true - 1) * radius == pytest.approx(0, abs=0.2)  # cells


def marched(density, colors, pose_of, origin, ranges, background):
    """What the definition and the compiled march find of colours and densities, seen by a camera from an origin."""
    values = torch.cat([colors * density[..., None], density[..., None]], dim=-1)
    matrix = pose_of.poses[:3, :3] @ torch.linalg.inv(pose_of.intrinsics)
    padded = F.pad(values, (0, 0, 1, 1, 1, 1, 1, 1))
    arguments = (padded, origin, matrix, CELL, ranges, background, tuple(pose_of.sizes.tolist()))
    return march(*arguments), march_on_cpu(find_gaps(density), *arguments)


@pytest.mark.parametrize("metric", [False, True])
@pytest.mark.parametrize("where", [(1.6, 1.2, 0.9), (0.1, 0.05, 0.3), (2.0, 0.0, 1e-9)])
def test_the_compiled_march_is_its_definition(metric, where):
    torch.manual_seed(0)
    density = ball() * torch.rand(16, 16, 16)
    origin, background = torch.tensor(where) / CELL + 8, torch.tensor([0.2, 0.5, 0.8])
    colors = torch.rand(16, 16, 16, 3)
    expected, found = marched(density, colors, camera(where), origin, (0.2, 2.1, metric), background)
    torch.testing.assert_close(found[..., :4], expected[..., :4], rtol=0, atol=1.1 * FAINTEST)
    assert (found[..., 3] > 0.5).float().mean() > 0.05
    solid = expected[..., 3] > 0.6
    torch.testing.assert_close(found[..., 4:][solid], expected[..., 4:][solid], rtol=0, atol=0.01)


@pytest.mark.parametrize("where", [(3.2, 2.4, 1.8), (-3.0, 0.1, 0.2), (0.5, -0.2, 3.5)])
def test_the_compiled_march_leaps_over_nothing(where):
    """Crumbs far apart, in all directions from each other."""
    generator = torch.Generator().manual_seed(0)
    density = torch.zeros(45, 50, 40)
    for i, j, k in torch.randint(1, 38, (60, 3), generator=generator).tolist():
        density[i : i + 2, j : j + 2, k : k + 2] = 40.0
    origin = torch.tensor(where) / CELL + torch.tensor([22.5, 25.0, 20.0])
    colors = torch.full((45, 50, 40, 3), 0.5)
    expected, found = marched(density, colors, camera(where, size=200), origin, (0.2, 9.0, True), torch.ones(3))
    assert 0.01 < (expected[..., 3] > 0.3).float().mean() < 0.6
    torch.testing.assert_close(found[..., :4], expected[..., :4], rtol=0, atol=1.1 * FAINTEST)


def test_autocast_does_not_move_rays():
    plain = render_baked(volume_of(ball()), view())
    with torch.autocast("cpu", torch.bfloat16):
        rounded = render_baked(volume_of(ball()), view())
    assert torch.equal(rounded.color, plain.color)


def test_edges_do_not_darken():
    """An object of one colour, before a background of that colour, cannot be seen."""
    image = render_baked(volume_of(ball()), view(background=torch.tensor([0.9, 0.4, 0.1])))
    assert image.opacity.max() > 0.9
    torch.testing.assert_close(image.color, torch.tensor([0.9, 0.4, 0.1]).expand(48, 48, 3), rtol=0, atol=1e-5)


def test_a_smaller_image_is_the_mean_of_a_larger_one():
    volume = volume_of(ball())
    large = render_baked(volume, view(size=96))
    small = render_baked(volume, view(size=12))
    means = torch.nn.functional.avg_pool2d(large.color.movedim(-1, 0), 8).movedim(0, -1)
    error, of_one_ray = ((image - means).square().mean().sqrt() for image in (small.color, large.color[4::8, 4::8]))
    assert of_one_ray > 0.03
    assert error < 0.4 * of_one_ray


def test_a_colour_depends_on_where_it_is_seen_from():
    slopes = torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [-0.4, 0.0, 0.0]])
    volume = volume_of(ball(), (0.5, 0.5, 0.5), slopes)
    above = render_baked(volume, view(position=(0.1, 0.0, 2.0))).color[24, 16, 0]
    below = render_baked(volume, view(position=(0.1, 0.0, -2.0))).color[24, 16, 0]
    assert above.item() == pytest.approx(0.9, abs=0.02)
    assert below.item() == pytest.approx(0.1, abs=0.02)


def test_moving_the_world_changes_nothing():
    volume, before = volume_of(ball()), view()
    turn = look_at(torch.tensor([0.3, -0.5, 0.2]), torch.tensor([1.0, 2.0, 3.0]), torch.tensor([0.0, 1.0, 0.2]))
    moved = BakedVolume(
        turn[:3, :3] @ volume.corner + turn[:3, 3], turn[:3, :3], *(volume.cell, volume.density, volume.colors)
    )
    after = View(Cameras(turn @ before.camera.poses, before.camera.intrinsics, before.camera.sizes), 0.1, 10.0, WHITE)
    one, other = render_baked(volume, before), render_baked(moved, after)
    assert (one.color - other.color).abs().mean() < 1e-4


@pytest.mark.parametrize("where", [(0.0, 0.0, 0.01), (5.0, 0.0, 0.0)])
def test_a_camera_inside_and_one_that_looks_away(where):
    volume = volume_of(ball())
    look = camera()
    pose = look.poses.clone()
    pose[:3, 3] = torch.tensor(where)
    image = render_baked(volume, View(Cameras(pose, look.intrinsics, look.sizes), 0.0, 10.0, WHITE))
    assert image.color.isfinite().all()
    assert (image.opacity.max() > 0.5) == (where[0] == 0)


def test_baking_looks_like_the_net(repository):
    """A random net is a haze whose colour depends on position and direction; cells nearly empty are left out."""
    torch.manual_seed(3)
    net = small_net(
        repository, {"renderer.coarse_samples": 96, "renderer.placement.samples": 64, "field.photo_colors": True}
    )
    with torch.no_grad():
        net.fields[0].density.bias.add_(1.0)
    cameras = ring_cameras(2)
    photos = random_photos(cameras)
    target = View(ring_cameras(1, 24, seed=9)[0, 0], NEAR, FAR, WHITE)
    exact = render_image(net, net.encode(photos), target)
    baked = render_image(net, net.encode(photos), target, quality="baked")
    assert exact.opacity.min() > 0.05
    assert (exact.color - baked.color).abs().mean() < 0.02
    assert (exact.opacity - baked.opacity).abs().mean() < 0.01
    volume = bake(net, net.encode(photos), [target], 16)
    assert volume.density.max() > 0


def test_a_thin_object_gets_a_finer_grid_for_the_same_price(repository):
    net, cameras = small_net(repository, {}), ring_cameras(2)
    features = replace(net.encode(random_photos(cameras)), half_sides=torch.tensor([0.5]))
    view = View(ring_cameras(1, 24, seed=9)[0, 0], NEAR, FAR, WHITE)

    def baked(*half_sides):
        """A solid box's volume, and how many cells were evaluated for it."""
        asked = []

        def box(features, field, gaussians, toward=None):
            inside = (gaussians.means.abs() < torch.tensor(half_sides)).all(-1)
            asked.append(inside.numel())
            colors = torch.zeros(1, 1 if toward is None else toward.shape[1], inside.shape[-1], 3)
            return RawRadiance(torch.where(inside, 50.0, -50.0), colors)

        net.query = box
        return bake(net, features, [view]), sum(asked)

    (rod, for_rod), (block, for_block) = baked(0.45, 0.05, 0.05), baked(0.45, 0.35, 0.35)
    assert max(rod.density.shape) > 1.3 * max(block.density.shape)
    assert for_rod <= for_block
    assert 0.4 * EVALUATIONS < for_block < 1.2 * EVALUATIONS


@pytest.mark.parametrize("size", [12, 24, 64])
def test_what_stops_half_of_the_light_of_a_pixel_has_a_distance(size):
    """Also where the pixel is the mean of several rays, and its middle one passes by."""
    volume = ball_with_thin_parts()
    image = render_baked(volume, View(ring_camera(40, 30, size), 1.2, 4.0, torch.ones(3)))
    solid = image.opacity >= 0.5
    assert solid.sum() > 0.05 * size**2
    assert image.median_distance[solid].max() < 3.4
    assert (image.median_distance[image.opacity == 0] == 4.0).all()
