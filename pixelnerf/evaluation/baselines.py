"""Baselines that cost nothing: a model has to beat them to mean anything."""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def nearest_views(
    input_poses: Float[Tensor, "view 4 4"], target_poses: Float[Tensor, "target 4 4"]
) -> Int[Tensor, "target"]:
    """For each target the input whose camera looks in the most similar direction; poses are camera-to-world, OpenCV.

    Among equal directions, as of cameras side by side, the input whose camera is closest.
    """
    directions = target_poses[:, None, :3, 2].double() - input_poses[None, :, :3, 2].double()
    offsets = target_poses[:, None, :3, 3].double() - input_poses[None, :, :3, 3].double()
    distances = offsets.square().sum(-1)
    # Rounding must not decide between equal directions, so the distance weighs a millionth beside them.
    cost = directions.square().sum(-1) + 1e-6 * distances / distances.max().clamp_min(1e-12)
    return cost.argmin(-1)


def baseline_pictures(
    photos: Float[Tensor, "view height width 3"],
    input_poses: Float[Tensor, "view 4 4"],
    target_poses: Float[Tensor, "target 4 4"],
    background: tuple[float, float, float],
) -> dict[str, Float[Tensor, "target height width 3"]]:
    """What each baseline shows for the targets: the nearest photo unchanged, and an empty scene.

    Without photos there is nothing to copy, only the empty scene.
    """
    empty = torch.tensor(background, dtype=photos.dtype).expand(len(target_poses), *photos.shape[1:])
    if not len(photos):
        return {"background": empty}
    return {"nearest_view": photos[nearest_views(input_poses, target_poses)], "background": empty}
