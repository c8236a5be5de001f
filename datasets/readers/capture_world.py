"""The world that a capture is put into, whatever units and axes its files have."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

# The nearest bound comes to lie at 1 / 0.75, so that NDC's near plane at 1 is in front of everything.
BOUND_MARGIN = 0.75


@dataclass(frozen=True)
class CaptureWorld:
    """A scaled frame in a capture's own.

    Attributes:
        frame: its axes and origin in the capture's world.
        scale: lengths in it over lengths in the capture's world.
    """

    frame: Float[np.ndarray, "4 4"]
    scale: float

    def poses(self, poses: Float[np.ndarray, "view 4 4"]) -> Float[np.ndarray, "view 4 4"]:
        """Camera-to-world poses of the capture's world, in this one."""
        moved = np.linalg.inv(self.frame) @ poses
        moved[:, :3, 3] *= self.scale
        return moved

    def points(self, points: Float[np.ndarray, "point 3"]) -> Float[np.ndarray, "point 3"]:
        """Points of the capture's world, in this one."""
        return self.scale * (points - self.frame[:3, 3]) @ self.frame[:3, :3]


OWN_WORLD = CaptureWorld(np.eye(4), 1.0)


def scaled_world(frame: Float[np.ndarray, "4 4"], nearest: float) -> CaptureWorld:
    """The world with a frame's axes and origin in which the depth `nearest` is 4/3, as in NeRF (2020)."""
    return CaptureWorld(frame, 1 / (BOUND_MARGIN * nearest))


def centered_world(poses: Float[np.ndarray, "view 4 4"], nearest: float) -> CaptureWorld:
    """`scaled_world` with the capture's own axes and the cameras' mean position as its origin."""
    frame = np.eye(4)
    frame[:3, 3] = poses[:, :3, 3].mean(axis=0)
    return scaled_world(frame, nearest)
