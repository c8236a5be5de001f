"""Collects a sweep of `train.py -m` into one table and one figure: `python scripts/collect_sweep.py runs/NAME/TIME`."""

import argparse
import sys
from pathlib import Path

from pixelnerf.errors import UserError
from pixelnerf.training.sweep import markdown, read_sweep, write_sweep


def main() -> int:
    """Parses the command line, writes the files and prints the table; returns the exit status."""
    parser = argparse.ArgumentParser(
        description="Write sweep.csv, sweep.md and sweep.png into a sweep's folder: PSNR at the last validation, mean "
        "and standard deviation over seeds, and PSNR against steps."
    )
    parser.add_argument("folder", type=Path, help="the folder that train.py -m wrote, with one folder a run")
    folder = parser.parse_args().folder
    try:
        settings = read_sweep(folder)
        write_sweep(folder, settings)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        print(f"cannot write into {folder}: {error.strerror}", file=sys.stderr)
        return 2
    print(markdown([setting.row() for setting in settings]), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
