"""The commands over files and runs: what they print, what they leave, and how they refuse."""

from __future__ import annotations

import doctest
import io
import json
import os
import re
import shlex
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sqlalchemy as sa
from polars.testing import assert_frame_equal
from rich.console import Console
from typer.testing import CliRunner

import tracer_sklearn
import tracer_sklearn as ts
from tracer_sklearn.cli.answers import Code, code_of, shown
from tracer_sklearn.cli.app import app
from tracer_sklearn.cli.progress import following
from tracer_sklearn.cli.running import show_run
from tracer_sklearn.cli.settings import config_of
from tracer_sklearn.exceptions import ParameterError, RunError, StoreError
from tracer_sklearn.service import AuditTrail, RunEvent, RunState, RunStore
from tracer_sklearn.service.states import now

ROOT = Path(tracer_sklearn.__file__).parents[1]


def tracer(*arguments, width=80, **environment):
    return CliRunner().invoke(
        app, [str(a) for a in arguments], env={"COLUMNS": str(width), **environment}
    )


def command(*arguments, cwd=None, **environment):
    return subprocess.Popen(
        [sys.executable, "-c", "from tracer_sklearn.cli import main; main()"]
        + [str(a) for a in arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "80", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(autouse=True)
def state_dir(tmp_path, monkeypatch):
    monkeypatch.setenv("TRACER_STATE_DIR", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture(scope="module")
def customers():
    X, y = ts.datasets.make_customer_churn(120, random_state=0)
    return X.assign(churned=np.where(y, "yes", "no"))


@pytest.fixture
def file(customers, tmp_path):
    path = tmp_path / "customers.csv"
    customers.to_csv(path, index=False)
    return path


# --------------------------------------------------------------------------------- inspect


def test_inspect_shows_the_file_and_says_what_to_do_next(customers, tmp_path):
    path = tmp_path / "crm export.csv"
    odd = customers.rename(columns={"customer_id": "CustID", "last_activity_date": "LastLogin"})
    text = "CRM, all customers\n\n" + odd.to_csv(index=False) + "Total,,,\n"
    path.write_bytes(text.encode("cp1252"))
    result = tracer("inspect", path)
    assert result.exit_code == 0, result.output
    for said in ("encoding ascii", "delimiter ','", "header   line 3", "above", "LastLogin"):
        assert said in result.output
    assert "customer_churn      yes" in result.output
    (following_command,) = re.findall(r"Next: (.*)", result.output)
    assert following_command.startswith(f"tracer process '{path}' -b customer_churn ")
    assert "-f customer_id=CustID" in following_command
    assert "-f last_activity_date=LastLogin" in following_command


def test_inspect_as_json_is_the_two_reports(file):
    result = tracer("inspect", file, "--json")
    said = json.loads(result.stdout)
    assert ts.IngestionReport(**said["ingestion"]).lines.rows == 720
    best = said["compatibility"]["blueprints"][0]
    assert (best["blueprint"], best["can_run"], best["mapping"]) == ("customer_churn", True, {})


def test_inspect_accounts_for_every_line(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("id,spend,seen\n" + "1,2.5,2024-01-01\n" * 30 + "7,1\n\n8,9,2024-02-01\n")
    said = tracer("inspect", path).output
    assert "34 = 32 rows + 1 header + 1 blank (1 padded)" in said
    assert "line 32 padded: " in said


def test_wide_tables_are_cut_and_say_so(tmp_path):
    path = tmp_path / "wide.csv"
    pd.DataFrame({f"c{i}": range(30) for i in range(60)}).to_csv(path, index=False)
    assert "... and 20 further columns" in tracer("inspect", path).output


@pytest.mark.parametrize("width", [80, 140])
def test_nothing_is_wider_than_the_terminal(file, width):
    for result in (
        tracer("inspect", file, width=width),
        tracer("validate", file, "-b", "customer_churn", "--all", width=width),
    ):
        lines = [line for line in result.stdout.splitlines() if not line.startswith("Next")]
        long = [line for line in lines if len(line) > width and str(file) not in line]
        assert long == []


def test_names_from_a_file_are_not_obeyed_by_the_terminal(tmp_path):
    path = tmp_path / "hostile.csv"
    path.write_bytes(b"id,[bold red]x[/],\x1b[31mred\x1b[0m\n" + b"1,2,3\n2,3,4\n" * 20)
    result = tracer("inspect", path)
    assert "\x1b" not in result.output
    assert "[bold red]x[/]" in result.output
    assert "\x1b" not in tracer("inspect", path, "--json").stdout


def test_shown_escapes_what_a_terminal_would_obey():
    assert shown("a\x1b[2J\r\n\u202eb\u200bé").plain == r"a\x1b[2J\r\n\u202eb\u200bé"


# -------------------------------------------------------------------------------- validate


def test_validate_passes_a_good_table(file):
    result = tracer("validate", file, "--blueprint", "customer_churn")
    assert result.exit_code == 0, result.output
    assert result.output.startswith("passed: score 9")
    assert "findings of severity LOW, with --all" in result.output
    assert "\nLOW " not in result.output
    assert "\nLOW " in tracer("validate", file, "-b", "customer_churn", "--all").output


def test_validate_judges_as_a_run_does(file, tmp_path):
    from tracer_sklearn.service import PipelineConfig
    from tracer_sklearn.service.jobs import Job
    from tracer_sklearn.service.work import perform

    job = Job(
        run_id="r",
        blueprint="customer_churn",
        source=str(file),
        source_name=file.name,
        config=PipelineConfig(),
        folder=str(tmp_path),
    )
    stages = {}
    perform(job, stages.__setitem__)
    said = json.loads(tracer("validate", file, "-b", "customer_churn", "--json").stdout)
    assert said == stages["validation"].report.model_dump(mode="json")


def test_validate_refuses_a_bad_table(customers, tmp_path):
    path = tmp_path / "broken.csv"
    customers.assign(last_activity_date=None).to_csv(path, index=False)
    result = tracer("validate", path, "-b", "customer_churn")
    assert result.exit_code == Code.REFUSED
    assert result.output.startswith("failed: score")
    assert "CRITICAL" in result.output
    assert json.loads(tracer("validate", path, "-b", "customer_churn", "--json").stdout)


def test_validate_proposes_the_missing_fields(customers, tmp_path):
    path = tmp_path / "crm.csv"
    customers.rename(columns={"last_activity_date": "LastLogin"}).to_csv(path, index=False)
    result = tracer("validate", path, "-b", "customer_churn")
    assert result.exit_code == Code.REFUSED
    assert "Perhaps: -f last_activity_date=LastLogin" in result.output
    mapped = tracer("validate", path, "-b", "customer_churn", "-f", "last_activity_date=LastLogin")
    assert mapped.exit_code == 0, mapped.output


def test_thresholds_come_from_a_file_of_settings(file, customers, tmp_path):
    holes = customers.assign(
        last_activity_date=customers["last_activity_date"].where(customers.index % 5 > 0)
    )
    holes.to_csv(file, index=False)
    assert tracer("validate", file, "-b", "customer_churn").exit_code == Code.REFUSED
    toml = tmp_path / "settings.toml"
    toml.write_text("[quality_thresholds]\ncompleteness = 0.5\n")
    result = tracer("validate", file, "-b", "customer_churn", "--config", toml)
    assert result.exit_code == 0, result.output


# -------------------------------------------------------------------------------- settings


def test_options_win_over_the_file_of_settings(tmp_path):
    path = tmp_path / "c.json"
    path.write_text(
        json.dumps(
            {
                "fields": {"customer_id": "a", "total_value": "b"},
                "preprocessing_config": {"scaling_method": "none", "outlier_method": "iqr"},
                "limits": {"timeout_seconds": 7},
            }
        )
    )
    config = config_of(path, fields=["customer_id=c"], outliers="none", target_column=None)
    assert config.fields == {"customer_id": "c", "total_value": "b"}
    assert config.preprocessing_config.scaling_method == "none"
    assert config.preprocessing_config.outlier_method == "none"
    assert config.limits.timeout_seconds == 7


def test_a_wrong_key_is_refused_by_name_also_under_options(file, tmp_path):
    path = tmp_path / "c.json"
    path.write_text('{"fields": ["customer_id"]}')
    arguments = ("-b", "customer_churn", "--config", path, "-f", "customer_id=CustID")
    result = tracer("validate", file, *arguments, width=300)
    assert result.exit_code == Code.USAGE
    assert "`fields`" in result.output


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("c.json", "{", "must be valid JSON"),
        ("c.toml", "a = ", "must be valid TOML"),
        ("c.json", "[1]", "must hold keys and values"),
        ("c.yaml", "a: 1", "must end in .json or .toml"),
        ("c.json", '{"field": {}}', "`field`"),
    ],
)
def test_a_wrong_file_of_settings_is_usage(file, tmp_path, name, content, says):
    path = tmp_path / name
    path.write_text(content)
    result = tracer("inspect", file, "--config", path, width=300)
    assert result.exit_code == Code.USAGE
    assert says in result.output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["validate", "FILE", "-b", "customer_chrun"], "did you mean 'customer_churn'"),
        (["validate", "FILE", "-b", "customer_churn", "-f", "customer_id"], "FIELD=COLUMN"),
        (["process", "FILE", "-b", "customer_churn", "--scaling", "robst"], "scaling_method"),
        (["process", "FILE", "-b", "customer_churn", "-o", "a.xlsx"], ".parquet"),
        (["process", "FILE"], "--blueprint"),
        (["process", "FILE.gone", "-b", "customer_churn"], "does not exist"),
        (["train", "FILE", "-b", "customer_churn", "-t", "y", "-s", "m.pkl"], "end in .skops"),
        (["score", "FILE", "-p", "FILE"], ".skops"),
        (["runs", "--since", "yesterday"], "2024-05-31"),
    ],
)
def test_wrong_usage_is_two_and_says_what_is_right(file, arguments, says):
    arguments = [a.replace("FILE", str(file)) for a in arguments]
    result = tracer(*arguments, width=400)
    assert result.exit_code == Code.USAGE, result.output
    assert says in result.output
    assert "Traceback" not in result.output


