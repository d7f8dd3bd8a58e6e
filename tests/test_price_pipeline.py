"""The price-optimization blueprint as a stock pipeline."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit
from sklearn.preprocessing import FunctionTransformer

import tracer_sklearn as ts


@pytest.fixture(scope="module")
def panel() -> tuple[pd.DataFrame, pd.Series]:
    return ts.datasets.make_price_panel(-2.5, n_products=8, n_weeks=40, random_state=0)


def cut(X: pd.DataFrame) -> tuple[pd.Series, pd.DataFrame]:
    last = X["date"] == X["date"].max()
    return ~last, X[last].drop(columns="quantity_sold")


def test_future_rows_go_on_from_the_history_of_fit(panel) -> None:
    X, y = panel
    past, future = cut(X)
    pipe = ts.price_optimization_pipeline(Ridge(), horizon_days=7).fit(X[past], y[past])
    predicted = pipe.predict(future)
    assert np.isfinite(predicted).all()
    again = pickle.loads(pickle.dumps(pipe)).predict(future)
    np.testing.assert_array_equal(again, predicted)
    one_by_one = [pipe.predict(future.iloc[[at]])[0] for at in range(len(future))]
    np.testing.assert_allclose(one_by_one, predicted, rtol=1e-9)
    names = pipe[:-1].get_feature_names_out().tolist()
    assert not [n for n in names if n.startswith(("quantity", "date"))]
    assert {"price", "price_elasticity", "demand_ma_30d", "discount_depth"} <= set(names)


def test_names_of_ones_own_and_text_of_an_export(panel) -> None:
    X, y = panel
    past, future = cut(X)
    expected = ts.price_optimization_pipeline(Ridge(), horizon_days=7).fit(X[past], y[past])
    names = {"product_id": "SKU", "quantity_sold": "units", "price": "asked", "date": "week"}
    pipe = ts.price_optimization_pipeline(Ridge(), fields=names, horizon_days=7)
    mine = X.rename(columns=names)
    pipe.fit(mine[past], y[past])
    found = pipe.predict(future.rename(columns=names))
    np.testing.assert_allclose(found, expected.predict(future))
    text = ts.price_optimization_pipeline(Ridge(), horizon_days=7)
    text.fit(X[past].astype(str), y[past])
    np.testing.assert_allclose(text.predict(future.astype(str)), expected.predict(future))


def test_every_library_gives_the_same(panel) -> None:
    X, y = panel
    past, future = cut(X)
    pipe = ts.price_optimization_pipeline(horizon_days=7).fit(X[past], y[past])
    expected = pipe.transform(future)
    found = pipe.transform(pl.from_pandas(future))
    assert found.columns == expected.columns.tolist()
    np.testing.assert_allclose(found.to_numpy().astype(float), expected.to_numpy(float))
    lazy = pipe.transform(pl.from_pandas(future).lazy())
    assert isinstance(lazy, pl.LazyFrame)
    assert lazy.collect().equals(found)


def test_the_ready_grid_is_searched(panel) -> None:
    X, y = panel
    space = ts.search_space("price_optimization")
    grid = {name: values[:2] for name, values in space.items()}
    grid |= {"impute__strategy": ["auto"], "scale__method": ["robust"]}
    pipe = ts.blueprint_pipeline("price_optimization", Ridge(), horizon_days=7)
    search = GridSearchCV(pipe, grid, cv=TimeSeriesSplit(2), scoring="r2", error_score="raise")
    search.fit(X, np.log(y))
    assert set(search.best_params_) == set(grid)
    assert set(clone(pipe).get_params()) >= set(space)


def test_options_reach_their_steps() -> None:
    pipe = ts.price_optimization_pipeline(
        Ridge(),
        fields={"store": "shop", "category": "group", "competitor_price": "rival"},
        horizon_days=28,
        missing_value_strategy="median",
        outlier_method="iqr",
        encoding_strategy="target",
        scaling_method="none",
        drift_monitor="warn",
    )
    steps = pipe.named_steps
    assert list(steps) == [
        *("parse", "validate", "drift", "features", "impute", "cap", "encode", "scale", "model")
    ]
    features = steps["features"]
    roles = (features.store_column, features.category_column, features.competitor_price_column)
    assert roles == ("shop", "group", "rival")
    assert features.horizon_days == 28
    assert (steps["impute"].strategy, steps["cap"].method) == ("median", "iqr")
    assert (steps["encode"].strategy, steps["scale"].method) == ("target", "none")
    with pytest.raises(ts.ParameterError, match="'product_id'"):
        ts.price_optimization_pipeline(fields={"product": "SKU"})


def test_capping_leaves_what_the_price_makes(panel) -> None:
    X, y = panel
    X = X.copy()
    X.loc[X.index[-50], "price"] *= 5
    pipe = ts.price_optimization_pipeline(
        FunctionTransformer(), outlier_method="iqr", scaling_method="none", horizon_days=7
    )
    made = pipe.fit_transform(X, y)
    assert made["price"].max() == X["price"].max()
    assert made["price_index_own"].max() > 3
