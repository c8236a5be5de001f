"""Cameras as other programs write them: read, or refused in one line that says what to do."""

import logging

import numpy as np
import pytest
import torch
from dataset_checks import scenes_of
from dataset_layouts import (
    write_blender,
    write_colmap,
    write_multicam,
    write_srn,
    write_transforms,
)
from foreign_files import NAMED_PHOTOS, assert_same, change_frames, change_json, error_of, json_files, look, photos
from PIL import Image


def focal(root, name="transforms", **changes):
    matrix = scenes_of(name, root, **changes)[0].cameras().intrinsics[0]
    return float(matrix[0, 0]), float(matrix[1, 1])


def without_focal(root, **file):
    change_frames(root / "transforms.json", lambda frame: (frame.pop("fl_x"), frame.pop("fl_y")))
    change_json(root / "transforms.json", lambda content: content.update(file))
    return root


@pytest.mark.parametrize(
    "text",
    [
        "40 16 16 0.\r\n0. 0. 0.\r\n1.\r\n32 32\r\n",
        "40 16 16\n0 0 0\n0.1\n1.\n32. 32.\n0\n",
        "40 40 16 16\n0 0 0\n1\n32 32\n",
        "40 0 16\n0 40 16\n0 0 1\n",
        "40 0 16 0\n0 40 16 0\n0 0 1 0\n0 0 0 1\n",
        "80 32 32 0\n0 0 0\n1\n64 64\n",
    ],
)
def test_dialects_of_srn_intrinsics(tmp_path, text):
    root = write_srn(tmp_path)
    (root / "cars_train/car_train/intrinsics.txt").write_text(text)
    matrix = scenes_of("srn", root)[0].cameras().intrinsics[0]
    torch.testing.assert_close(matrix, torch.tensor([[40.0, 0, 16], [0, 40, 16], [0, 0, 1]]))


def test_srn_poses_that_are_world_to_camera(tmp_path):
    folder = write_srn(tmp_path) / "cars_train/car_train"
    expected = scenes_of("srn", tmp_path)[0].cameras().poses
    for path in (folder / "pose").iterdir():
        pose = np.linalg.inv(np.loadtxt(path).reshape(4, 4))
        path.write_text(" ".join(map(str, pose.ravel())))
    path = folder / "intrinsics.txt"
    path.write_text(path.read_text() + "1\n")
    torch.testing.assert_close(scenes_of("srn", tmp_path)[0].cameras().poses, expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    "text", ["40 16 16 0\n0 0 0\n1\n0 0\n", "40 16 16 1\n0 0 0\n1\n32 32\n", "", "a b\n", "nan 1 2 0\n1 1\n"]
)
def test_unclear_srn_intrinsics(tmp_path, text):
    root = write_srn(tmp_path)
    path = root / "cars_train/car_train/intrinsics.txt"
    path.write_text(text)
    assert str(path) in error_of("srn", root)


def test_one_field_of_view_means_square_pixels(tmp_path):
    root = without_focal(write_transforms(tmp_path), camera_angle_x=2 * np.arctan(20 / 45))
    assert focal(root) == pytest.approx((45, 45))


def test_a_frames_own_field_of_view_replaces_the_files(tmp_path):
    root = without_focal(write_transforms(tmp_path), camera_angle_x=1.5, camera_angle_y=1.5, fl_x=10.0)
    change_frames(root / "transforms.json", lambda frame: frame.update(x_fov=float(np.degrees(2 * np.arctan(20 / 45)))))
    assert focal(root) == pytest.approx((45, 45))


def test_two_focal_lengths_are_not_chosen_from(tmp_path):
    root = without_focal(write_transforms(tmp_path), camera_angle_x=1.5, fl_x=90.0)
    message = error_of("transforms", root)
    assert "fl_x = 90" in message
    assert "camera_angle_x = 1.5" in message


@pytest.mark.parametrize("key", ["equirectangular", "latlong", "k5"])
@pytest.mark.parametrize("name", ["transforms", "blender", "two_objects"])
def test_cameras_that_cannot_be_read_are_refused_by_name(tmp_path, name, key):
    root = NAMED_PHOTOS[name](tmp_path)
    for path in json_files(root):
        change_json(path, lambda content: content.update({key: 0}))
    look(name, root)
    for path in json_files(root):
        change_json(path, lambda content: content.update({key: True}))
    assert f"'{key}'" in error_of(name, root)


