"""Small nets, cameras and photos for the tests of the model."""

import copy
from typing import Any

import torch
import yaml

from pixelnerf.config import parse_config
from pixelnerf.geometry.cameras import look_at
from pixelnerf.model.config import ModelConfig
from pixelnerf.model.net import Net, build_net
from pixelnerf.types import Cameras, Photos, Rays

NEAR, FAR = 1.2, 4.0


def model_values(repository: Any, changes: dict[str, Any] | None = None) -> dict[str, Any]:
    """The default model's YAML, shrunk for speed; `changes` are dotted keys."""
    values = yaml.safe_load((repository / "conf/model/mip_pixelnerf.yaml").read_text())
    small = {
        "encoder.backbone": "resnet18.tv_in1k",
        "encoder.pretrained": False,
        "encoder.stages": 3,
        "field.width": 32,
        "field.blocks": 3,
        "field.injection_blocks": 2,
        "renderer.coarse_samples": 12,
        "renderer.placement.samples": 8,
    }
    values = copy.deepcopy(values)
    for key, value in {**small, **(changes or {})}.items():
        place = values
        *parents, last = key.split(".")
        for parent in parents:
            place = place[parent]
        assert last in place, f"{key} is not in the YAML"
        place[last] = value
    return values


def small_net(repository: Any, changes: dict[str, Any] | None = None, seed: int = 0) -> Net:
    """A net in evaluation mode with lively random weights: the residual branches start at zero otherwise."""
    torch.manual_seed(seed)
    net = build_net(parse_config(ModelConfig, model_values(repository, changes), "model")).eval()
    with torch.no_grad():
        for parameter in net.fields.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return net


def ring_cameras(views: int, size: int = 32, distance: float = 2.6, batch: int = 1, seed: int = 0) -> Cameras:
    """Cameras at random places on a sphere, looking at the origin, axes (batch, view)."""
    generator = torch.Generator().manual_seed(seed)
    positions = torch.nn.functional.normalize(torch.randn(batch, views, 3, generator=generator), dim=-1) * distance
    poses = look_at(positions, torch.zeros(3).expand_as(positions), torch.tensor([0.0, 0.0, 1.0]).expand_as(positions))
    focal = 1.6 * size
    matrix = torch.tensor([[focal, 0.0, size / 2], [0.0, focal, size / 2], [0.0, 0.0, 1.0]])
    return Cameras(poses, matrix.expand(batch, views, 3, 3), torch.full((batch, views, 2), size))


def random_photos(cameras: Cameras, seed: int = 1) -> Photos:
    """Smooth random photos for cameras of one size, axes (batch, view)."""
    batch, views = cameras.sizes.shape[:2]
    width, height = cameras.sizes[0, 0].tolist()
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(batch * views, 3, max(height // 4, 1), max(width // 4, 1), generator=generator)
    images = torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear").unflatten(0, (batch, views))
    return Photos(
        images,
        cameras,
        torch.full((batch, views), NEAR),
        torch.full((batch, views), FAR),
        torch.ones(batch, views, dtype=torch.bool),
    )


def first_rays(rays: Rays, count: int) -> Rays:
    """The first rays, with a batch axis in front."""
    return rays[slice(count)].map_tensors(lambda tensor: tensor[None])


def published_values(repository, name, changes=None):
    """A model's YAML as plain values; `changes` are dotted keys."""
    values = copy.deepcopy(yaml.safe_load((repository / f"conf/model/{name}.yaml").read_text()))
    if values["encoder"] is not None:
        values["encoder"]["pretrained"] = False
    for key, value in (changes or {}).items():
        *parents, last = key.split(".")
        section = values
        for parent in parents:
            section = section[parent]
        assert last in section, f"{key} is not in the YAML"
        section[last] = value
    return values


def published_net(repository, name, changes=None) -> Net:
    """A published model with fresh weights."""
    torch.manual_seed(0)
    return build_net(parse_config(ModelConfig, published_values(repository, name, changes), "model"))
