"""Past-only calendar windows over sorted observations, each computed from its own slice.

The pure kernel under the generators that look back. A window is ``(t - h - w, t - h]``: the
calendar days that end ``h`` days before the day of a row. Its value depends on the observations
inside it and on nothing else: no sum remembers what has left it, so it is bit for bit the same
whatever came before and however the rows are cut into batches, and a constant window has a
standard deviation of exactly 0.

Groups are codes 0 ... n - 1, days are whole numbers, missing observations are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from tracer_sklearn.features._comoments import rolling_comoments

__all__ = ["Calendar", "Rows", "Track", "arranged", "slopes", "window_moments"]

# Cells of a table of counts for each key in it, up to which the table beats a sort.
_MAX_SPARSITY = 8

# Window ends that are worked on together: their sums stay in the second-level cache.
_BLOCK = 8_192

# Up to this many unused ends for a used one, stepping over neighbours beats gathering.
_MAX_IDLE = 4

# Squares of differences beyond these leave the range of floats.
_SMALL, _LARGE = 1e-130, 1e150


# -- rows ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rows:
    """Distinct pairs of group and day in ascending order, and where each row went.

    Attributes
    ----------
    codes, days : ndarray of int64 of shape (n_distinct,)
        The pairs.
    place : ndarray of int64 of shape (n_rows,) or None
        The pair of each row; None where the rows are the pairs, in this very order.
    """

    codes: np.ndarray
    days: np.ndarray
    place: np.ndarray | None

    def spread(self, values: np.ndarray) -> np.ndarray:
        """Return the value of each row from that of its pair."""
        spread: np.ndarray = values if self.place is None else values[self.place]
        return spread


def arranged(codes: np.ndarray, days: np.ndarray) -> Rows:
    """Sort rows by group and day, pairs that occur several times once.

    Where the days lie dense, a table of counts sorts without comparing.
    """
    if len(codes) == 0:
        return Rows(codes, days, None)
    first = int(days.min())
    stride = int(days.max()) - first + 1
    keys = codes * stride + (days - first)
    if bool((keys[1:] > keys[:-1]).all()):
        return Rows(codes, days, None)
    n_cells = (int(codes.max()) + 1) * stride
    if n_cells <= _MAX_SPARSITY * len(keys):
        is_there = np.zeros(n_cells, dtype=bool)
        is_there[keys] = True
        distinct = np.flatnonzero(is_there)
        place = (np.cumsum(is_there) - 1)[keys]
    else:
        distinct, place = np.unique(keys, return_inverse=True)
    group = distinct // stride
    return Rows(group, distinct - group * stride + first, place)


# -- observations --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Track:
    """Observations of one quantity: group after group, each by day, none missing.

    Attributes
    ----------
    starts : ndarray of int64 of shape (n_groups + 1,)
        Where the observations of each group begin; the last one is their number.
    days : ndarray of int32 of shape (n,)
        Days, ascending and distinct within a group.
    values : ndarray of float64 of shape (n,)
        Finite values.
    before : ndarray of int64 of shape (n_groups,)
        Observations of each group that were cut off its beginning.
    """

    starts: np.ndarray
    days: np.ndarray
    values: np.ndarray
    before: np.ndarray

    @classmethod
    def of(cls, codes: np.ndarray, days: np.ndarray, values: np.ndarray, n_groups: int) -> Self:
        """Take distinct pairs in ascending order; missing values are left out."""
        there = np.isfinite(values)
        if not there.all():
            codes, days, values = codes[there], days[there], values[there]
        starts = np.searchsorted(codes, np.arange(n_groups + 1))
        before = np.zeros(n_groups, dtype=np.int64)
        return cls(starts, days.astype(np.int32), values.astype(np.float64), before)

    @property
    def n_groups(self) -> int:
        """Number of groups, those without observations included."""
        return len(self.starts) - 1

    @property
    def newest_day(self) -> int | None:
        """Day of the newest observation of all groups."""
        return int(self.days.max()) if len(self.days) else None

    def grown(self, n_groups: int) -> Track:
        """Return the same with more groups, which are empty."""
        n_new = n_groups - self.n_groups
        if n_new <= 0:
            return self
        starts = np.concatenate([self.starts, np.full(n_new, self.starts[-1])])
        before = np.concatenate([self.before, np.zeros(n_new, dtype=np.int64)])
        return Track(starts, self.days, self.values, before)

    def position(self, codes: np.ndarray, days: np.ndarray) -> np.ndarray:
        """Return where the observations of a group after a day begin, by bisection."""
        low: np.ndarray = self.starts[codes]
        high = self.starts[codes + 1]
        longest = int((high - low).max(initial=0))
        for _ in range(longest.bit_length()):
            middle = (low + high) >> 1
            open_ = low < high
            older = np.zeros(len(low), dtype=bool)
            older[open_] = self.days[middle[open_]] <= days[open_]
            low = np.where(older, middle + 1, low)
            high = np.where(open_ & ~older, middle, high)
        return low

    def recent(self, groups: np.ndarray, since: np.ndarray) -> Track:
        """Return some groups, renumbered in the order given, without what is older than a day."""
        low, high = self.position(groups, since - 1), self.starts[groups + 1]
        starts = np.concatenate([[0], np.cumsum(high - low)])
        taken = np.repeat(low - starts[:-1], high - low) + np.arange(starts[-1])
        before = self.before[groups] + low - self.starts[groups]
        return Track(starts, self.days[taken], self.values[taken], before)

    def merged(self, newer: Track) -> Track:
        """Return the union of two tracks over the same groups; the newer one wins."""
        if len(newer.days) == 0:
            return self
        codes = np.repeat(np.arange(newer.n_groups), np.diff(newer.starts))
        until = Calendar(self, len(codes)).until(codes, newer.days)
        known = until > self.starts[codes]
        known[known] = self.days[until[known] - 1] == newer.days[known]
        values = self.values.copy()
        values[until[known] - 1] = newer.values[known]
        fresh = ~known
        if not fresh.any():
            return Track(self.starts, self.days, values, self.before)
        at = until[fresh]
        days = np.insert(self.days, at, newer.days[fresh])
        values = np.insert(values, at, newer.values[fresh])
        added = np.concatenate([[0], np.cumsum(np.bincount(codes[fresh], minlength=self.n_groups))])
        return Track(self.starts + added, days, values, self.before)


class Calendar:
    """Where the days of every group lie among the observations of a track.

    Parameters
    ----------
    track : Track
        The observations.
    n_queries : int
        About how many days will be asked for: decides whether a table of counts pays.
    """

    def __init__(self, track: Track, n_queries: int) -> None:
        self._track = track
        self._table: np.ndarray | None = None
        if len(track.days) == 0:
            return
        self._first = int(track.days.min()) - 1
        self._last = int(track.days.max())
        self._stride = self._last - self._first + 1
        n_cells = track.n_groups * self._stride
        if n_cells <= _MAX_SPARSITY * (len(track.days) + n_queries):
            codes = np.repeat(np.arange(track.n_groups), np.diff(track.starts))
            there = np.zeros(n_cells, dtype=np.int32 if n_cells < 2**31 else np.int64)
            there[codes * self._stride + (track.days - self._first)] = 1
            self._table = np.cumsum(there, out=there)

    def until(self, codes: np.ndarray, days: np.ndarray) -> np.ndarray:
        """Return the position after the last observation of a group up to and with a day."""
        if len(self._track.days) == 0:
            return np.zeros(len(codes), dtype=np.int64)
        if self._table is None:
            found: np.ndarray = self._track.position(codes, days)
            return found
        cell = codes * self._stride
        cell += np.clip(days, self._first, self._last)
        cell -= self._first
        until: np.ndarray = self._table[cell].astype(np.int64)
        return until

    def value_on(self, codes: np.ndarray, days: np.ndarray) -> np.ndarray:
        """Return the value of a group on a day; NaN where none was observed."""
        until = self.until(codes, days)
        out = np.full(len(until), np.nan)
        some = np.flatnonzero(until > self._track.starts[codes])
        at = until[some] - 1
        there = self._track.days[at] == days[some]
        out[some[there]] = self._track.values[at[there]]
        return out

    def count_until(self, codes: np.ndarray, days: np.ndarray) -> np.ndarray:
        """Return how many observations a group has up to a day, those cut off included."""
        seen: np.ndarray = self.until(codes, days) - self._track.starts[codes]
        seen += self._track.before[codes]
        return seen

    def mean_of_days(self, codes: np.ndarray, days: Sequence[np.ndarray]) -> np.ndarray:
        """Return the mean over the values of a group on some days, those that were observed."""
        total, count = np.zeros(len(codes)), np.zeros(len(codes))
        share = 0.5 ** len(days).bit_length()  # of two: exact, and a sum of shares cannot overflow
        for asked in days:
            found = self.value_on(codes, asked)
            there = ~np.isnan(found)
            total += np.where(there, found * share, 0.0)
            count += there
        with np.errstate(invalid="ignore"):
            mean: np.ndarray = np.where(count > 0, total / count / share, np.nan)
        return mean


# -- windows -------------------------------------------------------------------------------------


def window_moments(
    values: np.ndarray, lows: Sequence[np.ndarray], high: np.ndarray, *, spread: bool = True
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return mean and standard deviation of windows that end at the same observations.

    Parameters
    ----------
    values : ndarray of float64 of shape (n_observations,)
        Finite values.
    lows : sequence of ndarray of int64 of shape (n_windows,)
        First position of each window, one array for each width.
    high : ndarray of int64 of shape (n_windows,)
        The position after its last; ascending.
    spread : bool, default=True
        Whether standard deviations are wanted.

    Returns
    -------
    means, stds : list of ndarray of float64 of shape (n_windows,)
        One array for each width; NaN in a window with no observation, for ``stds`` with fewer
        than two (``ddof=1``). Without ``spread`` there are no ``stds``.

    Notes
    -----
    Windows are summed from their newest observation backwards, as differences from it. One pass
    over the widest window serves all that end there. Cost: the length of the widest window for
    each distinct end.
    """
    n_windows, n_widths = len(high), len(lows)
    counts = [high - low for low in lows]
    longest = max((int(count.max(initial=0)) for count in counts), default=0)
    padded = np.concatenate([np.zeros(longest), values])
    sums = np.zeros((n_widths, n_windows))
    squares = np.zeros((n_widths, n_windows)) if spread else sums
    with np.errstate(all="ignore"):  # what lies before a window's own start is never read
        for begin in range(0, n_windows, _BLOCK):
            block = slice(begin, min(begin + _BLOCK, n_windows))
            _sum_block(
                padded,
                longest,
                high[block],
                [count[block] for count in counts],
                sums[:, block],
                squares[:, block] if spread else None,
            )
    newest = padded[high - 1 + longest] if len(padded) else np.zeros(n_windows)
    means, stds = [], []
    doubtful = _doubtful(values)
    with np.errstate(all="ignore"):
        for width in range(n_widths):
            n = counts[width].astype(np.float64)
            mean = np.where(n > 0, newest + sums[width] / n, np.nan)
            means.append(mean)
            if spread:
                left = squares[width] - sums[width] * sums[width] / n
                # rounding must not make a sum of squares negative
                std = np.sqrt(np.maximum(left, 0.0) / (n - 1.0))
                std[n < 2] = np.nan
                stds.append(std)
    if doubtful:
        _recompute(values, lows, high, means, stds)
    return means, stds


