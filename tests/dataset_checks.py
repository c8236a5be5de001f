"""Readers with the options that fit the balls' layouts, and what any scene must satisfy, whatever its format."""

import numpy as np
import torch
from ball_scene import CENTERS, COLORS, RADII
from pydantic import TypeAdapter

from datasets.readers.nmr import NmrConfig
from datasets.registry import DatasetConfig, build_dataset
from pixelnerf.geometry.cameras import project, world_to_camera
from pixelnerf.scenes.scene import Scene

CONFIGS = TypeAdapter(DatasetConfig)
CATEGORIES = {"airplane": "02691156", "chair": "03001627"}
DEFAULTS = {
    "srn": {"near": 0.8, "far": 5.0, "background": (1, 1, 1), "category": "car", "prefix": "cars"},
    "two_objects": {"near": 4.0, "far": 9.0, "background": (1, 1, 1)},
    "blender": {"near": 1.0, "far": 5.0, "background": (1, 1, 1)},
    "multicam": {"background": (1, 1, 1)},
    "dtu": {"near": 0.1, "far": 5.0, "background": (0, 0, 0), "pixel_center": 0.0},
    "llff": {"background": (0, 0, 0), "images": "images_4", "test_every": 8},
    "transforms": {"background": (0, 0, 0), "near": 1.0, "far": 5.0, "test_every": 0},
    "colmap": {"background": (0, 0, 0), "images": "images_4", "test_every": 0},
}


def nmr_config(root, **options):
    """Options for what `ball_scene.write_nmr` wrote."""
    values = {"name": "nmr", "root": root, "near": 1.2, "far": 4.0, "background": (1, 1, 1), "categories": CATEGORIES}
    return NmrConfig.model_validate({**values, **options})


def scenes_of(name, root, split="train", **options):
    config = CONFIGS.validate_python({"name": name, "root": root, **DEFAULTS[name], **options})
    return build_dataset(config).scenes(split)


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
