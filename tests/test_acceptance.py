"""Acceptance on real files and on the data package: bands that were measured, and sentinels that
fail when a score is too good to be honest.

The real files are found through TRACER_TEST_DATA; the bands are those of the specification.
"""

from __future__ import annotations

import datetime as dt
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, roc_auc_score
from sklearn.model_selection import (
    RepeatedStratifiedKFold,
    StratifiedKFold,
    cross_val_predict,
    cross_val_score,
    cross_validate,
)
from sklearn.pipeline import make_pipeline

import tracer_sklearn as ts

pytestmark = pytest.mark.medium

LEAK = 0.88  # of the Telco churn set: nobody gets there honestly


def logistic() -> LogisticRegression:
    return LogisticRegression(max_iter=5000)


def boosting() -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(
        learning_rate=0.05, max_iter=150, max_leaf_nodes=8, random_state=0
    )


def stages(model):
    """The churn blueprint without its generator: Telco has no date of a last activity."""
    return make_pipeline(
        ts.MissingValueImputer(),
        ts.OutlierCapper(),
        ts.CategoryEncoder(),
        ts.FeatureScaler(),
        model,
    )


@cache
def telco(folder: Path) -> tuple[pd.DataFrame, np.ndarray]:
    frame = pd.read_csv(folder / "telco_customer_churn_ibm.csv")
    # eleven blanks, all of tenure 0: number parsing is the job of a stage to come
    frame["TotalCharges"] = pd.to_numeric(frame["TotalCharges"], errors="coerce")
    assert frame["TotalCharges"].isna().sum() == 11
    y = (frame.pop("Churn") == "Yes").to_numpy().astype(int)
    return frame.drop(columns="customerID"), y


@pytest.mark.parametrize(
    ("model", "low", "high", "brier", "lift"),
    [(logistic(), 0.835, 0.855, 0.140, 2.7), (boosting(), 0.838, 0.858, 0.140, 2.7)],
    ids=["logistic", "boosting"],
)
def test_a1_telco(real_data: Path, model, low, high, brier, lift) -> None:
    X, y = telco(real_data)
    scores = cross_validate(
        stages(model),
        X,
        y,
        cv=RepeatedStratifiedKFold(n_splits=5, n_repeats=2, random_state=0),
        scoring={
            "auc": "roc_auc",
            "brier": "neg_brier_score",
            "lift": ts.metrics.top_decile_lift_scorer,
        },
    )
    auc = scores["test_auc"].mean()
    assert auc < LEAK
    assert low <= auc <= high
    assert -scores["test_brier"].mean() <= brier
    assert scores["test_lift"].mean() >= lift


def test_a2_telco_with_four_columns(real_data: Path) -> None:
    X, y = telco(real_data)
    few = X[["tenure", "TotalCharges", "MonthlyCharges", "Contract"]]
    cv = StratifiedKFold(5, shuffle=True, random_state=0)
    auc = cross_val_score(stages(logistic()), few, y, cv=cv, scoring="roc_auc").mean()
    assert 0.81 <= auc <= 0.84


def test_a3_expected_maximum_profit(real_data: Path) -> None:
    truth = np.array([0, 1, 0, 1, 0, 1, 0, 1])
    scores = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.8, 0.9])
    assert ts.metrics.expected_maximum_profit(truth, scores) == pytest.approx(23.8756, abs=0.001)
    X, y = telco(real_data)
    cv = StratifiedKFold(5, shuffle=True, random_state=0)
    risk = cross_val_predict(stages(logistic()), X, y, cv=cv, method="predict_proba")[:, 1]
    assert ts.metrics.expected_maximum_profit(y, risk) == pytest.approx(10.28, abs=0.15)
    everybody = ts.metrics.expected_maximum_profit(y, np.zeros(len(y)))
    assert everybody == pytest.approx(6.91, abs=0.05)


TRAIN_DATES = ("2011-03-01", "2011-04-01", "2011-05-01", "2011-06-01")
SCORE_DATE = "2011-09-01"


@cache
def retail(folder: Path):
    events = pd.read_csv(
        folder / "online_retail.csv.gz", dtype={"InvoiceNo": str, "StockCode": str}
    )
    events["InvoiceDate"] = pd.to_datetime(events["InvoiceDate"])
    events["value"] = events["Quantity"] * events["UnitPrice"]
    events["bought"] = events["Quantity"] > 0
    events = events.dropna(subset="CustomerID")

    def snapshots(dates):
        return ts.make_snapshots(
            events,
            customer_column="CustomerID",
            date_column="InvoiceDate",
            value_column="value",
            activity_column="bought",
            usage_column="InvoiceNo",
            dates=dates,
            horizon_days=90,
            active_window_days=None,
        )

    return snapshots(TRAIN_DATES), snapshots([SCORE_DATE])


