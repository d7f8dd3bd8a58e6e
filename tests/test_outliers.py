"""OutlierCapper: bounds against slow oracles and feature-engine, awkward columns, every engine."""

from __future__ import annotations

import math
import statistics
from contextlib import nullcontext

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from feature_engine.outliers import ArbitraryOutlierCapper, OutlierTrimmer, Winsorizer
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import StandardScaler

from tracer_sklearn import ConstantColumnWarning, OutlierCapper, ParameterError, SchemaError

NAN, INF = math.nan, math.inf
SKEWED = [1.0, 2.0, 3.0, 4.0, 5.0, 100.0]


# -- oracles ---------------------------------------------------------------------------------


def quantile(values, share):
    """Linear interpolation between order statistics, in plain Python."""
    ordered = sorted(values)
    at = share * (len(ordered) - 1)
    low, high = ordered[math.floor(at)], ordered[math.ceil(at)]
    return low + (high - low) * (at - math.floor(at))


def expected_bounds(values, method, fold):
    if method == "iqr":
        lower, upper = quantile(values, 0.25), quantile(values, 0.75)
        return lower - fold * (upper - lower), upper + fold * (upper - lower)
    if method == "zscore":
        center, width = statistics.fmean(values), statistics.stdev(values)
    else:
        center = quantile(values, 0.5)
        width = 1.4826 * quantile([abs(v - center) for v in values], 0.5)
    return center - fold * width, center + fold * width


finite = st.floats(-1e6, 1e6, allow_subnormal=False)
cells = st.one_of(finite, st.none(), st.sampled_from([NAN, INF, -INF]))


@given(
    st.lists(finite, min_size=4, max_size=40),
    st.sampled_from(["iqr", "zscore", "mad"]),
    st.sampled_from([0.5, 1.5, 3.0]),
)
def test_bounds_equal_the_oracle(values, method, fold):
    frame = pl.DataFrame({"a": [*values, None, NAN, INF, -INF, 7.5]})
    capper = OutlierCapper(method=method, fold=fold, min_rows=2).fit(frame)
    if "a" in capper.bounds_:
        assert capper.bounds_["a"] == pytest.approx(
            expected_bounds([*values, 7.5], method, fold), rel=1e-9, abs=1e-6
        )
    else:
        low, high = expected_bounds([*values, 7.5], method, fold)
        assert high - low == pytest.approx(0.0, abs=1e-6)


@given(st.lists(cells, min_size=2, max_size=30), st.sampled_from(["iqr", "mad", "quantile"]))
def test_what_comes_out_is_finite_within_bounds_and_missing_where_it_was(column, method):
    frame = pl.DataFrame({"a": pl.Series(column, dtype=pl.Float64)})
    capper = OutlierCapper(["a"], method=method)
    with pytest.warns(ConstantColumnWarning) if _is_constant(column) else nullcontext():
        out = capper.fit_transform(frame)["a"].to_list()
    low, high = capper.bounds_.get("a", (-INF, INF))
    for before, after in zip(column, out, strict=True):
        if before is None or math.isnan(before):
            assert after is None or math.isnan(after)
        elif math.isfinite(before):
            assert after == min(max(before, low), high)
        elif "a" in capper.bounds_:
            assert after == (high if before > 0 else low)
        else:
            assert after is None
    counts = capper.counts_["a"]
    usable = [v for v in column if v is not None and math.isfinite(v)]
    assert counts["capped_low"] == sum(v < low for v in usable)
    assert counts["capped_high"] == sum(v > high for v in usable)
    assert counts["infinite"] == sum(v is not None and math.isinf(v) for v in column)
    assert counts["missing"] == sum(v is None or math.isnan(v) for v in column)


def _is_constant(column):
    return len({v for v in column if v is not None and math.isfinite(v)}) < 2


# -- feature-engine as oracle ----------------------------------------------------------------


