"""A camera's turn about what a set of cameras looks at."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

# Length of the mean of the cameras' horizontal directions: 0 for a whole ring of them, 0.64 for half of one.
ONE_SIDED = 0.5


def pivot(
    poses: Float[Tensor, "view 4 4"],
) -> tuple[Float[Tensor, "3"], Float[Tensor, "3"]] | None:
    """The point and the axis that cameras stand around; None if they see it from one side only.

    The point is the nearest one to all optical axes. The axis is the direction most nearly perpendicular to every
    camera's horizontal, which is the vertical where cameras have no roll; it points upward in the pictures.

    Args:
        poses: camera-to-world, OpenCV's axes.

    Returns:
        The point and the unit axis in the world, in float64.
    """
    exact = poses.double()
    across, down, ahead = exact[:, :3, :3].unbind(-1)
    up = torch.linalg.eigh(across.mT @ across)[1][:, 0]
    up = up if (down @ up).sum() < 0 else -up
    horizontal = F.normalize(ahead - (ahead @ up)[:, None] * up, dim=-1)
    if horizontal.mean(0).norm() > ONE_SIDED:
        return None
    # Squared distances to the axes, summed, are least where this is zero: sum (I - a a^T) (x - c).
    off_axis = torch.eye(3, dtype=torch.float64, device=poses.device) - ahead[:, :, None] * ahead[:, None, :]
    center = torch.linalg.solve(off_axis.sum(0), (off_axis @ exact[:, :3, 3:])[..., 0].sum(0))
    return center, up


def turned(
    pose: Float[Tensor, "4 4"], center: Float[Tensor, "3"], axis: Float[Tensor, "3"], frames: int
) -> Float[Tensor, "frame 4 4"]:
    """A whole turn of a camera in equal steps, counterclockwise seen against the axis; the first is the camera itself.

    Args:
        pose: camera-to-world.
        center: a point of the axis.
        axis: its direction, of length 1.
        frames: how many steps.
    """
    angles = 2 * torch.pi * torch.arange(frames, dtype=torch.float64, device=pose.device) / frames
    exact, middle, unit = pose.double(), center.double(), axis.double()
    cross = torch.linalg.cross(unit.expand(3, 3), torch.eye(3, dtype=unit.dtype, device=unit.device)).mT
    # Rodrigues: v cos + (axis x v) sin + axis (axis . v) (1 - cos).
    cosine, sine = angles.cos()[:, None, None], angles.sin()[:, None, None]
    rotations = cosine * torch.eye(3, dtype=unit.dtype, device=unit.device) + sine * cross
    rotations = rotations + (1 - cosine) * torch.outer(unit, unit)
    poses = exact.repeat(frames, 1, 1)
    poses[:, :3, :3] = rotations @ exact[:3, :3]
    poses[:, :3, 3] = middle + rotations @ (exact[:3, 3] - middle)
    # The first is not rounded.
    return torch.cat([pose[None], poses[1:].to(pose.dtype)])
