"""The next days, and how far off they may be."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.linear_model import Ridge

import tracer_sklearn as ts
from tracer_sklearn.tasks.projection import _half_width


def without_promotion(**options) -> tuple[pd.DataFrame, pd.Series]:
    X, y = ts.datasets.make_daily_revenue(promotion=0.0, random_state=0, **options)
    return X.drop(columns="promotion"), y


def fitted(X: pd.DataFrame, y: pd.Series, **options):
    pipe = ts.revenue_projection_pipeline(Ridge(), **options)
    return pipe.set_params(features__seasonal_encoding="fourier").fit(X, y)


@pytest.mark.parametrize(
    ("dates", "following"),
    [
        (pd.date_range("2024-01-01", "2024-03-03"), ["2024-03-04", "2024-03-05"]),
        (pd.bdate_range("2024-01-01", "2024-03-01"), ["2024-03-04", "2024-03-05"]),
        (pd.date_range("2024-01-01", periods=9, freq="W-MON"), ["2024-03-04", "2024-03-11"]),
        (pd.date_range("2023-01-01", periods=12, freq="MS"), ["2024-01-01", "2024-02-01"]),
        (pd.date_range("2023-01-01", periods=13, freq="ME"), ["2024-02-29", "2024-03-31"]),
        (pd.date_range("2024-01-01", periods=9, freq="14D"), ["2024-05-06", "2024-05-20"]),
        (pd.to_datetime(["2024-01-05"]), ["2024-01-06", "2024-01-07"]),
    ],
    ids=["days", "business days", "weeks", "months", "month ends", "fortnights", "one date"],
)
def test_dates_go_on_in_their_rhythm(dates, following):
    X = pd.DataFrame({"date": dates})
    found = ts.make_future_frame(X, 2)
    assert found["date"].dt.strftime("%Y-%m-%d").tolist() == following
    on_polars = ts.make_future_frame(pl.from_pandas(X), 2)
    assert isinstance(on_polars, pl.DataFrame)
    assert on_polars["date"].dt.to_string("%Y-%m-%d").to_list() == following


def test_dates_go_on_in_the_days_of_a_time_zone():
    X = pd.DataFrame({"date": pd.date_range("2024-01-01", periods=9, tz="Asia/Tokyo")})
    for frame in (X, pl.from_pandas(X)):
        found = ts.make_future_frame(frame, 1, tz="Asia/Tokyo")["date"]
        assert pd.Timestamp(found[0]) == pd.Timestamp("2024-01-10")
    with pytest.raises(ts.ParameterError, match="`tz` must be the name of a time zone"):
        ts.make_future_frame(X, 1, tz="Tokyo")


def test_each_series_goes_on_after_the_newest_date_of_all():
    X = pd.DataFrame(
        {"date": pd.to_datetime(["2024-01-01", "2024-01-02", "2024-01-01"]), "s": ["b", "b", "a"]}
    )
    found = ts.make_future_frame(X, 1, series_column="s")
    assert found["s"].tolist() == ["a", "b"]
    assert (found["date"] == "2024-01-03").all()
    with pytest.raises(ts.SchemaError, match="shop"):
        ts.make_future_frame(X, 1, series_column="shop")
    with pytest.raises(ts.DataError, match="found none"):
        ts.make_future_frame(X.assign(date=pd.NaT), 1)
    with pytest.raises(ts.InputTypeError, match="collect"):
        ts.make_future_frame(pl.from_pandas(X).lazy(), 1)


def test_the_history_is_enough_to_project_from():
    X, y = without_promotion(n_days=200, n_series=2)
    pipe = fitted(X, y, series_column="series", horizon_days=14)
    found = ts.project(pipe, 14)
    expected = ts.project(pipe, 14, X=pl.from_pandas(X))
    pd.testing.assert_frame_equal(found, expected, check_dtype=False)
    assert list(found.columns) == ["date", "series", "revenue", "revenue_lower", "revenue_upper"]
    assert found["date"].min() == X["date"].max() + pd.Timedelta(days=1)
    assert found.groupby("series").size().tolist() == [14, 14]
    np.testing.assert_array_equal(found["revenue"], pipe.predict(found[["date", "series"]]))


def test_intervals_cover_what_they_promise():
    """On stationary revenue, over 28 days each of six series that were held back."""
    X, y = without_promotion(n_days=400, n_series=6, trend=0.0, yearly=0.0)
    past = X["date"] < X["date"].max() - pd.Timedelta(days=27)
    pipe = fitted(X[past], y[past], series_column="series", horizon_days=28)
    narrow, wide = (ts.project(pipe, 28, coverage=c) for c in (0.5, 0.9))
    actual = X[~past].sort_values(["series", "date"])["revenue"].to_numpy()
    shares = [
        ((p["revenue_lower"] <= actual) & (actual <= p["revenue_upper"])).mean()
        for p in (narrow, wide)
    ]
    assert 0.35 <= shares[0] <= 0.65
    assert 0.8 <= shares[1] <= 0.98


@pytest.mark.parametrize("alike", [0.0, 0.5, 0.9, 1.0])
@pytest.mark.parametrize(("coverage", "n_origins"), [(0.8, 4), (0.8, 9), (0.5, 4), (0.9, 9)])
def test_another_origin_is_covered_however_alike_its_days_are(alike, coverage, n_origins):
    """Errors of which a share is common to all days of an origin; 500 times."""
    rng = np.random.default_rng(0)
    common = rng.normal(size=(500, n_origins + 1, 1))
    own = rng.normal(size=(500, n_origins + 1, 28))
    sizes = np.abs(alike**0.5 * common + (1 - alike) ** 0.5 * own)
    widths = [_half_width(list(past), coverage) for past in sizes[:, :-1]]
    covered = (sizes[:, -1] <= np.array(widths)[:, None]).mean()
    most = np.ceil((n_origins + 1) * coverage) / (n_origins + 1)  # of whole origins
    assert coverage - 0.05 <= covered <= most + 0.05


def test_the_width_is_a_quantile_or_an_order_statistic():
    rng = np.random.default_rng(0)
    sizes = rng.gamma(2.0, size=1_000)
    assert _half_width([sizes] * 4, 0.8) == np.quantile(sizes, 0.8, method="inverted_cdf")
    assert _half_width([np.full(28, v) for v in (3.0, 1.0, 4.0, 2.0)], 0.8) == 4.0
    assert _half_width([np.full(28, v) for v in range(9)], 0.8) == 7.0
    assert _half_width([np.array([v]) for v in (3.0, 1.0, 2.0)], 0.9) == 3.0
    assert np.isnan(_half_width([np.zeros(0)], 0.8))


def test_more_than_the_horizon_is_refused():
    X, y = without_promotion(n_days=100)
    pipe = fitted(X, y, horizon_days=7)
    with pytest.raises(ts.ParameterError, match="horizon_days=8"):
        ts.project(pipe, 8)
    with pytest.raises(ts.DataError, match="need at least 154 dates"):
        ts.project(pipe, 7, n_origins=20)


def test_what_is_known_ahead_must_be_given():
    X, y = ts.datasets.make_daily_revenue(n_days=150, random_state=0)
    pipe = fitted(X.head(143), y.head(143), horizon_days=7)
    with pytest.raises(ts.SchemaError, match=r"`X` lacks \['promotion'\]"):
        ts.project(pipe, 7)
    with pytest.raises(ts.SchemaError, match=r"`future` lacks \['promotion'\]"):
        ts.project(pipe, 7, X=X.head(143))
    future = X.tail(7)[["date", "promotion"]]
    found = ts.project(pipe, 7, X=X.head(143), future=future)
    np.testing.assert_array_equal(found["revenue"], pipe.predict(future))


def test_another_pipeline_is_refused():
    X, y = ts.datasets.make_customer_churn(200, random_state=0)
    with pytest.raises(ts.InputTypeError, match="revenue_projection_pipeline"):
        ts.project(ts.customer_churn_pipeline().fit(X, y), 7)


def test_the_past_may_have_a_time_zone():
    """Dates of the pipeline's zone, or of another one, are the days that the features see."""
    X, y = without_promotion(n_days=120, n_series=2)
    aware = X.assign(date=X["date"].dt.tz_localize("Europe/Berlin"))
    pipe = ts.revenue_projection_pipeline(Ridge(), series_column="series", horizon_days=3)
    pipe.set_params(features__tz="Europe/Berlin").fit(aware, y)
    expected = ts.project(pipe, 3)
    assert expected["date"].min() == X["date"].max() + pd.Timedelta(days=1)
    for zone in ("Europe/Berlin", "UTC"):
        past = aware.assign(date=aware["date"].dt.tz_convert(zone))
        pd.testing.assert_frame_equal(ts.project(pipe, 3, X=past), expected, check_dtype=False)


