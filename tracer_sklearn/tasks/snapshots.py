"""From events to one row per customer and date, labelled without a look into the future."""

from __future__ import annotations

import datetime as dt
import logging
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from tracer_sklearn._params import check_column, check_date, check_integer, fail
from tracer_sklearn.exceptions import DataError, DataQualityWarning, ParameterError
from tracer_sklearn.tasks._containers import frame_in, labels_in
from tracer_sklearn.tasks._days import date_series, to_date, to_day
from tracer_sklearn.tasks._history import History, read_events

__all__ = ["SnapshotAccount", "churn_label", "make_snapshots", "snapshot_account"]

_LOGGER = logging.getLogger(__name__)
_CENTURY = 36_525
_SILENT_ROWS = 20


@dataclass(frozen=True)
class SnapshotAccount:
    """What went into a set of snapshots, and what was left out; `snapshot_account` makes it.

    Parameters
    ----------
    n_events : int
        Rows of the events.
    n_without_customer, n_without_date : int
        Events left out because the customer or the date is missing (placeholders such as
        1970-01-01 or 9999-12-31 count as missing). An event may be in both counts.
    n_without_value : int
        Other events whose value is missing or infinite: they add nothing to ``total_value``.
    n_without_activity : int
        Other events whose activity flag is missing: they are not activity.
    first_date, last_date : datetime.date
        Span of the events. The last day is taken as unfinished.
    dates, censored_dates : tuple of datetime.date
        Snapshot dates with and without a full label window.
    n_snapshots : int
        Rows of X.
    n_inactive : int
        Rows left out at labelled dates because the customer was not active recently.
    n_censored : int
        Rows left out because they lie at a censored date; they are never labelled.

    Examples
    --------
    >>> from tracer_sklearn.datasets import load_transactions
    >>> from tracer_sklearn.tasks.snapshots import snapshot_account
    >>> account = snapshot_account(
    ...     load_transactions(), customer_column="household_id", value_column="sales_value",
    ...     date_column="transaction_timestamp", dates=["2017-10-01", "2017-12-02"],
    ...     horizon_days=31)
    >>> account.n_events, account.n_snapshots, account.n_inactive
    (1469307, 2416, 30)
    >>> account.last_date.isoformat(), account.n_censored
    ('2018-01-01', 2417)
    """

    n_events: int
    n_without_customer: int
    n_without_date: int
    n_without_value: int
    n_without_activity: int
    first_date: dt.date
    last_date: dt.date
    dates: tuple[dt.date, ...]
    censored_dates: tuple[dt.date, ...]
    n_snapshots: int
    n_inactive: int
    n_censored: int


