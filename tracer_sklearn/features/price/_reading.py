"""Rows of a frame as codes, days and numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from tracer_sklearn.exceptions import DataError
from tracer_sklearn.features import _expressions as ex
from tracer_sklearn.features.price._panel import series_code, sorted_key

__all__ = ["Labels", "Sheet", "calendar", "observations", "read", "with_unseen"]

#: What a promotion that is not a number, or an id that is none, counts as.
NO_LABEL = -1


@dataclass(frozen=True)
class Labels:
    """The levels of an identifier in the order of their codes, and the kind of its column."""

    levels: list[Any]
    integral: bool


@dataclass(frozen=True)
class Sheet:
    """Rows as arrays.

    Attributes
    ----------
    codes : ndarray of int64 of shape (n_rows,)
        Series; -1 where product or store is missing.
    days : ndarray of float of shape (n_rows,)
        Days since 1970-01-01; NaN where missing.
    products, categories : ndarray of int64 of shape (n_rows,)
        Codes; -1 where missing.
    values : dict of str to ndarray of float
        ``price`` (above 0), ``quantity``, ``competitor``, ``promo_0`` ...; NaN where missing.
    """

    codes: np.ndarray
    days: np.ndarray
    products: np.ndarray
    categories: np.ndarray
    values: dict[str, np.ndarray]

    @property
    def usable(self) -> np.ndarray:
        """Rows of a known series and day."""
        usable: np.ndarray = (self.codes >= 0) & ~np.isnan(self.days)
        return usable


def ids(frame: nw.DataFrame[Any], name: str) -> nw.Series[Any]:
    """Return an identifier column: text for categories, missing for NaN."""
    column = frame[name]
    if ex.is_text(column.dtype):
        return column.cast(nw.String)
    return column.fill_nan(None) if column.dtype.is_float() else column


def learn_labels(frame: nw.DataFrame[Any], name: str | None) -> Labels:
    """Return the sorted levels of a column; one nameless level without a column."""
    if name is None:
        return Labels([], integral=False)
    column = ids(frame, name)
    levels = column.drop_nulls().unique().sort().to_list()
    return Labels(levels, integral=column.dtype.is_integer())


def with_unseen(frame: nw.DataFrame[Any], name: str | None, labels: Labels) -> Labels:
    """Return the labels with the levels of the frame that are new, after the known ones."""
    if name is None:
        return labels
    known = set(labels.levels)
    found = _alike(ids(frame, name), labels).drop_nulls().unique().to_list()
    fresh = sorted(level for level in found if level not in known)
    return Labels([*labels.levels, *fresh], labels.integral) if fresh else labels


def _alike(column: nw.Series[Any], labels: Labels) -> nw.Series[Any]:
    """Return whole numbers as integers where the column of fit had integers."""
    if labels.integral and column.dtype.is_float():
        # a gap makes floats of integers
        whole = column.to_frame().select(
            nw.when(nw.col(column.name).floor() == nw.col(column.name)).then(nw.col(column.name))
        )
        return whole[column.name].cast(nw.Int64)
    return column


def coded(frame: nw.DataFrame[Any], name: str | None, labels: Labels) -> np.ndarray:
    """Return the code of every row; -1 where the cell is missing, 0 without a column."""
    if name is None:
        return np.zeros(len(frame), dtype=np.int64)
    if not labels.levels or not len(frame):
        return np.full(len(frame), NO_LABEL)
    column = _alike(ids(frame, name), labels)
    codes = column.replace_strict(
        labels.levels, list(range(len(labels.levels))), default=None, return_dtype=nw.Int64
    )
    out: np.ndarray = codes.fill_null(NO_LABEL).to_numpy()
    return out


def read(
    frame: nw.DataFrame[Any],
    roles: Mapping[str, str],
    promotions: Sequence[str],
    labels: Mapping[str, Labels],
    *,
    tz: str,
    stage: str,
) -> Sheet:
    """Read rows; columns of outcomes may be absent."""
    present = set(frame.columns)
    numeric = {role: roles[role] for role in ("price", "quantity", "competitor") if role in roles}
    numeric |= {f"promo_{i}": name for i, name in enumerate(promotions)}
    there = {role: name for role, name in numeric.items() if name in present}
    lazy = frame.lazy()
    day = ex.day_number(lazy, roles["date"], tz=tz, date_format=None, stage=stage)
    schema = frame.schema
    found = (
        lazy.with_columns(day__=day)
        .select(
            ex.calendar_day(nw.col("day__")).alias("day__"),
            **{role: ex.number(name, schema[name]) for role, name in there.items()},
        )
        .collect()
    )
    nothing = np.full(len(frame), np.nan)
    values = {role: _floats(found[role]) if role in there else nothing for role in numeric}
    values["price"] = np.where(values["price"] > 0, values["price"], np.nan)
    product = coded(frame, roles.get("product"), labels["product"])
    store = coded(frame, roles.get("store"), labels["store"])
    category = np.full(len(frame), NO_LABEL)
    if "category" in roles:
        category = coded(frame, roles["category"], labels["category"])
    known = (product >= 0) & (store >= 0)
    codes = np.where(known, series_code(np.maximum(product, 0), np.maximum(store, 0)), -1)
    return Sheet(codes, _floats(found["day__"]), product, category, values)


def _floats(column: nw.Series[Any]) -> np.ndarray:
    values: np.ndarray = column.to_numpy()
    return values


def observations(
    sheet: Sheet, duplicates: str, *, until: float, stage: str
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return sorted keys and values of the rows up to a day, one a series and day."""
    if duplicates == "raise":
        _refuse_repetition(sheet, stage)
    rows = np.flatnonzero(sheet.usable & (np.nan_to_num(sheet.days, nan=np.inf) <= until))
    key = sorted_key(sheet.codes[rows], sheet.days[rows].astype(np.int64))
    if len(key) > 1 and not (key[1:] > key[:-1]).all():
        order = np.argsort(key, kind="stable")
        rows, key = rows[order], key[order]
    values = {name: column[rows] for name, column in sheet.values.items()}
    new = np.concatenate([[True], key[1:] != key[:-1]]) if len(key) else np.zeros(0, dtype=bool)
    if new.all():
        return key, values
    return key[new], _aggregated(values, np.cumsum(new) - 1, int(new.sum()), duplicates)


