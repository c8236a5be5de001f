"""Finds the meshes in a folder, and says to which category and split each belongs."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from datasets.file_names import files_below
from pixelnerf.errors import UserError

_SUFFIXES = (".obj", ".ply", ".glb", ".gltf", ".off", ".stl")
SPLITS = ("train", "val", "test")


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
        UserError: there is no such folder, no mesh in it, or two meshes would get the same name.
    """
    if not root.is_dir():
        raise UserError(f"no folder '{root}'")
    meshes = sorted(_named(root, path) for path in files_below(root) if path.suffix.lower() in _SUFFIXES)
    if not meshes:
        raise UserError(f"no mesh ({', '.join(_SUFFIXES)}) in '{root}'")
    for first, second in pairwise(meshes):
        if (first.category, first.name) == (second.category, second.name):
            raise UserError(f"'{first.path}' and '{second.path}' would get the same name: rename or remove one")
    return meshes


def _named(root: Path, path: Path) -> MeshFile:
    parts = path.relative_to(root).with_suffix("").parts
    category, words = (parts[0], parts[1:]) if len(parts) > 1 else ("objects", parts)
    if len(words) > 2 and words[-2:] == ("models", "model_normalized"):
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
    val, test = (max(round(share * len(names)), least if share > 0 else 0) for share in shares[1:])
    dealt = {"train": shuffled[test + val :], "val": shuffled[test : test + val], "test": shuffled[:test]}
    return {split: sorted(members) for split, members in dealt.items()}
