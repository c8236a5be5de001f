"""Finds the meshes in a folder, and says to which category and split each belongs."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from pixelnerf.errors import UserError

SUFFIXES = (".obj", ".ply", ".glb", ".gltf", ".off", ".stl")
SPLITS = ("train", "val", "test")
_SHAPENET_TAIL = ("models", "model_normalized")


@dataclass(frozen=True, order=True)
class MeshFile:
    """A mesh and the names that its renders get."""

    category: str
    name: str
    path: Path


def find_meshes(root: Path) -> list[MeshFile]:
    """All mesh files under a folder, in order.

    `<synset>/<id>/models/model_normalized.obj` (ShapeNetCore v2) is object `<id>` of category `<synset>`. Otherwise the
    first folder under the root is the category ("objects" for files that lie in the root itself) and the rest of the
    path, joined by "_", the name.

    Raises:
        UserError: there is no such folder, no mesh in it, or two meshes of one name.
    """
    if not root.is_dir():
        raise UserError(f"no folder '{root}'")
    meshes = sorted(_named(root, path) for path in root.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not meshes:
        raise UserError(f"no mesh ({', '.join(SUFFIXES)}) in '{root}'")
    for first, second in pairwise(meshes):
        if (first.category, first.name) == (second.category, second.name):
            raise UserError(f"'{first.path}' and '{second.path}' would get one name: rename or remove one")
    return meshes


def _named(root: Path, path: Path) -> MeshFile:
    parts = path.relative_to(root).with_suffix("").parts
    category = parts[0] if len(parts) > 1 else "objects"
    words = parts[1:] if len(parts) > 1 else parts
    if len(words) > len(_SHAPENET_TAIL) and words[-2:] == _SHAPENET_TAIL:
        words = words[:-2]
    return MeshFile(category, "_".join(words), path)


def split_names(
    names: Sequence[str], category: str, shares: tuple[float, float, float], seed: int
) -> dict[str, list[str]]:
    """Deals a category's objects to train, val and test at random, by shares that sum to 1.

    Val and test get their rounded shares, but at least one object each where their share is above 0 and there are
    three objects or more.
    """
    shuffled = np.random.default_rng([seed, zlib.crc32(category.encode())]).permutation(sorted(names)).tolist()
    least = 1 if len(names) >= 3 else 0
    test = max(round(shares[2] * len(names)), least if shares[2] > 0 else 0)
    val = max(round(shares[1] * len(names)), least if shares[1] > 0 else 0)
    return {
        "train": sorted(shuffled[test + val :]),
        "val": sorted(shuffled[test : test + val]),
        "test": sorted(shuffled[:test]),
    }
