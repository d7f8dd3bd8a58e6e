"""DataValidator: every rule against plain Python, what it does with findings, and what it keeps."""

from __future__ import annotations

import datetime as dt
import logging
import math
import os
import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import oracles_validation as oracle
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

import tracer_sklearn as ts
from tracer_sklearn.schema import CUSTOMER_CHURN, BlueprintSchema, FieldRule, FieldSpec
from tracer_sklearn.testing import ENGINES, to_engine

SCHEMA = BlueprintSchema(
    name="orders",
    fields=(
        FieldSpec(name="id", kind="identifier", required=True, pattern="^[A-Z][0-9]{2}$"),
        FieldSpec(name="day", kind="datetime", min=dt.date(2020, 1, 1), max=dt.date(2029, 12, 31)),
        FieldSpec(name="due", kind="datetime"),
        FieldSpec(name="spend", kind="number", required=True, min=0, max=1000),
        FieldSpec(name="items", kind="count", min=0),
        FieldSpec(name="plan", kind="category", allowed=("free", "pro")),
        FieldSpec(name="gift", kind="flag"),
    ),
    key=("id", "day"),
    rules=(
        FieldRule(left="day", relation="<=", right="due", description="Due after the order."),
        FieldRule(left="items", relation="<=", right="spend"),
    ),
)
KEY = ["id", "day"]
DTYPES = {
    "id": pl.String,
    "day": pl.Datetime("us"),
    "due": pl.Datetime("us"),
    "spend": pl.Float64,
    "items": pl.Float64,
    "plan": pl.String,
    "gift": pl.Int64,
}

moments = st.datetimes(dt.datetime(2019, 6, 1), dt.datetime(2020, 6, 1)) | st.sampled_from(
    [dt.datetime(2020, 1, 1), dt.datetime(1900, 1, 1), dt.datetime(9999, 12, 31)]
)
rows = st.fixed_dictionaries(
    {
        "id": st.sampled_from(["A01", "A02", "B07", "b07", "", None]),
        "day": st.none() | moments,
        "due": st.none() | moments,
        "spend": st.none() | st.sampled_from([0.0, 5.5, -1.0, 2000.0, math.inf, math.nan]),
        "items": st.none() | st.sampled_from([0.0, 1.0, 2.5, -1.0, 7.0, -math.inf]),
        "plan": st.sampled_from(["free", "pro", "Pro", None]),
        "gift": st.none() | st.integers(0, 2),
    }
)
tables = st.lists(rows, min_size=1, max_size=25)


