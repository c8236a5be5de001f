"""One picture of the whole data set, to judge by eye."""

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image, ImageDraw

from pixelnerf.tools.files import write_atomically

_OBJECTS_A_ROW = 12
_LABEL_WIDTH = 84
_SHOWN_TURN = 20 / 24
"""The view shown, as a share of the ring: from the front right."""


def write_contact_sheet(root: Path, synsets: Mapping[str, str]) -> None:
    """Writes `contact_sheet.png`: a labelled row of objects for each category, from its synset's folder."""
    rows = [_row(category, root / synset) for category, synset in synsets.items()]
    width = max(row.shape[1] for row in rows)
    padded = [np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0)), constant_values=255) for row in rows]
    encoded = io.BytesIO()
    Image.fromarray(np.concatenate(padded)).save(encoded, "png")
    write_atomically(root / "contact_sheet.png", encoded.getvalue())


def _row(category: str, folder: Path) -> UInt8[ndarray, "height width 3"]:
    folders = sorted(path for path in folder.iterdir() if path.is_dir())[:_OBJECTS_A_ROW]
    views = [sorted((folder / "image").iterdir()) for folder in folders]
    pictures = [np.asarray(Image.open(paths[round(_SHOWN_TURN * len(paths)) % len(paths)])) for paths in views]
    label = Image.new("RGB", (_LABEL_WIDTH, len(pictures[0])), "white")
    ImageDraw.Draw(label).text((6, len(pictures[0]) // 2 - 6), category, fill="black")
    return np.concatenate([np.asarray(label), *pictures], axis=1)
