"""The textured room in each format that `inspect --fix` corrects, and what became of it."""

import re

import torch
from config_values import yaml_values
from dataset_checks import CONFIGS
from room_formats import RIGHT, write_colmap_room, write_llff_room, write_neus_room, write_srn_room
from textured_room import room_poses

from datasets.inspection.fixing import fix_all
from datasets.registry import build_dataset
from pixelnerf.tools.files import file_digest

BOUNDS = {"near": 1.0, "far": 5.0}
WRITERS = {
    "colmap": (write_colmap_room, {**BOUNDS, "test_every": 0}),
    "llff": (write_llff_room, {"images": "images", "test_every": 0, "scale_world": False}),
    "srn_cars": (write_srn_room, {**BOUNDS, "input_views": None}),
    "dtu_neus": (write_neus_room, {**BOUNDS, "pixel_center": 0.5, "downscale": 1}),
}


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
