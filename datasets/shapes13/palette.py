"""Colours of materials as ShapeNet's modellers choose them: RGB in [0, 1], drawn at random within a material."""

import colorsys
from typing import TypeAlias

import numpy as np
from numpy.random import Generator

Color: TypeAlias = tuple[float, float, float]


def _hsv(hue: float, saturation: float, value: float) -> Color:
    return colorsys.hsv_to_rgb(hue % 1.0, float(np.clip(saturation, 0, 1)), float(np.clip(value, 0, 1)))


def grey(low: float, high: float, rng: Generator) -> Color:
    """A neutral tone with a trace of hue."""
    return _hsv(rng.uniform(), rng.uniform(0, 0.06), rng.uniform(low, high))


def dark(rng: Generator) -> Color:
    """Rubber, black plastic, dark leather."""
    return grey(0.06, 0.24, rng)


def light(rng: Generator) -> Color:
    """White plastic, lacquer, paper."""
    return grey(0.80, 0.97, rng)


def metal(rng: Generator) -> Color:
    """Steel and aluminium; now and then brass or copper."""
    if rng.uniform() < 0.12:
        return _hsv(rng.uniform(0.06, 0.13), rng.uniform(0.4, 0.65), rng.uniform(0.55, 0.8))
    return _hsv(rng.uniform(0.55, 0.65), rng.uniform(0, 0.1), rng.uniform(0.4, 0.82))


def wood(rng: Generator) -> Color:
    """From maple to walnut and mahogany."""
    return _hsv(rng.uniform(0.03, 0.11), rng.uniform(0.35, 0.75), rng.uniform(0.28, 0.88))


def vivid(rng: Generator) -> Color:
    """Saturated paint of any hue."""
    return _hsv(rng.uniform(), rng.uniform(0.65, 1.0), rng.uniform(0.5, 0.95))


def paint(rng: Generator) -> Color:
    """Body paint: any hue, or white, silver, grey, black."""
    kind = rng.uniform()
    if kind < 0.3:
        return grey(0.08, 0.95, rng)
    if kind < 0.75:
        return vivid(rng)
    return _hsv(rng.uniform(), rng.uniform(0.25, 0.7), rng.uniform(0.3, 0.9))


def fabric(rng: Generator) -> Color:
    """Cloth and leather: any hue, mostly muted."""
    if rng.uniform() < 0.25:
        return paint(rng)
    return _hsv(rng.uniform(), rng.uniform(0.1, 0.7), rng.uniform(0.2, 0.9))


def glass(rng: Generator) -> Color:
    """Windows: near black, smoked blue, or pale cyan."""
    return _hsv(rng.uniform(0.5, 0.63), rng.uniform(0.15, 0.55), rng.choice([0.12, 0.25, 0.45, 0.75]))


def shaded(color: Color, factor: float) -> Color:
    """The same hue, darker or lighter."""
    red, green, blue = np.clip(np.asarray(color) * factor, 0, 1)
    return float(red), float(green), float(blue)
