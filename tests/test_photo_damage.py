"""Input photos that are damaged as people's are."""

import numpy as np
import pytest
import torch
from ball_scene import write_nmr
from config_values import batch_config, nmr_config

from datasets.readers.nmr import NmrDataset
from pixelnerf.scenes.photo_damage import PhotoDamageConfig, damaged
from pixelnerf.scenes.sampler import BatchSampler
from pixelnerf.scenes.scene import DamagedScenes

NOTHING = {"share": 1.0, "mask_shift": 0.0, "blur": 0.0, "white_balance": 0.0, "noise": 0.0, "jpeg_quality": (100, 100)}
ALL = {"share": 1.0, "mask_shift": 1.0, "blur": 0.6, "white_balance": 0.1, "noise": 0.03, "jpeg_quality": (50, 95)}
WHITE = (1.0, 1.0, 1.0)


def disc(size: int = 32, radius: float = 9.6) -> tuple[torch.Tensor, torch.Tensor]:
    """A grey disc on white, and its mask."""
    place = torch.arange(size) + 0.5 - size / 2
    mask = place[:, None].square() + place.square() < radius**2
    return torch.where(mask, 0.4, 1.0).expand(3, -1, -1).clone(), mask


def damage(seed: int, **changes: object) -> torch.Tensor:
    photo, mask = disc()
    config = PhotoDamageConfig.model_validate({**NOTHING, **changes})
    return damaged(photo, mask, WHITE, config, np.random.default_rng(seed))


def inner(mask: torch.Tensor) -> torch.Tensor:
    """Pixels all of whose neighbours, two away, are in the mask."""
    return -torch.nn.functional.max_pool2d(-mask[None].float(), 5, 1, 2)[0] > 0.5


def test_no_damage_is_the_photo_inside_and_plain_outside():
    photo, mask = disc()
    assert (damage(0) - photo)[:, inner(mask)].abs().max() < 0.03
    assert (damage(0)[:, inner(~mask)] == 1).all()


def test_damage_stays_near_the_photo_and_in_range():
    photo, mask = disc()
    for seed in range(10):
        result = damage(seed, **ALL)
        assert result.shape == photo.shape
        assert result.dtype == torch.float32
        assert result.min() >= 0
        assert result.max() <= 1
        assert (result[:, inner(~mask)] == 1).all()
        assert 0.001 < (result - photo)[:, inner(mask)].abs().mean() < 0.12


def test_masks_err_both_ways_by_about_a_pixel():
    _, mask = disc()
    results = torch.stack([damage(seed, mask_shift=1.0)[1] for seed in range(20)])
    lost, added = ((results > 0.6) & mask).sum(dim=(1, 2)), ((results < 0.95) & ~mask).sum(dim=(1, 2))
    rim = 2 * np.pi * 9.6
    assert rim / 10 < lost.max() < 1.2 * rim
    assert rim / 3 < added.max() < 1.5 * rim
    assert lost.min() < rim / 20


def test_noise_has_the_asked_strength():
    _, mask = disc()
    spreads = [damage(seed, noise=0.1)[:, inner(mask)].std().item() for seed in range(40)]
    assert max(spreads) == pytest.approx(0.1 * 0.4**0.5, rel=0.12)
    assert min(spreads) < 0.02


def test_white_balance_keeps_green():
    _, mask = disc()
    means = torch.stack([damage(seed, white_balance=0.1)[:, inner(mask)].mean(dim=1) for seed in range(20)])
    assert (means[:, 1] - 0.4).abs().max() < 0.01
    assert (means[:, [0, 2]] - 0.4).abs().max() == pytest.approx(0.04, abs=0.01)


def test_photos_without_a_mask_keep_their_background():
    photo, _ = disc()
    config = PhotoDamageConfig.model_validate({**NOTHING, "mask_shift": 3.0})
    assert (damaged(photo, None, WHITE, config, np.random.default_rng(0)) - photo).abs().max() < 0.03


def test_a_share_of_the_photos_is_left_alone():
    photo, _ = disc()
    same = [torch.equal(damage(seed, **{**ALL, "share": 0.5}), photo) for seed in range(60)]
    assert 15 < sum(same) < 45


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return NmrDataset(nmr_config(write_nmr(tmp_path_factory.mktemp("nmr"), views=5, size=32)))


def batch(dataset, step, photo_damage):
    config = batch_config(objects=4, rays=40, source_views=(1, 3), mixed_view_counts=True, photo_damage=photo_damage)
    return BatchSampler(dataset.groups("train"), config, 0, DamagedScenes("raise")).batch(step)


def test_only_input_photos_are_damaged_and_always_alike(dataset):
    plain, once, again = (batch(dataset, 3, config) for config in (None, ALL, ALL))
    assert plain.names == once.names
    assert torch.equal(plain.colors, once.colors)
    assert torch.equal(plain.coverage, once.coverage)
    assert torch.equal(plain.rays.directions, once.rays.directions)
    assert torch.equal(plain.photos.present, once.photos.present)
    assert torch.equal(once.photos.images, again.photos.images)
    changed = (plain.photos.images != once.photos.images).flatten(2).any(dim=2)
    assert torch.equal(changed, plain.photos.present)
    assert not torch.equal(batch(dataset, 4, ALL).photos.images, once.photos.images)


@pytest.mark.parametrize("quality", [(0, 50), (90, 80), (50, 101)])
def test_bad_qualities(quality):
    with pytest.raises(ValueError, match="jpeg_quality"):
        PhotoDamageConfig.model_validate({**NOTHING, "jpeg_quality": quality})


def test_a_frame_around_the_origin_has_it_in_the_middle(dataset, tmp_path):
    centred = NmrDataset(nmr_config(write_nmr(tmp_path, views=5, size=32), half_depth=1.4)).scenes("train")[0]
    poses = centred.cameras().poses
    depth = torch.linalg.solve(poses, torch.tensor([0.0, 0, 0, 1])[:, None].expand(5, 4, 1))[:, 2]
    torch.testing.assert_close(centred.depth_ranges(), depth + torch.tensor([-1.4, 1.4]))
    scene = dataset.scenes("train")[0]
    assert scene.depth_ranges().tolist() == [pytest.approx([scene.near, scene.far])] * 5
