"""The thirteen categories of the ShapeNet protocols, and how their objects are made."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from trimesh import Trimesh

from datasets.shapes13.airplane import airplane
from datasets.shapes13.assembly import Assembly
from datasets.shapes13.car import car
from datasets.shapes13.chair import chair


@dataclass(frozen=True)
class Category:
    """A ShapeNet category; `seen` ones are trained on in the protocol of unseen categories."""

    synset: str
    design: Callable[[Assembly, Generator], None]
    seen: bool = False


CATEGORIES: dict[str, Category] = {
    "airplane": Category("02691156", airplane, seen=True),
    "car": Category("02958343", car, seen=True),
    "chair": Category("03001627", chair, seen=True),
}


def make_mesh(category: str, index: int, seed: int) -> Trimesh:
    """Object `index` of a category: the same for the same arguments, on every machine."""
    chosen = CATEGORIES[category]
    assembly = Assembly()
    chosen.design(assembly, np.random.default_rng([seed, int(chosen.synset), index]))
    return assembly.build()
