"""Captures with a COLMAP model, read by pycolmap.

<root>/<model>     cameras, images and points3D as .bin or .txt, for instance sparse/0
      /<images>/   the photos, at the model's size or shrunk; file types may differ from the model's
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from pydantic import Field
from typing_extensions import override

from datasets.camera_files import make_cameras, resized
from datasets.captures import CaptureConfig, scene_folders, scene_name, split_views, used_views
from datasets.colmap_model import ColmapModel, read_colmap_model
from datasets.file_scene import FileScene, PhotoFiles
from datasets.folder import FolderDataset, check_categories
from datasets.image_files import read_size
from datasets.scene import Scene, SceneList, SparsePoints, Split
from pixelnerf.errors import UserError


class ColmapConfig(CaptureConfig):
    """Configuration of `ColmapDataset`. Near and far are taken from the sparse points unless they are set.

    Attributes:
        model: the model's folder under a capture's.
        images: the folder of photos under a capture's.
        distortion_tolerance: pixels, at the model's size, by which leaving out the lens's distortion may move a corner;
            more is an error that says how to undistort.
    """

    name: Literal["colmap"]
    model: str = "sparse/0"
    images: str = "images"
    distortion_tolerance: float = Field(default=0.5, ge=0)


class ColmapDataset(FolderDataset[ColmapConfig]):
    """Reader of COLMAP captures."""

    @override
    def scenes(self, split: Split, categories: Sequence[str] | None = None) -> Sequence[Scene]:
        check_categories(categories, [])
        return SceneList(scene_folders(self._root, self._config.model), partial(self._open, split=split))

    def _open(self, name: str, split: Split) -> Scene:
        folder = self._root / name
        path = folder / self._config.model
        model = read_colmap_model(path, self._config.distortion_tolerance)
        views = split_views(used_views(len(model.names), self._config, path), split, self._config.test_every)
        images = [_find_image(folder / self._config.images, model.names[view]) for view in views]
        sizes = [read_size(image) for image in images]
        found = model.bounds() if self._config.near is None or self._config.far is None else (0.0, 0.0)
        cameras = make_cameras(
            model.poses[views],
            np.stack(
                [
                    resized(model.intrinsics[view], tuple(model.sizes[view].tolist()), size, image)
                    for view, size, image in zip(views, sizes, images, strict=True)
                ]
            ),
            np.array(sizes),
            path,
            self._config.pixel_center,
            self._config.shrink,
        )
        ratios = cameras.sizes.numpy() / model.sizes[views]
        return FileScene(
            scene_name(self._root, name),
            [PhotoFiles(image, shrink=self._config.shrink) for image in images],
            cameras,
            (self._config.near or found[0], self._config.far or found[1]),
            self._config.background,
            self._cache,
            find_points=lambda: view_points(model, views, ratios, model.points),
        )


def view_points(
    model: ColmapModel,
    views: Sequence[int],
    ratios: Float[np.ndarray, "view 2"],
    positions: Float[np.ndarray, "point 3"],
) -> SparsePoints:
    """The model's points for some of its views.

    Args:
        model: where the points are from.
        views: indices of its images.
        ratios: each view's photo size over the model's, for width and height.
        positions: the points in the scene's world.
    """
    return SparsePoints(
        torch.from_numpy(positions.astype(np.float32)),
        tuple(
            torch.from_numpy((model.pixels[v] * ratio).astype(np.float32))
            for v, ratio in zip(views, ratios, strict=True)
        ),
        tuple(torch.from_numpy(model.indices[view]) for view in views),
    )


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
