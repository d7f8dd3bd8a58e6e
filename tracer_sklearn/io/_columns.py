"""The formats of columns, and the account of what they hold."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

import narwhals.stable.v2 as nw
import polars as pl

from tracer_sklearn._dtypes import becomes_category, is_lossy, smallest_integer
from tracer_sklearn._text import (
    ColumnFormat,
    Learnt,
    account_for,
    is_missing,
    learn_format,
    mask,
)
from tracer_sklearn.io._asked import Wish
from tracer_sklearn.io.report import ColumnReport

# distinct values are counted among so many rows
_MOST_DISTINCT = 200_000
_MIN_REPEATS = 2.0


def learn_column(
    text: pl.Series, wish: Wish, *, decimal: str, day_first: bool | None = None
) -> Learnt:
    """Return how a column of text is read, with the account of it."""
    if wish.format is not None:
        return account_for(text, wish.format, "frozen by `schema`")
    return learn_format(text, kind=wish.kind, decimal=decimal or None, day_first=day_first)


def orders_of(formats: Iterable[ColumnFormat]) -> dict[str, bool]:
    """Return by style whether the day comes first, where decided columns agree on it."""
    found: dict[str, set[bool]] = {}
    for template in (template for format in formats for template in format.formats):
        style = _style(template)
        if style:
            found.setdefault(style, set()).add(template.find("%d") < template.find("%m"))
    return {style: orders.pop() for style, orders in found.items() if len(orders) == 1}


def settled_order(open_formats: Iterable[ColumnFormat], orders: Mapping[str, bool]) -> bool | None:
    """Return the order that other columns of the same style settle for one that is open."""
    templates = (template for format in open_formats for template in format.formats)
    styles = {style for template in templates if (style := _style(template))}
    settled = {orders.get(style) for style in styles}
    return settled.pop() if len(settled) == 1 else None


def _style(template: str) -> str:
    """Return separators and width of the year of a date that starts with day or month, or ""."""
    date = re.match("%[dm]([^%]+)%[dm]([^%]+)(%[yY])", template)
    return "".join(date.groups()) if date else ""


def describe(values: pl.Series, learnt: Learnt, cell: str, original: str) -> ColumnReport:
    """Return the account of one column; ``cell`` is one of its cells."""
    missing = values.null_count()
    low, high = _ends(values)
    counted = values.head(_MOST_DISTINCT)
    return ColumnReport(
        name=values.name,
        original=original,
        kind=learnt.format.kind,
        format=learnt.format.to_dict(),
        why=learnt.why,
        nullable=missing > 0,
        missing=missing,
        missing_share=missing / max(1, values.len()),
        failures=learnt.n_failures,
        examples=list(learnt.examples),
        minimum=low,
        maximum=high,
        distinct=counted.n_unique() - (counted.null_count() > 0),
        distinct_rows=counted.len(),
        pattern=mask(cell),
    )


def reduced_bytes(values: pl.Series, account: ColumnReport) -> int:
    """Return what a column takes in the smallest dtype that loses nothing."""
    rows = values.len()
    if values.dtype == pl.Int64:
        smallest = smallest_integer(account.minimum, account.maximum)
        return rows * (int(smallest.removeprefix("int")) // 8 if smallest else 8)
    if values.dtype == pl.Float64:
        return rows * (8 if is_lossy(nw.from_native(values.drop_nulls(), series_only=True)) else 4)
    if values.dtype == pl.String:
        held = rows - account.missing
        size = text_bytes(values)
        if not becomes_category(min(held, account.distinct_rows), account.distinct, _MIN_REPEATS):
            return size
        # codes of one, two or four bytes, and each level once
        width = next(w for w in (1, 2, 4) if account.distinct < 2 ** (8 * w - 1))
        return rows * width + int(account.distinct * (size / max(1, rows)))
    return column_bytes(values)


def text_bytes(values: pl.Series) -> int:
    """Return what text takes with an offset of eight bytes for each cell, as in pandas."""
    return int(values.str.len_bytes().sum() or 0) + 8 * (values.len() + 1)


def column_bytes(values: pl.Series) -> int:
    """Return what a column takes in one part, of however many it was made."""
    if values.dtype == pl.String:
        return text_bytes(values)
    if values.dtype not in (pl.Int64, pl.Float64, pl.Boolean, pl.Datetime):
        return int(values.estimated_size())
    bits = (values.len() + 7) // 8
    size = bits if values.dtype == pl.Boolean else 8 * values.len()
    return size + (bits if values.has_nulls() else 0)


def _ends(values: pl.Series) -> tuple[int | float | str | None, int | float | str | None]:
    if not (values.dtype.is_numeric() or values.dtype.is_temporal()):
        return None, None
    return _plain(values.min()), _plain(values.max())


def holds_nothing(text: pl.Series) -> bool:
    """Tell a column of text of which all cells are missing."""
    cells = nw.from_native(text.alias("text").to_frame())
    told = cells.select(missing=is_missing(nw.col("text"), ColumnFormat("text")).all())
    return bool(told.to_native().item())


def _plain(value: object) -> int | float | str | None:
    if isinstance(value, dt.datetime):
        return value.isoformat()
    return value if isinstance(value, int | float) else None


def recounted(learnt: Learnt, text: pl.Series, values: pl.Series) -> Learnt:
    """Return what was learnt with the failures of other rows: cells that became missing."""
    nothing = values.is_null()
    if learnt.format.kind in ("text", "category") or not nothing.any():
        return replace(learnt, n_failures=0, examples=(), n_missing=0, n_values=values.len())
    here = account_for(text.filter(nothing), learnt.format, learnt.why)
    n_missing = here.n_missing
    return replace(here, n_missing=n_missing, n_values=values.len() - n_missing)


def widened(known: ColumnReport, values: pl.Series, here: Learnt, rows: int) -> ColumnReport:
    """Return the account of a column over further rows; ``rows`` is the number of all."""
    low, high = _ends(values)
    ends = [end for end in (known.minimum, low) if end is not None]
    tops = [top for top in (known.maximum, high) if top is not None]
    missing = known.missing + values.null_count()
    return known.model_copy(
        update={
            "missing": missing,
            "nullable": missing > 0,
            "missing_share": missing / max(1, rows),
            "failures": known.failures + here.n_failures,
            "examples": list(dict.fromkeys((*known.examples, *here.examples)))[:3],
            "minimum": min(ends, default=None),
            "maximum": max(tops, default=None),
        }
    )