def frame_of(table: list[dict[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame(table, schema=DTYPES)


def judge(frame: Any, schema: Any = SCHEMA, **options: Any) -> ts.QualityReport:
    return ts.DataValidator(schema, **options).report(frame)


def counts(report: ts.QualityReport, *rules: str) -> dict[Any, int]:
    return {(i.rule, i.column): i.count for i in report.issues if i.rule in rules}


CELL_RULES = (
    *("infinite", "below_min", "above_max", "not_whole", "not_a_flag"),
    *("pattern", "not_allowed", "mistyped", "unparseable"),
)


# ------------------------------------------------------------------ rules against plain Python


@given(tables)
def test_cells_that_break_a_rule_are_those_of_plain_python(table):
    report = judge(frame_of(table))
    assert counts(report, *CELL_RULES) == oracle.cell_counts(SCHEMA, table)
    for column in report.columns:
        cells = [row[column.name] for row in table]
        spec = SCHEMA.field(column.name)
        assert column.n_missing == sum(map(oracle.is_missing, cells))
        assert column.n_invalid == sum(bool(oracle.broken_rules(spec, c)) for c in cells)


@given(tables)
def test_rows_that_break_a_rule_between_fields_are_those_of_plain_python(table):
    found = {
        issue.message.partition(" must hold")[0]: issue.count
        for issue in judge(frame_of(table)).issues
        if issue.rule == "rule_between_fields"
    }
    expected = oracle.rows_breaking(SCHEMA, table)
    assert found == {rule: count for rule, count in expected.items() if count}


@given(tables)
def test_score_and_key_are_those_of_plain_python(table):
    report = judge(frame_of(table))
    assert report.score == pytest.approx(oracle.score(SCHEMA, table, KEY), rel=1e-12)
    unnamed = oracle.unnamed_rows(SCHEMA, table, KEY)
    assert counts(report, "key_not_unique") == (
        {("key_not_unique", None): unnamed} if unnamed else {}
    )


@given(tables)
def test_duplicate_rows_are_those_of_plain_python(table):
    repeated = oracle.duplicate_rows(table)
    found = counts(judge(frame_of(table)), "duplicate_rows")
    # rows with a key of their own cannot be alike
    assert found == ({("duplicate_rows", None): repeated} if repeated else {})


@given(tables, st.data())
def test_breaking_more_good_cells_never_raises_the_score(table, data):
    before = judge(frame_of(table)).score
    worse = {
        "id": ["", None],
        "day": [dt.datetime(1900, 1, 1), dt.datetime(9999, 12, 31), None],
        "due": [None],
        "spend": [-1.0, 2000.0, math.inf, None],
        "items": [-1.0, 2.5, None],
        "plan": ["nonsense", None],
        "gift": [7, None],
    }
    for _ in range(data.draw(st.integers(1, 4))):
        row = data.draw(st.integers(0, len(table) - 1))
        name = data.draw(st.sampled_from(list(worse)))
        cell = table[row][name]
        good = not oracle.is_missing(cell) and not oracle.broken_rules(SCHEMA.field(name), cell)
        if good:
            table[row] = {**table[row], name: data.draw(st.sampled_from(worse[name]))}
    assert judge(frame_of(table)).score <= before + 1e-9


@given(tables, st.randoms())
def test_the_order_of_rows_never_matters(table, random):
    shuffled = list(table)
    random.shuffle(shuffled)
    assert judge(frame_of(shuffled)) == judge(frame_of(table))


@settings(max_examples=15)
@given(tables)
def test_every_engine_gives_the_same_report(table):
    frame = frame_of(table)
    expected = judge(frame)
    for engine in ENGINES:
        if engine == "numpy" or (engine == "pandas" and frame["gift"].null_count()):
            continue  # arrays have no names; plain pandas has no integers with gaps
        assert judge(to_engine(frame, engine)) == expected, engine


numbers = st.lists(
    st.none() | st.sampled_from([0.0, 1.0, 2.0, 3.0, 50.0, -9.5, math.nan, math.inf]),
    min_size=2,
    max_size=70,
)


STATISTICAL = [
    (rule, "x") for rule in ("outliers_iqr", "outliers_zscore", "constant", "near_constant")
]


@given(numbers)
def test_outliers_and_constants_are_those_of_plain_python(cells):
    report = judge(pl.DataFrame({"x": cells}, schema={"x": pl.Float64}), None)
    share = oracle.top_share(cells)
    finite = [c for c in cells if not oracle.is_missing(c) and math.isfinite(c)]
    expected = {
        ("outliers_iqr", "x"): oracle.beyond_fences(cells),
        ("outliers_zscore", "x"): oracle.beyond_three_deviations(cells),
        # the most common value is looked for among the finite ones
        ("constant", "x"): len(finite) * (share == 1.0),
        ("near_constant", "x"): round(share * len(finite)) * (0.99 <= share < 1.0),
    }
    expected = {rule: count for rule, count in expected.items() if count}
    assert (
        counts(report, "outliers_iqr", "outliers_zscore", "constant", "near_constant") == expected
    )


def test_the_edge_of_three_deviations_is_inside_in_any_order():
    cells = [1.0] * 3 + [0.0] * 27  # exactly three population deviations
    for order in (cells, cells[::-1]):
        assert not counts(judge(pl.DataFrame({"x": order}), None), "outliers_zscore")


levels = st.sampled_from(
    ["Pro", "pro", "PRO ", "free", "free-plan", "free plan", "free_plan", "-5", "5", "1e3", "x"]
)


@given(st.lists(st.none() | levels, min_size=1, max_size=40))
def test_spellings_and_mixed_types_are_those_of_plain_python(cells):
    report = judge(pl.DataFrame({"x": cells}, schema={"x": pl.String}), None)
    respelt = oracle.respelt_rows(cells)
    expected = {("inconsistent_spelling", "x"): respelt} if respelt else {}
    n_numbers, present = oracle.numbers_in(cells), sum(c is not None for c in cells)
    if present and 0.05 <= n_numbers / present <= 0.95:
        expected["mixed_types", "x"] = n_numbers
    assert counts(report, "inconsistent_spelling", "mixed_types") == expected


@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), st.dates(dt.date(2024, 1, 1), dt.date(2024, 3, 1))),
        min_size=1,
        max_size=40,
    )
)
def test_gaps_of_series_are_those_of_plain_python(points):
    frame = pl.DataFrame(
        {"series": [s for s, _ in points], "date": [d for _, d in points], "revenue": 1.0}
    )
    series: dict[str, list[dt.date]] = {}
    for name, day in points:
        series.setdefault(name, []).append(day)
    n, usual, widest = oracle.wide_gaps(series)
    issues = [i for i in judge(frame, "revenue_projection").issues if i.rule == "time_gaps"]
    assert [issue.count for issue in issues] == ([n] if n else [])
    if n:
        assert f"within {1.5 * usual:g} days" in issues[0].message
        assert f"the widest {widest} days" in issues[0].message


