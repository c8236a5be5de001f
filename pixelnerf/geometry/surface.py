"""World positions of a rendered view's pixels."""

import torch
from jaxtyping import Float
from torch import Tensor

from pixelnerf.geometry.ndc import from_ndc, to_ndc
from pixelnerf.geometry.rays import image_rays
from pixelnerf.types import Cameras


def surface_points(
    camera: Cameras,
    distance: Float[Tensor, "height width"],
    normalize_directions: bool = False,
    ndc: tuple[float, float] | None = None,
) -> Float[Tensor, "height width 3"]:
    """The point of each pixel's ray at a rendered distance in units of t, for one camera (no batch axis).

    With `normalize_directions` t is metric distance, else depth. Scenes in normalised device coordinates pass their
    `ndc` scale; points are in the world either way.
    """
    rays = image_rays(camera, 0.0, 1.0, normalize_directions)
    scale = camera.poses.new_tensor(ndc) if ndc is not None else None
    if scale is not None:
        rays = to_ndc(rays, scale)
    points = torch.addcmul(rays.origins, rays.directions, distance.reshape(-1, 1))
    if scale is not None:
        points = from_ndc(points, scale)
    return points.unflatten(0, distance.shape)
