"""What every reader gives: scenes with posed photos, lazily.

Cameras are in OpenCV axes, poses camera-to-world, pixel (i, j) has its centre at (j + 0.5, i + 0.5). A reader whose
files say it otherwise converts; nothing past a reader knows another convention.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, overload

from jaxtyping import Bool, Float, Int
from torch import Tensor
from typing_extensions import override

from pixelnerf.types import Cameras

OnError = Literal["raise", "skip"]
Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")

# A scene's cameras and file names take some 50 kilobytes; this many of them stay open.
OPEN_SCENES = 5_000


class Scene(ABC):
    """One object or place, seen in posed photos.

    Attributes:
        name: unique within its dataset, for instance "04090263/5aac06".
        category: "rifle"; empty where the dataset has none.
        near: where a ray begins to look, in units of t.
        far: where it stops.
        background: the colour, in [0, 1], that the photos stand on and that an empty ray shows.
        num_views: how many photos there are.
        ndc: scale of x and y for scenes that are rendered in normalised device coordinates (`pixelnerf.geometry.ndc`),
            None for all others; near and far are 0 and 1 then.
        half_side: half the side of a cube around the world's origin, along its axes, that holds the object, so that
            rays need not look elsewhere; None where that is not known.
    """

    name: str
    category: str
    near: float
    far: float
    background: tuple[float, float, float]
    num_views: int
    ndc: tuple[float, float] | None = None
    half_side: float | None = None

    @abstractmethod
    def cameras(self) -> Cameras:
        """The cameras of all views (batch = view)."""

    @abstractmethod
    def images(self, views: Sequence[int]) -> Float[Tensor, "view 3 height width"]:
        """RGB photos in [0, 1] on the background; only these are decoded, and they must be of one size.

        Raises:
            UserError: a file is missing, damaged, or of another size than its camera; the message has its path.
        """

    @abstractmethod
    def masks(self, views: Sequence[int]) -> Bool[Tensor, "view height width"] | None:
        """True on the object; None where the dataset has no masks."""

    @abstractmethod
    def input_views(self) -> tuple[int, ...] | None:
        """The input views that a published view list fixes for this scene, else None."""

    @abstractmethod
    def pixels(
        self,
        views: Int[Tensor, "ray"],
        columns: Int[Tensor, "ray"],
        rows: Int[Tensor, "ray"],
        block: Int[Tensor, "ray"],
    ) -> tuple[Float[Tensor, "ray 3"], Float[Tensor, "ray"]]:
        """Colours and coverages of single pixels, without converting whole photos.

        A coverage is the share of a pixel that the object's mask covers, NaN where there is no mask. Pixel (column,
        row) is of the photo shrunk by the whole number `block`: the mean over its block x block pixels.
        """

    @abstractmethod
    def box(self, view: int) -> tuple[int, int, int, int]:
        """(left, top, right, bottom) around the object's mask in pixels, ends exclusive.

        The whole photo where there is no mask or nothing in it.
        """

    def sparse_points(self) -> "SparsePoints | None":
        """Triangulated points that came with the cameras, None where there are none."""
        return None


@dataclass(frozen=True)
class SparsePoints:
    """Points in the world, and where each view saw which of them: pixels and indices of points, both per view."""

    positions: Float[Tensor, "point 3"]
    pixels: tuple[Float[Tensor, "seen 2"], ...]
    indices: tuple[Int[Tensor, "seen"], ...]


class SceneList(Sequence[Scene]):
    """Scenes that are opened when asked for, and then kept open."""

    def __init__(self, names: Sequence[str], open_scene: Callable[[str], Scene]) -> None:
        self.names = tuple(names)
        self._open_scene = open_scene
        self._open = lru_cache(maxsize=OPEN_SCENES)(open_scene)

    @override
    def __reduce__(self) -> tuple[type["SceneList"], tuple[Sequence[str], Callable[[str], Scene]]]:
        # Scenes that are open stay behind when worker processes are started by pickling.
        return SceneList, (self.names, self._open_scene)

    @override
    def __len__(self) -> int:
        return len(self.names)

    @overload
    def __getitem__(self, index: int) -> Scene: ...

    @overload
    def __getitem__(self, index: slice) -> "SceneList": ...

    @override
    def __getitem__(self, index: int | slice) -> "Scene | SceneList":
        if isinstance(index, slice):
            return SceneList(self.names[index], self._open_scene)
        return self._open(self.names[index])


@dataclass(frozen=True)
class SceneGroup:
    """Scenes that are drawn together: a group is drawn by its weight, then a scene of it uniformly."""

    scenes: Sequence[Scene]
    weight: float = 1.0


class SceneDataset(ABC):
    """The scenes of a dataset by split. Nothing is decoded until a scene is asked for it.

    Attributes:
        on_error: what a scene with damaged files does to training.
    """

    on_error: OnError

    @abstractmethod
    def scenes(self, split: Split, categories: Sequence[str] | None = None) -> Sequence[Scene]:
        """The scenes of a split, of these categories (by name) or of all that the configuration has for it.

        Raises:
            UserError: the data are not there, or a category is unknown.
        """

    def groups(self, split: Split) -> tuple[SceneGroup, ...]:
        """The scenes of a split as weighted groups; one group unless datasets are mixed."""
        return (SceneGroup(self.scenes(split)),)
