"""What a level says about the target: shrunken means, and the target made ready for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tracer_sklearn._frame import missing_cells
from tracer_sklearn.exceptions import DataError

__all__ = ["Moments", "Target", "coded", "merged", "moments", "read_target", "shrunken"]

_MAX_CLASSES = 10


@dataclass(frozen=True)
class Target:
    """A target made ready.

    Attributes
    ----------
    kind : {"binary", "multiclass", "continuous"}
        How it is encoded.
    classes : list
        Sorted classes; empty for numbers.
    codes : ndarray of shape (n_rows,) or None
        Position of each row's class.
    columns : ndarray of shape (n_outputs, n_rows)
        What is averaged: the indicator of the last of two classes, one indicator a class,
        or the numbers themselves divided by ``scale``.
    scale : float
        1.0, unless the numbers are so large that their squares would overflow.
    """

    kind: str
    classes: list[Any]
    codes: np.ndarray | None
    columns: np.ndarray
    scale: float = 1.0

    def plain(self, y: np.ndarray | None) -> np.ndarray:
        """Return y for other libraries: 0 and 1 for two classes, numbers, or the labels."""
        if self.kind == "continuous":
            return np.asarray(self.columns[0] * self.scale)
        if self.kind == "binary" and self.codes is not None:
            return self.codes.astype(np.int64)
        return np.ravel(np.asarray(y))


def read_target(y: np.ndarray | None, stage: str) -> Target:
    """Decide what kind of target this is, or say why it cannot be used."""
    if y is None:
        raise DataError(
            f"{stage}: its strategy requires y to be passed, but the target y is None; "
            "pass y to fit, or choose strategy='frequency'.",
            rule="target",
        )
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1:
        raise DataError(
            f"{stage}: y must have one column, found shape {y.shape}; encode once for each target.",
            rule="target",
        )
    missing = int(np.count_nonzero(missing_cells(y)))
    if missing:
        raise DataError(
            f"{stage}: y must not contain missing values, found {missing} NaN or null in "
            f"{len(y)}; leave those rows out of training.",
            rule="target",
            n_rows=missing,
        )
    if y.dtype.kind in "fiu" or _holds_numbers(y):
        return _numeric(np.asarray(y, dtype=None if y.dtype.kind in "iu" else np.float64), y, stage)
    try:
        classes, codes = coded(y)
    except TypeError:
        kinds = sorted({type(value).__name__ for value in y})
        raise DataError(
            f"{stage}: the labels in y must be of one kind, found {', '.join(kinds)}; "
            "convert them, for example with `y.astype(str)`.",
            rule="target",
        ) from None
    return _classes(classes, codes)


def coded(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct values, sorted, and the position of each value among them.

    A dictionary finds objects ten times as fast as `numpy.unique` sorts them.
    """
    if values.dtype != object:
        distinct, codes = np.unique(values, return_inverse=True)
        return distinct, codes
    cells = values.tolist()
    found = sorted(set(cells))
    position = {value: number for number, value in enumerate(found)}
    codes = np.fromiter(map(position.__getitem__, cells), dtype=np.int64, count=len(cells))
    array = np.empty(len(found), dtype=object)
    array[:] = found
    return array, codes


def _holds_numbers(y: np.ndarray) -> bool:
    if y.dtype != object:
        return False
    return not any(isinstance(value, bool | np.bool_ | str) for value in y) and all(
        isinstance(value, int | float | np.number) for value in y
    )


def _numeric(values: np.ndarray, given: np.ndarray, stage: str) -> Target:
    if not np.isfinite(values).all():
        raise DataError(
            f"{stage}: y must be finite, found infinity in "
            f"{int(np.count_nonzero(~np.isfinite(values)))} rows; leave those out of training.",
            rule="target",
        )
    distinct = np.unique(values)
    whole = bool(np.all(distinct == np.floor(distinct)))
    counted = given.dtype.kind in "iu" or (given.dtype == object and whole)
    if whole and (len(distinct) <= 2 or (counted and len(distinct) <= _MAX_CLASSES)):
        return _classes(distinct, np.searchsorted(distinct, values))
    numbers = values.astype(np.float64)
    largest = float(np.abs(numbers).max())
    scale = largest if largest > 1e140 else 1.0
    return Target("continuous", [], None, (numbers / scale)[np.newaxis], scale)


def _classes(classes: np.ndarray, codes: np.ndarray) -> Target:
    wanted = range(len(classes)) if len(classes) > 2 else [len(classes) - 1]
    columns = np.stack([(codes == position).astype(np.float64) for position in wanted])
    kind = "multiclass" if len(classes) > 2 else "binary"
    return Target(kind, classes.tolist(), codes, columns)


# -- moments -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Moments:
    """Count, mean and sum of squared deviations: of every level, and of all rows (last place)."""

    n: np.ndarray
    mean: np.ndarray
    m2: np.ndarray


def moments(codes: np.ndarray, values: np.ndarray, n_levels: int) -> Moments:
    """Return the moments of the target by level.

    Parameters
    ----------
    codes : ndarray of shape (n,)
        Level of each row, in [0, n_levels).
    values : ndarray of shape (n,)
        Target.
    n_levels : int
        Number of levels, missing included.
    """
    n = np.bincount(codes, minlength=n_levels).astype(np.float64)
    mean = np.bincount(codes, values, minlength=n_levels) / np.maximum(n, 1.0)
    deviation = values - mean[codes]
    m2 = np.bincount(codes, deviation * deviation, minlength=n_levels)
    total_mean = values.mean() if len(values) else 0.0
    total_m2 = float(np.square(values - total_mean).sum())
    return Moments(np.append(n, len(values)), np.append(mean, total_mean), np.append(m2, total_m2))


def merged(left: Moments, right: Moments) -> Moments:
    """Return the moments of two disjoint sets of rows together (Chan, Golub & LeVeque 1983)."""
    n = left.n + right.n
    share = right.n / np.maximum(n, 1.0)
    gap = right.mean - left.mean
    return Moments(n, left.mean + gap * share, left.m2 + right.m2 + gap * gap * left.n * share)


def shrunken(found: Moments, smooth: float | str) -> tuple[np.ndarray, float]:
    """Return the shrunken mean of every level, and the overall mean that unseen levels take.

    A level without rows takes the overall mean.
    """
    n, mean, m2 = found.n[:-1], found.mean[:-1], found.m2[:-1]
    prior = float(found.mean[-1])
    if smooth == "auto":
        variance = float(found.m2[-1] / found.n[-1])
        explained = variance * n
        unexplained = np.divide(m2, n, out=np.zeros_like(m2), where=n > 0)
        weight = np.divide(
            explained, explained + unexplained, out=np.zeros_like(n), where=explained > 0
        )
    else:
        total = n + float(smooth)
        weight = np.divide(n, total, out=np.zeros_like(n), where=n > 0)
    return weight * mean + (1.0 - weight) * prior, prior
