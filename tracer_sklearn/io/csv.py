"""Reading what businesses export: `read_csv`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from tracer_sklearn.io._asked import asked
from tracer_sklearn.io._opening import open_table
from tracer_sklearn.io._source import AnySource, open_source
from tracer_sklearn.io._table import as_library, typed
from tracer_sklearn.io.limits import AnyLimits
from tracer_sklearn.io.report import IngestionReport

__all__ = ["Ingested", "read_csv"]


class Ingested(NamedTuple):
    r"""A table and the account of how it was read.

    Parameters
    ----------
    frame : pandas.DataFrame, polars.DataFrame or pyarrow.Table
        The table.
    report : IngestionReport
        Everything that was decided, and everything that could not be used.

    Examples
    --------
    >>> import tracer_sklearn as ts
    >>> frame, report = ts.read_csv(b"id;since\n7;31/01/2024\n8;01/02/2024\n")
    >>> frame
       id      since
    0   7 2024-01-31
    1   8 2024-02-01
    """

    frame: Any
    report: IngestionReport


def read_csv(
    source: AnySource,
    *,
    schema: Any = None,
    encoding: str = "auto",
    delimiter: str = "auto",
    header: str | int | None = "auto",
    decimal: str = "auto",
    columns: Sequence[str] | Callable[[list[str]], Sequence[str]] | None = None,
    on_bad_lines: str = "set_aside",
    limits: AnyLimits = None,
    as_: str = "pandas",
) -> Ingested:
    r"""Read a file that a business exported, whatever it looks like, and say what was decided.

    Use it on files that fit in memory, without knowing their encoding, delimiter, header or
    notation of dates and money. Do not use it on files larger than memory: :func:`iter_csv`
    and :func:`scan_csv` read those.

    Parameters
    ----------
    source : path, bytes or binary file
        A regular file; gzip, zstd, bz2, xz and zip with one member are told by their content.
    schema : schema, mapping, fitted ColumnParser, IngestionReport or None, default=None
        What columns hold. A mapping of names to kinds ("number", "count", "date", "datetime",
        "flag", "category", "identifier", "text") or a `BlueprintSchema`; or a fitted
        `ColumnParser` or the report of another file, whose formats are frozen: nothing is
        guessed again. Its names also help to find the header.
    encoding : str, default="auto"
        The encoding, as Python calls it. Found from all bytes by default.
    delimiter : str, default="auto"
        One character, or ", ". Found from the first lines by default.
    header : "auto", int or None, default="auto"
        The line of the header, from 1; None where there is none. Found by default, also one of
        several rows, which are joined.
    decimal : {"auto", ".", ","}, default="auto"
        The decimal mark where a column leaves it open. Found by default.
    columns : list of str, callable or None, default=None
        The columns to read, in this order; None for all. A callable gets the names that the
        table has and returns those to read.
    on_bad_lines : {"set_aside", "error"}, default="set_aside"
        Lines that are no rows are set aside and named in the report, rows with a few cells too
        many or too few are mended and named; or the first one is an error.
    limits : IngestionLimits, mapping or None, default=None
        What the file may cost, also as a mapping of parameters to values; None for the defaults,
        100 MB after decompression.
    as_ : {"pandas", "polars", "arrow"}, default="pandas"
        The library of the frame.

    Returns
    -------
    Ingested
        ``frame`` and ``report``.

    Raises
    ------
    IngestionError
        If there is no table, the file passes a limit, a quote is never closed, or, with
        ``on_bad_lines="error"``, a line is no row.
    SchemaError
        If a column that was asked for, or that a frozen format reads, is missing.
    ParameterError
        If an argument is not in its legal set.

    Warns
    -----
    DataQualityWarning
        If lines were set aside, if another table follows, if rows have more cells than the
        header, if more than 2 % of a column's cells do not fit its format, or if nothing decides
        between day and month, or day and year.

    Notes
    -----
    Lines in = rows out + everything named in the report, always. Rows in which every cell is
    empty count as blank lines. Line breaks inside cells become line feeds, white space around
    cells goes. A column is typed as `ColumnParser` would type it, from all of its cells, so the
    first rows never decide for the last; a column of dates that leaves the order of day and
    month open follows the other columns of the file. Dates are timestamps at midnight. Of
    several tables the first is read. Totals and averages at the end are no rows, nor, in tables of
    up to 1,000 rows, is a last one without a name or a first one called a total whose numbers are
    the exact sums of their columns; subtotals further up and lines that divide a table stay rows,
    as nothing tells them safely from customers of such names: filter them out before adding up.
    Cells such as ``="001"`` are text. Names are made unique; columns without name and content are
    dropped and named. Plain pandas has no integers with gaps: there they are float64.

    Cost: linear in the bytes; memory a few times the decompressed size.

    Examples
    --------
    >>> import tracer_sklearn as ts
    >>> export = (
    ...     "Kunden per 31.12.\n\n"
    ...     "Nr;Umsatz;seit\n007;1.234,50 €;31.01.2024\n008;-;01.02.2024\n"
    ... )
    >>> frame, report = ts.read_csv(export.encode("cp1252"))
    >>> frame
        Nr  Umsatz       seit
    0  007  1234.5 2024-01-31
    1  008     NaN 2024-02-01
    >>> report.encoding.name, report.dialect.delimiter, report.lines.above
    ('cp1252', ';', 1)
    """
    question = asked(
        "read_csv",
        schema=schema,
        encoding=encoding,
        delimiter=delimiter,
        header=header,
        decimal=decimal,
        columns=columns,
        on_bad_lines=on_bad_lines,
        library=as_,
    )
    with open_source(source, limits) as opened:
        frame, report = typed(open_table(opened, question.words, whole=True), question)
    return Ingested(as_library(frame, as_), report)
