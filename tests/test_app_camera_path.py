"""nerfstudio's camera_path.json: round trip, what nerfstudio makes of it, and files that are refused."""

import json
import math

import pytest
import torch
from geometry_builders import random_rotations, seeded

from pixelnerf.app.camera_path import CameraPath, read_camera_path, write_camera_path
from pixelnerf.app.paths import orbit
from pixelnerf.errors import UserError
from pixelnerf.types import Cameras

# As its viewer exports one; the camera looks along -z, from (1, 2, 3).
EXPORTED = {
    "default_fov": 75.0,
    "default_transition_sec": 2.0,
    "keyframes": [],
    "camera_type": "perspective",
    "render_height": 1080.0,
    "render_width": 1920.0,
    "fps": 30.0,
    "seconds": 2.0,
    "is_cycle": False,
    "smoothness_value": 0.0,
    "camera_path": [
        {
            "camera_to_world": [1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 2.0, 0.0, 0.0, 1.0, 3.0, 0.0, 0.0, 0.0, 1.0],
            "fov": 90.0,
            "aspect": 1.7777777777777777,
        }
    ],
}


def cameras_anywhere(count=7):
    focals = 30 + 100 * torch.rand(count, generator=seeded(2))
    poses = torch.eye(4).repeat(count, 1, 1)
    poses[:, :3, :3], poses[:, :3, 3] = random_rotations(count), torch.randn(count, 3, generator=seeded(1))
    matrices = torch.tensor([[0.0, 0.0, 20.5], [0.0, 0.0, 15.0], [0.0, 0.0, 1.0]]).repeat(count, 1, 1)
    matrices[:, 0, 0] = matrices[:, 1, 1] = focals
    return Cameras(poses, matrices, torch.tensor([41, 30]).expand(count, 2))


def altered(**changes):
    return json.dumps({**EXPORTED, **changes})


def altered_frame(**changes):
    return altered(camera_path=[EXPORTED["camera_path"][0], {**EXPORTED["camera_path"][0], **changes}])


def without(*names):
    return json.dumps({name: value for name, value in EXPORTED.items() if name not in names})


def test_a_path_comes_back(tmp_path):
    cameras = cameras_anywhere()
    write_camera_path(tmp_path / "path.json", CameraPath(cameras, fps=24))
    read = read_camera_path(tmp_path / "path.json")
    assert torch.equal(read.cameras.poses, cameras.poses)
    torch.testing.assert_close(read.cameras.intrinsics, cameras.intrinsics, rtol=2e-7, atol=0)
    assert torch.equal(read.cameras.sizes, cameras.sizes)
    assert read.fps == 24
    write_camera_path(tmp_path / "again.json", read)
    again = read_camera_path(tmp_path / "again.json")
    assert torch.equal(again.cameras.intrinsics, read.cameras.intrinsics)


def test_nerfstudio_renders_the_same_cameras(tmp_path):
    """Its documented reading: 16 numbers as 4x4, OpenGL's axes, focal = height / 2 / tan(fov / 2), the middle."""
    cameras = orbit(azimuth=(0, 90), elevation=20, distance=3, field_of_view=35, frames=5, size=(64, 48))
    write_camera_path(tmp_path / "path.json", CameraPath(cameras, fps=12.5))
    content = json.loads((tmp_path / "path.json").read_text("utf-8"))
    assert content["camera_type"] == "perspective"
    assert (content["render_width"], content["render_height"]) == (64, 48)
    assert len(content["camera_path"]) / content["seconds"] == content["fps"] == 12.5
    for frame, pose, matrix in zip(content["camera_path"], cameras.poses, cameras.intrinsics, strict=True):
        opengl = torch.tensor(frame["camera_to_world"]).view(4, 4)
        assert torch.equal(opengl[:3, [0, 3]], pose[:3, [0, 3]])
        assert torch.equal(opengl[:3, 1:3], -pose[:3, 1:3])
        assert 48 / 2 / math.tan(math.radians(frame["fov"]) / 2) == pytest.approx(matrix[1, 1].item(), rel=1e-6)
        assert frame["aspect"] == 64 / 48
    # The viewer shows the key frames.
    for key, frame in zip(content["keyframes"], content["camera_path"], strict=True):
        assert key["matrix"] == frame["camera_to_world"]
        assert (key["fov"], key["aspect"]) == (frame["fov"], frame["aspect"])
        assert key["override_transition_enabled"] is False


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("nested", [False, True])
def test_an_exported_path_is_read(tmp_path, encoding, nested):
    content = json.loads(json.dumps(EXPORTED))
    if nested:
        numbers = content["camera_path"][0]["camera_to_world"]
        content["camera_path"][0]["camera_to_world"] = [numbers[row : row + 4] for row in range(0, 16, 4)]
    (tmp_path / "path.json").write_text(json.dumps(content), encoding=encoding)
    path = read_camera_path(tmp_path / "path.json")
    assert path.fps == 30
    assert path.cameras.poses[0].tolist() == [[1, 0, 0, 1], [0, -1, 0, 2], [0, 0, -1, 3], [0, 0, 0, 1]]
    assert path.cameras.sizes.tolist() == [[1920, 1080]]
    torch.testing.assert_close(
        path.cameras.intrinsics[0], torch.tensor([[540.0, 0.0, 960.0], [0.0, 540.0, 540.0], [0.0, 0.0, 1.0]])
    )


