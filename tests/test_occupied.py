"""Rendering that skips empty space: it must lose nothing, and cost nothing where nothing is.

The density is a few soft balls whose average over a Gaussian is known, in place of a trained network's.
"""

import pytest
import torch
from builders import FAR, NEAR, published_net, random_photos, ring_cameras, small_net
from geometry_builders import transform_cameras

from pixelnerf.errors import UserError
from pixelnerf.geometry.cameras import look_at
from pixelnerf.geometry.rays import image_rays
from pixelnerf.model.image import render_image
from pixelnerf.model.occupancy import build_occupancy
from pixelnerf.model.occupied import CELLS, EMPTY, SAMPLES, March, place_occupied_edges, shared_grid
from pixelnerf.types import Cameras, View

WHITE = torch.ones(3)
CENTERS = torch.tensor([[0.0, 0.0, 0.0], [0.3, 0.1, 0.2], [-0.25, 0.3, -0.1]])
DEVIATIONS = torch.tensor([0.12, 0.05, 0.06])
COLORS = torch.tensor([[0.9, 0.1, 0.1], [0.1, 0.7, 0.2], [0.1, 0.2, 0.9]])
PEAK = 60.0


class Balls:
    """Takes the place of `Net.radiance`; counts what it is asked for."""

    def __init__(self, scale: float = 1.0):
        self.scale, self.asked, self.largest = scale, 0, 0

    def __call__(self, features, level, gaussians, generator=None):
        self.asked += gaussians.axial.numel()
        self.largest = max(self.largest, gaussians.axial.numel())
        variance = gaussians.axial * gaussians.directions.square().sum(-1)[..., None] / 3 + gaussians.radial
        spread = self.scale**2 * DEVIATIONS.square() + variance[..., None]
        squares = (gaussians.means[..., None, :] - self.scale * CENTERS).square().sum(-1)
        shares = (self.scale**2 * DEVIATIONS.square() / spread) ** 1.5 * torch.exp(-0.5 * squares / spread)
        density = PEAK * shares.sum(-1)
        return density, (shares @ COLORS) / shares.sum(-1, keepdim=True).clamp_min(1e-12)


@pytest.fixture
def balls(repository, monkeypatch):
    """A net of fine sampling whose density is the balls', its encoded photos, and the counter."""
    net = small_net(repository, {"renderer.coarse_samples": 96, "renderer.placement.samples": 64})
    asked = Balls()
    monkeypatch.setattr(net, "radiance", asked)
    return net, net.encode(random_photos(ring_cameras(1))), asked


def target(size=32):
    return ring_cameras(1, size, seed=9)[0, 0]


def picture(balls, quality, camera, grid=None):
    net, features, _ = balls
    return render_image(net, features, View(camera, NEAR, FAR, WHITE), quality=quality, grid=grid)


def test_nothing_that_stops_light_is_called_empty(balls):
    """Any stretch of a ray as long as a cell, in an empty cell, stops less than the threshold."""
    net, features, _ = balls
    cameras = ring_cameras(5, 24, seed=3)[0]
    grid = build_occupancy(net, features, cameras, NEAR, FAR, CELLS, EMPTY)
    for view in range(5):
        rays = image_rays(cameras[view], NEAR, FAR)
        t = torch.linspace(NEAR, FAR, 400)
        points = rays.origins[:, None] + t[:, None] * rays.directions[:, None]
        _, occupied = grid.look_up(points)
        squares = (points[..., None, :] - CENTERS).square().sum(-1)
        density = PEAK * torch.exp(-0.5 * squares / DEVIATIONS.square()).sum(-1)
        assert occupied.float().mean() < 0.2
        stopped = density * grid.cell / ((FAR - NEAR) / 2)
        assert stopped[~occupied].max() < EMPTY
        assert stopped[occupied].max() > 1


def test_pictures_are_those_of_exact(balls):
    exact, quick = picture(balls, "exact", target()), picture(balls, "high", target())
    assert exact.opacity.max() > 0.9
    assert (exact.opacity < 0.01).float().mean() > 0.3
    error = (quick.color - exact.color).square().mean().sqrt()
    assert error < 0.01
    seen = exact.opacity > 0.5
    torch.testing.assert_close(quick.distance[seen], exact.distance[seen], atol=0.1, rtol=0)


def test_exact_is_the_nets_own_rendering(repository):
    net = small_net(repository)
    features = net.encode(random_photos(ring_cameras(1)))
    image = render_image(net, features, View(target(), NEAR, FAR, WHITE), rays_per_chunk=2000)
    rays = image_rays(target(), NEAR, FAR).map_tensors(lambda tensor: tensor[None])
    with torch.no_grad():
        expected = net.render(features, rays, WHITE[None])
    assert torch.equal(image.color.flatten(0, 1), expected.color[0].clamp(0, 1))
    assert torch.equal(image.distance.flatten(), expected.distance[0])