def make_snapshots(
    events: Any,
    *,
    customer_column: str,
    date_column: str,
    value_column: str,
    start: Any = None,
    end: Any = None,
    step_days: int = 30,
    dates: Iterable[Any] | None = None,
    activity_column: str | None = None,
    usage_column: str | None = None,
    horizon_days: int = 90,
    lead_days: int = 0,
    active_window_days: int | None = 180,
) -> tuple[Any, Any]:
    """Turn events into labelled snapshots: one row per customer and date.

    Use it when customers leave without saying so and all you have is a table of transactions,
    visits or log-ins. Do not use it for contracts with a known end: there the end is the label,
    and those who have left must not be in the snapshot.

    Parameters
    ----------
    events : pandas.DataFrame, polars.DataFrame or pyarrow.Table
        One row per event, in any order.
    customer_column : str
        Who; integers, strings or any other sortable kind.
    date_column : str
        When; dates or datetimes. Time-zone-aware values are brought to UTC, then cut to the day.
    value_column : str
        How much the event was worth; negative for returns.
    start, end : date, naive datetime, str or None, default=None
        First and last snapshot date that may be made. None starts `step_days` after the first
        event, so that every customer can have some history, and ends with the last event.
    step_days : int, default=30
        Days between snapshots, at least 1. With less than `horizon_days`, label windows of
        neighbouring snapshots overlap: `PurgedSnapshotSplit` then keeps them apart.
    dates : iterable of dates or None, default=None
        Explicit snapshot dates; they win over `start`, `end` and `step_days`. Duplicates count
        once.
    activity_column : str or None, default=None
        Flag (Boolean or 0 and 1) of the events that count as activity; a return does not. A
        missing flag is no activity. None: every event does.
    usage_column : str or None, default=None
        Identifier of a unit of use, such as the invoice, basket or session: then
        ``feature_usage_count`` is the number of its distinct values among activity events.
        None: the number of activity events.
    horizon_days : int, default=90
        Length H of the label window, at least 1. 90 days is the convention for retail; choose at
        least the 90th percentile of the time between two purchases, or fewer where customers
        come weekly.
    lead_days : int, default=0
        Days between the snapshot and the label window, for the time an action needs.
    active_window_days : int or None, default=180
        Only customers with activity in so many days before the snapshot get a row; those long
        gone are easy to predict and flatter every metric. None: everybody.

    Returns
    -------
    X : frame of the library that came in, of shape (n_snapshots, 7)
        ``customer_id``, ``as_of``, ``label_end``, ``account_created_date`` (first activity),
        ``last_activity_date``, ``total_value`` and ``feature_usage_count``, sorted by ``as_of``
        and ``customer_id``; pandas with a fresh RangeIndex.
    y : pandas.Series, polars.Series or pyarrow.ChunkedArray of shape (n_snapshots,)
        1 where the customer churned, 0 where not, as int64.

    Raises
    ------
    ParameterError
        If a parameter is outside its legal set, or `start` is later than `end`.
    SchemaError
        If a column is missing or of the wrong kind; text dates must be parsed before.
    InputTypeError
        If the events are lazy or an array.
    DataError
        If no date has a full label window, no row is left, or a flag is neither 0 nor 1.

    Warns
    -----
    DataQualityWarning
        If some of the explicit `dates` cannot be labelled, or if at some date all of 20 or more
        customers churn, as one event with a wrong date in the future makes it look.

    See Also
    --------
    snapshot_account : What was left out, as counts.
    churn_label : The labels alone, for features of your own.

    Notes
    -----
    ``as_of`` is the start of that day. Features use events with ``date < as_of``; y is 1 iff no
    activity falls into ``[as_of + lead, as_of + lead + H)``, whose end is ``label_end``. A date
    with ``label_end`` after the day of the last event is right-censored: its rows are left out,
    because they would look like churn. The events' last day itself counts as unfinished. Events
    without customer or date are left out, those without a value add nothing; everything left out
    is counted by `snapshot_account` and logged at level INFO.

    Events on or after ``as_of`` never change a feature, not even by rounding: values are summed
    in an order that only earlier events decide. One erroneous date in the future stretches the
    span of the events and so lets unfinished windows be labelled: clean dates first.

    Cost: one sort of the events, then a binary search for each customer and date.

    References
    ----------
    Wübben & Wangenheim (2008), doi 10.1509/jmkg.72.3.82, on labelling by a period of inactivity.

    Examples
    --------
    >>> import pandas as pd
    >>> from tracer_sklearn.tasks.snapshots import make_snapshots
    >>> events = pd.DataFrame({
    ...     "who": ["ann", "bob", "ann", "bob", "ann"],
    ...     "day": pd.to_datetime(["2024-01-05", "2024-01-20", "2024-02-03", "2024-02-09",
    ...                            "2024-03-31"]),
    ...     "paid": [10.0, 8.0, 5.0, 4.0, 7.0],
    ... })
    >>> X, y = make_snapshots(events, customer_column="who", date_column="day",
    ...                       value_column="paid", dates=["2024-02-01"], horizon_days=30)
    >>> X[["customer_id", "last_activity_date", "total_value"]].assign(churn=y)
      customer_id last_activity_date  total_value  churn
    0         ann         2024-01-05         10.0      0
    1         bob         2024-01-20          8.0      0
    """
    frame, frame_days, labels, account, library = _build(
        events,
        customer_column=customer_column,
        date_column=date_column,
        value_column=value_column,
        start=start,
        end=end,
        step_days=step_days,
        dates=dates,
        activity_column=activity_column,
        usage_column=usage_column,
        horizon_days=horizon_days,
        lead_days=lead_days,
        active_window_days=active_window_days,
    )
    if dates is not None and account.censored_dates:
        warnings.warn(
            f"make_snapshots: each of `dates` needs {lead_days + horizon_days} full days of events "
            f"after it, those end on {account.last_date}; left out without a label: "
            f"{', '.join(map(str, account.censored_dates))}; drop these dates or shorten "
            "`horizon_days`.",
            DataQualityWarning,
            stacklevel=2,
        )
    _warn_of_silence(account, frame_days, labels)
    _LOGGER.info("%s", account)
    return frame, labels_in(labels, library)


