"""`inspect --fix` of COLMAP, LLFF, SRN and NeuS: copies have the true cameras, and others stay as they are."""

import shutil

import numpy as np
import pytest
import torch
from dataset_checks import CONFIGS, values_of
from dataset_layouts import write_srn
from fixed_rooms import WRITERS, assert_true, cameras_by, files_of, fix, fixed_untouched
from room_formats import STORED, write_colmap_room, write_llff_room, write_srn_room
from textured_room import room_poses

from datasets.inspection.fixing import fix_all
from datasets.registry import build_dataset
from pixelnerf.errors import UserError

OWN = {
    "colmap": "world-to-camera, OpenCV",
    "llff": "camera-to-world, LLFF",
    "srn_cars": "camera-to-world, OpenCV",
    "dtu_neus": "world-to-camera, OpenCV",
}
COPIES = {
    "colmap": {"sparse/0.fixed"},
    "llff": {"poses_bounds.fixed.npy"},
    "srn_cars": {"cars_train/room/pose.fixed", "cars_train/room/intrinsics.fixed.txt"},
    "dtu_neus": {"room/cameras_sphere.fixed.npz"},
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_right_capture_is_left_alone(room_photos, tmp_path, name):
    root = WRITERS[name][0](tmp_path, room_photos)
    before = files_of(root)
    found = fix(name, root)
    assert (found.changes, found.copies, found.doubt, found.unjudged) == ((), (), "", "")
    assert files_of(root) == before
    assert_true(cameras_by(name, root, ()))


@pytest.mark.parametrize(
    ("name", "stored", "words"),
    [
        ("colmap", "camera-to-world, OpenCV", ["camera-to-world: they are inverted"]),
        ("colmap", "world-to-camera, OpenGL", ["OpenGL's axes where the format has OpenCV's"]),
        ("colmap", "camera-to-world, OpenGL", ["camera-to-world in OpenGL's axes", "inverted"]),
        ("colmap", "mixture, OpenCV", ["rotations beside the cameras' positions"]),
        ("llff", "camera-to-world, OpenGL", ["OpenGL's axes where the format has LLFF's"]),
        ("llff", "camera-to-world, OpenCV", ["OpenCV's axes where the format has LLFF's"]),
        ("llff", "world-to-camera, OpenCV", ["world-to-camera in OpenCV's axes", "inverted"]),
        ("llff", "mixture, LLFF", ["rotations beside the cameras' positions"]),
        ("srn_cars", "camera-to-world, OpenGL", ["OpenGL's axes"]),
        ("srn_cars", "world-to-camera, OpenCV", ["world-to-camera: they are inverted"]),
        ("dtu_neus", "camera-to-world, OpenCV", ["camera-to-world: they are inverted"]),
        ("dtu_neus", "world-to-camera, OpenGL", ["OpenGL's axes"]),
    ],
)
def test_poses_become_the_true_ones(room_photos, tmp_path, name, stored, words):
    root = WRITERS[name][0](tmp_path, room_photos, stored)
    found = fixed_untouched(name, root)
    assert found.doubt == ""
    (line,) = found.changes
    assert all(word in line for word in words), line
    assert {str(copy.path.relative_to(root)) for copy in found.copies} < COPIES[name] | {""}
    assert "off epipolar lines" in dict(found.before)["matches"]
    assert dict(found.before)["matches"] != dict(found.after)["matches"]
    assert_true(cameras_by(name, root, found.copies))


@pytest.mark.parametrize(
    ("name", "camera", "word"),
    [
        ("colmap", (150 / 160, 0.5, 0.5, 160, 120), "fractions of the photo's width"),
        ("colmap", (150 * 36 / 160, 18.0, 13.5, 160, 120), "millimetres"),
        ("colmap", (600.0, 320.0, 240.0, 160, 120), "photos of 640x480, not 160x120"),
        ("llff", (150 / 160, 0, 0, 160, 120), "fractions"),
        ("llff", (150.0, 0, 0, 640, 480), "photos of 160x120, not 640x480"),
        ("srn_cars", (150 / 160, 0.5, 0.5, 160, 120), "fractions"),
        ("srn_cars", (600.0, 320.0, 240.0, 160, 120), "photos of 640x480, not 160x120"),
        ("dtu_neus", (600.0, 320.0, 240.0, 0, 0), "photos of 640x480, not 160x120"),
    ],
)
def test_focal_lengths_become_the_true_ones(room_photos, tmp_path, name, camera, word):
    root = WRITERS[name][0](tmp_path, room_photos, camera=camera)
    found = fixed_untouched(name, root)
    assert found.doubt == ""
    (line,) = found.changes
    assert word in line
    assert len(found.copies) == 1
    assert_true(cameras_by(name, root, found.copies))


def test_both_at_once_are_two_copies_of_srn(room_photos, tmp_path):
    root = write_srn_room(
        tmp_path, room_photos, "world-to-camera, OpenGL", (600.0, 320.0, 240.0, 160, 120), form="{0} {0} {1} {2}"
    )
    found = fixed_untouched("srn_cars", root)
    assert len(found.changes) == 2
    assert {str(copy.path.relative_to(root)) for copy in found.copies} == COPIES["srn_cars"]
    assert_true(cameras_by("srn_cars", root, found.copies))


def test_poses_that_srn_says_are_inverted_stay_so(room_photos, tmp_path):
    root = write_srn_room(tmp_path, room_photos, "world-to-camera, OpenGL", flag="1\n")
    found = fixed_untouched("srn_cars", root)
    assert "had OpenGL's axes" in found.changes[0]
    assert_true(cameras_by("srn_cars", root, found.copies))
    right = np.linalg.inv(room_poses()[3])
    np.testing.assert_allclose(np.loadtxt(root / "cars_train/room/pose/000003.txt").reshape(4, 4), right, atol=1e-12)


def test_rows_of_llff_by_columns(room_photos, tmp_path):
    root = write_llff_room(tmp_path, room_photos, "camera-to-world, OpenCV", by_columns=True)
    found = fixed_untouched("llff", root)
    assert "column by column" in found.changes[0]
    assert "not rigid" in dict(found.before)["cannot be read"]
    assert len(found.changes) == 2
    assert_true(cameras_by("llff", root, found.copies))
    np.testing.assert_array_equal(np.load(root / "poses_bounds.npy")[:, 15:], np.full((8, 2), (1.0, 5.0)))


def test_poses_of_srn_without_a_photo(room_photos, tmp_path):
    root = write_srn_room(tmp_path, room_photos)
    (root / "cars_train/room/rgb/000002.png").unlink()
    found = fixed_untouched("srn_cars", root)
    assert "'rgb/000002.png'" in found.changes[0]
    assert_true(cameras_by("srn_cars", root, found.copies), [0, 1, 3, 4, 5, 6, 7])


@pytest.mark.parametrize(
    ("turn", "word"), [("camera-to-world, OpenGL", "OpenGL's axes"), ("world-to-camera, OpenCV", "inverted")]
)
def test_what_is_not_white_tells_conventions_of_srn(tmp_path, turn, word):
    root = write_srn(tmp_path, views=9, size=48, focal=75.0, intrinsics_size=48)
    config = CONFIGS.validate_python(values_of("srn", root))
    expected = build_dataset(config).scenes("train")[0].cameras().poses
    for path in root.glob("*/*/pose/*.txt"):
        pose = STORED[turn](np.loadtxt(path).reshape(4, 4))
        path.write_text(" ".join(map(str, pose.ravel())))
    (found,) = fix_all(config, 1, 4)
    assert (found.doubt, len(found.changes)) == ("", 1)
    assert word in found.changes[0]
    assert "covers" in dict(found.after)["mask hull"]
    shutil.rmtree(found.path / "pose")
    found.copies[0].path.rename(found.path / "pose")
    split = found.path.parent.name.removeprefix("cars_")
    torch.testing.assert_close(build_dataset(config).scenes(split)[0].cameras().poses, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", ["colmap", "srn_cars", "dtu_neus"])
def test_a_second_run_writes_nothing_more(room_photos, tmp_path, name):
    root = WRITERS[name][0](tmp_path, room_photos, "camera-to-world, OpenGL")
    first, before = fix(name, root), files_of(root)
    assert first.copies
    assert fix(name, root) == first
    assert files_of(root) == before


def test_the_program_says_how_a_copy_is_used(room_photos, tmp_path, run_script):
    root = write_colmap_room(tmp_path / "My [bold]capture", room_photos, "camera-to-world, OpenCV", seen_at=(160, 120))
    status, out, err = run_script("inspect_dataset.py", "--fix", "dataset=colmap", f"dataset.root='{root}'", "pairs=4")
    assert (status, err) == (0, "")
    assert "changed: poses were camera-to-world: they are inverted\n" in out
    assert f"written: {root}/sparse/0.fixed; to use it, read it with dataset.model=sparse/0.fixed\n" in out


def test_datasets_with_cameras_of_their_own_are_not_corrected(tmp_path):
    with pytest.raises(UserError, match="readers: transforms, blender, colmap, llff, srn, dtu; not of multicam"):
        fix_all(CONFIGS.validate_python(values_of("multicam", tmp_path)), 1, 4)
