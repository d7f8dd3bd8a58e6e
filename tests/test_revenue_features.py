"""RevenueFeatures: what a row sees, against plain Python, and the laws of time."""

from __future__ import annotations

import datetime as dt
import math
import pickle
import subprocess
import sys
import warnings

import numpy as np
import oracles_revenue as oracle
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tracer_sklearn as ts

FIRST = dt.date(2023, 1, 2)
FIRST_DAY = (FIRST - dt.date(1970, 1, 1)).days
MONEY = st.one_of(st.floats(-100, 1000), st.sampled_from([0.0, 5.0, 1e6]))
CELL = st.tuples(st.one_of(st.none(), MONEY), st.one_of(st.none(), st.integers(0, 50)))


@st.composite
def panels(draw, *, most_days: int = 70) -> pd.DataFrame:
    """Rows of up to three stores with gaps and missing cells, in any order, any index."""
    stores = draw(st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=3, unique=True))
    keys = draw(
        st.lists(
            st.tuples(st.sampled_from(stores), st.integers(0, most_days)),
            min_size=2,
            max_size=50,
            unique=True,
        )
    )
    cells = draw(st.lists(CELL, min_size=len(keys), max_size=len(keys)))
    cells[0] = (12.5, 3)
    index = draw(st.lists(st.integers(0, 9), min_size=len(keys), max_size=len(keys)))
    return pd.DataFrame(
        {
            "date": pd.to_datetime([FIRST + dt.timedelta(days=d) for _, d in keys]),
            "store": [store for store, _ in keys],
            "revenue": pd.array([c[0] for c in cells], dtype="float64"),
            "customer_count": pd.array([c[1] for c in cells], dtype="float64"),
        },
        index=index,
    )


def stage(**options) -> ts.RevenueFeatures:
    return ts.RevenueFeatures(series_column="store", **{"season_length": 7, **options})


def quiet(function, *args):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ts.TracerWarning)
        return function(*args)


def fitted(X: pd.DataFrame, **options) -> ts.RevenueFeatures:
    return quiet(stage(**options).fit, X)


def transformed(features: ts.RevenueFeatures, X: pd.DataFrame) -> pd.DataFrame:
    return quiet(features.transform, X)


