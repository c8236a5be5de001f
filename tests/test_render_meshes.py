"""A folder of meshes becomes a data set in either layout."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import trimesh
from config_values import REPOSITORY, changed
from PIL import Image

from datasets.meshes.materials import load_surface
from datasets.meshes.mesh_dataset import RenderConfig, render_meshes
from datasets.meshes.mesh_folder import find_meshes, split_names
from pixelnerf.config import parse_config
from pixelnerf.entry import composed_values
from pixelnerf.errors import UserError


def digests(root: Path) -> dict[str, str]:
    files = [path for path in root.rglob("*") if path.is_file()]
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture
def meshes(tmp_path: Path) -> Path:
    """Four objects of two categories, in ShapeNet's layout and others."""
    root = tmp_path / "meshes"
    shapes = {
        "0001/cube/models/model_normalized.obj": trimesh.creation.box((3, 1, 1)),
        "0001/ball/models/model_normalized.obj": trimesh.creation.icosphere(subdivisions=1, radius=5),
        "0001/rod.ply": trimesh.creation.cylinder(0.1, 1.0),
        "plate.glb": trimesh.creation.box((1, 0.1, 1)),
    }
    for name, mesh in shapes.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        mesh.export(root / name)
    return root


def config(meshes: Path, root: Path, **changes: object) -> RenderConfig:
    defaults = composed_values(REPOSITORY / "conf", "render_meshes")
    values = changed(defaults, {"size": 16, "views": 3, "workers": 1, **changes})
    return parse_config(RenderConfig, {**values, "meshes": meshes, "root": root}, where="")


def test_categories_and_names(meshes: Path) -> None:
    found = [(mesh.category, mesh.name) for mesh in find_meshes(meshes)]
    assert found == [("0001", "ball"), ("0001", "cube"), ("0001", "rod"), ("objects", "plate")]


def test_splits_are_disjoint_complete_and_of_the_right_size() -> None:
    names = [str(number) for number in range(20)]
    splits = split_names(names, "a", (0.7, 0.1, 0.2), 0)
    assert {split: len(members) for split, members in splits.items()} == {"train": 14, "val": 2, "test": 4}
    assert sorted((name for members in splits.values() for name in members), key=int) == names
    assert split_names(names, "a", (0.7, 0.1, 0.2), 1) != splits


def test_nmr_layout_normalised_and_in_sight(meshes: Path, tmp_path: Path) -> None:
    root = tmp_path / "out"
    report = render_meshes(config(meshes, root, depth=True))
    assert report.rendered == 4
    assert report.skipped == ()
    listed = [
        name
        for split in ("train", "val", "test")
        for name in (root / "0001" / f"softras_{split}.lst").read_text().split()
    ]
    assert sorted(listed) == ["ball", "cube", "rod"]
    assert len((root / "src_dvr.txt").read_text().splitlines()) == 4
    ball = root / "0001" / "ball"
    mask = np.asarray(Image.open(ball / "mask" / "0000.png")) > 0
    depth = np.load(ball / "depth" / "0000.npy")
    assert mask.any(axis=0).sum() == pytest.approx(16 / 2 * 3.732 / 2.732, abs=1.5)
    assert depth[8, 8] == pytest.approx(2.732 - 0.5, abs=0.05)
    assert ((depth > 0) == mask).mean() > 0.95


def test_srn_layout(meshes: Path, tmp_path: Path) -> None:
    root = tmp_path / "out"
    changes = {"layout": "srn", "distribution": "sphere", "test_views": 5, "test_distribution": "spiral"}
    render_meshes(config(meshes, root, **changes, shares=(0.5, 0.0, 0.5)))
    tests = list((root / "0001_test").iterdir())
    trains = list((root / "0001_train").iterdir())
    assert len(tests) == 2
    assert len(trains) == 1
    assert len(list((tests[0] / "rgb").iterdir())) == 5
    assert len(list((trains[0] / "rgb").iterdir())) == 3
    first, *_, last = (tests[0] / "intrinsics.txt").read_text().splitlines()
    assert [float(word) for word in first.split()] == pytest.approx([8 * 3.732051, 8, 8, 0])
    assert last == "16 16"
    pose = np.loadtxt(tests[0] / "pose" / "000004.txt").reshape(4, 4)
    assert pose[:3, :3] @ pose[:3, :3].T == pytest.approx(np.eye(3), abs=1e-6)
    assert pose[:3, 3] == pytest.approx(-2.732 * pose[:3, 2], abs=1e-5)


