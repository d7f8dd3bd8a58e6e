"""MissingValueImputer: the decision table, awkward columns, peers as oracles, every engine."""

from __future__ import annotations

import datetime as dt
import math
import pickle
import statistics
import uuid
from collections import Counter

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from feature_engine.imputation import (
    AddMissingIndicator,
    ArbitraryNumberImputer,
    CategoricalImputer,
    DropMissingData,
    EndTailImputer,
    MeanMedianImputer,
    RandomSampleImputer,
)
from feature_engine.pipeline import Pipeline as RowDroppingPipeline
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from tracer_sklearn import (
    ConstantColumnWarning,
    DataError,
    DataQualityWarning,
    InputTypeError,
    MissingValueImputer,
    ParameterError,
    SchemaError,
)
from tracer_sklearn.testing import ENGINES, to_engine

NAN, INF = math.nan, math.inf
NAMED = [engine for engine in ENGINES if engine != "numpy"]

finite = st.floats(-1e6, 1e6, allow_subnormal=False)
cells = st.one_of(finite, st.none(), st.sampled_from([NAN, INF, -INF]))
usable_columns = st.tuples(finite, st.lists(cells, max_size=30)).map(lambda c: [c[0], *c[1]])


def usable(column):
    return [v for v in column if v is not None and math.isfinite(v)]


def imputed(column, **options):
    """Fit and fill one column without an indicator; return the stage and the values."""
    frame = pl.DataFrame({"a": column}, strict=False)
    imputer = MissingValueImputer(indicator="none", **options).fit(frame)
    return imputer, imputer.transform(frame)["a"]


# -- strategies against slow oracles ---------------------------------------------------------


@given(usable_columns, st.sampled_from(["mean", "median"]))
def test_numbers_take_the_mean_or_the_median_of_what_is_usable(column, strategy):
    column = [float(v) if v is not None else None for v in column]
    imputer, out = imputed(pl.Series(column, dtype=pl.Float64), strategy=strategy)
    expected = getattr(statistics, strategy)(usable(column))
    assert imputer.fill_values_["a"] == pytest.approx(expected, rel=1e-12, abs=1e-9)
    for before, after in zip(column, out, strict=True):
        kept = before is not None and math.isfinite(before)
        assert after == (before if kept else imputer.fill_values_["a"])


@given(st.lists(st.sampled_from(["b", "a", "c", None]), min_size=1, max_size=20))
def test_the_mode_is_the_most_frequent_and_of_several_the_smallest(column):
    column = ["a", *column]
    imputer, _ = imputed(column, strategy="mode")
    counts = Counter(v for v in column if v is not None)
    assert imputer.fill_values_["a"] == min(counts, key=lambda v: (-counts[v], v))


@pytest.mark.parametrize("dtype", [pl.Float64, pl.Int64, pl.UInt8, pl.Float32])
def test_the_mode_of_numbers_is_allowed_and_warned_about(dtype):
    column = pl.Series([7, 3, 7, 3, 9, None], dtype=dtype)
    with pytest.warns(DataQualityWarning, match=r"mode.*\['a'\]"):
        imputer, out = imputed(column, strategy="mode")
    assert imputer.fill_values_["a"] == 3
    assert out.to_list() == [7, 3, 7, 3, 9, 3]
    assert out.dtype == dtype


def test_the_mode_of_a_flag_needs_no_warning():
    imputer, _ = imputed([0, 1, 1, None], strategy="mode")
    assert imputer.fill_values_ == {"a": 1}


def test_the_mode_of_large_integers_is_exact():
    big = 2**53 + 1
    with pytest.warns(DataQualityWarning):
        _, out = imputed([big, big, 5, None], strategy="mode")
    assert out[3] == big


# -- the decision table ----------------------------------------------------------------------


@given(st.integers(0, 2**32 - 1), st.sampled_from(["normal", "lognormal", "uniform", "laplace"]))
def test_auto_follows_the_table_for_numbers(seed, family):
    rng = np.random.default_rng(seed)
    values = getattr(rng, family)(size=200)
    imputer, _ = imputed([*values.tolist(), None])
    lower, upper = np.quantile(values, [0.25, 0.75])
    far = np.mean((values < lower - 3 * (upper - lower)) | (values > upper + 3 * (upper - lower)))
    skewed = abs(stats.skew(values)) > 1
    expected = np.median(values) if skewed or far > 0.01 else values.mean()
    assert imputer.fill_values_["a"] == pytest.approx(expected, rel=1e-12)
    chosen = "median" if skewed or far > 0.01 else "mean"
    assert imputer.choices_["a"].startswith(chosen)
    figure = "skewness" if skewed or chosen == "mean" else "interquartile"
    assert figure in imputer.choices_["a"]


