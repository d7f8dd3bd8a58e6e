"""Calendar windows and what the revenue features make of them, in slow plain Python."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction

NAN = math.nan


def inside(history: Mapping[int, float], last: int, width: int) -> list[float]:
    """The values on the days (last - width, last]."""
    return [history[day] for day in sorted(history) if last - width < day <= last]


def mean(values: Sequence[float]) -> float:
    return float(sum(map(Fraction, values), Fraction(0)) / len(values)) if values else NAN


def std(values: Sequence[float]) -> float:
    """Exact but for the root."""
    n = len(values)
    if n < 2:
        return NAN
    exact = [Fraction(v) for v in values]
    centre = sum(exact, Fraction(0)) / n
    square = sum(((v - centre) ** 2 for v in exact), Fraction(0)) / (n - 1)
    if square == 0:
        return 0.0
    # brings the square into the range of floats
    shift = (square.numerator.bit_length() - square.denominator.bit_length()) // 2
    root = math.sqrt(float(square / Fraction(4) ** shift))
    return min(math.ldexp(root, shift), 1.7976931348623157e308)


def slope(days: Sequence[int], values: Sequence[float]) -> float:
    if len(days) < 2:
        return NAN
    x, y = [Fraction(d) for d in days], [Fraction(v) for v in values]
    mx, my = sum(x) / len(x), sum(y) / len(y)
    above = sum(((a - mx) * (b - my) for a, b in zip(x, y, strict=True)), Fraction(0))
    return float(above / sum((a - mx) ** 2 for a in x))
