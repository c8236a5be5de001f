"""Pairs of a render and its truth, rendered once by a trained model and kept on disk.

Only the training split is opened, so that refiners, even in validation, never see what a protocol tests on.
"""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from rich.console import Console
from torch import Tensor

from pixelnerf.checkpoints.checkpoint import check_world, load_checkpoint
from pixelnerf.errors import UserError
from pixelnerf.model.image import RENDERER_VERSION
from pixelnerf.refine.reference import ReferenceRefinerConfig
from pixelnerf.refine.refiner import ReferenceView, RenderedView
from pixelnerf.scenes.rendering import RenderOptions, render_views, rendered_view
from pixelnerf.scenes.scene import Scene, SceneDataset
from pixelnerf.tools.files import (
    file_digest,
    file_name,
    plain_digest,
    refusal_in_a_line,
    remove_partial,
    write_atomically,
)
from pixelnerf.tools.progress import progress_bar
from pixelnerf.tools.spacing import spread
from pixelnerf.training.experiment import RefinerExperimentConfig
from pixelnerf.types import ImageOutput, TensorRecord


@dataclass(frozen=True)
class Pair(TensorRecord):
    """A rendered training view of a scene, and the scene's reference photo if the refiner needs it."""

    name: str
    view: RenderedView
    scene: Scene
    index: int
    reference: ReferenceView | None

    def truth(self) -> Float[Tensor, "3 height width"]:
        """The true photo, read on demand."""
        return self.scene.images([self.index])[0]


@dataclass(frozen=True)
class Pairs:
    """Pairs to train on, and pairs to choose the best checkpoint by."""

    train: tuple[Pair, ...]
    val: tuple[Pair, ...]


def make_pairs(config: RefinerExperimentConfig, dataset: SceneDataset, device: torch.device, console: Console) -> Pairs:
    """Renders the pairs that are not on disk yet.

    Raises:
        UserError: a checkpoint or dataset that does not fit, too few views, an unwritable folder.
        KeyboardInterrupt: with the number of views done in its message.
    """
    model = load_checkpoint(config.checkpoint)
    net = model.net.to(device)
    if net.reads_photos and config.pairs.input_views == 0:
        raise UserError(f"{config.checkpoint} renders from photos: set pairs.input_views to the number of input photos")
    dataset_values = config.dataset.model_dump(mode="json")
    check_world(config.checkpoint, model, dataset_values)
    folder = _pairs_folder(config)
    decisive = {
        "checkpoint": file_digest(config.checkpoint),
        "renderer": RENDERER_VERSION,
        "torch": torch.__version__,
        "dataset": dataset_values,
        "inputs": [config.pairs.input_views, config.pairs.input_downscale],
    }
    key = plain_digest(decisive)
    chosen = [(scene, *_choose(scene, config)) for scene in dataset.scenes("train")]
    total, done = sum(len(targets) for _, _, targets in chosen), 0
    options = RenderOptions(device)
    pairs: list[Pair] = []
    try:
        with progress_bar("render pairs", total, console) as bar:
            for scene, inputs, targets in chosen:
                directory = folder / file_name(scene.name)
                with refusal_in_a_line(f"pairs into '{directory}'", "; set pairs.folder=PATH"):
                    directory.mkdir(parents=True, exist_ok=True)
                    remove_partial(directory)
                reference = reference_view(scene, config.refiner)
                paths = {view: directory / f"{view:05d}.npz" for view in targets}
                missing = [view for view in targets if _load(paths[view], key) is None]
                stored = len(targets) - len(missing)
                done += stored
                bar.advance("", stored)
                renders = render_views(net, scene, inputs, missing, config.pairs.input_downscale, 1.0, options)
                for view, render in zip(missing, renders, strict=True):
                    _save(paths[view], key, render.output)
                    done += 1
                    bar.advance(f"{render.seconds:.1f} s a view")
                for view, path in paths.items():
                    if (output := _load(path, key)) is None:
                        raise UserError(f"cannot read '{path}', which was just written; set pairs.folder=PATH")
                    rendered = rendered_view(output, scene.cameras()[view], net, scene)
                    pairs.append(Pair(f"{scene.name} view {view}", rendered, scene, view, reference))
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"interrupted: {done} of {total} pairs are rendered; continue with pairs.folder={folder}"
        ) from None
    return _divided(pairs, config)


def _divided(pairs: list[Pair], config: RefinerExperimentConfig) -> Pairs:
    every = config.pairs.validate_every
    val = pairs[every // 2 :: every]
    train = tuple(pair for index, pair in enumerate(pairs) if index % every != every // 2)
    if not val or not train:
        raise UserError(
            f"{len(pairs)} pairs are too few for pairs.validate_every={every}; lower it, or give more views"
        )
    return Pairs(train, tuple(val[position] for position in spread(len(val), config.trainer.val_views)))


def reference_view(scene: Scene, config: object) -> ReferenceView | None:
    """A refiner's reference photo from a scene's training split; None if it needs none.

    Raises:
        UserError: the scene has no such view.
    """
    if not isinstance(config, ReferenceRefinerConfig):
        return None
    if config.reference_view >= scene.num_views:
        raise UserError(
            f"scene '{scene.name}' has {scene.num_views} training views, "
            f"so refiner.reference_view={config.reference_view} is none of them"
        )
    return ReferenceView(scene.images([config.reference_view])[0], scene.cameras()[config.reference_view])


def _choose(scene: Scene, config: RefinerExperimentConfig) -> tuple[list[int], list[int]]:
    """Input views and rendered views, the latter without the reference, which would be its own answer.

    The reference is dropped after choosing, so that all kinds of refiners share the other renders.
    """
    inputs = spread(scene.num_views, config.pairs.input_views)
    rest = [view for view in range(scene.num_views) if view not in inputs]
    chosen = [rest[position] for position in spread(len(rest), config.pairs.views or len(rest))]
    reference = config.refiner.reference_view if isinstance(config.refiner, ReferenceRefinerConfig) else None
    return inputs, [view for view in chosen if view != reference]


def _pairs_folder(config: RefinerExperimentConfig) -> Path:
    if config.pairs.folder is not None:
        return config.pairs.folder
    resumed = config.resumed.parent.parent / "pairs" if config.resumed is not None else None
    return resumed if resumed is not None and resumed.is_dir() else config.run_dir / "pairs"


def _save(path: Path, key: str, output: ImageOutput) -> None:
    # Half precision is finer than the truth's 8 bits of colour, but too coarse for distances.
    color, opacity = output.color.half().numpy(), output.opacity.half().numpy()
    buffer = io.BytesIO()
    np.savez(buffer, key=key, color=color, opacity=opacity, median_distance=output.median_distance.numpy())
    write_atomically(path, buffer.getvalue())


def _load(path: Path, key: str) -> ImageOutput | None:
    """The stored render, None unless it was made under this key."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            if str(archive["key"]) != key:
                return None
            names = ("color", "opacity", "median_distance")
            color, opacity, distance = (torch.from_numpy(archive[name]).float() for name in names)
    except Exception:  # absent, or damaged in whatever way: it is rendered again
        return None
    return ImageOutput(color, opacity, distance, distance)
