"""The door: what comes in, what is refused, what goes out."""

from __future__ import annotations

import datetime as dt
import gc
import threading
import weakref

import duckdb
import narwhals
import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse
import sklearn
from sklearn.pipeline import make_pipeline

from tracer_sklearn import FeatureScaler, InputTypeError, ParameterError, SchemaError, Stage


class Half(Stage):
    """Halve numbers and tell their sign: one column in place, one new."""

    def __init__(self, columns=None):
        self.columns = columns

    def _apply(self, frame):
        made = {}
        for name in frame.collect_schema().names():
            made[name] = nw.col(name) * 0.5
            made[f"{name}_sign"] = (nw.col(name) > 0).cast(nw.Int8)
        return made


class Same(Stage):
    """Give back what came in, by expressions that may share the memory."""

    def __init__(self, columns=None):
        self.columns = columns

    def _apply(self, frame):
        return {name: nw.col(name) for name in frame.collect_schema().names()}


@pytest.mark.parametrize(
    ("X", "error", "words"),
    [
        (scipy.sparse.eye(3).tocsr(), TypeError, "dense"),
        (pd.Series([1.0, 2.0]), InputTypeError, "pandas.Series"),
        (pl.Series([1.0, 2.0]), InputTypeError, "Series"),
        ({"a": [1.0]}, InputTypeError, "dict"),
        ("file.csv", InputTypeError, "convert it first"),
        (np.array([1.0, 2.0]), ValueError, "2D array"),
        (np.zeros((0, 2)), ValueError, "minimum of 1 is required"),
        (pd.DataFrame({"a": []}), SchemaError, "at least one row"),
        (pl.LazyFrame({"a": []}, schema={"a": pl.Float64}), SchemaError, "lazy frame gave none"),
        (pd.DataFrame(index=[1, 2]), SchemaError, "one column"),
        (pd.DataFrame([[1.0, 2.0]], columns=["a", "a"]), SchemaError, "'a' at positions [0, 1]"),
        (pa.table([[1.0], [2.0]], names=["a", "a"]), SchemaError, "'a' at positions [0, 1]"),
        (pd.DataFrame([[1.0, 2.0]], columns=["a", 1]), InputTypeError, "astype(str)"),
        (
            pd.DataFrame([[1.0]], columns=pd.MultiIndex.from_tuples([("a", "b")])),
            InputTypeError,
            "one level",
        ),
        (np.array([[1 + 2j]]), ValueError, "Complex"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_refusals_say_what_to_do(X, error, words: str) -> None:
    with pytest.raises(error) as caught:
        FeatureScaler().fit(X)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ([1, "1", 2.5], ["int", "str"]),
        ([dt.date(2024, 1, 1), "soon", None], ["date", "str"]),
        ([{"a": 1}, {"a": 2}, None], ["struct"]),
        ([[1], [2], [3]], ["list"]),
    ],
)
def test_columns_of_several_kinds_are_refused_by_name(cells, words: list[str]) -> None:
    frame = pd.DataFrame({"note": pd.Series(cells, dtype=object), "a": [1.0, 2.0, 3.0]})
    with pytest.raises(InputTypeError, match=r"Half.*'note'") as caught:
        Half(["note"]).fit(frame)
    for word in words:
        assert word in str(caught.value)
    assert Half(["a"]).fit_transform(frame)["note"].tolist() == cells  # untouched: passes


@pytest.mark.parametrize(
    "column",
    [
        pd.Series(pd.period_range("2024-01", periods=2, freq="M")),
        pd.Series(pd.IntervalIndex.from_breaks([0, 1, 2])),
        pd.Series(pd.arrays.SparseArray([0.0, 1.0])),
    ],
    ids=lambda column: str(column.dtype),
)
def test_pandas_dtypes_without_a_counterpart_are_refused_by_name(column) -> None:
    with pytest.raises(InputTypeError, match="'odd'"):
        Half(["odd"]).fit(pd.DataFrame({"odd": column}))


def test_untouched_columns_of_any_kind_pass_unchanged() -> None:
    frame = pd.DataFrame(
        {
            "a": [1.0, -2.0],
            "when": pd.to_datetime(["2024-01-01", None]).tz_localize("Europe/Paris"),
            "level": pd.Categorical(["u", "v"], categories=["v", "u", "w"], ordered=True),
            "raw": [object(), [1]],
            "period": pd.period_range("2024-01", periods=2, freq="M"),
        },
        index=[7, 7],
    )
    out = Half(["a"]).fit_transform(frame)
    assert list(out.columns) == [*frame.columns, "a_sign"]
    pd.testing.assert_frame_equal(out[list(frame.columns[1:])], frame[list(frame.columns[1:])])


@pytest.mark.parametrize(
    ("column", "made"),
    [
        (pd.Series([1.0, -2.0, None], dtype="Float64"), "Int8"),
        (pd.Series([1.0, -2.0, None], dtype="double[pyarrow]"), "int8[pyarrow]"),
        (pd.Series([1.0, -2.0, 3.0], dtype="float64"), "int8"),
        (pd.Series([1.0, -2.0, 3.0], dtype="float32"), "int8"),
    ],
    ids=lambda value: str(getattr(value, "dtype", value)),
)
def test_made_columns_are_of_the_family_that_came_in(column, made: str) -> None:
    out = Half().fit_transform(pd.DataFrame({"a": column}))
    assert out["a"].dtype == column.dtype
    assert str(out["a_sign"].dtype) == made


def test_one_arrow_column_does_not_make_arrow_of_the_others() -> None:
    frame = pd.DataFrame({"a": [1.0, -2.0], "b": pd.Series([1, -2], dtype="int64[pyarrow]")})
    out = Half().fit_transform(frame)
    found = {name: str(dtype) for name, dtype in out.dtypes.items()}
    assert found == {"a": "float64", "b": "double[pyarrow]", "a_sign": "int8", "b_sign": "int8"}


@pytest.mark.parametrize("name", ["*", "^a.*$"])
@pytest.mark.parametrize("kind", ["pandas", "polars", "lazy", "pyarrow"])
def test_names_that_engines_take_for_patterns_are_refused(name: str, kind: str) -> None:
    frame = pl.DataFrame({name: [1.0, 2.0], "a": [3.0, 4.0]})
    given = {
        "pandas": frame.to_pandas(),
        "polars": frame,
        "lazy": frame.lazy(),
        "pyarrow": frame.to_arrow(),
    }[kind]
    with pytest.raises(SchemaError, match=r"Half: a column must not be named.*; rename it") as e:
        Half().fit(given)
    assert e.value.unexpected == (name,)


@pytest.mark.parametrize("kind", ["pandas", "pyarrow", "polars", "duckdb"])
def test_what_is_computed_from_decimals_is_not_rounded_to_them(kind: str) -> None:
    table = pa.table({"a": pa.array([1, 2, 25]).cast(pa.decimal128(22, 2))})
    given = {
        "pandas": table.to_pandas(types_mapper=pd.ArrowDtype),
        "pyarrow": table,
        "polars": pl.from_arrow(table),
        "duckdb": duckdb.connect().from_arrow(table),
    }[kind]
    out = FeatureScaler().fit(table).transform(given)
    found = nw.from_native(out).lazy().collect("polars").to_native()["a"]
    assert found.dtype == pl.Float64
    assert found.to_list() == pytest.approx([-1 / 12, 0.0, 23 / 12], rel=1e-12)


def test_integers_beyond_64_bits_are_refused_by_name() -> None:
    frame = pd.DataFrame({"id": [2**70, 1]})
    with pytest.raises(InputTypeError, match=r"Half: .*64 bits, column 'id'.*astype\(str\)"):
        Half(["id"]).fit(frame)


@pytest.mark.parametrize("wrap", [nw.from_native, narwhals.from_native])
def test_frames_of_any_narwhals_keep_their_names(wrap) -> None:
    out = Half().fit_transform(wrap(pd.DataFrame({"a": [1.0, -2.0]})))
    assert list(out.columns) == ["a", "a_sign"]


def test_intervals_of_a_database_are_refused_by_name() -> None:
    relation = duckdb.connect().sql("select 1.0 as a, interval 3 days as since")
    with pytest.raises(InputTypeError, match=r"Half: .*\['since'\] are of type INTERVAL; make"):
        Half(["a"]).fit(relation)


def test_results_never_share_memory_with_the_input() -> None:
    for frame in (
        pd.DataFrame({"a": [1.0, 2.0], "b": [3, 4]}),
        pd.DataFrame({"a": pd.Series([1, None], dtype="Int64")}),
    ):
        before = frame.copy(deep=True)
        out = Same().fit_transform(frame)
        out.iloc[0, 0] = 99
        pd.testing.assert_frame_equal(frame, before)
    array = np.array([[1.0, 2.0], [3.0, 4.0]])
    out = Same().fit_transform(array)
    out[0, 0] = 99
    assert array[0, 0] == 1.0


class Twins(Stage):
    """Make two columns that are one expression."""

    def _apply(self, frame):
        return {"p": nw.col("a"), "q": nw.col("a"), "r": nw.col("a") * 2, "s": nw.col("a") * 2}

    def _bind(self, schema):
        return ["a"]


def test_made_columns_share_memory_with_nothing() -> None:
    frame = pd.DataFrame({"a": [1.0, 2.0]})
    out = Twins().fit_transform(frame)
    for position in range(1, out.shape[1]):
        out.iloc[0, position] = -1.0
        assert out.iloc[0].tolist().count(-1.0) == position
    assert frame["a"].tolist() == [1.0, 2.0]


def test_two_results_of_one_frame_do_not_share_memory() -> None:
    frame = pd.DataFrame({"a": [1.0, 2.0, 3.0]})
    stage = Half().fit(frame)
    one, two = stage.transform(frame), stage.transform(frame)
    one.iloc[:, :] = 0
    assert two["a"].tolist() == [0.5, 1.0, 1.5]


def test_pandas_frames_without_names_are_arrays_with_an_index() -> None:
    frame = pd.DataFrame([[1.0, 2.0], [3.0, 5.0]], index=["u", "v"])
    stage = FeatureScaler(["x1"], method="minmax").fit(frame)
    assert not hasattr(stage, "feature_names_in_")
    out = stage.transform(frame)
    assert list(out.columns) == ["x0", "x1"]
    assert list(out.index) == ["u", "v"]
    assert out["x1"].tolist() == [0.0, 1.0]


def test_arrays_are_bound_by_position_with_a_warning() -> None:
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 5.0]})
    stage = FeatureScaler(["b"], method="minmax").fit(frame)
    with pytest.warns(UserWarning, match="order of fit"):
        out = stage.transform(frame.to_numpy())
    assert out[:, 1].tolist() == [0.0, 1.0]
    stage = FeatureScaler(["x1"], method="minmax").fit(frame.to_numpy())
    with pytest.warns(UserWarning, match="without feature names"):
        out = stage.transform(frame)
    assert out["x1"].tolist() == [0.0, 1.0]


