"""pixelNeRF's scenes of two ShapeNet objects.

<root>/<split>/**/transforms.json   `camera_angle_x` and frames, camera-to-world in Blender's axes
                 <view>_obj.png     RGBA, beside the transforms file; <view> is the frame's file name
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from typing_extensions import override

from datasets.folder import BoundedConfig, FolderDataset, check_categories
from datasets.image_files import read_size
from datasets.readers.camera_files import make_cameras, pinhole
from datasets.readers.file_scene import FileScene, PhotoFiles
from datasets.readers.transforms_files import focal_from_angle, frame_poses, read_transforms
from pixelnerf.errors import UserError
from pixelnerf.scenes.scene import Scene, SceneList, Split


class TwoObjectsConfig(BoundedConfig):
    """Configuration of `TwoObjectsDataset`."""

    name: Literal["two_objects"]


class TwoObjectsDataset(FolderDataset[TwoObjectsConfig]):
    """Reader of the two-object layout."""

    @override
    def scenes(self, split: Split, categories: Sequence[str] | None = None) -> Sequence[Scene]:
        check_categories(categories, [])
        folder = self._root / split
        if not folder.is_dir():
            raise UserError(f"no folder '{folder}': set dataset.root to the folder of train, val and test")
        names = sorted(str(path.parent.relative_to(self._root)) for path in folder.rglob("transforms.json"))
        return SceneList(names, self._open)

    def _open(self, name: str) -> Scene:
        path = self._root / name / "transforms.json"
        content = read_transforms(path)
        images = [path.with_name(f"{Path(frame['file_path']).stem}_obj.png") for frame in content["frames"]]
        width, height = read_size(images[0])
        focal = focal_from_angle(content, width, path)
        return FileScene(
            name,
            [PhotoFiles(image) for image in images],
            make_cameras(
                frame_poses(content, path),
                np.tile(pinhole(focal, focal, width / 2, height / 2), (len(images), 1, 1)),
                np.tile([width, height], (len(images), 1)),
                path,
                self._config.pixel_center,
            ),
            (self._config.near, self._config.far),
            self._config.background,
            self._cache,
        )
