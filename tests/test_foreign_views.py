"""What is wrong with one view names it as `leave_out` counts it, and does not matter once it is left out."""

import numpy as np
import pytest
import torch
from dataset_checks import scenes_of
from dataset_layouts import (
    write_blender,
    write_colmap,
    write_llff,
    write_transforms,
)
from foreign_files import change_frames, change_json, error_of, look, photos
from PIL import Image

CAPTURES = {"llff": write_llff, "transforms": write_transforms, "colmap": write_colmap}


def bad_view(name, root, value):
    """Puts a value into the pose of the sixth view."""
    if name == "llff":
        rows = np.load(root / "poses_bounds.npy")
        rows[5, 3] = value
        np.save(root / "poses_bounds.npy", rows)
    elif name == "transforms":
        change_json(
            root / "transforms.json", lambda content: content["frames"][5]["transform_matrix"][0].__setitem__(3, value)
        )
    else:
        path = root / "sparse/0/images.txt"
        lines = path.read_text().split("\n")
        words = lines[10].split(" ")
        lines[10] = " ".join([*words[:5], str(value).replace("7.5", "7,5"), *words[6:]])
        path.write_text("\n".join(lines))


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("value", [float("nan"), float("-inf")])
@pytest.mark.parametrize("scale_world", [True, False])
@pytest.mark.parametrize("name", CAPTURES)
def test_a_bad_view_is_named_as_it_is_left_out(tmp_path, name, scale_world, value):
    root = CAPTURES[name](tmp_path)
    bad_view(name, root, value)
    changes = {"scale_world": scale_world, "test_every": 2}
    if name == "transforms":
        changes |= {"near": 1.0, "far": 5.0, "scale_world": False}
    for left_out in ([], [0, 2]):
        message = error_of(name, root, leave_out=left_out, **changes)
        assert "dataset.leave_out=[5]" in message
        assert " 5" in message
    look(name, root, leave_out=[5], **changes)


def test_decimal_commas_name_the_image(tmp_path):
    root = write_colmap(tmp_path)
    bad_view("colmap", root, 7.5)
    assert "im5.jpg" in error_of("colmap", root)


@pytest.mark.parametrize("name", CAPTURES)
def test_an_unreadable_photo_is_named_as_it_is_left_out(tmp_path, name):
    root = CAPTURES[name](tmp_path)
    photos(root)[3].write_bytes(photos(root)[3].read_bytes()[:90])
    assert "dataset.leave_out=[3]" in error_of(name, root, leave_out=[1], test_every=0)
    look(name, root, leave_out=[3])


@pytest.mark.parametrize("name", CAPTURES)
def test_captures_far_from_the_origin(tmp_path, name):
    far = np.array([691607.0, 5336801.0, 519.0])
    root = CAPTURES[name](tmp_path)
    changes = {"near": 1.0, "far": 5.0, "test_every": 0, "scale_world": False}
    expected = scenes_of(name, root, **changes)[0].cameras().poses
    if name == "llff":
        rows = np.load(root / "poses_bounds.npy")
        rows[:, [3, 8, 13]] += far
        np.save(root / "poses_bounds.npy", rows)
    elif name == "transforms":

        def move(frame):
            for axis in range(3):
                frame["transform_matrix"][axis][3] += far[axis]

        change_frames(root / "transforms.json", move)
    else:
        path = root / "sparse/0/images.txt"
        lines = path.read_text().split("\n")
        for view in range(9):
            words = lines[2 * view].split(" ")
            w, x, y, z = map(float, words[1:5])
            turn = np.array(
                [
                    [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
                    [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
                    [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
                ]
            )
            moved = np.array(words[5:8], float) - turn @ far
            lines[2 * view] = " ".join([*words[:5], *map(repr, moved.tolist()), *words[8:]])
        path.write_text("\n".join(lines))
    scene = scenes_of(name, root, **changes)[0]
    poses = scene.cameras().poses
    assert "the world's origin is moved" in scene.notes[0]
    torch.testing.assert_close(poses[:, :3, :3], expected[:, :3, :3], atol=1e-6, rtol=0)
    steps = poses[:, :3, 3] - poses[:1, :3, 3]
    torch.testing.assert_close(steps, expected[:, :3, 3] - expected[:1, :3, 3], atol=1e-5, rtol=0)


def test_renders_far_from_the_origin_are_refused(tmp_path):
    root = write_blender(tmp_path)
    change_frames(root / "transforms_train.json", lambda frame: frame["transform_matrix"][0].__setitem__(3, 5e6))
    assert "subtract" in error_of("blender", root)


@pytest.mark.parametrize("square", [True, False])
def test_photos_that_viewers_turn(tmp_path, square):
    root = write_transforms(tmp_path, width=32 if square else 40)
    exif = Image.Exif()
    exif[274] = 6
    for path in photos(root):
        with Image.open(path) as image:
            image.transpose(Image.Transpose.ROTATE_90).save(path.with_suffix(".jpg"), exif=exif)
        path.unlink()
    text = "; ".join(scenes_of("transforms", root)[0].notes) if square else error_of("transforms", root)
    assert "EXIF" in text
    assert "mogrify" in text


def test_a_photo_of_too_many_pixels(tmp_path):
    root = write_transforms(tmp_path)
    Image.new("1", (16320, 12240)).save(root / "images/3.png")
    message = error_of("transforms", root)
    assert "megapixels" in message
    assert "dataset.leave_out=[3]" in message


def test_a_header_that_promises_more_than_it_holds(tmp_path):
    root = write_transforms(tmp_path)
    path = photos(root)[2]
    content = bytearray(path.read_bytes())
    content[8:12] = (200).to_bytes(4, "big")
    path.write_bytes(content)
    assert str(path) in error_of("transforms", root)
