"""One evaluation, from a validated configuration to a folder of results."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import Field, field_validator
from rich.console import Console

from pixelnerf.checkpoints.checkpoint import load_checkpoint, load_refiner
from pixelnerf.checkpoints.scene_world import check_world
from pixelnerf.config import AnyConfig, Config
from pixelnerf.evaluation.aggregate import metrics_json, per_object_csv
from pixelnerf.evaluation.evaluator import Evaluator, SceneScores
from pixelnerf.evaluation.protocol import ProtocolConfig
from pixelnerf.evaluation.report import report_html
from pixelnerf.evaluation.resolved import Item, ResolvedProtocol, resolve
from pixelnerf.evaluation.showcase import choose, save_pictures
from pixelnerf.evaluation.store import ResultStore, result_key
from pixelnerf.evaluation.super_resolution import SuperResolution, training_scenes
from pixelnerf.images.metrics import LPIPS_SMALLEST_SIDE, Lpips, lpips_problem
from pixelnerf.model.image import RENDERER_VERSION
from pixelnerf.model.occupied import Quality, check_quality
from pixelnerf.scenes.rendering import RenderOptions
from pixelnerf.scenes.scene import SceneDataset
from pixelnerf.scenes.skipping import DamagedScenes
from pixelnerf.tools.device import Precision, find_device, uses_bfloat16
from pixelnerf.tools.files import file_digest, write_atomically
from pixelnerf.tools.progress import progress_bar

NO_MATTER = ("how_to_get", "cache_gib", "on_error", "generator")
"""What of a dataset's configuration cannot change a scene's numbers; the scenes themselves are in the resolved."""


class EvaluationConfig(Config):
    """What `eval_fewshot.py` composes.

    Attributes:
        checkpoint: a `.ckpt` of a training run, or a shared `.safetensors`.
        dataset: a reader's configuration.
        output: the folder of the results; None for `evaluation/<protocol>` in the training run's own folder.
        device: a torch device, or "auto" for a GPU where there is one.
        rays_per_chunk: rays that are rendered at once, which bounds the memory that is used; None for what is fast.
        refiners: their checkpoints, whose results stand beside the model's; one path or several.
        bicubic: also enlarge the model's render at 1 over this size, bicubically.
        quality: "exact", or "high" and "fast", which skip empty space and are noted in the results.
        precision: of products; bfloat16 is noted in the results, too, and "auto" is that where it is faster.
    """

    checkpoint: Path
    output: Path | None
    protocol: ProtocolConfig
    dataset: AnyConfig
    device: str
    rays_per_chunk: int | None = Field(ge=1)
    quality: Quality
    precision: Precision
    refiners: tuple[Path, ...]
    bicubic: int | None = Field(ge=2)

    @field_validator("refiners", mode="before")
    @classmethod
    def _one_is_several(cls, value: Any) -> Any:
        return () if value is None else [value] if isinstance(value, str | Path) else value


@dataclass(frozen=True)
class EvaluationResult:
    """Where the results are, the contents of `metrics.json`, and whether published numbers may stand beside them."""

    output: Path
    metrics: dict[str, Any]
    comparable: bool


def evaluate(
    config: EvaluationConfig, dataset: SceneDataset, altered: tuple[str, ...], console: Console
) -> EvaluationResult:
    """Runs a protocol: `metrics.json`, `per_object.csv`, `report.html`, `renders/` and `resolved_protocol.json`.

    `dataset` is what `config.dataset` describes, opened. `altered` are changes made to the named protocol or its
    dataset: they are noted, and published numbers stay out.
    Interrupted, the next call goes on with the scenes that are left.

    Raises:
        UserError: an unfit checkpoint, missing data, a protocol that does not fit the data, an unwritable folder.
        KeyboardInterrupt: with a message that says how many scenes are done.
    """
    start = time.monotonic()
    # Before any thread starts, since threads inherit the flag: a product with a denormal is some hundred times slower.
    torch.set_flush_denormal(True)
    device = find_device(config.device)
    model = load_checkpoint(config.checkpoint)
    check_quality(model.net, config.quality)
    dataset_values = config.dataset.model_dump(mode="json")
    check_world(config.checkpoint, model, dataset_values)
    bfloat16 = uses_bfloat16(config.precision, device.type)
    if config.quality != "exact":
        altered = (*altered, f"quality={config.quality}")
    if bfloat16:
        altered = (*altered, "precision=bfloat16")
    damaged = DamagedScenes(dataset.on_error)
    resolved = resolve(config.protocol, dataset, damaged)
    refiners = tuple(load_refiner(path) for path in config.refiners)
    extra = SuperResolution(
        refiners, config.bicubic, trained_supersample(model.config), training_scenes(dataset, refiners)
    )
    extra.check(resolved)
    problem = lpips_problem()
    output = config.output or default_output(config.checkpoint, config.protocol.name)
    circumstances = {
        "renderer": RENDERER_VERSION,
        "dataset": {key: value for key, value in dataset_values.items() if key not in NO_MATTER},
        "lpips": problem is None,
        "device": device.type,
        "quality": config.quality,
        "bfloat16": bfloat16,
        "refiners": [file_digest(path) for path in config.refiners],
        "bicubic": config.bicubic,
        "torch": torch.__version__,
    }
    store = ResultStore(output, resolved, result_key(config.checkpoint, resolved.digest(), circumstances))
    lpips = Lpips(device) if problem is None else None
    options = RenderOptions(device, config.rays_per_chunk, config.quality, bfloat16)
    evaluator = Evaluator(model.net, config.protocol, options, lpips, extra)
    items, results = _evaluate_all(evaluator, resolved, store, output / "renders", console, damaged)
    shown = choose(output / "renders", items, results)
    if lpips is not None and any(_is_too_small_for_lpips(result.size) for result in results):
        problem = f"LPIPS is not defined for pictures below {LPIPS_SMALLEST_SIDE} pixels, so means over them have none"
    notes = _notes(problem, altered, model.config, config.protocol)
    if damaged.messages:
        # A scene at several sizes has the same message for each.
        messages = list(dict.fromkeys(damaged.messages.values()))
        notes["damaged"] = f"scenes left out as damaged: {len(messages)}, the first: {messages[0]}"
    comparable = not altered and not damaged.messages
    metrics = metrics_json(config.protocol.name, str(config.checkpoint), results, notes)
    named = {refiner.own.name: str(path) for refiner, path in zip(refiners, config.refiners, strict=True)}
    if named:
        metrics["refiners"] = named
    facts = {
        "model": str(model.config.get("model", {}).get("name", "")),
        "checkpoint": f"{config.checkpoint} (step {model.step})",
        **{f"{name} refiner": path for name, path in named.items()},
        "scenes": str(len({(result.group, result.scene) for result in results})),
        "resolved": resolved.digest(),
        "time of this run": f"{(time.monotonic() - start) / 60:.1f} min on {device.type}",
    }
    write_atomically(output / "per_object.csv", per_object_csv(results).encode())
    write_atomically(output / "report.html", report_html(metrics, shown, facts, comparable).encode())
    write_atomically(output / "metrics.json", json.dumps(metrics, indent=2, allow_nan=False).encode())
    return EvaluationResult(output, metrics, comparable)


def default_output(checkpoint: Path, protocol: str) -> Path:
    """`<run>/evaluation/<protocol>` for `<run>/checkpoints/<name>`; beside any other checkpoint."""
    run = checkpoint.parent.parent if checkpoint.parent.name == "checkpoints" else checkpoint.parent
    return run / "evaluation" / protocol


def training_categories(config: Mapping[str, Any]) -> set[str]:
    """The categories that a checkpoint's training drew from; empty where its dataset has none."""
    dataset = config.get("dataset") or {}
    parts = dataset["parts"].values() if "parts" in dataset else [dataset]
    return {name for part in parts for name in part.get("train_categories") or part.get("categories") or ()}


