"""Turns a checkpoint of the original pixelNeRF (`pixel_nerf_latest`) into one of ours."""

import argparse
import sys
from pathlib import Path

# A script's own folder is on the path, the repository's root is not.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import yaml

from pixelnerf.errors import UserError
from pixelnerf.model.net import Net
from pixelnerf.model.pretrained import read_state_file
from pixelnerf.training.checkpoint import save_shared
from pixelnerf.training.original_checkpoint import FIRST_POOL, convert_state, model_of_experiment

MODEL_FILE = Path(__file__).resolve().parents[1] / "conf" / "model" / "pixelnerf.yaml"


def main() -> int:
    """Parses the command line and converts; returns the exit status."""
    arguments = _parser().parse_args()
    try:
        if arguments.target.suffix != ".safetensors":
            raise UserError(f"{arguments.target} must end in .safetensors")
        model = model_of_experiment(yaml.safe_load(MODEL_FILE.read_text("utf-8")), arguments.experiment)
        net = Net(model, load_pretrained=False)
        net.load_state_dict(convert_state(read_state_file(arguments.source), net, str(arguments.source)))
        name = f"pixelnerf_{arguments.experiment}"
        save_shared(arguments.target, net, {"name": name, "model": model.model_dump(mode="json")}, arguments.step)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        print(f"cannot write {arguments.target}: {error.strerror}", file=sys.stderr)
        return 2
    print(f"{arguments.target}; the original counts pixels from corners: evaluate with dataset.pixel_center=0.0")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Convert a checkpoint of the original pixelNeRF (a state dict named pixel_nerf_latest) into a "
        ".safetensors file that eval_fewshot.py reads. Nothing in the file is executed."
    )
    parser.add_argument("source", type=Path, help="the original's pixel_nerf_latest")
    parser.add_argument("target", type=Path, help="the .safetensors file to write")
    parser.add_argument(
        "--experiment", choices=sorted(FIRST_POOL), required=True, help="the original's conf/exp that trained it"
    )
    parser.add_argument("--step", type=int, default=0, metavar="N", help="training steps, if known (default: 0)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
