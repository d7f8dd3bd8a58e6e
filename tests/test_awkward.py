"""Awkward data, case by case: what other libraries get wrong, with the right outcome here."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression

import tracer_sklearn as ts

STAGES = [
    ts.MissingValueImputer(),
    ts.OutlierCapper(),
    ts.FeatureScaler(),
    ts.CategoryEncoder(),
]
by_name = pytest.mark.parametrize("stage", STAGES, ids=lambda stage: type(stage).__name__)


def test_an_all_missing_column_is_kept_filled_and_warned_about() -> None:
    X = pd.DataFrame({"spend": [np.nan] * 4, "visits": [1.0, 2.0, 3.0, 4.0]})
    with pytest.warns(ts.ConstantColumnWarning, match="'spend'"):
        out = ts.MissingValueImputer(indicator="none").fit_transform(X)
    assert out["spend"].tolist() == [0.0] * 4


def test_the_largest_float_is_scaled_to_a_finite_number() -> None:
    X = pd.DataFrame({"spend": [0.001, 0.002, 0.003, 1e308]})
    assert all(math.isfinite(v) for v in ts.FeatureScaler().fit_transform(X)["spend"])


@by_name
def test_infinity_is_counted_and_never_passed_on(stage) -> None:
    X = pd.DataFrame({"spend": [*np.arange(40.0), np.inf, -np.inf], "plan": ["a", "b"] * 21})
    if isinstance(stage, ts.CategoryEncoder):
        assert stage.fit_transform(X)["spend"].equals(X["spend"])  # not its column
        return
    out = stage.fit_transform(X)
    assert not np.isinf(out["spend"]).any()
    assert stage.counts_["spend"]["infinite"] == 2


def test_zero_iqr_and_constant_columns_neither_raise_nor_collapse() -> None:
    X = pd.DataFrame({"mostly": [0.0] * 20 + [5.0, 9.0], "same": [3.0] * 22})
    with pytest.warns(ts.ConstantColumnWarning, match="'same'"):
        capper = ts.OutlierCapper().fit(X)
    pd.testing.assert_frame_equal(capper.transform(X), X)
    assert "mostly" not in capper.bounds_
    assert np.isfinite(ts.FeatureScaler().fit_transform(X)).all(axis=None)


@by_name
def test_zero_rows_cannot_be_learnt_from(stage) -> None:
    with pytest.raises(ts.SchemaError, match=f"{type(stage).__name__}: .*at least one row"):
        stage.fit(pd.DataFrame({"spend": pd.Series(dtype=float)}))


@by_name
def test_reordered_columns_keep_their_meaning(stage) -> None:
    X = pd.DataFrame({"spend": [1.0, 2.0, 3.0, 50.0], "visits": [10.0, 20.0, 20.0, 0.0]})
    fitted = stage.fit(X)
    expected = fitted.transform(X)
    turned = X[["visits", "spend"]].assign(extra=1.0)[["extra", "visits", "spend"]]
    pd.testing.assert_frame_equal(fitted.transform(turned), expected.assign(extra=1.0))


def test_a_model_behind_a_pipeline_takes_columns_in_any_order() -> None:
    X, y = ts.datasets.make_customer_churn(40, random_state=0)
    X = X.assign(age=np.arange(float(len(X))), visits=np.arange(len(X)) % 7)
    pipe = ts.customer_churn_pipeline(LogisticRegression(max_iter=2000)).fit(X, y)
    turned = X[X.columns[::-1]]
    assert np.array_equal(pipe.predict_proba(turned), pipe.predict_proba(X))


@by_name
def test_duplicate_names_are_named(stage) -> None:
    X = pd.DataFrame([[1.0, 2.0]], columns=["spend", "spend"])
    with pytest.raises(ts.SchemaError, match=f"{type(stage).__name__}: .*'spend'"):
        stage.fit(X)


def test_numbers_and_their_spelling_in_one_column_are_noticed() -> None:
    X = pd.DataFrame({"plan": pd.Series([1, "1", 2, "2"], dtype=object)})
    with pytest.raises(ts.InputTypeError, match=r"CategoryEncoder: .*'plan' holds int, str"):
        ts.CategoryEncoder(["plan"]).fit(X)


def test_whole_numbers_whose_median_is_a_half_are_filled() -> None:
    X = pd.DataFrame({"visits": pd.Series([1, 2, None], dtype="Int64")})
    out = ts.MissingValueImputer(strategy="median", indicator="none").fit_transform(X)
    assert out["visits"].tolist() == [1.0, 2.0, 1.5]


@pytest.mark.parametrize("stage", [ts.OutlierCapper, ts.FeatureScaler])
def test_a_date_column_is_refused_by_its_name(stage) -> None:
    X = pd.DataFrame({"since": pd.to_datetime(["2024-01-01", "2024-02-01"])})
    with pytest.raises(ts.SchemaError, match=f"{stage.__name__}: .*'since' is date"):
        stage(["since"]).fit(X)


@pytest.mark.parametrize(
    "cells",
    [
        ["$1,200.50", "$80.00", "$7.25", "$19.99"],
        ["1.200,50", "80,00", "7,25", "19,99"],
        ["2024-01-31", "2024-02-01", "2024-03-05", "2024-04-09"],
        ["31/01/2024", "01/02/2024", "05/03/2024", "29/04/2024"],
    ],
    ids=["money", "EU decimals", "ISO dates", "day-first dates"],
)
def test_numbers_and_dates_as_text_do_not_become_categories_in_silence(cells) -> None:
    X = pd.DataFrame({"total": cells * 5})
    with pytest.warns(ts.DataQualityWarning, match="'total'.*ColumnParser"):
        ts.CategoryEncoder().fit(X)
    parsed = ts.ColumnParser().fit_transform(X)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ts.CategoryEncoder().fit(parsed)


def test_european_decimals_are_numbers_not_dates() -> None:
    X = pd.DataFrame({"price": ["1.234,50", "12,25", "3.000,00", "7,10"]})
    assert ts.ColumnParser().fit_transform(X)["price"].tolist() == [1234.5, 12.25, 3000.0, 7.1]


def test_an_unparseable_cell_at_transform_is_counted() -> None:
    parser = ts.ColumnParser().fit(pd.DataFrame({"spend": ["1.5", "2.5", "3.5"] * 20}))
    later = pd.DataFrame({"spend": ["1.5", "soon"]})
    with pytest.warns(ts.DataQualityWarning, match="'spend'"):
        out = parser.transform(later)
    assert out["spend"].isna().tolist() == [False, True]
    assert parser.report(later).loc["spend", "failures"] == 1


def test_an_ambiguous_day_and_month_is_said() -> None:
    X = pd.DataFrame({"since": ["01/02/2024", "03/04/2024", "05/06/2024"]})
    with pytest.raises(ts.DataError, match=r"ColumnParser: .*'since'"):
        ts.ColumnParser().fit(X)


def test_target_encoding_does_not_learn_noise() -> None:
    rng = np.random.default_rng(0)
    X = pl.DataFrame({"shop": [f"s{v}" for v in rng.integers(0, 1000, 5000)]})
    y = rng.integers(0, 2, 5000)
    encoder = ts.CategoryEncoder(strategy="target", random_state=0)
    column = encoder.fit_transform(X, y).to_numpy()[:, 0]
    assert abs(np.corrcoef(column, y)[0, 1]) < 0.1
