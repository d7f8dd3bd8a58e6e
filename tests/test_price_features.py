"""PriceFeatures: against the oracle, and the laws of everything that depends on time."""

from __future__ import annotations

import datetime as dt
import math
import pickle
import subprocess
import sys
import warnings

import numpy as np
import oracles_price as oracles
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracer_sklearn import PriceFeatures
from tracer_sklearn.datasets import make_price_panel
from tracer_sklearn.exceptions import (
    DataError,
    DataQualityWarning,
    HorizonWarning,
    ParameterError,
    SchemaError,
)

FIRST = dt.date(2022, 1, 3)
ORACLE = {"revenue", "price", "product_id", "store", "category"}
CALENDAR = ["day_of_week", "month", "quarter", "week_of_year"]


def quietly(call, *args):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataQualityWarning)
        warnings.simplefilter("ignore", HorizonWarning)
        return call(*args)


@st.composite
def panels(draw, *, max_rows: int = 70) -> pd.DataFrame:
    """Products in stores on irregular days, with gaps, ties, odd values and a wild index."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    span = draw(st.sampled_from([10, 60, 450]))
    n = draw(st.integers(4, max_rows))
    frame = pd.DataFrame(
        {
            "product_id": rng.choice(["a", "b", "c", "d"], n, p=[0.5, 0.3, 0.1, 0.1]),
            "store": rng.choice(["s", "t"], n, p=[0.8, 0.2]),
            "day": rng.integers(0, span, n),
        }
    ).drop_duplicates()
    n = len(frame)
    price = np.round(10 * np.exp(0.3 * rng.normal(size=n)), draw(st.integers(0, 2)))
    quantity = np.round(np.exp(3 - 2 * np.log(price / 10) + 0.5 * rng.normal(size=n)), 1)
    price[rng.random(n) < 0.05] = np.nan
    quantity[rng.random(n) < 0.1] = rng.choice([0.0, -3.0, np.nan])
    frame["date"] = pd.to_datetime([FIRST + dt.timedelta(days=int(d)) for d in frame.pop("day")])
    if draw(st.booleans()):
        frame["date"] = frame["date"].dt.tz_localize("UTC").dt.tz_convert("Asia/Tokyo")
    frame["price"], frame["quantity_sold"] = price, quantity
    frame["category"] = frame["product_id"].map({"a": "x", "b": "x", "c": "x", "d": "y"})
    frame["note"] = rng.normal(size=n)
    frame.index = rng.integers(0, 5, n)
    return frame.iloc[rng.permutation(n)]


def sales_of(frame: pd.DataFrame) -> list[oracles.Sale]:
    days = (
        frame["date"].dt.tz_localize(None)
        if frame["date"].dt.tz is None
        else frame["date"].dt.tz_convert("UTC").dt.tz_localize(None)
    ).dt.normalize()
    numbers = (days - pd.Timestamp("1970-01-01")).dt.days
    return [
        oracles.Sale(
            (product, store),
            int(day),
            None if math.isnan(price) else price,
            None if math.isnan(quantity) else quantity,
            category,
        )
        for product, store, day, price, quantity, category in zip(
            frame["product_id"],
            frame["store"],
            numbers,
            frame["price"],
            frame["quantity_sold"],
            frame["category"],
            strict=True,
        )
    ]


def stage(**options) -> PriceFeatures:
    options = {"store_column": "store", "category_column": "category"} | options
    return PriceFeatures(**options)


def numbers(out: pd.DataFrame) -> np.ndarray:
    return out.drop(columns=["product_id", "store", "category"]).to_numpy(float)


def assert_near(found, expected) -> None:
    np.testing.assert_allclose(numbers(found), numbers(expected), rtol=1e-9, atol=1e-9)


# -- the oracle ----------------------------------------------------------------------------------


@given(panels(), st.sampled_from([1, 3, 7]), st.sampled_from(["none", "auto", "fourier"]))
@settings(max_examples=40)
def test_every_feature_is_the_oracle(frame, horizon, seasonal) -> None:
    features = stage(horizon_days=horizon, seasonal_control=seasonal, kappa=0.7)
    made = quietly(features.fit_transform, frame)
    history = sales_of(frame)
    names = None
    for at, row in enumerate(history):
        expected = oracles.price_features(
            history, row, horizon=horizon, kappa=0.7, seasonal=seasonal
        )
        names = names or list(expected)
        found = made.iloc[at]
        for name, value in expected.items():
            same = found[name] == pytest.approx(value, rel=1e-7, abs=1e-7, nan_ok=True)
            assert same, f"{name} of row {at}: {found[name]!r}, oracle {value!r}"
    others = [n for n in made.columns if n not in (*names, *CALENDAR, *ORACLE)]
    assert others == ["note"]


def test_moving_averages_are_those_of_pandas_where_it_is_right() -> None:
    """Pandas remembers what has left a window; on tame numbers that is rounding."""
    frame, _ = make_price_panel(n_products=5, n_weeks=60, random_state=0)
    frame = frame.sample(frac=0.7, random_state=1).sort_values(["product_id", "date"])
    made = PriceFeatures().fit_transform(frame)
    frame["revenue"] = frame["price"] * frame["quantity_sold"]
    by_product = frame.set_index("date").groupby("product_id")
    for column, name in (("quantity_sold", "demand"), ("revenue", "revenue")):
        for days in (7, 30, 90):
            rolled = by_product[column].rolling(f"{days}D", closed="left").mean()
            found = made[f"{name}_ma_{days}d"].to_numpy()
            np.testing.assert_allclose(found, rolled.to_numpy(), rtol=1e-9)


def test_output_columns_are_those_of_the_specification() -> None:
    frame, _ = make_price_panel(n_products=4, n_weeks=20, random_state=0)
    frame["rival"] = frame["price"] * 1.1
    options = {"category_column": "category", "competitor_price_column": "rival"}
    made = PriceFeatures(**options).fit_transform(frame)
    assert list(made.columns) == [
        "price",
        *("revenue_lag", "revenue_ma_7d", "revenue_ma_30d", "revenue_ma_90d"),
        *("revenue_per_unit_past", "product_revenue_share_past"),
        *("price_elasticity", "price_elasticity_se", "elasticity_weight", "n_price_levels"),
        *("demand_ma_7d", "demand_ma_30d", "demand_ma_90d"),
        *("demand_growth_7d", "demand_growth_30d", "demand_trend_30d", "demand_trend_90d"),
        *("demand_cv_30d", "base_demand", "price_index_own", "price_percentile_own"),
        *("discount_depth", "price_change_pct", "days_since_price_change"),
        *("price_index_category", "price_gap_competitor"),
        *CALENDAR,
        *("product_id", "category", "unit_cost", "rival"),
    ]
    assert made["price_gap_competitor"].to_numpy() == pytest.approx(1 / 1.1 - 1)
    assert made["product_id"].dtype == "category"


def test_the_calendar_is_that_of_the_standard_library() -> None:
    days = pd.date_range("2015-12-20", "2027-01-10", freq="D")
    frame = pd.DataFrame({"product_id": 1, "date": days, "price": 1.0, "quantity_sold": 1.0})
    made = PriceFeatures().fit_transform(frame)
    assert made["day_of_week"].tolist() == [d.weekday() for d in days]
    assert made["week_of_year"].tolist() == [d.isocalendar()[1] for d in days]
    assert made["month"].tolist() == [d.month for d in days]
    assert made["quarter"].tolist() == [d.quarter for d in days]


# -- the laws --------------------------------------------------------------------------------------


@given(panels())
def test_l1_rows_and_index_stay(frame) -> None:
    made = quietly(stage().fit_transform, frame)
    pd.testing.assert_index_equal(made.index, frame.index)
    assert made["note"].tolist() == frame["note"].tolist()


@given(panels(), st.integers(0, 2**32))
def test_l2_order_does_not_matter(frame, seed) -> None:
    order = np.random.default_rng(seed).permutation(len(frame))
    features = quietly(stage().fit, frame)
    turned = quietly(features.transform, frame.iloc[order])
    assert_near(turned, quietly(features.transform, frame).iloc[order])
    again = quietly(stage().fit, frame.iloc[order])
    assert_near(quietly(again.transform, frame), quietly(features.transform, frame))


@given(panels())
def test_l3_fit_transform_is_fit_then_transform(frame) -> None:
    pd.testing.assert_frame_equal(
        quietly(stage().fit_transform, frame), quietly(quietly(stage().fit, frame).transform, frame)
    )


@given(panels(), st.integers(0, 2**32))
def test_l4_l5_rows_that_come_with_their_history_see_the_same(frame, seed) -> None:
    here = np.random.default_rng(seed).random(len(frame)) < 0.6
    if not here.any():
        here[0] = True
    a, b = frame[here], frame[~here]
    features = quietly(stage(horizon_days=2).fit, a)
    alone = quietly(features.transform, b)
    with_history = quietly(features.transform, pd.concat([a, b])).iloc[len(a) :]
    assert_near(alone, with_history)
    # spacing_days_ is learnt, and decides only how far ahead rows may reach
    full = quietly(stage(horizon_days=2).fit, pd.concat([a, b]))
    full.spacing_days_ = features.spacing_days_
    assert_near(alone, quietly(full.transform, pd.concat([a, b])).iloc[len(a) :])


@given(panels(), st.sampled_from([1, 5]), st.floats(-1e6, 1e6))
@settings(max_examples=30)
def test_l6_no_outcome_after_the_horizon_is_seen(frame, horizon, other) -> None:
    """Bit for bit: whatever is sold later, and whatever the row itself sells."""
    made = quietly(stage(horizon_days=horizon).fit_transform, frame)
    day = frame["date"].dt.normalize()
    for at in (0, len(frame) // 2, len(frame) - 1):
        later = (day > day.iloc[at] - pd.Timedelta(days=horizon)) & frame["quantity_sold"].notna()
        changed = frame.assign(quantity_sold=frame["quantity_sold"].where(~later, other))
        again = quietly(stage(horizon_days=horizon).fit_transform, changed)
        assert np.array_equal(numbers(made)[at], numbers(again)[at], equal_nan=True)


@given(panels(), st.integers(0, 60))
def test_l7_a_batch_without_outcomes_is_its_rows(frame, cut) -> None:
    """Future rows of one date do not see one another: single rows and batches agree."""
    day = frame["date"].dt.normalize()
    cutoff = day.min() + pd.Timedelta(days=cut)
    past, future = frame[day < cutoff], frame[day >= cutoff]
    if past.empty or future.empty:
        return
    future = future[future["date"].dt.normalize() == future["date"].dt.normalize().min()]
    features = quietly(stage(horizon_days=1).fit, past)
    batch = quietly(features.transform, future.drop(columns="quantity_sold"))
    for at in range(len(future)):
        row = future.iloc[[at]].drop(columns="quantity_sold")
        assert_near(quietly(features.transform, row), batch.iloc[[at]])


@given(panels())
@settings(max_examples=20)
def test_l8_a_reloaded_stage_scores_a_future_row(frame) -> None:
    features = pickle.loads(pickle.dumps(quietly(stage(horizon_days=1).fit, frame)))
    known = frame[frame["quantity_sold"].notna() & frame["price"].notna()]
    last = known["date"].max() if len(known) else frame["date"].max()
    row = frame[frame["date"] == last].assign(price=10.0, date=last + pd.Timedelta(days=1))
    made = quietly(features.transform, row.drop(columns="quantity_sold"))
    if len(known):  # of that date, at least the row that was taken for it
        assert made["revenue_lag"].notna().any()
    assert made["price"].tolist() == [10.0] * len(row)


def test_a_product_that_is_new_has_prices_of_its_peers_and_the_pooled_elasticity() -> None:
    frame, _ = make_price_panel(-2.5, n_products=9, random_state=0)
    features = PriceFeatures(category_column="category", horizon_days=7).fit(frame)
    row = frame.tail(1).assign(product_id="new", date=frame["date"].max() + pd.Timedelta(days=7))
    made = features.transform(row.drop(columns="quantity_sold"))
    assert made["price_elasticity"].item() == pytest.approx(-2.5, abs=0.5)
    assert made["elasticity_weight"].item() == 0
    assert made["price_index_category"].notna().all()
    assert made[["revenue_lag", "demand_ma_30d", "price_index_own"]].isna().all(axis=None)
    assert "new" not in features.products_


# -- the future --------------------------------------------------------------------------------


def future_proof() -> tuple[pd.DataFrame, pd.DataFrame, PriceFeatures]:
    frame, _ = make_price_panel(-2.0, n_products=6, n_weeks=70, random_state=5)
    frame = frame.sample(frac=0.8, random_state=0)
    cut = frame["date"] < "2024-03-01"
    return frame[cut], frame[~cut], PriceFeatures(horizon_days=1, category_column="category")


def test_day_by_day_is_all_at_once(tmp_path) -> None:
    """With `update`, in one batch, and from a reloaded pickle in a new process."""
    past, future, features = future_proof()
    whole = features.fit_transform(pd.concat([past, future])).iloc[len(past) :]
    in_one_batch = features.fit(past).transform(future)
    drop = ["product_id", "category"]
    expected = whole.drop(columns=drop).to_numpy(float)
    same = {"rtol": 1e-11, "atol": 1e-11}
    np.testing.assert_allclose(in_one_batch.drop(columns=drop).to_numpy(float), expected, **same)

    features.fit(past)
    (tmp_path / "stage.pkl").write_bytes(pickle.dumps(features))
    future.to_pickle(tmp_path / "future.pkl")
    parts = []
    for _, rows in future.groupby("date"):
        parts.append(features.transform(rows.drop(columns="quantity_sold")))
        features.update(rows)
    daily = pd.concat(parts).loc[future.index].drop(columns=drop).to_numpy(float)
    np.testing.assert_allclose(daily, expected, **same)

    script = """
