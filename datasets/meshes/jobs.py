"""Many independent objects in a pool of processes, with a progress bar and a clean stop."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from typing import Any, TypeVar

from pixelnerf.tools.progress import progress_bar

Job = TypeVar("Job")


def available_workers() -> int:
    """The number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_jobs(function: Callable[[Job], Any], jobs: Sequence[Job], workers: int, description: str) -> list[Any]:
    """Calls a module-level function on every job; the results are in the order of the jobs.

    Workers are spawned, so the calling program needs the `if __name__ == "__main__"` guard. An exception in a job, and
    Ctrl-C, cancel what has not begun, wait for what has, and are raised here.
    """
    with progress_bar(description, len(jobs)) as bar:
        if workers == 1 or len(jobs) <= 1:
            results = []
            for job in jobs:
                results.append(function(job))
                bar.advance()
            return results
        pool = ProcessPoolExecutor(min(workers, len(jobs)), multiprocessing.get_context("spawn"))
        try:
            with _quiet_children():
                futures = [pool.submit(function, job) for job in jobs]
            for future in as_completed(futures):
                future.result()
                bar.advance()
            return [future.result() for future in futures]
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _quiet_children() -> Iterator[None]:
    """Processes begun in this block leave Ctrl-C to the parent, and finish the object at hand, each in one thread.

    Processes are the parallelism; linear algebra threads on top would fight for the same cores.
    """
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    before = {name: os.environ[name] for name in names if name in os.environ}
    os.environ.update(dict.fromkeys(names, "1"))
    # Other threads may not change how signals are answered, and do not get Ctrl-C either.
    in_main_thread = threading.current_thread() is threading.main_thread()
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN) if in_main_thread else None
    try:
        yield
    finally:
        if in_main_thread:
            signal.signal(signal.SIGINT, handler)
        for name in names:
            os.environ.pop(name, None)
        os.environ.update(before)