def test_a_fisheye_flag_is_a_camera_model(tmp_path):
    flagged = write_transforms(tmp_path / "a", k1=0.05, is_fisheye=True)
    named = write_transforms(tmp_path / "b", k1=0.05, camera_model="OPENCV_FISHEYE")
    assert_same(look("transforms", flagged), look("transforms", named))
    assert "is_fisheye" in error_of(
        "transforms", write_transforms(tmp_path / "c", is_fisheye=True, camera_model="OPENCV")
    )


@pytest.mark.parametrize("name", ["blender", "two_objects"])
def test_renders_with_cameras_of_captures(tmp_path, name):
    root = NAMED_PHOTOS[name](tmp_path)
    for path in json_files(root):
        change_json(path, lambda content: content.update(w=64, h=64, fl_x=100.0, fl_y=130.0, cx=40.0, cy=30.0))
        change_json(path, lambda content: content.pop("camera_angle_x"))
    expected = torch.tensor([[50.0, 0, 20], [0, 65, 15], [0, 0, 1]])
    torch.testing.assert_close(scenes_of(name, root)[0].cameras().intrinsics[0], expected)


def test_keys_that_are_not_used_are_listed_once(tmp_path, caplog):
    root = write_transforms(tmp_path, aabb_scale=4)
    change_frames(root / "transforms.json", lambda frame: frame.update(depth_file_path="d.png", colmap_im_id=1))
    with caplog.at_level(logging.WARNING):
        scene = scenes_of("transforms", root)[0]
    (note,) = scene.notes
    assert note.endswith("keys that are not used: depth_file_path")
    assert note in caplog.text


def test_masks_of_a_transforms_file(tmp_path):
    root = write_transforms(tmp_path)
    for path in photos(root):
        mask = np.zeros((32, 40), np.uint8)
        mask[:, int(path.stem) :] = 255
        Image.fromarray(mask).save(root / f"m{path.name}")
    change_frames(root / "transforms.json", lambda frame: frame.update(mask_path=f"m{frame['file_path'][7:]}"))
    masks = scenes_of("transforms", root)[0].masks(range(9))
    assert [int(mask[0].sum()) for mask in masks] == [40 - view for view in range(9)]
    change_json(root / "transforms.json", lambda content: content["frames"][4].pop("mask_path"))
    assert "dataset.leave_out=[4]" in error_of("transforms", root)


def test_splits_that_a_transforms_file_lists(tmp_path):
    lists = {"train_filenames": ["./images/0.png", "images\\2.png"], "test_filenames": ["images/7.png"]}
    root = write_transforms(tmp_path, **lists)
    everything = scenes_of("transforms", root)[0].cameras().poses
    for split, views in (("train", [0, 2]), ("val", [7]), ("test", [7])):
        assert torch.equal(scenes_of("transforms", root, split, test_every=8)[0].cameras().poses, everything[views])
    change_json(root / "transforms.json", lambda content: content["test_filenames"].append("gone.png"))
    assert "'gone.png'" in error_of("transforms", root, test_every=8)


@pytest.mark.parametrize("key", ["w", "h", "fl_x"])
@pytest.mark.parametrize("value", [0, "12", float("nan"), -3])
def test_camera_values_that_are_none(tmp_path, key, value):
    root = write_transforms(tmp_path)
    change_json(root / "transforms.json", lambda content: content["frames"][4].update({key: value}))
    assert "dataset.leave_out=[4]" in error_of("transforms", root)


def test_validation_takes_the_test_split_where_blender_has_no_other(tmp_path):
    root = write_blender(tmp_path)
    (root / "transforms_val.json").unlink()
    scene = scenes_of("blender", root, "val")[0]
    assert "transforms_val.json" in scene.notes[0]
    assert torch.equal(scene.cameras().poses, scenes_of("blender", root, "test")[0].cameras().poses)


def test_one_view_may_be_held_out(tmp_path):
    root = write_colmap(tmp_path, views=5)
    assert scenes_of("colmap", root, "val", test_every=8)[0].num_views == 1


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda columns: columns["cam2world"].__setitem__(2, [[1, 0], [0]]), "image 2"),
        (lambda columns: columns["cam2world"].__setitem__(2, None), "image 2"),
        (lambda columns: columns["pix2cam"].__setitem__(2, [1, 2, 3]), "3x3"),
        (lambda columns: columns["near"].__setitem__(2, None), "'near'"),
        (lambda columns: columns["width"].__setitem__(2, "32"), "'width'"),
        (lambda columns: columns["file_path"].__setitem__(2, 7), "'file_path'"),
    ],
)
def test_bad_columns_of_multiscale_scenes(tmp_path, change, word):
    root = write_multicam(tmp_path)
    change_json(root / "metadata.json", lambda content: change(content["train"]))
    message = error_of("multicam", root)
    assert "image 2" in message
    assert word in message
