"""Reading a table of any format, told by its content: `read_table`."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Literal

import polars as pl

from tracer_sklearn._params import fail
from tracer_sklearn._text import ColumnFormat, Kind, Learnt, apply_format
from tracer_sklearn.exceptions import IngestionError, TracerError
from tracer_sklearn.io._asked import Asked, asked
from tracer_sklearn.io._columnar import read_columnar
from tracer_sklearn.io._columns import column_bytes, describe, learn_column, reduced_bytes
from tracer_sklearn.io._names import repeated_names, unique_names
from tracer_sklearn.io._opening import open_table
from tracer_sklearn.io._source import AnySource, Source, open_source
from tracer_sklearn.io._table import as_library, typed, warn
from tracer_sklearn.io.csv import Ingested
from tracer_sklearn.io.limits import AnyLimits
from tracer_sklearn.io.report import ColumnReport, IngestionReport, LineReport

__all__ = ["read_table"]

# how text is written, for `read_csv`; other formats have none of it
TEXT_OPTIONS = {
    "encoding": "auto",
    "delimiter": "auto",
    "header": "auto",
    "decimal": "auto",
    "on_bad_lines": "set_aside",
}


# What Polars and Python raise on types and dates that they do not know.
_UNUSABLE = (
    pl.exceptions.PolarsError,
    pl.exceptions.PanicException,
    ValueError,
    TypeError,
    OverflowError,
    NotImplementedError,
)


def read_table(
    source: AnySource,
    *,
    schema: Any = None,
    columns: Sequence[str] | Callable[[list[str]], Sequence[str]] | None = None,
    limits: AnyLimits = None,
    as_: Literal["pandas", "polars", "arrow"] = "pandas",
    **text: Any,
) -> Ingested:
    r"""Read a table from Parquet, Arrow, JSON lines or text, whichever the content is.

    Use it where users hand in files of any kind. Parquet, Arrow IPC (Feather 2) and JSON lines
    say their own types; anything else is text and goes to :func:`read_csv`, which is the better
    choice where only CSV is expected.

    Parameters
    ----------
    source : path, bytes or binary file
        As for :func:`read_csv`, compressed or not. The name of the file decides nothing.
    schema : schema, mapping, fitted ColumnParser, IngestionReport or None, default=None
        As for :func:`read_csv`. In formats with types of their own it is applied to columns of
        text.
    columns : list of str, callable or None, default=None
        The columns to read, in this order; None for all. A callable gets the names that the
        table has and returns those to read.
    limits : IngestionLimits, mapping or None, default=None
        What the file may cost, as for :func:`read_csv`; None for the defaults. Values count as
        they are in memory, so that a Parquet file which repeats one long text a million times is
        refused in time.
    as_ : {"pandas", "polars", "arrow"}, default="pandas"
        The library of the frame.
    **text
        ``encoding``, ``delimiter``, ``header``, ``decimal`` and ``on_bad_lines`` of
        :func:`read_csv`, for text only.

    Returns
    -------
    Ingested
        ``frame`` and ``report``. The report of a format without lines and dialect has None
        there; each row counts as one line.

    Raises
    ------
    IngestionError
        If the file is damaged, passes a limit or is none of these formats. It names the path
        and, in JSON lines, the line.
    SchemaError
        If a column that was asked for, or that a frozen format reads, is missing.
    ParameterError
        If an argument is not in its legal set, or an option of text meets another format.

    Notes
    -----
    Types stay as they are stored. Nested columns are kept, and no stage takes them. A JSON
    record that lacks a key is missing there; a column whose records disagree takes the type
    that holds all of its values.

    Examples
    --------
    >>> import tracer_sklearn as ts
    >>> frame, report = ts.read_table(b'{"id": 1, "spend": 2.5}\n{"id": 2}\n')
    >>> frame
       id  spend
    0   1    2.5
    1   2    NaN
    >>> report.format, report.columns["spend"].missing
    ('jsonl', 1)
    """
    if unknown := sorted(set(text) - set(TEXT_OPTIONS)):
        raise TypeError(f"read_table() got an unexpected keyword argument {unknown[0]!r}")
    options = TEXT_OPTIONS | text
    question = asked("read_table", schema=schema, columns=columns, library=as_, **options)
    with open_source(source, limits) as opened:
        if opened.format() == "text":
            frame, report = typed(open_table(opened, question.words, whole=True), question)
        else:
            for option in text:
                raise fail("read_table", option, "left out for this format", text[option])
            try:
                frame, report = _stored(opened, question)
            except TracerError:
                raise
            except _UNUSABLE as error:
                raise IngestionError.from_reason(
                    opened.name, f"it holds what no frame has ({error})", "write it without"
                ) from error
    return Ingested(as_library(frame, as_), report)


def _stored(source: Source, question: Asked) -> tuple[pl.DataFrame, IngestionReport]:
    """Read a format that says its own types; text may still have to be parsed."""
    began = time.perf_counter()
    format = source.format()
    table, blank = read_columnar(source, format)
    originals = table.column_names
    table = table.rename_columns(unique_names(originals))
    found = pl.DataFrame(pl.from_arrow(table))
    read = time.perf_counter()
    named = dict(zip(found.columns, originals, strict=True))
    values: list[pl.Series] = []
    columns: dict[str, ColumnReport] = {}
    for name in question.chosen(found.columns):
        series = found[name]
        if (wish := question.wishes.get(name)) is not None and series.dtype == pl.String:
            learnt = learn_column(series, wish, decimal="")
            made = apply_format(series, learnt.format)
        else:
            made, learnt = series, _as_stored(series)
        values.append(made)
        columns[name] = describe(made, learnt, _first_cell(series), named[name])
    frame = pl.DataFrame(values)
    before = sum(map(column_bytes, values))
    after = sum(reduced_bytes(series, columns[series.name]) for series in values)
    described = time.perf_counter()
    report = IngestionReport(
        source=source.name,
        size=source.size,
        compression=source.compression,
        format=format,
        checksum=source.checksum(),
        lines=LineReport(total=found.height + blank, rows=found.height, blank=blank),
        columns=columns,
        repeated_columns=repeated_names(originals, found.columns),
        memory_before=before,
        memory_after=min(before, after),
        timings={
            "read": read - began,
            "statistics": described - read,
            "checksum": time.perf_counter() - described,
        },
    )
    warn("read_table", report, {})
    return frame, report


def _as_stored(series: pl.Series) -> Learnt:
    missing = series.null_count()
    return Learnt(
        _format_of(series.dtype), f"stored as {series.dtype}", series.len() - missing, missing
    )


def _format_of(dtype: pl.DataType) -> ColumnFormat:
    """Return how such values would be written in text."""
    if dtype == pl.Date:
        return ColumnFormat("date", formats=("%Y-%m-%d",))
    if dtype == pl.Datetime:
        zoned = getattr(dtype, "time_zone", None) is not None
        moment = "%Y-%m-%dT%H:%M:%S" + ("%z" if zoned else "")
        return ColumnFormat("datetime", formats=(moment,), zoned=zoned)
    kinds: list[tuple[bool, Kind]] = [
        (dtype == pl.Boolean, "flag"),
        (dtype.is_integer(), "count"),
        (dtype.is_numeric(), "number"),
        (dtype in (pl.Categorical, pl.Enum), "category"),
    ]
    kind: Kind = next((kind for holds, kind in kinds if holds), "text")
    return ColumnFormat(kind, true=("true",), false=("false",))


def _first_cell(series: pl.Series) -> str:
    held = series.drop_nulls()
    return "" if held.is_empty() else str(held[0])
