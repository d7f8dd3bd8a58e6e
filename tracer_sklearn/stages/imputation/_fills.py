"""What missing cells become: the decision table, and the statistics behind it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import narwhals.stable.v2 as nw
import numpy as np

from tracer_sklearn._numbers import integer_range, is_finite
from tracer_sklearn._statistics import (
    excess_share,
    finite_values,
    is_flag,
    mean,
    quantiles,
    skewness,
)

LEVEL = "missing"
DEFAULTS: dict[str, Any] = {"number": 0, "text": LEVEL, "flag": False}

# limits of the decision table
_MAX_SKEWNESS = 1.0
_FENCE = 3.0
_MAX_BEYOND = 0.01
_MAX_MODE_SHARE = 0.05

Value = float | int | str | bool


class Fill(NamedTuple):
    """What a missing cell of a column becomes, and why."""

    value: Value
    reason: str


def count_missing(frame: nw.DataFrame[Any]) -> dict[str, int]:
    if not frame.columns:
        return {}
    usable = frame.select(*(is_finite(n, dtype).sum() for n, dtype in frame.schema.items()))
    return {name: len(frame) - int(usable[name][0] or 0) for name in frame.columns}


def is_complete(frame: nw.DataFrame[Any]) -> nw.Expr:
    usable = (is_finite(n, dtype).fill_null(False) for n, dtype in frame.schema.items())
    return nw.all_horizontal(*usable, ignore_nulls=False)


def percent(share: float) -> str:
    return f"{100.0 * share:.3g} %"


def mode(series: nw.Series[Any]) -> Value:
    """Return the most frequent usable value, of several the smallest."""
    dtype = series.dtype
    level = series.alias("level")
    if dtype in (nw.Categorical, nw.Enum):
        level = level.cast(nw.String)
    elif dtype.is_decimal():
        level = level.cast(nw.Float64)
    frame = level.to_frame()
    counts = (
        frame.filter(is_finite("level", frame.schema["level"]))
        .group_by("level")
        .agg(nw.len().alias("n"))
    )
    top = counts.filter(nw.col("n") == nw.col("n").max())
    return plain(top["level"].min())


def plain(value: Any) -> Value:
    plain: Value = value.item() if isinstance(value, np.generic) else value
    return plain


def _number_fill(series: nw.Series[Any], strategy: str, share: float) -> Fill:  # noqa: ARG001
    values = finite_values(series)
    if strategy == "auto":
        return _auto_number(series, values)
    if strategy == "mode":
        return Fill(mode(series), "mode")
    if strategy == "mean":
        return Fill(mean(values), "mean")
    (median,) = quantiles(values, (0.5,))
    origin = f"median of {len(values)} complete rows" if strategy == "drop" else "median"
    return Fill(median, origin)


def _auto_number(series: nw.Series[Any], values: np.ndarray) -> Fill:
    if is_flag(values):
        return Fill(mode(series), "mode: a flag of zeros and ones")
    skew = skewness(values)
    if abs(skew) > _MAX_SKEWNESS:
        (median,) = quantiles(values, (0.5,))
        return Fill(median, f"median: skewness {skew:.3g}, beyond ±{_MAX_SKEWNESS:g}")
    low, median, high = quantiles(values, (0.25, 0.5, 0.75))
    reach = _FENCE * min(high - low, sys.float_info.max)
    beyond = excess_share(values, low - reach, high + reach)
    figure = f"{percent(beyond)} beyond {_FENCE:g} interquartile ranges"
    if beyond > _MAX_BEYOND:
        return Fill(median, f"median: {figure}, above {percent(_MAX_BEYOND)}")
    return Fill(mean(values), f"mean: skewness {skew:.3g}, {figure}")


def _text_fill(series: nw.Series[Any], strategy: str, share: float) -> Fill:
    if strategy in ("mode", "drop"):
        return Fill(mode(series), "mode")
    limit = percent(_MAX_MODE_SHARE)
    if share <= _MAX_MODE_SHARE:
        return Fill(mode(series), f"mode: {percent(share)} missing, at most {limit}")
    return Fill(LEVEL, f"own level {LEVEL!r}: {percent(share)} missing, above {limit}")


def _flag_fill(series: nw.Series[Any], strategy: str, share: float) -> Fill:  # noqa: ARG001
    return Fill(mode(series), "mode: a flag" if strategy == "auto" else "mode")


LEARN: dict[str, Callable[[nw.Series[Any], str, float], Fill]] = {
    "number": _number_fill,
    "text": _text_fill,
    "flag": _flag_fill,
}


def kept_whole(fill: Fill, dtype: Any, n_missing: int) -> Fill:
    """Keep the fill of a complete integer column an integer, so that its dtype survives."""
    value = fill.value
    if not dtype.is_integer() or not isinstance(value, float):
        return fill
    if not value.is_integer() and n_missing:
        return fill
    smallest, greatest = integer_range(dtype)
    whole = min(max(round(value), smallest), greatest)
    if value.is_integer():
        return Fill(whole, fill.reason)
    return Fill(whole, f"{fill.reason}; {value:.6g} rounded, as the column is complete")
