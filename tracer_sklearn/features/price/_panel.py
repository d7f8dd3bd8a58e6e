"""Observations of series on days as sorted arrays, and where the past of a row lies in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

__all__ = ["Panel", "Past", "Series", "merged", "series_code", "sorted_key"]

# A key is one integer: product, store, day. Each part has room for a million.
_STORE_BITS, _DAY_BITS = 20, 21
_DAY_ZERO = 1 << (_DAY_BITS - 1)
_LAST = (1 << _DAY_BITS) - 1


@dataclass(frozen=True)
class Panel:
    """One observation for each series and day, sorted.

    Attributes
    ----------
    key : ndarray of int64 of shape (n_observations,)
        Series and day.
    values : dict of str to ndarray of float of shape (n_observations,)
        What was observed; NaN where it was not.
    """

    key: np.ndarray
    values: Mapping[str, np.ndarray]

    @property
    def codes(self) -> np.ndarray:
        """Series of each observation."""
        codes: np.ndarray = self.key >> _DAY_BITS
        return codes

    @property
    def days(self) -> np.ndarray:
        """Day of each observation, since 1970-01-01."""
        days: np.ndarray = (self.key & _LAST) - _DAY_ZERO
        return days


def series_code(product: np.ndarray, store: np.ndarray) -> np.ndarray:
    """Return one code for product and store."""
    code: np.ndarray = (product << _STORE_BITS) | store
    return code


def product_of(codes: np.ndarray) -> np.ndarray:
    """Return the product of series."""
    product: np.ndarray = codes >> _STORE_BITS
    return product


def store_of(codes: np.ndarray) -> np.ndarray:
    """Return the store of series."""
    store: np.ndarray = codes & ((1 << _STORE_BITS) - 1)
    return store


def sorted_key(codes: np.ndarray, days: np.ndarray) -> np.ndarray:
    """Return keys of series and days; days far outside the calendar count as its ends."""
    inside = np.clip(days + _DAY_ZERO, 0, _LAST)
    key: np.ndarray = (codes << _DAY_BITS) | inside
    return key


def merged(panel: Panel, key: np.ndarray, values: Mapping[str, np.ndarray]) -> Panel:
    """Return the panel with further observations; what they know wins over what was known.

    ``key`` is sorted and without repetition. Nothing is copied where nothing changes.
    """
    at = np.searchsorted(panel.key, key)
    known = at < len(panel.key)
    known[known] = panel.key[at[known]] == key[known]
    hits, fresh = at[known], at[~known]
    out = {}
    for name, old in panel.values.items():
        new = values.get(name)
        column = old
        if new is not None and len(hits):
            told = new[known]
            changed = ~np.isnan(told) & (told != old[hits])
            if changed.any():
                column = old.copy()
                column[hits[changed]] = told[changed]
        if len(fresh):
            filling = np.full(len(key), np.nan) if new is None else new
            column = np.insert(column, fresh, filling[~known])
        out[name] = column
    return Panel(np.insert(panel.key, fresh, key[~known]) if len(fresh) else panel.key, out)


@dataclass(frozen=True)
class Series:
    """Those observations of a panel that have what is asked for, column by column.

    Attributes
    ----------
    key : ndarray of int64 of shape (n,)
        Sorted.
    columns : dict of str to ndarray of shape (n,)
        Without missing values.
    """

    key: np.ndarray
    columns: Mapping[str, np.ndarray]

    @classmethod
    def where(cls, panel: Panel, valid: np.ndarray, columns: Mapping[str, np.ndarray]) -> Series:
        """Keep the valid observations."""
        if valid.all():
            return cls(panel.key, columns)
        return cls(panel.key[valid], {name: column[valid] for name, column in columns.items()})

    @property
    def days(self) -> np.ndarray:
        """Day of each observation, since 1970-01-01."""
        days: np.ndarray = (self.key & _LAST) - _DAY_ZERO
        return days

    @property
    def codes(self) -> np.ndarray:
        """Series of each observation."""
        codes: np.ndarray = self.key >> _DAY_BITS
        return codes

    def starts(self) -> np.ndarray:
        """Return where each series begins, and the number of observations."""
        codes = self.codes
        if not len(codes):
            return np.zeros(1, dtype=np.int64)
        begins = np.flatnonzero(codes[1:] != codes[:-1]) + 1
        return np.concatenate([[0], begins, [len(codes)]]).astype(np.int64)

    def __getitem__(self, name: str) -> np.ndarray:
        return self.columns[name]


@dataclass(frozen=True)
class Past:
    """What rows at days can know: positions in sorted observations, each found once.

    Attributes
    ----------
    codes, days : ndarray of int64 of shape (n_rows,)
        Series and day of each row, best sorted by both.
    horizon : int
        Days between a row and the newest thing it may know.
    """

    codes: np.ndarray
    days: np.ndarray
    horizon: int
    # with the searched keys themselves: an address alone may be another array's later
    _found: dict[tuple[int, int], tuple[np.ndarray, np.ndarray]] = field(
        default_factory=dict, repr=False
    )

    def until(self, series: Series, back: int = 0) -> np.ndarray:
        """Return the position after the newest observation at most ``t - horizon - back``."""
        place = (id(series.key), back)
        if place not in self._found:
            key = _before(self.codes, self.days - self.horizon - back)
            self._found[place] = series.key, np.searchsorted(series.key, key, side="right")
        return self._found[place][1]

    def window(
        self, series: Series, days: int | None, back: int = 0
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the bounds of ``(t - horizon - back - days, t - horizon - back]``."""
        return self.beginning(series, days, back), self.until(series, back)

    def beginning(self, series: Series, days: int | None, back: int = 0) -> np.ndarray:
        """Return where that window begins; without a length, where the series does."""
        if days is not None:
            return self.until(series, back + days)
        begin: np.ndarray = np.searchsorted(series.key, self.codes << _DAY_BITS)
        return begin

    def newest(self, series: Series) -> tuple[np.ndarray, np.ndarray]:
        """Return the position of the newest observation known, and whether there is one."""
        at = self.until(series) - 1
        some = at >= 0
        some[some] = series.key[at[some]] >> _DAY_BITS == self.codes[some]
        return np.maximum(at, 0), some


def _before(codes: np.ndarray, days: np.ndarray) -> np.ndarray:
    """Return keys of days; a day before the calendar gives the key before the series."""
    key: np.ndarray = (codes << _DAY_BITS) + np.clip(days + _DAY_ZERO, -1, _LAST)
    return key
