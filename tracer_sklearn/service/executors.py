"""Jobs through any `concurrent.futures.Executor`, on this machine or on a cluster.

What an executor runs drives a worker process of its own, so that limits of time and memory stop
the work wherever it is. A cancel and the events go through files in the run's folder, which all
machines must see.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Executor, Future, wait
from pathlib import Path
from typing import Any

from tracer_sklearn._params import fail
from tracer_sklearn.service.jobs import Outcome
from tracer_sklearn.service.workers import GLANCE_SECONDS, StageHeard, WorkerPool, stopped

__all__ = ["check_executor", "rest_own_workers", "run_by_executor", "run_in_worker"]

CANCEL_MARK = "cancel"
# How long a cancelled job may take to say that its worker is dead.
_ACKNOWLEDGED_SECONDS = 1.5

_POOLS: dict[tuple[int, str | None], WorkerPool] = {}
_POOLS_LOCK = threading.Lock()


def check_executor(who: str, executor: object) -> None:
    """Require None or an executor."""
    if executor is not None and not isinstance(executor, Executor):
        must = "a concurrent.futures.Executor or None"
        advice = "pass a ProcessPoolExecutor, or `get_executor()` of a Dask client"
        raise fail(who, "executor", must, executor, advice)


def run_in_worker(
    job: str,
    folder: str,
    attempt: int,
    timeout_seconds: float,
    memory_mb: float,
    perform: str | None = None,
) -> str:
    """Do a job in a worker of this process; what an executor is given to run.

    Parameters
    ----------
    job : str
        A `Job` as JSON.
    folder : str
        The run's folder. Where it is gone, the run has ended without waiting for this.
    attempt : int
        Which attempt it is: each tells its events in a file of its own.
    timeout_seconds, memory_mb : float
        Limits of the worker.
    perform : str or None, default=None
        ``module:function`` in place of `work.perform`, for tests.

    Returns
    -------
    str
        An `Outcome` as JSON.
    """
    mark, told, over = _files(folder, attempt)
    try:
        events = told.open("ab", buffering=0)
    except FileNotFoundError:
        return stopped("Cancelled", "run: it was cancelled.").model_dump_json()

    def cancelled() -> bool:
        # the folder is gone where the run's own process died, and the next one cleared up
        return mark.exists() or not told.exists()

    def on_stage(stage: str, state: str) -> None:
        events.write(json.dumps([stage, state]).encode() + b"\n")

    try:
        with events:
            outcome = _own_pool(perform).run(
                job,
                on_stage=on_stage,
                cancelled=cancelled,
                timeout_seconds=timeout_seconds,
                memory_mb=memory_mb,
            )
    finally:
        with contextlib.suppress(OSError):
            over.touch()
    return outcome.model_dump_json()


def run_by_executor(
    executor: Executor,
    job: str,
    *,
    folder: str,
    attempt: int,
    on_stage: StageHeard,
    cancelled: Callable[[], bool],
    timeout_seconds: float,
    memory_mb: float,
    perform: str | None = None,
) -> Outcome:
    """Do a job through an executor, as `WorkerPool.run` does it here."""
    mark, told, over = _files(folder, attempt)
    future: Future[str] = executor.submit(
        run_in_worker, job, folder, attempt, timeout_seconds, memory_mb, perform
    )
    heard = 0
    while True:
        if cancelled():
            mark.touch()
            future.cancel()
            deadline = time.monotonic() + _ACKNOWLEDGED_SECONDS
            while told.exists() and not over.exists() and time.monotonic() < deadline:
                time.sleep(GLANCE_SECONDS / 2)
            return stopped("Cancelled", "run: it was cancelled.")
        wait([future], GLANCE_SECONDS)
        is_done = future.done()  # asked before reading: what it told last is still heard
        heard = _tell(told, heard, on_stage)
        if not is_done:
            continue
        try:
            answer = future.result()
        except (Exception, CancelledError) as error:  # a broken pool, a cluster that gave up
            return _lost(error)
        return Outcome.model_validate_json(answer)


def rest_own_workers() -> None:
    """Stop the workers that jobs of executors left resting in this process."""
    with _POOLS_LOCK:
        pools = [pool for (pid, _), pool in _POOLS.items() if pid == os.getpid()]
    for pool in pools:
        pool.dismiss_resting()


def _own_pool(perform: str | None) -> WorkerPool:
    key = (os.getpid(), perform)  # a fork has no use for the workers of its parent
    with _POOLS_LOCK:
        if key not in _POOLS:
            _POOLS[key] = WorkerPool(perform=perform)
        return _POOLS[key]


def _files(folder: str, attempt: int) -> tuple[Path, Path, Path]:
    here = Path(folder)
    return here / CANCEL_MARK, here / f"told-{attempt}.jsonl", here / f"over-{attempt}"


def _tell(told: Path, heard: int, on_stage: StageHeard) -> int:
    """Tell the whole lines that were added behind the first ``heard`` bytes."""
    try:
        with told.open("rb") as file:
            file.seek(heard)
            added = file.read()
    except FileNotFoundError:
        return heard
    whole = added[: added.rfind(b"\n") + 1]
    for line in whole.splitlines():
        on_stage(*json.loads(line))
    return heard + len(whole)


def _lost(error: Any) -> Outcome:
    return stopped(
        "WorkerLost",
        "run: the executor must keep its workers until they answer, it raised "
        f"{type(error).__name__}; look at the executor's own logs.",
        transient=True,
    )
