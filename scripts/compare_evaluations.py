"""One page for several evaluations: `python scripts/compare_evaluations.py ours=runs/a theirs=runs/b --output FILE`."""

import argparse
from pathlib import Path

from pixelnerf.entry import run_plain
from pixelnerf.errors import UserError
from pixelnerf.evaluation.comparison import write_comparison


def main() -> None:
    """Writes the page and prints where it is."""
    parser = argparse.ArgumentParser(
        description="Write one page with the means and turntables of several evaluations under one protocol, and links "
        "to their reports, which have to stay where they are."
    )
    parser.add_argument("evaluations", nargs="+", metavar="TITLE=FOLDER", help="what eval_fewshot.py wrote to a folder")
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help="the page to write")
    parser.add_argument("--title", default="Few-shot evaluations")
    given = parser.parse_args()
    folders: dict[str, Path] = {}
    for text in given.evaluations:
        name, separator, folder = text.partition("=")
        if not (name and separator and folder):
            raise UserError(f"'{text}' is not TITLE=FOLDER")
        if name in folders:
            raise UserError(f"two evaluations have the title '{name}'; choose another for one of them")
        folders[name] = Path(folder)
    write_comparison(given.output, folders, given.title)
    print(f"open {given.output}")


if __name__ == "__main__":
    run_plain(main)
