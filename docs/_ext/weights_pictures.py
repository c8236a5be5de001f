"""Draws the weights' pictures from an evaluation's renders: `python docs/_ext/weights_pictures.py FOLDER`.

Rules, not beauty, choose. `weights.png`, the README's first picture, has the first evaluated object of each unseen
category; `weights_worst.png` the eight unseen objects with the lowest PSNR from one photo. The target is the one that
the report shows. A row is the photo, the view from one photo, from three, the truth, and the depth from three.
"""

import csv
import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image

DOCS = Path(__file__).parents[1]
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


def picture(rows: list[np.ndarray]) -> Image.Image:
    """All rows, in columns."""
    height = -(-len(rows) // COLUMNS)
    columns = [np.concatenate(rows[start : start + height]) for start in range(0, len(rows), height)]
    apart = [np.pad(column, ((0, 0), (0, 3 * GAP), (0, 0)), constant_values=255) for column in columns]
    return Image.fromarray(np.concatenate(apart, axis=1)[:-GAP, : -4 * GAP])


def main(results: Path) -> None:
    """Writes both pictures from the output folder of `eval_fewshot.py protocol=shapes13_unseen`."""
    items = json.loads((results / "resolved_protocol.json").read_text("utf-8"))["items"]
    unseen = [item for item in items if item["group"] == "unseen"]
    firsts = {item["category"]: item for item in reversed(unseen)}
    with (results / "per_object.csv").open(encoding="utf-8") as file:
        from_one = [line for line in csv.DictReader(file) if (line["method"], line["views"]) == ("model", "1")]
    values = {line["object"]: float(line["psnr"]) for line in from_one}
    worst = sorted(unseen, key=lambda item: values[item["scene"]])[:8]
    for name, chosen in (("weights", [firsts[category] for category in sorted(firsts)]), ("weights_worst", worst)):
        picture([row(results, item) for item in chosen]).save(DOCS / f"{name}.png", optimize=True)
    print("worst:", *(f"{item['category']} {values[item['scene']]:.2f}" for item in worst))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