def trained_supersample(config: Mapping[str, Any]) -> int:
    """By how many sub-pixels a side a checkpoint's model was trained; 1 for those that came from elsewhere."""
    batch = ((config.get("trainer") or {}).get("loader") or {}).get("batch") or {}
    return int(batch.get("supersample", 1))


def _evaluate_all(
    evaluator: Evaluator,
    resolved: ResolvedProtocol,
    store: ResultStore,
    pictures: Path,
    console: Console,
    damaged: DamagedScenes,
) -> tuple[list[Item], list[SceneScores]]:
    """The items that could be read, and their scores."""
    items, results = [], []
    try:
        with progress_bar("evaluate", len(resolved.items), console) as bar:
            for index, item in enumerate(resolved.items):
                result = store.load(index, item)
                if result is None:
                    with damaged.guard(resolved.items, index):
                        evaluation = evaluator.evaluate(item)
                        result = evaluation.result
                        # Pictures first: a stored result says that they are there.
                        save_pictures(pictures, item, evaluation)
                        store.save(index, item, result)
                if result is not None:
                    items.append(item)
                    results.append(result)
                values = [done.scores[min(done.scores)]["model"].psnr for done in results]
                bar.advance(f"PSNR {sum(values) / len(values):.2f} dB" if values else "")
    except KeyboardInterrupt:
        done = f"{len(results)} of {len(resolved.items)} scenes are done"
        raise KeyboardInterrupt(f"interrupted: {done}; the same command goes on from there") from None
    return items, results


def _is_too_small_for_lpips(size: str) -> bool:
    return min(int(side) for side in size.split("x")) < LPIPS_SMALLEST_SIDE


def _notes(
    lpips: str | None, altered: tuple[str, ...], training: Mapping[str, Any], protocol: ProtocolConfig
) -> dict[str, str]:
    notes = {}
    if lpips is not None:
        notes["lpips"] = lpips
    if altered:
        notes["protocol"] = f"altered ({', '.join(altered)}), so these are not numbers of '{protocol.name}' itself"
    trained = training_categories(training)
    groups = {name: set(group.categories or ()) for name, group in protocol.groups.items()}
    if known := sorted(groups.get("unseen", set()) & trained):
        notes["unseen"] = f"this model was trained on {', '.join(known)}, so 'unseen' numbers are not of unseen"
    if trained and (new := sorted(groups.get("seen", set()) - trained)):
        notes["seen"] = f"this model was not trained on {', '.join(new)}, which 'seen' numbers are of, too"
    return notes
