"""Means and co-moments over past windows of sorted observations, each from its own slice.

Observations are arrays sorted by group and day, without missing values. A window is a pair of
positions ``[low, high)`` in them, so the calendar is settled by whoever found the positions. No
sum remembers what has left a window: its value is bit for bit the same whatever came before it,
whatever other windows are asked for, and in whatever order. A constant column has co-moments of
exactly 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

__all__ = [
    "Comoments",
    "count_levels",
    "expanding_comoments",
    "mid_ranks",
    "partial_out",
    "previous_equal",
    "rolling_comoments",
]

_Count = Callable[[np.ndarray, np.ndarray], np.ndarray]

# Ends of windows that are worked on together: their sums stay in the second-level cache.
_BLOCK = 8_192

# A step over all windows costs about as much as this share of one window on its own.
_FEW = 4

# Steps over neighbouring ends need no gather; up to this share of unused ends they are cheaper.
_MAX_IDLE = 4


@dataclass(frozen=True)
class Comoments:
    """What windows over d columns hold.

    Attributes
    ----------
    count : ndarray of int of shape (n_windows,)
        Observations in the window.
    mean : ndarray of shape (d, n_windows)
        Mean of each column; NaN in an empty window.
    packed : ndarray of shape (d * (d + 1) / 2, n_windows)
        Sums of products of deviations from the means, upper triangle row by row; 0 in an empty
        window.
    """

    count: np.ndarray
    mean: np.ndarray
    packed: np.ndarray

    def cross(self, first: int, second: int) -> np.ndarray:
        """Return the centred sum of products of two columns."""
        moments: np.ndarray = self.packed[_place(len(self.mean), first, second)]
        return moments


def rolling_comoments(
    columns: Sequence[np.ndarray], low: np.ndarray, high: np.ndarray
) -> Comoments:
    """Return the co-moments of columns over windows ``[low, high)``.

    Every window is summed from its newest observation backwards, as differences from that one.
    Cost: the sum of the windows' lengths times the number of pairs of columns, shared by windows
    with the same end.

    Parameters
    ----------
    columns : sequence of d ndarrays of float of shape (n_observations,)
        Finite values.
    low, high : ndarray of int of shape (n_windows,)
        First position, and the one after the last; empty where ``high <= low``.
    """
    d = len(columns)
    pairs = [(i, j) for i in range(d) for j in range(i, d)]
    count = np.maximum(high - low, 0)
    shift = _values_at(columns, np.maximum(high - 1, 0))
    sums = np.zeros((d, len(count)))
    products = np.zeros((len(pairs), len(count)))
    longest = int(count.max(initial=0))
    if _FEW * np.count_nonzero(count) <= longest:
        _sum_one_by_one(columns, pairs, low, high, sums, products)
        return _centred(count, sums, products, shift, pairs)
    # some windows of a long history need their own stretch of it only
    last = int(high.max(initial=0))
    first = max(int(high[count > 0].min(initial=last)) - longest, 0)
    padded = [np.concatenate([np.zeros(longest), column[first:last]]) for column in columns]
    with np.errstate(all="ignore"):  # steps beyond a window's own start are never read
        for block in _blocks(count, high - first, longest):
            width = block.width
            newest = [block.step(column, 1).copy() for column in padded]
            running = np.zeros((d + len(pairs), width))
            deviations, product = np.empty((d, width)), np.empty(width)
            for k, done in block.steps():
                for i in range(d):
                    np.subtract(block.step(padded[i], k), newest[i], out=deviations[i])
                    running[i] += deviations[i]
                for at, (i, j) in enumerate(pairs, start=d):
                    np.multiply(deviations[i], deviations[j], out=product)
                    running[at] += product
                if len(done):
                    found = running[:, block.place[done]]
                    windows = block.windows[done]
                    sums[:, windows], products[:, windows] = found[:d], found[d:]
    return _centred(count, sums, products, shift, pairs)


def _sum_one_by_one(
    columns: Sequence[np.ndarray],
    pairs: Sequence[tuple[int, int]],
    low: np.ndarray,
    high: np.ndarray,
    sums: np.ndarray,
    products: np.ndarray,
) -> None:
    """Fill the sums of a few long windows; the running sum adds in the order of the steps."""
    with np.errstate(all="ignore"):
        for window in np.flatnonzero(high > low):
            inside = slice(low[window], high[window])
            away = [column[inside][::-1] - column[high[window] - 1] for column in columns]
            for i, values in enumerate(away):
                sums[i, window] = np.cumsum(values)[-1]
            for at, (i, j) in enumerate(pairs):
                products[at, window] = np.cumsum(away[i] * away[j])[-1]


def expanding_comoments(
    columns: Sequence[np.ndarray], starts: np.ndarray, groups: np.ndarray, high: np.ndarray
) -> Comoments:
    """Return the co-moments of columns over everything from a group's start up to ``high``.

    Nothing ever leaves such a window, so running sums within the group obey the law. Cost:
    linear, whatever the lengths.

    Parameters
    ----------
    columns : sequence of d ndarrays of float of shape (n_observations,)
        Finite values.
    starts : ndarray of int of shape (n_groups + 1,)
        Where the observations of each group begin; the last one is the number of observations.
    groups : ndarray of int of shape (n_windows,)
        The group of each window.
    high : ndarray of int of shape (n_windows,)
        Position after the last observation of each window.
    """
    d, n = len(columns), int(starts[-1])
    pairs = [(i, j) for i in range(d) for j in range(i, d)]
    low = starts[groups]
    count = np.maximum(high - low, 0)
    first = np.repeat(starts[:-1], np.diff(starts))
    deviations = [column - column[first] for column in columns]
    running = np.empty((d + len(pairs), n))
    for i in range(d):
        running[i] = deviations[i]
    for at, (i, j) in enumerate(pairs, start=d):
        np.multiply(deviations[i], deviations[j], out=running[at])
    for begin, end in pairwise(starts):
        np.cumsum(running[:, begin:end], axis=1, out=running[:, begin:end])
    found = np.zeros((d + len(pairs), len(count)))
    some = count > 0
    found[:, some] = running[:, high[some] - 1]
    shift = _values_at(columns, np.minimum(low, n - 1))
    return _centred(count, found[:d], found[d:], shift, pairs)


def partial_out(
    moments: Comoments, first: int, second: int, controls: Sequence[int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the co-moments of two columns once what controls explain is taken out.

    A control that is constant in a window, or explained by the controls before it, takes nothing
    out there. What is left of a column that the controls explain to rounding is exactly 0.

    Parameters
    ----------
    moments : Comoments
        Over windows that hold the two columns and the controls.
    first, second : int
        The two columns, by place.
    controls : sequence of int
        The controls, by place.

    Returns
    -------
    of_first, between, of_second : ndarray of shape (n_windows,)
        What is left of the two sums of squares, and of the sum of products.
    n_used : ndarray of int of shape (n_windows,)
        Controls that took something out.
    """
    order = [*controls, first, second]
    left = {
        (i, j): moments.cross(order[i], order[j])
        for i in range(len(order))
        for j in range(i, len(order))
    }
    whole = [left[i, i] for i in range(len(order))]
    n_used = np.zeros(len(moments.count), dtype=np.int64)
    for pivot in range(len(controls)):
        own = left[pivot, pivot]
        usable = own > _COLLINEAR * whole[pivot]
        n_used += usable
        inverse = np.divide(1.0, own, out=np.zeros_like(own), where=usable)
        for i in range(pivot + 1, len(order)):
            share = left[pivot, i] * inverse
            for j in range(i, len(order)):
                left[i, j] = left[i, j] - share * left[pivot, j]
    f, s = len(controls), len(controls) + 1
    if controls:
        for i in (f, s):
            gone = left[i, i] <= _EXPLAINED * whole[i]
            left[i, i] = np.where(gone, 0.0, left[i, i])
            left[f, s] = np.where(gone, 0.0, left[f, s])
    return left[f, f], left[f, s], left[s, s], n_used


