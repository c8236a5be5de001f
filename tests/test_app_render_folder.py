"""The folder that `pixelnerf render` writes: whose it is, what a killed or a longer run leaves, and no links out."""

import json
import random
import shutil

import pytest
import render_kills
from app_requests import render_request
from drawn_photos import draw_table

from pixelnerf.app.installation import find_weights
from pixelnerf.app.render import render_photos
from pixelnerf.errors import UserError


@pytest.fixture
def photo(tmp_path):
    draw_table().save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def test_a_killed_run_is_repeated_into_equal_files(tmp_path, photo):
    whole, other = tmp_path / "whole", tmp_path / "other"
    for folder in (whole, other):
        folder.mkdir()
    render_kills.finish(whole)
    files = random.randint(1, len(render_kills.contents(whole)) - 1)
    killed, _ = render_kills.check_one_kill(whole, other, files, 0.0)
    assert killed


def test_a_shorter_run_leaves_nothing_of_a_longer_one_or_of_a_killed_one(tmp_path, photo):
    output = tmp_path / "out"
    render_photos(render_request([photo], output=output, frames=3), print)
    (output / ".partial-a").write_text("half")
    (output / "views/.partial-b").write_text("half")
    (output / "views/notes.txt").write_text("mine")
    render_photos(render_request([photo], output=output, frames=2), print)
    assert sorted(path.name for path in (output / "depth").iterdir()) == ["000.png", "001.png"]
    assert sorted(path.name for path in (output / "views").iterdir()) == ["000.png", "001.png", "notes.txt"]
    assert not (output / ".partial-a").exists()
    assert json.loads((output / "render.json").read_bytes())["finished"] is True


def test_a_folder_that_was_just_made_when_the_run_was_killed_is_taken(tmp_path, photo):
    output = tmp_path / "out"
    output.mkdir()
    (output / ".partial-record").write_text("half")
    render_photos(render_request([photo], output=output, frames=1), print)
    assert not list(output.glob(".*"))


def test_a_run_that_stops_after_the_start_says_so(tmp_path, photo):
    output = tmp_path / "out"
    with pytest.raises(UserError, match="no surface at a density"):
        render_photos(render_request([photo], output=output, frames=1, threshold=1e9), print)
    assert json.loads((output / "render.json").read_bytes())["finished"] is False
    assert (output / "object.html").is_file()
    assert not (output / "mesh.glb").exists()


@pytest.mark.parametrize("record", ["{}", '["request", "weights"]', "not JSON", "[" * 10**5])
def test_another_program_s_render_json_is_no_mark_of_ours(tmp_path, photo, record):
    output = tmp_path / "out"
    output.mkdir()
    (output / "render.json").write_text(record)
    with pytest.raises(UserError, match="holds files that this program did not write"):
        render_photos(render_request([photo], output=output), print)
    assert (output / "render.json").read_text() == record


@pytest.mark.parametrize("folder", ["inputs", "views", "depth"])
def test_links_in_the_folder_are_not_followed(tmp_path, photo, folder):
    output, others = tmp_path / "out", tmp_path / "others"
    others.mkdir()
    (others / "000.png").write_text("years of work")
    output.mkdir()
    (output / "render.json").write_text('{"request": {}, "weights": ""}')
    (output / folder).symlink_to(others)
    with pytest.raises(UserError, match=rf"{folder} is not a folder of its own"):
        render_photos(render_request([photo], output=output), print)
    assert (others / "000.png").read_text() == "years of work"


def test_linked_files_are_replaced_not_written_through(tmp_path, photo):
    output, thesis = tmp_path / "out", tmp_path / "thesis.tex"
    thesis.write_text("years of work")
    output.mkdir()
    (output / "views").mkdir()
    names = ("turntable.mp4", "turntable.gif", "views/000.png", "depth.png", "mesh.glb", "points.ply", "object.html")
    for name in (*names, "camera_path.json"):
        (output / name).symlink_to(thesis)
    (output / ".partial-x").symlink_to(tmp_path)
    (output / "render.json").write_text('{"request": {}, "weights": ""}')
    render_photos(render_request([photo], output=output, frames=1), print)
    assert thesis.read_text() == "years of work"
    assert photo.is_file()
    assert not any(path.is_symlink() for path in output.rglob("*"))


def test_a_photo_that_cannot_be_used_leaves_no_folder(tmp_path):
    (tmp_path / "photo.jpg").write_text("Dear diary")
    with pytest.raises(UserError, match="not a photo"):
        render_photos(render_request([tmp_path / "photo.jpg"], output=tmp_path / "a/b"), print)
    assert [path.name for path in tmp_path.iterdir()] == ["photo.jpg"]


def test_names_are_text_in_the_page_and_in_the_record(tmp_path):
    photo, weights = tmp_path / "<script>alert(1)<_script>.png", tmp_path / "<img src=x onerror=alert(1)>.safetensors"
    output = tmp_path / '"><script>alert(1)<_script>\udcff'
    draw_table().save(photo)
    shutil.copy(find_weights("shapes13_all"), weights)
    render_photos(render_request([photo], output=output, frames=1, weights=str(weights)), print)
    page = (output / "object.html").read_text("utf-8")
    assert "<script>alert" not in page
    assert "onerror" not in page
    assert "&gt;&lt;script&gt;alert(1)&lt;_script&gt;?" in page
    record = json.loads((output / "render.json").read_bytes())
    assert record["weights"] == weights.stem
    assert record["request"]["output"] == str(output)


def test_cameras_out_of_sight_are_refused(tmp_path, photo):
    render_photos(render_request([photo], output=tmp_path / "out", frames=1), print)
    path = tmp_path / "far.json"
    content = json.loads((tmp_path / "out/camera_path.json").read_bytes())
    content["camera_path"][0]["camera_to_world"][3] = 1e30
    path.write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"far\.json: a camera is 1e\+30 lengths of the object away"):
        render_photos(render_request([photo], output=tmp_path / "out", path=str(path)), print)
