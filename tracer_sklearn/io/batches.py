"""Reading files larger than memory: `iter_csv` in batches, `scan_csv` as a lazy frame."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import polars as pl
from polars.io.plugins import register_io_source

from tracer_sklearn._params import check_integer
from tracer_sklearn.exceptions import InputTypeError
from tracer_sklearn.io._asked import asked
from tracer_sklearn.io._batching import LEARNING_ROWS, CsvBatches, open_batches
from tracer_sklearn.io._source import AnySource
from tracer_sklearn.io.limits import AnyLimits

__all__ = ["iter_csv", "scan_csv"]


def iter_csv(
    source: AnySource,
    *,
    rows: int = 100_000,
    schema: Any = None,
    encoding: str = "auto",
    delimiter: str = "auto",
    header: str | int | None = "auto",
    decimal: str = "auto",
    columns: Sequence[str] | Callable[[list[str]], Sequence[str]] | None = None,
    on_bad_lines: str = "set_aside",
    limits: AnyLimits = None,
    as_: str = "pandas",
) -> CsvBatches:
    r"""Read a file of any size in batches of rows, in bounded memory, as `read_csv` reads it.

    Use it where the table is larger than the memory, or is passed on batch by batch. Do not use
    it where the whole table is needed at once: :func:`read_csv` learns the formats of columns
    from all of their cells.

    Parameters
    ----------
    source : path, bytes or binary file
        A regular file, compressed or not. A file object that cannot seek is copied to a
        temporary file, because the file is read twice: for its encoding, then for its rows.
    rows : int, default=100000
        Rows of a batch, but for the last.
    schema : schema, mapping, fitted ColumnParser, IngestionReport or None, default=None
        What columns hold, as for `read_csv`. The report of an earlier file freezes all formats.
    encoding : str, default="auto"
        The encoding, as Python calls it.
    delimiter : str, default="auto"
        One character, or ", ".
    header : "auto", int or None, default="auto"
        The line of the header, from 1; None where there is none.
    decimal : {"auto", ".", ","}, default="auto"
        The decimal mark where a column leaves it open.
    columns : list of str, callable or None, default=None
        The columns to read, in this order; None for all. A callable gets the names that the
        table has and returns those to read.
    on_bad_lines : {"set_aside", "error"}, default="set_aside"
        What becomes of lines that are no rows.
    limits : IngestionLimits, mapping or None, default=None
        What the file may cost; None sets no limit of total size and keeps all others, and so does
        a mapping that does not name it.
    as_ : {"pandas", "polars", "arrow"}, default="pandas"
        The library of the frames.

    Returns
    -------
    CsvBatches
        An iterator of frames and a context manager; its ``report`` is complete at the end.

    Raises
    ------
    IngestionError
        As `read_csv`, and if a column without name that was empty in the first rows is not
        below.
    SchemaError
        If a column that was asked for is missing.
    ParameterError
        If an argument is not in its legal set.

    Warns
    -----
    DataQualityWarning
        At the end, as `read_csv`.

    Notes
    -----
    Formats are learnt from the first 100,000 rows and frozen: every batch has the same types,
    and a cell below that does not fit is missing and counted. Plain pandas has no integers with
    gaps: a batch with missing counts is float64 there. Memory: some blocks of 8 MiB and a batch.

    Examples
    --------
    >>> import tracer_sklearn as ts
    >>> with ts.iter_csv(b"n;day\n1;2024-01-31\n2;2024-02-01\n3;-\n", rows=2) as batches:
    ...     sizes = [len(batch) for batch in batches]
    >>> sizes, batches.report.lines.rows
    ([2, 1], 3)
    """
    check_integer("iter_csv", "rows", rows, low=1)
    question = asked(
        "iter_csv",
        schema=schema,
        encoding=encoding,
        delimiter=delimiter,
        header=header,
        decimal=decimal,
        columns=columns,
        on_bad_lines=on_bad_lines,
        library=as_,
    )
    return open_batches(source, question, limits, rows)


def scan_csv(
    source: str | os.PathLike[str] | bytes,
    *,
    schema: Any = None,
    encoding: str = "auto",
    delimiter: str = "auto",
    header: str | int | None = "auto",
    decimal: str = "auto",
    columns: Sequence[str] | Callable[[list[str]], Sequence[str]] | None = None,
    on_bad_lines: str = "set_aside",
    limits: AnyLimits = None,
) -> pl.LazyFrame:
    r"""Scan a file of any size: a Polars LazyFrame that reads it when it is collected.

    Use it in front of lazy stages, filters and aggregations over files larger than memory. Do
    not use it where the account of every line is needed: :func:`iter_csv` gives it.

    Parameters
    ----------
    source : path or bytes
        A regular file, compressed or not. It is opened at every collect.
    schema : schema, mapping, fitted ColumnParser, IngestionReport or None, default=None
        What columns hold, as for `read_csv`.
    encoding : str, default="auto"
        The encoding, as Python calls it.
    delimiter : str, default="auto"
        One character, or ", ".
    header : "auto", int or None, default="auto"
        The line of the header, from 1; None where there is none.
    decimal : {"auto", ".", ","}, default="auto"
        The decimal mark where a column leaves it open.
    columns : list of str, callable or None, default=None
        The columns to read, in this order; None for all. A callable gets the names that the
        table has and returns those to read.
    on_bad_lines : {"set_aside", "error"}, default="set_aside"
        What becomes of lines that are no rows.
    limits : IngestionLimits, mapping or None, default=None
        What the file may cost; None sets no limit of total size and keeps all others, and so does
        a mapping that does not name it.

    Returns
    -------
    polars.LazyFrame
        Its schema is fixed: formats are learnt from the first 100,000 rows, now, and frozen.

    Raises
    ------
    IngestionError
        As `read_csv`; what is wrong further down is raised by collect.
    SchemaError
        If a column that was asked for is missing.
    ParameterError
        If an argument is not in its legal set.
    InputTypeError
        If the source is a file object, which cannot be read again.

    Warns
    -----
    DataQualityWarning
        When it is collected to the end, as `read_csv`.

    Notes
    -----
    The encoding is found from the whole file at once. Only the columns that a query needs are
    typed, and reading stops when it has enough rows. Cost: linear in the bytes, for each collect.

    Examples
    --------
    >>> import tracer_sklearn as ts
    >>> scan = ts.scan_csv(b"n;day\n1;2024-01-31\n2;2024-02-01\n3;-\n")
    >>> scan.select("n").sum().collect().item()
    6
    """
    if not isinstance(source, str | os.PathLike | bytes):
        raise InputTypeError(
            f"scan_csv: a path or bytes must be given, which can be read again, found "
            f"{type(source).__qualname__}; use iter_csv, or pass the path.",
            received=type(source).__qualname__,
        )
    question = asked(
        "scan_csv",
        schema=schema,
        encoding=encoding,
        delimiter=delimiter,
        header=header,
        decimal=decimal,
        columns=columns,
        on_bad_lines=on_bad_lines,
        library="polars",
    )
    with open_batches(source, question, limits, LEARNING_ROWS) as probe:
        known, first = probe.learning()
    words = dataclasses.replace(question.words, encoding=known.encoding)
    question = dataclasses.replace(question, words=words)

    def read(
        with_columns: list[str] | None,
        predicate: pl.Expr | None,
        n_rows: int | None,
        batch_size: int | None,
    ) -> Iterator[pl.DataFrame]:
        rows = batch_size or LEARNING_ROWS
        left = n_rows
        with open_batches(source, question, limits, rows, known.learning, with_columns) as batches:
            for frame in batches:
                part = frame if left is None else frame.head(left)
                left = None if left is None else left - part.height
                if with_columns is not None:
                    part = part.select(with_columns)
                yield part if predicate is None else part.filter(predicate)
                if left == 0:
                    return

    return register_io_source(read, schema=first.schema)
