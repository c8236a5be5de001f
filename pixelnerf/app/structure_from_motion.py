"""Incremental structure from motion on the CPU, by COLMAP's library pycolmap (Schönberger and Frahm, CVPR 2016).

1. Copies of the photos at a size that features are found at; names without spaces, as lists of pairs need them.
2. One camera for photos of the same size and EXIF, so that few photos determine it.
3. SIFT features, matches of pairs of photos, each pair verified by its epipolar geometry.
4. Incremental mapping. Of several partial models the one with most photos is kept, and brought to the photos' own size.

Every random choice has a fixed seed, and what depends on the order of threads runs on one: the same photos give the
same model.
"""

import itertools
import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from PIL import Image

from pixelnerf.errors import UserError

if TYPE_CHECKING:
    import pycolmap

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""

_OLDEST = (4, 2)
"""The version of pycolmap that this is written for; before it, options have other names."""
_SEED = 0
_SMALLEST, _LARGEST = 640, 1600
"""The longer side of the copies, in pixels. In smaller photos SIFT finds few features; larger ones cost minutes."""
_MOST_ENLARGED = 4
_FEATURES = 4096
"""At most so many a photo: the time of matching grows with the square."""
_NEIGHBOURS = 10
_PHOTOS_AT_ONCE, _PAIRS_AT_ONCE = 8, 100
_STEADY, _JUMP = 20.0, 60.0
"""Degrees between photos that follow each other: most are closer than the first in a capture with an order, and photos
farther apart than the second share nothing to be matched by."""
_CAMERA_TAGS = {"make": 0x010F, "model": 0x0110, "focal length": 0x920A, "focal length in 35 mm film": 0xA405}
_EXIF_IFD = 0x8769


def pairs_of_all(count: int) -> list[tuple[int, int]]:
    """Every photo with every other."""
    return list(itertools.combinations(range(count), 2))


def pairs_of_neighbours(count: int) -> list[tuple[int, int]]:
    """Every photo with the ten that follow it.

    >>> pairs_of_neighbours(3)
    [(0, 1), (0, 2), (1, 2)]
    """
    return [(first, second) for first, second in pairs_of_all(count) if second - first <= _NEIGHBOURS]


def reconstruct(
    photos: Sequence[Path], pairs: Sequence[tuple[int, int]], scratch: Path, progress: Progress
) -> "pycolmap.Reconstruction | None":
    """The model of most photos; None if no two can be placed.

    Args:
        photos: readable photos of one folder; the model's images have their file names.
        pairs: indices of the photos whose features are matched.
        scratch: an empty folder for what is needed on the way.
        progress: called during the steps "reading", "features", "matches" and "cameras".

    Raises:
        UserError: pycolmap is missing or too old.
    """
    library = load_pycolmap()
    copies, database = scratch / "photos", scratch / "database.db"
    copies.mkdir()
    names = [f"{index:06d}.png" for index in range(len(photos))]
    for index, (photo, name) in enumerate(zip(photos, names, strict=True)):
        _copy_at_working_size(photo, copies / name)
        progress("reading", index + 1, len(photos))
    with _only_fatal_messages(library):
        _register(library, database, photos, [copies / name for name in names])
        _find_features(library, database, copies, names, progress)
        _match(library, database, scratch / "pairs.txt", [(names[i], names[j]) for i, j in pairs], progress)
        models = _map(library, database, copies, scratch / "models", len(photos), progress)
        if not models:
            return None
        best = max(models, key=lambda model: (model.num_reg_images(), model.num_points3D()))
        _give_back_names_and_sizes(best, dict(zip(names, photos, strict=True)))
    return best


def jumps(model: "pycolmap.Reconstruction", photos: Sequence[Path]) -> list[tuple[str, str, float]]:
    """Photos that follow each other but stand far apart, and the angle between them in degrees.

    None for a collection without order. In a capture with one, such a jump tells of a fold: where an object's sides
    look alike, structure from motion lays one over the other.
    """
    images = {image.name: image for image in model.images.values() if image.has_pose}
    placed = [(photo.name, images[photo.name].cam_from_world().rotation) for photo in photos if photo.name in images]
    pairs = list(itertools.pairwise(placed))
    angles = [math.degrees(first.angle_to(second)) for (_, first), (_, second) in pairs]
    if not angles or statistics.median(angles) > _STEADY:
        return []
    return [
        (first, second, angle) for ((first, _), (second, _)), angle in zip(pairs, angles, strict=True) if angle > _JUMP
    ]


def load_pycolmap() -> ModuleType:
    """The library, imported when it is needed: a broken build must not stop anything else.

    Raises:
        UserError: it is missing or too old.
    """
    try:
        import pycolmap
    except ImportError as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"posing photos needs pycolmap ({reason}): pip install 'pixelnerf[pose]'") from None
    if tuple(int(part) for part in pycolmap.__version__.split(".")[:2]) < _OLDEST:
        raise UserError(f"pycolmap {pycolmap.__version__} is too old to pose photos: pip install -U pycolmap")
    return pycolmap


