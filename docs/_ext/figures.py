"""Draws the figures of the concept pages from the program's own functions, when a build begins.

Alone, `python docs/_ext/figures.py` draws the pipeline of the README anew.
"""

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse, FancyArrowPatch, FancyBboxPatch, Polygon

from pixelnerf.geometry.cameras import look_at, project, projection_jacobian, world_to_camera
from pixelnerf.geometry.encoding import integrated_positional_encoding, positional_encoding
from pixelnerf.geometry.frustum import conical_frustums
from pixelnerf.geometry.rays import rays_through_pixels
from pixelnerf.types import Cameras

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from sphinx.application import Sphinx

FOLDER = "_generated/figures"
BLUE, ORANGE, GRAY = "#2a6fbb", "#d9822b", "#777777"
PHOTO, TEXELS = 64, 32


def setup(app: "Sphinx") -> dict[str, bool]:
    """Draws before Sphinx looks for images."""
    app.connect("config-inited", lambda app, config: draw_all(Path(app.srcdir) / FOLDER))
    return {"parallel_read_safe": True}


def draw_all(folder: Path) -> None:
    """Draws what is missing; a figure that is older than this file is drawn anew."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, draw in {"frusta": frusta, "lookup": lookup, "encoding": encoding, "shrinking": shrinking}.items():
        path = folder / f"{name}.svg"
        if not path.is_file() or path.stat().st_mtime < Path(__file__).stat().st_mtime:
            save(draw(), path)


def save(figure: Figure, path: Path) -> None:
    """SVG without dates and random ids, so that a second drawing is the same file."""
    with mpl.rc_context({"svg.hashsalt": "pixelnerf", "svg.fonttype": "none"}):
        figure.savefig(path, metadata={"Date": None}, bbox_inches="tight")


def frusta() -> Figure:
    """A target's cone seen from above, cut into frusta, and where their Gaussians fall in a photo's feature map."""
    target, source = _camera((0.0, -3.0), focal=14.0, size=8), _camera((1.5, -1.9), focal=100.0, size=PHOTO)
    rays = rays_through_pixels(target, torch.tensor([[4.0, 4.0]]), torch.tensor(2.3), torch.tensor(3.7))
    edges = torch.linspace(2.3, 3.7, 6)[None]
    gaussians = conical_frustums(rays, edges)
    means, direction = gaussians.means[0], rays.directions[0]
    outer = torch.outer(direction, direction)
    covariances = gaussians.axial[0, :, None, None] * outer + gaussians.radial[0, :, None, None] * torch.eye(3)
    figure = Figure(figsize=(9.5, 4.2))
    world, photo = figure.subplots(1, 2)

    origin = rays.origins[0]
    # Radii are standard deviations times two: a disc's variance along an axis is a quarter of its radius squared.
    side = torch.linalg.cross(direction, torch.tensor([0.0, 0.0, 1.0]))
    side = side / side.norm() * rays.radii[0]
    for t in edges[0]:
        ends = torch.stack([origin + t * (direction + sign * side) for sign in (-1, 1)])
        world.plot(ends[:, 0], ends[:, 1], color=BLUE, linewidth=1)
    for sign in (-1, 1):
        line = torch.stack([origin, origin + 3.7 * (direction + sign * side)])
        world.plot(line[:, 0], line[:, 1], color=BLUE, linewidth=1)
    to_texels = TEXELS / PHOTO
    in_source = world_to_camera(source.poses, means)
    pixels = (project(source.intrinsics, in_source) - 0.5) * to_texels
    rotation = source.poses[:3, :3]
    jacobian = projection_jacobian(source.intrinsics, in_source) * to_texels
    for index, (mean, covariance) in enumerate(zip(means, covariances, strict=True)):
        _add_ellipse(world, mean[:2], covariance[:2, :2], ORANGE)
        image = jacobian[index] @ rotation.T @ covariance @ rotation @ jacobian[index].T
        _add_ellipse(photo, pixels[index], image, ORANGE)
        level = 0.5 * float(torch.log2(1 + 2 * image.trace()))
        photo.annotate(
            f"$\\ell$ = {level:.1f}",
            pixels[index].tolist(),
            xytext=(0, 34 + 10 * (index % 2)),
            ha="center",
            textcoords="offset points",
            fontsize=8,
            color=GRAY,
        )
    for camera, color, name in ((target, BLUE, "target view"), (source, GRAY, "photo")):
        _draw_camera(world, camera, color, name)
    world.set(title="the cone, from above", aspect="equal", xlim=(-1.2, 2.6), ylim=(-3.5, 1.0), xlabel="x", ylabel="y")
    photo.set(
        title="the photo's feature map",
        aspect="equal",
        xlim=(-0.5, TEXELS - 0.5),
        ylim=(TEXELS - 0.5, -0.5),
        xlabel="texel",
        ylabel="texel",
    )
    photo.set_xticks(np.arange(0, TEXELS + 1, 8))
    photo.set_yticks(np.arange(0, TEXELS + 1, 8))
    photo.set_xticks(np.arange(TEXELS) - 0.5, minor=True)
    photo.set_yticks(np.arange(TEXELS) - 0.5, minor=True)
    photo.grid(which="minor", color="#eeeeee", linewidth=0.5)
    photo.set_axisbelow(True)
    return figure


def lookup() -> Figure:
    """Which level an ellipse asks for, and the blur that the two taps around it then have."""
    wanted = np.geomspace(0.02, 400, 400)
    level = 0.5 * np.log2(1 + 4 * wanted)
    low, share = np.floor(level), level % 1
    got = (1 - share) * (4**low - 1) / 4 + share * (4 ** (low + 1) - 1) / 4
    figure = Figure(figsize=(9.5, 3.4))
    left, right = figure.subplots(1, 2)
    left.semilogx(wanted, level, color=BLUE)
    left.axvline(0.25, color=GRAY, linewidth=0.8, linestyle=":")
    left.set(xlabel="variance v of the ellipse, in squared texels", ylabel="level $\\ell$ = ½ log₂(1 + 4v)")
    right.loglog(wanted, wanted, color=GRAY, linestyle="--", label="asked for: v")
    right.loglog(wanted, got, color=BLUE, label="added by the taps")
    right.loglog(
        (4.0 ** np.arange(1, 5) - 1) / 4,
        (4.0 ** np.arange(1, 5) - 1) / 4,
        "o",
        color=ORANGE,
        label="whole levels: (4$^\\ell$ − 1)/4",
    )
    right.set(xlabel="variance v of the ellipse", ylabel="variance that the look-up adds")
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    right.legend(frameon=False, fontsize=8)
    figure.tight_layout()
    return figure


def encoding() -> Figure:
    """A sine of high frequency at a frustum's mean, and its mean over the frustum."""
    x = torch.linspace(0, 2, 600)
    figure = Figure(figsize=(9.5, 3.2))
    axes = figure.subplots(1, 3, sharey=True)
    for ax, degree in zip(axes, (2, 4, 6), strict=True):
        point = positional_encoding(x[:, None], degree, degree + 1)[:, 0]
        gaussian = integrated_positional_encoding(x[:, None], torch.full((600, 1), 0.1**2), degree, degree + 1)[:, 0]
        ax.plot(x, point, color="#bbbbbb", linewidth=1, label="of the point")
        ax.plot(x, gaussian, color=BLUE, label="mean over the frustum")
        ax.set(title=f"frequency 2$^{degree}$", xlabel="x")
        ax.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("sin(2$^k$ x)")
    axes[0].legend(frameon=False, fontsize=8, loc="lower left")
    figure.tight_layout()
    return figure


