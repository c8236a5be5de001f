"""Turns a checkpoint of the original pixelNeRF (`pixel_nerf_latest`) or mip-NeRF (`checkpoint_N`) into one of ours."""

import argparse
import sys
from pathlib import Path

import yaml

from pixelnerf.checkpoints import original_mipnerf
from pixelnerf.checkpoints.flax_file import read_flax_file
from pixelnerf.checkpoints.original_pixelnerf import FIRST_POOL, convert_state, model_of_experiment
from pixelnerf.checkpoints.shared_weights import save_shared
from pixelnerf.errors import UserError
from pixelnerf.model.net import Net, build_net
from pixelnerf.model.pretrained import read_state_file

MODELS = Path(__file__).resolve().parents[1] / "conf" / "model"
PIXEL_CORNERS = "; the original counts pixels from corners: evaluate with dataset.pixel_center=0.0"


def main() -> int:
    """Parses the command line and converts; returns the exit status."""
    arguments = _parser().parse_args()
    of_pixelnerf = arguments.experiment in FIRST_POOL
    try:
        if arguments.target.suffix != ".safetensors":
            raise UserError(f"{arguments.target} must end in .safetensors")
        convert = _convert_pixelnerf if of_pixelnerf else _convert_mipnerf
        net = convert(arguments.source, arguments.experiment)
        name = f"{net.config.name}_{arguments.experiment}"
        save_shared(arguments.target, net, {"name": name, "model": net.config.model_dump(mode="json")}, arguments.step)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        print(f"cannot write {arguments.target}: {error.strerror}", file=sys.stderr)
        return 2
    print(f"{arguments.target}{PIXEL_CORNERS if of_pixelnerf else ''}")
    return 0


def _convert_pixelnerf(source: Path, experiment: str) -> Net:
    values = yaml.safe_load((MODELS / "pixelnerf.yaml").read_text("utf-8"))
    net = build_net(model_of_experiment(values, experiment), load_pretrained=False)
    net.load_state_dict(convert_state(read_state_file(source), net, str(source)))
    return net


def _convert_mipnerf(source: Path, configuration: str) -> Net:
    values = yaml.safe_load((MODELS / "mipnerf.yaml").read_text("utf-8"))
    net = build_net(original_mipnerf.model_of_configuration(values, configuration))
    net.load_state_dict(original_mipnerf.convert_tree(read_flax_file(source), net, str(source)))
    return net


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Convert a checkpoint of the original pixelNeRF (a state dict named pixel_nerf_latest) or of the "
        "original mip-NeRF (a Flax msgpack file named checkpoint_N) into a .safetensors file that eval_fewshot.py "
        "reads. Nothing in the file is executed."
    )
    parser.add_argument("source", type=Path, help="the original's pixel_nerf_latest or checkpoint_N")
    parser.add_argument("target", type=Path, help="the .safetensors file to write")
    parser.add_argument(
        "--experiment",
        choices=[*sorted(FIRST_POOL), *sorted(original_mipnerf.RENDERER_CHANGES)],
        required=True,
        help="the original's configuration that trained it: "
        f"pixelNeRF's conf/exp ({', '.join(sorted(FIRST_POOL))}) or "
        f"mip-NeRF's configs ({', '.join(sorted(original_mipnerf.RENDERER_CHANGES))})",
    )
    parser.add_argument("--step", type=int, default=0, metavar="N", help="training steps, if known (default: 0)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
