"""Collects a sweep of `train.py -m` into one table and one figure: `python scripts/collect_sweep.py runs/NAME/TIME`."""

import argparse
import sys
from pathlib import Path

from pixelnerf.entry import run_plain
from pixelnerf.training.sweep import left_out, markdown, read_sweep, write_sweep


def main() -> None:
    """Writes the files and prints the table."""
    parser = argparse.ArgumentParser(
        description="Write sweep.csv, sweep.md and sweep.png into a sweep's folder: PSNR at the last validation, mean "
        "and standard deviation over seeds, and PSNR against steps. Runs that failed are left out, and named."
    )
    parser.add_argument("folder", type=Path, help="the folder that train.py -m wrote, with one folder a run")
    folder = parser.parse_args().folder
    for line in left_out(folder):
        print(f"left out: {line}", file=sys.stderr)
    settings = read_sweep(folder)
    write_sweep(folder, settings)
    print(markdown([setting.row() for setting in settings]), end="")


if __name__ == "__main__":
    run_plain(main)
