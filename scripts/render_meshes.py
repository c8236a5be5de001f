"""Renders a folder of meshes to a data set in the NMR or the SRN layout."""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from datasets.meshes.mesh_dataset import RenderConfig, render_meshes
from pixelnerf.config import parse_config
from pixelnerf.entry import INTERRUPTED, USER_ERROR, composed_values
from pixelnerf.errors import UserError

CONFIG_FOLDER = Path(__file__).resolve().parents[1] / "conf"
_DISTRIBUTIONS = ("ring", "sphere", "hemisphere", "spiral")


def main() -> int:
    """Parses the command line and renders; returns the exit status."""
    try:
        parser = _parser(composed_values(CONFIG_FOLDER, "render_meshes"))
        report = render_meshes(parse_config(RenderConfig, vars(parser.parse_args()), where=""))
    except UserError as error:
        print(error, file=sys.stderr)
        return USER_ERROR
    except KeyboardInterrupt:
        print("stopped; the same command continues", file=sys.stderr)
        return INTERRUPTED
    for line in report.skipped:
        print(f"skipped: {line}", file=sys.stderr)
    print(f"rendered {report.rendered} objects, skipped {len(report.skipped)}")
    return 0


def _parser(defaults: Mapping[str, Any]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Render a folder of meshes (ShapeNetCore v2, or any OBJ, PLY, GLB, glTF, OFF, STL files) on white, "
        "with masks, to a data set. The same seed gives the same bytes. Stopped, the same command continues.",
        epilog="The defaults are those of conf/render_meshes.yaml.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("meshes", type=Path, help="folder with meshes; its sub-folders are the categories")
    parser.add_argument("root", type=Path, help="folder to write")
    parser.add_argument("--layout", choices=("nmr", "srn"), help="layout of the data set")
    parser.add_argument("--size", type=int, metavar="N", help="width and height of the images in pixels")
    parser.add_argument("--views", type=int, metavar="N", help="views of an object")
    parser.add_argument("--distribution", choices=_DISTRIBUTIONS, help="where the views are")
    parser.add_argument("--test-views", type=int, metavar="N", help="views of a test object, if not as many")
    parser.add_argument("--test-distribution", choices=_DISTRIBUTIONS, help="where test views are, if elsewhere")
    parser.add_argument("--elevation", type=float, metavar="DEGREES", help="of a ring above the horizon")
    parser.add_argument("--distance", type=float, metavar="D", help="from the cameras to the object's centre")
    parser.add_argument("--field-of-view", type=float, metavar="DEGREES", help="across the image")
    parser.add_argument("--up", choices=("y", "z"), help="the meshes' upward axis")
    parser.add_argument(
        "--normalize",
        action=argparse.BooleanOptionalAction,
        help="scale objects so that the longest side of their box is 1",
    )
    parser.add_argument("--depth", action=argparse.BooleanOptionalAction, help="write depth maps too")
    parser.add_argument(
        "--shares", type=float, nargs=3, metavar=("TRAIN", "VAL", "TEST"), help="how objects are dealt to the splits"
    )
    parser.add_argument("--seed", type=int, metavar="N", help="seed of views and splits")
    parser.add_argument("--workers", type=int, metavar="N", help="processes; 0 = one a core")
    parser.add_argument("--on-error", choices=("raise", "skip"), help="what a broken mesh does")
    parser.set_defaults(**defaults)
    return parser


if __name__ == "__main__":
    sys.exit(main())
