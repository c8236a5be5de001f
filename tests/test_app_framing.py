"""A photo becomes the picture and the camera of training."""

import dataclasses

import numpy as np
import pytest
import torch
from ball_photos import ball_photo, level_camera, standing_at

from pixelnerf.app.cutout import cut_out
from pixelnerf.app.framing import frame_photo
from pixelnerf.app.photo_files import read_photo
from pixelnerf.app.reprojection import centered_intrinsics, reprojected, turn_to_object
from pixelnerf.errors import UserError

DISTANCE = 2.732
FOCAL = 32 / np.tan(np.radians(15))


def training_picture():
    position, rotation = standing_at(30, DISTANCE)
    colors, _ = ball_photo(rotation, position, FOCAL, (64, 64), samples=8)
    return torch.from_numpy(colors / np.float32(255)).movedim(-1, 0)


def photo_of_ball(yaw, pitch, focal, size=(600, 450), distance=DISTANCE, background=1.0):
    """From the same place as a camera of training, which looks elsewhere and has another lens."""
    position, _ = standing_at(30, distance)
    return ball_photo(level_camera(yaw, pitch), position, focal, size, background, samples=2)


def psnr(a, b):
    return float(-10 * (a - b).square().mean().log10())


def field_of_view(focal, longer=600):
    return float(np.degrees(2 * np.arctan(longer / 2 / focal)))


@pytest.mark.parametrize(("yaw", "pitch", "focal"), [(0, 30, 500), (14, 36, 500), (-12, 24, 600), (4, 33, 900)])
def test_a_photo_of_an_object_of_training_comes_back_as_in_training(yaw, pitch, focal):
    photo = read_photo(photo_of_ball(yaw, pitch, focal)[0])
    framed = frame_photo(photo, cut_out(photo), field_of_view=field_of_view(focal))
    assert framed.camera.poses[:3, 3].norm() == pytest.approx(DISTANCE, rel=0.03)
    assert framed.warnings == ()
    # The ball's box stands a pixel lower than its centre here, so the pictures are compared where they overlap best.
    shifted = [psnr(framed.image.roll((-down,), (1,)), training_picture()) for down in (0, 1, 2)]
    assert max(shifted) > 24


@pytest.mark.parametrize(("yaw", "pitch"), [(0, 30), (14, 36), (-18, 20), (20, 45), (5, 6)])
def test_the_virtual_camera_is_level_and_looks_at_the_object(yaw, pitch):
    _, mask = photo_of_ball(yaw, pitch, 300)
    turn = turn_to_object(mask.astype(np.float32), 300, elevation=30, drop=0.0)
    _, expected = standing_at(30, DISTANCE)
    # Half a pixel is 0.1 degrees.
    np.testing.assert_allclose(level_camera(yaw, pitch) @ turn.rotation, expected, atol=2e-3)


@pytest.mark.parametrize(("yaw", "pitch", "focal"), [(12, 36, 500), (-20, 22, 450), (0, 30, 900)])
def test_points_of_the_photo_are_where_the_virtual_camera_sees_them(yaw, pitch, focal):
    """Dots inside the ball, drawn into the photo, are found in the picture to a fifth of a pixel of 128."""
    position, _ = standing_at(30, DISTANCE)
    rotation = level_camera(yaw, pitch)
    dots = np.array([[0.1, 0.3, 0.1], [0.0, -0.3, 0.1], [-0.2, 0.1, 0.25], [0.2, 0.0, -0.2]])
    seen = (dots - position) @ rotation
    centers = seen[:, :2] / seen[:, 2:] * focal + [300, 225]
    x, y = np.meshgrid(np.arange(600) + 0.5, np.arange(450) + 0.5)
    colors = np.full((450, 600, 3), 255.0)
    for u, v in centers:
        colors *= 1 - np.exp(-((x - u) ** 2 + (y - v) ** 2) / 18)[..., None]
    mask = np.uint8(photo_of_ball(yaw, pitch, focal)[1] * 255)
    photo = read_photo(np.uint8(colors))
    cut = cut_out(photo, mask=mask)
    turn = turn_to_object(cut.mask, focal, elevation=30, drop=0.0)
    image, _ = reprojected(photo.colors, cut, centered_intrinsics(focal, 600, 450), turn.rotation, 230.0, 128)
    seen = (dots - position) @ rotation @ turn.rotation
    expected = seen[:, :2] / seen[:, 2:] * 230 + 64
    darkness = 1 - image.mean(0).numpy()
    rows, columns = np.mgrid[:128, :128] + 0.5
    for u, v in expected:
        near = darkness * (np.hypot(columns - u, rows - v) < 6)
        found = np.array([(near * columns).sum(), (near * rows).sum()]) / near.sum()
        assert np.abs(found - [u, v]).max() < 0.2


