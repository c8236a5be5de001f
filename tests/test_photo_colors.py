"""Colours and thin features from the photos at full resolution."""

import pytest
import torch
import torch.nn.functional as F
from builders import FAR, NEAR, random_photos, ring_cameras, small_net

from pixelnerf.geometry.rays import image_rays
from pixelnerf.model.image import render_image
from pixelnerf.model.lookup import Features
from pixelnerf.model.photo_colors import PhotoColors, SeenColors, seen_colors
from pixelnerf.types import Photos, View

WHITE = torch.ones(1, 3)
BOTH = {"field.photo_colors": True, "encoder.thin_channels": 4}


def net_with(repository, changes, gate=None):
    """A small net whose gate stands at a logit, everywhere."""
    net = small_net(repository, changes)
    if gate is not None:
        with torch.no_grad():
            net.fields[0].photo_colors.gate.weight.zero_()
            net.fields[0].photo_colors.gate.bias.fill_(gate)
    return net


def render(net, photos, count=200, start=400, generator=None):
    rays = image_rays(ring_cameras(1, 32, seed=9)[0, 0], NEAR, FAR)[slice(start, start + count)]
    return net.render(net.encode(photos), rays.map_tensors(lambda tensor: tensor[None]), WHITE, generator)


def views_of(photos: Photos, views) -> Photos:
    return photos.map_tensors(lambda tensor: tensor[:, views])


def seen(colors, along, visible) -> SeenColors:
    """One sample; a row a view."""
    return SeenColors(
        torch.tensor(colors)[None, :, None, None],
        torch.tensor(along)[None, :, None, None],
        torch.tensor(visible)[None, :, None, None],
    )


def test_with_its_gate_closed_and_thin_features_unread_the_net_is_the_one_without(repository):
    photos = random_photos(ring_cameras(3))
    plain = small_net(repository)
    both = net_with(repository, BOTH)
    both.load_state_dict(plain.state_dict(), strict=False)
    with torch.no_grad():
        both.fields[0].photo_colors.gate.bias.fill_(-1e3)
        both.fields[0].photo_colors.gate.weight.zero_()
    expected = render(plain, photos)
    found = render(both, photos)
    assert torch.equal(found.color, expected.color)
    assert torch.equal(found.weights, expected.weights)


def test_with_its_gate_open_a_plain_photo_gives_its_colour_and_leaves_the_density_alone(repository):
    cameras = ring_cameras(1, 32, seed=9)  # the photo is of the view that is rendered, so it shows every sample
    photos = random_photos(cameras)
    paint = torch.tensor([0.9, 0.2, 0.4])
    painted = Photos(paint[:, None, None].expand(1, 1, 3, 32, 32), cameras, photos.near, photos.far, photos.present)
    opened = render(net_with(repository, {"field.photo_colors": True}, gate=50.0), painted)
    closed = render(net_with(repository, {"field.photo_colors": True}, gate=-50.0), painted)
    shares = opened.opacity[..., None]
    torch.testing.assert_close(opened.color, shares * paint + (1 - shares), atol=1e-5, rtol=0)
    assert torch.equal(opened.weights, closed.weights)


@pytest.mark.parametrize("changes", [{"field.photo_colors": True}, {"encoder.thin_channels": 4}, BOTH])
def test_neither_the_order_of_views_nor_absent_ones_matter(repository, changes):
    net, photos = net_with(repository, changes), random_photos(ring_cameras(3))
    with torch.no_grad():
        for injection in net.thin_injections:
            injection.linear.weight.normal_(std=0.1)
    expected = render(net, photos).color
    torch.testing.assert_close(render(net, views_of(photos, [2, 0, 1])).color, expected, atol=1e-5, rtol=0)
    present = torch.tensor([[True, False, True]])
    padded = Photos(photos.images, photos.cameras, photos.near, photos.far, present)
    fewer = render(net, views_of(photos, [0, 2])).color
    torch.testing.assert_close(render(net, padded).color, fewer, atol=1e-5, rtol=0)
    assert not torch.allclose(fewer, expected, atol=1e-3)