# ---------------------------------------------------------------------------- errors, codes


def test_what_is_no_table_is_refused_in_one_paragraph(tmp_path):
    path = tmp_path / "empty.csv"
    path.write_text("")
    result = tracer("inspect", path, width=60)
    assert result.exit_code == Code.REFUSED
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert "it holds no table" in result.stderr
    debugged = tracer("inspect", path, "--debug")
    assert debugged.exit_code == Code.REFUSED
    assert "Traceback" in debugged.stderr


def test_what_nobody_foresaw_is_one_paragraph_too(file, monkeypatch):
    def fails(*args, **kwargs):
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr("tracer_sklearn.io.tables.read_table", fails)
    result = tracer("inspect", file)
    assert result.exit_code == Code.FAILED
    assert "found ZeroDivisionError: by zero; run it again with --debug" in result.stderr
    assert "Traceback" not in result.output


def test_an_interruption_has_its_own_code(file, monkeypatch):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("tracer_sklearn.io.tables.read_table", interrupted)
    result = tracer("inspect", file)
    assert result.exit_code == Code.INTERRUPTED
    assert "interrupted" in result.stderr


def state_of(run_id="019aca1f-1d2e-7000-8000-000000000001", **known):
    return RunState(
        **{
            "run_id": run_id,
            "correlation_id": run_id,
            "blueprint": "customer_churn",
            "source": "ana.csv",
            "created_at": now(),
            "package_version": "0",
            **known,
        }
    )


