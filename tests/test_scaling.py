from __future__ import annotations

import math

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler

from tracer_sklearn import FeatureScaler, ParameterError, SchemaError

PEERS = {"robust": RobustScaler(), "standard": StandardScaler(), "minmax": MinMaxScaler()}


@pytest.mark.parametrize("method", PEERS)
def test_agrees_with_scikit_learn(method: str) -> None:
    rng = np.random.default_rng(0)
    X = rng.lognormal(size=(200, 3)) * [1.0, 1e5, 1e-5]
    X[rng.random(X.shape) < 0.1] = np.nan
    np.testing.assert_allclose(
        FeatureScaler(method=method).fit_transform(X),
        PEERS[method].fit_transform(X),
        rtol=1e-12,
        atol=1e-12,
    )


@given(
    st.lists(st.floats(allow_nan=True, allow_infinity=True, width=64), min_size=1, max_size=30),
    st.sampled_from(["robust", "standard", "minmax"]),
)
def test_never_makes_infinity_and_keeps_missing(values: list[float], method: str) -> None:
    out = FeatureScaler(["x0"], method=method).fit_transform(np.array(values).reshape(-1, 1))
    for before, after in zip(values, out[:, 0], strict=True):
        assert math.isfinite(after) == math.isfinite(before)


@given(
    st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=30),
    st.sampled_from(["robust", "standard", "minmax", "none"]),
)
def test_inverse_transform_gives_the_units_back(values: list[float], method: str) -> None:
    X = np.array(values).reshape(-1, 1)
    scaler = FeatureScaler(["x0"], method=method).fit(X)
    back = scaler.inverse_transform(scaler.transform(X))
    np.testing.assert_allclose(back, X, rtol=1e-9, atol=1e-9 * max(1.0, np.abs(X).max()))


def test_inverse_transform_on_a_lazy_frame() -> None:
    frame = pl.DataFrame({"a": [1.0, 2.0, 4.0], "b": ["u", "v", "w"]})
    scaler = FeatureScaler().fit(frame)
    back = scaler.inverse_transform(scaler.transform(frame.lazy()))
    assert back.collect().equals(frame)


def test_zero_spread_has_scale_one() -> None:
    frame = pd.DataFrame({"constant": [5.0, 5.0, 5.0], "empty": [np.nan] * 3})
    scaler = FeatureScaler().fit(frame)
    assert scaler.scales_ == {"constant": 1.0, "empty": 1.0}
    assert scaler.transform(frame)["constant"].tolist() == [0.0, 0.0, 0.0]
    assert "no spread" in scaler.choices_["constant"]


def test_rounding_never_passes_for_spread() -> None:
    values = np.full((10, 1), 0.1)  # the mean of ten 0.1 is not 0.1
    out = FeatureScaler(["x0"], method="standard").fit_transform(values)
    assert np.abs(out).max() < 1e-15


def test_flags_and_onehot_columns_are_left_alone_unless_named() -> None:
    frame = pl.DataFrame({"spend": [1.0, 2.0, 9.0], "flag": [0, 1, 1], "on": [True, False, True]})
    scaler = FeatureScaler().fit(frame)
    out = scaler.transform(frame)
    assert out["flag"].to_list() == [0, 1, 1]
    assert out["on"].dtype == pl.Boolean
    assert "flag" in scaler.choices_["flag"]
    named = FeatureScaler(["flag"], method="minmax").fit_transform(frame)
    assert named["flag"].dtype == pl.Float64


def test_huge_values_stay_finite_beside_small_spread() -> None:
    frame = pl.DataFrame({"a": [1e-3, 2e-3, 3e-3, 1e308]})
    out = FeatureScaler().fit_transform(frame)["a"].to_list()
    assert all(math.isfinite(v) for v in out)
    single = frame.with_columns(pl.Series("a", [1e-3, 2e-3, 3e-3, 3e38], dtype=pl.Float32))
    out = FeatureScaler().fit_transform(single)["a"]
    assert out.dtype == pl.Float32
    assert out.is_finite().all()


def test_infinite_cells_are_missing_and_counted() -> None:
    frame = pd.DataFrame({"a": [1.0, 2.0, np.inf, -np.inf, np.nan]})
    scaler = FeatureScaler().fit(frame)
    assert scaler.centers_["a"] == 1.5
    assert scaler.counts_["a"] == {"missing": 1, "infinite": 2}
    assert scaler.transform(frame)["a"].isna().tolist() == [False, False, True, True, True]


def test_learns_from_training_rows_only() -> None:
    train, test = pd.DataFrame({"a": [0.0, 1.0, 2.0]}), pd.DataFrame({"a": [100.0]})
    scaler = FeatureScaler(method="standard").fit(train)
    assert scaler.transform(test)["a"].item() == pytest.approx(99 / np.std([0.0, 1.0, 2.0]))


def test_a_callable_chooses_columns_of_the_users_own_frame() -> None:
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 5.0]})
    scaler = FeatureScaler(_second_column).fit(frame)
    assert scaler.columns_ == ["b"]


def _second_column(frame) -> list[str]:
    return nw.from_native(frame).columns[1:]


@pytest.mark.parametrize(
    ("params", "error", "words"),
    [
        ({"method": "robst"}, ParameterError, "did you mean 'robust'"),
        ({"method": None}, ParameterError, "`method`"),
        ({"columns": "a"}, ParameterError, "`columns`"),
        ({"columns": ["a", "a"]}, ParameterError, "once"),
        ({"columns": ["A"]}, SchemaError, "nearest: 'a'"),
        ({"columns": ["text"]}, SchemaError, "text"),
    ],
)
def test_errors_name_stage_and_culprit(params, error, words: str) -> None:
    frame = pd.DataFrame({"a": [1.0, 2.0], "text": ["u", "v"]})
    scaler = FeatureScaler().set_params(**params)
    with pytest.raises(error, match="FeatureScaler") as caught:
        scaler.fit(frame)
    assert words in str(caught.value)


def test_a_range_beyond_the_largest_float_keeps_its_order():
    frame = pl.DataFrame({"a": [1e308, -1e308, 0.0, 5e307]})
    scaler = FeatureScaler(method="minmax").fit(frame)
    scaled = scaler.transform(frame)
    # the range of 2e308 is itself no float: the largest one stands for it
    largest = np.finfo(np.float64).max
    expected = [1e308 / largest * 2.0, 0.0, 1e308 / largest, 1.5e308 / largest]
    np.testing.assert_allclose(scaled["a"].to_numpy(), expected, rtol=1e-12)
    back = scaler.inverse_transform(scaled)["a"].to_numpy()
    np.testing.assert_allclose(back, frame["a"].to_numpy(), rtol=1e-12, atol=1e294)
