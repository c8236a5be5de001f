"""DTU scans as pixelNeRF has them (`rs_dtu_4/DTU`), and in the layout of IDR and NeuS at full size.

    <root>/<list_prefix>_<split>.lst   one scan a line
    <root>/<scan>/image/*.png          photos
                 /mask/*.png           object masks (optional)
                 /<camera_file>        cameras.npz, or NeuS's cameras_sphere.npz, with
                                       world_mat_<i> = K [R | t], 4x4 (or 3x4), for pixels
                                       scale_mat_<i>: from the normalised world to the file's world

The scene's world is the normalised one.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field
from scipy.linalg import rq
from typing_extensions import override

from datasets.file_names import listed_images, number_of, numbered, paired
from datasets.image_files import read_size
from datasets.readers.camera_files import make_cameras, numbers, parse_archive, read_content
from datasets.readers.file_scene import PhotoFiles
from datasets.readers.folder_dataset import BoundedConfig, FolderDataset, scene_folders
from pixelnerf.errors import UserError
from pixelnerf.scenes.scene import Scene, Split

SCAN_LISTS: dict[Split, str] = {"train": "train", "val": "val", "test": "val"}


class DtuConfig(BoundedConfig):
    """Configuration of `DtuDataset`.

    Attributes:
        list_prefix: of the lists of scans; None takes every folder with a camera file, in all splits. The list of
            validation scans is the test list, too, as in pixelNeRF.
        camera_file: "cameras.npz" or "cameras_sphere.npz".
        downscale: photos are shrunk by this whole number when they are read.
        use_masks: whether the scenes have masks where there are mask files.
        blend_masks: composite the photos on the background with their masks, as NeuS with masks does.
        average_intrinsics: one camera matrix for all views of a scan, their mean, as pixelNeRF has it.
        max_views: more photos of a scan than this are left out.
    """

    name: Literal["dtu"]
    list_prefix: str | None
    camera_file: str
    downscale: int = Field(ge=1)
    use_masks: bool
    blend_masks: bool
    average_intrinsics: bool
    max_views: int = Field(ge=2)


class DtuDataset(FolderDataset[DtuConfig]):
    """Reader of DTU scans."""

    @override
    def folders(self, split: Split, categories: Sequence[str] | None) -> Sequence[str]:
        if self._config.list_prefix is None:
            return scene_folders(self._root, self._config.camera_file)
        return self._listed(self._root / f"{self._config.list_prefix}_{SCAN_LISTS[split]}.lst")

    @override
    def _open(self, name: str, folder: Path, split: Split) -> Scene:
        path, downscale = folder / self._config.camera_file, self._config.downscale
        images, masks = scan_photos(folder, self._config.use_masks, self._config.max_views)
        poses, intrinsics = _read_cameras(path, len(images))
        if self._config.average_intrinsics:
            intrinsics = intrinsics.mean(axis=0)
        return self._scene(
            name,
            [PhotoFiles(image, mask, downscale=downscale) for image, mask in zip(images, masks, strict=True)],
            make_cameras(poses, intrinsics, read_size(images[0]), path, self._config.pixel_center, downscale),
            self._config.bounds,
            blend_masks=self._config.blend_masks,
        )


def scan_photos(folder: Path, use_masks: bool, most: int | None = None) -> tuple[Sequence[Path], Sequence[Path | None]]:
    """A scan's first photos by number, and the mask of each, if masks are used and there are some."""
    images = sorted(listed_images(folder / "image"), key=lambda image: numbered(image.stem))
    masks: Sequence[Path | None] = [None] * len(images)
    if use_masks and (folder / "mask").is_dir():
        masks = paired(images, listed_images(folder / "mask"), "masks")
    images, masks = images[:most], masks[:most]
    for view, image in enumerate(images):
        # A camera belongs to a photo by its number alone, so a missing photo would move all that follow.
        if number_of(image) != view:
            raise UserError(f"'{image}' is photo {view} of its folder: photos are numbered from 0 without gaps")
    return images, masks


def _read_cameras(path: Path, count: int) -> tuple[np.ndarray, np.ndarray]:
    arrays = parse_archive(read_content(path), path)
    poses, intrinsics = [], []
    for view in range(count):
        projection = arrays.get(f"world_mat_{view}")
        if projection is None:
            raise UserError(f"camera file '{path}' has no 'world_mat_{view}', but there are {count} images")
        pose, matrix = decompose_projection(projection, f"view {view} in '{path}'")
        if f"scale_mat_{view}" in arrays:
            what = f"'scale_mat_{view}' in '{path}'"
            normalization = numbers(arrays[f"scale_mat_{view}"], what, (4, 4), (3, 4))
            if not np.allclose(normalization[:3, :3], normalization[0, 0] * np.eye(3)) or normalization[0, 0] <= 0:
                raise UserError(f"{what} is not one positive scale and a shift")
            pose[:3, 3] = (pose[:3, 3] - normalization[:3, 3]) / normalization[0, 0]
        poses.append(pose)
        intrinsics.append(matrix)
    return np.stack(poses), np.stack(intrinsics)


def decompose_projection(projection: np.ndarray, where: str) -> tuple[np.ndarray, np.ndarray]:
    """Camera-to-world pose (4x4) and intrinsics (3x3) of a projection K [R | t] of any scale."""
    matrix = numbers(projection, f"projection of {where}", (3, 4), (4, 4))[:3]
    determinant = np.linalg.det(matrix[:, :3])
    if abs(determinant) <= 1e-12 * np.linalg.norm(matrix[:, :3]) ** 3:
        raise UserError(f"projection of {where} is singular")
    # A projection is one up to a factor, and a rotation has determinant + 1.
    matrix = matrix * np.sign(determinant)
    triangular, rotation = rq(matrix[:, :3])
    signs = np.sign(np.diag(triangular))
    triangular, rotation = triangular * signs, signs[:, None] * rotation
    pose = np.eye(4)
    pose[:3, :3] = rotation.T
    pose[:3, 3] = -np.linalg.solve(matrix[:, :3], matrix[:, 3])
    return pose, triangular / triangular[2, 2]
