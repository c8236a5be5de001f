"""One scene in one figure: its numbers, its rig, and what must coincide in photos if their cameras are right."""

import textwrap
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure, SubFigure
from torch import Tensor
from torch.nn.functional import normalize, pad

from datasets.inspection.evidence import INLIER_PIXELS, Evidence
from datasets.inspection.two_views import Matches, common_center, epipolar_distances, fundamental, pixel_rays, projected
from pixelnerf.scenes.scene import Scene
from pixelnerf.tools.spacing import spread
from pixelnerf.types import Cameras

# Inches.
WIDTH, RIG_HEIGHT, LARGEST_PHOTO_HEIGHT, LINE_HEIGHT = 12.0, 5.9, 4.0, 0.155
LINE_CHARACTERS = 160
PHOTOS, EPIPOLAR_PAIRS = 4, 2
RIG_CAMERAS, RIG_POINTS, PHOTO_POINTS, PHOTO_OBSERVATIONS = 120, 1500, 250, 60
INK, FIRST, SEEN, BOX, POINT = "0.25", "tab:red", "tab:red", "tab:blue", "tab:orange"
# Matplotlib's cycle of colours without its grey, which photos hide.
MATCHES = [f"C{index}" for index in range(10) if index != 7]
BOX_EDGES = torch.tensor([(a, b) for a in range(8) for b in range(a + 1, 8) if (a ^ b).bit_count() == 1])
# Through the camera (0) and its photo's corners (1 to 4) along all edges of a frustum.
FRUSTUM = [1, 2, 3, 4, 1, 0, 2, 3, 0, 4]


def draw_scene(evidence: Evidence, rows: Sequence[tuple[str, str]], warnings: Sequence[str]) -> Figure:
    """The figure of one scene.

    It shows the rig from above and from the side, photos with the scene's box and points, and pairs of photos with
    epipolar lines.
    """
    sizes = evidence.cameras.sizes
    photo_height = min(LARGEST_PHOTO_HEIGHT, WIDTH / PHOTOS * float((sizes[:, 1] / sizes[:, 0]).max()) + 0.3)
    numbers = [line for name, value in rows for line in textwrap.wrap(f"{name}: {value}", LINE_CHARACTERS)]
    alerts = [line for warning in warnings for line in textwrap.wrap(f"WARNING: {warning}", LINE_CHARACTERS)]
    text_height = LINE_HEIGHT * (len(numbers) + max(1, len(alerts)) + 2)
    heights = [text_height, RIG_HEIGHT, photo_height, photo_height]
    figure = Figure(figsize=(WIDTH, sum(heights)), dpi=110, layout="constrained")
    text, rig, photos, pairs = (figure.add_subfigure(row) for row in figure.add_gridspec(4, 1, height_ratios=heights))
    text.text(0.01, 1 - LINE_HEIGHT / text_height, "\n".join(numbers), va="top", size=9)
    text.text(0.01, 0.0, "\n".join(alerts) or "no warnings", va="bottom", size=9, color=FIRST if alerts else INK)
    points, box = evidence.landmarks[0], scene_box(evidence)
    _draw_rig(rig, evidence.cameras, points, box)
    views = spread(evidence.scene.num_views, PHOTOS)
    for axes, view in zip(photos.subplots(1, len(views), squeeze=False)[0], views, strict=True):
        _draw_photo(axes, evidence.scene, view, f"view {view}")
        _draw_projections(axes, evidence, view, points, box)
    best = sorted(evidence.matches, key=lambda match: -match.pixels.shape[1])[:EPIPOLAR_PAIRS]
    for axes, match in zip(pairs.subplots(1, 2 * len(best)).reshape(-1, 2), best, strict=True):
        _draw_epipolar_lines(axes, evidence, match)
    return figure


def scene_box(evidence: Evidence) -> Float[Tensor, "8 3"]:
    """Corners of a box around all but the farthest points, or around the middle of the depth range without points.

    Corner i has the high end of axis k where bit k of i is set.
    """
    points, scene = evidence.landmarks[0], evidence.scene
    if len(points) > 10:
        # Unless they were carved, a few points of the background, or wrong ones, lie far behind the rest.
        carved = evidence.hull is not None and points is evidence.hull.points
        low, high = torch.from_numpy(np.percentile(points.numpy(), [0, 100] if carved else [5, 95], axis=0))
    else:
        middle, half = common_center(evidence.cameras), (scene.far - scene.near) / 4
        low, high = middle - half, middle + half
    bits = (torch.arange(8)[:, None] >> torch.arange(3)) & 1
    return torch.where(bits == 1, high, low)


