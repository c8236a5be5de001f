"""Writing files and folders whole or not at all, digests, and safe file names."""

import csv
import hashlib
import io
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pixelnerf.errors import UserError

_PARTIAL = ".partial-"
# More than any buffer that may be left unwritten.
_PROBE_BYTES = 1 << 20


@contextmanager
def refusal_in_a_line(place: object, way_out: str = "") -> Iterator[None]:
    """Makes the system's refusal to write to a place the user's: what, where, why, then the way out.

    Raises:
        UserError: the block raised an OSError, or a RuntimeError while it left because of one.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:
        # torch's archives complain of their length when a full disk makes torch close one too early.
        refusal = error if isinstance(error, OSError) else error.__context__
        if not isinstance(refusal, OSError):
            raise
        raise UserError(f"cannot write {place}: {refusal.strerror or refusal}{way_out}") from None


@contextmanager
def file_written_whole(path: Path) -> Iterator[Path]:
    """A temporary file beside `path`, which replaces it when the block ends without an exception."""
    handle, name = tempfile.mkstemp(prefix=_PARTIAL, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_atomically(path: Path, data: bytes) -> None:
    """Writes a file whole or not at all."""
    with file_written_whole(path) as temporary:
        temporary.write_bytes(data)


@contextmanager
def folder_written_whole(path: Path) -> Iterator[Path]:
    """A temporary folder beside `path`, which replaces it when the block ends without an exception.

    Raises:
        OSError: as the block, or the disk is full then.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=_PARTIAL, dir=path.parent))
    try:
        yield temporary
        # pycolmap writes what there is room for and says nothing; where it could not, nobody can.
        with tempfile.TemporaryFile(dir=temporary) as probe:
            probe.write(bytes(_PROBE_BYTES))
        temporary.chmod(0o755)
        temporary.replace(path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def is_partial(path: Path) -> bool:
    """Whether a killed run left this file or folder half-written."""
    return path.name.startswith(_PARTIAL)


def remove_partial(folder: Path, deep: bool = False) -> None:
    """Deletes half-written files of a killed run in a folder; if `deep`, also in the folders in it."""
    for leftover in (folder.rglob if deep else folder.glob)(f"{_PARTIAL}*"):
        if leftover.is_dir() and not leftover.is_symlink():
            shutil.rmtree(leftover)
        else:
            leftover.unlink()


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def plain_digest(values: dict[str, Any]) -> str:
    """SHA-256 of plain values, whatever the order of their keys, in hexadecimal."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def csv_bytes(columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> bytes:
    """The contents of a CSV file."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows([columns, *rows])
    return buffer.getvalue().encode()


def file_name(name: str) -> str:
    """A scene's name as a file name.

    >>> file_name("04090263/5aac 06")
    '04090263_5aac_06'
    """
    return re.sub(r"[^\w.-]+", "_", name).strip(".") or "scene"
