"""Videos as players see them, decoded by ffmpeg and Pillow; and that a file appears whole or not at all."""

import re
import subprocess
import weakref

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image, ImageSequence

from pixelnerf.app.video import gif_writer, video_writer
from pixelnerf.errors import UserError


def write_video(path, frames, fps):
    with video_writer(path, fps) as write:
        for frame in frames:
            write(frame)


def write_gif(path, frames, fps, longest_side=256):
    with gif_writer(path, fps, longest_side) as write:
        for frame in frames:
            write(frame)


both = pytest.mark.parametrize(
    ("write", "suffix"),
    [
        pytest.param(write_video, ".mp4", id="mp4"),
        pytest.param(write_gif, ".gif", id="gif"),
    ],
)


def ball(turn, width=64, height=48):
    """A lit ball of changing colour on white that moves from left to right, smooth at its edge."""
    y, x = np.mgrid[:height, :width] + 0.5
    x, y = (x - width * (0.3 + 0.4 * turn)) / (0.3 * height), (y - height / 2) / (0.3 * height)
    light = 0.6 + 0.4 * np.sqrt(np.clip(1 - x**2 - y**2, 0, 1))[..., None]
    color = light * (0.5 + 0.4 * np.cos(2 * np.pi * (turn + np.array([0, 1 / 3, 2 / 3]))))
    opacity = np.clip((1.1 - np.hypot(x, y)) * 4, 0, 1)[..., None]
    return np.rint(255 * (opacity * color + 1 - opacity)).astype(np.uint8)


def balls(count, **size):
    return [ball(frame / count, **size) for frame in range(count)]


def decoded(path, height, width):
    """What ffmpeg shows, (frame, height, width, 3), with colours between pixels interpolated, as players do."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(path), "-f", "rawvideo", "-pix_fmt", "rgb24"]
    options = ["-sws_flags", "bilinear+full_chroma_int+accurate_rnd", "-fps_mode", "passthrough"]
    result = subprocess.run([*command, *options, "-"], capture_output=True, check=True)
    return np.frombuffer(result.stdout, np.uint8).reshape(-1, height, width, 3)


def described(path):
    """What ffmpeg says of the file's video stream."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-i", str(path)]
    text = subprocess.run(command, capture_output=True, text=True).stderr
    return re.search(r"Stream #0:0.*", text)[0]


def decibels(images, truth):
    """PSNR of each frame; exact ones count as 99."""
    errors = (np.asarray(images, float) - truth).reshape(len(images), -1)
    return 10 * np.log10(255**2 / np.square(errors).mean(1).clip(255**2 / 10**9.9))


def luma(images):
    return images @ np.array([0.2126, 0.7152, 0.0722])


