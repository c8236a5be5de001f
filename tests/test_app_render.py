"""The front door, through its command and its Python interface, with the shipped weights."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import pytest
import torch
import trimesh
from app_requests import render_request
from drawn_photos import draw_table
from PIL import Image

import pixelnerf
from pixelnerf.app.depth import read_map
from pixelnerf.app.paths import orbit
from pixelnerf.app.render import render_photos
from pixelnerf.errors import UserError


@pytest.fixture(scope="module")
def model():
    return pixelnerf.load()


@pytest.fixture(scope="module")
def scene(model):
    return model.encode(draw_table())


def test_the_photo_itself_is_seen_from_its_camera(scene):
    photo = scene.photos[0]
    seen = scene.render(photo.camera)
    truth = photo.image.movedim(0, -1)
    assert (seen.color - truth).square().mean() < 0.01 < (torch.ones(3) - truth).square().mean()
    assert seen.depth[seen.opacity > 0.6].isfinite().all()
    assert seen.depth[:4].isnan().all()


def test_baked_pictures_are_nearly_exact_ones(scene):
    camera = pixelnerf.Camera.orbit(azimuth=40)
    baked, exact = scene.render(camera, 48), scene.render(camera, 48, quality="exact")
    assert (baked.color - exact.color).abs().mean() < 0.02
    both = baked.depth.isfinite() & exact.depth.isfinite()
    assert (baked.depth - exact.depth)[both].abs().mean() < 0.05


def test_a_similarity_of_the_cameras_world_changes_only_units(model):
    photos = [np.asarray(draw_table()), np.asarray(draw_table().transpose(Image.Transpose.FLIP_LEFT_RIGHT))]
    cameras = orbit(azimuth=(0, 90), elevation=30, distance=2.7, field_of_view=30, frames=2, size=(200, 200))
    target = orbit(azimuth=(40, 40), elevation=20, distance=2.7, field_of_view=30, frames=1, size=(40, 40))[0]
    turn, shift, scale = (
        orbit(azimuth=(70, 70), elevation=50, distance=1, field_of_view=9, frames=1, size=(9, 9)),
        5.0,
        3.0,
    )
    rotation = turn.poses[0, :3, :3]

    def moved(record):
        poses = record.poses.clone()
        poses[..., :3, 3] = scale * poses[..., :3, 3]
        poses[..., :3, :] = rotation @ poses[..., :3, :]
        poses[..., :3, 3] += shift
        return replace(record, poses=poses)

    one = model.encode(photos, [pixelnerf.Camera.of(camera) for camera in (cameras[0], cameras[1])])
    away = moved(cameras)
    other = model.encode(
        photos,
        [pixelnerf.Camera.of(camera) for camera in (away[0], away[1])],
        center=[shift] * 3,
        length=scale,
        up=rotation[:, 2].tolist(),
    )
    before, after = one.render(target), other.render(moved(target))
    assert (before.color - after.color).abs().mean() < 0.01
    both = before.depth.isfinite() & after.depth.isfinite()
    assert both.sum() > 50
    assert (scale * before.depth - after.depth)[both].abs().mean() < 0.05 * scale


@pytest.mark.parametrize("up", [(1.0, 0.0, 0.0), (0.3, -2.0, 0.5)])
@pytest.mark.parametrize("elevation", [-90, -40, 0, 30, 90])
def test_azimuth_0_is_where_the_first_photo_was_taken(model, up, elevation):
    """Of a world in which anything is up, and of a photo from straight above or below."""
    photo = pixelnerf.Camera.of(
        orbit(
            azimuth=(70, 70),
            elevation=elevation,
            distance=2.732,
            field_of_view=30,
            frames=1,
            size=(64, 64),
            up=torch.tensor(up),
            front=torch.tensor([0.0, 0.5, 1.0]),
        )[0]
    )
    scene = model.encode(draw_table(), photo, up=up)
    assert scene.bearing.elevation == pytest.approx(elevation, abs=0.01)
    torch.testing.assert_close(scene.camera(elevation=elevation).pose, photo.pose, atol=1e-4, rtol=0)


def test_everything_is_written_and_can_be_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    draw_table().save("my photo 1.png")
    said = []
    output = render_photos(render_request([Path("my photo 1.png")]), said.append)
    assert output == Path("my_photo_1")
    assert [frame.shape for frame in imageio.imiter(output / "turntable.mp4")] == [(32, 32, 3)] * 4
    assert imageio.imread(output / "turntable.gif").shape[0] == 4
    assert sorted(path.name for path in (output / "views").iterdir()) == [f"{index:03}.png" for index in range(4)]
    depth = read_map(output / "depth/000.png")
    assert 1.5 < np.nanmedian(depth) < 3.5
    confidence = read_map(output / "confidence/000.png")
    assert confidence.shape == (32, 32)
    assert confidence[0].min() == confidence.max()
    assert confidence.max() > confidence.min() + 0.1
    assert sum("would help most" in line for line in said) == 1
    mesh = trimesh.load(output / "mesh.glb", force="mesh")
    assert mesh.is_watertight
    assert 0.3 < mesh.extents.max() < 1.3
    assert len(trimesh.load(output / "points.ply").vertices) == 20_000
    assert "WebGL" in (output / "object.html").read_text("utf-8")
    record = json.loads((output / "render.json").read_text("utf-8"))
    assert any("elevation" in note for note in record["notes"])
    assert any("elevation assumed 30" in line for line in said)
    frames = json.loads((output / "camera_path.json").read_text("utf-8"))["camera_path"]
    assert len(frames) == 4
    # The same again replaces what is ours, along the path that was written.
    render_photos(render_request([Path("my photo 1.png")], path=str(output / "camera_path.json")), said.append)


def test_files_of_others_are_never_overwritten(tmp_path):
    draw_table().save(tmp_path / "photo.png")
    output = tmp_path / "mine"
    output.mkdir()
    (output / "thesis.tex").write_text("years of work")
    with pytest.raises(UserError, match="holds files that this program did not write"):
        render_photos(render_request([tmp_path / "photo.png"], output=output), print)
    assert [path.name for path in output.iterdir()] == ["thesis.tex"]
    with pytest.raises(UserError, match="is a file; choose a folder"):
        render_photos(render_request([tmp_path / "photo.png"], output=output / "thesis.tex"), print)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"photos": ()}, "no photos"),
        ({"photos": (Path("missing.jpg"),)}, "no such photo or folder: missing.jpg"),
        ({"size": 4}, "--size 4"),
        ({"frames": 0}, "--frames 0"),
        ({"elevation": 95.0}, "--elevation 95"),
        ({"weights": "shapes31"}, r"unknown weights 'shapes31'.*shapes13"),
        ({"weights": "other/weights.ckpt"}, "no such weights"),
        ({"path": "circle"}, "--path circle: choose"),
        ({"path": "interpolate"}, "give at least two photos"),
    ],
)
def test_mistakes_are_one_line(tmp_path, changes, message):
    draw_table().save(tmp_path / "photo.png")
    values = {"photos": (tmp_path / "photo.png",), "output": tmp_path / "out", **changes}
    with pytest.raises(UserError, match=message) as caught:
        render_photos(render_request(values.pop("photos"), **values), print)
    assert "\n" not in str(caught.value)


def test_a_folder_without_photos_a_text_file_and_photos_without_cameras(tmp_path, model):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no photos in"):
        render_photos(render_request([tmp_path / "empty"]), print)
    (tmp_path / "photo.jpg").write_text("Dear diary")
    with pytest.raises(UserError, match=r"photo\.jpg"):
        render_photos(render_request([tmp_path / "photo.jpg"], output=tmp_path / "out"), print)
    with pytest.raises(UserError, match="2 photos without cameras"):
        model.encode([draw_table(), draw_table()])
    with pytest.raises(UserError, match="1 cameras for 2 photos"):
        model.encode([draw_table(), draw_table()], [pixelnerf.Camera.orbit()])


def test_the_command_says_what_is_wrong_and_exits_with_2(tmp_path):
    command = [sys.executable, "-m", "pixelnerf.app.cli", "render", "nothing.jpg"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (result.returncode, result.stderr.strip()) == (2, "no such photo or folder: nothing.jpg")
    assert list(tmp_path.iterdir()) == []
