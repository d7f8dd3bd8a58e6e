"""What drives runs: threads that take them up, attempts at the work, and the record of the end."""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tracer_sklearn.exceptions import MissingDependencyError, RunError
from tracer_sklearn.service.executors import rest_own_workers, run_by_executor
from tracer_sklearn.service.failures import failure_of
from tracer_sklearn.service.frames import data_set
from tracer_sklearn.service.happenings import EventLog
from tracer_sklearn.service.jobs import Job, Outcome
from tracer_sklearn.service.leftovers import Target, clear_attempt, clear_dead, clear_run
from tracer_sklearn.service.locks import Cancelled, output_lock
from tracer_sklearn.service.sources import Stamp, stamp_of
from tracer_sklearn.service.states import RunState, RunStatus, StageState
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
from tracer_sklearn.service.transitions import (
    begun,
    cancelled,
    failed,
    finished,
    next_attempt,
    with_stage,
)
from tracer_sklearn.service.workers import WorkerPool

__all__ = ["Machinery", "Retrying", "recovered"]

_LOGGER = logging.getLogger("tracer_sklearn.service")
# Ended runs whose data sets are held for those who come for them. They are mapped files.
_HELD = 50
# Silent processes of other machines are taken for dead after six of them.
HEARTBEAT_SECONDS = 10.0
# Processes that died are looked for every so many beats.
_BEATS_PER_RECOVERY = 6


@dataclass(frozen=True)
class Retrying:
    """When to try again what failed for a passing reason."""

    attempts: int = 3
    first_wait_seconds: float = 0.5
    longest_wait_seconds: float = 30.0


