"""Files as other programs and people write them: read, or refused in one line that names the view and the way out."""

import json
import logging
import re
import shutil
import tracemalloc

import numpy as np
import pytest
import torch
from ball_scene import write_nmr
from config_values import nmr_config
from dataset_checks import assert_shows_the_balls, scenes_of
from dataset_layouts import (
    write_blender,
    write_colmap,
    write_dtu,
    write_llff,
    write_multicam,
    write_srn,
    write_transforms,
    write_two_objects,
)
from PIL import Image

from datasets.meshes.materials import load_surface
from datasets.meshes.mesh_folder import find_meshes
from datasets.readers.nmr import NmrDataset
from pixelnerf.errors import UserError

NAMED_PHOTOS = {
    "transforms": write_transforms,
    "blender": write_blender,
    "two_objects": write_two_objects,
    "multicam": write_multicam,
    "colmap": write_colmap,
}
CAPTURES = {"llff": write_llff, "transforms": write_transforms, "colmap": write_colmap}
LISTED_PHOTOS = {"llff": write_llff, "srn": write_srn, "dtu": write_dtu}


def change_json(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def change_frames(path, change):
    change_json(path, lambda content: [change(frame) for frame in content["frames"]])


def json_files(root):
    return sorted(root.rglob("*.json"))


def photos(root):
    return [path for path in sorted(root.rglob("*.png")) if path.parent.name != "mask"]


def look(name, root, **changes):
    scene = scenes_of(name, root, **changes)[0]
    return scene, [scene.images([view]) for view in range(scene.num_views)]


def error_of(name, root, **changes):
    with pytest.raises(UserError) as caught:
        look(name, root, **changes)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def assert_same(found, expected):
    assert torch.equal(found[0].cameras().poses, expected[0].cameras().poses)
    assert torch.equal(found[0].cameras().intrinsics, expected[0].cameras().intrinsics)
    for one, other in zip(found[1], expected[1], strict=True):
        torch.testing.assert_close(one, other, atol=0.15, rtol=0)


@pytest.mark.parametrize("name", ["transforms", "blender", "two_objects", "multicam"])
def test_backslashes_in_paths(tmp_path, name):
    root = NAMED_PHOTOS[name](tmp_path)
    expected = look(name, root)
    for path in json_files(root):
        content = path.read_text()
        path.write_text(
            content.replace("images/", "images\\\\").replace("train/", "train\\\\").replace("else/", "else\\\\")
        )
        assert path.read_text() != content or "test" in path.name or "val" in path.name
    assert_same(look(name, root), expected)


@pytest.mark.parametrize("suffix", [".PNG", ".jpeg", ".JPG"])
@pytest.mark.parametrize("name", NAMED_PHOTOS)
def test_photos_of_another_type_than_their_names(tmp_path, name, suffix):
    root = NAMED_PHOTOS[name](tmp_path)
    expected = look(name, root)
    for path in photos(root):
        if suffix == ".PNG":
            path.rename(path.with_suffix(suffix))
            continue
        with Image.open(path) as image:
            white = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
            white.convert("RGB").save(path.with_suffix(suffix), "JPEG", quality=100, subsampling=0)
        path.unlink()
    found = look(name, root)
    assert torch.equal(found[0].cameras().intrinsics, expected[0].cameras().intrinsics)
    for one, other in zip(found[1], expected[1], strict=True):
        assert (one - other).abs().mean() < 0.05


def test_names_with_dots_and_without_a_suffix(tmp_path):
    root = write_transforms(tmp_path)
    expected = look("transforms", root)
    for path in photos(root):
        path.rename(path.with_name(f"frame.{path.name}"))
    change_frames(
        root / "transforms.json", lambda frame: frame.update(file_path=f"images/frame.{frame['file_path'][7:-4]}")
    )
    assert_same(look("transforms", root), expected)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("name", ["transforms", "blender", "two_objects", "multicam", "colmap", "srn", "dtu", "nmr"])
def test_byte_order_marks_and_ends_of_lines(tmp_path, name, encoding):
    if name == "nmr":
        write_nmr(tmp_path, objects_per_split=1, categories=("02691156",), views=3, size=8)

        def read():
            scene = NmrDataset(nmr_config(tmp_path, categories=["airplane"])).scenes("train")[0]
            return scene, [scene.images([0])]
    else:
        {**NAMED_PHOTOS, **LISTED_PHOTOS}[name](tmp_path)

        def read():
            return look(name, tmp_path)

    expected = read()
    for path in tmp_path.rglob("*"):
        if path.suffix in (".json", ".txt", ".lst"):
            path.write_bytes(path.read_text().replace("\n", "\r\n").encode(encoding))
    assert_same(read(), expected)


@pytest.mark.parametrize("name", {**NAMED_PHOTOS, **LISTED_PHOTOS})
def test_hidden_files_are_no_data(tmp_path, name):
    root = {**NAMED_PHOTOS, **LISTED_PHOTOS}[name](tmp_path)
    expected = look(name, root)
    for path in list(root.rglob("*")):
        (path.parent / ".DS_Store").write_bytes(b"Bud1")
        (path.parent / f"._{path.name}").write_bytes(b"\x00\x05\x16\x07")
    shutil.copytree(root, tmp_path / "__MACOSX", ignore=lambda *_: [])
    (root / "readme.txt").write_text("a stray file")
    if name == "srn":
        (root / "cars_train/readme.txt").write_text("a stray file")
    assert len(scenes_of(name, root)) == 1
    assert_same(look(name, root), expected)


def test_unpadded_numbers_are_numbers(tmp_path):
    root = write_dtu(tmp_path, views=11)
    expected = look("dtu", root)
    for path in root.rglob("*.png"):
        path.rename(path.with_name(f"{int(path.stem)}.png"))
    assert_same(look("dtu", root), expected)


@pytest.mark.parametrize("name", LISTED_PHOTOS)
def test_two_copies_of_photos(tmp_path, name):
    root = LISTED_PHOTOS[name](tmp_path)
    for path in photos(root):
        Image.open(path).convert("RGB").save(path.with_suffix(".JPG"), "JPEG")
    assert "two copies" in error_of(name, root)


def test_photos_and_poses_of_other_numbers(tmp_path):
    folder = write_srn(tmp_path) / "cars_train/car_train"
    (folder / "rgb/000001.png").unlink()
    (folder / "pose/000003.txt").unlink()
    message = error_of("srn", tmp_path)
    assert "4 images but 4 pose files" in message
    assert "pose/000001.txt" in message
    root = write_dtu(tmp_path / "dtu")
    (root / "scan1/mask/000002.png").rename(root / "scan1/mask/000009.png")
    assert "image/000002.png" in error_of("dtu", root)


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


def focal(root, name="transforms", **changes):
    matrix = scenes_of(name, root, **changes)[0].cameras().intrinsics[0]
    return float(matrix[0, 0]), float(matrix[1, 1])


def without_focal(root, **file):
    change_frames(root / "transforms.json", lambda frame: (frame.pop("fl_x"), frame.pop("fl_y")))
    change_json(root / "transforms.json", lambda content: content.update(file))
    return root


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


AXES = "".join(f"property float {axis}\n" for axis in "xyz")
EMPTY_CLOUD = f"ply\nformat ascii 1.0\nelement vertex 0\n{AXES}end_header\n"


@pytest.mark.parametrize("name", ["", "gone.ply", ".", "empty_file.ply", "empty_cloud.ply"])
def test_sparse_points_that_are_not_there(tmp_path, name):
    root = write_transforms(tmp_path, ply_file_path=name)
    (root / "empty_file.ply").write_text("")
    (root / "empty_cloud.ply").write_text(EMPTY_CLOUD)
    assert "sparse points" in error_of("transforms", root, near=None)


@pytest.mark.parametrize("name", ["transforms", "blender", "multicam", "colmap"])
def test_photos_in_folders_of_folders_and_of_another_type(tmp_path, name):
    root = NAMED_PHOTOS[name](tmp_path / "data")
    expected = look(name, root)
    for path in photos(root):
        folder = path.parent / "left cam/2024"
        folder.mkdir(parents=True, exist_ok=True)
        with Image.open(path) as image:
            white = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
            white.convert("RGB").save(folder / f"{path.stem}.JPEG", "JPEG", quality=100, subsampling=0)
        path.unlink()
    for path in [*json_files(root), *root.rglob("images.txt")]:
        path.write_text(re.sub(r"r_\d+|im\d+\.jpg|\d+\.png", r"left cam/2024/\g<0>", path.read_text()))
    found = look(name, root)
    assert torch.equal(found[0].cameras().poses, expected[0].cameras().poses)
    for one, other in zip(found[1], expected[1], strict=True):
        assert (one - other).abs().mean() < 0.05


@pytest.mark.parametrize("key", ["w", "h", "fl_x"])
@pytest.mark.parametrize("value", [0, "12", float("nan"), -3])
def test_camera_values_that_are_none(tmp_path, key, value):
    root = write_transforms(tmp_path)
    change_json(root / "transforms.json", lambda content: content["frames"][4].update({key: value}))
    assert "dataset.leave_out=[4]" in error_of("transforms", root)


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


def test_names_with_spaces_in_a_text_model(tmp_path):
    root = write_colmap(tmp_path)
    expected = look("colmap", root)
    path = root / "sparse/0/images.txt"
    path.write_text(path.read_text().replace(" im", " DJI flight 2 (").replace(".jpg", ").jpg"))
    for photo in photos(root):
        photo.rename(photo.with_name(f"DJI flight 2 ({photo.stem[2:]}).png"))
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


def test_a_missing_folder_of_photos_names_those_that_are_there(tmp_path):
    assert "images_4" in error_of("llff", write_llff(tmp_path), images="images_8")


@pytest.mark.parametrize("name", ["transforms", "blender", "dtu", "srn", "llff", "colmap"])
def test_a_root_too_high_names_the_folder_below(tmp_path, name):
    root = {**NAMED_PHOTOS, **LISTED_PHOTOS}[name](tmp_path / "a/b")
    assert f"dataset.root={root}" in error_of(name, tmp_path)


def write_square(folder, options, uses="usemtl paint"):
    (folder / "things").mkdir(parents=True)
    Image.new("RGB", (4, 4), (80, 80, 80)).save(folder / "things/tex.png")
    (folder / "things/a.mtl").write_text(f"newmtl paint\nKd 1 1 1\nmap_Kd {options}tex.png\n")
    corners = "v 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nvt 1 0\nvt 0 1\n"
    path = folder / "things/a.obj"
    path.write_text(f"mtllib a.mtl\n{corners}{uses}\nf 1/1 2/2 3/3\n")
    return path


def test_options_before_the_name_of_a_texture(tmp_path):
    surface = load_surface(write_square(tmp_path / "a", "-s 1 1 1 -o 0 0 -bm 0.5 "))
    assert surface.paint.textures[0].max() == pytest.approx(80 / 255)
    with pytest.raises(UserError, match=r"-s 2 1 1 tex\.png"):
        load_surface(write_square(tmp_path / "b", "-s 2 1 1 "))


def test_what_has_no_material_is_of_one_grey(tmp_path):
    path = write_square(tmp_path, "", uses="")
    assert load_surface(path).paint.colors.mean() == 0.75
    assert (load_surface(path).paint.texture_index == -1).all()
    (path.parent / "._a.obj").write_text("hidden")
    assert [mesh.name for mesh in find_meshes(tmp_path)] == ["a"]
