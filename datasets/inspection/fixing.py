"""Corrected copies of files of cameras, where it is sure what their writer meant."""

import filecmp
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

from datasets.image_files import read_size
from datasets.inspection.camera_changes import moved, renamed, without_missing
from datasets.inspection.camera_set import CameraSet
from datasets.inspection.diagnosis import wrong_cameras
from datasets.inspection.formats.colmap import ColmapCameras
from datasets.inspection.formats.dtu import DtuCameras
from datasets.inspection.formats.frames import BlenderCameras, TransformsCameras
from datasets.inspection.formats.llff import LlffCameras
from datasets.inspection.formats.srn import SrnCameras
from datasets.inspection.measures import Row, agreement_rows, camera_rows
from datasets.inspection.readings import Reading, all_readings, is_judged, sure_reading
from datasets.messages import collected_notes
from datasets.readers.blender import BlenderConfig
from datasets.readers.colmap import ColmapConfig
from datasets.readers.dtu import DtuConfig
from datasets.readers.folder_dataset import FolderConfig, FolderDataset
from datasets.readers.llff import LlffConfig
from datasets.readers.srn import SrnConfig
from datasets.readers.transforms import TransformsConfig
from datasets.registry import DatasetConfig, build_dataset
from pixelnerf.errors import UserError
from pixelnerf.scenes.scene import SPLITS
from pixelnerf.tools.files import file_written_whole, folder_written_whole, refusal_in_a_line
from pixelnerf.tools.spacing import spread

FORMATS: dict[type[Any], type[CameraSet[Any]]] = {
    TransformsConfig: TransformsCameras,
    BlenderConfig: BlenderCameras,
    ColmapConfig: ColmapCameras,
    LlffConfig: LlffCameras,
    SrnConfig: SrnCameras,
    DtuConfig: DtuCameras,
}


@dataclass(frozen=True)
class Copy:
    """A corrected copy, and what the user does with it."""

    path: Path
    use: str


@dataclass(frozen=True)
class Fix:
    """One file: what was wrong in it, the measures of `inspect` before and after, and corrected copies if any are due.

    `doubt` says why nothing is written though something may be wrong, `unjudged` why poses were not judged, and `notes`
    what the reader does not use.
    """

    path: Path
    before: list[Row]
    after: list[Row]
    changes: tuple[str, ...] = ()
    copies: tuple[Copy, ...] = ()
    doubt: str = ""
    unjudged: str = ""
    notes: tuple[str, ...] = ()


def fix_all(config: DatasetConfig, scenes: int, pairs: int) -> Iterator[Fix]:
    """Corrects the cameras of some scenes, evenly spread, and writes copies beside their files.

    Raises:
        UserError: the dataset's cameras are in no file of the user's own, there is none, or a copy cannot be written.
    """
    if type(config) not in FORMATS:
        known = ", ".join(get_args(one.model_fields["name"].annotation)[0] for one in FORMATS)
        raise UserError(f"--fix corrects the cameras of these readers: {known}; not of {config.name}")
    assert isinstance(config, FolderConfig)
    files = _files(config)
    return (_fixed(*file, config, pairs) for index in spread(len(files), scenes) for file in files[index])


def _files(config: FolderConfig) -> list[list[tuple[Path, Path]]]:
    """Those of each scene, and the scene's folder."""
    dataset = build_dataset(config)
    assert isinstance(dataset, FolderDataset)
    refusals = []
    files: dict[str, dict[tuple[Path, Path], None]] = {}
    for split in SPLITS:
        try:
            for folder in dataset.folders(split, None):
                place = config.root / folder
                path = FORMATS[type(config)].find(place, split, config)
                if path.exists():
                    files.setdefault(folder, {})[path, place] = None
        except UserError as error:
            refusals.append(error)
    if not files:
        raise refusals[0] if refusals else UserError(f"no files of cameras in '{config.root}'")
    return [list(files[folder]) for folder in sorted(files)]


def _fixed(path: Path, folder: Path, config: FolderConfig, pairs: int) -> Fix:
    with collected_notes() as notes:
        fix = _judged(path, folder, config, pairs)
    return replace(fix, notes=tuple(notes))


def _judged(path: Path, folder: Path, config: FolderConfig, pairs: int) -> Fix:
    before: list[Row] = []
    try:
        given = cameras = FORMATS[type(config)].read(path, folder, config)
        lines = []
        for line, repaired in given.repairs():
            cameras, lines = repaired, [*lines, line]
        for find in (moved, renamed, without_missing):
            if change := find(cameras):
                cameras = change.apply(cameras)
                lines.append(change.line)
        readings, refusal = all_readings(cameras, config, pairs)
        before = _rows_of_given(given, readings, refusal)
        chosen = sure_reading(readings, refusal)
        if warnings := wrong_cameras(chosen.evidence):
            raise UserError(warnings[0])
        lines += chosen.lines
        copies = chosen.cameras.copies(lines) if lines else {}
    except UserError as error:
        return Fix(path, before, [], doubt=str(error))
    unjudged = "" if is_judged(chosen.evidence) else "too few matches, and no masks"
    after = _rows(chosen) if lines else before
    written = [(original, _write(original, write)) for original, write in copies.items()]
    uses = tuple(Copy(copy, cameras.how_to_use(original, copy)) for original, copy in written)
    return Fix(path, before, after, tuple(lines), uses, unjudged=unjudged)


def _rows(reading: Reading) -> list[Row]:
    return [
        ("views", str(reading.evidence.scene.num_views)),
        *camera_rows(reading.evidence),
        *agreement_rows(reading.evidence),
    ]


def _rows_of_given(given: CameraSet, readings: Sequence[Reading], refusal: UserError | None) -> list[Row]:
    """The measures of the file as it is, or why it cannot be read."""
    try:
        given.matrices()
        for view in range(len(given)):
            read_size(given.image(view))
    except UserError as error:
        refusal = error
    if refusal is not None:
        return [("cannot be read", str(refusal))]
    return _rows(readings[0])


def _write(original: Path, write: Callable[[Path], None]) -> Path:
    """Writes the corrected copy of a file or folder beside it, whole, unless it is there already."""
    is_folder = original.is_dir()
    name = f"{original.name}.fixed" if is_folder else f"{original.stem}.fixed{original.suffix}"
    copy = original.with_name(name)
    with refusal_in_a_line(f"'{copy}'"):
        if not copy.exists():
            with (folder_written_whole if is_folder else file_written_whole)(copy) as partial:
                write(partial)
            return copy
        with tempfile.TemporaryDirectory() as scratch:
            again = Path(scratch) / name
            if is_folder:
                again.mkdir()
            write(again)
            if not _same(copy, again):
                raise UserError(f"'{copy}' exists, and is not what --fix writes now: move it away")
    return copy


def _same(first: Path, second: Path) -> bool:
    """Whether two files, or all files in two folders, have the same content."""
    if first.is_file():
        return second.is_file() and filecmp.cmp(first, second, shallow=False)
    names = sorted(path.name for path in first.iterdir())
    return names == sorted(path.name for path in second.iterdir()) and all(
        filecmp.cmp(first / name, second / name, shallow=False) for name in names
    )
