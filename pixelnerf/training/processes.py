"""Processes that train together: how many there are, and what makes their steps equal to one process's.

Each makes its share of the batch's scenes. Gradients are averaged by DDP; the rest is here: sampling noise is the whole
batch's, and batch normalisation uses the statistics of the whole batch.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.pytorch.plugins import TorchSyncBatchNorm
from lightning.pytorch.plugins.layer_sync import LayerSync
from lightning.pytorch.strategies import Strategy
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from typing_extensions import override

from pixelnerf.errors import UserError
from pixelnerf.types import Photos


@dataclass(frozen=True)
class Processes:
    """How many processes train together."""

    on_this_machine: int
    machines: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.on_this_machine * self.machines


def processes_started(devices: int | Literal["auto"]) -> Processes:
    """The processes that torchrun or SLURM started, or else the `devices` that Lightning starts on this machine.

    Raises:
        UserError: `devices` contradicts the launcher, or SLURM does not say how many tasks a node has.
    """
    launched = _launched()
    if launched is None:
        return Processes(1 if devices == "auto" else devices, 1)
    if devices not in ("auto", launched.on_this_machine):
        raise UserError(
            f"trainer.devices={devices}, but the launcher started {launched.on_this_machine} on this machine; "
            "leave it at trainer.devices=auto"
        )
    return launched


def _launched() -> Processes | None:
    if TorchElasticEnvironment.detect():
        local = int(os.environ["LOCAL_WORLD_SIZE"])
        return Processes(local, int(os.environ["WORLD_SIZE"]) // local)
    if not SLURMEnvironment.detect():
        return None
    tasks, machines = int(os.environ["SLURM_NTASKS"]), int(os.environ.get("SLURM_NNODES", "1"))
    if tasks > 1 and "SLURM_NTASKS_PER_NODE" not in os.environ:
        raise UserError(f"SLURM started {tasks} tasks; say how many on each node, with #SBATCH --ntasks-per-node=N")
    return Processes(tasks // machines, machines)


def cluster_plugins(processes: Processes, device_type: str) -> list[Any]:
    """What Lightning needs beside its defaults, for training on this type of device."""
    plugins: list[Any] = []
    if _launched() is not None and not TorchElasticEnvironment.detect():
        # Lightning would save in the middle of a step and requeue by itself; our budget finishes the step.
        plugins.append(SLURMEnvironment(auto_requeue=False))
    if processes.total > 1:
        plugins.append(TorchSyncBatchNorm() if device_type == "cuda" else _SyncBatchNormOnCpu())
    return plugins


def check_photo_sizes(photos: Photos, strategy: Strategy) -> None:
    """Checks that all photos of processes that train together have one size.

    The encoder runs once for each size, so processes with other sizes would wait for each other's statistics for ever.

    Raises:
        UserError: they have several sizes; in all processes alike.
    """
    if getattr(strategy, "world_size", 1) == 1 or not photos.present.any():
        return
    sizes = photos.cameras.sizes[photos.present]
    largest = torch.cat([sizes.amax(dim=0), (-sizes).amax(dim=0)])
    width, height, least_width, least_height = strategy.reduce(largest, reduce_op="max").tolist()
    if (width, height) != (-least_width, -least_height):
        raise UserError(
            f"photos of several sizes ({-least_width}x{-least_height}, {width}x{height}) train in one process only: "
            "set trainer.devices=1, and start it once"
        )


@contextmanager
def share_of_noise(rank: int, processes: int) -> Iterator[None]:
    """Inside the block, random tensors from a generator are this process's share of the whole batch's.

    All processes draw for all scenes, the first axis of what is drawn, and keep their own rows.
    """
    if processes == 1:
        yield
        return
    with _ShareOfNoise(rank, processes):
        yield


class _ShareOfNoise(TorchFunctionMode):
    def __init__(self, rank: int, processes: int) -> None:
        super().__init__()
        self._rank, self._processes = rank, processes

    @override
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func not in (torch.rand, torch.randn) or kwargs.get("generator") is None:
            return func(*args, **kwargs)
        (scenes, *rest), *others = args
        return func((scenes * self._processes, *rest), *others, **kwargs).chunk(self._processes)[self._rank]


class _SyncBatchNormOnCpu(LayerSync):
    """What `TorchSyncBatchNorm` does on GPUs, since PyTorch's own layer does not run on CPUs."""

    @override
    def apply(self, model: nn.Module) -> nn.Module:
        for module in model.modules():
            if type(module) is nn.BatchNorm2d:
                # The layer keeps its parameters, buffers and place, and only normalises in another way.
                module.__class__ = _GatheredBatchNorm2d
        return model

    @override
    def revert(self, model: nn.Module) -> nn.Module:
        for module in model.modules():
            if type(module) is _GatheredBatchNorm2d:
                module.__class__ = nn.BatchNorm2d  # pyright: ignore[reportAttributeAccessIssue]
        return model


class _SumOverProcesses(torch.autograd.Function):
    """The sum of a tensor over processes, and of its gradient: each process's loss depends on all terms."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        total = values.clone()
        torch.distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].clone()
        torch.distributed.all_reduce(total)
        return total


class _GatheredBatchNorm2d(nn.BatchNorm2d):
    """Batch normalisation with the statistics of all processes' images while training."""

    @override
    def forward(
        self, input: Float[Tensor, "image channel height width"]
    ) -> Float[Tensor, "image channel height width"]:
        if not self.training:
            return super().forward(input)
        axes, values = (0, 2, 3), input.float()
        count = _SumOverProcesses.apply(values.new_tensor(values.numel() / values.shape[1]))
        mean = _SumOverProcesses.apply(values.sum(axes)) / count
        centred = values - mean[:, None, None]
        # In two passes: the difference of two large sums would lose digits.
        variance = _SumOverProcesses.apply(centred.square().sum(axes)) / count
        self._follow(mean.detach(), (variance * count / (count - 1)).detach())
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return (centred * scale[:, None, None] + self.bias[:, None, None]).to(input.dtype)

    @torch.no_grad()
    def _follow(self, mean: Tensor, variance: Tensor) -> None:
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        self.num_batches_tracked.add_(1)
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance, self.momentum)