@pytest.mark.parametrize("capping", ["gaussian", "iqr", "mad", "quantiles"])
@pytest.mark.parametrize("tail", ["left", "right", "both"])
def test_a_winsorizer_is_reproduced_exactly(capping, tail):
    rng = np.random.default_rng(5)
    X = pd.DataFrame(rng.lognormal(size=(200, 3)), columns=["a", "b", "c"])
    inner = Winsorizer(capping_method=capping, tail=tail, variables=["a", "c"])
    expected = inner.fit_transform(X.copy())
    found = OutlierCapper(method=Winsorizer(**inner.get_params())).fit_transform(X)
    pd.testing.assert_frame_equal(found, expected, rtol=1e-12)


def test_the_inner_estimator_is_neither_fitted_nor_changed():
    inner = Winsorizer(capping_method="iqr", tail="both")
    before = dict(vars(inner))
    OutlierCapper(method=inner).fit(pd.DataFrame({"a": SKEWED}))
    assert vars(inner) == before


def test_a_winsorizer_leaves_missing_cells_and_columns_without_spread_alone():
    X = pd.DataFrame({"a": [*SKEWED, NAN], "b": [1.0] * 6 + [2.0]})
    capper = OutlierCapper(method=Winsorizer(capping_method="iqr", tail="right")).fit(X)
    out = capper.transform(X)
    assert capper.bounds_["a"] == (None, pytest.approx(4.75 + 1.5 * 2.5))
    assert math.isnan(out["a"].iloc[6])
    assert out["b"].tolist() == X["b"].tolist()
    assert "low variation" in capper.choices_["b"]


def test_arbitrary_bounds_hold_even_for_a_column_that_is_constant_in_training():
    inner = ArbitraryOutlierCapper(max_capping_dict={"a": 6}, min_capping_dict={"a": 1, "b": 0})
    X = pd.DataFrame({"a": [5.0, 5.0], "b": [-1.0, 2.0], "c": [1e9, -1e9]})
    capper = OutlierCapper(method=inner).fit(X)
    assert capper.bounds_ == {"a": (1.0, 6.0), "b": (0.0, None)}
    out = capper.transform(pd.DataFrame({"a": [-3.0, 9.0], "b": [-5.0, 1e8], "c": [1e9, 0.0]}))
    assert out.to_dict("list") == {"a": [1.0, 6.0], "b": [0.0, 1e8], "c": [1e9, 0.0]}


def test_arbitrary_bounds_of_an_unknown_column_are_an_error():
    inner = ArbitraryOutlierCapper(max_capping_dict={"spent": 6})
    with pytest.raises(SchemaError, match=r"'spent' \(nearest: 'spend'\)"):
        OutlierCapper(method=inner).fit(pd.DataFrame({"spend": [5.0, 6.0]}))


@pytest.mark.parametrize(
    "method",
    [StandardScaler(), OutlierTrimmer(), Winsorizer, Winsorizer(add_indicators=True), None, 3],
    ids=repr,
)
def test_other_estimators_are_refused_clearly(method):
    with pytest.raises(ParameterError, match="OutlierCapper: `method` must be"):
        OutlierCapper(method=method).fit(pd.DataFrame({"a": SKEWED}))


# -- columns that are left alone -------------------------------------------------------------


def test_a_zero_interquartile_range_is_skipped_not_flattened():
    X = pd.DataFrame({"a": [0.0] * 9 + [50.0]})
    capper = OutlierCapper().fit(X)
    assert capper.transform(X)["a"].tolist() == X["a"].tolist()
    assert capper.choices_["a"] == "not capped: interquartile range 0 around 0"


@pytest.mark.parametrize("method", ["mad", "quantile"])
def test_other_methods_skip_what_they_would_flatten(method):
    X = pd.DataFrame({"a": [2.0] * 999 + [50.0]})
    capper = OutlierCapper(method=method).fit(X)
    assert capper.bounds_ == {}
    assert capper.transform(X)["a"].max() == 50.0


