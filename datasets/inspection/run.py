"""Inspects some scenes of a dataset: numbers, warnings, and a picture of each."""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from pydantic import Field

from datasets.inspection.diagnosis import diagnose
from datasets.inspection.evidence import gather
from datasets.inspection.page import draw_page
from datasets.inspection.summary import Row, evidence_rows, scene_rows
from datasets.registry import DatasetConfig, build_dataset
from pixelnerf.config import Config
from pixelnerf.errors import UserError
from pixelnerf.scenes.scene import SPLITS, Scene, SceneDataset, Split
from pixelnerf.tools.files import write_atomically


class InspectionConfig(Config):
    """What is inspected.

    Attributes:
        dataset: any dataset's configuration.
        split: whose scenes.
        scenes: how many of them, evenly spread.
        pairs: pairs of views of each in which matches are looked for.
        output: folder of the pictures.
    """

    dataset: DatasetConfig
    split: Split
    scenes: int = Field(ge=1)
    pairs: int = Field(ge=1)
    output: Path


@dataclass(frozen=True)
class SceneReport:
    """One scene's numbers, warnings, and where its picture is."""

    rows: list[Row]
    warnings: list[str]
    picture: Path


def inspect(config: InspectionConfig) -> tuple[list[Row], Iterator[SceneReport]]:
    """The dataset's numbers, and the reports of its scenes, each made when it is asked for.

    Raises:
        UserError: the data are damaged, the split is empty, or the output folder cannot be written.
    """
    dataset = build_dataset(config.dataset)
    scenes = dataset.scenes(config.split)
    if not len(scenes):
        raise UserError(f"the split '{config.split}' has no scenes")
    chosen = np.unique(np.linspace(0, len(scenes) - 1, config.scenes).round().astype(int)).tolist()
    return dataset_rows(dataset), (_report(scenes[index], config) for index in chosen)


def dataset_rows(dataset: SceneDataset) -> list[Row]:
    """How many scenes each split has, or why it cannot be told."""
    return [(split, _count(lambda split=split: len(dataset.scenes(split)))) for split in SPLITS]


def _count(count: Callable[[], int]) -> str:
    try:
        return f"{count()} scenes"
    except UserError as error:
        return str(error)


def _report(scene: Scene, config: InspectionConfig) -> SceneReport:
    evidence = gather(scene, config.pairs)
    rows = [*scene_rows(scene), *evidence_rows(evidence)]
    warnings = diagnose(evidence)
    path = config.output / f"{scene.name.replace('/', '_')}.png"
    try:
        config.output.mkdir(parents=True, exist_ok=True)
        write_atomically(path, _png(draw_page(evidence, rows, warnings)))
    except OSError as error:
        raise UserError(f"cannot write '{path}': {error.strerror}; choose another output=FOLDER") from None
    return SceneReport(rows, warnings, path)


def _png(picture: Image.Image) -> bytes:
    content = io.BytesIO()
    picture.save(content, "PNG")
    return content.getvalue()
