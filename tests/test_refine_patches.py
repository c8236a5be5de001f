import pytest
import torch

from pixelnerf.refine.refiner import blending_window, change_in_patches, cut_patches, patch_corners

SIZES = [(16, 16), (17, 16), (40, 23), (64, 100), (5, 40), (3, 2)]


def image(height, width):
    return torch.rand(3, height, width, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_a_view_that_is_not_changed_stays_exactly_as_it_is(height, width):
    given = image(height, width)
    assert torch.equal(change_in_patches(given, 16, 4, lambda patches, corners: torch.zeros_like(patches)), given)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_blending_weights_sum_to_one(height, width):
    """A change that is the same in all patches is the same in the view."""
    changed = change_in_patches(torch.zeros(3, height, width), 16, 4, lambda patches, corners: torch.ones_like(patches))
    torch.testing.assert_close(changed, torch.ones(3, height, width))


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_a_change_by_place_in_the_image_is_blended_without_loss(height, width):
    target = image(height, width)
    padded = torch.nn.functional.pad(target[None], (0, max(16 - width, 0), 0, max(16 - height, 0)), mode="replicate")[0]
    found = change_in_patches(
        torch.zeros(3, height, width), 16, 4, lambda patches, corners: cut_patches(padded, corners, 16)
    )
    torch.testing.assert_close(found, target)


@pytest.mark.parametrize("length", [16, 17, 27, 28, 29, 100])
def test_patches_cover_and_overlap(length):
    columns = patch_corners(length, 16, 16, 4)[:, 0]
    assert columns[0] == 0
    assert columns[-1] == length - 16
    assert (columns.diff() <= 12).all()


def test_patches_that_disagree_leave_no_seams():
    """Each patch is shifted by a constant of its own; pasted, that would be steps as high as two of them differ."""
    generator = torch.Generator().manual_seed(3)

    def change(patches, corners):
        return torch.rand(len(patches), 3, 1, 1, generator=generator).expand_as(patches)

    blended = change_in_patches(torch.zeros(3, 100, 100), 32, 16, change)
    step = max(float(blended.diff(dim=axis).abs().max()) for axis in (1, 2))
    spread = float(blended.max() - blended.min())
    assert spread > 0.5
    assert step < 0.15 * spread


def test_the_window_is_positive_and_almost_zero_at_the_border():
    window = blending_window(64)
    assert (window > 0).all()
    assert window[0].max() < 0.02
    assert torch.equal(window, window.flip(0))
    assert torch.equal(window, window.mT)
