"""The table of configured stages with rows to fit them on: what the contract and the
benchmarks run over. A public stage without a case fails the suite."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

import category_encoders as ce
import numpy as np
import polars as pl
from feature_engine.outliers import Winsorizer
from sklearn.impute import SimpleImputer

import tracer_sklearn as ts


@dataclass(frozen=True)
class Case:
    name: str
    stage: ts.Stage
    frame: pl.DataFrame
    y: Any = None


def numbers() -> pl.DataFrame:
    """Numeric columns of every width, with every kind of missing, constant and flag."""
    rng = np.random.default_rng(7)
    n = 60
    spend = rng.lognormal(3, 1, n).round(3)
    margin = rng.normal(size=n)
    start = dt.datetime(2021, 1, 1)
    return pl.DataFrame(
        {
            "spend": [None if i % 11 == 3 else float(v) for i, v in enumerate(spend)],
            "margin": [float("nan") if i % 13 == 5 else v for i, v in enumerate(margin.tolist())],
            "wild": [float("inf"), float("-inf"), 1e308, -1e308, *rng.normal(size=n - 4).tolist()],
            "visits": rng.poisson(4, n).tolist(),
            "tiny": pl.Series(rng.integers(-100, 127, n), dtype=pl.Int8),
            "single": pl.Series(rng.normal(size=n), dtype=pl.Float32),
            "constant": [5.0] * n,
            "empty": pl.Series([None] * n, dtype=pl.Float64),
            "member": rng.integers(0, 2, n).tolist(),
            "active": [bool(v) for v in rng.integers(0, 2, n)],
            "plan": [("basic", "pro", "free")[v] for v in rng.integers(0, 3, n)],
            "since": [start + dt.timedelta(days=int(v)) for v in rng.integers(0, 900, n)],
        }
    )


def gaps() -> pl.DataFrame:
    """The same with text and categories that have gaps."""
    frame = numbers()
    n = len(frame)
    return frame.with_columns(
        plan=pl.when(pl.int_range(n) % 5 == 2).then(None).otherwise(pl.col("plan")),
        size=pl.Series(
            ["low", "high", None, "low"] * (n // 4), dtype=pl.Enum(["low", "mid", "high"])
        ),
        city=pl.Series(["Rome", "Oslo", None] * (n // 3), dtype=pl.Categorical),
    )


def plain() -> pl.DataFrame:
    """Floats named as array columns are, so that NumPy can take part."""
    rng = np.random.default_rng(3)
    values = rng.normal(size=(40, 4)) * [1.0, 10.0, 0.1, 1e6]
    values[rng.random(values.shape) < 0.1] = np.nan
    return pl.DataFrame({f"x{i}": values[:, i] for i in range(4)})


def categories() -> pl.DataFrame:
    """Text with missing, rare and odd levels, levels that are numbers or flags, and the rest."""
    rng = np.random.default_rng(11)
    n = 80
    plan = [("basic", "pro", "free", "x'y")[v] for v in rng.integers(0, 4, n)]
    return pl.DataFrame(
        {
            "plan": [None if i % 9 == 4 else level for i, level in enumerate(plan)],
            "city": [f"city {v}" for v in rng.integers(0, 25, n)],
            "ads": [("yes", "no")[v] for v in rng.integers(0, 2, n)],
            "visits": rng.integers(0, 5, n).tolist(),
            "score": [float("nan") if i % 7 == 2 else float(i % 4) for i in range(n)],
            "member": [bool(v) for v in rng.integers(0, 2, n)],
            "spend": rng.lognormal(3, 1, n).tolist(),
        }
    )


def labelled() -> pl.DataFrame:
    """Text and numbers named as array columns are, so that NumPy can take part."""
    rng = np.random.default_rng(5)
    return pl.DataFrame(
        {
            "x0": [("a", "b", "c", None)[v] for v in rng.integers(0, 4, 40)],
            "x1": rng.normal(size=40),
            "x2": [f"level {v}" for v in rng.integers(0, 15, 40)],
        }
    )


def some_target(n: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 2, n)


def customers() -> pl.DataFrame:
    """Customers at two snapshot dates, with the oddities of business files."""
    rng = np.random.default_rng(11)
    n = 48
    now = [dt.datetime(2024, 1, 1), dt.datetime(2024, 3, 1)] * (n // 2)
    seen: list[dt.datetime | None] = [
        day - dt.timedelta(days=int(v), hours=int(v) % 24)
        for day, v in zip(now, rng.integers(1, 200, n), strict=True)
    ]
    ages = rng.integers(0, 900, n).tolist()
    created = [day - dt.timedelta(days=age) for day, age in zip(now, ages, strict=True)]
    seen[3], seen[4], seen[5] = None, dt.datetime(9999, 12, 31), dt.datetime(1970, 1, 1)
    value = rng.lognormal(4, 1, n).round(2).tolist()
    value[7], value[8], value[9] = -20.0, float("nan"), float("inf")
    plans = ("free", "Basic ", "pro", None)
    return pl.DataFrame(
        {
            "customer_id": [f"c{i}" for i in range(n)],
            "as_of": now,
            "label_end": [day + dt.timedelta(days=30) for day in now],
            "account_created_date": created,
            "last_activity_date": seen,
            "total_value": value,
            "support_tickets": rng.poisson(1, n).tolist(),
            "feature_usage_count": rng.poisson(30, n).tolist(),
            "plan_type": [plans[v] for v in rng.integers(0, 4, n)],
            "region": [("north", "south")[v] for v in rng.integers(0, 2, n)],
        }
    )


def day_numbers() -> pl.DataFrame:
    """Churn inputs as arrays have them: dates as days since 1970-01-01."""
    rng = np.random.default_rng(5)
    seen = rng.integers(19_000, 19_700, 40).astype(float)
    seen[3] = np.nan
    return pl.DataFrame(
        {"x0": seen, "x1": seen - rng.integers(0, 500, 40), "x2": rng.lognormal(3, 1, 40)}
    )


def sales() -> pl.DataFrame:
    """Weekly prices and quantities of products in stores, with gaps and oddities, unsorted."""
    rng = np.random.default_rng(4)
    keys = [(w, p, s) for w in range(26) for p in ("a", "b", "c") for s in (1, 2)]
    keys = [keys[i] for i in rng.permutation(len(keys))[:120]]
    n = len(keys)
    price = np.round(10 * np.exp(0.2 * rng.normal(size=n)), 1)
    quantity = np.round(np.exp(3 - 2 * np.log(price / 10) + 0.3 * rng.normal(size=n)), 1)
    price[3], price[5], quantity[7], quantity[9] = float("nan"), 0.0, float("nan"), -2.0
    return pl.DataFrame(
        {
            "product_id": [p for _, p, _ in keys],
            "date": [dt.datetime(2023, 1, 2) + dt.timedelta(days=7 * w) for w, _, _ in keys],
            "price": price,
            "quantity_sold": quantity,
            "store": [s for _, _, s in keys],
            "category": [{"a": "x", "b": "x", "c": "y"}[p] for _, p, _ in keys],
            "competitor_price": np.round(price * rng.uniform(0.8, 1.2, n), 2),
            "promo": rng.integers(0, 2, n),
            "note": [("x", "y")[v] for v in rng.integers(0, 2, n)],
        }
    )


def numbered_sales() -> pl.DataFrame:
    """A panel as arrays have it: product and day as numbers."""
    rng = np.random.default_rng(4)
    day = np.repeat(np.arange(19_000, 19_040), 2).astype(float)
    price = rng.choice([9.0, 10.0, 11.5], 80)
    quantity = np.round(np.exp(3 - 2 * np.log(price / 10) + 0.3 * rng.normal(size=80)), 1)
    return pl.DataFrame({"x0": day, "x1": price, "x2": quantity})


def takings() -> pl.DataFrame:
    """Daily revenue of two stores with gaps, oddities and a column known ahead, unsorted."""
    rng = np.random.default_rng(9)
    keys = [(day, store) for day in range(45) for store in ("north", "south")]
    keys = [keys[i] for i in rng.permutation(len(keys))[:80]]
    n = len(keys)
    revenue = np.round(rng.lognormal(4, 0.3, n), 2)
    revenue[2], revenue[4], revenue[6] = float("nan"), float("inf"), -5.0
    customers = rng.poisson(20, n).astype(float)
    customers[8] = float("nan")
    return pl.DataFrame(
        {
            "date": [dt.datetime(2023, 1, 2) + dt.timedelta(days=day) for day, _ in keys],
            "revenue": revenue,
            "customer_count": customers,
            "store": [store for _, store in keys],
            "promo": rng.integers(0, 2, n),
        }
    )


def numbered_takings() -> pl.DataFrame:
    """Day and revenue as arrays have them."""
    rng = np.random.default_rng(9)
    day = np.arange(19_000, 19_050, dtype=float)
    return pl.DataFrame({"x0": day, "x1": np.round(rng.lognormal(4, 0.3, 50), 2)})


def dirty() -> pl.DataFrame:
    """One column of every kind, with missing marks and one failure each."""
    n = 24
    days = [dt.date(2023, 1, 1) + dt.timedelta(days=23 * i) for i in range(n)]
    spend = [f"{1000 * i + 234.5:,.2f}" for i in range(n)]
    columns = {
        "id": [f"{i:05}" for i in range(n)],
        "since": [f"{day:%d/%m/%Y}" for day in days],
        "seen": [f"{day:%Y-%m-%d} 10:11:12.5" for day in days],
        "spend": [f"${text}" if i % 3 else f"(${text})" for i, text in enumerate(spend)],
        "tickets": [str(i % 5) for i in range(n)],
        "share": [f"{i / 2}%" for i in range(n)],
        "active": ["Yes" if i % 4 else "no" for i in range(n)],
        "plan": [("basic", " pro ")[i % 2] for i in range(n)],
        "epoch": [str(1_600_000_000 + 1000 * i) for i in range(n)],
        "typed": list(range(n)),
    }
    # plain pandas has no integers with gaps, so the count has none
    for at, name in enumerate(("since", "seen", "spend", "share", "epoch"), start=3):
        columns[name][at], columns[name][at + 1] = "n/a", "oops"
    return pl.DataFrame(columns)


def parser(**options: Any) -> ts.ColumnParser:
    return ts.ColumnParser(formats={"epoch": "epoch_s"}, max_failure_share=0.1, **options)


def wide() -> pl.DataFrame:
    n = 40
    return pl.DataFrame(
        {
            "tiny": [i % 100 for i in range(n)],
            "small": [i * 800 for i in range(n)],
            "large": [2**40 + i for i in range(n)],
            "half": [i / 2 for i in range(n)],
            "third": [i / 3 for i in range(n)],
            "wild": [float("inf"), float("nan"), None, *([1.5] * (n - 3))],
            "plan": [("basic", "pro")[i % 2] for i in range(n)],
            "id": [f"c{i}" for i in range(n)],
            "empty": pl.Series([None] * n, dtype=pl.Float64),
        }
    )


def cases() -> list[Case]:
    by_name = ["plan", "city", "visits", "score", "member"]
    dated = {"reference_date": "2024-03-01"}
    return [
        Case("ChurnFeatures", ts.ChurnFeatures(), customers()),
        Case("ChurnFeatures-one-date", ts.ChurnFeatures(as_of_column=None, **dated), customers()),
        Case(
            "ChurnFeatures-text",
            ts.ChurnFeatures(),
            customers().with_columns(
                pl.col("last_activity_date").dt.strftime("%Y-%m-%d %H:%M:%S"),
                pl.col("account_created_date").dt.strftime("%Y-%m-%d"),
            ),
        ),
        Case(
            "ChurnFeatures-full",
            ts.ChurnFeatures(
                half_life_days="auto",
                weights={"support": -0.5},
                missing_counts="zero",
                usage_window_days=30,
            ),
            customers(),
        ),
        Case(
            "ChurnFeatures-lean",
            ts.ChurnFeatures(inputs="drop", future_policy="nan", plan_hierarchy=["free", "pro"]),
            customers(),
        ),
        Case(
            "ChurnFeatures-arrays",
            ts.ChurnFeatures(
                last_activity_column="x0", created_column="x1", value_column="x2", **dated
            ),
            day_numbers(),
        ),
        Case("ColumnParser", parser(), dirty()),
        Case(
            "ColumnParser-arrays",
            ts.ColumnParser(),
            dirty().select(x0="spend", x1="since", x2="active", x3="plan"),
        ),
        Case("DriftMonitor", ts.DriftMonitor(min_rows=10), gaps()),
        Case("DriftMonitor-categories", ts.DriftMonitor(min_rows=10), categories()),
        Case("DriftMonitor-arrays", ts.DriftMonitor(), plain()),
        Case("DataValidator", ts.DataValidator(on_fail="report"), gaps()),
        Case(
            "DataValidator-churn",
            ts.DataValidator("customer_churn", on_fail="report"),
            customers(),
        ),
        Case("DataValidator-arrays", ts.DataValidator(), labelled()),
        Case("DtypeReducer", ts.DtypeReducer(), wide()),
        Case("LeakAudit", ts.LeakAudit(random_state=0), gaps(), some_target(60)),
        Case("LeakAudit-dates", ts.LeakAudit(random_state=0), customers()),
        Case("LeakAudit-arrays", ts.LeakAudit(random_state=0), plain(), some_target(40)),
        *(
            Case(f"FeatureScaler-{method}", ts.FeatureScaler(method=method), numbers())
            for method in ("robust", "standard", "minmax", "none")
        ),
        *(
            Case(
                f"MissingValueImputer-{strategy}", ts.MissingValueImputer(strategy=strategy), gaps()
            )
            for strategy in ("auto", "mean", "median", "mode", "constant", "drop")
        ),
        *(
            Case(f"MissingValueImputer-{of.__name__}", ts.MissingValueImputer(strategy=inner), of())
            for of in (gaps, plain)
            for inner in (SimpleImputer(), {"x0" if of is plain else "spend": "median"})
        ),
        Case("MissingValueImputer-arrays", ts.MissingValueImputer(indicator="all"), plain()),
        *(
            Case(f"OutlierCapper-{method}", ts.OutlierCapper(method=method), numbers())
            for method in ("iqr", "zscore", "mad", "quantile", "none")
        ),
        Case(
            "OutlierCapper-winsorizer",
            ts.OutlierCapper(method=Winsorizer(capping_method="iqr", tail="both")),
            numbers(),
        ),
        Case("OutlierCapper-arrays", ts.OutlierCapper(), plain()),
        *(
            Case(
                f"CategoryEncoder-{strategy}", ts.CategoryEncoder(by_name, strategy=strategy), f, y
            )
            for strategy in ("auto", "onehot", "label", "frequency", "target")
            for f, y in [(categories(), some_target(80))]
        ),
        Case("CategoryEncoder", ts.CategoryEncoder(), categories()),
        Case("CategoryEncoder-arrays", ts.CategoryEncoder(), labelled(), some_target(40)),
        Case(
            "CategoryEncoder-missing",
            ts.CategoryEncoder(on_unseen="missing", on_missing="missing"),
            labelled(),
            some_target(40),
        ),
        Case(
            "CategoryEncoder-category_encoders",
            ts.CategoryEncoder(strategy=ce.WOEEncoder()),
            labelled(),
            some_target(40),
        ),
        Case("RevenueFeatures", ts.RevenueFeatures(), takings().filter(store="north")),
        Case(
            "RevenueFeatures-stores",
            ts.RevenueFeatures(
                series_column="store",
                horizon_days=3,
                windows=(5, 14),
                growth="point",
                seasonal_encoding="onehot",
                holidays=[dt.date(2023, 1, 6)],
                missing_dates="zero",
            ),
            takings(),
        ),
        Case(
            "RevenueFeatures-waves",
            ts.RevenueFeatures(
                series_column="store", seasonal_encoding="fourier", keep_last_days=300
            ),
            takings(),
        ),
        Case(
            "RevenueFeatures-arrays",
            ts.RevenueFeatures(date_column="x0", revenue_column="x1"),
            numbered_takings(),
        ),
        Case("PriceFeatures", ts.PriceFeatures(), sales().filter(store=1)),
        Case(
            "PriceFeatures-full",
            ts.PriceFeatures(
                store_column="store",
                category_column="category",
                competitor_price_column="competitor_price",
                promo_columns=["promo"],
                horizon_days=7,
                windows=(14, 28),
                kappa="eb",
                elasticity_window_days=None,
                competitor_timing="lagged",
                target="none",
            ),
            sales(),
        ),
        Case(
            "PriceFeatures-poisson",
            ts.PriceFeatures(method="poisson", duplicates="sum", seasonal_control="fourier"),
            sales(),
        ),
        Case(
            "PriceFeatures-arrays",
            ts.PriceFeatures(
                product_column=None,
                date_column="x0",
                price_column="x1",
                quantity_column="x2",
                duplicates="sum",
            ),
            numbered_sales(),
        ),
        Case("ReadinessCheck", ts.ReadinessCheck(), wide().select("tiny", "small", "half")),
        Case("ReadinessCheck-warns", ts.ReadinessCheck(on_fail="warn"), gaps()),
        Case("ReadinessCheck-arrays", ts.ReadinessCheck(on_fail="warn"), plain()),
        Case("FeatureScaler-nothing", ts.FeatureScaler(), numbers().select("plan", "since")),
        Case("FeatureScaler-named", ts.FeatureScaler(["x1", "x3"]), plain()),
        Case("FeatureScaler-arrays", ts.FeatureScaler(), plain()),
    ]