def test_auto_takes_the_median_for_heavy_tails_without_skew():
    values = [*np.linspace(-1, 1, 96).tolist(), -50.0, 50.0, -50.0, 50.0]
    imputer, _ = imputed([*values, None])
    assert imputer.fill_values_["a"] == pytest.approx(0.0)
    assert imputer.choices_["a"] == "median: 4 % beyond 3 interquartile ranges, above 1 %"


@pytest.mark.parametrize(
    ("n_missing", "expected"), [(0, "pro"), (5, "pro"), (6, "missing"), (50, "missing")]
)
def test_auto_gives_text_its_mode_up_to_five_percent(n_missing, expected):
    column = [None] * n_missing + ["pro"] * (99 - n_missing) + ["basic"]
    imputer, out = imputed(column)
    assert imputer.fill_values_["a"] == expected
    assert out.to_list()[:n_missing] == [expected] * n_missing
    assert f"{n_missing} % missing" in imputer.choices_["a"]


def test_auto_gives_flags_their_mode_whatever_the_share():
    X = pl.DataFrame({"on": [True, True, False] + [None] * 9, "n": [0, 0, 1] + [None] * 9})
    imputer = MissingValueImputer().fit(X)
    assert imputer.fill_values_ == {"on": True, "n": 0}
    assert X.schema.items() <= imputer.transform(X).schema.items()


def test_dates_are_not_filled_but_marked():
    X = pd.DataFrame({"since": pd.to_datetime(["2024-01-01", None, "2024-01-03"])})
    imputer = MissingValueImputer().fit(X)
    out = imputer.transform(X)
    assert out["since"].isna().tolist() == [False, True, False]
    assert out["since__was_missing"].tolist() == [0, 1, 0]
    assert imputer.choices_["since"] == "not filled: a date"


@pytest.mark.parametrize("strategy", ["auto", "mean", "median", "mode", "drop"])
@pytest.mark.parametrize(
    ("column", "fill"),
    [
        (pl.Series([None, None], dtype=pl.Float64), 0),
        (pl.Series([NAN, INF], dtype=pl.Float64), 0),
        (pl.Series([None, None], dtype=pl.Int32), 0),
        (pl.Series([None, None], dtype=pl.Null), 0),
        (pl.Series([None, None], dtype=pl.String), "missing"),
        (pl.Series([None, None], dtype=pl.Boolean), False),
    ],
    ids=str,
)
def test_a_column_without_values_warns_is_filled_and_stays(column, fill, strategy):
    with pytest.warns(ConstantColumnWarning, match=r"\['a'\]"):
        _, out = imputed(column, strategy=strategy)
    assert out.to_list() == [fill, fill]


def test_unlike_strategies_for_unlike_columns():
    X = pl.DataFrame(
        {
            "a": [1.0, 2.0, 9.0, None],
            "b": [1.0, 2.0, 9.0, None],
            "c": ["x", None, "y", "y"],
            "d": [1.0, 2.0, 3.0, None],
        }
    )
    strategy = {"a": "median", "b": "constant", "c": "mode"}
    imputer = MissingValueImputer(strategy=strategy, fill_value={"b": -1.5}).fit(X)
    assert imputer.fill_values_ == {"a": 2.0, "b": -1.5, "c": "y", "d": 2.0}


def test_mean_and_median_leave_other_kinds_to_auto():
    X = pl.DataFrame({"plan": ["a", None, "b", "b"], "on": [None, True, True, False]})
    imputer = MissingValueImputer(strategy="median").fit(X)
    assert imputer.fill_values_ == {"plan": "missing", "on": True}


def test_constants_serve_the_columns_of_their_kind():
    X = pl.DataFrame({"n": [1.0, None], "plan": ["a", None], "on": [True, None]})
    for given_value, expected in [
        (None, {"n": 0, "plan": "missing", "on": False}),
        (-9, {"n": -9, "plan": "missing", "on": False}),
        ("none", {"n": 0, "plan": "none", "on": False}),
        ({"on": True, "plan": "?"}, {"n": 0, "plan": "?", "on": True}),
    ]:
        imputer = MissingValueImputer(strategy="constant", fill_value=given_value).fit(X)
        assert imputer.fill_values_ == expected


