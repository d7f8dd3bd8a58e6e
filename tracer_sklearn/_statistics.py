"""Statistics of one column, over its finite values, as plain Python numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from tracer_sklearn._numbers import largest

__all__ = [
    "excess_share",
    "finite_values",
    "is_flag",
    "mean",
    "median_of",
    "quantiles",
    "skewness",
    "spread",
]

_SAMPLE = 16_384
_BLOCK = 65_536


def finite_values(series: nw.Series[Any]) -> np.ndarray:
    """Return the finite values of a numeric column as a float64 array.

    Where nothing is missing the array may share the memory of the column, read-only.

    Parameters
    ----------
    series : narwhals.Series
        Numbers or flags; null, NaN and ±inf count as missing.
    """
    if not series.dtype.is_float():
        return series.drop_nulls().cast(nw.Float64).to_numpy()
    limit = largest(series.dtype)
    usable = series.is_between(-limit, limit)
    if int(usable.sum()) < len(series):
        # several times as fast as a boolean index in NumPy
        series = series.filter(usable)
    return series.to_numpy().astype(np.float64, copy=False)


def is_flag(values: np.ndarray) -> bool:
    """Tell a column of zeros and ones; one without values is none."""
    return len(values) > 0 and _all_zero_or_one(values[:1_000]) and _all_zero_or_one(values)


def _all_zero_or_one(values: np.ndarray) -> bool:
    return bool(np.all((values == 0.0) | (values == 1.0)))


def quantiles(values: np.ndarray, probabilities: Sequence[float]) -> list[float]:
    """Return several quantiles by linear interpolation.

    Parameters
    ----------
    values : ndarray of shape (n,)
        Finite float64 values, n >= 1; left as they are.
    probabilities : sequence of float
        In [0, 1].

    References
    ----------
    Hyndman & Fan (1996), type 7, doi 10.2307/2684934.
    """
    n = len(values)
    positions = [p * (n - 1) for p in probabilities]
    found = _order_statistics(values, [(math.floor(at), math.ceil(at)) for at in positions])
    answers = []
    for at, (low, high) in zip(positions, found, strict=True):
        share = at - math.floor(at)
        # each end weighted apart: the difference of two ends of 1e308 would overflow
        answers.append(low if low == high else low * (1.0 - share) + high * share)
    return answers


def _order_statistics(
    values: np.ndarray, ranks: Sequence[tuple[int, int]]
) -> list[tuple[float, float]]:
    """Return the values of two neighbouring ranks (from 0) for each pair.

    A sorted sample brackets the wanted ranks, one pass finds what lies below and inside each
    bracket, and only the inside is partitioned: several times as fast as partitioning a million
    values. The counts prove the bracket; where it misses, everything is partitioned.

    References
    ----------
    Floyd & Rivest (1975), doi 10.1145/360680.360691.
    """
    n = len(values)
    if n <= 4 * _SAMPLE:
        ordered = np.sort(values)
        return [(float(ordered[low]), float(ordered[high])) for low, high in ranks]
    sample = np.sort(values[:: n // _SAMPLE])
    brackets = [_bracket(sample, low / n) for low, _ in ranks]
    found = []
    for (low, high), bracket, (below, end, inside) in zip(
        ranks, brackets, _split(values, brackets), strict=True
    ):
        if low < below or high >= end:
            found.append(_pick(values, low, high))
        elif bracket[0] == bracket[1]:
            found.append(bracket)
        else:
            found.append(_pick(inside, low - below, high - below))
    return found


def _bracket(sample: np.ndarray, share: float) -> tuple[float, float]:
    """Return two values of the sorted sample that the quantile almost surely lies between."""
    m = len(sample)
    margin = 4.0 * math.sqrt(m * share * (1.0 - share)) + 4.0
    first = max(math.floor(share * m - margin), 0)
    last = min(math.ceil(share * m + margin), m - 1)
    return float(sample[first]), float(sample[last])


def _split(
    values: np.ndarray, brackets: Sequence[tuple[float, float]]
) -> list[tuple[int, int, np.ndarray]]:
    """Return for each bracket the ranks that it begins and ends at, and what lies inside.

    The inside of a bracket of one value is not copied out: it is known.
    """
    begin, size = [0] * len(brackets), [0] * len(brackets)
    inside: list[list[np.ndarray]] = [[values[:0]] for _ in brackets]
    for start in range(0, len(values), _BLOCK):  # a block stays in the cache for every bracket
        block = values[start : start + _BLOCK]
        for i, (first, last) in enumerate(brackets):
            within = block >= first
            begin[i] += len(block) - int(np.count_nonzero(within))
            within &= block <= last
            if first == last:
                size[i] += int(np.count_nonzero(within))
            else:
                inside[i].append(block[within])
                size[i] += len(inside[i][-1])
    return [
        (start, start + n, np.concatenate(parts))
        for start, n, parts in zip(begin, size, inside, strict=True)
    ]


def _pick(values: np.ndarray, low: int, high: int) -> tuple[float, float]:
    split = np.partition(values, sorted({low, high}))
    return float(split[low]), float(split[high])


def median_of(values: np.ndarray) -> float | None:
    """Return the median, or None where there are no values."""
    return quantiles(values, (0.5,))[0] if len(values) else None


def mean(values: np.ndarray) -> float:
    """Return the mean; finite for any finite values."""
    with np.errstate(over="ignore"):
        found = float(values.mean())
    if math.isfinite(found):
        return found
    scale = float(np.abs(values).max())
    return float((values / scale).mean()) * scale


def spread(values: np.ndarray) -> float:
    """Return the population standard deviation (ddof=0); finite for any finite values.

    Exactly 0.0 where all values are equal, whatever rounding the mean suffers.
    """
    low, high = float(values.min()), float(values.max())
    if low == high:
        return 0.0
    scale = max(abs(low), abs(high))
    if 1e-140 < scale < 1e140:
        return float(values.std())
    return float((values / scale).std()) * scale


def skewness(values: np.ndarray) -> float:
    """Return the moment coefficient of skewness g1; 0.0 for constant columns.

    References
    ----------
    Joanes & Gill (1998), doi 10.1111/1467-9884.00122.
    """
    low, high = float(values.min()), float(values.max())
    if low == high:
        return 0.0
    scale = max(abs(low), abs(high))
    if not 1e-90 < scale < 1e90:
        values = values / scale
    center = mean(values)
    second = third = 0.0
    for start in range(0, len(values), _BLOCK):  # blocks stay in the cache
        deviations = values[start : start + _BLOCK] - center
        squares = deviations * deviations
        second += float(squares.sum())
        squares *= deviations
        third += float(squares.sum())  # a dot product would wake the threads of BLAS
    if second == 0.0:
        return 0.0
    n = len(values)
    return third / n / math.pow(second / n, 1.5)


def excess_share(values: np.ndarray, low: float, high: float) -> float:
    """Return the share of values outside [low, high]."""
    return float(np.count_nonzero((values < low) | (values > high))) / len(values)