@pytest.mark.parametrize("column", [[5.0, 5.0, NAN], [NAN, NAN, NAN], [INF, INF, 1.0]])
def test_a_column_without_two_values_warns_and_stays(column):
    with pytest.warns(ConstantColumnWarning, match=r"\['a'\]"):
        capper = OutlierCapper().fit(pd.DataFrame({"a": column}))
    assert capper.bounds_ == {}
    assert "fewer than two" in capper.choices_["a"]


def test_flags_are_left_alone_even_where_named():
    X = pl.DataFrame({"rare": [0] * 19 + [1], "on": [False] * 19 + [True], "z": [0.0] * 19 + [1.0]})
    capper = OutlierCapper(["rare", "on", "z"], method="zscore", min_rows=2).fit(X)
    assert capper.transform(X).equals(X)
    assert set(capper.choices_.values()) == {"not capped: a flag of zeros and ones"}


def test_zscore_needs_rows_and_says_so():
    X = pd.DataFrame({"a": [*range(28), 1000.0, NAN]})
    capper = OutlierCapper(method="zscore").fit(X)
    assert capper.choices_["a"] == "not capped: 29 finite values, zscore needs min_rows=30"
    assert OutlierCapper(method="zscore", min_rows=29).fit(X).counts_["a"]["capped_high"] == 1


def test_one_row_can_be_fitted():
    with pytest.warns(ConstantColumnWarning):
        out = OutlierCapper().fit_transform(pd.DataFrame({"a": [3.0]}))
    assert out["a"].tolist() == [3.0]


def test_none_touches_nothing_not_even_infinities():
    X = pd.DataFrame({"a": [1.0, INF, NAN]})
    capper = OutlierCapper(method="none").fit(X)
    pd.testing.assert_frame_equal(capper.transform(X), X)
    assert capper.counts_["a"]["infinite"] == 1


def test_infinities_of_a_skipped_column_become_missing_and_are_counted():
    X = pl.DataFrame({"a": [0.0] * 8 + [INF, 1.5]})
    capper = OutlierCapper().fit(X)
    assert capper.transform(X)["a"].to_list() == [0.0] * 8 + [None, 1.5]
    assert capper.counts_["a"]["infinite"] == 1


# -- dtypes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dtype", "values", "expected"),
    [
        (pl.Int8, [-100, 0, 127], [-4, 0, 127]),  # the upper bound 146 lies outside Int8
        (pl.UInt8, [0, 7, 255], [0, 7, 146]),  # the lower bound lies below zero
        (pl.Int32, [-100, 0, 1000], [-4, 0, 146]),
        (pl.Int64, [-(2**62), 2**53 + 1, 3], [-4, 146, 3]),
        (pl.UInt64, [2**63, 0, 5], [146, 0, 5]),
        (pl.Float32, [-100.0, 0.5, 1000.0], [-4.5, 0.5, 146.5]),
    ],
)
def test_bounds_are_rounded_inward_by_the_dtype_that_comes(dtype, values, expected):
    inner = ArbitraryOutlierCapper(max_capping_dict={"a": 146.5}, min_capping_dict={"a": -4.5})
    capper = OutlierCapper(method=inner).fit(pl.DataFrame({"a": [0.5, 9.0]}))
    frame = pl.DataFrame({"a": pl.Series(values, dtype=dtype)})
    for out in (capper.transform(frame), capper.transform(frame.lazy()).collect()):
        assert out["a"].dtype == dtype
        assert out["a"].to_list() == expected
    relation = duckdb.connect().from_arrow(frame.to_arrow())
    found = capper.transform(relation)
    assert found.types == relation.types
    assert [row[0] for row in found.fetchall()] == expected