# -- indicators ------------------------------------------------------------------------------


def made_indicators(frame, **options):
    return list(MissingValueImputer(**options).fit(pl.DataFrame(frame)).indicators_)


def test_an_indicator_needs_one_percent():
    enough = [None] + [1.0] * 99
    rare = [None] + [1.0] * 100
    imputer = MissingValueImputer().fit(pl.DataFrame({"a": enough}))
    assert imputer.indicators_ == {"a": "a__was_missing"}
    assert imputer.choices_["a__was_missing"] == "made: 1 % missing"
    assert made_indicators({"a": rare}) == []
    assert made_indicators({"a": rare}, min_indicator_share=0.0) == ["a"]
    assert made_indicators({"a": [1.0, 2.0]}, min_indicator_share=0.0) == []


def test_columns_missing_in_the_same_rows_need_one_indicator():
    X = {
        "a": [None, 1.0, NAN, 2.0],
        "b": ["x", None, "y", "z"],
        "c": [NAN, 5.0, INF, 6.0],
        "d": [1.0, None, None, 2.0],
    }
    imputer = MissingValueImputer().fit(pl.DataFrame(X))
    assert list(imputer.indicators_) == ["a", "b", "d"]
    assert imputer.choices_["c__was_missing"] == "not made: identical to that of 'a'"


@pytest.mark.parametrize(
    "flag", [[1, 0, 1, 0], [1.0, 0.0, 1.0, 0.0], [True, False, True, False]], ids=str
)
def test_an_existing_flag_counts_as_the_indicator(flag):
    X = pl.DataFrame({"a": [None, 1.0, None, 2.0], "a_missing": flag, "other": [0, 1, 1, 0]})
    imputer = MissingValueImputer().fit(X)
    assert imputer.indicators_ == {}
    assert "'a_missing'" in imputer.choices_["a__was_missing"]


def test_indicators_can_be_wanted_always_or_never():
    X = {"a": [1.0, 2.0], "b": ["x", None]}
    assert made_indicators(X, indicator="all") == ["a", "b"]
    assert made_indicators(X, indicator="none") == []


def test_indicators_are_int8_zeros_and_ones_that_follow_the_rows_to_come(engine):
    X = pl.DataFrame({"x0": [1.0, NAN, 3.0, 4.0], "x1": [NAN, 5.0, INF, 7.0]})
    imputer = MissingValueImputer().fit(X)
    later = pl.DataFrame({"x0": [NAN, -INF, 3.0, NAN], "x1": [1.0, 2.0, NAN, 4.0]})
    if engine == "numpy":
        imputer = MissingValueImputer().fit(to_engine(X, "numpy"))
    out = imputer.transform(to_engine(later, engine))
    if engine == "numpy":
        table = pl.DataFrame(out, schema=imputer.get_feature_names_out().tolist())
    elif engine.startswith("pandas"):
        table = pl.from_pandas(out.reset_index(drop=True))
    else:
        table = {"polars-lazy": lambda f: f.collect(), "duckdb": lambda f: f.pl()}.get(
            engine, pl.DataFrame
        )(out)
    assert table.columns == ["x0", "x1", "x0__was_missing", "x1__was_missing"]
    assert table["x0__was_missing"].to_list() == [1, 1, 0, 1]
    assert table["x1__was_missing"].to_list() == [0, 0, 1, 0]
    if engine != "numpy":
        assert table["x0__was_missing"].dtype == pl.Int8
    assert table["x0"].to_list() == [imputer.fill_values_["x0"]] * 2 + [3.0, table["x0"][0]]


def test_an_indicator_never_overwrites_a_column():
    X = pl.DataFrame({"a": [None, 1.0, 2.0], "a__was_missing": ["yes", "no", "no"]})
    with pytest.raises(SchemaError, match="'a' meets 'a__was_missing'"):
        MissingValueImputer().fit(X)
    with pytest.raises(SchemaError, match="a__was_missing"):
        MissingValueImputer(["a"]).fit(X)


# -- dtypes ----------------------------------------------------------------------------------


def test_a_fractional_median_of_nullable_integers_does_not_raise():
    frame = pl.DataFrame({"a": [1, 2, None]})
    imputer = MissingValueImputer(strategy="median", indicator="none").fit(frame)
    for kind in ("pandas-nullable", "pandas-arrow", "polars", "pyarrow"):
        out = pl.DataFrame(imputer.transform(to_engine(frame, kind)))
        assert out.to_dict(as_series=False) == {"a": [1.0, 2.0, 1.5]}
        assert out.schema == {"a": pl.Float64}
    assert imputer.transform(to_engine(frame, "duckdb")).types == ["DOUBLE"]


