"""Endless batches of training patches, and the validation views. A batch is a function of (seed, step, rank) alone."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset
from typing_extensions import override

from pixelnerf.refine.patches import cut_patches, pad_to_side
from pixelnerf.refine.refiner import Candidates, PatchBatch, Refiner
from pixelnerf.training.refiner.pairs import Pair, Pairs

MOST_DRAWS = 4
"""How often to draw a patch at most while its truth has a single colour, like most of a plain background."""
SINGLE_COLOR = 1e-3
"""Standard deviation of colours in [0, 1] below which a patch has a single colour."""


@dataclass(eq=False)
class PatchBatches(IterableDataset[PatchBatch]):
    """Endless batches from the first step on; `refiner` only finds candidates."""

    pairs: tuple[Pair, ...]
    refiner: Refiner
    patches: int
    seed: int
    rank: int
    first_step: int

    @override
    def __iter__(self) -> Iterator[PatchBatch]:
        return map(self.batch, count(self.first_step))

    def batch(self, step: int) -> PatchBatch:
        """The batch of a step: patches of uniformly drawn views, all in one of the eight rotations and mirrorings."""
        random = np.random.default_rng([self.seed, step, self.rank])
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
        rank, step = self.trainer.global_rank, self.trainer.global_step
        batches = PatchBatches(self._pairs.train, self._refiner, self._patches, self._seed, rank, step)
        return DataLoader(batches, batch_size=None)

    @override
    def val_dataloader(self) -> DataLoader[Pair]:
        return DataLoader(self._pairs.val, batch_size=None)  # pyright: ignore[reportArgumentType] (any sequence works)

    @override
    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        # Lightning's own transfer writes into dataclasses, and ours are frozen.
        return batch.to(device)
