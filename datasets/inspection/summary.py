"""A dataset and its scenes in numbers."""

from collections import Counter

import torch

from datasets.inspection.diagnosis import view_overlaps
from datasets.inspection.epipolar import common_center
from datasets.inspection.evidence import Evidence, sparse_errors, triangulate_inliers
from pixelnerf.scenes.scene import Scene

Row = tuple[str, str]


def scene_rows(scene: Scene) -> list[Row]:
    """What the reader understood of one scene."""
    cameras = scene.cameras()
    sizes = Counter(f"{width}x{height}" for width, height in cameras.sizes.tolist())
    focal = torch.diagonal(cameras.intrinsics, 0, 1, 2)[:, :2]
    views = torch.rad2deg(2 * torch.arctan(cameras.sizes[:, 0] / 2 / focal[:, 0]))
    positions = cameras.poses[:, :3, 3].double()
    distances = (positions - common_center(cameras)).norm(dim=-1)
    steps = torch.cdist(positions, positions).fill_diagonal_(torch.inf).min(dim=1).values
    return [
        ("scene", scene.name + (f" ({scene.category})" if scene.category else "")),
        ("views", str(scene.num_views)),
        ("sizes", ", ".join(f"{size} ({count})" for size, count in sizes.items())),
        ("focal length", f"{_range(focal)} px, {_range(views)} degrees across"),
        ("near, far", f"{scene.near:.4g}, {scene.far:.4g}"),
        ("cameras to centre", f"{_range(distances)} (the point nearest to all optical axes)"),
        ("camera to next", _range(steps)),
        ("views overlap", f"{float(view_overlaps(scene).median()):.0%} with the best neighbour (median)"),
        ("input views", " ".join(map(str, scene.input_views() or ())) or "left to the protocol"),
    ]


def evidence_rows(evidence: Evidence) -> list[Row]:
    """How well photos and cameras agree, in pixels of the photos as they are read."""
    rows = []
    sparse = sparse_errors(evidence)
    if sparse is not None and len(sparse):
        rows.append(("sparse points", f"{len(sparse)} observations, reprojection error {_error(sparse)}"))
    count = sum(match.pixels.shape[1] for match in evidence.matches)
    if evidence.has_matches:
        distance = evidence.epipolar_median(evidence.scene.cameras())
        triangulated = triangulate_inliers(evidence)
        rows.append(
            ("matches", f"{count} in {len(evidence.matches)} pairs, {distance:.2f} px off epipolar lines (median)")
        )
        if len(triangulated.errors):
            rows.append(
                ("triangulated", f"{len(triangulated.errors)} points, reprojection error {_error(triangulated.errors)}")
            )
    else:
        rows.append(("matches", f"{count}: too few to judge by"))
    if evidence.hull is not None:
        rows.append(("mask hull", f"covers {evidence.hull.coverage:.1%} of the masks"))
    return rows


def _range(values: torch.Tensor) -> str:
    low, high = float(values.min()), float(values.max())
    return f"{low:.4g}" if high - low < 1e-3 * abs(high) else f"{low:.4g} to {high:.4g}"


def _error(errors: torch.Tensor) -> str:
    return f"{float(errors.mean()):.2f} px (median {float(errors.median()):.2f})"
