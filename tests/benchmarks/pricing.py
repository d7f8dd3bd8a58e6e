"""Price features: co-moments, a whole fit, one future row; what a recommendation costs.

python tests/benchmarks/pricing.py [--full]
"""

from __future__ import annotations

import sys
import time
import warnings

import numpy as np
import polars as pl
from sklearn.linear_model import Ridge
from timing import best_times, table

import tracer_sklearn as ts
from tracer_sklearn.features._comoments import rolling_comoments

N_PRODUCTS, N_WEEKS = 50_000, 100


def panel(n_products: int, n_dates: int, step_days: int) -> pl.DataFrame:
    """A dense panel of integers as products, sorted by date."""
    rng = np.random.default_rng(0)
    n = n_products * n_dates
    log_price = 0.16 * rng.normal(size=n)
    days = np.repeat(19_000 + step_days * np.arange(n_dates), n_products).astype(np.int32)
    return pl.DataFrame(
        {
            "product_id": np.tile(np.arange(n_products), n_dates),
            "date": pl.Series(days).cast(pl.Date),
            "price": np.round(10 * np.exp(log_price), 2),
            "quantity_sold": np.exp(3 - 2 * log_price + 0.6 * rng.normal(size=n)),
        }
    )


def comoments(n_products: int = N_PRODUCTS, repeats: int = 2) -> float:
    """Seconds for the co-moments of price and quantity over 365 days, a window a row."""
    rng = np.random.default_rng(0)
    n = n_products * N_WEEKS
    x, y = rng.normal(size=(2, n))
    high = np.arange(n)  # what was known a week before, products one after another
    low = np.maximum(high - 52, np.repeat(np.arange(n_products) * N_WEEKS, N_WEEKS))
    return best_times({"co-moments": lambda: rolling_comoments([x, y], low, high)}, repeats)[
        "co-moments"
    ]


def whole(n_products: int = N_PRODUCTS) -> dict[str, float]:
    """Seconds to fit, and to transform the training rows, every feature included."""
    rows = panel(n_products, N_WEEKS, 7)
    features = ts.PriceFeatures(horizon_days=7)
    start = time.perf_counter()
    features.fit(rows)
    fitted = time.perf_counter()
    features.transform(rows)
    return {"fit": fitted - start, "transform": time.perf_counter() - fitted}


def one_row(repeats: int = 100) -> dict[str, float]:
    """Seconds for one future row, with 1,000 products of history."""
    tasks = {}
    for name, n_dates, step in (("weekly", 104, 7), ("daily", 365, 1)):
        rows = panel(1_000, n_dates, step)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pipe = ts.price_optimization_pipeline(
                Ridge(), horizon_days=step, encoding_strategy="frequency"
            ).fit(rows, rows["quantity_sold"].to_numpy())
        future = rows.tail(1).with_columns(pl.col("date") + pl.duration(days=step))
        future = future.drop("quantity_sold")
        pipe.predict(future)
        features = pipe.named_steps["features"]
        tasks[f"{name}: features"] = lambda f=features, r=future: f.transform(r)
        tasks[f"{name}: pipeline with model"] = lambda p=pipe, r=future: p.predict(r)
    return best_times(tasks, repeats)


def recommendation(repeats: int = 3) -> dict[str, float]:
    """Seconds to fit an optimizer with 20 refits on 5,000 rows, and to advise 50 products."""
    X, y = ts.datasets.make_price_panel(n_products=50, n_weeks=100, random_state=0)
    optimizer = ts.PriceOptimizer(n_bootstrap=20, random_state=0)
    future = X[X["date"] == X["date"].max()].drop(columns="quantity_sold")
    optimizer.fit(X, y)
    return best_times(
        {"fit": lambda: optimizer.fit(X, y), "recommend": lambda: optimizer.recommend(future)},
        repeats,
    )


def main() -> None:
    n_products = N_PRODUCTS if "--full" in sys.argv else N_PRODUCTS // 10
    rows = {"co-moments": comoments(n_products), **whole(n_products)}
    n = f"{n_products * N_WEEKS:,} rows, {n_products:,} products"
    print(table(n, {k: {"s": f"{v:.2f}"} for k, v in rows.items()}), "\n")
    rows = {k: {"ms": f"{v * 1e3:.1f}"} for k, v in one_row().items()}
    print(table("one future row, 1,000 products", rows), "\n")
    rows = {k: {"s": f"{v:.2f}"} for k, v in recommendation().items()}
    print(table("PriceOptimizer, 5,000 rows", rows))


if __name__ == "__main__":
    main()
