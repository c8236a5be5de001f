"""Videos: mp4 that plays in browsers and on phones, and GIF.

Both are encoded by the ffmpeg of imageio-ffmpeg while frames arrive: only the current one is in memory. (Pillow, which
could write a GIF, keeps all frames until the last.) A file appears when it is complete; after an error or Ctrl-C there
is none. Frames are 8-bit sRGB, all of one size.
"""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import IO, TypeAlias, cast

import imageio_ffmpeg
import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from pixelnerf.errors import UserError
from pixelnerf.tools.files import file_written_whole, refusal_in_a_line

Frame: TypeAlias = UInt8[ndarray, "height width 3"]
WriteFrame: TypeAlias = Callable[[Frame], None]

# x264's constant quality: 43 dB on a rendered turntable, where halving the colours' resolution alone leaves 48.
# Renders are smooth, so this still is less than a kilobyte for a frame of 96x96.
QUALITY = 12
# The colours of HDTV, converted and labelled: unlabelled ones are guessed, differently by each player.
COLORS = "bt709"
# Browsers show frames of less than 0.02 s for 0.1 s instead.
FASTEST_GIF = 50


@contextmanager
def video_writer(path: Path, fps: float) -> Iterator[WriteFrame]:
    """An H.264 video (mp4, yuv420p, index first), by a function that is called with each frame.

    Sides that are odd grow by one pixel, a copy of the last column or row, because yuv420p has half as many colours.

    Args:
        path: the file, which is replaced if it exists.
        fps: frames a second.

    Raises:
        UserError: no frames, a path that cannot be written, or an ffmpeg that is missing or fails.
    """
    with _encoder(path, fps, lambda size: _mp4_arguments()) as write:
        yield lambda frame: write(np.pad(frame, (*((0, side % 2) for side in frame.shape[:2]), (0, 0)), mode="edge"))


@contextmanager
def gif_writer(path: Path, fps: float, longest_side: int) -> Iterator[WriteFrame]:
    """A GIF that repeats forever, by a function that is called with each frame.

    Each frame has the 255 colours that suit it best. Frames beyond 50 a second are left out.

    Args:
        path: the file, which is replaced if it exists.
        fps: frames a second; a GIF counts in hundredths of a second, so delays alternate where that is not whole.
        longest_side: larger frames are shrunk to it, because a GIF's bytes grow with its pixels.

    Raises:
        UserError: as for `video_writer`.
    """
    with _encoder(path, fps, lambda size: _gif_arguments(size, longest_side, fps)) as write:
        yield write


def _mp4_arguments() -> list[str]:
    label = f"setparams=color_primaries={COLORS}:color_trc={COLORS}"
    convert = f"scale=out_color_matrix={COLORS}:out_range=tv:flags=bicubic+accurate_rnd+full_chroma_int"
    encoding = ["-c:v", "libx264", "-crf", str(QUALITY), "-profile:v", "high", "-pix_fmt", "yuv420p"]
    return ["-vf", f"{label},{convert}", *encoding, "-movflags", "+faststart", "-f", "mp4"]


def _gif_arguments(size: tuple[int, int], longest_side: int, fps: float) -> list[str]:
    shrink = min(1.0, longest_side / max(size))
    width, height = (max(1, round(side * shrink)) for side in size)
    steps = [f"fps={FASTEST_GIF}"] if fps > FASTEST_GIF else []
    steps += [f"scale={width}:{height}:flags=area"] if shrink < 1 else []
    # Without dithering: its grain would flicker, and 255 colours a frame leave no bands in a render.
    palette = "split[a][b];[a]palettegen=stats_mode=single[p];[b][p]paletteuse=new=1:dither=none"
    return ["-filter_complex", ",".join([*steps, palette]), "-loop", "0", "-f", "gif"]


@contextmanager
def _encoder(path: Path, fps: float, arguments: Callable[[tuple[int, int]], list[str]]) -> Iterator[WriteFrame]:
    """An ffmpeg that gets the frames and writes `path`; the first frame, whose size it needs to know, starts it."""
    if not fps > 0:
        raise UserError(f"a video needs a positive number of frames a second, not {fps:g}")
    program = _ffmpeg()
    with ExitStack() as whole:
        with refusal_in_a_line(f"'{path}'"):
            temporary = whole.enter_context(file_written_whole(path))
            log = whole.enter_context(tempfile.TemporaryFile())
        process, size = None, (0, 0)

        def write(frame: Frame) -> None:
            nonlocal process, size
            if process is None:
                size = frame.shape[1], frame.shape[0]
                process = whole.enter_context(_started([program, *_input(size, fps), *arguments(size)], temporary, log))
            if frame.shape != (size[1], size[0], 3):
                raise ValueError(f"a frame of shape {frame.shape} in a video of {size[0]}x{size[1]}")
            try:
                _pipe(process).write(frame.tobytes())
            except OSError:
                raise _failure(path, process, log) from None

        yield write
        if process is None:
            raise UserError(f"cannot write '{path}': a video has at least one frame")
        if not _finished(process):
            raise _failure(path, process, log)
        # Not left to `with`, which cannot tell this refusal from an OSError of whoever makes the frames.
        with refusal_in_a_line(f"'{path}'"):
            whole.close()


def _ffmpeg() -> str:
    """The path of the program."""
    try:
        program = imageio_ffmpeg.get_ffmpeg_exe()
    except RuntimeError:
        program = None
    if program is None or shutil.which(program) is None:
        way_out = "reinstall imageio-ffmpeg, or name one in the environment variable IMAGEIO_FFMPEG_EXE"
        raise UserError(f"no ffmpeg to write videos with{f' at {program!r}' if program else ''}: {way_out}")
    return program


def _input(size: tuple[int, int], fps: float) -> list[str]:
    rate = Fraction(fps).limit_denominator(1001)
    layout = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{size[0]}x{size[1]}", "-r", str(rate)]
    return ["-v", "error", "-y", *layout, "-i", "-"]


@contextmanager
def _started(command: list[str], output: Path, log: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """A running ffmpeg, which is killed if it has not ended by then.

    In a session of its own, so that Ctrl-C reaches only us: otherwise it might end before we learn why.
    """
    try:
        process = subprocess.Popen(
            [*command, f"file:{output}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=log,
            start_new_session=True,
        )
    except OSError as error:
        raise UserError(f"cannot start ffmpeg '{command[0]}': {error.strerror}") from None
    try:
        yield process
    finally:
        process.kill()
        with suppress(OSError):
            _pipe(process).close()
        process.wait()


def _pipe(process: subprocess.Popen[bytes]) -> IO[bytes]:
    return cast(IO[bytes], process.stdin)


def _finished(process: subprocess.Popen[bytes]) -> bool:
    """Whether ffmpeg wrote all that it was given."""
    try:
        _pipe(process).close()
    except OSError:
        return False
    return process.wait() == 0


def _failure(path: Path, process: subprocess.Popen[bytes], log: IO[bytes]) -> UserError:
    """What ffmpeg says first: the rest follows from it."""
    status = process.wait()
    log.seek(0)
    lines = log.read().decode(errors="replace").split("\n")
    # Less the part of ffmpeg that says so, as in "[libx264 @ 0x55d0c8a3e0c0] ...".
    reason = re.sub(r"^(\[[^]]*\] *)+", "", lines[0]).strip()
    return UserError(f"cannot write '{path}': ffmpeg failed: {reason or f'exit status {status}'}")
