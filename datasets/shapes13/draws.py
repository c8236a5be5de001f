"""Random decisions of a designer."""

from collections.abc import Sequence
from typing import TypeVar

from numpy.random import Generator

Option = TypeVar("Option")


def chance(probability: float, rng: Generator) -> bool:
    """True with the probability."""
    return bool(rng.uniform() < probability)


def pick(options: Sequence[Option], rng: Generator, weights: Sequence[float] | None = None) -> Option:
    """One of the options; the weights sum to 1."""
    return options[int(rng.choice(len(options), p=weights))]