def same(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    """Bit for bit, the index included; levels of categories come from the rows at hand."""
    found, expected = (
        frame.astype({"store": str}) if "store" in frame else frame for frame in (found, expected)
    )
    pd.testing.assert_frame_equal(found, expected, check_exact=True)


def history_of(X: pd.DataFrame, store: str, column: str) -> dict[int, float]:
    rows = X[(X["store"] == store) & X[column].notna()]
    days = (rows["date"] - pd.Timestamp("1970-01-01")).dt.days
    return dict(zip(days.tolist(), rows[column].tolist(), strict=True))


# -- values --------------------------------------------------------------------------------------


@settings(max_examples=15)
@given(
    panels(),
    st.sampled_from([0, 1, 3, 10]),
    st.sampled_from(["window", "point", "symmetric"]),
)
def test_features_are_those_of_plain_python(X, horizon, growth):
    found = quiet(stage(horizon_days=horizon, growth=growth).fit_transform, X)
    if "revenue_lag_7d" not in found and "revenue_lag_14d" not in found:
        return  # dates a week apart, or more: other seasons
    for at, (store, day) in enumerate(
        zip(X["store"], (X["date"] - pd.Timestamp("1970-01-01")).dt.days, strict=True)
    ):
        revenue, customers = (history_of(X, store, c) for c in ("revenue", "customer_count"))
        expected = oracle.features(revenue, customers, day, horizon=horizon, growth=growth)
        row = found.iloc[at]
        newest = max(max(history_of(X, s, "revenue"), default=0) for s in set(X["store"]))
        if day - horizon > newest:
            continue  # beyond the horizon: a test of its own
        assert set(expected) == set(found.columns) - {"store"}
        scale = max((abs(v) for v in revenue.values()), default=1.0)
        for name, value in expected.items():
            if math.isnan(value):
                assert math.isnan(row[name]), name
            elif "growth" in name or "cv" in name or "per_customer" in name:
                # ratios of small differences of large numbers
                assert row[name] == pytest.approx(value, rel=1e-6, abs=1e-6), name
            else:
                assert row[name] == pytest.approx(value, rel=1e-12, abs=1e-12 * scale), name


@pytest.mark.parametrize("growth", ["window", "point"])
def test_a_ratio_beyond_the_largest_float_is_that_float(growth):
    days = pd.date_range("2024-01-01", periods=12)
    X = pd.DataFrame({"date": days, "revenue": [2e-309] * 6 + [12.5] * 6, "customer_count": 2e-309})
    found = quiet(stage(horizon_days=0, growth=growth).fit_transform, X.assign(store="a"))
    assert found["revenue_growth_1d"].max() == sys.float_info.max
    assert found["revenue_per_customer_ma_7d"].max() == sys.float_info.max
    assert not np.isinf(found.select_dtypes("number")).any(axis=None)


def test_the_columns_come_in_the_order_that_is_promised():
    dates = pd.date_range("2023-01-02", periods=40)
    X = pd.DataFrame(
        {
            "promo": 1,
            "customer_count": 5,
            "date": dates,
            "store": "a",
            "revenue": 2.0,
            "booked_on": dates,
        }
    )
    found = ts.RevenueFeatures(series_column="store", holidays=["2023-01-06"]).fit_transform(X)
    promised = """
        revenue_ma_7d revenue_ma_30d revenue_ma_90d
        revenue_growth_1d revenue_growth_7d revenue_growth_30d
        revenue_volatility_7d revenue_volatility_30d revenue_volatility_90d revenue_cv_30d
        revenue_lag_7d revenue_same_weekday_mean_4w
        customer_count_ma_7d customer_count_ma_30d
        revenue_per_customer_ma_7d revenue_per_customer_ma_30d
        day_of_week day_of_month week_of_year month quarter
        is_weekend is_month_start is_month_end
        days_to_next_holiday days_since_last_holiday trend_days n_history store promo
    """
    assert " ".join(found.columns) == " ".join(promised.split())
    assert found["store"].dtype == "category"


def test_outcomes_never_leave_whoever_has_their_role():
    X = pd.DataFrame({"date": pd.date_range("2023-01-02", periods=9), "sales": 1.0})
    X["revenue"], X["customer_count"] = 2.0, 3.0
    found = ts.RevenueFeatures(revenue_column="sales", customer_count_column=None).fit_transform(X)
    assert not {"sales", "revenue", "customer_count", "date"} & set(found.columns)


def test_a_constant_series_has_no_volatility():
    X = pd.DataFrame({"date": pd.date_range("2023-01-02", periods=60), "revenue": 0.1})
    found = ts.RevenueFeatures().fit_transform(X)
    assert (found["revenue_volatility_30d"].iloc[2:] == 0).all()
    assert (found["revenue_ma_30d"].iloc[1:] == 0.1).all()


def test_growth_from_nothing_is_missing_and_from_a_loss_has_the_right_sign():
    X = pd.DataFrame({"date": pd.date_range("2023-01-02", periods=5), "revenue": [0, 4, -2, 2, 7]})
    found = ts.RevenueFeatures(growth_windows=(1,)).fit_transform(X)["revenue_growth_1d"]
    np.testing.assert_array_equal(found, [np.nan, np.nan, np.nan, -1.5, 2.0])


@pytest.mark.parametrize(("missing_dates", "mean"), [("skip", 6.0), ("zero", 4.5)])
def test_a_date_without_a_row_is_skipped_or_nothing_earned(missing_dates, mean):
    dates = pd.to_datetime(["2023-01-02", "2023-01-03", "2023-01-05", "2023-01-06"])
    X = pd.DataFrame({"date": dates, "revenue": [6.0, 6.0, 6.0, 1.0]})
    features = ts.RevenueFeatures(missing_dates=missing_dates, windows=(4,)).fit(X)
    row = features.transform(X.iloc[[3]])
    assert row["revenue_ma_4d"].item() == mean
    expected = 0.0 if missing_dates == "skip" else np.std([6, 6, 0, 6], ddof=1)
    assert row["revenue_volatility_4d"].item() == pytest.approx(expected)


@settings(max_examples=15)
@given(panels())
def test_zeros_are_those_of_a_table_without_gaps(X):
    X = X[X["revenue"].notna()]
    days = pd.date_range(X["date"].min(), X["date"].max())
    full = [
        X[X["store"] == s].set_index("date")["revenue"].reindex(days[days >= first], fill_value=0)
        for s, first in X.groupby("store")["date"].min().items()
    ]
    stores = sorted(set(X["store"]))
    filled = pd.concat(
        [
            f.rename_axis("date").reset_index().assign(store=s)
            for s, f in zip(stores, full, strict=True)
        ]
    )
    options = {"customer_count_column": None, "windows": (3, 20), "horizon_days": 2}
    if fitted(X, **options).freq_ != "D":
        return
    zero = fitted(X, missing_dates="zero", **options)
    skip = fitted(filled, **options)
    names = [
        "revenue_ma_3d",
        "revenue_volatility_20d",
        "revenue_lag_7d",
        "revenue_same_weekday_mean_4w",
    ]
    found, expected = transformed(zero, X), transformed(skip, X)
    scale = X["revenue"].abs().max()
    np.testing.assert_allclose(found[names], expected[names], rtol=1e-9, atol=1e-9 * scale + 1e-12)


def test_weekly_and_monthly_data_have_their_own_seasons():
    weekly = pd.DataFrame({"date": pd.date_range("2021-01-04", periods=120, freq="W-MON")})
    weekly["revenue"] = np.arange(120.0)
    with pytest.warns(ts.DataQualityWarning, match="revenue_growth_1d"):
        features = ts.RevenueFeatures(horizon_days=7).fit(weekly)
    assert features.freq_ == "W"
    assert features.transform(weekly)["revenue_lag_364d"].iloc[60] == 8.0
    monthly = pd.DataFrame({"date": pd.date_range("2020-01-01", periods=40, freq="MS")})
    monthly["revenue"] = np.arange(40.0)
    with pytest.warns(ts.DataQualityWarning, match="revenue_ma_7d"):
        features = ts.RevenueFeatures(horizon_days=31).fit(monthly)
    assert features.freq_ == "M"
    assert features.transform(monthly)["revenue_lag_12m"].iloc[30] == 18.0


def test_a_yearly_lag_needs_a_year_of_rows():
    X = pd.DataFrame(
        {"date": pd.date_range("2021-01-01", periods=420), "revenue": np.arange(420.0)}
    )
    found = ts.RevenueFeatures(horizon_days=28).fit_transform(X)
    assert found["revenue_lag_364d"].iloc[-1] == 419 - 364
    assert found["revenue_lag_28d"].iloc[-1] == 419 - 28
    assert "revenue_lag_364d" not in ts.RevenueFeatures().fit_transform(X.iloc[:300])


def test_lags_can_be_chosen_but_not_within_the_horizon():
    X = pd.DataFrame({"date": pd.date_range("2021-01-01", periods=30), "revenue": np.arange(30.0)})
    found = ts.RevenueFeatures(seasonal_lags=[3, 5]).fit_transform(X)
    assert found["revenue_lag_3d"].iloc[-1] == 26
    with pytest.raises(ts.ParameterError, match=r"leave out \[3\]"):
        ts.RevenueFeatures(seasonal_lags=[3, 5], horizon_days=4).fit(X)


@pytest.mark.parametrize("encoding", ["ordinal", "onehot", "cyclical", "fourier"])
def test_the_calendar_needs_no_level_seen_before(encoding):
    X = pd.DataFrame({"date": pd.date_range("2021-01-01", periods=3), "revenue": 1.0})
    features = ts.RevenueFeatures(seasonal_encoding=encoding).fit(X)
    later = X.assign(date=X["date"] + pd.Timedelta(days=200))[["date"]]
    found = transformed(features, later)
    assert list(found.columns) == features.get_feature_names_out().tolist()
    assert (
        found.filter(regex="week|month|year|quarter")
        .drop(columns="revenue_same_weekday_mean_4w")
        .notna()
        .all(axis=None)
    )
    if encoding == "onehot":
        assert found["month_7"].tolist() == [1.0, 1.0, 1.0]


def test_yearly_waves_need_a_year_and_a_half():
    X = pd.DataFrame({"date": pd.date_range("2021-01-01", periods=600), "revenue": 1.0})
    names = [
        set(ts.RevenueFeatures(seasonal_encoding="fourier").fit(X.head(n)).get_feature_names_out())
        for n in (500, 600)
    ]
    assert {n for n in names[1] - names[0] if n.startswith("year_")} == {
        f"year_{k}_{wave}" for k in range(1, 5) for wave in ("sin", "cos")
    }


def test_holidays_are_known_ahead():
    X = pd.DataFrame({"date": pd.date_range("2022-12-20", periods=20), "revenue": 1.0})
    given = [dt.date(2022, 12, 25), dt.date(2023, 1, 20)]
    found = ts.RevenueFeatures(holidays=pd.Series(given)).fit_transform(X)
    assert found["days_to_next_holiday"].tolist()[:7] == [5, 4, 3, 2, 1, 0, 14]
    assert found["days_since_last_holiday"].tolist()[4:7] == [14, 0, 1]
    asked = ts.RevenueFeatures(holidays=lambda low, high: [d for d in given if low <= d <= high])
    same(asked.fit_transform(X), found)


# -- laws ----------------------------------------------------------------------------------------


@settings(max_examples=15)
@given(panels(), st.randoms(use_true_random=False))
def test_l1_l2_rows_keep_their_place(X, random):
    features = fitted(X)
    found = transformed(features, X)
    assert found.index.tolist() == X.index.tolist()
    order = list(range(len(X)))
    random.shuffle(order)
    same(transformed(features, X.iloc[order]), found.iloc[order])
    again = fitted(X.iloc[order])
    same(transformed(again, X), found)


@settings(max_examples=15)
@given(panels())
def test_l3_fit_transform_is_fit_and_transform(X):
    same(quiet(stage().fit_transform, X), transformed(fitted(X), X))


@settings(max_examples=15)
@given(panels(), st.integers(1, 49))
def test_l4_history_and_rows_at_hand_are_one(X, cut):
    A, B = X.iloc[:cut], X.iloc[cut:]
    if not (len(B) and A["revenue"].notna().any()):
        return
    features = fitted(A)
    both = transformed(features, pd.concat([A, B]))
    same(transformed(features, B), both.iloc[len(A) :])


@settings(max_examples=15)
@given(panels(), st.integers(1, 49), st.sampled_from([1, 5]))
def test_l5_two_parts_are_the_whole(X, cut, horizon):
    A, B = X.iloc[:cut], X.iloc[cut:]
    if not (len(B) and A["revenue"].notna().any()):
        return
    options = {"seasonal_lags": [7], "horizon_days": horizon, "windows": (3, 9)}
    part, whole = fitted(A, **options), fitted(X, **options)
    if part.freq_ == whole.freq_ == "D" and part.weekdays_ == whole.weekdays_:
        same(transformed(part, B), transformed(whole, X).iloc[cut:])


@settings(max_examples=15)
@given(panels(), st.sampled_from([1, 4, 20]), st.data())
def test_l6_nothing_sees_the_future(X, horizon, data):
    at = data.draw(st.integers(0, len(X) - 1))
    seen_until = X["date"].iloc[at] - pd.Timedelta(days=horizon)
    later = (X["date"] > seen_until).to_numpy()
    changed = X.copy()
    changed.loc[later & X["revenue"].notna().to_numpy(), "revenue"] = 7e9
    changed.loc[later & X["customer_count"].notna().to_numpy(), "customer_count"] = 7e9
    options = {"horizon_days": horizon}
    same(
        quiet(stage(**options).fit_transform, X).iloc[[at]],
        quiet(stage(**options).fit_transform, changed).iloc[[at]],
    )


@settings(max_examples=15)
@given(panels(), st.integers(1, 8))
def test_l7_rows_within_the_horizon_do_not_need_one_another(X, n_days):
    newest = X.loc[X["revenue"].notna(), "date"].max()
    X = X[X["date"] <= newest]
    features = fitted(X, horizon_days=8)
    days = [newest + pd.Timedelta(days=k + 1) for k in range(n_days)]
    ahead = pd.DataFrame({"date": days, "store": "a"})
    alone = [transformed(features, ahead.iloc[[i]]) for i in range(n_days)]
    found = transformed(features, ahead)
    same(pd.concat(alone), found)


def simulated(n_days: int = 140) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    stores = np.repeat(["x", "y"], n_days)
    dates = pd.to_datetime(np.tile(pd.date_range("2023-01-02", periods=n_days), 2))
    revenue = rng.lognormal(4, 0.4, 2 * n_days).round(2)
    X = pd.DataFrame({"date": dates, "store": stores, "revenue": revenue})
    X["customer_count"] = rng.poisson(30, 2 * n_days).astype(float)
    return X


def test_l8_a_reloaded_stage_scores_one_future_row_in_a_new_process(tmp_path):
    X = simulated()
    features = stage().fit(X)
    row = pd.DataFrame({"date": [X["date"].max() + pd.Timedelta(days=1)], "store": ["x"]})
    expected = features.transform(row)
    assert expected.drop(columns=["store"]).notna().all(axis=None)
    (tmp_path / "stage.pkl").write_bytes(pickle.dumps((features, row)))
    script = (
        "import pickle, sys\n"
        "features, row = pickle.load(open('stage.pkl', 'rb'))\n"
        "pickle.dump(features.transform(row), open('found.pkl', 'wb'))\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=tmp_path)
    same(pd.read_pickle(tmp_path / "found.pkl"), expected)


def test_rows_beyond_the_horizon_are_missing_with_one_warning():
    X = simulated()
    features = stage().fit(X)
    ahead = pd.DataFrame(
        {"date": X["date"].max() + pd.to_timedelta([1, 2, 3], unit="D"), "store": "x"}
    )
    with pytest.warns(ts.HorizonWarning, match="for 2 rows") as caught:
        found = features.transform(ahead)
    assert len(caught) == 1
    assert found["revenue_ma_7d"].notna().tolist() == [True, False, False]
    assert found["day_of_week"].notna().all()


def test_a_weekday_on_which_nobody_sells_is_no_gap():
    dates = pd.date_range("2023-01-02", periods=60)
    X = pd.DataFrame({"date": dates[dates.day_of_week != 5], "revenue": 3.0})
    X = X[X["date"] <= "2023-02-24"]  # a Friday
    features = ts.RevenueFeatures().fit(X)
    sunday = pd.DataFrame({"date": [pd.Timestamp("2023-02-26")]})
    assert features.transform(sunday)["revenue_ma_7d"].item() == 3.0
    with pytest.warns(ts.HorizonWarning):
        features.transform(sunday + pd.Timedelta(days=1))


def test_the_future_is_the_same_day_by_day_in_one_batch_and_in_the_full_table():
    """With update, from actuals in the batch, and computed all at once."""
    X = simulated()
    past, future = (X[(X["date"] < "2023-04-20") == side] for side in (True, False))
    whole = stage().fit(X).transform(future)
    features = stage().fit(past)
    same(features.transform(future), whole)
    day_by_day = []
    for _, rows in future.groupby("date"):
        day_by_day.append(features.transform(rows[["date", "store"]]))
        features.update(rows)
    same(pd.concat(day_by_day).loc[whole.index], whole)
    same(features.transform(future), whole)


def test_update_learns_nothing_and_corrects_what_is_known():
    X = simulated()
    features = stage().fit(X)
    before = (features.freq_, features.seasonal_lags_, features.weekdays_)
    corrected = X.tail(1).assign(revenue=1e4)
    assert features.update(corrected) is features
    assert (features.freq_, features.seasonal_lags_, features.weekdays_) == before
    row = pd.DataFrame({"date": X["date"].tail(1) + pd.Timedelta(days=1), "store": ["y"]})
    assert features.transform(row)["revenue_growth_1d"].item() > 10
    features.update(X.tail(1).assign(store="new"))
    assert features.transform(row.assign(store="new"))["n_history"].item() == 1
    with pytest.raises(ts.SchemaError, match="revenue"):
        features.update(row)


def test_a_new_series_has_a_calendar_and_no_history():
    features = stage().fit(simulated())
    row = pd.DataFrame({"date": [pd.Timestamp("2023-05-22")], "store": ["nobody"]})
    found = features.transform(row)
    assert found["n_history"].item() == 0
    assert found["revenue_ma_90d"].isna().item()
    assert found["month"].item() == 5


@pytest.mark.parametrize("key", [[3, 7], [3.5, 7.5], ["a", "b"], [True, False]])
def test_series_can_be_named_by_anything(key):
    X = simulated()
    X["series"] = np.where(X["store"] == "x", key[0], key[1])
    found = ts.RevenueFeatures(series_column="series").fit_transform(X.drop(columns="store"))
    expected = stage().fit_transform(X.drop(columns="series"))
    same(found.drop(columns="series"), expected.drop(columns="store"))


def test_numbered_categories_become_the_texts_of_their_numbers():
    """They came out as levels of both kinds, which no later stage takes."""
    X = simulated()
    X["store"] = pd.Categorical(X["store"].map({"x": 1, "y": 2}))
    found = stage().fit_transform(X)["store"]
    assert found.cat.categories.tolist() == ["1", "2"]
    assert found.astype(str).tolist() == X["store"].astype(str).tolist()
    pipe = ts.revenue_projection_pipeline(fields={"series": "store"}, series_column="store")
    assert len(pipe.fit_transform(X, X["revenue"])) == len(X)


@pytest.mark.parametrize(("how", "mean"), [("sum", 4.0), ("mean", 2.0), ("last", 3.0)])
def test_duplicates_are_refused_or_made_one(how, mean):
    dates = pd.to_datetime(["2023-01-02", "2023-01-02", "2023-01-03"])
    X = pd.DataFrame({"date": dates, "revenue": [1.0, 3.0, 9.0]})
    with pytest.raises(ts.DataError, match="found 1 rows that repeat one"):
        ts.RevenueFeatures().fit(X)
    found = ts.RevenueFeatures(duplicates=how).fit_transform(X)
    assert found["revenue_ma_7d"].tolist()[2] == mean
    assert found["n_history"].tolist() == [0, 0, 1]


def test_days_are_those_of_the_time_zone():
    late = pd.to_datetime(["2023-01-01 23:30", "2023-01-02 23:30"], utc=True)
    X = pd.DataFrame({"date": late, "revenue": [1.0, 2.0]})
    found = [
        ts.RevenueFeatures(tz=tz).fit_transform(X)["day_of_week"].tolist()
        for tz in ("UTC", "Europe/Berlin")
    ]
    assert found == [[6, 0], [0, 1]]


def test_texts_of_dates_are_read_in_one_format():
    X = simulated()
    text = X.assign(date=X["date"].dt.strftime("%Y-%m-%d"))
    same(stage().fit_transform(text), stage().fit_transform(X))
    with pytest.raises(ts.DataError, match="2024-03-31"):
        stage().fit(X.assign(date="31.3.2024"))


def test_the_newest_history_is_enough():
    X = simulated()
    row = pd.DataFrame({"date": [X["date"].max() + pd.Timedelta(days=1)], "store": ["x"]})
    short, full = stage(keep_last_days=92).fit(X), stage().fit(X)
    assert len(short.history_["revenue"]["days"]) == 2 * 92
    same(short.transform(row), full.transform(row))


def test_a_target_that_is_the_revenue_of_the_row_is_refused_without_a_horizon():
    X = simulated()
    with pytest.raises(ts.DataError, match="y equal to the revenue column"):
        stage(horizon_days=0).fit(X, X["revenue"])
    stage(horizon_days=0).fit(X, X["revenue"].shift(-1).fillna(0))


def test_a_shuffled_split_is_warned_of():
    X = simulated()
    order = np.random.default_rng(0).permutation(len(X))
    features = stage().fit(X.iloc[order[:200]])
    with pytest.warns(ts.HorizonWarning, match="split by date"):
        features.transform(X.iloc[order[200:]])


def test_no_date_or_no_revenue_is_an_error():
    X = simulated()
    with pytest.raises(ts.DataError, match="found none"):
        stage().fit(X.assign(revenue=np.nan))
    with pytest.raises(ts.SchemaError, match="revenue"):
        stage().fit(X.drop(columns="revenue"))


@pytest.mark.parametrize(
    ("options", "parameter"),
    [
        ({"windows": ()}, "windows"),
        ({"windows": (7, 7)}, "windows"),
        ({"windows": (0,)}, "windows"),
        ({"horizon_days": -1}, "horizon_days"),
        ({"revenue_column": "date"}, "revenue_column"),
        ({"holidays": "2024-01-01"}, "holidays"),
        ({"holidays": ["soon"]}, "holidays"),
        ({"season_length": 1}, "season_length"),
        ({"tz": "Mars"}, "tz"),
    ],
)
def test_illegal_parameters_are_named(options, parameter):
    with pytest.raises(ts.ParameterError, match=f"`{parameter}`"):
        stage(**options).fit(simulated())