def snapshot_account(events: Any, **options: Any) -> SnapshotAccount:
    """Count what `make_snapshots` uses and leaves out.

    Parameters
    ----------
    events : pandas.DataFrame, polars.DataFrame or pyarrow.Table
        The events.
    **options : object
        The arguments of `make_snapshots`.

    Returns
    -------
    account : SnapshotAccount
        The counts.

    Raises
    ------
    TracerError
        As `make_snapshots` does.

    Examples
    --------
    >>> import pandas as pd
    >>> from tracer_sklearn.tasks.snapshots import snapshot_account
    >>> events = pd.DataFrame({
    ...     "who": ["ann", None, "ann"],
    ...     "day": pd.to_datetime(["2024-01-05", "2024-01-20", "2024-03-31"]),
    ...     "paid": [10.0, 8.0, 5.0],
    ... })
    >>> account = snapshot_account(events, customer_column="who", date_column="day",
    ...                            value_column="paid", horizon_days=30)
    >>> account.n_without_customer, account.n_snapshots, account.n_censored
    (1, 1, 1)
    """
    return _build(events, **options)[3]


def churn_label(
    events: Any,
    as_of: Any,
    *,
    customer_column: str,
    date_column: str,
    activity_column: str | None = None,
    horizon_days: int = 90,
    lead_days: int = 0,
    active_window_days: int | None = 180,
) -> Any:
    """Label the customers of one snapshot date, for features of your own.

    Use it to join labels to a feature table that you already have, on ``customer_id`` and
    ``as_of``; use `make_snapshots` where the features of the churn blueprint are enough.

    Parameters
    ----------
    events : pandas.DataFrame, polars.DataFrame or pyarrow.Table
        One row per event, in any order.
    as_of : date, naive datetime or str
        The snapshot date, as ISO writes it where it is a text; the start of that day is meant.
    customer_column, date_column : str
        Who and when.
    activity_column : str or None, default=None
        Flag of the events that count as activity. None: every event does.
    horizon_days : int, default=90
        Length H of the label window, at least 1.
    lead_days : int, default=0
        Days between the snapshot and the label window.
    active_window_days : int or None, default=180
        Only customers with activity in so many days before `as_of` are labelled. None: everybody
        with activity before it.

    Returns
    -------
    labels : frame of the library that came in, of shape (n_customers, 4)
        ``customer_id``, ``as_of``, ``label_end`` and ``churn`` (1 iff no activity falls into
        ``[as_of + lead, as_of + lead + H)``), sorted by ``customer_id``.

    Raises
    ------
    ParameterError
        If a parameter is outside its legal set.
    SchemaError
        If a column is missing or of the wrong kind.
    InputTypeError
        If the events are lazy or an array.
    DataError
        If the label window is not full: such a snapshot has no label, neither 0 nor 1; or if no
        customer was active before it.

    Notes
    -----
    The rules are those of `make_snapshots`. Cost: one sort of the events.

    Examples
    --------
    >>> import polars as pl
    >>> from datetime import date
    >>> from tracer_sklearn.tasks.snapshots import churn_label
    >>> events = pl.DataFrame({
    ...     "who": ["ann", "bob", "ann", "eve"],
    ...     "day": [date(2024, 1, 5), date(2024, 1, 20), date(2024, 2, 3), date(2024, 3, 31)],
    ... })
    >>> labels = churn_label(events, "2024-02-01", customer_column="who", date_column="day",
    ...                      horizon_days=30)
    >>> labels.select("customer_id", "churn").rows()
    [('ann', 0), ('bob', 1)]
    """
    who = "churn_label"
    rule = _check_rule(who, horizon_days, lead_days, active_window_days)
    days = np.array([_check_day(who, "as_of", as_of)])
    history = read_events(
        who,
        events,
        customer_column=customer_column,
        date_column=date_column,
        activity_column=activity_column,
    )
    codes, as_ofs, _ = _eligible(history, days, rule)
    _require_rows(who, len(codes), rule)
    if not rule.is_full(days, history.last_day).all():
        raise _nothing_to_label(who, history, rule)
    labels = pl.Series("churn", _labels(history, codes, as_ofs, rule))
    frame = _key_columns(as_ofs, rule).with_columns(labels)
    return _with_customers(history, codes, frame)