@dataclass(eq=False)
class Machinery:
    """Everything that the runs of an orchestrator share while it is started."""

    store: Ledger
    audit: Trail | None
    state_dir: Path
    size: int
    executor: Executor | None
    retrying: Retrying
    memory: Memory | None
    observers: Sequence[Observer]
    perform: str | None
    pool: WorkerPool
    events: EventLog = field(default_factory=EventLog)
    waiting: queue.SimpleQueue[Run | None] = field(default_factory=queue.SimpleQueue)
    runs: dict[str, Run] = field(default_factory=dict)
    ended: OrderedDict[str, Finished] = field(default_factory=OrderedDict)
    # Ends that could not be recorded, because the store was not there: tried again later.
    unrecorded: dict[str, RunState] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    closed: threading.Event = field(default_factory=threading.Event)
    pid: int = field(default_factory=os.getpid)

    # ------------------------------------------------------------------------------ its life

    def start(self) -> list[RunState]:
        """Clear up after dead processes, then take runs; return the runs that were found dead."""
        for name in ("work", "pipelines", "locks"):
            (self.state_dir / name).mkdir(parents=True, exist_ok=True, mode=0o700)
        dead = self.recover()
        # Daemons: a script that ends does not wait for runs that it forgot.
        for number in range(self.size):
            threading.Thread(target=self._serve, name=f"tracer-run-{number}", daemon=True).start()
        threading.Thread(target=self._keep_alive, name="tracer-heart", daemon=True).start()
        if self.executor is None:
            self.pool.warm()
        return dead

    def stop(self) -> None:
        """Let the threads and the workers go."""
        self.closed.set()
        for _ in range(self.size):
            self.waiting.put(None)
        self.pool.close()
        rest_own_workers()

    def recover(self) -> list[RunState]:
        """Mark runs of dead processes FAILED and clear what they left."""
        return recovered(self.store, self.audit, self.state_dir)

    def _serve(self) -> None:
        while (run := self.waiting.get()) is not None:
            try:
                self.execute(run)
            except BaseException as error:  # a thread less would be a run less, for ever
                _LOGGER.exception("run %s could not be ended", run.state.run_id)
                if not run.future.done():
                    self.end(run, Finished(failed(run.state, failure_of(_unforeseen(error), None))))

    def _keep_alive(self) -> None:
        beats = 0
        while not self.closed.wait(HEARTBEAT_SECONDS):
            beats += 1
            with tolerated("the store does not answer"):
                if self.runs:
                    self.store.heartbeat()
                self.record_unrecorded()
            if beats % _BEATS_PER_RECOVERY == 0:
                with tolerated("runs of dead processes stay as they are"):
                    self.recover()

    def record_unrecorded(self) -> None:
        """Record the ends that could not be recorded when they came."""
        for state in list(self.unrecorded.values()):
            self.record_end(state)

    def record_end(self, state: RunState) -> None:
        """Record the end of a run that did not complete."""
        self.store.save(state)
        self.note(f"run.{state.status.lower()}", state)
        self.unrecorded.pop(state.run_id, None)

    # ------------------------------------------------------------------------------ one run

    def execute(self, run: Run) -> None:
        """Bring a run to its end, however it ends."""
        if not run.take():  # cancelled while it waited
            return
        try:
            run.state = begun(run.state)
            self.store.save(run.state)
            self.note("run.started", run.state)
            self.tell_run(run)
            run.check()
            target = run.state.output.path
            if target is None:
                done = self._worked(run)
            else:
                with output_lock(self.state_dir / "locks", target, run.stop.is_set):
                    done = self._worked(run)
        except Cancelled:
            self.end(run, Finished(cancelled(run.state, run.why)))
        except BaseException as error:
            _LOGGER.debug("run %s failed", run.state.run_id, exc_info=True)
            self.end(run, Finished(failed(run.state, failure_of(error, None))))
        else:
            self.end(run, done)

    def _worked(self, run: Run) -> Finished:
        """Do the work, and record how it ended."""
        target = Target.before(run.state.output.path)
        try:
            done = self._recalled(run) or self._attempted(run)
            if done.state.status is RunStatus.COMPLETED:
                self.store.save(done.state)  # its output is in place by now
                self.note("run.completed", done.state)
            run.state = done.state
        except BaseException:
            target.restore()
            raise
        if run.state.status is not RunStatus.COMPLETED:
            target.restore()
        return done

    def _recalled(self, run: Run) -> Finished | None:
        """Return the result of the same work on the same bytes, where it is remembered."""
        if self.memory is None:
            return None
        try:
            return self.memory.recall(run.task, run.state, run.check)
        except Cancelled:
            raise
        except Exception as error:  # then the work is done again
            _LOGGER.warning("earlier results cannot be asked for: %s", type(error).__name__)
            return None

    def _attempted(self, run: Run) -> Finished:
        tenacity = _tenacity()

        def told(attempt: Any) -> None:
            outcome = attempt.outcome.result()
            self.note("run.retried", run.state, error_type=outcome.error.type)
            run.state = run.state.model_copy(update={"error": outcome.error})
            wait = attempt.next_action.sleep
            self.tell(
                run,
                "retry",
                f"attempt {run.state.attempts} failed: {outcome.error.type}; the "
                f"next one begins in {wait:.1f} seconds",
            )

        outcome: Outcome = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(self.retrying.attempts),
            wait=tenacity.wait_exponential(
                multiplier=self.retrying.first_wait_seconds, max=self.retrying.longest_wait_seconds
            )
            + tenacity.wait_random(0, self.retrying.first_wait_seconds),
            retry=tenacity.retry_if_result(_may_succeed_later),
            sleep=run.stop.wait,
            before_sleep=told,
            retry_error_callback=lambda attempt: attempt.outcome.result(),
        )(self._attempt, run, stamp_of(run.task.path))
        if outcome.error is not None and outcome.error.type == "Cancelled":
            raise Cancelled
        state = finished(run.state, outcome)
        data = None
        if state.status is RunStatus.COMPLETED and outcome.data_path is not None:
            data = data_set(outcome.data_path)
        return Finished(state, data, outcome.data_checksum)

    def _attempt(self, run: Run, stamp: Stamp | None) -> Outcome:
        run.check()
        if run.state.attempts:
            clear_attempt(run.state, self.state_dir)
        run.state = next_attempt(run.state)
        folder = self.state_dir / "work" / run.state.run_id
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        pipeline = self.state_dir / "pipelines" / f"{run.state.run_id}.skops"
        limits = run.task.config.limits
        job = Job(
            run_id=run.state.run_id,
            blueprint=run.state.blueprint,
            source=run.task.path,
            source_name=run.state.source,
            source_stamp=stamp,
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
            self.tell(run, "stage", f"{name} {stage.status}", name)

        options: dict[str, Any] = {
            "on_stage": on_stage,
            "cancelled": run.stop.is_set,
            "timeout_seconds": limits.timeout_seconds,
            "memory_mb": limits.memory_mb,
        }
        if self.executor is None:
            return self.pool.run(job.model_dump_json(), **options)
        return run_by_executor(
            self.executor,
            job.model_dump_json(),
            folder=str(folder),
            attempt=run.state.attempts,
            perform=self.perform,
            **options,
        )

    def end(self, run: Run, done: Finished) -> None:
        """Record the end of a run, clear what it left, and tell all who wait, whatever happens."""
        run.state = done.state
        run_id = done.state.run_id
        try:
            self._settle(run.task, done)
        finally:
            with self.lock:
                self.ended[run_id] = done
                self.runs.pop(run_id, None)
                while len(self.ended) > _HELD:
                    self.ended.popitem(last=False)
            try:
                self.tell_run(run)
            finally:
                self.events.end(run_id)
                run.future.set_result(done)

    def _settle(self, task: Task, done: Finished) -> None:
        state = done.state
        is_new = state.status is RunStatus.COMPLETED and not state.from_cache
        if self.memory is not None and is_new:
            with tolerated("its result is not remembered"):
                self.memory.remember(task, done)
        with tolerated("its working files stay until the next start"):
            clear_run(state, self.state_dir)
        if state.status is not RunStatus.COMPLETED:
            self.unrecorded[state.run_id] = state
            with tolerated("its end is not recorded; it is tried again"):
                self.record_end(state)

    def note_created(self, state: RunState) -> None:
        """Add to the audit trail that a run is in the store; it does not begin where that fails."""
        try:
            self.note("run.created", state)
        except BaseException as error:
            end = failed(begun(state), failure_of(error, None))
            self.unrecorded[state.run_id] = end  # it would seem to be PENDING for ever
            with tolerated("its end is not recorded; it is tried again"):
                self.record_end(end)
            raise

    def note(self, action: str, state: RunState, **details: Any) -> None:
        """Add to the audit trail what became of a run."""
        noted(self.audit, action, state, **details)

    def tell_run(self, run: Run) -> None:
        """Tell where a run stands."""
        self.tell(run, "run", f"run {run.state.status}")

    def tell(
        self,
        run: Run,
        kind: Literal["run", "stage", "retry"],
        message: str,
        stage: str | None = None,
    ) -> None:
        """Tell what happened to all who listen."""
        event = event_of(run.state, kind, message, stage)
        self.events.tell(event)
        if run.task.on_event is not None:
            with tolerated("a callback failed"):
                run.task.on_event(event)
        for observe in self.observers:
            with tolerated("an observer failed"):
                observe(event, run.state)


def recovered(store: Ledger, audit: Trail | None, state_dir: Path) -> list[RunState]:
    """Mark runs of dead processes FAILED, clear what they left, and note it."""
    dead = store.recover()
    for state in dead:
        clear_dead(state, state_dir)
        noted(audit, "run.recovered", state)
    return dead


def noted(audit: Trail | None, action: str, state: RunState, **details: Any) -> None:
    """Add to an audit trail, where there is one, what became of a run."""
    if audit is not None:
        if state.error is not None:
            details = {"error_type": state.error.type, "stage": state.error.stage, **details}
        audit.append(
            action,
            run_id=state.run_id,
            principal=state.principal,
            blueprint=state.blueprint,
            details={"status": str(state.status), "attempts": state.attempts, **details},
        )


def _unforeseen(error: BaseException) -> RunError:
    return RunError(
        f"run: the service must bring it to its end, it met {type(error).__name__}; look at the "
        "log, and run it again."
    )


def _may_succeed_later(outcome: Outcome) -> bool:
    return outcome.error is not None and outcome.error.transient


@contextlib.contextmanager
def tolerated(what: str) -> Iterator[None]:
    """Go on where something beside the run fails, and say so in the log."""
    try:
        yield
    except Exception as error:
        _LOGGER.warning("%s: %s", what, type(error).__name__)


def _tenacity() -> Any:
    try:
        import tenacity
    except ModuleNotFoundError:
        raise MissingDependencyError.from_extra("service", "service") from None
    return tenacity
