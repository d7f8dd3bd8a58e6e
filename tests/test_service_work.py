"""What a worker does with a file: the blueprint's own pipeline, and an account of it."""

from __future__ import annotations

import datetime as dt
import gzip
import os
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from polars.testing import assert_frame_equal

import tracer_sklearn as ts
from tracer_sklearn.service import PipelineConfig, RunStatus
from tracer_sklearn.service.jobs import Job, Outcome
from tracer_sklearn.service.plans import blueprint_of
from tracer_sklearn.service.training import folds_for, target_of
from tracer_sklearn.service.work import perform


def outcome_of(source, folder, blueprint="customer_churn", emit=None, **options):
    folder.mkdir(exist_ok=True)
    named = {name: options.pop(name) for name in ("fitted", "output") if name in options}
    stamp = options.pop("source_stamp", None)
    job = Job(
        run_id="run",
        blueprint=blueprint,
        source=str(source),
        source_name=source.name,
        source_stamp=stamp,
        config=PipelineConfig(**options),
        folder=str(folder),
        pipeline_path=None if "fitted" in named else str(folder / "pipeline.skops"),
        **named,
    )
    return perform(job, emit or (lambda name, state: None))


def data_of(outcome):
    assert outcome.error is None, outcome.error
    return pl.read_ipc(outcome.data_path)


@pytest.fixture(scope="module")
def customers():
    X, y = ts.datasets.make_customer_churn(150, random_state=0)
    return X.assign(churned=np.where(y, "yes", "no"))


@pytest.fixture
def file(customers, tmp_path):
    path = tmp_path / "customers.csv"
    customers.to_csv(path, index=False)
    return path


def test_it_computes_what_the_pipeline_computes(file, tmp_path):
    outcome = outcome_of(file, tmp_path / "run")
    frame, _ = ts.read_csv(file, as_="polars")
    expected = ts.customer_churn_pipeline().fit_transform(frame.drop("churned"))
    assert_frame_equal(data_of(outcome), expected)
    assert set(outcome.feature_engineering.features_created) <= set(expected.columns)
    assert "days_since_last_activity" in outcome.feature_engineering.features_created


def test_an_outcome_survives_json(file, tmp_path):
    outcome = outcome_of(file, tmp_path / "run", target_column="churned")
    assert Outcome.model_validate_json(outcome.model_dump_json()) == outcome


def test_stages_are_told_when_they_begin_and_end(file, tmp_path):
    told = []
    outcome_of(file, tmp_path / "run", emit=lambda name, state: told.append((name, state.status)))
    stages = ["ingestion", "validation", "feature_engineering", "preprocessing", "output"]
    both = (RunStatus.IN_PROGRESS, RunStatus.COMPLETED)
    assert told == [(name, status) for name in stages for status in both]


def test_what_the_listener_raises_ends_the_attempt(file, tmp_path):
    class Enough(Exception):
        pass

    def emit(name, state):
        if name == "validation":
            raise Enough

    with pytest.raises(Enough):
        outcome_of(file, tmp_path / "run", emit=emit)


@pytest.mark.parametrize(
    "blueprint", ["customer_churn", "revenue_projection", "price_optimization"]
)
@pytest.mark.parametrize("model", ["boosting", "linear"])
def test_a_target_trains_and_a_later_file_is_scored_alike(blueprint, model, tmp_path, customers):
    if blueprint == "customer_churn":
        table, target, outcome_columns = customers, "churned", ["churned", "label_end"]
    elif blueprint == "revenue_projection":
        table, _ = ts.datasets.make_daily_revenue(n_days=200, random_state=0)
        target, outcome_columns = "revenue", ["revenue", "customer_count"]
    else:
        table, _ = ts.datasets.make_price_panel(n_products=5, random_state=0)
        target, outcome_columns = "quantity_sold", ["quantity_sold"]
    train, later = tmp_path / "train.csv", tmp_path / "later.csv"
    table.to_csv(train, index=False)
    table.tail(30).drop(columns=outcome_columns).to_csv(later, index=False)
    trained = outcome_of(
        train, tmp_path / "a", blueprint, target_column=target, model=model, n_splits=2
    )
    data = data_of(trained)
    assert data[target].is_not_null().all()
    assert all(len(scores) == 2 for scores in trained.training.scores.values())
    assert len(trained.training.scores) == 3
    pipeline = ts.load(trained.pipeline_path)
    scored = outcome_of(later, tmp_path / "b", blueprint, fitted=trained.pipeline_path)
    frame, _ = ts.read_csv(
        later,
        as_="polars",
        schema=pipeline["parse"],
        columns=lambda names: [n for n in names if n in pipeline.feature_names_in_],
    )
    with np.errstate(all="ignore"):
        expected = pipeline.predict(frame)
    np.testing.assert_array_equal(data_of(scored)["prediction"].to_numpy(), expected)
    features = [name for name in data.columns if name != target]
    assert data_of(scored).columns[: len(features)] == features


