"""Generates the built-in data set shapes13."""

import argparse
import sys
from pathlib import Path

from datasets.shapes13 import Shapes13Config, generate
from pixelnerf.config import parse_config
from pixelnerf.errors import UserError


def main() -> int:
    """Parses the command line and generates; returns the exit status."""
    try:
        generate(parse_config(Shapes13Config, vars(_parser().parse_args()), where=""))
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; the same command continues", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Generate shapes13: parametric objects of thirteen ShapeNet categories, rendered in the NMR "
        "layout. The same seed gives the same bytes. Stopped, the same command continues.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    defaults = {name: field.default for name, field in Shapes13Config.model_fields.items()}
    parser.add_argument("--root", type=Path, default=Path("data/shapes13"), help="folder to write")
    parser.add_argument(
        "--categories", nargs="+", default=defaults["categories"], metavar="NAME", help="categories to generate"
    )
    helps = {
        "objects": "objects of each category, split 70:10:20 into train, val, test",
        "seen_train_objects": "training objects of airplane, car and chair",
        "hybrids": "further training objects, made of these three's parts",
        "views": "views of an object, on a ring at 30 degrees",
        "size": "width and height of the images in pixels",
        "seed": "seed of all shapes",
        "workers": "processes; 0 = one a core",
    }
    names = {"seen_train_objects": "--seen-train"}
    for name, text in helps.items():
        parser.add_argument(
            names.get(name, f"--{name}"), dest=name, type=int, default=defaults[name], metavar="N", help=text
        )
    return parser


if __name__ == "__main__":
    sys.exit(main())
