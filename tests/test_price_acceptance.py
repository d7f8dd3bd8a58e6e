"""Acceptance of the price blueprint on real panels, and sentinels against the future.

The real files are found through TRACER_TEST_DATA.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.metrics import r2_score
from sklearn.model_selection import TimeSeriesSplit, cross_val_score

import tracer_sklearn as ts

pytestmark = pytest.mark.medium


def hass(folder: Path) -> pd.DataFrame:
    """Eight regions of the United States, two products, weekly from 2017 to 2024."""
    frame = pd.read_csv(folder / "hass_region_weekly.csv", parse_dates=["week_ending"])
    names = {"week_ending": "date", "avg_selling_price": "price", "region": "store"}
    frame = frame.rename(columns={**names, "type": "product_id"})
    frame["quantity_sold"] = frame["total_bulk_and_bags_units"].astype(float)
    columns = ["product_id", "store", "date", "price", "quantity_sold"]
    return frame[columns].sort_values("date", kind="stable").reset_index(drop=True)


def avocado(folder: Path) -> pd.DataFrame:
    """The same market earlier, in cities: the wider regions contain them and are left out."""
    frame = pd.read_csv(folder / "avocado.csv.gz", parse_dates=["Date"])
    names = {"Date": "date", "AveragePrice": "price", "region": "store", "type": "product_id"}
    frame = frame.rename(columns={**names, "Total Volume": "quantity_sold"})
    wide = ["TotalUS", "West", "California", "SouthCentral", "Northeast", "Southeast"]
    wide += ["GreatLakes", "Midsouth", "Plains"]
    columns = ["product_id", "store", "date", "price", "quantity_sold"]
    return frame.loc[~frame["store"].isin(wide), columns].sort_values("date", kind="stable")


PANELS = {"hass": hass, "avocado": avocado}


@pytest.fixture(params=PANELS)
def panel(request, real_data) -> pd.DataFrame:
    return PANELS[request.param](real_data).reset_index(drop=True)


def model() -> HistGradientBoostingRegressor:
    return HistGradientBoostingRegressor(max_iter=100, random_state=0)


def test_a12_past_features_explain_weekly_demand_and_slopes_are_negative(panel) -> None:
    features = ts.PriceFeatures(store_column="store", horizon_days=7)
    made = features.fit_transform(panel)
    late = panel["date"] > panel["date"].quantile(0.8)
    columns = [n for n in made if n not in ("product_id", "store")]
    log_quantity = np.log(panel["quantity_sold"])
    fitted = model().fit(made.loc[~late, columns], log_quantity[~late])
    score = r2_score(log_quantity[late], fitted.predict(made.loc[late, columns]))
    assert score > 0.9  # between series; the levels are lagged demand
    newest = made[panel["date"] == panel["date"].max()]
    assert (newest["price_elasticity"] < 0).mean() > 0.9
    assert not np.isinf(made[columns].to_numpy(float)).any()
    series = panel["product_id"] + panel["store"]
    report = ts.elasticity_report(panel.assign(series=series), product_column="series")
    slopes = [estimate.elasticity for estimate in report.estimates if estimate.in_band]
    assert max(slopes) < 0
    assert report.band is not None


def test_a12_the_audit_finds_every_outcome_of_the_row(panel) -> None:
    """And nothing among the features, which know the past only."""
    made = ts.PriceFeatures(store_column="store", horizon_days=7).fit_transform(panel)
    quantity, dates = panel["quantity_sold"], panel["date"]

    def suspects(frame: pd.DataFrame) -> set[str]:
        findings = ts.leak_audit(frame, quantity, time=dates).findings
        return {name for found in findings if found.severity != "note" for name in found.columns}

    assert suspects(made) == set()
    same_row = {
        "revenue_today": panel["price"] * quantity,
        "share_today": quantity / quantity.groupby(dates).transform("sum"),
        "units_today": quantity,
    }
    for name, column in same_row.items():
        assert name in suspects(made.assign(**{name: column})), name


@pytest.mark.parametrize("panel_of", ["generated", "loaded"])
def test_a18_a_shuffled_target_cannot_be_predicted(panel_of) -> None:
    if panel_of == "generated":
        X, y = ts.datasets.make_price_panel(-2.5, n_products=20, n_weeks=104, random_state=0)
    else:
        X, y = ts.datasets.load_price_panel(n_products=40)
    noise = np.random.default_rng(0).permutation(np.log(y.to_numpy(float)))
    X = X.assign(quantity_sold=np.exp(noise))
    pipe = ts.price_optimization_pipeline(
        HistGradientBoostingRegressor(max_iter=50, max_leaf_nodes=8, random_state=0),
        horizon_days=7,
        encoding_strategy="frequency",
    )
    scores = cross_val_score(pipe, X, noise, cv=TimeSeriesSplit(4), scoring="r2")
    assert scores.mean() <= 0.02


def test_a18_the_real_target_can() -> None:
    X, y = ts.datasets.make_price_panel(-2.5, n_products=20, n_weeks=104, random_state=0)
    pipe = ts.price_optimization_pipeline(
        HistGradientBoostingRegressor(max_iter=50, max_leaf_nodes=8, random_state=0),
        horizon_days=7,
        encoding_strategy="frequency",
    )
    scores = cross_val_score(pipe, X, np.log(y), cv=ts.DateSeriesSplit(4), scoring="r2")
    assert scores.mean() > 0.3


def test_kappa_of_one_is_near_the_best_on_other_panels(panel) -> None:
    """Chosen on a scanner panel of groceries; here shrunk slopes predict no worse than own ones."""
    series = panel["product_id"] + panel["store"]
    changes = np.log(panel[["price", "quantity_sold"]]).groupby(series).diff()
    rows = (panel["date"] > panel["date"].quantile(0.3)) & changes.notna().all(axis=1)
    errors = {}
    for kappa in (0.0, 0.3, 1.0, 3.0, 100.0):
        features = ts.PriceFeatures(store_column="store", kappa=kappa)
        slope = features.fit_transform(panel)["price_elasticity"]
        left = changes["quantity_sold"] - slope * changes["price"]
        errors[kappa] = float((left[rows] ** 2).mean())
    assert errors[1.0] <= 1.05 * min(errors.values())
