"""Times every quality, baking, and the original's way to compute: `python scripts/benchmark.py`.

Prints a table and writes `bench.json` and `bench.png`.
"""

import json
from typing import Any

from rich.console import Console

from datasets.registry import build_dataset, parse_dataset
from pixelnerf.benchmark.report import figure_png, print_results
from pixelnerf.benchmark.run import BenchmarkConfig, run_benchmark
from pixelnerf.config import parse_config
from pixelnerf.entry import run_entry
from pixelnerf.tools.files import refusal_in_a_line, write_atomically


def main(composed: dict[str, Any]) -> None:
    """Validates the composed configuration, measures, prints and writes."""
    dataset = parse_dataset(composed.pop("dataset"))
    config = parse_config(BenchmarkConfig, composed, "")
    with refusal_in_a_line(f"into output={config.output}"):
        config.output.mkdir(parents=True, exist_ok=True)
    progress = Console(stderr=True, highlight=False)
    results = run_benchmark(config, build_dataset(dataset), lambda step: progress.print(f"measuring: {step}"))
    write_atomically(config.output / "bench.json", json.dumps(results, indent=2, allow_nan=False).encode())
    write_atomically(config.output / "bench.png", figure_png(results))
    console = Console(highlight=False)
    print_results(results, console)
    console.print(f"results: {config.output / 'bench.json'}", markup=False, soft_wrap=True)


if __name__ == "__main__":
    run_entry(main, "benchmark", "../conf")