def test_a_complete_integer_column_keeps_its_dtype_and_takes_a_rounded_fill():
    imputer, out = imputed([1, 2, 2, 6], strategy="mean")
    assert out.dtype == pl.Int64
    assert imputer.fill_values_ == {"a": 3}
    assert "rounded" in imputed([1, 2, 2, 5], strategy="mean")[0].choices_["a"]


@pytest.mark.parametrize("dtype", [pl.Int8, pl.Int16, pl.UInt32, pl.Int64, pl.UInt64])
def test_integers_keep_their_dtype_where_the_fill_is_one(dtype):
    _, out = imputed(pl.Series([1, 3, 3, None], dtype=dtype), strategy="median")
    assert out.dtype == dtype
    assert out.to_list() == [1, 3, 3, 3]


@pytest.mark.parametrize(
    ("dtype", "fill", "holder"),
    [
        (pl.Int8, -999, pl.Int64),
        (pl.UInt8, -1, pl.Int64),
        (pl.UInt64, -1, pl.Float64),
        (pl.Int64, 1e30, pl.Float64),
        (pl.Int16, 0.5, pl.Float64),
    ],
)
def test_a_fill_that_does_not_fit_widens_the_column(dtype, fill, holder):
    column = pl.Series([1, None], dtype=dtype)
    _, out = imputed(column, strategy="constant", fill_value=fill)
    assert out.dtype == holder
    assert out.to_list() == [1, fill]


def test_large_identifiers_survive_untouched():
    ids = [2**62 + 1, 2**62 + 3]
    _, out = imputed(ids)
    assert out.to_list() == ids


def test_float32_stays_float32_and_finite():
    column = pl.Series([1.0, None], dtype=pl.Float32)
    _, out = imputed(column, strategy="constant", fill_value=1e300)
    assert out.dtype == pl.Float32
    assert math.isfinite(out[1])


@pytest.mark.parametrize("strategy", ["mean", "median", "auto"])
def test_extreme_values_give_finite_fills(strategy):
    _, out = imputed([1.7e308, 1.6e308, -1e308, None, INF], strategy=strategy)
    assert all(math.isfinite(v) for v in out)


@pytest.mark.parametrize("strategy", ["auto", "mean", "median", "mode", "drop"])
@pytest.mark.parametrize("kind", ["pandas", "pyarrow"])
def test_categories_that_are_numbers_take_their_mode(kind, strategy):
    codes = [8001, 1000, None, 8001, 9999]
    X = {
        "pandas": pd.DataFrame({"zip": pd.Series(codes).astype("category")}),
        "pyarrow": pa.table({"zip": pa.array(codes).dictionary_encode()}),
    }[kind]
    imputer = MissingValueImputer(strategy=strategy, indicator="none").fit(X)
    assert imputer.choices_["zip"] == "mode: numbers that name categories"
    filled = [8001 if code is None else code for code in codes]
    assert pl.DataFrame(imputer.transform(X))["zip"].to_list() == filled
    served = imputer.transform(pl.DataFrame({"zip": codes}))
    assert served["zip"].to_list() == filled


def test_pandas_categories_gain_the_level_they_lack():
    X = pd.DataFrame({"plan": pd.Categorical(["b", None, "a", "b"], categories=["b", "a"])})
    out = MissingValueImputer(indicator="none").fit_transform(X)["plan"]
    assert out.tolist() == ["b", "missing", "a", "b"]
    assert out.cat.categories.tolist() == ["b", "a", "missing"]
    by_mode = MissingValueImputer(strategy="mode", indicator="none").fit_transform(X)["plan"]
    assert by_mode.dtype == X["plan"].dtype


@pytest.mark.parametrize("dtype", [pl.Enum(["lo", "mid", "hi"]), pl.Categorical])
def test_polars_categories_stay_categories(dtype):
    column = pl.Series(["lo", None, "hi", "hi"], dtype=dtype)
    _, out = imputed(column)
    assert out.to_list() == ["lo", "missing", "hi", "hi"]
    kept = pl.Enum(["lo", "mid", "hi", "missing"]) if isinstance(dtype, pl.Enum) else dtype
    assert out.dtype == kept


