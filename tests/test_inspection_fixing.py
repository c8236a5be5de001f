"""`inspect --fix`: each defect of a camera file is undone, a right file is left alone, and doubt writes nothing."""

import json
import shutil
import tempfile

import numpy as np
import pytest
import torch
from dataset_checks import scenes_of, values_of
from dataset_layouts import write_blender
from PIL import Image
from room_formats import LLFF_AXES, mixture
from textured_room import BLENDER_AXES, write_room

from datasets.inspection.fixing import fix_all
from datasets.registry import parse_dataset
from pixelnerf.errors import UserError
from pixelnerf.tools.files import file_digest


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    return write_room(tmp_path_factory.mktemp("room"))


@pytest.fixture
def root(room, tmp_path):
    return shutil.copytree(room, tmp_path / "capture")


def change(path, *changes):
    content = json.loads(path.read_text())
    for one in changes:
        one(content)
    path.write_text(json.dumps(content))


def each_pose(turn):
    def apply(content):
        for frame in content["frames"]:
            frame["transform_matrix"] = turn(np.array(frame["transform_matrix"])).tolist()

    return apply


def with_focal(**values):
    def apply(content):
        for key in ("fl_x", "fl_y"):
            del content[key]
        content.update(values)

    return apply


def fix(name, root, pairs=6):
    return list(fix_all(parse_dataset(values_of(name, root)), 1, pairs))


def cameras_by(path, name="transforms"):
    """What the reader makes of a corrected copy that was put in the place of its file."""
    path.replace(path.with_name(path.name.replace(".fixed", "")))
    return scenes_of(name, path.parent)[0].cameras()


def files_of(root):
    return {path: (file_digest(path), path.stat().st_mtime_ns) for path in root.rglob("*") if path.is_file()}


