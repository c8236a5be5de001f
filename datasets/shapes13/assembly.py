"""Painted parts put together into one object of ShapeNet's size."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from trimesh import Trimesh

from datasets.shapes13.palette import Color
from datasets.shapes13.parts import mirrored

Livery: TypeAlias = Callable[[Float[ndarray, "face 3"]], Float[ndarray, "face 3"]]
"""Face colours from face centres."""
PaintedPart: TypeAlias = tuple[Trimesh, Float[ndarray, "face 3"]]
"""A part and its face colours."""


class Assembly:
    """Collects painted parts; `build` returns them as one mesh."""

    def __init__(self) -> None:
        self._parts: list[PaintedPart] = []

    def add(self, mesh: Trimesh, color: Color | Livery, mirror: bool = False) -> None:
        """Adds a part in one colour or in a livery; with `mirror`, also its copy across x = 0."""
        centers = mesh.vertices[mesh.faces].mean(axis=1)
        colors = color(centers) if callable(color) else np.tile(color, (len(centers), 1))
        self._parts.append((mesh, colors))
        if mirror:
            self._parts.append((mirrored(mesh), colors))

    def add_painted(self, mesh: Trimesh, colors: Float[ndarray, "face 3"]) -> None:
        """Adds a part with face colours of its own."""
        self._parts.append((mesh, colors))

    @property
    def parts(self) -> Sequence[PaintedPart]:
        """What was added so far."""
        return self._parts

    def build(self) -> Trimesh:
        """One mesh with face colours, centred at the origin, its longest side 1 long (as in the NMR renders)."""
        offsets = np.cumsum([0] + [len(mesh.vertices) for mesh, _ in self._parts])
        vertices = np.concatenate([mesh.vertices for mesh, _ in self._parts])
        faces = np.concatenate([mesh.faces + offset for (mesh, _), offset in zip(self._parts, offsets, strict=False)])
        colors = np.concatenate([colors for _, colors in self._parts])
        low, high = vertices.min(axis=0), vertices.max(axis=0)
        vertices = (vertices - (low + high) / 2) / (high - low).max()
        rgba = np.round(np.concatenate([colors, np.ones((len(colors), 1))], axis=1) * 255).astype(np.uint8)
        return Trimesh(vertices, faces, face_colors=rgba, process=False)


def striped(axis: int, edges: tuple[float, ...], colors: tuple[Color, ...]) -> Livery:
    """Bands of colour along an axis; `edges` are the places where one colour ends and the next begins."""
    return lambda centers: np.asarray(colors)[np.searchsorted(edges, centers[:, axis])]
