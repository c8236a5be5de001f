"""`inspect --fix` of COLMAP, LLFF, SRN and NeuS: copies have the true cameras, and doubt writes nothing."""

import re
import shutil

import numpy as np
import pytest
import torch
from config_values import yaml_values
from dataset_checks import CONFIGS, values_of
from dataset_layouts import write_srn
from PIL import Image
from room_formats import (
    RIGHT,
    STORED,
    write_colmap_room,
    write_llff_room,
    write_neus_room,
    write_srn_room,
)
from textured_room import room_poses, write_room

from datasets.inspection.fixing import fix_all
from datasets.registry import build_dataset
from pixelnerf.errors import UserError
from pixelnerf.tools.files import file_digest

BOUNDS = {"near": 1.0, "far": 5.0}
WRITERS = {
    "colmap": (write_colmap_room, {**BOUNDS, "test_every": 0}),
    "llff": (write_llff_room, {"images": "images", "test_every": 0, "scale_world": False}),
    "srn_cars": (write_srn_room, {**BOUNDS, "input_views": None}),
    "dtu_neus": (write_neus_room, {**BOUNDS, "pixel_center": 0.5, "downscale": 1}),
}
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


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return sorted((write_room(tmp_path_factory.mktemp("room")) / "images").iterdir())


def config_of(name, root, **changes):
    return CONFIGS.validate_python(yaml_values(f"dataset/{name}", root=root, **{**WRITERS[name][1], **changes}))


def fix(name, root, **changes):
    (found,) = fix_all(config_of(name, root, **changes), 1, 3)
    return found


def files_of(root):
    return {path: (file_digest(path), path.stat().st_mtime_ns) for path in root.rglob("*") if path.is_file()}


def fixed_untouched(name, root, **changes):
    """The corrections, by which nothing that was there is changed."""
    before = files_of(root)
    found = fix(name, root, **changes)
    assert before.items() <= files_of(root).items(), "an original file was changed"
    return found


def cameras_by(name, root, copies, **changes):
    """What the reader makes of copies that are used as `--fix` says."""
    for copy in copies:
        if option := re.fullmatch(r"read it with dataset\.(\w+)=(.*)", copy.use):
            changes[option[1]] = option[2]
        else:
            original = copy.path.parent / copy.use.removeprefix("put it in the place of ")
            original.rename(original.with_name(f"old {original.name}"))
            copy.path.rename(original)
    return build_dataset(config_of(name, root, **changes)).scenes("train")[0].cameras()


def assert_true(cameras, kept=range(8), focal=RIGHT[0]):
    torch.testing.assert_close(cameras.poses.double(), torch.from_numpy(room_poses()[list(kept)]), atol=1e-5, rtol=0)
    expected = torch.tensor([[focal, 0, RIGHT[1]], [0, focal, RIGHT[2]], [0, 0, 1]]).expand(len(kept), 3, 3)
    torch.testing.assert_close(cameras.intrinsics, expected, atol=1e-2, rtol=0)


@pytest.mark.parametrize("name", WRITERS)
def test_a_right_capture_is_left_alone(photos, tmp_path, name):
    root = WRITERS[name][0](tmp_path, photos)
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
def test_poses_become_the_true_ones(photos, tmp_path, name, stored, words):
    root = WRITERS[name][0](tmp_path, photos, stored)
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
def test_focal_lengths_become_the_true_ones(photos, tmp_path, name, camera, word):
    root = WRITERS[name][0](tmp_path, photos, camera=camera)
    found = fixed_untouched(name, root)
    assert found.doubt == ""
    (line,) = found.changes
    assert word in line
    assert len(found.copies) == 1
    assert_true(cameras_by(name, root, found.copies))


def test_both_at_once_are_two_copies_of_srn(photos, tmp_path):
    root = write_srn_room(
        tmp_path, photos, "world-to-camera, OpenGL", (600.0, 320.0, 240.0, 160, 120), form="{0} {0} {1} {2}"
    )
    found = fixed_untouched("srn_cars", root)
    assert len(found.changes) == 2
    assert {str(copy.path.relative_to(root)) for copy in found.copies} == COPIES["srn_cars"]
    assert_true(cameras_by("srn_cars", root, found.copies))


def test_poses_that_srn_says_are_inverted_stay_so(photos, tmp_path):
    root = write_srn_room(tmp_path, photos, "world-to-camera, OpenGL", flag="1\n")
    found = fixed_untouched("srn_cars", root)
    assert "had OpenGL's axes" in found.changes[0]
    assert_true(cameras_by("srn_cars", root, found.copies))
    right = np.linalg.inv(room_poses()[3])
    np.testing.assert_allclose(np.loadtxt(root / "cars_train/room/pose/000003.txt").reshape(4, 4), right, atol=1e-12)


