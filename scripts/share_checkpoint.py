"""Turns a checkpoint of a training run into one safetensors file to share: the averaged weights and their config."""

import argparse
import sys
from pathlib import Path

from pixelnerf.checkpoints.checkpoint import load_checkpoint
from pixelnerf.checkpoints.shared_weights import save_shared
from pixelnerf.errors import UserError


def main() -> int:
    """Parses the command line and writes; returns the exit status."""
    arguments = _parser().parse_args()
    source, target = arguments.source, arguments.target
    try:
        if target.suffix != ".safetensors":
            raise UserError(f"{target} must end in .safetensors")
        loaded = load_checkpoint(source)
        save_shared(target, loaded.net, loaded.config, loaded.step, arguments.half)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        print(f"cannot write {target}: {error.strerror}", file=sys.stderr)
        return 2
    print(f"{target}: step {loaded.step}, {target.stat().st_size / 1e6:.1f} MB")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Turn a checkpoint of train.py into one .safetensors file: the averaged weights, the configuration "
        "they were trained with (without the places of your disk), and a hash that is checked when it is loaded."
    )
    parser.add_argument("source", type=Path, help="a run's checkpoints/best.ckpt or last.ckpt")
    parser.add_argument("target", type=Path, help="the .safetensors file to write")
    parser.add_argument("--half", action="store_true", help="store float16: half the size")
    return parser


if __name__ == "__main__":
    sys.exit(main())
