"""What ``auto`` decides for a column."""

from __future__ import annotations

import warnings
from typing import Any

import narwhals.stable.v2 as nw

from tracer_sklearn._text import learn_format
from tracer_sklearn.exceptions import DataQualityWarning
from tracer_sklearn.stages.encoding._levels import Column

__all__ = ["choose", "warn_of_values_as_text"]

# enough to tell a column of amounts from one of names, and cheap in every fold
_ROWS_LOOKED_AT = 1_000

# above this share of distinct cells a text column is an identifier, or prose
_MAX_DISTINCT = 0.95


def choose(
    column: Column, *, is_ordered: bool, max_onehot: int, has_target: bool
) -> tuple[str, str]:
    """Return the strategy that serves a column best, and the figure that decided.

    Parameters
    ----------
    column : Column
        A training column; missing cells are no level here.
    is_ordered : bool
        Whether the order of its levels is known.
    max_onehot : int
        Most levels that get a column each.
    has_target : bool
        Whether y was given.
    """
    n = column.n_levels
    if is_ordered:
        return "label", f"order given, {n} levels"
    if n <= 2:
        return "label", f"{n} level{'s' if n != 1 else ''}"
    if n <= max_onehot:
        return "onehot", f"{n} levels, at most max_onehot={max_onehot}"
    share = n / (column.n_rows - column.n_missing)
    if column.kind == "text" and share > _MAX_DISTINCT:
        return "dropped", f"{share:.1%} distinct text ({n} levels), more than 95 %"
    more = f"{n} levels, more than max_onehot={max_onehot}"
    return ("target", f"{more}, y given") if has_target else ("frequency", f"{more}, no y")


def warn_of_values_as_text(stage: str, frame: nw.DataFrame[Any]) -> None:
    """Warn where a column of text, taken unasked, holds numbers or dates in their spelling."""
    found = {}
    for name in frame.columns:
        series = frame[name].head(_ROWS_LOOKED_AT)
        if series.dtype != nw.String:
            continue
        learnt = learn_format(series.to_native())
        kind = learnt.ambiguous[0].kind if learnt.ambiguous else learnt.format.kind
        if kind in ("number", "date", "datetime"):
            found[name] = kind
    if found:
        shown = ", ".join(f"{name!r} ({kind})" for name, kind in found.items())
        warnings.warn(
            f"{stage}: text columns should hold categories, these hold values as text: {shown}; "
            "parse them first with ColumnParser, or name them in `columns` if levels are meant.",
            DataQualityWarning,
            stacklevel=5,
        )