def test_duckdb_enums_stay_enums():
    relation = duckdb.sql(
        "select v::ENUM('lo', 'hi') as plan from (values ('lo'), ('hi'), (null)) t(v)"
    )
    imputer = MissingValueImputer(indicator="none").fit(relation)
    out = imputer.transform(relation)
    assert str(out.types[0]) == "ENUM('lo', 'hi', 'missing')"
    assert sorted(row[0] for row in out.fetchall()) == ["hi", "lo", "missing"]


def test_counts_name_missing_and_infinite_cells_of_any_frame():
    imputer = MissingValueImputer().fit(pl.DataFrame({"a": [NAN, None, INF, 1.0]}))
    assert imputer.counts_ == {"a": {"missing": 2, "infinite": 1}}
    report = imputer.report(duckdb.sql("select unnest([1.0::double, null, '-inf']) as a"))
    assert report.loc["a"].to_dict() == {"missing": 1, "infinite": 1}


@pytest.mark.parametrize("kind", NAMED)
def test_a_column_complete_in_training_is_filled_later(kind):
    imputer = MissingValueImputer().fit(pl.DataFrame({"a": [1.0, 2.0, 3.0], "b": ["x", "x", "y"]}))
    out = imputer.transform(to_engine(pl.DataFrame({"a": [None, 7.0], "b": ["y", None]}), kind))
    rows = {"polars-lazy": lambda f: f.collect().rows(), "duckdb": lambda f: f.fetchall()}
    found = rows.get(kind, lambda f: pl.DataFrame(f).rows())(out)
    assert sorted(found) == [(2.0, "y"), (7.0, "x")]


# -- drop ------------------------------------------------------------------------------------


DIRTY = pd.DataFrame(
    {
        "a": [1.0, 2.0, 9.0, NAN, 100.0, 4.0],
        "b": ["x", "y", "y", "x", None, "y"],
        "void": [NAN] * 6,
    },
    index=[3, 3, 1, 0, 5, 5],
)


@pytest.fixture
def dropper():
    imputer = MissingValueImputer(strategy="drop", indicator="none")
    with pytest.warns(ConstantColumnWarning, match="void"):
        return imputer.fit(DIRTY)


def test_drop_learns_from_complete_rows_and_keeps_every_row_in_transform(dropper):
    assert dropper.required_columns_ == ["a", "b"]
    assert dropper.fill_values_ == {"a": 3.0, "b": "y", "void": 0}
    out = dropper.transform(DIRTY)
    assert out.index.tolist() == DIRTY.index.tolist()
    assert out["a"].tolist() == [1.0, 2.0, 9.0, 3.0, 100.0, 4.0]
    assert out["b"].tolist() == ["x", "y", "y", "x", "y", "y"]


def test_transform_x_y_removes_incomplete_rows_of_both(dropper):
    kept = [0, 1, 2, 5]
    for y in (
        np.arange(6),
        list(range(6)),
        pd.Series(range(6), index=DIRTY.index),
        pl.Series(range(6)),
        pa.chunked_array([list(range(6))]),
        pd.DataFrame({"y": range(6)}),
    ):
        out, kept_y = dropper.transform_x_y(DIRTY, y)
        assert out.index.tolist() == [3, 3, 1, 5]
        assert out["a"].tolist() == [1.0, 2.0, 9.0, 4.0]
        assert type(kept_y) is type(y)
        assert np.ravel(kept_y).tolist() == kept


def test_transform_x_y_serves_every_frame_in_memory(dropper):
    y = np.arange(6)
    polars = pl.from_pandas(DIRTY.reset_index(drop=True))
    for frame in (polars, polars.to_arrow()):
        out, kept_y = dropper.transform_x_y(frame, y)
        assert type(out) is type(frame)
        assert pl.DataFrame(out)["a"].to_list() == [1.0, 2.0, 9.0, 4.0]
        assert kept_y.tolist() == [0, 1, 2, 5]
    array = np.array([[1.0, 2.0], [NAN, 3.0], [4.0, INF], [6.0, 7.0]])
    imputer = MissingValueImputer(strategy="drop", indicator="none").fit(array)
    out, kept_y = imputer.transform_x_y(array, list("abcd"))
    assert out.tolist() == [[1.0, 2.0], [6.0, 7.0]]
    assert kept_y == ["a", "d"]
    with pytest.raises(InputTypeError, match="transform_x_y needs rows in memory"):
        dropper.transform_x_y(polars.lazy(), y)


def test_transform_x_y_removes_nothing_under_other_strategies():
    X, y = DIRTY[["a", "b"]], np.arange(6)
    imputer = MissingValueImputer(strategy="median").fit(X)
    out, kept_y = imputer.transform_x_y(X, y)
    pd.testing.assert_frame_equal(out, imputer.transform(X))
    assert kept_y is y


