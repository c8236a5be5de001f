"""Painted parts put together into one object of ShapeNet's size."""

from typing import TypeAlias

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from trimesh import Trimesh

from datasets.shapes13.parts import mirrored

Color: TypeAlias = tuple[float, float, float]
PaintedPart: TypeAlias = tuple[Trimesh, Float[ndarray, "face 3"]]
"""A part and its face colours."""


class Assembly:
    """Collects painted parts; `build` returns them as one mesh."""

    def __init__(self) -> None:
        self.parts: list[PaintedPart] = []

    def add(self, mesh: Trimesh, colors: Color | Float[ndarray, "face 3"], mirror: bool = False) -> None:
        """Adds a part in one colour, or in one a face; with `mirror`, also its copy across x = 0."""
        painted = np.broadcast_to(colors, (len(mesh.faces), 3))
        self.parts += [(copy, painted) for copy in ([mesh, mirrored(mesh)] if mirror else [mesh])]

    def pair(self, mesh: Trimesh, color: Color) -> None:
        """Adds a part and its copy across x = 0."""
        self.add(mesh, color, mirror=True)

    def build(self) -> Trimesh:
        """One mesh with face colours, centred at the origin, its longest side 1 long (as in the NMR renders).

        The face attribute `part` numbers the parts in the order in which they were added.
        """
        meshes, colors = zip(*self.parts, strict=True)
        offsets = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes[:-1])])
        vertices = np.concatenate([mesh.vertices for mesh in meshes])
        faces = np.concatenate([mesh.faces + offset for mesh, offset in zip(meshes, offsets, strict=True)])
        low, high = vertices.min(axis=0), vertices.max(axis=0)
        vertices = (vertices - (low + high) / 2) / (high - low).max()
        rgba = np.round(np.insert(np.concatenate(colors), 3, 1.0, axis=1) * 255).astype(np.uint8)
        part = np.repeat(np.arange(len(meshes)), [len(mesh.faces) for mesh in meshes])
        return Trimesh(vertices, faces, face_colors=rgba, face_attributes={"part": part}, process=False)
