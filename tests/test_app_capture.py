import ball_scene
import numpy as np
import pytest
import torch
from app_requests import render_request
from dataset_layouts import write_blender, write_colmap, write_llff, write_transforms

import pixelnerf
from pixelnerf.app.capture import look_at_point, open_capture, parse_inputs, spread_views, upward
from pixelnerf.app.inputs import encode_inputs
from pixelnerf.app.paths import orbit
from pixelnerf.errors import UserError
from pixelnerf.types import Cameras

CENTER = torch.tensor([2.0, -1.0, 0.5])


def ring(frames=12, elevation=25.0, up=(0.0, 0.0, 1.0), azimuth=(0, 360)):
    return orbit(
        azimuth=azimuth,
        elevation=elevation,
        distance=3.0,
        field_of_view=40,
        frames=frames,
        size=(80, 60),
        center=CENTER,
        up=torch.tensor(up),
    )


def test_views_are_spread():
    assert spread_views(ring(), 2) == [0, 6]
    assert sorted(np.diff([*spread_views(ring(), 4), 12])) == [3, 3, 3, 3]
    assert spread_views(ring(3), 8) == [0, 1, 2]


def test_rays_meet_where_they_were_aimed():
    middles = torch.tensor([[40.0, 30.0]]).expand(12, 2)
    torch.testing.assert_close(look_at_point(ring(), middles), CENTER, atol=1e-4, rtol=0)
    single = look_at_point(ring()[:1], middles[:1])
    torch.testing.assert_close((single - CENTER).norm(), torch.tensor(2.0), atol=1e-4, rtol=0)


@pytest.mark.parametrize("up", [(0.0, 0.0, 1.0), (0.3, -0.9, 0.2)])
@pytest.mark.parametrize("azimuth", [(0, 360), (10, 70)])
def test_up_is_found_although_the_cameras_look_down(up, azimuth):
    """Also from an arc of photos, whose mean upward axis leans."""
    found = upward(ring(elevation=35.0, up=up, azimuth=azimuth))
    truth = torch.nn.functional.normalize(torch.tensor(up), dim=0)
    assert torch.rad2deg(torch.acos((found @ truth).clamp(-1, 1))) < 6


def test_of_cameras_at_one_place_up_is_their_own():
    one = ring()[:1]
    many = Cameras(one.poses.repeat(5, 1, 1), one.intrinsics.repeat(5, 1, 1), one.sizes.repeat(5, 1))
    torch.testing.assert_close(upward(many), -one.poses[0, :3, 1], atol=1e-4, rtol=0)


def test_inputs_are_numbers_of_views():
    assert parse_inputs("3,0", 4) == [3, 0]
    for text, message in (("a", "not a list"), ("1,4", "no view 4; views are 0 to 3"), ("1,1", "twice"), ("", "not a")):
        with pytest.raises(UserError, match=message):
            parse_inputs(text, 4)


@pytest.mark.parametrize(("write", "elevation"), [(write_transforms, 0.4), (write_colmap, 0.4), (write_llff, 0.3)])
def test_captures_are_in_their_own_world_and_need_no_bounds(tmp_path, write, elevation):
    write(tmp_path)
    rows = tmp_path / "poses_bounds.npy"
    if rows.exists():
        without_bounds = np.load(rows)
        without_bounds[:, 15:] = 0
        np.save(rows, without_bounds)
    capture = open_capture(tmp_path)
    truth = ball_scene.orbit(9, elevation=elevation)
    np.testing.assert_allclose(capture.cameras.poses.numpy(), truth[:, :4], atol=1e-5)


def test_it_is_said_where_masks_come_from(tmp_path):
    said = {}
    for write, name in ((write_llff, "llff"), (write_blender, "blender")):
        root = tmp_path / name
        root.mkdir()
        write(root)
        scene, _ = encode_inputs(pixelnerf.load(device="cpu"), render_request([root], inputs="0,2"), print)
        said[name] = scene.notes
    assert "background removed by its colour, which is plain along the frame" in said["llff"]
    assert "background removed by the capture's masks" in said["blender"]
