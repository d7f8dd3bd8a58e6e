"""What the price blueprint finds where the truth is known, and on real panels.

python tests/benchmarks/price_accuracy.py [folder of real files]
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from timing import table

import tracer_sklearn as ts

REPEATS = 20
KAPPAS = (0.0, 0.3, 1.0, 3.0, 100.0)
# The wider regions of the avocado file contain its cities.
WIDE = ("TotalUS", "West", "California", "SouthCentral", "Northeast", "Southeast")
WIDE += ("GreatLakes", "Midsouth", "Plains")


def best_prices() -> pd.Series:
    """Recommended prices over what is best, 10, of generated products, one median a draw."""
    medians, near = [], []
    for seed in range(REPEATS):
        X, y = ts.datasets.make_price_panel(-2.5, n_weeks=52, random_state=seed)
        optimizer = ts.PriceOptimizer(
            demand="constant_elasticity",
            objective="profit",
            cost_column="unit_cost",
            bounds=(0.5, 1.5),
            max_change=0.5,
            random_state=0,
        ).fit(X, y)
        price = optimizer.recommend(X[X["date"] == X["date"].max()].assign(price=12.0))
        price = price["recommended_price"]
        medians.append(price.median())
        near.append((price.between(9, 11)).mean())
    return pd.Series({"median": np.mean(medians), "sd": np.std(medians), "within": np.mean(near)})


def seasonal_slopes() -> pd.DataFrame:
    """Slopes of a retailer who raises prices in the season; the truth is -2.5."""
    found = []
    for seed in range(REPEATS):
        X, _ = ts.datasets.make_price_panel(
            -2.5,
            n_products=1,
            season=0.5,
            endogeneity=0.3,
            noise=0.2,
            price_sd=0.15,
            price=10.0,
            random_state=seed,
        )
        estimates = ts.elasticity_report(X).estimates
        found.append({e.controls: e.elasticity for e in estimates})
    return pd.DataFrame(found)[["product", "product + season"]].agg(["mean", "std"])


def hass(folder: Path) -> pd.DataFrame:
    """Eight regions, two products, weekly from 2017 to 2024."""
    frame = pd.read_csv(folder / "hass_region_weekly.csv", parse_dates=["week_ending"])
    frame["quantity_sold"] = frame["total_bulk_and_bags_units"].astype(float)
    names = {"week_ending": "date", "avg_selling_price": "price"}
    return _series(frame.rename(columns=names))


def avocado(folder: Path) -> pd.DataFrame:
    """45 cities and their surroundings, two products, weekly from 2015 to 2018."""
    frame = pd.read_csv(folder / "avocado.csv.gz", parse_dates=["Date"])
    names = {"Date": "date", "AveragePrice": "price", "Total Volume": "quantity_sold"}
    return _series(frame[~frame["region"].isin(WIDE)].rename(columns=names))


def _series(frame: pd.DataFrame) -> pd.DataFrame:
    frame["product_id"] = frame["type"] + frame["region"]
    frame = frame[["product_id", "date", "price", "quantity_sold"]]
    return frame.sort_values("date", kind="stable").reset_index(drop=True)


def slopes(panel: pd.DataFrame) -> dict[str, str]:
    """Elasticity and standard error under each set of controls."""
    estimates = ts.elasticity_report(panel).estimates
    return {e.controls: f"{e.elasticity:.2f} ± {e.standard_error:.2f}" for e in estimates}


def kappas(panel: pd.DataFrame) -> dict[str, str]:
    """Mean squared error of weekly moves of log quantity, by the elasticity known before."""
    logs = np.log(panel[["price", "quantity_sold"]])
    moves = logs.groupby(panel["product_id"]).diff()
    rows = (panel["date"] > panel["date"].quantile(0.3)) & moves.notna().all(axis=1)
    errors = {}
    for kappa in KAPPAS:
        slope = ts.PriceFeatures(kappa=kappa).fit_transform(panel)["price_elasticity"]
        left = moves["quantity_sold"] - slope * moves["price"]
        errors[f"κ = {kappa:g}"] = f"{float((left[rows] ** 2).mean()):.5f}"
    return errors


def main() -> None:
    warnings.simplefilter("ignore")
    found = best_prices()
    row = {"mean": f"{found['median']:.2f}", "sd": f"{found['sd']:.2f}"}
    row["products within 10 %"] = f"{found['within']:.1%}"
    print(table("best price, truth 10", {"median of 20 products": row}), "\n")
    season = seasonal_slopes()
    rows = {n: {"mean": f"{c['mean']:.2f}", "sd": f"{c['std']:.2f}"} for n, c in season.items()}
    print(table("price follows the season, truth −2.5", rows), "\n")
    groceries, _ = ts.datasets.load_price_panel()
    panels = {"groceries": groceries}
    if len(sys.argv) > 1:
        folder = Path(sys.argv[1])
        panels |= {"hass": hass(folder), "avocado": avocado(folder)}
    print(table("elasticity", {name: slopes(panel) for name, panel in panels.items()}), "\n")
    print(table("error of moves", {name: kappas(panel) for name, panel in panels.items()}))


if __name__ == "__main__":
    main()
