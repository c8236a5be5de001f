"""What the front door's commands are given, photos, captures and videos, to an encoded object."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from pixelnerf.app.api import Model, Scene
from pixelnerf.app.camera import Camera
from pixelnerf.app.capture import Capture, find_format, look_at_point, open_capture, parse_inputs, spread_views, upward
from pixelnerf.app.cutout import CutOut, Matting, cut_out
from pixelnerf.app.frames import VIDEO_SUFFIXES
from pixelnerf.app.photo_files import read_photo
from pixelnerf.app.pose import MODEL, PHOTO_SUFFIXES
from pixelnerf.app.posing import pose_and_report
from pixelnerf.app.structure_from_motion import load_pycolmap
from pixelnerf.errors import UserError
from pixelnerf.types import Cameras

POSED_FRAMES = 60
"""Of a video."""

Say = Callable[[str], None]
"""Is given each line for the user."""


@dataclass(frozen=True)
class InputRequest:
    """The arguments that say what to encode; see `pixelnerf render`."""

    photos: tuple[Path, ...]
    inputs: str | None
    elevation: float
    field_of_view: float | None
    matting: Matting
    masks: tuple[Path, ...]

    def check(self, command: str) -> None:
        """Refuses what no photo is needed to refuse.

        Raises:
            UserError: no photos, one that is missing, or an elevation out of range.
        """
        if not self.photos:
            raise UserError(f"no photos; give one, as in: pixelnerf {command} photo.jpg")
        for path in self.photos:
            if not path.exists():
                raise UserError(f"no such photo or folder: {path}")
        for mask in self.masks:
            if not mask.is_file():
                raise UserError(f"no such mask: {mask}")
        if not -90 < self.elevation < 90:
            raise UserError(f"--elevation {self.elevation:g} is not between -90 and 90 degrees")


def is_video(path: Path) -> bool:
    """Whether a file is taken for a video, by its name."""
    return path.suffix.lower() in VIDEO_SUFFIXES and not path.is_dir()


def encode_inputs(model: Model, request: InputRequest, say: Say) -> tuple[Scene, Cameras | None]:
    """The encoded object, and the cameras of the photos that the model was given, if they have any.

    Raises:
        UserError: photos or a folder that cannot be read, or show no object.
    """
    first = request.photos[0]
    if len(request.photos) == 1 and not first.is_dir() and not is_video(first):
        if request.inputs is not None:
            raise UserError(f"--inputs {request.inputs} chooses photos of a folder, and {first} is a single photo")
        scene = model.encode(
            first,
            masks=request.masks or None,
            matting=request.matting,
            elevation=request.elevation,
            field_of_view=request.field_of_view,
        )
        return scene, None
    return _encode_capture(model, request, _capture(request, say), say)


def _capture(request: InputRequest, say: Say) -> Capture:
    first = request.photos[0]
    if len(request.photos) == 1 and first.is_dir():
        if find_format(first) is not None:
            return open_capture(first)
        photos = sorted(path for path in first.iterdir() if path.suffix.lower() in PHOTO_SUFFIXES)
        if not photos and not (first / "images").is_dir():
            raise UserError(f"no photos in {first} (looked for {', '.join(PHOTO_SUFFIXES)})")
        if len(photos) == 1:
            raise UserError(f"one photo in {first}; render it by itself: pixelnerf render {photos[0]}")
    if (before := _posed_before(request.photos)) is not None:
        say(f"cameras as recovered before, in {before / MODEL}; delete them, and they are recovered again")
        return open_capture(before)
    say("no cameras: recovering them by structure from motion (once; as pixelnerf pose does)")
    photos = request.photos
    if len(photos) == 1 and is_video(first) and _holds_frames(first.with_suffix("") / "images"):
        photos = (first.with_suffix(""),)  # an earlier run was cut short
    posed = pose_and_report(photos, "auto", POSED_FRAMES, overwrite=False, say=say)
    return open_capture(posed.root)


def _posed_before(photos: tuple[Path, ...]) -> Path | None:
    """The folder with the cameras of these photos, or of this video's frames, if they were recovered before."""
    if len(photos) == 1 and is_video(photos[0]):
        root = photos[0].with_suffix("")
        return root if (root / MODEL).is_dir() and _holds_frames(root / "images") else None
    root = photos[0].parent
    if not (root / MODEL).is_dir() or any(path.parent != root for path in photos):
        return None
    try:
        images = load_pycolmap().Reconstruction(root / MODEL).images.values()
    except ValueError:
        return None
    return root if {image.name for image in images} <= {path.name for path in photos} else None


