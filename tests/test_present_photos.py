"""Scenes of a batch that have fewer photos than others: they render as alone, and their padding costs nothing."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from builders import FAR, NEAR, random_photos, ring_cameras, small_net

from pixelnerf.geometry.rays import image_rays
from pixelnerf.types import Photos

WHITE = torch.ones(1, 3)


@pytest.mark.parametrize("pooling", ["mean", "masked_mean"])
@pytest.mark.parametrize("frame", ["view_normalized", "view_upright"])
def test_scenes_with_fewer_photos_render_and_teach_as_they_do_alone(repository, pooling, frame):
    changes = {"field.pooling": pooling, "position.frame": frame}
    net = small_net(repository, {**changes, "field.photo_colors": True, "encoder.thin_channels": 4}).eval()
    photos = random_photos(ring_cameras(3, batch=3))
    counts = [2, 3, 1]
    up = F.normalize(torch.randn(3, 3, generator=torch.Generator().manual_seed(5)), dim=-1)
    padded = replace(photos, present=torch.arange(3) < torch.tensor(counts)[:, None], up=up)
    rays = image_rays(ring_cameras(1, 24, seed=9)[0, 0], NEAR, FAR)[slice(60)].map_tensors(
        lambda tensor: tensor.expand(3, *tensor.shape).contiguous()
    )
    weights = list(net.parameters())
    together = net.render(net.encode(padded), rays, WHITE.expand(3, 3)).color
    gradients = torch.autograd.grad(together.square().sum(), weights)
    sums = [torch.zeros_like(weight) for weight in weights]
    for scene, count in enumerate(counts):
        chosen = slice(scene, scene + 1)
        alone = Photos(
            photos.images[chosen, :count],
            photos.cameras[chosen, :count],
            photos.near[chosen, :count],
            photos.far[chosen, :count],
            photos.present[chosen, :count],
            up=up[chosen],
        )
        own_rays = rays.map_tensors(lambda tensor, chosen=chosen: tensor[chosen])
        color = net.render(net.encode(alone), own_rays, WHITE).color
        torch.testing.assert_close(together[chosen], color, atol=1e-5, rtol=0)
        sums = [a + b for a, b in zip(sums, torch.autograd.grad(color.square().sum(), weights), strict=True)]
    for found, expected in zip(gradients, sums, strict=True):
        torch.testing.assert_close(found, expected, atol=1e-3 * float(expected.abs().max()) + 1e-7, rtol=0)


def test_absent_photos_reach_no_layer_of_the_field(repository):
    net = small_net(repository)
    photos = random_photos(ring_cameras(3, batch=2))
    rays = image_rays(ring_cameras(1, 24, seed=9)[0, 0], NEAR, FAR)[slice(10)].map_tensors(
        lambda tensor: tensor.expand(2, *tensor.shape).contiguous()
    )
    seen: list[int] = []
    net.fields[0].blocks[0].register_forward_hook(
        lambda _module, inputs, _output: seen.append(inputs[0].shape[:2].numel())
    )
    for present, expected in [([[1, 0, 0], [1, 1, 0]], 3), ([[1, 1, 1], [1, 1, 1]], 6)]:
        seen.clear()
        marked = replace(photos, present=torch.tensor(present).bool())
        net.render(net.encode(marked), rays, WHITE.expand(2, 3))
        assert set(seen) == {expected}
