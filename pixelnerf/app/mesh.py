"""The surface of a baked object: triangles with colours, or points."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
import trimesh
from jaxtyping import Float
from numpy import ndarray
from scipy.ndimage import gaussian_filter
from scipy.spatial.transform import Rotation
from skimage.measure import marching_cubes
from torch import Tensor
from trimesh.visual.color import srgb_to_linear

from pixelnerf.errors import UserError
from pixelnerf.geometry.cameras import rotate
from pixelnerf.model.baked import BakedVolume

GLTF = ("glb", "gltf")
COLOR = "_COLOR"
"""A mesh's colours until they are glTF's; trimesh exports attributes of other names as they are."""
OPAQUE_DEPTH = 2.0
"""Optical depth of a cell that is opaque by itself: it stops 86 % of the light."""
SOFT_BLUR = 0.7
"""Standard deviation, in cells, of the blur of soft objects: where density falls slowly, noise creases a surface."""
PADDING = 4
"""Empty cells around the volume, so that its surface is closed, blurred too."""
CANDIDATES = 24
"""Thresholds that are compared, evenly spread in their logarithm over a factor of a thousand."""


def default_threshold(volume: BakedVolume) -> float:
    """The density at which the surface lies, unless another is given.

    Where the object's cells are opaque by themselves it is half of their density: a cell's density is its average, so
    half of such a cell is inside. Of anything softer, the surface has the outline that the pictures have where they are
    half opaque: along the grid's axes, outlines of what is denser than a threshold are compared with those of what
    stops half of the light, and the threshold whose outlines overlap best wins (intersection over union).

    Raises:
        UserError: the volume is empty.
    """
    density, cell = volume.density.cpu(), float(volume.cell)
    highest, typical = float(density.max()), _typical_density(volume)
    if highest <= 0:
        raise UserError("nothing was found in the photos, so there is no surface")
    if typical * cell > OPAQUE_DEPTH:
        return typical / 2
    levels = highest * torch.logspace(-3, -0.05, CANDIDATES)
    overlaps = torch.zeros(CANDIDATES)
    outlines = [F.pad(density, (PADDING,) * 6).sum(axis) * cell > math.log(2) for axis in range(3)]
    for index, level in enumerate(levels):
        inside = _levelled(volume, float(level), SOFT_BLUR) > level
        for axis, seen in enumerate(outlines):
            outline = inside.any(axis)
            overlaps[index] += (outline & seen).sum() / (outline | seen).sum().clamp_min(1)
    return float(levels[overlaps.argmax()])


def _typical_density(volume: BakedVolume) -> float:
    """The median density of what is at least a tenth as dense as the densest; NaN of an empty volume."""
    return float(volume.density[volume.density > 0.1 * volume.density.max()].median())


def _levelled(volume: BakedVolume, level: float, blur: float) -> Float[Tensor, "x y z"]:
    """The density whose surface at `level` is extracted, with empty cells around it."""
    # Optical depth saturates: without a bound, one very dense cell would pull the surface to its neighbour's centre.
    density = F.pad(volume.density.cpu().clamp_max(4 * level), (PADDING,) * 6)
    return torch.from_numpy(gaussian_filter(density.numpy(), blur)) if blur else density


class ColoredMesh(trimesh.Trimesh):
    """A mesh in the user's world whose vertices have the colours of photos.

    Exported as GLB or glTF it is what glTF 2.0 asks for, so that every program shows it upright and as the photos do:
    y is up (section 3.4; a node turns it, vertices stay in the user's world), colours are linear (3.7.2.1), and no
    light is added to that in the photos (KHR_materials_unlit). Other formats have no convention, and get the user's
    world as it is. What trimesh makes of it, a copy or a part, is a plain mesh, which knows nothing of this.

    Attributes:
        up: direction in the user's world.
    """

    up: Float[ndarray, "3"] = np.array([0.0, 0.0, 1.0])

    def export(self, file_obj: Any = None, file_type: str | None = None, **options: Any) -> Any:
        """As trimesh's."""
        kind = file_type or (Path(file_obj).suffix if isinstance(file_obj, (str, Path)) else "")
        if kind.lower().removeprefix(".") not in GLTF:
            return super().export(file_obj, file_type, **options)
        bare = trimesh.Trimesh(self.vertices, self.faces, vertex_normals=self.vertex_normals, process=False)
        visual: Any = self.visual
        linear = srgb_to_linear(visual.vertex_colors[:, :3])
        # Linear colours need more than 8 bits where they are dark.
        bare.vertex_attributes[COLOR] = linear.astype(np.float32)
        upright = np.eye(4)
        upright[:3, :3] = Rotation.align_vectors([[0.0, 1.0, 0.0]], self.up[None])[0].as_matrix()
        scene = trimesh.Scene()
        scene.add_geometry(bare, transform=upright)
        return scene.export(file_obj, file_type, tree_postprocessor=_unlit, **options)


def _unlit(tree: dict[str, Any]) -> None:
    """Gives a glTF's triangles their colours and a material that no light falls on."""
    tree["extensionsUsed"] = ["KHR_materials_unlit"]
    base = {"baseColorFactor": [1.0, 1.0, 1.0, 1.0], "metallicFactor": 0.0, "roughnessFactor": 1.0}
    tree["materials"] = [{"pbrMetallicRoughness": base, "extensions": {"KHR_materials_unlit": {}}}]
    for mesh in tree["meshes"]:
        for primitive in mesh["primitives"]:
            primitive["attributes"]["COLOR_0"] = primitive["attributes"].pop(COLOR)
            primitive["material"] = 0


def extract_mesh(
    volume: BakedVolume, threshold: float | None = None, up: Float[Tensor, "3"] | None = None
) -> ColoredMesh:
    """The surface where the density is `threshold`, by marching cubes (Lorensen and Cline 1987).

    It is closed: the volume is empty outside. Vertices lie in the volume's world, and each has the colour that is seen
    along its normal from outside. Densities of an object whose cells are not opaque by themselves are blurred by
    `SOFT_BLUR` first.

    Args:
        volume: of any object.
        threshold: per unit of length; None for `default_threshold`.
        up: direction in the volume's world; None for its z.

    Raises:
        UserError: the density is nowhere that high.
    """
    volume = volume.to("cpu")
    level = default_threshold(volume) if threshold is None else threshold
    soft = _typical_density(volume) * float(volume.cell) <= OPAQUE_DEPTH
    density = _levelled(volume, level, SOFT_BLUR if soft else 0.0)
    if not 0 < level < density.max():
        raise UserError(
            f"no surface at a density of {level:.3g}: the highest is {float(volume.density.max()):.3g}; "
            "give a lower threshold"
        )
    corners, faces, _, _ = marching_cubes(density.numpy(), level, gradient_direction="ascent")
    local = torch.from_numpy(corners.astype(np.float32)) - (PADDING - 0.5)
    bare = trimesh.Trimesh(_world(volume, local).numpy(), faces, process=True)
    colors = _colors(volume, level, np.asarray(bare.vertices), np.asarray(bare.vertex_normals))
    mesh = ColoredMesh(bare.vertices, bare.faces, vertex_colors=colors, process=False)
    if up is not None:
        mesh.up = up.double().numpy()
    return mesh


def extract_points(volume: BakedVolume, threshold: float | None = None, count: int = 20_000) -> trimesh.PointCloud:
    """Points spread evenly over the surface, with colours.

    Raises:
        UserError: as `extract_mesh`.
    """
    mesh = extract_mesh(volume, threshold)
    points, faces = trimesh.sample.sample_surface(mesh, count, seed=0)[:2]
    level = default_threshold(volume) if threshold is None else threshold
    colors = _colors(volume.to("cpu"), level, np.asarray(points), np.asarray(mesh.face_normals)[faces])
    return trimesh.PointCloud(points, colors)


def _world(volume: BakedVolume, local: Float[Tensor, "point 3"]) -> Float[Tensor, "point 3"]:
    return volume.corner + rotate(volume.axes, local * volume.cell)


def _colors(
    volume: BakedVolume, level: float, points: Float[ndarray, "point 3"], normals: Float[ndarray, "point 3"]
) -> Float[ndarray, "point 4"]:
    """RGBA in 0 to 255: density-weighted means of the cells around, seen against the normals."""
    positions, outward = (torch.tensor(values, dtype=torch.float32) for values in (points, normals))
    local = rotate(volume.axes.mT, positions - volume.corner) / volume.cell
    sizes = local.new_tensor(volume.density.shape)
    weights = volume.density.clamp_max(4 * level)[..., None]
    table = torch.cat([volume.colors.flatten(-2) * weights, weights], dim=-1).permute(3, 2, 1, 0)[None]
    found = F.grid_sample(table, (local / sizes * 2 - 1)[None, None, None], align_corners=False)[0, :, 0, 0].T
    parts = (found[:, :-1] / found[:, -1:].clamp_min(1e-9)).view(-1, 4, 3)
    toward = rotate(volume.axes.mT, -outward)
    color = (parts[:, 0] + (toward[:, :, None] * parts[:, 1:]).sum(1)).clamp(0, 1)
    return (torch.cat([color, torch.ones_like(color[:, :1])], dim=-1) * 255).round().to(torch.uint8).numpy()