def _refuse_repetition(sheet: Sheet, stage: str) -> None:
    rows = sheet.usable
    key = np.sort(sorted_key(sheet.codes[rows], sheet.days[rows].astype(np.int64)))
    repeated = int((key[1:] == key[:-1]).sum())
    if repeated:
        raise DataError(
            f"{stage}: there must be one row for each product (and store) and date, found "
            f"{repeated} rows that repeat one; aggregate to one row a date, or set `duplicates` to "
            "'sum', 'mean' or 'last'.",
            rule="duplicates",
            n_rows=repeated,
        )


def _aggregated(
    values: Mapping[str, np.ndarray], group: np.ndarray, n: int, how: str
) -> dict[str, np.ndarray]:
    """Make one value of those of a series and day; what is missing does not count."""
    out = {}
    for name, column in values.items():
        there = ~np.isnan(column)
        if how == "last":
            found = np.full(n, np.nan)
            found[group[there]] = column[there]  # the last assignment stays
        else:
            count = np.bincount(group, there, n)
            total = np.bincount(group, np.where(there, column, 0.0), n)
            summed = how == "sum" and name == "quantity"
            with np.errstate(invalid="ignore"):
                found = np.where(count > 0, total if summed else total / count, np.nan)
        out[name] = found
    if how == "sum" and "quantity" in values:
        price, quantity = values["price"], values["quantity"]
        both = ~np.isnan(price) & (quantity > 0)
        sold = np.bincount(group, np.where(both, quantity, 0.0), n)
        paid = np.bincount(group, np.where(both, price * quantity, 0.0), n)
        with np.errstate(invalid="ignore", divide="ignore"):
            out["price"] = np.where(sold > 0, paid / sold, out["price"])
    return out


def calendar(days: np.ndarray) -> dict[str, np.ndarray]:
    """Return the calendar of days; NaN where missing. Monday is 0, weeks are ISO's."""
    known = ~np.isnan(days)
    whole = np.where(known, days, 0).astype(np.int64)
    weekday = (whole + 3) % 7
    month = whole.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) % 12
    # an ISO week belongs to the year of its Thursday
    thursday = whole - weekday + 3
    year = thursday.astype("datetime64[D]").astype("datetime64[Y]")
    new_year = year.astype("datetime64[D]").astype(np.int64)
    parts = {
        "day_of_week": weekday,
        "month": month + 1,
        "quarter": month // 3 + 1,
        "week_of_year": (thursday - new_year) // 7 + 1,
    }
    return {name: np.where(known, part, np.nan) for name, part in parts.items()}
