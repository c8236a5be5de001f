"""Trains a model: `python train.py experiment=quickstart`; `python train.py -m model.field.width=128,256` sweeps."""

from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from pixelnerf.config import parse_config
from pixelnerf.entry import run_entry
from pixelnerf.training.experiment import ExperimentConfig
from pixelnerf.training.run import train


def main(composed: DictConfig) -> None:
    """Composes, validates, trains."""
    config = parse_config(ExperimentConfig, OmegaConf.to_container(composed, resolve=True), "")
    result = train(config)
    console = Console(stderr=True)
    ending = "interrupted" if result.interrupted else "finished"
    score = "no validation yet" if result.best_psnr is None else f"best validation {result.best_psnr:.2f} dB"
    console.print(
        f"{ending} at step {result.step} after {result.minutes:.1f} min, {score}; run folder: {result.run_dir}"
    )
    if result.interrupted:
        console.print(f"resume with resume={result.run_dir / 'checkpoints' / 'last.ckpt'}")
        raise KeyboardInterrupt


if __name__ == "__main__":
    run_entry(main, "config")