@contextmanager
def _only_fatal_messages(library: ModuleType) -> Iterator[None]:
    """COLMAP logs hundreds of lines otherwise."""
    before = library.logging.minloglevel
    library.logging.minloglevel = library.logging.FATAL.value
    try:
        yield
    finally:
        library.logging.minloglevel = before


def _copy_at_working_size(photo: Path, copy: Path) -> None:
    """Without loss, and of the stored pixels, not turned upright by EXIF: cameras belong to them."""
    with Image.open(photo) as image:
        longest = max(image.size)
        factor = min(-(-_SMALLEST // longest), _MOST_ENLARGED) if longest < _SMALLEST else min(1, _LARGEST / longest)
        size = (max(1, round(factor * image.width)), max(1, round(factor * image.height)))
        image.convert("RGB").resize(size, Image.Resampling.LANCZOS).save(copy, compress_level=1)


def _register(library: ModuleType, database: Path, photos: Sequence[Path], copies: Sequence[Path]) -> None:
    """The photos in the database, in their order, with shared cameras."""
    cameras: dict[object, tuple[int, int]] = {}
    with _opened(library, database) as file:
        for photo, copy in zip(photos, copies, strict=True):
            key = _camera_key(photo)
            if key not in cameras:
                try:
                    camera = library.infer_camera_from_image(photo)  # EXIF tells the focal length
                except ValueError:  # a type that COLMAP does not decode, such as WebP; its focal length is estimated
                    camera = library.infer_camera_from_image(copy)
                with Image.open(copy) as image:
                    camera.rescale(*image.size)
                camera.camera_id = file.write_camera(camera)
                rig = library.Rig()
                rig.add_ref_sensor(camera.sensor_id)
                cameras[key] = camera.camera_id, file.write_rig(rig)
            camera_id, rig_id = cameras[key]
            entry = library.Image(name=copy.name, camera_id=camera_id)
            entry.image_id = file.write_image(entry)
            frame = library.Frame()
            frame.rig_id = rig_id
            frame.add_data_id(entry.data_id)
            file.write_frame(frame)


def _camera_key(photo: Path) -> object:
    """What photos of one camera at one zoom have in common."""
    with Image.open(photo) as image:
        exif = image.getexif()
        tags = {**exif, **exif.get_ifd(_EXIF_IFD)}
        return image.size, *(str(tags.get(tag)) for tag in _CAMERA_TAGS.values())


def _find_features(library: ModuleType, database: Path, copies: Path, names: Sequence[str], progress: Progress) -> None:
    options = library.FeatureExtractionOptions()
    options.use_gpu = False
    options.sift.max_num_features = _FEATURES
    for start in range(0, len(names), _PHOTOS_AT_ONCE):
        chunk = list(names[start : start + _PHOTOS_AT_ONCE])
        library.extract_features(database, copies, image_names=chunk, extraction_options=options)
        progress("features", start + len(chunk), len(names))


def _match(
    library: ModuleType, database: Path, listing: Path, pairs: Sequence[tuple[str, str]], progress: Progress
) -> None:
    options = library.FeatureMatchingOptions()
    options.use_gpu = False
    verification = library.TwoViewGeometryOptions()
    verification.ransac.random_seed = _SEED
    pairing = library.ImportedPairingOptions()
    pairing.match_list_path = str(listing)
    for start in range(0, len(pairs), _PAIRS_AT_ONCE):
        chunk = pairs[start : start + _PAIRS_AT_ONCE]
        listing.write_text("".join(f"{first} {second}\n" for first, second in chunk))
        library.match_image_pairs(database, options, pairing, verification)
        progress("matches", start + len(chunk), len(pairs))


def _map(
    library: ModuleType, database: Path, copies: Path, output: Path, count: int, progress: Progress
) -> list["pycolmap.Reconstruction"]:
    options = library.IncrementalPipelineOptions()
    options.random_seed = _SEED
    options.num_threads = 1
    placed = 0

    def first_pair() -> None:
        nonlocal placed
        placed = 2  # a further attempt begins anew
        progress("cameras", placed, count)

    def another() -> None:
        nonlocal placed
        placed = min(placed + 1, count)
        progress("cameras", placed, count)

    library.set_random_seed(_SEED)
    callbacks = {"initial_image_pair_callback": first_pair, "next_image_callback": another}
    return list(library.incremental_mapping(database, copies, output, options, **callbacks).values())


def _give_back_names_and_sizes(model: "pycolmap.Reconstruction", photos: dict[str, Path]) -> None:
    """Photos' names for those of the copies, and everything in pixels at the photos' own size."""
    factors = {}
    for image in model.images.values():
        photo = photos[image.name]
        image.name = photo.name
        camera = model.cameras[image.camera_id]
        if image.camera_id not in factors:
            with Image.open(photo) as file:
                factors[image.camera_id] = (file.width / camera.width, file.height / camera.height)
                camera.rescale(*file.size)
        for point in image.points2D:
            point.xy = point.xy * factors[image.camera_id]
    model.update_point_3d_errors()


@contextmanager
def _opened(library: ModuleType, database: Path) -> Iterator["pycolmap.Database"]:
    file = library.Database.open(database)
    try:
        yield file
    finally:
        file.close()
