"""Rolling origins over dates, and what a splitter asks of the horizon."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils.metadata_routing import UNUSED

from tracer_sklearn._frame import enter
from tracer_sklearn._params import check_column, check_integer, fail
from tracer_sklearn.exceptions import DataError, HorizonWarning, InputTypeError, ParameterError
from tracer_sklearn.tasks.splits import _days_of

__all__ = ["DateSeriesSplit", "check_horizon"]


class DateSeriesSplit(BaseEstimator):  # type: ignore[misc]
    """Split rows by calendar date: each test block lies after everything it is trained on.

    Use it as ``cv=`` for revenue and price panels. `sklearn.model_selection.TimeSeriesSplit`
    counts rows, so with several series it cuts through dates and needs sorted rows; shuffled
    folds train on the future.

    Parameters
    ----------
    n_splits : int, default=5
        Number of test blocks, at least 1.
    test_span_days : int, default=28
        Calendar days of a test block, at least 1: as many as are projected at once. Whole weeks
        weigh all weekdays alike.
    gap_days : int, default=0
        Days between the last training date and the first of the test block.
    date_column : str, default="date"
        Date of a row, in X.

    Raises
    ------
    ParameterError
        By ``split``, if a parameter is illegal or a side of a split is empty.
    SchemaError
        If the column is missing from X, or holds no dates.
    DataError
        If a date is missing.
    InputTypeError
        If X is lazy.

    See Also
    --------
    check_horizon : Whether the features' horizon fits the splits.

    Notes
    -----
    The last block ends with the newest date; the blocks lie one after the other. Training takes
    every row before the block, less the gap. The order of rows does not matter. In an array
    without names, columns are called ``x0`` ... and dates are numbers of days.

    Examples
    --------
    >>> import pandas as pd
    >>> from tracer_sklearn import DateSeriesSplit
    >>> X = pd.DataFrame({"date": pd.date_range("2024-01-01", periods=8)})
    >>> for train, test in DateSeriesSplit(2, test_span_days=2).split(X):
    ...     print(train, test)
    [0 1 2 3] [4 5]
    [0 1 2 3 4 5] [6 7]
    """

    __metadata_request__split = {"groups": UNUSED}  # noqa: RUF012

    def __init__(
        self,
        n_splits: int = 5,
        *,
        test_span_days: int = 28,
        gap_days: int = 0,
        date_column: str = "date",
    ) -> None:
        self.n_splits = n_splits
        self.test_span_days = test_span_days
        self.gap_days = gap_days
        self.date_column = date_column

    def split(
        self,
        X: Any,
        y: Any = None,  # noqa: ARG002
        groups: Any = None,  # noqa: ARG002
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield training and test rows, oldest test block first.

        Parameters
        ----------
        X : array-like or frame of shape (n_rows, n_columns)
            Holds the date column.
        y, groups : object, default=None
            Ignored; scikit-learn passes them.

        Yields
        ------
        train, test : ndarray of int
            Positions of rows, ascending.

        Raises
        ------
        ParameterError, SchemaError, DataError, InputTypeError
            As the class says.
        """
        who = type(self).__name__
        check_integer(who, "n_splits", self.n_splits, low=1)
        check_integer(who, "test_span_days", self.test_span_days, low=1)
        check_integer(who, "gap_days", self.gap_days, low=0)
        check_column(who, "date_column", self.date_column)
        days = _dates(who, X, self.date_column)
        end = days.max() + 1 - (self.n_splits - 1) * self.test_span_days
        for fold in range(self.n_splits):
            high = end + fold * self.test_span_days
            low = high - self.test_span_days
            train = np.flatnonzero(days < low - self.gap_days)
            test = np.flatnonzero((days >= low) & (days < high))
            for side, rows in (("training", train), ("test", test)):
                if not len(rows):
                    raise ParameterError(
                        f"{who}: each split must have rows on both sides, found an empty {side} "
                        f"side in split {fold}, whose test block begins on "
                        f"{np.datetime64(int(low), 'D')}; use fewer `n_splits`, a shorter "
                        "`test_span_days`, or more dates.",
                        stage=who,
                        parameter="n_splits",
                        value=self.n_splits,
                    )
            yield train, test

    def get_n_splits(
        self,
        X: Any = None,  # noqa: ARG002
        y: Any = None,  # noqa: ARG002
        groups: Any = None,  # noqa: ARG002
    ) -> int:
        """Return the number of splits.

        Parameters
        ----------
        X, y, groups : object, default=None
            Ignored; scikit-learn passes them.

        Returns
        -------
        n_splits : int
            The number of splits.
        """
        return self.n_splits