def test_integers_between_two_fractions_move_outward():
    inner = ArbitraryOutlierCapper(max_capping_dict={"a": 1.8}, min_capping_dict={"a": 1.2})
    capper = OutlierCapper(method=inner).fit(pl.DataFrame({"a": [1.3, 1.4]}))
    assert capper.transform(pl.DataFrame({"a": [-3, 2, 100]}))["a"].to_list() == [1, 2, 2]


def test_float32_never_leaves_the_bounds():
    inner = ArbitraryOutlierCapper(max_capping_dict={"a": 0.1}, min_capping_dict={"a": -0.7})
    capper = OutlierCapper(method=inner).fit(pl.DataFrame({"a": [1.0, 2.0]}))
    out = capper.transform(pl.DataFrame({"a": pl.Series([-9.0, 9.0], dtype=pl.Float32)}))["a"]
    assert -0.7 <= out[0] <= out[1] <= 0.1


def test_decimals_are_capped_as_floats_on_every_engine():
    money = pa.table({"a": pa.array([1, 2, 3, 4, 500]).cast(pa.decimal128(22, 2))})
    capper = OutlierCapper().fit(pl.DataFrame({"a": [*SKEWED[:5], 6.0]}))
    expected = [1.0, 2.0, 3.0, 4.0, capper.bounds_["a"][1]]
    found = capper.transform(duckdb.connect().from_arrow(money)).fetchall()
    assert [row[0] for row in found] == expected
    assert capper.transform(pl.from_arrow(money))["a"].to_list() == expected
    assert [float(v) for v in capper.transform(money)["a"].to_pylist()] == expected


@pytest.mark.parametrize("method", ["iqr", "zscore", "mad", "quantile"])
def test_extreme_values_stay_finite(method):
    X = pd.DataFrame({"a": [1e308, -1e308, 1.0, 2.0, 3.0, 1.7e308, -1.7e308]})
    out = OutlierCapper(method=method, min_rows=2).fit(X).transform(X)
    assert np.isfinite(out["a"]).all()


def test_nan_is_not_capped_on_duckdb():
    capper = OutlierCapper().fit(pl.DataFrame({"a": SKEWED}))
    relation = duckdb.sql("select unnest(['nan'::double, 'inf'::double, -1000, 2]) as a")
    found = [row[0] for row in capper.transform(relation).fetchall()]
    low, high = capper.bounds_["a"]
    assert found[0] is None
    assert found[1:] == [high, low, 2.0]
    report = capper.report(relation)
    assert report.loc["a"].to_dict() == {
        "missing": 1,
        "infinite": 1,
        "capped_low": 1,
        "capped_high": 0,
    }


def test_report_counts_any_frame():
    capper = OutlierCapper().fit(pd.DataFrame({"a": SKEWED}))
    report = capper.report(pl.DataFrame({"a": [-99.0, 1.0, 99.0, 98.0, None]}))
    assert report.loc["a"].tolist() == [1, 0, 1, 2]


# -- parameters ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("method", "iqrr"),
        ("fold", 0),
        ("fold", "wide"),
        ("fold", NAN),
        ("fold", True),
        ("quantiles", (0.9, 0.1)),
        ("quantiles", (1, 99)),
        ("quantiles", (0.1,)),
        ("min_rows", 1),
        ("min_rows", 30.0),
        ("columns", "a"),
    ],
)
def test_illegal_parameters_raise_in_fit_by_name(parameter, value):
    capper = OutlierCapper(**{parameter: value})
    with pytest.raises(ParameterError, match=f"`{parameter}`"):
        capper.fit(pd.DataFrame({"a": SKEWED}))


def test_text_and_dates_are_refused_by_name():
    X = pd.DataFrame({"plan": ["a", "b"], "since": pd.to_datetime(["2024-01-01", "2024-01-02"])})
    with pytest.raises(SchemaError, match=r"OutlierCapper: .*'plan' is text, 'since' is date"):
        OutlierCapper(["plan", "since"]).fit(X)
