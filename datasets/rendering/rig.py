"""Where the cameras stand: poses on rings, spheres and spirals, all looking at the origin.

World: y up. Poses are camera-to-world in OpenCV axes (x right, y down, z forward). The focal length is in half image
widths, so one rig serves every resolution: in pixels it is `focal * size / 2`.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

# The camera of the ShapeNet renders of Neural Mesh Renderer: a field of view of 30 degrees, at distance 2.732.
NMR_FOCAL = float(1 / np.tan(np.radians(15)))
NMR_DISTANCE = 2.732
NMR_ELEVATION = 30.0


@dataclass(frozen=True)
class Rig:
    """Square pinhole cameras that share one focal length; the principal point is the image's centre."""

    poses: Float[ndarray, "view 4 4"]
    focal: float


def ring(views: int, elevation: float = NMR_ELEVATION, distance: float = NMR_DISTANCE, focal: float = NMR_FOCAL) -> Rig:
    """Equally spaced views at one elevation (degrees above the horizon); view 0 stands over +x, then turns to +z."""
    azimuths = np.arange(views) * (2 * np.pi / views)
    elevations = np.full(views, np.radians(elevation))
    return Rig(look_at_origin(distance * directions(azimuths, elevations)), focal)


def directions(azimuths: Float[ndarray, " view"], elevations: Float[ndarray, " view"]) -> Float[ndarray, "view 3"]:
    """Unit vectors from angles in radians; azimuth 0 is +x, a quarter turn is +z, elevation is towards +y."""
    horizontal = np.cos(elevations)
    return np.stack([horizontal * np.cos(azimuths), np.sin(elevations), horizontal * np.sin(azimuths)], axis=-1)


def look_at_origin(positions: Float[ndarray, "view 3"]) -> Float[ndarray, "view 4 4"]:
    """Upright poses at `positions` (not on the y axis) whose optical axes meet the origin."""
    forward = -positions / np.linalg.norm(positions, axis=-1, keepdims=True)
    right = np.cross(forward, (0.0, 1.0, 0.0))
    right /= np.linalg.norm(right, axis=-1, keepdims=True)
    poses = np.tile(np.eye(4), (len(positions), 1, 1))
    poses[:, :3, 0] = right
    poses[:, :3, 1] = np.cross(forward, right)
    poses[:, :3, 2] = forward
    poses[:, :3, 3] = positions
    return poses
