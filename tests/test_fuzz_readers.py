"""Damaged inputs of every kind: what was written is read, or refused in one line, within limits, and never changed.

A hundred inputs are tried, always the same; `FUZZ=10000 python -m pytest tests/test_fuzz_readers.py` tries more.
"""

import os

import pytest
from ball_scene import write_nmr
from config_values import nmr_config
from dataset_checks import scenes_of
from dataset_layouts import (
    write_blender,
    write_colmap,
    write_dtu,
    write_llff,
    write_multicam,
    write_srn,
    write_transforms,
    write_two_objects,
)
from fuzz_kinds import KINDS
from fuzzing import Kind, problems_of

from datasets.readers.nmr import NmrDataset

COUNT = int(os.environ.get("FUZZ", "100"))
BATCH = 250
LAYOUTS = {
    "srn": write_srn,
    "two_objects": write_two_objects,
    "blender": write_blender,
    "multicam": write_multicam,
    "dtu": write_dtu,
    "llff": write_llff,
    "transforms": write_transforms,
    "colmap": write_colmap,
}


def write_binary_colmap(root):
    import pycolmap

    write_colmap(root)
    pycolmap.Reconstruction(str(root / "sparse/0")).write_binary(str(root / "sparse/0"))


def look(scenes):
    for scene in scenes:
        for view in range(scene.num_views):
            scene.images([view])
            scene.masks([view])
        scene.sparse_points()


DATASETS = {
    **{name: Kind(write, lambda root, name=name: look(scenes_of(name, root))) for name, write in LAYOUTS.items()},
    "colmap_binary": Kind(write_binary_colmap, lambda root: look(scenes_of("colmap", root))),
    "nmr": Kind(
        lambda root: write_nmr(root, objects_per_split=1, categories=("02691156",), views=3, size=8),
        lambda root: look(NmrDataset(nmr_config(root, categories=["airplane"])).scenes("train")),
    ),
}
ALL = DATASETS | KINDS


@pytest.mark.parametrize("name", ALL)
def test_damaged_inputs_are_read_or_refused(tmp_path, name):
    kind, whole = ALL[name], tmp_path / "whole"
    kind.write(whole)
    kind.read(whole)
    seeds = range(-(-COUNT // len(ALL)))
    folder = tmp_path / "damaged"
    folder.mkdir()
    for start in range(0, len(seeds), BATCH):
        problems = problems_of(name, kind, whole, folder, seeds[start : start + BATCH])
        assert not problems, "\n".join(problems)