DEFECTS = {
    "axes": (each_pose(lambda pose: pose @ BLENDER_AXES), ["OpenCV's axes"]),
    "inverted": (each_pose(np.linalg.inv), ["world-to-camera: they are inverted"]),
    "inverted in OpenCV's axes": (each_pose(lambda pose: np.linalg.inv(pose @ BLENDER_AXES)), ["in OpenCV's axes"]),
    "LLFF's axes": (each_pose(lambda pose: pose @ BLENDER_AXES @ LLFF_AXES), ["LLFF's axes"]),
    "transposed": (each_pose(mixture), ["rotations beside"]),
    "degrees": (with_focal(camera_angle_x=float(np.degrees(2 * np.arctan(80 / 150)))), ["degrees"]),
    "radians": (with_focal(x_fov=float(2 * np.arctan(80 / 150))), ["radians"]),
    "fractions": (lambda content: content.update(fl_x=150 / 160, fl_y=150 / 120, cx=0.5, cy=0.5), ["fractions"]),
    "millimetres": (lambda content: content.update(fl_x=150 * 36 / 160, fl_y=150 * 36 / 160), ["millimetres"]),
    "larger photos": (lambda content: content.update(fl_x=600.0, fl_y=600.0, cx=320.0, cy=240.0), ["640x480"]),
    "smaller photos": (lambda content: content.update(w=640, h=480), ["160x120"]),
    "two at once": (
        lambda content: (
            each_pose(np.linalg.inv)(content),
            content.update(fl_x=150 / 160, fl_y=150 / 160),
        ),
        ["fractions of the photo's width:", "inverted"],
    ),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_cameras_become_the_true_ones(root, defect):
    expected = scenes_of("transforms", root)[0].cameras()
    damage, words = DEFECTS[defect]
    change(root / "transforms.json", damage)
    before = files_of(root)
    (found,) = fix("transforms", root)
    assert found.doubt == ""
    assert len(found.changes) == len(words)
    for line, word in zip(found.changes, words, strict=True):
        assert word in line
    assert [copy.path for copy in found.copies] == [root / "transforms.fixed.json"]
    assert before.items() <= files_of(root).items(), "an original file was changed"
    assert "off epipolar lines" in dict(found.after)["matches"]
    assert found.before != found.after
    cameras = cameras_by(found.copies[0].path)
    torch.testing.assert_close(cameras.poses, expected.poses, atol=1e-5, rtol=0)
    torch.testing.assert_close(cameras.intrinsics, expected.intrinsics, atol=1e-2, rtol=0)
    (again,) = fix("transforms", root)
    assert (again.changes, again.copies, again.doubt) == ((), (), "")


def test_a_right_capture_is_left_alone(root):
    before = files_of(root)
    (found,) = fix("transforms", root)
    assert (found.changes, found.copies, found.doubt, found.unjudged) == ((), (), "", "")
    assert files_of(root) == before


def test_frames_without_a_file_and_other_suffixes(root):
    expected = scenes_of("transforms", root)[0].cameras().poses
    change(root / "transforms.json", lambda content: content.update(train_filenames=["images/0002.png"] * 2))
    for path in sorted((root / "images").iterdir()):
        Image.open(path).save(path.with_suffix(".jpg"), quality=95)
        path.unlink()
    (root / "images/0003.jpg").unlink()
    (found,) = fix("transforms", root)
    assert ["'images/0000.png' and 6 more is 'images/0000.jpg'" in found.changes[0], len(found.changes)] == [True, 2]
    assert "'images/0003.png'" in found.changes[1]
    assert "missing" in dict(found.before)["cannot be read"]
    content = json.loads(found.copies[0].path.read_text())
    assert content["train_filenames"] == ["images/0002.jpg"] * 2
    assert [frame["file_path"][-8:-4] for frame in content["frames"]] == [
        f"{view:04d}" for view in (0, 1, 2, 4, 5, 6, 7)
    ]
    kept = [0, 1, 2, 4, 5, 6, 7]
    torch.testing.assert_close(cameras_by(found.copies[0].path).poses, expected[kept])


def test_names_of_another_machine(root):
    expected = scenes_of("transforms", root)[0].cameras().poses
    shutil.copytree(root / "images", root / "masks")

    def elsewhere(content):
        for frame in content["frames"]:
            frame["mask_path"] = "D:\\scans\\room\\" + frame["file_path"].replace("images/", "masks\\")
            frame["file_path"] = f"/data/me/room/{frame['file_path']}"

    change(root / "transforms.json", elsewhere)
    (found,) = fix("transforms", root)
    assert found.doubt == ""
    (line,) = found.changes
    assert "'/data/me/room/images/0000.png' and 15 more is 'images/0000.png'" in line
    names = [
        (frame["file_path"], frame["mask_path"]) for frame in json.loads(found.copies[0].path.read_text())["frames"]
    ]
    assert names == [(f"images/{view:04d}.png", f"masks/{view:04d}.png") for view in range(8)]
    torch.testing.assert_close(cameras_by(found.copies[0].path).poses, expected)


def test_a_second_run_writes_nothing_more(root):
    change(root / "transforms.json", DEFECTS["axes"][0])
    (first,) = fix("transforms", root)
    before = files_of(root)
    (second,) = fix("transforms", root)
    assert files_of(root) == before
    assert second == first


@pytest.mark.parametrize("text", ['{"frames": []}', "not ours"])
def test_a_file_of_another_hand_is_kept(root, text):
    change(root / "transforms.json", DEFECTS["axes"][0])
    (root / "transforms.fixed.json").write_text(text)
    with pytest.raises(UserError, match="move it away"):
        fix("transforms", root)
    assert (root / "transforms.fixed.json").read_text() == text


def test_a_corrected_copy_that_was_edited_is_kept(root):
    change(root / "transforms.json", DEFECTS["axes"][0])
    copy = fix("transforms", root)[0].copies[0].path
    change(copy, lambda content: content.update(w=1))
    before = files_of(root)
    with pytest.raises(UserError, match="move it away"):
        fix("transforms", root)
    assert files_of(root) == before


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (
            lambda content: [frame.update(file_path="gone.png") for frame in content["frames"]],
            "8 of 8 photos are missing",
        ),
        (lambda content: content["frames"][3].update(file_path="gone/3.png"), "no folder"),
        (lambda content: content["frames"][2]["transform_matrix"][0].__setitem__(0, 9.0), "frame 2"),
        (each_pose(lambda pose: pose[:, [1, 2, 0, 3]]), "photos disagree"),
        (lambda content: content.update(fl_x=225.0, fl_y=225.0), "focal"),
        (lambda content: content.update(frames=3), "frames"),
    ],
)
def test_what_is_not_sure_is_said_and_not_written(root, damage, words):
    change(root / "transforms.json", damage)
    before = files_of(root)
    (found,) = fix("transforms", root)
    assert words in found.doubt
    assert "\n" not in found.doubt
    assert found.copies == ()
    assert files_of(root) == before


