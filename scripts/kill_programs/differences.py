"""What differs between the folders of two finished runs."""

import csv
import io
import json
from pathlib import Path
from typing import Any

STATE = ("state_dict", "current_model_state", "averaging_state", "optimizer_states", "global_step")


def different_training(whole: Path, broken: Path) -> str | None:
    """What differs between two finished trainings, and the pairs of a refiner's."""
    import torch

    from pixelnerf.training.callbacks import read_curve

    curves = [[(point.step, point.psnr) for point in read_curve(run / "validation.csv")] for run in (whole, broken)]
    if curves[0] != curves[1]:
        return f"validation.csv: {curves[0]} and {curves[1]}"
    for name in ("last.ckpt", "best.ckpt"):
        states = [torch.load(run / "checkpoints" / name, weights_only=True) for run in (whole, broken)]
        for key in STATE:
            if (place := _unequal(*(state.get(key) for state in states))) is not None:
                return f"{name}: {key}{place}"
    if leftovers := [path.name for path in (broken / "checkpoints").iterdir() if path.suffix != ".ckpt"]:
        return f"left over: {leftovers}"
    return different_files(whole / "pairs", broken / "pairs")


def different_files(whole: Path, broken: Path) -> str | None:
    """The first file that differs, or that only one folder has. A report, which says how long all took, may differ."""
    contents = []
    for root in (whole, broken):
        files = sorted(path for path in root.rglob("*") if path.is_file() and path.name != "report.html")
        contents.append({str(path.relative_to(root)): _content(path, root) for path in files})
    first, second = contents
    unequal = (name for name in sorted(first.keys() | second.keys()) if first.get(name) != second.get(name))
    return next(unequal, None)


def _content(path: Path, root: Path) -> object:
    """Bytes, with the folder's own path left out; JSON and CSV without seconds."""
    content = path.read_bytes().replace(str(root).encode(), b"")
    if path.suffix == ".csv":
        return _without_seconds(list(csv.DictReader(io.StringIO(content.decode()))))
    return _without_seconds(json.loads(content)) if path.suffix == ".json" else content


def _without_seconds(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_seconds(item) for key, item in value.items() if "seconds" not in key}
    return [_without_seconds(item) for item in value] if isinstance(value, list) else value


def _unequal(first: object, second: object) -> str | None:
    import torch

    if isinstance(first, torch.Tensor) and isinstance(second, torch.Tensor):
        return None if torch.equal(first, second) else ""
    if isinstance(first, dict) and isinstance(second, dict) and first.keys() == second.keys():
        pairs = [(key, first[key], second[key]) for key in first]
    elif isinstance(first, list | tuple) and isinstance(second, list | tuple) and len(first) == len(second):
        pairs = [(index, *pair) for index, pair in enumerate(zip(first, second, strict=True))]
    else:
        return None if type(first) is type(second) and first == second else ""
    for key, *pair in pairs:
        if (place := _unequal(*pair)) is not None:
            return f"[{key!r}]{place}"
    return None
