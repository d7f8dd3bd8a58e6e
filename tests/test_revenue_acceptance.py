"""Revenue projection on real files; the bands are those of the specification."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.linear_model import Ridge

import tracer_sklearn as ts

pytestmark = [
    pytest.mark.medium,
    pytest.mark.filterwarnings("ignore::tracer_sklearn.exceptions.TracerWarning"),
]


def pipeline(**options):
    pipe = ts.revenue_projection_pipeline(
        Ridge(10.0), missing_value_strategy="median", scaling_method="standard", **options
    )
    return pipe.set_params(features__seasonal_encoding="onehot")


def test_a9_online_retail_without_saturdays(real_data: Path) -> None:
    events = pd.read_csv(real_data / "online_retail.csv.gz", low_memory=False)
    events["InvoiceDate"] = pd.to_datetime(events["InvoiceDate"])
    events["value"] = events["Quantity"] * events["UnitPrice"]
    table = ts.daily_revenue(events, date_column="InvoiceDate", revenue_column="value")
    assert len(table) == 305
    assert 5 not in set(table["date"].dt.day_of_week)
    errors = naive_errors = 0.0
    revenue = table.set_index("date")["revenue"]
    for origin in pd.to_datetime(["2011-07-01", "2011-08-01", "2011-09-01", "2011-10-01"]):
        past = table[table["date"] < origin]
        test = table[(table["date"] >= origin) & (table["date"] < origin + pd.Timedelta(days=28))]
        fitted = clone(pipeline(horizon_days=28)).fit(past, past["revenue"])
        made = fitted["features"].transform(past)
        assert not np.isinf(made.to_numpy(dtype=float)).any()
        # a week may lie in the closing days of Christmas, a month does not
        assert made["revenue_ma_30d"].iloc[30:].notna().all()
        assert np.isfinite(fitted[:-1].transform(past).to_numpy(dtype=float)).all()
        predicted = fitted.predict(test[["date"]])
        naive = revenue.reindex(test["date"] - pd.Timedelta(days=28)).fillna(0).to_numpy()
        errors += np.abs(test["revenue"] - predicted).sum()
        naive_errors += np.abs(test["revenue"] - naive).sum()
    assert errors <= 0.8 * naive_errors
