"""Pinhole cameras: world to camera frame to pixels, and poses that look at a target."""

import torch
from jaxtyping import Float
from torch import Tensor

# Depth is floored at this share of a point's distance (L1), which is 0.06 degrees off the camera plane.
GRAZING_DEPTH = 1e-3
# Avoids division by zero at the camera's own centre, where any share of the distance is zero.
SMALLEST_DEPTH = 1e-12


def rotate(
    rotations: Float[Tensor, "*#batch 3 3"], vectors: Float[Tensor, "*#batch point 3"]
) -> Float[Tensor, "*#batch point 3"]:
    """Rotates (or multiplies by any 3x3 matrix) column vectors, in the vectors' own precision."""
    columns = rotations.unsqueeze(-3).unbind(-1)
    x, y, z = vectors.split(1, dim=-1)
    return x * columns[0] + y * columns[1] + z * columns[2]


def world_to_camera(
    poses: Float[Tensor, "*#batch 4 4"], points: Float[Tensor, "*#batch point 3"]
) -> Float[Tensor, "*#batch point 3"]:
    """World points in the cameras' frames: R^T (x - c), the inverse of a rigid camera-to-world pose."""
    return rotate(poses[..., :3, :3].mT, points - poses[..., None, :3, 3])


def project(
    intrinsics: Float[Tensor, "*#batch 3 3"], points: Float[Tensor, "*#batch point 3"]
) -> Float[Tensor, "*#batch point 2"]:
    """Pixel coordinates of points given in the camera frame.

    Value and gradient are finite everywhere. At and behind the camera plane a small positive depth is used instead, so
    the result is far off the image in about the right direction; callers recognise those points by their z.
    """
    focal_x, skew, focal_y, center_x, center_y = _pinhole(intrinsics)
    x, y, _ = points.unbind(-1)
    depth = _safe_depth(points)
    return torch.stack([(focal_x * x + skew * y) / depth + center_x, focal_y * y / depth + center_y], dim=-1)


def projection_jacobian(
    intrinsics: Float[Tensor, "*#batch 3 3"], points: Float[Tensor, "*#batch point 3"]
) -> Float[Tensor, "*#batch point 2 3"]:
    """Derivative of `project` with respect to the point, in pixels per unit of length; finite everywhere."""
    focal_x, skew, focal_y, _, _ = _pinhole(intrinsics)
    x, y, _ = points.unbind(-1)
    inverse = 1 / _safe_depth(points)
    u_by_x, u_by_y, v_by_y = focal_x * inverse, skew * inverse, focal_y * inverse
    u_by_z, v_by_z = -(u_by_x * x + u_by_y * y) * inverse, -v_by_y * y * inverse
    return torch.stack([u_by_x, u_by_y, u_by_z, torch.zeros_like(v_by_y), v_by_y, v_by_z], dim=-1).unflatten(-1, (2, 3))


def look_at(
    position: Float[Tensor, "*#batch 3"], target: Float[Tensor, "*#batch 3"], up: Float[Tensor, "*#batch 3"]
) -> Float[Tensor, "*#batch 4 4"]:
    """The camera-to-world pose of a camera at `position` with `target` at the image centre and `up` upward.

    Raises:
        ValueError: position and target coincide, or the viewing direction is along `up`.
    """
    position, target, up = torch.broadcast_tensors(position, target, up)
    forward = target - position
    right = torch.linalg.cross(forward, up)
    if not (right.norm(dim=-1) > 1e-6 * forward.norm(dim=-1) * up.norm(dim=-1)).all():
        raise ValueError(f"no camera at {position.tolist()} can see {target.tolist()} with {up.tolist()} upward")
    forward = forward / forward.norm(dim=-1, keepdim=True)
    right = right / right.norm(dim=-1, keepdim=True)
    pose = torch.eye(4, dtype=position.dtype, device=position.device).repeat(*position.shape[:-1], 1, 1)
    pose[..., :3, :] = torch.stack([right, torch.linalg.cross(forward, right), forward, position], dim=-1)
    return pose


def _pinhole(intrinsics: Float[Tensor, "*batch 3 3"]) -> tuple[Float[Tensor, "*batch 1"], ...]:
    """Focal x, skew, focal y, principal point x and y, ready to broadcast over points."""
    entries = ((0, 0), (0, 1), (1, 1), (0, 2), (1, 2))
    return tuple(intrinsics[..., row, column, None] for row, column in entries)


def _safe_depth(points: Float[Tensor, "*batch point 3"]) -> Float[Tensor, "*batch point"]:
    """The depth z in front of the camera, else a small positive depth proportional to the point's distance."""
    floor = (GRAZING_DEPTH * points.detach().abs().sum(dim=-1)).clamp_min(SMALLEST_DEPTH)
    return torch.maximum(points[..., 2], floor)
