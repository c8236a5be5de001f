"""The integrated pixel-aligned feature: a frustum's Gaussian looked up in a photo's feature map.

A frustum has the covariance Sigma = a d d^T + b I (see `Gaussians`). In a photo's camera frame only d is rotated. With
J the Jacobian of the projection at the frustum's mean, in texels of the first stage, its image is a Gaussian with
covariance Sigma' = J Sigma J^T = a (J d)(J d)^T + b J J^T. We want the map averaged over that ellipse, not its value at
one point.

Each photo keeps a mip chain: level l holds means of 2^l x 2^l texels, so one texel has size s = 2^l. A bilinear tap on
level l averages the map with the kernel box(s) * tent(s) on the texel lattice, whose variance along an axis is

    (s^2 - 1) / 12   (the mean of s texels, discrete box)   +   s^2 / 6   (the tent between neighbours).

At l = 0 that is 1/6, the blur of any bilinear look-up. Level l adds (4^l - 1) / 4 to it. We want the added blur to
be the ellipse's mean variance v = tr(Sigma') / 2, hence

    l = 1/2 log2(1 + 4 v),

with linear interpolation between the two levels around l. v = 0 gives l = 0 and weight zero on level 1: the plain
bilinear look-up, bit for bit. The trace needs no matrix: tr(Sigma') = a |J d|^2 + b |J|_F^2. For 3:1 ellipses tr/2
measured better than sqrt(det) and than the minor axis (which graphics hardware uses).

All of this is linear in the map, so the maps arrive already multiplied by the layers that would have consumed the
feature (pre-projection): those layers cost per texel, not per sample.

Texel indices: with ResNet's registration (see `encoder`), pixel index p - 0.5 is texel index (p - 0.5) w / W for a map
of width w and a photo of width W, which is also where the original pixelNeRF looks (its `latent_scaling`).
"""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from pixelnerf.geometry.cameras import project, projection_jacobian, world_to_camera
from pixelnerf.types import Cameras, Gaussians, SceneFeatures, TensorRecord

LookupMode = Literal["point", "integrated"]


@dataclass(frozen=True)
class Features(TensorRecord):
    """Looked-up features; `valid` is false for absent photos and behind a photo's camera, where the feature is zero.

    `inside` is whether the Gaussian's mean projects into the photo; beyond its border the last texels repeat.
    """

    values: Float[Tensor, "batch view point channel"]
    valid: Bool[Tensor, "batch view point"]
    inside: Bool[Tensor, "batch view point"]


@dataclass(frozen=True)
class Taps(TensorRecord):
    """A weighted gather: rows of the texel table and their weights."""

    rows: Int[Tensor, "batch view point tap"]
    weights: Float[Tensor, "batch view point tap"]


def to_view_frames(gaussians: Gaussians, cameras: Cameras) -> Gaussians:
    """The Gaussians ("batch ray sample") in every photo's camera frame: batch axes become "batch view"."""
    batch, rays, samples, _ = gaussians.means.shape
    points = gaussians.means.reshape(batch, 1, rays * samples, 3)
    means = world_to_camera(cameras.poses, points).unflatten(-2, (rays, samples))
    rotations = cameras.poses[..., :3, :3]
    # R^T d as a sum, because autocast would round a matrix product.
    directions = (gaussians.directions[:, None, :, :, None] * rotations[:, :, None]).sum(-2)
    views = cameras.poses.shape[1]
    return Gaussians(
        means=means,
        directions=directions,
        axial=gaussians.axial[:, None].expand(-1, views, -1, -1),
        radial=gaussians.radial[:, None].expand(-1, views, -1, -1),
    )