def test_the_photo_that_looks_along_the_ray_weighs_most_and_unseen_ones_nothing():
    layer = PhotoColors(8)
    views, pooled = torch.randn(1, 3, 1, 1, 8), torch.randn(1, 1, 1, 8)
    colors = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    blend = layer(views, pooled, seen(colors, [0.9, 0.1, 0.99], [True, True, False]))
    red, green, blue = blend.color[0, 0, 0].tolist()
    assert red > green > 0
    assert blue == 0
    assert 0 < blend.share.item() < 0.05
    nobody = layer(views, pooled, seen(colors, [0.9, 0.1, 0.99], [False, False, False]))
    assert nobody.share.item() == 0
    (nobody.color.sum() + nobody.share.sum() + blend.color.sum() + blend.share.sum()).backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in layer.parameters())


def test_what_projects_beside_a_photo_is_not_seen_in_it():
    """One camera frame; a point on the axis, one beside the picture, and one behind the camera."""
    means = torch.tensor([[0.0, 0.0, 2.0], [5.0, 0.0, 2.0], [0.0, 0.0, -2.0]])[None, None, :, None]
    ray = torch.tensor([0.0, 0.0, 1.0]).expand(1, 1, 3, 3)
    found = Features(
        torch.rand(1, 1, 3, 7),
        torch.tensor([[[True, True, False]]]),
        torch.tensor([[[True, False, True]]]),
    )
    photos = seen_colors(found, means, ray)
    assert photos.seen.flatten().tolist() == [True, False, False]
    assert photos.along.flatten().tolist() == pytest.approx([1.0, 0.3714, -1.0], abs=1e-4)
    assert torch.equal(photos.colors[0, 0, :, 0], found.values[0, 0, :, :3])


def test_a_small_render_shows_means_of_the_photos_pixels(repository):
    """Colours are looked up at the pixels' size: a quarter of the size is near the mean of the full one's pixels."""
    camera, cameras = ring_cameras(1, 64, seed=9)[0, 0], ring_cameras(1, 64)
    photos = random_photos(cameras)
    noise = torch.rand(1, 1, 3, 64, 64, generator=torch.Generator().manual_seed(0)).round()
    sharp = Photos(noise, cameras, photos.near, photos.far, photos.present)
    errors = {}
    for mode in ("integrated", "point"):
        net = net_with(repository, {"field.photo_colors": True, "lookup.mode": mode}, gate=50.0)
        features = net.encode(sharp)
        full = render_image(net, features, View(camera, NEAR, FAR, WHITE[0])).color.movedim(-1, 0)
        small = render_image(net, features, View(camera.scaled(0.25), NEAR, FAR, WHITE[0])).color.movedim(-1, 0)
        errors[mode] = (small - F.avg_pool2d(full, 4)).square().mean() / full.var()
    assert errors["integrated"] < 0.5 * errors["point"]


def test_every_new_parameter_learns_and_gradients_are_finite(repository):
    net, photos = net_with(repository, BOTH, gate=0.0).train(), random_photos(ring_cameras(2))
    with torch.no_grad():
        net.thin_injections[0].linear.weight.normal_(std=0.1)
    output = render(net, photos, generator=torch.Generator().manual_seed(0))
    (output.color.square().mean() + output.coarse.color.square().mean()).backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().sum() > 0 or not {"photo_colors", "thin_map"} & set(name.split(".")), name


def test_photos_of_different_sizes_are_looked_up_each_in_its_own(repository):
    net = net_with(repository, BOTH, gate=0.0)
    small, large = random_photos(ring_cameras(1, 16)), random_photos(ring_cameras(1, 32, seed=3))
    images = torch.zeros(1, 2, 3, 32, 32)
    images[:, 0, :, :16, :16], images[:, 1] = small.images[:, 0], large.images[:, 0]
    cameras = type(small.cameras)(
        *(
            torch.cat([getattr(photos.cameras, name) for photos in (small, large)], 1)
            for name in ("poses", "intrinsics", "sizes")
        )
    )
    both = Photos(images, cameras, small.near.expand(1, 2), small.far.expand(1, 2), torch.ones(1, 2, dtype=torch.bool))
    only_small = Photos(images, cameras, both.near, both.far, torch.tensor([[True, False]]))
    torch.testing.assert_close(render(net, only_small).color, render(net, small).color, atol=1e-5, rtol=0)
    swapped = render(net, views_of(both, [1, 0])).color
    torch.testing.assert_close(swapped, render(net, both).color, atol=1e-5, rtol=0)