def test_folds_of_snapshots_lie_in_time_and_others_say_that_they_do_not(file, customers, tmp_path):
    timed = outcome_of(file, tmp_path / "a", target_column="churned", n_splits=2)
    assert timed.training.folds == "2 blocks of later snapshots, labels purged"
    single = customers[customers["as_of"] == customers["as_of"].max()]
    single.to_csv(file, index=False)
    shuffled = outcome_of(file, tmp_path / "b", target_column="churned", n_splits=2)
    assert any("shuffled" in said for said in shuffled.training.warnings)


def test_a_second_month_is_read_as_the_first_was(customers, tmp_path):
    """01/02/2024 alone could be either day; what was learnt decides."""
    first, second = tmp_path / "jan.csv", tmp_path / "feb.csv"
    customers.to_csv(first, index=False, date_format="%d/%m/%Y")
    days = pd.to_datetime(customers["last_activity_date"]).dt.day
    ambiguous = customers[days <= 12].head(40)
    ambiguous.to_csv(second, index=False, date_format="%d/%m/%Y")
    fitted = outcome_of(first, tmp_path / "a").pipeline_path
    scored = outcome_of(second, tmp_path / "b", fitted=fitted)
    iso = tmp_path / "iso.csv"
    customers.to_csv(iso, index=False)
    reference = ts.load(outcome_of(iso, tmp_path / "c").pipeline_path)
    expected = reference.transform(pl.from_pandas(ambiguous.drop(columns="churned")))
    name = "days_since_last_activity"
    assert data_of(scored)[name].to_list() == expected[name].to_list()


def test_incomplete_rows_are_really_dropped_with_what_belongs_to_them(customers, tmp_path):
    path = tmp_path / "c.csv"
    holes = customers.assign(total_value=customers["total_value"].where(customers.index % 7 > 0))
    holes.to_csv(path, index=False)
    strategy = {"missing_value_strategy": "drop"}
    outcome = outcome_of(
        path, tmp_path / "run", preprocessing_config=strategy, keep_columns=["customer_id", "as_of"]
    )
    data = data_of(outcome)
    assert outcome.preprocessing.rows_dropped == len(holes) - data.height > 0
    kept = holes.set_index(["customer_id", "as_of"])["total_value"]
    left = kept.loc[list(zip(data["customer_id"], data["as_of"], strict=True))]
    assert left.notna().all()


def test_nothing_but_the_blueprints_columns_is_read(customers, tmp_path):
    path = tmp_path / "c.csv"
    customers.assign(diagnosis="secret", region="north").to_csv(path, index=False)
    outcome = outcome_of(path, tmp_path / "run", extra_columns=["region"])
    assert "diagnosis" not in outcome.ingestion.report.columns
    assert "churned" not in outcome.ingestion.report.columns
    assert "region" in outcome.ingestion.report.columns
    assert not {"customer_id", "last_activity_date"} & set(data_of(outcome).columns)


def test_rows_without_outcome_are_left_out_and_counted(customers, tmp_path):
    path = tmp_path / "c.csv"
    unknown = customers.assign(churned=customers["churned"].where(customers.index % 5 > 0))
    unknown.to_csv(path, index=False)
    outcome = outcome_of(path, tmp_path / "run", target_column="churned", n_splits=2)
    n_unknown = int(unknown["churned"].isna().sum())
    assert data_of(outcome).height == len(unknown) - n_unknown
    assert any(f"{n_unknown} have none" in said for said in outcome.validation.warnings)


