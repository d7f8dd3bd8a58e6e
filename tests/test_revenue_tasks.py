"""What stands around a revenue model: tables, splits, horizons, metrics, the pipeline."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score

import tracer_sklearn as ts

# -- daily_revenue -------------------------------------------------------------------------------


def sales() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    minutes = rng.integers(0, 60 * 24 * 40, 500)
    return pd.DataFrame(
        {
            "at": pd.Timestamp("2024-01-01") + pd.to_timedelta(minutes, unit="min"),
            "amount": rng.normal(20, 8, 500).round(2),
            "client": rng.integers(0, 30, 500),
            "shop": rng.choice(["b", "a"], 500),
        }
    )


@pytest.mark.parametrize("freq", ["D", "W", "M"])
def test_sales_add_up_as_pandas_adds_them(freq):
    events = sales()
    found = ts.daily_revenue(
        events,
        date_column="at",
        revenue_column="amount",
        customer_column="client",
        series_column="shop",
        freq=freq,
    )
    period = {"D": "D", "W": "W", "M": "M"}[freq]
    begin = events["at"].dt.to_period(period).dt.start_time
    groups = events.assign(date=begin).groupby(["shop", "date"])
    expected = groups.agg(revenue=("amount", "sum"), customer_count=("client", "nunique"))
    assert list(found.columns) == ["date", "shop", "revenue", "customer_count"]
    assert found["shop"].is_monotonic_increasing
    found = found.set_index(["shop", "date"])
    np.testing.assert_allclose(found["revenue"], expected["revenue"])
    assert found["customer_count"].tolist() == expected["customer_count"].tolist()


def test_what_cannot_be_added_is_left_out_and_said():
    events = sales()
    events.loc[3, "amount"], events.loc[5, "at"] = np.inf, pd.NaT
    names = {"date_column": "at", "revenue_column": "amount"}
    with pytest.warns(ts.DataQualityWarning, match="2 of 500 rows"):
        found = ts.daily_revenue(events, **names)
    assert found["revenue"].sum() == pytest.approx(events.drop([3, 5])["amount"].sum())
    with pytest.raises(ts.DataError, match="found none"):
        ts.daily_revenue(events.assign(amount=np.nan), **names)
    with pytest.raises(ts.SchemaError, match="must hold numbers"):
        ts.daily_revenue(events.assign(amount="5 EUR"), **names)
    with pytest.raises(ts.SchemaError, match="amount"):
        ts.daily_revenue(events.drop(columns="amount"), **names)


def test_the_table_comes_in_the_library_of_the_sales():
    names = {"date_column": "at", "revenue_column": "amount"}
    expected = ts.daily_revenue(sales(), **names)
    table = pl.from_pandas(sales())
    for events in (table, table.lazy()):
        found = ts.daily_revenue(events, **names)
        assert isinstance(found, pl.DataFrame)
        assert found["revenue"].to_list() == expected["revenue"].tolist()


# -- splits and horizons -------------------------------------------------------------------------


@given(
    st.lists(st.integers(0, 120), min_size=30, max_size=80),
    st.integers(1, 3),
    st.integers(1, 14),
    st.integers(0, 5),
)
def test_test_blocks_lie_after_their_training_rows(days, n_splits, span, gap):
    X = pd.DataFrame({"date": pd.Timestamp("2024-01-01") + pd.to_timedelta(days, unit="D")})
    cv = ts.DateSeriesSplit(n_splits, test_span_days=span, gap_days=gap)
    try:
        splits = list(cv.split(X))
    except ts.ParameterError:
        return
    assert len(splits) == cv.get_n_splits() == n_splits
    tested = np.concatenate([test for _, test in splits])
    assert len(tested) == len(set(tested))
    assert X["date"].iloc[splits[-1][1]].max() == X["date"].max()
    for train, test in splits:
        before, after = X["date"].iloc[train], X["date"].iloc[test]
        assert (after.min() - before.max()).days > gap
        assert (after.max() - after.min()).days < span
        assert len(train) == (X["date"] <= before.max()).sum()


def test_a_split_needs_rows_on_both_sides():
    X = pd.DataFrame({"date": pd.date_range("2024-01-01", periods=20)})
    with pytest.raises(ts.ParameterError, match="empty training side"):
        list(ts.DateSeriesSplit(3, test_span_days=10).split(X))
    with pytest.raises(ts.InputTypeError, match="in memory"):
        list(ts.DateSeriesSplit(1).split(pl.from_pandas(X).lazy()))
    with pytest.raises(ts.SchemaError, match="date"):
        list(ts.DateSeriesSplit(1).split(X.rename(columns={"date": "day"})))


def test_a_horizon_shorter_than_the_test_blocks_is_warned_of():
    X = pd.DataFrame({"date": pd.date_range("2024-01-01", periods=200)})
    cv = ts.DateSeriesSplit(3, test_span_days=28)
    with pytest.warns(ts.HorizonWarning, match="set `horizon_days=28`"):
        splits = ts.check_horizon(cv, X)
    assert splits["needed_horizon_days"].tolist() == [28, 28, 28]
    assert not splits["fits"].any()
    assert ts.check_horizon(cv, X, horizon_days=28)["fits"].all()


@pytest.mark.parametrize(
    ("cv", "message"),
    [
        (KFold(3, shuffle=True, random_state=0), "in 3 of 3 .* 3 among them"),
        (KFold(3), "in 2 of 3 splits of KFold .* 1 test blocks lie before"),
    ],
)
def test_training_on_the_future_is_warned_of(cv, message):
    X = pd.DataFrame({"date": pd.date_range("2024-01-01", periods=60)})
    with pytest.warns(ts.HorizonWarning, match=message):
        ts.check_horizon(cv, X, horizon_days=60)


# -- metrics -------------------------------------------------------------------------------------


class GivenSplits:
    """A splitter that gives what it was given."""

    def __init__(self, *splits):
        self.splits = splits

    def split(self, X, y=None):
        yield from self.splits


@pytest.mark.parametrize(
    ("cv", "words"),
    [
        (GivenSplits(), "GivenSplits gave none"),
        (GivenSplits(([0, 1], [])), "split 0 has a side that is empty"),
        (GivenSplits(([0], [1]), ([0], [99])), "split 1 .* outside of the 30 rows"),
    ],
)
def test_splits_of_another_table_are_refused(cv, words):
    X = pd.DataFrame({"date": pd.date_range("2024-01-01", periods=30)})
    with pytest.raises(ts.DataError, match=words):
        ts.check_horizon(cv, X)


def test_splits_need_a_splitter_and_rows():
    X = pd.DataFrame({"date": pd.date_range("2024-01-01", periods=30)})
    for cv in (5, None, "kfold", [([0], [1])]):
        with pytest.raises(ts.ParameterError, match="`cv` must be a splitter"):
            ts.check_horizon(cv, X)
    with pytest.raises(ts.DataError, match="DateSeriesSplit: X must have rows"):
        next(ts.DateSeriesSplit(2).split(X.head(0)))
    is_test = np.arange(30) >= 20
    assert ts.check_horizon(GivenSplits((~is_test, is_test)), X, horizon_days=10)["fits"].all()


def test_errors_are_in_units_of_the_seasonal_naive():
    rng = np.random.default_rng(0)
    y = rng.normal(100, 10, 70)
    naive = y[49:63]
    expected = np.abs(y[56:] - naive).mean() / np.abs(y[7:56] - y[:49]).mean()
    assert ts.metrics.mase(y[56:], naive, y_train=y[:56]) == pytest.approx(expected)
    squared = ((y[56:] - naive) ** 2).mean() / ((y[7:56] - y[:49]) ** 2).mean()
    assert ts.metrics.rmsse(y[56:], naive, y_train=y[:56]) == pytest.approx(squared**0.5)
    assert ts.metrics.wape(pl.Series(y), pd.Series(y)) == 0.0


def test_the_scale_knows_series():
    y_train, series = [1.0, 10.0, 2.0, 30.0, 4.0, 60.0], ["a", "b"] * 3
    found = ts.metrics.mase([1.0], [2.0], y_train=y_train, season_length=1, series_train=series)
    assert found == pytest.approx(1 / np.mean([1, 2, 20, 30]))


def test_metrics_refuse_what_they_cannot_measure():
    for metric in (ts.metrics.mase, ts.metrics.rmsse):
        with pytest.raises(ts.DataError, match="give more rows"):
            metric([1.0], [1.0], y_train=[3.0] * 20)
    with pytest.raises(ts.DataError, match="y_pred must be known"):
        ts.metrics.wape([1.0], [np.nan])
    with pytest.raises(ts.DataError, match="differ from 0"):
        ts.metrics.wape([0.0], [1.0])
    with pytest.raises(ts.DataError, match="one value a row"):
        ts.metrics.wape([], [])


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        (5.0, ts.InputTypeError, "got float; give one value for each row"),
        (None, ts.InputTypeError, "got NoneType"),
        ((v for v in (1.0, 2.0)), ts.InputTypeError, "got generator"),
        ({1.0, 2.0}, ts.InputTypeError, "got set"),
        ([1.0, 2.0, 3.0], ts.DataError, "take both from one table"),
        (np.ones((2, 1)), ts.DataError, r"shape \(2, 1\); give one column"),
        (["1", "2"], ts.DataError, "must hold numbers, found <U1; parse it first"),
        (pd.to_datetime(["2024-01-01", "2024-01-02"]), ts.DataError, "must hold numbers"),
    ],
)
def test_what_metrics_compare_is_named(given, error, words):
    with pytest.raises(error, match=rf"wape: .*y_pred .*{words}"):
        ts.metrics.wape([1.0, 2.0], given)


def test_series_of_training_rows_are_named():
    def measured(series):
        return ts.metrics.mase(
            [1.0], [2.0], y_train=[1.0, 2.0], season_length=1, series_train=series
        )

    assert measured(["a", "a"]) == measured(np.array(["a", "a"], dtype=object)) == 1.0
    with pytest.raises(ts.DataError, match="1 that are missing"):
        measured(["a", None])
    with pytest.raises(ts.DataError, match="y_train and series_train"):
        measured(["a"])
    with pytest.raises(ts.DataError, match="series_train must have one value a row"):
        measured(np.ones((2, 1)))


def test_scorers_are_negative_errors():
    model = DummyRegressor().fit([[0], [0]], [4.0, 6.0])
    assert ts.metrics.wape_scorer(model, [[0]], [4.0]) == -0.25
    scorer = ts.metrics.rmsse_scorer([1.0, 3.0, 5.0], season_length=1)
    assert scorer(model, [[0]], [9.0]) == -2.0
    assert ts.metrics.mase_scorer([1.0, 3.0], season_length=1)(model, [[0]], [9.0]) == -2.0


# -- pipeline and data ---------------------------------------------------------------------------


def test_a_pipeline_projects_what_it_was_not_given():
    X, y = ts.datasets.make_daily_revenue(n_days=500, random_state=0)
    pipe = ts.revenue_projection_pipeline(Ridge(), horizon_days=28)
    assert list(pipe.named_steps) == [
        "parse", "validate", "features", "impute", "cap", "encode", "scale", "model"
    ]  # fmt: skip
    pipe.set_params(features__seasonal_encoding="fourier")
    pipe.fit(X.head(472), y.head(472))
    future = X.tail(28).drop(columns=["revenue", "customer_count"])
    predicted = pickle.loads(pickle.dumps(pipe)).predict(future)
    assert ts.metrics.wape(y.tail(28), predicted) < 0.15
    naive = y.shift(28).tail(28)
    assert ts.metrics.wape(y.tail(28), predicted) < ts.metrics.wape(y.tail(28), naive)


def test_search_and_cross_validation_take_the_pipeline():
    X, y = ts.datasets.make_daily_revenue(n_days=250, n_series=2, random_state=0)
    pipe = ts.blueprint_pipeline(
        "revenue_projection", Ridge(), series_column="series", horizon_days=14
    )
    cv = ts.DateSeriesSplit(2, test_span_days=14)
    scores = cross_val_score(pipe, X, y, cv=cv, scoring=ts.metrics.wape_scorer)
    assert (scores > -0.25).all()
    grid = {"features__seasonal_encoding": ["ordinal", "onehot"]}
    assert set(grid) < set(ts.search_space("revenue_projection"))
    search = GridSearchCV(pipe, grid, cv=cv, scoring=ts.metrics.wape_scorer).fit(X, y)
    assert search.best_params_["features__seasonal_encoding"] == "onehot"


def test_fields_set_the_roles():
    X, y = ts.datasets.make_daily_revenue(n_days=60, n_series=2, random_state=0)
    names = {"date": "Tag", "revenue": "Umsatz", "customer_count": "Kunden", "series": "Filiale"}
    renamed = X.rename(columns=names)
    found = ts.revenue_projection_pipeline(fields=names).fit_transform(renamed, y)
    expected = ts.revenue_projection_pipeline(series_column="series").fit_transform(X, y)
    np.testing.assert_array_equal(found, expected)
    with pytest.raises(ts.ParameterError, match="same column, got 'x' and 'Filiale'"):
        ts.revenue_projection_pipeline(fields=names, series_column="x")


def test_noise_cannot_be_predicted():
    """A18: whoever predicts a permuted target has seen it."""
    X, y = ts.datasets.make_daily_revenue(n_days=400, random_state=0)
    noise = np.random.default_rng(1).permutation(y)
    X = X.assign(revenue=noise)
    pipe = ts.revenue_projection_pipeline(Ridge(1000.0))
    cv = ts.DateSeriesSplit(3, test_span_days=56)
    assert cross_val_score(pipe, X, noise, cv=cv, scoring="r2").mean() <= 0.02


def test_generated_revenue_has_the_seasons_it_was_given():
    X, y = ts.datasets.make_daily_revenue(
        n_days=364 * 2, noise=0.0, promotion=0.0, trend=0.0, yearly=0.0, random_state=0
    )
    by_weekday = np.log(y).groupby(X["date"].dt.day_of_week).mean()
    assert by_weekday.idxmax() == 5
    assert by_weekday.max() - by_weekday.min() == pytest.approx(0.3 * 1.9, abs=0.02)
    again, _ = ts.datasets.make_daily_revenue(n_days=30, random_state=3)
    pd.testing.assert_frame_equal(
        again, ts.datasets.make_daily_revenue(n_days=30, random_state=3)[0]
    )


def test_stores_add_up_to_the_total():
    total, y = ts.datasets.load_daily_revenue()
    assert y.equals(total["revenue"])
    stores, _ = ts.datasets.load_daily_revenue(by="store", n_stores=1000)
    np.testing.assert_allclose(
        stores.groupby("date")["revenue"].sum(), total.set_index("date")["revenue"]
    )


# -- acceptance ----------------------------------------------------------------------------------

ORIGINS = 4


def _wape_and_naive(X, y, *, horizon, series=None):
    """Rolling origins over four times four weeks; the seasonal naive of the same horizon beside."""
    pipe = ts.revenue_projection_pipeline(
        Ridge(10.0), series_column=series, horizon_days=horizon, scaling_method="standard",
        missing_value_strategy="median",
    ).set_params(features__seasonal_encoding="onehot")  # fmt: skip
    back = pd.Timedelta(days=7 * -(-horizon // 7))
    keys = ["date"] if series is None else [series, "date"]
    past = X[keys].assign(date=X["date"] + back, naive=y)
    naive = X[keys].merge(past, on=keys, how="left")["naive"].fillna(0).to_numpy()
    errors, naive_errors, size, scaled = 0.0, 0.0, 0.0, []
    end = pd.Timestamp("2017-11-20")
    kept = X["date"] <= end
    for train, test in ts.DateSeriesSplit(ORIGINS, test_span_days=28).split(X[kept]):
        rows = np.flatnonzero(kept)
        train, test = rows[train], rows[test]
        fitted = clone(pipe).fit(X.iloc[train], y.iloc[train])
        predicted = fitted.predict(X.iloc[test])
        errors += np.abs(y.iloc[test] - predicted).sum()
        naive_errors += np.abs(y.iloc[test] - naive[test]).sum()
        size += y.iloc[test].sum()
        scaled.append(
            ts.metrics.mase(
                y.iloc[test], predicted, y_train=y.iloc[train],
                series_train=None if series is None else X[series].iloc[train],
            )
        )  # fmt: skip
    return errors / size, naive_errors / size, float(np.mean(scaled))


@pytest.mark.medium
@pytest.mark.filterwarnings("ignore::tracer_sklearn.exceptions.TracerWarning")
@pytest.mark.parametrize(
    ("by", "horizon", "gain", "most_mase"),
    [("total", 28, 0.12, 0.72), ("store", 28, 0.20, 0.80), ("total", 1, 0.15, 0.72)],
    ids=["A6", "A7", "A8"],
)
def test_acceptance_on_a_year_of_groceries(by, horizon, gain, most_mase):
    X, y = ts.datasets.load_daily_revenue(by=by)
    series = "store" if by == "store" else None
    wape, naive, mase = _wape_and_naive(X, y, horizon=horizon, series=series)
    assert wape <= (1 - gain) * naive
    assert mase <= most_mase
