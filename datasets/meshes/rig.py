"""Where the cameras stand: poses on rings, spheres and spirals that look at the origin, and hand-held ones.

World: y up. Poses are camera-to-world in OpenCV axes (x right, y down, z forward). Focal lengths are in half image
widths, so one rig serves every resolution: in pixels they are `focals * size / 2`. Azimuth 0 is +x, a quarter turn
is +z; elevation is towards +y.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from numpy.random import Generator
from scipy.spatial.transform import Rotation

# The camera of the ShapeNet renders of Neural Mesh Renderer: a field of view of 30 degrees, at distance 2.732.
NMR_FOCAL = float(1 / np.tan(np.radians(15)))
NMR_DISTANCE = 2.732
NMR_ELEVATION = 30.0

# The poles themselves have no upright view.
_STEEPEST = np.radians(89.5)

# Of photos by hand, in degrees: how far a camera is held above the horizon, and what its lens takes in.
_HAND_HELD_ELEVATIONS = (-10.0, 80.0)
_HAND_HELD_FIELDS_OF_VIEW = (25.0, 65.0)
_HAND_HELD_ROLL = 4.0
# Shares of the field of view: what the object's bounding sphere takes up, and how far its centre is off the image's.
_HAND_HELD_FILLS = (0.7, 1.0)
_HAND_HELD_OFFSET = 0.08


@dataclass(frozen=True)
class Rig:
    """Square pinhole cameras; the principal point is the image's centre."""

    poses: Float[ndarray, "view 4 4"]
    focals: Float[ndarray, " view"]


def ring(views: int, elevation: float = NMR_ELEVATION, distance: float = NMR_DISTANCE, focal: float = NMR_FOCAL) -> Rig:
    """Equally spaced views at one elevation (degrees above the horizon); view 0 stands over +x, then turns to +z."""
    azimuths = np.arange(views) * (2 * np.pi / views)
    return _looking_at_origin(azimuths, np.full(views, np.radians(elevation)), np.full(views, distance), focal)


def on_sphere(views: int, lowest: float, distance: float, focal: float, rng: Generator) -> Rig:
    """Views drawn evenly from the sphere above an elevation in degrees: -90 for all of it, 0 for the upper half."""
    # Equal steps of height cover equal areas of a sphere.
    heights = rng.uniform(np.sin(np.radians(lowest)), 1.0, views)
    elevations = np.clip(np.arcsin(heights), -_STEEPEST, _STEEPEST)
    return _looking_at_origin(rng.uniform(0, 2 * np.pi, views), elevations, np.full(views, distance), focal)


def hand_held(views: int, radius: float, rng: Generator) -> Rig:
    """Views of an object within `radius` of the origin, as a person takes them who walks around it once.

    View i stands in the i-th of equal sectors of the circle, and elevations share the area between -10 and 80 degrees
    evenly, so any few views are spread. Fields of view are 25 to 65 degrees; the distance follows, so that the bounding
    sphere fills 70 to 100 percent of the field. The centre is up to 8 percent of the field off the image's, and the
    camera rolled by 4 degrees (standard deviation).
    """
    azimuths = (np.arange(views) + rng.uniform(size=views)) * (2 * np.pi / views)
    lowest, highest = np.sin(np.radians(_HAND_HELD_ELEVATIONS))
    strata = (rng.permutation(views) + rng.uniform(size=views)) / views
    half_fields = np.radians(rng.uniform(*_HAND_HELD_FIELDS_OF_VIEW, views)) / 2
    distances = radius / np.sin(half_fields * rng.uniform(*_HAND_HELD_FILLS, views))
    elevations = np.arcsin(lowest + (highest - lowest) * strata)
    rig = _looking_at_origin(azimuths, elevations, distances, 1 / np.tan(half_fields))
    across, down = 2 * half_fields * _HAND_HELD_OFFSET * rng.uniform(-1, 1, (2, views))
    roll = np.radians(_HAND_HELD_ROLL) * rng.standard_normal(views)
    turns = Rotation.from_euler("ZYX", np.stack([roll, across, down], axis=-1)).as_matrix()
    poses = rig.poses.copy()
    poses[:, :3, :3] = poses[:, :3, :3] @ turns
    return Rig(poses, rig.focals)


def spiral(views: int, distance: float, focal: float) -> Rig:
    """Ten turns of an Archimedean spiral from the top of the sphere to the horizon, as in SRN's test views of ShapeNet.

    The angle from the top grows in proportion to the azimuth.
    """
    share = (np.arange(views) + 0.5) / views
    return _looking_at_origin(share * 10 * 2 * np.pi, (1 - share) * _STEEPEST, np.full(views, distance), focal)


def _looking_at_origin(
    azimuths: Float[ndarray, " view"],
    elevations: Float[ndarray, " view"],
    distances: Float[ndarray, " view"],
    focals: float | Float[ndarray, " view"],
) -> Rig:
    """Upright cameras around the origin, at angles in radians, whose optical axes meet there."""
    across = np.cos(elevations)
    unit = np.stack([across * np.cos(azimuths), np.sin(elevations), across * np.sin(azimuths)], axis=-1)
    positions = distances[:, None] * unit
    forward = -positions / np.linalg.norm(positions, axis=-1, keepdims=True)
    right = np.cross(forward, (0.0, 1.0, 0.0))
    right /= np.linalg.norm(right, axis=-1, keepdims=True)
    poses = np.tile(np.eye(4), (len(positions), 1, 1))
    poses[:, :3] = np.stack([right, np.cross(forward, right), forward, positions], axis=-1)
    return Rig(poses, np.broadcast_to(focals, azimuths.shape))
