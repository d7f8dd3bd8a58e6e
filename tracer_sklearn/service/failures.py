"""Errors become failures of a run: what kind, whether another try may help, and no values."""

from __future__ import annotations

import errno
import traceback
from pathlib import Path

from tracer_sklearn.exceptions import (
    DataError,
    IngestionError,
    MissingFieldsError,
    SchemaError,
    TracerError,
)
from tracer_sklearn.service.states import ErrorCategory, RunFailure

__all__ = ["failure_of"]

# What a moment later may be otherwise. A full disk, a missing file or a closed door is not.
_TRANSIENT = {
    errno.EAGAIN,
    errno.EBUSY,
    errno.EINTR,
    errno.EIO,
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOMEM,
    errno.ETIMEDOUT,
    getattr(errno, "ESTALE", errno.EIO),
}


# What is recorded, logged and answered: a message may name columns of any length.
_LONGEST = 4_000


def failure_of(error: BaseException, stage: str | None) -> RunFailure:
    """Return what is kept of an error.

    Messages of the package name columns and counts; those of other libraries may show cells, so
    only their class and place are kept.
    """
    return RunFailure(
        category=_category(error, stage),
        type=type(error).__name__,
        message=_message(error)[:_LONGEST],
        stage=stage,
        transient=_is_transient(error),
    )


def _category(error: BaseException, stage: str | None) -> ErrorCategory:
    if isinstance(error, MissingFieldsError | SchemaError):
        return "compatibility"
    if isinstance(error, IngestionError) or stage == "ingestion":
        return "ingestion"
    if isinstance(error, DataError) or stage == "validation":
        return "validation"
    return "processing"


def _message(error: BaseException) -> str:
    if isinstance(error, TracerError):
        return str(error)
    if isinstance(error, MemoryError):
        return "the worker must get the memory that the table needs, it did not; free some."
    if isinstance(error, OSError) and error.errno is not None:
        where = "" if error.filename is None else f" {Path(str(error.filename)).name!r}"
        return f"the file system must serve the file{where}, it said: {error.strerror}."
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return (
        f"the work must end without an error, found {type(error).__name__}{place}; run the same "
        "file through the blueprint's pipeline in a notebook to see it."
    )


def _is_transient(error: BaseException) -> bool:
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, MemoryError) or (
            isinstance(seen, OSError) and seen.errno in _TRANSIENT
        ):
            return True
        seen = seen.__cause__
    return False
