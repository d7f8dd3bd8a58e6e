"""Data sets of runs: from the file that a worker left to the library that was asked for."""

from __future__ import annotations

import os
from typing import Any

import polars as pl
import pyarrow as pa

from tracer_sklearn.io._table import as_library

__all__ = ["data_set", "in_library"]


def data_set(source: str | os.PathLike[str] | bytes | memoryview) -> pl.DataFrame:
    """Open an Arrow file as a frame.

    A path is mapped, not read: the file may be unlinked at once, and its pages count as memory
    only while they are used.
    """
    if isinstance(source, bytes | memoryview):
        content = pa.BufferReader(source)
    else:
        content = pa.memory_map(os.fspath(source))
    frame = pl.from_arrow(pa.ipc.open_file(content).read_all())
    assert isinstance(frame, pl.DataFrame)
    return frame


def in_library(frame: pl.DataFrame, library: str) -> Any:
    """Return the frame in the library that was asked for."""
    return as_library(frame, library)