@pytest.mark.parametrize(
    ("kind", "category", "expected"),
    [
        ("IngestionError", "ingestion", Code.REFUSED),
        ("QualityError", "validation", Code.REFUSED),
        ("SchemaError", "compatibility", Code.REFUSED),
        ("FileNotFoundError", "ingestion", Code.FAILED),
        ("WorkerLost", "processing", Code.FAILED),
    ],
)
def test_a_failed_run_is_refused_only_where_the_data_is_to_blame(kind, category, expected):
    failure = {"category": category, "type": kind, "message": "m"}
    state = state_of(status="FAILED", error=failure)
    assert code_of(RunError("m", state=state)) == expected


def test_other_errors_have_their_codes():
    assert code_of(ParameterError("m")) == Code.USAGE
    assert code_of(ts.SchemaError("m")) == Code.REFUSED
    assert code_of(StoreError("m")) == Code.FAILED
    assert code_of(RunError("m")) == Code.FAILED
    assert code_of(OSError(28, "No space left on device")) == Code.FAILED


# -------------------------------------------------------------------------------- running


@pytest.mark.medium
def test_from_a_file_to_features_a_model_and_scores(file, customers, tmp_path):
    """The way of a user, with real workers: process, train, score, and the account of it."""
    features, model, scores = (tmp_path / n for n in ("f.parquet", "m.skops", "s.csv"))
    done = tracer("process", file, "-b", "customer_churn", "-o", features, "--scaling", "none")
    assert done.exit_code == 0, done.output
    assert done.output.startswith("COMPLETED  customer_churn  ")
    expected = ts.customer_churn_pipeline(scaling_method="none").fit_transform(
        ts.read_csv(file, as_="polars").frame.drop("churned")
    )
    assert_frame_equal(pl.read_parquet(features), expected)

    train = ["train", file, "-b", "customer_churn", "-t", "churned", "--model", "linear"]
    trained = tracer(*train, "--splits", 2, "-s", model)
    assert trained.exit_code == 0, trained.output
    for said in (
        "LogisticRegression, 2 blocks of later snapshots",
        "roc_auc",
        f"--pipeline {model} -o",
    ):
        assert said in trained.output
    assert model.with_suffix(".json").exists()

    later = tmp_path / "later.csv"
    customers.tail(50).drop(columns=["churned", "label_end"]).to_csv(later, index=False)
    scored = tracer("score", later, "-p", model, "-o", scores, "--keep", "customer_id", "--json")
    assert scored.exit_code == 0, scored.output
    assert json.loads(scored.stdout)["output"]["rows_out"] == 50
    made = pd.read_csv(scores)
    assert made["customer_id"].tolist() == customers.tail(50)["customer_id"].tolist()
    expected = ts.load(model).predict_proba(ts.read_csv(later).frame)[:, 1]
    np.testing.assert_allclose(made["probability"], expected)

    listed = json.loads(tracer("runs", "--json").stdout)
    assert [run["status"] for run in listed] == ["COMPLETED"] * 3
    verified = tracer("audit", "verify")
    assert (verified.exit_code, verified.output[:6]) == (0, "whole:")


