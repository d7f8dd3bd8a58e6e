"""How far projections are off, in shares of the actuals or of a naive forecast's error."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import make_scorer

from tracer_sklearn._frame import enter_target
from tracer_sklearn._params import check_integer
from tracer_sklearn.exceptions import DataError, InputTypeError

__all__ = ["mase", "mase_scorer", "rmsse", "rmsse_scorer", "wape", "wape_scorer"]


def wape(y_true: Any, y_pred: Any) -> float:
    r"""Compute the sum of absolute errors as a share of the sum of the actuals' sizes.

    Use it for revenue: it weighs each unit of money alike and, unlike the mean percentage error,
    survives days without revenue. It cannot compare series of different noise; see `mase`.

    Parameters
    ----------
    y_true : array-like of shape (n,)
        The actuals; NumPy, pandas, Polars or PyArrow.
    y_pred : array-like of shape (n,)
        The projections.

    Returns
    -------
    share : float
        0 is perfect; 0.1 is off by a tenth of the revenue.

    Raises
    ------
    DataError
        If there are no rows, missing values, or no actual differs from 0.
    InputTypeError
        If something is no list, array or column.

    Notes
    -----
    :math:`\sum |y - \hat y| / \sum |y|`. ``wape_scorer`` is its negative, for ``scoring=``.

    Examples
    --------
    >>> from tracer_sklearn.tasks.metrics import wape
    >>> wape([100.0, 0.0, 300.0], [90.0, 10.0, 320.0])
    0.1
    """
    truth, predicted = _pair("wape", y_true, y_pred)
    total = float(np.abs(truth).sum())
    if total == 0.0:
        raise DataError(
            "wape: some actual must differ from 0, found none; use an error in money instead.",
            rule="all_zero",
            n_rows=len(truth),
        )
    return float(np.abs(truth - predicted).sum()) / total


def mase(
    y_true: Any, y_pred: Any, *, y_train: Any, season_length: int = 7, series_train: Any = None
) -> float:
    r"""Compute the mean absolute error in units of the seasonal naive forecast's, in training.

    Use it to compare across series and horizons: below 1 is better than repeating the last
    season was within the training rows.

    Parameters
    ----------
    y_true : array-like of shape (n,)
        The actuals.
    y_pred : array-like of shape (n,)
        The projections.
    y_train : array-like of shape (n_train,)
        Actuals of the training rows, in the order of their dates. They set the scale: no test row
        may be among them.
    season_length : int, default=7
        Rows of a season, at least 1.
    series_train : array-like of shape (n_train,), default=None
        The series of each training row; differences are taken within a series.

    Returns
    -------
    ratio : float
        0 is perfect.

    Raises
    ------
    ParameterError
        If ``season_length`` is illegal.
    DataError
        If there are no rows, missing values, or the training rows have no seasonal change.
    InputTypeError
        If something is no list, array or column.

    Notes
    -----
    :math:`\operatorname{mean}|y - \hat y| / \operatorname{mean}|y_t - y_{t-m}|`.

    References
    ----------
    Hyndman & Koehler (2006), doi 10.1016/j.ijforecast.2006.03.001.

    Examples
    --------
    >>> from tracer_sklearn.tasks.metrics import mase
    >>> mase([5.0, 6.0], [6.0, 6.0], y_train=[1.0, 2.0, 3.0, 4.0], season_length=2)
    0.25
    """
    truth, predicted = _pair("mase", y_true, y_pred)
    changes = _changes("mase", y_train, season_length, series_train)
    return float(np.abs(truth - predicted).mean() / np.abs(changes).mean())


def rmsse(
    y_true: Any, y_pred: Any, *, y_train: Any, season_length: int = 7, series_train: Any = None
) -> float:
    r"""Compute the root of the mean squared error in units of the seasonal naive forecast's.

    As `mase`, with squares: large errors weigh more, and it is smallest for the mean rather than
    the median.

    Parameters
    ----------
    y_true : array-like of shape (n,)
        The actuals.
    y_pred : array-like of shape (n,)
        The projections.
    y_train : array-like of shape (n_train,)
        Actuals of the training rows, in the order of their dates.
    season_length : int, default=7
        Rows of a season, at least 1; the M5 competition took 1.
    series_train : array-like of shape (n_train,), default=None
        The series of each training row; differences are taken within a series.

    Returns
    -------
    ratio : float
        0 is perfect.

    Raises
    ------
    ParameterError
        If ``season_length`` is illegal.
    DataError
        If there are no rows, missing values, or the training rows have no seasonal change.
    InputTypeError
        If something is no list, array or column.

    Notes
    -----
    :math:`\sqrt{\operatorname{mean}(y - \hat y)^2 / \operatorname{mean}(y_t - y_{t-m})^2}`.

    References
    ----------
    Makridakis, Spiliotis & Assimakopoulos (2022), doi 10.1016/j.ijforecast.2021.11.013.

    Examples
    --------
    >>> from tracer_sklearn.tasks.metrics import rmsse
    >>> rmsse([5.0, 6.0], [7.0, 6.0], y_train=[1.0, 2.0, 3.0, 4.0], season_length=2) ** 2
    0.5000000000000001
    """
    truth, predicted = _pair("rmsse", y_true, y_pred)
    changes = _changes("rmsse", y_train, season_length, series_train)
    return float(np.sqrt(((truth - predicted) ** 2).mean() / (changes**2).mean()))


def mase_scorer(y_train: Any, *, season_length: int = 7, series_train: Any = None) -> Any:
    """Make a scorer of `mase` whose scale is that of given training rows.

    A scorer sees test rows only, so the scale is fixed beforehand: take the rows before the first
    test block.

    Parameters
    ----------
    y_train : array-like of shape (n_train,)
        Actuals in the order of their dates.
    season_length : int, default=7
        Rows of a season, at least 1.
    series_train : array-like of shape (n_train,), default=None
        The series of each training row.

    Returns
    -------
    scorer : callable
        For ``scoring=``; higher is better, so it is negative.

    Examples
    --------
    >>> from sklearn.dummy import DummyRegressor
    >>> from tracer_sklearn.tasks.metrics import mase_scorer
    >>> model = DummyRegressor().fit([[0], [0]], [4.0, 6.0])
    >>> float(mase_scorer([1.0, 2.0, 3.0], season_length=1)(model, [[0]], [7.0]))
    -2.0
    """
    return _scaled_scorer(mase, y_train, season_length, series_train)


def rmsse_scorer(y_train: Any, *, season_length: int = 7, series_train: Any = None) -> Any:
    """Make a scorer of `rmsse` whose scale is that of given training rows.

    Parameters
    ----------
    y_train : array-like of shape (n_train,)
        Actuals in the order of their dates, before the first test block.
    season_length : int, default=7
        Rows of a season, at least 1.
    series_train : array-like of shape (n_train,), default=None
        The series of each training row.

    Returns
    -------
    scorer : callable
        For ``scoring=``; higher is better, so it is negative.

    Examples
    --------
    >>> from sklearn.dummy import DummyRegressor
    >>> from tracer_sklearn.tasks.metrics import rmsse_scorer
    >>> model = DummyRegressor().fit([[0], [0]], [4.0, 6.0])
    >>> float(rmsse_scorer([1.0, 2.0, 3.0], season_length=1)(model, [[0]], [7.0]))
    -2.0
    """
    return _scaled_scorer(rmsse, y_train, season_length, series_train)


def _scaled_scorer(metric: Callable[..., float], y_train: Any, season: int, series: Any) -> Any:
    return make_scorer(
        metric, greater_is_better=False, y_train=y_train, season_length=season, series_train=series
    )


wape_scorer = make_scorer(wape, greater_is_better=False)
wape_scorer.__doc__ = "Score a regressor by the negative of `wape`."


def _pair(who: str, y_true: Any, y_pred: Any) -> tuple[np.ndarray, np.ndarray]:
    truth = _numbers(who, "y_true", _column(who, "y_true", y_true))
    predicted = _column(who, "y_pred", y_pred)
    _require_as_many(who, {"y_true": truth, "y_pred": predicted})
    return truth, _numbers(who, "y_pred", predicted)


def _column(who: str, name: str, given: Any) -> np.ndarray:
    """Return the cells of a list, an array or a column of any library."""
    if not hasattr(given, "__len__") or isinstance(given, str | bytes | Mapping | Set):
        raise InputTypeError(
            f"{who}: {name} must be a list, an array or a column, got {type(given).__name__}; give "
            "one value for each row.",
            stage=who,
            received=type(given).__qualname__,
        )
    cells = enter_target(given, len(given), stage=who)
    if cells.ndim != 1 or not len(cells):
        raise DataError(
            f"{who}: {name} must have one value a row and at least one row, found shape "
            f"{cells.shape}; give one column, of some rows.",
            rule="rows",
        )
    return cells


def _require_as_many(who: str, columns: Mapping[str, np.ndarray]) -> None:
    (one, its), (other, theirs) = columns.items()
    if len(its) != len(theirs):
        raise DataError(
            f"{who}: {one} and {other} must have a value for each of the same rows, found "
            f"{len(its)} and {len(theirs)}; take both from one table.",
            rule="rows",
            n_rows=len(its),
        )


def _numbers(who: str, name: str, values: np.ndarray) -> np.ndarray:
    try:
        if values.dtype.kind not in "biufO":
            raise TypeError
        numbers = values.astype(np.float64)
    except (TypeError, ValueError):
        raise DataError(
            f"{who}: {name} must hold numbers, found {values.dtype}; parse it first."
        ) from None
    n_missing = int((~np.isfinite(numbers)).sum())
    if n_missing:
        raise DataError(
            f"{who}: {name} must be known and finite in every row, found {n_missing} that are not; "
            "drop those rows or find out why the model gives none.",
            rule="missing",
            n_rows=n_missing,
        )
    return numbers


def _changes(who: str, y_train: Any, season_length: int, series: Any) -> np.ndarray:
    check_integer(who, "season_length", season_length, low=1)
    values = _numbers(who, "y_train", _column(who, "y_train", y_train))
    codes: np.ndarray = np.zeros(len(values))
    if series is not None:
        groups = _column(who, "series_train", series)
        _require_as_many(who, {"y_train": values, "series_train": groups})
        codes, _ = pd.factorize(groups)
        if (codes < 0).any():
            raise DataError(
                f"{who}: series_train must name the series of every row, found "
                f"{int((codes < 0).sum())} that are missing; leave those rows out.",
                rule="missing",
                n_rows=int((codes < 0).sum()),
            )
    order = np.argsort(codes, kind="stable")
    values, codes = values[order], codes[order]
    same = codes[season_length:] == codes[:-season_length]
    changes: np.ndarray = (values[season_length:] - values[:-season_length])[same]
    if not changes.any():
        raise DataError(
            f"{who}: the training rows must change from one season of {season_length} rows to the "
            f"next, found {len(changes)} differences, none other than 0; give more rows.",
            rule="no_scale",
            n_rows=len(values),
        )
    return changes
