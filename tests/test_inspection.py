"""Cameras of painted balls, told right and wrong ones apart by matches and by masks."""

import copy

import pytest
import torch
from ball_scene import CENTERS, write_nmr
from config_values import nmr_config, yaml_values
from PIL import Image

from datasets.inspection.diagnosis import diagnose, view_overlaps
from datasets.inspection.epipolar import (
    common_center,
    depths,
    epipolar_distances,
    fundamental,
    reprojection_errors,
    triangulate,
)
from datasets.inspection.evidence import Evidence, gather, sparse_errors, triangulate_inliers
from datasets.inspection.hull import carve
from datasets.inspection.lens import own_lenses
from datasets.inspection.matching import Matches, choose_pairs
from datasets.inspection.run import InspectionConfig, inspect
from datasets.readers.nmr import NmrDataset
from datasets.registry import build_dataset, parse_dataset
from pixelnerf.config import parse_config
from pixelnerf.errors import UserError
from pixelnerf.geometry.cameras import project, world_to_camera
from pixelnerf.scenes.scene import SparsePoints
from pixelnerf.types import Cameras

FLIP = torch.diag(torch.tensor([1.0, -1.0, -1.0, 1.0]))


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_nmr(tmp_path_factory.mktemp("nmr"), objects_per_split=1, categories=("02691156",), views=24, size=64)


@pytest.fixture(scope="module")
def scene(root):
    return NmrDataset(nmr_config(root, categories=["airplane"])).scenes("train")[0]


def with_cameras(scene, poses=None, zoom=1.0, near=None, far=None):
    """The scene as a reader with a mistake would give it."""
    changed = copy.copy(scene)
    cameras = scene.cameras()
    scale = torch.tensor([[zoom, 1, 1], [1, zoom, 1], [1, 1, 1]])
    changed._cameras = Cameras(cameras.poses if poses is None else poses, cameras.intrinsics * scale, cameras.sizes)
    changed.near, changed.far = near or scene.near, far or scene.far
    return changed


