"""One training run of a refiner, from a configuration to checkpoints on disk.

It is trained on patches, whose batch is a function of (seed, step) alone, and validated on whole views.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from jaxtyping import Float, UInt8
from rich.console import Console
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset
from typing_extensions import override

from pixelnerf.checkpoints.checkpoint import load_start
from pixelnerf.errors import UserError
from pixelnerf.images.metrics import psnr, sharpness
from pixelnerf.images.pictures import error_picture, side_by_side
from pixelnerf.refine.config import build_refiner
from pixelnerf.refine.refiner import Candidates, PatchBatch, Refiner, cut_patches, pad_to_side
from pixelnerf.scenes.scene import SceneDataset
from pixelnerf.training.experiment import RefinerExperimentConfig
from pixelnerf.training.module import RunModule
from pixelnerf.training.processes import processes_started
from pixelnerf.training.refiner.pairs import Pair, Pairs, make_pairs
from pixelnerf.training.run import TrainingResult, fit, start_run, training_device

MOST_DRAWS = 4
"""How often to draw a patch at most while its truth has a single colour, like most of a plain background."""
SINGLE_COLOR = 1e-3
"""Standard deviation of colours in [0, 1] below which a patch has a single colour."""


def train_refiner(config: RefinerExperimentConfig, dataset: SceneDataset) -> TrainingResult:
    """Renders the pairs, then trains; `checkpoints/best.ckpt` is the best on the training views kept for validation.

    Raises:
        UserError: as `pixelnerf.training.run.train`, or the model's checkpoint does not fit.
    """
    if processes_started(config.trainer.devices).total > 1:
        raise UserError("a refiner trains in one process: set trainer.devices=1, and start it once")
    budget = start_run(config, "refiner", config.refiner)
    refiner = build_refiner(config.refiner)
    if config.start_from is not None and config.resumed is None:
        load_start(config.start_from, refiner, "refiner", config.refiner)
    pairs = make_pairs(config, dataset, torch.device(training_device(config.trainer)), Console(stderr=True))
    module = RefinerModule(refiner, config, lambda: budget.progress)
    # Candidates are found on the CPU, like the pairs, by a copy: the refiner itself moves to the trainer's device.
    data = PairDataModule(pairs, build_refiner(config.refiner), config.trainer.patches, config.seed)
    return fit(config, budget, module, data)


class RefinerModule(RunModule):
    """Trains a refiner."""

    net: Refiner

    @override
    def training_step(self, batch: PatchBatch, batch_index: int) -> Float[Tensor, ""]:
        # The library draws revived codes from the global generator, and takes no other.
        with torch.random.fork_rng():
            torch.manual_seed(self.step_seed)
            losses = self.net.losses(batch)
        loss = torch.stack(list(losses.terms.values())).sum()
        self.log_step(loss, (losses.refined.detach() - batch.truth).square().mean())
        self.log_dict({f"train/{name}": term.detach() for name, term in losses.terms.items()})
        self.log_dict(self.net.health())
        return loss

    @override
    def validation_step(self, pair: Pair, batch_index: int) -> None:
        refined = self.net.refine(pair.view, pair.reference)
        truth = pair.truth().to(refined.device).movedim(0, -1)
        values = {}
        for suffix, image in (("", refined), ("_unrefined", pair.view.color)):
            picture = image.movedim(0, -1)
            values[f"val/psnr{suffix}"] = psnr(picture, truth)
            values[f"val/sharpness{suffix}"] = sharpness(picture, truth)
        self.log_dict(values, batch_size=1, on_epoch=True, sync_dist=True)
        self._shown.append((pair.to("cpu"), refined.cpu()))

    @override
    def _strip(self, item: Pair, output: Tensor) -> tuple[str, UInt8[np.ndarray, "height width 3"]]:
        """render | refined | truth | error of render | error of refined."""
        images = (item.view.color, output, item.truth())
        before, after, truth = (image.movedim(0, -1).float().numpy() for image in images)
        errors = [error_picture(before, truth), error_picture(after, truth)]
        return item.name, side_by_side([before, after, truth, *errors])


@dataclass(eq=False)
class PatchBatches(IterableDataset[PatchBatch]):
    """Endless batches from the first step on; `refiner` only finds candidates."""

    pairs: tuple[Pair, ...]
    refiner: Refiner
    patches: int
    seed: int
    first_step: int

    @override
    def __iter__(self) -> Iterator[PatchBatch]:
        return map(self.batch, count(self.first_step))

    def batch(self, step: int) -> PatchBatch:
        """The batch of a step: patches of uniformly drawn views, all in one of the eight rotations and mirrorings."""
        random = np.random.default_rng([self.seed, step])
        parts = [self._draw(random) for _ in range(self.patches)]
        quarters, mirror = int(random.integers(4)), bool(random.integers(2))

        def turn(tensor: Tensor) -> Tensor:
            if tensor.ndim < 4:
                return tensor
            turned = torch.rot90(tensor, quarters, (-2, -1))
            return turned.flip(-1) if mirror else turned

        found = [part.candidates for part in parts if part.candidates is not None]
        colors, valid = ([getattr(one, name) for one in found] for name in ("colors", "valid"))
        candidates = Candidates(torch.cat(colors), torch.cat(valid)) if found else None
        rendered, truth = torch.cat([part.rendered for part in parts]), torch.cat([part.truth for part in parts])
        return PatchBatch(rendered, truth, candidates).map_tensors(turn)

    def _draw(self, random: np.random.Generator) -> PatchBatch:
        pair = self.pairs[random.integers(len(self.pairs))]
        side = self.refiner.side
        rendered, truth = (pad_to_side(image, side) for image in (pair.view.color, pair.truth()))
        room = np.array([truth.shape[2], truth.shape[1]]) - side + 1
        draws = 0
        while True:
            draws += 1
            corner = torch.from_numpy(random.integers(room))[None]
            wanted = cut_patches(truth, corner, side)
            if draws == MOST_DRAWS or wanted.std(dim=(-2, -1)).max() > SINGLE_COLOR:
                break
        candidates = self.refiner.candidates(pair.view, pair.reference, corner) if pair.reference is not None else None
        return PatchBatch(cut_patches(rendered, corner, side), wanted, candidates)


class PairDataModule(pl.LightningDataModule):
    """Feeds a trainer from pairs."""

    def __init__(self, pairs: Pairs, refiner: Refiner, patches: int, seed: int) -> None:
        super().__init__()
        self._pairs = pairs
        self._refiner = refiner
        self._patches = patches
        self._seed = seed

    @override
    def train_dataloader(self) -> DataLoader[PatchBatch]:
        assert self.trainer is not None, "the data module belongs to a trainer by now"
        step = self.trainer.global_step
        batches = PatchBatches(self._pairs.train, self._refiner, self._patches, self._seed, step)
        return DataLoader(batches, batch_size=None)

    @override
    def val_dataloader(self) -> DataLoader[Pair]:
        return DataLoader(self._pairs.val, batch_size=None)  # pyright: ignore[reportArgumentType] (any sequence works)

    @override
    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        # Lightning's own transfer writes into dataclasses, and ours are frozen.
        return batch.to(device)
