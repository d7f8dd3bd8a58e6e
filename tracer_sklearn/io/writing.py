"""Frames become CSV files that no spreadsheet takes for programs."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import lzma
import os
from collections.abc import Iterator
from typing import IO, Any, Literal

import polars as pl
import pyarrow as pa

from tracer_sklearn._frame import enter
from tracer_sklearn._params import check_choice, fail
from tracer_sklearn.exceptions import InputTypeError
from tracer_sklearn.io._atomic import written_whole

__all__ = ["write_csv"]

_ROWS = 100_000

# What a spreadsheet takes for a formula, and what looks like it and is a number.
_FORMULA = r"\A[=+\-@\t\r]"
_NUMBER = r"\A[+-](?:[0-9][0-9.,]*|[.,][0-9]+)(?:[eE][+-]?[0-9]+)?%?\z"

_DATETIME = "%Y-%m-%d %H:%M:%S%.f"


def write_csv(
    frame: Any,
    target: str | os.PathLike[str] | IO[bytes],
    *,
    delimiter: Literal[",", ";", "\t", "|"] = ",",
    decimal: Literal[".", ","] = ".",
    encoding: Literal["utf-8", "utf-8-sig"] = "utf-8",
    compression: Literal["none", "gzip", "zstd", "bz2", "xz"] = "none",
) -> None:
    r"""Write a frame as CSV that is safe to open in a spreadsheet.

    Use it for files that people open: text that a spreadsheet would run as a formula is
    disarmed, and the file is complete or not there. For files between programs, Parquet is
    smaller, faster and keeps the types.

    Parameters
    ----------
    frame : DataFrame, Table, LazyFrame or relation
        A pandas, Polars or PyArrow frame, or an array; a Polars LazyFrame and a DuckDB relation
        are run once, in batches. The index of a pandas frame is not written; ``reset_index``
        makes it a column.
    target : str, path or binary file
        A path is written atomically: into a temporary file beside it, which takes its place
        when it is whole and on the disk. An open file just receives the bytes.
    delimiter : {",", ";", "\t", "|"}, default=","
        What stands between two cells.
    decimal : {".", ","}, default="."
        What stands before the fraction of a number. "," goes with another delimiter.
    encoding : {"utf-8", "utf-8-sig"}, default="utf-8"
        "utf-8-sig" begins the file with a byte order mark, by which Excel knows UTF-8.
    compression : {"none", "gzip", "zstd", "bz2", "xz"}, default="none"
        Never taken from the name of the file. The same frame gives the same bytes.

    Raises
    ------
    ParameterError
        If a parameter is not in its legal set, or the target is a directory or a device.
    InputTypeError
        If the frame is of another kind, or a column holds lists, records or bytes.
    OSError
        If the file system refuses. What stood at ``target`` still stands there, and nothing is
        left beside it.

    Notes
    -----
    A text cell, or a column's name, that starts with ``=``, ``+``, ``-``, ``@``, a tab or a
    carriage return gets a ``'`` in front, unless it is a number like ``-1,234.50`` [1]_. Cells
    of number columns are never touched.

    Missing values and NaN are empty cells; an empty text is ``""``. Dates are ISO 8601, moments
    like ``2024-01-31 12:30:00`` with the offset of their time zone, flags ``true`` and
    ``false``, durations ISO 8601. The cost is linear in rows; the memory is that of the
    frame's batches of 100,000 rows.

    References
    ----------
    .. [1] OWASP Foundation, "CSV Injection",
       https://owasp.org/www-community/attacks/CSV_Injection

    Examples
    --------
    >>> import io
    >>> import pandas as pd
    >>> import tracer_sklearn as ts
    >>> frame = pd.DataFrame({"name": ["=1+1", "Köln"], "change": [-0.5, None]})
    >>> file = io.BytesIO()
    >>> ts.write_csv(frame, file)
    >>> print(file.getvalue().decode())
    name,change
    '=1+1,-0.5
    Köln,
    <BLANKLINE>
    """
    check_choice("write_csv", "delimiter", delimiter, (",", ";", "\t", "|"))
    check_choice("write_csv", "decimal", decimal, (".", ","))
    check_choice("write_csv", "encoding", encoding, ("utf-8", "utf-8-sig"))
    check_choice("write_csv", "compression", compression, ("none", "gzip", "zstd", "bz2", "xz"))
    if decimal == delimiter:
        raise fail("write_csv", "decimal", "other than the delimiter", decimal)
    with contextlib.ExitStack() as stack:
        if isinstance(target, str | os.PathLike):
            batches = _batches(frame)  # what cannot be written must not make a file
            file = stack.enter_context(written_whole("write_csv", target))
        elif hasattr(target, "write"):
            batches, file = _batches(frame), target
        else:
            raise fail("write_csv", "target", "a path or a binary file", target)
        sink = stack.enter_context(_compressed(file, compression))
        mark = encoding == "utf-8-sig"
        for table in _header_and_cells(batches):
            text = io.BytesIO()
            table.write_csv(
                text,
                include_bom=mark,
                include_header=False,
                separator=delimiter,
                decimal_comma=decimal == ",",
            )
            sink.write(text.getbuffer())
            mark = False


def _batches(frame: Any) -> Iterator[pl.DataFrame]:
    """Return the rows in batches, at least one; the frame is looked at before the first."""
    entered = enter(frame, stage="write_csv")
    if not entered.is_lazy:
        return _sliced(entered.cross(entered.names))
    native = entered.native
    return _collected(native) if isinstance(native, pl.LazyFrame) else _fetched(native)


def _sliced(table: pl.DataFrame) -> Iterator[pl.DataFrame]:
    return (table.slice(at, _ROWS) for at in range(0, max(table.height, 1), _ROWS))


def _collected(frame: pl.LazyFrame) -> Iterator[pl.DataFrame]:
    yield frame.collect_schema().to_frame()
    yield from frame.collect_batches(chunk_size=_ROWS, maintain_order=True)


def _fetched(relation: Any) -> Iterator[pl.DataFrame]:
    reader = relation.to_arrow_reader(_ROWS)
    yield pl.DataFrame(pl.from_arrow(reader.schema.empty_table()))
    for batch in reader:
        yield pl.DataFrame(pl.from_arrow(batch))


@contextlib.contextmanager
def _compressed(file: IO[bytes], compression: str) -> Iterator[Any]:
    """Give what compresses into a file, which stays open; the bytes name no time and no file."""
    match compression:
        case "gzip":
            with gzip.GzipFile("", "wb", 6, file, mtime=0) as sink:
                yield sink
        case "bz2":
            with bz2.BZ2File(file, "wb") as sink:
                yield sink
        case "xz":
            with lzma.LZMAFile(file, "wb", preset=3) as sink:
                yield sink
        case "zstd":
            # closing an Arrow stream closes what it writes to
            with pa.CompressedOutputStream(pa.PythonFile(_Kept(file), "w"), "zstd") as sink:
                yield sink
        case _:
            yield file


class _Kept(io.RawIOBase):
    """A file that others may close as they like."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._file.write(data)
        return len(data)