def _sum_block(
    padded: np.ndarray,
    pad: int,
    high: np.ndarray,
    counts: Sequence[np.ndarray],
    sums: np.ndarray,
    squares: np.ndarray | None,
) -> None:
    """Sum the windows of neighbouring ends, step by step backwards from their newest value."""
    first, last = int(high[0]), int(high[-1])
    steps_over_all = last - first + 1 <= _MAX_IDLE * len(high)
    place = high - first if steps_over_all else None
    base = (np.arange(0) if steps_over_all else high) + pad

    def step(k: int) -> np.ndarray:
        if steps_over_all:
            return padded[first + pad - k : last + 1 + pad - k]
        return padded[base - k]

    longest = max(int(count.max(initial=0)) for count in counts)
    if longest < 2:
        return
    finished = [_by_count(count, longest) for count in counts]
    newest = step(1).copy()
    difference = np.empty(len(newest))
    total = np.zeros(len(newest))
    total_squared = np.zeros(len(newest))
    for k in range(2, longest + 1):
        np.subtract(step(k), newest, out=difference)
        total += difference
        if squares is not None:
            np.multiply(difference, difference, out=difference)
            total_squared += difference
        for width, (order, bounds) in enumerate(finished):
            if bounds[k] == bounds[k + 1]:
                continue
            done = order[bounds[k] : bounds[k + 1]]
            at = done if place is None else place[done]
            sums[width, done] = total[at]
            if squares is not None:
                squares[width, done] = total_squared[at]


