"""What an evaluation is of: a model with what enhances its renders, or pictures that some method has saved."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from pixelnerf.checkpoints.checkpoint import LoadedModel, load_refiner
from pixelnerf.errors import UserError
from pixelnerf.evaluation.config import EvaluationConfig
from pixelnerf.evaluation.evaluator import Method, ModelMethod
from pixelnerf.evaluation.methods import Bicubic, Enhancer, Refinement
from pixelnerf.evaluation.protocol import ResolvedProtocol
from pixelnerf.evaluation.renders import SavedRenders
from pixelnerf.model.image import RENDERER_VERSION
from pixelnerf.scenes.rendering import RenderOptions
from pixelnerf.scenes.scene import SceneDataset
from pixelnerf.tools.device import uses_bfloat16
from pixelnerf.tools.files import file_digest


@dataclass(frozen=True)
class Subject:
    """What is evaluated.

    Attributes:
        method: makes the pictures.
        decisive: plain values that decide its pictures, for the key of stored results.
        facts: lines of the report's head.
        altered: settings that make its numbers those of another method than the published one, for a note.
        refiners: the files of refiners by their method.
        trained: the categories that it was trained on, as far as they are known.
    """

    method: Method
    decisive: dict[str, Any]
    facts: dict[str, str]
    altered: tuple[str, ...] = ()
    refiners: dict[str, str] = field(default_factory=dict)
    trained: set[str] = field(default_factory=set)


def check_choice(config: EvaluationConfig) -> None:
    """Raises a UserError unless there is either a checkpoint, or renders without settings of a model."""
    if (config.checkpoint is None) == (config.renders is None):
        given = "both are" if config.renders else "neither is"
        raise UserError(f"set either checkpoint=PATH of a model or renders=FOLDER of pictures; {given} set")
    settings = {
        "quality": config.quality != "exact",
        "precision": config.precision != "float32",
        "rays_per_chunk": config.rays_per_chunk is not None,
        "refiners": bool(config.refiners),
        "bicubic": config.bicubic is not None,
    }
    if config.renders is not None and (useless := [key for key, is_set in settings.items() if is_set]):
        raise UserError(f"renders=FOLDER is scored as it is; leave out {', '.join(useless)}, which only a model has")


def saved_subject(folder: Path, resolved: ResolvedProtocol) -> Subject:
    """The subject of `renders=FOLDER`.

    Raises:
        UserError: the folder does not hold just what the protocol asks for.
    """
    renders = SavedRenders(folder, resolved)
    return Subject(renders, {"renders": renders.digest}, {"renders": str(folder)})


def model_subject(
    model: LoadedModel,
    path: Path,
    config: EvaluationConfig,
    dataset: SceneDataset,
    resolved: ResolvedProtocol,
    device: torch.device,
) -> Subject:
    """The subject of `checkpoint=PATH`.

    Raises:
        UserError: an unfit refiner.
    """
    options = RenderOptions(device, config.rays_per_chunk, config.quality, uses_bfloat16(config.precision, device.type))
    enhancers = _enhancers(config, model, dataset, device)
    for item in resolved.items:
        for enhancer in enhancers:
            enhancer.check(item)
    refinements = [one for one in enhancers if isinstance(one, Refinement)]
    refiners = {one.refiner.own.name: str(file) for one, file in zip(refinements, config.refiners, strict=True)}
    altered = {f"quality={options.quality}": options.quality != "exact", "precision=bfloat16": options.bfloat16}
    return Subject(
        method=ModelMethod(model.net, options, config.protocol.input_downscale, enhancers),
        decisive={
            "checkpoint": file_digest(path),
            "renderer": RENDERER_VERSION,
            "quality": options.quality,
            "bfloat16": options.bfloat16,
            "refiners": [file_digest(file) for file in config.refiners],
            "bicubic": config.bicubic,
        },
        facts={
            "model": str(model.config.get("model", {}).get("name", "")),
            "checkpoint": f"{path} (step {model.step})",
            **{f"{name} refiner": file for name, file in refiners.items()},
        },
        altered=tuple(change for change, is_made in altered.items() if is_made),
        refiners=refiners,
        trained=training_categories(model.config),
    )


def training_categories(config: Mapping[str, Any]) -> set[str]:
    """The categories that a checkpoint's training drew from; empty where its dataset has none."""
    dataset = config.get("dataset") or {}
    parts = dataset["parts"].values() if "parts" in dataset else [dataset]
    return {name for part in parts for name in part.get("train_categories") or part.get("categories") or ()}


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
