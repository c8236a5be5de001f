"""Hybrids: objects of no category, made of the seen categories' parts, for training only."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from config_values import nmr_config, shapes13_config, yaml_values

from datasets.readers.nmr import NmrDataset
from datasets.shapes13 import Shapes13Config, generate
from datasets.shapes13.assembly import Assembly
from datasets.shapes13.catalog import CATEGORIES, HYBRID, KINDS, make_mesh
from datasets.shapes13.dataset import is_complete
from datasets.shapes13.hybrid import hybrid, spun
from datasets.shapes13.parts import box

HYBRIDS = 5
SYNSETS = yaml_values("dataset/shapes13")["synsets"]


def config(root: Path, **changes: Any) -> Shapes13Config:
    values = {"categories": ("chair",), "objects": 3, "seen_train_objects": 2, "views": 3, "size": 16, "workers": 1}
    return shapes13_config(root, **{**values, **changes})


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("hybrids") / "data"
    generate(config(root, hybrids=HYBRIDS))
    return root


def test_objects_are_of_shapenet_size_and_differ() -> None:
    meshes = [make_mesh(HYBRID, SYNSETS[HYBRID], index, 0) for index in range(60)]
    for mesh in meshes:
        assert np.isfinite(mesh.vertices).all()
        assert np.ptp(mesh.vertices, axis=0).max() == pytest.approx(1.0)
        assert mesh.bounds.mean(axis=0) == pytest.approx(np.zeros(3), abs=1e-9)
    assert len({mesh.vertices.tobytes() for mesh in meshes}) == len(meshes)


def test_parts_stay_closed_and_wound_outwards() -> None:
    """Turning and stretching must not reflect: a part that is inside out has a negative volume."""
    for seed in range(60):
        assembly = Assembly()
        hybrid(assembly, np.random.default_rng(seed))
        assert assembly.parts
        for mesh, colors in assembly.parts:
            assert mesh.volume > 0
            assert colors.shape == (len(mesh.faces), 3)
            assert 0 <= colors.min() <= colors.max() <= 1


def test_shapes_are_wider_spread_than_those_of_any_category() -> None:
    """The spread of width and depth against height, in octaves, which is what hybrids are for."""

    def spread(kind: str) -> float:
        sizes = np.array([np.ptp(make_mesh(kind, SYNSETS[kind], index, 0).vertices, axis=0) for index in range(60)])
        return float(np.log2(sizes[:, [0, 2]] / sizes[:, [1]]).std(axis=0).min())

    assert spread(HYBRID) > 1.2 * max(spread(name) for name in CATEGORIES if KINDS[name].seen)


def test_hybrids_are_for_training_only(data: Path) -> None:
    categories = ["chair", HYBRID]
    reader = NmrDataset(nmr_config(data, categories=categories, train_categories=categories))
    listed = {split: [scene.category for scene in reader.scenes(split)] for split in ("train", "val", "test")}
    assert listed == {"train": ["chair"] * 2 + [HYBRID] * HYBRIDS, "val": ["chair"], "test": ["chair"]}


def test_hybrids_added_later_give_the_same_bytes(data: Path, tmp_path: Path) -> None:
    root = tmp_path / "data"
    generate(config(root))
    generate(config(root, hybrids=HYBRIDS))
    files = {path.relative_to(data) for path in data.rglob("*") if path.is_file()}
    assert len(files) > HYBRIDS
    assert files == {path.relative_to(root) for path in root.rglob("*") if path.is_file()}
    for path in files:
        assert (root / path).read_bytes() == (data / path).read_bytes(), path


def test_a_folder_is_complete_without_hybrids_only_if_none_are_asked_for(tmp_path: Path) -> None:
    generate(config(tmp_path))
    assert "hybrids" not in (tmp_path / "shapes13.json").read_text()
    assert is_complete(tmp_path, config(tmp_path, hybrids=0))
    assert not is_complete(tmp_path, config(tmp_path, hybrids=1))


@pytest.mark.parametrize("hollow", [False, True])
def test_a_spun_part_looks_the_same_from_all_sides(hollow: bool) -> None:
    mesh = box((0.3, 0.8, 0.1), (0.2, 0.0, 0.0))
    colors = np.where(mesh.vertices[mesh.faces].mean(axis=1)[:, 1:2] > 0, [[1.0, 0.0, 0.0]], [[0.0, 0.0, 1.0]])
    round_part, painted = spun(mesh, colors, np.eye(3), hollow)
    assert round_part.is_watertight
    assert round_part.volume > 0
    radii = np.hypot(round_part.vertices[:, 0], round_part.vertices[:, 2])
    reach = np.hypot(0.3, 0.1) / 2 / 0.8
    assert radii.max() == pytest.approx(reach, rel=1e-6)
    assert (radii.min() > reach / 3) == hollow
    centers = round_part.vertices[round_part.faces].mean(axis=1)
    assert (painted[centers[:, 1] > 0.2] == [1, 0, 0]).all()
    assert (painted[centers[:, 1] < -0.2] == [0, 0, 1]).all()
