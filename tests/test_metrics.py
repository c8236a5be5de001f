import math

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity
from torchvision import models
from torchvision.models import vgg16

from pixelnerf.images.metrics import PSNR_CEILING, Lpips, lpips_problem, psnr, ssim, truncate_to_8_bits


def test_psnr_of_constant_errors():
    truth = torch.full((8, 8, 3), 0.5)
    assert psnr(truth + 0.1, truth) == pytest.approx(20, abs=1e-4)
    assert psnr(truth - 0.01, truth) == pytest.approx(40, abs=1e-4)
    assert psnr(truth, truth) == PSNR_CEILING
    assert psnr(truth + 1e-7, truth) == PSNR_CEILING


def test_truncation_cuts_instead_of_rounding():
    steps = torch.arange(256) / 255
    assert torch.equal(truncate_to_8_bits(steps), steps)
    between = steps[:-1] + 0.9 / 255
    assert torch.equal(truncate_to_8_bits(between), steps[:-1])
    assert truncate_to_8_bits(torch.tensor([-0.2, 1.7])).tolist() == [0.0, 1.0]


def test_ssim_is_that_of_the_paper():
    generator = torch.Generator().manual_seed(0)
    truth = torch.rand(20, 24, 3, generator=generator)
    image = (truth + 0.2 * torch.randn(20, 24, 3, generator=generator)).clamp(0, 1)
    assert ssim(truth, truth, "uniform") == pytest.approx(1.0)
    channels = [
        structural_similarity(image[..., c].numpy(), truth[..., c].numpy(), win_size=7, data_range=1.0)
        for c in range(3)
    ]
    assert ssim(image, truth, "uniform") == pytest.approx(np.mean(channels), abs=1e-6)
    assert 0 < ssim(image, truth, "uniform") < 0.95


def test_gaussian_ssim_is_that_of_mipnerf(shared_folder):
    golden = np.load(shared_folder / "golden/mipnerf_math.npz", allow_pickle=False)
    images = (torch.from_numpy(golden[name]) for name in ("ssim_img0", "ssim_img1"))
    assert ssim(*images, "gaussian") == pytest.approx(float(golden["ssim_mip"]), abs=1e-5)


def test_lpips_needs_local_weights(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    problem = lpips_problem()
    assert problem is not None
    assert "vgg16" in problem
    assert "\n" not in problem
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints/vgg16-397923af.pth").touch()
    assert lpips_problem() is None


def test_lpips_is_one_value_a_picture(monkeypatch):
    monkeypatch.setattr(models, "vgg16", lambda weights: vgg16(weights=None))
    torch.manual_seed(0)
    metric = Lpips(torch.device("cpu"))
    images = torch.rand(2, 32, 32, 3)
    truths = torch.stack([images[0], torch.rand(32, 32, 3)])
    equal, other = metric(images, truths)
    assert equal == pytest.approx(0.0, abs=1e-6)
    assert other > 1e-3
    assert math.isclose(metric(images[1:], truths[1:])[0], other, rel_tol=1e-5)
