"""What any scene must satisfy, whatever its format."""

import numpy as np
import torch
from ball_scene import CENTERS, COLORS, RADII

from datasets.scene import Scene
from pixelnerf.geometry.cameras import project, world_to_camera


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
