import math

import pytest
import torch
import torch.nn.functional as F
from builders import FAR, NEAR, random_photos, ring_cameras
from geometry_builders import full_covariance

from pixelnerf.geometry.frustum import conical_frustums
from pixelnerf.geometry.rays import rays_through_pixels
from pixelnerf.model.lookup import bilinear_taps, look_up, projected_variance, to_view_frames, trilinear_taps
from pixelnerf.model.pyramid import build_scene_features
from pixelnerf.types import Cameras, Gaussians, Photos


def scene(map_size=16, photo_size=32, channels=5, views=2, levels=8, seed=0):
    """Random maps on random photos."""
    photos = random_photos(ring_cameras(views, photo_size))
    maps = torch.randn(views, channels, map_size, map_size, generator=torch.Generator().manual_seed(seed))
    return build_scene_features(photos, [(torch.arange(views), (maps.movedim(1, -1),))], levels), maps


def random_gaussians(features, count=200, axial=0.01, radial=0.002, seed=0):
    """Gaussians around the origin in the photos' frames."""
    generator = torch.Generator().manual_seed(seed)
    means = 0.8 * torch.randn(1, count, 1, 3, generator=generator)
    directions = F.normalize(torch.randn(1, count, 3, generator=generator), dim=-1)
    spread = torch.ones(1, count, 1)
    return to_view_frames(Gaussians(means, directions, axial * spread, radial * spread), features.cameras)


def gather(features, taps):
    return (features.tables[0][taps.rows] * taps.weights[..., None]).sum(-2)


def test_zero_footprint_is_the_bilinear_look_up_bit_for_bit():
    features, _ = scene()
    gaussians = random_gaussians(features, axial=0.0, radial=0.0)
    integrated, point = look_up(features, 0, gaussians, "integrated"), look_up(features, 0, gaussians, "point")
    assert torch.equal(integrated.values, point.values)
    assert not torch.equal(look_up(features, 0, random_gaussians(features), "integrated").values, point.values)


def test_point_look_up_is_grid_sample_with_border_padding():
    features, maps = scene()
    gaussians = random_gaussians(features)
    points = gaussians.means.flatten(2, 3)[0]
    pixels = points[..., :2] / points[..., 2:] * 1.6 * 32 + 16
    # Texel index (p - 0.5) / 2 in a map of 16 for a photo of 32, in grid_sample's range between corner centres.
    grid = (pixels - 0.5) / 2 / 15 * 2 - 1
    expected = F.grid_sample(maps, grid[:, None], padding_mode="border", align_corners=True)[:, :, 0].mT
    found = look_up(features, 0, gaussians, "point")
    front = points[..., 2] > 0
    assert torch.equal(found.valid[0], front)
    torch.testing.assert_close(found.values[0][front], expected[front], atol=2e-5, rtol=1e-5)


def test_a_linear_layer_commutes_with_the_look_up():
    features, maps = scene(channels=12)
    weight = torch.randn(7, 12, generator=torch.Generator().manual_seed(3))
    photos = Photos(torch.zeros(1, 2, 3, 32, 32), features.cameras, features.near, features.far, features.present)
    projected_maps = torch.einsum("oc,nchw->nhwo", weight, maps).contiguous()
    projected = build_scene_features(photos, [(torch.arange(2), (projected_maps,))], 8)
    gaussians = random_gaussians(features)
    for mode in ("point", "integrated"):
        late = look_up(features, 0, gaussians, mode).values @ weight.T
        early = look_up(projected, 0, gaussians, mode).values
        torch.testing.assert_close(early, late, atol=1e-5, rtol=1e-5)


def test_samples_behind_a_camera_have_a_zero_feature_and_are_flagged():
    features, _ = scene()
    cameras = features.cameras
    behind = cameras.poses[..., :3, 3] - 0.5 * cameras.poses[..., :3, 2]
    for view in range(2):
        spread = torch.full((1, 1, 1), 0.01)
        gaussians = Gaussians(behind[:, view, None, None], torch.ones(1, 1, 3), spread, spread)
        found = look_up(features, 0, to_view_frames(gaussians, cameras), "integrated")
        assert not found.valid[0, view, 0]
        assert (found.values[0, view, 0] == 0).all()
        assert torch.isfinite(found.values).all()


