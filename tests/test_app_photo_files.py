"""Photos from files and arrays: kinds, orientation, focal length, and files that are none."""

import math

import numpy as np
import pytest
import torch
from PIL import ExifTags, Image

from pixelnerf.app.photo_files import LARGEST_PIXELS, read_mask, read_photo
from pixelnerf.errors import UserError

RAMP = np.tile(np.linspace(0, 255, 48).astype(np.uint8)[None, :, None], (32, 1, 3)) // np.array([1, 2, 3], np.uint8)


@pytest.mark.parametrize(("name", "tolerance"), [("a.png", 0), ("a.tif", 0), ("a.jpg", 12), ("a.webp", 12)])
def test_formats_agree(tmp_path, name, tolerance):
    Image.fromarray(RAMP).save(tmp_path / name)
    photo = read_photo(tmp_path / name)
    assert photo.size == (48, 32)
    assert np.abs(photo.colors.astype(int) - RAMP).max() <= tolerance


def test_arrays_tensors_and_images_agree():
    tensor = torch.from_numpy(RAMP).permute(2, 0, 1)
    sources = [RAMP, RAMP / 255, RAMP.astype(np.uint16) * 257, Image.fromarray(RAMP), tensor]
    for source in sources:
        assert np.array_equal(read_photo(source).colors, RAMP)


def test_grey_palette_and_16_bits_become_rgb(tmp_path):
    grey = RAMP[..., 0]
    Image.fromarray(grey).save(tmp_path / "grey.png")
    Image.fromarray(grey).convert("P").save(tmp_path / "palette.png")
    Image.fromarray(grey.astype(np.uint16) * 257).save(tmp_path / "deep.png")
    for name in ("grey.png", "palette.png", "deep.png"):
        assert np.array_equal(read_photo(tmp_path / name).colors, np.repeat(grey[..., None], 3, -1)), name


def test_alpha_counts_only_if_it_says_anything():
    alpha = np.zeros((32, 48, 1), np.uint8)
    for value in (0, 255):
        assert read_photo(np.concatenate([RAMP, alpha + np.uint8(value)], -1)).alpha is None
    alpha[8:20] = 255
    assert np.array_equal(read_photo(np.concatenate([RAMP, alpha], -1)).alpha, alpha[..., 0])


def test_exif_turns_the_photo_upright(tmp_path):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    Image.fromarray(RAMP).save(tmp_path / "turned.png", exif=exif)
    assert np.array_equal(read_photo(tmp_path / "turned.png").colors, np.rot90(RAMP, -1))


def with_exif(path, tags, size=(400, 300)):
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.Exif).update(tags)
    Image.new("RGB", size).save(path, exif=exif)
    return read_photo(path)


def test_focal_length_from_exif(tmp_path):
    film = with_exif(tmp_path / "film.jpg", {ExifTags.Base.FocalLengthIn35mmFilm: 26})
    assert film.focal == pytest.approx(26 * 500 / math.hypot(36, 24))
    tags = {ExifTags.Base.FocalLength: 5.0, ExifTags.Base.ExifImageWidth: 4000, ExifTags.Base.ExifImageHeight: 3000}
    tags |= {ExifTags.Base.FocalPlaneXResolution: 8000.0, ExifTags.Base.FocalPlaneResolutionUnit: 3}
    # 800 pixels a millimetre of the sensor, in an image made ten times smaller.
    assert with_exif(tmp_path / "sensor.jpg", tags).focal == pytest.approx(5 * 800 / 10)


def test_focal_length_of_a_cropped_photo_is_not_believed(tmp_path):
    tags = {ExifTags.Base.FocalLengthIn35mmFilm: 26}
    tags |= {ExifTags.Base.ExifImageWidth: 4000, ExifTags.Base.ExifImageHeight: 3000}
    assert with_exif(tmp_path / "whole.jpg", tags).focal is not None
    cropped = with_exif(tmp_path / "cropped.jpg", tags, size=(300, 300))
    assert cropped.focal is None
    assert "cropped" in cropped.notes[0]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (None, "missing photo"),
        (b"this is text\n", "not a photo"),
        (b"\x00\x00\x00\x18ftypheic" + bytes(40), "HEIC"),
        (b"", "not a photo"),
    ],
)
def test_files_that_are_no_photos_are_named_in_a_line(tmp_path, data, words):
    path = tmp_path / "some.jpg"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(UserError, match=words) as caught:
        read_photo(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_truncated_file_and_a_folder_are_a_line(tmp_path):
    path = tmp_path / "half.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:900])
    for source in (path, tmp_path):
        with pytest.raises(UserError, match="cannot read photo"):
            read_photo(source)


@pytest.mark.parametrize("side", [math.isqrt(LARGEST_PIXELS) + 10, 20_000])
def test_too_many_pixels_are_refused_undecoded(tmp_path, side):
    # One bit a pixel: small on disk, and larger than memory would like as RGB.
    Image.new("1", (side, side)).save(tmp_path / "large.png")
    with pytest.raises(UserError, match="million pixels: make it smaller"):
        read_photo(tmp_path / "large.png")


@pytest.mark.parametrize(
    "source",
    [
        np.zeros((40, 40, 2)),
        np.full((40, 40), 2.0),
        np.full((40, 40), np.nan),
        np.zeros((5, 40)),
        torch.zeros(40, 40, 3),
    ],
)
def test_arrays_that_are_no_photos_are_refused(source):
    with pytest.raises(UserError):
        read_photo(source)


def test_masks_have_the_photos_size(tmp_path):
    photo = read_photo(RAMP)
    mask = np.zeros((32, 48), np.uint8)
    mask[10:20] = 1
    assert np.array_equal(read_mask(mask, photo), mask * 255)
    Image.fromarray(mask[:, :40]).save(tmp_path / "mask.png")
    with pytest.raises(UserError, match="40x32"):
        read_mask(tmp_path / "mask.png", photo)
