"""What must coincide in photos if their cameras are right: the scene's box and points, and epipolar lines."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image

from datasets.inspection.canvas import ACCENT, BOX, LABELS, POINT, Canvas
from datasets.inspection.epipolar import epipolar_distances, fundamental
from datasets.inspection.evidence import INLIER_PIXELS
from datasets.inspection.matching import Matches
from datasets.inspection.rig_picture import BOX_EDGES
from pixelnerf.geometry.cameras import project, world_to_camera
from pixelnerf.scenes.scene import Scene, SparsePoints
from pixelnerf.types import Cameras

MAX_POINTS = 250


def draw_projections(
    scene: Scene,
    view: int,
    points: Float[np.ndarray, "point 3"],
    box: Float[np.ndarray, "8 3"],
    sparse: SparsePoints | None,
    height: int,
) -> Image.Image:
    """A photo with the scene's box and points projected into it.

    Sparse points that the view saw are orange dots where the camera projects them, in red rings where they were seen.
    """
    canvas, zoom = _photo(scene, view, height)
    camera = scene.cameras()[view]
    for a, b in BOX_EDGES:
        segment = _visible_segment(camera, box[a], box[b])
        if segment is not None:
            canvas.line(segment[0] * zoom, segment[1] * zoom, BOX, 1.5)
    if sparse is not None and len(sparse.indices[view]):
        step = -(-len(sparse.indices[view]) // 60)
        for pixel in sparse.pixels[view][::step].numpy():
            canvas.ring(pixel * zoom, ACCENT, 4)
        points = sparse.positions[sparse.indices[view][::step]].numpy()
    canvas.dots(_pixels(camera, points[:: -(-len(points) // MAX_POINTS) or 1]) * zoom, POINT, 1.6)
    canvas.text((4, 4), f"view {view}")
    return canvas.picture()


def draw_epipolar_pair(scene: Scene, match: Matches, height: int) -> list[Image.Image]:
    """Two photos: points in the first, their epipolar lines and the same points in the second."""
    pair = scene.cameras()[list(match.views)]
    chosen = _spread_matches(match.pixels, epipolar_distances(pair, match.pixels))
    (first, zoom_first), (second, zoom_second) = (_photo(scene, view, height) for view in match.views)
    matrix = fundamental(pair)
    for number, index in enumerate(chosen):
        color = LABELS[number % len(LABELS)]
        left, right = match.pixels[:, index]
        line = matrix @ torch.cat([left, torch.ones(1, dtype=torch.float64)])
        ends = _line_ends(line.numpy(), pair.sizes[1].tolist())
        second.line(ends[0] * zoom_second, ends[1] * zoom_second, color, 1.2)
        first.ring((left * zoom_first).tolist(), color)
        second.ring((right * zoom_second).tolist(), color)
    first.text((4, 4), f"view {match.views[0]}")
    second.text((4, 4), f"view {match.views[1]}: epipolar lines")
    return [first.picture(), second.picture()]


def _photo(scene: Scene, view: int, height: int) -> tuple[Canvas, float]:
    pixels = (scene.images([view])[0].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
    zoom = height / len(pixels)
    size = (round(pixels.shape[1] * zoom), height)
    # Small photos keep their pixels visible.
    smooth = Image.Resampling.LANCZOS if zoom < 2 else Image.Resampling.NEAREST
    return Canvas(Image.fromarray(pixels).resize(size, smooth)), zoom


def _pixels(camera: Cameras, points: Float[np.ndarray, "point 3"]) -> Float[np.ndarray, "point 2"]:
    """Pixels of the points in front of a camera."""
    local = world_to_camera(camera.poses.double(), torch.from_numpy(points).double())
    return project(camera.intrinsics.double(), local[local[:, 2] > 0]).numpy()


def _visible_segment(camera: Cameras, start: np.ndarray, end: np.ndarray) -> np.ndarray | None:
    """The two ends, in pixels, of what of a segment lies in front of a camera."""
    a, b = world_to_camera(camera.poses.double(), torch.from_numpy(np.stack([start, end])).double())
    closest = 1e-2 * max(float(a[2].abs()), float(b[2].abs()))
    if a[2] < closest and b[2] < closest:
        return None
    if a[2] < closest:
        a = b + (a - b) * (b[2] - closest) / (b[2] - a[2])
    if b[2] < closest:
        b = a + (b - a) * (a[2] - closest) / (a[2] - b[2])
    return project(camera.intrinsics.double(), torch.stack([a, b])).numpy()


def _spread_matches(pixels: torch.Tensor, distances: torch.Tensor) -> Sequence[int]:
    """A few matches far from each other; wrong ones are left out where enough are right."""
    inliers = torch.nonzero(distances < INLIER_PIXELS)[:, 0].tolist()
    candidates = inliers if len(inliers) >= len(LABELS) else list(range(len(distances)))
    chosen = candidates[:1]
    while len(chosen) < min(len(LABELS), len(candidates)):
        gaps = torch.cdist(pixels[0, candidates], pixels[0, chosen]).min(dim=1).values
        chosen.append(candidates[int(gaps.argmax())])
    return chosen


def _line_ends(line: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """Where a line a x + b y + c = 0 leaves a photo, left and right or above and below."""
    a, b, c = line
    width, height = size
    if abs(b) > abs(a):
        return np.array([[0, -c / b], [width, -(c + a * width) / b]])
    return np.array([[-c / a, 0], [-(c + b * height) / a, height]])
