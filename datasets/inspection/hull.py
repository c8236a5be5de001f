"""The visual hull of object masks, and how well it explains them."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import max_pool2d, pad

from datasets.inspection.epipolar import common_center, projected
from pixelnerf.types import Cameras

Mask = Bool[Tensor, "height width"]

GRID = 56


@dataclass(frozen=True)
class Hull:
    """Points inside all masks, and the share of the masks' pixels that they cover: 1 for perfect cameras."""

    points: Float[Tensor, "point 3"]
    coverage: float


def carve(cameras: Cameras, masks: Sequence[Mask]) -> Hull:
    """The hull of masks, none of them empty, one for each camera.

    It is carved from a grid around the point nearest to the optical axes, as large as the largest mask makes the
    object there.
    """
    center = common_center(cameras)
    views = [(cameras[index], mask) for index, mask in enumerate(masks)]
    radius = max(_reach(camera, mask, center) for camera, mask in views)
    axis = torch.linspace(-1, 1, GRID, dtype=torch.float64)
    points = center + radius * torch.cartesian_prod(axis, axis, axis)
    for camera, mask in views:
        points = points[_inside(camera, mask, points)]
    spacing = 2 * radius / (GRID - 1)
    coverage = sum(_covered(camera, mask, points, spacing) for camera, mask in views) / len(views)
    return Hull(points, coverage)


def _reach(camera: Cameras, mask: Mask, center: Float[Tensor, "3"]) -> float:
    """Distance, at the depth of the centre, between the optical axis and the mask's farthest pixel."""
    pixels = mask.nonzero().flip(-1) + 0.5
    reach = (pixels - camera.intrinsics[:2, 2]).norm(dim=-1).max() / camera.intrinsics[0, 0]
    return float(reach * (camera.poses[:3, 3] - center).norm())


def _inside(camera: Cameras, mask: Mask, points: Float[Tensor, "point 3"]) -> Bool[Tensor, "point"]:
    pixels, depths = projected(camera, points)
    # What lies outside the photo falls on the padding.
    columns, rows = (pixels.floor().long() + 1).clamp_min(0).minimum(camera.sizes + 1).unbind(-1)
    return (depths > 0) & pad(mask, (1, 1, 1, 1))[rows, columns]


def _covered(camera: Cameras, mask: Mask, points: Float[Tensor, "point 3"], spacing: float) -> float:
    """Share of a mask that the points cover, each as a square of the grid's spacing."""
    if not len(points):
        return 0.0
    pixels, depths = projected(camera, points)
    side = max(1, round(float(camera.intrinsics[0, 0] * spacing / depths.median())))
    cells = (pixels / side).floor().long()
    height, width = (-(-length // side) for length in mask.shape)
    splat = torch.zeros(1, height, width)
    splat[0, cells[:, 1].clamp(0, height - 1), cells[:, 0].clamp(0, width - 1)] = 1.0
    # Points of a regular grid may leave every other cell free.
    grown = max_pool2d(splat, 3, 1, 1)[0]
    rows, columns = mask.nonzero(as_tuple=True)
    return float(grown[rows // side, columns // side].mean())
