"""Photos with cameras, in any format that the readers of `datasets` know."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch
from jaxtyping import Bool, Float
from numpy import ndarray
from torch import Tensor

from pixelnerf.app.installation import config_folder
from pixelnerf.entry import composed_values
from pixelnerf.errors import UserError
from pixelnerf.types import Cameras

if TYPE_CHECKING:
    from pixelnerf.scenes.scene import Scene as PosedScene

FORMATS = {
    "transforms": ("transforms.json",),
    "blender": ("transforms_train.json", "transforms_test.json"),
    "colmap": ("sparse", "colmap/sparse", "images.txt", "images.bin"),
    "llff": ("poses_bounds.npy",),
    "srn_cars": ("intrinsics.txt",),
}
"""What a capture's folder holds, by the reader that reads it."""
NEARNESS = 0.01
"""Weight of the cameras' mean upward axis against their being level."""
PHOTO_FOLDERS = ("images_4", "images_8", "images")
"""Where captures have their photos, if not beside the cameras: smaller copies are large enough."""


@dataclass(frozen=True)
class Capture:
    """Posed photos of one object or place.

    Attributes:
        name: what to call it.
        reader: which reader read it.
        cameras: of all photos, in their own world.
        scene: reads photos and masks.
    """

    name: str
    reader: str
    cameras: Cameras
    scene: "PosedScene"

    def photo(self, view: int) -> Float[ndarray, "height width 3"]:
        """RGB in [0, 1]."""
        return self.scene.images([view])[0].movedim(0, -1).numpy()

    def mask(self, view: int) -> Bool[ndarray, "height width"] | None:
        """Where the object is, if the capture has masks."""
        masks = self.scene.masks([view])
        return None if masks is None else masks[0].numpy()


def find_format(folder: Path) -> str | None:
    """The reader of a folder of posed photos; None if no file in it holds cameras."""
    for reader, names in FORMATS.items():
        if any(_holds_something(folder / name) for name in names):
            return reader
    return None


def looked_for() -> str:
    """The files that tell formats, for a message."""
    return ", ".join(name for names in FORMATS.values() for name in names)


def reader_values(folder: Path, reader: str) -> dict[str, str]:
    """What the configuration of a capture's reader says of the folder."""
    values = {"root": str(folder)}
    if "images" in composed_values(config_folder(), f"dataset/{reader}")["dataset"]:
        values["images"] = next((name for name in PHOTO_FOLDERS if (folder / name).is_dir()), ".")
    return values


def capture_split(folder: Path, reader: str) -> Literal["train", "test"]:
    """The split whose photos are the capture's."""
    return "test" if reader == "blender" and not (folder / "transforms_train.json").exists() else "train"


def _holds_something(path: Path) -> bool:
    """Whether a file exists, or a folder that a killed run has not left half-made: hidden files are never data."""
    return any(file.name[0] != "." for file in path.iterdir()) if path.is_dir() else path.exists()


def open_capture(folder: Path) -> Capture:
    """Opens a folder of posed photos.

    Raises:
        UserError: no cameras are found in it, or what is found cannot be read.
    """
    reader = find_format(folder)
    if reader is None:
        raise UserError(f"no cameras in {folder} (looked for {looked_for()}); recover them: pixelnerf pose")
    try:
        from datasets.registry import build_dataset, parse_dataset
    except ImportError:
        raise UserError(
            "reading captures needs the readers of this project: pip install pixelnerf-datasets (from its checkout: "
            "pip install ./datasets)"
        ) from None
    values = {**composed_values(config_folder(), f"dataset/{reader}")["dataset"], **reader_values(folder, reader)}
    if "test_every" in values:
        # All photos, in the capture's own world. Bounds, which a file may lack, are not used: the object's are.
        values |= {"test_every": 0, "scale_world": False, "near": 1.0, "far": 2.0}
    dataset = build_dataset(parse_dataset(values))
    scene = dataset.scenes(capture_split(folder, reader))[0]
    return Capture(folder.resolve().name, reader, scene.cameras(), scene)


def spread_views(cameras: Cameras, count: int) -> list[int]:
    """Views whose directions are spread best: the first, then always the farthest from all chosen ones.

    Args:
        cameras: one view axis.
        count: how many views; all if there are fewer.
    """
    positions = cameras.poses[:, :3, 3]
    chosen = [0]
    distances = (positions - positions[0]).norm(dim=-1)
    while len(chosen) < min(count, len(positions)):
        farthest = int(distances.argmax())
        chosen.append(farthest)
        distances = torch.minimum(distances, (positions - positions[farthest]).norm(dim=-1))
    return sorted(chosen)


def look_at_point(cameras: Cameras, pixels: Float[Tensor, "view 2"]) -> Float[Tensor, "3"]:
    """The point nearest to the views' rays through a pixel each, by least squares.

    For a single view, which has no such point, the one at distance 1 in front of it.
    """
    poses, inverse = cameras.poses.double(), torch.linalg.inv(cameras.intrinsics.double())
    homogeneous = torch.cat([pixels.double(), torch.ones(len(pixels), 1, dtype=torch.float64)], dim=-1)
    directions = (poses[:, :3, :3] @ (inverse @ homogeneous[..., None]))[..., 0]
    directions = directions / directions.norm(dim=-1, keepdim=True)
    if len(directions) == 1:
        return (poses[0, :3, 3] + directions[0]).float()
    across = torch.eye(3, dtype=torch.float64) - directions[:, :, None] * directions[:, None, :]
    return torch.linalg.lstsq(across.sum(0), (across @ poses[:, :3, 3, None]).sum(0)).solution[:, 0].float()


def upward(cameras: Cameras) -> Float[Tensor, "3"]:
    """Up, if the cameras were held level: the direction most nearly at right angles to all of their x axes.

    Cameras of one place leave all directions that are; of them it is the one nearest the mean of their upward axes.
    """
    across, above = cameras.poses[:, :3, 0].double(), -cameras.poses[:, :3, 1].double()
    mean = torch.nn.functional.normalize(above.mean(0), dim=0)
    away = torch.eye(3, dtype=torch.float64) - mean[:, None] * mean
    _, vectors = torch.linalg.eigh(across.mT @ across / len(across) + NEARNESS * away)
    up = vectors[:, 0]
    return (up if up @ mean > 0 else -up).float()


def parse_inputs(text: str, count: int) -> list[int]:
    """Numbers of views, as in "3,17,40".

    Raises:
        UserError: it is not a list of different views that exist.
    """
    try:
        views = [int(part) for part in text.split(",")]
    except ValueError:
        raise UserError(f"--inputs {text} is not a list of numbers such as 3,17,40") from None
    wrong: Sequence[int] = [view for view in views if not 0 <= view < count]
    if wrong:
        raise UserError(f"--inputs {text}: there is no view {wrong[0]}; views are 0 to {count - 1}")
    if len(set(views)) < len(views):
        raise UserError(f"--inputs {text} names a view twice")
    return views
