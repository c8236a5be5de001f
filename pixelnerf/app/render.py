"""`pixelnerf render`: from photos to a folder of pictures, videos, depth, a mesh and a page."""

import json
import math
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from pixelnerf.app.api import Model, PictureQuality, Scene
from pixelnerf.app.camera import DISTANCE, FIELD_OF_VIEW
from pixelnerf.app.camera_path import CameraPath, read_camera_path, write_camera_path
from pixelnerf.app.depth import write_colored_confidence, write_colored_depth, write_map
from pixelnerf.app.inputs import InputRequest, Say, encode_inputs, is_video
from pixelnerf.app.paths import interpolate, orbit, spiral
from pixelnerf.app.pictures import Picture, write_picture
from pixelnerf.app.video import gif_writer, video_writer
from pixelnerf.errors import UserError
from pixelnerf.images.pictures import to_8_bits
from pixelnerf.tools.files import file_name, is_partial, refusal_in_a_line, remove_partial, write_atomically
from pixelnerf.tools.progress import progress_bar
from pixelnerf.types import Cameras

RECORD = "render.json"
"""What was assumed and made. It is the first file of a folder, so that one that was cut short is known to be ours to
write again, and says whether the last run finished."""
FOLDERS = ("inputs", "views", "depth", "confidence")
"""Of numbered pictures."""
PATHS = ("orbit", "spiral", "interpolate")
LONGEST_GIF_SIDE = 320
LARGEST_SIZE = 4096
MOST_FRAMES = 100_000
FARTHEST = 1e4
"""Lengths of the object between it and a camera: nothing is seen from farther away."""


@dataclass(frozen=True)
class RenderRequest(InputRequest):
    """The arguments of `pixelnerf render`; see there."""

    output: Path | None
    weights: str
    path: str
    size: int
    frames: int
    fps: float
    quality: PictureQuality
    threshold: float | None
    device: str


def render_photos(request: RenderRequest, say: Say) -> Path:
    """Renders, and returns the folder; `say` is given each line for the user.

    Raises:
        UserError: what is wrong with the photos, the arguments or the place to write to, in one line.
    """
    start = time.perf_counter()
    _check(request)
    output = _output_folder(request)
    model = Model(request.weights, request.device)
    say(f"weights {model.name}, loaded in {time.perf_counter() - start:.1f} s")
    start = time.perf_counter()
    scene, given = encode_inputs(model, request, say)
    for note in scene.notes:
        say(f"- {note}")
    for warning in scene.warnings:
        say(f"WARNING: {warning}")
    cameras = _path(request, scene, given)
    _prepare(output, _record(request, model, scene, finished=False), (len(scene.photos), *[len(cameras.poses)] * 3))
    for index, photo in enumerate(scene.photos):
        write_picture(output / "inputs" / f"{index:03}.png", photo.image.movedim(0, -1))
    _write_frames(output, request, scene, cameras)
    _write_camera_path(output, cameras, request.fps, say)
    _write_object(output, request, scene, say)
    say(f"- {scene.next_photo()}")
    _write_record(output, _record(request, model, scene, finished=True))
    say(f"{output}: rendered in {time.perf_counter() - start:.1f} s; open {output / 'object.html'} and turn it")
    return output


def _check(request: RenderRequest) -> None:
    request.check("render")
    if not 8 <= request.size <= LARGEST_SIZE:
        raise UserError(f"--size {request.size} is not between 8 and {LARGEST_SIZE} pixels")
    if not 1 <= request.frames <= MOST_FRAMES:
        raise UserError(f"--frames {request.frames} is not between 1 and {MOST_FRAMES}")
    if not 0 < request.fps <= 240:
        raise UserError(f"--fps {request.fps:g} is not between 0 and 240")
    if request.path.endswith(".json"):
        read_camera_path(Path(request.path))
    elif request.path not in PATHS:
        raise UserError(f"--path {request.path}: choose orbit, spiral, interpolate, or a camera_path.json")
    if request.threshold is not None and not 0 < request.threshold < math.inf:
        raise UserError(f"--threshold {request.threshold:g} is no density: give a positive number, or none")


def _output_folder(request: RenderRequest) -> Path:
    """A folder that is new, empty, or of an earlier run of this program: nothing of anyone else is overwritten.

    It is not made yet, so that a photo that cannot be used leaves nothing behind.
    """
    first = request.photos[0]
    # A folder of photos is never written to, nor that of a video's frames.
    sources = {first.resolve(), first.resolve().with_suffix("") if is_video(first) else first.resolve()}
    output = request.output or Path(file_name(first.resolve().name if first.is_dir() else first.resolve().stem))
    if request.output is None and output.resolve() in sources:
        output = Path(f"{output}_rendered")
    with refusal_in_a_line(output, "; choose another folder: --output FOLDER"):
        if output.exists() and not output.is_dir():
            raise UserError(f"{output} is a file; choose a folder: --output FOLDER")
        others = output.is_dir() and any(not is_partial(path) for path in output.iterdir()) and not _is_ours(output)
        if others or output.resolve() in sources:
            raise UserError(
                f"{output} holds files that this program did not write; choose another folder: --output FOLDER"
            )
        for folder in FOLDERS:
            if (output / folder).is_symlink() or (output / folder).is_file():
                raise UserError(f"{output / folder} is not a folder of its own; choose another: --output FOLDER")
        # Before half a minute of work.
        tempfile.TemporaryFile(dir=next(place for place in (output, *output.parents) if place.exists())).close()
    return output


