"""Runs from their start to their end: concurrency, retry, time-outs, cancellation, states."""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import shutil
import threading
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import tracer_sklearn
from tracer_sklearn._params import fail
from tracer_sklearn.exceptions import MissingDependencyError
from tracer_sklearn.service.config import PipelineConfig
from tracer_sklearn.service.executors import rest_own_workers, run_by_executor
from tracer_sklearn.service.failures import failure_of
from tracer_sklearn.service.frames import data_set
from tracer_sklearn.service.happenings import EventLog
from tracer_sklearn.service.jobs import Job, Outcome
from tracer_sklearn.service.leftovers import Target, clear_run, clear_strays
from tracer_sklearn.service.locks import Cancelled, output_lock
from tracer_sklearn.service.states import RunEvent, RunState, RunStatus, StageState, now
from tracer_sklearn.service.transitions import (
    begun,
    cancelled,
    failed,
    finished,
    next_attempt,
    share_done,
    with_stage,
)
from tracer_sklearn.service.workers import WorkerPool

__all__ = ["Finished", "PipelineOrchestrator", "Task"]

_LOGGER = logging.getLogger("tracer_sklearn.service")

OnEvent = Callable[[RunEvent], object]


class Ledger(Protocol):
    """What keeps the states of runs: `RunStore`, or something like it."""

    def create(self, state: RunState) -> None:
        """Keep a new run."""

    def save(self, state: RunState) -> None:
        """Keep what a run has become."""

    def get(self, run_id: str) -> RunState:
        """Return a run."""

    def recover(self) -> list[RunState]:
        """Mark the runs of dead processes FAILED, and return them."""


class Trail(Protocol):
    """What keeps the audit trail: `AuditTrail`, or something like it."""

    def append(self, action: str, **about: Any) -> object:
        """Add an entry."""


class Memory(Protocol):
    """What remembers results of earlier runs."""

    def recall(self, task: Task, state: RunState) -> Finished | None:
        """Return the result of the same work, as that of this run."""

    def remember(self, task: Task, done: Finished, folder: Path) -> None:
        """Keep a result."""


@dataclass(frozen=True)
class Task:
    """One run, as it is asked for.

    Parameters
    ----------
    state : RunState
        Its first state, PENDING.
    path : str
        The file.
    config : PipelineConfig
        What to do with it.
    on_event : callable or None
        Gets every `RunEvent` of it, in the thread that runs it.
    """

    state: RunState
    path: str
    config: PipelineConfig
    on_event: OnEvent | None = None


@dataclass(frozen=True)
class Finished:
    """A run that ended.

    Parameters
    ----------
    state : RunState
        As it ended.
    data : polars.DataFrame or None
        The data set, mapped from its file; None where there is none.
    """

    state: RunState
    data: Any = None


@dataclass(eq=False)
class _Run:
    task: Task
    state: RunState
    future: Future[Finished] = field(default_factory=Future)
    # Set when it shall stop; asked for at every place where it may wait.
    stop: threading.Event = field(default_factory=threading.Event)
    why: str = "the run was cancelled."
    lock: threading.Lock = field(default_factory=threading.Lock)
    is_taken: bool = False
    checksum: str | None = None

    def check(self) -> None:
        if self.stop.is_set():
            raise Cancelled


