"""Cones through pixels."""

import math
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from pixelnerf.geometry.cameras import rotate
from pixelnerf.types import Cameras, Rays

# A square pixel of width w has variance w^2 / 12 along each side, a disc of radius r has r^2 / 4.
RADIUS_PER_PIXEL_WIDTH = 2 / math.sqrt(12)


def pixel_centers(width: int, height: int) -> Float[Tensor, "pixel 2"]:
    """(x, y) of all pixel centres, row by row: (0.5, 0.5), (1.5, 0.5), ..."""
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    return torch.stack([x, y], dim=-1).reshape(-1, 2)


def rays_through_pixels(
    cameras: Cameras,
    pixels: Float[Tensor, "*batch ray 2"],
    near: Float[Tensor, "*batch"],
    far: Float[Tensor, "*batch"],
    normalize_directions: bool = False,
) -> Rays:
    """Cones from the cameras through points of their images, in the world.

    Args:
        cameras: one camera for each batch element.
        pixels: (x, y) in pixels; (0, 0) is the image's corner.
        near: start of the rays, in units of t.
        far: end of the rays.
        normalize_directions: unit directions, so that t is distance from the camera; otherwise z = 1 in the camera
            frame and t is depth.

    Returns:
        Rays whose radius at t = 1 gives the cone's disc the pixel's variance (mip-NeRF, section 3.1): the pixel's width
        there times 2 / sqrt(12). For pixels that are not square, the mean of their two variances.
    """
    focal_x, skew, center_x = (entry[..., None] for entry in cameras.intrinsics[..., 0, :].unbind(-1))
    _, focal_y, center_y = (entry[..., None] for entry in cameras.intrinsics[..., 1, :].unbind(-1))
    y = (pixels[..., 1] - center_y) / focal_y
    x = (pixels[..., 0] - center_x - skew * y) / focal_x
    directions = rotate(cameras.poses[..., :3, :3], torch.stack([x, y, torch.ones_like(x)], dim=-1))
    radii = RADIUS_PER_PIXEL_WIDTH * ((focal_x**-2 + focal_y**-2) / 2).sqrt().expand_as(x)
    if normalize_directions:
        lengths = directions.norm(dim=-1)
        directions, radii = directions / lengths[..., None], radii / lengths
    return Rays(
        origins=cameras.poses[..., None, :3, 3].expand_as(directions),
        directions=directions,
        radii=radii,
        near=near[..., None].expand_as(x),
        far=far[..., None].expand_as(x),
    )


def within_cube(rays: Rays, half_sides: Float[Tensor, "*batch"]) -> Rays:
    """The rays, their ranges clipped to a cube around the world's origin, along its axes.

    A ray that misses the cube gets an empty range at far. An infinite cube changes nothing.

    Args:
        rays: axes "batch ray".
        half_sides: half the side of each batch element's cube, in units of the world.
    """
    half = half_sides[..., None, None]
    # A direction parallel to a pair of faces never crosses them: the ray is between them everywhere or nowhere.
    tiny = torch.finfo(rays.directions.dtype).tiny
    directions = torch.where(rays.directions.abs() < tiny, tiny, rays.directions)
    one, other = (-half - rays.origins) / directions, (half - rays.origins) / directions
    near = torch.maximum(rays.near, torch.minimum(one, other).amax(-1))
    far = torch.minimum(rays.far, torch.maximum(one, other).amin(-1))
    misses = near >= far
    return replace(rays, near=torch.where(misses, rays.far, near), far=torch.where(misses, rays.far, far))


def image_rays(camera: Cameras, near: float, far: float, normalize_directions: bool = False) -> Rays:
    """The cones of all pixels of one camera (no batch axes), row by row; see `rays_through_pixels`."""
    width, height = camera.sizes.tolist()
    pixels = pixel_centers(width, height).to(camera.poses)
    bounds = camera.poses.new_tensor([near, far])
    return rays_through_pixels(camera, pixels, bounds[0], bounds[1], normalize_directions)