_COLLINEAR = 1e-8  # share of a control's own variation that must be left to use it
_EXPLAINED = 1e-12


def previous_equal(values: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Return where the same value of the same group stood last, -1 where it is new.

    Parameters
    ----------
    values : ndarray of shape (n_observations,)
        Sorted by group and day.
    starts : ndarray of int of shape (n_groups + 1,)
        Where the observations of each group begin.
    """
    group = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    order = np.lexsort((np.arange(len(values)), values, group))
    ahead, behind = order[1:], order[:-1]
    same = (values[ahead] == values[behind]) & (group[ahead] == group[behind])
    previous = np.full(len(values), -1, dtype=np.int64)
    previous[ahead[same]] = behind[same]
    return previous


def count_levels(previous: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return the number of distinct values in windows ``[low, high)``.

    Parameters
    ----------
    previous : ndarray of int of shape (n_observations,)
        From `previous_equal`: a value counts where its last appearance lies before the window.
    low, high : ndarray of int of shape (n_windows,)
        Bounds of the windows.
    """

    def is_first(position: np.ndarray, windows: np.ndarray) -> np.ndarray:
        first: np.ndarray = previous[position] < low[windows]
        return first

    return _count_where(is_first, low, high)


def mid_ranks(values: np.ndarray, at: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return the share of a window's values below ``at``, ties counted by half; NaN if empty.

    Parameters
    ----------
    values : ndarray of float of shape (n_observations,)
        Sorted by group and day.
    at : ndarray of float of shape (n_windows,)
        What is ranked.
    low, high : ndarray of int of shape (n_windows,)
        Bounds of the windows.
    """

    def halves(position: np.ndarray, windows: np.ndarray) -> np.ndarray:
        here, asked = values[position], at[windows]
        counts: np.ndarray = (here < asked).astype(np.int64) + (here <= asked)
        return counts

    count = high - low
    share = _count_where(halves, low, high) / np.where(count > 0, 2.0 * count, np.nan)
    return np.where(np.isnan(at), np.nan, share)


# -- stepping through windows ------------------------------------------------------------------


@dataclass(frozen=True)
class _Block:
    """Windows whose ends lie near one another, and the ends they are stepped from."""

    ends: np.ndarray | slice
    width: int
    windows: np.ndarray  # by length
    lengths: np.ndarray
    place: np.ndarray  # of each window's end among the ends
    pad: int

    def step(self, padded: np.ndarray, k: int) -> np.ndarray:
        """Return the k-th newest value before every end."""
        if isinstance(self.ends, slice):
            shifted: np.ndarray = padded[
                self.ends.start - k + self.pad : self.ends.stop - k + self.pad
            ]
            return shifted
        gathered: np.ndarray = padded[self.ends - k + self.pad]
        return gathered

    def steps(self) -> Iterator[tuple[int, np.ndarray]]:
        """Yield 1, 2, ... with the windows that are complete after that step."""
        longest = int(self.lengths[-1])
        bounds = np.searchsorted(self.lengths, np.arange(1, longest + 2))
        for k in range(1, longest + 1):
            yield k, np.arange(bounds[k - 1], bounds[k])


def _blocks(count: np.ndarray, high: np.ndarray, pad: int) -> Iterator[_Block]:
    filled = np.flatnonzero(count)
    by_end = filled[np.argsort(high[filled], kind="stable")]
    ends = high[by_end]
    is_new = np.concatenate([[True], ends[1:] != ends[:-1]]) if len(ends) else np.zeros(0, bool)
    firsts = np.flatnonzero(is_new)
    for begin in range(0, len(firsts), _BLOCK):
        start = firsts[begin]
        stop = firsts[begin + _BLOCK] if begin + _BLOCK < len(firsts) else len(ends)
        distinct = ends[firsts[begin : begin + _BLOCK]]
        windows = by_end[start:stop]
        by_length = np.argsort(count[windows], kind="stable")
        span = int(distinct[-1] - distinct[0]) + 1
        chosen: np.ndarray | slice = distinct
        place = np.cumsum(is_new[start:stop]) - 1
        if span <= _MAX_IDLE * len(distinct):
            chosen = slice(int(distinct[0]), int(distinct[-1]) + 1)
            place = ends[start:stop] - distinct[0]
        yield _Block(
            ends=chosen,
            width=span if isinstance(chosen, slice) else len(distinct),
            windows=windows[by_length],
            lengths=count[windows][by_length],
            place=place[by_length],
            pad=pad,
        )


def _count_where(count_at: _Count, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Sum ``count_at(positions, windows)`` over the positions of every window."""
    length = np.maximum(high - low, 0)
    total = np.zeros(len(length), dtype=np.int64)
    filled = np.flatnonzero(length)
    if _FEW * len(filled) <= int(length.max(initial=0)):
        for window in filled:
            inside = np.arange(low[window], high[window])
            total[window] = count_at(inside, np.full(len(inside), window)).sum()
        return total
    for begin in range(0, len(length), _BLOCK):
        lengths = length[begin : begin + _BLOCK]
        windows = begin + np.argsort(-lengths, kind="stable")
        newest = high[windows] - 1
        falling = -length[windows]
        running = np.zeros(len(windows), dtype=np.int64)
        for k in range(int(lengths.max(initial=0))):
            active = int(np.searchsorted(falling, -k, side="left"))
            running[:active] += count_at(newest[:active] - k, windows[:active])
        total[windows] = running
    return total


def _values_at(columns: Sequence[np.ndarray], positions: np.ndarray) -> np.ndarray:
    if not len(columns[0]):
        return np.full((len(columns), len(positions)), np.nan)
    return np.stack([column[positions] for column in columns])


def _centred(
    count: np.ndarray,
    sums: np.ndarray,
    products: np.ndarray,
    shift: np.ndarray,
    pairs: Sequence[tuple[int, int]],
) -> Comoments:
    """Turn sums of differences from one value into means and centred products."""
    filled = count > 0
    with np.errstate(all="ignore"):  # an empty window, or one whose squares leave the floats
        average = sums / count
        mean = shift + average
        for at, (i, j) in enumerate(pairs):
            centred = products[at] - sums[i] * np.where(filled, average[j], 0.0)
            # rounding must not make a sum of squares negative
            products[at] = np.maximum(centred, 0.0) if i == j else centred
    return Comoments(count, mean, products)


def _place(d: int, first: int, second: int) -> int:
    i, j = min(first, second), max(first, second)
    return i * d - i * (i - 1) // 2 + j - i
