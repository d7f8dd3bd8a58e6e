"""The audit for leakage and the drift monitor, on a million rows of thirty columns.

    python tests/benchmarks/auditing.py [ROWS]

prints the tables of docs/explanation/speed.md. Beside them stands what one would write without:
a decision tree for each number, told from other folds, on as many rows as the audit samples; and
SciPy's test of two samples for each number.
"""

from __future__ import annotations

import sys
import warnings

import numpy as np
import polars as pl
from scipy.stats import ks_2samp
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict
from sklearn.tree import DecisionTreeClassifier
from timing import best_times, table

import tracer_sklearn as ts

NUMBERS, LEVELS = 22, 5


def rows(n: int, seed: int = 0) -> pl.DataFrame:
    """Numbers, levels, a date, a snapshot date and an identifier."""
    rng = np.random.default_rng(seed)
    start = np.datetime64("2024-01-01", "us")
    names = np.array([f"level {i}" for i in range(20)])
    return pl.DataFrame(
        {
            **{f"x{i}": rng.lognormal(size=n) for i in range(NUMBERS)},
            **{f"c{i}": names[rng.integers(0, 20, n)] for i in range(LEVELS)},
            "since": start - rng.integers(0, 10**6, n).astype("timedelta64[m]"),
            "as_of": np.full(n, np.datetime64("2024-03-01", "us")),
            "id": [f"c{i}" for i in range(n)],
        }
    )


def series(n: int) -> pl.DataFrame:
    """The numbers as a thousand series of days."""
    day = np.tile(np.arange(n // 1000), 1000)
    dates = np.datetime64("2020-01-01", "us") + day.astype("timedelta64[D]")
    shops = np.repeat([f"shop {i}" for i in range(1000)], n // 1000)
    return (
        rows(n)
        .drop("since", "as_of", "id")
        .with_columns(date=pl.Series(dates), shop=pl.Series(shops))
    )


def trees(frame: pl.DataFrame, y: np.ndarray) -> list[float]:
    """Out-of-fold area under the curve of a small tree for each number."""
    tree = DecisionTreeClassifier(max_depth=3)
    return [
        roc_auc_score(
            y,
            cross_val_predict(tree, frame[[name]].to_numpy(), y, method="predict_proba")[:, 1],
        )
        for name in frame.columns
    ]


def audits(n: int, repeats: int = 3) -> dict[str, float]:
    """Seconds of an audit, by frame and target; and of the trees on 10,000 rows."""
    rng = np.random.default_rng(1)
    frame, panel = rows(n), series(n)
    as_pandas = frame.to_pandas()
    churned, amount = rng.integers(0, 2, n), rng.lognormal(size=n)
    sampled = frame.select(f"x{i}" for i in range(NUMBERS)).head(10_000)
    return best_times(
        {
            "leak_audit, two classes, Polars": lambda: ts.leak_audit(frame, churned),
            "leak_audit, two classes, pandas": lambda: ts.leak_audit(as_pandas, churned),
            "leak_audit, a number": lambda: ts.leak_audit(frame, amount),
            "leak_audit, series with dates": lambda: ts.leak_audit(panel, amount),
            "trees of scikit-learn, 22 numbers, 10,000 rows": lambda: trees(
                sampled, churned[:10_000]
            ),
        },
        repeats,
    )


def drifts(n: int, repeats: int = 3) -> dict[str, float]:
    """Seconds of fit, transform and report; and of SciPy's test for the numbers alone."""
    frame, later = rows(n), rows(n, seed=2)
    monitor = ts.DriftMonitor().fit(frame)
    numbers = [f"x{i}" for i in range(NUMBERS)]
    return best_times(
        {
            "DriftMonitor, fit": lambda: ts.DriftMonitor().fit(frame),
            "DriftMonitor, transform": lambda: monitor.transform(later),
            "DriftMonitor, report of a LazyFrame": lambda: monitor.report(later.lazy()),
            "ks_2samp of SciPy, 22 numbers": lambda: [
                ks_2samp(frame[x].to_numpy(), later[x].to_numpy()) for x in numbers
            ],
        },
        repeats,
    )


def main(n: int) -> None:
    for title, measured in (("audit for leakage", audits(n)), ("drift", drifts(n))):
        cells = {name: {"ms": f"{seconds * 1e3:.0f}"} for name, seconds in measured.items()}
        print(table(title, cells), "\n")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