@dataclass(eq=False)
class _Machinery:
    """What runs share while an orchestrator is started."""

    pool: WorkerPool
    events: EventLog = field(default_factory=EventLog)
    waiting: queue.SimpleQueue[_Run | None] = field(default_factory=queue.SimpleQueue)
    runs: dict[str, _Run] = field(default_factory=dict)
    ended: OrderedDict[str, Finished] = field(default_factory=OrderedDict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    is_closed: bool = False


_STARTING = threading.Lock()
# Ended runs whose data sets are held for those who come for them. They are mapped files.
_HELD = 50


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
    max_concurrent : int, default=3
        Runs at once. More wait, in the order they came.
    executor : concurrent.futures.Executor or None, default=None
        Where jobs are driven. None for threads of this process.
    attempts : int, default=3
        Most attempts at a run whose failure is transient.
    first_wait_seconds, longest_wait_seconds : float, default=0.5 and 30.0
        The wait before the second attempt, and the most before any; each is twice the one before,
        with a random part, so that runs that failed together do not come back together.
    memory : object or None, default=None
        Recalls results of the same work. None for none.
    on_event : callable or None, default=None
        Gets every `RunEvent`, in the thread that runs the task.
    perform : str or None, default=None
        ``module:function`` in place of the work itself, for tests.

    Notes
    -----
    A run is driven by a thread; an event loop only waits for it. An output is put in place before
    COMPLETED is recorded; after a crash in between, the run is FAILED and its output complete.
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
        on_event: OnEvent | None = None,
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
        self.on_event = on_event
        self.perform = perform
        self._parts: dict[str, _Machinery] = {}

    # ------------------------------------------------------------------------------ its life

    def start(self) -> list[RunState]:
        """Mark runs of dead processes FAILED, clear what they left, and take tasks.

        Returns
        -------
        list of RunState
            The runs that were found dead; empty where it was started already.
        """
        with _STARTING:
            if self._parts:
                return []
            for name in ("work", "pipelines", "locks"):
                (Path(self.state_dir) / name).mkdir(parents=True, exist_ok=True, mode=0o700)
            dead = self.store.recover()
            for state in dead:
                clear_run(state, Path(self.state_dir), since=None)
                self._note("run.recovered", state)
            clear_strays(Path(self.state_dir), self.store)
            cores = os.cpu_count() or 1
            # pools of more threads than cores wait for one another
            share = str(max(1, cores // self.max_concurrent))
            environment = {} if "OMP_NUM_THREADS" in os.environ else {"OMP_NUM_THREADS": share}
            machinery = _Machinery(
                WorkerPool(
                    size=self.max_concurrent, perform=self.perform, environment=environment
                )
            )
            for number in range(self.max_concurrent):
                threading.Thread(
                    target=_serve,
                    args=(self, machinery),
                    name=f"tracer-run-{number}",
                    daemon=True,  # a script that ends does not wait for runs it forgot
                ).start()
            if self.executor is None:
                machinery.pool.warm()
            self._parts["machinery"] = machinery
            return dead

    def close(self, timeout_seconds: float = 0.0) -> None:
        """Wait for the runs under way, cancel those that are not done then, stop the workers.

        Parameters
        ----------
        timeout_seconds : float, default=0.0
            How long runs may take to end by themselves.
        """
        machinery = self._parts.get("machinery")
        if machinery is None:
            return
        with machinery.lock:
            machinery.is_closed = True
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
        for _ in range(self.max_concurrent):
            machinery.waiting.put(None)
        machinery.pool.close()
        rest_own_workers()
        self._parts.pop("machinery", None)

    # ------------------------------------------------------------------------------ its tasks

    def submit(self, task: Task) -> Future[Finished]:
        """Record a task as PENDING and let it run; from any thread, not from an event loop.

        Returns
        -------
        concurrent.futures.Future
            Holds the `Finished` run, however it ended. It never raises.
        """
        machinery = self._machinery()
        run = _Run(task, task.state)
        with machinery.lock:
            if machinery.is_closed:
                raise RuntimeError("PipelineOrchestrator: it must be open, it is closed; make one.")
            machinery.runs[run.state.run_id] = run
            machinery.events.open(run.state.run_id)
        try:
            self.store.create(run.state)
            self._note("run.created", run.state)
        except BaseException:
            machinery.runs.pop(run.state.run_id, None)
            machinery.events.end(run.state.run_id)
            raise
        self._tell_run(run)
        machinery.waiting.put(run)
        return run.future

    def cancel(self, run_id: str, why: str = "the run was cancelled.") -> bool:
        """Stop a run wherever it is; from any thread, not from an event loop.

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
            is_mine = not run.is_taken
            run.is_taken = True
        if is_mine:  # still waiting for a thread: this one ends it
            self._end(run, cancelled(run.state, run.why))
        return True

    def future(self, run_id: str) -> Future[Finished]:
        """Return what holds the end of a run, of one that has ended lately too."""
        machinery = self._machinery()
        with machinery.lock:
            run, ended = machinery.runs.get(run_id), machinery.ended.get(run_id)
        if run is not None:
            return run.future
        future: Future[Finished] = Future()
        future.set_result(Finished(self.store.get(run_id)) if ended is None else ended)
        return future

    def release(self, run_id: str) -> None:
        """Hold the data set of an ended run no longer."""
        self._machinery().ended.pop(run_id, None)

    async def events(self, run_id: str) -> AsyncIterator[RunEvent]:
        """Give what has happened to a run, then what happens, until it ends."""
        log = self._machinery().events
        if log.knows(run_id):
            async for event in log.follow(run_id):
                yield event
            return
        import asyncio

        state = await asyncio.to_thread(self.store.get, run_id)
        yield _event_of(state)

    @property
    def worker_pids(self) -> list[int]:
        """Processes of the workers."""
        machinery = self._parts.get("machinery")
        return [] if machinery is None else machinery.pool.pids

    # ------------------------------------------------------------------------------ one run

    def _execute(self, run: _Run) -> None:
        with run.lock:
            if run.is_taken:  # cancelled while it waited
                return
            run.is_taken = True
        data = None
        try:
            run.state = begun(run.state)
            self.store.save(run.state)
            self._note("run.started", run.state)
            self._tell_run(run)
            run.check()
            target = run.state.output.path
            if target is None:
                data = self._worked(run)
            else:
                with output_lock(Path(self.state_dir) / "locks", target, run.stop.is_set):
                    data = self._worked(run)
        except Cancelled:
            self._end(run, cancelled(run.state, run.why))
        except BaseException as error:
            _LOGGER.debug("run %s failed", run.state.run_id, exc_info=True)
            self._end(run, failed(run.state, failure_of(error, None)))
        else:
            self._end(run, run.state, data)

    def _worked(self, run: _Run) -> Any:
        """Do the work, record how it ended, and return the data set."""
        target = Target.before(run.state.output.path)
        try:
            recalled = None if self.memory is None else self.memory.recall(run.task, run.state)
            run.check()
            if recalled is None:
                recalled = self._attempted(run)
            if recalled.state.status is RunStatus.COMPLETED:
                self.store.save(recalled.state)  # its output is in place: see the class's notes
            run.state = recalled.state
        except BaseException:
            target.restore()
            raise
        if run.state.status is not RunStatus.COMPLETED:
            target.restore()
        return recalled.data

    def _attempted(self, run: _Run) -> Finished:
        tenacity = _tenacity()

        def told(attempt: Any) -> None:
            outcome = attempt.outcome.result()
            self._note("run.retried", run.state, error=outcome.error.type)
            wait = attempt.next_action.sleep
            self._tell(
                run, "retry", f"attempt {run.state.attempts} failed: {outcome.error.type}; the "
                f"next one begins in {wait:.1f} seconds"
            )

        outcome: Outcome = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(self.attempts),
            wait=tenacity.wait_exponential_jitter(
                initial=self.first_wait_seconds,
                max=self.longest_wait_seconds,
                jitter=self.first_wait_seconds,
            ),
            retry=tenacity.retry_if_result(_may_succeed_later),
            sleep=run.stop.wait,
            before_sleep=told,
            retry_error_callback=lambda attempt: attempt.outcome.result(),
        )(self._attempt, run)
        if outcome.error is not None and outcome.error.type == "Cancelled":
            raise Cancelled
        state = finished(run.state, outcome)
        data = None
        if state.status is RunStatus.COMPLETED and outcome.data_path is not None:
            data = data_set(outcome.data_path)
        return Finished(state, data)

    def _attempt(self, run: _Run) -> Outcome:
        run.check()
        machinery = self._machinery()
        run.state = next_attempt(run.state)
        folder = Path(self.state_dir) / "work" / run.state.run_id
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        pipeline = Path(self.state_dir) / "pipelines" / f"{run.state.run_id}.skops"
        limits = run.task.config.limits
        job = Job(
            run_id=run.state.run_id,
            blueprint=run.state.blueprint,
            source=run.task.path,
            source_name=run.state.source,
            source_checksum=run.state.source_checksum,
            config=run.task.config,
            fitted=run.state.fitted,
            output=run.state.output.path,
            folder=str(folder),
            pipeline_path=None if run.state.fitted else str(pipeline),
            attempt=run.state.attempts,
        )

        def on_stage(name: str, told: str) -> None:
            run.state = with_stage(run.state, name, told)
            stage: StageState = getattr(run.state, name)
            if stage.status is RunStatus.IN_PROGRESS:  # ends are saved with the next beginning
                self.store.save(run.state)
            self._tell(run, "stage", f"{name} {stage.status}", name)

        options: dict[str, Any] = {
            "on_stage": on_stage,
            "cancelled": run.stop.is_set,
            "timeout_seconds": limits.timeout_seconds,
            "memory_mb": limits.memory_mb,
        }
        if self.executor is None:
            return machinery.pool.run(job.model_dump_json(), **options)
        return run_by_executor(
            self.executor,
            job.model_dump_json(),
            folder=str(folder),
            attempt=run.state.attempts,
            perform=self.perform,
            **options,
        )

    def _end(self, run: _Run, state: RunState, data: Any = None) -> None:
        """Record the end of a run, clear what it left, and tell all who wait."""
        machinery = self._machinery()
        run.state = state
        since = state.started_at
        if state.status is RunStatus.COMPLETED:
            if self.memory is not None and not state.from_cache:
                with _tolerated("its result is not remembered"):
                    folder = Path(self.state_dir) / "work" / state.run_id
                    self.memory.remember(run.task, Finished(state, data), folder)
        with _tolerated("its working files stay until the next start"):
            clear_run(state, Path(self.state_dir), since=since)
        with _tolerated("its end is not recorded; the next start records it"):
            if state.status is not RunStatus.COMPLETED:
                self.store.save(state)
            self._note(f"run.{state.status.lower()}", state)
        with machinery.lock:
            machinery.ended[state.run_id] = Finished(state, data)
            machinery.runs.pop(state.run_id, None)
            while len(machinery.ended) > _HELD:
                machinery.ended.popitem(last=False)
        self._tell_run(run)
        machinery.events.end(state.run_id)
        run.future.set_result(Finished(state, data))

    # ------------------------------------------------------------------------------ telling

    def _machinery(self) -> _Machinery:
        machinery = self._parts.get("machinery")
        if machinery is None:
            raise RuntimeError("PipelineOrchestrator: it must be started; call `start` first.")
        return machinery

    def _note(self, action: str, state: RunState, **details: Any) -> None:
        if self.audit is not None:
            if state.error is not None:
                details = {"error": state.error.type, "stage": state.error.stage, **details}
            self.audit.append(
                action,
                run_id=state.run_id,
                principal=state.principal,
                blueprint=state.blueprint,
                details={"status": str(state.status), "attempts": state.attempts, **details},
            )

    def _tell_run(self, run: _Run) -> None:
        self._tell(run, "run", f"run {run.state.status}")

    def _tell(self, run: _Run, kind: Any, message: str, stage: str | None = None) -> None:
        event = _event_of(run.state, kind, message, stage)
        self._machinery().events.tell(event)
        for listener in (run.task.on_event, self.on_event):
            if listener is not None:
                with _tolerated("a callback failed"):
                    listener(event)


def _serve(orchestrator: PipelineOrchestrator, machinery: _Machinery) -> None:
    while (run := machinery.waiting.get()) is not None:
        try:
            orchestrator._execute(run)
        except BaseException as error:  # a thread less would be a run less, for ever
            _LOGGER.exception("run %s could not be ended", run.state.run_id)
            if not run.future.done():
                run.future.set_exception(error)


def _event_of(
    state: RunState, kind: Any = "run", message: str = "", stage: str | None = None
) -> RunEvent:
    about: StageState | RunState = state if stage is None else getattr(state, stage)
    return RunEvent(
        run_id=state.run_id,
        at=now(),
        kind=kind,
        status=about.status,
        stage=stage,
        state={} if stage is None else about.model_dump(mode="json"),
        share=share_done(state),
        message=message or f"run {state.status}",
    )


def _may_succeed_later(outcome: Outcome) -> bool:
    return outcome.error is not None and outcome.error.transient


@contextlib.contextmanager
def _tolerated(what: str) -> Any:
    """Go on where something beside the run fails, and say so in the log."""
    try:
        yield
    except Exception as error:
        _LOGGER.warning("%s: %s", what, type(error).__name__, exc_info=True)


def _tenacity() -> Any:
    try:
        import tenacity
    except ModuleNotFoundError:
        raise MissingDependencyError.from_extra("service", "service") from None
    return tenacity
