"""Turns a checkpoint of the original pixelNeRF (`pixel_nerf_latest`) or mip-NeRF (`checkpoint_N`) into one of ours."""

import argparse
from pathlib import Path
from typing import NoReturn

import yaml

from pixelnerf.app.installation import config_folder
from pixelnerf.checkpoints import original_mipnerf, original_pixelnerf
from pixelnerf.checkpoints.original_mipnerf import RENDERER_CHANGES, read_flax_file
from pixelnerf.checkpoints.original_pixelnerf import FIRST_POOL
from pixelnerf.checkpoints.shared_weights import save_shared
from pixelnerf.entry import run_plain
from pixelnerf.model.net import build_net
from pixelnerf.model.pretrained import read_state_file

PIXEL_CORNERS = "; the original counts pixels from corners: evaluate with dataset.pixel_center=0.0"


def main() -> None:
    """Converts and prints the file's name."""
    parser = argparse.ArgumentParser(
        prog="pixelnerf convert",
        description="Convert a checkpoint of the original pixelNeRF (a state dict named pixel_nerf_latest) or of the "
        "original mip-NeRF (a Flax msgpack file named checkpoint_N) into a .safetensors file that eval_fewshot.py "
        "reads. Nothing in the file is executed.",
    )
    parser.add_argument("source", type=Path, help="the original's pixel_nerf_latest or checkpoint_N")
    parser.add_argument("target", type=Path, help="the .safetensors file to write")
    parser.add_argument(
        "--experiment",
        choices=[*sorted(FIRST_POOL), *sorted(RENDERER_CHANGES)],
        required=True,
        help="the original's configuration that trained it: "
        f"pixelNeRF's conf/exp ({', '.join(sorted(FIRST_POOL))}) or "
        f"mip-NeRF's configs ({', '.join(sorted(RENDERER_CHANGES))})",
    )
    parser.add_argument("--step", type=int, default=0, metavar="N", help="training steps, if known (default: 0)")
    arguments = parser.parse_args()
    source, target, experiment = arguments.source, arguments.target, arguments.experiment
    of_pixelnerf = experiment in FIRST_POOL
    original, read = (original_pixelnerf, read_state_file) if of_pixelnerf else (original_mipnerf, read_flax_file)
    values = yaml.safe_load(
        (config_folder() / "model" / ("pixelnerf.yaml" if of_pixelnerf else "mipnerf.yaml")).read_text("utf-8")
    )
    net = build_net(original.model_of_experiment(values, experiment), load_pretrained=False)
    net.load_state_dict(original.convert_state(read(source), net, str(source)))
    config = {"name": f"{net.config.name}_{experiment}", "model": net.config.model_dump(mode="json")}
    save_shared(target, net, config, arguments.step)
    print(f"{target}{PIXEL_CORNERS if of_pixelnerf else ''}")


def run() -> NoReturn:
    """The program."""
    run_plain(main)


if __name__ == "__main__":
    run()