# ----------------------------------------------------------------------------- what is found


def good(n: int = 40) -> pl.DataFrame:
    start = dt.datetime(2024, 1, 1)
    return pl.DataFrame(
        {
            "id": [f"A{i:02}" for i in range(n)],
            "day": [start + dt.timedelta(days=i) for i in range(n)],
            "due": [start + dt.timedelta(days=i + 9) for i in range(n)],
            "spend": [100.0 + i % 7 for i in range(n)],
            "items": [i % 5 for i in range(n)],
            "plan": [("free", "pro")[i % 2] for i in range(n)],
            "gift": [i % 3 == 0 for i in range(n)],
        }
    )


def test_a_good_table_passes_with_the_full_score():
    report = ts.DataValidator(SCHEMA).fit(good()).report_
    assert (report.score, report.passed, report.issues) == (100.0, True, ())


@pytest.mark.parametrize(
    ("change", "severity", "rule", "column"),
    [
        ({"id": None}, "CRITICAL", "missing_values", "id"),
        ({"spend": None}, "CRITICAL", "missing_values", "spend"),
        ({"due": None}, "MEDIUM", "missing_values", "due"),
        ({"spend": -1.0}, "CRITICAL", "below_min", "spend"),
        ({"items": -1}, "HIGH", "below_min", "items"),
        ({"plan": "gold"}, "HIGH", "not_allowed", "plan"),
        ({"day": dt.datetime(2024, 12, 31)}, "HIGH", "rule_between_fields", "day"),
        ({"id": "A00", "day": dt.datetime(2024, 1, 1)}, "CRITICAL", "key_not_unique", None),
    ],
)
def test_severities(change, severity, rule, column):
    frame = good()
    few = pl.int_range(frame.height) < 4
    frame = frame.with_columns(
        pl.when(few).then(pl.lit(value)).otherwise(pl.col(name)).alias(name)
        for name, value in change.items()
    )
    found = [(i.severity, i.rule, i.column) for i in judge(frame).issues]
    assert (severity, rule, column) in found


def test_one_bad_cell_in_a_hundred_is_medium():
    frame = good(99).with_columns(
        items=pl.when(pl.int_range(99) == 3).then(-1).otherwise(pl.col("items"))
    )
    assert [(i.severity, i.rule, i.share) for i in judge(frame).issues] == [
        ("MEDIUM", "below_min", 1 / 99)
    ]


def test_a_perfect_column_does_not_hide_a_critical_one():
    frame = good(100).with_columns(
        spend=pl.when(pl.int_range(100) < 10).then(None).otherwise(pl.col("spend"))
    )
    report = judge(frame)
    assert report.score > 98
    assert not report.passed


def test_the_key_is_the_customer_and_the_date():
    X, _ = ts.datasets.make_customer_churn(100, random_state=0)
    assert X["customer_id"].duplicated().any()
    report = judge(X, "customer_churn")
    assert report.key == ("customer_id", "as_of")
    assert report.uniqueness == 1.0
    assert judge(X.drop(columns="customer_id"), "customer_churn").key == ()


@pytest.mark.parametrize(
    ("column", "cells", "severity"),
    [
        ("spend", ["12", "13"] * 20, "CRITICAL"),
        ("items", [dt.date(2024, 1, 1)] * 40, "HIGH"),
        ("day", [1, 2] * 20, "CRITICAL"),
        ("gift", ["yes", "no"] * 20, "HIGH"),
        ("plan", [dt.date(2024, 1, 1)] * 40, "HIGH"),
    ],
)
def test_a_column_of_the_wrong_kind_is_found(column, cells, severity):
    report = judge(good().with_columns(pl.Series(column, cells)))
    found = [i for i in report.issues if i.rule == "mistyped"]
    assert [(i.severity, i.column, i.count) for i in found] == [(severity, column, 40)]


def test_iso_dates_in_text_are_dates():
    text = good().with_columns(pl.col("day", "due").dt.strftime("%Y-%m-%d"))
    assert judge(text).issues == ()
    broken = text.with_columns(
        day=pl.when(pl.int_range(40) == 0).then(pl.lit("31/12/2024")).otherwise(pl.col("day"))
    )
    assert counts(judge(broken), "unparseable") == {("unparseable", "day"): 1}


