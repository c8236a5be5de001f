"""Evaluates a checkpoint under a protocol: `python eval_fewshot.py checkpoint=PATH protocol=shapes13_unseen`.

What is slow to import waits until the configuration is composed, so that `--help` and a typo are answered at once.
"""

from typing import Any

from hydra.core.hydra_config import HydraConfig

from pixelnerf.entry import run_entry

# Where data lie and how they are read does not change what is evaluated. Nor does the convention of pixel centres: it
# is the one that the model was trained with, which for checkpoints of the original pixelNeRF is 0.0.
HARMLESS = (
    "dataset.root=",
    "dataset.cache_gib=",
    "dataset.generator.workers=",
    "dataset.how_to_get=",
    "dataset.pixel_center=",
)


def main(composed: dict[str, Any]) -> None:
    """Validates the composed configuration, evaluates, prints the table."""
    from rich.console import Console

    from datasets.registry import build_dataset, parse_dataset
    from pixelnerf.config import parse_config
    from pixelnerf.evaluation.console import results_table
    from pixelnerf.evaluation.run import EvaluationConfig, evaluate

    dataset = parse_dataset(composed["dataset"])
    config = parse_config(EvaluationConfig, {**composed, "dataset": dataset}, "")
    overrides = [override.lstrip("+~") for override in HydraConfig.get().overrides.task]
    altered = tuple(
        override
        for override in overrides
        if override.startswith(("protocol.", "dataset.", "dataset=")) and not override.startswith(HARMLESS)
    )
    result = evaluate(config, build_dataset(dataset), altered, Console(stderr=True))
    console = Console()
    console.print(results_table(result.metrics, result.comparable))
    for note in result.metrics["notes"].values():
        console.print(f"note: {note}", markup=False)
    console.print(f"results: {result.output}", markup=False)


if __name__ == "__main__":
    run_entry(main, "eval_fewshot")
