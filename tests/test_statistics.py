"""Statistics against NumPy and SciPy, also where floats run out."""

from __future__ import annotations

import math
import statistics

import narwhals.stable.v2 as nw
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from tracer_sklearn import _statistics as ours
from tracer_sklearn._numbers import integer_range

PROBABILITIES = (0.0, 0.01, 0.25, 0.5, 0.75, 0.99, 1.0)
MODERATE = st.floats(-1e6, 1e6, allow_subnormal=False)
ANY_FINITE = st.floats(allow_nan=False, allow_infinity=False)


def columns(elements, min_size=1):
    return hnp.arrays(np.float64, st.integers(min_size, 60), elements=elements)


def series(values, dtype=pl.Float64):
    return nw.from_native(pl.Series("a", values, dtype=dtype), series_only=True)


def large_columns():
    rng = np.random.default_rng(7)
    n = 100_003
    return {
        "normal": rng.normal(size=n),
        "skewed": rng.lognormal(sigma=3, size=n),
        "sorted": np.sort(rng.normal(size=n)),
        "descending": np.sort(rng.normal(size=n))[::-1].copy(),
        "counts": rng.poisson(2.0, size=n).astype(float),
        "constant": np.full(n, 3.25),
        "one outlier": np.r_[np.zeros(n - 1), 1e9],
        "half zero": np.where(rng.random(n) < 0.5, 0.0, rng.normal(size=n)),
        # every sampled cell is 0: the sample says nothing, the counts must notice
        "periodic": (np.arange(n) % (n // ours._SAMPLE)).astype(float),
        "huge": rng.normal(size=n) * 1e307,
    }


@given(columns(MODERATE))
def test_quantiles_equal_numpy(values):
    assert ours.quantiles(values, PROBABILITIES) == pytest.approx(
        np.quantile(values, PROBABILITIES), rel=1e-12, abs=1e-9
    )


@pytest.mark.parametrize("name", large_columns())
def test_quantiles_of_many_values_equal_numpy(name):
    values = large_columns()[name]
    before = values.copy()
    found = ours.quantiles(values, PROBABILITIES)
    np.testing.assert_allclose(found, np.quantile(values, PROBABILITIES), rtol=1e-12)
    np.testing.assert_array_equal(values, before)


@given(columns(ANY_FINITE))
def test_quantiles_stay_finite_and_within_the_data(values):
    for found in ours.quantiles(values, PROBABILITIES):
        assert values.min() <= found <= values.max()


def test_the_median_of_opposite_extremes_does_not_overflow():
    assert ours.quantiles(np.array([-1e308, 1e308]), (0.5,)) == [0.0]
    assert ours.quantiles(np.array([1e308, 1.5e308]), (0.5,)) == [pytest.approx(1.25e308)]


@given(columns(ANY_FINITE))
def test_mean_and_spread_are_finite_for_finite_values(values):
    assert math.isfinite(ours.mean(values))
    assert math.isfinite(ours.spread(values))
    assert math.isfinite(ours.skewness(values))


@given(columns(MODERATE))
def test_mean_and_spread_equal_the_standard_library(values):
    assert ours.mean(values) == pytest.approx(statistics.fmean(values), rel=1e-9, abs=1e-9)
    assert ours.spread(values) == pytest.approx(statistics.pstdev(values), rel=1e-6, abs=1e-6)


def test_mean_of_extreme_values():
    assert ours.mean(np.array([1.5e308, 1.5e308])) == pytest.approx(1.5e308)


@given(st.floats(-1e300, 1e300), st.integers(1, 20))
def test_a_constant_column_has_no_spread_at_all(value, n):
    values = np.full(n, value)
    assert ours.spread(values) == 0.0
    assert ours.skewness(values) == 0.0


@settings(max_examples=50)
@given(st.integers(0, 2**32 - 1), st.integers(3, 200_000), st.sampled_from([1e-200, 1.0, 1e200]))
def test_skewness_equals_scipy_at_any_scale(seed, n, scale):
    values = np.random.default_rng(seed).lognormal(sigma=0.5, size=n)
    assert ours.skewness(values * scale) == pytest.approx(stats.skew(values), rel=1e-8, abs=1e-10)


def test_excess_share_counts_both_sides_and_not_the_edges():
    assert ours.excess_share(np.array([0.0, 1.0, 2.0, 3.0]), 1.0, 2.0) == 0.5


@pytest.mark.parametrize("dtype", [pl.Float64, pl.Float32])
def test_finite_values_leave_out_null_nan_and_infinities(dtype):
    column = series([1.0, None, math.nan, math.inf, -math.inf, -2.0], dtype)
    found = ours.finite_values(column)
    assert found.dtype == np.float64
    assert found.tolist() == [1.0, -2.0]


@pytest.mark.parametrize("dtype", [pl.Int8, pl.UInt64, pl.Boolean, pl.Decimal(10, 2), pl.Float32])
def test_finite_values_of_every_numeric_dtype_are_float64(dtype):
    native = pl.Series("a", [1, None, 0], dtype=pl.Int8).cast(dtype)
    found = ours.finite_values(nw.from_native(native, series_only=True))
    assert found.dtype == np.float64
    assert found.tolist() == [1.0, 0.0]


def test_finite_values_keep_the_largest_floats():
    largest = float(np.finfo(np.float64).max)
    assert ours.finite_values(series([largest, -largest])).tolist() == [largest, -largest]


def test_finite_values_of_an_empty_column():
    assert ours.finite_values(series([None, math.nan])).tolist() == []


def test_is_flag_knows_zeros_and_ones():
    assert ours.is_flag(np.array([0.0, 1.0, 1.0]))
    assert not ours.is_flag(np.array([0.0, 1.0, 2.0]))
    assert not ours.is_flag(np.array([]))


@pytest.mark.parametrize("bits", [8, 16, 32, 64])
def test_integer_range_equals_numpy(bits):
    for prefix in ("Int", "UInt"):
        info = np.iinfo(f"{prefix.lower()}{bits}")
        found = integer_range(getattr(nw, f"{prefix}{bits}")())
        assert found == (info.min, info.max)
