"""The data set of a run as a file, complete or absent."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from typing import IO

import polars as pl

from tracer_sklearn._params import fail
from tracer_sklearn.io._atomic import written_whole
from tracer_sklearn.io.writing import write_csv

__all__ = ["check_output", "write_output"]

_WRITERS: dict[str, Callable[[pl.DataFrame, IO[bytes]], object]] = {
    ".parquet": lambda frame, file: frame.write_parquet(file),
    ".arrow": lambda frame, file: frame.write_ipc(file),
    ".feather": lambda frame, file: frame.write_ipc(file),
    ".csv": write_csv,
}


def check_output(path: str | os.PathLike[str]) -> str:
    """Return the path of an output, whole; refuse an ending that is not known."""
    ending = os.path.splitext(os.fspath(path))[1].lower()
    if ending not in _WRITERS:
        must = f"a path that ends in one of {', '.join(_WRITERS)}"
        raise fail("DataPipeline", "output", must, os.fspath(path))
    return os.path.realpath(os.fspath(path))


def write_output(
    frame: pl.DataFrame, path: str, first: Callable[[], object] | None = None
) -> tuple[int, str]:
    """Write a frame, atomically; return the size and the SHA-256 of the file.

    ``first`` is called before the file takes its place; where it raises, what stood there stays.
    """
    writer = _WRITERS[os.path.splitext(path)[1].lower()]
    with written_whole("DataPipeline", path) as file:
        writer(frame, file)
        if first is not None:
            first()
    with open(path, "rb") as written:
        digest = hashlib.file_digest(written, "sha256").hexdigest()
    return os.stat(path).st_size, digest
