"""Reading a file batch by batch, with formats frozen from its first rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Generator, Iterator, Sequence
from types import TracebackType
from typing import Any, Self

import polars as pl
import pyarrow as pa

from tracer_sklearn._text import apply_format
from tracer_sklearn.exceptions import IngestionError
from tracer_sklearn.io._asked import Asked
from tracer_sklearn.io._columns import describe, holds_nothing, recounted, widened
from tracer_sklearn.io._opening import open_table
from tracer_sklearn.io._rows import Piece
from tracer_sklearn.io._source import AnySource, Source, open_source
from tracer_sklearn.io._table import (
    Learning,
    as_library,
    as_text,
    first_cell,
    learn_columns,
    report_of,
    text_schema,
    warn,
)
from tracer_sklearn.io.limits import AnyLimits, IngestionLimits, limits_of
from tracer_sklearn.io.report import ColumnReport, IngestionReport

# formats are learnt from so many rows, however large the batches are
LEARNING_ROWS = 100_000


@dataclasses.dataclass(frozen=True)
class Known:
    """What a first look at a file found out."""

    encoding: str
    learning: Learning


def open_batches(
    source: AnySource,
    question: Asked,
    limits: AnyLimits,
    rows: int,
    learning: Learning | None = None,
    wanted: Sequence[str] | None = None,
) -> CsvBatches:
    """Open a file for reading in batches; it is closed with them."""
    limits = limits_of(limits, default=IngestionLimits(max_bytes=None))
    if learning is not None and wanted is not None:
        learning = learning.only(wanted)
    opened = open_source(source, limits, checksum="while_reading")
    try:
        return CsvBatches(opened, question, rows, learning)
    except BaseException:
        opened.close()
        raise


class CsvBatches:
    """The batches of a file, one after the other, with the account of what was read so far.

    `iter_csv` makes it. It is an iterator of frames and a context manager; leaving it, or
    reading to the end, closes the file.
    """

    def __init__(
        self, source: Source, asked: Asked, rows: int, learning: Learning | None = None
    ) -> None:
        self._source = source
        self._asked = asked
        self._rows = rows
        self._learning = learning
        self._columns: dict[str, ColumnReport] = {}
        self._typed_rows = 0
        self._bytes = 0
        self._opened = open_table(source, asked.words, whole=False)
        self._asked.chosen(self._opened.shape.names)
        self._batches = self._made()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        """Return the next batch."""
        return as_library(self.next_frame(), self._asked.library)

    def next_frame(self) -> pl.DataFrame:
        """Return the next batch as a Polars frame."""
        try:
            return next(self._batches)
        except BaseException:
            self.close()
            raise

    @property
    def report(self) -> IngestionReport:
        """What was read so far; complete when the last batch was given."""
        dropped = self._learning.dropped if self._learning else ()
        return report_of(self._opened, self._columns, dropped, self._bytes, self._bytes)

    def learning(self) -> tuple[Known, pl.DataFrame]:
        """Return what the first rows teach, and their frame."""
        first = self.next_frame()
        assert self._learning is not None
        return Known(self._opened.guess.name, self._learning), first

    def close(self) -> None:
        """Close the file; the report stays."""
        self._batches.close()
        self._source.close()

    def _made(self) -> Generator[pl.DataFrame, None, None]:
        tables = self._regrouped(self._opened.pieces())
        for text in tables:
            learning = self._learning or self._learn(text)
            yield from (
                self._typed(text.slice(at, self._rows), learning)
                for at in range(0, max(1, text.height), self._rows)
            )
        report = self.report
        warn(self._asked.who, report, self._learning.undecided if self._learning else {})

    def _regrouped(self, pieces: Iterator[Piece]) -> Iterator[pl.DataFrame]:
        """Yield text in groups of a whole number of batches; the first is learnt from."""
        held: list[pa.Table] = []
        size, first = 0, True
        width = self._opened.shape.width
        enough = max(LEARNING_ROWS, self._rows)
        for piece in pieces:
            held.append(piece.table)
            size += piece.rows
            if size >= (enough if first else self._rows):
                text = as_text(held, width)
                whole = size - size % self._rows
                yield text.head(whole)
                rest = text.tail(size - whole)
                held, size, first = [rest.to_arrow().cast(text_schema(width))], rest.height, False
        if size or first:
            yield as_text(held, width)

    def _learn(self, text: pl.DataFrame) -> Learning:
        self._learning = learn_columns(text.head(LEARNING_ROWS), self._opened, self._asked)
        return self._learning

    def _typed(self, text: pl.DataFrame, learning: Learning) -> pl.DataFrame:
        for at in learning.dropped:
            if not holds_nothing(text[str(at)]):
                raise IngestionError.from_reason(
                    self._source.name,
                    f"column {at + 1} has no name and no content in the first rows, but a cell "
                    "below holds something",
                    f"name it in `columns` as 'column_{at + 1}'",
                )
        values = []
        self._typed_rows += text.height
        found = self._opened.shape.found
        for name, place in learning.places.items():
            cells = text[place].alias(name)
            series = apply_format(cells, learning.learnt[name].format)
            known = self._columns.get(name)
            here = recounted(learning.learnt[name], cells, series)
            cell, original = first_cell(cells, series), found[int(place)]
            if known is None:
                self._columns[name] = describe(series, here, cell, original)
            else:
                self._columns[name] = widened(known, series, here, self._typed_rows)
            values.append(series)
        frame = pl.DataFrame(values)
        self._bytes += int(frame.estimated_size())
        chosen = self._asked.chosen(self._opened.shape.names)
        return frame.select(name for name in chosen if name in learning.places)
