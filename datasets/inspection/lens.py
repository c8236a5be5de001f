"""Whether each photo has a lens of its own that the cameras know nothing of."""

import torch
from jaxtyping import Float
from torch import Tensor

from datasets.inspection.evidence import Evidence, sparse_errors
from pixelnerf.geometry.cameras import project, world_to_camera

# Pixels of the photos as they are read; less is lost in a resampled photo.
GOOD_PIXELS = 0.5
# A focal length and a distortion for each photo must leave this share of the error or less. With LLFF's one focal
# length for a phone's photos it is 0.22 of 0.84 pixels.
CLEARLY_LESS = 0.5
FEWEST_POINTS = 20


def own_lenses(evidence: Evidence) -> list[str]:
    """A warning if sparse points lie where a lens of each photo's own would show them, and not where the cameras do."""
    errors = sparse_errors(evidence)
    sparse = evidence.sparse
    if errors is None or sparse is None or not len(errors) or float(errors.mean()) < GOOD_PIXELS:
        return []
    cameras = evidence.scene.cameras()
    left = []
    for view, (seen, pixels) in enumerate(zip(sparse.indices, sparse.pixels, strict=True)):
        matrix = cameras.intrinsics[view].double()
        points = world_to_camera(cameras.poses[view].double(), sparse.positions[seen].double())
        center = matrix[:2, 2]
        left.append(_left_by_a_lens(project(matrix, points) - center, pixels.double() - center, float(matrix[0, 0])))
    given, own = float(errors.mean()), float(torch.cat(left).mean())
    if own > CLEARLY_LESS * given:
        return []
    return [
        f"photos have lenses that the cameras leave out: sparse points lie {given:.2f} pixels off, {own:.2f} with a "
        "focal length and a distortion for each photo; read the COLMAP model itself if there is one (dataset=colmap)"
    ]


def _left_by_a_lens(
    expected: Float[Tensor, "seen 2"], found: Float[Tensor, "seen 2"], focal: float
) -> Float[Tensor, "seen"]:
    """Errors that remain when a zoom and a radial distortion are fitted; both are pixels from the principal point."""
    if len(found) >= FEWEST_POINTS:
        square = (expected / focal).square().sum(dim=-1, keepdim=True)
        terms = torch.stack([expected, expected * square], dim=-1)
        fitted = torch.linalg.lstsq(terms.reshape(-1, 2), found.reshape(-1, 1)).solution
        expected = (terms @ fitted)[..., 0]
    return (expected - found).norm(dim=-1)
