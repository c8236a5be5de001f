"""Shards of an evaluation: which scenes are this process's, of all that share one folder of results."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from pydantic import BeforeValidator
from typing_extensions import override

from pixelnerf.errors import UserError

# Of torchrun, and of SLURM's srun: a process's rank, and how many there are.
RANKS = (("RANK", "WORLD_SIZE"), ("SLURM_PROCID", "SLURM_NTASKS"))
# The same on one machine, where each process takes a GPU of its own.
LOCAL_RANKS = ("LOCAL_RANK", "SLURM_LOCALID")


@dataclass(frozen=True)
class Shard:
    """Shard `number` of `count`, from 1: every `count`-th scene, so that all shards get some of each category.

    >>> [index for index in range(8) if Shard(2, 3).holds(index)]
    [1, 4, 7]
    """

    number: int
    count: int

    def holds(self, index: int) -> bool:
        """Whether the scene of this index, from 0, is of this shard."""
        return index % self.count == self.number - 1

    @override
    def __str__(self) -> str:
        return f"{self.number}/{self.count}"


def parse_shard(written: Any) -> Any:
    """A shard as written on the command line, "3/16".

    Raises:
        ValueError: not of this form, or not from 1/N to N/N.
    """
    if written is None or isinstance(written, Shard):
        return written
    found = re.fullmatch(r"(\d{1,9})/(\d{1,9})", str(written))
    if found is None or not 1 <= int(found[1]) <= int(found[2]):
        raise ValueError("must be NUMBER/COUNT with numbers from 1 to COUNT, for instance 3/16")
    return Shard(int(found[1]), int(found[2]))


OptionalShard = Annotated[Shard | None, BeforeValidator(parse_shard)]


def shard_of_process(environment: Mapping[str, str]) -> Shard:
    """The shard by the rank that torchrun or SLURM gives a process in its environment; else the whole.

    Raises:
        UserError: a rank that is none.
    """
    for rank, size in RANKS:
        if rank in environment and environment.get(size, "1") != "1":
            try:
                shard: Shard = parse_shard(f"{int(environment[rank]) + 1}/{environment[size]}")
            except ValueError:
                found = f"{rank}={environment[rank]} and {size}={environment[size]}"
                raise UserError(f"environment variables {found} are no rank; set shard=NUMBER/COUNT") from None
            return shard
    return Shard(1, 1)


def device_of_process(device: str, environment: Mapping[str, str] = os.environ) -> str:
    """`device`, but for "auto" the GPU of a process's rank on its machine, where there is more than one GPU."""
    ranks = [environment[name] for name in LOCAL_RANKS if environment.get(name, "").isdecimal()]
    if device != "auto" or not ranks or torch.cuda.device_count() < 2:
        return device
    return f"cuda:{int(ranks[0]) % torch.cuda.device_count()}"
