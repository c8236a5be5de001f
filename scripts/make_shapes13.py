"""Generates the built-in data set shapes13."""

import argparse
from pathlib import Path

from datasets.shapes13 import Shapes13Config, generate
from pixelnerf.config import parse_config
from pixelnerf.entry import composed_values, run_plain

CONFIG_FOLDER = Path(__file__).resolve().parents[1] / "conf"


def main() -> None:
    """Generates what is missing."""
    parser = argparse.ArgumentParser(
        description="Generate shapes13: parametric objects of thirteen ShapeNet categories, rendered in the NMR "
        "layout. The same seed gives the same bytes. Stopped, the same command continues.",
        epilog="The defaults are those of conf/dataset/shapes13.yaml.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    # The configuration converts and checks the values.
    parser.add_argument("--root", help="folder to write")
    parser.add_argument("--categories", nargs="+", metavar="NAME", help="categories to generate; None = all thirteen")
    parser.add_argument("--objects", metavar="N", help="objects of each category, split 70:10:20")
    seen = "training objects of airplane, car and chair"
    parser.add_argument("--seen-train", dest="seen_train_objects", metavar="N", help=seen)
    parser.add_argument("--hybrids", metavar="N", help="further ones for training, of these three's parts")
    parser.add_argument("--views", metavar="N", help="views of an object")
    parser.add_argument("--size", metavar="N", help="width and height of the images in pixels")
    rig = "ring: at 30 degrees, one focal length; sphere: as hand-held photos, other cameras for each object"
    parser.add_argument("--rig", metavar="NAME", help=rig)
    parser.add_argument("--textures", metavar="BOOL", help="patterns and decals, or plain colours")
    parser.add_argument("--light", metavar="NAME", help="studio: one for all; varied: any, with soft shadows")
    parser.add_argument("--seed", metavar="N", help="seed of all shapes")
    parser.add_argument("--workers", metavar="N", help="processes; 0 = one a core")
    parser.set_defaults(**composed_values(CONFIG_FOLDER, "dataset/shapes13")["dataset"]["generator"])
    generate(parse_config(Shapes13Config, vars(parser.parse_args()), where=""))


if __name__ == "__main__":
    run_plain(main, interrupted="stopped; the same command continues")
