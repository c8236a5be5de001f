"""Where the cameras stand: poses on rings, spheres and spirals, all looking at the origin.

World: y up. Poses are camera-to-world in OpenCV axes (x right, y down, z forward). The focal length is in half image
widths, so one rig serves every resolution: in pixels it is `focal * size / 2`. Azimuth 0 is +x, a quarter turn is +z;
elevation is towards +y.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from numpy.random import Generator

# The camera of the ShapeNet renders of Neural Mesh Renderer: a field of view of 30 degrees, at distance 2.732.
NMR_FOCAL = float(1 / np.tan(np.radians(15)))
NMR_DISTANCE = 2.732
NMR_ELEVATION = 30.0

# The poles themselves have no upright view.
_STEEPEST = np.radians(89.5)


@dataclass(frozen=True)
class Rig:
    """Square pinhole cameras that share one focal length; the principal point is the image's centre."""

    poses: Float[ndarray, "view 4 4"]
    focal: float


def ring(views: int, elevation: float = NMR_ELEVATION, distance: float = NMR_DISTANCE, focal: float = NMR_FOCAL) -> Rig:
    """Equally spaced views at one elevation (degrees above the horizon); view 0 stands over +x, then turns to +z."""
    azimuths = np.arange(views) * (2 * np.pi / views)
    return _looking_at_origin(azimuths, np.full(views, np.radians(elevation)), distance, focal)


def on_sphere(views: int, lowest: float, distance: float, focal: float, rng: Generator) -> Rig:
    """Views drawn evenly from the sphere above an elevation in degrees: -90 for all of it, 0 for the upper half."""
    # Equal steps of height cover equal areas of a sphere.
    heights = rng.uniform(np.sin(np.radians(lowest)), 1.0, views)
    elevations = np.clip(np.arcsin(heights), -_STEEPEST, _STEEPEST)
    return _looking_at_origin(rng.uniform(0, 2 * np.pi, views), elevations, distance, focal)


def spiral(views: int, distance: float, focal: float) -> Rig:
    """Ten turns of an Archimedean spiral from the top of the sphere to the horizon, as in SRN's test views of ShapeNet.

    The angle from the top grows in proportion to the azimuth.
    """
    share = (np.arange(views) + 0.5) / views
    return _looking_at_origin(share * 10 * 2 * np.pi, (1 - share) * _STEEPEST, distance, focal)


def _looking_at_origin(
    azimuths: Float[ndarray, " view"], elevations: Float[ndarray, " view"], distance: float, focal: float
) -> Rig:
    """Upright cameras on a sphere, at angles in radians, whose optical axes meet at its centre."""
    across = np.cos(elevations)
    unit = np.stack([across * np.cos(azimuths), np.sin(elevations), across * np.sin(azimuths)], axis=-1)
    positions = distance * unit
    forward = -positions / np.linalg.norm(positions, axis=-1, keepdims=True)
    right = np.cross(forward, (0.0, 1.0, 0.0))
    right /= np.linalg.norm(right, axis=-1, keepdims=True)
    poses = np.tile(np.eye(4), (len(positions), 1, 1))
    poses[:, :3] = np.stack([right, np.cross(forward, right), forward, positions], axis=-1)
    return Rig(poses, focal)
