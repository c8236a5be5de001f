"""Photos with cameras, in any format that the readers of `datasets` know."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
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
        if any((folder / name).exists() for name in names):
            return reader
    return None


def open_capture(folder: Path) -> Capture:
    """Opens a folder of posed photos.

    Raises:
        UserError: no cameras are found in it, or what is found cannot be read.
    """
    reader = find_format(folder)
    if reader is None:
        raise UserError(
            f"no cameras in {folder} (looked for {', '.join(name for names in FORMATS.values() for name in names)}); "
            "recover them: pixelnerf pose"
        )
    try:
        from datasets.registry import build_dataset, parse_dataset
    except ImportError:
        raise UserError(
            "reading captures needs the readers of this project: pip install pixelnerf-datasets (from its checkout: "
            "pip install ./datasets)"
        ) from None
    values = composed_values(config_folder(), f"dataset/{reader}")["dataset"]
    dataset = build_dataset(parse_dataset({**values, "root": str(folder)}))
    for split in ("test", "train", "val"):
        try:
            scenes = dataset.scenes(split)
        except UserError:
            if split == "val":
                raise
            continue
        if len(scenes) > 0:
            scene = scenes[0]
            return Capture(folder.resolve().name, reader, scene.cameras(), scene)
    raise UserError(f"{folder} holds no scene that dataset={reader} can read")


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
    """Up, if the cameras were held upright: the mean of their upward axes, or an axis of the world close to it."""
    mean = -cameras.poses[:, :3, 1].double().mean(0)
    mean = mean / mean.norm().clamp_min(1e-9)
    largest = int(mean.abs().argmax())
    if mean[largest].abs() > np.cos(np.radians(30)):
        axis = torch.zeros(3, dtype=torch.float64)
        axis[largest] = mean[largest].sign()
        # Cameras that look down from all sides of an axis of the world stand upright on it.
        if len(cameras.poses) > 3 and (cameras.poses[:, :3, 0].double() @ axis).abs().max() < 0.05:
            return axis.float()
    return mean.float()


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
