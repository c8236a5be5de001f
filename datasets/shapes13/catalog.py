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

    synset: str
    design: Callable[[Assembly, Generator], None]
    seen: bool = False


CATEGORIES: dict[str, Category] = {
    "airplane": Category("02691156", airplane, seen=True),
    "bench": Category("02828884", bench),
    "cabinet": Category("02933112", cabinet),
    "car": Category("02958343", car, seen=True),
    "chair": Category("03001627", chair, seen=True),
    "display": Category("03211117", display),
    "lamp": Category("03636649", lamp),
    "loudspeaker": Category("03691459", loudspeaker),
    "rifle": Category("04090263", rifle),
    "sofa": Category("04256520", sofa),
    "table": Category("04379243", table),
    "telephone": Category("04401088", telephone),
    "vessel": Category("04530566", vessel),
}

HYBRID = "hybrid"
"""Made of parts of the seen categories, for training only: none of the thirteen."""
KINDS: dict[str, Category] = {**CATEGORIES, HYBRID: Category("00000000", hybrid, seen=True)}


def make_mesh(kind: str, index: int, seed: int) -> Trimesh:
    """Object `index` of a kind: the same for the same arguments, on every machine."""
    chosen = KINDS[kind]
    assembly = Assembly()
    chosen.design(assembly, np.random.default_rng([seed, int(chosen.synset), index]))
    return assembly.build()
