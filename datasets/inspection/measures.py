"""A scene's cameras in numbers, and how well photos agree with them."""

import torch
from torch import Tensor

from datasets.inspection.evidence import Evidence, reprojection_errors
from datasets.inspection.two_views import common_center

Row = tuple[str, str]
"""What a number is, and the number with its unit."""


def camera_rows(evidence: Evidence) -> list[Row]:
    """What the cameras are, in pixels of the read photos and units of the world."""
    cameras = evidence.cameras
    focal = torch.diagonal(cameras.intrinsics, 0, 1, 2)[:, :2]
    views = torch.rad2deg(2 * torch.arctan(cameras.sizes[:, 0] / 2 / focal[:, 0]))
    positions = cameras.poses[:, :3, 3]
    distances = (positions - common_center(cameras)).norm(dim=-1)
    steps = torch.cdist(positions, positions).fill_diagonal_(torch.inf).min(dim=1).values
    return [
        ("focal length", f"{_range(focal)} px, {_range(views)} degrees across"),
        ("cameras to centre", f"{_range(distances)} (the point nearest to all optical axes)"),
        ("camera to next", _range(steps)),
    ]


def agreement_rows(evidence: Evidence) -> list[Row]:
    """How well photos and cameras agree, in pixels of the read photos."""
    rows = []
    if len(sparse := reprojection_errors(evidence.observations)):
        rows.append(("sparse points", _errors(sparse, len(sparse), "observations")))
    count = sum(match.pixels.shape[1] for match in evidence.matches)
    if evidence.has_matches:
        median = evidence.epipolar_median(evidence.cameras)
        agreement = f"{median:.2f} px off epipolar lines (median)"
        rows.append(("matches", f"{count} in {len(evidence.matches)} pairs, {agreement}"))
        if count := sum(len(pair.points) for pair in evidence.triangulated):
            rows.append(("triangulated", _errors(reprojection_errors(evidence.triangulated), count, "points")))
    else:
        rows.append(("matches", f"{count}: too few to judge by"))
    if evidence.hull is not None:
        rows.append(("mask hull", f"covers {evidence.hull.coverage:.1%} of the masks"))
    return rows


def _range(values: Tensor) -> str:
    low, high = float(values.min()), float(values.max())
    return f"{low:.4g}" if high - low < 1e-3 * abs(high) else f"{low:.4g} to {high:.4g}"


def _errors(errors: Tensor, count: int, what: str) -> str:
    mean, median = float(errors.mean()), float(errors.median())
    return f"{count} {what}, reprojection error {mean:.2f} px (median {median:.2f})"
