"""Impute, cap and scale 20 float columns, beside feature-engine and scikit-learn.

    python tests/benchmarks/preprocessing.py [ROWS]

prints the tables of docs/explanation/speed.md: fit, transform and memory at ROWS rows (one
million unless told), and how the cost grows from 10^4 to 10^7 rows.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
from feature_engine.imputation import MeanMedianImputer
from feature_engine.outliers import Winsorizer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import RobustScaler
from timing import best_times, in_new_process, table

import tracer_sklearn as ts

COLUMNS = 20


def rows(n: int, seed: int = 0) -> pd.DataFrame:
    """Normal floats with 5 % missing."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(COLUMNS, n)).T
    values[rng.random(values.shape) < 0.05] = np.nan
    return pd.DataFrame(values, columns=[f"c{i}" for i in range(COLUMNS)])


def tracer() -> Pipeline:
    return make_pipeline(
        ts.MissingValueImputer(strategy="median", indicator="none"),
        ts.OutlierCapper(method="iqr"),
        ts.FeatureScaler(method="robust"),
    )


def feature_engine() -> Pipeline:
    return make_pipeline(
        MeanMedianImputer(imputation_method="median"),
        Winsorizer(capping_method="iqr", tail="both", fold=1.5),
        RobustScaler(),
    )


def scikit_learn() -> Pipeline:
    """Without capping, which scikit-learn does not have."""
    return make_pipeline(SimpleImputer(strategy="median"), RobustScaler())


def speed(n: int, repeats: int = 5) -> dict[str, dict[str, float]]:
    """Seconds of fit and transform, by pipeline; and of copying the data."""
    frame = rows(n)
    native = pl.from_pandas(frame, nan_to_null=False)
    lazy = native.lazy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = {
            "tracer": tracer().fit(frame),
            "feature-engine": feature_engine().fit(frame),
            "scikit-learn": scikit_learn().fit(frame),
        }
        on_polars = tracer().fit(native)
        fit: dict[str, Callable[[], Any]] = {
            "Tracer, pandas": lambda: tracer().fit(frame),
            "Tracer, Polars": lambda: tracer().fit(native),
            "feature-engine + scikit-learn": lambda: feature_engine().fit(frame),
            "scikit-learn, no capping": lambda: scikit_learn().fit(frame),
        }
        transform: dict[str, Callable[[], Any]] = {
            "Tracer, pandas": lambda: fitted["tracer"].transform(frame),
            "Tracer, Polars": lambda: on_polars.transform(native),
            "Tracer, Polars LazyFrame": lambda: on_polars.transform(lazy).collect(),
            "feature-engine + scikit-learn": lambda: fitted["feature-engine"].transform(frame),
            "scikit-learn, no capping": lambda: fitted["scikit-learn"].transform(frame),
            "copying the data": lambda: frame.copy(),
        }
        return {
            "fit": best_times(fit, max(2, repeats // 2)),
            "transform": best_times(transform, repeats),
        }


def extra_memory(n: int) -> float:
    """Peak memory of a transform above what was held before, as a multiple of its output."""
    code = f"""
import resource, sys, threading, time
sys.path[:0] = {sys.path!r}
import preprocessing as p
def rss():
    with open("/proc/self/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))
pipe = p.tracer().fit(p.rows(10_000))
frame = p.rows({n})
pipe.transform(frame.head(10))
before, peak, done = rss(), 0, threading.Event()
def watch():
    global peak
    while not done.is_set():
        peak = max(peak, rss()); time.sleep(0.0005)
watcher = threading.Thread(target=watch); watcher.start()
stage = pipe[0]
out = stage.transform(frame)
done.set(); watcher.join()
print((max(peak, rss()) - before) * 1024 / sum(out[c].to_numpy().nbytes for c in out))
"""
    return float(in_new_process(code))


def growth(sizes: tuple[int, ...] = (10**4, 10**5, 10**6, 10**7)) -> dict[int, dict[str, float]]:
    """Nanoseconds a cell of fit and transform, by number of rows."""
    out = {}
    for n in sizes:
        frame = rows(n)
        fitted = tracer().fit(frame)
        times = best_times(
            {
                "fit": lambda f=frame: tracer().fit(f),
                "transform": lambda f=frame, p=fitted: p.transform(f),
            },
            repeats=2 if n > 10**6 else 5,
        )
        out[n] = {name: seconds / (n * COLUMNS) * 1e9 for name, seconds in times.items()}
    return out


def main(n: int) -> None:
    measured = speed(n)
    fit, transform = measured["fit"], measured["transform"]
    copy = transform["copying the data"]
    print(f"{n:,} rows x {COLUMNS} floats, 5 % missing; best of several interleaved runs\n")
    print(
        table(
            "",
            {
                name: {
                    "fit, ms": f"{fit[name] * 1e3:.0f}" if name in fit else "",
                    "fit, times Tracer": f"{fit[name] / fit['Tracer, pandas']:.1f}"
                    if name in fit
                    else "",
                    "transform, ms": f"{seconds * 1e3:.0f}",
                    "transform, times Tracer": f"{seconds / transform['Tracer, pandas']:.1f}",
                    "transform, copies of the data": f"{seconds / copy:.1f}",
                }
                for name, seconds in transform.items()
            },
        )
    )
    print(f"\nPeak extra memory of one stage's transform: {extra_memory(n):.2f} times its output\n")
    print(
        table(
            "rows",
            {
                f"{size:,}": {f"{name}, ns a cell": f"{value:.1f}" for name, value in cells.items()}
                for size, cells in growth().items()
            },
        )
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