def test_a_run_that_is_refused_says_why_and_how_to_go_on(customers, tmp_path):
    path = tmp_path / "crm.csv"
    customers.rename(columns={"last_activity_date": "LastLogin"}).to_csv(path, index=False)
    output = tmp_path / "f.parquet"
    failed = tracer("process", path, "-b", "customer_churn", "-o", output, "--json")
    assert failed.exit_code == Code.REFUSED
    state = json.loads(failed.stdout)
    assert (state["status"], state["error"]["type"]) == ("FAILED", "SchemaError")
    assert "fields={'last_activity_date': 'LastLogin'}" in failed.stderr
    assert not output.exists()
    shown_again = tracer("runs", "show", state["run_id"][:20])
    assert "SchemaError (compatibility, in validation)" in shown_again.output


@pytest.mark.medium
def test_an_interrupted_command_cancels_its_run_and_leaves_nothing(customers, tmp_path, state_dir):
    path, output = tmp_path / "big.csv", tmp_path / "big.parquet"
    pd.concat([customers.assign(customer_id=customers["customer_id"] + 1000 * i)
               for i in range(200)]).to_csv(path, index=False)  # fmt: skip
    process = command(
        "train", path, "-b", "customer_churn", "-t", "churned", "-o", output, "--splits", 20
    )
    store = state_dir / "runs.sqlite"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if store.exists():
            with sqlite3.connect(f"file:{store}?mode=ro", uri=True) as connection:
                try:
                    begun = connection.execute("SELECT status FROM tracer_runs").fetchall()
                except sqlite3.OperationalError:
                    begun = []
            connection.close()
            if ("IN_PROGRESS",) in begun:
                break
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == Code.INTERRUPTED, err
    assert out == ""
    assert err == "tracer: interrupted; what was begun is cancelled.\n"
    assert not output.exists()
    with RunStore.open(state_dir=state_dir) as account:
        assert [state.status for state in account.runs()] == ["CANCELLED"]


def test_a_bar_is_shown_on_a_terminal_only():
    events = [
        RunEvent(run_id="r", at=now(), kind=kind, status=status, stage=stage, share=share)
        for kind, status, stage, share in (
            ("run", "IN_PROGRESS", None, 0.0),
            ("stage", "IN_PROGRESS", "ingestion", 0.1),
            ("retry", "IN_PROGRESS", None, 0.0),
            ("stage", "IN_PROGRESS", "validation", 0.4),
        )
    ]
    for is_terminal in (True, False):
        stream = io.StringIO()
        with following(Console(file=stream, force_terminal=is_terminal, width=100)) as tell:
            for event in events:
                tell(event)
        assert ("judge the table" in stream.getvalue()) is is_terminal
        assert (stream.getvalue() == "") is not is_terminal


