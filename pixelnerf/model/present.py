"""A batch without its padding: scenes may have different numbers of photos, and absent ones must cost nothing.

What a field computes for each photo is most of its work. Training with one to three photos a scene, a third of it would
be of photos that do not exist.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from pixelnerf.types import SceneFeatures


@dataclass(frozen=True)
class PresentPhotos:
    """A batch of scenes as one of photos: "batch view" of `features` is "photo 1".

    Where no photo is absent there is nothing to leave out, and "batch view" stays what it is.

    Attributes:
        features: of the present photos, in the order of the flat (batch, view) axis.
        present: their indices in that axis; None where no photo is absent.
        batch: number of scenes.
        views: number of photos of the scene that has most.
    """

    features: SceneFeatures
    present: Int[Tensor, "photo"] | None
    batch: int
    views: int

    @classmethod
    def of(cls, features: SceneFeatures) -> "PresentPhotos":
        """The present photos of encoded scenes."""
        batch, views = features.present.shape
        chosen = features.photos
        return cls(features if chosen is None else _packed(features, chosen), chosen, batch, views)

    def repeat(self, values: Shaped[Tensor, "batch *rest"]) -> Shaped[Tensor, "photo *rest"]:
        """What belongs to scenes, once for each of a scene's photos."""
        return values if self.present is None else values[self.present // self.views]

    def total(self, values: Shaped[Tensor, "photo _ *rest"]) -> Shaped[Tensor, "batch *rest"]:
        """Sums over each scene's photos."""
        if self.present is None:
            return values[:, 0] if self.views == 1 else values.sum(1)
        sums = values.new_zeros(self.batch, *values.shape[2:])
        return sums.index_add(0, self.present // self.views, values[:, 0])

    def mean(self, values: Float[Tensor, "photo _ *rest"]) -> Float[Tensor, "batch *rest"]:
        """Means over each scene's photos."""
        if self.present is None:
            return values[:, 0] if self.views == 1 else values.mean(1)
        counts = torch.bincount(self.present // self.views, minlength=self.batch).to(values.dtype)
        return self.total(values) / counts.view(-1, *[1] * (values.ndim - 2))

    def spread(self, values: Shaped[Tensor, "photo _ *rest"]) -> Shaped[Tensor, "batch view *rest"]:
        """What belongs to photos, by scene; zero or false for absent photos."""
        if self.present is None:
            return values
        padded = values.new_zeros(self.batch * self.views, *values.shape[2:])
        return padded.index_copy(0, self.present, values[:, 0]).unflatten(0, (self.batch, self.views))


def _packed(features: SceneFeatures, chosen: Int[Tensor, "photo"]) -> SceneFeatures:
    """Every tensor of axes "batch view", as "photo 1"."""

    def pack(values: Tensor) -> Tensor:
        return values.flatten(0, 1)[chosen][:, None]

    return SceneFeatures(
        tables=features.tables,
        offsets=pack(features.offsets),
        level_sizes=pack(features.level_sizes),
        cameras=features.cameras.map_tensors(pack),
        near=pack(features.near),
        far=pack(features.far),
        present=pack(features.present),
        up=None if features.up is None else pack(features.up),
        full=None if features.full is None else _packed(features.full, chosen),
    )