# ------------------------------------------------------------------------------------- cells


def _header_and_cells(batches: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """Yield the names as a table of one row, then the batches, all as they are written."""
    for number, batch in enumerate(batches):
        if number == 0:
            names = {str(at): [name] for at, name in enumerate(batch.columns)}
            yield pl.DataFrame(names).select(_safe(name) for name in names)
        made = batch.select(_cell(name, dtype) for name, dtype in batch.schema.items())
        if made.width == 1:  # one empty cell would be a blank line, which no reader keeps
            made = made.select(pl.all().cast(pl.String).fill_null(""))
        yield made


def _cell(name: str, dtype: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if dtype in (pl.String, pl.Categorical, pl.Enum):
        return _safe(name, column.cast(pl.String))
    if dtype == pl.Datetime:
        zone = "%:z" if getattr(dtype, "time_zone", None) else ""
        return column.dt.to_string(_DATETIME + zone)
    if dtype == pl.Duration:
        return _safe(name, column.dt.to_string("iso"))
    if dtype.is_float():
        return column.fill_nan(None)
    if dtype.is_nested() or dtype in (pl.Binary, pl.Object):
        raise InputTypeError(
            f"write_csv: cells must be text, numbers, flags or dates, column {name!r} holds "
            f"{dtype}; unnest it, or write Parquet.",
            stage="write_csv",
            received=str(dtype),
        )
    return column


def _safe(name: str, text: pl.Expr | None = None) -> pl.Expr:
    text = pl.col(name) if text is None else text
    dangerous = text.str.contains(_FORMULA) & ~text.str.contains(_NUMBER)
    return pl.when(dangerous).then(pl.lit("'") + text).otherwise(text).alias(name)
