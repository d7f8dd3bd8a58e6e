"""Smaller dtypes, without loss."""

from __future__ import annotations

from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from tracer_sklearn._dtypes import (
    BOUNDS,
    INTEGERS,
    becomes_category,
    lossy,
    smallest_integer,
)
from tracer_sklearn._params import check_columns, check_real
from tracer_sklearn.base import Apply, Counts, Stage

__all__ = ["DtypeReducer"]

_LARGEST_32 = float(np.finfo(np.float32).max)


class DtypeReducer(Stage):
    """Store columns in the smallest dtype that loses nothing.

    Use it after parsing, where a table fills the memory: integers take 1, 2 or 4 bytes, floats
    4 where every training value keeps its exact value, repeated text becomes categories. Do not
    use it before arithmetic of your own on small integers, which wraps around in NumPy.

    Parameters
    ----------
    columns : list of str, callable or None, default=None
        Columns to reduce. None takes every column of numbers or strings.
    min_category_repeats : float, default=2.0
        At least 1. Text becomes categories where each distinct value occurs this often on
        average; below two, the dictionary saves nothing.

    Attributes
    ----------
    columns_ : list of str
        The columns it looks at.
    dtypes_ : dict of str to str
        The dtype learnt: "int8", "int16", "int32", "float32" or "category"; only columns that
        can be reduced.
    levels_ : dict of str to list of str
        Sorted levels of the categories.
    choices_ : dict of str to str
        Per column what was decided, with the figure that decided.
    counts_ : dict of str to dict of str to int
        Values of the training data outside what was learnt (``outside``): none.

    Raises
    ------
    ParameterError
        By ``fit``, for an illegal parameter.
    SchemaError
        If a named column is missing, or of another kind than at fit.

    Notes
    -----
    No value ever changes. A value outside the learnt range (or, for floats, one that 4 bytes do
    not hold exactly) widens its column in that call, and is counted by `report`; unseen levels
    are appended to the categories. Widening needs rows in memory: lazy frames, which have a fixed
    schema and hold no memory, pass unchanged, and `report` still counts them. NumPy arrays have
    one dtype for all columns, the smallest that holds each column's. Integers stay signed, since
    differences of unsigned ones wrap around. Missing cells stay missing; a column without values
    is left alone. Cost: linear in the rows. Only training rows decide, so nothing leaks.

    Examples
    --------
    >>> import pandas as pd
    >>> from tracer_sklearn import DtypeReducer
    >>> X = pd.DataFrame({"n": [1, 200, 3], "share": [0.5, 0.25, 1.0], "price": [0.1, 0.2, 0.3]})
    >>> reducer = DtypeReducer().fit(X)
    >>> reducer.transform(X).dtypes.astype(str).to_dict()
    {'n': 'int16', 'share': 'float32', 'price': 'float64'}
    >>> reducer.transform(X.assign(n=[1, 2, 100_000])).dtypes.astype(str)["n"]
    'int32'
    """

    _dtypes_follow_rows = True

    def __init__(self, columns: Any = None, *, min_category_repeats: float = 2.0) -> None:
        self.columns = columns
        self.min_category_repeats = min_category_repeats

    def _check_params(self) -> None:
        check_columns(self._name, "columns", self.columns)
        check_real(self._name, "min_category_repeats", self.min_category_repeats, low=1.0)

    def _fits(self, name: str, dtype: nw.dtypes.DType) -> bool:  # noqa: ARG002
        return bool(dtype.is_integer() or dtype.is_float() or dtype == nw.String)

    def _learn(self, frame: nw.DataFrame[Any], y: np.ndarray | None) -> None:  # noqa: ARG002
        self.dtypes_: dict[str, str] = {}
        self.levels_: dict[str, list[str]] = {}
        self.choices_: dict[str, str] = {}
        for name in self.columns_:
            values = frame[name].drop_nulls()
            if values.dtype.is_float():
                values = values.filter(~values.is_nan())
            if not values.len():
                self.choices_[name] = "unchanged: no values"
            elif values.dtype.is_integer():
                self._learn_integer(name, values)
            elif values.dtype == nw.Float64:
                outside = lossy(values)
                if not outside:
                    self.dtypes_[name] = "float32"
                self.choices_[name] = (
                    f"unchanged: {outside} of {values.len()} values need 8 bytes"
                    if outside
                    else f"float32: holds all {values.len()} values exactly"
                )
            elif values.dtype == nw.String:
                self._learn_levels(name, values)
            else:
                self.choices_[name] = f"unchanged: {values.dtype}"

    def _learn_integer(self, name: str, values: nw.Series[Any]) -> None:
        smallest = smallest_integer(values.min(), values.max())
        if smallest is None or values.dtype == INTEGERS[smallest]:
            self.choices_[name] = f"unchanged: from {values.min()!r} to {values.max()!r}"
            return
        self.dtypes_[name] = smallest
        self.choices_[name] = f"{smallest}: from {values.min()!r} to {values.max()!r}"

    def _learn_levels(self, name: str, values: nw.Series[Any]) -> None:
        n_levels = values.n_unique()
        if not becomes_category(values.len(), n_levels, self.min_category_repeats):
            self.choices_[name] = f"unchanged: {n_levels} levels in {values.len()} values"
            return
        self.dtypes_[name] = "category"
        self.levels_[name] = values.unique().sort().to_list()
        self.choices_[name] = f"category: {n_levels} levels in {values.len()} values"

    def _count(self, frame: nw.LazyFrame[Any]) -> Counts:
        counts = {}
        for name, dtype in frame.collect_schema().items():
            column, learnt = nw.col(name), self.dtypes_.get(name)
            outside: nw.Expr = nw.lit(0)
            if learnt in BOUNDS and dtype.is_integer():
                low, high = BOUNDS[learnt]
                outside = ((column < low) | (column > high)).sum()
            elif learnt in BOUNDS and dtype.is_float():
                low, high = BOUNDS[learnt]
                lies_out = (column < low) | (column > high) | (column != column.round(0))
                outside = (lies_out & ~column.is_nan()).sum()
            elif learnt == "float32" and dtype == nw.Float64:
                # NaN and infinities are the same in four bytes
                kept = nw.when(column.abs() <= _LARGEST_32).then(column)
                inexact = kept.cast(nw.Float32).cast(nw.Float64) != kept
                outside = (inexact.fill_null(False) | (column.is_finite() & kept.is_null())).sum()
            elif learnt == "category" and dtype == nw.String:
                outside = (~column.is_in(self.levels_[name])).sum()
            counts[name] = {"outside": outside}
        return counts

    def _made(self, table: Any, apply: Apply) -> Any:  # noqa: ARG002
        """Reduce rows in memory; which dtype holds them is known only with the rows."""
        if not table.width:
            return table
        frame = self._conform(nw.from_native(table).lazy()).collect()
        made = [self._reduced(frame[name]) for name in frame.columns if name in self.dtypes_]
        return frame.select(*made).to_native()

    def _reduced(self, series: nw.Series[Any]) -> nw.Series[Any]:
        learnt = self.dtypes_[series.name]
        if learnt == "category" and series.dtype == nw.String:
            known = self.levels_[series.name]
            unseen = set(series.unique().drop_nulls()) - set(known)
            return series.cast(nw.Enum([*known, *sorted(unseen)]))
        if learnt == "float32" and series.dtype == nw.Float64 and not lossy(series):
            return series.cast(nw.Float32)
        if learnt in INTEGERS and series.dtype.is_integer():
            needed = smallest_integer(series.min(), series.max())
            if needed is None:
                return series
            wider = max(learnt, needed, key=list(INTEGERS).index)
            return series.cast(INTEGERS[wider])
        return series
