"""Changes of files, and what readers make of them."""

import json

import pytest
import torch
from dataset_checks import scenes_of
from dataset_layouts import (
    write_blender,
    write_colmap,
    write_multicam,
    write_transforms,
    write_two_objects,
)

from pixelnerf.errors import UserError

NAMED_PHOTOS = {
    "transforms": write_transforms,
    "blender": write_blender,
    "two_objects": write_two_objects,
    "multicam": write_multicam,
    "colmap": write_colmap,
}


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
