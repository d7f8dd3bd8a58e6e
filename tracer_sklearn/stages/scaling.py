"""Scaling of numeric columns."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from tracer_sklearn._numbers import count_unusable, finite, largest
from tracer_sklearn._params import check_choice, check_columns
from tracer_sklearn._statistics import finite_values, is_flag, mean, quantiles, spread
from tracer_sklearn.base import Counts, Stage

__all__ = ["FeatureScaler"]

_METHODS = ("robust", "standard", "minmax", "none")
# from here on the difference of two finite numbers may overflow
_HUGE = 1e290


class FeatureScaler(Stage):
    r"""Bring numeric columns to a common scale, learnt from finite training values.

    Use it before models that compare or penalise columns (linear, distance-based, neural). Trees
    do not need it; ``method="none"`` lets a search find out. Flags and one-hot columns are left
    alone: they are on a common scale already, and a robust scale would blow rare ones up.

    Parameters
    ----------
    columns : list of str, callable or None, default=None
        Columns to scale. None takes every numeric column that is not a flag (two values, 0
        and 1); named columns are scaled even if they are flags.
    method : {"robust", "standard", "minmax", "none"}, default="robust"
        ``robust`` subtracts the median and divides by the interquartile range; ``standard``
        uses mean and population standard deviation; ``minmax`` maps the training range to
        [0, 1]; ``none`` passes columns through. Robust is the default because amounts and
        counts in business tables are skewed.

    Attributes
    ----------
    columns_ : list of str
        The scaled columns.
    centers_, scales_ : dict of str to float
        What is subtracted and divided by. A column without spread has scale 1.
    choices_ : dict of str to str
        Per column what was decided, with the figure that decided.
    counts_ : dict of str to dict of str to int
        Missing and infinite cells of the training data.

    Raises
    ------
    ParameterError
        By ``fit``, for an unknown method or an illegal column list.
    SchemaError
        If a named column is missing.

    Notes
    -----
    :math:`x' = (x - c) \cdot (1/s)`, in Float64 and cast back to Float32 where that came in;
    the reciprocal is taken once, because division differs by one ulp between engines. Missing
    cells stay missing; ±inf becomes missing and is counted by `report`; a finite value that would
    overflow takes the largest finite value, so nothing ever becomes infinite. Only training rows
    are used, so a cross-validated pipeline does not leak. Cost: linear in the rows.

    References
    ----------
    Rousseeuw & Croux (1993), doi 10.1080/01621459.1993.10476408, for the robust scale.

    Examples
    --------
    >>> import pandas as pd
    >>> from tracer_sklearn import FeatureScaler
    >>> X = pd.DataFrame({"spend": [10.0, 20.0, 30.0, 1000.0], "member": [0, 1, 1, 0]})
    >>> FeatureScaler().fit_transform(X)
          spend  member
    0 -0.058824       0
    1 -0.019608       1
    2  0.019608       1
    3  3.823529       0
    """

    _reads_kinds = ("number", "flag")

    def __init__(self, columns: Any = None, *, method: str = "robust") -> None:
        self.columns = columns
        self.method = method

    def inverse_transform(self, X: Any) -> Any:
        """Bring scaled columns back to their units.

        Parameters
        ----------
        X : {array-like, pandas, Polars or PyArrow frame, lazy frame} of shape (n_rows, n_columns)
            Scaled rows.

        Returns
        -------
        X_original : frame of the kind that came in
            The rows in their units, up to rounding; integer columns come back as Float64.
        """
        return self._through(X, self._unscaled)

    def _check_params(self) -> None:
        check_columns(self._name, "columns", self.columns)
        check_choice(self._name, "method", self.method, _METHODS)

    def _learn(self, frame: nw.DataFrame[Any], y: np.ndarray | None) -> None:  # noqa: ARG002
        self.centers_: dict[str, float] = {}
        self.scales_: dict[str, float] = {}
        self.choices_: dict[str, str] = {}
        for name in self.columns_:
            values = finite_values(frame[name])
            if self.method == "none":
                self.choices_[name] = "not scaled: method='none'"
            elif self.columns is None and is_flag(values):
                self.choices_[name] = "not scaled: a flag of zeros and ones"
            else:
                center, scale = _center_and_scale(values, self.method)
                usable = scale > 0 and math.isfinite(1.0 / scale)
                self.centers_[name], self.scales_[name] = center, scale if usable else 1.0
                self.choices_[name] = (
                    f"{self.method}: center {center:.6g}, scale {scale:.6g}"
                    if usable
                    else f"{self.method}: no spread around {center:.6g}, scale 1"
                )

    def _apply(self, frame: nw.LazyFrame[Any]) -> Mapping[str, nw.Expr]:
        return {
            name: _scaled(name, dtype, self.centers_[name], self.scales_[name])
            for name, dtype in frame.collect_schema().items()
            if name in self.scales_
        }

    def _unscaled(self, frame: nw.LazyFrame[Any]) -> Mapping[str, nw.Expr]:
        return {
            name: _back(name, dtype, self.centers_[name], self.scales_[name])
            for name, dtype in frame.collect_schema().items()
            if name in self.scales_
        }

    def _count(self, frame: nw.LazyFrame[Any]) -> Counts:
        return count_unusable(frame)


def _center_and_scale(values: np.ndarray, method: str) -> tuple[float, float]:
    if not len(values):
        return 0.0, 0.0
    if method == "standard":
        return mean(values), spread(values)
    if method == "minmax":
        low, high = float(values.min()), float(values.max())
        center = low
    else:
        low, center, high = quantiles(values, (0.25, 0.5, 0.75))
    return center, min(high - low, sys.float_info.max)


def _scaled(name: str, dtype: Any, center: float, scale: float) -> nw.Expr:
    column = finite(name, dtype).cast(nw.Float64)
    inverse = 1.0 / scale
    if abs(center) < _HUGE:
        moved = (column - center) * inverse
    else:  # by halves, whose difference cannot overflow
        moved = (column * 0.5 - center * 0.5) * (inverse * 2.0)
    return _within(moved, dtype, center, inverse)


def _back(name: str, dtype: Any, center: float, scale: float) -> nw.Expr:
    column = finite(name, dtype).cast(nw.Float64)
    if abs(center) < _HUGE:
        moved = column * scale + center
    else:
        moved = (column * (scale * 0.5) + center * 0.5) * 2.0
    return _within(moved, dtype, center, scale)


def _within(moved: nw.Expr, dtype: Any, center: float, factor: float) -> nw.Expr:
    """Keep the result finite; nothing to do where a finite cell cannot leave the range."""
    limit = largest(dtype)
    if dtype == nw.Float32:
        return moved.clip(-limit, limit).cast(nw.Float32)
    if factor <= 1.0 and abs(center) < _HUGE:
        return moved
    return moved.clip(-limit, limit)
