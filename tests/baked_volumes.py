"""A baked volume with directional colours and thin parts, and our own render of it."""

import torch
import torch.nn.functional as F
from torch import Tensor

from pixelnerf.geometry.cameras import look_at
from pixelnerf.model.baked import BakedVolume, render_baked
from pixelnerf.types import Cameras, ImageOutput, View

UP = torch.tensor([0.0, 0.0, 1.0])


def ring_camera(azimuth: float, elevation: float, size: int = 64, distance: float = 2.732) -> Cameras:
    """A camera of the built-in world: degrees, looking at the origin, 30 degrees of field of view."""
    turn, climb = torch.deg2rad(torch.tensor([azimuth, elevation])).unbind()
    position = distance * torch.stack([climb.cos() * turn.cos(), climb.cos() * turn.sin(), climb.sin()])
    focal = size / 2 / torch.tan(torch.deg2rad(torch.tensor(15.0))).item()
    matrix = torch.tensor([[focal, 0, size / 2], [0, focal, size / 2], [0, 0, 1]])
    return Cameras(look_at(position, torch.zeros(3), UP), matrix, torch.tensor([size, size]))


def ball_with_thin_parts(cells: int = 36, density: float = 150.0) -> BakedVolume:
    """A ball on a thin stem with a thin ring, and a haze above, in a grid turned about the vertical axis.

    The grid is not a cube, and its axes are not the world's. The colour changes with place and direction.
    """
    turn = torch.tensor(0.5)
    axes = torch.stack(
        [
            torch.stack([turn.cos(), turn.sin(), torch.tensor(0.0)]),
            torch.stack([-turn.sin(), turn.cos(), torch.tensor(0.0)]),
            UP,
        ],
        dim=1,
    )
    sides = torch.tensor([cells - 5, cells, cells + 3])
    cell = torch.tensor(0.96 / cells)
    corner = -axes @ (sides * cell / 2)
    index = torch.stack(torch.meshgrid(*(torch.arange(int(side)) + 0.5 for side in sides), indexing="ij"), dim=-1)
    points = corner + (index * cell) @ axes.T
    x, y, z = points.unbind(-1)
    flat = (x**2 + y**2).sqrt()
    # Shares of a cell inside each part, so that edges are soft within a cell, as a field's are.
    ball = ((0.25 - points.norm(dim=-1)) / cell + 0.5).clamp(0, 1)
    stem = ((0.015 - flat) / cell + 0.5).clamp(0, 1) * (z.abs() < 0.42)
    ring = ((0.012 - ((flat - 0.36) ** 2 + (z + 0.1) ** 2).sqrt()) / cell + 0.5).clamp(0, 1)
    haze = 0.01 * torch.exp(-(((points - torch.tensor([0.0, 0.2, 0.3])) / 0.1) ** 2).sum(-1))
    shares = torch.maximum(torch.maximum(ball, stem), ring) + torch.where(haze > 1e-4, haze, torch.zeros(()))
    base = 0.5 + 0.4 * torch.sin(9 * points + torch.tensor([0.0, 1.0, 2.0]))
    slopes = 0.3 * torch.stack([base.flip(-1) - 0.5, base - 0.5, torch.sin(7 * points)], dim=-2)
    colors = torch.cat([base[..., None, :], slopes], dim=-2)
    return BakedVolume(corner, axes, cell, density * shares, colors)


def frame(volume: BakedVolume, camera: Cameras, background: float = 1.0) -> ImageOutput:
    """Our own render of a view, over a grey."""
    return render_baked(volume, View(camera, 0.01, 50.0, torch.full((3,), background)))


def averaged(image: Tensor, factor: int) -> Tensor:
    """An image (height, width, channel) made smaller by the mean of factor x factor pixels."""
    return F.avg_pool2d(image.movedim(-1, 0), factor).movedim(0, -1)
