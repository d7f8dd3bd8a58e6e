"""Price features and co-moments once more, in slow plain Python."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction


def comoments(columns: Sequence[Sequence[float]]) -> tuple[list[float], list[list[float]]]:
    """Means and centred sums of products of the rows of one window, in exact arithmetic."""
    n = len(columns[0])
    exact = [[Fraction(v) for v in column] for column in columns]
    means = [sum(column, Fraction(0)) / n for column in exact]
    away = [[v - m for v in column] for column, m in zip(exact, means, strict=True)]
    cross = [
        [float(sum((a * b for a, b in zip(one, two, strict=True)), Fraction(0))) for two in away]
        for one in away
    ]
    return [float(m) for m in means], cross


def mid_rank(values: Sequence[float], at: float) -> float:
    if not values:
        return math.nan
    below = sum(v < at for v in values)
    equal = sum(v == at for v in values)
    return (below + equal / 2) / len(values)


def residuals(y: Sequence[float], controls: Sequence[Sequence[float]]) -> list[float]:
    """What is left of y after its mean and each control, one after the other (Gram-Schmidt)."""
    basis: list[list[float]] = []
    for column in [[1.0] * len(y), *controls]:
        left = _without(column, basis)
        if sum(v * v for v in left) > 1e-8 * sum((v - column[0]) ** 2 for v in column):
            basis.append(left)
    return _without(list(y), basis)


def _without(column: Sequence[float], basis: Sequence[Sequence[float]]) -> list[float]:
    left = list(column)
    for _ in range(2):  # once more, for what rounding left
        for b in basis:
            share = math.fsum(v * w for v, w in zip(left, b, strict=True)) / math.fsum(
                w * w for w in b
            )
            left = [v - share * w for v, w in zip(left, b, strict=True)]
    return left
