"""Capping of outliers."""

from __future__ import annotations

import math
import sys
import warnings
from collections.abc import Mapping
from typing import Any, NamedTuple

import narwhals.stable.v2 as nw
import numpy as np
from sklearn.base import clone

from tracer_sklearn._numbers import count_unusable, finite, integer_range, is_finite, largest
from tracer_sklearn._params import (
    check_choice,
    check_columns,
    check_integer,
    check_real,
    fail,
    is_number,
)
from tracer_sklearn._statistics import finite_values, is_flag, mean, quantiles, spread
from tracer_sklearn.base import Counts, Stage
from tracer_sklearn.exceptions import ConstantColumnWarning, SchemaError

__all__ = ["OutlierCapper"]

_METHODS = ("iqr", "zscore", "mad", "quantile", "none")
_ESTIMATORS = ("Winsorizer", "ArbitraryOutlierCapper")
_FOLDS = {"iqr": 1.5, "zscore": 3.0, "mad": 3.0}
_MAD_TO_SIGMA = 1.4826
_MAX = sys.float_info.max

Bounds = tuple[float | None, float | None]


class Decision(NamedTuple):
    """Bounds of a column, or None where it is skipped, with the reason."""

    bounds: Bounds | None
    reason: str


_FLAG = Decision(None, "a flag of zeros and ones")
_NO_SPREAD = Decision(None, "fewer than two different finite values")


