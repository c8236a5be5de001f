"""The reference refiner (NeRF-SR): details from one high-resolution photo of the scene.

For some pixels of a patch, the rendered surface point is projected into the reference photo; the photo's patch with the
projection at the same pixel is a candidate. All candidates' features are pooled by their maximum, so neither their
number nor their order matters (NeRF-SR, section 3.3).
"""

from itertools import pairwise
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn
from typing_extensions import override

from pixelnerf.geometry.cameras import project, world_to_camera
from pixelnerf.refine.blocks import PatchEncoder, ResidualBlock, channels_by_resolution, start_unchanged
from pixelnerf.refine.refiner import (
    Candidates,
    Corners,
    PatchBatch,
    PatchConfig,
    Patches,
    ReferenceView,
    Refiner,
    RefinerLosses,
    RenderedView,
    cut_patches,
)

OPAQUE = 0.5
"""Below this opacity a pixel shows no surface to project."""


class ReferenceRefinerConfig(PatchConfig):
    """Configuration of `ReferenceRefiner`.

    Attributes:
        grid: candidates come from N x N pixels of a patch.
        reference_view: index of the reference photo among a scene's training views.
    """

    name: Literal["reference"]
    grid: int = Field(ge=1)
    reference_view: int = Field(ge=0)


def find_candidates(view: RenderedView, reference: ReferenceView, corners: Corners, side: int, grid: int) -> Candidates:
    """The reference's candidates for a render's patches at upper left corners (column, row).

    A pixel that is transparent, or whose point is outside the reference photo, gives no valid candidate. Occlusion in
    the reference is not known; the network must recognise it.
    """
    height, width = view.opacity.shape
    inside = ((torch.arange(grid, device=corners.device) + 0.5) * side / grid).long()
    offsets = torch.stack(torch.meshgrid(inside, inside, indexing="xy"), dim=-1).flatten(0, 1)
    pixels = corners[:, None] + offsets
    # A view smaller than a patch was padded with its border.
    columns, rows = pixels[..., 0].clamp(max=width - 1), pixels[..., 1].clamp(max=height - 1)
    camera = reference.camera
    points = world_to_camera(camera.poses, view.points[rows, columns].flatten(0, 1))
    pixels = project(camera.intrinsics, points).unflatten(0, columns.shape)
    visible = (points[:, 2] > 0).unflatten(0, columns.shape) & (view.opacity[rows, columns] > OPAQUE)
    valid = visible & ((pixels >= 0) & (pixels < camera.sizes)).all(-1)
    # Pixel centres are at + 0.5; the photo is padded so that patches can cross its border.
    own = torch.where(valid[..., None], (pixels - 0.5).round().long() - offsets + side, 0)
    photo = F.pad(reference.color[None], (side,) * 4, mode="replicate")[0]
    patches = cut_patches(photo, own.flatten(0, 1), side).unflatten(0, columns.shape)
    return Candidates(patches * valid[..., None, None, None], valid)


class ReferenceRefiner(Refiner):
    """NeRF-SR's refiner, with the patch's change as its output."""

    needs_reference = True

    def __init__(self, config: ReferenceRefinerConfig) -> None:
        super().__init__(config)
        self.config = config
        channels = channels_by_resolution(config.width, config.halvings)
        self.encoder = PatchEncoder(channels)
        self.stem = nn.Conv2d(2 * channels[-1], channels[-1], 3, padding=1)
        self.doublings = nn.ModuleList(
            nn.ConvTranspose2d(narrow, wide, 4, stride=2, padding=1) for narrow, wide in pairwise(reversed(channels))
        )
        self.joins = nn.ModuleList(
            nn.Sequential(nn.Conv2d(3 * wide, wide, 1), ResidualBlock(wide)) for wide in channels[-2::-1]
        )
        self.head = start_unchanged(nn.Conv2d(channels[0], 3, 3, padding=1))

    @override
    def candidates(self, view: RenderedView, reference: ReferenceView, corners: Corners) -> Candidates:
        return find_candidates(view, reference, corners, self.side, self.config.grid)

    @override
    def losses(self, batch: PatchBatch) -> RefinerLosses:
        refined = batch.rendered + self.patch_change(batch.rendered, batch.candidates)
        return RefinerLosses({"refine": F.l1_loss(refined, batch.truth)}, refined)

    @override
    def patch_change(self, patches: Patches, candidates: Candidates | None) -> Patches:
        assert candidates is not None, "this refiner needs candidates"
        *finer, coarsest = zip(self.encoder(patches), self._best(candidates), strict=True)
        x = self.stem(torch.cat(coarsest, dim=1))
        for double, join, maps in zip(self.doublings, self.joins, reversed(finer), strict=True):
            x = join(torch.cat([double(torch.relu(x)), *maps], dim=1))
        return self.head(torch.relu(x))

    def _best(self, candidates: Candidates) -> list[Tensor]:
        """Each feature map's maximum over valid candidates; zero without any."""
        shape, valid = candidates.valid.shape, candidates.valid[..., None, None, None]
        found = []
        for maps in self.encoder(candidates.colors.flatten(0, 1)):
            masked = maps.unflatten(0, shape).masked_fill(~valid, -torch.inf).amax(dim=1)
            found.append(torch.where(valid.any(dim=1), masked, 0.0))
        return found
