"""The folder layout of Scene Representation Networks' ShapeNet renders.

`<category>_<split>/<object>/rgb/%06d.png`, `pose/%06d.txt` (16 numbers: camera-to-world, OpenCV axes), and
`intrinsics.txt`, whose first line is "focal cx cy 0." in pixels and whose last line is "height width". Beside them this
program writes `mask/%06d.png` and, where asked for, `depth/%06d.npy`.
"""

from pathlib import Path

import numpy as np

from datasets.meshes.nmr_writer import write_views
from datasets.meshes.raycast import Views
from datasets.meshes.rig import Rig
from pixelnerf.tools.files import folder_written_whole


def write_object(folder: Path, views: Views, rig: Rig) -> None:
    """Writes one object's folder, whole or not at all."""
    size = views.images.shape[1]
    focal = np.unique(rig.focals).item()  # the layout has one an object
    with folder_written_whole(folder) as partial:
        (partial / "intrinsics.txt").write_text(
            f"{focal * size / 2:.6f} {size / 2:.6f} {size / 2:.6f} 0.\n0. 0. 0.\n1.\n{size} {size}\n"
        )
        (partial / "pose").mkdir()
        for view, pose in enumerate(rig.poses):
            numbers = " ".join(f"{number:.9g}" for number in np.asarray(pose).reshape(-1) + 0.0)
            (partial / "pose" / f"{view:06d}.txt").write_text(f"{numbers}\n")
        write_views(partial, "rgb", views, digits=6)
