"""The folder layout of the ShapeNet renders of Neural Mesh Renderer, as pixelNeRF reads it.

`<category>/<object>/image/%04d.png`, `mask/%04d.png`, `cameras.npz` with float32 4x4 matrices per view i: `world_mat_i`
(world to camera, OpenCV axes), `camera_mat_i` (the image spans [-1, 1]) and their inverses; lists of objects
`<prefix>_<split>.lst` in each category's folder, one name a line.
"""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from datasets.meshes.image_sequence import write_depths, write_pngs
from datasets.meshes.raycast import Views
from datasets.meshes.rig import Rig
from pixelnerf.tools.files import folder_written_whole, write_atomically

_DIGITS = 4


def camera_archive(rig: Rig) -> bytes:
    """The content of `cameras.npz`; objects seen by one rig share it."""
    intrinsics = np.diag([rig.focal, rig.focal, 1.0, 1.0])
    matrices = {}
    for view, pose in enumerate(rig.poses):
        matrices[f"world_mat_{view}"] = np.linalg.inv(pose)
        matrices[f"world_mat_inv_{view}"] = pose
        matrices[f"camera_mat_{view}"] = intrinsics
        matrices[f"camera_mat_inv_{view}"] = np.linalg.inv(intrinsics)
    archive = io.BytesIO()
    # Adding 0 turns -0 into 0.
    np.savez(
        archive, allow_pickle=False, **{name: matrix.astype(np.float32) + 0.0 for name, matrix in matrices.items()}
    )
    return archive.getvalue()


def write_object(
    folder: Path, views: Views, cameras: bytes, depths: Float32[ndarray, "view size size"] | None = None
) -> None:
    """Writes one object's folder, whole or not at all; `cameras` is a `camera_archive`.

    Depths (along the optical axis, 0 where there is nothing) go to `depth/%04d.npy`.
    """
    with folder_written_whole(folder) as partial:
        (partial / "cameras.npz").write_bytes(cameras)
        write_pngs(partial / "image", views.images, _DIGITS)
        write_pngs(partial / "mask", views.masks.astype(np.uint8) * 255, _DIGITS)
        if depths is not None:
            write_depths(partial / "depth", depths, _DIGITS)


def write_lists(category: Path, prefix: str, splits: Mapping[str, Sequence[str]]) -> None:
    """Writes `<prefix>_<split>.lst` for each split of a category's folder."""
    category.mkdir(parents=True, exist_ok=True)
    for split, names in splits.items():
        write_atomically(category / f"{prefix}_{split}.lst", "".join(f"{name}\n" for name in names).encode())


def write_view_list(path: Path, rows: Sequence[tuple[str, str, int]]) -> None:
    """Writes the evaluation's input views, a line `<category> <object> <view>` each."""
    write_atomically(path, "".join(f"{category} {name} {view}\n" for category, name, view in rows).encode())
