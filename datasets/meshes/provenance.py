"""The note in a generated folder that says what it holds, so that a run continues its own folder and no other."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pixelnerf.errors import UserError
from pixelnerf.tools.files import remove_partial, write_atomically


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
    """Makes or reopens the folder of the file `path`, removes half-written objects, and writes `values` to the file.

    A key that the old or the new file does not have stands for its value in `unsaid`.

    Raises:
        UserError: the folder holds something else, or data whose `fixed_keys` have other values.
    """
    root = path.parent
    root.mkdir(parents=True, exist_ok=True)
    present = read_provenance(path)
    if present is None and any(root.iterdir()):
        raise UserError(f"'{root}' is not empty and holds no {path.name}; choose another folder")
    for key in fixed_keys if present is not None else ():
        found, wanted = ({**unsaid, **source}.get(key) for source in (present or {}, values))
        if found != wanted:
            mismatch = f"{key} = {found}, not {wanted}"
            raise UserError(f"'{root}' holds data with {mismatch}; delete it or choose another folder")
    for folder in [root, *(entry for entry in root.iterdir() if entry.is_dir())]:
        remove_partial(folder)
    write_provenance(path, values)
