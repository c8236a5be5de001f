"""ShapeNet cars and chairs in the layout of Scene Representation Networks.

    <root>/<prefix>_<split>/<object>/rgb/%06d.png
                                    /pose/%06d.txt    16 numbers: camera-to-world in OpenCV axes
                                    /intrinsics.txt   first line "f cx cy _", last line "height width"

The published archive of training chairs has a folder of its own inside `chairs_train`; it is found.
Objects stand on white and have no mask files: what is not white is the object.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float
from typing_extensions import override

from datasets.file_names import folder_with, listed_images, paired, visible
from datasets.image_files import read_size
from datasets.readers.camera_files import (
    check_pose,
    make_cameras,
    numbers,
    pinhole,
    read_numbers,
    resized,
    square_pose,
)
from datasets.readers.file_scene import PhotoFiles
from datasets.readers.folder_dataset import BoundedConfig, FolderDataset, read_list
from pixelnerf.errors import UserError
from pixelnerf.scenes.scene import Scene, Split

INNER_CHAIRS_FOLDER = "chairs_2.0_train"
PHOTOS, POSES, INTRINSICS = "rgb", "pose", "intrinsics.txt"


class SrnConfig(BoundedConfig):
    """Configuration of `SrnDataset`.

    Attributes:
        category: name of the objects' category.
        prefix: of the split folders: "cars" or "chairs".
        input_views: the views that the protocol gives of every object, None if it leaves them open.
    """

    name: Literal["srn"]
    category: str
    prefix: str
    input_views: tuple[int, ...] | None


class SrnDataset(FolderDataset[SrnConfig]):
    """Reader of the SRN layout."""

    def __init__(self, config: SrnConfig) -> None:
        super().__init__(config)
        self.categories = [config.category]

    @override
    def folders(self, split: Split, categories: Sequence[str] | None) -> Sequence[str]:
        folder = self._root / f"{self._config.prefix}_{split}"
        if not folder.is_dir():
            raise UserError(f"no folder '{folder}': {folder_with(self._root, folder.name)}, or dataset.prefix")
        if (folder / INNER_CHAIRS_FOLDER).is_dir():
            folder /= INNER_CHAIRS_FOLDER
        return [str(path.relative_to(self._root)) for path in visible(folder) if path.is_dir()]

    @override
    def _open(self, name: str, folder: Path, split: Split) -> Scene:
        images = listed_images(folder / PHOTOS)
        pose_files = list_poses(folder)
        size = read_size(images[0])
        camera = SrnIntrinsics.read(folder / INTRINSICS, size)
        intrinsics = resized(camera.matrix, camera.size, size, images[0])
        poses = []
        for path in paired(images, pose_files, "pose files"):
            pose = square_pose(read_numbers(path, 16).reshape(4, 4), f"'{path}'")
            check_pose(pose, f"'{path}'")
            poses.append(np.linalg.inv(pose) if camera.inverted else pose)
        return self._scene(
            name,
            [PhotoFiles(image) for image in images],
            make_cameras(np.stack(poses), intrinsics, size, folder / POSES, self._config.pixel_center),
            self._config.bounds,
            category=self._config.category,
            input_views=self._config.input_views,
            mask_from_background=True,
        )


def list_poses(folder: Path) -> list[Path]:
    """The pose files of an object's folder, by name."""
    if not (folder / POSES).is_dir():
        raise UserError(f"no folder '{folder / POSES}'")
    return [path for path in visible(folder / POSES) if path.suffix == ".txt"]


@dataclass(frozen=True)
class SrnIntrinsics:
    """The numbers of an intrinsics.txt in any of its forms.

    The published file has "f cx cy _", the grid's centre, near, scale, "height width" and, in some, a 1 for
    world-to-camera poses. Others hold a 3x3 or 4x4 matrix, or "fx fy cx cy" in the first line.

    Attributes:
        rows: the file's, a line each.
        form: how the first rows hold the camera.
        matrix: the camera's, for photos of a `size`.
        size: (width, height) in pixels.
        inverted: whether the poses are world-to-camera.
    """

    rows: list[list[float]]
    form: Literal["matrix", "f cx cy", "fx fy cx cy"]
    matrix: Float[np.ndarray, "3 3"]
    size: tuple[float, float]
    inverted: bool

    @classmethod
    def read(cls, path: Path, image_size: tuple[int, int], strict: bool = True) -> "SrnIntrinsics":
        """The camera of a file whose photos have a size (width, height).

        Raises:
            UserError: the file has none of these forms or, if it is `strict`, a principal point outside the photo.
        """
        lines = read_list(path)
        try:
            rows = [[float(word) for word in line.split()] for line in lines]
            content = list(rows)
            if len(rows) in (3, 4) and all(len(row) == len(rows) for row in rows) and rows[2][:3] == [0, 0, 1]:
                form, matrix, size, flag = "matrix", np.array(rows)[:3, :3], image_size, 0.0
            else:
                flag = content.pop()[0] if len(content[-1]) == 1 else 0.0
                height, width = content[-1]
                size = width, height
                form, matrix = _first_line(rows[0], size, strict)
            if flag not in (0, 1) or (strict and not _shows(matrix, size)):
                raise ValueError
        except (ValueError, IndexError):
            wanted = "'f cx cy 0' in its first line, with a principal point inside the 'height width' of its last"
            raise UserError(f"'{path}' is not {wanted}, and no 3x3 or 4x4 matrix") from None
        return cls(rows, form, numbers(matrix, f"content of '{path}'", (3, 3)), size, flag == 1)


def _shows(matrix: np.ndarray, size: tuple[float, float]) -> bool:
    """Whether the principal point lies in the photo."""
    return 0 < matrix[0, 2] < size[0] and 0 < matrix[1, 2] < size[1]


def _first_line(
    row: list[float], size: tuple[float, float], strict: bool
) -> tuple[Literal["f cx cy", "fx fy cx cy"], np.ndarray]:
    """The matrix of "f cx cy _" or "fx fy cx cy", whichever has its principal point in the photo."""
    short = pinhole(row[0], row[0], row[1], row[2])
    if len(row) != 4 or row[3] == 0:
        return "f cx cy", short
    fitting = [_shows(matrix, size) for matrix in (short, pinhole(*row))]
    if fitting == [True, True] or (strict and not any(fitting)):
        raise ValueError
    return ("f cx cy", short) if fitting[0] else ("fx fy cx cy", pinhole(*row))