def test_y_must_have_the_rows_of_x(dropper):
    with pytest.raises(ValueError, match="same number of rows"):
        dropper.transform_x_y(DIRTY, [1, 2])


def test_a_row_dropping_pipeline_trains_on_complete_rows_and_answers_all():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(60, 3)), columns=["a", "b", "c"])
    y = (X["a"] > 0).astype(int)
    X[rng.random(X.shape) < 0.1] = NAN
    model = LogisticRegression()
    pipe = RowDroppingPipeline(
        [("impute", MissingValueImputer(strategy="drop", indicator="none")), ("model", model)]
    ).fit(X, y)
    complete = X.notna().all(axis=1)
    by_hand = LogisticRegression().fit(X[complete], y[complete])
    np.testing.assert_allclose(pipe.named_steps["model"].coef_, by_hand.coef_, rtol=1e-9)
    assert len(pipe.predict(X)) == len(X)


def test_drop_without_a_complete_row_learns_from_all_and_says_so():
    X = pd.DataFrame({"a": [1.0, NAN, 3.0], "b": [NAN, 2.0, NAN]})
    with pytest.warns(DataQualityWarning, match="none of 3 is"):
        imputer = MissingValueImputer(strategy="drop").fit(X)
    assert imputer.fill_values_ == {"a": 2.0, "b": 2.0}
    with pytest.raises(DataError, match="must leave a row, all 3 miss"):
        imputer.transform_x_y(X, [0, 1, 0])


def test_drop_may_concern_some_columns_only():
    X = pl.DataFrame({"a": [1.0, None, 3.0, 5.0], "b": [None, 2.0, 4.0, 6.0]})
    imputer = MissingValueImputer(strategy={"a": "drop", "b": "mean"}, indicator="none").fit(X)
    out, y = imputer.transform_x_y(X, [0, 1, 2, 3])
    assert out["b"].to_list() == [4.0, 4.0, 6.0]
    assert y == [0, 2, 3]


# -- estimators ------------------------------------------------------------------------------


def numeric(n=80, seed=1):
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(rng.lognormal(size=(n, 3)), columns=["a", "b", "c"])
    X[rng.random(X.shape) < 0.15] = NAN
    return X


CONSTANT_FILLERS = [
    SimpleImputer(),
    SimpleImputer(strategy="median"),
    SimpleImputer(strategy="most_frequent"),
    SimpleImputer(strategy="constant"),
    SimpleImputer(strategy="constant", fill_value=-7.5),
    SimpleImputer(strategy=np.max),
    MeanMedianImputer(imputation_method="mean"),
    MeanMedianImputer(imputation_method="median"),
    EndTailImputer(),
    EndTailImputer(imputation_method="iqr", tail="left"),
    EndTailImputer(imputation_method="max"),
    ArbitraryNumberImputer(arbitrary_number=-1),
    ArbitraryNumberImputer(imputer_dict={"a": 3, "b": 4, "c": 5}),
]


def _shown(estimator):
    return repr(estimator).partition(" at 0x")[0]  # the same name in every process


@pytest.mark.parametrize("inner", CONSTANT_FILLERS, ids=_shown)
@pytest.mark.parametrize("kind", NAMED)
def test_what_fills_by_constants_is_read_out_and_runs_everywhere(inner, kind):
    X = numeric()
    expected = np.asarray(type(inner)(**inner.get_params()).fit_transform(X.copy()))
    imputer = MissingValueImputer(strategy=inner, indicator="none").fit(X)
    out = imputer.transform(to_engine(pl.from_pandas(X, nan_to_null=False), kind))
    rows = {"polars-lazy": lambda f: f.collect(), "duckdb": lambda f: f.pl()}
    found = rows.get(kind, pl.DataFrame)(out).to_numpy()
    order = (lambda m: m[np.lexsort(m.T)]) if kind == "duckdb" else (lambda m: m)
    np.testing.assert_allclose(order(found), order(expected), rtol=1e-12)


ROW_FILLERS = [KNNImputer(n_neighbors=3), IterativeImputer(max_iter=3, random_state=0)]