def _holds_frames(folder: Path) -> bool:
    return folder.is_dir() and all(re.fullmatch(r"frame_\d+\.jpg", path.name) for path in folder.iterdir())


def _encode_capture(model: Model, request: InputRequest, capture: Capture, say: Say) -> tuple[Scene, Cameras]:
    cameras = capture.cameras
    count = len(cameras.poses)
    if request.field_of_view is not None:
        raise UserError("--field-of-view is for a single photo: these photos have cameras, which tell it")
    if request.inputs is not None:
        views = parse_inputs(request.inputs, count)
    else:
        views = spread_views(cameras, model.most_photos)
    say(f"{capture.name}: {count} posed photos ({capture.reader}); the model is given {', '.join(map(str, views))}")
    if len(views) > model.most_photos:
        say(f"WARNING: {len(views)} photos, and these weights were trained with {model.most_photos} at most")
    photos = [capture.photo(view) for view in views]
    if request.masks and (request.inputs is None or len(request.masks) != len(views)):
        raise UserError(f"{len(request.masks)} masks for {count} photos; say of which ones: --inputs, as many as masks")
    cuts: list[CutOut] = []
    for index, (view, photo) in enumerate(zip(views, photos, strict=True)):
        read = replace(read_photo(photo), name=f"photo {view} of {capture.name}")
        if request.masks or (given := capture.mask(view)) is None:
            cut = cut_out(read, request.matting, request.masks[index] if request.masks else None)
        else:
            cut = CutOut(given.astype(np.float32), "mask", ("background removed by the capture's masks",))
        if not (cut.mask > 0.5).any():
            raise UserError(f"no object in the mask of photo {view} of {capture.name}: choose others with --inputs")
        cuts.append(cut)
    chosen = cameras[torch.tensor(views)]
    center, length = _find_object(chosen, [cut.mask for cut in cuts])
    up = upward(cameras)
    place = ", ".join(f"{value:.3g}" for value in center.tolist())
    say(f"- object found at ({place}), {length:.3g} long, in the capture's world")
    scene = model.encode(
        photos,
        [Camera.of(chosen[index]) for index in range(len(views))],
        masks=cuts,
        center=center.tolist(),
        length=length,
        up=up.tolist(),
    )
    return scene, chosen


def _find_object(cameras: Cameras, masks: list[np.ndarray]) -> tuple[torch.Tensor, float]:
    """Where the masks' boxes meet, and the longest side that any of them shows there."""
    boxes = []
    for mask in masks:
        rows, columns = np.flatnonzero((mask > 0.5).any(1)), np.flatnonzero((mask > 0.5).any(0))
        boxes.append((columns[0], rows[0], columns[-1] + 1, rows[-1] + 1))
    corners = torch.tensor(np.array(boxes), dtype=torch.float32)
    center = look_at_point(cameras, (corners[:, :2] + corners[:, 2:]) / 2)
    offsets = center - cameras.poses[:, :3, 3]
    depths = (offsets * cameras.poses[:, :3, 2]).sum(-1)
    focal = cameras.intrinsics.diagonal(dim1=-2, dim2=-1)[:, :2]
    sides = (corners[:, 2:] - corners[:, :2]) * depths[:, None] / focal
    length = float(sides.max())
    if not 0 < length < float("inf"):
        raise UserError("the photos' cameras do not look at one object: check them with pixelnerf inspect")
    return center, length
