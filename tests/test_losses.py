"""The training loss by hand, and what masks add to it."""

from dataclasses import replace

import pytest
import torch

from pixelnerf.errors import UserError
from pixelnerf.geometry.volume import composite
from pixelnerf.training.optimization import LossConfig, training_loss

NO_MASK = torch.full((1, 4), torch.nan)


def config(**changes):
    return LossConfig.model_validate(
        {"name": "mse", "coarse_weight": 0.5, "smooth_l1_beta": 0.1, "opacity_weight": 0.0} | changes
    )


def white_haze(opacity):
    """Four rays through white matter of an opacity, before white."""
    weights = torch.full((1, 4, 3), opacity / 3, requires_grad=True)
    edges = torch.linspace(1, 2, 4).expand(1, 4, 4)
    return composite(torch.ones(1, 4, 3, 3), weights, edges, torch.ones(1, 1, 3)), weights


@pytest.mark.parametrize(("name", "expected"), [("mse", 0.04), ("smooth_l1", 0.15)])
def test_losses_of_a_known_error(name, expected):
    rendered, _ = white_haze(0.5)
    loss = training_loss(rendered, torch.full((1, 4, 3), 0.8), NO_MASK, config(name=name))
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_only_masks_tell_a_white_haze_from_empty_space():
    colors, empty = torch.ones(1, 4, 3), torch.zeros(1, 4)
    for weight, expected in ((0.0, 0.0), (0.2, 0.2 * 0.6**2)):
        rendered, weights = white_haze(0.6)
        loss = training_loss(rendered, colors, empty, config(opacity_weight=weight))
        loss.backward()
        assert loss.item() == pytest.approx(expected, abs=1e-6)
        assert (weights.grad > 1e-3).all() == (weight > 0)


def test_a_pixel_is_the_mean_of_its_rays():
    rendered, _ = white_haze(0.5)
    bright = replace(rendered, color=torch.tensor([0.2, 0.6, 0.5, 0.9])[None, :, None].expand(1, 4, 3))
    loss = training_loss(bright, torch.tensor([0.4, 0.8])[None, :, None].expand(1, 2, 3), NO_MASK[:, :2], config())
    assert loss.item() == pytest.approx((0.0**2 + 0.1**2) / 2, abs=1e-7)


def test_rays_without_a_mask_do_not_count():
    rendered, _ = white_haze(0.6)
    half = torch.tensor([[0.0, torch.nan, 0.0, torch.nan]])
    loss = training_loss(rendered, torch.ones(1, 4, 3), half, config(opacity_weight=1.0))
    assert loss.item() == pytest.approx(0.36, abs=1e-6)


def test_opacity_without_any_mask_is_one_line():
    rendered, _ = white_haze(0.6)
    with pytest.raises(UserError, match=r"opacity_weight > 0 compares with masks.*opacity_weight=0"):
        training_loss(rendered, torch.ones(1, 4, 3), NO_MASK, config(opacity_weight=1.0))
