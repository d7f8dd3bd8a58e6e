"""One run at a time for one output, over all threads and processes that share a state folder."""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tracer_sklearn.service._posix import fcntl

__all__ = ["Cancelled", "output_lock"]

_GLANCE_SECONDS = 0.05


class Cancelled(Exception):
    """The run was cancelled while it waited."""


@contextlib.contextmanager
def output_lock(folder: Path, target: str, cancelled: Callable[[], bool]) -> Iterator[None]:
    """Hold the lock of one output; wait until it is free, or until the run is cancelled.

    Locks belong to open files, so they exclude threads as well as processes, and the system gives
    up the lock of a process that dies.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    name = hashlib.sha256(os.path.realpath(target).encode()).hexdigest()[:32]
    path = folder / f"{name}.lock"
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if _is_locked(descriptor) and _is_still_at(path, descriptor):
                try:
                    yield
                finally:
                    with contextlib.suppress(FileNotFoundError):
                        path.unlink()  # whoever waits for the old file sees that it is gone
                return
        finally:
            os.close(descriptor)
        if cancelled():
            raise Cancelled
        time.sleep(_GLANCE_SECONDS)


def _is_locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_still_at(path: Path, descriptor: int) -> bool:
    """Tell whether the locked file is the one that the next run would open."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False
