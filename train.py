"""Trains a model: `python train.py experiment=quickstart`; `python train.py -m model.field.width=128,256` sweeps.

`experiment=refine_codebook` and `refine_reference` train a refiner on a trained model's renders.

Slow imports wait until the configuration is composed, so that `--help` and typos are answered at once.
"""

from typing import Any

from pixelnerf.entry import run_entry


def main(composed: dict[str, Any]) -> None:
    """Validates the composed configuration and trains."""
    from rich.console import Console

    from datasets.registry import build_dataset, parse_dataset
    from pixelnerf.config import parse_config
    from pixelnerf.training.experiment import ExperimentConfig, RefinerExperimentConfig
    from pixelnerf.training.refiner.run import train_refiner
    from pixelnerf.training.run import train

    dataset = parse_dataset(composed["dataset"])
    values = {**composed, "dataset": dataset}
    if "refiner" in composed:
        config = parse_config(RefinerExperimentConfig, values, "")
        result = train_refiner(config, build_dataset(dataset))
    else:
        config = parse_config(ExperimentConfig, values, "")
        result = train(config, build_dataset(dataset))
    last = result.run_dir / "checkpoints" / "last.ckpt"
    if result.interrupted:
        raise KeyboardInterrupt(f"interrupted at step {result.step}; continue with resume={last}")
    score = "no validation" if result.best_psnr is None else f"best validation {result.best_psnr:.2f} dB"
    Console(stderr=True).print(
        f"step {result.step}, {result.minutes:.1f} min, {score}; run folder: {result.run_dir}", soft_wrap=True
    )


if __name__ == "__main__":
    run_entry(main, "config")
