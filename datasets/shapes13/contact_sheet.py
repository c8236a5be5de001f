"""One picture of the whole data set, for a person to judge."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from datasets.shapes13.catalog import CATEGORIES

OBJECTS_A_ROW = 12
_LABEL_WIDTH = 90
_SHOWN_AZIMUTH = 35.0 + 270.0


def write_contact_sheet(root: Path, categories: Sequence[str]) -> None:
    """Writes `contact_sheet.png`: a labelled row a category, objects seen from the front right."""
    rows = [_row(root, category) for category in categories]
    width = max(row.shape[1] for row in rows)
    sheet = np.concatenate(
        [np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0)), constant_values=255) for row in rows]
    )
    Image.fromarray(sheet).save(root / "contact_sheet.png")


def _row(root: Path, category: str) -> np.ndarray:
    objects = sorted(path for path in (root / CATEGORIES[category].synset).iterdir() if path.is_dir())[:OBJECTS_A_ROW]
    pictures = [np.asarray(Image.open(path)) for path in (_shown_view(folder) for folder in objects)]
    label = Image.new("RGB", (_LABEL_WIDTH, pictures[0].shape[0]), "white")
    ImageDraw.Draw(label).text((6, pictures[0].shape[0] // 2 - 6), category, fill="black")
    return np.concatenate([np.asarray(label), *pictures], axis=1)


def _shown_view(folder: Path) -> Path:
    views = sorted((folder / "image").iterdir())
    return views[round(_SHOWN_AZIMUTH / 360 * len(views)) % len(views)]
