"""shapes13: valid objects, the NMR layout, and data that depend on the seed alone."""

import hashlib
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from config_values import shapes13_config, yaml_values
from PIL import Image
from trimesh import Trimesh

from datasets.shapes13 import Shapes13Config, generate
from datasets.shapes13.assembly import Assembly, Color
from datasets.shapes13.catalog import CATEGORIES, make_mesh
from datasets.shapes13.dataset import is_complete
from pixelnerf.config import parse_config
from pixelnerf.errors import UserError

REPOSITORY = Path(__file__).resolve().parents[1]
SYNSETS = yaml_values("dataset/shapes13")["synsets"]
KINDS_OF = {synset: name for name, synset in SYNSETS.items()}
SMALL = {"categories": ("chair", "lamp"), "objects": 3, "seen_train_objects": 2, "views": 4, "size": 24, "workers": 1}


def small_config(root: Path, **changes: object) -> Shapes13Config:
    return shapes13_config(root, **{**SMALL, **changes})


def digests(root: Path) -> dict[str, str]:
    files = [path for path in root.rglob("*") if path.is_file()]
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("shapes13") / "data"
    generate(small_config(root))
    return root


@pytest.mark.parametrize("category", CATEGORIES)
def test_objects_are_solid_painted_and_of_shapenet_size(category: str) -> None:
    for seed, index in ((0, 0), (0, 7), (1, 3), (2, 11), (3, 5)):
        mesh = make_mesh(category, SYNSETS[category], index, seed)
        size = np.ptp(mesh.vertices, axis=0)
        assert np.isfinite(mesh.vertices).all()
        assert size.max() == pytest.approx(1.0)
        assert size.min() > 0.01
        assert mesh.bounds.mean(axis=0) == pytest.approx(np.zeros(3), abs=1e-9)
        assert (mesh.area_faces > 0).mean() > 0.7  # the rest are the collapsed triangles of caps and poles
        assert mesh.area > 0.1
        assert len(np.unique(mesh.visual.face_colors, axis=0)) >= 2


