"""What captures of single places share: options, views left or held out, one world, photos without distortion."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from jaxtyping import Float
from pydantic import Field, field_validator

from datasets.readers.camera_files import make_cameras
from datasets.readers.file_scene import FileScene, PhotoFiles
from datasets.readers.folder_dataset import FolderConfig, FolderDataset
from datasets.readers.lens import Lens
from pixelnerf.errors import UserError
from pixelnerf.scenes.scene import SparsePoints, Split
from pixelnerf.types import Cameras


class CaptureConfig(FolderConfig):
    """Options of captures. The root is one capture's folder, or a folder of such folders.

    Attributes:
        near: where rays begin, in units of t; None to take it from the capture.
        far: where they end; None likewise.
        scale_world: scale the world so that the nearest bound lies at 4/3, as models with position codes need it, and
            move it to the cameras; else it is the file's.
        downscale: photos are shrunk by this whole number when they are read.
        leave_out: photos that are not used, by their numbers in the capture's order, from 0: single ones or ranges with
            both ends included, for instance [3, "14-34"]. What goes by number or order (`test_every`, an input view)
            counts the others.
        test_every: every so many views, the first included, one is held out for validation and test alike; with 0 all
            views belong to all splits, and the protocol says which are given and which are asked for.
    """

    near: float | None = Field(gt=0)
    far: float | None = Field(gt=0)
    scale_world: bool
    downscale: int = Field(ge=1)
    leave_out: tuple[int | str, ...]
    test_every: int = Field(ge=0)

    @field_validator("leave_out")
    @classmethod
    def _are_ranges(cls, given: tuple[int | str, ...]) -> tuple[int | str, ...]:
        for item in given:
            _ends(item)
        return given


CaptureConfigType = TypeVar("CaptureConfigType", bound=CaptureConfig)


def _ends(item: int | str) -> tuple[int, int]:
    """First and last of a number or a range."""
    found = re.fullmatch(r"(\d+)(?:-(\d+))?", str(item).strip())
    if found is None:
        raise ValueError(f"'{item}' is neither a photo's number nor a range such as 14-34")
    first, last = int(found[1]), int(found[2] or found[1])
    if last < first:
        raise ValueError(f"'{item}' ends before it begins")
    return first, last


@dataclass(frozen=True)
class CaptureWorld:
    """A world whose axes and origin are `frame` in a capture's own, and whose lengths are `scale` times as long."""

    frame: Float[np.ndarray, "4 4"]
    scale: float

    def poses(self, poses: Float[np.ndarray, "view 4 4"]) -> Float[np.ndarray, "view 4 4"]:
        """Camera-to-world poses of the capture's world, in this one."""
        moved = np.linalg.inv(self.frame) @ poses
        moved[:, :3, 3] *= self.scale
        return moved

    def points(self, points: Float[np.ndarray, "point 3"]) -> Float[np.ndarray, "point 3"]:
        """Points of the capture's world, in this one."""
        return self.scale * (points - self.frame[:3, 3]) @ self.frame[:3, :3]


OWN_WORLD = CaptureWorld(np.eye(4), 1.0)


def scaled_world(frame: Float[np.ndarray, "4 4"], nearest: float) -> CaptureWorld:
    """The world with a frame's axes and origin in which the depth `nearest` is 4/3, as in NeRF (2020)."""
    # So NDC's near plane at 1 is in front of everything.
    return CaptureWorld(frame, 1 / (0.75 * nearest))


class CaptureDataset(FolderDataset[CaptureConfigType]):
    """What readers of captures share."""

    def _chosen_views(self, count: int, split: Split, path: Path) -> tuple[list[int], list[int]]:
        """The photos that are used, by their numbers in the capture's order, and those of them in a split."""
        left_out: set[int] = set()
        for item in self._config.leave_out:
            first, last = _ends(item)
            if last >= count:
                raise UserError(f"dataset.leave_out has '{item}', but '{path}' has the photos 0 to {count - 1}")
            left_out.update(range(first, last + 1))
        used = [view for view in range(count) if view not in left_out]
        if not used:
            raise UserError(f"dataset.leave_out leaves no photo of '{path}'")
        every = self._config.test_every
        if every == 0:
            return used, used
        return used, [view for position, view in enumerate(used) if (position % every == 0) == (split != "train")]

    def _straight_scene(
        self,
        name: str,
        path: Path,
        lenses: Sequence[Lens],
        poses: Float[np.ndarray, "view 4 4"],
        used_poses: Float[np.ndarray, "used 4 4"],
        find_bounds: Callable[[], tuple[float, float]],
        find_points: Callable[[Cameras, CaptureWorld], SparsePoints | None] = lambda cameras, world: None,
    ) -> FileScene:
        """A scene of some of a capture's views.

        `poses`, and those of all photos that are used in any split, which decide on the world, are in the capture's own
        world and OpenCV axes; `path` is where they come from. `find_bounds` reads the nearest and farthest depth of
        what the used photos show, if it is needed, and `find_points` the sparse points in the scene's world, as its
        cameras see them.
        """
        config, world = self._config, OWN_WORLD
        near, far = 0.0, 0.0
        if config.scale_world or config.near is None or config.far is None:
            near, far = find_bounds()
        if config.scale_world:
            center = np.eye(4)
            center[:3, 3] = used_poses[:, :3, 3].mean(axis=0)
            world = scaled_world(center, near)
        cameras = make_cameras(
            world.poses(poses),
            np.stack([lens.straight for lens in lenses]),
            np.array([lens.size for lens in lenses]),
            path,
            config.pixel_center,
            config.downscale,
        )
        return self._scene(
            name,
            [PhotoFiles(lens.photo, downscale=config.downscale, lens=lens) for lens in lenses],
            cameras,
            # Points are few at the borders of what is seen.
            (config.near or 0.9 * world.scale * near, config.far or 1.1 * world.scale * far),
            find_points=lambda: find_points(cameras, world),
        )
