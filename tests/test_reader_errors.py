"""Bad files in every layout but NMR's (`test_dataset_errors.py`): one line with the path and the way out."""

import json
import sys

import numpy as np
import pytest
from dataset_checks import scenes_of
from dataset_layouts import (
    write_blender,
    write_colmap,
    write_dtu,
    write_llff,
    write_multicam,
    write_srn,
    write_transforms,
)

from pixelnerf.errors import UserError


def read_all(name, root, **options):
    scene = scenes_of(name, root, **options)[0]
    return [scene.images([view]) for view in range(scene.num_views)]


def assert_user_error(name, root, *parts, **options):
    with pytest.raises(UserError) as caught:
        read_all(name, root, **options)
    message = str(caught.value)
    assert "\n" not in message
    for part in parts:
        assert str(part) in message


def test_a_missing_pycolmap(tmp_path, monkeypatch):
    root = write_colmap(tmp_path)
    monkeypatch.setitem(sys.modules, "pycolmap", None)
    assert_user_error("colmap", root, "need pycolmap", "pip install -U pycolmap")


def edit_json(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_bad_srn(tmp_path):
    folder = write_srn(tmp_path) / "cars_train/car_train"
    (folder / "pose/000001.txt").write_text("1 2 3")
    assert_user_error("srn", tmp_path, folder / "pose/000001.txt", "16")
    (folder / "pose/000001.txt").unlink()
    assert_user_error("srn", tmp_path, folder, "5 images but 4 pose files")
    (folder / "intrinsics.txt").write_text("nothing")
    write_srn(tmp_path / "other")
    (tmp_path / "other/cars_train/car_train/intrinsics.txt").write_text("40 16\n")
    assert_user_error("srn", tmp_path / "other", "intrinsics.txt", "f cx cy")
    assert_user_error("srn", tmp_path, "boats_train", "dataset.prefix", prefix="boats")


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda content: content.pop("frames"), "no 'frames'"),
        (lambda content: content["frames"][1].pop("transform_matrix"), "frame 1"),
        (lambda content: content["frames"][1].update(transform_matrix=[[1, 0], [0, 1]]), "frame 1"),
        (lambda content: content["frames"][1].update(transform_matrix=(2 * np.eye(4)).tolist()), "rigid"),
        (lambda content: content.update(camera_angle_x=40.0), "radians"),
        (lambda content: content["frames"][2].update(file_path="train/gone"), "train/gone"),
    ],
)
def test_bad_blender(tmp_path, change, part):
    path = write_blender(tmp_path) / "transforms_train.json"
    edit_json(path, change)
    assert_user_error("blender", tmp_path, tmp_path, part)


def test_bad_json(tmp_path):
    path = write_blender(tmp_path) / "transforms_train.json"
    path.write_text(path.read_text()[:100])
    assert_user_error("blender", tmp_path, path, "cannot read file", "copy it again")


def test_bad_multicam(tmp_path):
    path = write_multicam(tmp_path) / "metadata.json"
    edit_json(path, lambda content: content["train"]["near"].pop())
    assert_user_error("multicam", tmp_path, path, "different lengths")
    assert_user_error("multicam", tmp_path, path, "no split 'val'", split="val")


def test_bad_dtu(tmp_path):
    path = write_dtu(tmp_path) / "scan1/cameras.npz"
    (path.parent / "image/000005.png").write_bytes((path.parent / "image/000004.png").read_bytes())
    assert_user_error("dtu", tmp_path, path, "world_mat_5", use_masks=False)
    assert_user_error("dtu", tmp_path, path.parent, "6 images but 5 masks")
    np.savez(path, **{f"world_mat_{view}": np.zeros((4, 4)) for view in range(6)})
    assert_user_error("dtu", tmp_path, path, "singular", use_masks=False)
    (tmp_path / "new_train.lst").write_text("scan77\n")
    assert_user_error("dtu", tmp_path, "new_train.lst", "scan77")


def test_bad_llff(tmp_path):
    path = write_llff(tmp_path) / "poses_bounds.npy"
    assert_user_error("llff", tmp_path, "images_2", images="images_2")
    rows = np.load(path)
    np.save(path, rows[:-1])
    assert_user_error("llff", tmp_path, path, "8 poses", "9 images")
    np.save(path, rows[:, :-1])
    assert_user_error("llff", tmp_path, path, "(views, 17)")
    rows[3, 16] = 0.5
    np.save(path, rows)
    assert_user_error("llff", tmp_path, path, "near < far")
    np.save(path, np.array([{}], dtype=object))
    assert_user_error("llff", tmp_path, path)


def test_bad_transforms(tmp_path):
    write_transforms(tmp_path / "a", k1=90.0)
    assert_user_error("transforms", tmp_path / "a", "images/0.png", "distorted", "dataset.leave_out")
    path = write_transforms(tmp_path / "b", camera_model="EQUIRECTANGULAR") / "transforms.json"
    assert_user_error("transforms", tmp_path / "b", path, "EQUIRECTANGULAR", "OPENCV_FISHEYE")
    write_transforms(tmp_path / "number", k1="strong")
    assert_user_error("transforms", tmp_path / "number", "'k1'", "images/0.png", "'strong'")
    write_transforms(tmp_path / "c")
    assert_user_error("transforms", tmp_path / "c", "dataset.near", near=None)
    edit_json(tmp_path / "c/transforms.json", lambda content: content.update(w=10))
    assert_user_error("transforms", tmp_path / "c", "another shape")


def test_bad_colmap(tmp_path):
    cameras = write_colmap(tmp_path / "a", lens=(0.1, 0, 0, 0)) / "sparse/0/cameras.txt"
    cameras.write_text(cameras.read_text().replace(" 0.1 ", " -9 "))
    assert_user_error("colmap", tmp_path / "a", "im0.png", "distorted", "dataset.leave_out")
    root = write_colmap(tmp_path / "b")
    (root / "images_4/im3.png").unlink()
    assert_user_error("colmap", root, "im3.jpg", "dataset.images")
    (root / "sparse/0/cameras.txt").unlink()
    assert_user_error("colmap", root, root / "sparse/0", "COLMAP model")
    assert_user_error("colmap", root, root, "sparse/1", model="sparse/1")