@pytest.mark.parametrize("category", CATEGORIES)
def test_every_part_is_wound_outwards(category: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A closed part that is inside out has a negative volume."""
    volumes = []
    add = Assembly.add

    def spy(self: Assembly, mesh: Trimesh, color: Color, mirror: bool = False) -> None:
        volumes.append(mesh.volume)
        add(self, mesh, color, mirror)

    monkeypatch.setattr(Assembly, "add", spy)
    for index in range(10):
        make_mesh(category, SYNSETS[category], index, 0)
    assert min(volumes) > 0


def test_objects_of_a_category_differ() -> None:
    for category in CATEGORIES:
        assert len({make_mesh(category, SYNSETS[category], index, 0).vertices.tobytes() for index in range(6)}) == 6


def test_layout_and_lists(data: Path) -> None:
    folder = data / "03001627" / "00000"
    assert sorted(path.name for path in (folder / "image").iterdir()) == [f"{view:04d}.png" for view in range(4)]
    assert sorted(path.name for path in (folder / "mask").iterdir()) == [f"{view:04d}.png" for view in range(4)]
    for prefix in ("softras", "gen"):
        listed = {
            split: (data / "03001627" / f"{prefix}_{split}.lst").read_text().split()
            for split in ("train", "val", "test")
        }
        assert {split: len(names) for split, names in listed.items()} == {"train": 2, "val": 1, "test": 1}
        assert len({name for names in listed.values() for name in names}) == 4
    assert not (data / "03636649" / "gen_train.lst").exists()
    assert (data / "03636649" / "gen_test.lst").read_text() == (data / "03636649" / "softras_test.lst").read_text()
    rows = [row.split() for row in (data / "src_dvr.txt").read_text().splitlines()]
    assert len(rows) == 4 + 3
    assert all((data / synset / name / "image" / f"{int(view):04d}.png").exists() for synset, name, view in rows)
    assert Image.open(data / "contact_sheet.png").height == 2 * 24


@pytest.mark.parametrize("category", ["chair", "lamp"])
def test_projected_vertices_span_the_mask(data: Path, category: str) -> None:
    folder = data / SYNSETS[category] / "00000"
    cameras = np.load(folder / "cameras.npz", allow_pickle=False)
    points = make_mesh(category, SYNSETS[category], 0, 0).vertices
    for view in range(4):
        world = cameras[f"world_mat_{view}"]
        assert world @ cameras[f"world_mat_inv_{view}"] == pytest.approx(np.eye(4), abs=1e-5)
        local = points @ world[:3, :3].T + world[:3, 3]
        assert local[:, 2].min() > 1.2
        assert local[:, 2].max() < 4.0
        pixels = 12 + 12 * cameras[f"camera_mat_{view}"][0, 0] * local[:, :2] / local[:, 2:]
        rows, columns = np.nonzero(np.asarray(Image.open(folder / "mask" / f"{view:04d}.png")))
        covered = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
        assert np.abs(covered - [*pixels.min(axis=0), *pixels.max(axis=0)]).max() < 1.01


def test_images_are_white_outside_the_mask_and_antialiased(data: Path) -> None:
    image = np.asarray(Image.open(data / "03001627" / "00000" / "image" / "0001.png")).astype(int)
    mask = np.asarray(Image.open(data / "03001627" / "00000" / "mask" / "0001.png"))
    assert set(np.unique(mask)) == {0, 255}
    near = np.zeros(mask.shape, dtype=bool)
    for down in (-1, 0, 1):
        for across in (-1, 0, 1):
            near |= np.roll(mask > 0, (down, across), axis=(0, 1))
    assert (image[~near] == 255).all()
    outline = near & (mask == 0)
    blended = outline & (image.sum(axis=-1) < 3 * 250)
    assert blended.sum() > 5


def test_the_same_bytes_from_two_processes(data: Path, tmp_path: Path) -> None:
    generate(small_config(tmp_path / "again", workers=2))
    assert digests(tmp_path / "again") == digests(data)


def test_photos_are_the_same_bytes_from_two_processes_and_differ_in_everything(data: Path, tmp_path: Path) -> None:
    photos = {"rig": "sphere", "textures": True, "light": "varied", "size": 32}
    generate(small_config(tmp_path / "one", **photos))
    generate(small_config(tmp_path / "two", workers=2, **photos))
    assert digests(tmp_path / "one") == digests(tmp_path / "two")
    resolved = json.loads((tmp_path / "one" / "shapes13.json").read_text())
    assert photos.items() <= resolved.items()
    folders = sorted((tmp_path / "one").glob("*/0*"))
    cameras = [np.load(folder / "cameras.npz", allow_pickle=False) for folder in folders]
    focals = {float(archive[f"camera_mat_{view}"][0, 0]) for archive in cameras for view in range(4)}
    assert len(focals) == 4 * len(folders)
    differences = []
    for folder, archive in zip(folders, cameras, strict=True):
        points = make_mesh(KINDS_OF[folder.parent.name], folder.parent.name, int(folder.name), 0).vertices
        for view in range(4):
            world = archive[f"world_mat_{view}"]
            local = points @ world[:3, :3].T + world[:3, 3]
            pixels = 16 + 16 * archive[f"camera_mat_{view}"][0, 0] * local[:, :2] / local[:, 2:]
            rows, columns = np.nonzero(np.asarray(Image.open(folder / "mask" / f"{view:04d}.png")))
            covered = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
            expected = np.clip([*pixels.min(axis=0), *pixels.max(axis=0)], 0, 32)
            # Legs thinner than half a pixel leave no mask, but nothing is outside of its projection.
            assert (covered[:2] > expected[:2] - 1.01).all()
            assert (covered[2:] < expected[2:] + 1.01).all()
            differences.append(np.abs(covered - expected))
    assert np.median(differences) < 0.6


@pytest.mark.parametrize("change", [{"rig": "sphere"}, {"textures": True}, {"light": "varied"}])
def test_looks_are_not_mixed_in_a_folder(data: Path, change: dict) -> None:
    with pytest.raises(UserError, match=next(iter(change))):
        generate(small_config(data, **change))


def test_values_that_were_not_there_before_are_not_written_down(data: Path) -> None:
    assert not {"rig", "textures", "light", "hybrids"} & json.loads((data / "shapes13.json").read_text()).keys()


def test_another_seed_gives_other_objects(data: Path, tmp_path: Path) -> None:
    generate(small_config(tmp_path / "other", seed=1, categories=("lamp",)))
    image = Path("03636649/00000/image/0000.png")
    assert (tmp_path / "other" / image).read_bytes() != (data / image).read_bytes()


def test_a_killed_run_continues_to_the_same_bytes(data: Path, tmp_path: Path) -> None:
    root = tmp_path / "data"
    arguments = ["--categories", "chair", "lamp", "--objects", "3", "--seen-train", "2", "--views", "4", "--size", "24"]
    command = [sys.executable, str(REPOSITORY / "scripts" / "make_shapes13.py"), "--root", str(root), "--workers", "1"]
    run = subprocess.Popen([*command, *arguments], stderr=subprocess.DEVNULL)
    while run.poll() is None and not list(root.glob("*/00*")):
        time.sleep(0.002)
    run.send_signal(signal.SIGKILL)
    run.wait()
    (root / "03001627" / ".partial-left").mkdir(parents=True, exist_ok=True)
    assert not is_complete(root, small_config(root))
    generate(small_config(root))
    assert is_complete(root, small_config(root))
    assert digests(root) == digests(data)


def test_growing_keeps_what_is_there(data: Path, tmp_path: Path) -> None:
    root = tmp_path / "data"
    generate(small_config(root, categories=("chair",), seen_train_objects=1))
    assert not is_complete(root, small_config(root))
    before = (root / "03001627" / "00000" / "cameras.npz").stat().st_mtime_ns
    generate(small_config(root))
    assert (root / "03001627" / "00000" / "cameras.npz").stat().st_mtime_ns == before
    assert digests(root) == digests(data)


def test_a_complete_folder_is_left_alone(data: Path) -> None:
    before = (data / "shapes13.json").stat().st_mtime_ns
    generate(small_config(data))
    assert (data / "shapes13.json").stat().st_mtime_ns == before


@pytest.mark.parametrize("change", [{"size": 32}, {"seed": 5}, {"views": 6}])
def test_other_data_in_the_folder_is_refused(data: Path, change: dict) -> None:
    with pytest.raises(UserError, match=next(iter(change))):
        generate(small_config(data, **change))


def test_a_foreign_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(UserError, match="not empty"):
        generate(small_config(tmp_path))


def test_a_spoilt_provenance_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "shapes13.json").write_text("{")
    with pytest.raises(UserError, match=r"shapes13\.json"):
        generate(small_config(tmp_path))


def test_misspelt_category_suggests_the_right_one(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="did you mean 'airplane'"):
        parse_config(Shapes13Config, {**small_config(tmp_path).model_dump(), "categories": ["aeroplane"]}, where="")


@pytest.mark.parametrize(
    "arguments", [["--views", "0"], ["--categories", "plane"], ["--objects", "-1"], ["--root", "/proc/shapes13"]]
)
def test_bad_arguments_are_one_line_and_a_failure(run_script, arguments: list[str], tmp_path: Path) -> None:
    status, _, errors = run_script("make_shapes13.py", "--root", tmp_path / "data", *arguments)
    assert status == 2
    assert len(errors.strip().splitlines()) == 1


def test_the_provenance_file_holds_the_configuration(data: Path) -> None:
    resolved = json.loads((data / "shapes13.json").read_text())
    assert resolved["complete"]
    assert resolved["categories"] == ["chair", "lamp"]
    assert "root" not in resolved
