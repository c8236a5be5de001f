"""Renders a folder of meshes to a data set in the NMR or the SRN layout."""

import argparse
import sys
from pathlib import Path

from datasets.meshes.mesh_dataset import RenderConfig, render_meshes
from pixelnerf.config import parse_config
from pixelnerf.entry import composed_values, run_plain

CONFIG_FOLDER = Path(__file__).resolve().parents[1] / "conf"


def main() -> None:
    """Renders what is missing and prints how many objects that were."""
    config = parse_config(RenderConfig, vars(_parser().parse_args()), where="")
    report = render_meshes(config)
    for line in report.skipped:
        print(f"skipped: {line}", file=sys.stderr)
    print(f"rendered {report.rendered} objects, skipped {len(report.skipped)}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Render a folder of meshes (ShapeNetCore v2, or any OBJ, PLY, GLB, glTF, OFF, STL files) on white, "
        "with masks, to a data set. The same seed gives the same bytes. Stopped, the same command continues.",
        epilog="The defaults are those of conf/render_meshes.yaml.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    distributions = ("ring", "sphere", "hemisphere", "spiral")
    switch = argparse.BooleanOptionalAction
    # The configuration converts and checks the values.
    parser.add_argument("meshes", help="folder with meshes; its sub-folders are the categories")
    parser.add_argument("root", help="folder to write")
    parser.add_argument("--layout", choices=("nmr", "srn"), help="layout of the data set")
    parser.add_argument("--size", metavar="N", help="width and height of the images in pixels")
    parser.add_argument("--views", metavar="N", help="views of an object")
    parser.add_argument("--distribution", choices=distributions, help="where the views are")
    parser.add_argument("--test-views", metavar="N", help="views of a test object, if not as many")
    parser.add_argument("--test-distribution", choices=distributions, help="where test views are, if elsewhere")
    parser.add_argument("--elevation", metavar="DEGREES", help="of a ring above the horizon")
    parser.add_argument("--distance", metavar="D", help="from the cameras to the object's centre")
    parser.add_argument("--field-of-view", metavar="DEGREES", help="across the image")
    parser.add_argument("--up", choices=("y", "z"), help="the meshes' upward axis")
    parser.add_argument("--normalize", action=switch, help="scale objects so that the longest side of their box is 1")
    parser.add_argument("--depth", action=switch, help="write depth maps too")
    splits = ("TRAIN", "VAL", "TEST")
    parser.add_argument("--shares", nargs=3, metavar=splits, help="how objects are dealt to the splits")
    parser.add_argument("--seed", metavar="N", help="seed of views and splits")
    parser.add_argument("--workers", metavar="N", help="processes; 0 = one a core")
    parser.add_argument("--on-error", choices=("raise", "skip"), help="what a broken mesh does")
    parser.set_defaults(**composed_values(CONFIG_FOLDER, "render_meshes"))
    return parser


if __name__ == "__main__":
    run_plain(main, interrupted="stopped; the same command continues")
