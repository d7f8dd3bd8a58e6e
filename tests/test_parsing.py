"""ColumnParser and DtypeReducer: frozen formats, counted failures, no lost value."""

from __future__ import annotations

import datetime as dt
import gzip
import pickle
import warnings

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import polars as pl
import pytest
from cases import dirty, parser, wide
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone

from tracer_sklearn import ColumnParser, DtypeReducer
from tracer_sklearn.exceptions import DataError, DataQualityWarning, ParameterError, SchemaError
from tracer_sklearn.schema import CUSTOMER_CHURN
from tracer_sklearn.testing import check_stage, to_engine


def test_the_parser_keeps_the_contract_on_arrays_of_strings():
    frame = dirty().select(x0="spend", x1="since", x2="active", x3="plan")
    assert check_stage(ColumnParser(), frame, engines=["numpy"])


def test_what_every_column_becomes():
    made = parser().fit(dirty()).transform(dirty())
    assert {name: str(dtype) for name, dtype in made.schema.items()} == {
        "id": "String",
        "since": "Datetime(time_unit='us', time_zone=None)",
        "seen": "Datetime(time_unit='us', time_zone=None)",
        "spend": "Float64",
        "tickets": "Int64",
        "share": "Float64",
        "active": "Boolean",
        "plan": "String",
        "epoch": "Datetime(time_unit='us', time_zone=None)",
        "typed": "Int64",
    }
    row = made.row(1, named=True)
    assert row["since"] == dt.datetime(2023, 1, 24)
    assert row["seen"] == dt.datetime(2023, 1, 24, 10, 11, 12, 500_000)
    assert (row["spend"], row["tickets"], row["share"]) == (1234.5, 1, 0.005)
    assert (row["active"], row["plan"]) == (True, "pro")
    assert made["spend"][0] == -234.5
    assert row["epoch"] == dt.datetime.fromtimestamp(1_600_001_000, dt.UTC).replace(tzinfo=None)
    assert made["id"].to_list() == dirty()["id"].to_list()


def test_failures_are_counted_and_shown_masked_only():
    fitted = parser().fit(dirty())
    expected = dict.fromkeys(("id", "active", "plan", "tickets"), 0)
    expected |= dict.fromkeys(("since", "seen", "spend", "share", "epoch"), 1)
    assert fitted.failures_ == expected
    assert fitted.examples_["spend"] == ("aaaa",)
    report = fitted.report(dirty())
    assert report["failures"].to_dict() == fitted.failures_
    assert report["missing"].to_dict() == {
        name: int(count > 0) for name, count in fitted.failures_.items()
    }
    assert fitted.report(dirty().lazy()).equals(report)


def test_transform_warns_past_the_share_and_names_no_value():
    fitted = ColumnParser().fit(pd.DataFrame({"spend": ["1.5", "2.5"]}))
    with pytest.warns(DataQualityWarning, match=r"2 of 3 in column 'spend'") as caught:
        made = fitted.transform(pd.DataFrame({"spend": ["1.5", "secret", "12,5", None]}))
    assert "secret" not in str(caught[0].message)
    assert made["spend"].isna().tolist() == [False, True, True, True]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted.transform(pl.DataFrame({"spend": ["1.5", "secret"]}).lazy()).collect()


def test_failures_can_be_errors():
    strict = ColumnParser(on_failure="raise", schema={"n": "number"})
    with pytest.raises(DataError, match="1 of 2 in column 'n'") as caught:
        strict.fit(pd.DataFrame({"n": ["1", "x"]}))
    assert (caught.value.column, caught.value.n_rows) == ("n", 1)
    with pytest.raises(DataError, match="mend the source"):
        strict.fit(pd.DataFrame({"n": ["1", "2"]})).transform(pd.DataFrame({"n": ["1.5"]}))


AMBIGUOUS = pd.DataFrame({"day": ["01/02/2024", "03/04/2024"]})


def test_an_undecidable_order_of_day_and_month_is_an_error_with_the_way_out():
    with pytest.raises(DataError, match=r"formats=\{'day': '%d/%m/%Y'\}"):
        ColumnParser().fit(AMBIGUOUS)
    way_out = ColumnParser(formats={"day": "%d/%m/%Y"}).fit(AMBIGUOUS)
    assert way_out.transform(AMBIGUOUS)["day"][0] == pd.Timestamp(2024, 2, 1)


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("day_first", pd.Timestamp(2024, 2, 1)),
        ("month_first", pd.Timestamp(2024, 1, 2)),
        ("text", "01/02/2024"),
    ],
)
def test_or_it_is_settled_by_the_user_and_said(policy, expected):
    fitted = ColumnParser(on_ambiguous_dates=policy).fit(AMBIGUOUS)
    assert fitted.transform(AMBIGUOUS)["day"][0] == expected
    assert "only" in fitted.choices_["day"]