def shrinking() -> Figure:
    """A row of fine stripes rendered at an eighth of the size: by points, and by cones."""
    rng = np.random.default_rng(0)
    fine = (np.sin(np.arange(512) * 0.9) > 0).astype(float) * np.linspace(1, 0.4, 512)
    cells = fine.reshape(64, 8)
    figure = Figure(figsize=(9.5, 2.4))
    axes = figure.subplots(3, 1)
    rows = (fine, cells[np.arange(64), rng.integers(0, 8, 64)], cells.mean(1))
    for ax, row, name in zip(axes, rows, ("the scene", "1/8, one point a pixel", "1/8, the pixel's cone"), strict=True):
        ax.imshow(row[None], aspect="auto", cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        ax.set_yticks([])
        ax.set_xticks([])
        ax.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9)
    return figure


def pipeline() -> Figure:
    """Photos and a target pixel to a colour, in boxes."""
    figure = Figure(figsize=(10, 2.5))
    ax = figure.subplots()
    boxes = {
        "photos": (0.0, 1.3, "photos", "#eeeeee"),
        "encoder": (1.75, 1.3, "ResNet\npyramid", "#dbe8f6"),
        "maps": (3.5, 1.3, "feature maps,\nprojected once", "#dbe8f6"),
        "pixel": (0.0, 0.0, "target\npixel", "#eeeeee"),
        "cone": (1.75, 0.0, "cone → frusta\n(Gaussians)", "#fbe6d0"),
        "lookup": (3.5, 0.0, "project, look up\nthe ellipse", "#fbe6d0"),
        "views": (5.45, 0.0, "MLP,\na view each", "#dbe8f6"),
        "mean": (7.2, 0.0, "mean of views,\nMLP", "#dbe8f6"),
        "color": (8.95, 0.0, "density, colour\n→ composite", "#e2f0df"),
    }
    for x, y, text, color in boxes.values():
        ax.add_patch(
            FancyBboxPatch((x, y), 1.35, 0.75, boxstyle="round,pad=0.04", facecolor=color, edgecolor="#999999")
        )
        ax.text(x + 0.675, y + 0.375, text, ha="center", va="center", fontsize=9)
    chain = ("photos", "encoder", "maps"), ("pixel", "cone", "lookup", "views", "mean", "color")
    pairs = [(a, b) for names in chain for a, b in pairwise(names)]
    for a, b in pairs:
        start, end = (boxes[a][0] + 1.39, boxes[a][1] + 0.375), (boxes[b][0] - 0.04, boxes[b][1] + 0.375)
        ax.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=10, color="#555555"))
    ax.add_patch(FancyArrowPatch((4.175, 1.26), (4.175, 0.79), arrowstyle="-|>", mutation_scale=10, color="#555555"))
    ax.set(xlim=(-0.1, 10.4), ylim=(-0.15, 2.15), aspect="equal")
    ax.axis("off")
    return figure


