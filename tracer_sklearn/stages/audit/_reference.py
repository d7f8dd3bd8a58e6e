"""What a drift monitor keeps of a training column, and how it counts any other column by it."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple, TypedDict

import narwhals.stable.v2 as nw
import numpy as np

from tracer_sklearn._numbers import largest
from tracer_sklearn._statistics import finite_values, quantiles

__all__ = ["Cells", "Reference", "cells_from", "cells_of", "count_cells", "reference_of"]

_BINS = 20
_MAX_KNOWN = 1_000
_MAX_LISTED = 50
_SAMPLE = 1_000
_SINGLE = 2e-7  # relative; half a step of single precision is 6e-8

_QUANTILE_SHARE = 0.095  # a little under a tenth: bins of a twentieth pool to deciles
_LEVEL_SHARE = 0.01


class Reference(TypedDict):
    """The reference of one column: plain numbers and strings, some hundreds of bytes."""

    #: Rows of the training data, and those whose cell was missing or infinite.
    n_rows: int
    unusable: int
    #: Numbers: cut points in order, and whether the cut itself lies below.
    cuts: list[tuple[float, bool]]
    #: Numbers: training cells below each cut. Levels: training cells of each listed level.
    counts: list[int]
    #: Levels: the most frequent ones; those that are kept to tell unseen ones from, all or, where
    #: they are too many, some chosen without regard to their frequency; and their training cells.
    levels: list[str]
    known: list[str]
    n_known: int
    #: Training cells whose level occurs once; for numbers the two ends.
    singles: int
    #: Smallest share of the training cells that makes a bin of its own.
    bin_share: float


def reference_of(series: nw.Series[Any]) -> Reference:
    """Describe a training column.

    Parameters
    ----------
    series : narwhals.Series
        Numbers, flags or text.
    """
    if series.dtype.is_numeric():
        return _of_numbers(series)
    return _of_levels(series)


def _of_numbers(series: nw.Series[Any]) -> Reference:
    values = finite_values(series)
    distinct = _few_distinct(values)
    cuts = _cuts(values, distinct) if len(values) else []
    below = [
        int(np.count_nonzero(values <= at if with_it else values < at)) for at, with_it in cuts
    ]
    return {
        "n_rows": len(series),
        "unusable": len(series) - len(values),
        "cuts": cuts,
        "counts": below,
        "levels": [],
        "known": [],
        "n_known": len(values),
        "singles": min(2, len(values)),
        "bin_share": _QUANTILE_SHARE if distinct is None else _LEVEL_SHARE,
    }


def _few_distinct(values: np.ndarray) -> np.ndarray | None:
    """Return the distinct values where they are no more than the bins of a continuous column."""
    few = np.unique(values[:: max(1, len(values) // _SAMPLE)])
    if len(few) > _BINS:
        return None
    distinct = few if len(values) <= _SAMPLE else np.unique(values)
    return distinct if len(distinct) <= _BINS else None


def _cuts(values: np.ndarray, distinct: np.ndarray | None) -> list[tuple[float, bool]]:
    """Cut on both sides of a value that holds much, above it otherwise."""
    if distinct is not None:
        return _widened((float(value), side) for value in distinct for side in (False, True))
    edges = [float(values.min()), *quantiles(values, [i / _BINS for i in range(1, _BINS)])]
    edges.append(float(values.max()))
    atoms = {(high, False) for low, high in pairwise(edges) if low == high}
    return _widened({(edges[0], False), *atoms, *((edge, True) for edge in edges[1:])})


def _widened(cuts: Iterable[tuple[float, bool]]) -> list[tuple[float, bool]]:
    """Move cuts off the values, so that one of single precision falls on the side of its twin."""
    widened = []
    for at, with_it in cuts:
        step = _SINGLE * abs(at)
        moved = at + step if with_it else at - step
        widened.append((max(-sys.float_info.max, min(moved, sys.float_info.max)), with_it))
    return sorted(set(widened))


def _of_levels(series: nw.Series[Any]) -> Reference:
    values = series.drop_nulls().cast(nw.String)
    table = values.value_counts(sort=False, name="n")
    found = dict(zip(table[values.name].to_list(), table["n"].to_list(), strict=True))
    ordered = sorted(found, key=lambda level: (-found[level], level))
    listed = ordered[:_MAX_LISTED]
    known = sorted(ordered, key=lambda level: (zlib.crc32(level.encode()), level))[:_MAX_KNOWN]
    return {
        "n_rows": len(series),
        "unusable": len(series) - len(values),
        "cuts": [],
        "counts": [int(found[level]) for level in listed],
        "levels": listed,
        "known": sorted(known),
        "n_known": int(sum(found[level] for level in known)),
        "singles": sum(1 for level in ordered if found[level] == 1),
        "bin_share": _LEVEL_SHARE,
    }


# -- counting --------------------------------------------------------------------------------


def count_cells(name: str, dtype: Any, reference: Reference) -> dict[str, nw.Expr]:
    """Count the cells of a column by its reference, as aggregating expressions.

    ``missing``, ``infinite``, for levels ``unseen``, and, numbered, what lies below each cut or
    has each listed level. All are sums, so one query serves every column.
    """
    if dtype.is_numeric():
        return _count_numbers(name, dtype, reference["cuts"])
    column = nw.col(name)
    counts = {"missing": column.null_count(), "infinite": nw.lit(0), "unseen": nw.lit(0)}
    if dtype == nw.Boolean:
        flags = {"false": (~column).sum(), "true": column.sum()}
        for flag, count in flags.items():
            if flag not in reference["levels"]:
                counts["unseen"] = counts["unseen"] + count
        listed = [flags[level] for level in reference["levels"]]
    else:
        text = column.cast(nw.String)
        listed = [(text == level).sum() for level in reference["levels"]]
        if reference["known"]:
            counts["unseen"] = (~text.is_in(reference["known"])).sum()
        else:
            counts["unseen"] = (~column.is_null()).sum()
    return counts | _numbered(listed)


def _count_numbers(name: str, dtype: Any, cuts: list[tuple[float, bool]]) -> dict[str, nw.Expr]:
    raw = nw.col(name)
    missing, minus, infinite = raw.null_count(), nw.lit(0), nw.lit(0)
    if dtype.is_float():
        # NaN lies above all numbers on Polars and DuckDB, so it is below no cut
        limit = largest(dtype)
        minus = (raw < -limit).sum()
        missing = missing + raw.is_nan().sum()
        infinite = minus + ((raw > limit) & ~raw.is_nan()).sum()
    column = raw if dtype == nw.Float64 else raw.cast(nw.Float64)
    below = [(column <= at if with_it else column < at).sum() - minus for at, with_it in cuts]
    return {"missing": missing, "infinite": infinite} | _numbered(below)


def _numbered(counts: Sequence[nw.Expr]) -> dict[str, nw.Expr]:
    return {f"n{i}": count for i, count in enumerate(counts)}


class Cells(NamedTuple):
    """The counted cells of one column, of the training data or of any other."""

    n_rows: int
    unusable: int
    unseen: int
    bins: list[int]

    @property
    def present(self) -> int:
        return self.n_rows - self.unusable


def cells_of(reference: Reference) -> Cells:
    """Return the cells of the training column."""
    n_rows, unusable = reference["n_rows"], reference["unusable"]
    return Cells(n_rows, unusable, 0, _bins(reference, reference["counts"], n_rows - unusable))


def cells_from(reference: Reference, counts: Mapping[str, int], n_rows: int) -> Cells:
    """Return the cells that `count_cells` has counted."""
    unusable = counts["missing"] + counts["infinite"]
    found = [counts[f"n{i}"] for i in range(len(reference["counts"]))]
    bins = _bins(reference, found, n_rows - unusable)
    unseen = bins[0] + bins[-1] if reference["cuts"] else counts.get("unseen", 0)
    return Cells(n_rows, unusable, unseen, bins)


def _bins(reference: Reference, found: Sequence[int], present: int) -> list[int]:
    """Turn cells below cuts into cells between them; cells of no listed level are the last bin."""
    if not reference["cuts"]:
        return [*found, present - sum(found)]
    return [high - low for low, high in pairwise([0, *found, present])]
