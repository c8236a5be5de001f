"""COLMAP models as .bin or .txt, in the formats of its manual.

The files are read here, and not by pycolmap, so that what is wrong with one image is known by its name and matters only
if the image is used, names hold spaces, and a damaged file cannot ask for memory. pycolmap knows the cameras' lenses.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.spatial.transform import Rotation

from datasets.image_files import read_text
from datasets.messages import note
from datasets.readers.captures import CaptureWorld
from pixelnerf.errors import UserError
from pixelnerf.images.files import reading
from pixelnerf.scenes.scene import SparsePoints

if TYPE_CHECKING:
    import pycolmap

FILES = ("cameras", "images", "points3D")


@dataclass(frozen=True)
class ColmapPhoto:
    """A registered image, which saw the points `indices` at `pixels`."""

    number: int
    name: str
    camera: "pycolmap.Camera"
    rotation: Float[np.ndarray, "4"]
    """World to camera: a quaternion of any length with its real part first."""
    translation: Float[np.ndarray, "3"]
    pixels: Float[np.ndarray, "seen 2"]
    indices: Int[np.ndarray, "seen"]

    @property
    def pose(self) -> Float[np.ndarray, "4 4"]:
        """Camera-to-world, in OpenCV's axes; NaN where the file has no numbers."""
        pose = np.full((4, 4), np.nan)
        if np.isfinite(self.rotation).all() and np.linalg.norm(self.rotation) > 0:
            pose[:3, :3] = Rotation.from_quat(np.roll(self.rotation, -1)).as_matrix().T
            # What is infinite is refused by name, without NumPy's warning beside it.
            with np.errstate(invalid="ignore"):
                pose[:3, 3], pose[3] = -pose[:3, :3] @ self.translation, (0, 0, 0, 1)
        return pose


@dataclass(frozen=True)
class ColmapModel:
    """Registered images by name, and triangulated points; pixel centres are at + 0.5, as COLMAP has them."""

    photos: tuple[ColmapPhoto, ...]
    points: Float[np.ndarray, "point 3"]

    def sparse_points(
        self, photos: Sequence[ColmapPhoto], pixels: Sequence[Float[np.ndarray, "seen 2"]], world: CaptureWorld
    ) -> SparsePoints:
        """The points in a scene's world, and where some photos see them, in pixels of the scene's cameras."""
        return SparsePoints(
            torch.from_numpy(world.points(self.points).astype(np.float32)),
            tuple(torch.from_numpy(seen.astype(np.float32)) for seen in pixels),
            tuple(torch.from_numpy(photo.indices) for photo in photos),
        )


def has_model(folder: Path) -> bool:
    """Whether a folder has a model's cameras."""
    return any((folder / f"cameras.{suffix}").is_file() for suffix in ("bin", "txt"))


def is_binary(folder: Path) -> bool:
    """Whether a model is read from .bin files, which come first."""
    return (folder / "cameras.bin").is_file()


def read_colmap_model(folder: Path) -> ColmapModel:
    """Reads a model (`cameras`, `images` and `points3D`, as .bin or .txt); it has an image at least.

    Observations of points that the model does not have are left out.
    """
    if not has_model(folder):
        raise UserError(f"no COLMAP model in '{folder}': it needs cameras, images and points3D as .bin or .txt")
    binary = is_binary(folder)
    read = _read_binary if binary else _read_text
    # By the formats of the three files: (id, model, width, height, parameters); (id, name, camera's id, 7 numbers of
    # the pose, observations); (id, position).
    cameras, images, points = (read(folder / f"{name}.{'bin' if binary else 'txt'}", name) for name in FILES)
    lenses = {camera[0]: camera for camera in cameras}
    order = {identifier: index for index, (identifier, _) in enumerate(points)}
    built: dict[int, pycolmap.Camera] = {}
    photos = []
    for identifier, name, camera, numbers, seen in sorted(images, key=lambda image: image[1]):
        if camera not in lenses:
            raise UserError(
                f"image '{name}' of the COLMAP model '{folder}' has camera {camera}, which it does not list"
            )
        if camera not in built:
            number, model, width, height, values = lenses[camera]
            built[camera] = _camera(number, model, width, height, values, folder)
        indices = np.array([order.get(int(point), -1) for point in np.nan_to_num(seen[:, 2])], dtype=np.int64)
        known = indices >= 0
        photos.append(
            ColmapPhoto(
                identifier,
                name,
                built[camera],
                numbers[:4],
                numbers[4:],
                seen[known, :2].astype(np.float64),
                indices[known],
            )
        )
    if not photos:
        raise UserError(f"the COLMAP model in '{folder}' has no registered images")
    return ColmapModel(tuple(photos), np.array([position for _, position in points]).reshape(-1, 3))


def count_images(folder: Path) -> int:
    """How many images a model has; 0 if that cannot be read."""
    try:
        return len(read_colmap_model(folder).photos)
    except UserError:
        return 0


def _camera(number: int, model: str, width: int, height: int, values: list[float], folder: Path) -> "pycolmap.Camera":
    with reading(f"camera {number} of the COLMAP model", folder):
        count = _parameters(model)
        camera = load_pycolmap().Camera(model=model, width=width, height=height, params=values)
        # The library does not look: it would read past the end of too few.
        if len(values) != count or not camera.focal_length_idxs():
            raise ValueError(f"{model} with {len(values)} parameters is no camera that can be straightened")
    return camera


