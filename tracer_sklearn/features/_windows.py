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

# A table of more observations is for many looks into it: else bisection is faster.
_SMALL_TABLE = 10_000
_MIN_USE = 0.05

# Window ends that are worked on together: what they share stays in the cache.
_BLOCK = 32_768

# Windows of one number of observations, from which on they are worth a pass of their own.
_MANY = 200

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
        pays = len(track.days) <= _SMALL_TABLE or n_queries >= _MIN_USE * len(track.days)
        if pays and n_cells <= _MAX_SPARSITY * (len(track.days) + n_queries):
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
    A window of n observations is cut, from its newest one backwards, into runs whose lengths are
    the powers of two in n. Mean and sum of squares of all runs of one length come from those of
    half that length, and runs are joined as in [1]_. So the value depends on what is inside and
    on nothing else, and costs the logarithm of the longest window for each distinct end. All
    sums are of differences from a value inside: the error of a standard deviation is relative to
    itself, however large the values beside it; that of a mean to the largest value.

    References
    ----------
    .. [1] Chan, Golub & LeVeque (1983), doi 10.1080/00031305.1983.10483115.
    """
    n_windows = len(high)
    means = [np.empty(n_windows) for _ in lows]
    stds = [np.empty(n_windows) for _ in lows] if spread else []
    with np.errstate(all="ignore"):  # what lies outside of a window is never read
        begin = 0
        while begin < n_windows:
            # neither many windows at few ends nor few at many: both would leave the cache
            near = np.searchsorted(high[begin : begin + _BLOCK], high[begin] + _BLOCK)
            block = slice(begin, begin + int(near))
            ends = high[block]
            counts = [ends - low[block] for low in lows]
            longest = max((int(count.max()) for count in counts), default=0)
            runs = _Runs(values, int(ends[0]), int(ends[-1]), longest, spread=spread)
            for width, count in enumerate(counts):
                std = stds[width][block] if spread else None
                runs.join(count, ends, means[width][block], std)
            begin = block.stop
    if _doubtful(values):
        _recompute(values, lows, high, means, stds)
    return means, stds


class _Runs:
    """Mean and sum of squares about it of runs of 1, 2, 4 ... observations, for neighbouring ends.

    A mean is kept as its offset from the newest value of its run: only differences of values are
    joined, so that a large level costs a small spread no digit.

    Parameters
    ----------
    values : ndarray of float64
        All observations.
    first, last : int
        The positions after the newest observation, of the first and of the last end.
    longest : int
        Observations of the longest window.
    spread : bool
        Whether sums of squares are wanted.
    """

    def __init__(
        self, values: np.ndarray, first: int, last: int, longest: int, *, spread: bool
    ) -> None:
        n_lengths = longest.bit_length()
        reach = 1 << n_lengths
        # what a slot of the first run that a window has is joined to, so -0.0 must not occur
        inside = values[max(first - reach, 0) : last] + 0.0
        self._origin = first - reach
        if self._origin < 0:
            inside = np.concatenate([np.zeros(-self._origin), inside])
        self._longest = longest
        self._values = inside
        self._offsets, self._squares = [np.zeros(0)], [np.zeros(0)]
        for length in range(1, n_lengths):
            half = 1 << (length - 1)
            older = inside[half - 1 : -half] - inside[2 * half - 1 :]
            if length == 1:
                self._offsets.append(0.5 * older)
            else:
                newer = self._offsets[-1][half:]
                older += self._offsets[-1][:-half]
                offset = newer + older
                offset *= 0.5
                self._offsets.append(offset)
                if spread:
                    np.subtract(newer, older, out=older)
            if spread:
                square = older
                square *= square
                square *= 0.5 * half
                if length > 1:
                    square += self._squares[-1][half:]
                    square += self._squares[-1][:-half]
                self._squares.append(square)

    def join(
        self, counts: np.ndarray, ends: np.ndarray, mean: np.ndarray, std: np.ndarray | None
    ) -> None:
        """Write mean and standard deviation of windows by their numbers of observations."""
        newest = ends - (self._origin + 1)
        how_many = np.bincount(counts)
        usual = int(how_many.argmax())
        rest = np.arange(len(counts))
        neighbours = bool((np.diff(newest) == 1).all())  # the span alone: one twice, one never
        if usual and 2 * how_many[usual] > len(counts) and neighbours:
            # one after the other: computed for all of them without gathering
            self._write(usual, range(int(newest[0]), int(newest[-1]) + 1), rest, mean, std)
            rest = np.flatnonzero(counts != usual)
        left = counts[rest]
        small = left.astype(np.uint16 if self._longest < 2**16 else np.int64)
        rest = rest[np.argsort(small, kind="stable")]  # 16 bits sort by radix
        if len(rest) < len(counts):
            how_many[usual] = 0
        until = np.cumsum(how_many)
        many = np.flatnonzero(how_many >= _MANY)
        for count in many.tolist():
            these = rest[until[count] - how_many[count] : until[count]]
            self._write(count, newest[these], these, mean, std)
        few = rest[how_many[counts[rest]] < _MANY] if len(many) else rest
        if len(few):
            self._write_mixed(counts[few], newest[few], few, mean, std)

    def _write(
        self,
        count: int,
        newest: np.ndarray | range,
        rows: np.ndarray,
        mean: np.ndarray,
        std: np.ndarray | None,
    ) -> None:
        """Write the moments of windows with one number of observations."""
        if count == 0:
            mean[rows] = np.nan
            if std is not None:
                std[rows] = np.nan
            return
        lengths = [k for k in reversed(range(count.bit_length())) if count >> k & 1]
        done = 1 << lengths[0]
        at = _before(newest, done - 1)
        last = self._values[_before(newest, 0)]
        level = self._offsets[lengths[0]][at] if lengths[0] else 0.0
        square = self._squares[lengths[0]][at] if std is not None and lengths[0] else None
        for k in lengths[1:]:
            at = _before(newest, done + (1 << k) - 1)
            away = self._values[_before(newest, done)] - last
            if k:
                away += self._offsets[k][at]
            away -= level
            step = away * ((1 << k) / (done + (1 << k)))
            level = level + step
            if square is not None:
                step *= away
                step *= done
                if k:
                    step += self._squares[k][at]
                square = square + step
            done += 1 << k
        mean[rows] = last + level
        if std is not None:
            std[rows] = np.nan if square is None else np.sqrt(square / (count - 1.0))

    def _write_mixed(
        self,
        counts: np.ndarray,
        newest: np.ndarray,
        rows: np.ndarray,
        mean: np.ndarray,
        std: np.ndarray | None,
    ) -> None:
        """Write the moments of windows with many numbers of observations, few of each."""
        level, square = np.zeros(len(counts)), np.zeros(len(counts))
        last = self._values[newest]
        for k in reversed(range(self._longest.bit_length())):
            some = np.flatnonzero(counts & (1 << k))
            done = (counts[some] >> (k + 1)) << (k + 1)
            at = newest[some] - (done + ((1 << k) - 1))
            away = self._values[newest[some] - done] - last[some]
            if k:
                away += self._offsets[k][at]
            away -= level[some]
            step = away * ((1 << k) / (done + (1 << k)))
            level[some] += step
            if std is not None:
                step *= away
                step *= done
                if k:
                    step += self._squares[k][at]
                square[some] += step
        level += last
        level[counts == 0] = np.nan
        mean[rows] = level
        if std is not None:
            square /= counts - 1.0
            found = np.sqrt(square)
            found[counts < 2] = np.nan
            std[rows] = found


def _before(newest: np.ndarray | range, n: int) -> np.ndarray | slice:
    """Return positions n observations before the newest; neighbours as a slice."""
    if isinstance(newest, range):
        return slice(newest.start - n, newest.stop - n)
    return newest - n


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
