"""Generates the built-in data set shapes13."""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from datasets.shapes13 import Shapes13Config, generate
from pixelnerf.config import parse_config
from pixelnerf.entry import INTERRUPTED, USER_ERROR, composed_values
from pixelnerf.errors import UserError

CONFIG_FOLDER = Path(__file__).resolve().parents[1] / "conf"


def main() -> int:
    """Parses the command line and generates; returns the exit status."""
    try:
        defaults = composed_values(CONFIG_FOLDER, "dataset/shapes13")["dataset"]["generator"]
        given = vars(_parser(defaults).parse_args())
        generate(parse_config(Shapes13Config, {**defaults, **given}, where=""))
    except UserError as error:
        print(error, file=sys.stderr)
        return USER_ERROR
    except KeyboardInterrupt:
        print("stopped; the same command continues", file=sys.stderr)
        return INTERRUPTED
    return 0


def _parser(defaults: Mapping[str, Any]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Generate shapes13: parametric objects of thirteen ShapeNet categories, rendered in the NMR "
        "layout. The same seed gives the same bytes. Stopped, the same command continues.",
        epilog="The defaults are those of conf/dataset/shapes13.yaml.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--root", type=Path, help="folder to write")
    parser.add_argument("--categories", nargs="+", metavar="NAME", help="categories to generate; None = all thirteen")
    parser.add_argument("--objects", type=int, metavar="N", help="objects of each category, split 70:10:20")
    parser.add_argument(
        "--seen-train",
        dest="seen_train_objects",
        type=int,
        metavar="N",
        help="training objects of airplane, car and chair",
    )
    parser.add_argument("--hybrids", type=int, metavar="N", help="further ones for training, of these three's parts")
    parser.add_argument("--views", type=int, metavar="N", help="views of an object, on a ring at 30 degrees")
    parser.add_argument("--size", type=int, metavar="N", help="width and height of the images in pixels")
    parser.add_argument("--seed", type=int, metavar="N", help="seed of all shapes")
    parser.add_argument("--workers", type=int, metavar="N", help="processes; 0 = one a core")
    parser.set_defaults(**defaults)
    return parser


if __name__ == "__main__":
    sys.exit(main())
