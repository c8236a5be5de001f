"""Mutated inputs of every reader: what was written is read, or refused in one line, and never changed.

A hundred inputs are tried, always the same; `FUZZ=10000 python -m pytest tests/test_fuzz_readers.py` tries more.
"""

import os
import random
import shutil
import time
import warnings

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

from datasets.meshes.materials import load_surface
from datasets.readers.nmr import NmrDataset
from pixelnerf.errors import UserError
from pixelnerf.tools.files import file_digest

COUNT = int(os.environ.get("FUZZ", "100"))
SLOWEST = 10.0
TOKENS = [b"NaN", b"-1", b"0", b"1e400", b"null", b"[]", b"../..", b"\xff\xfe", b"\x00", b"999999999999"]


def write_binary_colmap(root):
    import pycolmap

    write_colmap(root)
    pycolmap.Reconstruction(str(root / "sparse/0")).write_binary(str(root / "sparse/0"))
    return root


def write_mesh(root):
    root.mkdir()
    (root / "a.mtl").write_text("newmtl paint\nKd 1 0 0\n")
    (root / "a.obj").write_text("mtllib a.mtl\nv 0 0 0\nv 1 0 0\nv 0 1 0\nusemtl paint\nf 1 2 3\n")
    return root


def read_nmr(root):
    return NmrDataset(nmr_config(root, categories=["airplane"])).scenes("train")


WRITERS = {
    "srn": write_srn,
    "two_objects": write_two_objects,
    "blender": write_blender,
    "multicam": write_multicam,
    "dtu": write_dtu,
    "llff": write_llff,
    "transforms": write_transforms,
    "colmap": write_colmap,
    "colmap_binary": write_binary_colmap,
    "nmr": lambda root: write_nmr(root, objects_per_split=1, categories=("02691156",), views=3, size=8),
    "mesh": write_mesh,
}


def read(name, root):
    if name == "mesh":
        load_surface(root / "a.obj")
        return
    for scene in read_nmr(root) if name == "nmr" else scenes_of(name.removesuffix("_binary"), root):
        for view in range(scene.num_views):
            scene.images([view])
            scene.masks([view])
        scene.sparse_points()


def mutate(draw, path):
    """Damages one file, as transfers and editors do."""
    content = bytearray(path.read_bytes())
    kind = draw.randrange(6)
    place = draw.randrange(len(content) + 1)
    if kind == 0:
        path.unlink()
        return
    if kind == 1:
        content = content[:place]
    elif kind == 2:
        content[place:place] = draw.choice(TOKENS)
    elif kind == 3:
        content[place : place + draw.randrange(1, 9)] = draw.randbytes(draw.randrange(9))
    elif kind == 4:
        words = bytes(content).split(b" ")
        words[draw.randrange(len(words))] = draw.choice(TOKENS)
        content = bytearray(b" ".join(words))
    else:
        del content[place : place + draw.randrange(1, 200)]
    path.write_bytes(content)


@pytest.fixture(scope="module")
def layouts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    return {name: write(folder / name) for name, write in WRITERS.items()}


@pytest.mark.parametrize("name", WRITERS)
def test_mutated_inputs_are_read_or_refused(layouts, tmp_path, name):
    for seed in range(-(-COUNT // len(WRITERS))):
        draw = random.Random(f"{name} {seed}")
        root = shutil.copytree(layouts[name], tmp_path / name)
        files = sorted(path for path in root.rglob("*") if path.is_file())
        cameras = [path for path in files if path.suffix != ".png"]
        mutate(draw, draw.choice(cameras if draw.random() < 0.7 else files))
        before = {path: file_digest(path) for path in root.rglob("*") if path.is_file()}
        start = time.monotonic()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                read(name, root)
        except UserError as error:
            if "\n" in str(error):
                raise AssertionError(f"{name}, seed {seed}: {error}") from error
        except Exception as error:
            raise AssertionError(f"{name}, seed {seed}: {error!r}") from error
        assert time.monotonic() - start < SLOWEST, f"seed {seed}"
        assert before == {path: file_digest(path) for path in root.rglob("*") if path.is_file()}, f"seed {seed}"
        shutil.rmtree(root)
