"""Photos of distorting lenses, and the straight ones that readers make of them."""

import numpy as np
import pytest
import torch
from ball_scene import CENTERS, orbit, paint, save
from dataset_checks import assert_shows_the_balls, scenes_of
from dataset_layouts import write_colmap, write_transforms

from datasets.image_files import read_image
from datasets.readers.lens import LARGEST_ZOOM, SMALLEST_ZOOM, Lens, brown_distortion, fisheye_distortion
from pixelnerf.geometry.cameras import project, world_to_camera

SIZE = {"width": 160, "height": 128, "focal": 120.0}
INTRINSICS = np.array([[45.0, 0, 19], [0, 47, 16.5], [0, 0, 1]])
PINCUSHION, BARREL, SKEWED = (0.35, 0.05, 0, 0), (-0.15, 0.03, 0, 0), (-0.1, 0.0, 0.015, -0.02)
NAMES = ("k1", "k2", "p1", "p2")
POINTS = np.random.default_rng(0).uniform(-0.6, 0.6, (100, 2))


def make_lens(distortion, size=(40, 32), pixel_center=0.5):
    return Lens("photo.png", distortion, INTRINSICS, size, pixel_center)


@pytest.mark.parametrize(("name", "write"), [("colmap", write_colmap), ("transforms", write_transforms)])
def test_readers_straighten_photos(tmp_path, name, write):
    write(tmp_path, lens=PINCUSHION, views=3, **SIZE)
    scene = scenes_of(name, tmp_path)[0]
    assert_shows_the_balls(scene)
    bent_differs, differs = [], []
    for view, pose in enumerate(orbit(3)):
        matrix = scene.cameras().intrinsics[view].double().numpy()
        expected = paint(pose, matrix, SIZE["width"], SIZE["height"])[0].astype(float)
        photo = read_image(next(tmp_path.glob(f"*/*{view}.png"))).astype(float)
        straight = 255 * scene.images([view])[0].permute(1, 2, 0).numpy()
        # Edges of the painted balls are hard and fall between pixels, in one row of pixels around each.
        differs.append((np.abs(straight - expected).max(axis=-1) > 40).mean())
        bent_differs.append((np.abs(photo - expected).max(axis=-1) > 40).mean())
    assert max(differs) < 0.007
    assert min(bent_differs) > 2 * max(differs)


@pytest.mark.parametrize("pixel_center", [0.0, 0.5])
@pytest.mark.parametrize("numbers", [PINCUSHION, BARREL, SKEWED], ids=["pincushion", "barrel", "skewed"])
def test_straightened_photos_are_what_a_pinhole_sees(numbers, pixel_center):
    pycolmap = pytest.importorskip("pycolmap")
    size = (160, 128)
    matrix = np.array([[170.0, 0, 78], [0, 180, 66], [0, 0, 1]])
    # COLMAP has the first pixel's centre at 0.5, and turns the distortion round by Newton's method.
    camera = pycolmap.Camera(model="OPENCV", width=160, height=128, params=[170, 180, 78, 66, *numbers])
    columns, rows = np.meshgrid(np.arange(size[0]) + 0.5, np.arange(size[1]) + 0.5)
    pixels = np.stack([columns, rows], axis=-1)
    photo = _pattern(np.asarray(camera.cam_from_img(pixels.reshape(-1, 2)))[:, :2]).reshape(128, 160, 3)
    own = matrix - np.array([[0, 0, 1], [0, 0, 1], [0, 0, 0]]) * (0.5 - pixel_center)
    lens = Lens("photo.png", brown_distortion(dict(zip(NAMES, numbers, strict=True))), own, size, pixel_center)
    seen = (pixels + pixel_center - 0.5 - lens.straight[:2, 2]) / np.diag(lens.straight)[:2]
    error = np.abs(lens.straightened(photo).astype(float) - _pattern(seen))
    assert error.max() < 8
    assert error.mean() < 0.7
    assert np.abs(photo.astype(float) - _pattern(seen)).mean() > 4 * error.mean()


def _pattern(plane):
    """Smooth colours of points of the plane z = 1."""
    x, y = plane[..., 0], plane[..., 1]
    return np.rint(127 + 100 * np.sin(np.stack([25 * x + 9 * y, 20 * y, 15 * (x - y)], axis=-1))).astype(np.uint8)


def test_points_are_where_the_straightened_photos_show_them(tmp_path):
    scene = scenes_of("colmap", write_colmap(tmp_path, lens=SKEWED), scale_world=True, downscale=2)[0]
    points, cameras = scene.sparse_points(), scene.cameras()
    for view in range(scene.num_views):
        seen = points.positions[points.indices[view]]
        pixels = project(cameras.intrinsics[view], world_to_camera(cameras.poses[view], seen))
        torch.testing.assert_close(pixels, points.pixels[view], atol=2e-3, rtol=0)


