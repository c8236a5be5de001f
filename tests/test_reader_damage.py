"""The same damage done to every layout but NMR's: one line with the path, never a silent picture."""

import json
import shutil

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
    write_two_objects,
)
from PIL import Image

from pixelnerf.errors import UserError

WRITERS = {
    "srn": write_srn,
    "two_objects": write_two_objects,
    "blender": write_blender,
    "multicam": write_multicam,
    "dtu": write_dtu,
    "llff": write_llff,
    "transforms": write_transforms,
    "colmap": write_colmap,
}


@pytest.fixture(scope="module")
def layouts(tmp_path_factory):
    """Every layout, whole."""
    folder = tmp_path_factory.mktemp("whole")
    return {name: write(folder / name) for name, write in WRITERS.items()}


@pytest.fixture
def copy(layouts, tmp_path):
    def make(name):
        return shutil.copytree(layouts[name], tmp_path / name)

    return make


def read(name, root):
    scene = scenes_of(name, root)[0]
    return [scene.images([view]) for view in range(scene.num_views)]


def error_of(name, root):
    with pytest.raises(UserError) as caught:
        read(name, root)
    message = str(caught.value)
    assert "\n" not in message
    return message


def photo(name, root):
    """The third photo of the first scene that training reads."""
    place = {"srn": "rgb", "dtu": "image", "llff": "images_4", "colmap": "images_4", "transforms": "images"}
    photos = [path for path in sorted(root.rglob("*.png")) if place.get(name, "") in str(path.parent.relative_to(root))]
    return [path for path in photos if "test" not in str(path.relative_to(root))][2]


@pytest.mark.parametrize("name", WRITERS)
def test_a_truncated_photo(copy, name):
    root = copy(name)
    path = photo(name, root)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert str(path) in error_of(name, root)


@pytest.mark.parametrize("name", WRITERS)
def test_a_missing_photo(copy, name):
    root = copy(name)
    path = photo(name, root)
    path.unlink()
    message = error_of(name, root)
    assert str(root) in message
    # A photo that is only listed, not named by another file, leaves a gap or one camera too many.
    assert path.stem in message or "images" in message or "without gaps" in message


@pytest.mark.parametrize("name", WRITERS)
def test_a_photo_of_another_size(copy, name):
    root = copy(name)
    path = photo(name, root)
    with Image.open(path) as image:
        width, height = image.size
        image.resize((width + 8, height)).save(path)
    message = error_of(name, root)
    assert str(path) in message
    assert f"{width + 8}x{height}" in message


def change_pose(name, root, change):
    """Changes the camera-to-world matrix of the third view (DTU's is a projection)."""
    if name == "srn":
        path = root / "cars_train/car_train/pose/000002.txt"
        matrix = change(np.loadtxt(path).reshape(4, 4))
        path.write_text(" ".join(str(number) for number in matrix.ravel()))
    elif name == "dtu":
        path = root / "scan1/cameras.npz"
        with np.load(path) as archive:
            arrays = dict(archive)
        np.savez(path, **{**arrays, "world_mat_2": change(arrays["world_mat_2"])})
    elif name == "llff":
        path = root / "poses_bounds.npy"
        rows = np.load(path)
        matrix = rows[2, :15].reshape(3, 5)
        matrix[:, :4] = change(matrix[:, :4])
        np.save(path, rows)
    else:
        path = next(path for path in sorted(root.rglob("*.json")) if "test" not in str(path.relative_to(root)))
        content = json.loads(path.read_text())
        if name == "multicam":
            poses = content["train"]["cam2world"]
            poses[2] = change(np.array(poses[2])).tolist()
        else:
            frame = content["frames"][2]
            frame["transform_matrix"] = change(np.array(frame["transform_matrix"])).tolist()
        path.write_text(json.dumps(content))
    return path


def with_nan(matrix):
    matrix = matrix.astype(float)
    matrix[0, 1] = np.nan
    return matrix


def mirrored(matrix):
    return matrix * np.array([-1, 1, 1, 1])


def flattened(matrix):
    return matrix * np.array([0, 1, 1, 1])


@pytest.mark.parametrize("name", [name for name in WRITERS if name != "colmap"])
@pytest.mark.parametrize(("change", "word"), [(with_nan, "finite"), (mirrored, "reflected"), (flattened, "singular")])
def test_a_bad_pose(copy, name, change, word):
    root = copy(name)
    if name == "dtu" and change is mirrored:
        pytest.skip("a projection and its mirror image are the same cameras, split otherwise")
    path = change_pose(name, root, change)
    message = error_of(name, root)
    # SRN's poses are a file each.
    assert str(path.parent if name == "srn" else path) in message
    assert "2" in message.replace(str(root), "")
    assert word in message


@pytest.mark.parametrize("name", ["srn", "two_objects", "blender", "dtu", "transforms", "colmap"])
def test_a_single_view(tmp_path, name):
    root = WRITERS[name](tmp_path, views=1)
    assert "1 view" in error_of(name, root)
