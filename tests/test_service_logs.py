"""What runs say to logs: enough to follow them, and nothing of anybody."""

from __future__ import annotations

import io
import json
import logging
import string
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tracer_sklearn
import tracer_sklearn as ts
from tracer_sklearn.service import PipelineConfig, configure_logs
from tracer_sklearn.service.jobs import Job
from tracer_sklearn.service.logs import LOGGER, hashed, log_event, log_notice, run_logger
from tracer_sklearn.service.states import (
    RunEvent,
    RunFailure,
    RunState,
    RunStatus,
    StageState,
    now,
)
from tracer_sklearn.service.work import perform

ROOT = Path(tracer_sklearn.__file__).parents[1]
KEY = b"the key of a state directory"


def run(**known):
    return RunState(
        **{
            "run_id": "r-1",
            "correlation_id": "batch-7",
            "blueprint": "customer_churn",
            "source": "ana maria lopez.csv",
            "principal": "ana",
            "created_at": now(),
            "package_version": "0",
            **known,
        }
    )


def event(kind="run", status="COMPLETED", stage=None, **known):
    return RunEvent(run_id="r-1", at=now(), kind=kind, status=status, stage=stage, **known)


@pytest.fixture
def lines():
    """What is written, as text; the logger is left as it was."""
    logger = logging.getLogger(LOGGER)
    before = (list(logger.handlers), logger.level, logger.propagate)
    stream = io.StringIO()
    configure_logs(stream, level="DEBUG")
    yield stream
    logger.handlers, logger.propagate = before[0], before[2]
    logger.setLevel(before[1])


def parsed(stream):
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_run_can_be_followed(lines):
    log_event(event(status="IN_PROGRESS"), run(status="IN_PROGRESS", attempts=1))
    stage = StageState(status="COMPLETED", attempts=1, seconds=1.23456, rows_in=9, warnings=("x",))
    log_event(event("stage", stage="preprocessing"), run(preprocessing=stage.model_dump()))
    error = RunFailure(category="processing", type="WorkerLost", message="m", transient=True)
    log_event(event("retry", "IN_PROGRESS"), run(error=error, attempts=1))
    log_event(event(status="FAILED"), run(status="FAILED", error=error, seconds=2.5))
    begun, staged, retried, failed = parsed(lines)
    for line in (begun, staged, retried, failed):
        assert list(line)[:3] == ["at", "level", "event"]
        assert (line["run_id"], line["correlation_id"]) == ("r-1", "batch-7")
        assert line["blueprint"] == "customer_churn"
    assert (begun["event"], begun["level"], begun["attempts"]) == ("run.in_progress", "info", 1)
    assert (staged["event"], staged["stage"]) == ("stage.completed", "preprocessing")
    assert (staged["seconds"], staged["rows_in"], staged["warnings"]) == (1.2346, 9, 1)
    assert (retried["event"], retried["level"]) == ("run.retry", "warning")
    assert (failed["event"], failed["level"], failed["seconds"]) == ("run.failed", "error", 2.5)
    assert (failed["error_category"], failed["error_type"]) == ("processing", "WorkerLost")
    assert failed["transient"] is True


def test_the_time_is_that_of_the_event(lines):
    told = event()
    log_event(told, run())
    assert parsed(lines)[0]["at"] == told.at.isoformat(timespec="milliseconds")


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ("DEBUG", ["stage.in_progress", "stage.completed", "run.cancelled"]),
        ("INFO", ["stage.completed", "run.cancelled"]),
        ("WARNING", ["run.cancelled"]),
        ("ERROR", []),
    ],
)
def test_levels_choose_what_is_written(lines, level, expected):
    stream = io.StringIO()
    configure_logs(stream, level=level)
    log_event(event("stage", "IN_PROGRESS", "training"), run())
    log_event(event("stage", "COMPLETED", "training"), run())
    log_event(event(status="CANCELLED"), run(status="CANCELLED"))
    assert [line["event"] for line in parsed(stream)] == expected
    assert lines.getvalue() == ""  # a second call takes the place of the first


def test_a_wrong_level_is_refused():
    with pytest.raises(ts.ParameterError, match=r"`level` must be one of .*did you mean 'DEBUG'"):
        configure_logs(level="DEBUGG")


