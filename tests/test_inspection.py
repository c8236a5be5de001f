"""Cameras of painted balls, told right and wrong ones apart by matches and by masks."""

import copy
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from ball_scene import CENTERS, RADII, write_nmr
from config_values import nmr_config, yaml_values
from PIL import Image

from datasets.inspection.diagnosis import diagnose, own_lenses, view_overlaps
from datasets.inspection.evidence import Evidence, carve, gather, reprojection_errors
from datasets.inspection.figure import draw_scene, scene_box
from datasets.inspection.run import InspectionConfig, inspect
from datasets.inspection.two_views import (
    Matches,
    choose_pairs,
    common_center,
    epipolar_distances,
    fundamental,
    match_scene,
    projected,
    triangulate,
)
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


def cameras_of(scene):
    return Evidence(scene, [], None, {}).cameras


def true_matches(scene, count=40):
    """What a perfect matcher would find: random points of the scene, seen by the true cameras."""
    points = torch.rand(count, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 0.5
    matches = []
    for pair in choose_pairs(scene.cameras(), 6):
        both = cameras_of(scene)[list(pair)]
        matches.append(Matches(pair, project(both.intrinsics, world_to_camera(both.poses, points))))
    return points, matches


def some_masks(scene):
    return {view: scene.masks([view])[0] for view in range(0, 24, 3)}


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


def test_reprojection_errors_of_sparse_points(scene):
    points, cameras = torch.tensor(CENTERS, dtype=torch.float32), scene.cameras()
    seen = project(cameras.intrinsics, world_to_camera(cameras.poses, points)) + torch.tensor([0.3, 0.4])
    sparse = SparsePoints(points, tuple(seen), tuple(torch.arange(5) for _ in seen))
    errors = reprojection_errors(Evidence(scene, [], sparse, {}).observations)
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
    assert [warning[:18] for warning in own_lenses(Evidence(scene, [], sparse, {}))] == (
        ["photos have lenses"] if warns else []
    )


def test_figures_show_the_cameras_and_what_must_coincide(scene):
    _, matches = true_matches(scene)
    evidence = Evidence(scene, matches, None, some_masks(scene))
    figure = draw_scene(evidence, [("views", "24")], ["a lens " + "is wrong " * 40])
    written = "\n".join(text.get_text() for subfigure in figure.subfigs for text in subfigure.texts)
    assert "views: 24" in written
    assert "WARNING: a lens" in written
    assert max(map(len, written.splitlines())) < 200
    above, side, *photos = figure.axes
    for axes in (above, side):
        frusta, upper_edges = axes.collections[2:4]
        assert (frusta.get_colors()[-1] != frusta.get_colors()[0]).any()
        assert len({tuple(color) for color in frusta.get_colors()[:-1]}) == 1
        assert upper_edges.get_linewidth()[0] > 2 * frusta.get_linewidth()[0]
        (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
        for line in (line for collection in axes.collections[1:4] for line in collection.get_segments()):
            assert ((line >= [left, bottom]) & (line <= [right, top])).all()
    # Above the cameras' circle is a circle, and from the side all are at one height.
    cameras = np.stack([line[5] for line in above.collections[2].get_segments()])
    np.testing.assert_allclose(np.linalg.norm(cameras, axis=1), 2.7 * np.cos(0.4), rtol=1e-4)
    heights = np.stack([line[5, 1] for line in side.collections[2].get_segments()])
    np.testing.assert_allclose(heights, 2.7 * np.sin(0.4), rtol=1e-4)
    # The first one looks ahead, from behind.
    np.testing.assert_allclose(cameras[-1], [0, -2.7 * np.cos(0.4)], atol=1e-4)
    for axes in photos[:4]:
        pixels = axes.collections[-1].get_offsets()
        assert len(pixels) > 100
        columns, rows = np.floor(pixels).astype(int).T
        view = int(axes.get_title().removeprefix("view "))
        assert scene.masks([view])[0].numpy()[rows, columns].all()
    for first, second in (photos[4:6], photos[6:8]):
        lines = np.stack(second.collections[1].get_segments())
        along, offset = lines[:, 1] - lines[:, 0], second.collections[0].get_offsets() - lines[:, 0]
        distances = (along[:, 0] * offset[:, 1] - along[:, 1] * offset[:, 0]) / np.linalg.norm(along, axis=1)
        np.testing.assert_allclose(distances, 0, atol=1e-3)
        assert first.get_xlim() == second.get_xlim() == (0, 64)


def test_the_box_of_a_hull_holds_the_balls_and_little_more(scene):
    box = scene_box(Evidence(scene, [], None, some_masks(scene)))
    low, high = (CENTERS - RADII[:, None]).min(axis=0), (CENTERS + RADII[:, None]).max(axis=0)
    np.testing.assert_allclose(box[0], low, atol=0.12)
    np.testing.assert_allclose(box[7], high, atol=0.12)


def test_edges_of_the_box_behind_a_camera_are_not_drawn(scene):
    """A camera inside the box sees some edges, and none of those behind it, which would project upside down."""
    poses = scene.cameras().poses.clone()
    poses[:, :3, 3] *= 0.1
    evidence = Evidence(with_cameras(scene, poses), [Matches((0, 1), torch.empty(2, 0, 2).double())], None, {})
    box = scene_box(evidence)
    for axes in draw_scene(evidence, [], []).axes[2:6]:
        view = int(axes.get_title().removeprefix("view "))
        behind = (box - poses[view, :3, 3]) @ poses[view, :3, 2].double() < 0
        drawn = np.concatenate([path.vertices for path in axes.collections[0].get_paths()])
        assert behind.any()
        assert 0 < np.isfinite(drawn).all(axis=1).mean() < 1


def test_inspection_writes_a_figure_for_each_scene(root, tmp_path):
    dataset = nmr_config(root, categories=["airplane"]).model_dump()
    config = {"dataset": dataset, "split": "train", "scenes": 3, "pairs": 2, "output": tmp_path / "out"}
    rows, reports = inspect(parse_config(InspectionConfig, config, ""))
    assert ("val", "1 scenes") in rows
    (report,) = reports
    assert dict(report.rows)["sizes"] == "64x64 (24)"
    assert report.warnings == []
    with Image.open(report.figure) as picture:
        assert picture.width > 1000
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
    assert evidence.epipolar_median(evidence.cameras) < 1.0
    assert reprojection_errors(evidence.triangulated).mean() < 0.6
    assert diagnose(evidence) == []