import pickle, sys, numpy, pandas
features = pickle.load(open(sys.argv[1] + "/stage.pkl", "rb"))
future = pandas.read_pickle(sys.argv[1] + "/future.pkl")
parts = []
for _, rows in future.groupby("date"):
    parts.append(features.transform(rows.drop(columns="quantity_sold")))
    features.update(rows)
made = pandas.concat(parts).loc[future.index].drop(columns=["product_id", "category"])
numpy.save(sys.argv[1] + "/made.npy", made.to_numpy(float))
"""
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True, timeout=120)
    np.testing.assert_allclose(np.load(tmp_path / "made.npy"), expected, **same)


def test_update_changes_the_history_and_nothing_learnt() -> None:
    past, future, _ = future_proof()
    features = PriceFeatures(kappa="eb").fit(past)
    kappa, n = features.kappa_, len(features.history_["key"])
    before = {name: column.copy() for name, column in features.history_.items()}
    features.transform(future)
    assert all(np.array_equal(features.history_[k], v, equal_nan=True) for k, v in before.items())
    assert features.update(future) is features
    assert features.kappa_ == kappa
    assert len(features.history_["key"]) == n + len(future)
    with pytest.raises(SchemaError, match="quantity_sold"):
        features.update(future.drop(columns="quantity_sold"))


def test_a_correction_wins_over_what_was_known() -> None:
    past, future, _ = future_proof()
    features = PriceFeatures().fit(past)
    wrong = past.tail(20).assign(quantity_sold=1e6)
    features.update(wrong)
    features.update(past.tail(20))
    fresh = PriceFeatures().fit(past)
    pd.testing.assert_frame_equal(features.transform(future), fresh.transform(future))


def test_rows_too_far_ahead_are_named_and_missing() -> None:
    past, future, _ = future_proof()
    features = PriceFeatures(horizon_days=7).fit(past)
    far = future.assign(date=past["date"].max() + pd.Timedelta(days=60))
    far = far.drop_duplicates("product_id").drop(columns="quantity_sold")
    with pytest.warns(HorizonWarning, match=f"for {len(far)} rows"):
        made = features.transform(far)
    assert made.filter(like="demand_").isna().all(axis=None)
    assert made["price_elasticity"].notna().all()


# -- elasticity ----------------------------------------------------------------------------------


def test_small_products_are_drawn_towards_all_others() -> None:
    frame, _ = make_price_panel(-2.5, n_products=30, n_weeks=20, random_state=1)
    made = PriceFeatures(horizon_days=7).fit_transform(frame)
    last = made[frame["date"] == frame["date"].max()]
    shrunk = (last["price_elasticity"] + 2.5).abs().mean()
    own = PriceFeatures(horizon_days=7, kappa=0.0).fit_transform(frame)
    alone = own.loc[last.index, "price_elasticity"]
    assert shrunk < 0.7 * (alone + 2.5).abs().mean()
    assert last["elasticity_weight"].between(0.05, 0.6).all()


def test_the_season_must_be_taken_out() -> None:
    """A16 on the features: a retailer who raises prices in the season."""
    naive, honest = [], []
    for seed in range(3):
        frame, _ = make_price_panel(
            -2.5,
            n_products=8,
            n_weeks=120,
            season=0.5,
            endogeneity=0.3,
            noise=0.2,
            random_state=seed,
        )
        for control, found in (("none", naive), ("auto", honest)):
            made = PriceFeatures(seasonal_control=control).fit_transform(frame)
            found.append(made["price_elasticity"].iloc[-8:].mean())
    assert np.mean(honest) == pytest.approx(-2.5, abs=0.3)
    assert np.mean(naive) > -1.9


def test_poisson_stands_zeros_that_logs_do_not() -> None:
    rng = np.random.default_rng(0)
    frame, _ = make_price_panel(-2.5, n_products=20, noise=0.0, random_state=0)
    frame["quantity_sold"] = rng.poisson(frame["quantity_sold"] / 100).astype(float)
    assert (frame["quantity_sold"] == 0).mean() > 0.1
    with pytest.warns(DataQualityWarning, match="method='poisson'"):
        flat = PriceFeatures().fit_transform(frame)
    made = PriceFeatures(method="poisson").fit_transform(frame)
    last = frame["date"] == frame["date"].max()
    assert made.loc[last, "price_elasticity"].mean() == pytest.approx(-2.5, abs=0.25)
    assert flat.loc[last, "price_elasticity"].mean() > -2.1
    assert made.loc[last, "price_elasticity_se"].between(0.01, 0.5).all()


@given(panels())
@settings(max_examples=15)
def test_the_whole_past_is_a_very_long_window(frame) -> None:
    whole = quietly(stage(elasticity_window_days=None, kappa="eb").fit_transform, frame)
    long = quietly(stage(elasticity_window_days=36_525, kappa="eb").fit_transform, frame)
    np.testing.assert_allclose(numbers(whole), numbers(long), rtol=1e-6, atol=1e-7)


def test_a_regression_without_data_leaves_the_prior() -> None:
    frame, _ = make_price_panel(n_products=2, n_weeks=20, random_state=0)
    poisson = {"method": "poisson", "prior_elasticity": -2.62, "elasticity_window_days": None}
    made = PriceFeatures(**poisson).fit_transform(frame)
    assert (made["price_elasticity"].head(6) == -2.62).all()
    assert made["price_elasticity"].iloc[-1] != -2.62
    unsold = PriceFeatures(**poisson).fit_transform(frame.assign(quantity_sold=0.0))
    still = PriceFeatures(**poisson).fit_transform(frame.assign(price=3.0))
    for none in (unsold, still):
        assert (none["price_elasticity"] == -2.62).all()


def test_promotions_are_taken_out() -> None:
    rng = np.random.default_rng(3)
    frame, _ = make_price_panel(-2.0, n_products=10, noise=0.1, random_state=3)
    promo = rng.random(len(frame)) < 0.2
    frame["promo"] = promo.astype(int)
    frame["price"] *= np.where(promo, 0.7, 1.0)
    frame["quantity_sold"] *= np.where(promo, 0.7**-2.0 * 3.0, 1.0)
    last = frame["date"] == frame["date"].max()
    with_promo = PriceFeatures(promo_columns=["promo"]).fit_transform(frame)[last]
    without = PriceFeatures().fit_transform(frame)[last]
    assert with_promo["price_elasticity"].mean() == pytest.approx(-2.0, abs=0.1)
    assert without["price_elasticity"].mean() < -2.5


def test_eb_learns_kappa_from_how_much_products_differ() -> None:
    alike, _ = make_price_panel(-2.0, n_products=40, random_state=0)
    apart, _ = make_price_panel(list(np.linspace(-5, -0.5, 40)), n_products=40, random_state=0)
    one, two = (PriceFeatures(kappa="eb").fit(frame) for frame in (alike, apart))
    assert one.kappa_ > 5 * two.kappa_
    assert one.learned_statistics_["price_elasticity"] == ["kappa_"]
    assert "price_elasticity" not in PriceFeatures().fit(alike).learned_statistics_


def test_nothing_to_pool_is_missing_or_the_prior() -> None:
    frame, _ = make_price_panel(n_products=3, n_weeks=20, price_sd=0.0, random_state=0)
    assert PriceFeatures().fit_transform(frame)["price_elasticity"].isna().all()
    made = PriceFeatures(prior_elasticity=-2.62).fit_transform(frame)
    assert (made["price_elasticity"] == -2.62).all()
    assert made["price_elasticity_se"].isna().all()


# -- duplicates, odd inputs ----------------------------------------------------------------------


def test_two_rows_of_one_date_are_refused_or_joined() -> None:
    frame, _ = make_price_panel(n_products=2, n_weeks=30, random_state=0)
    twice = pd.concat([frame, frame.tail(3)])
    with pytest.raises(DataError, match="found 3 rows that repeat") as caught:
        PriceFeatures().fit(twice)
    assert caught.value.n_rows == 3
    later = frame.tail(2).assign(date=frame["date"].max() + pd.Timedelta(days=7))
    halves = pd.concat([frame.assign(quantity_sold=frame["quantity_sold"] / 2)] * 2)
    for how, same in (("sum", halves), ("mean", pd.concat([frame] * 2)), ("last", twice)):
        made = PriceFeatures(duplicates=how).fit(same).transform(later)
        expected = PriceFeatures().fit(frame).transform(later)
        columns = [n for n in made if n not in ("product_id", "category")]
        np.testing.assert_allclose(made[columns], expected[columns], rtol=1e-12)


@pytest.mark.parametrize("kind", ["int", "float", "category", "date"])
def test_products_of_any_type(kind) -> None:
    frame, _ = make_price_panel(n_products=3, n_weeks=15, random_state=0)
    expected = PriceFeatures().fit_transform(frame)
    codes = frame["product_id"].str[1:].astype(int)
    as_kind = {
        "int": codes,
        "float": codes + 0.5,
        "category": frame["product_id"].astype("category"),
        "date": pd.to_datetime("2020-01-01") + pd.to_timedelta(codes, "D"),
    }
    other = frame.assign(product_id=as_kind[kind])
    if kind == "date":
        other["product_id"] = other["product_id"].dt.date.astype(str)
    made = PriceFeatures().fit_transform(other)
    columns = [n for n in made if n not in ("product_id", "category")]
    pd.testing.assert_frame_equal(made[columns], expected[columns])


@pytest.mark.parametrize("column", ["price", "quantity_sold"])
def test_giants_make_no_infinity(column) -> None:
    frame, _ = make_price_panel(n_products=2, n_weeks=30, random_state=0)
    frame.loc[frame.index[10:20], column] = [1e308, 1e-308, 1e200, np.inf, -np.inf] * 2
    made = PriceFeatures(target="none", category_column="category").fit_transform(frame)
    values = made.drop(columns=["product_id", "category", "price"]).to_numpy(float)
    assert not np.isinf(values).any()


def test_missing_keys_get_the_calendar_and_nothing_else() -> None:
    frame, _ = make_price_panel(n_products=2, n_weeks=15, random_state=0)
    features = PriceFeatures().fit(frame)
    odd = frame.tail(2).copy()
    odd["product_id"] = [None, "p1"]
    odd["date"] = [odd["date"].iloc[0], pd.NaT]
    made = features.transform(odd)
    assert made["day_of_week"].isna().tolist() == [False, True]
    assert made[["demand_ma_30d", "price_index_own", "price_elasticity"]].isna().all(axis=None)
    assert features.report(odd).loc["product_id", "missing"] == 1


def test_the_same_in_every_library_and_lazily() -> None:
    frame, _ = make_price_panel(n_products=4, n_weeks=30, random_state=0, as_="polars")
    features = PriceFeatures(category_column="category").fit(frame)
    eager = features.transform(frame)
    lazy = features.transform(frame.lazy())
    assert isinstance(lazy, pl.LazyFrame)
    assert lazy.collect().equals(eager)


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("product_column", 3),
        ("promo_columns", "promo"),
        ("promo_columns", ["a", "a"]),
        ("horizon_days", -1),
        ("windows", ()),
        ("windows", (30, 7)),
        ("windows", (0, 7)),
        ("elasticity_window_days", 0),
        ("kappa", -1),
        ("kappa", "auto"),
        ("prior_elasticity", "x"),
        ("method", "ols"),
        ("seasonal_control", True),
        ("competitor_timing", "now"),
        ("target", "revenue"),
        ("duplicates", "first"),
        ("tz", "Mars/Base"),
    ],
)
def test_illegal_parameters_are_named(parameter, value) -> None:
    frame, _ = make_price_panel(n_products=2, n_weeks=5, random_state=0)
    with pytest.raises(ParameterError, match=f"`{parameter}`"):
        PriceFeatures(**{parameter: value}).fit(frame)


def test_columns_of_the_wrong_kind_are_named() -> None:
    frame, _ = make_price_panel(n_products=2, n_weeks=5, random_state=0)
    with pytest.raises(SchemaError, match="column 'price' must hold values of kind number"):
        PriceFeatures().fit(frame.assign(price="cheap"))
    with pytest.raises(SchemaError, match="column 'date' must hold values of kind date"):
        PriceFeatures().fit(frame.assign(date=frame["date"].astype(str)))
    with pytest.raises(SchemaError, match="quantity_sold"):
        PriceFeatures().fit(frame.drop(columns="quantity_sold"))
    with pytest.raises(SchemaError, match="generated column"):
        PriceFeatures(promo_columns=["revenue_lag"]).fit(frame.assign(revenue_lag=1.0))


def test_windows_that_hold_nothing_are_named_once() -> None:
    frame, _ = make_price_panel(n_products=2, n_weeks=20, random_state=0)
    monthly = frame.assign(
        date=pd.Timestamp("2020-01-01") + (frame["date"] - frame["date"].min()) * 4
    )
    with pytest.warns(DataQualityWarning, match="28 days between") as caught:
        made = PriceFeatures().fit_transform(monthly)
    assert len(caught) == 1
    assert "demand_ma_7d" in str(caught[0].message)
    assert not np.isinf(made.select_dtypes("number").to_numpy()).any()


def test_a_lagged_competitor_is_that_of_the_past() -> None:
    frame, _ = make_price_panel(n_products=1, n_weeks=10, random_state=0)
    frame["rival"] = np.arange(1.0, 11.0)
    options = {"competitor_price_column": "rival", "horizon_days": 7}
    made = PriceFeatures(competitor_timing="lagged", **options).fit_transform(frame)
    assert "rival" not in made
    expected = frame["price"].to_numpy()[1:] / frame["rival"].to_numpy()[:-1] - 1
    assert made["price_gap_competitor"].to_numpy()[1:] == pytest.approx(expected)
    assert math.isnan(made["price_gap_competitor"].iloc[0])
    now = PriceFeatures(**options).fit_transform(frame)
    assert now["price_gap_competitor"].to_numpy() == pytest.approx(
        frame["price"] / frame["rival"] - 1
    )


def test_the_revenue_of_the_row_leaves_only_on_request() -> None:
    frame, y = make_price_panel(n_products=2, n_weeks=10, random_state=0)
    made = PriceFeatures(target="none").fit_transform(frame)
    assert made["revenue"].to_numpy() == pytest.approx(frame["price"] * y)
    assert "revenue" not in PriceFeatures().fit_transform(frame)