def test_projected_variance_is_that_of_the_projected_samples():
    features, _ = scene()
    cameras = features.cameras
    rays = rays_through_pixels(
        ring_cameras(1, 8, seed=5)[:, 0], 2 + 4 * torch.rand(1, 6, 2), torch.tensor([2.3]), torch.tensor([2.9])
    )
    edges = torch.linspace(2.3, 2.6, 5).expand(1, 6, 5)
    world = conical_frustums(rays, edges)
    samples = torch.distributions.MultivariateNormal(world.means, full_covariance(world)).sample((40_000,))
    in_view = to_view_frames(world, cameras)
    variance = projected_variance(features, in_view).unflatten(-1, (6, 4))
    for view in range(2):
        pose = cameras.poses[0, view]
        points = (samples - pose[:3, 3]) @ pose[:3, :3]
        texels = points[..., :2] / points[..., 2:] * 1.6 * 32 / 2
        measured = texels.var(0).mean(-1)
        # The Jacobian is the first-order term; the footprints here are a few hundredths of the distance.
        torch.testing.assert_close(variance[0, view], measured[0], rtol=0.05, atol=0.01)


def one_over_f_map(size=128, channels=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    spectrum = torch.fft.rfft2(torch.randn(channels, size, size, generator=generator))
    frequency = torch.hypot(torch.fft.fftfreq(size)[:, None], torch.fft.rfftfreq(size)[None])
    maps = torch.fft.irfft2(spectrum / frequency.clamp_min(1 / size), s=(size, size))
    return (maps / maps.std())[None]


@pytest.mark.parametrize("ratio", [1.0, 3.0])
@pytest.mark.parametrize("sigma", [1.0, 2.0, 4.0, 8.0])
def test_integrated_look_up_is_near_the_monte_carlo_mean(sigma, ratio):
    """Ellipses of the given mean variance: the RMS error must be well below the point look-up's."""
    size = 128
    cameras = Cameras(torch.eye(4)[None, None], torch.eye(3)[None, None], torch.full((1, 1, 2), size))
    one = torch.ones(1, 1)
    photos = Photos(torch.zeros(1, 1, 3, size, size), cameras, one, 2 * one, one.bool())
    features = build_scene_features(photos, [(torch.arange(1), (one_over_f_map(size).movedim(1, -1),))], 8)
    generator = torch.Generator().manual_seed(1)
    count = 300
    centres = 40 + 48 * torch.rand(1, 1, count, 2, generator=generator)
    minor = math.sqrt(2 * sigma**2 / (1 + ratio**2))
    angle = torch.rand(count, generator=generator) * math.pi
    axes = torch.stack([torch.cos(angle), torch.sin(angle), -torch.sin(angle), torch.cos(angle)], -1).view(count, 2, 2)
    noise = torch.randn(2000, count, 2, generator=generator) * torch.tensor([ratio * minor, minor])
    offsets = (noise[..., None, :] @ axes)[..., 0, :]
    level_zero = torch.zeros(1, 1, count, dtype=torch.long)
    truth = torch.stack([gather(features, bilinear_taps(features, centres + o, level_zero)) for o in offsets]).mean(0)
    integrated = gather(features, trilinear_taps(features, centres, torch.full((1, 1, count), sigma**2)))
    point = gather(features, bilinear_taps(features, centres, level_zero))
    error = (integrated - truth).square().mean().sqrt()
    # Measured over four maps: round ellipses 3.2 to 7 times below the point look-up, those of 3:1 2.2 to 4.3 times.
    share = 0.35 if ratio == 1.0 else 0.5
    assert error < share * (point - truth).square().mean().sqrt()


def test_photos_of_different_sizes_share_a_table():
    small, large = random_photos(ring_cameras(1, 16)), random_photos(ring_cameras(1, 32, seed=3))
    maps = [torch.randn(1, 8, 8, 4), torch.randn(1, 16, 16, 4)]
    padded = torch.zeros(1, 2, 3, 32, 32)
    cameras = Cameras(
        *(torch.cat([getattr(p.cameras, name) for p in (small, large)], 1) for name in ("poses", "intrinsics", "sizes"))
    )
    both = Photos(
        padded, cameras, torch.full((1, 2), NEAR), torch.full((1, 2), FAR), torch.ones(1, 2, dtype=torch.bool)
    )
    together = build_scene_features(both, [(torch.tensor([0]), (maps[0],)), (torch.tensor([1]), (maps[1],))], 8)
    found = look_up(together, 0, random_gaussians(together), "integrated").values
    for view, photos in enumerate((small, large)):
        alone = build_scene_features(photos, [(torch.arange(1), (maps[view],))], 8)
        expected = look_up(alone, 0, random_gaussians(alone), "integrated").values
        torch.testing.assert_close(found[:, view], expected[:, 0], atol=1e-6, rtol=1e-6)
