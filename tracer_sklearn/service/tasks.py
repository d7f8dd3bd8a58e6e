"""One run as it is asked for, as it goes on and as it ended, and what it is told to."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from tracer_sklearn.service.config import PipelineConfig
from tracer_sklearn.service.locks import Cancelled
from tracer_sklearn.service.states import RunEvent, RunState, StageState, now
from tracer_sklearn.service.transitions import share_done

__all__ = [
    "Finished",
    "Ledger",
    "Memory",
    "Observer",
    "OnEvent",
    "Run",
    "Task",
    "Trail",
    "event_of",
]

OnEvent = Callable[[RunEvent], object]
Observer = Callable[[RunEvent, RunState], object]


class Ledger(Protocol):
    """What keeps the states of runs: `RunStore`, or something like it."""

    def create(self, state: RunState) -> None:
        """Keep a new run."""

    def save(self, state: RunState) -> None:
        """Keep what a run has become."""

    def get(self, run_id: str) -> RunState:
        """Return a run."""

    def heartbeat(self) -> None:
        """Say that this process lives."""

    def recover(self) -> list[RunState]:
        """Mark the runs of dead processes FAILED, and return them."""


class Trail(Protocol):
    """What keeps the audit trail: `AuditTrail`, or something like it."""

    def append(
        self,
        action: str,
        *,
        run_id: str | None,
        principal: str,
        blueprint: str | None,
        details: Mapping[str, str | int | float | bool | None] | None,
    ) -> object:
        """Add an entry."""


class Memory(Protocol):
    """What remembers results of earlier runs."""

    def recall(self, task: Task, state: RunState, check: Callable[[], None]) -> Finished | None:
        """Return the result of the same work, as that of this run."""

    def remember(self, task: Task, done: Finished) -> None:
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
    data_checksum : str or None
        SHA-256 of that file, where the worker left one.
    """

    state: RunState
    data: Any = None
    data_checksum: str | None = None


@dataclass(eq=False)
class Run:
    """A run under way."""

    task: Task
    state: RunState
    future: Future[Finished] = field(default_factory=Future)
    # Set when it shall stop; asked for at every place where it may wait.
    stop: threading.Event = field(default_factory=threading.Event)
    why: str = "the run was cancelled."
    lock: threading.Lock = field(default_factory=threading.Lock)
    is_taken: bool = False

    def __post_init__(self) -> None:
        self.future.set_running_or_notify_cancel()  # a waiter that goes away cancels nothing

    def take(self) -> bool:
        """Make the caller the one who brings it to its end; False where there is one."""
        with self.lock:
            is_mine, self.is_taken = not self.is_taken, True
        return is_mine

    def check(self) -> None:
        """Raise where it shall stop."""
        if self.stop.is_set():
            raise Cancelled


def event_of(
    state: RunState,
    kind: Literal["run", "stage", "retry"] = "run",
    message: str = "",
    stage: str | None = None,
) -> RunEvent:
    """Return the event that tells where a run, or a stage of it, stands."""
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
