"""Evaluates a checkpoint under a protocol: `python eval_fewshot.py checkpoint=PATH protocol=shapes13_unseen`.

With `renders=FOLDER` instead it scores pictures that any method rendered.

What is slow to import waits until the configuration is composed, so that `--help` and a typo are answered at once.
"""

from typing import Any, NoReturn

from hydra import compose
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

from pixelnerf.app.installation import config_folder
from pixelnerf.entry import run_entry

CONFIG = "eval_fewshot"


def main(composed: dict[str, Any]) -> None:
    """Validates the composed configuration, evaluates, prints the table."""
    from rich.console import Console

    from datasets.registry import build_dataset, parse_dataset
    from pixelnerf.app.page import save_page
    from pixelnerf.checkpoints.checkpoint import load_checkpoint
    from pixelnerf.config import parse_config
    from pixelnerf.evaluation.config import EvaluationConfig
    from pixelnerf.evaluation.published import alterations
    from pixelnerf.evaluation.report import results_table
    from pixelnerf.evaluation.run import evaluate

    dataset = parse_dataset(composed["dataset"])
    config = parse_config(EvaluationConfig, {**composed, "dataset": dataset}, "")
    altered = alterations(composed, _untouched(HydraConfig.get().runtime.choices["protocol"]))
    opened = build_dataset(dataset)
    model = None if config.checkpoint is None else load_checkpoint(config.checkpoint)
    result = evaluate(model, config, opened, altered, Console(stderr=True), save_page)
    console = Console()
    if result.results is None:
        console.print(result.waiting, soft_wrap=True, markup=False)
        return
    console.print(results_table(result.results))
    for note in result.results.notes.values():
        console.print(f"note: {note}", soft_wrap=True, markup=False)
    console.print(f"results: {result.output}", soft_wrap=True, markup=False)


def _untouched(protocol: str) -> dict[str, Any]:
    """The protocol and its dataset as they are without any override."""
    pristine = compose(CONFIG, [f"protocol={protocol}"])
    return {key: OmegaConf.to_container(pristine[key], resolve=True) for key in ("protocol", "dataset")}


def run() -> NoReturn:
    """The program."""
    run_entry(main, CONFIG, str(config_folder()))


if __name__ == "__main__":
    run()