def true_matches(scene, count=40):
    """What a perfect matcher would find: random points of the scene, seen by the true cameras."""
    points = torch.rand(count, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 0.5
    cameras = scene.cameras()
    matches = []
    for pair in choose_pairs(cameras, 6):
        both = cameras[list(pair)]
        matches.append(Matches(pair, project(both.intrinsics.double(), world_to_camera(both.poses.double(), points))))
    return points, matches


def test_points_lie_on_their_epipolar_lines_and_are_found_again(scene):
    points, matches = true_matches(scene)
    for match in matches:
        pair = scene.cameras()[list(match.views)]
        torch.testing.assert_close(epipolar_distances(pair, match.pixels), torch.zeros(40).double(), atol=1e-3, rtol=0)
        torch.testing.assert_close(triangulate(pair, match.pixels), points, atol=1e-3, rtol=0)
        torch.testing.assert_close(
            reprojection_errors(pair, points, match.pixels), torch.zeros(2, 40).double(), atol=1e-4, rtol=0
        )
        assert (depths(pair, points) > 0).all()


def test_a_pixel_beside_its_line_is_as_far_from_it(scene):
    _, matches = true_matches(scene)
    pair = scene.cameras()[list(matches[0].views)]
    line = fundamental(pair) @ torch.nn.functional.pad(matches[0].pixels[0], (0, 1), value=1.0).T
    moved = matches[0].pixels.clone()
    moved[1] += 2 * torch.nn.functional.normalize(line[:2].T, dim=-1)
    # Two pixels in the second photo, about as many in the first, which has the same focal length.
    torch.testing.assert_close(epipolar_distances(pair, moved), torch.full((40,), 2.0).double(), atol=0.3, rtol=0)


def test_axes_meet_in_the_middle(scene):
    torch.testing.assert_close(common_center(scene.cameras()), torch.zeros(3).double(), atol=1e-5, rtol=0)


def test_the_hull_of_right_cameras_covers_the_masks_and_holds_the_balls(scene):
    hull = carve(scene, scene.cameras(), range(0, 24, 3))
    assert hull.coverage > 0.97
    distance = torch.cdist(torch.tensor(CENTERS), hull.points).min(dim=1).values
    assert distance.max() < 0.05
    flipped = Cameras(scene.cameras().poses @ FLIP, scene.cameras().intrinsics, scene.cameras().sizes)
    assert carve(scene, flipped, range(0, 24, 3)).coverage < 0.1


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
    views = list(range(0, 24, 3))
    matches = true_matches(scene)[1] if with_matches else []
    evidence = Evidence(changed, matches, None, views, carve(changed, changed.cameras(), views))
    warnings = diagnose(evidence)
    assert len(warnings) == bool(words)
    for word in words:
        assert word in warnings[0]


@pytest.mark.parametrize("zoom", [0.5, 2.0])
def test_a_wrong_focal_length_is_named_with_its_factor(scene, zoom):
    _, matches = true_matches(scene)
    torch.manual_seed(0)
    noisy = [Matches(match.views, match.pixels + 0.02 * torch.randn_like(match.pixels)) for match in matches]
    (warning,) = diagnose(Evidence(with_cameras(scene, zoom=zoom), noisy, None, [], None))
    assert warning.startswith(f"focal length in the wrong unit: {1 / zoom:.2g} times")


def test_a_focal_length_in_another_unit(scene):
    (warning,) = diagnose(Evidence(with_cameras(scene, zoom=1 / 64), [], None, [], None))
    assert warning.startswith("focal length in the wrong unit: 1.6 pixels for a photo 64 pixels wide")


@pytest.mark.parametrize(("bounds", "word"), [({"near": 2.7}, "near cuts"), ({"far": 2.7}, "far cuts")])
def test_bounds_that_cut_the_scene(scene, bounds, word):
    for matches, views in ((true_matches(scene)[1], []), ([], list(range(0, 24, 3)))):
        changed = with_cameras(scene, **bounds)
        hull = carve(changed, changed.cameras(), views) if views else None
        (warning,) = diagnose(Evidence(changed, matches, None, views, hull))
        assert warning.startswith(word)


def test_views_that_do_not_overlap(scene):
    apart = scene.cameras().poses.clone()
    apart[:, 0, 3] += 50 * torch.arange(24)
    changed = with_cameras(scene, apart)
    assert view_overlaps(changed).max() == 0
    (warning,) = diagnose(Evidence(changed, [], None, [], None))
    assert warning.startswith("views do not overlap")
    assert view_overlaps(scene).min() > 0.5


def test_reprojection_errors_of_sparse_points(scene):
    points, cameras = torch.tensor(CENTERS, dtype=torch.float32), scene.cameras()
    seen = project(cameras.intrinsics, world_to_camera(cameras.poses, points)) + torch.tensor([0.3, 0.4])
    sparse = SparsePoints(points, tuple(seen), tuple(torch.arange(5) for _ in seen))
    errors = sparse_errors(Evidence(scene, [], sparse, [], None))
    torch.testing.assert_close(errors, torch.full((24 * 5,), 0.5).double(), atol=1e-3, rtol=0)


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
    assert [warning[:18] for warning in own_lenses(Evidence(scene, [], sparse, [], None))] == (
        ["photos have lenses"] if warns else []
    )


def test_a_page_is_drawn(root, tmp_path):
    dataset = nmr_config(root, categories=["airplane"]).model_dump()
    config = {"dataset": dataset, "split": "train", "scenes": 3, "pairs": 2, "output": tmp_path / "out"}
    rows, reports = inspect(parse_config(InspectionConfig, config, ""))
    assert ("val", "1 scenes") in rows
    (report,) = reports
    assert dict(report.rows)["sizes"] == "64x64 (24)"
    assert report.warnings == []
    with Image.open(report.picture) as picture:
        assert picture.width > 1000
        # The first camera and nothing else on the rig is drawn in the accent colour.
        assert (214, 39, 40) in {color for _, color in picture.convert("RGB").getcolors(1 << 24)}
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["02691156_train0.png"]


def test_unwritable_output(root, tmp_path):
    (tmp_path / "file").write_text("")
    dataset = nmr_config(root, categories=["airplane"]).model_dump()
    config = {"dataset": dataset, "split": "train", "scenes": 1, "pairs": 1, "output": tmp_path / "file/out"}
    _, reports = inspect(parse_config(InspectionConfig, config, ""))
    with pytest.raises(UserError, match="another output"):
        next(reports)


def test_real_cameras_agree_with_their_photos(shared_folder):
    root = shared_folder / "data/rs_dtu_4/DTU"
    if not root.is_dir():
        pytest.skip("no DTU scan")
    scene = build_dataset(parse_dataset(yaml_values("dataset/dtu", root=root))).scenes("test")[0]
    evidence = gather(scene, 5)
    assert evidence.epipolar_median(scene.cameras()) < 1.0
    assert triangulate_inliers(evidence).errors.mean() < 0.6
    assert diagnose(evidence) == []
