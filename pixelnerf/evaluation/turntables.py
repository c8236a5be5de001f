"""Turntables of the best, median and worst object of each group, and pages to turn them by hand.

They are of the largest number of photos: a turn shows all sides, and most of them are guessed from one photo. Objects
are baked whatever the quality of the measured renders. Files lie in `<output>/objects/<group>_<rank>/`, and are used
again as long as they belong to the same results.
"""

import io
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from jaxtyping import Float, UInt8
from numpy import ndarray
from PIL import Image
from pydantic import TypeAdapter, ValidationError
from rich.console import Console
from torch import Tensor

from pixelnerf.errors import UserError
from pixelnerf.evaluation.evaluator import Method, ModelMethod
from pixelnerf.evaluation.protocol import Item, ResolvedProtocol
from pixelnerf.evaluation.results import ObjectResult, Turntable, ranked
from pixelnerf.evaluation.store import OBJECTS
from pixelnerf.geometry.turn import pivot, turned
from pixelnerf.images.pictures import to_8_bits
from pixelnerf.model.baked import BakedVolume, render_baked
from pixelnerf.model.net import PhotoNet
from pixelnerf.model.occupied import check_quality, shared_grid
from pixelnerf.scenes.photos import scene_photos
from pixelnerf.tools.files import plain_digest, refusal_in_a_line, write_atomically
from pixelnerf.tools.progress import progress_bar
from pixelnerf.types import Cameras

PICTURE, PAGE, RECORD = "turntable.webp", "object.html", "made.json"
VERSION = 1
"""Raise it when turntables or pages change: they are then made anew."""
FRAMES, SIDE, FRAME_TIME = 24, 128, 0.1
"""Of a turn: pictures, pixels of the longer side, and seconds that each is shown."""
FALLBACK_SIDE = 384
QUALITY = 85
"""Of WebP: 40 dB or more on renders, at a kilobyte or two a frame."""


class SavePage(Protocol):
    """Writes a page that shows a baked volume; see `pixelnerf.app.page.save_page`."""

    def __call__(
        self,
        path: Path,
        volume: BakedVolume,
        photos: Sequence[Float[Tensor, "height width channel"]],
        start: Cameras,
        up: Float[Tensor, "3"],
        fallback: Float[Tensor, "height width channel"],
        title: str,
    ) -> None:
        """Raises a UserError if the volume is empty or the file cannot be written."""


@dataclass(frozen=True)
class Made:
    """What a folder's record says: the results that its files belong to, and the seconds that they took."""

    key: str
    seconds: float


_RECORD = TypeAdapter(Made)


@dataclass(frozen=True)
class Turntables:
    """What was made now or before, the seconds that it took, and what could not be made, a line each."""

    shown: tuple[Turntable, ...] = ()
    seconds: float = 0.0
    problems: tuple[str, ...] = ()

    def facts(self) -> dict[str, str]:
        """Lines of the report's head."""
        if not (self.shown or self.problems):
            return {}
        text = f"{len(self.shown)} objects, made in {self.seconds:.0f} s (turntables=false leaves them out)"
        return {"turntables": "; ".join([text, *(f"none of {problem}" for problem in self.problems)])}


@dataclass(frozen=True)
class _Choice:
    """An object to show, and the point and axis that it turns about."""

    item: Item
    turntable: Turntable
    key: str
    center: Float[Tensor, "3"]
    up: Float[Tensor, "3"]


def make_turntables(
    method: Method,
    resolved: ResolvedProtocol,
    objects: Sequence[ObjectResult],
    key: str,
    output: Path,
    save_page: SavePage,
    console: Console,
) -> Turntables:
    """Makes what is missing, under a progress bar; nothing for methods and scenes that cannot be baked or turned.

    Args:
        method: that was evaluated.
        resolved: what of.
        objects: the results.
        key: digest of all that decides the results.
        output: their folder.
        save_page: writes an object's page.
        console: of the progress bar.

    Raises:
        KeyboardInterrupt: with a message that says what is done.
    """
    if not (isinstance(method, ModelMethod) and _can_bake(method)):
        return Turntables()
    choices = _choices(resolved, objects, key)
    missing = [one for one in choices if _made(output, one) is None]
    problems = []
    try:
        if missing:
            with progress_bar("turntables", len(missing), console) as bar:
                for choice in missing:
                    try:
                        _make(method, choice, output, save_page)
                    except UserError as error:
                        problems.append(f"{choice.turntable.object}: {error}")
                    bar.advance()
    except KeyboardInterrupt:
        message = f"interrupted: all {len(resolved.items)} scenes are measured; run the same command to continue"
        raise KeyboardInterrupt(message) from None
    made = {one.turntable: record for one in choices if (record := _made(output, one)) is not None}
    return Turntables(tuple(made), sum(record.seconds for record in made.values()), tuple(problems))