@pytest.mark.parametrize("ending", ["parquet", "csv", "arrow"])
def test_the_output_is_the_data_set_and_the_same_bytes_again(file, tmp_path, ending):
    outputs = [tmp_path / f"{name}.{ending}" for name in "ab"]
    for place, output in enumerate(outputs):
        outcome = outcome_of(file, tmp_path / f"run{place}", output=str(output))
        assert outcome.output.size == output.stat().st_size
    assert outputs[0].read_bytes() == outputs[1].read_bytes()
    read = {"parquet": pl.read_parquet, "csv": pl.read_csv, "arrow": pl.read_ipc}[ending]
    assert read(outputs[0]).shape == data_of(outcome).shape


def test_an_earlier_output_stays_where_the_data_set_cannot_be_left(file, tmp_path, monkeypatch):
    def full(_, path, **__):
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    output = tmp_path / "out.parquet"
    output.write_bytes(b"of yesterday")
    monkeypatch.setattr(pl.DataFrame, "write_ipc", full)
    outcome = outcome_of(file, tmp_path / "run", output=str(output))
    assert "No space left" in outcome.error.message
    assert outcome.output.checksum is None
    assert output.read_bytes() == b"of yesterday"
    assert not list(tmp_path.glob(".*"))
    assert not list((tmp_path / "run").glob("*data.arrow*"))


def test_a_job_that_is_done_twice_leaves_the_first_data_set_as_it_is(file, tmp_path):
    """As Dask does, which thinks that a worker is lost: who has mapped the file still reads it."""
    first = outcome_of(file, tmp_path / "run")
    with open(first.data_path, "rb") as mapped:
        os.link(first.data_path, tmp_path / "cached.frame")
        content = mapped.read()
        again = outcome_of(file, tmp_path / "run", keep_columns=("customer_id",))
        mapped.seek(0)
        assert mapped.read() == content
    assert again.data_checksum != first.data_checksum
    assert (tmp_path / "cached.frame").read_bytes() == content


def test_a_missing_field_is_named_with_the_column_it_may_be(customers, tmp_path):
    path = tmp_path / "c.csv"
    customers.rename(columns={"last_activity_date": "last_seen"}).to_csv(path, index=False)
    failure = outcome_of(path, tmp_path / "a").error
    assert (failure.category, failure.stage) == ("compatibility", "validation")
    assert "fields={'last_activity_date': 'last_seen'}" in failure.message
    fields = {"last_activity_date": "last_seen"}
    assert outcome_of(path, tmp_path / "b", fields=fields).error is None


def test_what_is_critical_stops_and_what_is_less_warns(customers, tmp_path):
    path = tmp_path / "c.csv"
    holes = customers.assign(
        last_activity_date=customers["last_activity_date"].where(customers.index % 3 > 0)
    )
    holes.to_csv(path, index=False)
    stopped = outcome_of(path, tmp_path / "a")
    assert (stopped.error.category, stopped.error.type) == ("validation", "QualityError")
    assert stopped.validation.report.of("CRITICAL")
    assert stopped.feature_engineering.status == RunStatus.PENDING
    lenient = {"completeness": 0.5}
    assert outcome_of(path, tmp_path / "b", quality_thresholds=lenient).error is None


def test_drift_of_a_later_file_is_reported(file, customers, tmp_path):
    fitted = outcome_of(file, tmp_path / "a").pipeline_path
    later = tmp_path / "later.csv"
    customers.assign(total_value=customers["total_value"] * 50).to_csv(later, index=False)
    scored = outcome_of(later, tmp_path / "b", fitted=fitted)
    assert scored.validation.drifted == ("total_value",)
    assert any("total_value" in said for said in scored.validation.warnings)


def test_a_stale_reference_date_fails_the_score(customers, tmp_path):
    single = customers[customers["as_of"] == customers["as_of"].min()].drop(columns="as_of")
    path, later = tmp_path / "c.csv", tmp_path / "later.csv"
    single.to_csv(path, index=False)
    date = pd.to_datetime(customers["as_of"]).min().date().isoformat()
    fitted = outcome_of(path, tmp_path / "a", reference_date=date).pipeline_path
    moved = pd.to_datetime(single["last_activity_date"]) + dt.timedelta(days=300)
    single.assign(last_activity_date=moved).to_csv(later, index=False)
    failure = outcome_of(later, tmp_path / "b", fitted=fitted).error
    assert (failure.category, failure.type) == ("validation", "StaleReferenceDateError")