def test_without_fps_the_seconds_tell(tmp_path):
    (tmp_path / "path.json").write_text(without("fps"), encoding="utf-8")
    assert read_camera_path(tmp_path / "path.json").fps == 0.5


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "not an object"),
        (without("camera_path"), "no frames"),
        (altered(camera_path=[]), "no frames"),
        (altered(camera_path={}), "no frames"),
        (without("render_width"), "no 'render_width'"),
        (altered(render_height=0), "'render_height'"),
        (altered(render_height=10.5), "not whole"),
        (altered(render_height=10**400), "'render_height'"),
        (altered(render_width="64"), "'render_width'"),
        (altered(render_width=True), "'render_width'"),
        (altered(fps=0), "'fps'"),
        (altered(fps=math.nan), "'fps'"),
        (without("fps", "seconds"), "no 'seconds'"),
        (altered(camera_type="equirectangular"), "equirectangular"),
        (altered(camera_type=["fisheye"]), "fisheye"),
        (altered(camera_path=["images"]), "frame 0"),
        (altered(camera_path=[{"fov": 50.0}]), "frame 0 .* no 'camera_to_world'"),
        (altered_frame(fov=None), "frame 1 .* no 'fov'"),
        (altered_frame(fov=180), "'fov' of frame 1"),
        (altered_frame(fov=math.inf), "'fov' of frame 1"),
        (altered_frame(camera_to_world=[1.0] * 12), "frame 1 .* 16 numbers"),
        (altered_frame(camera_to_world=[[1.0], [2.0, 3.0]]), "frame 1 .* 16 numbers"),
        (altered_frame(camera_to_world=["1"] * 16), "frame 1 .* 16 numbers"),
        (altered_frame(camera_to_world=[10**400] * 16), "frame 1 .* 16 numbers"),
        (altered_frame(camera_to_world=[math.nan] * 16), "frame 1 .* finite"),
        (altered_frame(camera_to_world=[2.0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 1]), "frame 1 .* not rigid"),
        (altered_frame(camera_to_world=[1.0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 3, 2, 1, 1]), "frame 1 .* row by row"),
        (altered_frame(camera_to_world=[-1.0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]), "frame 1 .* reflected"),
    ],
)
def test_a_malformed_file_is_refused_in_a_line(tmp_path, content, message):
    (tmp_path / "path.json").write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=message) as refusal:
        read_camera_path(tmp_path / "path.json")
    assert "path.json" in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_missing_file_and_other_encodings_are_refused(tmp_path):
    with pytest.raises(UserError, match="No such file"):
        read_camera_path(tmp_path / "path.json")
    (tmp_path / "path.json").write_text(json.dumps(EXPORTED), encoding="utf-16")
    with pytest.raises(UserError, match="UTF-8"):
        read_camera_path(tmp_path / "path.json")


@pytest.mark.parametrize(
    ("row", "column", "message"), [(0, 2, "principal point"), (0, 0, "oblong"), (0, 1, "oblong")], ids=str
)
def test_cameras_that_the_format_cannot_hold_are_refused(tmp_path, row, column, message):
    cameras = cameras_anywhere()
    cameras.intrinsics[3, row, column] += 0.5
    with pytest.raises(UserError, match=f"frame 3 .*{message}"):
        write_camera_path(tmp_path / "path.json", CameraPath(cameras, fps=24))
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_refused(tmp_path):
    with pytest.raises(UserError, match="cannot write"):
        write_camera_path(tmp_path / "missing/path.json", CameraPath(cameras_anywhere(), fps=24))
