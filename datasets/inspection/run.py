"""Inspects some scenes of a dataset: numbers, warnings, and a figure of each."""

import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from datasets.inspection.diagnosis import diagnose, view_overlaps
from datasets.inspection.evidence import Evidence, gather
from datasets.inspection.figure import draw_scene
from datasets.inspection.measures import Row, agreement_rows, camera_rows
from datasets.registry import DatasetConfig, build_dataset
from pixelnerf.config import Config, WrittenPath
from pixelnerf.errors import UserError
from pixelnerf.scenes.scene import SPLITS, Scene, SceneDataset, Split
from pixelnerf.tools.files import file_name, refusal_in_a_line, write_atomically
from pixelnerf.tools.spacing import spread


class InspectionConfig(Config):
    """What is inspected.

    Attributes:
        dataset: any dataset's configuration.
        split: whose scenes.
        scenes: how many of them, evenly spread.
        pairs: pairs of views of each in which matches are looked for.
        output: folder of the figures.
        fix: instead, write corrected copies of the camera files (`datasets.inspection.fixing`); `--fix` sets it.
    """

    dataset: DatasetConfig
    split: Split
    scenes: int = Field(ge=1)
    pairs: int = Field(ge=1)
    output: WrittenPath
    fix: bool


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
    scene = evidence.scene
    sizes = Counter(f"{width}x{height}" for width, height in evidence.cameras.sizes.tolist())
    return [
        ("scene", scene.name + (f" ({scene.category})" if scene.category else "")),
        ("views", str(scene.num_views)),
        ("sizes", ", ".join(f"{size} ({count})" for size, count in sizes.items())),
        *camera_rows(evidence),
        ("near, far", f"{scene.near:.4g}, {scene.far:.4g}"),
        ("views overlap", f"{float(view_overlaps(scene).median()):.0%} with the best neighbour (median)"),
        ("input views", " ".join(map(str, scene.input_views() or ())) or "left to the protocol"),
        *(("noticed", line) for line in scene.notes),
        *agreement_rows(evidence),
    ]
