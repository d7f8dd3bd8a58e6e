"""Queries prepared once and run on many frames.

Building the expressions of a rich stage costs twenty milliseconds whatever the rows; running
them on one row costs a third of one. So a stage builds its query in ``fit`` over a source
whose frame is put in at each run.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import narwhals.stable.v2 as nw
import polars as pl
from polars.io.plugins import register_io_source

# Optimizing a query takes as long as running it on few rows.
_FEW_ROWS = 1_000
_AS_WRITTEN = pl.QueryOptFlags.none()

Build = Callable[[nw.LazyFrame[Any]], nw.LazyFrame[Any]]


class _Source:
    """Where a query finds its frame.

    It knows nothing of the query: a cycle through Polars' side is one that Python's collector
    cannot see, and whatever is in it would stay for ever.
    """

    def __init__(self, frame: pl.DataFrame) -> None:
        self.frame = frame

    def scan(
        self,
        with_columns: list[str] | None,
        predicate: pl.Expr | None,
        n_rows: int | None,  # noqa: ARG002
        batch_size: int | None,  # noqa: ARG002
    ) -> Iterator[pl.DataFrame]:
        frame = self.frame if with_columns is None else self.frame.select(with_columns)
        yield frame if predicate is None else frame.filter(predicate)


class Plan:
    """A Polars query over one schema, with the frame left open.

    Parameters
    ----------
    schema : polars.Schema
        Names and dtypes of the frames to come.
    build : callable
        From a narwhals LazyFrame of that schema to the answer, as a narwhals LazyFrame.
    parameters : mapping of str to object
        The parameters that ``build`` may read.
    """

    def __init__(self, schema: pl.Schema, build: Build, parameters: Mapping[str, Any]) -> None:
        self._parameters = parameters
        self._source = _Source(pl.DataFrame(schema=schema))
        # one frame is in the source at a time; runs of several threads take turns
        self._turn = threading.Lock()
        scanned = register_io_source(self._source.scan, schema=schema)
        self._query: pl.LazyFrame = build(nw.from_native(scanned)).to_native()
        self.names = self._query.collect_schema().names()

    def is_for(self, parameters: Mapping[str, Any]) -> bool:
        """Tell whether these are the very objects that the query was built with."""
        then = self._parameters
        return then.keys() == parameters.keys() and all(then[k] is parameters[k] for k in then)

    def run(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return the answer for one frame."""
        if not self.names:
            return pl.DataFrame()
        with self._turn:
            self._source.frame = frame
            try:
                # the streaming engine would answer in pieces that have to be copied together
                if len(frame) <= _FEW_ROWS:
                    return self._query.collect(engine="in-memory", optimizations=_AS_WRITTEN)
                return self._query.collect(engine="in-memory")
            finally:
                self._source.frame = frame.clear()
