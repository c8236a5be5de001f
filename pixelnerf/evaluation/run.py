"""One evaluation, from a validated configuration to a folder of results."""

import os
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from pydantic import Field, field_validator
from rich.console import Console

from pixelnerf.checkpoints.checkpoint import LoadedModel, check_world, load_refiner
from pixelnerf.config import AnyConfig, Config
from pixelnerf.errors import UserError
from pixelnerf.evaluation.evaluator import Evaluator
from pixelnerf.evaluation.methods import Bicubic, Enhancer, Refinement
from pixelnerf.evaluation.protocol import ProtocolConfig, ResolvedProtocol, resolve
from pixelnerf.evaluation.published import HOW_READ, comparable_rows, digest_note, protocol_digest, without
from pixelnerf.evaluation.report import report_html
from pixelnerf.evaluation.results import ObjectResult, Results, mean_rows, per_object_csv
from pixelnerf.evaluation.shard import OptionalShard, Shard, device_of_process, shard_of_process
from pixelnerf.evaluation.store import Damaged, ResultStore
from pixelnerf.images.metrics import LPIPS_SMALLEST_SIDE, Lpips, lpips_problem
from pixelnerf.model.image import RENDERER_VERSION
from pixelnerf.model.occupied import Quality, check_quality
from pixelnerf.scenes.rendering import RenderOptions
from pixelnerf.scenes.scene import DamagedScenes, SceneDataset
from pixelnerf.tools.device import Precision, find_device, uses_bfloat16
from pixelnerf.tools.files import file_digest
from pixelnerf.tools.progress import progress_bar


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
        shard: "3/16" for the third of 16 parts that share one output folder; None for the rank that SLURM or torchrun
            gives this process, and without one for all scenes.
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
    shard: OptionalShard

    @field_validator("refiners", mode="before")
    @classmethod
    def _one_is_several(cls, value: Any) -> Any:
        return () if value is None else [value] if isinstance(value, str | Path) else value


@dataclass(frozen=True)
class EvaluationResult:
    """The folder, and the results that were written to it; None, with the reason, while other shards' are missing."""

    output: Path
    results: Results | None
    waiting: str = ""


def evaluate(
    model: LoadedModel, config: EvaluationConfig, dataset: SceneDataset, altered: tuple[str, ...], console: Console
) -> EvaluationResult:
    """Runs a protocol: `metrics.json`, `per_object.csv`, `report.html`, `renders/` and `resolved_protocol.json`.

    `model` is what `config.checkpoint` holds, and `dataset` what `config.dataset` describes. `altered` are changes made
    to the named protocol or its dataset, which the results note. After an interruption the next call continues with the
    remaining scenes. Shards measure their own scenes; the one that finishes last writes the results of all.

    Raises:
        UserError: an unfit model or refiner, missing data, a protocol that does not fit the data, an unwritable folder.
        KeyboardInterrupt: with a message that says how many scenes are done.
    """
    start = time.monotonic()
    shard = config.shard or shard_of_process(os.environ)
    device, protocol = find_device(device_of_process(config.device)), config.protocol
    check_quality(model.net, config.quality)
    dataset_values = config.dataset.model_dump(mode="json")
    check_world(config.checkpoint, model, dataset_values)
    options = RenderOptions(device, config.rays_per_chunk, config.quality, uses_bfloat16(config.precision, device.type))
    damaged = DamagedScenes(dataset.on_error)
    resolved = resolve(protocol, dataset, damaged)
    messages = list(damaged.messages.values())
    enhancers = _enhancers(config, model, dataset, device)
    for item in resolved.items:
        for enhancer in enhancers:
            enhancer.check(item)
    lpips = None if lpips_problem() else Lpips(device)
    decisive = {
        "checkpoint": file_digest(config.checkpoint),
        "dataset": without(dataset_values, HOW_READ),
        "renderer": RENDERER_VERSION,
        "torch": torch.__version__,
        "device": device.type,
        "quality": options.quality,
        "bfloat16": options.bfloat16,
        "refiners": [file_digest(path) for path in config.refiners],
        "bicubic": config.bicubic,
        "lpips": lpips is not None,
    }
    output = config.output or default_output(config.checkpoint, protocol.name)
    store = ResultStore(output, resolved, decisive)
    evaluator = Evaluator(model.net, protocol, options, lpips, enhancers)
    _measure(evaluator, resolved, damaged, store, shard, console)
    stored = [store.load(index) for index in range(len(resolved.items))]
    if None in stored:
        return EvaluationResult(output, None, _waiting(store, stored, shard))
    messages += [one.message for one in stored if isinstance(one, Damaged)]
    objects = [one for one in stored if isinstance(one, ObjectResult)]
    if not objects:
        raise UserError(f"all {len(stored)} scenes are damaged; the last one: {messages[-1]}")
    if options.quality != "exact":
        altered = (*altered, f"quality={options.quality}")
    if options.bfloat16:
        altered = (*altered, "precision=bfloat16")
    rows, digest = mean_rows(objects), protocol_digest(protocol, config.dataset)
    comparable = options.quality == "exact" and not options.bfloat16 and not messages
    refinements = [one for one in enhancers if isinstance(one, Refinement)]
    results = Results(
        protocol=protocol.name,
        checkpoint=str(config.checkpoint),
        refiners={one.refiner.own.name: str(path) for one, path in zip(refinements, config.refiners, strict=True)},
        notes=_notes(protocol, digest, altered, model, resolved, messages),
        rows=rows,
        published=comparable_rows(protocol.name, digest, rows) if comparable else (),
    )
    facts = {
        "model": str(model.config.get("model", {}).get("name", "")),
        "checkpoint": f"{config.checkpoint} (step {model.step})",
        **{f"{name} refiner": path for name, path in results.refiners.items()},
        "scenes": str(len({(one.group, one.object) for result in objects for one in result.measurements})),
        "resolved protocol": resolved.digest(),
        "time of this run": f"{(time.monotonic() - start) / 60:.1f} min on {device.type}",
    }
    files = {
        "per_object.csv": per_object_csv(objects),
        "report.html": report_html(results, objects, output, facts).encode(),
        "metrics.json": results.to_json().encode(),
    }
    store.finish(files, alone=shard.count == 1)
    return EvaluationResult(output, results)


