import time

import pytest
import torch
import torch.nn.functional as F
from builders import FAR, NEAR, first_rays, model_values, random_photos, ring_cameras, small_net
from geometry_builders import transform_cameras

from pixelnerf.config import parse_config
from pixelnerf.errors import UserError
from pixelnerf.geometry.rays import image_rays
from pixelnerf.model import pretrained
from pixelnerf.model.config import ModelConfig
from pixelnerf.model.encoder import Encoder
from pixelnerf.model.image import render_image
from pixelnerf.types import Photos, View

WHITE = torch.ones(1, 3)


def render(net, photos, camera, near=NEAR, far=FAR, count=200, generator=None):
    rays = first_rays(image_rays(camera, near, far), count)
    return net.render(net.encode(photos), rays, WHITE, generator)


def with_views(photos: Photos, views) -> Photos:
    return photos.map_tensors(lambda tensor: tensor[:, views])


@pytest.fixture(scope="module")
def target():
    return ring_cameras(1, 24, seed=9)[0, 0]


def test_a_similarity_of_the_world_does_not_change_the_picture(repository, target):
    net, photos = small_net(repository), random_photos(ring_cameras(2))
    before = render(net, photos, target)
    rotation = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(0)))[0]
    rotation = rotation * torch.det(rotation).sign()
    for scale in (0.05, 30.0):
        translation = scale * torch.tensor([3.0, -5.0, 2.0])
        moved = Photos(
            photos.images,
            transform_cameras(photos.cameras, rotation, translation, scale),
            photos.near * scale,
            photos.far * scale,
            photos.present,
        )
        after = render(net, moved, transform_cameras(target, rotation, translation, scale), NEAR * scale, FAR * scale)
        assert before.color.std() > 0.01
        torch.testing.assert_close(after.color, before.color, atol=1e-4, rtol=0)
        torch.testing.assert_close(after.distance / scale, before.distance, atol=1e-3, rtol=0)


