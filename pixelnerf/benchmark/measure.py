"""Measuring: interleaved timing, FLOPs, memory, and where the time goes."""

import contextlib
import re
import resource
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median

import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils.benchmark import timer
from torch.utils.flop_counter import FlopCounterMode

Work = Callable[[], object]

PARTS = ("encoder", "look-up", "encoding", "mlp", "sampling", "compositing")
"""The labels under which the model records what it does; see `seconds_by_part`."""


def seconds(work: Work) -> float:
    """How long one call takes; waits for a GPU."""
    start = timer()
    work()
    return timer() - start


def median_seconds(works: Mapping[str, Work], repeats: int) -> dict[str, float]:
    """Median times after one unmeasured round. The works take turns, so that a busy machine slows all alike."""
    for work in works.values():
        work()
    rounds = [{name: seconds(work) for name, work in works.items()} for _ in range(repeats)]
    return {name: median(times[name] for times in rounds) for name in works}


def seconds_by_part(work: Work, device: torch.device) -> dict[str, float]:
    """Seconds of one call in each of `PARTS` (forward only), and in "other"; the profiler slows it a little."""
    on_gpu = device.type == "cuda"
    work()
    with profile(activities=[ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]) as profiler:
        total = seconds(work)
    parts = dict.fromkeys(PARTS, 0.0)
    for event in profiler.key_averages():
        if event.key in parts:
            parts[event.key] += (event.device_time_total if on_gpu else event.cpu_time_total) / 1e6
    return parts | {"other": max(total - sum(parts.values()), 0.0)}


def peak_memory(work: Work, device: torch.device) -> int:
    """The most bytes in use during a call: of the process on the CPU, of torch's tensors on a GPU."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        work()
        return torch.cuda.max_memory_allocated(device)
    status = Path("/proc/self/status")
    if not status.is_file():
        work()
        # macOS: bytes, and the peak of the whole process so far.
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with contextlib.suppress(OSError):
        # Linux then counts the peak from what is in use now.
        Path("/proc/self/clear_refs").write_text("5")
    work()
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status.read_text())[0]) * 1024


def flops(work: Work) -> int:
    """Floating-point operations of the matrix products and convolutions in one call."""
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops()
