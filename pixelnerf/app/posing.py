"""`pixelnerf pose`: recovers cameras and says how well."""

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

from PIL import Image
from rich.console import Console
from rich.progress import Progress

from pixelnerf.app.pose import Matching, PosedPhotos, pose_photos
from pixelnerf.errors import UserError


def pose_and_report(
    photos: Sequence[Path], matching: Matching, frames: int, overwrite: bool, say: Callable[[str], None]
) -> PosedPhotos:
    """Poses photos with a progress bar; `say` is given each line for the user.

    Raises:
        UserError: as `pose_photos`.
    """
    if not photos:
        raise UserError("no photos; give a folder, photos, or a video, as in: pixelnerf pose photos/")
    with Progress(console=Console(stderr=True)) as bars, warnings.catch_warnings():
        # The limit of `photo_files` is stricter, and refuses.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        tasks = {}

        def show(step: str, done: int, total: int) -> None:
            if step not in tasks:
                tasks[step] = bars.add_task(step, total=total)
            bars.update(tasks[step], completed=done, total=total)

        posed = pose_photos(photos[0] if len(photos) == 1 else list(photos), matching, frames, overwrite, show)
    say(f"{len(posed.placed)} photos placed, {posed.error:.2f} pixels of reprojection error, {posed.num_points} points")
    for note in posed.notes:
        say(f"- {note}")
    say(f"cameras: {posed.model}; next: pixelnerf render {posed.root}")
    return posed
