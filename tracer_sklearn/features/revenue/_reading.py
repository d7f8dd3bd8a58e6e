"""Rows of a frame as series codes, days and numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from tracer_sklearn.exceptions import DataError
from tracer_sklearn.features import _expressions as ex
from tracer_sklearn.features._windows import Rows, Track, arranged

__all__ = [
    "Labels",
    "Sheet",
    "learn_format",
    "learn_labels",
    "numbers",
    "observed",
    "read",
    "with_unseen",
]

_FORMATS = ("%Y-%m-%d", "%Y-%m-%d %H:%M:%S")


@dataclass(frozen=True)
class Labels:
    """The levels of the series column in the order of their codes; whether they are integers."""

    levels: list[Any]
    integral: bool


@dataclass(frozen=True)
class Sheet:
    """Rows as arrays.

    Attributes
    ----------
    codes : ndarray of int64 of shape (n_rows,)
        Series; -1 where missing.
    days : ndarray of float64 of shape (n_rows,)
        Days since 1970-01-01; NaN where missing.
    values : dict of str to ndarray of float64
        ``revenue`` and ``customers``, where the frame has them; NaN where missing.
    """

    codes: np.ndarray
    days: np.ndarray
    values: dict[str, np.ndarray]

    def usable(self) -> np.ndarray:
        """Return the positions of rows of a known series and day."""
        return np.flatnonzero((self.codes >= 0) & ~np.isnan(self.days))


def learn_format(frame: nw.DataFrame[Any], name: str, tz: str, stage: str) -> str:
    """Return the ISO format of most texts of a date column."""
    text = frame.select(nw.col(name).cast(nw.String).alias("text__"))
    found = text.select(
        **{
            f"format_{i}": nw.col("text__").str.contains(ex.iso_pattern(fmt, tz)).sum()
            for i, fmt in enumerate(_FORMATS)
        }
    )
    matches = [int(found[f"format_{i}"].item() or 0) for i in range(len(_FORMATS))]
    if not any(matches):
        raise DataError(
            f"{stage}: texts of dates must be written like 2024-03-31, in column {name!r} none "
            "is; parse the column first, for example with `ColumnParser`.",
            column=name,
            rule="no ISO date",
            n_rows=len(frame),
        )
    return _FORMATS[int(np.argmax(matches))]


# -- series --------------------------------------------------------------------------------------


def _ids(frame: nw.DataFrame[Any], name: str) -> nw.Series[Any]:
    """Return an identifier column: text for categories, missing for NaN."""
    column = frame[name]
    if ex.is_text(column.dtype):
        return column.cast(nw.String)
    return column.fill_nan(None) if column.dtype.is_float() else column


def learn_labels(frame: nw.DataFrame[Any], name: str | None) -> Labels:
    """Return the sorted levels of a column; one nameless level without a column."""
    if name is None:
        return Labels([None], integral=False)
    column = _ids(frame, name)
    levels = column.drop_nulls().unique().sort().to_list()
    return Labels(levels, integral=column.dtype.is_integer())


def with_unseen(frame: nw.DataFrame[Any], name: str | None, labels: Labels) -> Labels:
    """Return the labels with the levels of the frame that are new, after the known ones."""
    if name is None:
        return labels
    known = set(labels.levels)
    column = _alike(_ids(frame, name), labels).drop_nulls()
    found = set(column.to_list()) if len(frame) < len(known) else column.unique().to_list()
    fresh = sorted(level for level in found if level not in known)
    return Labels([*labels.levels, *fresh], labels.integral) if fresh else labels


def _alike(column: nw.Series[Any], labels: Labels) -> nw.Series[Any]:
    """Return whole numbers as integers where the column of fit had integers."""
    if labels.integral and column.dtype.is_float():  # a gap makes floats of integers
        cell = nw.col(column.name)
        whole = column.to_frame().select(nw.when(cell.floor() == cell).then(cell))
        return whole[column.name].cast(nw.Int64)
    return column


def _coded(frame: nw.DataFrame[Any], name: str | None, labels: Labels) -> np.ndarray:
    """Return the code of every row; -1 where the cell is missing, 0 without a column."""
    if name is None:
        return np.zeros(len(frame), dtype=np.int64)
    if not labels.levels or not len(frame):
        return np.full(len(frame), -1)
    column = _alike(_ids(frame, name), labels)
    if len(frame) < len(labels.levels):
        place = {level: code for code, level in enumerate(labels.levels)}
        return np.array([place.get(level, -1) for level in column.to_list()])
    codes = column.replace_strict(
        labels.levels, list(range(len(labels.levels))), default=None, return_dtype=nw.Int64
    )
    out: np.ndarray = codes.fill_null(-1).to_numpy()
    return out


# -- rows ----------------------------------------------------------------------------------------


def numbers(
    frame: nw.LazyFrame[Any],
    roles: Mapping[str, str],
    *,
    tz: str,
    date_format: str | None,
    stage: str,
) -> nw.LazyFrame[Any]:
    """Return ``day__`` and the outcomes that are there, as numbers, each with its role's name."""
    schema = frame.collect_schema()
    there = {
        role: roles[role]
        for role in ("revenue", "customers")
        if role in roles and roles[role] in schema
    }
    day = ex.day_number(frame, roles["date"], tz=tz, date_format=date_format, stage=stage)
    return frame.with_columns(day__=day).select(
        ex.calendar_day(nw.col("day__")).alias("day__"),
        **{f"{role}__": ex.number(name, schema[name]) for role, name in there.items()},
    )


