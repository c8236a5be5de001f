"""The command `pixelnerf`: photos to pictures, and everything that the other programs do."""

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal, NoReturn

import tyro

from pixelnerf.app.programs import COMMANDS, run_program
from pixelnerf.entry import printable, run_plain

Photos = Annotated[tuple[Path, ...], tyro.conf.Positional]


def render(
    photos: Photos,
    /,
    output: Path | None = None,
    weights: str = "shapes13_all",
    inputs: str | None = None,
    path: str = "orbit",
    size: int = 256,
    frames: int = 120,
    fps: float = 30.0,
    elevation: float = 30.0,
    field_of_view: float | None = None,
    matting: Literal["auto", "rembg"] = "auto",
    masks: tuple[Path, ...] = (),
    quality: Literal["baked", "exact"] = "baked",
    threshold: float | None = None,
    device: str = "auto",
) -> None:
    """Renders an object from one or a few photos: video, pictures, depth, mesh, and a page to turn it with the mouse.

    Args:
        photos: one photo; several photos of one object; a folder with photos and cameras in any known format, or with
            photos alone, whose cameras are recovered; or a video.
        output: folder to write; by default named after the first photo, in the current folder.
        weights: a name (shapes13_all, shapes13) or a .ckpt or .safetensors file.
        inputs: which photos of a folder the model is given, as 3,17,40; by default those that are spread best.
        path: orbit, spiral, interpolate, or a nerfstudio camera_path.json.
        size: width and height of the pictures in pixels.
        frames: number of pictures along the path.
        fps: pictures a second in the video.
        elevation: of a single photo's camera above the object's horizon, in degrees; also the orbit's.
        field_of_view: of a single photo along its longer side, in degrees; by default EXIF's, or a guess.
        matting: how the background is removed if it is neither transparent nor plain: GrabCut, or rembg if installed.
        masks: pictures of the object's mask, one a photo, instead.
        quality: baked renders a volume, in milliseconds a picture; exact asks the network for every sample.
        threshold: density at which the mesh's surface lies; by default the one whose outline is the pictures'.
        device: auto, cpu, cuda.
    """
    from pixelnerf.app.render import RenderRequest, render_photos

    request = RenderRequest(
        photos=photos,
        output=output,
        weights=weights,
        inputs=inputs,
        path=path,
        size=size,
        frames=frames,
        fps=fps,
        elevation=elevation,
        field_of_view=field_of_view,
        matting=matting,
        masks=masks,
        quality=quality,
        threshold=threshold,
        device=device,
    )
    render_photos(request, say=_say)


def pose(
    photos: Photos,
    /,
    matching: Literal["auto", "exhaustive", "sequential"] = "auto",
    frames: int = 60,
    overwrite: bool = False,
) -> None:
    """Recovers the cameras of overlapping photos, or of a video, by structure from motion (COLMAP), beside the photos.

    Args:
        photos: a folder of photos, photos, or a video.
        matching: which pairs of photos are compared; auto is all up to 100 photos.
        frames: how many sharp frames of a video are used.
        overwrite: replace a model that is already there.
    """
    from pixelnerf.app.posing import pose_and_report

    pose_and_report(photos, matching, frames, overwrite, say=_say)


def view(
    photos: Photos,
    /,
    output: Path | None = None,
    weights: str = "shapes13_all",
    inputs: str | None = None,
    elevation: float = 30.0,
    field_of_view: float | None = None,
    matting: Literal["auto", "rembg"] = "auto",
    masks: tuple[Path, ...] = (),
    device: str = "auto",
    host: str = "127.0.0.1",
    port: int = 8080,
) -> None:
    """Shows an object in the browser: turn it, leave photos out, zoom out with cones against points, save pictures.

    Args:
        photos: as for render.
        output: folder to save to; by default named after the first photo, in the current folder.
        weights: a name (shapes13_all, shapes13) or a .ckpt or .safetensors file.
        inputs: which photos of a folder the model is given, as 3,17,40; by default those that are spread best.
        elevation: of a single photo's camera above the object's horizon, in degrees.
        field_of_view: of a single photo along its longer side, in degrees; by default EXIF's, or a guess.
        matting: how the background is removed if it is neither transparent nor plain: GrabCut, or rembg if installed.
        masks: pictures of the object's mask, one a photo, instead.
        device: auto, cpu, cuda.
        host: address to listen at; by default only this machine can look. There is no password.
        port: to listen at.
    """
    from pixelnerf.app.viewer import ViewRequest, view_photos

    request = ViewRequest(
        photos=photos,
        output=output,
        weights=weights,
        inputs=inputs,
        elevation=elevation,
        field_of_view=field_of_view,
        matting=matting,
        masks=masks,
        device=device,
        host=host,
        port=port,
    )
    view_photos(request, say=_say)


def _say(line: str) -> None:
    print(printable(line))


def main() -> NoReturn:
    """The console command."""
    if len(sys.argv) > 1 and sys.argv[1] in COMMANDS:
        run_program(sys.argv[1], sys.argv[2:])
    # No option has a dot, and a photo may be named -1.jpg.
    sys.argv[1:] = [
        f"./{word}" if word.startswith("-") and "." in word and Path(word).exists() else word for word in sys.argv[1:]
    ]

    def task() -> None:
        from pixelnerf.tools.process import prepare_process

        own = {function.__name__: _prepared(function, prepare_process) for function in (render, view, pose)}
        listed = {name: _listed(name, what) for name, what in COMMANDS.items()}
        tyro.extras.subcommand_cli_from_dict(own | listed, prog="pixelnerf", description="Few-shot view synthesis.")

    run_plain(task, interrupted="stopped; nothing half-written is left")


def _listed(name: str, what: str) -> Callable[[], None]:
    """A command for the list of commands; it never gets here, because it reads its own arguments."""

    def command() -> None: ...

    command.__name__, command.__doc__ = name, what[0].upper() + what[1:] + "."
    return command


def _prepared(function: Callable[..., None], first: Callable[[], None]) -> Callable[..., None]:
    @functools.wraps(function)
    def prepared(*args: object, **kwargs: object) -> None:
        first()
        function(*args, **kwargs)

    return prepared


if __name__ == "__main__":
    main()