def _parameters(model: str) -> int:
    """How many a camera model has, by its name."""
    library = load_pycolmap()
    if model not in library.CameraModelId.__members__ or model == "INVALID":
        raise ValueError(f"no camera model '{model}'")
    return len(library.Camera(model=model, width=1, height=1, params=[1.0] * 16).params_info.split(","))


def _read_text(path: Path, kind: str) -> list[tuple]:
    text = read_text("COLMAP model", path)
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if not line.lstrip().startswith("#")]
    return list({"cameras": _text_cameras, "images": _text_images, "points3D": _text_points}[kind](path, lines))


def _text_cameras(path: Path, lines: list[tuple[int, str]]) -> Iterator[tuple]:
    for number, line in lines:
        if words := line.split():
            with reading(f"line {number} of", path):
                yield int(words[0]), words[1], int(words[2]), int(words[3]), [_number(word) for word in words[4:]]


def _text_images(path: Path, lines: list[tuple[int, str]]) -> Iterator[tuple]:
    """Two lines an image; a name may hold spaces, and the second line is empty or missing if no point was seen."""
    alone = 0
    waiting = iter(lines)
    line = next(waiting, None)
    while line is not None:
        number, text = line
        line = next(waiting, None)
        words = text.split(maxsplit=9)
        if not words:
            continue
        with reading(f"line {number} of", path):
            if len(words) < 10:
                raise ValueError("not an image: ID, QW, QX, QY, QZ, TX, TY, TZ, CAMERA_ID, NAME")
            identifier, name, camera = int(words[0]), words[9].strip(), int(words[8])
            pose = np.array([_number(word) for word in words[1:8]])
        seen = _observations(line[1]) if line is not None else None
        if seen is None:
            alone += 1
        else:
            line = next(waiting, None)
        yield identifier, name, camera, pose, np.empty((0, 3)) if seen is None else seen
    if alone:
        note(f"no lines of observations for {alone} images", path)


def _observations(line: str) -> np.ndarray | None:
    """Rows (x, y, point's id) of a line of observations; None if it is an image's line."""
    words = line.split()
    if len(words) % 3 or not all(word.removeprefix("-").isdecimal() for word in words[2::3]):
        return None
    return np.array([_number(word) for word in words]).reshape(-1, 3)


def _text_points(path: Path, lines: list[tuple[int, str]]) -> Iterator[tuple]:
    for number, line in lines:
        if words := line.split(maxsplit=4):
            with reading(f"line {number} of", path):
                yield int(words[0]), [_number(words[axis]) for axis in (1, 2, 3)]


def _number(word: str) -> float:
    """What is no number (a decimal comma, say) is NaN, and reported if it is used."""
    try:
        return float(word)
    except ValueError:
        return np.nan


def _read_binary(path: Path, kind: str) -> list[tuple]:
    with reading("COLMAP model", path):
        content = memoryview(path.read_bytes())
        (count,) = struct.unpack_from("<Q", content)
        records = {"cameras": _binary_cameras, "images": _binary_images, "points3D": _binary_points}[kind](content)
        # Records end with a StopIteration or an error of `struct` where a file is cut.
        found = list(islice(records, count))
        if len(found) < count:
            raise ValueError(f"{count} records are announced, {len(found)} are there")
    return found


def _binary_cameras(content: memoryview) -> Iterator[tuple]:
    start, models = 8, {int(model): name for name, model in load_pycolmap().CameraModelId.__members__.items()}
    while start < len(content):
        number, model, width, height = struct.unpack_from("<iiQQ", content, start)
        name = models.get(model, f"number {model}")
        values = struct.unpack_from(f"<{_parameters(name)}d", content, start + 24)
        start += 24 + 8 * len(values)
        yield number, name, width, height, list(values)


def _binary_images(content: memoryview) -> Iterator[tuple]:
    start, dtype = 8, np.dtype([("x", "<f8"), ("y", "<f8"), ("point", "<i8")])
    while start < len(content):
        identifier, *pose, camera = struct.unpack_from("<i7di", content, start)
        start += 64
        end = start + bytes(content[start : start + 4096]).index(b"\0")
        name = bytes(content[start:end]).decode()
        (count,) = struct.unpack_from("<Q", content, end + 1)
        start = end + 9 + dtype.itemsize * count
        seen = np.frombuffer(content, dtype, count, end + 9)
        yield identifier, name, camera, np.array(pose), np.stack([seen["x"], seen["y"], seen["point"]], axis=-1)


def _binary_points(content: memoryview) -> Iterator[tuple]:
    start = 8
    while start < len(content):
        number, *position, _, _, _, _, track = struct.unpack_from("<Q3d3BdQ", content, start)
        start += struct.calcsize("<Q3d3BdQ") + 8 * track
        if start > len(content):
            raise ValueError("the last point's track is cut")
        yield number, position


def load_pycolmap() -> ModuleType:
    """The library, imported when a model is read: no other reader needs it, and a broken build must not stop them."""
    try:
        import pycolmap
    except ImportError as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"COLMAP models need pycolmap ({reason}): pip install -U pycolmap") from None
    return pycolmap
