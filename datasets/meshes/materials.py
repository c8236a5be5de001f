"""From a mesh file with its materials, textures and colours to a surface for the ray caster."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
import trimesh.visual
import trimesh.visual.material
from jaxtyping import Float, Int
from numpy import ndarray
from PIL import Image
from trimesh import Trimesh
from trimesh.resolvers import Resolver

from datasets.meshes.solid_textures import SolidTextures
from datasets.meshes.surface import Paint, Surface, build_surface
from pixelnerf.errors import UserError

_UNPAINTED = (0.75, 0.75, 0.75)


def load_surface(path: Path, z_up: bool = False) -> Surface:
    """Reads an OBJ, PLY, GLB, glTF, OFF or STL file. Units and position are the file's; `z_up` turns its z to our y.

    Colours are sRGB; those of glTF, which are linear (glTF 2.0, 3.7.2.1 and 3.9.2), are converted, but for textures.
    Transparency is not rendered: what is not wholly transparent is opaque.

    Raises:
        UserError: the file, or a material or texture file that it names, is missing or unreadable; it holds no
            triangles with an area, or a coordinate that is not finite.
    """
    resolver = _NeighbourResolver(path)
    try:
        scene = trimesh.load_scene(path, resolver=resolver, process=False)
        nodes = [scene.graph[node] for node in scene.graph.nodes_geometry]
        meshes = [(scene.geometry[name], transform) for transform, name in nodes]
        # Textures are decoded here, on first use. Geometry without faces is no Trimesh.
        linear = path.suffix.lower() in (".glb", ".gltf")
        parts = [(_placed(mesh, frame), _paint(mesh, linear)) for mesh, frame in meshes if isinstance(mesh, Trimesh)]
    except UserError:
        raise
    except Exception as error:  # a parser fed with a broken file may raise anything
        reason = (str(error).splitlines() or ["no reason given"])[0]
        raise UserError(f"cannot read the mesh '{path}': {type(error).__name__}: {reason}") from None
    if resolver.refused:
        raise UserError(resolver.refused[0])
    if resolver.missing:
        raise UserError(f"'{resolver.missing[0]}', named by the mesh '{path}', is not in or beside its folder")
    triangles = np.concatenate([part for part, _ in parts]) if parts else np.zeros((0, 3, 3))
    if not len(triangles) or not np.ptp(triangles.reshape(-1, 3), axis=0).any():
        raise UserError(f"the mesh '{path}' holds no triangles")
    if not np.isfinite(triangles).all():
        raise UserError(f"the mesh '{path}' has a vertex that is not finite")
    if z_up:
        triangles = triangles[..., [0, 2, 1]] * (1, 1, -1)
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            return build_surface(triangles, _joined([paint for _, paint in parts]))
    except UserError as error:
        raise UserError(f"the mesh '{path}' cannot be rendered: {error}") from None


def painted_surface(
    mesh: Trimesh, patches: Int[ndarray, " face"] | None = None, solid: SolidTextures | None = None
) -> Surface:
    """The surface of one mesh with vertex or face colours, or a material; under solid textures if they are given."""
    paint = replace(_paint(mesh), patches=patches, solid=solid)
    return build_surface(np.asarray(mesh.vertices[mesh.faces]), paint)


# Options in front of a texture's file name (`map_Kd -s 1 1 1 tex.png`), and those values that change nothing.
_OPTION = re.compile(r"-(\w+)((?:\s+[-+]?\d*\.?\d+(?=\s))+)\s+")
_NEUTRAL = {"s": 1.0, "o": 0.0, "t": 0.0}


class _NeighbourResolver(Resolver):
    """Opens what a mesh file names, if it lies in the mesh's folder or that folder's parent (as ShapeNet's do)."""

    def __init__(self, path: Path) -> None:
        self._folder = path.resolve().parent
        self.missing: list[str] = []
        self.refused: list[str] = []

    def get(self, key: str) -> bytes:
        for option, values in _OPTION.findall(key):
            if any(value != _NEUTRAL.get(option, value) for value in map(float, values.split())):
                # trimesh goes on without a texture whose resolver raises.
                self.refused.append(
                    f"texture '{key}' of a mesh in '{self._folder}' is moved or scaled: bake that into the mesh"
                )
        relative = _OPTION.sub("", key).strip().replace("\\", "/")
        path = (self._folder / relative).resolve()
        if not path.is_relative_to(self._folder.parent) or not path.is_file():
            self.missing.append(relative)
            raise FileNotFoundError(relative)
        return path.read_bytes()

    def write(self, name: str, data: bytes) -> None:
        raise NotImplementedError  # trimesh asks for the method; loading a mesh writes nothing

    def namespaced(self, namespace: str) -> "_NeighbourResolver":
        return _NeighbourResolver(self._folder / namespace / "_")

    def keys(self) -> list[str]:
        return [path.name for path in self._folder.iterdir()]


def _placed(mesh: Trimesh, frame: Float[ndarray, "4 4"]) -> Float[ndarray, "face 3 3"]:
    vertices = mesh.vertices @ frame[:3, :3].T + frame[:3, 3]
    return np.asarray(vertices)[mesh.faces]


def _paint(mesh: Trimesh, linear: bool = False) -> Paint:
    """Of a mesh's colours or material; `linear` are colours that are not sRGB yet."""
    visual: Any = mesh.visual
    if isinstance(visual, trimesh.visual.TextureVisuals):
        return _material_paint(mesh, visual, linear)
    if visual.kind == "vertex":
        return Paint.plain(_srgb(np.asarray(visual.vertex_colors)[:, :3] / 255.0, linear)[mesh.faces])
    if visual.kind == "face":
        return Paint.plain(np.asarray(visual.face_colors)[:, :3] / 255.0)
    return Paint.plain(np.tile(_UNPAINTED, (len(mesh.faces), 1)))


def _srgb(colors: Float[ndarray, "*color 3"], linear: bool) -> Float[ndarray, "*color 3"]:
    return trimesh.visual.color.linear_to_srgb(colors) if linear else colors


def _material_paint(mesh: Trimesh, visual: Any, linear: bool) -> Paint:
    """Diffuse (or base) colour, times the vertex colours and the texture where there are any."""
    material = visual.material
    if _is_filler(material):
        return Paint.plain(np.tile(_UNPAINTED, (len(mesh.faces), 1)))
    factor = getattr(material, "baseColorFactor", getattr(material, "diffuse", None))
    image = getattr(material, "baseColorTexture", getattr(material, "image", None))
    base = np.ones(3) if factor is None else np.asarray(factor)[:3] / 255.0
    vertex_colors = visual.vertex_attributes.get("color")
    if factor is None and image is None and vertex_colors is None:
        return Paint.plain(np.tile(_UNPAINTED, (len(mesh.faces), 1)))
    paint = Paint.plain(np.tile(_srgb(base, linear), (len(mesh.faces), 1)))
    if vertex_colors is not None:
        scale = 255.0 if np.issubdtype(vertex_colors.dtype, np.integer) else 1.0
        paint = replace(paint, colors=paint.colors * _srgb(vertex_colors[:, :3] / scale, linear)[mesh.faces])
    if image is None or visual.uv is None or len(visual.uv) != len(mesh.vertices):
        return paint
    uvs = np.nan_to_num(np.asarray(visual.uv)[mesh.faces, :2])
    return Paint(paint.colors, uvs, np.zeros(len(uvs), dtype=int), (_texels(image),))


def _is_filler(material: Any) -> bool:
    """Whether trimesh made a material up, for texture coordinates without one."""
    filler, image = trimesh.visual.material.empty_material(), getattr(material, "image", None)
    return image is not None and image == filler.image and np.array_equal(material.diffuse, filler.diffuse)


def _texels(image: Image.Image) -> Float[ndarray, "height width 3"]:
    """RGB in [0, 1]; transparent texels are white."""
    image = image.convert("RGBA")
    opaque = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.asarray(opaque.convert("RGB"), dtype=np.float32) / 255.0


def _joined(paints: list[Paint]) -> Paint:
    textures = [texture for paint in paints for texture in paint.textures]
    starts = np.cumsum([0, *(len(paint.textures) for paint in paints[:-1])])
    parts = zip((paint.texture_index for paint in paints), starts, strict=True)
    indices = [np.where(index < 0, -1, index + start) for index, start in parts]
    colors = np.concatenate([paint.colors for paint in paints])
    return Paint(colors, np.concatenate([paint.uvs for paint in paints]), np.concatenate(indices), textures)
