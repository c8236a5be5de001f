"""Small refiners and views for the tests of refining."""

import torch

from pixelnerf.config import parse_config
from pixelnerf.refine.codebook import CodebookRefiner, CodebookRefinerConfig
from pixelnerf.refine.reference import ReferenceRefiner, ReferenceRefinerConfig
from pixelnerf.refine.refiner import PatchBatch, RenderedView
from pixelnerf.types import Cameras

CODEBOOK = {
    "name": "codebook",
    "side": 16,
    "overlap": 4,
    "width": 8,
    "halvings": 2,
    "codes": 32,
    "code_channels": 8,
    "usage_decay": 0.9,
    "dead_below": 0.1,
    "weights": {"refine": 1.0, "reconstruction": 10.0, "quantization": 1.0, "imitation": 1.0, "commitment": 0.25},
}


def codebook_refiner(**changes) -> CodebookRefiner:
    torch.manual_seed(0)
    return CodebookRefiner(parse_config(CodebookRefinerConfig, {**CODEBOOK, **changes}, "refiner"))


def rendered_view(height: int, width: int) -> RenderedView:
    generator = torch.Generator().manual_seed(1)
    return RenderedView(
        torch.rand(3, height, width, generator=generator), torch.zeros(height, width, 3), torch.ones(height, width)
    )


def blurred_pairs(count: int = 4, side: int = 16) -> PatchBatch:
    """Patches of stripes, and the same after a blur."""
    generator = torch.Generator().manual_seed(2)
    phase = 6 * torch.rand(count, 1, 1, 1, generator=generator)
    turn = torch.rand(count, 1, 1, 1, generator=generator)
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    colors = torch.rand(count, 3, 1, 1, generator=generator)
    truth = colors * (torch.sin(1.3 * (turn * x + (1 - turn) * y) + phase) > 0).float()
    padded = torch.nn.functional.pad(truth, (1, 1, 1, 1), mode="replicate")
    return PatchBatch(torch.nn.functional.avg_pool2d(padded, 3, 1), truth, None)


REFERENCE = {"name": "reference", "side": 16, "overlap": 4, "width": 8, "halvings": 2, "grid": 2, "reference_view": 0}


def reference_refiner(**changes) -> ReferenceRefiner:
    torch.manual_seed(0)
    return ReferenceRefiner(parse_config(ReferenceRefinerConfig, {**REFERENCE, **changes}, "refiner"))


def wall_camera(shift: float = 0.0, width: int = 40, height: int = 32) -> Cameras:
    """Looks at the wall z = 2 from (shift, 0, 0); a step of 0.1 to the side moves the picture by 2 pixels."""
    pose = torch.eye(4)
    pose[0, 3] = shift
    intrinsics = torch.tensor([[40.0, 0.0, width / 2], [0.0, 40.0, height / 2], [0.0, 0.0, 1.0]])
    return Cameras(pose, intrinsics, torch.tensor([width, height]))
