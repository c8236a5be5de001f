"""Sharp frames of a video, as photos for structure from motion.

The video is cut into as many equal windows as frames are asked for, and the sharpest frame of each is kept: evenly
spread, and none of those that the moving hand blurred. Sharpness is the variance of the Laplacian (Pech-Pacheco et al.,
ICPR 2000).
"""

import logging
import subprocess
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from scipy.ndimage import laplace

from pixelnerf.errors import UserError
from pixelnerf.tools.files import folder_written_whole, refusal_in_a_line

VIDEO_SUFFIXES = (".mp4", ".mov", ".m4v", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".3gp")

_SIDE = 512
"""Sharpness is measured in a square of this many pixels across the frame's shorter side: large enough to show motion
blur, small enough for noise to average out."""
_WHOLE = 0.9
"""The share of the stated frames below which a video counts as damaged: a phone's changing rate makes it inexact."""
_ALL_FRAMES = ("-an", "-sn", "-fps_mode", "passthrough")
"""Frames as they are stored, none repeated or dropped for the sake of a constant rate: both passes count alike."""


@dataclass(frozen=True)
class SampledFrames:
    """Frames that were written.

    Attributes:
        paths: their files, in the video's order.
        indices: their numbers among the video's frames, from 0.
        notes: what the user should know, a short sentence each.
    """

    paths: tuple[Path, ...]
    indices: tuple[int, ...]
    notes: tuple[str, ...]


def sample_frames(
    video: Path, folder: Path, count: int, progress: Callable[[int, int], None] = lambda done, total: None
) -> SampledFrames:
    """Writes the sharpest frame of each of `count` equal windows of a video to `frame_0001.jpg`, `frame_0002.jpg`, ...

    Frames stand upright, as a player shows them: the video's rotation is applied. All are written, or none.

    Args:
        video: any file that ffmpeg decodes.
        folder: a new folder.
        count: how many; at least 1. A video of fewer frames gives all of them.
        progress: called with the number of frames that were looked at and, as far as the video states it, of all.

    Raises:
        UserError: no such file, no video in it that can be decoded, `folder` exists or cannot be written, or count < 1.
    """
    if count < 1:
        raise UserError(f"cannot sample {count} frames of '{video}': ask for 1 or more")
    if not video.is_file():
        raise UserError(f"no video '{video}'")
    if folder.exists():
        raise UserError(f"'{folder}' exists and is never overwritten: name a new folder for the frames of '{video}'")
    sharpness, stated = _sharpness_of_frames(video, progress)
    indices = sharpest_of_windows(sharpness, count)
    with refusal_in_a_line(f"'{folder}'", "; name another folder"), folder_written_whole(folder) as partial:
        _write_frames(video, indices, partial)
        names = sorted(path.name for path in partial.iterdir())
        if len(names) != len(indices):
            raise UserError(f"cannot decode '{video}' twice alike: convert it to H.264 in an mp4")
    notes = []
    if len(sharpness) < count:
        notes.append(f"the video has only {len(sharpness)} frames, {count} were asked for: all are used")
    if len(sharpness) < _WHOLE * stated:
        notes.append(f"only {len(sharpness)} of some {stated} frames of '{video}' can be decoded: the file is damaged")
    return SampledFrames(tuple(folder / name for name in names), indices, tuple(notes))


def sharpest_of_windows(sharpness: Float[np.ndarray, "frame"], count: int) -> tuple[int, ...]:
    """The index of the largest value in each of `count` windows of equal length, or every index if there are fewer.

    >>> sharpest_of_windows(np.array([1.0, 5.0, 2.0, 9.0, 8.0, 7.0]), 2)
    (1, 3)
    """
    windows = np.array_split(np.arange(len(sharpness)), min(count, len(sharpness)))
    return tuple(int(window[np.argmax(sharpness[window])]) for window in windows)


def variance_of_laplacian(gray: UInt8[np.ndarray, "height width"]) -> float:
    """The sharpness of a picture in squared grey levels; blur lowers it."""
    return float(laplace(gray.astype(np.float32)).var())


def _sharpness_of_frames(video: Path, progress: Callable[[int, int], None]) -> tuple[Float[np.ndarray, "frame"], int]:
    """Sharpness in the middle square of each frame that can be decoded, and how many frames the video states."""
    crop = f"scale={_SIDE}:{_SIDE}:force_original_aspect_ratio=increase,crop={_SIDE}:{_SIDE}"
    sharpness: list[float] = []
    with closing(_gray_frames(video, crop)) as frames:
        stated = next(frames)
        for frame in frames:
            sharpness.append(variance_of_laplacian(frame))
            progress(len(sharpness), max(stated, len(sharpness)))
    if not sharpness:
        raise _undecodable(video)
    return np.array(sharpness), stated


def _gray_frames(video: Path, filters: str) -> Generator:
    """The number of frames that the video states, then each decoded one."""
    import imageio_ffmpeg

    options = ["-vf", filters, *_ALL_FRAMES]
    # It warns of sizes that filters change on purpose.
    logging.getLogger("imageio_ffmpeg").setLevel(logging.ERROR)
    reader = imageio_ffmpeg.read_frames(str(video.absolute()), pix_fmt="gray", bits_per_pixel=8, output_params=options)
    with closing(reader):
        try:
            stated = next(reader)
            yield round(stated["fps"] * stated["duration"])
            width, height = stated["size"]
            for frame in reader:
                yield np.frombuffer(frame, np.uint8).reshape(height, width)
        except (OSError, RuntimeError, IndexError, KeyError):  # a file without a video, and one damaged from the start
            raise _undecodable(video) from None


def _write_frames(video: Path, indices: tuple[int, ...], folder: Path) -> None:
    import imageio_ffmpeg

    chosen = "+".join(f"eq(n\\,{index})" for index in indices)
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-loglevel", "error", "-i", str(video.absolute())]
    command += ["-vf", f"select={chosen}", *_ALL_FRAMES, "-q:v", "2", "frame_%04d.jpg"]
    # From inside the folder, since a percent sign in its path would be read as a pattern.
    subprocess.run(command, check=False, capture_output=True, cwd=folder)


def _undecodable(video: Path) -> UserError:
    return UserError(f"cannot decode a video from '{video}': convert it to H.264 in an mp4, or give photos")
