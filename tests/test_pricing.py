"""PriceOptimizer and elasticity_report: closed forms, reasons to keep a price, warning signs."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks
from threadpoolctl import threadpool_info, threadpool_limits

from tracer_sklearn import PriceOptimizer, elasticity_report, price_optimization_pipeline
from tracer_sklearn.datasets import make_price_panel
from tracer_sklearn.exceptions import (
    DataError,
    DataQualityWarning,
    InputTypeError,
    ParameterError,
    SchemaError,
)


def closed(**options) -> PriceOptimizer:
    return PriceOptimizer(
        **{
            "demand": "constant_elasticity",
            "objective": "profit",
            "cost_column": "unit_cost",
            "bounds": (0.5, 1.5),
            "max_change": 0.5,
            "n_bootstrap": 20,
            "random_state": 0,
        }
        | options
    )


def at_price(X: pd.DataFrame, price: float) -> pd.DataFrame:
    """The newest rows at one price."""
    return X[X["date"] == X["date"].max()].assign(price=price)


def semilog_panel(beta: float, *, n_products: int = 20, noise: float = 0.05) -> pd.DataFrame:
    X, _ = make_price_panel(0.0, n_products=n_products, noise=noise, random_state=2)
    X["quantity_sold"] *= np.exp(-beta * (X["price"] - 12.0))
    return X


# -- closed forms --------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_a15_the_best_price_of_a_constant_elasticity(seed) -> None:
    X, y = make_price_panel(-2.5, n_products=20, n_weeks=52, random_state=seed)
    advice = closed().fit(X, y).recommend(at_price(X, 12.0))
    assert (advice["status"] == "ok").mean() >= 0.9
    chosen = advice.loc[advice["status"] == "ok", "recommended_price"]
    assert chosen.median() == pytest.approx(6 * 2.5 / 1.5, rel=0.10)


@pytest.mark.parametrize(("objective", "best"), [("revenue", 10.0), ("profit", 16.0)])
def test_the_best_price_of_a_semilog_demand(objective, best) -> None:
    X = semilog_panel(0.1)
    optimizer = closed(demand="semilog", objective=objective, min_price_levels=2)
    advice = optimizer.fit(X, X["quantity_sold"]).recommend(at_price(X, 12.0))
    assert advice["recommended_price"].median() == pytest.approx(best, rel=0.06)
    # the elasticity at a price is minus beta times the price
    assert advice["elasticity"].median() == pytest.approx(-1.2, rel=0.1)


def test_under_constant_elasticity_revenue_has_no_best_price() -> None:
    X, y = make_price_panel(-2.5, random_state=0)
    advice = closed(objective="revenue").fit(X, y).recommend(at_price(X, 12.0))
    assert set(advice["status"]) <= {"at_bound", "extrapolation"}
    assert (advice["recommended_price"] == advice["current_price"]).all()


def test_an_objective_of_ones_own() -> None:
    X, y = make_price_panel(-2.5, random_state=0)

    def profit(price, quantity, cost):
        return (price - cost) * quantity

    last = at_price(X, 12.0)
    own = closed(objective=profit).fit(X, y).recommend(last)
    pd.testing.assert_frame_equal(own, closed().fit(X, y).recommend(last))
    odd = closed(objective=lambda price, quantity, cost: price.sum())
    with pytest.raises(ParameterError, match="`objective` must return one value for each price"):
        odd.fit(X, y).recommend(last)


def test_products_that_agree_are_drawn_together_and_others_are_not() -> None:
    slopes = [-1.5, -4.0] * 10
    X, y = make_price_panel(slopes, n_products=20, noise=0.2, random_state=0)
    found = closed().fit(X, y).demand_.slope[:-1]
    assert found == pytest.approx(slopes, abs=0.5)
    X, y = make_price_panel(-2.5, n_products=20, noise=0.6, random_state=0)
    assert np.std(closed().fit(X, y).demand_.slope[:-1]) < 0.25


def test_the_season_is_taken_out_of_a_closed_form() -> None:
    X, y = make_price_panel(-2.5, season=0.5, endogeneity=0.3, noise=0.2, random_state=0)
    assert closed().fit(X, y).demand_.slope.mean() == pytest.approx(-2.5, abs=0.15)


def test_predictions_meet_the_mean_of_each_product() -> None:
    X, y = make_price_panel(-2.5, random_state=0)
    predicted = closed().fit(X, y).predict(X)
    sums = pd.Series(predicted, X.index).groupby(X["product_id"]).sum()
    assert sums.to_numpy() == pytest.approx(y.groupby(X["product_id"]).sum().to_numpy())


# -- reasons to keep the price ---------------------------------------------------------------------


@pytest.mark.parametrize("elasticity", [0.0, 1.5])
def test_demand_that_does_not_fall_keeps_the_price(elasticity) -> None:
    X, y = make_price_panel(elasticity, random_state=0)
    advice = closed().fit(X, y).recommend(at_price(X, 12.0))
    assert not (advice["status"] == "ok").any()
    assert (advice["recommended_price"] == 12.0).all()
    assert (advice["lift"] == 0).all()
    if elasticity > 0:
        assert (advice["status"] == "nonnegative_elasticity").all()


def test_too_few_prices_keep_the_price() -> None:
    X, y = make_price_panel(-2.5, random_state=0)
    few = X["product_id"] == "p01"
    X.loc[few, "price"] = np.where(np.arange(few.sum()) % 2, 12.0, 10.0)
    advice = closed().fit(X, y).recommend(at_price(X, 12.0).tail(20))
    assert advice.loc[advice["product_id"] == "p01", "status"].item() == "insufficient_variation"
    assert advice.loc[advice["product_id"] == "p01", "n_price_levels"].item() == 2
    unknown = closed().fit(X, y).recommend(at_price(X, 12.0).tail(1).assign(product_id="new"))
    assert unknown["status"].item() == "insufficient_variation"
    assert unknown["recommended_price"].item() == 12.0


def test_a_price_that_was_never_near_keeps_the_price() -> None:
    X, y = make_price_panel(-2.5, random_state=0)
    far = closed(bounds="observed").fit(X, y).recommend(at_price(X, 40.0))
    assert (far["status"] == "extrapolation").all()
    assert far["lower_bound"].isna().all()
    assert (far["recommended_price"] == 40.0).all()


def test_a_best_price_at_a_bound_keeps_the_price() -> None:
    X, y = make_price_panel(-2.5, random_state=0)
    advice = closed(max_change=0.05).fit(X, y).recommend(at_price(X, 12.0))
    assert (advice["status"] == "at_bound").all()
    assert (advice["recommended_price"] == 12.0).all()


# -- bounds and grids ------------------------------------------------------------------------------


def test_default_bounds_are_what_was_observed_within_ten_per_cent() -> None:
    X, y = make_price_panel(-2.5, n_products=3, random_state=0)
    optimizer = PriceOptimizer(demand="semilog", n_bootstrap=0).fit(X, y)
    advice = optimizer.recommend(at_price(X, 12.0))
    observed = X.groupby("product_id")["price"].quantile([0.05, 0.95]).to_numpy().reshape(-1, 2)
    low, high = observed.T
    assert advice["lower_bound"].to_numpy() == pytest.approx(np.maximum(low, 10.8))
    assert advice["upper_bound"].to_numpy() == pytest.approx(np.minimum(high, 13.2))
    assert optimizer.price_range_ == pytest.approx(observed)
    assert advice[["lift_lo", "lift_hi", "elasticity_se"]].isna().all(axis=None)


def test_bounds_by_product_are_prices() -> None:
    X, y = make_price_panel(-2.5, n_products=2, random_state=0)
    optimizer = closed(bounds={"p1": (11.0, 11.5)}).fit(X, y)
    advice = optimizer.recommend(at_price(X, 12.0)).set_index("product_id")
    assert advice.loc["p1", ["lower_bound", "upper_bound"]].tolist() == [11.0, 11.5]
    assert advice.loc["p2", ["lower_bound", "upper_bound"]].tolist() == [6.0, 18.0]


def test_prices_can_be_made_to_end_as_prices_do() -> None:
    X, y = make_price_panel(-2.5, random_state=0)
    optimizer = closed(price_endings=(0.49, 0.99)).fit(X, y)
    advice = optimizer.recommend(at_price(X, 12.0))
    chosen = advice.loc[advice["status"] == "ok", "recommended_price"]
    assert len(chosen) > 10
    assert set(np.round(chosen % 1, 2)) <= {0.49, 0.99}


def test_a_cautious_choice_moves_less_where_little_is_known() -> None:
    X, y = make_price_panel(-2.5, n_products=4, n_weeks=20, noise=0.9, random_state=4)
    last = at_price(X, 12.0)
    mean = closed(n_bootstrap=60).fit(X, y)
    advice = mean.recommend(last)
    lower = clone(mean).set_params(risk="lower").fit(X, y).recommend(last)
    assert lower["lift_lo"].mean() >= advice["lift_lo"].mean()
    assert (lower["lift"] <= advice["lift"] + 1e-9).all()


def test_intervals_shrink_with_data() -> None:
    widths = []
    for n_weeks in (26, 208):
        X, y = make_price_panel(-2.5, n_products=10, n_weeks=n_weeks, random_state=0)
        optimizer = closed(n_bootstrap=40).fit(X, y)
        curve = optimizer.demand_curve(at_price(X, 12.0), [9.0])
        assert (curve["q_lo"] <= curve["q"]).all()
        assert (curve["q"] <= curve["q_hi"]).all()
        widths.append(((curve["q_hi"] - curve["q_lo"]) / curve["q"]).mean())
    assert widths[1] < 0.5 * widths[0]


# -- models ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def modelled() -> tuple[PriceOptimizer, pd.DataFrame]:
    X, y = make_price_panel(-2.5, n_products=12, n_weeks=80, noise=0.3, random_state=0)
    optimizer = PriceOptimizer(
        objective="profit", cost_column="unit_cost", n_bootstrap=4, random_state=0
    ).fit(X, y)
    future = at_price(X, 12.0).drop(columns="quantity_sold")
    return optimizer, future.assign(date=future["date"] + pd.Timedelta(days=1))


def test_the_default_model_never_rises_with_the_price(modelled) -> None:
    optimizer, future = modelled
    curve = optimizer.demand_curve(future, np.linspace(9, 16, 15))
    for _, rows in curve.groupby("row"):
        assert (np.diff(rows["q"]) <= 1e-9).all()
    assert list(curve) == ["row", "product_id", "price", "q", "q_lo", "q_hi", "revenue", "profit"]
    assert len(curve) == 15 * len(future)


def test_asking_leaves_the_history_as_it_is(modelled) -> None:
    optimizer, future = modelled
    history = optimizer.estimator_["features"].history_
    before = {name: column.copy() for name, column in history.items()}
    advice = optimizer.recommend(future)
    assert all(np.array_equal(history[n], c, equal_nan=True) for n, c in before.items())
    pd.testing.assert_index_equal(advice.index, future.index)
    again = optimizer.recommend(future)
    pd.testing.assert_frame_equal(advice, again)
    moved = advice["recommended_price"] != advice["current_price"]
    assert (advice.loc[moved, "status"] == "ok").all()
    assert (advice.loc[moved, "lift"] > 0).all()
    assert (advice["elasticity"] < -1).mean() > 0.6


def test_lags_stay_and_what_the_price_makes_moves(modelled) -> None:
    optimizer, future = modelled
    head = optimizer.estimator_[:-1]
    made, dearer = head.transform(future), head.transform(future.assign(price=14.0))
    moved = [name for name in made if not np.array_equal(made[name], dearer[name])]
    assert set(moved) <= {
        *("price", "price_index_own", "price_percentile_own", "discount_depth"),
        "price_change_pct",
    }
    assert {"price", "price_index_own", "discount_depth"} <= set(moved)


def test_any_regressor_can_be_the_model() -> None:
    X, y = make_price_panel(-2.5, n_products=5, random_state=0)
    pipe = price_optimization_pipeline(HistGradientBoostingRegressor(max_iter=20), horizon_days=7)
    optimizer = PriceOptimizer(pipe, n_bootstrap=2, random_state=0).fit(X, y)
    assert optimizer.score(X, y) > -0.6
    assert optimizer.predict(X) == pytest.approx(clone(pipe).fit(X, y).predict(X))
    plain = X[["price", "unit_cost"]]
    simple = PriceOptimizer(
        LinearRegression(), product_column=None, date_column=None, n_bootstrap=3, random_state=0
    ).fit(plain, y)
    assert list(simple.recommend(plain.head(2))["n_price_levels"]) == [X["price"].nunique()] * 2


class ThreadCounter(RegressorMixin, BaseEstimator):
    """A model that notes how many threads it had."""

    def fit(self, X, y):
        self.threads_ = {p["num_threads"] for p in threadpool_info() if p["user_api"] == "openmp"}
        return self

    def predict(self, X):
        return np.ones(len(X))


def test_few_rows_are_fitted_in_one_thread() -> None:
    """Threads that wait for a busy core made minutes of seconds."""
    X, y = make_price_panel(-2.0, n_products=2, n_weeks=30, random_state=0)
    with threadpool_limits(limits=2, user_api="openmp"):
        optimizer = PriceOptimizer(ThreadCounter(), n_bootstrap=1).fit(X, y)
        outside = {p["num_threads"] for p in threadpool_info() if p["user_api"] == "openmp"}
    assert optimizer.estimator_.threads_ == {1}
    assert outside == {2}


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_answers_come_in_the_library_of_the_question(library) -> None:
    X, y = make_price_panel(-2.5, n_products=4, random_state=0, as_=library)
    optimizer = closed().fit(X, y)
    rows = X.head(4) if library != "pyarrow" else X.slice(0, 4)
    for answer in (optimizer.recommend(rows), optimizer.demand_curve(rows, [10.0, 11.0])):
        assert type(answer) is type(X)
    assert optimizer.score(X, y) < 0


def test_the_score_is_minus_the_wape() -> None:
    X, y = make_price_panel(-2.5, n_products=4, random_state=0)
    optimizer = closed().fit(X, y)
    predicted = optimizer.predict(X)
    expected = -np.abs(y - predicted).sum() / np.abs(y).sum()
    assert optimizer.score(X, y) == pytest.approx(expected)
    assert np.isnan(optimizer.score(X, y * 0))


def test_a_picture_of_one_product() -> None:
    plt = pytest.importorskip("matplotlib.pyplot")
    X, y = make_price_panel(-2.5, n_products=3, random_state=0)
    optimizer = closed().fit(X, y)
    ax = optimizer.plot_response(at_price(X, 12.0), "p2")
    assert ax.get_title().startswith("p2: ")
    assert ax.get_xlabel() == "price"
    ax = optimizer.plot_response(at_price(X, 40.0), prices=[10.0, 20.0])
    assert "p3" in ax.get_title()
    with pytest.raises(ParameterError, match="`key` must be a product of X"):
        optimizer.plot_response(X, "p9")
    plt.close("all")


# -- the rules of scikit-learn ---------------------------------------------------------------------


def on_arrays() -> list[PriceOptimizer]:
    roles = {"price_column": "x0", "product_column": None, "date_column": None}
    return [PriceOptimizer(Ridge(), n_bootstrap=2, random_state=0, **roles)]


@parametrize_with_checks(on_arrays())
def test_scikit_learn_checks(estimator, check) -> None:
    check(estimator)


def test_scikit_learn_has_all_its_checks() -> None:
    assert len(list(estimator_checks_generator(on_arrays()[0], legacy=True))) >= 50


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("estimator", "ridge"),
        ("price_column", None),
        ("product_column", 1),
        ("objective", "margin"),
        ("cost_column", None),
        ("bounds", "any"),
        ("bounds", (1.2, 0.8)),
        ("bounds", (0.8,)),
        ("bounds", {"p1": 3}),
        ("max_change", 0),
        ("max_change", 1.0),
        ("grid", 2),
        ("price_endings", ()),
        ("price_endings", (1.5,)),
        ("demand", "linear"),
        ("n_bootstrap", -1),
        ("risk", "none"),
        ("min_price_levels", 1),
    ],
)
def test_illegal_parameters_are_named(parameter, value) -> None:
    X, y = make_price_panel(n_products=2, n_weeks=5, random_state=0)
    with pytest.raises(ParameterError, match=f"`{parameter}`"):
        closed(**{parameter: value}).fit(X, y)


def test_what_cannot_be_answered_is_refused() -> None:
    X, y = make_price_panel(n_products=2, n_weeks=5, random_state=0)
    with pytest.raises(SchemaError, match="price"):
        closed().fit(X.drop(columns="price"), y)
    with pytest.raises(SchemaError, match="must hold numbers"):
        closed().fit(X.assign(price="cheap"), y)
    with pytest.raises(DataError, match="found none"):
        closed().fit(X, y * 0)
    with pytest.raises(DataError, match="found 1 that are missing"):
        closed().fit(X, y.where(y.index > 0))
    with pytest.raises(InputTypeError, match="lazy"):
        closed().fit(pl.from_pandas(X).lazy(), y)
    with pytest.raises(ParameterError, match="`prices`"):
        closed().fit(X, y).demand_curve(X, [0.0])


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("price", -1.0, "a price above 0"),
        ("price", np.nan, "a price above 0"),
        ("date", pd.NaT, "a date"),
        ("unit_cost", np.nan, "a unit cost"),
    ],
)
def test_a_row_without_what_an_answer_needs_has_none(column, value, words) -> None:
    """Such rows had the status ok, and nothing else."""
    X, y = make_price_panel(-2.5, n_products=3, n_weeks=60, cost=6.0, random_state=0)
    optimizer = closed(n_bootstrap=2).fit(X, y)
    rows = X.tail(3).reset_index(drop=True)
    rows.loc[1, column] = value
    with pytest.warns(DataQualityWarning, match=f"must have {words} .*, 1 of 3 rows have none"):
        advice = optimizer.recommend(rows)
    assert advice["status"].tolist() == ["ok", "extrapolation", "ok"]
    kept = advice["recommended_price"].eq(advice["current_price"])
    assert kept.tolist() == [False, column != "price", False]


def test_a_curve_far_from_all_prices_is_told_of() -> None:
    X, y = make_price_panel(-2.5, n_products=2, n_weeks=60, random_state=0)
    optimizer = closed(n_bootstrap=2).fit(X, y)
    rows = X.tail(2)
    optimizer.demand_curve(rows, [X["price"].max() * 1.3])
    with pytest.warns(DataQualityWarning, match="2 of 4 points of the curve"):
        optimizer.demand_curve(rows, [10.0, 1_000.0])
    with pytest.warns(DataQualityWarning, match="an unknown product"):
        optimizer.demand_curve(rows.assign(product_id="new"), [10.0])


@pytest.mark.parametrize("prices", [["ten"], "10", {1: 2}, [], [0.0], [np.nan], [True], None])
def test_prices_of_a_curve_are_numbers_above_0(prices) -> None:
    X, y = make_price_panel(n_products=2, n_weeks=20, random_state=0)
    with pytest.raises(ParameterError, match="`prices` must be one or more finite prices above 0"):
        closed(n_bootstrap=0).fit(X, y).demand_curve(X.head(2), prices)


def test_no_rows_have_no_advice() -> None:
    X, y = make_price_panel(n_products=2, n_weeks=20, random_state=0)
    for options in ({}, {"estimator": price_optimization_pipeline(Ridge()), "demand": "model"}):
        optimizer = closed(n_bootstrap=1, grid=3, **options).fit(X, y)
        assert optimizer.recommend(X.head(0)).shape == (0, 18)
        assert optimizer.demand_curve(X.head(0), [10.0]).shape == (0, 8)
    with pytest.raises(ParameterError, match="a product of X, which has 0 rows"):
        optimizer.plot_response(X.head(0))
    with pytest.raises(ValueError, match="sample_weight"):
        optimizer.score(X.head(3), y.head(3), sample_weight=[1.0])


def test_a_picture_needs_a_price_and_axes() -> None:
    pytest.importorskip("matplotlib")
    X, y = make_price_panel(n_products=2, n_weeks=20, random_state=0)
    optimizer = closed(n_bootstrap=1).fit(X, y)
    with pytest.raises(ParameterError, match="`ax` must be matplotlib Axes"):
        optimizer.plot_response(X, ax=3)
    with pytest.warns(DataQualityWarning), pytest.raises(DataError, match="price above 0"):
        optimizer.plot_response(X.assign(price=0.0))


def test_rows_that_a_closed_form_cannot_use_are_counted() -> None:
    X, y = make_price_panel(n_products=4, random_state=0)
    y = y.mask(y.index < 7, 0.0)
    assert closed().fit(X, y).n_left_out_ == 7


# -- elasticity_report -----------------------------------------------------------------------------


def slopes(report) -> dict[str, float]:
    return {estimate.controls: estimate.elasticity for estimate in report.estimates}


def test_the_band_holds_the_truth_where_prices_are_random() -> None:
    X, _ = make_price_panel(-2.5, n_products=30, random_state=0)
    report = elasticity_report(X)
    assert report.band[0] < -2.5 < report.band[1]
    assert report.band[1] - report.band[0] < 0.6
    assert report.concerns == ()
    assert report.price_sd_within == pytest.approx(0.16, abs=0.01)
    assert report.n_rows == len(X)


def test_a16_controls_matter_where_prices_follow_the_season() -> None:
    naive, honest = [], []
    for seed in range(20):
        X, _ = make_price_panel(
            -2.5,
            n_products=1,
            season=0.5,
            endogeneity=0.3,
            noise=0.2,
            price_sd=0.15,
            price=10.0,
            random_state=seed,
        )
        found = slopes(elasticity_report(X))
        naive.append(found["product"])
        honest.append(found["product + season"])
    assert np.mean(honest) == pytest.approx(-2.5, abs=0.3)
    assert np.mean(naive) == pytest.approx(-1.4, abs=0.3)


def test_a_slope_that_depends_on_the_controls_is_a_concern() -> None:
    X, _ = make_price_panel(
        -2.5, n_products=30, season=0.5, endogeneity=0.3, noise=0.2, random_state=0
    )
    report = elasticity_report(X)
    assert any("depends on the controls" in text for text in report.concerns)
    assert report.band[1] - report.band[0] > 0.8
    assert report.price_share_of_dates > 0.3


def test_prices_that_react_to_demand_are_found_out() -> None:
    rng = np.random.default_rng(0)
    X, _ = make_price_panel(-2.5, n_products=30, random_state=0)
    demand = rng.normal(size=(104, 30))
    reaction = np.vstack([np.zeros(30), 0.1 * demand[:-1]]).ravel()
    price = 12 * np.exp(0.1 * rng.normal(size=len(X)) + reaction)
    X["quantity_sold"] = np.exp(5 - 2.5 * np.log(price / 12) + 0.5 * demand.ravel())
    report = elasticity_report(X.assign(price=price))
    assert report.price_demand_correlation > 0.4
    assert report.lead_placebo > 5 * report.lead_placebo_se
    assert any("react to demand" in text for text in report.concerns)
    assert any("next price" in text for text in report.concerns)


def test_promotions_are_a_control() -> None:
    rng = np.random.default_rng(0)
    X, _ = make_price_panel(-2.0, n_products=20, noise=0.2, random_state=0)
    promo = rng.random(len(X)) < 0.2
    X["price"] *= np.where(promo, 0.7, 1.0)
    X["quantity_sold"] *= np.where(promo, 3 * 0.7**-2.0, 1.0)
    found = slopes(elasticity_report(X.assign(promo=promo), promo_columns=["promo"]))
    assert found["product"] < -3
    for controls in ("product + promotions", "product + season + promotions"):
        assert found[controls] == pytest.approx(-2.0, abs=0.1)
    assert found["product + date + promotions"] == pytest.approx(-2.0, abs=0.1)


def test_zeros_and_still_prices_are_concerns() -> None:
    X, _ = make_price_panel(-2.5, n_products=10, price_sd=0.02, random_state=0)
    X.loc[X.index % 4 == 0, "quantity_sold"] = 0.0
    report = elasticity_report(X)
    assert report.zero_share == pytest.approx(0.25)
    assert report.n_left_out == len(X) // 4
    assert any("25%" in text for text in report.concerns)
    assert any("hardly move" in text for text in report.concerns)


def test_the_report_is_data_and_its_html_is_escaped() -> None:
    X, _ = make_price_panel(-2.5, n_products=5, random_state=0)
    report = elasticity_report(X)
    assert type(report).model_validate_json(report.model_dump_json()) == report
    assert json.loads(report.model_dump_json())["n_products"] == 5
    evil = report.model_copy(update={"concerns": ("<script>alert(1)</script>",)})
    page = evil._repr_html_()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "Test with an experiment" in page


def test_nothing_to_learn_from_is_an_error() -> None:
    X, _ = make_price_panel(-2.5, n_products=5, price_sd=0.0, random_state=0)
    with pytest.raises(DataError, match="must vary"):
        elasticity_report(X)
    for lacking in ({"date": pd.NaT}, {"price": 0.0}, {"product_id": None}):
        with pytest.raises(DataError, match=r"found none in \d+; check the columns"):
            elasticity_report(X.assign(**lacking))
    with pytest.raises(ParameterError, match="another column than `price_column`"):
        elasticity_report(X, price_column="quantity_sold")
    with pytest.raises(ParameterError, match="`promo_columns`"):
        elasticity_report(X, promo_columns="promo")
    with pytest.raises(SchemaError, match="quantity_sold"):
        elasticity_report(X.drop(columns="quantity_sold"))
