"""What the pipeline functions make of their arguments."""

from __future__ import annotations

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
