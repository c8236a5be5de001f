"""Right and wrong cameras of painted balls, told apart by matches and by masks."""

import pytest
import torch
from config_values import yaml_values
from inspected_scenes import FLIP, open_balls, some_masks, true_matches, with_cameras, write_balls

from datasets.inspection.diagnosis import diagnose, own_lenses, view_overlaps
from datasets.inspection.evidence import Evidence, gather, reprojection_errors
from datasets.inspection.two_views import Matches
from datasets.registry import build_dataset, parse_dataset
from pixelnerf.geometry.cameras import project, world_to_camera
from pixelnerf.scenes.scene import SparsePoints


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    return open_balls(write_balls(tmp_path_factory.mktemp("nmr")))


@pytest.mark.parametrize("with_matches", [True, False])
@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        (lambda poses: poses, []),
        (lambda poses: poses @ FLIP, ["y/z flipped: "]),
        (torch.linalg.inv, ["world-to-camera given for camera-to-world: "]),
        (lambda poses: torch.linalg.inv(poses @ FLIP) @ FLIP, ["world-to-camera", "y/z flipped"]),
    ],
)
def test_conventions_are_told_apart_by_matches_and_by_masks(scene, mistake, words, with_matches):
    changed = with_cameras(scene, mistake(scene.cameras().poses))
    matches = true_matches(scene)[1] if with_matches else []
    warnings = diagnose(Evidence(changed, matches, None, some_masks(scene)))
    assert len(warnings) == bool(words)
    for word in words:
        assert word in warnings[0]


@pytest.mark.parametrize("zoom", [0.5, 2.0])
def test_a_wrong_focal_length_is_named_with_its_factor(scene, zoom):
    _, matches = true_matches(scene)
    torch.manual_seed(0)
    noisy = [Matches(match.views, match.pixels + 0.02 * torch.randn_like(match.pixels)) for match in matches]
    (warning,) = diagnose(Evidence(with_cameras(scene, zoom=zoom), noisy, None, {}))
    assert warning.startswith(f"focal length in the wrong unit: {1 / zoom:.2g} times")


@pytest.mark.parametrize(
    ("wrong", "by_masks", "warns"), [(0.7, True, False), (0.7, False, True), (1.0, True, True), (1.0, False, True)]
)
def test_wrong_matches_of_repeated_parts_do_not_outweigh_masks(scene, wrong, by_masks, warns):
    _, matches = true_matches(scene)
    torch.manual_seed(0)

    def moved(match):
        """Some of the points, by a few pixels, so that nothing explains them. If it is all, the cameras are off."""
        chosen = torch.rand(match.pixels.shape[1]) < wrong
        return Matches(match.views, match.pixels + 6 * torch.randn_like(match.pixels) * chosen[..., None])

    evidence = Evidence(scene, [moved(match) for match in matches], None, some_masks(scene) if by_masks else {})
    assert evidence.epipolar_median(evidence.cameras) > 2
    assert [warning[:15] for warning in diagnose(evidence)] == (["photos disagree"] if warns else [])


def test_a_focal_length_in_another_unit(scene):
    (warning,) = diagnose(Evidence(with_cameras(scene, zoom=1 / 64), [], None, {}))
    assert warning.startswith("focal length in the wrong unit: 1.6 pixels for a photo 64 pixels wide")


@pytest.mark.parametrize(("bounds", "word"), [({"near": 2.7}, "near cuts"), ({"far": 2.7}, "far cuts")])
def test_bounds_that_cut_the_scene(scene, bounds, word):
    for matches, masks in ((true_matches(scene)[1], {}), ([], some_masks(scene))):
        (warning,) = diagnose(Evidence(with_cameras(scene, **bounds), matches, None, masks))
        assert warning.startswith(word)


def test_views_that_do_not_overlap(scene):
    apart = scene.cameras().poses.clone()
    apart[:, 0, 3] += 50 * torch.arange(24)
    changed = with_cameras(scene, apart)
    assert view_overlaps(changed).max() == 0
    (warning,) = diagnose(Evidence(changed, [], None, {}))
    assert warning.startswith("views do not overlap")
    assert view_overlaps(scene).min() > 0.5


@pytest.mark.parametrize(
    ("zoom", "distortion", "noise", "warns"),
    [(1.0, 0.0, 0.1, False), (1.0, 0.0, 0.8, False), (1.1, 0.0, 0.1, True), (1.0, 2.0, 0.1, True)],
)
def test_lenses_that_the_cameras_leave_out_are_named(scene, zoom, distortion, noise, warns):
    generator = torch.Generator().manual_seed(0)
    points = torch.rand(200, 3, generator=generator) - 0.5
    cameras = scene.cameras()
    pixels = []
    for view in range(scene.num_views):
        matrix = cameras.intrinsics[view]
        plane = (project(matrix, world_to_camera(cameras.poses[view], points)) - matrix[:2, 2]) / matrix[0, 0]
        bent = zoom * plane * (1 + distortion * plane.square().sum(dim=-1, keepdim=True))
        pixels.append(matrix[0, 0] * bent + matrix[:2, 2] + noise * torch.randn(200, 2, generator=generator))
    sparse = SparsePoints(points, tuple(pixels), tuple(torch.arange(200) for _ in pixels))
    assert [warning[:18] for warning in own_lenses(Evidence(scene, [], sparse, {}))] == (
        ["photos have lenses"] if warns else []
    )


def test_real_cameras_agree_with_their_photos(shared_folder):
    root = shared_folder / "data/rs_dtu_4/DTU"
    if not root.is_dir():
        pytest.skip("no DTU scan")
    scene = build_dataset(parse_dataset(yaml_values("dataset/dtu", root=root))).scenes("test")[0]
    evidence = gather(scene, 5)
    assert evidence.epipolar_median(evidence.cameras) < 1.0
    assert reprojection_errors(evidence.triangulated).mean() < 0.6
    assert diagnose(evidence) == []