def test_absent_and_unknown_columns_come_with_the_nearest_names():
    frame = good().rename({"spend": "spendings", "plan": "Plan "}).drop("gift")
    issues = {(i.rule, i.column): i for i in judge(frame).issues}
    assert "'spendings'" in issues["missing_required", "spend"].remedy
    assert "fields={'plan': 'Plan '}" in issues["missing_optional", "plan"].remedy
    assert "'spend'" in issues["unknown_column", "spendings"].message
    assert ("missing_optional", "gift") in issues


def test_fields_that_only_fit_needs_are_not_missed_later():
    frame = pl.DataFrame({"date": [dt.date(2024, 1, d) for d in range(1, 21)]})
    assert judge(frame, "revenue_projection").of("CRITICAL") == ()
    with pytest.raises(ts.MissingFieldsError, match="'revenue'"):
        ts.DataValidator("revenue_projection").fit(frame)


def test_cells_of_several_kinds_in_one_pandas_column_are_found():
    frame = good().to_pandas()
    frame["note"] = [1, "two"] * 20
    validator = ts.DataValidator(SCHEMA, on_fail="report").fit(frame)
    found = [i for i in validator.report_.issues if i.rule == "mixed_types"]
    assert [(i.severity, i.column) for i in found] == [("HIGH", "note")]
    assert "int, str" in found[0].message
    pd.testing.assert_frame_equal(validator.transform(frame), frame)


@pytest.mark.parametrize("schema", [SCHEMA, None], ids=["schema", "without"])
@pytest.mark.parametrize("column", ["id", "day", "due", "spend", "items", "plan", "gift"])
def test_one_cell_of_another_kind_never_raises_the_score(column, schema):
    # half of the column is empty, and no key is unique
    frame = pl.concat([good(), good()]).to_pandas()
    frame[column] = frame[column].astype(object)
    frame.loc[::2, column] = None
    before = judge(frame, schema)
    frame.loc[[1, 3], column] = [object(), "odd"]
    after = judge(frame, schema)
    assert {("mixed_types", column)} <= set(counts(after, "mixed_types"))
    assert after.score <= before.score
    if schema is not None and column in KEY:
        assert after.uniqueness == 0.0
        assert {i.rule for i in after.of("CRITICAL")} >= {"mixed_types", "key_not_unique"}


def test_a_table_of_which_no_column_can_be_read_does_not_pass():
    report = judge(pd.DataFrame({"note": [1, "two"] * 20}), None)
    assert not report.passed
    assert [issue.rule for issue in report.of("CRITICAL")] == ["unreadable"]


def test_what_misses_a_limit_does_not_read_as_if_it_met_it():
    frame = pl.DataFrame({"spend": [None] * 501 + [1.5] * 9_499})
    report = judge(frame, None, min_score=98.0)
    told = {issue.rule: issue.message for issue in report.issues}
    assert told["missing_values"].endswith("at least 95.0% complete, it is 94.9%")
    assert "at least 98, it is 97.9 " in told["score"]


def test_blank_text_is_found_and_is_not_missing():
    frame = pl.DataFrame({"city": ["Rome", " ", "", "Oslo"]})
    report = judge(frame, None)
    assert counts(report, "blank") == {("blank", "city"): 2}
    assert report.columns[0].n_missing == 0


def test_an_empty_frame_is_judged():
    report = judge(good().clear())
    assert counts(report, "no_rows") == {("no_rows", None): 0}
    assert not report.passed


@pytest.mark.parametrize("lazy_engine", ["polars-lazy", "duckdb"])
def test_one_bad_value_in_a_lazy_frame_is_found_by_one_query(lazy_engine):
    frame = good(90).with_columns(
        id=pl.when(pl.int_range(90) == 77).then(pl.lit("77A")).otherwise(pl.col("id"))
    )
    lazy = to_engine(frame, lazy_engine)
    runs = []
    if lazy_engine == "polars-lazy":
        lazy = lazy.map_batches(lambda batch: runs.append(1) or batch, schema=frame.schema)
    report = judge(lazy)
    assert counts(report, "pattern") == {("pattern", "id"): 1}
    assert report == judge(frame)
    assert runs == ([1] if lazy_engine == "polars-lazy" else [])