def _draw_rig(figure: SubFigure, cameras: Cameras, points: Float[Tensor, "point 3"], box: Float[Tensor, "8 3"]) -> None:
    """The rig from above and from the side. The first camera is red; a thick line marks a photo's upper edge."""
    # The first camera is drawn last, on top of the others.
    chosen = cameras[sorted({0, *spread(len(cameras.poses), RIG_CAMERAS)}, reverse=True)]
    positions = chosen.poses[:, :3, 3:].mT
    low, high = torch.cat([positions[:, 0], box]).aminmax(dim=0)
    depth = 0.07 * (high - low).max()
    corners = torch.tensor([[0, 0], [1, 0], [1, 1], [0, 1]]) * chosen.sizes[:, None].double()
    upright = _upright_axes(cameras.poses)
    frusta = torch.cat([positions, positions + depth * pixel_rays(chosen, corners).directions], dim=1) @ upright
    colors = [INK] * (len(frusta) - 1) + [FIRST]
    edges, dots = box[BOX_EDGES] @ upright, points[spread(len(points), RIG_POINTS)] @ upright
    low, high = torch.cat([frusta.flatten(0, 1), box @ upright]).aminmax(dim=0)
    middle, half = (low + high) / 2, 0.52 * (high - low).max()
    views = (("from above", "ahead", [0, 1]), ("from the side", "up", [0, 2]))
    for axes, (title, vertical, plane) in zip(figure.subplots(1, 2), views, strict=True):
        axes.scatter(*dots[:, plane].T.numpy(), s=2, color=POINT, linewidths=0)
        _draw_lines(axes, edges[..., plane], BOX, 1)
        _draw_lines(axes, frusta[:, FRUSTUM][..., plane], colors, 0.6)
        _draw_lines(axes, frusta[:, [1, 2]][..., plane], colors, 1.8)
        (left, right), (bottom, top) = torch.stack([middle - half, middle + half], dim=-1)[plane].tolist()
        axes.set(xlim=(left, right), ylim=(bottom, top), xlabel="right (world units)", ylabel=vertical, title=title)
        axes.set_aspect("equal")


def _upright_axes(poses: Float[Tensor, "view 4 4"]) -> Float[Tensor, "3 3"]:
    """Right, ahead and up of the first camera as columns, held upright by the cameras' mean up direction."""
    up = -poses[:, :3, 1].mean(dim=0)
    up = normalize(up if up.norm() > 1e-3 else torch.tensor([0.0, 0.0, 1.0]).double(), dim=0)
    across = poses[0, :3, 0] if (poses[0, :3, 0] @ up).abs() < 0.9 else poses[0, :3, 1]
    right = normalize(across - up * (up @ across), dim=0)
    return torch.stack([right, torch.linalg.cross(up, right), up], dim=-1)


def _draw_photo(axes: Axes, scene: Scene, view: int, title: str) -> None:
    """A photo in its own pixel coordinates; small ones keep their pixels visible."""
    width, height = scene.cameras().sizes[view].tolist()
    axes.imshow(scene.images([view])[0].permute(1, 2, 0).numpy(), extent=(0, width, height, 0))
    axes.autoscale(enable=False)
    axes.set(xticks=[], yticks=[])
    axes.set_title(title, size="small")


def _draw_projections(
    axes: Axes, evidence: Evidence, view: int, points: Float[Tensor, "point 3"], box: Float[Tensor, "8 3"]
) -> None:
    """The box and points; if the view saw sparse points, these, and red rings where it saw them."""
    camera = evidence.cameras[view]
    ends = box[BOX_EDGES]
    edges = torch.lerp(ends[:, :1], ends[:, 1:], torch.linspace(0, 1, 65, dtype=torch.float64)[:, None])
    pixels, depths = projected(camera, edges)
    # Lines are broken where they come close to the camera plane.
    visible = depths > 1e-2 * depths.abs().max()
    _draw_lines(axes, torch.where(visible[..., None], pixels, torch.nan), BOX, 1)
    if evidence.observations and len(evidence.observations[view].seen):
        observations = evidence.observations[view]
        chosen = spread(len(observations.seen), PHOTO_OBSERVATIONS)
        axes.scatter(*observations.seen[chosen].T, s=28, facecolors="none", edgecolors=SEEN, linewidths=0.8)
        dots = observations.projected[chosen]
    else:
        pixels, depths = projected(camera, points[spread(len(points), PHOTO_POINTS)])
        dots = pixels[depths > 0]
    axes.scatter(*dots.T.numpy(), s=4, color=POINT, linewidths=0)


def _draw_epipolar_lines(axes: Sequence[Axes], evidence: Evidence, match: Matches) -> None:
    """Points in one photo, and in another the same points and the epipolar lines on which they must lie."""
    pair = evidence.cameras[list(match.views)]
    # Wrong matches are shown only if too few are right.
    inlying = epipolar_distances(pair, match.pixels) < INLIER_PIXELS
    candidates = match.pixels[:, inlying] if inlying.sum() >= len(MATCHES) else match.pixels
    from_left = candidates[0, :, 0].argsort()
    pixels = candidates[:, from_left[spread(len(from_left), len(MATCHES))]]
    for photo, view, title, dots in zip(axes, match.views, ("", ": epipolar lines"), pixels, strict=True):
        _draw_photo(photo, evidence.scene, view, f"view {view}{title}")
        photo.scatter(*dots.T.numpy(), s=40, facecolors="none", edgecolors=MATCHES, linewidths=1.2)
    left, right = pad(pixels, (0, 1), value=1.0)
    lines = left @ fundamental(pair).T
    lines = lines / lines[:, :2].norm(dim=-1, keepdim=True).clamp_min(1e-12)
    foot = right[:, :2] - (lines * right).sum(dim=-1, keepdim=True) * lines[:, :2]
    along = lines[:, [1, 0]] * torch.tensor([-1.0, 1.0]) * pair.sizes[1].sum()
    _draw_lines(axes[1], torch.stack([foot - along, foot + along], dim=1), MATCHES, 0.8)


def _draw_lines(axes: Axes, lines: Float[Tensor, "line point 2"], colors: str | list[str], width: float) -> None:
    axes.add_collection(LineCollection(list(lines.numpy()), colors=colors, linewidths=width))