def test_rows_of_llff_by_columns(photos, tmp_path):
    root = write_llff_room(tmp_path, photos, "camera-to-world, OpenCV", by_columns=True)
    found = fixed_untouched("llff", root)
    assert "column by column" in found.changes[0]
    assert "not rigid" in dict(found.before)["cannot be read"]
    assert len(found.changes) == 2
    assert_true(cameras_by("llff", root, found.copies))
    np.testing.assert_array_equal(np.load(root / "poses_bounds.npy")[:, 15:], np.full((8, 2), (1.0, 5.0)))


@pytest.mark.parametrize("binary", [False, True])
def test_points_of_a_model_are_kept(photos, tmp_path, binary):
    root = write_colmap_room(tmp_path, photos, "camera-to-world, OpenCV", seen_at=(160, 120), binary=binary)
    found = fixed_untouched("colmap", root)
    copy = root / "sparse/0.fixed"
    assert {path.name for path in copy.iterdir()} == {path.name for path in (root / "sparse/0").iterdir()}
    # From the points, as a capture's bounds are.
    assert_true(cameras_by("colmap", root, found.copies, near=None, far=None))
    scene = build_dataset(config_of("colmap", root, model="sparse/0.fixed")).scenes("train")[0]
    assert len(scene.sparse_points().positions) == 6


@pytest.mark.parametrize(
    ("camera", "seen_at", "size"),
    [
        ((600.0, 320.0, 240.0, 160, 120), (640, 480), (640, 480)),
        ((600.0, 320.0, 240.0, 160, 120), (160, 120), (160, 120)),
        ((150.0, 80.0, 60.0, 640, 480), (640, 480), (640, 480)),
        ((150.0, 80.0, 60.0, 640, 480), (160, 120), (160, 120)),
    ],
)
def test_cameras_of_a_model_are_in_the_pixels_of_its_observations(photos, tmp_path, camera, seen_at, size):
    root = write_colmap_room(tmp_path, photos, camera=camera, seen_at=seen_at)
    found = fix("colmap", root)
    assert_true(cameras_by("colmap", root, found.copies))
    numbers = (root / "sparse/0.fixed/cameras.txt").read_text().splitlines()[-1].split()
    assert tuple(map(int, numbers[2:4])) == size
    scene = build_dataset(config_of("colmap", root, model="sparse/0.fixed")).scenes("train")[0]
    points, cameras = scene.sparse_points(), scene.cameras()
    for view, (pixels, indices) in enumerate(zip(points.pixels, points.indices, strict=True)):
        local = (points.positions[indices] - cameras.poses[view, :3, 3]) @ cameras.poses[view, :3, :3]
        expected = (local @ cameras.intrinsics[view].T)[:, :2] / local[:, 2:]
        torch.testing.assert_close(pixels, expected, atol=0.01, rtol=0)


def test_images_of_a_model_without_a_file_and_other_names(photos, tmp_path):
    root = write_colmap_room(tmp_path, photos, name="/data/me/capture/images/im{:04d}.JPG".format, seen_at=(160, 120))
    (root / "images/im0005.png").unlink()
    found = fixed_untouched("colmap", root)
    assert found.doubt == ""
    folder, suffix, gone = found.changes
    assert "folder" in folder
    assert "'/data/me/capture/images/im0000.JPG' and 7 more is 'im0000.JPG'" in folder
    assert "suffix" in suffix
    assert "left out: 'im0005.JPG'" in gone
    assert "cannot be read" in dict(found.before)
    assert_true(cameras_by("colmap", root, found.copies, near=None, far=None), [0, 1, 2, 3, 4, 6, 7])
    assert "im0005" not in (root / "sparse/0.fixed/images.txt").read_text()
    # A track that named the image would keep COLMAP from reading the model.
    tracks = [line.split()[8::2] for line in (root / "sparse/0.fixed/points3D.txt").read_text().splitlines()[3:]]
    assert tracks
    assert not any("6" in track for track in tracks)


def test_images_of_a_model_in_a_folder_that_it_leaves_out(photos, tmp_path):
    root = write_colmap_room(tmp_path, photos)
    (root / "images").rename(root / "cam")
    (root / "images").mkdir()
    (root / "cam").rename(root / "images/cam")
    found = fixed_untouched("colmap", root)
    assert found.doubt == ""
    assert "'im0000.png' and 7 more is 'cam/im0000.png'" in found.changes[0]
    assert_true(cameras_by("colmap", root, found.copies))