def test_patterns_run_in_linear_time_on_every_engine():
    evil = FieldSpec(name="id", kind="identifier", pattern="^(a+)+$")
    schema = BlueprintSchema(name="evil", fields=(evil,))
    frame = pl.DataFrame({"id": ["a" * 50_000 + "!"]})
    for engine in ("pandas", "polars", "duckdb"):
        assert counts(judge(to_engine(frame, engine), schema), "pattern") == {("pattern", "id"): 1}


@pytest.mark.parametrize("relation", list(oracle.OPERATORS))
def test_every_relation_between_fields(relation):
    schema = BlueprintSchema(
        name="two",
        fields=(FieldSpec(name="a", kind="number"), FieldSpec(name="b", kind="number")),
        rules=(FieldRule(left="a", relation=relation, right="b"),),
    )
    table = [{"a": a, "b": b} for a in (1.0, 2.0, 3.0, None) for b in (1.0, 2.0, 3.0, None)]
    found = counts(judge(pl.DataFrame(table), schema), "rule_between_fields")
    assert found == {("rule_between_fields", "a"): oracle.rows_breaking(schema, table).popitem()[1]}


def test_a_column_of_very_many_levels_is_scanned_as_it_is():
    cells = [f"word {i}" if i % 4 else str(i) for i in range(3_000)] + [" "] * 9
    frame = pl.DataFrame({"x": cells})
    found = counts(judge(frame, None), "mixed_types", "blank", "near_constant")
    assert found == {("mixed_types", "x"): 750, ("blank", "x"): 9}


def test_names_that_are_all_alike_are_constant_and_their_spelling_is_their_own():
    fields = (FieldSpec(name="x", kind="identifier"), FieldSpec(name="y", kind="identifier"))
    frame = pl.DataFrame({"x": ["A-1"] * 5, "y": ["A-1", "a-1", "A 1", "7", " "]})
    report = judge(frame, BlueprintSchema(name="names", fields=fields))
    found = counts(report, "constant", "inconsistent_spelling", "mixed_types", "blank")
    assert found == {("constant", "x"): 5, ("blank", "y"): 1}


def test_many_allowed_levels_are_looked_up():
    levels = tuple(f"L{i}" for i in range(20))
    field = FieldSpec(name="x", kind="category", allowed=levels)
    frame = pl.DataFrame({"x": [*levels, "L20", None]})
    report = judge(frame, BlueprintSchema(name="levels", fields=(field,)))
    assert counts(report, "not_allowed") == {("not_allowed", "x"): 1}


def test_a_flag_is_a_number_to_a_number_field():
    field = FieldSpec(name="x", kind="count", min=1)
    report = judge(
        pl.DataFrame({"x": [True, False, None]}), BlueprintSchema(name="f", fields=(field,))
    )
    assert counts(report, "below_min") == {("below_min", "x"): 1}


def test_the_quirks_of_a_real_file_are_found():
    """What the data's own description counts: duplicates, free goods and missing customers."""
    path = Path(os.environ.get("TRACER_TEST_DATA", "../shared/data")) / "online_retail.csv.gz"
    if not path.exists():
        pytest.skip(f"TRACER_TEST_DATA has no {path.name}")
    sales = pl.read_csv(path, schema_overrides={"InvoiceNo": pl.String, "StockCode": pl.String})
    prices = FieldSpec(name="UnitPrice", kind="number", min=0.001)
    report = judge(sales, BlueprintSchema(name="retail", fields=(prices,)))
    found = counts(report, "duplicate_rows", "below_min", "missing_values")
    assert found == {
        ("duplicate_rows", None): 5_268,
        ("below_min", "UnitPrice"): 2_517,
        ("missing_values", "CustomerID"): 135_080,
    }


ODD = {
    "list": pl.Series([[1], [2], None, [1]]),
    "struct": pl.Series([{"a": 1}] * 4),
    "duration": pl.Series([dt.timedelta(days=i) for i in range(4)]),
    "time": pl.Series([dt.time(1, i) for i in range(4)]),
    "binary": pl.Series([b"x"] * 4),
    "object": pl.Series([object()] * 4, dtype=pl.Object),
    "category": pl.Series(["a", "b", None, "a"], dtype=pl.Categorical),
    "enum": pl.Series(["a", "b", None, "a"], dtype=pl.Enum(["a", "b"])),
    "decimal": pl.Series([1.5, 2.5, None, 1.5]).cast(pl.Decimal(10, 2)),
    "zoned": pl.Series([dt.datetime(2024, 1, 1)] * 4).dt.replace_time_zone("Europe/Berlin"),
    "nothing": pl.Series([None] * 4),
    "unsigned": pl.Series([2**63 + i for i in range(4)], dtype=pl.UInt64),
    "float": pl.Series([1.5, math.nan, None, math.inf], dtype=pl.Float32),
    "huge": pl.Series([1e308, -1e308, 0.0, 1.0]),
}
LIMITS = {
    "number": {"min": 0},
    "count": {"min": 0, "max": 9},
    "datetime": {"min": dt.date(2020, 1, 1)},
    "identifier": {"pattern": "a", "unique": True},
    "category": {"allowed": ("a",)},
    "flag": {},
}