def read(
    frame: nw.DataFrame[Any],
    found: nw.DataFrame[Any],
    roles: Mapping[str, str],
    labels: Labels,
) -> Sheet:
    """Read rows, with what `numbers` found in them."""
    return Sheet(
        codes=_coded(frame, roles.get("series"), labels),
        days=_floats(found["day__"]),
        values={
            role: _floats(found[f"{role}__"])
            for role in ("revenue", "customers")
            if f"{role}__" in found.columns
        },
    )


def _floats(column: nw.Series[Any]) -> np.ndarray:
    values: np.ndarray = column.to_numpy()
    return values


def observed(
    sheet: Sheet, usable: np.ndarray, n_groups: int, duplicates: str, stage: str
) -> tuple[Rows, dict[str, Track]]:
    """Arrange rows by series and day, and return what was observed, one value a series and day.

    Parameters
    ----------
    sheet : Sheet
        The rows.
    usable : ndarray of int64
        Positions of those to take.
    n_groups : int
        Number of series.
    duplicates : {"raise", "sum", "mean", "last"}
        What several observations of a series and day make.
    stage : str
        Who asks, for messages.
    """
    rows = arranged(sheet.codes[usable], sheet.days[usable].astype(np.int64))
    tracks = {}
    for role, column in sheet.values.items():
        values = _one_a_day(column[usable], rows, duplicates, stage)
        tracks[role] = Track.of(rows.codes, rows.days, values, n_groups)
    return rows, tracks


def _one_a_day(values: np.ndarray, rows: Rows, duplicates: str, stage: str) -> np.ndarray:
    if rows.place is None:
        return values
    n = len(rows.codes)
    there = np.flatnonzero(~np.isnan(values))
    place, known = rows.place[there], values[there]
    out = np.full(n, np.nan)
    out[place] = known  # of several the last one stays
    if len(place) <= n and len(place) == np.count_nonzero(~np.isnan(out)):
        return out
    if duplicates == "raise":
        repeated = len(place) - int(np.count_nonzero(~np.isnan(out)))
        raise DataError(
            f"{stage}: there must be one row for each series and date, found {repeated} rows that "
            "repeat one; aggregate to one row per date, for example with `daily_revenue`, or set "
            "`duplicates` to 'sum', 'mean' or 'last'.",
            rule="duplicates",
            n_rows=repeated,
        )
    if duplicates == "last":
        return out
    count = np.bincount(place, minlength=n)
    total = np.bincount(place, weights=known, minlength=n)
    # within the range of floats
    total = np.nan_to_num(total)
    summed = total if duplicates == "sum" else total / np.maximum(count, 1)
    return np.where(count > 0, summed, np.nan)
