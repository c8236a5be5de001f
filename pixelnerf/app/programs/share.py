"""Turns a checkpoint of a training run into one safetensors file to share: the averaged weights and their config."""

import argparse
from pathlib import Path
from typing import NoReturn

from pixelnerf.checkpoints.checkpoint import load_checkpoint
from pixelnerf.checkpoints.shared_weights import save_shared
from pixelnerf.entry import run_plain


def main() -> None:
    """Writes the file and prints its size."""
    parser = argparse.ArgumentParser(
        prog="pixelnerf share",
        description="Turn a checkpoint of train.py into one .safetensors file: the averaged weights, the configuration "
        "they were trained with (without the places of your disk), and a hash that is checked when it is loaded.",
    )
    parser.add_argument("source", type=Path, help="a run's checkpoints/best.ckpt or last.ckpt")
    parser.add_argument("target", type=Path, help="the .safetensors file to write")
    parser.add_argument("--half", action="store_true", help="store float16: half the size")
    arguments = parser.parse_args()
    loaded = load_checkpoint(arguments.source)
    save_shared(arguments.target, loaded.net, loaded.config, loaded.step, arguments.half)
    print(f"{arguments.target}: step {loaded.step}, {arguments.target.stat().st_size / 1e6:.1f} MB")


def run() -> NoReturn:
    """The program."""
    run_plain(main)


if __name__ == "__main__":
    run()
