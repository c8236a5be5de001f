"""What captures of single places share: options, views left or held out, one world, photos without distortion."""

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
from jaxtyping import Float
from pydantic import Field, field_validator

from datasets.messages import named_view, note
from datasets.readers.camera_files import check_intrinsics, is_far_from_origin, make_cameras
from datasets.readers.file_scene import FileScene, PhotoFiles
from datasets.readers.folder_dataset import FolderConfig, FolderDataset
from datasets.readers.lens import Lens
from pixelnerf.errors import UserError
from pixelnerf.scenes.scene import SparsePoints, Split
from pixelnerf.types import Cameras

# Points that are projected at once, so that a million of them take no more memory than they do themselves.
BLOCK = 1 << 16
BOUNDS_BY_HAND = "set dataset.near, dataset.far and dataset.scale_world=false"


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


def kept_world(poses: Float[np.ndarray, "view 4 4"], path: Path) -> CaptureWorld:
    """The capture's own world, moved to its cameras if 32 bits could not hold them where they are."""
    if not is_far_from_origin(poses):
        return OWN_WORLD
    x, y, z = poses[:, :3, 3].mean(axis=0)
    note(f"cameras far from the origin: the world's origin is moved to ({x:.10g}, {y:.10g}, {z:.10g})", path)
    return CaptureWorld(centered(poses), 1.0)


def centered(poses: Float[np.ndarray, "view 4 4"]) -> Float[np.ndarray, "4 4"]:
    """The frame at the middle of some cameras, with the world's axes."""
    frame = np.eye(4)
    frame[:3, 3] = poses[:, :3, 3].mean(axis=0)
    return frame


class Views(Protocol):
    """A capture's views, each read when it is asked for; a UserError that says what is wrong with it.

    Poses are camera-to-world in the capture's own world and OpenCV axes; `points` are sparse ones that a view may show.
    """

    def __len__(self) -> int:
        """How many there are."""
        ...

    def pose(self, view: int) -> Float[np.ndarray, "4 4"]:
        """A view's pose, checked."""
        ...

    def lens(self, view: int) -> Lens:
        """A view's photo and camera."""
        ...

    def mask(self, view: int) -> Path | None:
        """A view's object mask, if the capture has masks."""
        ...

    def points(self, view: int) -> Float[np.ndarray, "point 3"]:
        """Sparse points."""
        ...


def depth_bounds(
    views: Iterable[tuple[Float[np.ndarray, "4 4"], Lens, Float[np.ndarray, "point 3"]]], path: Path
) -> tuple[float, float]:
    """The nearest and farthest depth of points in front of views and inside their photos, but for 0.5 % of each's."""
    near, far = np.inf, 0.0
    for pose, lens, points in views:
        blocks = range(0, len(points), BLOCK)
        depths = np.concatenate([_seen_depths(pose, lens, points[start : start + BLOCK]) for start in blocks] or [[]])
        if len(depths):
            low, high = np.percentile(depths, [0.5, 99.5])
            near, far = min(near, low), max(far, high)
    if not near < far:
        raise UserError(f"no photo of '{path}' shows sparse points to take near and far from: {BOUNDS_BY_HAND}")
    return float(near), float(far)


def _seen_depths(
    pose: Float[np.ndarray, "4 4"], lens: Lens, points: Float[np.ndarray, "point 3"]
) -> Float[np.ndarray, "seen"]:
    """Depths of the points that lie in front of a view and inside its photo."""
    local = (points - pose[:3, 3]) @ pose[:3, :3]
    with np.errstate(divide="ignore", invalid="ignore"):
        pixels = local[:, :2] / local[:, 2:] * np.diag(lens.straight)[:2] + lens.straight[:2, 2]
    return local[(local[:, 2] > 0) & (pixels >= 0).all(axis=-1) & (pixels <= lens.size).all(axis=-1), 2]


class CaptureDataset(FolderDataset[CaptureConfigType]):
    """What readers of captures share."""

    def _chosen_views(
        self, count: int, split: Split, path: Path, listed: Collection[int] | None = None
    ) -> tuple[list[int], list[int]]:
        """The photos that are used, by their numbers in the capture's order, and those of them in a split.

        The split is every n-th photo or the others, or what the capture itself has `listed` for it.
        """
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
        if listed is not None:
            chosen = [view for view in used if view in listed]
        elif every == 0:
            chosen = used
        else:
            chosen = [view for position, view in enumerate(used) if (position % every == 0) == (split != "train")]
        if not chosen:
            raise UserError(f"no photo of '{path}' is left for the split '{split}': see dataset.test_every")
        return used, chosen

    def _straight_scene(
        self,
        name: str,
        path: Path,
        split: Split,
        capture: Views,
        listed: Collection[int] | None = None,
        find_points: Callable[[list[int], Cameras, CaptureWorld], SparsePoints | None] = lambda *_: None,
    ) -> FileScene:
        """The scene of a split's views, in a world that all photos that are used in any split decide on.

        `path` is where the views come from, and `find_points` reads the sparse points in the scene's world, as its
        cameras see them.
        """
        config = self._config
        used, views = self._chosen_views(len(capture), split, path, listed)
        poses, lenses = {}, {}
        for view in used:
            with named_view(view):
                poses[view], lenses[view] = capture.pose(view), capture.lens(view)
                check_intrinsics(lenses[view].straight, f"view {view} in '{path}'")
        used_poses = np.stack([poses[view] for view in used])
        near, far = 0.0, 0.0
        if config.scale_world or config.near is None or config.far is None:
            near, far = depth_bounds(((poses[view], lenses[view], capture.points(view)) for view in used), path)
        world = scaled_world(centered(used_poses), near) if config.scale_world else kept_world(used_poses, path)
        cameras = make_cameras(
            world.poses(np.stack([poses[view] for view in views])),
            np.stack([lenses[view].straight for view in views]),
            np.array([lenses[view].size for view in views]),
            path,
            config.pixel_center,
            config.downscale,
        )
        files = []
        for view in views:
            with named_view(view):
                files.append(
                    PhotoFiles(lenses[view].photo, capture.mask(view), lenses[view], config.downscale, number=view)
                )
        # Points are few at the borders of what is seen.
        bounds = config.near or 0.9 * world.scale * near, config.far or 1.1 * world.scale * far
        return self._scene(name, files, cameras, bounds, find_points=lambda: find_points(views, cameras, world))