class OutlierCapper(Stage):
    r"""Pull extreme values of numeric columns to bounds learnt from the training rows.

    Use it on generated model inputs before models that extreme values dominate (linear,
    distance-based, neural). Do not use it on raw amounts from which rates, elasticities or
    windows are still to be computed, on targets, nor on identifiers: at 1.5 interquartile ranges
    a retailer's revenue loses the customers who hold most of it. Trees do not need it;
    ``method="none"`` lets a search find out.

    Parameters
    ----------
    columns : list of str, callable or None, default=None
        Columns to cap. None takes every numeric column. Flags (Boolean, or two values 0 and 1)
        are left alone even where they are named.
    method : {"iqr", "zscore", "mad", "quantile", "none"} or estimator, default="iqr"
        ``iqr``: `fold` interquartile ranges beyond the quartiles; ``zscore``: `fold` sample
        standard deviations (ddof=1) around the mean; ``mad``: `fold` times 1.4826 median
        absolute deviations around the median; ``quantile``: the two `quantiles`; ``none`` passes
        columns through. An estimator is feature-engine's ``Winsorizer`` or
        ``ArbitraryOutlierCapper``: it is cloned, fitted on the finite values of each column and
        read out into `bounds_`. ``iqr`` is the default because it assumes no shape.
    fold : "auto" or float > 0, default="auto"
        Width of the accepted range in the unit of the method; auto is 1.5 for ``iqr`` and 3.0
        for ``zscore`` and ``mad``, the customary values. Other methods do not use it.
    quantiles : tuple of two floats in [0, 1], default=(0.01, 0.99)
        Lower and upper bound of ``method="quantile"``, as fractions; the default caps one row
        in a hundred on each side.
    min_rows : int >= 2, default=30
        Fewest finite values for ``zscore``; a column with fewer is skipped. No z-score exceeds
        3 among 10 values, whatever they are: the largest possible one is (n - 1) / sqrt(n).

    Attributes
    ----------
    columns_ : list of str
        Columns that the stage reads.
    bounds_ : dict of str to tuple of (float or None, float or None)
        Lower and upper bound of each capped column; None leaves that side open.
    choices_ : dict of str to str
        Per column the bounds with their origin, or why it was skipped.
    counts_ : dict of str to dict of str to int
        ``missing``, ``infinite``, ``capped_low`` and ``capped_high`` cells of the training data.

    Raises
    ------
    ParameterError
        By ``fit``, for a value outside its legal set.
    SchemaError
        If a column is missing, or is neither numeric nor a flag.

    Warns
    -----
    ConstantColumnWarning
        By ``fit``, naming columns without two different finite values.

    Notes
    -----
    A cell x becomes :math:`\min(\max(x, l), h)`. A column is skipped where its bounds would make
    it constant: one value only, an interquartile range or MAD of 0, equal quantiles.

    Missing cells stay missing. ±inf is left out of every statistic, counted as ``infinite`` (not
    as capped), and set to the bound; where that side has no bound it becomes missing, so a
    column that was read never leaves with an infinite value (``method="none"`` touches nothing).

    Dtypes survive: for an integer column the bounds are rounded inward and intersected with the
    range of the dtype that comes in, whatever the dtype in ``fit``; where no integer lies
    between them they are rounded outward. Only training rows are used, so a cross-validated
    pipeline does not leak. Cost: linear in the rows.

    References
    ----------
    Tukey (1977), Exploratory Data Analysis, for the fences. Leys et al. (2013), doi
    10.1016/j.jesp.2013.03.013, for the MAD. Shiffler (1988), doi 10.1080/00031305.1988.10475530,
    for the largest z-score.

    Examples
    --------
    >>> import pandas as pd
    >>> from tracer_sklearn import OutlierCapper
    >>> X = pd.DataFrame({"visits": [1, 2, 3, 4, 5, 400], "member": [0, 0, 0, 0, 0, 1]})
    >>> capper = OutlierCapper().fit(X)
    >>> capper.bounds_
    {'visits': (-1.5, 8.5)}
    >>> capper.transform(X)["visits"].tolist()
    [1, 2, 3, 4, 5, 8]
    >>> capper.report(X)
            missing  infinite  capped_low  capped_high
    column
    visits        0         0           0            1
    member        0         0           0            0
    """

    _reads_kinds = ("number", "flag")

    def __init__(
        self,
        columns: Any = None,
        *,
        method: Any = "iqr",
        fold: str | float = "auto",
        quantiles: tuple[float, float] = (0.01, 0.99),
        min_rows: int = 30,
    ) -> None:
        self.columns = columns
        self.method = method
        self.fold = fold
        self.quantiles = quantiles
        self.min_rows = min_rows

    def _check_params(self) -> None:
        check_columns(self._name, "columns", self.columns)
        if not _is_feature_engine(self.method):
            _check_method(self._name, self.method)
        elif getattr(self.method, "add_indicators", False):
            must = "an estimator that adds no columns"
            advice = "set add_indicators=False; report(X) counts the capped cells"
            raise fail(self._name, "method", must, self.method, advice)
        if isinstance(self.fold, str):
            check_choice(self._name, "fold", self.fold, ("auto",))
        else:
            check_real(self._name, "fold", self.fold, low=0.0, low_open=True)
        if not _is_quantile_pair(self.quantiles):
            must = "two fractions (low, high) with 0 <= low < high <= 1"
            raise fail(self._name, "quantiles", must, self.quantiles, "for example (0.01, 0.99)")
        check_integer(self._name, "min_rows", self.min_rows, low=2)

    def _learn(self, frame: nw.DataFrame[Any], y: np.ndarray | None) -> None:  # noqa: ARG002
        self.bounds_: dict[str, Bounds] = {}
        self.choices_: dict[str, str] = {}
        if self.method == "none":
            self.choices_ = dict.fromkeys(self.columns_, "not capped: method='none'")
            return
        self._refuse_unknown_variables()
        constant = []
        for name in self.columns_:
            decision = self._decided(name, finite_values(frame[name]))
            if decision is _NO_SPREAD:
                constant.append(name)
            if decision.bounds is None:
                self.choices_[name] = f"not capped: {decision.reason}"
            else:
                self.bounds_[name] = decision.bounds
                self.choices_[name] = f"{_shown(decision.bounds)}: {decision.reason}"
        if constant:
            warnings.warn(
                f"{self._name}: a column must hold two different finite values to be capped, "
                f"{constant!r} do not; they pass uncapped, drop them if that is their nature.",
                ConstantColumnWarning,
                stacklevel=4,
            )

    def _decided(self, name: str, values: np.ndarray) -> Decision:
        if self._kinds_[name] == "flag":
            return _FLAG
        if _is_feature_engine(self.method) and _is_given(self.method):
            return _given(self.method, name)
        if not len(values) or values.min() == values.max():
            return _NO_SPREAD
        if is_flag(values):
            return _FLAG
        if not isinstance(self.method, str):
            return _read_out(self.method, name, values)
        fold = _FOLDS.get(self.method, 0.0) if self.fold == "auto" else float(self.fold)
        if self.method == "iqr":
            return _by_iqr(values, fold)
        if self.method == "zscore":
            return _by_zscore(values, fold, self.min_rows)
        if self.method == "mad":
            return _by_mad(values, fold)
        return _by_quantiles(values, self.quantiles)

    def _refuse_unknown_variables(self) -> None:
        if isinstance(self.method, str):
            return
        wanted = _variables(self.method) or ()
        unknown = [name for name in wanted if name not in self.columns_]
        if unknown:
            raise SchemaError.from_missing(self._name, unknown, self.columns_)

    def _apply(self, frame: nw.LazyFrame[Any]) -> Mapping[str, nw.Expr]:
        if self.method == "none":
            return {}
        # DuckDB orders NaN above all numbers and would cap it; Polars keeps it as it is
        nan_survives = frame.implementation.is_polars()
        made = {
            name: _capped(name, dtype, self.bounds_.get(name, (None, None)), nan_survives)
            for name, dtype in frame.collect_schema().items()
        }
        return {name: expression for name, expression in made.items() if expression is not None}

    def _count(self, frame: nw.LazyFrame[Any]) -> Counts:
        counts = count_unusable(frame)
        for name, dtype in frame.collect_schema().items():
            low, high = _typed(self.bounds_.get(name, (None, None)), dtype)
            counts[name]["capped_low"] = _count_beyond(name, dtype, low, above=False)
            counts[name]["capped_high"] = _count_beyond(name, dtype, high, above=True)
        return counts


