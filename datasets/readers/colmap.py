"""Captures with a COLMAP model, read by pycolmap.

<root>/<model>     cameras, images and points3D as .bin or .txt, for instance sparse/0
      /<images>/   the photos, at the model's size or shrunk; file types may differ from the model's

Photos of lenses that bend lines are straightened when they are read (`datasets.readers.lens`).
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from typing_extensions import override

from datasets.folder import FolderDataset, check_categories
from datasets.image_files import read_size
from datasets.readers.camera_files import resized
from datasets.readers.captures import (
    CaptureConfig,
    CaptureWorld,
    scene_folders,
    scene_name,
    split_views,
    straight_scene,
    used_views,
)
from datasets.readers.colmap_model import ColmapModel, read_colmap_model
from datasets.readers.lens import Lens
from pixelnerf.errors import UserError
from pixelnerf.scenes.scene import Scene, SceneList, SparsePoints, Split
from pixelnerf.types import Cameras


class ColmapConfig(CaptureConfig):
    """Configuration of `ColmapDataset`. Near and far are taken from the sparse points unless they are set.

    Attributes:
        model: the model's folder under a capture's.
        images: the folder of photos under a capture's.
    """

    name: Literal["colmap"]
    model: str
    images: str


class ColmapDataset(FolderDataset[ColmapConfig]):
    """Reader of COLMAP captures."""

    @override
    def scenes(self, split: Split, categories: Sequence[str] | None = None) -> Sequence[Scene]:
        check_categories(categories, [])
        return SceneList(scene_folders(self._root, self._config.model), partial(self._open, split=split))

    def _open(self, name: str, split: Split) -> Scene:
        folder = self._root / name
        path = folder / self._config.model
        model = read_colmap_model(path)
        used = used_views(len(model.names), self._config, path)
        views = split_views(used, split, self._config.test_every)
        images = [_find_image(folder / self._config.images, model.names[view]) for view in views]
        lenses = [self._lens(model, view, image) for view, image in zip(views, images, strict=True)]
        return straight_scene(
            scene_name(self._root, name),
            path,
            lenses,
            model.poses[views],
            model.poses[used],
            lambda: model.bounds(used),
            self._config,
            self._cache,
            lambda cameras, world: sparse_points(model, views, _straight_pixels(model, views, cameras), world),
        )

    def _lens(self, model: ColmapModel, view: int, image: Path) -> Lens:
        size = read_size(image)
        intrinsics = resized(model.intrinsics[view], tuple(model.sizes[view].tolist()), size, image)
        return Lens(image, model.distortions[view], intrinsics, size, self._config.pixel_center)


def sparse_points(
    model: ColmapModel, views: Sequence[int], pixels: Sequence[Float[np.ndarray, "seen 2"]], world: CaptureWorld
) -> SparsePoints:
    """The model's points in a scene's world, and where some of its views see them, in pixels of the scene's cameras."""
    return SparsePoints(
        torch.from_numpy(world.points(model.points).astype(np.float32)),
        tuple(torch.from_numpy(seen.astype(np.float32)) for seen in pixels),
        tuple(torch.from_numpy(model.indices[view]) for view in views),
    )


def _straight_pixels(model: ColmapModel, views: Sequence[int], cameras: Cameras) -> list[Float[np.ndarray, "seen 2"]]:
    matrices = cameras.intrinsics.numpy().astype(np.float64)
    return [
        model.rays[view] * np.diag(matrix)[:2] + matrix[:2, 2] for view, matrix in zip(views, matrices, strict=True)
    ]


def _find_image(folder: Path, name: str) -> Path:
    """The photo of that name, or of the same name and another type, as shrunk folders often have."""
    exact = folder / name
    if exact.is_file():
        return exact
    others = [
        path for suffix in (".png", ".jpg", ".jpeg", ".JPG", ".PNG") if (path := exact.with_suffix(suffix)).is_file()
    ]
    if not others:
        raise UserError(
            f"missing image '{exact}', which the COLMAP model names: set dataset.images to the photos' folder"
        )
    return others[0]