def test_the_order_of_views_does_not_matter(repository, target):
    net, photos = small_net(repository), random_photos(ring_cameras(3))
    expected = render(net, photos, target).color
    torch.testing.assert_close(render(net, with_views(photos, [2, 0, 1]), target).color, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("pooling", ["mean", "masked_mean"])
def test_an_absent_view_changes_nothing(repository, target, pooling):
    net, photos = small_net(repository, {"field.pooling": pooling}), random_photos(ring_cameras(3))
    present = torch.tensor([[True, False, True]])
    padded = Photos(photos.images, photos.cameras, photos.near, photos.far, present)
    expected = render(net, with_views(photos, [0, 2]), target).color
    torch.testing.assert_close(render(net, padded, target).color, expected, atol=1e-5, rtol=0)


def test_masked_mean_leaves_out_views_that_look_away(repository, target):
    photos = random_photos(ring_cameras(2))
    away = photos.cameras.poses.clone()
    away[0, 1, :3, 0] *= -1
    away[0, 1, :3, 2] *= -1
    cameras = type(photos.cameras)(away, photos.cameras.intrinsics, photos.cameras.sizes)
    turned = Photos(photos.images, cameras, photos.near, photos.far, photos.present)
    for pooling, ignored in (("masked_mean", True), ("mean", False)):
        net = small_net(repository, {"field.pooling": pooling, "field.direction": "input"})
        difference = render(net, turned, target).color - render(net, with_views(turned, [0]), target).color
        assert (difference.abs().max() < 1e-5) == ignored


def test_encode_remembers_nothing(repository, target):
    net = small_net(repository)
    first, second = random_photos(ring_cameras(2), seed=1), random_photos(ring_cameras(1, seed=4), seed=2)
    rays = first_rays(image_rays(target, NEAR, FAR), 50)
    features = net.encode(first)
    before = net.render(features, rays, WHITE).color
    net.encode(second)
    assert torch.equal(net.render(features, rays, WHITE).color, before)
    assert torch.equal(net.render(net.encode(first), rays, WHITE).color, before)


def test_scenes_of_a_batch_do_not_mix(repository):
    net = small_net(repository)
    cameras = ring_cameras(2, batch=3)
    photos = random_photos(cameras)
    rays = image_rays(ring_cameras(1, 24, seed=9)[0, 0], NEAR, FAR)[slice(60)].map_tensors(
        lambda tensor: tensor.expand(3, *tensor.shape).contiguous()
    )
    together = net.render(net.encode(photos), rays, WHITE.expand(3, 3)).color
    for scene in range(3):
        index = slice(scene, scene + 1)
        alone = net.render(
            net.encode(photos.map_tensors(lambda tensor, index=index: tensor[index])),
            rays.map_tensors(lambda tensor, index=index: tensor[index]),
            WHITE,
        ).color
        torch.testing.assert_close(together[index], alone, atol=1e-5, rtol=0)


def test_density_does_not_depend_on_the_view_direction(repository, target):
    net, photos = small_net(repository), random_photos(ring_cameras(2))
    output = render(net, photos, target)
    with torch.no_grad():
        net.fields[0].direction.weight.mul_(-3.0)
    changed = render(net, photos, target)
    assert torch.equal(output.weights, changed.weights)
    assert not torch.equal(output.color, changed.color)


def test_half_resolution_is_nearer_the_filtered_picture_with_the_integrated_look_up(repository):
    """Sharp photos: what one pixel of a small render should show is the mean of the large one's pixels."""
    camera = ring_cameras(1, 64, seed=9)[0, 0]
    cameras = ring_cameras(1, 64)
    generator = torch.Generator().manual_seed(0)
    photos = random_photos(cameras)
    sharp = Photos(
        torch.rand(1, 1, 3, 64, 64, generator=generator).round(), cameras, photos.near, photos.far, photos.present
    )
    errors = {}
    for mode in ("integrated", "point"):
        net = small_net(repository, {"lookup.mode": mode, "encoder.first_pool": False})
        features = net.encode(sharp)
        full = render_image(net, features, View(camera, NEAR, FAR, WHITE[0])).color.movedim(-1, 0)
        half = render_image(net, features, View(camera.scaled(0.25), NEAR, FAR, WHITE[0])).color.movedim(-1, 0)
        errors[mode] = (half - F.avg_pool2d(full, 4)).square().mean() / full.var()
    assert errors["integrated"] < 0.7 * errors["point"]


def test_values_and_gradients_are_finite_at_extremes(repository, target):
    photos = random_photos(ring_cameras(2))
    for images, near, far in (
        (torch.zeros_like(photos.images), NEAR, FAR),
        (torch.ones_like(photos.images), 1e-3, 1e3),
        (photos.images, 2.0, 2.0 + 1e-4),
    ):
        net = small_net(repository).train()
        extreme = Photos(images, photos.cameras, photos.near * 0 + near, photos.far * 0 + far, photos.present)
        output = render(net, extreme, target, near, far, 40, torch.Generator().manual_seed(0))
        (output.color.sum() + output.coarse.color.sum() + output.distance.sum()).backward()
        assert torch.isfinite(output.color).all()
        for name, parameter in net.named_parameters():
            assert parameter.grad is None or torch.isfinite(parameter.grad).all(), name


def test_every_parameter_learns(repository, target):
    net, photos = small_net(repository).train(), random_photos(ring_cameras(2))
    output = render(net, photos, target, generator=torch.Generator().manual_seed(0))
    (output.color.square().mean() + output.coarse.color.square().mean()).backward()
    unused = [name for name, parameter in net.named_parameters() if parameter.grad is None]
    assert unused == []


def test_every_convolution_learns_from_the_first_step(repository):
    """In a block whose last norm began at zero none but that norm would."""
    encoder = small_net(repository).encoder.train()
    sum(stage.square().mean() for stage in encoder(torch.rand(2, 3, 32, 32))).backward()
    for name, weight in encoder.named_parameters():
        assert weight.ndim < 4 or weight.grad.abs().max() > 1e-6, name


def test_a_coarse_pass_that_is_not_trained_places_the_same_samples_and_leaves_the_fine_gradient(repository, target):
    photos, gradients = random_photos(ring_cameras(2)), []
    for train_coarse in (True, False):
        net = small_net(repository)
        rays = first_rays(image_rays(target, NEAR, FAR), 50)
        generator = torch.Generator().manual_seed(3)
        output = net.render(net.encode(photos), rays, WHITE, generator, train_coarse)
        assert output.coarse.color.requires_grad == train_coarse
        output.color.square().sum().backward()
        gradients.append(torch.cat([parameter.grad.flatten() for parameter in net.parameters()]))
    assert gradients[0].norm() > 1e-3
    torch.testing.assert_close(gradients[1], gradients[0])


def test_chunks_do_not_show(repository, target):
    net, photos = small_net(repository), random_photos(ring_cameras(1))
    features = net.encode(photos)
    whole = render_image(net, features, View(target, NEAR, FAR, WHITE[0]))
    pieces = render_image(net, features, View(target, NEAR, FAR, WHITE[0]), rays_per_chunk=77)
    torch.testing.assert_close(pieces.color, whole.color, atol=1e-6, rtol=0)
    assert whole.color.shape == (24, 24, 3)


def test_upsampling_is_registered_with_the_strides(repository):
    encoder = Encoder(parse_config(ModelConfig, model_values(repository), "model").encoder)
    for size, coarse in ((32, 8), (30, 8), (19, 5)):
        ramp = torch.arange(coarse, dtype=torch.float32)[:, None].expand(1, coarse, coarse, 1)
        row = encoder.upsample(ramp, (size, size))[0, 0, :, 0]
        expected = (torch.arange(size) / 4).clamp_max(coarse - 1)
        torch.testing.assert_close(row, expected)


def test_a_stage_registers_with_its_photo(repository):
    """The response to one bright pixel is centred on texel index p / 2, for symmetric filters."""
    encoder = Encoder(parse_config(ModelConfig, model_values(repository), "model").encoder).eval()
    with torch.no_grad():
        encoder.backbone.conv1.weight.copy_(torch.ones_like(encoder.backbone.conv1.weight))
    image = torch.full((1, 3, 32, 32), 0.5)
    base = encoder(image)[0]
    image[..., 16] = 1.0
    response = (encoder(image)[0] - base).abs()[0].sum((0, 1))
    centre = (response * torch.arange(16)).sum() / response.sum()
    assert abs(centre - 8.0) < 0.26


def test_pretrained_weights_out_of_reach_stop_within_five_seconds(repository, monkeypatch):
    monkeypatch.setattr(pretrained.huggingface_hub, "try_to_load_from_cache", lambda *_: None)
    monkeypatch.setattr(pretrained.huggingface_hub.constants, "ENDPOINT", "http://192.0.2.1")
    values = model_values(repository, {"encoder.pretrained": True})
    config = parse_config(ModelConfig, values, "model")
    started = time.monotonic()
    with pytest.raises(UserError) as caught:
        Encoder(config.encoder)
    assert time.monotonic() - started < 5
    message = str(caught.value)
    assert "encoder.weights=" in message
    assert "encoder.pretrained=false" in message
    assert "\n" not in message


def test_weights_come_from_a_local_file(repository, tmp_path):
    values = model_values(repository)
    source = Encoder(parse_config(ModelConfig, values, "model").encoder)
    path = tmp_path / "resnet.pth"
    torch.save(source.backbone.state_dict() | {"fc.weight": torch.zeros(10, 512)}, path)
    loaded = Encoder(parse_config(ModelConfig, model_values(repository, {"encoder.weights": path}), "model").encoder)
    assert all(torch.equal(a, b) for a, b in zip(source.parameters(), loaded.parameters(), strict=True))
    path.write_bytes(b"not weights")
    with pytest.raises(UserError, match=str(path)):
        Encoder(loaded.config)


def test_a_scene_without_photos_is_refused(repository):
    photos = random_photos(ring_cameras(1))
    empty = Photos(photos.images, photos.cameras, photos.near, photos.far, torch.zeros(1, 1, dtype=torch.bool))
    with pytest.raises(UserError, match="input photo"):
        small_net(repository).encode(empty)


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("field.widht", 3, "did you mean 'width'"),
        ("renderer.coarse_samples", -4, "renderer.coarse_samples"),
        ("lookup.mode", "trilinear", "lookup.mode"),
        ("field.width", "wide", "field.width"),
    ],
)
def test_a_bad_value_is_one_line_that_names_the_key(repository, key, value, expected):
    values = model_values(repository)
    group, name = key.split(".")
    values[group][name] = value
    with pytest.raises(UserError) as caught:
        parse_config(ModelConfig, values, "model")
    assert expected in str(caught.value)
    assert f"model.{key}" in str(caught.value)
    assert "\n" not in str(caught.value)