def test_a4_online_retail_logistic(real_data: Path) -> None:
    (X, y), (X_new, y_new) = retail(real_data)
    assert y_new.mean() == pytest.approx(0.438, abs=0.002)
    risk = ts.customer_churn_pipeline(logistic()).fit(X, y).predict_proba(X_new)[:, 1]
    auc = roc_auc_score(y_new, risk)
    assert auc < 0.90, "a leak"
    assert 0.72 <= auc <= 0.76
    recency = (X_new["as_of"] - X_new["last_activity_date"]).dt.days
    assert auc >= roc_auc_score(y_new, recency) + 0.03
    assert risk.mean() == pytest.approx(0.438, abs=0.03)
    assert brier_score_loss(y_new, risk) < 0.438 * (1 - 0.438)


def test_a4_online_retail_boosting(real_data: Path) -> None:
    (X, y), (X_new, y_new) = retail(real_data)
    model = HistGradientBoostingClassifier(random_state=0)
    risk = ts.customer_churn_pipeline(model).fit(X, y).predict_proba(X_new)[:, 1]
    assert 0.70 <= roc_auc_score(y_new, risk) < 0.90


def test_a5_a_forgotten_snapshot_date_is_refused(real_data: Path) -> None:
    (X, y), (X_new, _) = retail(real_data)
    pipe = ts.customer_churn_pipeline(
        logistic(), as_of_column=None, reference_date=dt.date(2011, 6, 1)
    )
    june = X["as_of"] == "2011-06-01"
    pipe.fit(X[june], y[june])
    with pytest.raises(ts.StaleReferenceDateError) as caught:
        pipe.predict(X_new)
    assert caught.value.n_rows / len(X_new) > 0.4
    assert "2011-06-01" in str(caught.value)


def test_capping_costs_little(real_data: Path) -> None:
    """The default of `outlier_method` stands while it costs no more than .005 AUC."""
    (X, y), (X_new, y_new) = retail(real_data)
    auc = {}
    for method in ("iqr", "none"):
        pipe = ts.customer_churn_pipeline(logistic(), outlier_method=method).fit(X, y)
        auc[method] = roc_auc_score(y_new, pipe.predict_proba(X_new)[:, 1])
    assert auc["iqr"] >= auc["none"] - 0.005


@cache
def groceries():
    return ts.datasets.load_customer_churn()


@pytest.mark.parametrize("model", [logistic(), boosting()], ids=["logistic", "boosting"])
def test_groceries_without_a_leak(model) -> None:
    X, y = groceries()
    assert 0.13 <= y.mean() <= 0.18
    scores = cross_validate(
        ts.customer_churn_pipeline(model),
        X,
        y,
        cv=ts.PurgedSnapshotSplit(4),
        scoring={
            "auc": "roc_auc",
            "brier": "neg_brier_score",
            "calibration": ts.metrics.calibration_in_the_large_scorer,
        },
    )
    assert 0.70 <= scores["test_auc"].mean() <= 0.90
    assert -scores["test_brier"].mean() < y.mean() * (1 - y.mean())
    assert abs(scores["test_calibration"].mean()) <= 0.05


@pytest.mark.parametrize("encoding", ["auto", "target"])
@pytest.mark.parametrize("model", [logistic(), boosting()], ids=["logistic", "boosting"])
def test_a18_a_permuted_target_cannot_be_learnt(model, encoding: str) -> None:
    """With 200 shops that say nothing, so that a leaking encoder would show."""
    rng = np.random.default_rng(1)
    X, y = ts.datasets.make_customer_churn(4000, random_state=0)
    X = X.assign(shop=rng.integers(0, 200, len(X)).astype(str))
    pipe = ts.customer_churn_pipeline(clone(model), encoding_strategy=encoding)
    auc = []
    for seed in range(3):
        noise = np.random.default_rng(seed).permutation(y)
        cv = StratifiedKFold(5, shuffle=True, random_state=seed)
        auc.append(cross_val_score(pipe, X, noise, cv=cv, scoring="roc_auc").mean())
    assert np.mean(auc) == pytest.approx(0.5, abs=0.03)
