"""A scene whose photos are image files, decoded when asked for and kept in a cache."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor
from typing_extensions import override

from datasets.image_cache import ImageCache
from datasets.image_files import check_size, read_image, read_mask
from datasets.messages import named_view
from datasets.readers.lens import Lens
from pixelnerf.errors import UserError
from pixelnerf.scenes.scene import Scene, SparsePoints
from pixelnerf.types import Cameras

Color = tuple[float, float, float]


@dataclass(frozen=True)
class PhotoFiles:
    """Where a view's photo is, where its mask is, what straightens both, and by how much they are shrunk then.

    `number` is the view's in `dataset.leave_out`, where there is that option.
    """

    image: Path
    mask: Path | None = None
    lens: Lens | None = None
    downscale: int = 1
    number: int | None = None


class FileScene(Scene):
    """Photos and masks from files.

    Photos with alpha are composited on the background, and their alpha is the mask where there is no mask file;
    `blend_masks` composites with mask files, too. `mask_from_background` takes for the object what does not have
    exactly the background's colour, where there is neither alpha nor a mask file. `find_points` reads the sparse
    points when they are asked for.
    """

    def __init__(
        self,
        name: str,
        files: Sequence[PhotoFiles],
        cameras: Cameras,
        bounds: tuple[float, float],
        background: Color,
        images: ImageCache,
        category: str = "",
        input_views: tuple[int, ...] | None = None,
        blend_masks: bool = False,
        mask_from_background: bool = False,
        ndc: tuple[float, float] | None = None,
        half_side: float | None = None,
        up: tuple[float, float, float] | None = None,
        depth_ranges: Float[Tensor, "view 2"] | None = None,
        find_points: Callable[[], SparsePoints | None] = lambda: None,
    ) -> None:
        self.name = name
        self.category = category
        # NumPy scalars among them would make double precision of every tensor that they meet.
        self.near, self.far = float(bounds[0]), float(bounds[1])
        if not 0 <= self.near < self.far < float("inf"):
            raise UserError(
                f"scene '{name}' is from near = {self.near:.4g} to far = {self.far:.4g}: set both, near first"
            )
        self.background = background
        self.num_views = len(files)
        self.ndc = ndc
        self.half_side = half_side
        self.up = up
        self._depth_ranges = depth_ranges
        self._files = tuple(files)
        self._keys = tuple((str(file.image), file.downscale) for file in files)
        self._cameras = cameras
        self._cache = images
        self._input_views = input_views
        self._blend_masks = blend_masks
        self._mask_from_background = mask_from_background
        self._find_points = cache(find_points)
        self._boxes: dict[int, tuple[int, int, int, int]] = {}

    @override
    def cameras(self) -> Cameras:
        return self._cameras

    @override
    def depth_ranges(self) -> Float[Tensor, "view 2"]:
        return super().depth_ranges() if self._depth_ranges is None else self._depth_ranges

    @override
    def input_views(self) -> tuple[int, ...] | None:
        return self._input_views

    @override
    def sparse_points(self) -> SparsePoints | None:
        return self._find_points()

    @override
    def images(self, views: Sequence[int]) -> Float[Tensor, "view 3 height width"]:
        stacked = torch.stack([torch.from_numpy(self._decoded(view))[..., :3] for view in views])
        return stacked.permute(0, 3, 1, 2).float().div_(255)

    @override
    def masks(self, views: Sequence[int]) -> Bool[Tensor, "view height width"] | None:
        stacked = np.stack([self._decoded(view) for view in views])
        if stacked.shape[-1] == 3:
            return None
        return torch.from_numpy(stacked[..., 3] > 127)

    @override
    def pixels(
        self,
        views: Int[Tensor, "ray"],
        columns: Int[Tensor, "ray"],
        rows: Int[Tensor, "ray"],
        downscale: Int[Tensor, "ray"],
    ) -> tuple[Float[Tensor, "ray 3"], Float[Tensor, "ray"]]:
        values = np.full((len(views), 4), np.nan, np.float32)
        downscales = downscale.numpy()
        for size in np.unique(downscales).tolist():
            chosen = np.flatnonzero(downscales == size)
            # Sorted by view, so that each is looked up once.
            chosen = chosen[np.argsort(views.numpy()[chosen], kind="stable")]
            means = self._block_means(views.numpy()[chosen], columns.numpy()[chosen], rows.numpy()[chosen], size)
            values[chosen, : means.shape[1]] = means
        values = torch.from_numpy(values / 255)
        return values[:, :3], values[:, 3]

    def _block_means(
        self,
        views: Int[np.ndarray, "ray"],
        columns: Int[np.ndarray, "ray"],
        rows: Int[np.ndarray, "ray"],
        size: int,
    ) -> Float[np.ndarray, "ray channel"]:
        """Mean 8-bit colours, and coverages where there are any, of size x size blocks; rays lie sorted by view."""
        offsets = np.arange(size)
        tall = rows[:, None, None] * size + offsets[:, None]
        wide = columns[:, None, None] * size + offsets
        gathered = np.empty((len(views), size, size, self._decoded(int(views[0])).shape[-1]), np.uint8)
        starts = np.flatnonzero(np.diff(views, prepend=-1)).tolist()
        for start, stop in zip(starts, [*starts[1:], len(views)], strict=True):
            decoded = self._decoded(int(views[start]))
            gathered[start:stop] = decoded[tall[start:stop], wide[start:stop]]
        return gathered.mean(axis=(1, 2), dtype=np.float32)

    @override
    def box(self, view: int) -> tuple[int, int, int, int]:
        if view not in self._boxes:
            self._boxes[view] = super().box(view)
        return self._boxes[view]

    def _decoded(self, view: int) -> UInt8[np.ndarray, "height width channel"]:
        """A view's composited RGB, and its coverage as a fourth channel where there is one."""
        if not 0 <= view < self.num_views:
            raise UserError(f"scene '{self.name}' has no view {view}: its {self.num_views} views are numbered from 0")
        with named_view(self._files[view].number):
            return self._cache.get(self._keys[view], lambda: self._decode(view))

    def _decode(self, view: int) -> UInt8[np.ndarray, "height width channel"]:
        files = self._files[view]
        image = read_image(files.image)
        blend = image.shape[-1] == 4
        if files.mask is not None:
            coverage = read_mask(files.mask, (image.shape[1], image.shape[0]), files.image)
            image = np.dstack([image[..., :3], coverage])
            blend = self._blend_masks
        elif self._mask_from_background and image.shape[-1] == 3:
            key = np.rint(255 * np.asarray(self.background)).astype(np.uint8)
            image = np.dstack([image, np.uint8(255) * (image != key).any(axis=-1)])
        if blend:
            image = composite(image, self.background)
        if files.lens is not None:
            check_size(files.image, (image.shape[1], image.shape[0]), files.lens.size)
            image = files.lens.straightened(image)
        if files.downscale > 1:
            layers = torch.from_numpy(image).permute(2, 0, 1).float()
            image = F.avg_pool2d(layers, files.downscale).round().byte().permute(1, 2, 0).numpy()
        width, height = self._cameras.sizes[view].tolist()
        check_size(files.image, (image.shape[1], image.shape[0]), (width, height))
        return image


def composite(image: UInt8[np.ndarray, "height width 4"], background: Color) -> UInt8[np.ndarray, "height width 4"]:
    """Straight RGBA on a background; its averages are averages of premultiplied colours, as area filters need them."""
    coverage = image[..., 3:].astype(np.float32) / 255
    colors = image[..., :3] * coverage + 255 * np.asarray(background, np.float32) * (1 - coverage)
    return np.dstack([np.rint(colors).astype(np.uint8), image[..., 3]])
