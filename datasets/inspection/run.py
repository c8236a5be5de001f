"""Inspects some scenes of a dataset: numbers, warnings, and a figure of each."""

import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import Field
from torch import Tensor

from datasets.inspection.diagnosis import diagnose, view_overlaps
from datasets.inspection.evidence import Evidence, gather, reprojection_errors
from datasets.inspection.figure import draw_scene
from datasets.inspection.two_views import common_center
from datasets.registry import DatasetConfig, build_dataset
from pixelnerf.config import Config
from pixelnerf.errors import UserError
from pixelnerf.scenes.scene import SPLITS, Scene, SceneDataset, Split
from pixelnerf.tools.files import file_name, refusal_in_a_line, write_atomically
from pixelnerf.tools.spacing import spread

Row = tuple[str, str]
"""What a number is, and the number with its unit."""


class InspectionConfig(Config):
    """What is inspected.

    Attributes:
        dataset: any dataset's configuration.
        split: whose scenes.
        scenes: how many of them, evenly spread.
        pairs: pairs of views of each in which matches are looked for.
        output: folder of the figures.
    """

    dataset: DatasetConfig
    split: Split
    scenes: int = Field(ge=1)
    pairs: int = Field(ge=1)
    output: Path


@dataclass(frozen=True)
class SceneReport:
    """One scene's numbers, warnings, and the file of its figure."""

    rows: list[Row]
    warnings: list[str]
    figure: Path


def inspect(config: InspectionConfig) -> tuple[list[Row], Iterator[SceneReport]]:
    """The dataset's numbers, and the reports of its scenes, each made when it is asked for."""
    dataset = build_dataset(config.dataset)
    scenes = dataset.scenes(config.split)
    if not len(scenes):
        raise UserError(f"the split '{config.split}' has no scenes")
    return _dataset_rows(dataset), (_report(scenes[index], config) for index in spread(len(scenes), config.scenes))


def _report(scene: Scene, config: InspectionConfig) -> SceneReport:
    evidence = gather(scene, config.pairs)
    rows, warnings = _scene_rows(evidence), diagnose(evidence)
    content = io.BytesIO()
    draw_scene(evidence, rows, warnings).savefig(content, format="png")
    path = config.output / f"{file_name(scene.name)}.png"
    with refusal_in_a_line(f"'{path}'", "; choose another output=FOLDER"):
        config.output.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content.getvalue())
    return SceneReport(rows, warnings, path)


def _dataset_rows(dataset: SceneDataset) -> list[Row]:
    """How many scenes each split has, or why that is unknown."""
    rows = []
    for split in SPLITS:
        try:
            rows.append((split, f"{len(dataset.scenes(split))} scenes"))
        except UserError as error:
            rows.append((split, str(error)))
    return rows


def _scene_rows(evidence: Evidence) -> list[Row]:
    """What the reader understood of one scene, and how well photos and cameras agree, in pixels of the read photos."""
    scene, cameras = evidence.scene, evidence.cameras
    sizes = Counter(f"{width}x{height}" for width, height in cameras.sizes.tolist())
    focal = torch.diagonal(cameras.intrinsics, 0, 1, 2)[:, :2]
    views = torch.rad2deg(2 * torch.arctan(cameras.sizes[:, 0] / 2 / focal[:, 0]))
    positions = cameras.poses[:, :3, 3]
    distances = (positions - common_center(cameras)).norm(dim=-1)
    steps = torch.cdist(positions, positions).fill_diagonal_(torch.inf).min(dim=1).values
    rows = [
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
    rows += [("noticed", line) for line in scene.notes]
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
