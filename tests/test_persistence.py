"""Saved pipelines: what comes back, and what is refused."""

from __future__ import annotations

import json
import os
import pickle

import pytest
import skops.io
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.preprocessing import FunctionTransformer

import tracer_sklearn as ts
from tracer_sklearn.io import persistence
from tracer_sklearn.testing import all_stages


@pytest.fixture
def churn():
    X, y = ts.datasets.make_customer_churn(400, random_state=0)
    pipe = ts.customer_churn_pipeline(HistGradientBoostingClassifier(max_iter=5), leak_audit="warn")
    return pipe.fit(X, y), X


def test_a_reloaded_pipeline_gives_the_same_bits(churn, tmp_path):
    pipe, X = churn
    ts.save(pipe, tmp_path / "p.skops")
    again = ts.load(str(tmp_path / "p.skops"))
    rows = X.drop(columns="label_end")
    assert (again.predict_proba(rows) == pipe.predict_proba(X)).all()
    account = json.loads((tmp_path / "p.json").read_text("utf-8"))
    assert account["columns"] == list(X.columns)
    assert account["made_with"]["tracer-sklearn"] == ts.__version__


@pytest.mark.parametrize("name", ["revenue", "price"])
def test_time_blueprints_keep_their_history(name, tmp_path):
    if name == "revenue":
        X, y = ts.datasets.make_daily_revenue(random_state=0)
        pipe, outcome = ts.revenue_projection_pipeline(drift_monitor="warn"), "revenue"
    else:
        X, y = ts.datasets.make_price_panel(n_products=5, random_state=0)
        pipe, outcome = ts.price_optimization_pipeline(drift_monitor="warn"), "quantity_sold"
    pipe.fit(X, y)
    ts.save(pipe, tmp_path / "p.skops")
    rows = X.tail(20).drop(columns=outcome)
    assert ts.load(tmp_path / "p.skops").transform(rows).equals(pipe.transform(rows))


def test_every_public_stage_may_be_loaded():
    names = {f"{stage.__module__}.{stage.__qualname__}" for stage in all_stages()}
    assert names <= set(persistence.TRUSTED)


def test_a_damaged_file_is_refused(churn, tmp_path):
    ts.save(churn[0], tmp_path / "p.skops")
    content = bytearray((tmp_path / "p.skops").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "p.skops").write_bytes(content)
    with pytest.raises(ts.IngestionError, match="SHA-256 differs"):
        ts.load(tmp_path / "p.skops")


def test_a_lost_manifest_is_named(churn, tmp_path):
    ts.save(churn[0], tmp_path / "p.skops")
    (tmp_path / "p.json").unlink()
    with pytest.raises(ts.IngestionError, match=r"manifest p\.json must be readable"):
        ts.load(tmp_path / "p.skops")


@pytest.mark.parametrize("ending", ["skops", "json"])
def test_a_fifo_is_not_waited_for(churn, tmp_path, ending):
    ts.save(churn[0], tmp_path / "p.skops")
    (tmp_path / f"p.{ending}").unlink()
    os.mkfifo(tmp_path / f"p.{ending}")
    with pytest.raises(ts.IngestionError, match="it is a FIFO"):
        ts.load(tmp_path / "p.skops")


@pytest.mark.parametrize("name", ["p.pkl", "p.joblib", "p"])
def test_pickles_are_refused_by_name(churn, tmp_path, name):
    (tmp_path / name).write_bytes(pickle.dumps(1))
    with pytest.raises(ts.ParameterError, match=r"ending \.skops"):
        ts.load(tmp_path / name)
    with pytest.raises(ts.ParameterError, match=r"ending \.skops"):
        ts.save(churn[0], tmp_path / name)


def test_a_function_of_this_package_is_not_trusted(tmp_path):
    """Put into a FunctionTransformer it would write files at transform."""
    foreign = FunctionTransformer(ts.write_csv)
    with pytest.raises(ts.ParameterError, match="write_csv"):
        ts.save(foreign, tmp_path / "p.skops")
    assert not list(tmp_path.iterdir())
    stored = skops.io.dumps(foreign)
    (tmp_path / "p.skops").write_bytes(stored)
    digest = persistence.hashlib.sha256(stored).hexdigest()
    (tmp_path / "p.json").write_text(json.dumps({"sha256": digest}))
    with pytest.raises(ts.IngestionError, match="write_csv"):
        ts.load(tmp_path / "p.skops")


def test_named_types_are_saved_and_loaded(tmp_path):
    name = "tracer_sklearn.io.writing.write_csv"
    ts.save(FunctionTransformer(ts.write_csv), tmp_path / "p.skops", trusted=[name])
    assert ts.load(tmp_path / "p.skops", trusted=[name]).func is ts.write_csv


def test_renamed_fields_come_back(tmp_path):
    X, y = ts.datasets.make_customer_churn(200, random_state=0)
    X = X.rename(columns={"customer_id": "Nr", "total_value": "Umsatz"})
    names = {"customer_id": "Nr", "total_value": "Umsatz"}
    pipe = ts.customer_churn_pipeline(fields=names).fit(X, y)
    ts.save(pipe, tmp_path / "p.skops")
    again = ts.load(tmp_path / "p.skops")
    assert again["validate"].schema == pipe["validate"].schema
    assert again["validate"].report(X) == pipe["validate"].report(X)
    assert again.transform(X).equals(pipe.transform(X))
