"""The world that weights of objects were trained in, and how any other is brought into it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from scipy.spatial.transform import Rotation
from torch import Tensor

from pixelnerf.errors import UserError
from pixelnerf.model.baked import BakedVolume
from pixelnerf.types import Cameras

# Half the diagonal of the cube that holds an object whose longest side is 1.
REACH = 0.87
SMALLEST_NEAR = 1e-3
TRAINED_DISTANCE = 2.732


@dataclass(frozen=True)
class TrainingWorld:
    """Objects about the origin, their longest side 1.

    Attributes:
        near: start of the rays in training, in depth.
        far: their end.
        half_depth: half the range of depths that a photo's frame is normalised by, about the object's depth; None where
            all cameras had one distance and the range is from near to far.
        half_side: half the side of the cube that holds the object; None if training knew no cube.
    """

    near: float
    far: float
    half_depth: float | None
    half_side: float | None

    @classmethod
    def of(cls, config: Mapping[str, Any], name: str) -> "TrainingWorld":
        """Of weights whose whole configuration this is. The parts of a mixture have to share one world.

        Raises:
            UserError: they are not of objects like those of shapes13.
            KeyError, TypeError, ValueError: near or far is missing or no length.
        """
        dataset = config.get("dataset") or {}
        if dataset.get("name") == "mixture":
            worlds = {cls.of({"dataset": part}, name) for part in dataset["parts"].values()}
            if len(worlds) > 1:
                raise UserError(
                    f"weights '{name}' were trained on a mixture whose near, far, half_depth or half_side differ, so "
                    "there is no one world to bring photos into; try --weights shapes13_all"
                )
            return worlds.pop()
        if dataset.get("name") not in ("shapes13", "nmr"):
            raise UserError(
                f"weights '{name}' were trained on dataset={dataset.get('name')}, and photos are rendered by weights "
                "of single objects (shapes13, nmr); try --weights shapes13_all"
            )
        lengths = [dataset["near"], dataset["far"], dataset.get("half_depth"), dataset.get("half_side")]
        near, far, half_depth, half_side = (None if length is None else float(length) for length in lengths)
        if near is None or far is None or not 0 < near < far < math.inf:
            raise ValueError(f"near={near} and far={far}")
        return cls(near, far, half_depth, half_side)

    @property
    def cube(self) -> float | None:
        """Half the side of a cube that holds the object at any angle to the world's axes; training aligned it."""
        return None if self.half_side is None else math.sqrt(2) * self.half_side

    def photo_range(self, distance: float) -> tuple[float, float]:
        """The depths that a photo's frame is normalised by, for a camera at a distance from the object."""
        if self.half_depth is not None:
            return distance - self.half_depth, distance + self.half_depth
        shift = distance - TRAINED_DISTANCE
        return self.near + shift, self.far + shift

    def view_range(self, distance: float) -> tuple[float, float]:
        """Near and far of a view's rays; their difference, which is the unit of density, is that of training."""
        near = self.near if self.half_depth is not None else self.near + distance - TRAINED_DISTANCE
        near = max(min(near, distance - REACH), SMALLEST_NEAR)
        if distance + REACH > (far := near + self.far - self.near):
            near = distance + REACH - (self.far - self.near)
            far = distance + REACH
        return near, far


class Bearing(NamedTuple):
    """Where a camera stands, seen from the object's middle.

    Attributes:
        front: its direction in the user's world, level with the ground.
        elevation: above the ground, in degrees.
    """

    front: Float[Tensor, "3"]
    elevation: float


@dataclass(frozen=True)
class Placement:
    """Where the object is in the user's world.

    Attributes:
        center: its middle.
        length: of its longest side.
        axes: columns are the training world's axes in the user's; the third is up.
    """

    center: Float[Tensor, "3"]
    length: float
    axes: Float[Tensor, "3 3"]

    @classmethod
    def upright(cls, center: Float[Tensor, "3"], length: float, up: Float[Tensor, "3"]) -> "Placement":
        """With the axes of the user's world, turned by as little as makes the third one `up`."""
        rotation = Rotation.align_vectors(up.double().numpy()[None], [[0.0, 0.0, 1.0]])[0]
        return cls(center, length, torch.from_numpy(rotation.as_matrix()).float())

    @property
    def up(self) -> Float[Tensor, "3"]:
        """In the user's world."""
        return self.axes[:, 2]

    def bearing(self, camera: Cameras) -> Bearing:
        """Of a camera in the training world. One straight above or below has its front by the photo's upper edge."""
        away = self.axes @ F.normalize(camera.poses[:3, 3], dim=0)
        height = away @ self.up
        level = away - height * self.up
        elevation = math.degrees(math.atan2(float(height), float(level.norm())))
        if 90 - abs(elevation) < 1:
            # From above, the top of the photo points ahead; from below, back.
            level = self.axes @ camera.poses[:3, 1] * torch.sign(height)
        return Bearing(level, elevation)

    def to_training(self, cameras: Cameras) -> Cameras:
        """Cameras of the user's world in that of training."""
        poses = cameras.poses.clone()
        poses[..., :3, 3] = (poses[..., :3, 3] - self.center) / self.length
        poses[..., :3, :] = self.axes.mT @ poses[..., :3, :]
        return Cameras(poses, cameras.intrinsics, cameras.sizes)

    def cameras_from_training(self, cameras: Cameras) -> Cameras:
        """Cameras of the training world in the user's: the inverse of `to_training`."""
        poses = cameras.poses.clone()
        poses[..., :3, :] = self.axes @ poses[..., :3, :]
        poses[..., :3, 3] = poses[..., :3, 3] * self.length + self.center
        return Cameras(poses, cameras.intrinsics, cameras.sizes)

    def from_training(self, volume: BakedVolume) -> BakedVolume:
        """A volume of the training world in the user's."""
        corner = self.axes @ volume.corner * self.length + self.center
        axes, cell = self.axes @ volume.axes, volume.cell * self.length
        return BakedVolume(corner, axes, cell, volume.density / self.length, volume.colors)
