"""The interface of readers: scenes with posed photos, loaded lazily, datasets of them, and what damaged ones do.

Cameras have OpenCV axes, poses are camera-to-world, and pixel (i, j) has its centre at (j + 0.5, i + 0.5). Readers
convert to this convention; nothing else knows another.
"""

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence, Sized
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, cast

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.utils.data import ConcatDataset
from typing_extensions import override

from pixelnerf.errors import UserError
from pixelnerf.types import Cameras, View

logger = logging.getLogger(__name__)

OnError = Literal["raise", "skip"]
Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")

# Scenes kept open; the cameras and file names of one take some 50 kilobytes.
OPEN_SCENES = 5_000


class Scene(ABC):
    """One object or environment in posed photos. A reader sets the attributes and implements `cameras` and `images`.

    Attributes:
        name: unique within its dataset, for instance "04090263/5aac06".
        category: "rifle"; empty where the dataset has none.
        near: start of the rays, in units of t.
        far: end of the rays.
        background: colour in [0, 1] behind the object in the photos, and of empty rays.
        num_views: number of photos.
        ndc: scale of x and y for scenes rendered in normalised device coordinates (`pixelnerf.geometry.ndc`), whose
            near and far are 0 and 1; None for all others.
        half_side: half the side of a cube around the world's origin, along its axes, that holds the object: rays are
            sampled only inside. None for no such cube.
        up: the direction that is up in the world, a unit vector; None if unknown.
        notes: what the reader noticed in the files and did not use, or had to decide on; a line each.
    """

    name: str
    category: str
    near: float
    far: float
    background: tuple[float, float, float]
    num_views: int
    ndc: tuple[float, float] | None = None
    half_side: float | None = None
    up: tuple[float, float, float] | None = None
    notes: tuple[str, ...] = ()

    @abstractmethod
    def cameras(self) -> Cameras:
        """The cameras of all views (batch = view)."""

    def depth_ranges(self) -> Float[Tensor, "view 2"]:
        """The depths in front of each camera that its frame is normalised by, for models that see positions there.

        They are near and far, unless the cameras' distances differ so much that these would say little.
        """
        return torch.tensor([self.near, self.far]).expand(self.num_views, 2)

    @abstractmethod
    def images(self, views: Sequence[int]) -> Float[Tensor, "view 3 height width"]:
        """RGB photos in [0, 1] over the background; decodes only these, which must have the same size.

        Raises:
            UserError: a file is missing, damaged, or differs in size from its camera; the message has its path.
        """

    def masks(self, views: Sequence[int]) -> Bool[Tensor, "view height width"] | None:
        """True on the object; None where the dataset has no masks."""
        return None

    def input_views(self) -> tuple[int, ...] | None:
        """This scene's input views in a published view list, else None."""
        return None

    def pixels(
        self,
        views: Int[Tensor, "ray"],
        columns: Int[Tensor, "ray"],
        rows: Int[Tensor, "ray"],
        downscale: Int[Tensor, "ray"],
    ) -> tuple[Float[Tensor, "ray 3"], Float[Tensor, "ray"]]:
        """Colours and coverages of single pixels.

        Coverage is the share of a pixel inside the object's mask, NaN without a mask. Columns and rows are those of the
        photo downscaled by the whole number N = `downscale`, by means over N x N pixels. Readers that keep decoded
        photos do this faster, without whole float images.
        """
        values = torch.full((len(views), 4), torch.nan)
        for view, size in torch.unique(torch.stack([views, downscale], dim=1), dim=0).tolist():
            chosen = (views == view) & (downscale == size)
            mask = self.masks([view])
            layers = [self.images([view]), *([mask[:, None].float()] if mask is not None else [])]
            means = F.avg_pool2d(torch.cat(layers, dim=1), size)[0]
            values[chosen, : len(means)] = means[:, rows[chosen], columns[chosen]].T
        return values[:, :3], values[:, 3]

    def box(self, view: int) -> tuple[int, int, int, int]:
        """(left, top, right, bottom) around the object's mask in pixels, ends exclusive.

        The whole photo where there is no mask or it is empty.
        """
        mask = self.masks([view])
        if mask is None or not mask.any():
            width, height = self.cameras().sizes[view].tolist()
            return 0, 0, width, height
        rows, columns = mask[0].any(dim=1).nonzero()[:, 0], mask[0].any(dim=0).nonzero()[:, 0]
        return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1

    def view_of(self, camera: Cameras) -> View:
        """A view of the scene through a camera (no batch axis), on the camera's device."""
        return View(camera, self.near, self.far, camera.poses.new_tensor(self.background), self.ndc)

    def sparse_points(self) -> "SparsePoints | None":
        """Triangulated points that came with the cameras, if any."""
        return None