@pytest.mark.parametrize("written", ["%Y-%m-%d", "%d.%m.%Y"])
def test_the_past_may_have_dates_as_text(written):
    X, y = without_promotion(n_days=120)
    texts = X.assign(date=X["date"].dt.strftime(written))
    pipe = fitted(texts, y, horizon_days=3)
    found = ts.project(pipe, 3, X=texts)
    pd.testing.assert_frame_equal(found, ts.project(pipe, 3), check_dtype=False)
    assert found["date"].min() == X["date"].max() + pd.Timedelta(days=1)


def test_a_series_that_never_earned_has_an_interval_of_its_own_errors():
    X, _ = without_promotion(n_days=150, n_series=3)
    X["revenue"] = X["revenue"].where(X["series"] != "s2", 0.0)
    pipe = fitted(X, X["revenue"], series_column="series", horizon_days=7)
    with pytest.warns(ts.DataQualityWarning, match=r"1 of 3 series never did \('s2'\)"):
        found = ts.project(pipe, 7).set_index("series")
    idle = found.loc["s2"]
    assert (idle["revenue"] != 0).all()
    assert ((idle["revenue_lower"] <= 0) & (idle["revenue_upper"] >= 0)).mean() >= 0.5
    half = found["revenue_upper"] - found["revenue"]
    assert 0 < half["s2"].max() < half["s1"].min()


