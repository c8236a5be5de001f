"""Evaluates a checkpoint under a protocol: `python eval_fewshot.py checkpoint=PATH protocol=shapes13_unseen`."""

from typing import Any

from hydra.core.hydra_config import HydraConfig
from rich.console import Console

from pixelnerf.config import parse_config
from pixelnerf.entry import run_entry
from pixelnerf.evaluation.console import results_table
from pixelnerf.evaluation.run import EvaluationConfig, evaluate

# Where data lie and how they are read does not change what is evaluated.
HARMLESS = ("dataset.root=", "dataset.cache_gib=", "dataset.generator.workers=", "dataset.how_to_get=")


def main(composed: dict[str, Any]) -> None:
    """Composes, validates, evaluates, prints the table."""
    config = parse_config(EvaluationConfig, composed, "")
    overrides = [override.lstrip("+~") for override in HydraConfig.get().overrides.task]
    altered = tuple(
        override
        for override in overrides
        if override.startswith(("protocol.", "dataset.", "dataset=")) and not override.startswith(HARMLESS)
    )
    result = evaluate(config, altered, Console(stderr=True))
    console = Console()
    console.print(results_table(result.metrics, result.comparable))
    for note in result.metrics["notes"].values():
        console.print(f"note: {note}", markup=False)
    console.print(f"results: {result.output}", markup=False)


if __name__ == "__main__":
    run_entry(main, "eval_fewshot")