def test_rays_that_meet_nothing_cost_nothing(balls):
    net, features, asked = balls
    grid = shared_grid(net, features, [View(target(), NEAR, FAR, WHITE)], "high")
    asked.asked = 0
    image = picture(balls, "high", target(), grid)
    hits = (image.distance < FAR).sum().item()
    assert hits < 0.6 * image.distance.numel()
    assert asked.asked <= hits * SAMPLES
    asked.asked = 0
    position = torch.tensor([0.0, -2.6, 0.0])
    away = Cameras(look_at(position, 2 * position, torch.tensor([0.0, 0.0, 1.0])), target().intrinsics, target().sizes)
    grid = shared_grid(net, features, [View(away, NEAR, FAR, WHITE)], "high")
    asked.asked = 0
    image = picture(balls, "high", away, grid)
    assert asked.asked == 0
    assert torch.equal(image.color, torch.ones(32, 32, 3))
    assert torch.equal(image.opacity, torch.zeros(32, 32))
    assert torch.equal(image.distance, torch.full((32, 32), FAR))


def test_outside_its_box_a_grid_claims_nothing(balls):
    """A grid made for another camera's narrow view into the void must not hide what lies beside it."""
    net, features, _ = balls
    camera = target()
    place = camera.poses[:3, 3]
    side = torch.linalg.cross(place, torch.tensor([0.0, 0.0, 1.0]))
    pose = look_at(place, 2 * side / side.norm(), torch.tensor([0.0, 0.0, 1.0]))
    narrow = Cameras(pose, camera.intrinsics * torch.tensor([[8.0], [8.0], [1.0]]), camera.sizes * 8)
    grid = shared_grid(net, features, [View(narrow, NEAR, FAR, WHITE)], "high")
    rays = image_rays(narrow, NEAR, FAR)
    assert not grid.look_up(rays.origins + 2.5 * rays.directions)[1].any()
    _, occupied = grid.look_up(CENTERS)
    assert occupied.all()


def test_frusta_lie_between_the_first_and_the_last_occupied_step():
    """The histogram's rounding must not draw one out to the ray's end."""
    generator = torch.Generator().manual_seed(0)
    rays, steps = 3000, 40
    ends = torch.randint(5, 35, (1, rays, 2), generator=generator).sort(-1).values
    index = torch.arange(steps)
    occupied = (index >= ends[..., :1]) & (index <= ends[..., 1:])
    weights = torch.rand(1, rays, steps, generator=generator) * occupied
    edges = torch.linspace(NEAR, FAR, steps + 1).expand(1, rays, -1)
    placed = place_occupied_edges(March(edges, weights, occupied), 6)
    assert (placed >= edges.gather(-1, ends[..., :1])).all()
    assert (placed <= edges.gather(-1, ends[..., 1:] + 1)).all()
    assert (placed.diff(dim=-1) >= 0).all()


def test_views_share_a_grid(balls):
    net, features, _ = balls
    cameras = ring_cameras(4, 24, seed=3)[0]
    grid = shared_grid(net, features, [View(camera, NEAR, FAR, WHITE) for camera in cameras], "high")
    for view in range(4):
        shared, own = picture(balls, "high", cameras[view], grid), picture(balls, "high", cameras[view])
        assert (shared.color - own.color).square().mean().sqrt() < 0.01


def test_memory_does_not_grow_with_the_picture(balls):
    _, _, asked = balls
    largest = {}
    for size in (64, 128):
        asked.largest = 0
        picture(balls, "high", target(size))
        largest[size] = asked.largest
    assert max(largest.values()) <= 8192 < 128**2


def test_a_similarity_of_the_world_does_not_change_the_picture(repository, monkeypatch):
    rotation = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(0)))[0]
    rotation = rotation * torch.det(rotation).sign()
    net = small_net(repository)
    photos = random_photos(ring_cameras(1))
    before = render_image(net, net.encode(photos), View(target(), NEAR, FAR, WHITE), quality="high")
    move = {"rotation": rotation, "translation": torch.tensor([3.0, -5.0, 2.0]), "scale": 7.0}
    moved = type(photos)(
        photos.images, transform_cameras(photos.cameras, **move), 7 * photos.near, 7 * photos.far, photos.present
    )
    camera = transform_cameras(target(), **move)
    after = render_image(net, net.encode(moved), View(camera, 7 * NEAR, 7 * FAR, WHITE), quality="high")
    assert before.color.std() > 0.01
    difference = (after.color - before.color).abs()
    # Rounding may put a step of a grazing ray into the next cell.
    assert difference.mean() < 1e-3
    assert (difference < 1e-3).float().mean() > 0.98


@pytest.mark.parametrize(
    "changes", [{"field.direction": "input"}, {"position.integrated": False}, {"renderer.frustum": "cylinder"}]
)
def test_a_model_that_cannot_skip_says_so(repository, changes):
    net = small_net(repository, changes)
    features = net.encode(random_photos(ring_cameras(1)))
    for quality in ("high", "baked"):
        with pytest.raises(UserError, match=f"quality={quality}.*quality=exact") as caught:
            render_image(net, features, View(target(), NEAR, FAR, WHITE), quality=quality)
        assert "\n" not in str(caught.value)


def test_the_original_and_normalised_device_coordinates_are_exact_only(repository):
    photos = random_photos(ring_cameras(1))
    original = published_net(
        repository, "pixelnerf", {"field.width": 16, "encoder.backbone": "resnet18.tv_in1k"}
    ).eval()
    with pytest.raises(UserError, match="quality=exact"):
        render_image(original, original.encode(photos), View(target(), NEAR, FAR, WHITE), quality="high")
    net = small_net(repository)
    for quality in ("high", "baked"):
        with pytest.raises(UserError, match="quality=exact"):
            render_image(net, net.encode(photos), View(target(), NEAR, FAR, WHITE, ndc=(1.0, 1.0)), quality=quality)
