"""A capture of a room with textured walls, of which photos have matches, in the layout of transforms.json."""

import json

import numpy as np
from ball_scene import look_at_origin, pinhole, save

BLENDER_AXES = np.diag([1.0, -1.0, -1.0, 1.0])
HALF_SIDE = 2.0
CELLS = 24


def room_photo(pose, intrinsics, width, height):
    """RGB of a cube around the origin, seen from inside; its walls are noise, blurred between cells."""
    y, x = np.meshgrid(np.arange(height) + 0.5, np.arange(width) + 0.5, indexing="ij")
    rays = np.stack([x, y, np.ones_like(x)], -1) @ np.linalg.inv(intrinsics).T @ pose[:3, :3].T
    origin = pose[:3, 3]
    with np.errstate(divide="ignore"):
        steps = (HALF_SIDE * np.sign(rays) - origin) / rays
    axis = steps.argmin(-1)
    points = origin + steps.min(-1)[..., None] * rays
    sides = np.take_along_axis(rays, axis[..., None], -1)[..., 0] > 0
    walls = np.random.default_rng(0).uniform(0, 255, (3, 2, CELLS + 1, CELLS + 1, 3))
    image = np.zeros((height, width, 3))
    for one in range(3):
        plane = (np.delete(points, one, axis=-1) / HALF_SIDE + 1) / 2 * CELLS
        cell = plane.astype(int).clip(0, CELLS - 1)
        u, v = np.moveaxis(plane - cell, -1, 0)[..., None]
        wall, (i, j) = walls[one, sides.astype(int)], np.moveaxis(cell, -1, 0)
        pick = np.arange(height)[:, None], np.arange(width)
        top = (1 - u) * wall[*pick, i, j] + u * wall[*pick, i + 1, j]
        bottom = (1 - u) * wall[*pick, i, j + 1] + u * wall[*pick, i + 1, j + 1]
        image = np.where((axis == one)[..., None], (1 - v) * top + v * bottom, image)
    return image.astype(np.uint8)


def room_poses(views=8):
    """Cameras 10 degrees apart, from which the room's other side is seen."""
    turns, rises = np.radians(10.0 * np.arange(views)), 0.3 * np.sin(np.arange(views))
    places = np.stack([1.5 * np.cos(turns), 1.5 * np.sin(turns), 0.2 + rises], axis=1)
    return np.stack([look_at_origin(place) for place in places])


def write_room(root, views=8, width=160, height=120, focal=150.0):
    """Photos, and transforms.json with all keys in the file's own level."""
    frames = []
    for view, pose in enumerate(room_poses(views)):
        save(root / f"images/{view:04d}.png", room_photo(pose, pinhole(focal, width, height), width, height))
        frames.append({"file_path": f"images/{view:04d}.png", "transform_matrix": (pose @ BLENDER_AXES).tolist()})
    content = {"w": width, "h": height, "fl_x": focal, "fl_y": focal, "cx": width / 2, "cy": height / 2}
    (root / "transforms.json").write_text(json.dumps({**content, "frames": frames}))
    return root