# -- parameters ----------------------------------------------------------------------------


def _check_method(stage: str, method: object) -> None:
    if isinstance(method, str):
        check_choice(stage, "method", method, _METHODS)
        return
    must = (
        f"one of {', '.join(map(repr, _METHODS))}, or feature-engine's {' or '.join(_ESTIMATORS)}"
    )
    advice = "other estimators cannot be read out into bounds; put them into the pipeline instead"
    raise fail(stage, "method", must, method, advice)


def _is_feature_engine(method: object) -> bool:
    kind = type(method)
    return kind.__module__.startswith("feature_engine.outliers") and kind.__name__ in _ESTIMATORS


def _is_quantile_pair(pair: object) -> bool:
    return (
        isinstance(pair, tuple | list)
        and len(pair) == 2
        and all(is_number(share) for share in pair)
        and 0.0 <= pair[0] < pair[1] <= 1.0
    )


# -- bounds --------------------------------------------------------------------------------


def _around(low: float, high: float, width: float, reason: str) -> Decision:
    return Decision((max(low - width, -_MAX), min(high + width, _MAX)), reason)


def _by_iqr(values: np.ndarray, fold: float) -> Decision:
    lower, upper = quantiles(values, (0.25, 0.75))
    if lower == upper:
        return Decision(None, f"interquartile range 0 around {lower:.6g}")
    reason = f"{fold:g} interquartile ranges beyond {lower:.6g} and {upper:.6g}"
    return _around(lower, upper, fold * min(upper - lower, _MAX), reason)


def _by_zscore(values: np.ndarray, fold: float, min_rows: int) -> Decision:
    n = len(values)
    if n < min_rows:
        return Decision(None, f"{n} finite values, zscore needs min_rows={min_rows}")
    center, sigma = mean(values), spread(values) * math.sqrt(n / (n - 1))
    return _around(
        center,
        center,
        fold * sigma,
        f"{fold:g} standard deviations {sigma:.6g} around {center:.6g}",
    )


def _by_mad(values: np.ndarray, fold: float) -> Decision:
    (center,) = quantiles(values, (0.5,))
    with np.errstate(over="ignore"):
        deviations = np.minimum(np.abs(values - center), _MAX)
    (mad,) = quantiles(deviations, (0.5,))
    if mad == 0.0:
        return Decision(None, f"median absolute deviation 0 around {center:.6g}")
    reason = f"{fold:g} times {_MAD_TO_SIGMA} MAD {mad:.6g} around {center:.6g}"
    return _around(center, center, fold * _MAD_TO_SIGMA * mad, reason)


def _by_quantiles(values: np.ndarray, shares: tuple[float, float]) -> Decision:
    low, high = quantiles(values, shares)
    if low == high:
        return Decision(None, f"both quantiles are {low:.6g}")
    return Decision((low, high), f"quantiles {shares[0]:g} and {shares[1]:g}")


def _is_given(estimator: Any) -> bool:
    """Tell bounds that the user wrote down from bounds to learn."""
    return type(estimator).__name__ == "ArbitraryOutlierCapper"


