"""The ball scene written in the published layouts, each with its own conventions, by this file alone."""

import json
from pathlib import Path

import numpy as np
from ball_scene import bend, orbit, paint, pinhole, save

BLENDER_AXES = np.diag([1.0, -1, -1, 1])


def with_alpha(image, mask):
    return np.dstack([image * (mask[..., None] > 0), mask]).astype(np.uint8)


def write_srn(root: Path, views=5, size=32, focal=40.0, intrinsics_size=32):
    for split in ("train", "val", "test"):
        folder = root / f"cars_{split}/car_{split}"
        scale = intrinsics_size / size
        for view, pose in enumerate(orbit(views, distance=1.3 * 2)):
            image, _ = paint(pose, pinhole(focal, size, size), size, size)
            save(folder / f"rgb/{view:06d}.png", image)
            (folder / "pose").mkdir(exist_ok=True)
            (folder / f"pose/{view:06d}.txt").write_text(" ".join(f"{number:.9g}" for number in pose.ravel()))
        (folder / "intrinsics.txt").write_text(
            f"{focal * scale} {intrinsics_size / 2} {intrinsics_size / 2} 0.\n0. 0. 0.\n1.\n"
            f"{intrinsics_size} {intrinsics_size}\n"
        )
    return root


def write_two_objects(root: Path, views=4, size=32, focal=40.0):
    folder = root / "train/00/scene7"
    frames = []
    for view, pose in enumerate(orbit(views, distance=6.0)):
        image, mask = paint(pose, pinhole(2 * focal, size, size), size, size)
        save(folder / f"{view:04d}_obj.png", with_alpha(image, mask))
        frames.append({"file_path": f"somewhere/else/{view:04d}", "transform_matrix": (pose @ BLENDER_AXES).tolist()})
    content = {"camera_angle_x": 2 * np.arctan(size / 2 / (2 * focal)), "frames": frames}
    (folder / "transforms.json").write_text(json.dumps(content))
    return root


def write_blender(root: Path, views=4, size=32, focal=40.0):
    for split, shift in (("train", 0.0), ("val", 0.3), ("test", 0.6)):
        frames = []
        for view, pose in enumerate(orbit(views, elevation=0.2 + shift)):
            image, mask = paint(pose, pinhole(focal, size, size), size, size)
            save(root / f"{split}/r_{view}.png", with_alpha(image, mask))
            frames.append({"file_path": f"./{split}/r_{view}", "transform_matrix": (pose @ BLENDER_AXES).tolist()})
        content = {"camera_angle_x": 2 * np.arctan(size / 2 / focal), "frames": frames}
        (root / f"transforms_{split}.json").write_text(json.dumps(content))
    return root


def write_multicam(root: Path, views=3, size=32, focal=40.0):
    content = {}
    for split in ("train", "test"):
        columns = {key: [] for key in ("file_path", "cam2world", "pix2cam", "width", "height", "near", "far", "label")}
        for view, pose in enumerate(orbit(views)):
            for level, factor in enumerate((1, 2)):
                width, length = size // factor, focal / factor
                image, mask = paint(pose, pinhole(length, width, width), width, width)
                path = f"{split}/d{level}/r_{view}.png"
                save(root / path, with_alpha(image, mask))
                pix2cam = [[1 / length, 0, -width / 2 / length], [0, -1 / length, width / 2 / length], [0, 0, -1]]
                row = (path, (pose @ BLENDER_AXES).tolist(), pix2cam, width, width, 1.0, 5.0, level)
                for key, value in zip(columns, row, strict=True):
                    columns[key].append(value)
        content[split] = columns
    (root / "metadata.json").write_text(json.dumps(content))
    return root


