"""The Lightning data module: endless training batches and frozen validation items."""

import multiprocessing
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from typing import Any

import lightning.pytorch as pl
import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, get_worker_info
from typing_extensions import override

from pixelnerf.config import Config
from pixelnerf.errors import UserError
from pixelnerf.scenes.batch_config import BatchConfig
from pixelnerf.scenes.photos import scene_photos
from pixelnerf.scenes.sampler import BatchSampler, TrainBatch
from pixelnerf.scenes.scene import DamagedScenes, Scene, SceneDataset
from pixelnerf.tools.spacing import spread
from pixelnerf.types import Photos, TensorRecord, View


class LoaderConfig(Config):
    """How scenes become batches.

    Attributes:
        batch: the training batches.
        num_workers: processes that make batches; each keeps its own cache of decoded photos.
        val_scenes: number of validation scenes rendered, evenly spread over the split.
        val_source_views: input photos per scene: from its published view list, else evenly spread.
        val_views: target views rendered per scene, evenly spread over the others.
    """

    batch: BatchConfig
    num_workers: int = Field(ge=0)
    val_scenes: int = Field(ge=0)
    val_source_views: int = Field(ge=0)
    val_views: int = Field(ge=1)


@dataclass(frozen=True)
class ValidationItem(TensorRecord):
    """One scene's frozen validation task: input photos (batch of 1), views to render, and their true images."""

    photos: Photos
    views: tuple[View, ...]
    images: tuple[Float[Tensor, "3 _ _"], ...]
    name: str


@dataclass(eq=False)
class TrainBatches(IterableDataset[TrainBatch | UserError]):
    """Endless batches from the first step on, the steps divided among workers.

    A UserError is passed on like a batch, because a worker's exceptions arrive wrapped in its traceback.
    """

    sampler: BatchSampler
    first_step: int

    @override
    def __iter__(self) -> Iterator[TrainBatch | UserError]:
        worker = get_worker_info()
        first, stride = (0, 1) if worker is None else (worker.id, worker.num_workers)
        for step in count(self.first_step + first, stride):
            try:
                yield self.sampler.batch(step)
            except UserError as error:
                yield error


class ValidationItems(Dataset[ValidationItem | None]):
    """The same few tasks at every validation; scenes that do not fit, or are damaged, are found up front.

    `share` is this process's rank among those that train together, and their number. Each gets as many items, the last
    of which can be None, so that all tasks are done once.
    """

    def __init__(
        self, scenes: Sequence[Scene], config: LoaderConfig, damaged: DamagedScenes, share: tuple[int, int] = (0, 1)
    ) -> None:
        self._scenes = scenes
        self._config = config
        self._indices = spread(len(scenes), config.val_scenes)
        if damaged.on_error == "skip":
            chosen, self._indices = self._indices, []
            for position, index in enumerate(chosen):
                with damaged.guard(chosen, position):
                    self._task(index)
                    self._indices.append(index)
        else:
            for index in self._indices:
                self._views(index)
        self._rank, self._processes = share

    def __len__(self) -> int:
        return -(-len(self._indices) // self._processes)

    @override
    def __getitem__(self, index: int) -> ValidationItem | None:
        position = index * self._processes + self._rank
        return self._task(self._indices[position]) if position < len(self._indices) else None

    def _views(self, index: int) -> tuple[list[int], list[int]]:
        """A scene's inputs and targets.

        Raises:
            UserError: none of its views is left to ask for.
        """
        scene = self._scenes[index]
        listed = scene.input_views() or ()
        sources = list(listed[: self._config.val_source_views])
        others = [view for view in range(scene.num_views) if view not in sources]
        sources += [others[position] for position in spread(len(others), self._config.val_source_views - len(sources))]
        rest = [view for view in range(scene.num_views) if view not in sources]
        if not rest:
            raise UserError(
                f"scene '{scene.name}' has {scene.num_views} views, all of them inputs in validation; "
                "lower trainer.loader.val_source_views"
            )
        return sources, [rest[position] for position in spread(len(rest), self._config.val_views)]

    def _task(self, index: int) -> ValidationItem:
        scene = self._scenes[index]
        sources, targets = self._views(index)
        return ValidationItem(
            photos=scene_photos(scene, sources),
            views=tuple(scene.view_of(scene.cameras()[view]) for view in targets),
            images=tuple(scene.images([view])[0] for view in targets),
            name=scene.name,
        )


class SceneDataModule(pl.LightningDataModule):
    """Feeds a trainer from a dataset.

    A step's batch is the same whether or not the run was resumed. Processes that train together divide it, and the
    validation.
    """

    def __init__(self, dataset: SceneDataset, config: LoaderConfig, seed: int) -> None:
        super().__init__()
        self._dataset = dataset
        self._config = config
        self._seed = seed
        # The data lie where all machines see them.
        self.prepare_data_per_node = False

    @override
    def prepare_data(self) -> None:
        """Makes data that are made on first use, in one process while the others wait."""
        self._dataset.scenes("train")

    @cached_property
    def _validation(self) -> ValidationItems:
        damaged = DamagedScenes(self._dataset.on_error)
        return ValidationItems(self._dataset.scenes("val"), self._config, damaged, self._share())

    @override
    def setup(self, stage: str) -> None:
        """Chooses what is validated on, so that what does not fit stops a run before its first step."""
        assert self._validation is not None

    @override
    def train_dataloader(self) -> DataLoader[TrainBatch | UserError]:
        assert self.trainer is not None, "the data module belongs to a trainer by now"
        groups, damaged = self._dataset.groups("train"), DamagedScenes(self._dataset.on_error)
        sampler = BatchSampler(groups, self._config.batch, self._seed, damaged, self._share())
        return DataLoader(
            TrainBatches(sampler, self.trainer.global_step),
            batch_size=None,
            num_workers=self._config.num_workers,
            worker_init_fn=_leave_stopping_to_the_trainer,
        )

    @override
    def val_dataloader(self) -> DataLoader[ValidationItem | None]:
        return DataLoader(self._validation, batch_size=None)

    @override
    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        if isinstance(batch, UserError):
            raise batch
        if batch is None:
            return None
        # Lightning's own transfer writes into dataclasses, and ours are frozen.
        return batch.to(device)

    def _share(self) -> tuple[int, int]:
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer is not None else (0, 1)


@contextmanager
def workers_ended() -> Iterator[None]:
    """Processes that were started inside the block and are still there at its end are killed.

    The loader's ignore SIGTERM, with which Python ends what is left of them before it waits for them, for ever.
    """
    before = set(multiprocessing.active_children())
    try:
        yield
    finally:
        if left := set(multiprocessing.active_children()) - before:
            # torch takes a killed worker for an error.
            handler = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for worker in left:
                worker.kill()
                worker.join()
            signal.signal(signal.SIGCHLD, handler)


def _leave_stopping_to_the_trainer(worker: int) -> None:
    """Signals reach workers, too, and a worker that dies of one takes the batch being read with it."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)
