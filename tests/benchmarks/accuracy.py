"""What the churn pipeline scores, with and without capping: the tables of the docs.

    python tests/benchmarks/accuracy.py [FOLDER OF REAL FILES]

The first table needs only the data package; the others need the real files of the tests.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import brier_score_loss, roc_auc_score
from sklearn.model_selection import RepeatedStratifiedKFold, cross_validate
from timing import table

import tracer_sklearn as ts

sys.path.insert(0, str(Path(__file__).parents[1]))
from test_acceptance import boosting, groceries, logistic, retail, stages, telco

MODELS = {"logistic regression": logistic, "gradient boosting": boosting}
SCORING = {
    "AUC": "roc_auc",
    "Brier": "neg_brier_score",
    "top-decile lift": ts.metrics.top_decile_lift_scorer,
    "mean prediction − base rate": ts.metrics.calibration_in_the_large_scorer,
}


def scores(pipe: Any, X: Any, y: Any, cv: Any) -> dict[str, str]:
    """Mean over the test folds of each metric."""
    found = cross_validate(pipe, X, y, cv=cv, scoring=SCORING)
    means = {name: float(np.mean(found[f"test_{name}"])) for name in SCORING}
    means["Brier"] *= -1
    return {name: f"{value:.3f}" for name, value in means.items()}


def by_capping() -> list[tuple[str, str, Any]]:
    return [
        (f"{name}, outlier_method={method!r}", method, make())
        for name, make in MODELS.items()
        for method in ("iqr", "none")
    ]


def main(folder: Path | None) -> None:
    X, y = groceries()
    rows = {
        name: scores(
            ts.customer_churn_pipeline(model, outlier_method=method),
            X,
            y,
            ts.PurgedSnapshotSplit(4),
        )
        for name, method, model in by_capping()
    }
    print(table(f"groceries, 30 days, {len(X):,} rows, {y.mean():.1%} churn", rows), "\n")
    if folder is None:
        return
    (X, y), (X_new, y_new) = retail(folder)
    rows = {}
    for name, method, model in by_capping():
        pipe = ts.customer_churn_pipeline(model, outlier_method=method).fit(X, y)
        risk = pipe.predict_proba(X_new)[:, 1]
        rows[name] = {
            "AUC": f"{roc_auc_score(y_new, risk):.3f}",
            "Brier": f"{brier_score_loss(y_new, risk):.3f}",
            "top-decile lift": f"{ts.metrics.top_decile_lift(y_new, risk):.2f}",
            "mean prediction": f"{risk.mean():.3f}",
            "base rate": f"{y_new.mean():.3f}",
        }
    recency = (X_new["as_of"] - X_new["last_activity_date"]).dt.days
    rows["recency alone"] = {
        "AUC": f"{roc_auc_score(y_new, recency):.3f}",
        "Brier": "",
        "top-decile lift": f"{ts.metrics.top_decile_lift(y_new, recency):.2f}",
        "mean prediction": "",
        "base rate": f"{y_new.mean():.3f}",
    }
    print(table("Online Retail, 90 days, scored on 2011-09-01", rows), "\n")
    X, y = telco(folder)
    cv = RepeatedStratifiedKFold(n_splits=5, n_repeats=2, random_state=0)
    rows = {name: scores(stages(make()), X, y, cv) for name, make in MODELS.items()}
    print(table("Telco, stages without `features`, 5 × 2 folds", rows))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
