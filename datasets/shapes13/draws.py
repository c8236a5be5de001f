"""What a designer draws at random: one of several options or layouts, and colours (RGB in [0, 1]) of materials."""

import colorsys
from collections.abc import Callable, Sequence
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.random import Generator

from datasets.shapes13.assembly import Assembly, Color

Option = TypeVar("Option")
Design: TypeAlias = Callable[[Assembly, Generator], None]
Material: TypeAlias = Callable[[Generator], Color]
_Bounds: TypeAlias = tuple[float, float]


def chance(probability: float, rng: Generator) -> bool:
    """True with the probability."""
    return bool(rng.uniform() < probability)


def pick(options: Sequence[Option], rng: Generator, weights: Sequence[float] | None = None) -> Option:
    """One of the options; the weights sum to 1."""
    return options[int(rng.choice(len(options), p=weights))]


def one_of(layouts: dict[Callable[..., None], float], *materials: Sequence[Material]) -> Design:
    """Draws a colour from each of the `materials`, then a layout by its probability, which receives the colours."""

    def design(assembly: Assembly, rng: Generator) -> None:
        colors = [any_of(rng, *options) for options in materials]
        pick(list(layouts), rng, list(layouts.values()))(assembly, *colors, rng)

    return design


def any_of(rng: Generator, *materials: Material) -> Color:
    """A colour of one of the materials."""
    return pick(materials, rng)(rng)


def _hsv(hue: _Bounds, saturation: _Bounds, value: _Bounds) -> Material:
    return lambda rng: colorsys.hsv_to_rgb(rng.uniform(*hue), rng.uniform(*saturation), rng.uniform(*value))


def _either(*shares: tuple[float, Material]) -> Material:
    """One of several materials, each given with the sum of its probability and of those before it."""

    def material(rng: Generator) -> Color:
        draw = rng.uniform()
        return next(material for bound, material in shares if draw < bound)(rng)

    return material


_ANY, _NEUTRAL = (0.0, 1.0), (0.0, 0.06)
dark = _hsv(_ANY, _NEUTRAL, (0.06, 0.24))  # rubber, black plastic, dark leather
steel = _hsv(_ANY, _NEUTRAL, (0.35, 0.75))  # bare and dull
light = _hsv(_ANY, _NEUTRAL, (0.80, 0.97))  # white plastic, lacquer, paper
wood = _hsv((0.03, 0.11), (0.35, 0.75), (0.28, 0.88))  # from maple to walnut and mahogany
vivid = _hsv(_ANY, (0.65, 1.0), (0.5, 0.95))  # saturated paint of any hue
_brass, _polished = _hsv((0.06, 0.13), (0.4, 0.65), (0.55, 0.8)), _hsv((0.55, 0.65), (0.0, 0.1), (0.4, 0.82))
metal = _either((0.12, _brass), (1.0, _polished))  # steel and aluminium; now and then brass or copper
_tone, _pastel = _hsv(_ANY, _NEUTRAL, (0.08, 0.95)), _hsv(_ANY, (0.25, 0.7), (0.3, 0.9))
paint = _either((0.3, _tone), (0.75, vivid), (1.0, _pastel))  # of bodies: white, silver, grey, black, or any hue
fabric = _either((0.25, paint), (1.0, _hsv(_ANY, (0.1, 0.7), (0.2, 0.9))))  # cloth and leather, mostly muted


def grey(low: float, high: float, rng: Generator) -> Color:
    """A neutral tone with a trace of hue."""
    return _hsv(_ANY, _NEUTRAL, (low, high))(rng)


def glass(rng: Generator) -> Color:
    """Windows: near black, smoked blue, or pale cyan."""
    hue, saturation = rng.uniform(0.5, 0.63), rng.uniform(0.15, 0.55)
    return colorsys.hsv_to_rgb(hue, saturation, rng.choice([0.12, 0.25, 0.45, 0.75]))


def shaded(color: Color, factor: float) -> Color:
    """The same hue, darker or lighter."""
    red, green, blue = np.clip(np.asarray(color) * factor, 0, 1)
    return float(red), float(green), float(blue)