@given(
    st.lists(st.dates(dt.date(1950, 1, 1), dt.date(2049, 12, 31)), min_size=1, max_size=30),
    st.lists(st.dates(dt.date(1950, 1, 1), dt.date(2049, 12, 31)), max_size=10),
    st.sampled_from(["%d/%m/%Y", "%m/%d/%Y", "%Y-%m-%d", "%d.%m.%Y", "%d-%b-%Y"]),
)
@settings(max_examples=60)
def test_a_second_file_is_never_read_differently_from_the_first(first, second, template):
    first = [*first, dt.date(2024, 1, 31), dt.date(2024, 5, 6)]
    fitted = ColumnParser().fit(pl.DataFrame({"day": [f"{day:{template}}" for day in first]}))
    frozen = pickle.dumps(fitted.formats_)
    cells = pl.DataFrame(
        {"day": [f"{day:{template}}" for day in second]}, schema={"day": pl.String}
    )
    made = fitted.transform(cells)["day"].to_list()
    assert made == [dt.datetime(day.year, day.month, day.day) for day in second]
    assert pickle.dumps(fitted.formats_) == frozen


def test_the_formats_of_one_parser_serve_another():
    first = parser().fit(dirty())
    second = ColumnParser(formats=first.formats_, max_failure_share=0.1).fit(dirty().head(1))
    assert second.formats_ == first.formats_
    as_dicts = {name: format.to_dict() for name, format in first.formats_.items()}
    third = ColumnParser(formats=as_dicts).fit(dirty().head(1))
    assert third.formats_ == first.formats_
    assert second.transform(dirty()).equals(first.transform(dirty()))
    assert clone(second).get_params()["formats"] == first.formats_


def test_a_schema_says_what_columns_hold():
    frame = pd.DataFrame(
        {
            "customer_id": ["17", "18", "19"],
            "account_created_date": ["20240131", "20240201", "n/a"],
            "support_tickets": ["3", "1.0", "x"],
            "total_value": ["1,234", "7", "8"],
            "plan_type": ["1", "0", "1"],
        }
    )
    with pytest.warns(DataQualityWarning, match="'support_tickets'"):
        fitted = ColumnParser(schema=CUSTOMER_CHURN).fit(frame)
    kinds = {name: format.kind for name, format in fitted.formats_.items()}
    assert kinds["customer_id"] == "text"
    assert kinds["account_created_date"] == "date"
    assert kinds["support_tickets"] == "count"
    assert kinds["plan_type"] == "category"
    assert fitted.failures_["support_tickets"] == 1
    assert ColumnParser(schema={"flag": "flag"}).fit_transform(pd.DataFrame({"flag": ["0", "1"]}))[
        "flag"
    ].tolist() == [False, True]


def test_columns_of_numbers_are_moments_only_where_a_format_says_so():
    frame = pd.DataFrame({"a": [20240131, 20240201], "b": [45000.0, np.nan], "c": [1, 2]})
    fitted = ColumnParser(formats={"a": "%Y%m%d", "b": "excel"}).fit(frame)
    made = fitted.transform(frame)
    assert made["a"].tolist() == [pd.Timestamp(2024, 1, 31), pd.Timestamp(2024, 2, 1)]
    assert made["b"][0] == pd.Timestamp(2023, 3, 15)
    assert pd.isna(made["b"][1])
    assert made["c"].tolist() == [1, 2]
    assert ColumnParser().fit_transform(frame).equals(frame)
    lazy = fitted.transform(pl.from_pandas(frame).lazy()).collect()
    assert lazy["a"].to_list() == [dt.datetime(2024, 1, 31), dt.datetime(2024, 2, 1)]


@pytest.mark.parametrize(
    "values",
    [
        pd.Series(["1,5", "n/a", "2,25"], dtype=object),
        pd.Series(["1,5", None, "2,25"], dtype="str"),
        pd.Series(["1,5", None, "2,25"], dtype="string[pyarrow]"),
        pd.Series(["1,5", None, "2,25"], dtype="category"),
    ],
    ids=["object", "str", "arrow", "category"],
)
def test_text_of_every_pandas_kind(values):
    made = ColumnParser().fit_transform(pd.DataFrame({"n": values}))["n"]
    assert made.astype("float64").tolist() == pytest.approx([1.5, np.nan, 2.25], nan_ok=True)