def _by_count(count: np.ndarray, longest: int) -> tuple[np.ndarray, list[int]]:
    """Return windows by number of observations, and where each number begins among them."""
    small = count.astype(np.uint16 if longest < 2**16 else np.int64)  # 16 bits sort by radix
    order = np.argsort(small, kind="stable")
    return order, np.searchsorted(small[order], np.arange(longest + 2)).tolist()


def _doubtful(values: np.ndarray) -> bool:
    """Tell whether squares of differences may overflow, or vanish."""
    if len(values) == 0:
        return False
    size = np.abs(values)
    return bool(size.max() > _LARGE or (size[size > 0].min(initial=1.0)) < _SMALL)


def _recompute(
    values: np.ndarray,
    lows: Sequence[np.ndarray],
    high: np.ndarray,
    means: Sequence[np.ndarray],
    stds: Sequence[np.ndarray],
) -> None:
    """Compute windows whose values are huge or tiny once more, in units of their own size."""
    largest = np.finfo(np.float64).max
    for width, low in enumerate(lows):
        for window in np.flatnonzero(high > low):
            inside = values[low[window] : high[window]][::-1]
            size = float(np.abs(inside).max())
            if _SMALL <= size <= _LARGE and not _doubtful(inside):
                continue
            scale = 2.0 ** np.clip(np.frexp(size)[1], -1021, 1020) if size > 0 else 1.0
            unit = inside / scale
            difference = unit - unit[0]
            n = len(unit)
            mean = unit[0] + difference.sum() / n
            means[width][window] = np.clip(mean * scale, -largest, largest)
            if stds and n > 1:
                away = difference - difference.sum() / n
                std = 0.0 if not difference.any() else np.sqrt((away * away).sum() / (n - 1))
                stds[width][window] = min(float(std) * scale, float(largest))


def slopes(track: Track, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return the change per day, by least squares, of the observations in windows.

    Parameters
    ----------
    track : Track
        The observations.
    low, high : ndarray of int64 of shape (n_windows,)
        First position of a window, and the one after its last.

    Returns
    -------
    slope : ndarray of float64 of shape (n_windows,)
        NaN where a window has fewer than two observations.
    """
    moments = rolling_comoments([track.days.astype(np.float64), track.values], low, high)
    with np.errstate(invalid="ignore", divide="ignore"):
        slope = moments.cross(0, 1) / moments.cross(0, 0)
    return np.where(moments.count > 1, slope, np.nan)
