"""`inspect --fix` of what it is not sure of: said in one line, and nothing is written."""

import shutil

import numpy as np
import pytest
from fixed_rooms import WRITERS, files_of, fix, fixed_untouched
from PIL import Image
from room_formats import write_colmap_room, write_llff_room

from pixelnerf.errors import UserError


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
def test_what_is_not_sure_is_said_and_not_written(room_photos, tmp_path, name, damage, words):
    root = WRITERS[name][0](tmp_path, room_photos)
    damage(root)
    before = files_of(root)
    found = fix(name, root)
    assert words in found.doubt
    assert "\n" not in found.doubt
    assert found.copies == ()
    assert files_of(root) == before


def test_a_folder_of_another_hand_is_kept(room_photos, tmp_path):
    root = write_colmap_room(tmp_path, room_photos, "camera-to-world, OpenGL")
    copy = fix("colmap", root).copies[0].path
    extra = copy / "notes.txt"
    extra.write_text("mine")
    before = files_of(root)
    with pytest.raises(UserError, match="move it away"):
        fix("colmap", root)
    assert files_of(root) == before


def test_without_matches_no_unit_is_guessed(room_photos, tmp_path):
    """A focal length that is impossible as it is, possible in several units, and no matches to choose by."""
    root = write_llff_room(tmp_path, room_photos, camera=(15.0, 0, 0, 160, 120))
    for path in root.glob("images/*.png"):
        Image.new("RGB", (160, 120), "gray").save(path)
    found = fixed_untouched("llff", root)
    assert "too few matches tell whether" in found.doubt
    assert found.copies == ()