def with_coarse_colours(images):
    """What halving the colours' resolution alone makes of images: what no yuv420p video can avoid."""
    light = luma(images)[..., None]
    count, height, width, _ = images.shape
    colors = (images - light).reshape(count, height // 2, 2, width // 2, 2, 3).mean((2, 4))
    return light + colors.repeat(2, 1).repeat(2, 2)


def top_level_boxes(path):
    """The types of an mp4's boxes, in the order of the file."""
    data, boxes = path.read_bytes(), []
    while data:
        size = int.from_bytes(data[:4], "big")
        boxes.append(data[4:8].decode())
        data = data[size:]
    return boxes


def test_an_mp4_plays_everywhere(tmp_path):
    write_video(tmp_path / "ball.mp4", iter(balls(30)), fps=24)
    stream = described(tmp_path / "ball.mp4")
    assert "h264 (High)" in stream
    assert "yuv420p(tv, bt709" in stream
    assert "64x48" in stream
    assert "24 fps" in stream
    assert imageio_ffmpeg.count_frames_and_secs(str(tmp_path / "ball.mp4")) == (30, pytest.approx(30 / 24, abs=0.01))
    boxes = top_level_boxes(tmp_path / "ball.mp4")
    assert boxes.index("moov") < boxes.index("mdat")


def test_an_mp4_shows_the_frames(tmp_path):
    """White stays white, luma has at least 42 dB, and colours lose no more than yuv420p costs without interpolation."""
    frames = np.stack(balls(30))
    write_video(tmp_path / "ball.mp4", iter(frames), fps=24)
    shown = decoded(tmp_path / "ball.mp4", 48, 64)
    assert decibels(luma(shown), luma(frames)).min() > 42
    assert (decibels(shown, frames) > decibels(with_coarse_colours(frames), frames)).all()
    assert shown[:, 0, 0].min() >= 254


@pytest.mark.parametrize("color", [(255, 0, 0), (0, 200, 0), (20, 30, 240), (128, 128, 128), (0, 0, 0)])
def test_an_mp4_keeps_colours(tmp_path, color):
    frame = np.full((32, 32, 3), color, dtype=np.uint8)
    write_video(tmp_path / "flat.mp4", [frame] * 3, fps=10)
    assert np.abs(decoded(tmp_path / "flat.mp4", 32, 32).astype(int) - frame).max() <= 3


@pytest.mark.parametrize(("width", "height"), [(63, 47), (64, 47), (63, 48), (1, 1)])
def test_odd_sides_grow_by_a_copy_of_the_edge(tmp_path, width, height):
    frames = balls(6, width=width, height=height)
    write_video(tmp_path / "ball.mp4", iter(frames), fps=24)
    shown = decoded(tmp_path / "ball.mp4", height + height % 2, width + width % 2)
    expected = np.pad(np.stack(frames), ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    assert decibels(luma(shown), luma(expected)).min() > 42


@pytest.mark.parametrize("fps", [10, 24, 30])
def test_a_gif_shows_the_frames_at_their_time_and_repeats(tmp_path, fps):
    frames = balls(30)
    write_gif(tmp_path / "ball.gif", iter(frames), fps)
    with Image.open(tmp_path / "ball.gif") as image:
        assert image.info["loop"] == 0
        pictures = [(np.array(frame.convert("RGB")), frame.info["duration"]) for frame in ImageSequence.Iterator(image)]
    shown, delays = zip(*pictures, strict=True)
    assert decibels(np.stack(shown), np.stack(frames)).min() > 40
    assert sum(delays) == pytest.approx(1000 * 30 / fps, abs=20)
    assert min(delays) >= 20
    assert (np.stack(shown)[:, 0, 0] == 255).all()


def test_a_gif_is_bounded_in_size_and_speed(tmp_path):
    write_gif(tmp_path / "ball.gif", iter(balls(30, width=128, height=96)), 100, 64)
    with Image.open(tmp_path / "ball.gif") as image:
        assert image.size == (64, 48)
        delays = [frame.info["duration"] for frame in ImageSequence.Iterator(image)]
        image.seek(0)
        first = np.array(image.convert("RGB"))
    assert min(delays) >= 20
    assert sum(delays) == pytest.approx(300, abs=20)
    averaged = ball(0, width=128, height=96).reshape(48, 2, 64, 2, 3).mean((1, 3))
    assert decibels(first[None], averaged[None])[0] > 40


def test_one_stream_of_frames_makes_both(tmp_path):
    with video_writer(tmp_path / "ball.mp4", 24) as to_mp4, gif_writer(tmp_path / "ball.gif", 24, 64) as to_gif:
        for frame in balls(8):
            to_mp4(frame)
            to_gif(frame)
    assert len(decoded(tmp_path / "ball.mp4", 48, 64)) == len(decoded(tmp_path / "ball.gif", 48, 64)) == 8


@both
def test_frames_are_not_kept(tmp_path, write, suffix):
    alive = weakref.WeakValueDictionary()

    def frames():
        for number in range(40):
            frame = ball(number / 40)
            alive[number] = frame
            assert len(alive) <= 2
            yield frame

    write(tmp_path / f"ball{suffix}", frames(), 24)


@both
@pytest.mark.parametrize("error", [RuntimeError, OSError, KeyboardInterrupt])
@pytest.mark.parametrize("made", [0, 5])
def test_after_an_error_the_old_file_is_as_it_was(tmp_path, write, suffix, error, made):
    path = tmp_path / f"ball{suffix}"
    path.write_text("older", encoding="utf-8")

    def frames():
        yield from balls(made) if made else []
        raise error("of the frames")

    with pytest.raises(error, match="of the frames"):
        write(path, frames(), 24)
    assert path.read_text("utf-8") == "older"
    assert list(tmp_path.iterdir()) == [path]


@both
def test_what_cannot_be_written_is_refused_in_a_line(tmp_path, write, suffix):
    (tmp_path / "file").touch()
    (tmp_path / f"folder{suffix}").mkdir()
    before = sorted(tmp_path.rglob("*"))
    for name, frames, message in (
        (f"missing/ball{suffix}", balls(3), "No such file"),
        (f"file/ball{suffix}", balls(3), "Not a directory"),
        (f"folder{suffix}", balls(3), "directory"),
        (f"ball{suffix}", [], "at least one frame"),
    ):
        with pytest.raises(UserError, match=message) as refusal:
            write(tmp_path / name, iter(frames), 24)
        assert str(tmp_path / name) in str(refusal.value)
        assert "\n" not in str(refusal.value)
    for fps in (0, -1.0, float("nan")):
        with pytest.raises(UserError, match="frames a second"):
            write(tmp_path / f"ball{suffix}", balls(3), fps)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_size_that_h264_does_not_have_is_refused_with_the_reason(tmp_path):
    with pytest.raises(UserError, match=r"ball.mp4.*ffmpeg failed: \S.*") as refusal:
        write_video(tmp_path / "ball.mp4", [np.zeros((2, 70_000, 3), np.uint8)] * 3, 24)
    assert "\n" not in str(refusal.value)
    assert not list(tmp_path.iterdir())


@both
def test_a_full_disk_is_refused_in_a_line(tmp_path, write, suffix):
    """No file of this process and of those it starts may be larger than 20 kB: what a full disk does, for anyone."""
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    noise = np.random.default_rng(0).integers(0, 256, (20, 64, 64, 3), dtype=np.uint8)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        with pytest.raises(UserError, match="ffmpeg failed"):
            write(tmp_path / f"noise{suffix}", iter(noise), 24)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not list(tmp_path.iterdir())


@both
def test_frames_of_other_sizes_are_a_bug(tmp_path, write, suffix):
    with pytest.raises(ValueError, match="64x48"):
        write(tmp_path / f"ball{suffix}", [ball(0), ball(0, width=66)], 24)
    assert not list(tmp_path.iterdir())


@both
@pytest.mark.parametrize("program", ["no-such-ffmpeg", "not-a-program"])
def test_a_missing_ffmpeg_is_refused_in_a_line(tmp_path, monkeypatch, write, suffix, program):
    broken = tmp_path / "not-a-program"
    broken.write_bytes(b"\0")
    broken.chmod(0o755)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(tmp_path / program))
    with pytest.raises(UserError, match="ffmpeg") as refusal:
        write(tmp_path / f"ball{suffix}", balls(3), 24)
    assert "\n" not in str(refusal.value)
    assert list(tmp_path.iterdir()) == [broken]
