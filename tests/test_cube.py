"""Rays that look only in the cube that holds the object: geometry, renders, batches."""

import math

import pytest
import torch
from ball_scene import write_nmr
from builders import FAR, NEAR, random_photos, ring_cameras, small_net
from config_values import batch_config, nmr_config

from datasets.readers.nmr import NmrDataset
from pixelnerf.geometry.rays import image_rays, within_cube
from pixelnerf.model.image import render_image
from pixelnerf.scenes.photos import stack_photos
from pixelnerf.scenes.sampler import BatchSampler
from pixelnerf.scenes.scene import DamagedScenes
from pixelnerf.types import Photos, Rays, View

WHITE = torch.ones(3)
HALF = 0.4


def rays_of(origins, directions, near=0.5, far=9.0):
    origins, directions = torch.tensor(origins)[None], torch.tensor(directions)[None]
    bounds = torch.ones(1, origins.shape[1])
    return Rays(origins, directions, 0.01 * bounds, near * bounds, far * bounds)


def in_cube(photos: Photos, half_side: float) -> Photos:
    return Photos(
        photos.images,
        photos.cameras,
        photos.near,
        photos.far,
        photos.present,
        torch.full((len(photos.present),), half_side),
    )


def test_a_ray_is_drawn_in_to_where_it_crosses():
    rays = rays_of(
        [[0.0, 0.0, -3.0], [0.0, 0.0, -3.0], [0.0, 2.0, -3.0], [0.3, 0.1, 0.0], [-3.0, -3.0, 0.0]],
        [[0.0, 0.0, 1.0], [0.0, 0.0, -1.0], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 1.0, 0.0]],
    )
    drawn = within_cube(rays, torch.tensor([1.0]))
    assert drawn.near[0].tolist() == [2.0, 9.0, 9.0, 0.5, 2.0]
    assert drawn.far[0].tolist() == pytest.approx([4.0, 9.0, 9.0, 0.9, 4.0])


def test_the_ends_lie_on_the_cube_and_the_middle_inside():
    rays = image_rays(ring_cameras(1, 32)[0, 0], NEAR, FAR).map_tensors(lambda tensor: tensor[None])
    drawn = within_cube(rays, torch.tensor([HALF]))
    crossing = drawn.near < drawn.far
    assert 0.1 < crossing.float().mean() < 0.9
    for share, farthest in ((0.0, HALF), (1.0, HALF), (0.5, None)):
        t = drawn.near + share * (drawn.far - drawn.near)
        points = (drawn.origins + t[..., None] * drawn.directions).abs().amax(-1)[crossing]
        if farthest is None:
            assert (points < HALF).all()
        else:
            torch.testing.assert_close(points, torch.full_like(points, farthest), atol=1e-5, rtol=0)
    everywhere = within_cube(rays, torch.tensor([math.inf]))
    assert torch.equal(everywhere.near, rays.near)
    assert torch.equal(everywhere.far, rays.far)


def test_no_frustum_is_asked_for_outside_and_density_keeps_its_unit(repository, monkeypatch):
    """A density that is the same everywhere stops light over the cube's chord, in units of half the scene's depth."""
    net, cameras = small_net(repository), ring_cameras(1)
    asked = []

    def plain(features, pass_index, gaussians, generator=None):
        asked.append(gaussians.means)
        return torch.full(gaussians.axial.shape, 2.0), torch.zeros(*gaussians.axial.shape, 3)

    monkeypatch.setattr(net, "radiance", plain)
    rays = image_rays(cameras[0, 0], NEAR, FAR).map_tensors(lambda tensor: tensor[None])
    features = net.encode(in_cube(random_photos(cameras), HALF))
    output = net.render(features, rays, WHITE[None])
    drawn = within_cube(rays, torch.tensor([HALF]))
    crossing = drawn.near < drawn.far
    assert all(means[crossing].abs().max() < HALF for means in asked)
    lengths = (drawn.far - drawn.near) * rays.directions.norm(dim=-1) / ((FAR - NEAR) / 2)
    torch.testing.assert_close(output.opacity, 1 - torch.exp(-2.0 * lengths), atol=1e-4, rtol=0)
    assert (output.color[~crossing] == 1).all()


def test_an_image_is_what_its_rays_are_and_an_infinite_cube_changes_nothing(repository):
    net, cameras = small_net(repository), ring_cameras(2)
    photos, camera = random_photos(cameras), ring_cameras(1, 24, seed=9)[0, 0]
    rays = image_rays(camera, NEAR, FAR).map_tensors(lambda tensor: tensor[None])
    features = net.encode(in_cube(photos, HALF))
    image = render_image(net, features, View(camera, NEAR, FAR, WHITE))
    whole = net.render(features, rays, WHITE[None])
    torch.testing.assert_close(image.color.flatten(0, 1), whole.color[0].clamp(0, 1), atol=1e-6, rtol=0)
    torch.testing.assert_close(image.opacity.flatten(), whole.opacity[0], atol=1e-6, rtol=0)
    free = net.render(net.encode(photos), rays, WHITE[None]).color
    assert torch.equal(net.render(net.encode(in_cube(photos, math.inf)), rays, WHITE[None]).color, free)
    assert not torch.allclose(whole.color, free, atol=1e-2)


def test_nothing_outside_the_cube_is_drawn_in_high_quality(repository):
    net, photos, camera = small_net(repository), random_photos(ring_cameras(2)), ring_cameras(1, 24, seed=9)[0, 0]
    rays = image_rays(camera, NEAR, FAR).map_tensors(lambda tensor: tensor[None])
    drawn = within_cube(rays, torch.tensor([HALF]))
    misses = (drawn.near >= drawn.far).view(24, 24)
    view = View(camera, NEAR, FAR, WHITE)
    opacity = {
        half: render_image(net, net.encode(in_cube(photos, half)), view, quality="high").opacity
        for half in (HALF, math.inf)
    }
    assert (opacity[HALF][misses] == 0).all()
    assert opacity[HALF][~misses].mean() > 0.05
    assert opacity[math.inf][misses].mean() > 0.05
    assert opacity[HALF][~misses].mean() < opacity[math.inf][~misses].mean()


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_nmr(tmp_path_factory.mktemp("nmr"), views=5, size=32)


def batch_of(root, half_side, **options):
    dataset = NmrDataset(nmr_config(root, half_side=half_side))
    config = batch_config(objects=3, rays=200, downscales=[1, 2], **options)
    return BatchSampler(dataset.groups("train"), config, 0, DamagedScenes("raise")).batch(3)


def test_batches_ask_for_rays_that_cross_the_cube(root):
    batch = batch_of(root, 0.5)
    assert batch.photos.half_sides.tolist() == pytest.approx([0.5] * 3)
    drawn = within_cube(batch.rays, batch.photos.half_sides)
    assert (drawn.near < drawn.far).float().mean() > 0.95
    assert batch.rays.near.shape == (3, 200)
    anywhere = batch_of(root, 0.5, unbounded_share=1.0)
    assert anywhere.photos.half_sides.tolist() == [math.inf] * 3
    drawn = within_cube(anywhere.rays, torch.full((3,), 0.5))
    assert (drawn.near < drawn.far).float().mean() < 0.8
    assert batch_of(root, None).photos.half_sides is None


def test_scenes_with_and_without_a_cube_share_a_batch(root):
    scenes = [NmrDataset(nmr_config(root, half_side=half)).scenes("train")[0] for half in (0.5, None)]
    photos = stack_photos(scenes, [[0], [1]], [[scene.images([0])[0]] for scene in scenes])
    assert photos.half_sides.tolist() == [0.5, math.inf]
