"""Where a picture is seen from."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from pixelnerf.errors import UserError
from pixelnerf.geometry.cameras import look_at
from pixelnerf.types import Cameras

DISTANCE, FIELD_OF_VIEW, NOMINAL_SIZE = 2.732, 30.0, 64
"""Of the cameras that the shipped weights were trained with, in lengths of the object, degrees and pixels."""


@dataclass(frozen=True)
class Camera:
    """A pinhole camera: OpenCV axes (x right, y down, z forward), camera-to-world.

    Attributes:
        pose: camera-to-world, in the world's units.
        intrinsics: in pixels of an image of `size`.
        size: (width, height) in pixels.
    """

    pose: Float[Tensor, "4 4"]
    intrinsics: Float[Tensor, "3 3"]
    size: tuple[int, int]

    @classmethod
    def orbit(
        cls,
        azimuth: float = 0.0,
        elevation: float = 30.0,
        distance: float = DISTANCE,
        field_of_view: float = FIELD_OF_VIEW,
        center: Sequence[float] = (0.0, 0.0, 0.0),
        up: Sequence[float] = (0.0, 0.0, 1.0),
    ) -> "Camera":
        """A camera around an object, looking at its centre.

        Args:
            azimuth: in degrees, counter-clockwise seen from above. A photo without a camera is at 0.
            elevation: above the horizon, in degrees, between -90 and 90.
            distance: to the centre, in the world's units. Without given cameras the object's longest side is 1.
            field_of_view: from the image's left to its right, in degrees.
            center: what is looked at.
            up: of the world.

        Raises:
            UserError: an angle or distance is out of its range.

        >>> Camera.orbit(azimuth=90, elevation=0, distance=2).pose[:3, 3]
        tensor([-8.7423e-08,  2.0000e+00,  0.0000e+00])
        """
        if not -90 < elevation < 90:
            raise UserError(
                f"elevation={elevation:g} is not between -90 and 90 degrees, and at the poles up is undefined"
            )
        if not (distance > 0 and math.isfinite(distance)):
            raise UserError(f"distance={distance:g} is not above 0")
        turn, rise = math.radians(azimuth), math.radians(elevation)
        vertical = torch.nn.functional.normalize(torch.tensor(up, dtype=torch.float32), dim=0)
        east, north = _horizon(vertical)
        across = math.cos(turn) * east + math.sin(turn) * north
        middle = torch.tensor(center, dtype=torch.float32)
        position = middle + distance * (math.cos(rise) * across + math.sin(rise) * vertical)
        return cls.look_at(position, middle, vertical, field_of_view)

    @classmethod
    def look_at(
        cls,
        position: Sequence[float] | Tensor,
        target: Sequence[float] | Tensor = (0.0, 0.0, 0.0),
        up: Sequence[float] | Tensor = (0.0, 0.0, 1.0),
        field_of_view: float = FIELD_OF_VIEW,
    ) -> "Camera":
        """A camera at a position, with a target in the image's middle.

        Raises:
            UserError: the field of view is out of its range, or the camera cannot see the target upright.
        """
        if not 0 < field_of_view < 180:
            raise UserError(f"field_of_view={field_of_view:g} is not between 0 and 180 degrees")
        places = [torch.as_tensor(place, dtype=torch.float32) for place in (position, target, up)]
        try:
            pose = look_at(*places)
        except ValueError as error:
            raise UserError(str(error)) from None
        focal, middle = NOMINAL_SIZE / 2 / math.tan(math.radians(field_of_view) / 2), NOMINAL_SIZE / 2
        intrinsics = torch.tensor([[focal, 0, middle], [0, focal, middle], [0, 0, 1]])
        return cls(pose, intrinsics, (NOMINAL_SIZE, NOMINAL_SIZE))

    @classmethod
    def of(cls, cameras: Cameras) -> "Camera":
        """From the record of one camera, without batch axes."""
        width, height = cameras.sizes.tolist()
        return cls(cameras.poses, cameras.intrinsics, (width, height))

    def resized(self, size: int | tuple[int, int]) -> Cameras:
        """The record of this camera for images of another size.

        Args:
            size: (width, height), or the side of the smallest image that holds a square field of view. The field of
                view along the shorter side stays.
        """
        width, height = (size, size) if isinstance(size, int) else size
        scale = min(width, height) / min(self.size)
        intrinsics = self.intrinsics.clone()
        intrinsics[:2] *= scale
        old = torch.tensor(self.size, dtype=torch.float32) * scale
        intrinsics[:2, 2] += (torch.tensor([width, height]) - old) / 2
        return Cameras(self.pose.float(), intrinsics.float(), torch.tensor([width, height]))


def _horizon(up: Float[Tensor, "3"]) -> tuple[Float[Tensor, "3"], Float[Tensor, "3"]]:
    """Two directions of azimuth 0 and 90 degrees, at right angles to `up`; x and y where up is z."""
    first = torch.tensor([1.0, 0.0, 0.0] if abs(float(up[0])) < 0.9 else [0.0, 1.0, 0.0])
    east = torch.nn.functional.normalize(first - (first @ up) * up, dim=0)
    return east, torch.linalg.cross(up, east)