def _variables(estimator: Any) -> list[str] | None:
    """Return the columns that a feature-engine estimator names; None means all."""
    if _is_given(estimator):
        return list({**(estimator.max_capping_dict or {}), **(estimator.min_capping_dict or {})})
    if isinstance(estimator.variables, str):
        return [estimator.variables]
    return None if estimator.variables is None else list(estimator.variables)


def _given(estimator: Any, name: str) -> Decision:
    low = (estimator.min_capping_dict or {}).get(name)
    high = (estimator.max_capping_dict or {}).get(name)
    return _taken_over(estimator, name, low, high)


def _read_out(estimator: Any, name: str, values: np.ndarray) -> Decision:
    """Let the estimator learn from the finite values of one column and take over its bounds."""
    wanted = _variables(estimator)
    if wanted is not None and name not in wanted:
        return _taken_over(estimator, name, None, None)
    column = nw.from_dict({name: values}, backend="pandas").to_native()
    try:
        learnt = clone(estimator).set_params(variables=[name]).fit(column)
    except ValueError as error:  # finite values can offend by their low variation only
        return Decision(None, f"{type(estimator).__name__}: {error}")
    low, high = learnt.left_tail_caps_.get(name), learnt.right_tail_caps_.get(name)
    return _taken_over(estimator, name, low, high)


def _taken_over(estimator: Any, name: str, low: float | None, high: float | None) -> Decision:
    label = type(estimator).__name__
    found = [bound for bound in (low, high) if bound is not None]
    if not found:
        return Decision(None, f"{label} has no bound for {name!r}")
    if any(math.isnan(bound) for bound in found):
        return Decision(None, f"{label} found no bound that is a number")
    return Decision(
        (
            None if low is None else max(float(low), -_MAX),
            None if high is None else min(float(high), _MAX),
        ),
        label,
    )


def _shown(bounds: Bounds) -> str:
    low, high = bounds
    start = "(-inf" if low is None else f"[{low:.6g}"
    return f"{start}, " + ("inf)" if high is None else f"{high:.6g}]")


# -- expressions ---------------------------------------------------------------------------


def _typed(bounds: Bounds, dtype: Any) -> Bounds:
    """Return the bounds as values of the dtype that comes in, None where a side is open."""
    low, high = bounds
    if dtype.is_integer():
        return _as_integers(low, high, integer_range(dtype))
    if dtype == nw.Float32:
        return (
            None if low is None else _inward_32(low, math.inf),
            None if high is None else _inward_32(high, -math.inf),
        )
    return bounds


def _as_integers(low: float | None, high: float | None, limits: tuple[int, int]) -> Bounds:
    smallest, greatest = limits
    least = smallest if low is None else math.ceil(low)
    most = greatest if high is None else math.floor(high)
    if least > most and low is not None and high is not None:  # no integer lies between them
        least, most = math.floor(low), math.ceil(high)
    least = min(max(least, smallest), greatest)
    most = min(max(most, smallest), greatest)
    return (None if least == smallest else least), (None if most == greatest else most)


def _inward_32(bound: float, inward: float) -> float:
    limit = largest(nw.Float32)
    nearest = np.float32(min(max(bound, -limit), limit))
    crossed = float(nearest) < bound if inward > 0 else float(nearest) > bound
    return float(np.nextafter(nearest, np.float32(inward)) if crossed else nearest)


def _capped(name: str, dtype: Any, bounds: Bounds, nan_survives: bool) -> nw.Expr | None:
    """Return the capped column, or None where nothing can change."""
    column = nw.col(name)
    low, high = _typed(bounds, dtype)
    if dtype.is_decimal():
        column, dtype = column.cast(nw.Float64), nw.Float64()
    if not dtype.is_float():
        return None if low is None and high is None else column.clip(low, high).cast(dtype)
    if low is None and high is None:
        return finite(name, dtype)
    if low is not None and high is not None and nan_survives:
        return column.clip(low, high)
    limit = largest(dtype)
    usable = ~column.is_nan()
    if low is None:
        usable = usable & (column >= -limit)
    if high is None:
        usable = usable & (column <= limit)
    return nw.when(usable).then(column.clip(low, high)).cast(dtype)


def _count_beyond(name: str, dtype: Any, bound: float | None, *, above: bool) -> nw.Expr:
    if bound is None:
        return nw.lit(0)
    column = nw.col(name)
    beyond = column > bound if above else column < bound
    return (beyond & is_finite(name, dtype)).sum() if dtype.is_float() else beyond.sum()
