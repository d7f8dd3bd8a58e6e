"""Applying a frozen format: to expressions of any engine, and to rows in memory."""

from __future__ import annotations

import narwhals.stable.v2 as nw
import polars as pl

from tracer_sklearn._text.dates import date, fits_date
from tracer_sklearn._text.flags import fits_flag, flag
from tracer_sklearn._text.format import ColumnFormat
from tracer_sklearn._text.missing import MISSING_DATES, missing_pattern, trimmed, unwrapped
from tracer_sklearn._text.numbers import NO_AMOUNT, fits_number, number


def _bare(column: nw.Expr, format: ColumnFormat) -> nw.Expr:
    """Return cells without what stands around them and is no part of their value."""
    text = trimmed(column)
    return unwrapped(text) if format.wrapped else text


def is_missing(column: nw.Expr, format: ColumnFormat) -> nw.Expr:
    """Tell which cells of a text column hold nothing: null, blank or a missing mark."""
    words = format.missing
    if format.kind in ("date", "datetime"):
        words = (*words, *MISSING_DATES)
    text = _bare(column, format)
    marked = text.str.contains(missing_pattern(words))
    if format.kind in ("number", "count"):
        marked |= text.str.contains(NO_AMOUNT)
    return column.is_null() | marked.fill_null(True)


def parsed(column: nw.Expr, format: ColumnFormat, *, sql: bool = False) -> nw.Expr:
    """Return what the cells of a text column hold; null for nothing and for what does not fit.

    Parameters
    ----------
    column : narwhals.Expr
        A column of text.
    format : ColumnFormat
        How it is read.
    sql : bool, default=False
        Whether the expression will run on a SQL engine instead of Polars.
    """
    text = _bare(column, format)
    if format.kind in ("number", "count"):
        return number(nw.when(fits_number(text, format)).then(text), format)
    if format.kind in ("date", "datetime"):
        return date(text, format, sql=sql)
    if format.kind == "flag":
        return flag(text, format)
    return nw.when(~is_missing(column, format)).then(text)


def failed(column: nw.Expr, format: ColumnFormat) -> nw.Expr:
    """Tell which cells hold something that does not fit the format."""
    if format.kind in ("category", "text"):
        return column.is_null() & ~column.is_null()
    text = _bare(column, format)
    if format.kind in ("number", "count"):
        fits = fits_number(text, format)
    elif format.kind in ("date", "datetime"):
        fits = fits_date(text, format)
    else:
        fits = fits_flag(text, format)
    return ~fits.fill_null(True) & ~is_missing(column, format)


def apply_format(series: pl.Series, format: ColumnFormat) -> pl.Series:
    """Return what a Polars column of text holds, under the same name.

    Examples
    --------
    >>> import polars as pl
    >>> apply_format(pl.Series("spend", ["1.234,50 €", "(7)", "-"]),
    ...              ColumnFormat("number", decimal=",", thousands=".", currency=("€",))).to_list()
    [1234.5, -7.0, None]
    """
    frame = nw.from_native(series.alias("text").to_frame().lazy())
    made = frame.select(value=parsed(nw.col("text"), format)).to_native()
    return made.collect(engine="in-memory")["value"].alias(series.name)
