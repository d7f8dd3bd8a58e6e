"""How well one column tells the target: 0.5 not at all, 1.0 perfectly."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import ndtri

__all__ = [
    "Target",
    "best_by_chance",
    "codes_of",
    "concordance",
    "folds_of",
    "monotone",
    "ranks_of",
    "target_of",
    "told",
]

_FOLDS = 5
_MOST_BINS = 128
_ROWS_A_BIN = 20
_PRIOR_ROWS = 1.0
_FALSE_ALARMS = 0.01
_MOST_CLASSES = 10


@dataclass(frozen=True)
class Target:
    """A target as numbers.

    Attributes
    ----------
    kind : {"binary", "classes", "number"}
        Two classes, several, or numbers.
    codes : ndarray of shape (n,)
        Zeros and ones, class numbers (the most frequent class is 0), or the numbers.
    """

    kind: Literal["binary", "classes", "number"]
    codes: np.ndarray

    def at(self, rows: np.ndarray) -> Target:
        """Return the target of some rows."""
        return Target(self.kind, self.codes[rows])

    def views(self) -> list[tuple[float, np.ndarray]]:
        """Return weighted columns to tell: one, or for several classes each against the rest."""
        if self.kind != "classes":
            return [(1.0, self.codes)]
        counts = np.bincount(self.codes.astype(np.int64))[:_MOST_CLASSES]
        return [
            (count / counts.sum(), (self.codes == k).astype(np.float64))
            for k, count in enumerate(counts.tolist())
            if 0 < count < len(self.codes)
        ]


def target_of(y: np.ndarray) -> Target | None:
    """Read a target of rows without gaps; None where all rows have the same."""
    if y.dtype.kind in "iufb":
        values = y.astype(np.float64)
        low, high = (values.min(), values.max()) if len(values) else (0.0, 0.0)
        if low == high:
            return None
        if bool(np.all((values == low) | (values == high))):
            return Target("binary", (values == high).astype(np.float64))
        # the order counts, and squares of giants would overflow
        return Target("number", values / max(abs(low), abs(high)))
    cells = y.tolist()
    counts = Counter(cells)
    if len(counts) < 2:
        return None
    levels = sorted(counts, key=str if len(counts) == 2 else lambda level: -counts[level])
    numbers = {level: i for i, level in enumerate(levels)}
    codes = np.fromiter(map(numbers.__getitem__, cells), dtype=np.float64, count=len(cells))
    return Target("binary" if len(counts) == 2 else "classes", codes)


# -- concordance -----------------------------------------------------------------------------


def concordance(scores: np.ndarray, codes: np.ndarray, *, is_number: bool) -> float:
    """Return the probability that of two rows of different targets the higher scores higher.

    Ties of scores count half. For zeros and ones it is the area under the ROC curve.
    """
    return _by_pairs(scores, codes) if is_number else _area(ranks_of(scores), codes)


def monotone(scores: np.ndarray, target: Target) -> float:
    """Return the concordance of rising or falling scores, whichever is larger."""
    is_number = target.kind == "number"
    total = 0.0
    for weight, codes in target.views():
        found = concordance(scores, codes, is_number=is_number)
        total += weight * max(found, 1.0 - found)
    return total


def ranks_of(values: np.ndarray) -> np.ndarray:
    """Return ranks from 1, the mean of the ranks among equals."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    ends = np.r_[starts[1:], len(values)]
    ranks = np.empty(len(values))
    ranks[order] = np.repeat((starts + ends + 1) / 2, ends - starts)
    return ranks


def _area(ranks: np.ndarray, positive: np.ndarray) -> float:
    n_positive = float(positive.sum())
    n_negative = len(positive) - n_positive
    if not n_positive or not n_negative:
        return 0.5
    above = float(ranks @ positive) - n_positive * (n_positive + 1) / 2
    return above / (n_positive * n_negative)


def _by_pairs(scores: np.ndarray, values: np.ndarray) -> float:
    """Somers' D of the scores, as a share of pairs, from Kendall's tau-b."""
    from scipy.stats import kendalltau  # slow to import

    pairs = len(values) * (len(values) - 1) / 2
    untied_scores, untied = pairs - _tied(scores), pairs - _tied(values)
    if not untied_scores or not untied:
        return 0.5
    tau = float(kendalltau(scores, values).statistic)
    return 0.5 + 0.5 * tau * math.sqrt(untied_scores / untied)


def _tied(values: np.ndarray) -> float:
    _, counts = np.unique(values, return_counts=True)
    return float((counts * (counts - 1.0) / 2).sum())


def best_by_chance(target: Target, n_trials: int) -> float:
    """Return the concordance that chance reaches in a hundredth of tables of so many columns."""
    n = len(target.codes)
    if target.kind == "number":
        sigma = 0.5 * math.sqrt(2 * (2 * n + 5) / (9 * n * max(n - 1, 1)))
    else:
        size = max((min(codes.sum(), n - codes.sum()) for _, codes in target.views()), default=0.0)
        if not size:
            return 1.0
        sigma = math.sqrt((n + 1) / (12 * size * (n - size)))
    z = -float(ndtri(_FALSE_ALARMS / (2 * max(n_trials, 1))))
    return min(1.0, 0.5 + z * sigma)


# -- any shape -------------------------------------------------------------------------------


def codes_of(values: np.ndarray) -> np.ndarray:
    """Return the bin of each cell: quantiles, frequent values apart, missing and ±inf apart."""
    usable = np.isfinite(values)
    codes = np.full(len(values), 0, dtype=np.int64)
    codes[np.isposinf(values)] = 1
    codes[np.isneginf(values)] = 2
    cells = values[usable]
    if len(cells):
        bins = max(2, min(_MOST_BINS, len(cells) // _ROWS_A_BIN))
        ordered = np.sort(cells)
        edges = np.unique(ordered[np.linspace(0, len(cells) - 1, bins + 1).astype(np.int64)])
        # odd codes: at an edge; even ones: between two
        codes[usable] = 3 + np.searchsorted(edges, cells) + np.searchsorted(edges, cells, "right")
    return codes


def told(codes: np.ndarray, target: Target, folds: np.ndarray) -> float:
    """Return how well bins or levels tell the target, each row told from the other folds."""
    _, codes = np.unique(codes, return_inverse=True)
    total = 0.0
    for weight, values in target.views():
        # ranks, so that a few giants do not make the mean of their bin
        known = ranks_of(values) if target.kind == "number" else values
        scores = _told_by_others(codes, known, folds)
        total += weight * concordance(scores, values, is_number=target.kind == "number")
    return total


def _told_by_others(codes: np.ndarray, values: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Return for each row the mean target of its bin in the other folds."""
    n_codes = int(codes.max()) + 1
    cell = codes * _FOLDS + folds
    sums = np.bincount(cell, values, n_codes * _FOLDS).reshape(n_codes, _FOLDS)
    rows = np.bincount(cell, minlength=n_codes * _FOLDS).reshape(n_codes, _FOLDS)
    other_sums = sums.sum(axis=1, keepdims=True) - sums
    other_rows = rows.sum(axis=1, keepdims=True) - rows
    prior = other_sums.sum(axis=0) / np.maximum(other_rows.sum(axis=0), 1)
    means = (other_sums + _PRIOR_ROWS * prior) / (other_rows + _PRIOR_ROWS)
    scores: np.ndarray = means.ravel()[cell]
    return scores


def folds_of(n: int, rng: np.random.Generator) -> np.ndarray:
    """Return a random fold for each row."""
    folds: np.ndarray = rng.permutation(np.arange(n) % _FOLDS)
    return folds
