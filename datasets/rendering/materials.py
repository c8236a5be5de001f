"""From a trimesh mesh with its colours to a surface for the ray caster."""

import numpy as np
from trimesh import Trimesh

from datasets.rendering.surface import Paint, Surface, build_surface


def mesh_surface(mesh: Trimesh) -> Surface:
    """The surface of a mesh with face colours."""
    return build_surface(mesh.vertices[mesh.faces], Paint.plain(np.asarray(mesh.visual.face_colors)[:, :3] / 255.0))