def test_a_file_that_changed_since_it_was_looked_at_fails(file, tmp_path):
    failure = outcome_of(file, tmp_path / "run", source_stamp=(1, 1)).error
    assert failure.category == "ingestion"
    assert "has changed" in failure.message
    assert not failure.transient


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_name_that_stands_twice_in_the_header_is_told(customers, tmp_path, kind):
    path = tmp_path / f"twice.{kind}"
    twice = customers.assign(again=1.0, more=2.0, other=3.0, spare=4.0)
    names = {"again": "total_value", "more": "total_value", "spare": "other"}
    table = pa.table(twice).rename_columns([names.get(name, name) for name in twice.columns])
    if kind == "csv":
        pa.csv.write_csv(table, path)
    else:
        pa.parquet.write_table(table, path)
    first = outcome_of(path, tmp_path / "run")
    assert first.ingestion.warnings == (
        "DataPipeline: a column that is read must be the only one of its name, 'total_value' "
        "stands 3 times in the header: the first is used, and what is called 'total_value_2', "
        "'total_value_3' here is not; rename one of them.",
    )
    scored = outcome_of(path, tmp_path / "scored", fitted=first.pipeline_path)
    assert scored.ingestion.warnings == first.ingestion.warnings
    kept = ("total_value_2", "total_value_3")
    assert outcome_of(path, tmp_path / "kept", keep_columns=kept).ingestion.warnings == ()


def test_a_name_that_only_looks_like_a_second_one_is_no_matter(customers, tmp_path):
    path = tmp_path / "once.csv"
    customers.assign(total_value_2=1.0).to_csv(path, index=False)
    assert outcome_of(path, tmp_path / "run").ingestion.warnings == ()


def test_a_bomb_is_refused_by_its_limits(tmp_path):
    path = tmp_path / "bomb.csv"
    path.write_bytes(gzip.compress(b"a,b\n" + b"1,2\n" * 10_000_000))
    failure = outcome_of(path, tmp_path / "run", limits={"max_bytes": 10**9}).error
    assert (failure.category, failure.type) == ("ingestion", "IngestionError")


def test_errors_of_other_libraries_show_no_cells(file, tmp_path, monkeypatch):
    def broken(*args, **kwargs):
        raise ValueError("could not convert 'Mrs Jones'")

    monkeypatch.setattr("tracer_sklearn.features.churn.ChurnFeatures.fit_transform", broken)
    failure = outcome_of(file, tmp_path / "run").error
    assert failure.category == "processing"
    assert "Jones" not in failure.message
    assert "ValueError" in failure.message


@pytest.mark.parametrize(("number", "transient"), [(5, True), (28, False), (13, False)])
def test_only_errors_that_pass_are_transient(file, tmp_path, monkeypatch, number, transient):
    def broken(*args, **kwargs):
        raise OSError(number, "broken")

    monkeypatch.setattr("tracer_sklearn.service.work.read_table", broken)
    failure = outcome_of(file, tmp_path / "run").error
    assert (failure.category, failure.transient) == ("ingestion", transient)


@pytest.mark.parametrize(
    ("lost", "stayed", "label"),
    [
        ("Churned", "Stayed", "Churned"),
        ("LOST", "Retained", "LOST"),
        ("cancelled", "active", "cancelled"),
        ("y", "n", None),
        (1, 0, None),
        (1.0, 0.0, None),
        (True, False, None),
    ],
)
def test_the_positive_class_is_known_by_its_word(lost, stayed, label):
    target = target_of(pl.Series("t", [lost, stayed, None, lost]), "customer_churn")
    np.testing.assert_array_equal(target.y, [1.0, 0.0, np.nan, 1.0])
    assert target.positive == (label or str(lost))


def test_a_target_that_could_be_either_way_round_needs_its_positive_label(customers, tmp_path):
    path = tmp_path / "c.csv"
    coded = customers.assign(churned=customers["churned"].map({"yes": "alpha", "no": "beta"}))
    coded.to_csv(path, index=False)
    options = {"target_column": "churned", "n_splits": 2, "model": "linear"}
    failure = outcome_of(path, tmp_path / "a", **options).error
    assert (failure.type, failure.stage) == ("DataError", "validation")
    assert "set `positive_label`" in failure.message
    assert "alpha" not in failure.message
    wrong = outcome_of(path, tmp_path / "b", positive_label="gamma", **options).error
    assert "it is neither" in wrong.message
    trained = outcome_of(path, tmp_path / "c", positive_label="Alpha", **options)
    assert trained.training.positive_label == "alpha"
    is_lost = (customers["churned"] == "yes").to_numpy()
    np.testing.assert_array_equal(data_of(trained)["churned"].to_numpy(), is_lost)


