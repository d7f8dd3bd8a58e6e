"""The process that does the work: jobs in, events and outcomes out, one JSON document a line.

It is started as ``python -m tracer_sklearn.service.worker`` and not through `multiprocessing`,
because scripts without a ``__main__`` guard, notebooks and daemonic processes must be able to
start it. It ends with the process that started it, however that one ends.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import gc
import importlib
import json
import os
import queue
import signal
import sys
import tempfile
import threading
from collections.abc import Callable
from typing import IO, Any

from tracer_sklearn.service.failures import failure_of
from tracer_sklearn.service.jobs import Emit, Job, Outcome
from tracer_sklearn.service.states import StageState

__all__ = ["main"]

PERFORM = "tracer_sklearn.service.work:perform"

# Imported while nobody waits: a job that comes later starts at once.
_PRELOADED = (
    "tracer_sklearn.blueprints",
    "tracer_sklearn.io.tables",
    "tracer_sklearn.io.writing",
    "tracer_sklearn.stages.parsing",
    "sklearn.ensemble",
    "sklearn.linear_model",
    "sklearn.model_selection",
    "skops.io",
)

Perform = Callable[[Job, Emit], Outcome]
Say = Callable[[dict[str, Any]], None]


def main(argv: list[str] | None = None) -> None:
    """Serve jobs until the pipe that brings them is closed."""
    parser = argparse.ArgumentParser(prog="python -m tracer_sklearn.service.worker")
    parser.add_argument("--parent", type=int, default=None)
    parser.add_argument("--perform", default=PERFORM)
    options = parser.parse_args(argv)
    _die_with(options.parent)
    jobs, answers = _private_pipes()

    lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(jobs, lines), daemon=True).start()

    def say(message: dict[str, Any]) -> None:
        answers.write(json.dumps(message).encode() + b"\n")
        answers.flush()

    perform = _found(options.perform)
    for name in _PRELOADED if options.perform == PERFORM else ():
        with contextlib.suppress(ImportError):  # of an optional package that the job may not need
            importlib.import_module(name)
    gc.collect()
    gc.freeze()  # modules live as long as the process: no collection need look at them again

    try:
        while True:
            say({"ready": os.getpid()})
            line = lines.get()
            say({"taken": os.getpid()})
            outcome = _performed(perform, line, say)
            say({"outcome": outcome.model_dump_json()})
            _give_memory_back()
    except BrokenPipeError:  # nobody listens any more
        os._exit(1)


def _performed(perform: Perform, line: bytes, say: Say) -> Outcome:
    def emit(stage: str, state: StageState) -> None:
        say({"stage": stage, "state": state.model_dump_json()})

    try:
        job = Job.model_validate_json(line)
        tempfile.tempdir = job.folder  # whatever is left there goes with the folder
        return perform(job, emit)
    except BrokenPipeError:
        raise
    except Exception as error:
        return Outcome(error=failure_of(error, None))  # a defect, or the machine


def _found(name: str) -> Perform:
    module, _, function = name.partition(":")
    found: Perform = getattr(importlib.import_module(module), function)
    return found


# --------------------------------------------------------------------------------- the process


def _die_with(parent: int | None) -> None:
    """End with the parent, also while native code keeps every thread of this process waiting."""
    if parent is None:
        return
    if sys.platform == "linux":
        set_parent_death_signal = 1
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before the line above
        os._exit(1)


def _private_pipes() -> tuple[IO[bytes], IO[bytes]]:
    """Take the pipes away from what runs here: it may print and read as it likes."""
    jobs, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1):
        os.dup2(nothing, standard)
    os.close(nothing)
    return jobs, answers


def _listen(jobs: IO[bytes], lines: queue.SimpleQueue[bytes]) -> None:
    for line in jobs:
        lines.put(line)
    # Closed: the parent dismisses this worker, or is dead. Nobody waits for what is under way.
    os._exit(0)


def _give_memory_back() -> None:
    """Return freed memory to the system, so that a worker at rest is small."""
    gc.collect()
    arrow = sys.modules.get("pyarrow")
    if arrow is not None:
        arrow.default_memory_pool().release_unused()
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)  # of glibc


if __name__ == "__main__":
    main()
