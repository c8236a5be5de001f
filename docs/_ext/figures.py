"""Draws the figures of the concept pages from the program's own functions, when a build begins."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
import torch
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse, Polygon
from sphinx.application import Sphinx

from pixelnerf.geometry.cameras import look_at, project, projection_jacobian, world_to_camera
from pixelnerf.geometry.encoding import integrated_positional_encoding, positional_encoding
from pixelnerf.geometry.frustum import conical_frustums
from pixelnerf.geometry.rays import rays_through_pixels
from pixelnerf.types import Cameras

FOLDER = "_generated/figures"
BLUE, ORANGE, GRAY = "#2a6fbb", "#d9822b", "#777777"
PHOTO, TEXELS = 64, 32
STYLE = {
    # Without random ids a second drawing is the same file.
    "svg.hashsalt": "pixelnerf",
    "svg.fonttype": "none",
    "figure.constrained_layout.use": True,
    "legend.frameon": False,
    "legend.fontsize": 8,
}


def setup(app: Sphinx) -> dict[str, bool]:
    """Draws before Sphinx looks for images; a figure that is newer than this file is kept."""

    def draw(app: Sphinx, config: object) -> None:
        folder = Path(app.srcdir) / FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        for function in (frusta, lookup, encoding, shrinking):
            path = folder / f"{function.__name__}.svg"
            if not path.is_file() or path.stat().st_mtime < Path(__file__).stat().st_mtime:
                with mpl.rc_context(STYLE):
                    function().savefig(path, metadata={"Date": None}, bbox_inches="tight")
                plt.close()

    app.connect("config-inited", draw)
    return {"parallel_read_safe": True}


def frusta() -> Figure:
    """A target's cone seen from above, cut into frusta, and where their Gaussians fall in a photo's feature map."""
    target, source = _camera((0.0, -3.0), focal=14.0, size=8), _camera((1.5, -1.9), focal=100.0, size=PHOTO)
    rays = rays_through_pixels(target, torch.tensor([[4.0, 4.0]]), torch.tensor(2.3), torch.tensor(3.7))
    edges = torch.linspace(2.3, 3.7, 6)
    gaussians = conical_frustums(rays, edges[None])
    means, direction = gaussians.means[0], rays.directions[0]
    outer = torch.outer(direction, direction)
    covariances = gaussians.axial[0, :, None, None] * outer + gaussians.radial[0, :, None, None] * torch.eye(3)
    figure, (world, photo) = plt.subplots(1, 2, figsize=(9.5, 4.2))

    # Radii are standard deviations times two: a disc's variance along an axis is a quarter of its radius squared.
    side = torch.linalg.cross(direction, torch.tensor([0.0, 0.0, 1.0]))
    side = side / side.norm() * rays.radii[0]
    left, right = (
        torch.stack([rays.origins[0] + t * (direction + sign * side) for t in (0, *edges)]) for sign in (-1, 1)
    )
    for line in (left, right, *torch.stack([left, right], 1)[1:]):
        world.plot(line[:, 0], line[:, 1], color=BLUE, linewidth=1)
    to_texels = TEXELS / PHOTO
    in_source = world_to_camera(source.poses, means)
    pixels = (project(source.intrinsics, in_source) - 0.5) * to_texels
    jacobian = projection_jacobian(source.intrinsics, in_source) * to_texels @ source.poses[:3, :3].T
    images = jacobian @ covariances @ jacobian.mT
    for index, (mean, image) in enumerate(zip(pixels, images, strict=True)):
        _add_ellipse(world, means[index, :2], covariances[index, :2, :2])
        _add_ellipse(photo, mean, image)
        level = 0.5 * float(torch.log2(1 + 2 * image.trace()))
        offset = (0, 34 + 10 * (index % 2))
        _label(photo, f"$\\ell$ = {level:.1f}", mean, offset, fontsize=8, ha="center", color=GRAY)
    for camera, color, name in ((target, BLUE, "target view"), (source, GRAY, "photo")):
        _draw_camera(world, camera, color, name)
    world.set(title="the cone, from above", aspect="equal", xlim=(-1.2, 2.6), ylim=(-3.5, 1.0), xlabel="x", ylabel="y")
    photo.set(title="the photo's feature map", aspect="equal", xlabel="texel", ylabel="texel")
    photo.set(xlim=(-0.5, TEXELS - 0.5), ylim=(TEXELS - 0.5, -0.5), axisbelow=True)
    for axis in (photo.xaxis, photo.yaxis):
        axis.set_ticks(np.arange(0, TEXELS + 1, 8))
        axis.set_ticks(np.arange(TEXELS) - 0.5, minor=True)
    photo.grid(which="minor", color="#eeeeee", linewidth=0.5)
    return figure


def lookup() -> Figure:
    """Which level an ellipse asks for, and the blur that the two taps around it then have."""
    wanted = np.geomspace(0.02, 400, 400)
    level = 0.5 * np.log2(1 + 4 * wanted)
    low, share = np.floor(level), level % 1
    got = (1 - share) * (4**low - 1) / 4 + share * (4 ** (low + 1) - 1) / 4
    whole = (4.0 ** np.arange(1, 5) - 1) / 4
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.4))
    left.semilogx(wanted, level, color=BLUE)
    left.axvline(0.25, color=GRAY, linewidth=0.8, linestyle=":")
    left.set(xlabel="variance v of the ellipse, in squared texels", ylabel="level $\\ell$ = ½ log₂(1 + 4v)")
    right.loglog(wanted, wanted, color=GRAY, linestyle="--", label="asked for: v")
    right.loglog(wanted, got, color=BLUE, label="added by the taps")
    right.loglog(whole, whole, "o", color=ORANGE, label="whole levels: (4$^\\ell$ − 1)/4")
    right.set(xlabel="variance v of the ellipse", ylabel="variance that the look-up adds")
    right.legend()
    return figure


def encoding() -> Figure:
    """A sine of high frequency at a frustum's mean, and its mean over the frustum."""
    x = torch.linspace(0, 2, 600)
    figure, axes = plt.subplots(1, 3, sharey=True, figsize=(9.5, 3.2))
    for ax, degree in zip(axes, (2, 4, 6), strict=True):
        point = positional_encoding(x[:, None], degree, degree + 1)[:, 0]
        gaussian = integrated_positional_encoding(x[:, None], torch.full((600, 1), 0.1**2), degree, degree + 1)[:, 0]
        ax.plot(x, point, color="#bbbbbb", linewidth=1, label="of the point")
        ax.plot(x, gaussian, color=BLUE, label="mean over the frustum")
        ax.set(title=f"frequency 2$^{degree}$", xlabel="x")
    axes[0].set_ylabel("sin(2$^k$ x)")
    axes[0].legend(loc="lower left")
    return figure