@pytest.mark.parametrize("kind", LIMITS)
@pytest.mark.parametrize("name", ODD)
def test_every_dtype_under_every_kind_is_judged(name, kind):
    frame = pl.DataFrame([ODD[name].alias("x")])
    schema = BlueprintSchema(
        name="odd", fields=(FieldSpec(name="x", kind=kind, required=True, **LIMITS[kind]),)
    )
    report = judge(frame, schema)
    assert report.columns[0].n_missing == sum(map(oracle.is_missing, frame["x"].to_list()))
    assert report._repr_html_()
    assert judge(frame, None).columns[0].n_missing == report.columns[0].n_missing
    out = ts.DataValidator(schema, on_fail="report").fit_transform(frame)
    assert out.schema == frame.schema


@pytest.mark.parametrize("nullable", [False, True])
def test_whole_numbers_with_gaps_are_flags_and_names_in_pandas_too(nullable):
    frame = pd.DataFrame({"gift": [0, 1, None, 2], "no": [17850, 17851, None, 178]})
    frame = frame.astype("Int64" if nullable else "float64")
    fields = (
        FieldSpec(name="gift", kind="flag"),
        FieldSpec(name="no", kind="identifier", pattern="^[0-9]{5}$"),
    )
    report = judge(frame, BlueprintSchema(name="gaps", fields=fields))
    expected = {("not_a_flag", "gift"): 1, ("pattern", "no"): 1}
    assert counts(report, "not_a_flag", "pattern") == expected
    assert all(issue.examples[0] in ("9", "999") for issue in report.issues if issue.examples)


# ------------------------------------------------------------------------- what fit does


def bad() -> pl.DataFrame:
    return good().with_columns(spend=pl.when(pl.int_range(40) < 9).then(-5.0).otherwise("spend"))


def test_critical_stops_with_the_report():
    with pytest.raises(ts.QualityError, match="'spend' must be at least 0, 9 do not") as caught:
        ts.DataValidator(SCHEMA).fit(bad())
    assert caught.value.report.of("CRITICAL")
    assert caught.value.column == "spend"
    again = pickle.loads(pickle.dumps(caught.value))
    assert again.report == caught.value.report


def test_warn_and_report_go_on():
    with pytest.warns(ts.DataQualityWarning, match="it fails"):
        warned = ts.DataValidator(SCHEMA, on_fail="warn").fit(bad())
    silent = ts.DataValidator(SCHEMA, on_fail="report").fit(bad())
    assert warned.report_ == silent.report_
    assert not silent.report_.passed


@pytest.mark.parametrize("on_fail", ["raise", "warn", "report"])
@pytest.mark.parametrize("checks", [("schema",), ("quality",)])
def test_a_missing_required_field_is_always_an_error(on_fail, checks):
    validator = ts.DataValidator(SCHEMA, on_fail=on_fail, checks=checks)
    with pytest.raises(ts.SchemaError, match="missing: 'spend'") as caught:
        validator.fit(good().drop("spend"))
    assert isinstance(caught.value, ts.QualityError)
    assert caught.value.missing == ("spend",)
    assert caught.value.report.of("CRITICAL")


def test_so_many_high_findings_warn_and_more_fail():
    wild = pl.DataFrame({f"x{i}": [math.inf, 1.0, 2.0, 3.0 + i] for i in range(3)})
    options = {"min_score": 0, "checks": ("quality",)}
    with pytest.warns(ts.DataQualityWarning, match="the table should pass"):
        ts.DataValidator(max_high=3, **options).fit(wild)
    with pytest.raises(ts.QualityError):
        ts.DataValidator(max_high=2, **options).fit(wild)


def test_medium_and_low_are_logged_without_a_warning_or_a_value(caplog):
    frame = good().with_columns(plan=pl.lit("free"), extra=pl.lit("secret"))
    with caplog.at_level(logging.INFO, logger="tracer_sklearn"), warnings.catch_warnings():
        warnings.simplefilter("error")
        ts.DataValidator(SCHEMA).fit(frame)
    assert "MEDIUM constant in 'plan': 40" in caplog.text
    assert "secret" not in caplog.text