def test_a_column_of_another_kind_than_at_fit_is_named() -> None:
    stage = FeatureScaler().fit(pd.DataFrame({"a": [1.0, 2.0]}))
    with pytest.raises(SchemaError, match="'a' was number and is text") as caught:
        stage.transform(pd.DataFrame({"a": ["1", "2"]}))
    assert caught.value.changed == ("a",)


def test_one_row_whose_cell_is_missing_has_no_kind_of_its_own() -> None:
    stage = FeatureScaler().fit(pd.DataFrame({"a": [1.0, 2.0]}))
    out = stage.transform(pd.DataFrame({"a": pd.Series([None], dtype=object)}))
    assert out["a"].isna().all()


def test_y_with_a_lazy_frame_is_refused() -> None:
    with pytest.raises(InputTypeError, match="collect X first"):
        FeatureScaler().fit(pl.LazyFrame({"a": [1.0, 2.0]}), [0, 1])


def test_y_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="found 2 and 3"):
        FeatureScaler().fit(pd.DataFrame({"a": [1.0, 2.0]}), [0, 1, 2])


def test_a_lazy_source_is_read_once_by_a_pipeline() -> None:
    reads = []

    def count(frame: pl.DataFrame) -> pl.DataFrame:
        reads.append(len(frame))
        return frame

    lazy = pl.LazyFrame({"a": [1.0, 2.0, 4.0]}).map_batches(count)
    make_pipeline(FeatureScaler(), Half(), FeatureScaler(method="minmax")).fit(lazy)
    assert reads == [3]


