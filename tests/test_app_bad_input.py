"""What people give the front door by mistake: one line that names it, and nothing is written."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from app_requests import render_request
from drawn_photos import draw_table
from PIL import Image

import pixelnerf
from pixelnerf.app.inputs import encode_inputs
from pixelnerf.app.pose import pose_photos
from pixelnerf.app.render import render_photos
from pixelnerf.errors import UserError


@pytest.fixture(scope="module")
def model():
    return pixelnerf.load(device="cpu")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    draw_table().save("good.png")
    return tmp_path


def refusal(act):
    with pytest.raises(UserError) as caught:
        act()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def save(image, name):
    image.save(name)


PHOTOS = {
    "text.jpg": (lambda path: path.write_text("Dear diary"), "'text.jpg' is not a photo"),
    "empty.jpg": (lambda path: path.write_bytes(b""), "'empty.jpg' is not a photo"),
    "cut.png": (lambda path: path.write_bytes(Path("good.png").read_bytes()[:300]), "cannot read photo 'cut.png'"),
    "white.png": (lambda path: save(Image.new("RGB", (99, 99), "white"), path), "no object found in photo 'white.png'"),
    "black.png": (lambda path: save(Image.new("RGB", (99, 99)), path), "no object found in photo 'black.png'"),
    "clear.png": (lambda path: save(Image.new("RGBA", (99, 99)), path), "no object found in photo 'clear.png'"),
    "one.png": (lambda path: save(Image.new("RGB", (1, 1)), path), "'one.png' is 1x1 pixels"),
    "nan.tif": (lambda path: save(Image.fromarray(np.full((99, 99), np.nan, np.float32)), path), "'nan.tif' holds flo"),
    "folder.jpg": (lambda path: path.mkdir(), "no photos in folder.jpg"),
    "pipe.jpg": (os.mkfifo, "photo 'pipe.jpg' is a pipe, not a file"),
    "film.mp4": (lambda path: path.write_text("no film"), "cannot decode a video from 'film.mp4'"),
}


@pytest.mark.parametrize("name", PHOTOS)
def test_photos_that_cannot_be_used(folder, model, name):
    make, message = PHOTOS[name]
    make(Path(name))
    before = sorted(folder.rglob("*"))
    assert message in refusal(lambda: encode_inputs(model, render_request([Path(name)]), print))
    assert sorted(folder.rglob("*")) == before


def test_only_the_first_picture_of_many_is_decoded(folder, model):
    draw_table().save("still.gif")
    frames = [Image.new("P", (200, 200), index) for index in range(20)]
    draw_table().convert("P").save("moving.gif", save_all=True, append_images=frames)
    photos = [
        encode_inputs(model, render_request([Path(name)]), print)[0].photos[0] for name in ("still.gif", "moving.gif")
    ]
    assert (photos[0].image - photos[1].image).abs().mean() < 0.05


def test_a_cmyk_photo_is_the_same_photo(folder, model):
    draw_table().convert("CMYK").save("print.jpg", quality=95)
    photos = [
        encode_inputs(model, render_request([Path(name)]), print)[0].photos[0] for name in ("good.png", "print.jpg")
    ]
    assert (photos[0].image - photos[1].image).abs().mean() < 0.03


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        ([Image.new("L", (100, 200), 255)], "mask 'mask0.png' is 100x200 but photo 'good.png' is 200x200"),
        ([Image.new("L", (200, 200), 255)] * 2, "2 masks for 1 photos"),
        ([Image.new("L", (200, 200), 0)], "no object found in photo 'good.png'"),
    ],
)
def test_masks_that_do_not_fit(folder, model, masks, message):
    paths = tuple(Path(f"mask{index}.png") for index in range(len(masks)))
    for path, mask in zip(paths, masks, strict=True):
        mask.save(path)
    assert message in refusal(lambda: encode_inputs(model, render_request([Path("good.png")], masks=paths), print))


def test_the_same_photo_twice_and_photos_of_different_things(folder):
    assert "'good.png' and 'good.png' are the same photo" in refusal(lambda: pose_photos([Path("good.png")] * 2))
    noise = np.random.default_rng(0)
    for name in "ab":
        Image.fromarray(noise.integers(0, 256, (60, 80, 3), dtype=np.uint8)).save(f"{name}.png")
    message = refusal(lambda: pose_photos([Path("a.png"), Path("b.png")]))
    assert "no two of the 2 photos" in message
    assert "give a video" in message


def test_photos_too_large_to_decode_are_not_posed(folder):
    Image.new("1", (20_000, 10_000)).save("poster.png")
    message = refusal(lambda: pose_photos([Path("poster.png"), Path("good.png")]))
    # The readers of datasets, if they have been imported, have Pillow refuse it earlier.
    assert re.search("more than (100 million pixels|134 megapixels)", message)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"inputs": "1,2"}, "good.png is a single photo"),
        ({"masks": (Path("none.png"),)}, "no such mask: none.png"),
        ({"path": "none.json"}, "cannot read camera path 'none.json'"),
        ({"path": "bad.json"}, "is not JSON"),
        ({"path": "circle"}, "--path circle: choose"),
        ({"threshold": -1.0}, "--threshold -1 is no density"),
        ({"threshold": float("nan")}, "--threshold nan is no density"),
        ({"fps": float("nan")}, "--fps nan"),
        ({"frames": 10**9}, "--frames 1000000000 is not between 1 and 100000"),
        ({"elevation": float("nan")}, "--elevation nan"),
        ({"field_of_view": float("nan")}, "field of view nan degrees"),
        ({"device": "cuda:99"}, "device=cuda:99 cannot be used here"),
        ({"device": "meta"}, "device=meta cannot be used here"),
        ({"device": "tpu"}, "device=tpu cannot be used here"),
        ({"weights": "good.png"}, "good.png is not a readable checkpoint"),
        ({"weights": "."}, "unknown weights '.'"),
        ({"output": Path("good.png")}, "good.png is a file"),
        ({"output": Path("good.png/in")}, "cannot write good.png/in: Not a directory"),
        ({"output": Path("x" * 300)}, "File name too long"),
        ({"output": Path("/proc/none")}, "cannot write /proc/none"),
    ],
)
def test_arguments_that_cannot_be(folder, changes, message):
    Path("bad.json").write_text("{")
    before = sorted(folder.rglob("*"))
    assert message in refusal(lambda: render_photos(render_request([Path("good.png")], **changes), print))
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize("name", ["-dash.png", "two\nlines.png", "ключ é.png", "-.png", "<script>.png"])
def test_odd_names_reach_the_program_and_stay_one_line(folder, name):
    Path(name).write_text("no photo")
    result = subprocess.run(
        [sys.executable, "-m", "pixelnerf.app.cli", "render", name, "--device", "cpu"],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert result.returncode == 2
    assert "is not a photo" in result.stderr
    assert name.replace("\n", "\\n") in result.stderr
    assert result.stderr.count("\n") == 1
