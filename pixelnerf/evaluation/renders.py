"""The layout of rendered pictures on disk, which our evaluation writes, and scoring those of any method in it.

`SCENE/SIZE/from_COUNT/VIEW.png`: the scene's name with its slashes as folders, the size as "64x64", the number of input
photos, and the index of the rendered view in three digits, for instance `02691156/a1b2/64x64/from_1/007.png`.
"""

import hashlib
import io
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from pixelnerf.errors import UserError
from pixelnerf.evaluation.evaluator import Made
from pixelnerf.evaluation.methods import Pictures
from pixelnerf.evaluation.protocol import Item, ResolvedProtocol
from pixelnerf.images.pictures import from_8_bits
from pixelnerf.tools.files import file_name

# Files of a kind that a message names; more are counted.
NAMED = 3


def scene_folder(item: Item) -> Path:
    """The folder of an item's pictures, relative to the folder of all."""
    return Path(*(file_name(part) for part in item.scene.name.split("/")), item.size)


def render_file(item: Item, count: int, view: int) -> Path:
    """The file of one render, from so many photos, relative to the folder of all."""
    return scene_folder(item) / f"from_{count}" / f"{view:03d}.png"


def check_layout(resolved: ResolvedProtocol) -> None:
    """Raises a UserError if two scenes would share a folder."""
    names: dict[Path, str] = {}
    for item in resolved.items:
        other = names.setdefault(scene_folder(item), item.scene.name)
        if other != item.scene.name:
            raise UserError(f"scenes '{other}' and '{item.scene.name}' share a folder for their renders; rename one")


class SavedRenders:
    """Pictures that a method rendered and saved: a `pixelnerf.evaluation.evaluator.Method`.

    Args:
        folder: in this module's layout, 8-bit RGB over the scene's background.
        resolved: the protocol, whose every render must be there, and no other file. Hidden files do not count.

    Attributes:
        digest: SHA-256 of all files.

    Raises:
        UserError: there is no such folder, or files are missing, superfluous, of another size, or damaged.
    """

    def __init__(self, folder: Path, resolved: ResolvedProtocol) -> None:
        self._folder = folder
        if not folder.is_dir():
            raise UserError(f"no folder of renders '{folder}'; set renders=FOLDER")
        expected = {
            render_file(item, count, view): item.size
            for item in resolved.items
            for count, views in item.targets.items()
            for view in views
        }
        found = _files(folder)
        problems = {
            "missing": [str(file) for file in expected if file not in found],
            "not of the protocol": [str(file) for file in sorted(found - expected.keys())],
            "unusable": [],
        }
        digest = hashlib.sha256()
        for file, size in expected.items():
            if file in found:
                contents = (folder / file).read_bytes()
                digest.update(hashlib.sha256(contents).digest())
                if problem := _problem(contents, size):
                    problems["unusable"].append(f"{file} {problem}")
        self.digest = digest.hexdigest()
        if told := [_told(kind, files, len(expected)) for kind, files in problems.items() if files]:
            raise UserError(f"renders in '{folder}' do not fit protocol '{resolved.protocol.name}': {'; '.join(told)}")

    def __call__(self, item: Item, count: int) -> Made:
        """The pictures of an item's targets."""
        files = [self._folder / render_file(item, count, view) for view in item.targets[count]]
        images = torch.stack([torch.from_numpy(from_8_bits(np.array(Image.open(file)))) for file in files])
        return Made([Pictures("renders", "model", images, None)])


def _files(folder: Path) -> set[Path]:
    found: set[Path] = set()
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found |= {Path(parent, name).relative_to(folder) for name in files if not name.startswith(".")}
    return found


def _problem(contents: bytes, size: str) -> str | None:
    try:
        with Image.open(io.BytesIO(contents), formats=["PNG"]) as image:
            if (found := f"{image.width}x{image.height}") != size:
                return f"is {found} instead of {size}"
            if image.mode != "RGB":
                return f"has the channels {image.mode} instead of RGB"
            image.load()
    # Whatever a decoder raises, the file is damaged.
    except Exception:
        return "is no PNG, or damaged"
    return None


def _told(kind: str, files: Sequence[str], expected: int) -> str:
    more = f" and {len(files) - NAMED} more" if len(files) > NAMED else ""
    return f"{len(files)} {kind}{f' of {expected}' if kind == 'missing' else ''} ({', '.join(files[:NAMED])}{more})"
