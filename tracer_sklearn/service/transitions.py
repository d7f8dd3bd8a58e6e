"""How the state of a run changes: from one state to the next, without touching anything else."""

from __future__ import annotations

import builtins
import secrets
import threading
import time
import uuid
from typing import Any

from tracer_sklearn import exceptions
from tracer_sklearn.exceptions import RunError
from tracer_sklearn.service.jobs import Outcome
from tracer_sklearn.service.states import (
    STAGES,
    OutputState,
    RunFailure,
    RunState,
    RunStatus,
    StageState,
    now,
)

__all__ = [
    "begun",
    "cancelled",
    "error_of",
    "failed",
    "finished",
    "new_run_id",
    "next_attempt",
    "share_done",
    "with_stage",
]

_LAST_STAMP = [0]
_STAMP_LOCK = threading.Lock()


def new_run_id() -> str:
    """Return a UUID of version 7: unique, and later ones are greater."""
    with _STAMP_LOCK:
        # milliseconds since 1970 and 12 bits of the fraction below, never the same twice here
        stamp = max((time.time_ns() << 12) // 1_000_000, _LAST_STAMP[0] + 1)
        _LAST_STAMP[0] = stamp
    random = secrets.randbits(62)
    value = (stamp >> 12) << 80 | 0x7 << 76 | (stamp & 0xFFF) << 64 | 0b10 << 62 | random
    return str(uuid.UUID(int=value))


def begun(state: RunState) -> RunState:
    """Return the state of a run that a thread has taken up."""
    return state.model_copy(update={"status": RunStatus.IN_PROGRESS, "started_at": now()})


def next_attempt(state: RunState) -> RunState:
    """Return the state at the start of another attempt, with fresh stages."""
    fresh: dict[str, Any] = {name: RunState.model_fields[name].default for name in STAGES}
    fresh["output"] = OutputState(path=state.output.path)
    return state.model_copy(update={**fresh, "attempts": state.attempts + 1, "error": None})


def with_stage(state: RunState, name: str, told: str) -> RunState:
    """Return the state with what a worker told of a stage."""
    kind = type(getattr(state, name))
    stage = kind.model_validate_json(told)
    if name == "output" and stage.path is None:  # it stays known where the output would be
        stage = stage.model_copy(update={"path": state.output.path})
    return state.model_copy(update={name: stage})


def finished(state: RunState, outcome: Outcome) -> RunState:
    """Return the state of a run whose last attempt had this outcome."""
    if outcome.error is not None:
        return failed(state, outcome.error, outcome)
    update = _of_outcome(state, outcome) | _at_the_end(state, RunStatus.COMPLETED)
    return state.model_copy(update=update)


def failed(state: RunState, failure: RunFailure, outcome: Outcome | None = None) -> RunState:
    """Return the state of a run that failed; the stage under way failed with it."""
    if outcome is not None:
        state = state.model_copy(update=_of_outcome(state, outcome))
    name = _under_way(state)
    if failure.stage is None and name is not None:
        failure = failure.model_copy(update={"stage": name})
    update = _at_the_end(state, RunStatus.FAILED) | {"error": failure, "pipeline_path": None}
    return state.model_copy(update=update | _stage_ends(state, RunStatus.FAILED, failure))


def cancelled(state: RunState, why: str) -> RunState:
    """Return the state of a run that was cancelled; the stage under way was, too."""
    failure = RunFailure(
        category="processing", type="Cancelled", message=why, stage=_under_way(state)
    )
    update = _at_the_end(state, RunStatus.CANCELLED) | {"error": failure, "pipeline_path": None}
    return state.model_copy(update=update | _stage_ends(state, RunStatus.CANCELLED, failure))


def share_done(state: RunState) -> float:
    """Return how much of a run is done, in [0, 1]: of its stages, each counts the same."""
    if state.status.is_final:
        return 1.0
    wanted = [name for name in STAGES if name != "training" or state.config.get("target_column")]
    done = sum(getattr(state, name).status is RunStatus.COMPLETED for name in wanted)
    return done / len(wanted)


def error_of(state: RunState) -> RunError:
    """Return the error that a run without a result raises, with its cause."""
    failure = state.error
    if failure is None:  # it goes on
        message = (
            f"run {state.run_id} of {state.source!r}: it must have ended, it is {state.status}; "
            "wait for its end."
        )
        return RunError(message, run_id=state.run_id, state=state)
    stage = "" if failure.stage is None else f" in {failure.stage}"
    message = f"run {state.run_id} of {state.source!r} {state.status}{stage}: {failure.message}"
    error = RunError(message, run_id=state.run_id, stage=failure.stage, state=state)
    error.__cause__ = _cause_of(failure)
    return error


def _cause_of(failure: RunFailure) -> Exception:
    """Return an error of the class that ended the work, as far as it is known here."""
    names = {"Timeout": TimeoutError, "MemoryLimit": MemoryError, "WorkerLost": ConnectionError}
    kind = names.get(failure.type)
    for module in (exceptions, builtins):
        kind = kind or getattr(module, failure.type, None)
    if isinstance(kind, type) and issubclass(kind, Exception):
        try:
            return kind(failure.message)
        except TypeError:  # an error that wants more than a message
            pass
    return RuntimeError(f"{failure.type}: {failure.message}")


def _of_outcome(state: RunState, outcome: Outcome) -> dict[str, Any]:
    """Return what an outcome knows; stages that it does not know keep what they told."""
    known: dict[str, Any] = {
        name: stage for name in STAGES if (stage := getattr(outcome, name)).attempts
    }
    if "output" in known and known["output"].path is None:
        known["output"] = known["output"].model_copy(update={"path": state.output.path})
    for name in ("pipeline_path", "source_checksum", "source_bytes"):
        value = getattr(outcome, name)
        if value is not None:
            known[name] = value
    return known


def _under_way(state: RunState) -> str | None:
    for name, stage in state.stages.items():
        if stage.status is RunStatus.IN_PROGRESS:
            return name
    return None


def _stage_ends(state: RunState, status: RunStatus, failure: RunFailure) -> dict[str, Any]:
    name = _under_way(state)
    if name is None:
        return {}
    stage: StageState = getattr(state, name)
    seconds = 0.0 if stage.started_at is None else (now() - stage.started_at).total_seconds()
    update = {"status": status, "error": failure, "seconds": max(0.0, seconds)}
    return {name: stage.model_copy(update=update)}


def _at_the_end(state: RunState, status: RunStatus) -> dict[str, Any]:
    end = now()
    start = state.started_at or end
    return {
        "status": status,
        "finished_at": end,
        "seconds": max(0.0, (end - start).total_seconds()),
    }