def _is_ours(output: Path) -> bool:
    try:
        record = json.loads((output / RECORD).read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(record, dict) and {"request", "weights"} <= record.keys()


def _prepare(output: Path, record: dict[str, Any], counts: Sequence[int]) -> None:
    """The folder, first of all the record, and in it nothing that is half-written or of a longer path.

    `counts` are the numbers of pictures that the run writes to `FOLDERS`.
    """
    with refusal_in_a_line(output):
        output.mkdir(parents=True, exist_ok=True)
    _write_record(output, record)
    with refusal_in_a_line(output):
        for folder, count in zip(FOLDERS, counts, strict=True):
            (output / folder).mkdir(exist_ok=True)
            for path in (output / folder).glob("*.png"):
                if path.stem.isdecimal() and int(path.stem) >= count:
                    path.unlink()
            remove_partial(output / folder)
        remove_partial(output)


def _path(request: RenderRequest, scene: Scene, given: Cameras | None) -> Cameras:
    size = (request.size, request.size)
    if request.path.endswith(".json"):
        cameras = read_camera_path(Path(request.path)).cameras
        lengths = (cameras.poses[:, :3, 3].double() - scene.placement.center).norm(dim=-1) / scene.placement.length
        if not (lengths < FARTHEST).all():
            raise UserError(f"--path {request.path}: a camera is {float(lengths.max()):.3g} lengths of the object away")
        return cameras
    if request.path == "orbit":
        return orbit(
            azimuth=(0, 360),
            elevation=request.elevation,
            distance=DISTANCE * scene.placement.length,
            field_of_view=FIELD_OF_VIEW,
            frames=request.frames,
            size=size,
            center=scene.placement.center,
            up=scene.placement.up,
            front=scene.bearing.front,
        )
    if given is None or len(given.poses) < 2:
        raise UserError(
            f"--path {request.path} goes along the photos' cameras: give at least two photos, or --path orbit"
        )
    if request.path == "interpolate":
        return interpolate(given, frames=request.frames, size=size)
    distances = (given.poses[:, :3, 3] - scene.placement.center).norm(dim=-1)
    reach = scene.placement.length
    near, far = max(float(distances.min()) - reach, 0.1 * reach), float(distances.max()) + reach
    return spiral(given, near=near, far=far, frames=request.frames, size=size)


def _pictures(request: RenderRequest, scene: Scene, cameras: Cameras) -> Iterator[Picture]:
    with progress_bar("render", total=len(cameras.poses)) as bar:
        for index in range(len(cameras.poses)):
            yield scene.render(cameras[index], quality=request.quality)
            bar.advance()


def _write_frames(output: Path, request: RenderRequest, scene: Scene, cameras: Cameras) -> None:
    """Views, depth and both videos in one pass."""
    farthest = float((cameras.poses[:, :3, 3] - scene.placement.center).norm(dim=-1).max())
    largest = farthest + 2 * scene.placement.length
    with (
        video_writer(output / "turntable.mp4", request.fps) as video,
        gif_writer(output / "turntable.gif", request.fps, LONGEST_GIF_SIDE) as gif,
    ):
        for index, picture in enumerate(_pictures(request, scene, cameras)):
            frame = to_8_bits(picture.color.numpy())
            video(frame)
            gif(frame)
            write_picture(output / "views" / f"{index:03}.png", picture.color)
            depth = picture.depth.clamp(0, largest).numpy()
            write_map(output / "depth" / f"{index:03}.png", depth, largest=largest, quantity="depth")
            confidence = picture.confidence.numpy()
            write_map(output / "confidence" / f"{index:03}.png", confidence, largest=1.0, quantity="confidence")
    first = scene.render(cameras[0], quality=request.quality)
    reach = scene.placement.length
    distance = float((cameras.poses[0, :3, 3] - scene.placement.center).norm())
    bounds = (max(distance - reach, 0.0), distance + reach)
    far = torch.nan_to_num(first.depth, nan=bounds[1])
    write_colored_depth(output / "depth.png", far.numpy(), first.opacity.numpy(), bounds)
    write_colored_confidence(output / "confidence.png", first.confidence.numpy())


def _write_object(output: Path, request: RenderRequest, scene: Scene, say: Say) -> None:
    """The page first: a threshold without a surface does not cost it."""
    scene.bake().save_html(output / "object.html", title=output.resolve().name)
    mesh = scene.mesh(request.threshold)
    for name, shape in {"mesh.glb": mesh, "points.ply": scene.points()}.items():
        with refusal_in_a_line(output / name):
            write_atomically(output / name, shape.export(file_type=name.partition(".")[2]))
    say(f"- mesh: {len(mesh.faces)} triangles, {'watertight' if mesh.is_watertight else 'not watertight'}")


def _record(request: RenderRequest, model: Model, scene: Scene, finished: bool) -> dict[str, Any]:
    return {
        "finished": finished,
        "request": {key: str(value) if isinstance(value, Path) else value for key, value in asdict(request).items()},
        "weights": model.name,
        "notes": scene.notes,
        "warnings": scene.warnings,
        "object": {
            "center": scene.placement.center.tolist(),
            "length": scene.placement.length,
            "up": scene.placement.up.tolist(),
        },
        "cameras": [
            {"pose": photo.camera.poses.tolist(), "intrinsics": photo.camera.intrinsics.tolist()}
            for photo in scene.photos
        ],
    }


def _write_record(output: Path, record: dict[str, Any]) -> None:
    with refusal_in_a_line(output / RECORD):
        write_atomically(output / RECORD, json.dumps(record, indent=1, default=str).encode())


def _write_camera_path(output: Path, cameras: Cameras, fps: float, say: Say) -> None:
    try:
        write_camera_path(output / "camera_path.json", CameraPath(cameras, fps))
    except UserError as error:
        (output / "camera_path.json").unlink(missing_ok=True)  # of an earlier run
        say(f"- no camera_path.json: {error}")
