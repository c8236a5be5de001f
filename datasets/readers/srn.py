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

from datasets.image_files import read_size
from datasets.readers.camera_files import make_cameras, pinhole, read_numbers, resized, square_pose
from datasets.readers.file_scene import PhotoFiles
from datasets.readers.folder_dataset import BoundedConfig, FolderDataset, listed_images, read_list
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
            raise UserError(f"no folder '{folder}': set dataset.root and dataset.prefix")
        if (folder / INNER_CHAIRS_FOLDER).is_dir():
            folder /= INNER_CHAIRS_FOLDER
        return sorted(str(path.relative_to(self._root)) for path in folder.iterdir() if not path.name.startswith("."))

    @override
    def _open(self, name: str, folder: Path, split: Split) -> Scene:
        images = listed_images(folder / "rgb")
        pose_paths = sorted((folder / "pose").glob("*.txt"))
        if len(pose_paths) != len(images):
            raise UserError(f"'{folder}' has {len(images)} images but {len(pose_paths)} pose files")
        poses = [square_pose(read_numbers(path, 16).reshape(4, 4), f"'{path}'") for path in pose_paths]
        size = read_size(images[0])
        intrinsics = _read_intrinsics(folder / "intrinsics.txt", size, images[0])
        return self._scene(
            name,
            [PhotoFiles(image) for image in images],
            make_cameras(np.stack(poses), intrinsics, size, folder / "pose", self._config.pixel_center),
            self._config.bounds,
            category=self._config.category,
            input_views=self._config.input_views,
            mask_from_background=True,
        )


def _read_intrinsics(path: Path, image_size: tuple[int, int], image: Path) -> np.ndarray:
    lines = read_list(path)
    try:
        focal, center_x, center_y, _ = map(float, lines[0].split())
        height, width = map(int, lines[-1].split())
    except (ValueError, IndexError):
        raise UserError(f"'{path}' is not 'f cx cy _' in its first and 'height width' in its last line") from None
    return resized(pinhole(focal, focal, center_x, center_y), (width, height), image_size, image)
