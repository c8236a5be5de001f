"""A world of five coloured balls, painted exactly: fixtures in every published layout come from it.

Cameras here are OpenCV, camera-to-world, in numpy float64, written without the code under test.
"""

from pathlib import Path

import numpy as np
from PIL import Image

CENTERS = np.array([[0, 0, 0], [0.45, 0, 0], [0, 0.45, 0], [0, 0, 0.45], [-0.3, -0.3, -0.2]])
RADII = np.array([0.25, 0.12, 0.12, 0.12, 0.1])
COLORS = np.array([[90, 90, 90], [220, 40, 40], [40, 200, 40], [40, 60, 220], [230, 200, 30]], np.uint8)


def look_at_origin(position):
    position = np.asarray(position, float)
    forward = -position / np.linalg.norm(position)
    right = np.cross(forward, [0, 0, 1])
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3] = np.stack([right, np.cross(forward, right), forward, position], axis=1)
    return pose


def orbit(views, distance=2.7, elevation=0.4):
    turns = 2 * np.pi * np.arange(views) / views + 0.1
    flat = distance * np.cos(elevation)
    heights = np.full(views, distance * np.sin(elevation))
    return np.stack([look_at_origin(p) for p in np.stack([flat * np.cos(turns), flat * np.sin(turns), heights], 1)])


def pinhole(focal, width, height):
    return np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1.0]])


def bend(points, k1, k2=0.0, p1=0.0, p2=0.0):
    """OpenCV's lens distortion of points of the plane z = 1, as its manual writes it."""
    x, y = points[..., 0], points[..., 1]
    r2 = x * x + y * y
    radial = 1 + k1 * r2 + k2 * r2 * r2
    bent_x = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x)
    bent_y = y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y
    return np.stack([bent_x, bent_y], -1)


def paint(pose, intrinsics, width, height, background=255, lens=()):
    """RGB image and mask; every pixel shows what the ray through its centre (at + 0.5) hits, by a lens (k1, ...)."""
    y, x = np.meshgrid(np.arange(height) + 0.5, np.arange(width) + 0.5, indexing="ij")
    rays = np.stack([x, y, np.ones_like(x)], -1) @ np.linalg.inv(intrinsics).T
    for _ in range(100 if lens else 0):
        bent = (np.stack([x, y], -1) - intrinsics[:2, 2]) / np.diag(intrinsics)[:2]
        rays[..., :2] += bent - bend(rays[..., :2], *lens)
    rays = rays @ pose[:3, :3].T
    rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
    image, mask = np.full((height, width, 3), background, np.uint8), np.zeros((height, width), np.uint8)
    nearest = np.full((height, width), np.inf)
    for center, radius, color in zip(CENTERS, RADII, COLORS, strict=True):
        to_center = center - pose[:3, 3]
        along = rays @ to_center
        miss = to_center @ to_center - along**2
        depth = along - np.sqrt(np.clip(radius**2 - miss, 0, None))
        seen = (miss < radius**2) & (depth < nearest)
        nearest[seen], image[seen], mask[seen] = depth[seen], color, 255
    return image, mask


def save(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def write_nmr_object(folder: Path, views=4, size=32, focal=3.2, with_inverse=True, with_masks=True):
    """One object in the NMR layout: y-up world, world-to-camera matrices, an image that spans [-1, 1]."""
    to_file_world = np.array([[1.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]])
    arrays = {}
    poses = orbit(views)
    for view, pose in enumerate(poses):
        image, mask = paint(pose, pinhole(focal * size / 2, size, size), size, size)
        save(folder / f"image/{view:04d}.png", image)
        if with_masks:
            save(folder / f"mask/{view:04d}.png", mask)
        arrays[f"world_mat_{view}"] = np.linalg.inv(to_file_world @ pose)
        arrays[f"camera_mat_{view}"] = np.diag([focal, focal, 1, 1])
        if with_inverse:
            arrays[f"world_mat_inv_{view}"] = to_file_world @ pose
    np.savez(folder / "cameras.npz", **arrays)
    return poses


def write_nmr(root: Path, objects_per_split=2, categories=("02691156", "03001627"), **options):
    """A dataset in the NMR layout with `softras` lists and a view list."""
    lines = []
    for synset in categories:
        for split in ("train", "val", "test"):
            names = [f"{split}{number}" for number in range(objects_per_split)]
            for name in names:
                write_nmr_object(root / synset / name, **options)
                lines.append(f"{synset} {name} 2")
            (root / synset / f"softras_{split}.lst").write_text("\n".join(names) + "\n")
    (root / "src_views.txt").write_text("\n".join(lines) + "\n")
    return root
