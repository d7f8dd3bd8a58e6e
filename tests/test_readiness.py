"""ReadinessCheck: what a model cannot take is named, by column and source."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import tracer_sklearn as ts
from tracer_sklearn import ReadinessCheck

cells = st.sampled_from([0.0, 1.0, 2.0, None, math.nan, math.inf])
columns = st.lists(cells, min_size=4, max_size=4)


def is_missing(cell):
    return cell is None or math.isnan(cell)


def unready(table):
    """The columns that are not ready, in plain Python."""
    found, earlier = set(), []
    for name, values in table.items():
        plain = [None if is_missing(cell) else cell for cell in values]
        present = [cell for cell in plain if cell is not None]
        if None in plain or math.inf in plain:
            found.add(name)
        if present and len(set(present)) == 1:
            found.add(name)
        if plain in earlier:
            found.add(name)
        earlier.append(plain)
    return found


@given(st.lists(columns, min_size=1, max_size=4))
def test_what_is_not_ready_is_what_plain_python_finds(lists):
    table = {f"c{i}": values for i, values in enumerate(lists)}
    frame = pl.DataFrame(table, schema=dict.fromkeys(table, pl.Float64))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ts.DataQualityWarning)
        check = ReadinessCheck(on_fail="warn").fit(frame)
    assert set(check.findings_) == unready(table)
    if check.findings_:
        with pytest.raises(ts.QualityError, match=f"'{next(iter(check.findings_))}'"):
            ReadinessCheck().fit(frame)
    else:
        assert ReadinessCheck().fit_transform(frame).equals(frame)


def ready() -> pd.DataFrame:
    return pd.DataFrame({"spend": [1.0, 2.5, 3.0], "plan_type__pro": [0, 1, 1], "on": [True] * 3})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"plan_type__pro": [None, 1, 0]}, r"_pro' \(made of 'plan_type'\) has 1 missing"),
        ({"spend": [math.inf, 1.0, -math.inf]}, "'spend' has 2 infinite"),
        ({"plan": ["a", "b", "c"]}, "'plan' is text, no number; encode it"),
        ({"since": pd.to_datetime(["2024-01-01"] * 3)}, "'since' is date"),
        ({"spend": [2.0, 2.0, 2.0]}, "'spend' is constant"),
        ({"copy": [1.0, 2.5, 3.0]}, "'copy' repeats 'spend'"),
        ({"flag": [False, True, True]}, "'flag' repeats 'plan_type__pro'"),
    ],
)
def test_the_column_the_reason_and_the_source_are_named(change, words):
    frame = ready().drop(columns="on")
    ReadinessCheck().fit(frame)
    with pytest.raises(ts.QualityError, match=words) as caught:
        ReadinessCheck().fit(frame.assign(**change))
    assert caught.value.column == next(iter(change))
    with pytest.warns(ts.DataQualityWarning, match=words):
        ReadinessCheck(on_fail="warn").fit(frame.assign(**change))


def test_names_must_be_unique():
    frame = ready()
    with pytest.raises(ts.SchemaError, match="unique"):
        ReadinessCheck().fit(pd.concat([frame, frame], axis=1))


def test_a_later_table_is_checked_cell_by_cell_only():
    frame = ready().drop(columns="on")
    check = ReadinessCheck().fit(frame)
    one = check.transform(frame.head(1))  # one row is constant by nature
    pd.testing.assert_frame_equal(one, frame.head(1))
    with pytest.raises(ts.QualityError, match="'spend' has 1 missing"):
        check.transform(frame.assign(spend=[np.nan, 1.0, 2.0]))
    lazy = pl.from_pandas(frame.assign(spend=[np.nan, 1.0, 2.0])).lazy()
    assert check.transform(lazy).collect().height == 3
    assert check.report(lazy).loc["spend", "missing"] == 1


def test_it_stands_before_the_model():
    X, y = ts.datasets.make_customer_churn(300, random_state=0)
    features = ts.customer_churn_pipeline()
    make_pipeline(features, ReadinessCheck(), LogisticRegression(max_iter=1000)).fit(X, y)
    not_encoded = features[:-2]
    with pytest.raises(ts.QualityError, match="'plan_type' is text"):
        make_pipeline(not_encoded, ReadinessCheck(), LogisticRegression()).fit(X, y)


def test_illegal_parameter():
    with pytest.raises(ts.ParameterError, match="`on_fail`"):
        ReadinessCheck(on_fail="report").fit(ready())