def _can_bake(method: ModelMethod) -> bool:
    if not isinstance(method.net, PhotoNet):
        return False
    try:
        check_quality(method.net, "baked")
    except UserError:
        return False
    return True


def _choices(resolved: ResolvedProtocol, objects: Sequence[ObjectResult], key: str) -> list[_Choice]:
    items: dict[tuple[str, str], Item] = {}
    for item in resolved.items:
        items.setdefault((item.group, item.scene.name), item)
    groups: dict[str, list[ObjectResult]] = {}
    for result in objects:
        groups.setdefault(result.measurements[0].group, []).append(result)
    views = max(one.views for result in objects for one in result.measurements)
    found = []
    for group, members in groups.items():
        for rank, result in ranked(members, views).items():
            subject, folder = result.measurements[0], f"{OBJECTS}/{group}_{rank}"
            item = items[group, subject.object]
            axis = pivot(item.scene.cameras().poses)
            if axis is None or item.scene.ndc is not None:
                continue
            turntable = Turntable(
                group=group,
                rank=rank,
                category=subject.category,
                object=subject.object,
                views=views,
                psnr=result.psnr(views),
                picture=f"{folder}/{PICTURE}",
                page=f"{folder}/{PAGE}",
            )
            own = plain_digest({"results": key, "object": subject.object, "views": views, "version": VERSION})
            found.append(_Choice(item, turntable, own, *axis))
    return found


def _made(output: Path, choice: _Choice) -> Made | None:
    """The record of a choice's files; None if one is missing or they belong to other results."""
    files = [output / choice.turntable.picture, output / choice.turntable.page]
    try:
        record = _RECORD.validate_json((files[0].with_name(RECORD)).read_bytes())
    except (OSError, ValidationError):
        return None
    return record if record.key == choice.key and all(file.is_file() for file in files) else None


@torch.inference_mode()
def _make(method: ModelMethod, choice: _Choice, output: Path, save_page: SavePage) -> None:
    """Writes an object's files, the record last.

    Raises:
        UserError: the photos cannot be read any more, the volume is empty, or a file cannot be written.
    """
    start, item, scene = time.perf_counter(), choice.item, choice.item.scene
    inputs, options, net = item.inputs[choice.turntable.views], method.options, method.net
    first, normalize = scene.cameras()[inputs[0]], net.config.renderer.normalize_directions
    cameras = turn_cameras(first, choice.center, choice.up)
    views = [scene.view_of(camera.to(options.device)) for camera in cameras]
    with options.products():
        features = net.encode(scene_photos(scene, inputs, method.input_downscale).to(options.device))
        volume = shared_grid(net, features, views, "baked")
    assert isinstance(volume, BakedVolume), "quality=baked gives a volume"
    frames = [to_8_bits(render_baked(volume, view, normalize).color.cpu().numpy()) for view in views]
    large = _resized(first, FALLBACK_SIDE)
    whole = render_baked(volume, scene.view_of(large.to(options.device)), normalize).to("cpu")
    folder = (output / choice.turntable.page).parent
    with refusal_in_a_line(folder):
        folder.mkdir(parents=True, exist_ok=True)
        # Until it is written again the folder belongs to nothing.
        (folder / RECORD).unlink(missing_ok=True)
    save_page(
        folder / PAGE,
        volume.to("cpu"),
        [scene.images([view])[0].movedim(0, -1) for view in inputs],
        large,
        choice.up.float(),
        torch.cat([whole.color, whole.opacity[..., None]], dim=-1),
        choice.turntable.object,
    )
    with refusal_in_a_line(folder):
        write_atomically(folder / PICTURE, animation(frames))
        seconds = time.perf_counter() - start
        write_atomically(folder / RECORD, _RECORD.dump_json(Made(choice.key, round(seconds, 2))))


def turn_cameras(first: Cameras, center: Float[Tensor, "3"], up: Float[Tensor, "3"]) -> list[Cameras]:
    """The cameras of a turntable's frames, of which `first` is resized to be the first."""
    resized = _resized(first, SIDE)
    poses = turned(resized.poses, center, up, FRAMES)
    return [Cameras(pose, resized.intrinsics, resized.sizes) for pose in poses]


def animation(frames: Sequence[UInt8[ndarray, "height width 3"]]) -> bytes:
    """Frames as a WebP that repeats for ever."""
    images = [Image.fromarray(frame) for frame in frames]
    stream = io.BytesIO()
    images[0].save(
        stream,
        "WEBP",
        save_all=True,
        append_images=images[1:],
        duration=round(1000 * FRAME_TIME),
        loop=0,
        quality=QUALITY,
        method=4,
    )
    return stream.getvalue()


def _resized(camera: Cameras, side: int) -> Cameras:
    """A camera for pictures whose longer side has so many pixels."""
    return camera.scaled(side / float(camera.sizes.max()))
