"""ShapeNet cars and chairs in the layout of Scene Representation Networks.

    <root>/<prefix>_<split>/<object>/rgb/%06d.png
                                    /pose/%06d.txt    16 numbers: camera-to-world in OpenCV axes
                                    /intrinsics.txt   first line "f cx cy _", last line "height width"

The published archive of training chairs has a folder of its own inside `chairs_train`; it is found.
Objects stand on white and have no mask files: what is not white is the object.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
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
    def _folders(self, split: Split, categories: Sequence[str] | None) -> Sequence[str]:
        folder = self._root / f"{self._config.prefix}_{split}"
        if not folder.is_dir():
            raise UserError(f"no folder '{folder}': {folder_with(self._root, folder.name)}, or dataset.prefix")
        if (folder / INNER_CHAIRS_FOLDER).is_dir():
            folder /= INNER_CHAIRS_FOLDER
        return [str(path.relative_to(self._root)) for path in visible(folder) if path.is_dir()]

    @override
    def _open(self, name: str, folder: Path, split: Split) -> Scene:
        images = listed_images(folder / "rgb")
        if not (folder / "pose").is_dir():
            raise UserError(f"no folder '{folder / 'pose'}'")
        pose_files = [path for path in visible(folder / "pose") if path.suffix == ".txt"]
        size = read_size(images[0])
        intrinsics, inverted = _read_intrinsics(folder / "intrinsics.txt", size, images[0])
        poses = []
        for path in paired(images, pose_files, "pose files"):
            pose = square_pose(read_numbers(path, 16).reshape(4, 4), f"'{path}'")
            check_pose(pose, f"'{path}'")
            poses.append(np.linalg.inv(pose) if inverted else pose)
        return self._scene(
            name,
            [PhotoFiles(image) for image in images],
            make_cameras(np.stack(poses), intrinsics, size, folder / "pose", self._config.pixel_center),
            self._config.bounds,
            category=self._config.category,
            input_views=self._config.input_views,
            mask_from_background=True,
        )


def _read_intrinsics(path: Path, image_size: tuple[int, int], image: Path) -> tuple[np.ndarray, bool]:
    """The camera matrix for photos of a size (width, height), and whether the poses are world-to-camera.

    The published file has "f cx cy _", the grid's centre, near, scale, "height width" and, in some, a 1 for
    world-to-camera poses. Others hold a 3x3 or 4x4 matrix, or "fx fy cx cy" in the first line.
    """
    lines = read_list(path)
    try:
        rows = [[float(word) for word in line.split()] for line in lines]
        if len(rows) in (3, 4) and all(len(row) == len(rows) for row in rows) and rows[2][:3] == [0, 0, 1]:
            matrix, size, flag = np.array(rows)[:3, :3], image_size, 0.0
        else:
            flag = rows.pop()[0] if len(rows[-1]) == 1 else 0.0
            height, width = rows[-1]
            matrix, size = _first_line(rows[0], width, height), (width, height)
        if flag not in (0, 1) or not (0 < matrix[0, 2] < size[0] and 0 < matrix[1, 2] < size[1]):
            raise ValueError
    except (ValueError, IndexError):
        form = "'f cx cy 0' in its first line, with a principal point inside the 'height width' of its last"
        raise UserError(f"'{path}' is not {form}, and no 3x3 or 4x4 matrix") from None
    return resized(numbers(matrix, f"content of '{path}'", (3, 3)), size, image_size, image), flag == 1


def _first_line(row: list[float], width: float, height: float) -> np.ndarray:
    """The matrix of "f cx cy _" or "fx fy cx cy", whichever has its principal point in the photo."""
    readings = [pinhole(row[0], row[0], row[1], row[2])]
    if len(row) == 4 and row[3] != 0:
        readings.append(pinhole(*row))
    fitting = [one for one in readings if 0 < one[0, 2] < width and 0 < one[1, 2] < height]
    if len(fitting) != 1:
        raise ValueError
    return fitting[0]
