"""The folder layout of the ShapeNet renders of Neural Mesh Renderer, as pixelNeRF reads it.

`<category>/<object>/image/%04d.png`, `mask/%04d.png`, `cameras.npz` with float32 4x4 matrices per view i: `world_mat_i`
(world to camera, OpenCV axes), `camera_mat_i` (the image spans [-1, 1]) and their inverses; lists of objects
`<prefix>_<split>.lst` in each category's folder, one name a line.
"""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from datasets.meshes.raycast import Views
from datasets.meshes.rig import Rig
from pixelnerf.tools.files import folder_written_whole, write_atomically


def camera_archive(rig: Rig) -> bytes:
    """The content of `cameras.npz`; objects seen by one rig share it."""
    matrices = {}
    for view, (pose, focal) in enumerate(zip(rig.poses, rig.focals, strict=True)):
        intrinsics = np.diag([focal, focal, 1.0, 1.0])
        matrices[f"world_mat_{view}"] = np.linalg.inv(pose)
        matrices[f"world_mat_inv_{view}"] = pose
        matrices[f"camera_mat_{view}"] = intrinsics
        matrices[f"camera_mat_inv_{view}"] = np.linalg.inv(intrinsics)
    # Adding 0 turns -0 into 0.
    single = {name: matrix.astype(np.float32) + 0.0 for name, matrix in matrices.items()}
    archive = io.BytesIO()
    np.savez(archive, allow_pickle=False, **single)
    return archive.getvalue()


def write_object(folder: Path, views: Views, cameras: bytes) -> None:
    """Writes one object's folder, whole or not at all; `cameras` is a `camera_archive`."""
    with folder_written_whole(folder) as partial:
        (partial / "cameras.npz").write_bytes(cameras)
        write_views(partial, "image", views, digits=4)


def write_views(folder: Path, colors: str, views: Views, digits: int) -> None:
    """Writes numbered files: PNGs into the new folders `colors` and `mask`, depths (if any) as `.npy` into `depth`.

    Depths are along the optical axis, 0 where no ray hits.
    """
    for name, images in ((colors, views.images), ("mask", views.masks.astype(np.uint8) * 255)):
        (folder / name).mkdir()
        for index, image in enumerate(images):
            # Level 1: a third of the time of the default for a few percent of size.
            Image.fromarray(image).save(folder / name / f"{index:0{digits}d}.png", compress_level=1)
    if views.depths is not None:
        (folder / "depth").mkdir()
        for index, depth in enumerate(views.depths):
            np.save(folder / "depth" / f"{index:0{digits}d}.npy", depth, allow_pickle=False)


def write_lists(category: Path, prefix: str, splits: Mapping[str, Sequence[str]]) -> None:
    """Writes `<prefix>_<split>.lst` for each split of a category's folder."""
    category.mkdir(parents=True, exist_ok=True)
    for split, names in splits.items():
        write_atomically(category / f"{prefix}_{split}.lst", "".join(f"{name}\n" for name in names).encode())


def write_view_list(path: Path, rows: Sequence[tuple[str, str, int]]) -> None:
    """Writes the evaluation's input views, a line `<category> <object> <view>` each."""
    write_atomically(path, "".join(f"{category} {name} {view}\n" for category, name, view in rows).encode())
