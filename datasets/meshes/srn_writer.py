"""The folder layout of Scene Representation Networks' ShapeNet renders.

`<category>_<split>/<object>/rgb/%06d.png`, `pose/%06d.txt` (16 numbers: camera-to-world, OpenCV axes), and
`intrinsics.txt`, whose first line is "focal cx cy 0." in pixels and whose last line is "height width". Beside them this
program writes `mask/%06d.png`.
"""

from pathlib import Path

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from datasets.meshes.image_sequence import write_depths, write_pngs
from datasets.meshes.raycast import Views
from datasets.meshes.rig import Rig
from pixelnerf.tools.files import folder_written_whole

_DIGITS = 6


def write_object(folder: Path, views: Views, rig: Rig, depths: Float32[ndarray, "view size size"] | None) -> None:
    """Writes one object's folder, whole or not at all; `depths`, along the optical axis, go to `depth/%06d.npy`."""
    size = views.images.shape[1]
    with folder_written_whole(folder) as partial:
        (partial / "intrinsics.txt").write_text(
            f"{rig.focal * size / 2:.6f} {size / 2:.6f} {size / 2:.6f} 0.\n0. 0. 0.\n1.\n{size} {size}\n"
        )
        (partial / "pose").mkdir()
        for view, pose in enumerate(rig.poses):
            numbers = " ".join(f"{number:.9g}" for number in np.asarray(pose).reshape(-1) + 0.0)
            (partial / "pose" / f"{view:0{_DIGITS}d}.txt").write_text(f"{numbers}\n")
        write_pngs(partial / "rgb", views.images, _DIGITS)
        write_pngs(partial / "mask", views.masks.astype(np.uint8) * 255, _DIGITS)
        if depths is not None:
            write_depths(partial / "depth", depths, _DIGITS)