@pytest.mark.parametrize("inner", ROW_FILLERS, ids=repr)
def test_what_needs_rows_serves_frames_in_memory(inner):
    X = numeric()
    expected = type(inner)(**inner.get_params()).fit_transform(X)
    imputer = pickle.loads(pickle.dumps(MissingValueImputer(strategy=inner).fit(X)))
    for frame in (X, pl.from_pandas(X), pa.Table.from_pandas(X, preserve_index=False)):
        out = imputer.transform(frame)
        assert type(out) is type(frame)
        found = pl.DataFrame(out).select("a", "b", "c").to_numpy()
        np.testing.assert_allclose(found, expected, rtol=1e-9)
        assert imputer.transform(frame[:0]).shape == (0, 6)
    assert imputer.choices_["a"] == f"row by row: {type(inner).__name__}"


@pytest.mark.parametrize("inner", [*ROW_FILLERS, RandomSampleImputer(random_state=0)], ids=repr)
def test_what_needs_rows_refuses_lazy_frames_by_name(inner):
    frame = pl.from_pandas(numeric())
    imputer = MissingValueImputer(strategy=inner).fit(frame)
    with pytest.raises(InputTypeError, match=rf"{type(inner).__name__}.* needs rows in memory"):
        imputer.transform(frame.lazy())


def test_a_random_sample_comes_from_the_column():
    X = pl.DataFrame({"a": [1.0, 2.0, None, 3.0], "plan": ["x", None, "y", "y"]})
    inner = RandomSampleImputer(random_state=3)
    out = MissingValueImputer(strategy=inner, indicator="none").fit_transform(X)
    assert out["a"][2] in (1.0, 2.0, 3.0)
    assert out["plan"][1] in ("x", "y")
    assert out.schema == X.schema


def test_an_estimator_leaves_the_columns_it_cannot_serve_to_auto():
    X = numeric()
    X["plan"] = ["x", None, "y", "y"] * 20
    X["on"] = pd.array([True, None, True, False] * 20, dtype="boolean")
    for inner in (SimpleImputer(), KNNImputer(), MeanMedianImputer()):
        out = MissingValueImputer(strategy=inner, indicator="none").fit_transform(X)
        assert not out.isna().any(axis=None)
        assert out["plan"].iloc[1] == "missing"


@pytest.mark.parametrize("dtype", ["str", "object", "category"])
def test_estimators_of_categories_are_read_out(dtype):
    X = pd.DataFrame({"plan": ["x", None, "y", "y"]}).astype(dtype)
    for inner, fill in [
        (CategoricalImputer(), "Missing"),
        (CategoricalImputer(imputation_method="frequent"), "y"),
        (SimpleImputer(strategy="most_frequent"), "y"),
        (SimpleImputer(strategy="constant", fill_value="?"), "?"),
        (SimpleImputer(strategy="constant"), "missing_value"),
    ]:
        imputer = MissingValueImputer(strategy=inner, indicator="none").fit(X)
        assert imputer.fill_values_ == {"plan": fill}
        assert imputer.transform(X)["plan"].tolist() == ["x", fill, "y", "y"]


def test_the_inner_estimator_is_neither_fitted_nor_changed():
    for inner in (SimpleImputer(), KNNImputer(), MeanMedianImputer()):
        before = dict(vars(inner))
        MissingValueImputer(strategy=inner).fit(numeric())
        assert vars(inner) == before


def test_a_refit_forgets_the_estimator():
    imputer = MissingValueImputer(strategy=KNNImputer()).fit(numeric())
    imputer.set_params(strategy="median").fit(numeric())
    assert not hasattr(imputer, "estimator_")
    assert len(imputer.transform(pl.from_pandas(numeric()).lazy()).collect()) == 80


def test_infinities_never_reach_the_estimator():
    X = numeric()
    X.loc[0, "a"] = INF
    for inner in (SimpleImputer(), KNNImputer(), MeanMedianImputer(), EndTailImputer()):
        out = MissingValueImputer(strategy=inner).fit_transform(X)
        assert np.isfinite(out.to_numpy()).all()


def test_an_estimator_that_cannot_learn_is_named():
    X = pd.DataFrame({"plan": ["x", None]})
    with pytest.raises(DataError, match="strategy=MeanMedianImputer must be able to learn"):
        MissingValueImputer(strategy=MeanMedianImputer()).fit(X)


