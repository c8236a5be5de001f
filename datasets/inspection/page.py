"""One scene on one page: rig, projections, epipolar lines."""

import numpy as np
from jaxtyping import Float
from PIL import Image

from datasets.inspection.canvas import ACCENT, INK, Canvas, stack_rows
from datasets.inspection.epipolar import common_center
from datasets.inspection.evidence import Evidence, triangulate_inliers
from datasets.inspection.photo_pictures import draw_epipolar_pair, draw_projections
from datasets.inspection.rig_picture import box_corners, draw_rig
from datasets.inspection.summary import Row

PHOTO_HEIGHT = 300
LINE_HEIGHT = 18
PROJECTED_VIEWS = 4
EPIPOLAR_PAIRS = 2


def scene_points(evidence: Evidence) -> Float[np.ndarray, "point 3"]:
    """Points of the scene: those that came with the cameras, else of the mask hull, else triangulated ones."""
    if evidence.sparse is not None:
        return evidence.sparse.positions.numpy()
    if evidence.hull is not None and len(evidence.hull.points):
        return evidence.hull.points.numpy()
    return triangulate_inliers(evidence).points.numpy()


def scene_box(evidence: Evidence, points: Float[np.ndarray, "point 3"]) -> Float[np.ndarray, "8 3"]:
    """A box around all but the farthest points, or around the middle of the depth range where there are none."""
    if evidence.sparse is None and evidence.hull is not None and len(evidence.hull.points):
        return box_corners(points.min(axis=0), points.max(axis=0))
    if len(points) > 10:
        # A few points of the background, or wrong ones, lie far behind the rest.
        low, high = np.percentile(points, [5, 95], axis=0)
        return box_corners(low, high)
    scene = evidence.scene
    middle = common_center(scene.cameras()).numpy()
    return box_corners(middle - (scene.far - scene.near) / 4, middle + (scene.far - scene.near) / 4)


def draw_page(evidence: Evidence, rows: list[Row], warnings: list[str]) -> Image.Image:
    """The page of one scene, with its numbers and warnings."""
    scene = evidence.scene
    points = scene_points(evidence)
    box = scene_box(evidence, points)
    views = np.unique(np.linspace(0, scene.num_views - 1, PROJECTED_VIEWS).round().astype(int)).tolist()
    photos = [draw_projections(scene, view, points, box, evidence.sparse, PHOTO_HEIGHT) for view in views]
    best = sorted(evidence.matches, key=lambda match: -match.pixels.shape[1])[:EPIPOLAR_PAIRS]
    pairs = [picture for match in best for picture in draw_epipolar_pair(scene, match, PHOTO_HEIGHT)]
    rigs = draw_rig(scene.cameras(), points, box, 2 * PHOTO_HEIGHT)
    return stack_rows([[_write(rows, warnings)], rigs, photos, pairs])


def _write(rows: list[Row], warnings: list[str]) -> Image.Image:
    lines = [f"{name}: {value}" for name, value in rows]
    canvas = Canvas.blank(1200, LINE_HEIGHT * (len(lines) + max(1, len(warnings))) + 8)
    for number, line in enumerate(lines):
        canvas.text((4, 4 + LINE_HEIGHT * number), line, INK)
    for number, line in enumerate(warnings or ["no warnings"], start=len(lines)):
        canvas.text(
            (4, 4 + LINE_HEIGHT * number), f"WARNING: {line}" if warnings else line, ACCENT if warnings else INK
        )
    return canvas.picture()
