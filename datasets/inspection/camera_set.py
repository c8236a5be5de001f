"""What `--fix` knows of the cameras in a file of any format: pictures, poses and numbers, and new ones of each."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Generic, Literal, Self, TypeAlias

import numpy as np
from jaxtyping import Float
from scipy.linalg import block_diag

from datasets.readers.camera_files import OPENGL_TO_OPENCV
from datasets.readers.folder_dataset import ConfigType
from datasets.readers.lens import Lens
from datasets.readers.llff import LLFF_TO_OPENCV
from pixelnerf.scenes.scene import Split

Matrices: TypeAlias = Float[np.ndarray, "view 4 4"]

Direction: TypeAlias = Literal["camera-to-world", "world-to-camera", "mixture"]
Axes: TypeAlias = Literal["OpenCV", "OpenGL", "LLFF"]

# From each to OpenCV's.
AXES: dict[Axes, Float[np.ndarray, "4 4"]] = {
    "OpenCV": np.eye(4),
    "OpenGL": OPENGL_TO_OPENCV,
    "LLFF": np.asarray(block_diag(LLFF_TO_OPENCV, 1.0)),
}


@dataclass(frozen=True)
class Convention:
    """What the 4x4 matrices of poses are. A "mixture" has world-to-camera rotations beside the cameras' positions."""

    direction: Direction
    axes: Axes

    def decoded(self, matrices: Matrices) -> Matrices:
        """Camera-to-world poses in OpenCV's axes, from matrices of this convention."""
        return self._turned(matrices) @ AXES[self.axes]

    def encoded(self, poses: Matrices) -> Matrices:
        """The reverse."""
        return self._turned(poses @ AXES[self.axes].T)

    def _turned(self, matrices: Matrices) -> Matrices:
        """From this direction to camera-to-world, and back, which is the same."""
        if self.direction == "camera-to-world":
            return matrices
        if self.direction == "world-to-camera":
            return np.linalg.inv(matrices)
        turned = matrices.copy()
        turned[:, :3, :3] = matrices[:, :3, :3].transpose(0, 2, 1)
        return turned


@dataclass(frozen=True)
class Pinhole:
    """The numbers of a camera as its file has them, along x and y; None where it leaves one out.

    Attributes:
        focal: focal lengths, in pixels if the file is right.
        center: principal point, likewise.
        size: width and height in pixels that they are for; the photo's, if the file says nothing.
    """

    focal: tuple[float | None, float | None]
    center: tuple[float | None, float | None]
    size: tuple[float, float]

    @property
    def matrix(self) -> Float[np.ndarray, "3 3"]:
        """The intrinsics matrix, with NaN for what the file leaves out."""
        (focal_x, focal_y), (center_x, center_y) = self.focal, self.center
        return np.array([[focal_x, 0, center_x], [0, focal_y, center_y], [0, 0, 1]], dtype=np.float64)

    def at(self, size: tuple[float, float]) -> "Pinhole":
        """The same camera for photos of another size."""
        factors = size[0] / self.size[0], size[1] / self.size[1]
        return Pinhole(times(self.focal, factors), times(self.center, factors), size)


def times(
    values: tuple[float | None, float | None],
    factors: tuple[float, float],
    only: Callable[[float, int], bool] = lambda value, axis: True,
) -> tuple[float | None, float | None]:
    """A number an axis times its factor, where there is one and it is one of those that are meant."""
    x, y = (
        value * factor if value is not None and only(value, axis) else value
        for axis, (value, factor) in enumerate(zip(values, factors, strict=True))
    )
    return x, y


Unit: TypeAlias = Callable[[Pinhole], Pinhole]
"""From a camera whose numbers were meant in some unit to one in pixels."""


class CameraSet(ABC, Generic[ConfigType]):
    """The cameras of one scene: a file or a folder as one format reads it.

    What changes is a new set; files are as they were until `copies` are written. Views are the file's, in its order,
    whatever the dataset's options leave out. Methods raise a UserError that says what is wrong with the file.

    Attributes:
        path: the file or folder, as messages name it.
        mask_from_background: whether objects are what does not have the background's colour.
    """

    path: Path
    mask_from_background: ClassVar[bool] = False

    @classmethod
    @abstractmethod
    def find(cls, folder: Path, split: Split, config: ConfigType) -> Path:
        """The file or folder that has the cameras of a scene's folder in a split; it may be missing."""

    @classmethod
    @abstractmethod
    def read(cls, path: Path, folder: Path, config: ConfigType) -> Self:
        """The cameras in the file or folder that was found for a scene's folder."""

    @abstractmethod
    def __len__(self) -> int:
        """How many views there are."""

    @property
    @abstractmethod
    def convention(self) -> Convention:
        """The format's."""

    @abstractmethod
    def name(self, view: int) -> str:
        """How a view's photo is named."""

    @abstractmethod
    def image(self, view: int) -> Path:
        """A view's photo, which may be missing."""

    def mask(self, view: int) -> Path | None:
        """A view's mask, if there are masks."""
        return None

    @abstractmethod
    def matrices(self) -> Matrices:
        """Poses as they are in the file, checked to be rigid."""

    @abstractmethod
    def pinholes(self) -> Sequence[Pinhole]:
        """The numbers of all cameras, in any order; none if the format gives focal lengths as angles."""

    @abstractmethod
    def lens(self, view: int, size: tuple[int, int]) -> Lens:
        """A view's camera as the reader takes it, for a photo of a size (width, height)."""

    @abstractmethod
    def with_matrices(self, matrices: Matrices) -> Self:
        """With other poses, in the format's convention."""

    @abstractmethod
    def with_unit(self, unit: Unit) -> Self:
        """With the numbers of every camera changed."""

    def without(self, views: Sequence[int]) -> Self:
        """Without some views."""
        raise NotImplementedError  # only for formats that name photos, which may be missing

    def pictures(self) -> Sequence[Sequence[str]]:
        """The names that the file has for photos, and those for masks; they are relative to `folder`."""
        return ()

    @property
    def folder(self) -> Path:
        """Where pictures are."""
        return self.path.parent

    def with_names(self, names: Mapping[str, str]) -> Self:
        """With other names for some pictures."""
        raise NotImplementedError  # only for formats that have `pictures`

    def repairs(self) -> Sequence[tuple[str, Self]]:
        """What this format alone can have wrong and is sure without photos: the line that says so, and the set then."""
        return ()

    def units(self) -> Sequence[tuple[str, Self]]:
        """Units that this format alone has for focal lengths, likewise; photos decide."""
        return ()

    @abstractmethod
    def copies(self, lines: Sequence[str]) -> Mapping[Path, Callable[[Path], None]]:
        """The files and folders that were changed, and what writes the new one of each to a path.

        `lines` say what was wrong.
        """

    def how_to_use(self, original: Path, copy: Path) -> str:
        """What the user does with a copy."""
        return f"put it in the place of {original.name}"
