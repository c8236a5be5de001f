"""What `pixelnerf COMMAND` does beside rendering: the programs of the repository's root and of scripts/.

Each module has `run()`, which reads `sys.argv`, and is a program of its own (`python -m`).
"""

import sys
from collections.abc import Sequence
from runpy import run_module
from typing import NoReturn

COMMANDS = {
    "train": "train a model; takes KEY=VALUE",
    "evaluate": "evaluate weights, or pictures of any method, under a protocol; takes KEY=VALUE",
    "inspect": "check the cameras of a folder or a dataset, or correct their files (--fix); takes KEY=VALUE",
    "convert": "read a checkpoint of the original pixelNeRF or mip-NeRF",
    "share": "turn a checkpoint into one file to share",
}


def run_program(command: str, arguments: Sequence[str]) -> NoReturn:
    """Runs one of `COMMANDS` with its own arguments, then exits."""
    sys.argv = [f"pixelnerf {command}", *arguments]
    # As with `python -m`, which is how Lightning starts further processes of a program.
    run_module(f"pixelnerf.app.programs.{command}", run_name="__main__", alter_sys=True)
    raise AssertionError(f"{command} exits by itself")