def check_horizon(
    cv: Any, X: Any, y: Any = None, *, horizon_days: int = 1, date_column: str = "date"
) -> pd.DataFrame:
    """Tell, split by split, whether a splitter asks what the features' horizon answers.

    Use it before a cross-validation of time features. A row of a test block that lies further
    from the last training date than the horizon sees actuals of the test block itself: right for
    a projection that is made anew every day, too good for one that is made once.

    Parameters
    ----------
    cv : splitter
        With ``split(X, y)``, such as `DateSeriesSplit`.
    X : frame or array of shape (n_rows, n_columns)
        The rows, in memory.
    y : array-like, default=None
        Target, for splitters that need it.
    horizon_days : int, default=1
        ``horizon_days`` of the features.
    date_column : str, default="date"
        Date of a row, in X.

    Returns
    -------
    splits : pandas.DataFrame of shape (n_splits, 6)
        ``train_end``, ``test_start``, ``test_end``, ``needed_horizon_days`` (from the last
        training date to the last test date; 0 where training is not over before the test),
        ``order`` (``past to future``, ``future to past`` or ``mixed``) and ``fits``.

    Raises
    ------
    ParameterError
        If a parameter is illegal, `cv` included.
    DataError
        If X has no rows or a row without a date, or a split has none on a side.

    Warns
    -----
    HorizonWarning
        One for splits that train on the future or between the test dates, one for a horizon that
        is shorter than the test blocks need.

    Examples
    --------
    >>> import pandas as pd
    >>> from tracer_sklearn import DateSeriesSplit, check_horizon
    >>> X = pd.DataFrame({"date": pd.date_range("2024-01-01", periods=60)})
    >>> splits = check_horizon(DateSeriesSplit(2, test_span_days=7), X, horizon_days=7)
    >>> splits["needed_horizon_days"].tolist(), bool(splits["fits"].all())
    ([7, 7], True)
    """
    who = "check_horizon"
    check_integer(who, "horizon_days", horizon_days, low=0)
    check_column(who, "date_column", date_column)
    if not callable(getattr(cv, "split", None)) or isinstance(cv, str):
        must = "a splitter with `split(X, y)`"
        raise fail(who, "cv", must, cv, "take one such as `DateSeriesSplit(5)`")
    days = _dates(who, X, date_column)
    rows = []
    for number, (train, test) in enumerate(cv.split(X, y)):
        learnt, asked = _taken(who, days, train, number), _taken(who, days, test, number)
        order = "mixed"
        if learnt.max() < asked.min():
            order = "past to future"
        elif learnt.min() > asked.max():
            order = "future to past"
        ahead = int(asked.max() - learnt.max()) if order == "past to future" else 0
        rows.append(
            {
                "train_end": _timestamp(learnt.max()),
                "test_start": _timestamp(asked.min()),
                "test_end": _timestamp(asked.max()),
                "needed_horizon_days": ahead,
                "order": order,
                "fits": order == "past to future" and ahead <= horizon_days,
            }
        )
    if not rows:
        raise DataError(
            f"{who}: `cv` must give splits of X, {type(cv).__name__} gave none; check its "
            "parameters.",
            rule="splits",
            n_rows=len(days),
        )
    splits = pd.DataFrame(rows)
    _warn_of_order(who, cv, splits)
    needed = int(splits["needed_horizon_days"].max())
    if needed > horizon_days:
        warnings.warn(
            f"{who}: test blocks reach {needed} days beyond their training rows, `horizon_days` is "
            f"{horizon_days}: later test rows see actuals of earlier ones, so the score is that of "
            f"projections made {horizon_days} days ahead; set `horizon_days={needed}` if the whole "
            "block is projected at once.",
            HorizonWarning,
            stacklevel=2,
        )
    return splits


def _taken(who: str, days: np.ndarray, chosen: Any, number: int) -> np.ndarray:
    """Return the days of one side of a split, or say why not."""
    try:
        taken: np.ndarray = days[np.asarray(chosen)]
    except IndexError:
        taken = days[:0]
    if not len(taken):
        raise DataError(
            f"{who}: each split must have rows of X on both sides, split {number} has a side that "
            f"is empty or outside of the {len(days)} rows; check the parameters of `cv`, and that "
            "it was made for this table.",
            rule="splits",
            n_rows=len(days),
        )
    return taken


def _warn_of_order(who: str, cv: Any, splits: pd.DataFrame) -> None:
    wrong = splits[splits["order"] != "past to future"]
    if len(wrong):
        before = int((wrong["order"] == "future to past").sum())
        warnings.warn(
            f"{who}: training rows must lie before test rows, in {len(wrong)} of {len(splits)} "
            f"splits of {type(cv).__name__} they do not: {before} test blocks lie before their "
            f"training rows, {len(wrong) - before} among them, as shuffling makes them; use "
            "`DateSeriesSplit`.",
            HorizonWarning,
            stacklevel=3,
        )


def _dates(who: str, X: Any, name: str) -> np.ndarray:
    entered = enter(X, stage=who)
    if entered.is_lazy:
        raise InputTypeError(
            f"{who}: X must be in memory, because rows are chosen by position, got a lazy frame; "
            "collect it first.",
            stage=who,
            received=type(X).__qualname__,
        )
    days = _days_of(who, entered, name)
    if not len(days):
        raise DataError(
            f"{who}: X must have rows to split, found none; check the step that made it.",
            column=name,
            rule="rows",
            n_rows=0,
        )
    return days


def _timestamp(day: float) -> pd.Timestamp:
    return pd.Timestamp(int(day), unit="D")