def test_nan_in_a_target_is_missing_and_no_level():
    target = target_of(pl.Series("t", [1.0, 0.0, float("nan")]), "customer_churn")
    np.testing.assert_array_equal(target.y, [1.0, 0.0, np.nan])
    with pytest.raises(ts.DataError, match="two outcomes"):
        target_of(pl.Series("t", [1.0, float("nan")]), "customer_churn")
    with pytest.raises(ts.DataError, match="positive_label"):
        target_of(pl.Series("t", [1, 2]), "customer_churn")
    assert target_of(pl.Series("t", [1, 2]), "customer_churn", "2").y.tolist() == [0.0, 1.0]


def test_shuffled_folds_keep_a_customer_together(customers):
    frame = pl.from_pandas(customers[customers["as_of"] == customers["as_of"].max()])
    frame = pl.concat([frame, frame])
    folds = folds_for(frame, "customer_churn", PipelineConfig(n_splits=3))
    assert folds.name == "3 shuffled folds, each 'customer_id' in one of them"
    y = (frame["churned"] == "yes").to_numpy()
    for train, test in folds.splitter.split(frame, y, folds.groups):
        assert not set(frame["customer_id"][train]) & set(frame["customer_id"][test])


@pytest.fixture(scope="module")
def fitted(customers, tmp_path_factory):
    """A file of one snapshot without its date, and what was fitted on it."""
    folder = tmp_path_factory.mktemp("fitted")
    single = customers[customers["as_of"] == customers["as_of"].min()].drop(columns="as_of")
    path = folder / "c.csv"
    single.to_csv(path, index=False)
    date = pd.to_datetime(customers["as_of"]).min().date().isoformat()
    return path, outcome_of(path, folder / "run", reference_date=date).pipeline_path


def test_a_pipeline_of_another_blueprint_does_not_score(tmp_path, fitted):
    path, pipeline = fitted
    failure = outcome_of(path, tmp_path / "a", "revenue_projection", fitted=pipeline).error
    assert (failure.category, failure.type) == ("compatibility", "SchemaError")
    assert "one of 'customer_churn'" in failure.message
    loose = tmp_path / "loose.skops"
    ts.save(ts.load(pipeline)["features"], loose)
    failure = outcome_of(path, tmp_path / "b", fitted=str(loose)).error
    assert failure.category == "compatibility"
    extra = ts.load(pipeline)
    extra.steps.pop(-1)
    with pytest.raises(ts.SchemaError, match="all of its steps"):
        blueprint_of(extra)


def test_a_job_keeps_what_was_said_and_what_was_not():
    config = PipelineConfig(quality_thresholds={"completeness": 0.95}, drift_monitor="warn")
    job = Job(run_id="r", blueprint="b", source="s", source_name="s", config=config, folder="f")
    again = Job.model_validate_json(job.model_dump_json()).config
    assert again == config
    assert again.model_fields_set == {"quality_thresholds", "drift_monitor"}
    assert again.quality_thresholds.model_fields_set == {"completeness"}