def look_up(features: SceneFeatures, field: int, gaussians: Gaussians, mode: LookupMode) -> Features:
    """Features of Gaussians in the photos' frames ("batch view ray sample"), from a field's table."""
    table = features.tables[field]
    points = gaussians.means.flatten(-3, -2)
    valid = (points[..., 2] > 0) & features.present[..., None]
    pixels = project(features.cameras.intrinsics, points)
    texels_per_pixel = features.level_sizes[:, :, 0] / features.cameras.sizes
    indices = (pixels - 0.5) * texels_per_pixel[..., None, :]
    if mode == "point":
        taps = bilinear_taps(features, indices, torch.zeros_like(valid, dtype=torch.long))
    else:
        taps = trilinear_taps(features, indices, projected_variance(features, gaussians))
    weights = taps.weights * valid[..., None]
    tap_count = taps.rows.shape[-1]
    values = F.embedding_bag(
        taps.rows.reshape(-1, tap_count),
        table,
        mode="sum",
        per_sample_weights=weights.reshape(-1, tap_count).to(table.dtype),
    )
    inside = ((pixels >= 0) & (pixels <= features.cameras.sizes[:, :, None])).all(-1)
    return Features(values.unflatten(0, valid.shape), valid, inside)


def projected_variance(features: SceneFeatures, gaussians: Gaussians) -> Float[Tensor, "batch view point"]:
    """v = tr(J Sigma J^T) / 2 in squared texels of level 0, per axis."""
    points = gaussians.means.flatten(-3, -2)
    texels_per_pixel = features.level_sizes[:, :, 0] / features.cameras.sizes
    jacobian = projection_jacobian(features.cameras.intrinsics, points) * texels_per_pixel[:, :, None, :, None]
    samples = gaussians.means.shape[-2]
    directions = gaussians.directions.repeat_interleave(samples, dim=-2)
    along = (jacobian * directions[..., None, :]).sum(-1).square().sum(-1)
    across = jacobian.square().sum((-2, -1))
    trace = gaussians.axial.flatten(-2) * along + gaussians.radial.flatten(-2) * across
    return (0.5 * trace).clamp_min(0.0)


def trilinear_taps(
    features: SceneFeatures,
    indices: Float[Tensor, "batch view point 2"],
    variance: Float[Tensor, "batch view point"],
) -> Taps:
    """Eight taps: bilinear ones on the two levels around l = 1/2 log2(1 + 4 v)."""
    last = features.offsets.shape[-1] - 1
    level = (0.5 * torch.log2(1 + 4 * variance)).clamp_max(float(last))
    fine_level = level.floor()
    coarse_share = (level - fine_level)[..., None]
    fine = bilinear_taps(features, indices, fine_level.long())
    coarse = bilinear_taps(features, indices, (fine_level.long() + 1).clamp_max(last))
    return Taps(
        rows=torch.cat([fine.rows, coarse.rows], dim=-1),
        weights=torch.cat([fine.weights * (1 - coarse_share), coarse.weights * coarse_share], dim=-1),
    )


def bilinear_taps(
    features: SceneFeatures,
    indices: Float[Tensor, "batch view point 2"],
    level: Int[Tensor, "batch view point"],
) -> Taps:
    """Four taps per point on its mip level, with border padding. `indices` are (x, y) texels of level 0."""
    scale = torch.exp2(-level.to(indices.dtype))[..., None]
    sizes = features.level_sizes.gather(2, level[..., None].expand(*level.shape, 2))
    # Texel k of level l covers the level-0 texels [k s, (k + 1) s), so centres shift with the level.
    inside = ((indices + 0.5) * scale - 0.5).clamp_min(0.0).minimum((sizes - 1).to(indices.dtype))
    low = inside.floor()
    x_share, y_share = (inside - low).unbind(-1)
    x_low, y_low = low.long().unbind(-1)
    width, height = sizes.unbind(-1)
    x_high = (x_low + 1).minimum(width - 1)
    first_row = features.offsets.gather(2, level)
    upper = first_row + y_low * width
    lower = first_row + (y_low + 1).minimum(height - 1) * width
    return Taps(
        rows=torch.stack([upper + x_low, upper + x_high, lower + x_low, lower + x_high], dim=-1),
        weights=torch.stack(
            [(1 - x_share) * (1 - y_share), x_share * (1 - y_share), (1 - x_share) * y_share, x_share * y_share], dim=-1
        ),
    )
