"""Sharp frames of a video: which are chosen, how they stand, and what cannot be sampled."""

import subprocess

import imageio
import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from pixelnerf.app.frames import sample_frames, sharpest_of_windows, variance_of_laplacian
from pixelnerf.errors import UserError

WIDTH, HEIGHT = 192, 128
SHARP = (1, 5, 6, 11)
"""The frames of the video that the camera held still for; they lie in each of four windows of three frames."""


def texture(index):
    """Blocks that move by a column of them from frame to frame, and a red corner at the top left."""
    values = np.random.default_rng(0).integers(40, 216, (HEIGHT // 8, WIDTH // 8 + 20, 3), dtype=np.uint8)
    frame = values[:, index : index + WIDTH // 8].repeat(8, axis=0).repeat(8, axis=1)
    frame[:32, :32] = (255, 0, 0)
    return frame


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    path = tmp_path_factory.mktemp("video") / "walk 50%d.mp4"
    frames = [texture(index) if index in SHARP else gaussian_filter(texture(index), (2, 2, 0)) for index in range(12)]
    imageio.mimwrite(path, frames, fps=30, macro_block_size=16)
    return path


def is_red(pixel):
    return pixel[0] > 180 and max(pixel[1:]) < 80


def test_the_sharp_frame_of_each_window_is_written(video, tmp_path):
    seen = []
    sampled = sample_frames(video, tmp_path / "100%d/images", 4, lambda done, total: seen.append((done, total)))
    assert sampled.indices == SHARP
    assert [path.name for path in sampled.paths] == [f"frame_{number:04d}.jpg" for number in range(1, 5)]
    assert sorted((tmp_path / "100%d/images").iterdir()) == list(sampled.paths)
    assert sampled.notes == ()
    assert seen[-1] == (12, 12)
    for path, index in zip(sampled.paths, SHARP, strict=True):
        with Image.open(path) as image:
            written = np.asarray(image.convert("RGB")).astype(float)
        errors = [np.abs(written - texture(other)).mean() for other in range(12)]
        assert int(np.argmin(errors)) == index


def test_a_turned_video_gives_upright_frames(video, tmp_path):
    turned = tmp_path / "turned.mp4"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-display_rotation", "90", "-i", video, "-c", "copy"]
    subprocess.run([*command, turned], check=True)
    with Image.open(sample_frames(turned, tmp_path / "out", 1).paths[0]) as image:
        assert image.size == (HEIGHT, WIDTH)
        # Turned counterclockwise, the stored top left corner is shown at the bottom left.
        assert is_red(image.getpixel((8, WIDTH - 8)))
        assert not is_red(image.getpixel((8, 8)))


def test_fewer_frames_than_asked_are_all_of_them(video, tmp_path):
    sampled = sample_frames(video, tmp_path / "out", 50)
    assert sampled.indices == tuple(range(12))
    assert sampled.notes == ("the video has only 12 frames, 50 were asked for: all are used",)


def test_a_damaged_end_is_said(video, tmp_path):
    # A transport stream has no index at its end, so what comes before the cut is decoded.
    stream, cut = tmp_path / "whole.ts", tmp_path / "cut.mpg"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-stream_loop", "9", "-i", video, "-c", "copy", stream]
    subprocess.run(command, check=True)
    data = bytearray(stream.read_bytes())
    middle = slice(len(data) // 4 // 188 * 188, len(data) * 3 // 4 // 188 * 188)
    data[middle] = bytes(middle.stop - middle.start)
    cut.write_bytes(data)
    sampled = sample_frames(cut, tmp_path / "out", 3)
    assert len(sampled.paths) == 3
    assert len(sampled.notes) == 1
    assert "frames of" in sampled.notes[0]
    assert "damaged" in sampled.notes[0]


def test_blur_lowers_sharpness_and_brightness_does_not_count():
    gray = np.random.default_rng(1).integers(50, 200, (64, 64), dtype=np.uint8)
    blurred = gaussian_filter(gray, 1.0)
    assert variance_of_laplacian(blurred) < 0.2 * variance_of_laplacian(gray)
    assert variance_of_laplacian(gray + 40) == pytest.approx(variance_of_laplacian(gray))
    assert variance_of_laplacian(np.full((8, 8), 90, np.uint8)) == 0


@pytest.mark.parametrize(("frames", "count"), [(10, 3), (7, 7), (5, 9), (1, 1)])
def test_windows_cover_the_video_evenly(frames, count):
    rising = sharpest_of_windows(np.arange(frames, dtype=float), count)
    falling = sharpest_of_windows(-np.arange(frames, dtype=float), count)
    # Each window ends where the next one begins.
    assert rising[-1] == frames - 1
    assert falling[0] == 0
    assert [index + 1 for index in rising[:-1]] == list(falling[1:])
    lengths = [last - first + 1 for first, last in zip(falling, rising, strict=True)]
    assert max(lengths) - min(lengths) <= 1


@pytest.mark.parametrize("content", [b"", b"not a video\n" * 100])
def test_what_is_no_video_is_one_line(tmp_path, content, capfd):
    path = tmp_path / "walk.mp4"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"cannot decode a video from '.*walk\.mp4'") as caught:
        sample_frames(path, tmp_path / "out", 4)
    assert "\n" not in str(caught.value)
    assert [entry.name for entry in tmp_path.iterdir()] == ["walk.mp4"]
    assert capfd.readouterr() == ("", "")


def test_frames_overwrite_nothing(video, tmp_path):
    (tmp_path / "kept.jpg").write_bytes(b"mine")
    with pytest.raises(UserError, match="never overwritten"):
        sample_frames(video, tmp_path, 4)
    assert [entry.name for entry in tmp_path.iterdir()] == ["kept.jpg"]
    with pytest.raises(UserError, match="cannot write"):
        sample_frames(video, tmp_path / "kept.jpg/images", 4)
    assert (tmp_path / "kept.jpg").read_bytes() == b"mine"


def test_other_mistakes_are_one_line(video, tmp_path):
    with pytest.raises(UserError, match="no video"):
        sample_frames(tmp_path / "none.mp4", tmp_path / "out", 4)
    with pytest.raises(UserError, match="ask for 1 or more"):
        sample_frames(video, tmp_path / "out", 0)