def test_nothing_is_written_or_set_up_until_somebody_asks():
    script = (
        "import logging, structlog\n"
        "before = structlog.get_config()\n"
        "from tracer_sklearn.service import logs, RunState, RunEvent, states\n"
        "at = states.now()\n"
        "state = RunState(run_id='a', correlation_id='a', blueprint='b', source='c',\n"
        "    created_at=at, package_version='0')\n"
        "logs.log_event(RunEvent(run_id='a', at=at, kind='run', status='FAILED'), state)\n"
        "logs.log_notice('audit.broken', level='ERROR')\n"
        "assert structlog.get_config() == before and not structlog.is_configured()\n"
        "assert logging.getLogger().handlers == []\n"
        "handlers = logging.getLogger('tracer_sklearn.service').handlers\n"
        "assert [type(each).__name__ for each in handlers] == ['NullHandler']\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_an_application_with_logging_of_its_own_gets_the_same_lines():
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    logger = logging.getLogger(LOGGER)
    logger.addHandler(handler)
    try:
        log_event(event(status="FAILED"), run(status="FAILED"))
    finally:
        logger.removeHandler(handler)
    assert parsed(stream)[0]["event"] == "run.failed"


def test_plain_messages_of_the_service_become_lines_without_what_an_error_quotes(lines):
    try:
        int("12.34 of ana")
    except ValueError:
        logging.getLogger(LOGGER).exception("run %s could not be\n ended", "r-1")
    (line,) = parsed(lines)
    assert line["note"] == "run r-1 could not be\n ended"
    assert (line["level"], line["error_type"]) == ("error", "ValueError")
    assert line["error_at"].startswith("test_service_logs.py:")
    assert "ana" not in lines.getvalue()


# ------------------------------------------------------------------------------ identifiers


def test_identifiers_are_keyed_hashes_or_absent(lines):
    log_event(event(), run(), key=KEY)
    log_event(event(), run(), key=KEY)
    log_event(event(), run(), key=b"another key")
    log_event(event(), run())
    first, again, elsewhere, without = parsed(lines)
    assert "ana" not in lines.getvalue()
    assert first["principal"] == again["principal"] == hashed("ana", KEY)
    assert elsewhere["principal"] != first["principal"] != first["file"]
    assert not {"principal", "file"} & set(without)


def test_a_hash_is_no_seal_of_the_audit_trail():
    import hashlib
    import hmac

    assert not hmac.digest(KEY, b"ana", hashlib.sha256).hex().startswith(hashed("ana", KEY))


def test_a_notice_takes_counts_and_hashes_only(lines):
    log_notice(
        "access.denied", level="WARNING", key=KEY, identifiers={"principal": "ana"}, attempts=2
    )
    log_notice("retention.swept", identifiers={"principal": "ana"}, runs=3, done=True)
    denied, swept = parsed(lines)
    assert (denied["level"], denied["attempts"]) == ("warning", 2)
    assert denied["principal"] == hashed("ana", KEY)
    assert "principal" not in swept
    with pytest.raises(ts.ParameterError, match="`customer` must be a number"):
        log_notice("retention.swept", customer="ana")


# --------------------------------------------------------------------------------- hostile


@given(text=st.text(max_size=300))
@settings(max_examples=200, deadline=None)
def test_no_id_forges_a_line_or_reaches_a_terminal(text):
    stream = io.StringIO()
    logger = logging.getLogger(LOGGER)
    handler = configure_logs(stream)
    try:
        log_event(event(), run(correlation_id=text, principal=text, source=text), key=KEY)
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)
        logger.propagate = True
    written = stream.getvalue()
    assert written.count("\n") == 1
    assert set(written[:-1]) <= set(string.printable) - set("\n\r\t\x0b\x0c")
    assert json.loads(written)["event"] == "run.completed"
    assert len(written) < 5000


def test_what_is_bound_to_a_logger_is_tamed_too(lines):
    logger = run_logger(run()).bind(weird=object(), secret=pd.DataFrame({"a": [1]}))
    logger.info("x", ratio=float("nan"), more={"\x1b": [1, 2]}, far=-float("inf"))
    line = parsed(lines)[0]
    assert (line["weird"], line["secret"]) == ("object", "DataFrame")
    assert (line["ratio"], line["far"]) == ("nan", "-inf")
    assert "\x1b" not in lines.getvalue()


@pytest.mark.parametrize("broken", [False, True])
@pytest.mark.parametrize("seed", range(2))
def test_no_value_of_a_table_reaches_the_log(lines, tmp_path, seed, broken):
    """A whole job, in good order and in none; every cell is a token that nothing else holds."""
    X, y = ts.datasets.make_customer_churn(80, random_state=seed)
    rng = np.random.default_rng(seed)
    secrets = [f"zq{rng.integers(10**9, 10**10)}" for _ in range(len(X))]
    amounts = rng.uniform(1e7, 1e8, len(X)).round(3)
    X = X.assign(customer_id=secrets, total_value=amounts, churned=y)
    if broken:
        X["last_activity_date"] = secrets
    path = tmp_path / f"{secrets[0]}.csv"
    X.to_csv(path, index=False, header=not broken or seed == 0)
    job = Job(
        run_id="r-1",
        blueprint="customer_churn",
        source=str(path),
        source_name=path.name,
        config=PipelineConfig(target_column="churned", n_splits=2, model="linear"),
        folder=str(tmp_path),
        pipeline_path=str(tmp_path / "p.skops"),
    )
    stages = {}

    def emit(name, stage):
        stages[name] = stage
        log_event(event("stage", stage.status, name), run(source=path.name, **stages), key=KEY)

    outcome = perform(job, emit)
    assert (outcome.error is not None) is broken
    status = RunStatus.FAILED if broken else RunStatus.COMPLETED
    state = run(source=path.name, status=status, error=outcome.error, **stages)
    log_event(event(status=status), state, key=KEY)
    written = lines.getvalue()
    assert len(written.splitlines()) >= 3
    assert [secret for secret in secrets if secret[2:] in written] == []
    assert [amount for amount in amounts if str(amount) in written] == []
    assert not any(str(day)[:10] in written for day in X["account_created_date"])