def write_dtu(root: Path, views=5, width=40, height=32, focal=45.0, layout="pixelnerf", sign=1.0):
    """Projections for pixels counted from the first one's centre; the file's world is scaled and shifted."""
    scale, shift = 160.0, np.array([10.0, -20.0, 600.0])
    for scan in ("scan1", "scan2"):
        arrays = {}
        for view, pose in enumerate(orbit(views)):
            intrinsics = pinhole(focal, width, height)
            image, mask = paint(pose, intrinsics, width, height, background=0)
            save(root / scan / f"image/{view:06d}.png", image)
            save(root / scan / (f"mask/{view:03d}.png" if layout == "neus" else f"mask/{view:06d}.png"), mask)
            intrinsics[:2, 2] -= 0.5
            world = pose.copy()
            world[:3, 3] = scale * pose[:3, 3] + shift
            projection = np.eye(4)
            projection[:3] = sign * 3.7 * intrinsics @ np.linalg.inv(world)[:3]
            normalization = np.diag([scale, scale, scale, 1.0])
            normalization[:3, 3] = shift
            arrays |= {f"world_mat_{view}": projection, f"scale_mat_{view}": normalization}
        np.savez(root / scan / ("cameras_sphere.npz" if layout == "neus" else "cameras.npz"), **arrays)
    (root / "new_train.lst").write_text("scan1\n")
    (root / "new_val.lst").write_text("scan2\n")
    return root


def write_llff(root: Path, views=9, width=40, height=32, focal=45.0):
    rows = []
    for view, pose in enumerate(orbit(views, elevation=0.3)):
        save(root / f"images_4/im{view:03d}.png", paint(pose, pinhole(focal, width, height), width, height)[0])
        right, down, forward, position = (pose[:3, axis] for axis in range(4))
        matrix = np.stack([down, right, -forward, position, [4 * height, 4 * width, 4 * focal]], axis=1)
        rows.append([*matrix.ravel(), 1.5, 4.5])
    np.save(root / "poses_bounds.npy", np.array(rows))
    return root


def write_transforms(root: Path, views=9, width=40, height=32, focal=45.0, lens=(), **extra):
    """Each frame with a focal length of its own; `lens` is (k1, k2, p1, p2)."""
    frames = []
    for view, pose in enumerate(orbit(views)):
        own = focal + view
        save(root / f"images/{view}.png", paint(pose, pinhole(own, width, height), width, height, lens=lens)[0])
        frame = {"file_path": f"images/{view}.png", "transform_matrix": (pose @ BLENDER_AXES).tolist()}
        frames.append({**frame, "fl_x": 2 * own, "fl_y": 2 * own})
    content = {"w": 2 * width, "h": 2 * height, "cx": width, "cy": height, **extra, "frames": frames}
    content |= dict(zip(("k1", "k2", "p1", "p2"), lens, strict=False))
    (root / "transforms.json").write_text(json.dumps(content))
    return root


def write_colmap(root: Path, views=9, width=40, height=32, focal=45.0, lens=(), factor=4):
    """A text model at `factor` times the photos' size, the balls' centres as points; `lens` is (k1, k2, p1, p2)."""
    from ball_scene import CENTERS
    from scipy.spatial.transform import Rotation

    model = root / "sparse/0"
    model.mkdir(parents=True)
    name = "OPENCV" if lens else "PINHOLE"
    rest = "".join(f" {number}" for number in lens)
    cameras, images = [], []
    for view, pose in enumerate(orbit(views)):
        own = pinhole(focal + view, width, height)
        save(root / f"images_{factor}/im{view}.png", paint(pose, own, width, height, lens=lens)[0])
        cameras.append(
            f"{view + 1} {name} {factor * width} {factor * height} {factor * own[0, 0]} {factor * own[0, 0]} "
            f"{factor * width / 2} {factor * height / 2}{rest}"
        )
        x, y, z, w = Rotation.from_matrix(pose[:3, :3].T).as_quat()
        tx, ty, tz = -pose[:3, :3].T @ pose[:3, 3]
        images.append(f"{view + 1} {w} {x} {y} {z} {tx} {ty} {tz} {view + 1} im{view}.jpg")
        points = (CENTERS - pose[:3, 3]) @ pose[:3, :3]
        plane = points[:, :2] / points[:, 2:]
        pixels = factor * ((bend(plane, *lens) if lens else plane) * np.diag(own)[:2] + own[:2, 2])
        images.append(" ".join(f"{px} {py} {number + 1}" for number, (px, py) in enumerate(pixels)))
    tracks = [" ".join(f"{view + 1} {number}" for view in range(views)) for number in range(len(CENTERS))]
    points = [f"{i + 1} {x} {y} {z} 255 0 0 0.1 {tracks[i]}" for i, (x, y, z) in enumerate(CENTERS)]
    for name, lines in (("cameras", cameras), ("images", images), ("points3D", points)):
        (model / f"{name}.txt").write_text("\n".join(lines) + "\n")
    return root
