"""Confidence follows what photos can know: it falls where none looked, where they differ, and where a ray is vague."""

from dataclasses import replace
from math import exp

import pytest
import torch
from baked_volumes import ball_with_thin_parts, ring_camera

from pixelnerf.app.confidence import CERTAINTY, UNSEEN, find_doubts, find_next_photo, render_confidence
from pixelnerf.geometry.cameras import look_at
from pixelnerf.model.baked import BakedVolume, render_baked
from pixelnerf.model.evidence import gather_evidence
from pixelnerf.types import Cameras, View

REACH = (1.2, 4.0)
# What being seen by no photo takes from a ray that has no other doubt.
WORTH = 1 / (1 + exp(-CERTAINTY)) - 1 / (1 + exp(UNSEEN - CERTAINTY))


def seen_from(azimuth, elevation=30.0, size=32, world=None):
    camera = ring_camera(azimuth, elevation, size)
    if world is not None:
        camera = Cameras(world @ camera.poses, camera.intrinsics, camera.sizes)
    return View(camera, *REACH, torch.ones(3))


def photos_of(volume, azimuths, elevation=30.0, world=None):
    """Photos that show just what the volume looks like."""
    views = [seen_from(azimuth, elevation, 48, world) for azimuth in azimuths]
    images = torch.stack([render_baked(volume, view).color.movedim(-1, 0) for view in views])
    return Cameras.stack([view.camera for view in views]), images


def ball(density, radius=0.4, cells=24):
    """Of one grey, about the origin; a density inside, nothing outside."""
    cell = torch.tensor(1.0 / cells)
    index = torch.stack(torch.meshgrid(*[torch.arange(cells) + 0.5] * 3, indexing="ij"), dim=-1)
    inside = (index * cell - 0.5).norm(dim=-1) < radius
    colors = torch.zeros(cells, cells, cells, 4, 3)
    colors[..., 0, :] = 0.5
    return BakedVolume(torch.full((3,), -0.5), torch.eye(3), cell, inside * density, colors)


def confidence_from(volume, azimuths, view):
    return render_confidence(volume, gather_evidence(volume, *photos_of(volume, azimuths)), view)


def test_a_cell_that_more_photos_see_is_seen_no_less():
    volume = ball_with_thin_parts(24)
    one, more = (gather_evidence(volume, *photos_of(volume, azimuths)) for azimuths in ([0], [0, 100, 220]))
    assert (more.unseen <= one.unseen + 1e-6).all()
    occupied = volume.density > 0
    assert more.unseen[occupied].mean() < 0.8 * one.unseen[occupied].mean()
    assert one.unseen.min() >= 0
    assert one.unseen.max() <= 1
    assert (one.unseen[~occupied] == 0).all()


def test_further_photos_that_agree_make_a_picture_no_less_certain():
    volume = ball(60.0)
    view = seen_from(150)
    one, more = confidence_from(volume, [0], view), confidence_from(volume, [0, 120, 240], view)
    assert (more >= one - 0.01).all()
    solid = render_baked(volume, view).opacity > 0.95
    assert more[solid].mean() > one[solid].mean() + 0.3 * WORTH


def test_what_a_photo_shows_is_more_certain_than_the_side_it_does_not():
    volume = ball(60.0)
    front, back = (confidence_from(volume, [0], seen_from(azimuth)) for azimuth in (0, 180))
    solid = render_baked(volume, seen_from(0)).opacity > 0.95
    assert solid.sum() > 120
    assert front[solid].mean() > back[solid].mean() + 0.5 * WORTH
    middle = slice(12, 20)
    assert front[middle, middle].min() > back[middle, middle].max()


def test_a_hard_surface_is_more_certain_than_a_haze():
    hard, haze = (confidence_from(ball(density), [0], seen_from(0))[12:20, 12:20] for density in (200.0, 3.0))
    assert hard.min() > haze.max() + 0.1


