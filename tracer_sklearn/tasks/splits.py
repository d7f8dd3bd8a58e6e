"""Cross-validation that never trains on the future."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
from sklearn.base import BaseEstimator
from sklearn.utils.metadata_routing import UNUSED

from tracer_sklearn._frame import Entered, enter
from tracer_sklearn._params import check_choice, check_column, check_integer
from tracer_sklearn.exceptions import DataError, InputTypeError, ParameterError, SchemaError
from tracer_sklearn.tasks._days import day_numbers
from tracer_sklearn.tasks._history import identifiers

__all__ = ["PurgedSnapshotSplit"]


class PurgedSnapshotSplit(BaseEstimator):  # type: ignore[misc]
    r"""Split snapshots by date, and purge training labels that reach into the test period.

    Use it as ``cv=`` for everything made by `make_snapshots`. Shuffled folds train on the future;
    `sklearn.model_selection.TimeSeriesSplit` counts rows, so it cuts through dates, and it knows
    nothing of label windows: a training row of last month carries a label that was decided in the
    test month.

    Parameters
    ----------
    n_splits : int, default=5
        Number of test blocks, at least 1; the data must have more than so many distinct dates.
    time_column : str, default="as_of"
        Snapshot date of a row, in X.
    label_end_column : str, default="label_end"
        Day at whose start the label window of a row is over, in X.
    embargo_days : int, default=0
        Days that must lie between the last training label window and the first test date, for
        what is known about a label later than its window.
    customers : {"keep", "disjoint"}, default="keep"
        ``keep`` leaves a customer on both sides, at different dates: as in production, where
        known customers are scored again. ``disjoint`` deals the customers into `n_splits` groups,
        tests each block on one of them and trains on the others: how well does the model carry
        over to customers whom it has never seen? A block's test side is then one
        `n_splits`-th as large.
    customer_column : str, default="customer_id"
        Who; read for ``disjoint`` only.

    Raises
    ------
    ParameterError
        By ``split``, if a parameter is illegal, there are too few dates, or a side of a split is
        empty.
    SchemaError
        If a column that it reads is missing from X: nothing can be purged without `label_end`.
    DataError
        If one of these dates (or ids, for ``disjoint``) is missing, or a label window ends before
        its snapshot.
    InputTypeError
        If X is lazy.

    Notes
    -----
    With D distinct dates, the last :math:`n \lfloor D/(n+1) \rfloor` of them form n test blocks of
    equal length, in order; earlier dates only train. The training side of a block are the rows
    with :math:`\text{label\_end} \le \min(\text{test as\_of}) - \text{embargo}`: no training
    interval ``[as_of, label_end)`` meets a test interval. Rows are cut at whole dates and never
    counted, and their order does not matter. In an array without names, columns are called ``x0``
    ... and dates are numbers of days. Cost: linear in the rows, plus one sort of the distinct
    dates.

    ``make_snapshots`` gives one label window to all rows of a date; other tables need not.

    References
    ----------
    López de Prado (2018), Advances in Financial Machine Learning, chapter 7, on purging.

    Examples
    --------
    >>> import pandas as pd
    >>> from tracer_sklearn.tasks.splits import PurgedSnapshotSplit
    >>> as_of = pd.date_range("2024-01-01", periods=5, freq="30D")
    >>> X = pd.DataFrame({"as_of": as_of, "label_end": as_of + pd.Timedelta(days=60)})
    >>> for train, test in PurgedSnapshotSplit(n_splits=2).split(X):
    ...     print(train, test)
    [0 1] [3]
    [0 1 2] [4]
    """

    # as scikit-learn's own splitters that look at no groups say it
    __metadata_request__split = {"groups": UNUSED}  # noqa: RUF012

    def __init__(
        self,
        n_splits: int = 5,
        *,
        time_column: str = "as_of",
        label_end_column: str = "label_end",
        embargo_days: int = 0,
        customers: str = "keep",
        customer_column: str = "customer_id",
    ) -> None:
        self.n_splits = n_splits
        self.time_column = time_column
        self.label_end_column = label_end_column
        self.embargo_days = embargo_days
        self.customers = customers
        self.customer_column = customer_column

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
            Holds the date columns.
        y, groups : object, default=None
            Ignored; scikit-learn passes them.

        Yields
        ------
        train, test : ndarray of int
            Positions of rows, ascending.
        """
        self._check_params()
        who = type(self).__name__
        entered = enter(X, stage=who)
        if entered.is_lazy:
            raise InputTypeError(
                f"{who}: X must be in memory, because rows are chosen by position, got a lazy "
                "frame; collect it first.",
                stage=who,
                received=type(X).__qualname__,
            )
        starts = _days_of(who, entered, self.time_column)
        end_days = _days_of(who, entered, self.label_end_column)
        ends = end_days + _ends_within_a_day(entered, self.label_end_column)
        _check_windows(who, self.label_end_column, starts, ends)
        first_days = _block_starts(who, starts, self.n_splits)
        groups_of = None
        if self.customers == "disjoint":
            groups_of = _deal(who, entered, self.customer_column, self.n_splits)
        for fold, (low, high) in enumerate(zip(first_days, [*first_days[1:], None], strict=True)):
            test = starts >= low if high is None else (starts >= low) & (starts < high)
            train = ends <= low - self.embargo_days
            if groups_of is not None:
                test, train = test & (groups_of == fold), train & (groups_of != fold)
            _require_rows(who, train, test, low, fold)
            yield np.flatnonzero(train), np.flatnonzero(test)

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

    def _check_params(self) -> None:
        who = type(self).__name__
        check_integer(who, "n_splits", self.n_splits, low=1)
        check_integer(who, "embargo_days", self.embargo_days, low=0)
        check_choice(who, "customers", self.customers, ("keep", "disjoint"))
        for role in ("time_column", "label_end_column", "customer_column"):
            check_column(who, role, getattr(self, role))