def shrinking() -> Figure:
    """A row of fine stripes rendered at an eighth of the size: by points, and by cones."""
    fine = (np.sin(np.arange(512) * 0.9) > 0).astype(float) * np.linspace(1, 0.4, 512)
    cells = fine.reshape(64, 8)
    points = cells[np.arange(64), np.random.default_rng(0).integers(0, 8, 64)]
    rows = {"the scene": fine, "1/8, one point a pixel": points, "1/8, the pixel's cone": cells.mean(1)}
    figure, axes = plt.subplots(3, 1, figsize=(9.5, 2.4))
    for ax, (name, row) in zip(axes, rows.items(), strict=True):
        ax.imshow(row[None], aspect="auto", cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        ax.set(xticks=[], yticks=[])
        ax.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9)
    return figure


def _camera(position: tuple[float, float], focal: float, size: int) -> Cameras:
    pose = look_at(torch.tensor([*position, 0.0]), torch.zeros(3), torch.tensor([0.0, 0.0, 1.0]))
    matrix = torch.tensor([[focal, 0, size / 2], [0, focal, size / 2], [0, 0, 1]])
    return Cameras(pose, matrix, torch.tensor([size, size]))


def _add_ellipse(ax: Axes, mean: torch.Tensor, covariance: torch.Tensor) -> None:
    """The ellipse of two standard deviations."""
    values, vectors = torch.linalg.eigh(covariance)
    angle = float(torch.rad2deg(torch.atan2(vectors[1, 1], vectors[0, 1])))
    height, width = (4 * values.clamp_min(0).sqrt()).tolist()
    ax.add_patch(Ellipse(mean.tolist(), width, height, angle=angle, color=ORANGE, alpha=0.35))


def _draw_camera(ax: Axes, camera: Cameras, color: str, name: str) -> None:
    position, right, forward = camera.poses[:2, 3], camera.poses[:2, 0], camera.poses[:2, 2]
    corners = [position, *(position + 0.35 * forward + sign * 0.18 * right for sign in (1, -1))]
    ax.add_patch(Polygon(torch.stack(corners).numpy(), closed=True, fill=False, edgecolor=color))
    _label(ax, name, position, (8, -12), fontsize=9, color=color)


def _label(ax: Axes, text: str, point: torch.Tensor, offset: tuple[float, float], **style: object) -> None:
    ax.annotate(text, point.tolist(), xytext=offset, textcoords="offset points", **style)