def test_resuming_and_workers_change_no_byte(meshes: Path, tmp_path: Path) -> None:
    render_meshes(config(meshes, tmp_path / "a", distribution="hemisphere"))
    render_meshes(config(meshes, tmp_path / "b", distribution="hemisphere", workers=2))
    assert digests(tmp_path / "a") == digests(tmp_path / "b")
    for path in sorted((tmp_path / "b" / "0001" / "cube").rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    (tmp_path / "b" / "0001" / "cube").rmdir()
    kept = (tmp_path / "b" / "0001" / "ball" / "cameras.npz").stat().st_mtime_ns
    render_meshes(config(meshes, tmp_path / "b", distribution="hemisphere"))
    assert digests(tmp_path / "a") == digests(tmp_path / "b")
    assert (tmp_path / "b" / "0001" / "ball" / "cameras.npz").stat().st_mtime_ns == kept


def test_a_broken_mesh_stops_or_is_left_out(meshes: Path, tmp_path: Path) -> None:
    (meshes / "0001" / "broken.obj").write_text("v 0 0 0\nf 1 2 9\n")
    with pytest.raises(UserError, match=r"broken\.obj.*on_error = skip"):
        render_meshes(config(meshes, tmp_path / "out"))
    report = render_meshes(config(meshes, tmp_path / "out", on_error="skip"))
    assert report.rendered == 4
    assert len(report.skipped) == 1
    assert "broken" not in "".join(path.read_text() for path in (tmp_path / "out" / "0001").glob("*.lst"))


def test_other_settings_in_the_folder_are_refused(meshes: Path, tmp_path: Path) -> None:
    render_meshes(config(meshes, tmp_path / "out"))
    with pytest.raises(UserError, match="size"):
        render_meshes(config(meshes, tmp_path / "out", size=32))


@pytest.mark.parametrize(
    "arguments",
    [
        ["--size", "0"],
        ["--field-of-view", "180"],
        ["--shares", "0.5", "0.5", "0.5"],
        ["--distance", "-1"],
        ["--views", "many"],
        ["--seed", "-1"],
    ],
)
def test_bad_arguments_are_one_line_and_a_failure(
    run_script, meshes: Path, tmp_path: Path, arguments: list[str]
) -> None:
    status, _, errors = run_script("render_meshes.py", meshes, tmp_path / "out", *arguments)
    assert status == 2
    assert len(errors.strip().splitlines()) == 1


def test_the_command_renders(run_script, meshes: Path, tmp_path: Path) -> None:
    arguments = ["--size", "16", "--views", "2", "--workers", "1"]
    status, printed, _ = run_script("render_meshes.py", meshes, tmp_path / "out", *arguments)
    assert status == 0
    assert "rendered 4 objects, skipped 0" in printed


@pytest.mark.parametrize("content", [None, "notes.txt"])
def test_a_folder_without_meshes_is_one_line(tmp_path: Path, content: str | None) -> None:
    folder = tmp_path / "meshes"
    if content:
        folder.mkdir()
        (folder / content).write_text("")
    with pytest.raises(UserError, match="meshes"):
        render_meshes(config(folder, tmp_path / "out"))


@pytest.mark.parametrize("far", ["1e300", "1e30", "0"])
def test_a_mesh_without_an_area_is_one_line(tmp_path: Path, far: str) -> None:
    (tmp_path / "a.obj").write_text(f"v 0 0 0\nv 1 0 0\nv {far} 0 0\nv 1 1 1\nf 1 2 3\n")
    with pytest.raises(UserError, match=r"a\.obj") as caught:
        load_surface(tmp_path / "a.obj")
    assert "\n" not in str(caught.value)
