"""What a lathe makes of a part: the solid of revolution of its outline."""

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from trimesh import Trimesh

from datasets.shapes13.assembly import PaintedPart
from datasets.shapes13.parts import revolve

_LEVELS = 14
_SECTIONS = 24
_WALL = 0.06


def spun(
    mesh: Trimesh, colors: Float[ndarray, "face 3"], turn: Float[ndarray, "3 3"], hollow: bool = False
) -> PaintedPart:
    """A part, turned, then spun about the vertical through its middle; a hollow one is a thin wall, open at both ends.

    At each height the radius is the farthest that the part reaches there, and the colour that of its nearest face.
    """
    vertices = mesh.vertices @ turn.T
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    vertices = (vertices - (low + high) / 2) / max(float((high - low).max()), 1e-6)
    bottom, top = vertices[:, 1].min(), vertices[:, 1].max()
    # A flat part is a disc; its ends lie a little inside, where edges cross them.
    heights = bottom + (top - bottom) * np.linspace(0.005, 0.995, _LEVELS)
    radii = np.maximum(_reach(vertices, mesh, heights), 0.01)
    outside = list(zip(radii, heights, strict=True))
    if hollow:
        inside = list(zip(np.maximum(radii - _WALL, radii / 2), heights, strict=True))
        profile = [*outside, *inside[::-1], outside[0]]
    else:
        profile = [(0.0, heights[0]), *outside, (0.0, heights[-1])]
    round_part = revolve(profile, sections=_SECTIONS)
    places = vertices[mesh.faces].mean(axis=1)[:, 1]
    wanted = round_part.vertices[round_part.faces].mean(axis=1)[:, 1]
    return round_part, colors[np.abs(wanted[:, None] - places).argmin(axis=1)]


def _reach(
    vertices: Float[ndarray, "vertex 3"], mesh: Trimesh, heights: Float[ndarray, "level"]
) -> Float[ndarray, "level"]:
    """The largest distance from the vertical axis where the surface crosses each height: it lies on an edge."""
    start, end = vertices[mesh.edges_unique[:, 0]], vertices[mesh.edges_unique[:, 1]]
    rise = end[:, 1] - start[:, 1]
    share = (heights[:, None] - start[:, 1]) / np.where(rise == 0, np.inf, rise)
    crosses = (share >= 0) & (share <= 1) & (rise != 0)
    points = start + share[..., None] * (end - start)
    return np.where(crosses, np.hypot(points[..., 0], points[..., 2]), 0.0).max(axis=1)
