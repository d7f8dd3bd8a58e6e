"""Keeping account of the stages of one attempt while it runs."""

from __future__ import annotations

import contextlib
import os
import sys
import time
import warnings
from collections.abc import Iterator
from typing import Any

from tracer_sklearn.exceptions import TracerWarning
from tracer_sklearn.service._posix import resource
from tracer_sklearn.service.failures import failure_of
from tracer_sklearn.service.jobs import Emit, Outcome
from tracer_sklearn.service.states import STAGES, RunFailure, RunStatus, StageState, now

__all__ = ["Recorder", "StageError"]


class StageError(Exception):
    """Carries what ended a stage to the end of the attempt; its cause is the error."""


class Recorder:
    """Holds the stages of an attempt, and tells of every change.

    Parameters
    ----------
    emit : callable
        Gets the name and the state of a stage, whenever it begins or ends. What it raises ends
        the attempt.
    attempt : int
        Which attempt this is.
    source, source_name : str, default=""
        Where the file lies, and how it is called: an upload lies in a folder of the server, which
        is nobody's business.
    """

    def __init__(self, emit: Emit, attempt: int, source: str = "", source_name: str = "") -> None:
        self.emit = emit
        self.attempt = attempt
        self.source = source
        self.source_name = source_name
        self._states: dict[str, StageState] = {}

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[dict[str, Any]]:
        """Run a stage; what is put into the mapping becomes part of its state."""
        empty: StageState = Outcome.model_fields[name].default
        begun = empty.model_copy(
            update={
                "status": RunStatus.IN_PROGRESS,
                "attempts": self.attempt,
                "started_at": now(),
            }
        )
        self._tell(name, begun)
        clock = time.perf_counter()
        found: dict[str, Any] = {}
        failed: BaseException | None = None
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                yield found
            except Exception as error:
                failed = error
        said = dict.fromkeys(self._named(str(w.message)) for w in caught if _is_ours(w))
        ended = {
            **found,
            "seconds": time.perf_counter() - clock,
            "memory_mb": peak_memory_mb(),
            "warnings": (*found.get("warnings", ()), *said),
            "status": RunStatus.COMPLETED if failed is None else RunStatus.FAILED,
            "error": None if failed is None else self._failure(failed, name),
        }
        self._tell(name, begun.model_copy(update=ended))
        if failed is not None:
            raise StageError(name) from failed

    def outcome(self, **known: Any) -> Outcome:
        """Return what became of the attempt."""
        failures = [state.error for state in self._states.values() if state.error is not None]
        error = failures[-1] if failures else None
        return Outcome.model_validate({**self._states, **known, "error": error})

    def _failure(self, error: BaseException, stage: str) -> RunFailure:
        failure = failure_of(error, stage)
        return failure.model_copy(update={"message": self._named(failure.message)})

    def _named(self, text: str) -> str:
        """Call the file by its name."""
        if not self.source or self.source == self.source_name:
            return text
        text = text.replace(self.source, self.source_name)
        lies = os.path.basename(self.source)
        return text if lies in self.source_name else text.replace(lies, self.source_name)

    def _tell(self, name: str, state: StageState) -> None:
        assert name in STAGES
        self._states[name] = state
        self.emit(name, state)


def _is_ours(caught: warnings.WarningMessage) -> bool:
    return issubclass(caught.category, TracerWarning)


def forget_peak_memory() -> None:
    """Begin to measure the peak anew, where the system can; a worker does many jobs."""
    with contextlib.suppress(OSError), open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def peak_memory_mb() -> float:
    """Return the peak memory of this process, in MB."""
    try:
        with open("/proc/self/status") as status:
            line = next(line for line in status if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024 / 1e6
    except (OSError, StopIteration):
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
