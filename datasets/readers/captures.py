"""What captures of single places share: options, held-out views, one world, and photos without lens distortion."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from pydantic import Field, field_validator, model_validator

from datasets.folder import FolderConfig
from datasets.image_cache import ImageCache
from datasets.readers.camera_files import make_cameras
from datasets.readers.file_scene import FileScene, PhotoFiles
from datasets.readers.lens import Lens
from pixelnerf.errors import UserError
from pixelnerf.scenes.scene import SparsePoints, Split
from pixelnerf.types import Cameras


class CaptureConfig(FolderConfig):
    """Options of captures. The root is one capture's folder, or a folder of such folders.

    Attributes:
        near: where rays begin, in units of t; None to take it from the capture.
        far: where they end; None likewise.
        scale_world: scale the world so that the nearest bound lies at 4/3, and move it to the cameras; else it is the
            file's. A model with position codes in the world needs a scale that it is made for.
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

    @model_validator(mode="after")
    def _near_is_before_far(self) -> "CaptureConfig":
        if self.near is not None and self.far is not None and self.near >= self.far:
            raise ValueError(f"near = {self.near} is not before far = {self.far}")
        return self

    @field_validator("leave_out")
    @classmethod
    def _are_ranges(cls, given: tuple[int | str, ...]) -> tuple[int | str, ...]:
        for item in given:
            first, last = _ends(item)
            if last < first:
                raise ValueError(f"'{item}' ends before it begins")
        return given


def used_views(count: int, config: CaptureConfig, path: Path) -> list[int]:
    """The photos of a capture that are not left out, by their numbers in the capture's order.

    Raises:
        UserError: one that the capture does not have is to be left out, or all are.
    """
    left_out: set[int] = set()
    for item in config.leave_out:
        first, last = _ends(item)
        if last >= count:
            raise UserError(f"dataset.leave_out has '{item}', but '{path}' has the photos 0 to {count - 1}")
        left_out.update(range(first, last + 1))
    if len(left_out) == count:
        raise UserError(f"dataset.leave_out leaves no photo of '{path}'")
    return [view for view in range(count) if view not in left_out]


def split_views(used: Sequence[int], split: Split, test_every: int) -> list[int]:
    """Those of the used views that belong to a split; see `CaptureConfig.test_every`."""
    if test_every == 0:
        return list(used)
    return [view for position, view in enumerate(used) if (position % test_every == 0) == (split != "train")]


def _ends(item: int | str) -> tuple[int, int]:
    """First and last of a number or a range."""
    found = re.fullmatch(r"(\d+)(?:-(\d+))?", str(item).strip())
    if found is None:
        raise ValueError(f"'{item}' is neither a photo's number nor a range such as 14-34")
    return int(found[1]), int(found[2] or found[1])


def scene_folders(root: Path, marker: str) -> list[str]:
    """Names, relative to the root, of the folders that hold a file or folder `marker`: the root itself, or some in it.

    Raises:
        UserError: there are none.
    """
    if (root / marker).exists():
        return ["."]
    names = sorted(folder.name for folder in root.iterdir() if (folder / marker).exists())
    if not names:
        raise UserError(f"neither '{root}' nor a folder in it holds '{marker}': set dataset.root=PATH")
    return names


def scene_name(root: Path, name: str) -> str:
    """What a scene is called: its folder, by its own name if it is the root."""
    return root.resolve().name if name == "." else name


def listed_images(folder: Path) -> Sequence[Path]:
    """The photos in a folder, by name.

    Raises:
        UserError: there is no such folder, or nothing in it.
    """
    if not folder.is_dir():
        raise UserError(f"no image folder '{folder}'")
    images = sorted(path for path in folder.iterdir() if path.suffix.lower() in (".png", ".jpg", ".jpeg"))
    if not images:
        raise UserError(f"no PNG or JPEG images in '{folder}'")
    return images


# The nearest bound comes to lie at 1 / 0.75, so that NDC's near plane at 1 is in front of everything.
BOUND_MARGIN = 0.75


@dataclass(frozen=True)
class CaptureWorld:
    """A scaled frame in a capture's own.

    Attributes:
        frame: its axes and origin in the capture's world.
        scale: lengths in it over lengths in the capture's world.
    """

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
    return CaptureWorld(frame, 1 / (BOUND_MARGIN * nearest))


def centered_world(poses: Float[np.ndarray, "view 4 4"], nearest: float) -> CaptureWorld:
    """`scaled_world` with the capture's own axes and the cameras' mean position as its origin."""
    frame = np.eye(4)
    frame[:3, 3] = poses[:, :3, 3].mean(axis=0)
    return scaled_world(frame, nearest)


def straight_scene(
    name: str,
    path: Path,
    lenses: Sequence[Lens],
    poses: Float[np.ndarray, "view 4 4"],
    used_poses: Float[np.ndarray, "used 4 4"],
    find_bounds: Callable[[], tuple[float, float]],
    config: CaptureConfig,
    cache: ImageCache,
    find_points: Callable[[Cameras, CaptureWorld], SparsePoints | None] = lambda cameras, world: None,
) -> FileScene:
    """A scene of some of a capture's views.

    Args:
        name: of the scene.
        path: where the cameras come from, for messages.
        lenses: one for each view.
        poses: camera-to-world, OpenCV axes, in the capture's own world.
        used_poses: those of all photos that are used, in any split; they decide on the world.
        find_bounds: reads the nearest and farthest depth of what they show, if it is needed.
        config: the reader's.
        cache: of decoded photos.
        find_points: reads the sparse points in the scene's world, as its cameras see them.

    Raises:
        UserError: a bad camera, or what `find_bounds` raises.
    """
    near, far = 0.0, 0.0
    if config.scale_world or config.near is None or config.far is None:
        near, far = find_bounds()
    world = centered_world(used_poses, near) if config.scale_world else OWN_WORLD
    cameras = make_cameras(
        world.poses(poses),
        np.stack([lens.straight for lens in lenses]),
        np.array([lens.size for lens in lenses]),
        path,
        config.pixel_center,
        config.downscale,
    )
    return FileScene(
        name,
        [PhotoFiles(lens.photo, downscale=config.downscale, lens=lens) for lens in lenses],
        cameras,
        # Points are few at the borders of what is seen.
        (config.near or 0.9 * world.scale * near, config.far or 1.1 * world.scale * far),
        config.background,
        cache,
        find_points=lambda: find_points(cameras, world),
    )
