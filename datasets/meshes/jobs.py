"""Many independent objects in a pool of processes, with a progress bar and a clean stop."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

Job = TypeVar("Job")


def available_workers() -> int:
    """The number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_jobs(function: Callable[[Job], Any], jobs: Sequence[Job], workers: int, description: str) -> list[Any]:
    """Calls a module-level function on every job; the results are in the order of the jobs.

    Workers are spawned, so the calling program needs the `if __name__ == "__main__"` guard. An exception in a job, and
    Ctrl-C, cancel what has not begun, wait for what has, and are raised here.
    """
    with _progress() as progress:
        task = progress.add_task(description, total=len(jobs))
        if workers == 1 or len(jobs) <= 1:
            return [_advanced(function(job), progress, task) for job in jobs]
        pool = ProcessPoolExecutor(min(workers, len(jobs)), multiprocessing.get_context("spawn"))
        try:
            with _single_threaded_children(), _interrupts_left_to_the_parent():
                futures = [pool.submit(function, job) for job in jobs]
            pending: set[Future] = set(futures)
            while pending:
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                for future in done:
                    _advanced(future.result(), progress, task)
            return [future.result() for future in futures]
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _advanced(result: Any, progress: Progress, task: Any) -> Any:
    progress.advance(task)
    return result


def _progress() -> Progress:
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    return Progress(TextColumn("{task.description}"), *columns, console=Console(stderr=True))


@contextmanager
def _interrupts_left_to_the_parent() -> Iterator[None]:
    """Processes begun in this block ignore Ctrl-C: the parent answers it, and they finish the object at hand."""
    if threading.current_thread() is not threading.main_thread():
        yield  # other threads may not change how signals are answered, and do not get Ctrl-C either
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _single_threaded_children() -> Iterator[None]:
    """Processes are the parallelism; linear algebra threads on top would fight for the same cores."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name)
            else:
                os.environ[name] = value
