"""Measuring: interleaved timing, the machine's matrix-product peak, FLOPs, memory, and where the time goes."""

import contextlib
import resource
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

Work = Callable[[], object]

PARTS = ("encoder", "look-up", "encoding", "mlp", "sampling", "compositing")
"""The labels under which the model records what it does; see `breakdown`."""

# Large enough for the peak, and the shape of the field's products: samples times width times width.
PEAK_ROWS, PEAK_WIDTH = 4096, 512
# For Linux: makes the high-water mark of the process's memory start again from what is used now.
RESET_PEAK_MEMORY = "5"


class Bench:
    """Measures on one device; times are wall seconds on the CPU and device events on a GPU."""

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def seconds(self, work: Work) -> float:
        """How long one call takes."""
        if self.device.type != "cuda":
            start = time.perf_counter()
            work()
            return time.perf_counter() - start
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        work()
        end.record()
        end.synchronize()
        return begin.elapsed_time(end) / 1000

    def interleaved(self, works: Mapping[str, Work], repeats: int) -> dict[str, list[float]]:
        """Times of all works, taken in turns after one unmeasured round, so that a busy machine slows all alike."""
        for work in works.values():
            work()
        times: dict[str, list[float]] = {name: [] for name in works}
        for _ in range(repeats):
            for name, work in works.items():
                times[name].append(self.seconds(work))
        return times

    def matrix_product(self) -> tuple[Work, int]:
        """The product that defines the peak, in float32 and without allocation, and its FLOPs."""
        left = torch.randn(PEAK_ROWS, PEAK_WIDTH, device=self.device)
        right = torch.randn(PEAK_WIDTH, PEAK_WIDTH, device=self.device)
        out = torch.empty(PEAK_ROWS, PEAK_WIDTH, device=self.device)
        return lambda: torch.mm(left, right, out=out), 2 * PEAK_ROWS * PEAK_WIDTH**2

    def breakdown(self, work: Work) -> dict[str, float]:
        """Seconds of one call in each of `PARTS` (forward only), and in "other"; the profiler slows it a little."""
        activities = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if self.device.type == "cuda" else [])
        work()
        with profile(activities=activities) as profiler:
            total = self.seconds(work)
        microseconds = dict.fromkeys(PARTS, 0.0)
        for event in profiler.key_averages():
            if event.key in microseconds:
                spent = event.device_time_total if self.device.type == "cuda" else event.cpu_time_total
                microseconds[event.key] += spent
        seconds = {name: value / 1e6 for name, value in microseconds.items()}
        return seconds | {"other": max(total - sum(seconds.values()), 0.0)}

    def peak_memory(self, work: Work) -> int:
        """The most bytes in use during a call: of the process on the CPU, of torch's tensors on a GPU."""
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
            work()
            return torch.cuda.max_memory_allocated(self.device)
        # Elsewhere the mark is that of the whole process so far.
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text(RESET_PEAK_MEMORY)
        work()
        return _resident_peak()


def flops(work: Work) -> int:
    """Floating-point operations of the matrix products and convolutions in one call."""
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops()


def median(times: list[float]) -> float:
    """The middle time."""
    return statistics.median(times)


def _resident_peak() -> int:
    status = Path("/proc/self/status")
    if status.is_file():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    # macOS counts bytes where Linux counts kibibytes.
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
