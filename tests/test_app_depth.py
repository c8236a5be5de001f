"""Depth and confidence as PNGs: round trip, scale, colours, and files that are refused."""

import numpy as np
import pytest
from PIL import Image

from pixelnerf.app.depth import read_map, write_colored_confidence, write_colored_depth, write_map
from pixelnerf.errors import UserError


def depths():
    values = np.random.default_rng(0).uniform(1.2, 4.0, (30, 40)).astype(np.float32)
    values[:5] = np.nan
    values[6, :2] = 1.2, 4.0
    return values


def test_numbers_come_back_to_half_a_step(tmp_path):
    values = depths()
    scale = write_map(tmp_path / "depth.png", values, largest=4.0, quantity="depth")
    read = read_map(tmp_path / "depth.png")
    assert np.array_equal(np.isnan(read), np.isnan(values))
    assert np.nanmax(np.abs(read.astype(np.float64) - values)) <= scale / 2 + 1e-6
    assert scale == pytest.approx(4 / 65535)


def test_any_program_can_read_them(tmp_path):
    values = depths()
    scale = write_map(tmp_path / "depth.png", values, largest=4.0, quantity="depth")
    with Image.open(tmp_path / "depth.png") as image:
        pixels, text = np.array(image), image.text
    assert pixels.dtype == np.uint16
    assert float(text["scale"]) == scale
    assert text["Title"] == "depth"
    assert (pixels[np.isnan(values)] == 0).all()
    np.testing.assert_allclose(pixels[5:] * float(text["scale"]), values[5:], atol=scale / 2 + 1e-6)
    assert pixels.max() == 65535


def test_the_faintest_number_is_not_nothing(tmp_path):
    values = np.array([[0.0, 1e-9, np.nan, 1.0]], dtype=np.float32)
    scale = write_map(tmp_path / "confidence.png", values, largest=1.0, quantity="confidence")
    np.testing.assert_allclose(read_map(tmp_path / "confidence.png"), [[scale, scale, np.nan, 1.0]], rtol=1e-6)


def test_an_empty_map_comes_back_empty(tmp_path):
    write_map(tmp_path / "depth.png", np.full((4, 3), np.nan, np.float32), largest=4.0, quantity="depth")
    read = read_map(tmp_path / "depth.png")
    assert read.shape == (4, 3)
    assert np.isnan(read).all()


@pytest.mark.parametrize(("value", "largest"), [(4.1, 4.0), (-0.1, 4.0), (np.inf, 4.0), (1.0, 0.0), (1.0, np.inf)])
def test_a_number_outside_the_range_is_never_stored_as_another(tmp_path, value, largest):
    values = np.array([[1.0, value]], dtype=np.float32)
    with pytest.raises(ValueError, match="depth"):
        write_map(tmp_path / "depth.png", values, largest=largest, quantity="depth")
    assert not list(tmp_path.iterdir())


def test_near_is_bright_and_empty_space_is_dark(tmp_path):
    distance = np.array([[2.0, 2.5, 3.0, 3.5, 2.0]], dtype=np.float32)
    opacity = np.array([[1.0, 1.0, 1.0, 1.0, 0.0]], dtype=np.float32)
    write_colored_depth(tmp_path / "depth.png", distance, opacity, (2.0, 3.5))
    with Image.open(tmp_path / "depth.png") as image:
        colors = np.array(image)
    brightness = colors[0].astype(float) @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(brightness[:4]) < 0).all()
    assert np.array_equal(colors[0, 4], colors[0, 3])


def test_confidence_is_bright(tmp_path):
    write_colored_confidence(tmp_path / "confidence.png", np.array([[0.0, 0.5, 1.0]], dtype=np.float32))
    with Image.open(tmp_path / "confidence.png") as image:
        brightness = np.array(image)[0].astype(float) @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(brightness) > 0).all()


def test_pictures_without_a_scale_are_refused(tmp_path):
    path = tmp_path / "map.png"
    for pixels, message in (
        (np.zeros((4, 4, 3), np.uint8), "mode RGB"),
        (np.zeros((4, 4), np.uint16), "no 'scale'"),
    ):
        Image.fromarray(pixels).save(path)
        with pytest.raises(UserError, match=message):
            read_map(path)
    write_map(path, depths(), largest=4.0, quantity="depth")
    path.write_bytes(path.read_bytes()[:-900])
    with pytest.raises(UserError, match="whole PNG"):
        read_map(path)
    path.write_text("depth", encoding="utf-8")
    with pytest.raises(UserError, match="whole PNG"):
        read_map(path)
    with pytest.raises(UserError, match="No such file"):
        read_map(tmp_path / "missing.png")


def test_a_place_that_cannot_be_written_is_refused(tmp_path):
    with pytest.raises(UserError, match="cannot write"):
        write_map(tmp_path / "missing/depth.png", depths(), largest=4.0, quantity="depth")
