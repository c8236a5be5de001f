"""One evaluation, from a validated configuration to a folder of results."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import torch
from rich.console import Console

from pixelnerf.checkpoints.checkpoint import LoadedModel, check_world
from pixelnerf.errors import UserError
from pixelnerf.evaluation.blank import blank_note, blank_objects
from pixelnerf.evaluation.config import EvaluationConfig
from pixelnerf.evaluation.evaluator import Evaluator
from pixelnerf.evaluation.protocol import ProtocolConfig, ResolvedProtocol, resolve
from pixelnerf.evaluation.published import HOW_READ, comparable_rows, digest_note, protocol_digest, without
from pixelnerf.evaluation.renders import check_layout
from pixelnerf.evaluation.report import report_html
from pixelnerf.evaluation.results import ObjectResult, Results, mean_rows, per_object_csv
from pixelnerf.evaluation.shard import Shard, device_of_process, shard_of_process
from pixelnerf.evaluation.store import Damaged, ResultStore, write_resolved
from pixelnerf.evaluation.subject import check_choice, model_subject, saved_subject
from pixelnerf.evaluation.turntables import SavePage, Turntables, make_turntables
from pixelnerf.images.metrics import LPIPS_SMALLEST_SIDE, Lpips, lpips_problem
from pixelnerf.model.occupied import check_quality
from pixelnerf.scenes.scene import DamagedScenes, SceneDataset
from pixelnerf.tools.device import find_device
from pixelnerf.tools.progress import progress_bar


@dataclass(frozen=True)
class EvaluationResult:
    """The folder, and the results that were written to it; None, with the reason, while other shards' are missing."""

    output: Path
    results: Results | None
    waiting: str = ""


def evaluate(
    model: LoadedModel | None,
    config: EvaluationConfig,
    dataset: SceneDataset,
    altered: tuple[str, ...],
    console: Console,
    save_page: SavePage | None = None,
) -> EvaluationResult:
    """Runs a protocol: `metrics.json`, `per_object.csv`, `report.html`, pictures and `resolved_protocol.json`.

    `model` is what `config.checkpoint` holds, None for `config.renders`, and `dataset` what `config.dataset` describes.
    `altered` are changes made to the named protocol or its dataset, which the results note. After an interruption the
    next call continues with the remaining scenes. Shards measure their own scenes; the one that finishes last writes
    the results of all. `save_page` writes the pages of turntables; there are none without it.

    Raises:
        UserError: an unfit model, refiner or folder of renders, missing data, a protocol that does not fit them, an
            unwritable folder.
        KeyboardInterrupt: with a message that says how many scenes are done.
    """
    start = time.monotonic()
    check_choice(config)
    shard = config.shard or shard_of_process(os.environ)
    device, protocol = find_device(device_of_process(config.device)), config.protocol
    dataset_values = config.dataset.model_dump(mode="json")
    if model is not None and config.checkpoint is not None:
        check_quality(model.net, config.quality)
        check_world(config.checkpoint, model, dataset_values)
    output = _output(config)
    if config.renders is not None:
        _check_apart(config.renders, output)
    damaged = DamagedScenes(dataset.on_error)
    resolved = resolve(protocol, dataset, damaged)
    messages = list(damaged.messages.values())
    check_layout(resolved)
    write_resolved(output, resolved)
    if config.renders is not None:
        subject = saved_subject(config.renders, resolved)
    else:
        assert model is not None, "a checkpoint was loaded"
        assert config.checkpoint is not None, "there is one of the two"
        subject = model_subject(model, config.checkpoint, config, dataset, resolved, device)
    lpips = None if lpips_problem() else Lpips(device)
    decisive = {
        **subject.decisive,
        "dataset": without(dataset_values, HOW_READ),
        "torch": torch.__version__,
        "device": device.type,
        "lpips": lpips is not None,
    }
    store = ResultStore(output, resolved, decisive)
    _measure(Evaluator(subject.method, protocol, lpips), resolved, damaged, store, shard, console)
    stored = [store.load(index) for index in range(len(resolved.items))]
    if None in stored:
        return EvaluationResult(output, None, _waiting(store, stored, shard))
    messages += [one.message for one in stored if isinstance(one, Damaged)]
    objects = [one for one in stored if isinstance(one, ObjectResult)]
    if not objects:
        raise UserError(f"all {len(stored)} scenes are damaged; the last one: {messages[-1]}")
    blank = blank_objects(objects)
    turntables = Turntables()
    if config.turntables and save_page is not None:
        turntables = make_turntables(subject.method, resolved, objects, store.key, output, save_page, console)
    rows, digest = mean_rows(objects, blank), protocol_digest(protocol, config.dataset)
    comparable = not subject.altered and not messages
    results = Results(
        protocol=protocol.name,
        checkpoint=None if config.checkpoint is None else str(config.checkpoint),
        renders=None if config.renders is None else str(config.renders),
        refiners=subject.refiners,
        notes=_notes(protocol, digest, (*altered, *subject.altered), subject.trained, resolved, messages)
        | blank_note(blank, rows),
        rows=rows,
        blank=blank,
        published=comparable_rows(protocol.name, digest, rows) if comparable else (),
        turntables=turntables.shown,
    )
    facts = {
        **subject.facts,
        "scenes": str(len({(one.group, one.object) for result in objects for one in result.measurements})),
        "resolved protocol": resolved.digest(),
        "time of this run": f"{(time.monotonic() - start) / 60:.1f} min on {device.type}",
        **turntables.facts(),
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


def _output(config: EvaluationConfig) -> Path:
    if config.output is not None:
        return config.output
    if config.renders is not None:
        folder = config.renders.absolute()
        return folder.with_name(f"{folder.name}_evaluation") / config.protocol.name
    assert config.checkpoint is not None, "there is one of the two"
    return default_output(config.checkpoint, config.protocol.name)


def _check_apart(renders: Path, output: Path) -> None:
    """Raises a UserError if results would be written among the renders, or over those of the model that made them."""
    folder, results = renders.resolve(), output.resolve()
    if folder.is_relative_to(results) or results.is_relative_to(folder):
        raise UserError(f"results in '{output}' would mix with renders in '{renders}'; choose another output=PATH")


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


def _notes(
    protocol: ProtocolConfig,
    digest: str,
    altered: Sequence[str],
    trained: set[str],
    resolved: ResolvedProtocol,
    damaged: Sequence[str],
) -> dict[str, str]:
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
