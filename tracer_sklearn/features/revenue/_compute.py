"""The window features of arranged rows, from the tracks of their series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tracer_sklearn.features._windows import Calendar, Rows, Track, window_moments
from tracer_sklearn.features.revenue._season import Lag, looked_up

__all__ = ["Setting", "window_features"]

_LARGEST = float(np.finfo(np.float64).max)


@dataclass(frozen=True)
class Setting:
    """The parameters of a computation.

    Attributes
    ----------
    horizon_days : int
        Days before a row up to which outcomes are known.
    windows, growth_windows : tuple of int
        Widths in days.
    growth : str
        ``window``, ``point`` or ``symmetric``.
    lags : list of Lag
        Looks back.
    grid_days : int or None
        Distance of the dates between which nothing was earned; None where a missing date is
        one that was not observed.
    """

    horizon_days: int
    windows: tuple[int, ...]
    growth_windows: tuple[int, ...]
    growth: str
    lags: Sequence[Lag]
    grid_days: int | None

    @property
    def reach_days(self) -> int:
        """Days before a row beyond which nothing is read."""
        lags = [lag.amount * {"days": 1, "weeks": 7, "months": 31}[lag.unit] for lag in self.lags]
        widest = max(*self.windows, 2 * max(self.growth_windows, default=0), 0)
        return max(self.horizon_days + widest, max(lags, default=0) + 62) + 1

    @property
    def cv_window(self) -> int:
        """The window whose coefficient of variation is given: the second one."""
        return self.windows[min(1, len(self.windows) - 1)]

    @property
    def customer_windows(self) -> tuple[int, ...]:
        """The windows of customers: the two first."""
        return self.windows[:2]


def window_features(
    rows: Rows, revenue: Track, customers: Track | None, setting: Setting
) -> dict[str, np.ndarray]:
    """Return the columns that look back, one value for each arranged row.

    Parameters
    ----------
    rows : Rows
        Series and days that are asked for, ascending.
    revenue, customers : Track
        What was observed; over the same groups.
    setting : Setting
        The parameters.
    """
    last = rows.days - setting.horizon_days
    calendar = Calendar(revenue, len(last))
    absent = _Absent(revenue, setting.grid_days)
    widths = list(dict.fromkeys([*setting.windows, *_window_growth(setting)]))
    means, stds = _moments(revenue, calendar, rows.codes, last, widths, absent, spread=True)
    out = {f"revenue_ma_{w}d": means[w] for w in setting.windows}
    for w in setting.growth_windows:
        now, then = _growth_base(setting, w, revenue, calendar, rows, last, means, absent)
        out[f"revenue_growth_{w}d"] = _growth(now, then, setting.growth)
    out |= {f"revenue_volatility_{w}d": stds[w] for w in setting.windows}
    cv = setting.cv_window
    out[f"revenue_cv_{cv}d"] = _ratio(stds[cv], np.abs(means[cv]))
    for lag in setting.lags:
        found = looked_up(lag, calendar, revenue, rows, setting.horizon_days)
        out[lag.name] = absent.filled_lag(found, rows, lag, calendar)
    if customers is not None:
        out |= _customer_features(rows, last, revenue, customers, setting)
    out["n_history"] = calendar.count_until(rows.codes, last).astype(np.float64)
    return out


def _window_growth(setting: Setting) -> tuple[int, ...]:
    return () if setting.growth == "point" else setting.growth_windows


def _moments(
    track: Track,
    calendar: Calendar,
    codes: np.ndarray,
    last: np.ndarray,
    widths: Sequence[int],
    absent: _Absent,
    *,
    spread: bool,
) -> tuple[dict[int, np.ndarray], dict[int, np.ndarray]]:
    """Return means and standard deviations of the windows ``(last - w, last]``."""
    high = calendar.until(codes, last)
    lows = [calendar.until(codes, last - w) for w in widths]
    means, stds = window_moments(track.values, lows, high, spread=spread)
    if absent.grid_days is not None:
        for i, w in enumerate(widths):
            n = high - lows[i]
            expected = absent.expected(codes, last, w)
            std = stds[i] if spread else None
            means[i], with_zeros = _with_zeros(means[i], std, n, np.maximum(expected, n))
            if with_zeros is not None:
                stds[i] = with_zeros
    return dict(zip(widths, means, strict=True)), dict(zip(widths, stds, strict=False))


def _growth_base(
    setting: Setting,
    width: int,
    revenue: Track,
    calendar: Calendar,
    rows: Rows,
    last: np.ndarray,
    means: dict[int, np.ndarray],
    absent: _Absent,
) -> tuple[np.ndarray, np.ndarray]:
    """Return what growth compares: the newer value and the older one."""
    if setting.growth == "point":
        days = (last, last - width)
        now, then = (calendar.value_on(rows.codes, day) for day in days)
        return absent.filled(now, rows.codes, days[0]), absent.filled(then, rows.codes, days[1])
    before, _ = _moments(revenue, calendar, rows.codes, last - width, [width], absent, spread=False)
    return means[width], before[width]


def _growth(now: np.ndarray, then: np.ndarray, how: str) -> np.ndarray:
    with np.errstate(all="ignore"):
        if how == "symmetric":
            size = np.abs(now) * 0.5 + np.abs(then) * 0.5
            rate = np.where(size > 0, (now * 0.5 - then * 0.5) / size * 2.0, now - then)
        else:
            rate = np.where(then != 0, (now - then) / np.abs(then), np.nan)
        bounded: np.ndarray = np.clip(rate, -_LARGEST, _LARGEST)
    return bounded


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):
        ratio = np.where(below != 0, above / below, np.nan)
        bounded: np.ndarray = np.clip(ratio, -_LARGEST, _LARGEST)
    return bounded


def _customer_features(
    rows: Rows, last: np.ndarray, revenue: Track, customers: Track, setting: Setting
) -> dict[str, np.ndarray]:
    """Return past customers, and past revenue for each of them over days that know both."""
    widths = setting.customer_windows
    calendar = Calendar(customers, len(last))
    absent = _Absent(customers, setting.grid_days)
    counts, _ = _moments(customers, calendar, rows.codes, last, widths, absent, spread=False)
    out = {f"customer_count_ma_{w}d": counts[w] for w in widths}
    codes = np.repeat(np.arange(revenue.n_groups), np.diff(revenue.starts))
    theirs = calendar.value_on(codes, revenue.days.astype(np.int64))
    both = ~np.isnan(theirs)
    days, n = revenue.days[both], revenue.n_groups
    earned = Track.of(codes[both], days, revenue.values[both], n)
    came = Track.of(codes[both], days, theirs[both], n)
    shared = Calendar(earned, len(last))
    nothing = _Absent(earned, None)
    above, _ = _moments(earned, shared, rows.codes, last, widths, nothing, spread=False)
    below, _ = _moments(came, shared, rows.codes, last, widths, nothing, spread=False)
    # equally many terms: the ratio of the means is that of the sums
    out |= {f"revenue_per_customer_ma_{w}d": _ratio(above[w], below[w]) for w in widths}
    return out


# -- dates on which nothing was earned -----------------------------------------------------------


class _Absent:
    """Which dates between the first of a series and a day were to be expected.

    Parameters
    ----------
    track : Track
        The observations.
    grid_days : int or None
        Distance of expected dates; None expects nothing.
    """

    def __init__(self, track: Track, grid_days: int | None) -> None:
        self.grid_days = grid_days
        self._first = np.full(track.n_groups, np.iinfo(np.int32).max, dtype=np.int64)
        some = np.diff(track.starts) > 0
        self._first[some] = track.days[track.starts[:-1][some]]
        # of what was cut off, the beginning is known to lie further back than any window
        self._cut = track.before > 0

    def expected(self, codes: np.ndarray, last: np.ndarray, width: int) -> np.ndarray:
        """Return how many dates a window ``(last - width, last]`` is expected to have."""
        grid = self.grid_days or 1
        first = self._first[codes]
        count = np.maximum((last - first) // grid, -1)
        count -= np.maximum((last - width - first) // grid, -1)
        full = (last - first) // grid - (last - width - first) // grid
        expected: np.ndarray = np.where(self._cut[codes], full, count)
        return expected

    def filled(self, values: np.ndarray, codes: np.ndarray, days: np.ndarray) -> np.ndarray:
        """Return the values of single days, 0 on expected dates without an observation."""
        if self.grid_days is None:
            return values
        first = self._first[codes]
        expected = ((days >= first) | self._cut[codes]) & ((days - first) % self.grid_days == 0)
        return np.where(np.isnan(values) & expected, 0.0, values)

    def filled_lag(
        self, values: np.ndarray, rows: Rows, lag: Lag, calendar: Calendar
    ) -> np.ndarray:
        """Return a look back, with zeros on expected dates."""
        if self.grid_days is None or lag.unit == "months":
            return values
        if lag.unit == "days":
            return self.filled(values, rows.codes, rows.days - lag.amount)
        total, count = np.zeros(len(values)), np.zeros(len(values))
        for k in range(4):
            day = rows.days - 7 * (lag.amount + k)
            found = self.filled(calendar.value_on(rows.codes, day), rows.codes, day)
            there = ~np.isnan(found)
            total += np.where(there, found * 0.25, 0.0)
            count += there
        with np.errstate(invalid="ignore"):
            mean: np.ndarray = np.where(count > 0, total / count * 4.0, np.nan)
        return mean


def _with_zeros(
    mean: np.ndarray, std: np.ndarray | None, n: np.ndarray, expected: np.ndarray
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return mean and standard deviation with zeros for the dates that are missing."""
    with np.errstate(all="ignore"):
        level = np.where(n > 0, mean, 0.0)
        whole = np.where(expected > 0, level * (n / expected), np.nan)
        if std is None:
            return whole, None
        away = (level - whole) ** 2 * n + whole**2 * (expected - n)
        square = np.where(n > 1, std, 0.0) ** 2 * (n - 1.0).clip(0.0) + away
        spread = np.where(expected > 1, np.sqrt(square / (expected - 1.0)), np.nan)
        complete = n == expected
    return np.where(complete, mean, whole), np.where(complete, std, spread)