def test_no_value_leaves_unmasked():
    frame = good().with_columns(id=pl.lit("Anna.Meier@firma.test"), plan=pl.lit("Geheim 7"))
    with pytest.raises(ts.QualityError) as caught:
        ts.DataValidator(SCHEMA).fit(frame)
    told = str(caught.value) + caught.value.report.to_json() + caught.value.report._repr_html_()
    for secret in ("Anna", "Meier", "firma", "Geheim"):
        assert secret not in told
    assert "aaaa.aaaaa@aaaaa.aaaa" in told


def test_thresholds_move_the_verdict():
    assert judge(bad(), min_validity=0.5).passed
    assert not judge(bad(), min_validity=0.5, min_score=99.9).passed
    twice = pl.concat([good(), good().head(1)])
    assert not judge(twice).passed
    assert judge(twice, min_uniqueness=0.9).passed


@pytest.mark.parametrize(
    "options",
    [
        {"schema": 3},
        {"schema": "customer_chrn"},
        {"checks": ()},
        {"checks": "schema"},
        {"checks": ("schema", "schema")},
        {"checks": ("all",)},
        {"min_completeness": 1.1},
        {"min_uniqueness": -0.1},
        {"min_validity": "high"},
        {"min_score": 101},
        {"max_high": -1},
        {"max_high": 1.5},
        {"on_fail": "ignore"},
    ],
)
def test_illegal_parameters(options):
    with pytest.raises(ts.ParameterError):
        ts.DataValidator(**options).fit(good())


# ------------------------------------------------------------------------ what is left alone


