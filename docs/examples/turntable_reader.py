"""A reader of your own: photos of objects on a turntable, each folder with its cameras in one JSON file.

<root>/<split>/<object>/cameras.json   [{"file": "000.png", "pose": [[...], ...], "focal": 140.0}, ...]

Poses are camera-to-world in OpenCV axes (x right, y down, z forward); focal lengths are in pixels.

    python train.py dataset=own dataset.reader=docs/examples/turntable_reader.py:TurntableDataset \
        dataset.options='{root: data/turntable, near: 1.0, far: 4.5}'
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from typing_extensions import override

from datasets.image_cache import ImageCache
from datasets.image_files import read_size
from datasets.readers.camera_files import make_cameras, pinhole
from datasets.readers.file_scene import FileScene, PhotoFiles
from pixelnerf.scenes.scene import Scene, SceneDataset, SceneList, Split


class TurntableDataset(SceneDataset):
    """The objects of a split are the folders in its folder."""

    on_error = "raise"

    def __init__(self, root: str, near: float, far: float) -> None:
        self._root, self._bounds, self._cache = Path(root), (near, far), ImageCache(gib=1.0)

    @override
    def scenes(self, split: Split, categories: Sequence[str] | None = None) -> Sequence[Scene]:
        folders = sorted(path.parent for path in (self._root / split).glob("*/cameras.json"))
        return SceneList([str(folder) for folder in folders], self._open)

    def _open(self, name: str) -> Scene:
        path = Path(name) / "cameras.json"
        frames = json.loads(path.read_text("utf-8"))
        photos = [path.parent / frame["file"] for frame in frames]
        sizes = np.array([read_size(photo) for photo in photos])
        poses = np.array([frame["pose"] for frame in frames])
        focals = [frame["focal"] for frame in frames]
        intrinsics = [pinhole(focal, focal, *size / 2) for focal, size in zip(focals, sizes, strict=True)]
        cameras = make_cameras(poses, np.stack(intrinsics), sizes, path)
        files = [PhotoFiles(photo) for photo in photos]
        return FileScene(path.parent.name, files, cameras, self._bounds, (1.0, 1.0, 1.0), self._cache)
