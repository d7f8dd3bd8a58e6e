"""What the pipeline functions make of their arguments."""

from __future__ import annotations

import duckdb
import pandas as pd
import polars as pl
import pytest

import tracer_sklearn as ts


def test_the_snapshot_date_is_named_once() -> None:
    fields = {"as_of": "snap"}
    with pytest.raises(ts.ParameterError, match="same column, got 'day' and 'snap'"):
        ts.customer_churn_pipeline(fields=fields, as_of_column="day")
    with pytest.raises(ts.ParameterError, match="same column, got None and 'snap'"):
        ts.customer_churn_pipeline(fields=fields, as_of_column=None)
    for named in ({}, {"as_of_column": "snap"}):
        pipe = ts.customer_churn_pipeline(fields=fields, **named)
        assert pipe["features"].as_of_column == "snap"


def test_a_date_without_a_role_does_not_reach_the_model() -> None:
    X, y = ts.datasets.make_customer_churn(50, random_state=0)
    pipe = ts.customer_churn_pipeline()
    expected = pipe.fit(X, y).get_feature_names_out().tolist()
    with pytest.warns(ts.DataQualityWarning, match="left out: 'came_back'"):
        pipe.fit(X.assign(came_back=X["label_end"]), y)
    assert pipe.get_feature_names_out().tolist() == expected
    assert pipe.transform(X).columns.tolist() == expected


def exported(X: pd.DataFrame) -> pd.DataFrame:
    """The same table as a German CRM exports it: nothing but strings."""
    written = {
        name: column.dt.strftime("%d.%m.%Y")
        if column.dtype.kind == "M"
        else column.map(lambda cell: f"{cell:,.2f} €".translate({44: 46, 46: 44}))
        if name == "total_value"
        else column.map("{:g}".format)
        if column.dtype.kind == "f"
        else column.astype("str")
        for name, column in X.items()
    }
    return pd.DataFrame(written).where(X.notna(), "k.A.").astype("str")


def test_a_frame_of_nothing_but_strings_gives_the_numbers_of_the_typed_one() -> None:
    X, y = ts.datasets.make_customer_churn(400, random_state=0)
    X["total_value"] = X["total_value"].round(2)
    text = exported(X)
    assert {str(dtype) for dtype in text.dtypes} == {"str"}
    typed, read = ts.customer_churn_pipeline().fit(X, y), ts.customer_churn_pipeline().fit(text, y)
    expected = typed.transform(X)
    pd.testing.assert_frame_equal(read.transform(text), expected, check_exact=False, rtol=1e-12)
    on_polars = read.transform(pl.from_pandas(text)).to_pandas()
    pd.testing.assert_frame_equal(on_polars, expected, check_dtype=False, rtol=1e-12)
    relation = duckdb.from_df(text.head(1))
    on_duckdb = read.transform(relation).df()
    pd.testing.assert_frame_equal(on_duckdb, expected.head(1), check_dtype=False, rtol=1e-12)


def test_the_columns_of_the_blueprint_are_parsed_under_the_names_of_the_user() -> None:
    X, y = ts.datasets.make_customer_churn(400, random_state=0)
    names = {"total_value": "LTV", "as_of": "snap", "customer_id": "CustID"}
    renamed = exported(X).rename(columns=names)
    pipe = ts.customer_churn_pipeline(fields=names).fit(renamed, y)
    kinds = {name: format.kind for name, format in pipe["parse"].formats_.items()}
    assert (kinds["LTV"], kinds["snap"], kinds["CustID"]) == ("number", "date", "text")
    same = ts.customer_churn_pipeline().fit(exported(X), y).transform(exported(X))
    found = pipe.transform(renamed).rename(columns={new: old for old, new in names.items()})
    pd.testing.assert_frame_equal(found, same)


def test_the_second_month_is_read_like_the_first() -> None:
    X, y = ts.datasets.make_customer_churn(400, random_state=0)
    pipe = ts.customer_churn_pipeline().fit(exported(X), y)
    row = exported(X).head(1)
    assert pipe.transform(row).iloc[0].equals(pipe.transform(exported(X)).iloc[0])


@pytest.mark.parametrize("name", ["zzz", ["customer_churn"], None])
def test_a_blueprint_that_is_none_is_refused_with_the_names_of_all(name) -> None:
    for ask in (ts.blueprint_pipeline, ts.search_space):
        with pytest.raises(ts.ParameterError, match=r"`name` must be one of 'customer_churn'.*\.$"):
            ask(name)
