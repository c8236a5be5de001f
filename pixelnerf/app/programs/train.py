"""Trains a model: `python train.py experiment=quickstart`; `python train.py -m model.field.width=128,256` sweeps.

`experiment=refine_codebook` and `refine_reference` train a refiner on a trained model's renders.

Slow imports wait until the configuration is composed, so that `--help` and typos are answered at once.
"""

from typing import Any, NoReturn

from pixelnerf.app.installation import config_folder
from pixelnerf.entry import in_sweep, new_output_folder, run_entry
from pixelnerf.errors import StoppedBySignal, UserError


def main(composed: dict[str, Any]) -> None:
    """Validates the composed configuration and trains.

    Raises:
        UserError: a mistake in the configuration or the data.
        StoppedBySignal: the state is saved.
    """
    if composed["resume"] == "auto" and composed["run_dir"] == new_output_folder():
        key = "hydra.sweep.dir" if in_sweep() else "hydra.run.dir"
        raise UserError(f"resume=auto looks in the run's folder, and this one is new: set {key}=runs/NAME")
    if in_sweep() and composed["trainer"]["devices"] not in ("auto", 1):
        raise UserError("a sweep's points train in one process each: set trainer.devices=1")
    from lightning.pytorch.utilities import rank_zero_only
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
    if result.stopped_by is not None:
        way_on = f"continue with resume={config.last_checkpoint}" if result.step else "nothing is saved yet"
        raise StoppedBySignal(f"interrupted at step {result.step}; {way_on}", result.stopped_by)
    score = "no validation" if result.best_psnr is None else f"best validation {result.best_psnr:.2f} dB"
    rank_zero_only(Console(stderr=True).print)(
        f"step {result.step}, {result.minutes:.1f} min, {score}; run folder: {result.run_dir}",
        soft_wrap=True,
        markup=False,
    )


def run() -> NoReturn:
    """The program."""
    run_entry(main, "config", str(config_folder()))


if __name__ == "__main__":
    run()
