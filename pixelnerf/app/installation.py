"""What comes with the program: configurations and weights, in an installation and in a checkout."""

from pathlib import Path

from pixelnerf.config import nearest
from pixelnerf.errors import UserError

DEFAULT_WEIGHTS = "shapes13_all"
_PACKAGE = Path(__file__).resolve().parents[1]


def config_folder() -> Path:
    """Where the YAML files are.

    Raises:
        UserError: the installation has none.
    """
    for folder in (_PACKAGE / "conf", _PACKAGE.parent / "conf"):
        if (folder / "dataset").is_dir():
            return folder
    raise UserError(f"no configurations in {_PACKAGE}: install pixelnerf again")


def find_weights(name: str | Path) -> Path:
    """The file of weights that come with the program, or of any others.

    Raises:
        UserError: there are none of this name, and no such file.

    >>> find_weights("shapes13_all").name
    'shapes13_all.safetensors'
    """
    path = Path(name)
    if path.is_file():
        return path
    folders = (_PACKAGE / "weights", _PACKAGE.parent / "weights")
    shipped = {file.stem: file for folder in folders for file in folder.glob("*.safetensors")}
    if str(name) in shipped:
        return shipped[str(name)]
    if path.suffix in (".ckpt", ".safetensors") or path.parent != Path():
        raise UserError(f"no such weights: {path}")
    raise UserError(
        f"unknown weights '{name}'{nearest(str(name), sorted(shipped))}; or give a .ckpt or .safetensors file"
    )
