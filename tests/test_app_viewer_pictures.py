"""The viewer's pictures beside our own renders, and where its first camera stands. No browser here."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from baked_volumes import averaged, ball_with_thin_parts, frame, ring_camera
from viewed_table import table

from pixelnerf.app.framing import FramedPhoto
from pixelnerf.app.paths import orbit
from pixelnerf.app.pictures import Picture
from pixelnerf.app.training_world import Placement
from pixelnerf.app.viewer_cameras import CLEAR, HALF_PHOTO, PHOTO_DISTANCE, start_camera
from pixelnerf.app.viewer_pictures import compare_zoomed_out, refine_in_tiles, render_points
from pixelnerf.geometry.cameras import project, world_to_camera


def psnr(image, truth):
    return -10 * math.log10(max(float(((image - truth) ** 2).mean()), 1e-10))


def drawn(volume, camera):
    image = frame(volume, camera)
    return Picture(image.color, image.opacity, image.median_distance, camera)


@pytest.mark.parametrize("factor", [3, 8])
def test_points_miss_what_cones_see(factor):
    """Against the mean over the pixels' area of a large picture, and against its single rays."""
    volume = ball_with_thin_parts()
    small, large = ring_camera(100, 20, size=24), ring_camera(100, 20, size=24 * factor)
    fine = frame(volume, ring_camera(100, 20, size=24 * 9)).color

    draw = partial(drawn, volume)
    points = render_points(draw, volume, small)
    assert torch.allclose(points.color, fine[4::9, 4::9], atol=1e-4)
    truth = averaged(frame(volume, large).color, factor)
    assert psnr(draw(small).color, truth) > psnr(points.color, truth) + 3


def test_both_halves_show_the_middle():
    volume, camera = ball_with_thin_parts(), ring_camera(100, 20)

    draw = partial(drawn, volume)
    image = compare_zoomed_out(
        draw, volume, camera.poses, math.radians(30), (128, 64), 4, lambda picture: picture.color.numpy()
    )
    assert image.shape == (64, 128, 3)
    left, right = image[4:48, :62], image[4:48, 66:]
    for half in (left, right):
        columns = np.flatnonzero((half < 0.8).any((0, 2)))
        assert abs(columns.mean() - half.shape[1] / 2) < 5
    assert not np.array_equal(left, right)


def test_tiles_make_the_exact_picture():
    scene = table()
    camera = scene.camera(40, 20).record((40, 24))
    whole = scene.render(camera, quality="exact", background=(1.0, 0.5, 0.0))
    steps = list(refine_in_tiles(scene, scene.render(camera, background=(1.0, 0.5, 0.0)), (1.0, 0.5, 0.0)))
    assert [share for share, _ in steps] == sorted(share for share, _ in steps)
    share, refined = steps[-1]
    assert share == 1
    assert (refined.color - whole.color).abs().mean() < 0.003
    assert psnr(refined.color, whole.color) > 35


def test_cameras_come_back_from_the_training_world():
    cameras = orbit(azimuth=(0, 200), elevation=20, distance=3, field_of_view=40, frames=5, size=(30, 20))
    placement = Placement.upright(torch.tensor([1.0, -2.0, 3.0]), 4.0, torch.tensor([0.0, 1.0, 0.3]))
    back = placement.cameras_from_training(placement.to_training(cameras))
    assert torch.allclose(back.poses, cameras.poses, atol=1e-5)


@pytest.mark.parametrize(
    ("azimuths", "free"),
    [((0,), CLEAR), ((170,), CLEAR), ((0, 90), CLEAR), ((15, 135, 255), CLEAR), ((0, 60, 120, 180, 240, 300), 30)],
)
def test_at_first_all_photos_are_seen_and_none_covers_the_object(azimuths, free):
    cameras = [ring_camera(azimuth, 30, distance=2 + index) for index, azimuth in enumerate(azimuths)]
    photos = [FramedPhoto(torch.ones(3, 64, 64), torch.ones(64, 64), camera, (), ()) for camera in cameras]
    camera = start_camera(photos).record((960, 720))
    x, y, _ = camera.poses[:3, 3].tolist()
    away = [(math.degrees(math.atan2(y, x)) - azimuth + 180) % 360 - 180 for azimuth in azimuths]
    assert min(map(abs, away)) == pytest.approx(free, abs=0.01)
    middles = torch.stack([PHOTO_DISTANCE * camera.poses[:3, 3] / camera.poses[:3, 3].norm() for camera in cameras])
    places = project(camera.intrinsics, world_to_camera(camera.poses, middles))
    half = HALF_PHOTO * float(camera.intrinsics[0, 0]) / float(camera.poses[:3, 3].norm())
    assert (places > half).all()
    assert (places < torch.tensor([960, 720]) - half).all()