def test_masks_are_straightened_with_their_photos(tmp_path):
    write_transforms(tmp_path, lens=BARREL, views=2, **SIZE)
    for view, pose in enumerate(orbit(2)):
        matrix = np.array([[120.0 + view, 0, 80], [0, 120 + view, 64], [0, 0, 1]])
        image, mask = paint(pose, matrix, 160, 128, lens=BARREL)
        save(tmp_path / f"images/{view}.png", np.dstack([image, mask]))
    scene = scenes_of("transforms", tmp_path)[0]
    expected = paint(orbit(2)[0], scene.cameras().intrinsics[0].double().numpy(), 160, 128)[1] > 0
    assert (scene.masks([0])[0].numpy() != expected).mean() < 0.01


def test_distortions_are_those_of_colmap():
    pycolmap = pytest.importorskip("pycolmap")
    for model, numbers, ours in (
        ("OPENCV", SKEWED, brown_distortion(dict(zip(NAMES, SKEWED, strict=True)))),
        ("OPENCV_FISHEYE", BARREL, fisheye_distortion(dict(zip(("k1", "k2", "k3", "k4"), BARREL, strict=True)))),
    ):
        camera = pycolmap.Camera(model=model, width=40, height=32, params=[1, 1, 0, 0, *numbers])
        theirs = camera.img_from_cam(np.column_stack([POINTS, np.ones(len(POINTS))]))
        np.testing.assert_allclose(ours(POINTS), theirs, atol=1e-12)
    assert fisheye_distortion({})(np.zeros((1, 2))).tolist() == [[0, 0]]


@pytest.mark.parametrize("pixel_center", [0.0, 0.5])
@pytest.mark.parametrize("numbers", [PINCUSHION, BARREL, SKEWED], ids=["pincushion", "barrel", "skewed"])
def test_the_pinhole_sees_all_that_it_can_without_looking_past_the_photo(numbers, pixel_center):
    distortion = brown_distortion(dict(zip(NAMES, numbers, strict=True)))
    lens = make_lens(distortion, pixel_center=pixel_center)
    assert SMALLEST_ZOOM < lens.straight[0, 0] / INTRINSICS[0, 0] < LARGEST_ZOOM
    columns, rows = np.meshgrid(np.arange(40), np.arange(32))
    pixels = np.stack([columns.ravel(), rows.ravel()], axis=-1) + pixel_center
    plane = (pixels - lens.straight[:2, 2]) / np.diag(lens.straight)[:2]
    found = distortion(plane) * np.diag(INTRINSICS)[:2] + INTRINSICS[:2, 2] - pixel_center
    margin = np.concatenate([found, np.array([39, 31]) - found], axis=-1).min()
    assert -0.01 < margin < 0.01


def test_a_lens_without_distortion_changes_nothing():
    image = np.random.default_rng(0).integers(0, 256, (32, 40, 3), np.uint8)
    assert brown_distortion({"k1": 0.0, "p2": 0}) is None
    lens = make_lens(None)
    assert lens.straightened(image) is image
    assert lens.straight is INTRINSICS
    # And one that all but has none gives back the photo: no shift by half a pixel, no blur.
    for pixel_center in (0.0, 0.5):
        nearly = make_lens(brown_distortion({"k1": 1e-9}), pixel_center=pixel_center)
        np.testing.assert_allclose(nearly.straightened(image).astype(int), image, atol=1)


def test_polynomials_that_turn_round_are_no_pinhole():
    """Past its turning point a barrel's polynomial shows things twice, which looks like a wide field."""
    lens = make_lens(brown_distortion({"k1": -0.9}))
    corners = np.array([[0.5, 0.5], [39.5, 31.5], [39.5, 0.5], [0.5, 31.5]])
    plane = (corners - lens.straight[:2, 2]) / np.diag(lens.straight)[:2]
    turning = (1 / (3 * 0.9)) ** 0.5
    assert 0.95 * turning < np.linalg.norm(plane, axis=-1).max() < 1.01 * turning


@pytest.mark.parametrize(("name", "write"), [("colmap", write_colmap), ("transforms", write_transforms)])
def test_captures_are_scaled_to_their_nearest_point(tmp_path, name, write):
    trimesh = pytest.importorskip("trimesh")
    write(tmp_path, **({"ply_file_path": "points.ply"} if name == "transforms" else {}))
    trimesh.PointCloud(CENTERS).export(tmp_path / "points.ply")
    scene = scenes_of(name, tmp_path, scale_world=True, near=None, far=None)[0]
    assert scene.near == pytest.approx(1.2)
    positions = scene.cameras().poses[:, :3, 3]
    torch.testing.assert_close(positions.mean(dim=0), torch.zeros(3), atol=1e-5, rtol=0)
    middle = np.mean([pose[:3, 3] for pose in orbit(9)], axis=0)
    nearest = np.percentile([(CENTERS - pose[:3, 3]) @ pose[:3, 2] for pose in orbit(9)], 0)
    scale = 1 / (0.75 * nearest)
    assert_shows_the_balls(scene, scale, -scale * middle)
