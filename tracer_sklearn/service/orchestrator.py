"""Runs from their start to their end: concurrency, retry, time-outs, cancellation, states."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import threading
import time
import weakref
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import replace
from pathlib import Path

from tracer_sklearn._params import check_integer, check_wait
from tracer_sklearn.exceptions import RunError
from tracer_sklearn.service.executors import check_executor
from tracer_sklearn.service.failures import failure_of
from tracer_sklearn.service.machinery import Machinery, Retrying
from tracer_sklearn.service.states import RunEvent, RunState
from tracer_sklearn.service.tasks import (
    Finished,
    Ledger,
    Memory,
    Observer,
    Run,
    Task,
    Trail,
    event_of,
)
from tracer_sklearn.service.transitions import begun, cancelled, failed
from tracer_sklearn.service.workers import WorkerPool

__all__ = ["PipelineOrchestrator"]

WHO = "PipelineOrchestrator"
_STARTING = threading.Lock()
_POLL_SECONDS = 0.5


class PipelineOrchestrator:
    """Run tasks in worker processes, a few at a time, and keep the account of each.

    `DataPipeline` stands before it and is what programs use. Use it alone where runs come from
    elsewhere, as from a queue of messages, and nothing else of `DataPipeline` is wanted.

    Parameters
    ----------
    store : RunStore
        Keeps the states.
    audit : AuditTrail or None, default=None
        Keeps who did what. None for no trail.
    state_dir : path
        Folder of working files, locks and fitted pipelines.
    max_concurrent : int >= 1, default=3
        Runs at once, each with a worker of its own. More wait, in the order they came.
    executor : concurrent.futures.Executor or None, default=None
        Where jobs are driven. None for threads of this process.
    attempts : int >= 1, default=3
        Most attempts at a run whose failure is transient: what fails three times seldom passes.
    first_wait_seconds : float >= 0, default=0.5
        The wait before the second attempt. Each is twice the one before, with a random part, so
        that runs that failed together do not come back together.
    longest_wait_seconds : float >= 0, default=30.0
        The most that is waited before any attempt, without the random part.
    memory : object or None, default=None
        Recalls results of the same work. None for none.
    observers : sequence of callable, default=()
        Each gets every `RunEvent` and the `RunState` then, in the thread that runs the task.
    on_worker : callable or None, default=None
        Gets the number of a worker, its memory in MB and its seconds of computing, now and then.
    perform : str or None, default=None
        ``module:function`` in place of the work itself, for tests.

    Raises
    ------
    RunError
        By methods that take a task or a run, if it was not started or is closed.

    Notes
    -----
    A run is driven by a thread; an event loop only waits for it. An output is put in place before
    COMPLETED is recorded; after a crash in between, the run is FAILED and its output complete.

    A worker over its memory limit is no transient failure, because the limit is that of the worker
    alone: the same work would meet it again. A worker that the system's memory killer ended is a
    lost one, and tried again.

    Examples
    --------
    >>> import tempfile
    >>> from tracer_sklearn.service import PipelineOrchestrator, RunStore
    >>> with tempfile.TemporaryDirectory() as folder, RunStore.open(state_dir=folder) as store:
    ...     orchestrator = PipelineOrchestrator(store, state_dir=folder)
    ...     found_dead = orchestrator.start()
    ...     orchestrator.close()
    >>> found_dead
    []
    """

    def __init__(
        self,
        store: Ledger,
        audit: Trail | None = None,
        *,
        state_dir: str | os.PathLike[str],
        max_concurrent: int = 3,
        executor: Executor | None = None,
        attempts: int = 3,
        first_wait_seconds: float = 0.5,
        longest_wait_seconds: float = 30.0,
        memory: Memory | None = None,
        observers: Sequence[Observer] = (),
        on_worker: Callable[[int, float, float], object] | None = None,
        perform: str | None = None,
    ) -> None:
        self.store = store
        self.audit = audit
        self.state_dir = state_dir
        self.max_concurrent = max_concurrent
        self.executor = executor
        self.attempts = attempts
        self.first_wait_seconds = first_wait_seconds
        self.longest_wait_seconds = longest_wait_seconds
        self.memory = memory
        self.observers = observers
        self.on_worker = on_worker
        self.perform = perform
        self._parts: dict[str, Machinery] = {}

    # ------------------------------------------------------------------------------ its life

    def start(self) -> list[RunState]:
        """Mark runs of dead processes FAILED, clear what they left, and take tasks.

        Returns
        -------
        list of RunState
            The runs that were found dead; empty where it was started already.

        Raises
        ------
        ParameterError
            If ``max_concurrent``, ``executor``, ``attempts`` or one of the waits is not legal.
        StoreError
            If the store does not answer.
        """
        with _STARTING:
            if self._parts:
                return []
            self._check()
            machinery = Machinery(
                store=self.store,
                audit=self.audit,
                state_dir=Path(self.state_dir).absolute(),
                size=self.max_concurrent,
                executor=self.executor,
                retrying=Retrying(
                    self.attempts, self.first_wait_seconds, self.longest_wait_seconds
                ),
                memory=self.memory,
                observers=self.observers,
                perform=self.perform,
                pool=WorkerPool(
                    size=self.max_concurrent,
                    perform=self.perform,
                    environment=_threads(self.max_concurrent),
                    on_worker=self.on_worker,
                ),
            )
            dead = machinery.start()
            self._parts["machinery"] = machinery
            _STARTED.add(self)
            return dead

    def close(self, timeout_seconds: float = 0.0) -> None:
        """Wait for the runs under way, cancel those that are not done then, stop the workers.

        Parameters
        ----------
        timeout_seconds : float >= 0, default=0.0
            How long runs may take to end by themselves; 0 cancels at once.

        Raises
        ------
        ParameterError
            If ``timeout_seconds`` is negative or no finite number; nothing is closed then.
        """
        check_wait(f"{WHO}.close", "timeout_seconds", timeout_seconds)
        machinery = self._parts.get("machinery")
        if machinery is None:
            return
        with machinery.lock:
            machinery.closed.set()
            runs = list(machinery.runs.values())
        deadline = time.monotonic() + timeout_seconds
        for run in runs:
            with contextlib.suppress(Exception):
                run.future.result(max(0.0, deadline - time.monotonic()))
        for run in runs:
            self.cancel(run.state.run_id, "the service was closed.")
        for run in runs:
            with contextlib.suppress(Exception):
                run.future.result(5.0)
        machinery.stop()
        _STARTED.discard(self)
        self._parts.pop("machinery", None)

    # ------------------------------------------------------------------------------ its tasks

    def submit(self, task: Task) -> Future[Finished]:
        """Record a task as PENDING and let it run; from any thread, not from an event loop.

        Parameters
        ----------
        task : Task
            With the first ``state`` of the run, the ``path`` of the file, the ``config``, and
            ``on_event``, which gets every `RunEvent` in the thread that runs the task.

        Returns
        -------
        concurrent.futures.Future
            Holds the run, however it ended: its ``state``, and its ``data`` or None. It raises
            nothing of a run that failed.

        Raises
        ------
        ParameterError
            If there is a run of this id.
        StoreError
            If the store does not take it; nothing has begun then.
        """
        future = self.announce(task)
        self.enqueue(task.state.run_id)
        return future

    def announce(self, task: Task) -> Future[Finished]:
        """Record a task as PENDING whose file is still coming; `enqueue` or `give_up` follows.

        Parameters
        ----------
        task : Task
            As for `submit`.

        Returns
        -------
        concurrent.futures.Future
            As for `submit`.

        Raises
        ------
        ParameterError, StoreError
            As for `submit`.
        """
        machinery = self._machinery()
        run = Run(task, task.state)
        with machinery.lock:
            if machinery.closed.is_set():
                raise _unusable("open, it is closed; make another one", task.state.run_id)
            machinery.runs[run.state.run_id] = run
            machinery.events.open(run.state.run_id)
        try:
            self.store.create(run.state)
            machinery.note_created(run.state)
        except BaseException:
            machinery.runs.pop(run.state.run_id, None)
            machinery.events.end(run.state.run_id)
            raise
        machinery.tell_run(run)
        return run.future

    def enqueue(self, run_id: str, path: str | None = None) -> None:
        """Let an announced task run; it does nothing where the run was cancelled meanwhile.

        Parameters
        ----------
        run_id : str
            The run.
        path : str or None, default=None
            The file that has come; None for that of the task.
        """
        machinery = self._machinery()
        run = machinery.runs.get(run_id)
        if run is not None:  # otherwise it was cancelled
            if path is not None:
                run.task = replace(run.task, path=path)
            machinery.waiting.put(run)

    def give_up(self, run_id: str, error: BaseException) -> None:
        """End an announced task as FAILED: its file did not come.

        Parameters
        ----------
        run_id : str
            The run.
        error : Exception
            Why it did not; it becomes the ``error`` of the run's state.
        """
        machinery = self._machinery()
        run = machinery.runs.get(run_id)
        if run is not None and run.take():
            machinery.end(run, Finished(failed(begun(run.state), failure_of(error, "ingestion"))))

    def cancel(self, run_id: str, why: str = "the run was cancelled.") -> bool:
        """Stop a run wherever it is; from any thread, not from an event loop.

        Parameters
        ----------
        run_id : str
            The run.
        why : str, default="the run was cancelled."
            The message of the ``error`` of its state.

        Returns
        -------
        bool
            Whether there was something to stop. A run whose work is done completes.
        """
        machinery = self._machinery()
        run = machinery.runs.get(run_id)
        if run is None:
            return False
        with run.lock:
            if not run.stop.is_set():
                run.why = why
                run.stop.set()
        if run.take():  # it still waits for a thread: this one ends it
            machinery.end(run, Finished(cancelled(run.state, run.why)))
        return True

    def future(self, run_id: str) -> Future[Finished]:
        """Return what holds the end of a run, of one that has ended lately too.

        Parameters
        ----------
        run_id : str
            The run.

        Returns
        -------
        concurrent.futures.Future
            As for `submit`. Of a run that is not under way here it holds what the store says,
            without data.

        Raises
        ------
        ParameterError
            If there is no such run.
        """
        machinery = self._machinery()
        with machinery.lock:
            run, ended = machinery.runs.get(run_id), machinery.ended.get(run_id)
        if run is not None:
            return run.future
        future: Future[Finished] = Future()
        future.set_result(Finished(self.store.get(run_id)) if ended is None else ended)
        return future

    def elsewhere(self, run_id: str) -> RunState | None:
        """Return the state of a run that is under way, but not here.

        Parameters
        ----------
        run_id : str
            The run.

        Returns
        -------
        RunState or None
            What the store says; None of a run that has ended or is under way here.

        Raises
        ------
        ParameterError
            If there is no such run.
        """
        machinery = self._machinery()
        with machinery.lock:
            here = (machinery.runs, machinery.ended, machinery.unrecorded)
            if any(run_id in known for known in here):
                return None
        state = self.store.get(run_id)  # later: one that has just ended here is in the store now
        return None if state.status.is_final else state

    def release(self, run_id: str) -> None:
        """Hold the data set of an ended run no longer; those of the last fifty are held.

        Parameters
        ----------
        run_id : str
            The run; nothing happens where none is held.
        """
        self._machinery().ended.pop(run_id, None)

    async def events(self, run_id: str) -> AsyncIterator[RunEvent]:
        """Give what has happened to a run, then what happens, until it ends.

        Parameters
        ----------
        run_id : str
            The run. One of another process is looked up in the store, twice a second.

        Yields
        ------
        RunEvent
            One after the other.

        Raises
        ------
        ParameterError
            If there is no such run.
        """
        log = self._machinery().events
        if log.knows(run_id):
            async for event in log.follow(run_id):
                yield event
            return

        # of another process, or of long ago: what the store says, until it says the end
        state = await asyncio.to_thread(self.store.get, run_id)
        yield event_of(state)
        while not state.status.is_final:
            await asyncio.sleep(_POLL_SECONDS)
            before, state = state, await asyncio.to_thread(self.store.get, run_id)
            for name, stage in state.stages.items():
                if stage.status is not before.stages[name].status:
                    yield event_of(state, "stage", f"{name} {stage.status}", name)
            if state.status is not before.status:
                yield event_of(state)

    @property
    def worker_pids(self) -> list[int]:
        """Ids of the workers' processes; empty where it is not started."""
        machinery = self._parts.get("machinery")
        return [] if machinery is None else machinery.pool.pids

    def _close_if_mine(self) -> None:
        machinery = self._parts.get("machinery")
        if machinery is not None and machinery.pid == os.getpid():  # a fork leaves it alone
            self.close()

    def _machinery(self) -> Machinery:
        machinery = self._parts.get("machinery")
        if machinery is None:
            raise _unusable("started, it is not; call `start` first")
        return machinery

    def _check(self) -> None:
        check_integer(WHO, "max_concurrent", self.max_concurrent, low=1)
        check_integer(WHO, "attempts", self.attempts, low=1)
        check_executor(WHO, self.executor)
        check_wait(WHO, "first_wait_seconds", self.first_wait_seconds)
        check_wait(WHO, "longest_wait_seconds", self.longest_wait_seconds)


def _unusable(must: str, run_id: str | None = None) -> RunError:
    return RunError(f"{WHO}: it must be {must}.", run_id=run_id)


def _threads(n_workers: int) -> dict[str, str]:
    """Share the cores among the workers: threads that outnumber them wait for one another."""
    if "OMP_NUM_THREADS" in os.environ:
        return {}
    return {"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // n_workers))}


_STARTED: weakref.WeakSet[PipelineOrchestrator] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    """Cancel what is still under way when the program ends, so that its record says so."""
    for orchestrator in list(_STARTED):
        with contextlib.suppress(Exception):
            orchestrator._close_if_mine()
