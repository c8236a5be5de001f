"""A baked volume with directional colours and thin parts, and a ray marcher written from the record's definition."""

import torch
import torch.nn.functional as F
from torch import Tensor

from pixelnerf.geometry.cameras import look_at
from pixelnerf.geometry.rays import image_rays
from pixelnerf.model.baked import BakedVolume
from pixelnerf.types import Cameras

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


def marched(volume: BakedVolume, camera: Cameras, background: float = 1.0, steps_per_cell: int = 4):
    """Colour (height, width, 3), opacity and depth (height, width): every ray in steps of a quarter of a cell.

    The depth is that along the optical axis, the mean over the light that is stopped; infinite where nothing is.
    """
    rays = image_rays(camera, 0.0, 1.0, normalize_directions=True)
    directions = rays.directions @ volume.axes
    origin = (camera.poses[:3, 3] - volume.corner) @ volume.axes / volume.cell
    sides = torch.tensor(volume.density.shape)
    middle, reach = sides / 2, float((sides / 2).norm() + 1)
    begin = float((middle - origin).norm()) - reach
    steps = int(2 * reach * steps_per_cell)
    lengths = max(begin, 0.0) + (torch.arange(steps) + 0.5) / steps_per_cell
    forward = camera.poses[:3, 2] @ volume.axes
    table = torch.cat([volume.density[..., None], volume.density[..., None] * volume.colors.flatten(-2)], dim=-1)
    table = table.permute(3, 2, 1, 0)[None]
    results = []
    for chunk in directions.split(256):
        points = origin + chunk[:, None] * lengths[:, None]
        samples = F.grid_sample(table, (2 * points / sides - 1)[None, None], align_corners=False)[0, :, 0]
        density = samples[0]
        coefficients = (samples[1:] / density.clamp_min(1e-12)).unflatten(0, (-1, 3))
        color = (coefficients[0] + torch.einsum("bcrs,rb->crs", coefficients[1:], chunk)).clamp(0, 1)
        depth_after = torch.cumsum(density * volume.cell / steps_per_cell, dim=-1)
        transmittance = torch.exp(-torch.cat([torch.zeros_like(depth_after[:, :1]), depth_after], dim=-1))
        weights = transmittance[:, :-1] - transmittance[:, 1:]
        opacity = weights.sum(-1)
        depth = volume.cell * (weights * lengths).sum(-1) * (chunk @ forward) / opacity
        results.append(torch.cat([(weights * color).sum(-1).T, opacity[:, None], depth[:, None]], dim=-1))
    width, height = camera.sizes.tolist()
    picture = torch.cat(results).unflatten(0, (height, width))
    opacity = picture[..., 3]
    return picture[..., :3] + (1 - opacity[..., None]) * background, opacity, picture[..., 4]


def averaged(image: Tensor, factor: int) -> Tensor:
    """An image (height, width, channel) made smaller by the mean of factor x factor pixels."""
    return F.avg_pool2d(image.movedim(-1, 0), factor).movedim(0, -1)
