"""Validate a table of customers, beside pandera with the same rules.

    python tests/benchmarks/validation.py [ROWS]

prints the table of docs/explanation/speed.md. Throughput is the size of the table as a CSV file by
the time. pandera is shown where it can be imported; the environment variable TRACER_PEERS may name
a directory of further packages, such as the site-packages of a virtual environment of its own.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
from timing import best_times, table

import tracer_sklearn as ts
from tracer_sklearn.schema import BlueprintSchema, FieldRule, FieldSpec

PLANS = ("free", "basic", "pro", "enterprise")

SCHEMA = BlueprintSchema(
    name="customers",
    fields=(
        FieldSpec(name="customer_id", kind="identifier", required=True, pattern="^C[0-9]{8}$"),
        FieldSpec(name="account_created_date", kind="datetime", required=True),
        FieldSpec(name="last_activity_date", kind="datetime", required=True),
        FieldSpec(name="total_value", kind="number", required=True, min=0, max=1_000_000),
        FieldSpec(name="support_tickets", kind="count", required=True, min=0, max=10_000),
        FieldSpec(name="feature_usage_count", kind="count", required=True, min=0),
        FieldSpec(name="plan_type", kind="category", required=True, allowed=PLANS),
    ),
    key=("customer_id",),
    rules=(FieldRule(left="account_created_date", relation="<=", right="last_activity_date"),),
)


def customers(n: int, seed: int = 0) -> pd.DataFrame:
    """Good rows: nothing stops a validator early."""
    rng = np.random.default_rng(seed)
    created = np.datetime64("2020-01-01", "us") + rng.integers(0, 1000, n).astype("timedelta64[D]")
    frame = pl.DataFrame(
        {
            "customer_id": rng.permutation(n),
            "account_created_date": created,
            "last_activity_date": created + rng.integers(0, 600, n).astype("timedelta64[D]"),
            "total_value": rng.lognormal(4, 1, n).round(2),
            "support_tickets": rng.poisson(2, n),
            "feature_usage_count": rng.poisson(40, n),
            "plan_type": rng.choice(PLANS, n),
        }
    ).with_columns(
        customer_id="C" + pl.col("customer_id").cast(pl.String).str.zfill(8),
    )
    return frame.to_pandas()


def megabytes(frame: pd.DataFrame) -> float:
    """The size of the frame as a CSV file, dates without a time."""
    text = pl.from_pandas(frame).with_columns(pl.col(pl.Datetime("us")).dt.date()).write_csv()
    return len(text.encode()) / 1e6


def pandera_schema() -> Any:
    """The same rules, or None where pandera is not installed."""
    sys.path.extend(filter(None, [os.environ.get("TRACER_PEERS")]))
    if importlib.util.find_spec("pandera") is None:
        return None
    import pandera.pandas as pa

    def dated(frame: pd.DataFrame) -> Any:
        return frame["account_created_date"] <= frame["last_activity_date"]

    return pa.DataFrameSchema(
        {
            "customer_id": pa.Column(str, pa.Check.str_matches("^C[0-9]{8}$"), unique=True),
            "account_created_date": pa.Column("datetime64[us]"),
            "last_activity_date": pa.Column("datetime64[us]"),
            "total_value": pa.Column(float, pa.Check.in_range(0, 1_000_000)),
            "support_tickets": pa.Column("int64", pa.Check.in_range(0, 10_000)),
            "feature_usage_count": pa.Column("int64", pa.Check.ge(0)),
            "plan_type": pa.Column(str, pa.Check.isin(PLANS)),
        },
        checks=pa.Check(dated),
    )


def speed(n: int, repeats: int = 5) -> dict[str, float]:
    """Megabytes of CSV a second, by validator and frame."""
    frame = customers(n)
    native = pl.from_pandas(frame)
    rules_only = ts.DataValidator(SCHEMA, checks=("schema", "quality"))
    everything = ts.DataValidator(SCHEMA)
    tasks: dict[str, Callable[[], Any]] = {
        "Tracer, the same rules, pandas": lambda: rules_only.fit(frame),
        "Tracer, the same rules, Polars": lambda: rules_only.fit(native),
        "Tracer, everything, pandas": lambda: everything.fit(frame),
        "Tracer, everything, Polars": lambda: everything.fit(native),
        "Tracer, everything, report of a LazyFrame": lambda: everything.report(native.lazy()),
    }
    peer = pandera_schema()
    if peer is not None:
        tasks["pandera, pandas"] = lambda: peer.validate(frame, lazy=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        seconds = best_times(tasks, repeats)
    size = megabytes(frame)
    return {name: size / best for name, best in seconds.items()}


def main() -> None:
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    found = speed(n)
    peer = found.get("pandera, pandas", float("nan"))
    rows = {
        name: {"MB of CSV a second": f"{rate:.0f}", "times pandera": f"{rate / peer:.1f}"}
        for name, rate in found.items()
    }
    print(f"{n:,} rows, {megabytes(customers(n)):.0f} MB as CSV\n")
    print(table("", rows))


if __name__ == "__main__":
    main()
