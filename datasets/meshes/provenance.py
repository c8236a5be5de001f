"""The note in a generated folder that says what it holds, so that a run continues its own folder and no other."""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

from filelock import FileLock, Timeout

from pixelnerf.errors import UserError
from pixelnerf.tools.files import remove_partial, write_atomically

logger = logging.getLogger(__name__)

LOCK = ".lock"


@contextmanager
def only_writer(path: Path) -> Iterator[None]:
    """Makes the folder of the file `path`, and keeps others from writing into it until the block ends.

    While another process writes into it, this one waits. The system releases the lock of a process that was killed.

    Raises:
        UserError: the folder holds something else; nothing is left in it then.
        OSError: the folder cannot be written.
    """
    root = path.parent
    root.mkdir(parents=True, exist_ok=True)
    # A writer's first file is the lock, so a folder without one and without the file is not half-made, but not ours.
    present = {entry.name for entry in root.iterdir()}
    if present and present.isdisjoint({LOCK, path.name}):
        raise _not_ours(path)
    lock = FileLock(root / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        logger.warning("waiting for another run that writes into '%s'", root)
        lock.acquire()
    except NotImplementedError:  # what filelock raises where the file system knows no locks
        logger.warning("the file system of '%s' has no locks: let one run at a time write into it", root)
    try:
        yield
    finally:
        lock.release()


def _not_ours(path: Path) -> UserError:
    return UserError(f"'{path.parent}' is not empty and holds no {path.name}; choose another folder")


def read_provenance(path: Path) -> dict[str, Any] | None:
    """The file's values, None if there is no such file.

    Raises:
        UserError: the file is unreadable.
    """
    try:
        values = json.loads(path.read_text())
        problem = "not a JSON object"
    except FileNotFoundError:
        return None
    except (ValueError, OSError) as error:
        values, problem = None, error
    if not isinstance(values, dict):
        raise UserError(f"cannot read '{path}': {problem}; delete its folder to generate it again")
    return values


def write_provenance(path: Path, values: Mapping[str, Any]) -> None:
    """Writes the values as JSON."""
    write_atomically(path, f"{json.dumps(values, indent=2)}\n".encode())


def prepare_folder(
    path: Path, values: Mapping[str, Any], fixed_keys: Sequence[str], unsaid: Mapping[str, Any] = MappingProxyType({})
) -> None:
    """Removes half-written objects from the folder of the file `path`, and writes `values` to the file.

    Only within `only_writer`, because what is half-written may be another process's work at hand.

    A key that the old or the new file does not have stands for its value in `unsaid`.

    Raises:
        UserError: the folder holds something else, or data whose `fixed_keys` have other values.
    """
    root = path.parent
    present = read_provenance(path)
    if present is None and any(entry.name != LOCK for entry in root.iterdir()):
        raise _not_ours(path)
    for key in fixed_keys if present is not None else ():
        found, wanted = ({**unsaid, **source}.get(key) for source in (present or {}, values))
        if found != wanted:
            mismatch = f"{key} = {found}, not {wanted}"
            raise UserError(f"'{root}' holds data with {mismatch}; delete it or choose another folder")
    for folder in [root, *(entry for entry in root.iterdir() if entry.is_dir())]:
        remove_partial(folder)
    write_provenance(path, values)
