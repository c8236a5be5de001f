"""Corrected copies of transforms.json and its kin, where it is sure what their writer meant."""

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from datasets.image_files import read_size
from datasets.inspection.camera_changes import LISTS, Content, renamed, without_missing
from datasets.inspection.diagnosis import wrong_cameras
from datasets.inspection.measures import Row, agreement_rows, camera_rows
from datasets.inspection.readings import FixableConfig, Reading, all_readings, frames_of, is_judged, sure_reading
from datasets.messages import collected_notes
from datasets.readers.blender import BlenderDataset
from datasets.readers.camera_files import read_json
from datasets.readers.folder_dataset import scene_folders
from datasets.readers.frames import FIX_KEY, Frames
from datasets.readers.transforms import TransformsConfig, TransformsDataset
from datasets.registry import DatasetConfig
from pixelnerf.errors import UserError
from pixelnerf.scenes.scene import SPLITS
from pixelnerf.tools.files import plain_digest, refusal_in_a_line, write_atomically
from pixelnerf.tools.spacing import spread


@dataclass(frozen=True)
class Fix:
    """One file: what was wrong in it, the measures of `inspect` before and after, and its corrected copy if one is due.

    `doubt` says why nothing is written though something may be wrong, `unjudged` why poses were not judged, and `notes`
    what the reader does not use.
    """

    path: Path
    before: list[Row]
    after: list[Row]
    changes: tuple[str, ...] = ()
    copy: Path | None = None
    doubt: str = ""
    unjudged: str = ""
    notes: tuple[str, ...] = ()


def fix_all(config: DatasetConfig, scenes: int, pairs: int) -> Iterator[Fix]:
    """Corrects the camera files of some scenes, evenly spread, and writes copies beside them.

    Raises:
        UserError: the dataset has no such files, or a copy cannot be written.
    """
    if not isinstance(config, FixableConfig):
        raise UserError(
            "--fix corrects transforms.json (dataset=transforms) and transforms_<split>.json (dataset=blender), "
            f"which dataset={config.name} has not"
        )
    files = _camera_files(config)
    return (_fixed(file, config, pairs) for index in spread(len(files), scenes) for file in files[index])


def _camera_files(config: FixableConfig) -> list[list[Path]]:
    """Those of each scene."""
    if not config.root.is_dir():
        raise UserError(f"no data folder '{config.root}': set dataset.root=PATH; {config.how_to_get}")
    marker = TransformsDataset.marker if isinstance(config, TransformsConfig) else BlenderDataset.marker
    names = dict.fromkeys(marker.format(split=split) for split in SPLITS)
    files: dict[str, list[Path]] = {}
    for name in names:
        with suppress(UserError):
            for folder in scene_folders(config.root, name):
                files.setdefault(folder, []).append(config.root / folder / name)
    if not files:
        # Says where there are some.
        scene_folders(config.root, next(iter(names)))
    return [files[folder] for folder in sorted(files)]


def _fixed(path: Path, config: FixableConfig, pairs: int) -> Fix:
    with collected_notes() as notes:
        fix = _judged(path, config, pairs)
    return replace(fix, notes=tuple(notes))


def _judged(path: Path, config: FixableConfig, pairs: int) -> Fix:
    before: list[Row] = []
    try:
        given = Frames.read(path, {"ply_file_path", *LISTS})
        content, lines = dict(given.content), []
        for find in (renamed, without_missing):
            if change := find(frames_of(path, content)):
                content = change.apply(content)
                lines.append(change.line)
        readings, refusal = all_readings(path, content, config, pairs)
        before = _rows_of_given(given, readings, refusal)
        chosen = sure_reading(readings, refusal)
        if warnings := wrong_cameras(chosen.evidence):
            raise UserError(warnings[0])
    except UserError as error:
        return Fix(path, before, [], doubt=str(error))
    unjudged = "" if is_judged(chosen.evidence) else "too few matches, and no masks"
    lines += chosen.lines
    if not lines:
        return Fix(path, before, before, unjudged=unjudged)
    copy = _write(path, chosen.content, lines)
    return Fix(path, before, _rows(chosen), tuple(lines), copy, unjudged=unjudged)


def _rows(reading: Reading) -> list[Row]:
    return [
        ("views", str(reading.evidence.scene.num_views)),
        *camera_rows(reading.evidence),
        *agreement_rows(reading.evidence),
    ]


def _rows_of_given(given: Frames, readings: Sequence[Reading], refusal: UserError | None) -> list[Row]:
    """The measures of the file as it is, or why it cannot be read."""
    try:
        for view in range(len(given)):
            read_size(given.image(view))
    except UserError as error:
        refusal = error
    if refusal is not None:
        return [("cannot be read", str(refusal))]
    return _rows(readings[0])


def _write(path: Path, content: Content, lines: Sequence[str]) -> Path:
    """Writes the corrected copy beside a file, unless it is there already."""
    copy = path.with_name(f"{path.stem}.fixed{path.suffix}")
    plain = {key: value for key, value in content.items() if key != FIX_KEY}
    earlier = content[FIX_KEY]["changes"] if _is_note(content.get(FIX_KEY)) else []
    note = {"changes": [*earlier, *lines], "digest": plain_digest(plain)}
    data = json.dumps({FIX_KEY: note, **plain}, indent=1).encode()
    with refusal_in_a_line(f"'{copy}'"):
        if not copy.exists():
            write_atomically(copy, data)
        elif copy.read_bytes() != data:
            if not _is_ours(copy):
                raise UserError(f"'{copy}' exists, and --fix did not write it as it is: move it away")
            write_atomically(copy, data)
    return copy


def _is_note(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("changes"), list) and isinstance(value.get("digest"), str)


def _is_ours(path: Path) -> bool:
    """Whether a file is as `_write` left it."""
    try:
        content = read_json(path)
    except UserError:
        return False
    if not isinstance(content, dict) or not _is_note(note := content.pop(FIX_KEY, None)):
        return False
    return note["digest"] == plain_digest(content)