def test_a_column_that_comes_typed_later_passes_and_another_kind_is_refused():
    fitted = ColumnParser().fit(pd.DataFrame({"n": ["1", "2"]}))
    assert fitted.transform(pd.DataFrame({"n": [3, 4]}))["n"].tolist() == [3, 4]
    with pytest.raises(SchemaError, match="'n'"):
        fitted.transform(pd.DataFrame({"n": [pd.Timestamp(2024, 1, 1)]}))


@pytest.mark.parametrize(
    "options",
    [
        {"on_failure": "ignore"},
        {"on_ambiguous_dates": "guess"},
        {"max_failure_share": 2.0},
        {"schema": {"n": "money"}},
        {"formats": {"n": "%d/%m"}},
        {"formats": ["n"]},
    ],
)
def test_illegal_parameters(options):
    with pytest.raises(ParameterError):
        ColumnParser(**options).fit(pd.DataFrame({"n": ["1"]}))


def test_formats_of_absent_columns_are_refused():
    with pytest.raises(SchemaError, match="'m'"):
        ColumnParser(formats={"m": "number"}).fit(pd.DataFrame({"n": ["1"]}))


# -- real files ----------------------------------------------------------------------------


def test_the_eleven_blank_charges_of_telco_are_missing_and_counted(real_data):
    frame = pd.read_csv(
        real_data / "telco_customer_churn_ibm.csv", dtype="str", na_values=[], keep_default_na=False
    )
    fitted = ColumnParser().fit(frame)
    made = fitted.transform(frame)
    assert fitted.counts_["TotalCharges"] == {"missing": 11, "failures": 0}
    assert made["TotalCharges"].sum() == pytest.approx(16_056_168.7)
    assert made["tenure"].dtype == "int64"
    assert made["Churn"].sum() == 1869
    assert made["MultipleLines"].nunique() == 3
    assert sum(fitted.failures_.values()) == 0


def test_strings_of_the_online_retailer_keep_their_codes(real_data):
    with gzip.open(real_data / "online_retail.csv.gz") as file:
        frame = pl.read_csv(file.read(), infer_schema=False)
    fitted = ColumnParser().fit(frame)
    made = fitted.transform(frame)
    kinds = {name: format.kind for name, format in fitted.formats_.items()}
    assert [kinds[name] for name in ("InvoiceNo", "StockCode", "Country")] == [
        "category", "category", "category",
    ]  # fmt: skip
    assert made["InvoiceNo"].str.starts_with("C").sum() == 9288
    assert made["CustomerID"].null_count() == 135_080
    assert (made["Quantity"] < 0).sum() == 10_624
    assert (made["UnitPrice"] < 0).sum() == 2
    assert made["InvoiceDate"].min() == dt.datetime(2010, 12, 1, 8, 26)
    assert made["InvoiceDate"].max() == dt.datetime(2011, 12, 9, 12, 50)
    assert sum(fitted.failures_.values()) == 0


def test_the_corn_futures_as_published(real_data):
    path = real_data.parent / "messy" / "40_US_Corn_Futures_Historical_Data.csv"
    if not path.exists():
        pytest.skip(f"TRACER_TEST_DATA: {path.name} is absent")
    frame = pd.read_csv(path, dtype="str", keep_default_na=False, encoding="utf-8-sig")
    fitted = ColumnParser().fit(frame)
    made = fitted.transform(frame)
    assert made["Date"][0] == pd.Timestamp(2008, 10, 1)
    assert made["Vol."][0] == 141_930.0
    assert made["Change %"][0] == -0.0072
    assert fitted.counts_["Vol."] == {"missing": 188, "failures": 0}
    assert sum(fitted.failures_.values()) == 0


# -- DtypeReducer --------------------------------------------------------------------------


def test_the_smallest_dtype_that_loses_nothing():
    fitted = DtypeReducer().fit(wide())
    made = fitted.transform(wide())
    assert fitted.dtypes_ == {
        "tiny": "int8", "small": "int16", "half": "float32", "wild": "float32", "plan": "category",
    }  # fmt: skip
    assert made.schema["tiny"] == pl.Int8
    assert isinstance(made.schema["plan"], pl.Enum)
    assert made.schema["third"] == pl.Float64
    for name in wide().columns:
        assert made[name].cast(wide().schema[name]).equals(wide()[name], null_equal=True)


