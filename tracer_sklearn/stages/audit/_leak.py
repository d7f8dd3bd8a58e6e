"""Features that know the answer: an audit before a score is believed."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
from sklearn.utils import check_random_state

from tracer_sklearn._frame import Entered, enter, enter_target
from tracer_sklearn._params import check_choice, check_column, check_real, fail
from tracer_sklearn.base import Counts, Stage
from tracer_sklearn.exceptions import DataError, DataQualityWarning, InputTypeError, SchemaError
from tracer_sklearn.stages.audit._auditing import Question, audited
from tracer_sklearn.stages.audit._columns import days_of
from tracer_sklearn.stages.audit._findings import LeakFinding, LeakReport

__all__ = ["LeakAudit", "leak_audit"]

_SHOWN = 5
_AS_OF = "as_of"
_DATE = "date"


class LeakAudit(Stage):
    r"""Pass rows through, and say in ``fit`` which columns know the target.

    Put it behind the features and before the model, or call `leak_audit` once on a table. It
    finds what gives itself away in the data: copies of the target, columns filled in after the
    outcome, arithmetic of one row. It cannot tell a very good feature from a leak, nor find a
    leak that is weak; a time-honest split is still needed. In a search it costs its time at each
    fit: audit once, then search.

    Parameters
    ----------
    error_above : float in (0.5, 1], default=0.99
        Concordance with the target beyond which a column is an error. For two classes it is the
        area under the ROC curve; honest business data hardly pass .95.
    warn_above : float in (0.5, 1], default=0.95
        Concordance beyond which a column is a warning; at most ``error_above``.
    on_suspect : {"warn", "raise", "none"}, default="warn"
        ``warn`` issues one warning that names errors and warnings; ``raise`` makes the errors an
        exception; ``none`` leaves it to ``leaks_``.
    as_of_column : str or None, default=None
        Snapshot date of each row, for dates that lie after it. None takes a date column
        ``as_of`` where there is one.
    date_column : str or None, default=None
        Date of each row of time series with a number as target, for features that know their own
        period. None takes a date column ``date`` where there is one. What tells series apart is
        found out.
    random_state : int, RandomState or None, default=None
        Chooses the sampled rows and the folds; an integer makes the audit repeat itself.

    Attributes
    ----------
    columns_ : list of str
        All columns.
    leaks_ : LeakReport
        The findings, and how well each column tells the target.
    counts_ : dict of str to dict of str to int
        ``after_snapshot`` cells of each date column, where there is a snapshot date.

    Raises
    ------
    ParameterError
        By ``fit``, for a value outside its legal set.
    SchemaError
        If a named date column is missing or holds no dates.
    DataError
        By ``fit``, for errors, with ``on_suspect="raise"``.

    Warns
    -----
    DataQualityWarning
        By ``fit``, naming errors and warnings, with ``on_suspect="warn"``.

    See Also
    --------
    leak_audit : The same as a function, for a notebook.

    Notes
    -----
    Each column is measured by itself: bins of a number (quantiles, frequent values, ±inf and
    gaps apart) or levels of text, whose mean target comes from other folds, and the plain order
    of a number. The measure is the concordance :math:`P(s_i < s_j \mid y_i < y_j)`, ties half:
    .5 is chance, 1.0 the answer. It needs no scale, and as many rows of each class can be
    sampled without changing it: 10,000 rows (5,000 for numbers) are enough. What chance reaches
    among all columns (one table in a hundred) is no finding, however few the rows.

    Detectors: ``copy``; ``association``; ``missingness`` of a column; ``pure_level``, one value
    in rows of the rarer class only; ``target_mean``, a naive target encoding; ``arithmetic``,
    products, ratios, sums and differences of two columns; ``sum``, weighted sums and products of
    several (numbers as target); ``window`` and ``same_row``, time series features that contain,
    or move with, the target of their own period; ``date_after`` the snapshot; ``name``, words of
    outcomes; ``identifier``; ``row_order``. Names, identifiers and order are notes, unless a name
    speaks of an outcome and its column tells the target beyond .8.

    Rows whose target is missing are left out; without a target only names, dates and
    identifiers are looked at. Cost: under a second for a million rows of thirty columns.

    References
    ----------
    Kaufman, Rosset, Perlich & Stitelman (2012), doi 10.1145/2382577.2382579, for leakage and its
    exploratory detection. Kapoor & Narayanan (2023), doi 10.1016/j.patter.2023.100804, for its
    kinds. Somers (1962), doi 10.2307/2090408, for the concordance of numbers.

    Examples
    --------
    >>> import tracer_sklearn as ts
    >>> X, y = ts.datasets.make_customer_churn(400, random_state=0)
    >>> audit = ts.LeakAudit(on_suspect="none", random_state=0)
    >>> refunded = X.assign(refund=y * (10.0 + X["support_tickets"]))
    >>> audit.fit(refunded, y).leaks_.errors[0].columns
    ('refund',)
    >>> audit.fit(X, y).leaks_.errors
    ()
    """

    def __init__(
        self,
        *,
        error_above: float = 0.99,
        warn_above: float = 0.95,
        on_suspect: str = "warn",
        as_of_column: str | None = None,
        date_column: str | None = None,
        random_state: Any = None,
    ) -> None:
        self.error_above = error_above
        self.warn_above = warn_above
        self.on_suspect = on_suspect
        self.as_of_column = as_of_column
        self.date_column = date_column
        self.random_state = random_state

    def _check_params(self) -> None:
        _check_bounds(self._name, self.error_above, self.warn_above)
        check_choice(self._name, "on_suspect", self.on_suspect, ("warn", "raise", "none"))
        check_column(self._name, "as_of_column", self.as_of_column, optional=True)
        check_column(self._name, "date_column", self.date_column, optional=True)
        _seeds(self._name, self.random_state)

    def _fits(self, name: str, dtype: nw.dtypes.DType) -> bool:  # noqa: ARG002
        return True

    def _learn(self, frame: nw.DataFrame[Any], y: np.ndarray | None) -> None:
        who = self._name
        self._as_of_ = _date_named(who, "as_of_column", self.as_of_column, _AS_OF, frame)
        date = _date_named(who, "date_column", self.date_column, _DATE, frame)
        bounds = (self.error_above, self.warn_above)
        question = _question(frame, bounds, as_of=self._as_of_, date=date)
        rng = _generator(who, self.random_state)
        self.leaks_: LeakReport = audited(frame, _one_target(who, y), question, rng)
        self._say(self.leaks_)

    def _say(self, report: LeakReport) -> None:
        if self.on_suspect == "raise" and report.errors:
            raise DataError(
                _message(self._name, report.errors),
                column=", ".join(report.errors[0].columns),
                rule="leak",
                n_rows=report.n_rows,
            )
        suspects = (*report.errors, *report.warnings)
        if self.on_suspect != "none" and suspects:
            warnings.warn(_message(self._name, suspects), DataQualityWarning, stacklevel=5)

    # -- what passes is not looked at --------------------------------------------------------

    def _present(self, entered: Entered) -> list[str]:
        if self._as_of_ is None:
            return []
        dates = (name for name, kind in self._kinds_.items() if kind == "date")
        known = set(entered.names)
        found = [name for name in dates if name in known]
        return found if self._as_of_ in found else []

    def _count(self, frame: nw.LazyFrame[Any]) -> Counts:
        schema = frame.collect_schema()
        plain = [name for name, dtype in schema.items() if _is_naive(dtype)]
        if self._as_of_ not in plain:
            return {}
        start = nw.col(self._as_of_).cast(nw.Date)
        return {
            name: {"after_snapshot": (nw.col(name).cast(nw.Date) > start).sum()}
            for name in plain
            if name != self._as_of_
        }


def leak_audit(
    X: Any,
    y: Any,
    time: Any = None,
    *,
    error_above: float = 0.99,
    warn_above: float = 0.95,
    random_state: Any = 0,
) -> LeakReport:
    """Look for columns that know the target, once, before a score is believed.

    Call it on the table that goes into a pipeline, and on what comes out of its features. It
    answers with a report that shows itself in a notebook; nothing is warned or raised. See
    `LeakAudit` for the detectors, and for what it cannot find.

    Parameters
    ----------
    X : {array-like, pandas, Polars or PyArrow frame} of shape (n_rows, n_columns)
        The rows.
    y : array-like of shape (n_rows,) or None
        The target; None looks at names, dates and identifiers only.
    time : str, array-like of shape (n_rows,) or None, default=None
        Date of each row, as the name of its column or as dates: the snapshot date of customers,
        the day of a time series. None takes the date columns ``as_of`` and ``date`` where there
        are any.
    error_above : float in (0.5, 1], default=0.99
        Concordance with the target beyond which a column is an error.
    warn_above : float in (0.5, 1], default=0.95
        Concordance beyond which a column is a warning.
    random_state : int, RandomState or None, default=0
        Chooses the sampled rows; the default repeats itself.

    Returns
    -------
    report : LeakReport
        Findings, and how well each column tells the target.

    Raises
    ------
    ParameterError
        If a bound is outside its legal set.
    SchemaError
        If ``time`` names a column that is missing or holds no dates.
    InputTypeError
        If X is lazy, or y has several columns.

    See Also
    --------
    LeakAudit : The same as a step of a pipeline.

    Examples
    --------
    >>> import pandas as pd
    >>> from tracer_sklearn import leak_audit
    >>> quantity = pd.Series([3, 1, 4, 1, 5, 9, 2, 6] * 10)
    >>> price = pd.Series([2.0, 8.5, 1.9, 5.2, 3.4] * 16)
    >>> X = pd.DataFrame({"price": price, "revenue": price * quantity})
    >>> print(leak_audit(X, quantity))
    1 error in 2 columns, 80 rows.
    ERROR 'revenue' / 'price' tells the target (concordance 1.000), neither column does alone. ...
    """
    who = "leak_audit"
    _check_bounds(who, error_above, warn_above)
    entered = enter(X, stage=who, min_rows=1)
    if entered.is_lazy:
        raise InputTypeError(
            f"{who}: X must be rows in memory, because those of a lazy frame have no order that y "
            "could follow; collect it first, or a sample of it.",
            stage=who,
            received=type(X).__qualname__,
        )
    frame = nw.from_native(entered.cross(entered.names))
    target = None if y is None else enter_target(y, entered.n_rows, stage=who)
    if time is None or isinstance(time, str):
        question = _question(
            frame,
            (error_above, warn_above),
            as_of=_date_named(who, "time", time, _AS_OF, frame),
            date=_date_named(who, "time", time, _DATE, frame),
        )
    else:
        days = _days_given(who, time, entered.n_rows)
        question = Question(error_above, warn_above, days, days, "`time`", ())
    rng = _generator(who, random_state)
    return audited(frame, _one_target(who, target), question, rng)


# -- questions -------------------------------------------------------------------------------


def _question(
    frame: nw.DataFrame[Any], bounds: tuple[float, float], as_of: str | None, date: str | None
) -> Question:
    return Question(
        error_above=bounds[0],
        warn_above=bounds[1],
        as_of=None if as_of is None else days_of(frame[as_of]),
        date=None if date is None else days_of(frame[date]),
        as_of_name=repr(as_of),
        dates_of_rows=tuple(name for name in (as_of, date) if name is not None),
    )


def _date_named(
    who: str, parameter: str, named: str | None, usual: str, frame: nw.DataFrame[Any]
) -> str | None:
    """Return the column that was named, or the one that usually bears such dates."""
    if named is None:
        return usual if usual in frame.columns and _is_date(frame.schema[usual]) else None
    if named not in frame.columns:
        raise SchemaError.from_missing(who, [named], frame.columns)
    if not _is_date(frame.schema[named]):
        raise SchemaError(
            f"{who}: `{parameter}` must name a column of dates, {named!r} is "
            f"{frame.schema[named]}; parse it first, for example with ColumnParser.",
            changed=[named],
        )
    return named


def _days_given(who: str, time: Any, n_rows: int) -> np.ndarray:
    try:
        instants = np.asarray(time, dtype="datetime64[us]")
    except (TypeError, ValueError):
        instants = np.empty(0, dtype="datetime64[us]")
    if instants.shape != (n_rows,):
        must = f"the name of a date column, or {n_rows} dates without a time zone"
        raise fail(who, "time", must, type(time).__qualname__, "give one date a row of X")
    days = instants.astype("int64").astype(np.float64) / 86_400_000_000.0
    return np.where(np.isnat(instants), np.nan, days)


def _is_date(dtype: Any) -> bool:
    return dtype in (nw.Date, nw.Datetime)


def _is_naive(dtype: Any) -> bool:
    return _is_date(dtype) and getattr(dtype, "time_zone", None) is None


def _one_target(who: str, y: np.ndarray | None) -> np.ndarray | None:
    if y is None or y.ndim == 1:
        return y
    if y.ndim == 2 and y.shape[1] == 1:
        return y[:, 0]
    raise InputTypeError(
        f"{who}: y must be one target, found an array of shape {y.shape}; audit each target by "
        "itself with leak_audit.",
        stage=who,
        received=f"array of shape {y.shape}",
    )


def _check_bounds(who: str, error_above: float, warn_above: float) -> None:
    check_real(who, "error_above", error_above, low=0.5, high=1.0, low_open=True)
    check_real(who, "warn_above", warn_above, low=0.5, high=1.0, low_open=True)
    if warn_above > error_above:
        raise fail(who, "warn_above", f"at most error_above={error_above!r}", warn_above)


def _generator(who: str, random_state: Any) -> np.random.Generator:
    return np.random.default_rng(_seeds(who, random_state).randint(2**31 - 1))


def _seeds(who: str, random_state: Any) -> np.random.RandomState:
    try:
        seeds: np.random.RandomState = check_random_state(random_state)
    except ValueError:
        must = "None, an integer >= 0 or a RandomState"
        raise fail(who, "random_state", must, random_state) from None
    return seeds


# -- what is said ----------------------------------------------------------------------------


def _message(who: str, suspects: Sequence[LeakFinding]) -> str:
    shown = " ".join(finding.message for finding in suspects[:_SHOWN])
    if len(suspects) > _SHOWN:
        shown += f" And {len(suspects) - _SHOWN} more."
    return (
        f"{who}: no column may know the target, {len(suspects)} suspected: {shown} Read the "
        "remedies in leak_audit(X, y), then drop or mend these columns."
    )
