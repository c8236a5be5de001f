"""Colours taken from the photos themselves (image-based rendering, after IBRNet).

A feature map at half the photo's resolution, squeezed through an MLP, blurs what the photo shows sharply. So the
photo's own colour is looked up where the frustum projects, at full resolution and with the same integrated look-up as
features, which keeps it free of aliasing. The photos' colours are averaged with weights

    softmax over views of  w . relu(x_v) + s cos(ray, photo's ray),

where s is learned and x_v is the view's hidden vector before pooling, which knows the sample's depth in that view and
can therefore tell whether it is occluded. The field's own colour c becomes (1 - g) c + g c_photos with
g = sigmoid(v . relu(x) + b) of the pooled vector x. Density does not change.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from pixelnerf.model.lookup import Features
from pixelnerf.types import TensorRecord

# sigmoid(-4) = 0.018: a new field learns its own colours first, and a trained one hardly changes when this is added.
GATE_AT_START = -4.0
# At the start, a photo that looks along the ray weighs e^(3/2) times as much as one at 60 degrees to it.
ANGLE_AT_START = 3.0
# In place of minus infinity, whose gradient would be NaN for a sample that no photo sees.
HIDDEN = -1e4


@dataclass(frozen=True)
class SeenColors(TensorRecord):
    """What each photo shows where a sample projects.

    `colors` are in [0, 1]. `along` is the cosine between the ray and the photo's own ray to the sample; only it differs
    where several rays share their samples. `seen` is false behind the photo's camera, beyond its border, and for absent
    photos.
    """

    colors: Float[Tensor, "batch view #ray sample 3"]
    along: Float[Tensor, "batch view ray sample"]
    seen: Bool[Tensor, "batch view #ray sample"]


@dataclass(frozen=True)
class PhotoBlend(TensorRecord):
    """The photos' colour of each sample, and its share in the sample's colour; both in [0, 1]."""

    color: Float[Tensor, "batch ray sample 3"]
    share: Float[Tensor, "batch #ray sample"]

    def mixed_with(self, color: Float[Tensor, "batch ray sample 3"]) -> Float[Tensor, "batch ray sample 3"]:
        """The field's own colour with the photos' mixed in."""
        return torch.lerp(color, self.color, self.share[..., None])


def seen_colors(
    found: Features,
    means: Float[Tensor, "batch view #ray sample 3"],
    directions: Float[Tensor, "batch view ray 3"],
) -> SeenColors:
    """What the photos show at samples in their frames.

    Args:
        found: looked up at full resolution; the first three channels are the colours.
        means: of the samples' Gaussians, see `to_view_frames`.
        directions: of the rays.
    """
    along = F.cosine_similarity(means, directions[..., None, :], dim=-1)
    shape = means.shape[-3:-1]
    return SeenColors(
        found.values[..., :3].unflatten(2, shape), along, (found.valid & found.inside).unflatten(2, shape)
    )


class PhotoColors(nn.Module):
    """Weighs the photos' colours against each other and against the field's own."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.view = nn.Linear(width, 1, bias=False)
        self.angle = nn.Parameter(torch.tensor(ANGLE_AT_START))
        self.gate = nn.Linear(width, 1)
        nn.init.zeros_(self.view.weight)
        nn.init.zeros_(self.gate.weight)
        nn.init.constant_(self.gate.bias, GATE_AT_START)

    def forward(
        self,
        views: Float[Tensor, "batch view #ray sample width"],
        pooled: Float[Tensor, "batch #ray sample width"],
        photos: SeenColors,
    ) -> PhotoBlend:
        """The blend of the photos; its share is zero where no photo sees the sample.

        Args:
            views: hidden vectors before pooling.
            pooled: the vector that the field's heads read.
            photos: what the photos show.
        """
        logits = self.view(F.relu(views))[..., 0].float() + self.angle * photos.along
        weights = torch.softmax(logits.masked_fill(~photos.seen, HIDDEN), dim=1)
        share = torch.sigmoid(self.gate(F.relu(pooled))[..., 0].float()) * photos.seen.any(1)
        return PhotoBlend((weights[..., None] * photos.colors).sum(1), share)