def test_photos_that_differ_make_it_less_certain():
    volume = ball(60.0)
    cameras, images = photos_of(volume, [-40, 40])
    view = seen_from(0)
    agree = render_confidence(volume, gather_evidence(volume, cameras, images), view)
    evidence = gather_evidence(volume, cameras, torch.stack([images[0], images[1] * 0.3]))
    assert evidence.disagreement.max() <= 1
    differ = render_confidence(volume, evidence, view)
    assert (differ < agree - 0.03)[12:20, 12:20].all()


def test_the_empty_background_is_certain():
    volume = ball(60.0)
    confidence = confidence_from(volume, [0], seen_from(180))
    empty = render_baked(volume, seen_from(180)).opacity == 0
    assert empty.sum() > 200
    assert confidence[empty].min() > 0.9
    assert confidence[empty].min() == confidence.max()


def test_an_empty_volume_is_certain_everywhere():
    volume = ball(0.0)
    confidence = confidence_from(volume, [0], seen_from(90))
    assert (confidence > 0.9).all()


def test_the_spread_of_a_haze_is_that_of_an_exponential():
    """Light in an endless medium of density s stops at a depth of standard deviation 1 / s."""
    volume = ball(25.0, cells=40)
    doubts = find_doubts(volume, torch.zeros_like(volume.density), seen_from(0))
    assert doubts.opacity[16, 16] > 0.99
    assert doubts.spread[16, 16].item() == pytest.approx(1 / 25, rel=0.1)
    twice = find_doubts(volume, torch.zeros_like(volume.density), seen_from(0), length=2.0)
    torch.testing.assert_close(twice.spread, doubts.spread / 2)


def test_moving_the_world_changes_nothing():
    volume = ball_with_thin_parts(24)
    pose = look_at(torch.tensor([0.3, -0.5, 0.2]), torch.tensor([1.0, 2.0, 3.0]), torch.tensor([0.0, 1.0, 0.2]))
    moved = replace(volume, corner=pose[:3, :3] @ volume.corner + pose[:3, 3], axes=pose[:3, :3] @ volume.axes)
    photos = photos_of(volume, [0, 90])
    moved_cameras = Cameras(pose @ photos[0].poses, photos[0].intrinsics, photos[0].sizes)
    here = render_confidence(volume, gather_evidence(volume, *photos), seen_from(200))
    there = render_confidence(moved, gather_evidence(moved, moved_cameras, photos[1]), seen_from(200, world=pose))
    assert here.std() > 0.05
    # A ray that grazes a cell's border may take one sample more.
    assert (here - there).abs().mean() < 1e-3


def next_photo(volume, azimuths):
    cameras, images = photos_of(volume, azimuths)
    return find_next_photo(volume, gather_evidence(volume, cameras, images), cameras, REACH)


@pytest.mark.parametrize("turn", [0, 70, -130])
def test_the_next_photo_is_wanted_from_a_side_wherever_the_first_was(turn):
    """Not from the back, which shows the same outline."""
    wanted = next_photo(ball(60.0), [turn])
    assert abs(wanted.azimuth) == 90
    assert str(wanted).startswith(("a photo from the right", "a photo from the left"))


def test_of_equal_sides_the_next_photo_is_wanted_from_the_one_that_none_shows():
    assert next_photo(ball(60.0), [0, 90]).azimuth == -135
    wanted = next_photo(ball(60.0), [0, 180, 270])
    assert 45 <= wanted.azimuth <= 135
    assert wanted.confidence < wanted.usual
    assert "right" in str(wanted)


def test_right_is_where_the_first_photo_shows_it():
    """A camera at a positive azimuth stands to the right of the first camera, for whoever looks through that one."""
    first, second = ring_camera(20, 30), ring_camera(20 + 90, 30)
    offset = second.poses[:3, 3] - first.poses[:3, 3]
    assert offset @ first.poses[:3, 0] > 1
