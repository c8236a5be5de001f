"""COLMAP's models, LLFF's rows and points as other programs write them."""

import shutil
import tracemalloc

import numpy as np
import pytest
import torch
from dataset_checks import assert_shows_the_balls, scenes_of
from dataset_layouts import (
    write_colmap,
    write_llff,
    write_transforms,
)
from foreign_files import assert_same, error_of, look, photos

AXES = "".join(f"property float {axis}\n" for axis in "xyz")


EMPTY_CLOUD = f"ply\nformat ascii 1.0\nelement vertex 0\n{AXES}end_header\n"


def test_only_points_that_photos_show_give_near_and_far(tmp_path):
    import trimesh

    root = write_transforms(tmp_path, ply_file_path="a\\p.ply")
    shown = np.random.default_rng(0).uniform(-0.3, 0.3, (400, 3))
    (root / "a").mkdir()
    bounds = []
    for stray in (np.empty((0, 3)), np.random.default_rng(1).uniform(-0.05, 0.05, (400, 3)) + np.array([0, 0, 3.0])):
        trimesh.PointCloud(np.vstack([shown, stray])).export(root / "a/p.ply")
        scene = scenes_of("transforms", root, near=None, far=None)[0]
        bounds.append((scene.near, scene.far))
    assert bounds[0] == bounds[1]
    assert 1.5 < bounds[0][0] < 2.4
    trimesh.PointCloud(shown + np.array([0, 0, 1e4])).export(root / "a/p.ply")
    assert "dataset.near" in error_of("transforms", root, near=None)


@pytest.mark.parametrize("name", ["", "gone.ply", ".", "empty_file.ply", "empty_cloud.ply"])
def test_sparse_points_that_are_not_there(tmp_path, name):
    root = write_transforms(tmp_path, ply_file_path=name)
    (root / "empty_file.ply").write_text("")
    (root / "empty_cloud.ply").write_text(EMPTY_CLOUD)
    assert "sparse points" in error_of("transforms", root, near=None)


def test_points_take_hardly_more_memory_than_their_own(tmp_path):
    """Work on points is done a view at a time, some of them at once; 8 bytes a coordinate are theirs."""
    import trimesh

    count = 300_000
    root = write_transforms(tmp_path, views=20, width=8, height=8, ply_file_path="points.ply")
    trimesh.PointCloud(np.random.default_rng(0).uniform(-0.3, 0.3, (count, 3))).export(root / "points.ply")
    tracemalloc.start()
    try:
        scene = scenes_of("transforms", root, near=None, far=None)[0]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert scene.num_views == 20
    assert peak < 4 * 24 * count


def test_a_larger_model_beside_a_fragment(tmp_path):
    root = write_colmap(tmp_path)
    shutil.copytree(root / "sparse/0", root / "sparse/1")
    path = root / "sparse/0/images.txt"
    path.write_text("\n".join(path.read_text().split("\n")[:6]) + "\n")
    assert "dataset.model=sparse/1 has 9" in scenes_of("colmap", root)[0].notes[0]


def test_a_model_in_the_folder_of_models(tmp_path):
    root = write_colmap(tmp_path)
    expected = look("colmap", root)
    for path in (root / "sparse/0").iterdir():
        path.rename(root / "sparse" / path.name)
    (root / "sparse/0").rmdir()
    assert_same(look("colmap", root), expected)


def test_lines_that_are_missing_from_a_text_model(tmp_path):
    root = write_colmap(tmp_path)
    expected = look("colmap", root)
    path = root / "sparse/0/images.txt"
    lines = path.read_text().split("\n")
    path.write_text("\n".join(["# a comment", *lines[:3], *lines[4:]]))
    found = look("colmap", root)
    assert_same(found, expected)
    assert "no lines of observations for 1 images" in found[0].notes[0]
    (root / "sparse/0/points3D.txt").write_text("")
    assert "dataset.near" in error_of("colmap", root)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("1 NOPE 160 128 1 2 3", "NOPE"),
        ("1 PINHOLE 160 128 180 180 80", "PINHOLE"),
        ("1 PINHOLE 0 0 180 180 80 64", "0x0"),
        ("1 PINHOLE 160 128 180,5 180 80 64", "finite"),
        ("x PINHOLE", "line 1"),
    ],
)
def test_bad_cameras_of_a_text_model(tmp_path, text, word):
    root = write_colmap(tmp_path)
    path = root / "sparse/0/cameras.txt"
    path.write_text("\n".join([text, *path.read_text().split("\n")[1:]]))
    assert word in error_of("colmap", root)


def test_binary_models_are_the_text_models(tmp_path):
    import pycolmap

    root = write_colmap(tmp_path, lens=(0.05, 0, 0, 0))
    expected = look("colmap", root)
    binary = root / "sparse/bin"
    binary.mkdir()
    pycolmap.Reconstruction(str(root / "sparse/0")).write_binary(str(binary))
    found = look("colmap", root, model="sparse/bin")
    torch.testing.assert_close(found[0].cameras().poses, expected[0].cameras().poses)
    torch.testing.assert_close(found[0].cameras().intrinsics, expected[0].cameras().intrinsics)
    assert torch.equal(found[0].sparse_points().positions, expected[0].sparse_points().positions)
    assert_shows_the_balls(found[0])
    for name in ("cameras", "images", "points3D"):
        content = (binary / f"{name}.bin").read_bytes()
        (binary / f"{name}.bin").write_bytes(content[:-5])
        assert f"{name}.bin" in error_of("colmap", root, model="sparse/bin")
        (binary / f"{name}.bin").write_bytes(content)


@pytest.mark.parametrize("bounds", [(-12.5, 6.0), (0.0, 0.0), (1.5, float("inf")), (float("nan"), 4.0)])
def test_bad_bounds_of_a_row(tmp_path, bounds):
    root = write_llff(tmp_path)
    rows = np.load(root / "poses_bounds.npy")
    rows[4, 15:] = bounds
    np.save(root / "poses_bounds.npy", rows)
    message = error_of("llff", root)
    assert "row 4" in message
    assert "dataset.near" in message
    assert look("llff", root, leave_out=[4])[0].near == pytest.approx(1.2)
    assert look("llff", root, near=1.0, far=5.0)[0].near == 1.0


def test_rows_belong_to_photos_by_name(tmp_path):
    root = write_llff(tmp_path)
    expected = look("llff", root, test_every=0)[1]
    extra = photos(root)[0]
    shutil.copy(extra, extra.with_name("im0000.png"))
    assert "view_imgs.txt" in error_of("llff", root)
    (root / "view_imgs.txt").write_text("\r\n".join(f"im{view:03d}.JPG" for view in range(9)))
    scene, images = look("llff", root, test_every=0)
    assert "im0000.png" in scene.notes[0]
    assert all(torch.equal(one, other) for one, other in zip(images, expected, strict=True))


def test_points_of_other_photos_are_not_shifted(tmp_path):
    root = write_llff(tmp_path)
    write_colmap(tmp_path / "model")
    shutil.move(tmp_path / "model/sparse", root / "sparse")
    assert look("llff", root)[0].sparse_points() is None
    for path in photos(root / "images_4"):
        path.rename(path.with_name(f"im{int(path.stem[2:])}.png"))
    assert len(look("llff", root)[0].sparse_points().pixels) == 7
