"""Settings of the whole process: speed on the CPU, and folders for the caches of libraries."""

import atexit
import ctypes
import functools
import os
import shutil
import sys
import tempfile
from pathlib import Path

import torch

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
"""glibc's names for what `mallopt` sets."""

USERS_CHOICE = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_MAX_")
"""glibc's environment variables for the same."""


CACHES = ("MPLCONFIGDIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR")
"""Matplotlib's and W&B's environment variables for folders that are in the home folder by default."""


def prepare_process() -> None:
    """What our programs call at the start, before any thread runs: threads inherit the first setting.

    Denormals are flushed to zero, since on some processors a product with one is a hundred times slower (on an AMD EPYC
    it is not); densities and the second moments of Adam produce them. Memory of freed tensors is kept (see
    `keep_freed_memory`). Libraries get folders that can be written (see `place_caches`).
    """
    place_caches()
    torch.set_flush_denormal(True)
    keep_freed_memory()


def place_caches() -> None:
    """Gives libraries a temporary folder for their caches where the home folder cannot be written.

    Clusters mount it read-only, or a container has none. Matplotlib and W&B would print warnings of their own.
    """
    if os.access(Path("~").expanduser(), os.W_OK) or all(name in os.environ for name in CACHES):
        return
    folder = tempfile.mkdtemp(prefix="pixelnerf-caches-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for name in CACHES:
        os.environ.setdefault(name, folder)


@functools.cache
def keep_freed_memory() -> None:
    """Makes the process reuse the memory of freed tensors; glibc hands large blocks back to the system at once.

    A training step at the paper's size then causes hardly a page fault instead of up to 280,000, and takes 3.5 s
    instead of 3.8 s on an AMD EPYC's core. Both settings are needed: the first alone makes more faults, the second
    leaves 43,000.

    The price is that the process stays as large as it has ever been. Whoever sets `MALLOC_TRIM_THRESHOLD_` or
    `MALLOC_MMAP_MAX_` in the environment has chosen, and nothing is changed; nor is it where there is no glibc.
    """
    if sys.platform != "linux" or any(name in os.environ for name in USERS_CHOICE):
        return
    # Other C libraries of Linux have no mallopt.
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
        mallopt(M_MMAP_MAX, 0)
