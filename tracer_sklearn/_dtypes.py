"""The smallest dtype that holds a column without loss: what reducing and reporting share."""

from __future__ import annotations

from typing import Any

import narwhals.stable.v2 as nw

# signed only: subtracting small unsigned numbers wraps around in NumPy
INTEGERS: dict[str, Any] = {"int8": nw.Int8, "int16": nw.Int16, "int32": nw.Int32}
BOUNDS = {
    name: (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    for name, bits in (("int8", 8), ("int16", 16), ("int32", 32))
}
_FIRST = 1_000


def smallest_integer(low: Any, high: Any) -> str | None:
    """Return the smallest signed dtype for a range; None where that takes eight bytes."""
    if low is None or high is None:
        return next(iter(INTEGERS))
    return next(
        (name for name, (least, most) in BOUNDS.items() if least <= low and high <= most),
        None,
    )


def lossy(values: nw.Series[Any]) -> int:
    """Count the values that four bytes do not hold exactly."""
    exact = values.cast(nw.Float32).cast(nw.Float64) == values
    return int((~exact & ~values.is_nan()).sum())


def is_lossy(values: nw.Series[Any]) -> bool:
    """Tell whether four bytes would change a value; the first values usually tell."""
    return lossy(values.head(_FIRST)) > 0 or lossy(values) > 0


def becomes_category(n_values: int, n_levels: int, min_repeats: float) -> bool:
    """Tell whether text repeats often enough for a dictionary to save memory."""
    return n_values > 0 and n_values >= min_repeats * n_levels
