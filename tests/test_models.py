"""The published models: sizes, what every one learns from, and which combinations of parts are refused."""

from dataclasses import replace

import pytest
import torch
from builders import FAR, NEAR, first_rays, published_net, published_values, random_photos, ring_cameras
from geometry_builders import transform_cameras

from pixelnerf.config import parse_config
from pixelnerf.errors import UserError
from pixelnerf.geometry.encoding import positional_encoding
from pixelnerf.geometry.rays import image_rays
from pixelnerf.model.config import ModelConfig
from pixelnerf.model.image import render_image
from pixelnerf.model.inputs import encode_positions
from pixelnerf.model.lookup import to_view_frames
from pixelnerf.types import Gaussians, Photos, View

WHITE = torch.ones(1, 3)
WITHOUT_PHOTOS = ["nerf", "tiny_nerf", "mipnerf"]


def no_photos() -> Photos:
    return random_photos(ring_cameras(1)).map_tensors(lambda tensor: tensor[:, :0])


def some_rays(count=30):
    return first_rays(image_rays(ring_cameras(1, 24, seed=9)[0, 0], NEAR, FAR), count)


@pytest.mark.parametrize(
    ("name", "fields", "each"),
    [
        ("nerf", 2, 595_844),  # the published network with view directions
        ("mipnerf", 1, 612_740),  # the paper's 612K
        # 39 inputs, four layers of 128, then density and colour.
        ("tiny_nerf", 1, (39 + 1) * 128 + 3 * (128 + 1) * 128 + (128 + 1) * 4),
        # lin_in, five blocks of two layers, lin_out; the three layers lin_z are the projection.
        ("pixelnerf", 2, (42 + 1) * 512 + 10 * (512 + 1) * 512 + (512 + 1) * 4),
    ],
)
def test_parameters_are_as_many_as_published(repository, name, fields, each):
    net = published_net(repository, name)
    assert [sum(parameter.numel() for parameter in field.parameters()) for field in net.fields] == [each] * fields
    assert [sum(p.numel() for p in projection.parameters()) for projection in getattr(net, "projections", ())] == (
        [3 * (512 + 1) * 512] * 2 if name == "pixelnerf" else []
    )


@pytest.mark.parametrize("name", [*WITHOUT_PHOTOS, "pixelnerf"])
def test_every_parameter_learns(repository, name):
    net = published_net(repository, name).train()
    photos = no_photos() if name in WITHOUT_PHOTOS else random_photos(ring_cameras(2))
    output = net.render(net.encode(photos), some_rays(), WHITE, torch.Generator().manual_seed(0))
    loss = output.color.square().mean()
    if output.coarse is not None:
        loss = loss + output.coarse.color.square().mean()
    loss.backward()
    assert [parameter for parameter, value in net.named_parameters() if value.grad is None] == []


@pytest.mark.parametrize("name", WITHOUT_PHOTOS)
def test_a_model_without_photos_ignores_them(repository, name):
    net = published_net(repository, name).eval()
    features = net.encode(no_photos())
    assert features.present.shape == (1, 0)
    given = net.encode(random_photos(ring_cameras(2)))
    rays = some_rays()
    with torch.no_grad():
        assert torch.equal(net.render(features, rays, WHITE).color, net.render(given, rays, WHITE).color)


def test_a_model_with_photos_refuses_none(repository):
    with pytest.raises(UserError, match="source view"):
        published_net(repository, "pixelnerf").encode(no_photos())


@pytest.mark.parametrize("name", WITHOUT_PHOTOS)
def test_an_image_without_photos(repository, name):
    net = published_net(repository, name, {"field.width": 16, "field.depth": 6}).eval()
    camera = ring_cameras(1, 12, seed=9)[0, 0]
    image = render_image(net, net.encode(no_photos()), View(camera, NEAR, FAR, WHITE[0]))
    pieces = render_image(net, net.encode(no_photos()), View(camera, NEAR, FAR, WHITE[0]), rays_per_chunk=29)
    assert image.color.shape == (12, 12, 3)
    torch.testing.assert_close(pieces.color, image.color, atol=1e-6, rtol=0)


def test_colour_without_a_direction_is_the_same_from_everywhere(repository):
    point = torch.randn(1, 1, 5, 3, generator=torch.Generator().manual_seed(0))
    nothing = torch.zeros(1, 1, 5)
    colors = {}
    for name in ("tiny_nerf", "nerf"):
        net = published_net(repository, name).eval()
        features = net.encode(no_photos())
        colors[name] = [
            net.radiance(features, 0, Gaussians(point, torch.tensor([[direction]]), nothing, nothing))[1]
            for direction in ([0.0, 0.0, 1.0], [0.6, 0.0, -0.8])
        ]
    assert torch.equal(*colors["tiny_nerf"])
    assert not torch.allclose(*colors["nerf"])


def test_rotated_positions_are_those_of_the_world_in_the_cameras_axes(repository):
    """Moving camera and world apart changes the input; the camera's own position does not enter it."""
    net = published_net(repository, "pixelnerf")
    features = net.encode(random_photos(ring_cameras(2)))
    points = torch.randn(1, 4, 3, 3, generator=torch.Generator().manual_seed(0))
    world = Gaussians(points, torch.ones(1, 4, 3), torch.zeros(1, 4, 3), torch.zeros(1, 4, 3))
    encoded = encode_positions(to_view_frames(world, features.cameras), features, net.config.position)
    for view in range(2):
        turned = points[0] @ features.cameras.poses[0, view, :3, :3]
        expected = torch.cat([turned, positional_encoding(turned, 0, 6, 1.5)], dim=-1)
        torch.testing.assert_close(encoded[0, view], expected, atol=1e-4, rtol=0)
    moved = transform_cameras(features.cameras, torch.eye(3), torch.tensor([3.0, -1.0, 2.0]), 1.0)
    features = replace(features, cameras=moved)
    again = encode_positions(to_view_frames(world, moved), features, net.config.position)
    torch.testing.assert_close(again, encoded, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("name", "changes", "expected"),
    [
        ("nerf", {"position.frame": "view_rotated"}, "needs photos"),
        ("nerf", {"direction": None}, "belong together"),
        ("tiny_nerf", {"field.direction_width": 64}, "belong together"),
        ("tiny_nerf", {"lookup": {"mode": "point", "levels": 1}}, "reads no photos"),
        ("nerf", {"position.integrated": True}, "no size"),
        ("nerf", {"renderer.frustum": "cone"}, "union"),
        ("tiny_nerf", {"field.skip_after": 4}, "skip_after"),
        ("pixelnerf", {"encoder": None, "lookup": None}, "reads photos"),
        ("pixelnerf", {"position.frame": "world"}, "without photos"),
        ("pixelnerf", {"direction": None}, "needs a direction"),
        ("pixelnerf", {"lookup.mode": "integrated"}, "no size"),
        ("pixelnerf", {"field.injection_blocks": 6}, "exceeds blocks"),
    ],
)
def test_a_combination_without_sense_is_refused_in_one_line(repository, name, changes, expected):
    with pytest.raises(UserError, match=expected) as caught:
        parse_config(ModelConfig, published_values(repository, name, changes), "model")
    assert "\n" not in str(caught.value)
