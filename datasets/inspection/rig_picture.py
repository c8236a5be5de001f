"""The cameras of a scene in the world, from above and from the side."""

import numpy as np
from jaxtyping import Float
from PIL import Image

from datasets.inspection.canvas import ACCENT, BOX, INK, PALE, POINT, Canvas, Color
from pixelnerf.types import Cameras

BOX_EDGES = [(a, b) for a in range(8) for b in range(a + 1, 8) if bin(a ^ b).count("1") == 1]
MAX_FRUSTA = 120
MAX_POINTS = 1500


def box_corners(low: Float[np.ndarray, "3"], high: Float[np.ndarray, "3"]) -> Float[np.ndarray, "8 3"]:
    """Corners of an axis-aligned box; corner i has the high end of axis k where bit k of i is set."""
    bits = (np.arange(8)[:, None] >> np.arange(3)) & 1
    return np.where(bits == 1, high, low)


def draw_rig(
    cameras: Cameras, points: Float[np.ndarray, "point 3"], box: Float[np.ndarray, "8 3"], size: int
) -> list[Image.Image]:
    """Two orthographic pictures of camera frusta, scene points and the scene's box.

    The first camera is drawn in red. Up is the mean of the cameras' up directions.
    """
    poses = cameras.poses[:: -(-len(cameras.poses) // MAX_FRUSTA)].double().numpy()
    intrinsics = cameras.intrinsics[:: -(-len(cameras.intrinsics) // MAX_FRUSTA)].double().numpy()
    sizes = cameras.sizes[:: -(-len(cameras.sizes) // MAX_FRUSTA)].double().numpy()
    positions = poses[:, :3, 3]
    size_of_rig = float(np.ptp(np.concatenate([positions, box]), axis=0).max())
    frusta = _frusta(poses, intrinsics, sizes, 0.09 * size_of_rig)
    drawn = points[:: -(-len(points) // MAX_POINTS) or 1]
    right, ahead, up = _upright_axes(poses)
    views = (("from above", np.stack([right, -ahead])), ("from the side", np.stack([right, -up])))
    return [_draw(name, plane, frusta, drawn, box, size) for name, plane in views]


def _frusta(
    poses: np.ndarray, intrinsics: np.ndarray, sizes: np.ndarray, depth: float
) -> Float[np.ndarray, "view 5 3"]:
    """Each camera's position and the four corners of its photo at a depth."""
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * sizes[:, None]
    rays = np.concatenate([corners, np.ones((*corners.shape[:2], 1))], axis=-1) @ np.linalg.inv(intrinsics).mT
    ends = depth * rays @ poses[:, :3, :3].mT + poses[:, None, :3, 3]
    return np.concatenate([poses[:, None, :3, 3], ends], axis=1)


def _upright_axes(poses: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Right, ahead and up of whoever stands behind the first camera, upright by the cameras' mean up direction."""
    up = -poses[:, :3, 1].mean(axis=0)
    up = up / np.linalg.norm(up) if np.linalg.norm(up) > 1e-3 else np.array([0.0, 0, 1])
    right = poses[0, :3, 0] - up * (up @ poses[0, :3, 0])
    right /= np.linalg.norm(right)
    return right, np.cross(up, right), up


def _draw(
    name: str, plane: np.ndarray, frusta: np.ndarray, points: np.ndarray, box: np.ndarray, size: int
) -> Image.Image:
    flat_frusta, flat_points, flat_box = frusta @ plane.T, points @ plane.T, box @ plane.T
    shown = np.concatenate([flat_frusta.reshape(-1, 2), flat_box])
    low, high = shown.min(axis=0), shown.max(axis=0)
    scale = 0.88 * size / float((high - low).max())
    offset = size / 2 - scale * (low + high) / 2
    canvas = Canvas.blank(size, size)
    canvas.dots(flat_points * scale + offset, POINT, 0.8)
    for a, b in BOX_EDGES:
        canvas.line(flat_box[a] * scale + offset, flat_box[b] * scale + offset, BOX, 1.5)
    for view, corners in reversed(list(enumerate(flat_frusta * scale + offset))):
        _draw_frustum(canvas, corners, ACCENT if view == 0 else INK)
    canvas.text((6, 4), name)
    _draw_scale_bar(canvas, scale)
    return canvas.picture()


def _draw_frustum(canvas: Canvas, corners: np.ndarray, color: Color) -> None:
    for index in range(1, 5):
        canvas.line(corners[0], corners[index], color)
        canvas.line(corners[index], corners[index % 4 + 1], color)
    # The upper edge is marked, so that a camera on its head is seen.
    canvas.line(corners[1], corners[2], color, 2.5)


def _draw_scale_bar(canvas: Canvas, scale: float) -> None:
    length = 10.0 ** np.floor(np.log10(0.4 * canvas.width / scale))
    bottom = canvas.height - 10
    canvas.line((10, bottom), (10 + scale * length, bottom), INK, 2)
    canvas.line((10, bottom - 3), (10, bottom + 3), PALE, 1)
    canvas.text((14 + scale * length, bottom - 9), f"{length:g}")