@pytest.mark.parametrize(
    ("strategy", "advice"),
    [
        (DropMissingData(), "strategy='drop'"),
        (AddMissingIndicator(), "`indicator`"),
        (SimpleImputer(add_indicator=True), "add_indicator=False"),
        (SimpleImputer(missing_values=-1), "X.replace"),
        (SimpleImputer, "estimator instance"),
        ("medan", "did you mean 'median'"),
        ({"a": "medan"}, "entry 'a'"),
        ({"a": []}, "entry 'a'"),
        (None, "must be"),
    ],
    ids=repr,
)
def test_illegal_strategies_are_refused_with_advice(strategy, advice):
    with pytest.raises(ParameterError, match="MissingValueImputer: `strategy`") as caught:
        MissingValueImputer(strategy=strategy).fit(numeric())
    assert advice in str(caught.value)


class FillWithRowMean(TransformerMixin, BaseEstimator):
    """An imputer of a user's own."""

    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def transform(self, X):
        return X.T.fillna(X.mean(axis=1)).T.fillna(0.0)


def test_an_imputer_of_the_users_own_works_row_by_row():
    X = numeric()
    imputer = MissingValueImputer(strategy=FillWithRowMean(), indicator="none")
    pd.testing.assert_frame_equal(imputer.fit_transform(X), FillWithRowMean().fit(X).transform(X))


@pytest.mark.parametrize("strategy", [StandardScaler(), PolynomialFeatures(include_bias=False)])
def test_an_estimator_that_does_more_than_filling_is_refused(strategy):
    X = numeric().fillna(1.0)
    with pytest.raises(ParameterError, match="keeps rows, columns and other cells"):
        MissingValueImputer(strategy=strategy).fit(X)


# -- parameters ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("fill_value", NAN),
        ("fill_value", INF),
        ("fill_value", [1]),
        ("fill_value", {"a": []}),
        ("indicator", True),
        ("indicator", "some"),
        ("min_indicator_share", 1.5),
        ("min_indicator_share", "1%"),
        ("columns", "a"),
    ],
)
def test_illegal_parameters_raise_in_fit_by_name(parameter, value):
    imputer = MissingValueImputer(**{parameter: value})
    with pytest.raises(ParameterError, match=f"`{parameter}`"):
        imputer.fit(numeric())


def test_names_that_are_not_there_are_errors_with_the_nearest_name():
    for options in (
        {"strategy": {"spent": "median"}},
        {"columns": ["spent"]},
        {"strategy": "constant", "fill_value": {"spent": 0}},
    ):
        with pytest.raises(SchemaError, match=r"'spent' \(nearest: 'spend'\)"):
            MissingValueImputer(**options).fit(pd.DataFrame({"spend": [1.0, NAN]}))


def test_a_fill_value_of_another_kind_is_an_error():
    X = pd.DataFrame({"a": [1.0, NAN], "plan": ["x", None]})
    with pytest.raises(ParameterError, match="`fill_value` must be a number for column 'a'"):
        MissingValueImputer(strategy="constant", fill_value={"a": "none"}).fit(X)
    with pytest.raises(ParameterError, match="`fill_value`"):
        MissingValueImputer(["a"], strategy="constant", fill_value="none").fit(X)


@pytest.mark.parametrize(
    "cells",
    [
        pl.Series("odd", [dt.time(1), None, dt.time(2)]),
        pl.Series("odd", [b"a", None, b"b"]),
        pl.Series("odd", [[1], None, [2]]),
        pl.Series("odd", [{"k": 1}, None, {"k": 2}]),
    ],
    ids=["time", "binary", "list", "struct"],
)
def test_columns_that_no_value_can_fill_pass_unchanged(cells):
    frame = pl.DataFrame({"n": [1.0, None, 3.0]}).with_columns(cells)
    imputer = MissingValueImputer().fit(frame)
    for rows in (frame, frame.lazy(), frame.to_arrow(), frame.head(0)):
        out = imputer.transform(rows)
        out = pl.from_arrow(out) if isinstance(out, pa.Table) else out.lazy().collect()
        assert out["odd"].to_list() == cells.to_list()[: len(out)]
        assert out["n"].to_list() == [1.0, 2.0, 3.0][: len(out)]


def test_a_uuid_column_is_text_on_duckdb_and_kept_in_pandas():
    ids = [uuid.UUID(int=1), None, uuid.UUID(int=1)]
    frame = pd.DataFrame({"id": pd.Series(ids, dtype=object)})
    assert MissingValueImputer().fit_transform(frame)["id"].tolist() == ids
    relation = duckdb.sql("select unnest([uuid '00000000-0000-0000-0000-000000000001', null]) as u")
    imputer = MissingValueImputer().fit(relation)
    assert sorted(imputer.transform(relation).fetchall()) == [
        (str(ids[0]), 0),
        ("missing", 1),
    ]
