"""Draws what makes an object look like a photo of a thing: patterns of its materials, decals, and the light on it."""

import colorsys
from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from numpy.random import Generator
from trimesh import Trimesh

from datasets.meshes.lights import Lamp
from datasets.meshes.solid_textures import Decal, Field, Pattern, SolidTextures, blotches, checks, plaid, stripes, wood
from datasets.shapes13.draws import any_of, chance, dark, light, paint, pick, vivid

Rgb: TypeAlias = Float[ndarray, "3"]

_PATTERNED = 0.6
"""Probability that a material has a pattern."""
_WITH_DECALS, _MOST_DECALS = 0.5, 4
_GRAIN_RING = (0.025, 0.09)


def draw_textures(mesh: Trimesh, rng: Generator) -> tuple[Int[ndarray, " face"], SolidTextures]:
    """The patch of each face of an `Assembly`'s mesh, and the patches' patterns.

    Faces of one colour are of one material, and so of one pattern; a patch is a material on one part. Wood grows along
    each part's longest side, other patterns run through the whole object.
    """
    visual: Any = mesh.visual
    colors = np.asarray(visual.face_colors)[:, :3] / 255.0
    materials, material = np.unique(colors, axis=0, return_inverse=True)
    part = mesh.face_attributes["part"]
    pairs, patch = np.unique(np.stack([part, material.reshape(-1)], axis=-1), axis=0, return_inverse=True)
    drawn = [_draw_pattern(color, rng) for color in materials]
    patterns = [pattern for pattern, _ in drawn if pattern is not None]
    numbers = np.cumsum([pattern is not None for pattern, _ in drawn]) - 1
    index = np.array([-1 if pattern is None else number for (pattern, _), number in zip(drawn, numbers, strict=True)])
    through = np.concatenate([np.eye(3), rng.uniform(0, 1, (3, 1))], axis=1)
    along = [_along_part(np.asarray(mesh.triangles)[part == number], rng) for number in range(part.max() + 1)]
    frames = [along[of_part] if drawn[of_material][1] else through for of_part, of_material in pairs]
    return patch.reshape(-1), SolidTextures(np.stack(frames), index[pairs[:, 1]], patterns, _draw_decals(mesh, rng))


def draw_lamp(rng: Generator) -> Lamp:
    """A lamp and its surroundings: anywhere above the object, from warm to blue, from a bulb to a window."""
    elevation, azimuth = np.arcsin(rng.uniform(np.sin(np.radians(20)), 1.0)), rng.uniform(0, 2 * np.pi)
    across = np.cos(elevation)
    direction = np.array([across * np.cos(azimuth), np.sin(elevation), across * np.sin(azimuth)])
    exposure, ambient = rng.uniform(0.95, 1.3), rng.uniform(0.4, 0.7)
    warm, cool = _tint(rng.uniform(-0.6, 1.0)), _tint(rng.uniform(-1.0, 0.5))
    return Lamp(
        direction=direction,
        radius=np.radians(rng.uniform(2, 18)),
        key=exposure * (1.05 - ambient) * warm,
        above=exposure * ambient * rng.uniform(1.0, 1.15) * cool,
        below=exposure * ambient * rng.uniform(0.55, 0.9) * warm,
    )


def _tint(warmth: float) -> Rgb:
    """White balance from blue (-1) to yellow (1), of about the same brightness."""
    return np.exp(warmth * np.array([0.09, 0.0, -0.14]))


def _along_part(triangles: Float[ndarray, "face 3 3"], rng: Generator) -> Float[ndarray, "3 4"]:
    """Into a frame whose first axis is the part's longest, and whose origin is near its middle."""
    points = triangles.reshape(-1, 3)
    low, high = points.min(axis=0), points.max(axis=0)
    axes = np.eye(3)[np.argsort(low - high, kind="stable")]
    middle = (low + high) / 2 + rng.uniform(-0.1, 0.1, 3)
    return np.concatenate([axes, -(axes @ middle)[:, None]], axis=1)


def _draw_pattern(color: Rgb, rng: Generator) -> tuple[Pattern | None, bool]:
    """A material's pattern, and whether it follows the parts."""
    if _is_wooden(color) and chance(0.85, rng):
        center = (float(rng.uniform(-0.15, 0.15)), float(rng.uniform(-0.15, 0.15)))
        field = wood(rng.uniform(*_GRAIN_RING), center, rng.uniform(1.0, 4.0))
        return Pattern(field, color * rng.uniform(0.45, 0.75) * np.array([1.0, 0.95, 0.9])), True
    if not chance(_PATTERNED, rng):
        return None, False
    draw = pick([_cloudy, _striped, _checked, _plaid], rng, (0.45, 0.25, 0.18, 0.12))
    field, is_bold = draw(rng)
    return Pattern(field, _second_color(color, is_bold, rng)), False


def _is_wooden(color: Rgb) -> bool:
    hue, saturation, value = colorsys.rgb_to_hsv(*color)
    return 0.02 < hue < 0.12 and saturation > 0.3 and value > 0.2


def _cloudy(rng: Generator) -> tuple[Field, bool]:
    """Stone, rust, worn paint, felt."""
    return blotches(float(np.exp(rng.uniform(np.log(0.03), np.log(0.2)))), rng.uniform(0.1, 1.0)), False


def _striped(rng: Generator) -> tuple[Field, bool]:
    direction = np.eye(3)[rng.integers(3)] + (rng.uniform(-1, 1, 3) if chance(0.3, rng) else 0.0)
    return stripes(_period(rng), rng.uniform(0.2, 0.6), direction / np.linalg.norm(direction)), True


def _checked(rng: Generator) -> tuple[Field, bool]:
    return checks(_period(rng) * 0.7), True


def _plaid(rng: Generator) -> tuple[Field, bool]:
    return plaid(_period(rng), rng.uniform(0.25, 0.5)), True


def _period(rng: Generator) -> float:
    return float(np.exp(rng.uniform(np.log(0.06), np.log(0.3))))


def _second_color(color: Rgb, is_bold: bool, rng: Generator) -> Rgb:
    """Another shade of a colour, or for bold patterns often another colour."""
    if is_bold and chance(0.45, rng):
        return np.array(any_of(rng, paint, light, dark))
    shade = rng.uniform(0.4, 0.8)
    return color * shade if color.mean() > 0.3 else 1 - (1 - color) * shade


def _draw_decals(mesh: Trimesh, rng: Generator) -> list[Decal]:
    if not chance(_WITH_DECALS, rng):
        return []
    areas = np.asarray(mesh.area_faces)
    decals = []
    for face in rng.choice(len(areas), size=rng.integers(1, _MOST_DECALS + 1), p=areas / areas.sum()):
        out = np.asarray(mesh.face_normals)[face]
        up = np.eye(3)[1] if abs(out[1]) < 0.8 else np.eye(3)[2]
        across = np.cross(up, out)
        across /= np.linalg.norm(across)
        shape: Literal["disc", "target", "label"] = pick(["disc", "target", "label"], rng, (0.3, 0.2, 0.5))
        width, height = np.exp(rng.uniform(np.log(0.04), np.log(0.16), 2))
        ink: Callable[[Generator], tuple[float, float, float]] = pick([dark, vivid], rng)
        decals.append(
            Decal(
                shape=shape,
                center=np.asarray(mesh.triangles_center)[face],
                axes=np.stack([across, np.cross(out, across), out]),
                half_size=(float(width), float(width if shape != "label" else height)),
                depth=0.02,
                paper=np.array(any_of(rng, light, vivid, vivid, dark)),
                ink=np.array(ink(rng)),
            )
        )
    return decals