@dataclass(frozen=True)
class SparsePoints:
    """Points in the world, and each view's observations of them: pixels and indices of points."""

    positions: Float[Tensor, "point 3"]
    pixels: tuple[Float[Tensor, "seen 2"], ...]
    indices: tuple[Int[Tensor, "seen"], ...]


class SceneList(Sequence[Scene]):
    """Scenes that are opened on first access, one by one, then kept open."""

    def __init__(self, names: Sequence[str], open_scene: Callable[[str], Scene]) -> None:
        self.names = tuple(names)
        self._open_scene = open_scene
        self._open = lru_cache(maxsize=OPEN_SCENES)(open_scene)

    @override
    def __reduce__(self) -> tuple[type["SceneList"], tuple[Sequence[str], Callable[[str], Scene]]]:
        # Open scenes are not pickled to worker processes.
        return SceneList, (self.names, self._open_scene)

    @override
    def __len__(self) -> int:
        return len(self.names)

    @override
    def __getitem__(self, index: Any) -> Any:
        return self._open(self.names[index])


@dataclass(frozen=True)
class SceneGroup:
    """Scenes drawn together: first a group by weight, then one of its scenes uniformly."""

    scenes: Sequence[Scene]
    weight: float = 1.0


class SceneDataset(ABC):
    """The scenes of a dataset by split. Nothing is decoded before it is needed.

    Attributes:
        on_error: whether a scene with damaged files stops training or is skipped.
    """

    on_error: OnError

    @abstractmethod
    def scenes(self, split: Split, categories: Sequence[str] | None = None) -> Sequence[Scene]:
        """The scenes of a split, of these categories (by name) or of all configured ones.

        Raises:
            UserError: the data are missing, or a category is unknown.
        """

    def groups(self, split: Split) -> tuple[SceneGroup, ...]:
        """The scenes of a split as weighted groups; one group unless datasets are mixed."""
        return (SceneGroup(self.scenes(split)),)


@dataclass(frozen=True)
class MixedDataset(SceneDataset):
    """Several datasets at once: for each object of a batch, one is drawn by weight, then one of its scenes."""

    parts: Mapping[str, SceneDataset]
    weights: Mapping[str, float]
    on_error: OnError

    @override
    def scenes(self, split: Split, categories: Sequence[str] | None = None) -> Sequence[Scene]:
        if categories is not None:
            raise UserError("a mixture has no categories: evaluate its datasets one by one, for instance dataset=nmr")
        # Indexed by a number and iterated, as all sequences of scenes are, but never sliced.
        return cast(Sequence[Scene], ConcatDataset([part.scenes(split) for part in self.parts.values()]))  # pyright: ignore

    @override
    def groups(self, split: Split) -> tuple[SceneGroup, ...]:
        return tuple(SceneGroup(part.scenes(split), self.weights[name]) for name, part in self.parts.items())


class DamagedScenes:
    """Counts the scenes that `on_error: skip` skips, with the first message of each."""

    def __init__(self, on_error: OnError) -> None:
        self.on_error = on_error
        self.messages: dict[tuple[int, int], str] = {}
        # Kept alive so that no other sequence gets the same id.
        self._kept: list[Sized] = []

    @contextmanager
    def guard(self, scenes: Sized, index: int) -> Iterator[None]:
        """Guards the reading of one scene; swallows its UserError if damaged scenes are skipped.

        Raises:
            UserError: damaged scenes are not skipped, or none is left.
        """
        try:
            yield
        except UserError as error:
            if self.on_error == "raise":
                raise
            if (id(scenes), index) in self.messages:
                return
            self.messages[id(scenes), index] = str(error)
            self._kept.append(scenes)
            logger.warning("skipped scene %d (%d so far): %s", index, len(self.messages), error)
            if sum(group == id(scenes) for group, _ in self.messages) == len(scenes):
                raise UserError(f"all {len(scenes)} scenes are damaged; the last one: {error}") from None
