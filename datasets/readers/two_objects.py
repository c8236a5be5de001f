"""pixelNeRF's scenes of two ShapeNet objects.

<root>/<split>/**/transforms.json   `camera_angle_x` and frames, camera-to-world in Blender's axes
                 <view>_obj.png     RGBA, beside the transforms file; <view> is the frame's file name
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from typing_extensions import override

from datasets.folder import BoundedConfig
from datasets.image_files import read_size
from datasets.readers.camera_files import angle_intrinsics, make_cameras, read_transforms
from datasets.readers.file_scene import PhotoFiles
from datasets.readers.folder_dataset import FolderDataset
from pixelnerf.errors import UserError
from pixelnerf.scenes.scene import Scene, Split


class TwoObjectsConfig(BoundedConfig):
    """Configuration of `TwoObjectsDataset`."""

    name: Literal["two_objects"]


class TwoObjectsDataset(FolderDataset[TwoObjectsConfig]):
    """Reader of the two-object layout."""

    @override
    def scenes(self, split: Split, categories: Sequence[str] | None = None) -> Sequence[Scene]:
        folder = self._root / split
        if not folder.is_dir():
            raise UserError(f"no folder '{folder}': set dataset.root to the folder of train, val and test")
        names = sorted(str(path.parent.relative_to(self._root)) for path in folder.rglob("transforms.json"))
        return self._listed(names, split, categories)

    @override
    def _open(self, name: str, folder: Path, split: Split) -> Scene:
        path = folder / "transforms.json"
        content, poses = read_transforms(path)
        images = [folder / f"{Path(frame['file_path']).stem}_obj.png" for frame in content["frames"]]
        size = read_size(images[0])
        cameras = make_cameras(poses, angle_intrinsics(content, size, path), size, path, self._config.pixel_center)
        return self._scene(name, [PhotoFiles(image) for image in images], cameras, self._config.bounds)
