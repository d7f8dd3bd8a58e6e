"""Price panels: what is generated is true, what is loaded is described."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from tracer_sklearn.datasets import load_price_panel, make_price_panel
from tracer_sklearn.exceptions import ParameterError


def within_slope(X: pd.DataFrame) -> float:
    x, y = np.log(X["price"]), np.log(X["quantity_sold"])
    x, y = (v - v.groupby(X["product_id"]).transform("mean") for v in (x, y))
    return float((x * y).sum() / (x * x).sum())


def test_the_elasticity_is_the_one_asked_for() -> None:
    X, _ = make_price_panel(-1.7, n_products=40, n_weeks=200, noise=0.2, random_state=0)
    assert within_slope(X) == pytest.approx(-1.7, abs=0.02)


def test_each_product_can_have_its_own() -> None:
    X, _ = make_price_panel((-1.0, -3.0), n_products=2, n_weeks=400, noise=0.05, random_state=1)
    slopes = [within_slope(rows) for _, rows in X.groupby("product_id")]
    assert slopes == pytest.approx([-1.0, -3.0], abs=0.05)


def test_a_price_that_follows_the_season_flattens_the_slope() -> None:
    X, _ = make_price_panel(-2.5, season=0.5, endogeneity=0.3, n_products=40, random_state=0)
    assert -1.65 < within_slope(X) < -1.25


def test_one_seed_gives_one_panel_in_every_library() -> None:
    X, y = make_price_panel(n_products=4, n_weeks=5, random_state=3)
    again, y_again = make_price_panel(n_products=4, n_weeks=5, random_state=3)
    pd.testing.assert_frame_equal(X, again)
    pd.testing.assert_series_equal(y, y_again)
    other, _ = make_price_panel(n_products=4, n_weeks=5, random_state=4)
    assert not X.equals(other)
    in_polars, y_polars = make_price_panel(n_products=4, n_weeks=5, random_state=3, as_="polars")
    assert isinstance(in_polars, pl.DataFrame)
    assert in_polars["price"].to_list() == X["price"].to_list()
    assert y_polars.to_list() == y.tolist()
    in_arrow, y_arrow = make_price_panel(n_products=4, n_weeks=5, random_state=3, as_="pyarrow")
    assert isinstance(in_arrow, pa.Table)
    assert y_arrow.to_pylist() == y.tolist()


def test_the_target_is_a_copy() -> None:
    X, y = make_price_panel(n_products=2, n_weeks=2, random_state=0)
    before = X["quantity_sold"].tolist()
    y[:] = 0.0
    assert X["quantity_sold"].tolist() == before


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("elasticity", "-2"),
        ("elasticity", (-1.0, -2.0)),
        ("elasticity", [float("nan")] * 20),
        ("n_products", 0),
        ("n_weeks", 0),
        ("price", 0),
        ("price_sd", -1),
        ("noise", -1),
        ("season", -0.1),
        ("endogeneity", None),
        ("cost", -1),
        ("as_", "dask"),
    ],
)
def test_illegal_parameters_are_named(parameter: str, value: object) -> None:
    with pytest.raises(ParameterError, match=f"`{parameter}`"):
        make_price_panel(**{parameter: value})


def test_the_grocer_has_one_row_a_product_and_week() -> None:
    X, y = load_price_panel(n_products=30, as_="polars")
    assert X["product_id"].n_unique() == 30
    assert not X.select("product_id", "date").is_duplicated().any()
    assert (X["date"].dt.weekday() == 1).all()
    assert X["date"].n_unique() == 52
    assert (X["price"] > 0).all()
    assert y.equals(X["quantity_sold"])
    assert X.group_by("product_id").len()["len"].min() >= 40
    assert X["category"].null_count() == 0


@pytest.mark.parametrize(
    ("parameter", "value"), [("n_products", 0), ("min_weeks", 53), ("as_", "dask")]
)
def test_illegal_parameters_of_the_loader_are_named(parameter: str, value: object) -> None:
    with pytest.raises(ParameterError, match=f"`{parameter}`"):
        load_price_panel(**{parameter: value})