@given(
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1),
    st.lists(st.integers(-(2**63), 2**63 - 1)),
)
def test_no_integer_is_ever_changed(first, second):
    fitted = DtypeReducer().fit(pl.DataFrame({"n": pl.Series(first, dtype=pl.Int64)}))
    later = pl.DataFrame({"n": pl.Series(second, dtype=pl.Int64)})
    made = fitted.transform(later)
    assert made["n"].to_list() == second
    bits = {"int8": 8, "int16": 16, "int32": 32}.get(fitted.dtypes_.get("n"), 64)
    outside = sum(not -(2 ** (bits - 1)) <= value < 2 ** (bits - 1) for value in second)
    assert fitted.report(later)["outside"]["n"] == outside
    assert fitted.report(later.lazy())["outside"]["n"] == outside


@given(st.lists(st.floats(width=32), min_size=1), st.lists(st.floats()))
def test_no_float_is_ever_changed(first, second):
    fitted = DtypeReducer().fit(pl.DataFrame({"n": pl.Series([0.5, *first], dtype=pl.Float64)}))
    assert fitted.dtypes_ == {"n": "float32"}
    later = pl.DataFrame({"n": pl.Series(second, dtype=pl.Float64)})
    made = fitted.transform(later)["n"]
    assert made.cast(pl.Float64).equals(later["n"])
    with np.errstate(over="ignore"):
        narrow = np.array(second, dtype=np.float32).astype(float)
    outside = int((~((narrow == second) | np.isnan(narrow))).sum())
    assert fitted.report(later)["outside"]["n"] == outside
    assert (made.dtype == pl.Float64) == bool(outside)


def test_unseen_levels_join_the_categories_and_are_counted():
    fitted = DtypeReducer().fit(pd.DataFrame({"plan": ["pro", "basic"] * 3}))
    later = pd.DataFrame({"plan": ["max", "pro", None]}, index=[5, 5, 7])
    made = fitted.transform(later)["plan"]
    assert list(made.cat.categories) == ["basic", "pro", "max"]
    assert made.astype("object").where(made.notna(), None).tolist() == ["max", "pro", None]
    assert fitted.report(later)["outside"]["plan"] == 1


def test_a_lazy_frame_keeps_its_dtypes():
    lazy = DtypeReducer().fit(wide()).transform(wide().lazy())
    assert lazy.collect_schema() == wide().schema


def test_a_column_of_another_kind_is_refused():
    fitted = DtypeReducer().fit(wide())
    with pytest.raises(SchemaError, match="'tiny'"):
        fitted.transform(wide().with_columns(tiny=pl.lit("x")))


def test_text_is_categories_only_where_it_repeats():
    frame = pd.DataFrame({"c": ["a", "a", "b", "c"]})
    assert DtypeReducer().fit(frame).dtypes_ == {}
    assert DtypeReducer(min_category_repeats=1.3).fit(frame).dtypes_ == {"c": "category"}
    with pytest.raises(ParameterError, match="min_category_repeats"):
        DtypeReducer(min_category_repeats=0.5).fit(frame)


def test_parsing_and_reducing_a_customer_file_saves_half_the_memory():
    rng = np.random.default_rng(0)
    n = 20_000
    days = np.datetime64("2020-01-01") + rng.integers(0, 900, n)
    frame = pd.DataFrame(
        {
            "since": days.astype(str),
            "plan": rng.choice(["basic", "professional", "enterprise"], n),
            "active": rng.choice(["yes", "no"], n),
            "tickets": rng.integers(0, 40, n).astype(str),
            "spend": rng.uniform(0, 1e4, n).round(2).astype(str),
        }
    )
    made = DtypeReducer().fit_transform(ColumnParser().fit_transform(frame))
    typed = frame.astype({"tickets": "int64", "spend": "float64"})  # what pandas.read_csv gives
    share = made.memory_usage(deep=True).sum() / typed.memory_usage(deep=True).sum()
    assert share < 0.5
    assert nw.from_native(made).schema["since"] == nw.Datetime


def test_fractions_among_whole_numbers_are_outside() -> None:
    reducer = DtypeReducer().fit(pd.DataFrame({"visits": [1, 2, 3]}))
    later = pl.DataFrame({"visits": [1.5, 2.0, None, float("nan"), 300.0, float("inf")]})
    for engine in ("pandas", "pandas-nullable", "pandas-arrow", "pyarrow", "duckdb", "polars-lazy"):
        report = reducer.report(to_engine(later, engine))
        assert report.loc["visits", "outside"] == 3, engine
    assert reducer.transform(later)["visits"].to_list()[:3] == [1.5, 2.0, None]