def test_validation_changes_nothing():
    frame = good().with_columns(spend=pl.when(pl.int_range(40) < 2).then(None).otherwise("spend"))
    validator = ts.DataValidator(SCHEMA, on_fail="report").fit(frame)
    out = validator.transform(frame)
    assert out.equals(frame)
    assert out.schema == frame.schema
    table = frame.to_arrow()
    assert validator.transform(table).equals(table)
    assert validator.transform(table).schema == table.schema
    on_pandas = frame.to_pandas().set_index(np.arange(40)[::-1] // 2)
    back = validator.transform(on_pandas)
    pd.testing.assert_frame_equal(back, on_pandas)
    assert np.shares_memory(back["items"].to_numpy(), on_pandas["items"].to_numpy())
    lazy = validator.transform(frame.lazy())
    assert isinstance(lazy, pl.LazyFrame)
    assert lazy.collect().equals(frame)
    array = frame.select("spend", "items").to_numpy()
    given_back = ts.DataValidator(on_fail="report").fit_transform(array)
    np.testing.assert_array_equal(given_back, array)


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_one_row_is_never_an_error_or_a_warning(library):
    validator = ts.DataValidator(SCHEMA).fit(good())
    row = good().head(1).with_columns(spend=pl.lit(None, pl.Float64), items=-7, plan=pl.lit("?"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        validator.transform(to_engine(row, library))
        validator.transform(to_engine(row.clear(), library))


def test_a_batch_much_worse_than_the_training_rows_warns():
    validator = ts.DataValidator(SCHEMA).fit(good())
    half = pl.int_range(40) < 20
    worse = good().with_columns(
        spend=pl.when(half).then(None).otherwise("spend"),
        items=pl.when(half).then(-1).otherwise("items"),
    )
    with pytest.warns(
        ts.DataQualityWarning, match="'spend' is 50.0% complete, 'items' is 50.0% valid"
    ):
        validator.transform(worse)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        validator.transform(worse.lazy()).collect()
        ts.DataValidator(SCHEMA, on_fail="report").fit(worse).transform(worse)


def test_a_column_that_only_passes_may_be_missing_later():
    validator = ts.DataValidator(SCHEMA).fit(good().with_columns(extra=1))
    validator.transform(good())
    with pytest.raises(ts.SchemaError, match="'spend'"):
        validator.transform(good().drop("spend"))


def test_a_lazy_frame_is_gathered_once_by_fit():
    lazy = good().lazy()
    assert ts.DataValidator(SCHEMA).fit(lazy).report_ == judge(good())


# ------------------------------------------------------------------------------ in a pipeline


def test_the_churn_pipeline_validates_after_parsing():
    X, y = ts.datasets.make_customer_churn(400, random_state=0)
    pipe = ts.customer_churn_pipeline(LogisticRegression(max_iter=1000))
    assert list(pipe.named_steps)[:3] == ["parse", "validate", "features"]
    search = GridSearchCV(
        pipe,
        {"validate__min_score": [70, 90]},
        cv=ts.PurgedSnapshotSplit(2),
        scoring="roc_auc",
    ).fit(X, y)
    report = search.best_estimator_["validate"].report_
    assert report.blueprint == "customer_churn 1"
    assert report.passed
    with pytest.raises(ts.SchemaError, match="last_activity_date"):
        pipe.fit(X.drop(columns="last_activity_date"), y)


def test_a_poor_table_warns_and_does_not_spoil_a_search():
    X, y = ts.datasets.make_customer_churn(400, random_state=0)
    X.loc[::3, "support_tickets"] = -1.0
    with pytest.warns(ts.DataQualityWarning, match="'support_tickets'"):
        ts.customer_churn_pipeline().fit(X, y)


def test_the_pipeline_judges_the_columns_of_the_user():
    X, y = ts.datasets.make_customer_churn(400, random_state=0)
    names = {"customer_id": "CustID", "last_activity_date": "last_seen", "as_of": "Stichtag"}
    pipe = ts.customer_churn_pipeline(fields=names).fit(X.rename(columns=names), y)
    report = pipe["validate"].report_
    assert report.key == ("CustID", "Stichtag")
    assert not {"missing_required", "unknown_column"} & {i.rule for i in report.issues}
    assert clone(pipe)["validate"].schema == pipe["validate"].schema


# --------------------------------------------------------------------------------- the report


def hostile() -> ts.QualityReport:
    name = '<script>alert("x")</script>'
    frame = pl.DataFrame(
        {name: ["<b>bold</b>", "<B>bold</B>", None, "ok"], "$x$": [1.0, 2, 3, None]}
    )
    schema = BlueprintSchema(
        name="hostile", fields=(FieldSpec(name=name, kind="category", pattern="^ok$"),), key=(name,)
    )
    return judge(frame, schema)


def test_html_escapes_names_and_shapes():
    page = hostile()._repr_html_()
    assert "<script" not in page.replace("&lt;script", "")
    assert "<b>bold" not in page.lower()
    assert "&lt;script&gt;" in page
    assert "http" not in page  # nothing is loaded from elsewhere
    assert "prefers-color-scheme: dark" in page
    assert page.count("<tr>") == 2 + len(hostile().issues) + len(hostile().columns)


def test_a_report_is_json_and_back():
    report = hostile()
    assert ts.QualityReport.model_validate_json(report.to_json()) == report
    frame = report.to_frame()
    assert list(frame["rule"]) == [issue.rule for issue in report.issues]
    assert list(ts.QualityReport.model_validate_json(judge(good()).to_json()).to_frame()) == list(
        frame
    )
    assert str(report).startswith("failed with a score of")


def test_comparing_shows_what_got_worse():
    before, after = judge(good()), judge(bad())
    changes = after.compare(before)
    assert changes.loc[("spend", "issue: below_min")].tolist() == [0.0, 9 / 40, 9 / 40]
    assert changes.loc[("", "score"), "change"] == pytest.approx(after.score - 100.0)
    assert (
        before.compare(after)["change"] == -changes["change"].reindex(before.compare(after).index)
    ).all()
    new = judge(good().with_columns(extra=pl.lit(math.inf))).compare(before)
    assert math.isnan(new.loc[("extra", "completeness"), "earlier"])
    with pytest.raises(ts.InputTypeError, match="must be a QualityReport"):
        before.compare("yesterday")


def test_the_plot_has_a_bar_for_every_column():
    display = hostile().plot()
    assert len(display.ax_.get_yticklabels()) == 2
    display.figure_.canvas.draw()  # a dollar in a name is no formula
    assert display.plot(display.ax_).ax_ is display.ax_
    import matplotlib.pyplot as plt

    plt.close(display.figure_)


def test_a_wide_table_shows_its_worst_columns():
    frame = pl.DataFrame({f"c{i}": [1.0, None if i % 2 else 2.0] for i in range(100)})
    display = ts.QualityDisplay.from_report(judge(frame, None))
    assert len(display.names) == 40
    assert set(display.complete.tolist()) == {0.5}


def test_arrow_tables_and_arrays_are_judged_by_position():
    report = judge(pa.table({"x": [1.0, None]}), None)
    assert report.columns[0].n_missing == 1
    assert judge(np.array([[1.0, np.nan]]), None).columns[1].name == "x1"


def test_churn_schema_by_name_and_by_object_judge_alike():
    X, _ = ts.datasets.make_customer_churn(50, random_state=1)
    assert judge(X, "customer_churn") == judge(X, CUSTOMER_CHURN)