def _camera(position: tuple[float, float], focal: float, size: int) -> Cameras:
    center = torch.tensor([0.0, 0.0, 0.0])
    pose = look_at(torch.tensor([*position, 0.0]), center, torch.tensor([0.0, 0.0, 1.0]))
    matrix = torch.tensor([[focal, 0, size / 2], [0, focal, size / 2], [0, 0, 1]])
    return Cameras(pose, matrix, torch.tensor([size, size]))


def _add_ellipse(ax: "Axes", mean: torch.Tensor, covariance: torch.Tensor, color: str) -> None:
    """The ellipse of two standard deviations."""
    values, vectors = torch.linalg.eigh(covariance)
    angle = float(torch.rad2deg(torch.atan2(vectors[1, 1], vectors[0, 1])))
    width, height = (4 * values.clamp_min(0).sqrt()).flip(0).tolist()
    ax.add_patch(Ellipse(mean.tolist(), width, height, angle=angle, facecolor=color, edgecolor=color, alpha=0.35))


def _draw_camera(ax: "Axes", camera: Cameras, color: str, name: str) -> None:
    position, right, forward = camera.poses[:2, 3], camera.poses[:2, 0], camera.poses[:2, 2]
    corners = [position, position + 0.35 * forward + 0.18 * right, position + 0.35 * forward - 0.18 * right]
    ax.add_patch(Polygon(torch.stack(corners).numpy(), closed=True, facecolor="none", edgecolor=color))
    ax.annotate(name, position.tolist(), xytext=(8, -12), textcoords="offset points", fontsize=9, color=color)


if __name__ == "__main__":
    save(pipeline(), Path(__file__).resolve().parents[1] / "pipeline.svg")
