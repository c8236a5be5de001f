"""The records that pass between layers.

Axes: `batch` is a scene, `view` one of its photos, `ray` a pixel to render, `sample` an interval along a ray, `edge` an
end of these intervals (samples + 1), `row` a texel in a flat table of all feature maps.
Frames: poses are camera-to-world in OpenCV axes (x right, y down, z forward). Pixels: the image spans
[0, width] x [0, height], and pixel (i, j) has its centre at (j + 0.5, i + 0.5).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

# Not typing.Self: the tests' shape checker decorates methods one by one.
Record = TypeVar("Record", bound="TensorRecord")


@dataclass(frozen=True)
class TensorRecord:
    """A frozen group of tensors, and possibly nested records, tuples, None and plain values."""

    def map_tensors(self: Record, function: Callable[[Tensor], Tensor]) -> Record:
        """A copy with the function applied to every tensor."""

        def convert(value: Any) -> Any:
            if isinstance(value, Tensor):
                return function(value)
            if isinstance(value, tuple):
                return tuple(convert(item) for item in value)
            return value.map_tensors(function) if isinstance(value, TensorRecord) else value

        return type(self)(**{field.name: convert(getattr(self, field.name)) for field in fields(self)})

    def to(self: Record, device: torch.device | str) -> Record:
        """A copy on the device."""
        return self.map_tensors(lambda tensor: tensor.to(device))

    @classmethod
    def stack(cls: type[Record], records: Sequence[Record]) -> Record:
        """Records of tensors alone as one, with a new first axis."""
        return cls(*map(torch.stack, zip(*(vars(record).values() for record in records), strict=True)))


@dataclass(frozen=True)
class Cameras(TensorRecord):
    """Pinhole cameras: poses (camera-to-world, OpenCV axes), intrinsics in pixels, sizes as (width, height)."""

    poses: Float[Tensor, "*batch 4 4"]
    intrinsics: Float[Tensor, "*batch 3 3"]
    sizes: Int[Tensor, "*batch 2"]

    def __getitem__(self, index: Any) -> "Cameras":
        """Indexes the batch axes."""
        return Cameras(self.poses[index], self.intrinsics[index], self.sizes[index])

    def scaled(self, factor: float) -> "Cameras":
        """The same cameras for images `factor` times as wide and high, rounded to whole pixels.

        Intrinsics scale by the ratio of the rounded size to the old one, so the field of view is unchanged.
        """
        sizes = (self.sizes * factor).round().clamp_min(1).to(self.sizes.dtype)
        ratio = (sizes / self.sizes).to(self.intrinsics.dtype)
        rows = torch.cat([ratio, torch.ones_like(ratio[..., :1])], dim=-1)
        return Cameras(self.poses, self.intrinsics * rows[..., None], sizes)


@dataclass(frozen=True)
class Rays(TensorRecord):
    """Cones: origin and direction in the world, radius at t = 1, and the range of t.

    A point on the ray is `origins + t * directions`; directions need not be unit vectors.
    """

    origins: Float[Tensor, "*batch ray 3"]
    directions: Float[Tensor, "*batch ray 3"]
    radii: Float[Tensor, "*batch ray"]
    near: Float[Tensor, "*batch ray"]
    far: Float[Tensor, "*batch ray"]

    def __getitem__(self, rays: slice) -> "Rays":
        """A slice of the ray axis; no copy."""
        return Rays(
            self.origins[..., rays, :],
            self.directions[..., rays, :],
            self.radii[..., rays],
            self.near[..., rays],
            self.far[..., rays],
        )


@dataclass(frozen=True)
class Gaussians(TensorRecord):
    """Frustum Gaussians in factored form: covariance = axial * d d^T + radial * I, with d the ray's direction.

    For a conical frustum axial = s_t^2 - s_r^2 / |d|^2 and radial = s_r^2 (mip-NeRF, eq. 8, regrouped), so a rotation
    of the world only rotates mean and direction. `axial` can be negative; the covariance is positive semi-definite.
    """

    means: Float[Tensor, "*batch ray sample 3"]
    directions: Float[Tensor, "*batch ray 3"]
    axial: Float[Tensor, "*batch ray sample"]
    radial: Float[Tensor, "*batch ray sample"]


@dataclass(frozen=True)
class Photos(TensorRecord):
    """Input photos, RGB in [0, 1].

    Photos smaller than the largest are padded at the right and bottom; `cameras.sizes` has the true sizes. `near` and
    `far` bound the scene's depth in each photo. `present` is false for the padding of scenes with fewer views.
    `half_sides` are those of cubes around the world's origin, along its axes, that hold each scene; infinite where a
    scene has none, None where no scene of the batch has one. `up` is the direction in each scene's world that is up, a
    unit vector; zero where it is unknown, None where it is for the whole batch.
    """

    images: Float[Tensor, "batch view 3 height width"]
    cameras: Cameras
    near: Float[Tensor, "batch view"]
    far: Float[Tensor, "batch view"]
    present: Bool[Tensor, "batch view"]
    half_sides: Float[Tensor, "batch"] | None = None
    up: Float[Tensor, "batch 3"] | None = None


@dataclass(frozen=True)
class SceneFeatures(TensorRecord):
    """Encoded photos: a flat table of texel rows per field, and the offsets of each view's mip levels.

    Row `offsets[b, v, l] + y * width + x` is texel (x, y) of level l, with (width, height) = `level_sizes[b, v, l]`, in
    every field's table. Tables, unlike maps, let photos of different sizes share a batch, and make a look-up one
    weighted gather. Levels past a small photo's last repeat it. A model of one scene has no tables.

    `full` has one table at the photos' full resolution: their own colours, then the channels of a thin map. It is None
    for models that use neither. `half_sides` are those of `Photos`; `up` is theirs in each photo's frame. `photos` are
    the indices of the present photos in the flat (batch, view) axis, None where no photo is absent.
    """

    tables: tuple[Float[Tensor, "row channel"], ...]
    offsets: Int[Tensor, "batch view level"]
    level_sizes: Int[Tensor, "batch view level 2"]
    cameras: Cameras
    near: Float[Tensor, "batch view"]
    far: Float[Tensor, "batch view"]
    present: Bool[Tensor, "batch view"]
    half_sides: Float[Tensor, "batch"] | None = None
    up: Float[Tensor, "batch view 3"] | None = None
    full: "SceneFeatures | None" = None
    photos: Int[Tensor, "photo"] | None = None


@dataclass(frozen=True)
class View(TensorRecord):
    """An image to render: its camera (no batch axis), the range of t, and the background colour in [0, 1].

    `ndc` is the scale of a scene in normalised device coordinates (see `pixelnerf.geometry.ndc`), which t is in then.
    """

    camera: Cameras
    near: float
    far: float
    background: Float[Tensor, "3"]
    ndc: tuple[float, float] | None = None


@dataclass(frozen=True)
class RenderOutput(TensorRecord):
    """Composited rays. Colours in [0, 1] over the background; distances in units of t.

    An empty ray has opacity 0, the background's colour, and distance = far. `edges` are the samples + 1
    ends of the intervals. `coarse` is the first pass, which placed this one's samples.
    """

    color: Float[Tensor, "*batch ray 3"]
    opacity: Float[Tensor, "*batch ray"]
    distance: Float[Tensor, "*batch ray"]
    median_distance: Float[Tensor, "*batch ray"]
    weights: Float[Tensor, "*batch ray sample"]
    edges: Float[Tensor, "*batch ray edge"]
    coarse: "RenderOutput | None" = None


@dataclass(frozen=True)
class ImageOutput(TensorRecord):
    """A rendered view: colour in [0, 1], opacity in [0, 1], distances in units of t (z-depth by default)."""

    color: Float[Tensor, "height width 3"]
    opacity: Float[Tensor, "height width"]
    distance: Float[Tensor, "height width"]
    median_distance: Float[Tensor, "height width"]