def default_output(checkpoint: Path, protocol: str) -> Path:
    """`<run>/evaluation/<protocol>` for `<run>/checkpoints/<name>`; beside any other checkpoint."""
    run = checkpoint.parent.parent if checkpoint.parent.name == "checkpoints" else checkpoint.parent
    return run / "evaluation" / protocol


def training_categories(config: Mapping[str, Any]) -> set[str]:
    """The categories that a checkpoint's training drew from; empty where its dataset has none."""
    dataset = config.get("dataset") or {}
    parts = dataset["parts"].values() if "parts" in dataset else [dataset]
    return {name for part in parts for name in part.get("train_categories") or part.get("categories") or ()}


def _measure(
    evaluator: Evaluator,
    resolved: ResolvedProtocol,
    damaged: DamagedScenes,
    store: ResultStore,
    shard: Shard,
    console: Console,
) -> None:
    """Stores what is missing of a shard's own items. The progress bar is over all shards."""
    items, title = resolved.items, "evaluate" if shard.count == 1 else f"evaluate, shard {shard}"
    done, psnr = store.count(), []
    try:
        with progress_bar(title, len(items), console) as bar:
            # At once, so that the time left follows from what is measured now.
            bar.advance(count=done)
            for index in filter(shard.holds, range(len(items))):
                found = store.load(index)
                # A damaged scene may have been mended.
                if not isinstance(found, ObjectResult):
                    evaluation = None
                    with damaged.guard(items, index):
                        evaluation = evaluator.evaluate(items[index])
                    evaluation = evaluation or Damaged(damaged.messages[id(items), index])
                    found = store.save(index, items[index], evaluation)
                psnr += [found.psnr()] if isinstance(found, ObjectResult) else []
                before, done = done, store.count()
                bar.advance(f"PSNR {fmean(psnr):.2f} dB" if psnr else "", done - before)
    except KeyboardInterrupt:
        message = f"interrupted: {store.count()} of {len(items)} scenes are done; run the same command to continue"
        raise KeyboardInterrupt(message) from None


def _waiting(store: ResultStore, stored: Sequence[object], shard: Shard) -> str:
    """Why the results of all shards are not there yet."""
    there, foreign = len(stored) - stored.count(None), store.foreign()
    others = f", {foreign} only under other weights, settings or versions" if foreign else ""
    return (
        f"shard {shard} is done, and {there} of {len(stored)} scenes of all shards{others}; "
        "the shard that finishes last writes the results"
    )


def _enhancers(
    config: EvaluationConfig, model: LoadedModel, dataset: SceneDataset, device: torch.device
) -> list[Enhancer]:
    refiners = [load_refiner(path) for path in config.refiners]
    for name, count in Counter(refiner.own.name for refiner in refiners).items():
        if count > 1:
            raise UserError(f"two refiners of the kind '{name}' cannot stand in one table; give one")
    # The training split need not be there unless a refiner looks at it.
    needed = any(refiner.refiner.needs_reference for refiner in refiners)
    photographed = {scene.name: scene for scene in dataset.scenes("train")} if needed else {}
    enhancers: list[Enhancer] = [Refinement(refiner, model.net, device, photographed) for refiner in refiners]
    if config.bicubic:
        # A checkpoint that came from elsewhere has no section of training.
        batch = ((model.config.get("trainer") or {}).get("loader") or {}).get("batch") or {}
        enhancers.append(Bicubic(config.bicubic, int(batch.get("supersample", 1))))
    return enhancers


def _notes(
    protocol: ProtocolConfig,
    digest: str,
    altered: Sequence[str],
    model: LoadedModel,
    resolved: ResolvedProtocol,
    damaged: Sequence[str],
) -> dict[str, str]:
    trained = training_categories(model.config)
    unseen, seen = (
        set(protocol.groups[name].categories or ()) if name in protocol.groups else set() for name in ("unseen", "seen")
    )
    notes = {"lpips": lpips_problem(), "published": digest_note(protocol.name, digest)}
    if notes["lpips"] is None and any(
        min(map(int, item.size.split("x"))) < LPIPS_SMALLEST_SIDE for item in resolved.items
    ):
        notes["lpips"] = (
            f"LPIPS is not defined for pictures below {LPIPS_SMALLEST_SIDE} pixels, so means over them have none"
        )
    if altered:
        notes["protocol"] = f"altered ({', '.join(altered)}), so these are not numbers of '{protocol.name}' itself"
    if known := sorted(unseen & trained):
        notes["unseen"] = f"this model was trained on {', '.join(known)}, so 'unseen' has categories that it has seen"
    if trained and (new := sorted(seen - trained)):
        notes["seen"] = f"this model was not trained on {', '.join(new)}, so 'seen' has categories that it has not seen"
    # A scene at several sizes has the same message for each.
    if messages := list(dict.fromkeys(damaged)):
        notes["damaged"] = f"scenes left out as damaged: {len(messages)}, the first: {messages[0]}"
    return {key: note for key, note in notes.items() if note is not None}