# -- parameters ----------------------------------------------------------------------------


@dataclass(frozen=True)
class _Rule:
    """How a label window lies to its snapshot, and who gets a row."""

    horizon: int
    lead: int
    window: int | None

    @property
    def reach(self) -> int:
        return self.lead + self.horizon

    def is_full(self, days: np.ndarray, last_day: int) -> np.ndarray:
        full: np.ndarray = days + self.reach <= last_day
        return full


def _check_rule(who: str, horizon: int, lead: int, window: int | None) -> _Rule:
    check_integer(who, "horizon_days", horizon, low=1, high=_CENTURY)
    check_integer(who, "lead_days", lead, low=0, high=_CENTURY)
    if window is not None:
        check_integer(who, "active_window_days", window, low=1)
    return _Rule(horizon, lead, window)


def _check_day(who: str, parameter: str, value: object) -> int:
    date = check_date(who, parameter, value)
    if date is None:
        raise fail(who, parameter, "a date, a naive datetime or an ISO string", value)
    return to_day(date)


def _check_dates(who: str, dates: Iterable[Any] | None) -> list[int] | None:
    if dates is None:
        return None
    if isinstance(dates, str) or not isinstance(dates, Iterable):
        raise fail(who, "dates", "None or an iterable of dates", dates)
    days = sorted({_check_day(who, "dates", date) for date in dates})
    if not days:
        raise fail(who, "dates", "None or at least one date", dates)
    return days


def _grid(history: History, start: dt.date | None, end: dt.date | None, step: int) -> list[int]:
    first = history.first_day + step if start is None else to_day(start)
    last = history.last_day if end is None else min(to_day(end), history.last_day)
    return list(range(first, last + 1, step))


# -- rows ----------------------------------------------------------------------------------


def _eligible(
    history: History, days: np.ndarray, rule: _Rule
) -> tuple[np.ndarray, np.ndarray, int]:
    """Return the customers and days that get a row, and how many were not active recently."""
    n_customers = len(history.picks)
    codes = np.tile(np.arange(n_customers), len(days))
    as_ofs = np.repeat(days.astype(np.int64), n_customers)
    offsets = as_ofs - history.first_day
    created = history.activity.any_in(codes, np.zeros_like(offsets), offsets)
    recent = created
    if rule.window is not None:
        recent = history.activity.any_in(codes, offsets - rule.window, offsets)
    return codes[recent], as_ofs[recent], int(created.sum() - recent.sum())


def _labels(history: History, codes: np.ndarray, as_ofs: np.ndarray, rule: _Rule) -> np.ndarray:
    low = as_ofs - history.first_day + rule.lead
    stayed = history.activity.any_in(codes, low, low + rule.horizon)
    labels: np.ndarray = (~stayed).astype(np.int64)
    return labels


def _key_columns(as_ofs: np.ndarray, rule: _Rule) -> pl.DataFrame:
    return pl.DataFrame(
        [date_series("as_of", as_ofs), date_series("label_end", as_ofs + rule.reach)]
    )


def _features(history: History, codes: np.ndarray, as_ofs: np.ndarray) -> list[pl.Series]:
    offsets = as_ofs - history.first_day
    acts = history.activity
    created = acts.offset_at(acts.position(codes, np.zeros_like(offsets)))
    last = acts.offset_at(acts.position(codes, offsets) - 1)
    newest = history.everything.position(codes, offsets) - 1
    total = pl.Series("total_value", history.running_value[newest])
    return [
        date_series("account_created_date", created + history.first_day),
        date_series("last_activity_date", last + history.first_day),
        total.set(pl.Series(history.running_n[newest] == 0), None),
        pl.Series("feature_usage_count", history.usage.count_before(codes, offsets)),
    ]