def test_a_series_that_ended_long_ago_is_told_of():
    X, y = without_promotion(n_days=200, n_series=3)

    def ending(days: int):
        last = X["date"].max() - pd.Timedelta(days=days)
        kept = (X["series"] != "s1") | (X["date"] <= last)
        return fitted(X[kept], y[kept], series_column="series", horizon_days=3)

    with pytest.warns(ts.HorizonWarning, match=r"of 1 of 3 series ends .* \('s1'; the last"):
        ts.project(ending(29), 3)
    ts.project(ending(28), 3)
    going = ts.make_future_frame(X, 3, series_column="series").query("series != 's1'")
    assert ts.project(ending(29), 3, future=going).notna().all(axis=None)


def test_no_interval_without_a_word():
    X, y = without_promotion(n_days=100, n_series=2)
    pipe = fitted(X, y, series_column="series", horizon_days=3)
    future = ts.make_future_frame(X, 2, series_column="series").replace("s2", "s9")
    with pytest.warns(ts.DataQualityWarning, match=r"for 1 of 2 series there are none \('s9'\)"):
        found = ts.project(pipe, 2, future=future)
    assert found["revenue_lower"].isna().tolist() == [False, False, True, True]


def test_rows_that_cannot_be_projected_are_refused():
    X, y = without_promotion(n_days=100)
    pipe = fitted(X, y, horizon_days=3)
    future = ts.make_future_frame(X, 3)
    with pytest.raises(ts.DataError, match="found 0 rows, 0 of them without"):
        ts.project(pipe, 3, future=future.head(0))
    with pytest.raises(ts.DataError, match="found 3 rows, 3 of them without"):
        ts.project(pipe, 3, future=future.assign(date=pd.NaT))
    with pytest.raises(ts.SchemaError, match="missing: 'revenue'"):
        ts.project(pipe, 3, X=X.drop(columns="revenue"))
    with pytest.raises(ts.InputTypeError, match="best_estimator_"):
        ts.project("pipe", 3)
    with pytest.raises(ts.InputTypeError, match="a RevenueFeatures step and a model"):
        ts.project(ts.revenue_projection_pipeline().fit(X, y), 3)
