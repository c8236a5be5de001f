"""Draws the README's first picture from an evaluation's renders: `python docs/_ext/first_picture.py FOLDER`.

The rule, not beauty, chooses: the first evaluated object of each unseen category, and the target that the report shows.
A row is the photo, the view from one photo, from three, the truth, and the depth from three.
"""

import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image

PICTURE = Path(__file__).parents[1] / "weights.png"
SIDE, GAP, COLUMNS = 128, 8, 2


def row(results: Path, item: dict) -> np.ndarray:
    """One object's pictures side by side."""
    scene = Path(item["scene"], item["size"])
    folder, renders = results / "pictures" / scene, results / "renders" / scene
    (truth,) = folder.glob("target*_truth.png")
    target = truth.stem.removesuffix("_truth")
    view = target.removeprefix("target")
    (photo,) = item["inputs"]["1"]
    predictions = [renders / f"from_{count}" / f"{view}.png" for count in (1, 3)]
    files = [folder / f"input{photo:03}.png", *predictions, truth, folder / f"3view_{target}_depth.png"]
    pictures = [Image.open(file).convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX) for file in files]
    padded = [np.pad(picture, ((0, GAP), (0, GAP), (0, 0)), constant_values=255) for picture in pictures]
    return np.concatenate(padded, axis=1)


def main(results: Path) -> None:
    """Writes the picture from the output folder of `eval_fewshot.py protocol=shapes13_unseen`."""
    items = json.loads((results / "resolved_protocol.json").read_text("utf-8"))["items"]
    firsts = {item["category"]: item for item in reversed(items) if item["group"] == "unseen"}
    rows = [row(results, firsts[category]) for category in sorted(firsts)]
    height = -(-len(rows) // COLUMNS)
    columns = [np.concatenate(rows[start : start + height]) for start in range(0, len(rows), height)]
    apart = [np.pad(column, ((0, 0), (0, 3 * GAP), (0, 0)), constant_values=255) for column in columns]
    picture = np.concatenate(apart, axis=1)[:-GAP, : -4 * GAP]
    Image.fromarray(picture).save(PICTURE, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
