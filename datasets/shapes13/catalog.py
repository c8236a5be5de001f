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
from datasets.shapes13.devices import display, loudspeaker, telephone
from datasets.shapes13.hybrid import hybrid
from datasets.shapes13.lamp import lamp
from datasets.shapes13.rifle import rifle
from datasets.shapes13.seating import bench, sofa
from datasets.shapes13.tables import cabinet, table
from datasets.shapes13.vessel import vessel


@dataclass(frozen=True)
class Category:
    """A kind of objects; `seen` ones are trained on in the protocol of unseen categories."""

    design: Callable[[Assembly, Generator], None]
    seen: bool = False


CATEGORIES: dict[str, Category] = {
    "airplane": Category(airplane, seen=True),
    "bench": Category(bench),
    "cabinet": Category(cabinet),
    "car": Category(car, seen=True),
    "chair": Category(chair, seen=True),
    "display": Category(display),
    "lamp": Category(lamp),
    "loudspeaker": Category(loudspeaker),
    "rifle": Category(rifle),
    "sofa": Category(sofa),
    "table": Category(table),
    "telephone": Category(telephone),
    "vessel": Category(vessel),
}

HYBRID = "hybrid"
"""Made of parts of the seen categories, for training only: none of the thirteen."""
KINDS: dict[str, Category] = {**CATEGORIES, HYBRID: Category(hybrid, seen=True)}


def make_mesh(kind: str, synset: str, index: int, seed: int) -> Trimesh:
    """Object `index` of a kind: the same for the same arguments, on every machine."""
    assembly = Assembly()
    KINDS[kind].design(assembly, np.random.default_rng([seed, int(synset), index]))
    return assembly.build()