def test_scoring_honours_a_reference_date_and_how_rows_are_judged(customers, tmp_path, fitted):
    path, pipeline = fitted
    table = pd.read_csv(path)
    moved = pd.to_datetime(table["last_activity_date"]) + dt.timedelta(days=300)
    later = tmp_path / "later.csv"
    table.assign(last_activity_date=moved, total_value=table["total_value"] * 50).to_csv(
        later, index=False
    )
    date = (pd.to_datetime(customers["as_of"]).min() + dt.timedelta(days=300)).date().isoformat()
    known = {"fitted": pipeline, "reference_date": date}
    scored = outcome_of(later, tmp_path / "a", **known)
    before = outcome_of(path, tmp_path / "b", fitted=pipeline)
    name = "days_since_last_activity"
    assert data_of(scored)[name].to_list() == data_of(before)[name].to_list()
    assert "total_value" in scored.validation.drifted
    silent = outcome_of(later, tmp_path / "c", drift_monitor="none", **known)
    assert silent.error is None
    assert not silent.validation.drifted
    assert outcome_of(later, tmp_path / "d", drift_monitor="raise", **known).error
    holes = table.assign(last_activity_date=table["last_activity_date"].where(table.index % 3 > 0))
    holes.to_csv(later, index=False)
    stopped = outcome_of(later, tmp_path / "e", fitted=pipeline, drift_monitor="none")
    assert stopped.error.type == "QualityError"
    for place, lenient in enumerate(
        ({"quality_thresholds": {"completeness": 0.5}}, {"validation_config": ALL_OFF})
    ):
        options = {"fitted": pipeline, "drift_monitor": "none", **lenient}
        assert outcome_of(later, tmp_path / f"f{place}", **options).error is None


ALL_OFF = dict.fromkeys(("schema_validation", "quality_checks", "statistical_validation"), False)


def test_columns_of_one_name_are_refused(customers, tmp_path):
    path = tmp_path / "c.csv"
    name = "days_since_last_activity"
    customers.assign(**{name: 1, "prediction": 0.5}).to_csv(path, index=False)
    failure = outcome_of(path, tmp_path / "a", keep_columns=[name]).error
    assert (failure.category, failure.type) == ("compatibility", "SchemaError")
    assert f"'{name}' is one of `keep_columns` and a generated feature" in failure.message
    flag = customers["churned"] == "yes"
    customers.assign(**{name: flag, "prediction": 0.5}).to_csv(path, index=False)
    failure = outcome_of(path, tmp_path / "b", target_column=name).error
    assert f"'{name}' is one of the target and a feature" in failure.message
    options = {"target_column": "churned", "extra_columns": ["prediction"]}
    failure = outcome_of(path, tmp_path / "c", **options).error
    assert "'prediction' is one of a feature and a prediction" in failure.message


def test_a_missing_extra_column_is_an_error(file, tmp_path):
    failure = outcome_of(file, tmp_path / "a", extra_columns=["customer_ids"]).error
    assert (failure.category, failure.type) == ("compatibility", "SchemaError")
    assert "customer_ids" in failure.message


@pytest.mark.parametrize("name", ["total_value", "support_tickets", "feature_usage_count"])
def test_an_empty_column_says_nothing_of_its_kind(customers, tmp_path, name):
    source = tmp_path / "customers.csv"
    customers.assign(**{name: None}).to_csv(source, index=False)
    outcome = outcome_of(source, tmp_path / "run")
    assert outcome.error is None


def test_a_file_without_rows_is_scored_to_none(customers, file, tmp_path):
    trained = outcome_of(file, tmp_path / "a", target_column="churned", model="linear", n_splits=2)
    source = tmp_path / "none.csv"
    customers.head(0).drop(columns="churned").to_csv(source, index=False)
    outcome = outcome_of(source, tmp_path / "run", fitted=trained.pipeline_path)
    assert outcome.error is None
    data = data_of(outcome)
    assert data.height == 0
    assert data.columns[-2:] == ["prediction", "probability"]


def test_the_scores_are_those_of_the_rows_that_are_kept(customers, tmp_path):
    source = tmp_path / "gaps.csv"
    customers.to_csv(source, index=False)
    outcome = outcome_of(
        source,
        tmp_path / "run",
        target_column="churned",
        model="linear",
        n_splits=2,
        preprocessing_config={"missing_value_strategy": "drop"},
    )
    assert outcome.preprocessing.rows_dropped
    assert outcome.training.rows_in == data_of(outcome).height


def test_a_mistyped_target_is_told_what_there_is(file, tmp_path):
    error = outcome_of(file, tmp_path / "run", target_column="churnd").error
    assert error.type == "SchemaError"
    assert "'churned'" in error.message


def test_a_file_of_another_kind_is_not_scored(fitted, tmp_path):
    source = tmp_path / "other.csv"
    source.write_text("a,b,c\n1,2,3\n")
    error = outcome_of(source, tmp_path / "run", fitted=fitted[1]).error
    assert error.type == "SchemaError"
    assert "last_activity_date" in error.message
    assert "'a'" in error.message
