"""Readers with the options that fit the balls' layouts, and what any scene must satisfy, whatever its format."""

import numpy as np
import torch
from ball_scene import CENTERS, COLORS, RADII
from config_values import yaml_values
from pydantic import TypeAdapter

from datasets.registry import DatasetConfig, build_dataset
from pixelnerf.geometry.cameras import project, world_to_camera
from pixelnerf.scenes.scene import Scene

CONFIGS = TypeAdapter(DatasetConfig)
OPTIONS = {"srn": "srn_cars"}
"""The YAML of a reader, where it has another name."""
CHANGES = {
    "srn": {"far": 5.0, "input_views": None},
    "two_objects": {},
    "blender": {"near": 1.0, "far": 5.0},
    "multicam": {},
    "dtu": {"pixel_center": 0.0, "use_masks": True},
    "llff": {"images": "images_4"},
    "transforms": {"near": 1.0, "far": 5.0, "test_every": 0},
    "colmap": {"images": "images_4", "test_every": 0},
}
"""Where the balls' layouts differ from the YAML."""


def values_of(name, root, **changes):
    return yaml_values(f"dataset/{OPTIONS.get(name, name)}", root=root, **{**CHANGES[name], **changes})


def config_of(name, root, **changes):
    return CONFIGS.validate_python(values_of(name, root, **changes))


def scenes_of(name, root, split="train", **changes):
    return build_dataset(config_of(name, root, **changes)).scenes(split)


def assert_shows_the_balls(scene: Scene, scale=1.0, shift=(0.0, 0.0, 0.0)):
    """Each ball's centre projects onto a pixel of its colour, in every view where nothing hides it."""
    cameras = scene.cameras()
    seen = 0
    for view in range(scene.num_views):
        image = scene.images([view])[0]
        points = world_to_camera(cameras.poses[view], torch.tensor(CENTERS * scale + shift, dtype=torch.float32))
        pixels = project(cameras.intrinsics[view], points)
        depth = points[:, 2].numpy()
        assert (depth > 0).all(), "a ball lies behind a camera"
        order = np.argsort(depth)
        for rank, ball in enumerate(order):
            hidden = any(
                (pixels[ball] - pixels[other]).norm() < 1.3 * RADII[other] * scale * cameras.intrinsics[view, 0, 0] / d
                for other in order[:rank]
                for d in [depth[other]]
            )
            column, row = pixels[ball].floor().long().tolist()
            inside = 0 <= column < image.shape[2] and 0 <= row < image.shape[1]
            if inside and not hidden:
                expected = torch.tensor(COLORS[ball] / 255, dtype=torch.float32)
                torch.testing.assert_close(image[:, row, column], expected, atol=0.1, rtol=0)
                seen += 1
    assert seen >= scene.num_views, "hardly any ball is in view"


def tensors(batch):
    """All tensors of a record, in order."""
    found = []
    batch.map_tensors(lambda tensor: found.append(tensor) or tensor)
    return found


def same(first, second):
    """Whether two records hold equal tensors."""
    return all(torch.equal(a, b) for a, b in zip(tensors(first), tensors(second), strict=True))