def _with_customers(history: History, codes: np.ndarray, frame: pl.DataFrame) -> Any:
    """Put the ids in front, as the very kind of value that came in."""
    entered, name = history.entered, history.customer_column
    positions = history.picks[codes]
    made = frame_in(frame, entered.kind)
    if entered.kind == "pandas":
        ids = entered.native[name].take(positions).reset_index(drop=True)
        made.insert(0, "customer_id", ids)
        return made
    if entered.kind == "polars":
        return made.insert_column(0, entered.native[name].gather(positions).alias("customer_id"))
    ids = entered.native.column(name).take(pa.array(positions))
    return made.add_column(0, "customer_id", ids)


def _require_rows(who: str, n_rows: int, rule: _Rule) -> None:
    if n_rows:
        return
    window = "" if rule.window is None else f" in the {rule.window} days"
    raise DataError(
        f"{who}: a snapshot needs customers with activity{window} before it, found none; choose "
        "later dates, a longer `active_window_days`, or check the activity flag.",
        rule="eligible_customers",
        n_rows=0,
    )


def _nothing_to_label(who: str, history: History, rule: _Rule) -> DataError:
    return DataError(
        f"{who}: a snapshot needs {rule.reach} full days of events after it to be labelled, the "
        f"events run from {to_date(history.first_day)} to {to_date(history.last_day)}; choose a "
        f"date up to {to_date(history.last_day - rule.reach)} or a shorter `horizon_days`.",
        rule="right_censored",
    )


def _build(
    events: Any,
    *,
    customer_column: str,
    date_column: str,
    value_column: str,
    start: Any = None,
    end: Any = None,
    step_days: int = 30,
    dates: Iterable[Any] | None = None,
    activity_column: str | None = None,
    usage_column: str | None = None,
    horizon_days: int = 90,
    lead_days: int = 0,
    active_window_days: int | None = 180,
) -> tuple[Any, np.ndarray, np.ndarray, SnapshotAccount, str]:
    who = "make_snapshots"
    rule = _check_rule(who, horizon_days, lead_days, active_window_days)
    check_integer(who, "step_days", step_days, low=1, high=_CENTURY)
    check_column(who, "value_column", value_column)
    first, last = check_date(who, "start", start), check_date(who, "end", end)
    if first is not None and last is not None and first > last:
        raise ParameterError(
            f"{who}: `start` must not be later than `end`, got {first} and {last}; swap them.",
            stage=who,
            parameter="start",
            value=start,
        )
    explicit = _check_dates(who, dates)
    history = read_events(
        who,
        events,
        customer_column=customer_column,
        date_column=date_column,
        value_column=value_column,
        activity_column=activity_column,
        usage_column=usage_column,
    )
    days = np.array(explicit or _grid(history, first, last, step_days), dtype=np.int64)
    full = rule.is_full(days, history.last_day)
    if not full.any():
        raise _nothing_to_label(who, history, rule)
    codes, as_ofs, n_inactive = _eligible(history, days[full], rule)
    _require_rows(who, len(codes), rule)
    account = SnapshotAccount(
        **history.left_out,
        first_date=to_date(history.first_day),
        last_date=to_date(history.last_day),
        dates=tuple(map(to_date, days[full])),
        censored_dates=tuple(map(to_date, days[~full])),
        n_snapshots=len(codes),
        n_inactive=n_inactive,
        n_censored=len(_eligible(history, days[~full], rule)[0]),
    )
    frame = _key_columns(as_ofs, rule).hstack(_features(history, codes, as_ofs))
    labels = _labels(history, codes, as_ofs, rule)
    made = _with_customers(history, codes, frame)
    return made, as_ofs, labels, account, history.entered.kind


def _warn_of_silence(account: SnapshotAccount, as_ofs: np.ndarray, labels: np.ndarray) -> None:
    """Warn of dates at which everybody churned: more likely a wrong date or a gap in the data."""
    days, rows = np.unique(as_ofs, return_inverse=True)
    sizes, churners = np.bincount(rows), np.bincount(rows, weights=labels)
    silent = days[(sizes == churners) & (sizes >= _SILENT_ROWS)]
    if len(silent):
        warnings.warn(
            "make_snapshots: somebody must come back within each label window, nobody does after "
            f"{len(silent)} of {len(days)} dates, {to_date(silent[0])} the first; look for events "
            f"with a wrong date (the last is on {account.last_date}), or a gap in the data.",
            DataQualityWarning,
            stacklevel=3,
        )