def test_a_run_is_shown_with_what_a_person_wants_to_know():
    state = state_of(
        status="COMPLETED",
        seconds=3.0,
        attempts=2,
        from_cache=True,
        validation={"attempts": 1, "drifted": ("plan",), "warnings": tuple("abcdefghijklm")},
        feature_engineering={"features_created": tuple(f"f{i}" for i in range(9))},
        preprocessing={"attempts": 1, "rows_dropped": 7, "rows_in": 10, "rows_out": 3},
        training={"model": "Tree", "scores": {"auc": (0.5, 0.75)}},
        output={"path": "[red]o.csv", "size": 12, "attempts": 1, "rows_out": 3},
    )
    stream = io.StringIO()
    show_run(Console(file=stream, width=100), state)
    printed = stream.getvalue()
    for said in (
        "3.00 s, 2 attempts, remembered from an earlier run",
        "9: f0, f1, f2, f3, f4, f5 and 3 more",
        "7 incomplete rows",
        "[red]o.csv, 12 bytes",
        "10 to 3",
        "0.625",
        "... and 3 further warnings",
        "Drifted: plan",
    ):
        assert said in printed


# -------------------------------------------------------------------------------- accounts


@pytest.fixture
def account(state_dir):
    failure = {"category": "ingestion", "type": "IngestionError", "message": "line 3: torn"}
    states = [
        state_of("019aca1f-1d2e-7000-8000-000000000001", status="COMPLETED", seconds=1.5,
                 started_at=now(), finished_at=now(), ingestion={"rows_out": 1234}),
        state_of("019aca1f-1d2e-7001-8000-000000000002", status="FAILED", error=failure,
                 started_at=now(), finished_at=now(), seconds=0.5, source="[bold]b.csv"),
        state_of("019aca1f-9999-7000-8000-000000000003", blueprint="revenue_projection",
                 principal="bo"),
    ]  # fmt: skip
    with RunStore.open(state_dir=state_dir) as store:
        for state in states:
            store.create(state)
        AuditTrail.open(store).append("run.completed", run_id="r", principal="ana")
    return states


def test_runs_are_listed_filtered_and_told_apart(account):
    listed = tracer("runs", width=120).output
    ids = [line.split()[0] for line in listed.splitlines()[1:]]
    assert ids == [state.run_id[:18] for state in reversed(account)]
    assert "[bold]b.csv" in tracer("runs", width=160).output
    only = json.loads(tracer("runs", "--status", "failed", "--since", "1h", "--json").stdout)
    assert [run["run_id"] for run in only] == [account[1].run_id]
    other = json.loads(tracer("runs", "-b", "revenue_projection", "--json").stdout)
    assert [run["run_id"] for run in other] == [account[2].run_id]
    his = json.loads(tracer("runs", "--principal", "bo", "--json").stdout)
    assert [run["run_id"] for run in his] == [account[2].run_id]
    assert tracer("runs", "summary", "--principal", "nobody").output == "No runs.\n"
    assert tracer("runs", "--since", "2099-01-01").output == "No runs.\n"
    assert tracer("runs", "--status", "FALED").exit_code == Code.USAGE


@pytest.mark.parametrize(
    "arguments", [["runs", "--json"], ["runs", "show", "019aca1f-9", "--json"]]
)
def test_a_run_of_a_process_that_was_killed_has_failed(account, state_dir, arguments):
    with RunStore.open(state_dir=state_dir) as store, store.writing() as connection:
        connection.execute(sa.text("UPDATE tracer_processes SET boot = 'an earlier one'"))
    said = json.loads(tracer(*arguments).stdout)
    states = said if isinstance(said, list) else [said]
    [state] = [each for each in states if each["run_id"] == account[2].run_id]
    assert state["status"] == "FAILED"
    with RunStore.open(state_dir=state_dir) as store:
        trail = AuditTrail.open(store)
        assert [e.run_id for e in trail.entries(action="run.recovered")] == [account[2].run_id]
        assert trail.verify().ok


def test_a_run_is_shown_by_the_beginning_of_its_id(account):
    assert "PENDING" in tracer("runs", "show", "019aca1f-9").output
    failed = tracer("runs", "show", account[1].run_id)
    assert "IngestionError (ingestion): line 3: torn" in failed.output
    said = json.loads(tracer("runs", "show", account[0].run_id, "--json").stdout)
    assert RunState(**said) == account[0]
    both = tracer("runs", "show", "019aca1f-1d2e", width=300)
    assert both.exit_code == Code.USAGE
    assert "fits 2" in both.output
    unknown = tracer("runs", "show", "nothing")
    assert unknown.exit_code == Code.USAGE
    assert "must be that of a run" in unknown.output