def _require_column(who: str, entered: Entered, name: str) -> None:
    if name not in entered.names:
        raise SchemaError.from_missing(who, [name], entered.names)


def _days_of(who: str, entered: Entered, name: str) -> np.ndarray:
    _require_column(who, entered, name)
    column = entered.cross([name])[name]
    if entered.kind == "numpy" and column.dtype.is_numeric():
        days = column.cast(pl.Float64).fill_nan(None).floor()
    else:
        days = day_numbers(column, who=who).cast(pl.Float64)
    _require_known(who, days)
    return days.to_numpy()


def _ends_within_a_day(entered: Entered, name: str) -> np.ndarray:
    """Tell, as 0 and 1, which windows end after the start of a day: they take the whole day."""
    column = entered.cross([name])[name]
    if column.dtype.is_numeric():
        within = column.cast(pl.Float64) % 1.0 != 0.0
    elif isinstance(column.dtype, pl.Datetime):
        within = column.dt.time() != dt.time()
    else:
        within = pl.repeat(False, len(column), eager=True)
    return within.cast(pl.Float64).to_numpy()


def _require_known(who: str, column: pl.Series) -> None:
    if column.null_count():
        raise DataError(
            f"{who}: column {column.name!r} must be known in every row, found "
            f"{column.null_count()} missing values; leave those rows out before splitting.",
            column=column.name,
            rule="missing",
            n_rows=column.null_count(),
        )


def _check_windows(who: str, name: str, starts: np.ndarray, ends: np.ndarray) -> None:
    n_reversed = int(np.sum(ends < starts))
    if n_reversed:
        raise DataError(
            f"{who}: a label window must not end before its snapshot, found {n_reversed} rows "
            f"where {name!r} is earlier; check the two columns.",
            column=name,
            rule="window_order",
            n_rows=n_reversed,
        )


def _block_starts(who: str, starts: np.ndarray, n_splits: int) -> list[float]:
    """Return the first date of each test block."""
    dates = np.unique(starts)
    length = len(dates) // (n_splits + 1)
    if length == 0:
        raise ParameterError(
            f"{who}: `n_splits` must be less than the number of snapshot dates, got {n_splits} "
            f"with {len(dates)} dates; make more snapshots or use fewer splits.",
            stage=who,
            parameter="n_splits",
            value=n_splits,
        )
    return [float(day) for day in dates[len(dates) - n_splits * length :: length]]


def _deal(who: str, entered: Entered, name: str, n_groups: int) -> np.ndarray:
    """Deal the customers into groups of equal size, by a hash that no numbering can bias."""
    _require_column(who, entered, name)
    customers = identifiers(entered, name).cast(pl.String)
    _require_known(who, customers)
    distinct = customers.unique().sort()
    order = np.argsort(pd.util.hash_array(distinct.to_numpy().astype(object)), kind="stable")
    groups = np.empty(len(distinct), dtype=np.int64)
    groups[order] = np.arange(len(distinct)) % n_groups
    table = pl.DataFrame({"id": distinct, "group": groups})
    rows = pl.DataFrame({"id": customers}).join(table, on="id", how="left", maintain_order="left")
    return rows["group"].to_numpy()


def _require_rows(who: str, train: np.ndarray, test: np.ndarray, low: float, fold: int) -> None:
    for side, rows in (("training", train), ("test", test)):
        if not rows.any():
            raise ParameterError(
                f"{who}: each split must have rows on both sides, found an empty {side} side in "
                f"split {fold}, whose test block begins on {np.datetime64(int(low), 'D')}; "
                "use fewer `n_splits`, a smaller `embargo_days`, or earlier snapshots.",
                stage=who,
                parameter="n_splits",
            )