def test_set_output_refuses_lazy_frames() -> None:
    stage = FeatureScaler().fit(pl.DataFrame({"a": [1.0, 2.0]})).set_output(transform="pandas")
    with pytest.raises(InputTypeError, match="collect it first"):
        stage.transform(pl.LazyFrame({"a": [1.0]}))


def test_global_output_configuration_is_honoured() -> None:
    with sklearn.config_context(transform_output="polars"):
        out = FeatureScaler().fit_transform(np.array([[1.0], [2.0]]))
    assert isinstance(out, pl.DataFrame)
    assert out.columns == ["x0"]


def test_threads_can_share_a_fitted_stage() -> None:
    frame = pd.DataFrame({"a": np.arange(2_000.0)})
    stage = FeatureScaler().fit(frame)
    parts = [frame.iloc[i : i + 100] for i in range(0, 2_000, 100)]
    expected = [stage.transform(part)["a"].tolist() for part in parts]
    found: dict[int, list[float]] = {}

    def work(k: int) -> None:
        for _ in range(5):
            found[k] = stage.transform(parts[k])["a"].tolist()

    threads = [threading.Thread(target=work, args=(k,)) for k in range(len(parts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[k] for k in range(len(parts))] == expected


def test_a_forgotten_stage_leaves_nothing_behind() -> None:
    """What Polars holds of a query must not hold the query: no collector sees such a cycle."""
    stage = FeatureScaler().fit(pd.DataFrame({"a": np.arange(20.0)}))
    stage.transform(pd.DataFrame({"a": [1.0]}))
    plans = [weakref.ref(plan) for plan in stage._plans_.values()]
    assert plans
    del stage
    gc.collect()
    assert [plan() for plan in plans] == [None] * len(plans)


def test_a_generated_name_that_exists_is_refused() -> None:
    frame = pd.DataFrame({"a": [1.0, 2.0], "a_sign": [1, 1]})
    with pytest.raises(SchemaError, match="a_sign"):
        Half(["a"]).fit(frame)


def test_input_features_name_the_output_of_arrays() -> None:
    stage = Half().fit(np.array([[1.0, 2.0]]))
    assert stage.get_feature_names_out(["p", "q"]).tolist() == ["p", "q", "x0_sign", "x1_sign"]
    named = Half().fit(pd.DataFrame({"a": [1.0]}))
    with pytest.raises(ValueError, match="not equal to feature_names_in_"):
        named.get_feature_names_out(["b"])


def test_no_bound_columns_is_fine() -> None:
    frame = pd.DataFrame({"s": ["u", "v"]}, index=[1, 1])
    stage = FeatureScaler().fit(frame)
    pd.testing.assert_frame_equal(stage.transform(frame), frame)
    assert stage.report(frame).empty


def test_datetimes_keep_unit_and_zone_when_untouched_in_arrow() -> None:
    table = pa.table(
        {
            "a": [1.0, 2.0],
            "t": pa.array([dt.datetime(2024, 1, 1)] * 2, pa.timestamp("ns", "UTC")),
            "d": pa.array(["u", "v"], pa.dictionary(pa.int8(), pa.string())),
        }
    )
    out = FeatureScaler().fit_transform(table)
    assert out.schema == table.schema


@pytest.mark.parametrize("kind", ["pandas", "polars", "lazy", "pyarrow"])
def test_an_extra_column_never_gives_way_to_a_generated_one(kind):
    frame = pd.DataFrame({"a": [1.0, -2.0]})
    half = Half(["a"]).fit(frame)
    more = frame.assign(a_sign=7)
    given = {
        "pandas": more,
        "polars": pl.from_pandas(more),
        "lazy": pl.from_pandas(more).lazy(),
        "pyarrow": pa.Table.from_pandas(more, preserve_index=False),
    }[kind]
    with pytest.raises(SchemaError, match=r"Half: a generated column.*'a_sign'.*rename"):
        half.transform(given)


def test_a_column_without_a_name_is_counted():
    scaler = FeatureScaler().fit(pd.DataFrame({"": [1.0, np.nan], "n_rows": [1.0, 2.0]}))
    assert scaler.counts_[""] == {"missing": 1, "infinite": 0}
    assert list(scaler.report(pd.DataFrame({"": [1.0], "n_rows": [1.0]})).index) == ["", "n_rows"]


def test_masked_cells_are_not_taken_for_data():
    values = np.ma.masked_array([[1.0], [-999.0]], mask=[[False], [True]])
    with pytest.raises(InputTypeError, match="1 masked cells; use"):
        Half().fit(values)
    half = Half().fit(values.filled(np.nan))
    with pytest.raises(InputTypeError, match="masked"):
        half.transform(values)
    assert half.transform(values[:1]).tolist() == [[0.5, 1.0]]


@pytest.mark.parametrize("dtype", ["M8[h]", "M8[s]", "M8[Y]", "m8[D]", "m8[s]"])
def test_dates_and_durations_of_any_unit_enter(dtype):
    class Span(Stage):
        _reads_kinds = ("date", "duration")

        def _fits(self, name, dtype):
            return dtype.is_temporal()

    stage = Span().fit(np.array([[1, 2], [3, 4]]).astype(dtype))
    assert stage.columns_ == ["x0", "x1"]


def test_integers_in_an_arrow_dictionary_stay_in_one():
    table = pa.table({"a": pa.array([1, 2, None]).dictionary_encode()})
    assert Same(["a"]).fit(table).transform(table).equals(table)


@pytest.mark.parametrize(
    ("chosen", "error"), [(["a", "a"], ParameterError), ("ab", SchemaError), ([1], ParameterError)]
)
def test_what_a_callable_chooses_is_checked(chosen, error):
    with pytest.raises(error, match="Half"):
        Half(lambda _: chosen).fit(pd.DataFrame({"a": [1.0], "b": [2.0]}))