def test_the_state_folder_may_stand_before_the_command_too(account, state_dir, monkeypatch):
    monkeypatch.delenv("TRACER_STATE_DIR")
    for arguments in (
        ["runs", "--state-dir", state_dir, "show", account[0].run_id, "--json"],
        ["runs", "show", account[0].run_id, "--json", "--state-dir", state_dir],
    ):
        assert json.loads(tracer(*arguments).stdout)["run_id"] == account[0].run_id


def test_the_summary_has_figures_by_day(account):
    said = tracer("runs", "summary")
    assert said.exit_code == 0, said.output
    assert "IngestionError" in said.output
    figures = json.loads(tracer("runs", "summary", "--json").stdout)
    assert figures["errors"][0]["n_failed"] == 1
    assert figures["throughput"][0]["files"] == 1
    assert tracer("runs", "summary", "--since", "2099-01-01").output == "No runs.\n"


def test_a_broken_trail_is_told(account, state_dir):
    assert tracer("audit", "verify").output.startswith("whole: 1 entries")
    connection = sqlite3.connect(state_dir / "runs.sqlite")
    with connection:
        (trigger,) = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'tracer_audit'"
            " AND sql LIKE '%UPDATE%'"
        ).fetchone()
        connection.execute(f"DROP TRIGGER {trigger}")
        connection.execute("UPDATE tracer_audit SET action = 'run.failed'")
    connection.close()
    broken = tracer("audit", "verify")
    assert broken.exit_code == Code.REFUSED
    assert broken.output.startswith("broken: entry 1 was changed")
    said = json.loads(tracer("audit", "verify", "--json").stdout)
    assert (said["ok"], said["first_broken"]) == (False, 1)


@pytest.mark.parametrize("arguments", [["runs"], ["runs", "show", "x"], ["audit", "verify"]])
def test_looking_at_an_account_does_not_make_one(arguments, state_dir):
    result = tracer(*arguments)
    assert result.exit_code == Code.FAILED
    assert "there is none" in result.output
    assert not state_dir.exists()


# ------------------------------------------------------------------------------------ help


@pytest.mark.parametrize(
    "arguments",
    [
        ["inspect"],
        ["validate"],
        ["process"],
        ["train"],
        ["score"],
        ["runs"],
        ["runs", "show"],
        ["runs", "summary"],
        ["audit", "verify"],
        ["demo"],
    ],
)
def test_help_has_options_and_exit_codes(arguments):
    said = tracer(*arguments, "--help").output
    assert "Exit codes: 0 done; 1 failed; 2 wrong usage" in said
    assert "--debug" in said
    if arguments[0] in ("inspect", "validate", "process", "train", "score"):
        assert f"tracer {arguments[0]} " in said


def test_json_is_all_there_is_on_standard_output(file):
    process = command("inspect", file, "--json", PYTHONWARNINGS="error")
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert json.loads(out)["compatibility"]
    assert err == ""


# --------------------------------------------------------------------------------- the page


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text("utf-8"), re.S | re.M)


@pytest.mark.medium
def test_the_page_shows_what_the_commands_print(tmp_path):
    """Every command of the page, in its order; "..." stands for what differs."""
    page = ROOT / "docs" / "how-to" / "use-the-command-line.md"
    (script,), (settings,) = blocks(page, "python"), blocks(page, "toml")
    (tmp_path / "churn.toml").write_text(settings, "utf-8")
    environment = {"TRACER_STATE_DIR": str(tmp_path / "state"), "COLUMNS": "90"}
    made = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert made.returncode == 0
    shell = [
        part.split("\n", 1) for block in blocks(page, "console") for part in block.split("$ ")[1:]
    ]
    assert len(shell) == 8
    for line, expected in shell:
        process = command(*shlex.split(line)[1:], cwd=tmp_path, **environment)
        out, err = process.communicate(timeout=180)
        printed = out + err + (f"[exit code {process.returncode}]" if process.returncode else "")
        flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
        same = doctest.OutputChecker().check_output(expected, printed, flags)
        assert same, f"$ {line}\n{printed}"
