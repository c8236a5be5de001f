"""The textured room with its cameras in other formats, right or with one thing wrong, by this file alone.

Each writer lays out a capture around photos that are there (`textured_room.write_room`), and gives cameras as they are
`stored`: a key of `STORED`, which is what a right file has unless it is set.
"""

import shutil

import numpy as np
from scipy.spatial.transform import Rotation
from textured_room import BLENDER_AXES, HALF_SIDE, room_poses

LLFF_AXES = np.array([[0.0, 1, 0, 0], [1, 0, 0, 0], [0, 0, -1, 0], [0, 0, 0, 1]])
RIGHT = (150.0, 80.0, 60.0, 160, 120)
"""Focal length, principal point, width and height of the photos."""


def mixture(pose):
    """World-to-camera rotation beside the camera's position."""
    mixed = pose.copy()
    mixed[:3, :3] = pose[:3, :3].T
    return mixed


STORED = {
    "camera-to-world, OpenCV": lambda pose: pose,
    "camera-to-world, OpenGL": lambda pose: pose @ BLENDER_AXES,
    "camera-to-world, LLFF": lambda pose: pose @ LLFF_AXES,
    "world-to-camera, OpenCV": np.linalg.inv,
    "world-to-camera, OpenGL": lambda pose: np.linalg.inv(pose @ BLENDER_AXES),
    "mixture, OpenCV": mixture,
    "mixture, LLFF": lambda pose: mixture(pose @ LLFF_AXES),
}
"""From camera-to-world poses in OpenCV's axes to what a file may hold."""


def write_colmap_room(
    root, photos, stored="world-to-camera, OpenCV", camera=RIGHT, name="im{:04d}.png".format, seen_at=None, binary=False
):
    """A model of one camera, with points on a wall if they are `seen_at` the pixels of photos of a width and height."""
    model = root / "sparse/0"
    model.mkdir(parents=True)
    focal, center_x, center_y, width, height = camera
    points = np.stack(np.meshgrid([-HALF_SIDE], [-0.6, 0.0, 0.7], [-0.2, 0.3], indexing="ij"), -1).reshape(-1, 3)
    tracks, lines = [[] for _ in points], []
    (root / "images").mkdir()
    for view, pose in enumerate(room_poses(len(photos))):
        shutil.copyfile(photos[view], root / f"images/im{view:04d}.png")
        matrix = STORED[stored](pose)
        x, y, z, w = Rotation.from_matrix(matrix[:3, :3]).as_quat()
        lines.append(" ".join(map(str, (view + 1, w, x, y, z, *matrix[:3, 3], 1, name(view)))))
        seen = []
        for number, point in enumerate(points if seen_at else ()):
            local = (point - pose[:3, 3]) @ pose[:3, :3]
            column, row = RIGHT[0] * local[:2] / local[2] + RIGHT[1:3]
            if 0 < column < RIGHT[3] and 0 < row < RIGHT[4]:
                tracks[number] += [view + 1, len(seen)]
                seen.append((column * seen_at[0] / RIGHT[3], row * seen_at[1] / RIGHT[4], number + 1))
        lines.append(" ".join(f"{column} {row} {number}" for column, row, number in seen))
    (model / "cameras.txt").write_text(f"1 SIMPLE_PINHOLE {width} {height} {focal} {center_x} {center_y}\n")
    (model / "images.txt").write_text("\n".join(lines) + "\n")
    kept = [(number, track) for number, track in enumerate(tracks) if len(track) >= 4]
    written = [f"{number + 1} {' '.join(map(str, [*points[number], 9, 9, 9, 0.1, *track]))}" for number, track in kept]
    (model / "points3D.txt").write_text("".join(line + "\n" for line in written))
    if binary:
        import pycolmap

        pycolmap.Reconstruction(str(model)).write_binary(str(model))
        for path in [*model.glob("*.txt"), model / "rigs.bin", model / "frames.bin"]:
            path.unlink()
    return root


def write_llff_room(root, photos, stored="camera-to-world, LLFF", camera=RIGHT, by_columns=False):
    focal, _, _, width, height = camera
    blocks = []
    (root / "images").mkdir(parents=True)
    for view, pose in enumerate(room_poses(len(photos))):
        shutil.copyfile(photos[view], root / f"images/im{view:04d}.png")
        block = np.column_stack([STORED[stored](pose)[:3], [height, width, focal]])
        blocks.append((block.T if by_columns else block).ravel())
    np.save(root / "poses_bounds.npy", np.column_stack([blocks, np.full((len(photos), 2), (1.0, 5.0))]))
    return root


def write_srn_room(root, photos, stored="camera-to-world, OpenCV", camera=RIGHT, flag="", form="{0} {1} {2} 0."):
    folder = root / "cars_train/room"
    for name in ("rgb", "pose"):
        (folder / name).mkdir(parents=True)
    for view, pose in enumerate(room_poses(len(photos))):
        shutil.copyfile(photos[view], folder / f"rgb/{view:06d}.png")
        numbers = " ".join(f"{number:.17g}" for number in STORED[stored](pose).ravel())
        (folder / f"pose/{view:06d}.txt").write_text(numbers)
    (folder / "intrinsics.txt").write_text(f"{form.format(*camera)}\n0. 0. 0.\n1.\n{camera[4]} {camera[3]}\n{flag}")
    return root


def write_neus_room(root, photos, stored="world-to-camera, OpenCV", camera=RIGHT):
    """A world that is larger and elsewhere than the normalised one."""
    scale, shift = 4.0, np.array([3.0, -2.0, 5.0])
    focal, center_x, center_y, _, _ = camera
    matrix = np.diag([focal, focal, 1.0, 1.0])
    matrix[:2, 2] = center_x, center_y
    arrays = {}
    (root / "room/image").mkdir(parents=True)
    for view, pose in enumerate(room_poses(len(photos))):
        shutil.copyfile(photos[view], root / f"room/image/{view:03d}.png")
        world = pose.copy()
        world[:3, 3] = scale * pose[:3, 3] + shift
        arrays[f"world_mat_{view}"] = matrix @ STORED[stored](world)
        arrays[f"world_mat_inv_{view}"] = np.linalg.inv(arrays[f"world_mat_{view}"])
        arrays[f"scale_mat_{view}"] = np.diag([scale, scale, scale, 1.0])
        arrays[f"scale_mat_{view}"][:3, 3] = shift
    np.savez(root / "room/cameras_sphere.npz", **arrays)
    return root
