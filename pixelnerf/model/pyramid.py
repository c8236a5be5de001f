"""Building `SceneFeatures`: feature maps to mip chains in flat tables of texel rows."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from pixelnerf.geometry.cameras import rotate
from pixelnerf.types import Photos, SceneFeatures


def mip_chain(
    maps: Float[Tensor, "image height width channel"], levels: int
) -> list[Float[Tensor, "image _ _ channel"]]:
    """The map and its successive 2x2 means, at most `levels` maps in all; odd borders average fewer texels."""
    chain = [maps]
    while len(chain) < levels and max(chain[-1].shape[1:3]) > 1:
        # The view keeps channels last in memory, and pooling preserves that.
        pooled = F.avg_pool2d(chain[-1].movedim(-1, 1), 2, ceil_mode=True, count_include_pad=False)
        chain.append(pooled.movedim(1, -1))
    return chain


def no_features(photos: Photos) -> SceneFeatures:
    """The features of a model without photos: no views, whatever the photos."""
    batch, device = len(photos.present), photos.images.device
    return SceneFeatures(
        tables=(),
        offsets=torch.zeros(batch, 0, 1, dtype=torch.long, device=device),
        level_sizes=torch.zeros(batch, 0, 1, 2, dtype=torch.long, device=device),
        cameras=photos.cameras[:, :0],
        near=photos.near[:, :0],
        far=photos.far[:, :0],
        present=photos.present[:, :0],
    )


def build_scene_features(
    photos: Photos, groups: list[tuple[Tensor, tuple[Float[Tensor, "_ _ _ channel"], ...]]], levels: int
) -> SceneFeatures:
    """Lays out the maps of all photos as one table per field.

    Each of `groups` holds photos of equal size: their indices into the flat (batch, view) axis, and each field's maps.
    Photos in no group (absent ones) point at row 0 and must be masked by `photos.present`.
    """
    batch, views = photos.present.shape
    chains = [(indices, [mip_chain(one, levels) for one in maps]) for indices, maps in groups]
    depth = max(len(fields[0]) for _, fields in chains)
    device = photos.images.device
    offsets = torch.zeros(batch * views, depth, dtype=torch.long, device=device)
    sizes = torch.ones(batch * views, depth, 2, dtype=torch.long, device=device)
    rows: list[list[Tensor]] = [[] for _ in chains[0][1]]
    first_row = 0
    for indices, fields in chains:
        for level in range(depth):
            at = min(level, len(fields[0]) - 1)
            count, height, width, _ = fields[0][at].shape
            if level == at:
                for parts, chain in zip(rows, fields, strict=True):
                    parts.append(chain[at].flatten(0, 2))
                offsets[indices, level] = first_row + torch.arange(count, device=device) * (height * width)
                first_row += count * height * width
            else:
                offsets[indices, level] = offsets[indices, level - 1]
            sizes[indices, level] = torch.tensor([width, height], device=device)
    return SceneFeatures(
        tables=tuple(torch.cat(parts) for parts in rows),
        offsets=offsets.unflatten(0, (batch, views)),
        level_sizes=sizes.unflatten(0, (batch, views)),
        cameras=photos.cameras,
        near=photos.near,
        far=photos.far,
        present=photos.present,
        half_sides=photos.half_sides,
        up=_up_in_photos(photos),
        photos=None if bool(photos.present.all()) else torch.nonzero(photos.present.flatten())[:, 0],
    )


def _up_in_photos(photos: Photos) -> Float[Tensor, "batch view 3"] | None:
    if photos.up is None:
        return None
    return rotate(photos.cameras.poses[..., :3, :3].mT, photos.up[:, None, None])[:, :, 0]
