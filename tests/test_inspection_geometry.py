"""What photos say about cameras: matches, their epipolar lines, and the hull of masks."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from ball_scene import CENTERS
from inspected_scenes import FLIP, cameras_of, open_balls, some_masks, true_matches, write_balls

from datasets.inspection.evidence import Evidence, carve, reprojection_errors
from datasets.inspection.two_views import (
    common_center,
    epipolar_distances,
    fundamental,
    match_scene,
    projected,
    triangulate,
)
from pixelnerf.geometry.cameras import project, world_to_camera
from pixelnerf.scenes.scene import SparsePoints
from pixelnerf.types import Cameras


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    return open_balls(write_balls(tmp_path_factory.mktemp("nmr")))


def test_points_lie_on_their_epipolar_lines_and_are_found_again(scene):
    points, matches = true_matches(scene)
    for match in matches:
        pair = cameras_of(scene)[list(match.views)]
        torch.testing.assert_close(epipolar_distances(pair, match.pixels), torch.zeros(40).double(), atol=1e-3, rtol=0)
        torch.testing.assert_close(triangulate(pair, match.pixels), points, atol=1e-3, rtol=0)
        pixels, depths = projected(pair, points)
        torch.testing.assert_close(pixels, match.pixels)
        torch.testing.assert_close(depths[0], (points - pair.poses[0, :3, 3]) @ pair.poses[0, :3, 2])


def test_a_pixel_beside_its_line_is_as_far_from_it(scene):
    _, matches = true_matches(scene)
    pair = cameras_of(scene)[list(matches[0].views)]
    line = fundamental(pair) @ torch.nn.functional.pad(matches[0].pixels[0], (0, 1), value=1.0).T
    moved = matches[0].pixels.clone()
    moved[1] += 2 * torch.nn.functional.normalize(line[:2].T, dim=-1)
    # Two pixels in the second photo, about as many in the first, which has the same focal length.
    torch.testing.assert_close(epipolar_distances(pair, moved), torch.full((40,), 2.0).double(), atol=0.3, rtol=0)


@pytest.mark.parametrize("scale", [1, 3])
def test_matches_lie_in_the_middle_of_what_they_show(scale):
    """In pixels of the photo, whose first has its centre at 0.5, whether or not it is shrunk for matching."""
    random = np.random.default_rng(0)
    width, height = 600 * scale, 400 * scale + 1
    y, x = np.meshgrid(np.arange(height) + 0.5, np.arange(width) + 0.5, indexing="ij")
    photo, centers = np.full((height, width), 0.5), random.uniform(0.1, 0.9, (25, 2)) * [width, height]
    for center in centers:
        sigma = scale * random.uniform(3, 8)
        blob = np.exp(-((x - center[0]) ** 2 + (y - center[1]) ** 2) / (2 * sigma**2))
        photo += random.choice([-0.3, 0.3]) * blob
    images = torch.from_numpy(photo).float().clamp(0, 1).expand(1, 3, -1, -1)
    (found,) = match_scene(SimpleNamespace(images=lambda views: images), [(3, 5)])
    assert found.views == (3, 5)
    assert found.pixels.shape[1] > 15
    torch.testing.assert_close(found.pixels[0], found.pixels[1])
    assert torch.cdist(found.pixels[0], torch.from_numpy(centers)).min(dim=1).values.median() < 0.2 * scale


def test_axes_meet_in_the_middle(scene):
    torch.testing.assert_close(common_center(cameras_of(scene)), torch.zeros(3).double(), atol=1e-5, rtol=0)


def test_parallel_axes_have_a_finite_centre(scene):
    cameras = cameras_of(scene)[[0, 0, 0, 0]]
    # Exactly parallel, so that rounding errors do not make the axes meet somewhere.
    cameras.poses[:] = torch.eye(4)
    cameras.poses[:, 0, 3] = torch.arange(4)
    torch.testing.assert_close(common_center(cameras), torch.tensor([1.5, 0, 0]).double())


def test_the_hull_of_right_cameras_covers_the_masks_and_holds_the_balls(scene):
    cameras, masks = cameras_of(scene)[::3], list(some_masks(scene).values())
    hull = carve(cameras, masks)
    assert hull.coverage > 0.97
    distance = torch.cdist(torch.tensor(CENTERS), hull.points).min(dim=1).values
    assert distance.max() < 0.05
    flipped = Cameras(cameras.poses @ FLIP.double(), cameras.intrinsics, cameras.sizes)
    assert carve(flipped, masks).coverage < 0.1


def test_reprojection_errors_of_sparse_points(scene):
    points, cameras = torch.tensor(CENTERS, dtype=torch.float32), scene.cameras()
    seen = project(cameras.intrinsics, world_to_camera(cameras.poses, points)) + torch.tensor([0.3, 0.4])
    sparse = SparsePoints(points, tuple(seen), tuple(torch.arange(5) for _ in seen))
    errors = reprojection_errors(Evidence(scene, [], sparse, {}).observations)
    torch.testing.assert_close(errors, torch.full((24 * 5,), 0.5).double(), atol=1e-3, rtol=0)