def test_shrunk_photos_of_another_type_leave_a_model_right(photos, tmp_path):
    root = write_colmap_room(tmp_path, photos, camera=(600.0, 320.0, 240.0, 640, 480), name="im{:04d}.JPG".format)
    found = fix("colmap", root)
    assert (found.changes, found.copies, found.doubt) == ((), (), "")


def test_poses_of_srn_without_a_photo(photos, tmp_path):
    root = write_srn_room(tmp_path, photos)
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


def drop(pattern):
    def damage(root):
        next(root.glob(pattern)).unlink()

    return damage


def copy_photos(root):
    for name in ("one", "two"):
        shutil.copytree(root / "images", root / f"images/{name}")
    for path in root.glob("images/*.png"):
        path.unlink()


def llff_focal(focal):
    def damage(root):
        rows = np.load(root / "poses_bounds.npy")
        rows[:, 14] = focal
        np.save(root / "poses_bounds.npy", rows)

    return damage


def edit(pattern, old, new):
    def damage(root):
        path = next(root.glob(pattern))
        path.write_text(path.read_text().replace(old, new))

    return damage


@pytest.mark.parametrize(
    ("name", "damage", "words"),
    [
        ("llff", drop("images/im0003.png"), "8 poses but"),
        ("colmap", copy_photos, "may be in"),
        ("colmap", lambda root: (root / "images").rename(root / "photos"), "8 of 8 photos are missing"),
        ("colmap", edit("sparse/0/cameras.txt", " 150.0 ", " 225.0 "), "focal"),
        ("srn_cars", drop("cars_train/room/pose/000003.txt"), "no pose file, '000003.png' first"),
        ("srn_cars", edit("cars_train/room/intrinsics.txt", "150.0 ", "225.0 "), "focal"),
        ("llff", llff_focal(150 * 36 / 160), "both fit"),
        ("dtu_neus", drop("room/image/003.png"), "without gaps"),
        ("dtu_neus", drop("room/image/007.png"), "8 projections, but there are 7 images"),
    ],
)
def test_what_is_not_sure_is_said_and_not_written(photos, tmp_path, name, damage, words):
    root = WRITERS[name][0](tmp_path, photos)
    damage(root)
    before = files_of(root)
    found = fix(name, root)
    assert words in found.doubt
    assert "\n" not in found.doubt
    assert found.copies == ()
    assert files_of(root) == before


def test_a_folder_of_another_hand_is_kept(photos, tmp_path):
    root = write_colmap_room(tmp_path, photos, "camera-to-world, OpenGL")
    copy = fix("colmap", root).copies[0].path
    extra = copy / "notes.txt"
    extra.write_text("mine")
    before = files_of(root)
    with pytest.raises(UserError, match="move it away"):
        fix("colmap", root)
    assert files_of(root) == before


def test_without_matches_no_unit_is_guessed(photos, tmp_path):
    """A focal length that is impossible as it is, possible in several units, and no matches to choose by."""
    root = write_llff_room(tmp_path, photos, camera=(15.0, 0, 0, 160, 120))
    for path in root.glob("images/*.png"):
        Image.new("RGB", (160, 120), "gray").save(path)
    found = fixed_untouched("llff", root)
    assert "too few matches tell whether" in found.doubt
    assert found.copies == ()


@pytest.mark.parametrize("name", ["colmap", "srn_cars", "dtu_neus"])
def test_a_second_run_writes_nothing_more(photos, tmp_path, name):
    root = WRITERS[name][0](tmp_path, photos, "camera-to-world, OpenGL")
    first, before = fix(name, root), files_of(root)
    assert first.copies
    assert fix(name, root) == first
    assert files_of(root) == before


def test_the_program_says_how_a_copy_is_used(photos, tmp_path, run_script):
    root = write_colmap_room(tmp_path / "My [bold]capture", photos, "camera-to-world, OpenCV", seen_at=(160, 120))
    status, out, err = run_script("inspect_dataset.py", "--fix", "dataset=colmap", f"dataset.root='{root}'", "pairs=4")
    assert (status, err) == (0, "")
    assert "changed: poses were camera-to-world: they are inverted\n" in out
    assert f"written: {root}/sparse/0.fixed; to use it, read it with dataset.model=sparse/0.fixed\n" in out


def test_datasets_with_cameras_of_their_own_are_not_corrected(tmp_path):
    with pytest.raises(UserError, match="readers: transforms, blender, colmap, llff, srn, dtu; not of multicam"):
        fix_all(CONFIGS.validate_python(values_of("multicam", tmp_path)), 1, 4)
