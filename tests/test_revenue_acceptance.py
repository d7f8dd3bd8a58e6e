"""Revenue projection on real files; the bands are those of the specification."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

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


# -- A10: what the past adds to the calendar -------------------------------------------------------

CALENDAR = "^(day_of_|week_of_|month_|quarter_|is_|trend_days|store)"


def calendar_of(frame: pd.DataFrame) -> pd.DataFrame:
    """What is known of a date by itself, and the level of the store."""
    return frame.filter(regex=CALENDAR)


def wape(pipe: Pipeline, X: pd.DataFrame, y: pd.Series) -> float:
    """Over the origins of A6 and A7."""
    kept = np.flatnonzero(X["date"] <= "2017-11-20")
    errors = size = 0.0
    for train, test in ts.DateSeriesSplit(4, test_span_days=28).split(X.iloc[kept]):
        train, test = kept[train], kept[test]
        predicted = clone(pipe).fit(X.iloc[train], y.iloc[train]).predict(X.iloc[test])
        errors += np.abs(y.iloc[test] - predicted).sum()
        size += y.iloc[test].sum()
    return errors / size


@pytest.mark.parametrize("by", ["total", "store"])
def test_a10_the_past_is_not_worse_than_the_calendar_alone(by) -> None:
    X, y = ts.datasets.load_daily_revenue(by=by)
    full = pipeline(horizon_days=28, series_column="store" if by == "store" else None)
    only = ("only", FunctionTransformer(calendar_of))
    seasonal = Pipeline([*full.steps[:-1], only, full.steps[-1]])
    assert wape(full, X, y) <= wape(seasonal, X, y) + 0.01


# -- A11: monthly series ---------------------------------------------------------------------------


def australia(folder: Path) -> pd.DataFrame:
    """Monthly turnover of 152 industries of states, 1982 to 2018."""
    table = pd.read_csv(folder / "aus_retail_monthly.csv.gz")
    table["date"] = pd.to_datetime(table["Month"], format="%Y %b")
    table = table.rename(columns={"Series ID": "series", "Turnover": "revenue"})
    return table[["date", "series", "revenue"]].astype({"revenue": float})


def test_a11_twelve_months_of_monthly_series(real_data: Path) -> None:
    """A horizon of 365 days: the last of twelve months still sees the same one a year before."""
    table = australia(real_data)
    assert table["series"].nunique() == 152
    last_year = table.assign(date=table["date"] + pd.DateOffset(years=1))
    last_year = last_year.rename(columns={"revenue": "naive"})
    pipe = pipeline(horizon_days=365, series_column="series").set_params(
        features__seasonal_encoding="ordinal",
        features__windows=(92, 365),
        features__growth_windows=(92, 365),
    )
    errors = naive_errors = 0.0
    for year in (2015, 2016, 2017, 2018):
        dates = table["date"]
        past, test = table[dates.dt.year < year], table[dates.dt.year == year]
        fitted = clone(pipe).fit(past, past["revenue"])
        made = fitted["features"].transform(past).drop(columns="series")
        assert not np.isinf(made.to_numpy(dtype=float)).any()
        assert fitted["features"].freq_ == "M"
        assert "revenue_lag_12m" in made
        test = test.merge(last_year, on=["series", "date"])  # all but a series that is new
        predicted = fitted.predict(test[["date", "series"]])
        errors += np.abs(test["revenue"] - predicted).sum()
        naive_errors += np.abs(test["revenue"] - test["naive"]).sum()
    assert errors <= 0.9 * naive_errors


@pytest.mark.filterwarnings("default::tracer_sklearn.exceptions.TracerWarning")
def test_a11_windows_shorter_than_a_month_are_named_in_one_warning(real_data: Path) -> None:
    table = australia(real_data)
    features = ts.RevenueFeatures(series_column="series", horizon_days=365)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        features.fit(table)
    messages = [str(w.message) for w in caught if issubclass(w.category, ts.DataQualityWarning)]
    assert len(messages) == 1
    for name in ("ma_7d", "ma_30d", "volatility_7d", "growth_1d", "growth_7d", "growth_30d"):
        assert f"revenue_{name}" in messages[0]
    assert "revenue_ma_90d" not in messages[0]