def test_a_picture_of_training_is_kept():
    image = training_picture()
    photo = read_photo(image)
    framed = frame_photo(photo, cut_out(photo))
    torch.testing.assert_close(framed.image, image, atol=0.02, rtol=0)
    assert framed.camera.poses[:3, 3].norm() == pytest.approx(DISTANCE)
    assert framed.camera.intrinsics[0, 0] == pytest.approx(FOCAL, rel=1e-5)


def test_the_picture_does_not_depend_on_the_photos_resolution():
    small = read_photo(photo_of_ball(10, 34, 300, (360, 270))[0])
    large = read_photo(photo_of_ball(10, 34, 750, (900, 675))[0])
    images = [frame_photo(p, cut_out(p), field_of_view=62).image for p in (small, large)]
    assert psnr(*images) > 30


def test_distance_follows_from_the_field_of_view():
    photo = read_photo(photo_of_ball(0, 30, 500)[0])
    cut = cut_out(photo)
    near, far = (frame_photo(photo, cut, field_of_view=angle).camera.poses[:3, 3].norm() for angle in (70, 20))
    assert far / near == pytest.approx(np.tan(np.radians(35)) / np.tan(np.radians(10)), rel=0.03)


def test_without_a_field_of_view_the_object_is_as_far_as_in_training():
    photo = read_photo(photo_of_ball(0, 30, 700)[0])
    framed = frame_photo(photo, cut_out(photo))
    assert framed.camera.poses[:3, 3].norm() == pytest.approx(DISTANCE, rel=0.02)
    assert any("assumed" in note and "field of view" in note for note in framed.notes)
    from_exif = frame_photo(dataclasses.replace(photo, focal=500.0), cut_out(photo))
    assert "field of view 62 degrees, from EXIF" in from_exif.notes


def test_elevation_places_the_camera():
    photo = read_photo(photo_of_ball(0, 30, 700)[0])
    for elevation in (-20, 0, 60):
        position = frame_photo(photo, cut_out(photo), elevation=elevation).camera.poses[:3, 3]
        assert torch.rad2deg(torch.asin(position[2] / position.norm())) == pytest.approx(elevation, abs=1e-3)


def masked(mask):
    photo = read_photo(np.full((*mask.shape, 3), 100, np.uint8))
    return frame_photo(photo, cut_out(photo, mask=np.uint8(mask * 255))).warnings


def test_photos_unlike_those_of_training_are_warned_of():
    mask = np.zeros((200, 300), bool)
    cases = {}
    for words, boxes in {
        "cut off by the frame (left)": [(50, 150, 0, 100)],
        "only 12 pixels": [(90, 102, 100, 110)],
        "fills 96%": [(2, 198, 3, 297)],
        "2 large parts": [(50, 150, 50, 120), (50, 150, 160, 230)],
        "times as long": [(95, 105, 50, 250)],
    }.items():
        cases[words] = mask.copy()
        for top, bottom, left, right in boxes:
            cases[words][top:bottom, left:right] = True
    for words, case in cases.items():
        assert any(words in warning for warning in masked(case)), (words, masked(case))
    mask[50:150, 80:200] = True
    assert masked(mask) == ()


@pytest.mark.parametrize("options", [{"elevation": 90}, {"field_of_view": 0}, {"field_of_view": 170}, {"crop": False}])
def test_impossible_options_are_refused(options):
    photo = read_photo(photo_of_ball(0, 30, 700)[0])
    with pytest.raises(UserError):
        frame_photo(photo, cut_out(photo), **options)