@pytest.mark.parametrize(
    ("turn", "word"),
    [
        (lambda pose: pose, None),
        (lambda pose: pose @ BLENDER_AXES, "OpenCV's axes"),
        (np.linalg.inv, "inverted"),
        (lambda pose: np.linalg.inv(pose @ BLENDER_AXES), "inverted, and"),
    ],
)
def test_masks_tell_conventions_of_renders(tmp_path, turn, word):
    root = write_blender(tmp_path, views=9, size=48, focal=75.0)
    expected = scenes_of("blender", root)[0].cameras()
    for path in root.glob("*.json"):
        change(path, each_pose(turn))
    found = fix("blender", root)
    assert [one.path.name for one in found] == [f"transforms_{split}.json" for split in ("train", "val", "test")]
    for one in found:
        assert one.doubt == ""
        assert (word or "") in "".join(one.changes)
        assert len(one.changes) == bool(word)
    if word:
        torch.testing.assert_close(
            cameras_by(found[0].copies[0].path, "blender").poses, expected.poses, atol=1e-5, rtol=0
        )


def test_without_evidence_only_what_needs_none_is_corrected(tmp_path):
    root = write_blender(tmp_path, views=2, size=8)
    for path in root.rglob("*.png"):
        Image.new("RGB", (8, 8), "white").save(path)
    for path in root.glob("*.json"):
        change(path, lambda content: content.update(camera_angle_x=float(np.degrees(content["camera_angle_x"]))))
    for one in fix("blender", root):
        assert "degrees" in one.changes[0]
        assert "matches" in one.unjudged


def run(run_script, root, *options):
    return run_script(
        "inspect_dataset.py", "--fix", "dataset=transforms", f"dataset.root='{root}'", "pairs=6", *options
    )


def test_the_program_says_what_it_changed(root, run_script):
    root = root.rename(root.with_name("My [bold]capture (1)"))
    change(root / "transforms.json", DEFECTS["inverted"][0])
    status, out, err = run(run_script, root)
    assert (status, err) == (0, "")
    assert "changed: poses were world-to-camera: they are inverted\n" in out
    assert f"written: {root}/transforms.fixed.json" in out
    assert "before" in out
    assert "after" in out


def test_doubt_is_a_status_of_its_own(root, run_script):
    change(root / "transforms.json", lambda content: content.update(fl_x=225.0, fl_y=225.0))
    status, _, err = run(run_script, root)
    assert status == 2
    assert err.startswith(f"nothing is written for '{root}/transforms.json': ")
    assert err.count("\n") == 1


def test_a_folder_that_cannot_be_written_is_a_line(root, run_script, monkeypatch):
    change(root / "transforms.json", DEFECTS["axes"][0])

    def refuse(**options):
        raise PermissionError(13, "Permission denied")

    # Tests may run as root, to whom no folder's mode is an obstacle.
    monkeypatch.setattr(tempfile, "mkstemp", refuse)
    status, _, err = run(run_script, root)
    assert status == 2
    assert err == f"cannot write '{root}/transforms.fixed.json': Permission denied\n"
