"""How far a column has moved from its reference, and how far chance alone may move it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate

import numpy as np
from scipy.special import chdtri

__all__ = ["chance_of_gap", "chance_of_psi", "largest_gap", "pooled", "stability_index"]

_FEWEST_EXPECTED = 10


def pooled(
    expected: Sequence[int], found: Sequence[int], bin_share: float, *, ordered: bool
) -> tuple[list[int], list[int]]:
    """Merge bins until each is large enough to be compared.

    A bin needs `bin_share` of the training cells and 10 expected cells on both sides, which the
    approximation by a chi-square distribution asks for. Bins of numbers merge with their
    neighbours. Small levels all merge into one: bins of a few rare levels each would look too
    large in training, because what is listed there is what chance has favoured.

    Parameters
    ----------
    expected, found : sequence of int
        Cells of each bin in the training data and in the data at hand.
    bin_share : float
        Smallest share of a bin.
    ordered : bool
        Whether neighbours belong together; otherwise the first bins are the largest.
    """
    n, m = sum(expected), sum(found)
    fewest = max(bin_share * n, _FEWEST_EXPECTED, _FEWEST_EXPECTED * n / max(m, 1))
    merged: list[list[int]] = []
    open_bin = False
    for a, b in zip(expected, found, strict=True):
        if open_bin:
            merged[-1][0] += a
            merged[-1][1] += b
        else:
            merged.append([a, b])
        open_bin = merged[-1][0] < fewest or (open_bin and not ordered)
    if len(merged) > 1 and merged[-1][0] < fewest:
        a, b = merged.pop()
        merged[-1][0] += a
        merged[-1][1] += b
    return [a for a, _ in merged], [b for _, b in merged]


def stability_index(expected: Sequence[int], found: Sequence[int]) -> float:
    """Return the population stability index; half a cell is added to each bin."""
    p = np.asarray(expected, dtype=float) + 0.5
    q = np.asarray(found, dtype=float) + 0.5
    p, q = p / p.sum(), q / q.sum()
    return float(((q - p) * np.log(q / p)).sum())


def largest_gap(expected: Sequence[int], found: Sequence[int]) -> float:
    """Return the largest distance of the two cumulative distributions at the cuts."""
    n, m = sum(expected), sum(found)
    pairs = zip(accumulate(expected), accumulate(found), strict=True)
    return max(abs(a / n - b / m) for a, b in pairs)


def chance_of_psi(n: int, m: int, n_bins: int, level: float) -> float:
    """Return the index that chance exceeds with probability `level`."""
    if n_bins < 2:
        return 0.0
    return (1 / n + 1 / m) * float(chdtri(n_bins - 1, level))


def chance_of_gap(n: int, m: int, level: float) -> float:
    """Return the gap of two cumulative distributions that chance exceeds at most so often."""
    return math.sqrt(0.5 * math.log(2 / level) * (1 / n + 1 / m))
