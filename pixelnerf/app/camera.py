"""Where a picture is seen from."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from pixelnerf.app.paths import look_at_path, orbit
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
        front: Sequence[float] = (1.0, 0.0, 0.0),
    ) -> "Camera":
        """A camera around an object, looking at its centre.

        Args:
            azimuth: in degrees, counterclockwise seen from above. A photo without a camera is at 0.
            elevation: above the horizon, in degrees.
            distance: to the centre, in the world's units. Without given cameras the object's longest side is 1.
            field_of_view: of the image's shorter side, in degrees.
            center: what is looked at.
            up: of the world.
            front: the direction of azimuth 0; what it has along `up` is ignored.

        Raises:
            UserError: a number out of its range, or `front` is along `up`.

        >>> from pixelnerf.app.camera import Camera
        >>> Camera.orbit(azimuth=90, elevation=0, distance=2).pose[:3, 3].round(decimals=3).abs().tolist()
        [0.0, 2.0, 0.0]
        """
        path = orbit(
            azimuth=(azimuth, azimuth),
            elevation=elevation,
            distance=distance,
            field_of_view=field_of_view,
            frames=1,
            size=(NOMINAL_SIZE, NOMINAL_SIZE),
            center=torch.tensor(center, dtype=torch.float32),
            up=torch.tensor(up, dtype=torch.float32),
            front=torch.tensor(front, dtype=torch.float32),
        )
        return cls.of(path[0])

    @classmethod
    def look_at(
        cls,
        position: Sequence[float],
        target: Sequence[float] = (0.0, 0.0, 0.0),
        up: Sequence[float] = (0.0, 0.0, 1.0),
        field_of_view: float = FIELD_OF_VIEW,
    ) -> "Camera":
        """A camera at a position, with a target in the image's middle and `up` upward.

        Raises:
            UserError: the field of view is out of its range, or the camera cannot see the target upright.
        """
        places = [torch.tensor(place, dtype=torch.float32) for place in (position, target, up)]
        size = (NOMINAL_SIZE, NOMINAL_SIZE)
        path = look_at_path(places[0][None], target=places[1], up=places[2], field_of_view=field_of_view, size=size)
        return cls.of(path[0])

    @classmethod
    def of(cls, cameras: Cameras) -> "Camera":
        """From the record of one camera, without batch axes."""
        width, height = cameras.sizes.tolist()
        return cls(cameras.poses, cameras.intrinsics, (width, height))

    def record(self, size: int | tuple[int, int] | None = None) -> Cameras:
        """The record of this camera, for images of another size if one is given.

        Args:
            size: (width, height), or the side of a square. The field of view of the shorter side stays, and the
                principal point keeps its distance from the middle.
        """
        if size is None:
            size = self.size
        width, height = (size, size) if isinstance(size, int) else size
        scale = min(width, height) / min(self.size)
        intrinsics = self.intrinsics.float().clone()
        intrinsics[:2] *= scale
        grown = torch.tensor([width - scale * self.size[0], height - scale * self.size[1]])
        intrinsics[:2, 2] += grown / 2
        return Cameras(self.pose.float(), intrinsics, torch.tensor([width, height]))
