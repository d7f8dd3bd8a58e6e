"""The run store: the same on SQLite and PostgreSQL, and what it does when things go wrong."""

from __future__ import annotations

import json
import os
import random
import sqlite3
import stat
import subprocess
import sys
import textwrap
import threading
import time
from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from service_processes import Other, made, opens, works, writes

import tracer_sklearn as ts
from tracer_sklearn.service import RunFailure, RunState, RunStatus, RunStore
from tracer_sklearn.service.audit import AuditTrail
from tracer_sklearn.service.states import IngestionState, PreprocessingState, ValidationState, now
from tracer_sklearn.service.store import _engine, _migrate, _owners
from tracer_sklearn.service.store._tables import metadata, processes, runs

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def store(store_url, tmp_path):
    with RunStore.open(store_url, state_dir=tmp_path / "state") as opened:
        yield opened


@pytest.fixture(scope="module")
def full_state():
    """A state with everything in it that a real run leaves."""
    X, y = ts.datasets.make_customer_churn(200, random_state=0)
    with pytest.warns(ts.DataQualityWarning):
        read = ts.read_csv(X.to_csv(index=False).encode() + b"too,few\n").report
    judged = ts.DataValidator("customer_churn", on_fail="report").fit(X, y).report(X)
    state = made(
        "full",
        status=RunStatus.COMPLETED,
        started_at=now(),
        finished_at=now(),
        seconds=1.5,
        source="Zoë's \U0001f600 list.csv",
        source_bytes=123,
        ingestion=IngestionState(report=read, rows_out=200, attempts=1, seconds=0.25),
        validation=ValidationState(report=judged),
        config={"retention": {"outputs_days": 2.0, "personal_days": None}},
    )
    # as it comes from a worker: tuples of a report are lists in JSON
    return RunState.model_validate_json(state.model_dump_json())


def python(code, *arguments, **options):
    """A process that runs `code` with this package."""
    env = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    return subprocess.Popen(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )


def finished(process):
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out


# ----------------------------------------------------------------------------------- runs


def test_a_run_comes_back_as_it_was_saved(store, full_state):
    pending = full_state.model_copy(update={"status": RunStatus.PENDING, "finished_at": None})
    store.create(pending)
    assert store.get("full") == pending
    store.save(full_state)
    back = store.get("full")
    assert back == full_state
    assert back.validation.report.score == full_state.validation.report.score
    assert store.runs() == [full_state]


def test_names_that_are_no_unicode_and_nul_are_kept_escaped(store):
    strange = os.fsdecode(b"caf\xe9\x00.csv")
    store.create(made("01", source=strange, principal=strange))
    assert store.get("01").source == "caf\\udce9\\x00.csv"
    assert store.runs(principal=strange)[0].run_id == "01"


def test_an_unknown_run_is_answered_with_the_nearest(store):
    store.create(made("run-0001"))
    with pytest.raises(ts.ParameterError, match="nearest: 'run-0001'"):
        store.get("run-0002")
    with pytest.raises(ts.ParameterError, match="must be that of a run"):
        store.save(made("elsewhere"))
    with pytest.raises(ts.ParameterError, match="must be new"):
        store.create(made("run-0001"))


def test_a_run_that_ended_stays_ended(store):
    store.create(made("01"))
    failed = made("01", status="FAILED")
    store.save(failed)
    with pytest.raises(ts.RunError, match="must stay as it ended, 01 is FAILED") as caught:
        store.save(made("01", status="IN_PROGRESS"))
    assert caught.value.run_id == "01"
    assert store.get("01") == failed
    store.save(made("01", status="COMPLETED"))  # it came through after all
    assert store.get("01").status is RunStatus.COMPLETED


def test_runs_are_found_by_what_they_are(store):
    start = datetime(2026, 3, 1, tzinfo=UTC)
    everything = []
    for i in range(40):
        state = made(
            f"{i:03}",
            created_at=start + timedelta(hours=i),
            status=list(RunStatus)[i % 5],
            blueprint=("customer_churn", "price_optimization")[i % 2],
            principal=("ana", "bo", "cy")[i % 3],
        )
        store.create(state)
        everything.insert(0, state)
    assert store.runs() == everything
    assert store.runs(limit=7, offset=5) == everything[5:12]
    assert store.runs(limit=None) == everything
    since, until = start + timedelta(hours=8), start + timedelta(hours=30)
    found = store.runs(
        status=["FAILED", RunStatus.COMPLETED], blueprint="customer_churn", since=since, until=until
    )
    assert found == [
        s
        for s in everything
        if s.status in ("FAILED", "COMPLETED")
        and s.blueprint == "customer_churn"
        and since <= s.created_at < until
    ]
    assert store.runs("PENDING", principal="bo") == [
        s for s in everything if s.status == "PENDING" and s.principal == "bo"
    ]
    assert [s.run_id for s in store.runs(correlation_id="007")] == ["007"]
    assert store.count() == 40
    assert store.count("PENDING") == 8
    assert store.count("PENDING", "price_optimization") == 4
    assert store.count(principal="bo") == 13
    completed = [s for s in everything if s.status == "COMPLETED"]
    figures = store.throughput(principal="bo")
    assert sum(row["files"] for row in figures) == sum(s.principal == "bo" for s in completed)
    rates = store.error_rates(principal="cy")
    failed = [s for s in everything if s.status == "FAILED" and s.principal == "cy"]
    assert sum(row["n_failed"] for row in rates) == len(failed)
    assert store.quality_trend(principal="nobody") == []
    # a zone of the question is no matter
    elsewhere = since.astimezone(datetime.strptime("+0530", "%z").tzinfo)
    assert store.runs(since=elsewhere) == store.runs(since=since)
    with pytest.raises(ts.ParameterError, match="did you mean 'FAILED'"):
        store.runs(status="FAILD")
    with pytest.raises(ts.ParameterError, match="limit"):
        store.runs(limit=-1)


@pytest.mark.parametrize("verb", ["runs", "count"])
def test_an_unknown_status_is_refused(store, verb):
    ask = getattr(store, verb)
    for status in ("nope", ["PENDING", "nope"], 7, [7]):
        with pytest.raises(
            ts.ParameterError, match=rf"^RunStore\.{verb}: `status` must be"
        ) as caught:
            ask(status=status)
        assert "COMPLETED" in str(caught.value)
    with pytest.raises(ts.ParameterError, match="`blueprint` must be a text or None, got 7"):
        ask(blueprint=7)
    assert store.count(["PENDING", RunStatus.FAILED]) == store.count([]) == 0


@pytest.mark.parametrize("verb", ["runs", "quality_trend", "error_rates", "throughput"])
@pytest.mark.parametrize("name", ["since", "until"])
@pytest.mark.parametrize("moment", ["2024", 2024, date(2024, 3, 31), pd.NaT])
def test_a_bound_that_is_no_moment_is_refused(store, verb, name, moment):
    must = rf"^RunStore\.{verb}: `{name}` must be a datetime, got .*; pass datetime\("
    with pytest.raises(ts.ParameterError, match=must):
        getattr(store, verb)(**{name: moment})


def test_a_moment_without_a_zone_is_local_time(store):
    store.create(made("01", created_at=datetime(2026, 3, 30, 12, tzinfo=UTC)))
    at = datetime(2026, 3, 30, 12, tzinfo=UTC).astimezone().replace(tzinfo=None)
    assert [s.run_id for s in store.runs(since=at)] == ["01"]
    assert store.runs(until=at) == store.runs(since=at + timedelta(seconds=1)) == []
    with pytest.raises(ts.ParameterError, match="`since` must be a datetime"):
        store.runs(since=datetime.min.replace(tzinfo=timezone(timedelta(hours=14))))


def test_trends_rates_and_throughput_agree_with_plain_python(store, full_state):
    draw = random.Random(0)
    start = datetime(2026, 3, 30, tzinfo=UTC)
    states = []
    for i in range(60):
        report = full_state.validation.report.model_copy(update={"score": draw.uniform(50, 100)})
        failed = draw.random() < 0.3
        error = RunFailure(category="ingestion", type=draw.choice("ABC"), message="m")
        state = made(
            f"{i:03}",
            created_at=start + timedelta(hours=draw.randrange(100)),
            status="FAILED" if failed else "COMPLETED",
            error=error if failed else None,
            blueprint=draw.choice(["customer_churn", "revenue_projection"]),
            from_cache=draw.random() < 0.2,
            seconds=draw.uniform(1, 2),
            source_bytes=draw.randrange(1000),
            ingestion=IngestionState(rows_out=draw.randrange(100)),
            preprocessing=PreprocessingState(rows_out=1),
            validation=ValidationState(report=None if failed else report),
        )
        states.append(state)
        store.create(state)
    store.create(made("unfinished", created_at=start))

    scores, work = defaultdict(list), defaultdict(list)
    for s in states:
        if s.status == "COMPLETED":
            key = s.created_at.date().isoformat(), s.blueprint
            scores[key].append(s.validation.report.score)
            work[key].append(s)
    trend = store.quality_trend()
    assert [(r["period"], r["blueprint"]) for r in trend] == sorted(scores)
    for row in trend:
        found = scores[row["period"], row["blueprint"]]
        assert row["n_runs"] == len(found)
        assert row["score"] == pytest.approx(sum(found) / len(found))
        assert row["score_min"] == min(found)
        assert row["completeness"] == pytest.approx(full_state.validation.report.completeness)

    done = store.throughput()
    assert [(r["period"], r["blueprint"]) for r in done] == sorted(work)
    for row in done:
        found = work[row["period"], row["blueprint"]]
        own = [s for s in found if not s.from_cache]
        assert (row["files"], row["from_cache"]) == (len(found), len(found) - len(own))
        assert row["rows"] == sum(s.ingestion.rows_out for s in own)
        assert row["bytes"] == sum(s.source_bytes for s in own)
        assert row["seconds"] == pytest.approx(sum(s.seconds for s in own))

    failures = Counter((s.blueprint, s.error.type) for s in states if s.error)
    ended = Counter(s.blueprint for s in states)
    rates = {(r["blueprint"], r["type"]): r for r in store.error_rates()}
    assert rates.keys() == failures.keys()
    for key, row in rates.items():
        assert (row["n_failed"], row["n_runs"]) == (failures[key], ended[key[0]])
        assert row["rate"] == row["n_failed"] / row["n_runs"]
    one = store.error_rates("customer_churn", since=start + timedelta(hours=50))
    late = [s for s in states if s.blueprint == "customer_churn" and s.created_at >= start]
    late = [s for s in late if s.created_at >= start + timedelta(hours=50) and s.error]
    assert sum(r["n_failed"] for r in one) == len(late)
    assert {len(r["period"]) for r in store.throughput(period="hour")} == {13}
    assert {r["period"] for r in store.quality_trend(period="month")} == {"2026-03", "2026-04"}
    assert store.quality_trend("price_optimization", until=start) == []
    with pytest.raises(ts.ParameterError, match="period"):
        store.throughput(period="week")


def test_threads_share_a_store(store):
    for i in range(4):
        store.create(made(f"{i}"))
    failed = []

    def work(i):
        try:
            for attempt in range(20):
                store.save(made(f"{i}", status="IN_PROGRESS", attempts=attempt))
                store.get(f"{i}")
            store.save(made(f"{i}", status="COMPLETED", attempts=20))
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert {(s.attempts, s.status.value) for s in store.runs()} == {(20, "COMPLETED")}


# ----------------------------------------------------------------------- living and dead


def test_runs_of_a_killed_process_are_marked_failed(store, store_url, tmp_path):
    store.create(made("mine", status="IN_PROGRESS"))
    process = Other(works, store_url, tmp_path / "state")
    assert process.hear() == "ready"
    assert store.recover() == []  # it lives
    process.kill()
    process.everything()
    ended = {state.run_id: state for state in store.recover()}
    assert ended.keys() == {"reading", "waiting"}
    reading = ended["reading"]
    assert store.get("reading") == reading
    assert reading.status is reading.ingestion.status is RunStatus.FAILED
    assert reading.error == reading.ingestion.error
    assert (reading.error.type, reading.error.stage) == ("ProcessLost", "ingestion")
    assert reading.error.transient
    assert f"process {process.pid} " in reading.error.message
    assert reading.finished_at is not None
    assert reading.seconds > 0
    assert ended["waiting"].error.stage is None
    assert store.get("mine").status is RunStatus.IN_PROGRESS
    assert store.get("done").status is RunStatus.COMPLETED
    assert store.recover() == []
    assert {row["type"]: row["n_failed"] for row in store.error_rates()} == {"ProcessLost": 2}


@pytest.mark.parametrize(
    ("changes", "silent", "lost"),
    [
        ({"host": "elsewhere/"}, 0, False),
        ({"host": "elsewhere/"}, 40, False),
        ({"host": "elsewhere/"}, 90, True),
        ({"boot": "an earlier one"}, 0, True),
        ({"pid": 2**22 + 1}, 0, True),  # above the largest of Linux
        ({"started": 1.0}, 0, False),  # the clock may have been set
        ({"started": 1.0}, 90, True),
        ({}, 10**6, False),  # on this machine it is looked for
    ],
)
def test_who_counts_as_dead(changes, silent, lost, tmp_path):
    with RunStore.open(state_dir=tmp_path) as store:
        store.create(made("theirs", status="IN_PROGRESS"))
        heard = now() - timedelta(seconds=silent)
        with store.writing() as connection:
            connection.execute(sa.update(processes).values(**changes, heartbeat_at=heard))
        store._owners.clear()
        assert [s.run_id for s in store.recover()] == ["theirs"] * lost


def test_a_heartbeat_is_heard(store):
    store.create(made("01"))
    with store.writing() as connection:
        long_ago = now() - timedelta(days=1)
        connection.execute(sa.update(processes).values(heartbeat_at=long_ago))
    store.heartbeat()
    with store.reading() as connection:
        heard = connection.scalar(sa.select(processes.c.heartbeat_at))
    assert abs(now() - heard) < timedelta(seconds=30)
    assert store.claim_process() == store.claim_process()


def test_a_process_that_was_given_up_claims_its_place_again(store):
    store.create(made("01"))
    with store.writing() as connection:
        connection.execute(sa.delete(processes))
    store.heartbeat()
    store.create(made("02"))
    with store.reading() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(processes)) == 1


def test_a_closed_store_leaves_no_process_behind(store_url, tmp_path):
    with RunStore.open(store_url, state_dir=tmp_path / "state") as store:
        store.create(made("01"))
        store.save(made("01", status="COMPLETED"))
    with RunStore.open(store_url, state_dir=tmp_path / "state") as store, store.reading() as c:
        assert c.scalar(sa.select(sa.func.count()).select_from(processes)) == 0
        assert c.scalar(sa.select(runs.c.owner_id)) is None


def test_a_process_of_another_user_counts_by_its_silence(monkeypatch):
    import psutil

    class Hidden:
        def __init__(self, pid):
            raise psutil.AccessDenied(pid)

    monkeypatch.setattr(psutil, "Process", Hidden)
    row = {"host": _owners.this_host(), "boot": _owners.this_boot(), "pid": 1, "started": 1.0}
    minute = timedelta(minutes=1)
    assert _owners.is_alive({**row, "heartbeat_at": now()}, now(), minute)
    assert not _owners.is_alive({**row, "heartbeat_at": now() - 2 * minute}, now(), minute)


def test_a_system_without_proc_has_names_too(monkeypatch):
    monkeypatch.setattr(os, "readlink", _raise(OSError))
    monkeypatch.setattr(Path, "read_text", _raise(OSError))
    assert _owners.this_host.__wrapped__().endswith("/")
    assert _owners.this_boot.__wrapped__() == ""


def _raise(error):
    def fails(*_, **__):
        raise error

    return fails


# ------------------------------------------------------------------------------ versions


def test_the_migrations_make_the_tables_of_the_package(store):
    scripts = ScriptDirectory(str(Path(_migrate.__file__).parent / "migrations"))
    assert scripts.get_current_head() == _migrate.NEWEST
    with store.reading() as connection:
        options = {"version_table": _migrate.VERSION_TABLE, "compare_type": True}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []


def test_a_newer_store_is_refused(store, store_url, tmp_path):
    store.create(made("01"))
    with store.writing() as connection:
        connection.execute(sa.text(f"UPDATE {_migrate.VERSION_TABLE} SET version_num = '9999'"))
    with pytest.raises(ts.StoreError, match=r"version 9999 was found.*upgrade the package"):
        RunStore.open(store_url, state_dir=tmp_path / "state")
    with pytest.raises(ts.StoreError, match="upgrade the package"):  # it is not damaged
        RunStore.open(store_url, state_dir=tmp_path / "state", on_corrupt="set_aside")
    assert store.get("01").run_id == "01"


def test_a_migration_that_fails_leaves_the_store_as_it_was(store_url, tmp_path, monkeypatch):
    from alembic.operations import Operations

    create_table = Operations.create_table

    def fails(self, name, *columns, **options):
        if name == "tracer_audit":
            raise OSError(28, "No space left on device")
        return create_table(self, name, *columns, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Operations, "create_table", fails)
        with pytest.raises(ts.StoreError, match="free some space"):
            RunStore.open(store_url, state_dir=tmp_path / "state")
    with RunStore.open(store_url, state_dir=tmp_path / "state") as store:
        store.create(made("01"))
        assert AuditTrail.open(store).verify().ok


def test_many_processes_may_open_a_new_store_at_once(store_url, tmp_path):
    at = time.time() + 1.5
    openers = [Other(opens, store_url, tmp_path / "state", at, f"{i}") for i in range(4)]
    for opener in openers:
        opener.everything()
        assert opener.process.exitcode == 0
    with RunStore.open(store_url, state_dir=tmp_path / "state") as store:
        assert sorted(s.run_id for s in store.runs()) == ["0", "1", "2", "3"]
        assert AuditTrail.open(store).verify().n_entries == 4
        assert AuditTrail.open(store).verify().ok


# -------------------------------------------------------------------------------- faults


def filled(folder, n=200):
    with RunStore.open(state_dir=folder) as store:
        trail = AuditTrail.open(store)
        for i in range(n):
            store.create(made(f"{i:04}", config={"retention": {}, "blob": "x" * 500}))
        trail.append("run.created", principal="ana")
    return Path(folder, "runs.sqlite")


def garbage(file):
    file.write_bytes(b"PK\x03\x04 not at all a database" * 500)


def truncated(file):
    os.truncate(file, file.stat().st_size // 2)


def page_lost(file):
    content = bytearray(file.read_bytes())
    content[8192:12288] = os.urandom(4096)
    file.write_bytes(content)


def emptied(file):
    file.write_bytes(b"")


def deleted(file):
    file.unlink()


@pytest.mark.parametrize("fault", [garbage, truncated, page_lost, emptied, deleted])
def test_a_damaged_store_is_named_and_can_be_put_aside(fault, tmp_path):
    file = filled(tmp_path)
    fault(file)
    before = file.read_bytes() if file.exists() else None
    with pytest.raises(ts.StoreError) as caught:
        RunStore.open(state_dir=tmp_path)
    assert str(file) in str(caught.value)
    assert "on_corrupt='set_aside'" in str(caught.value)
    assert caught.value.damaged
    assert not caught.value.transient
    # nothing was touched
    assert (file.read_bytes() if file.exists() else None) == before

    with RunStore.open(state_dir=tmp_path, on_corrupt="set_aside") as store:
        names = {path.name.partition(".corrupt-")[0] for path in store.put_aside}
        assert "audit.head" in names
        assert ("runs.sqlite" in names) is (before is not None)
        assert all(path.exists() for path in store.put_aside)
        aside = next((p for p in store.put_aside if p.name.startswith("runs.sqlite.")), None)
        assert aside is None or aside.read_bytes() == before
        assert store.runs() == []
        trail = AuditTrail.open(store)
        assert trail.verify().ok
        [entry] = trail.entries()
        assert entry.action == "store.set_aside"
        assert "audit.head.corrupt-" in entry.details["files"]
    with RunStore.open(state_dir=tmp_path, on_corrupt="set_aside") as store:
        assert store.put_aside == ()


def test_damage_that_shows_later_is_named(tmp_path):
    file = filled(tmp_path)
    with RunStore.open(state_dir=tmp_path) as store:
        store.count()
        garbage(file)
        store.engine.dispose()
        with pytest.raises(ts.StoreError, match="not a database") as caught:
            store.runs()
    assert caught.value.damaged


def test_a_full_disk_is_said_and_nothing_is_lost(tmp_path):
    with RunStore.open(state_dir=tmp_path) as store:
        trail = AuditTrail.open(store)
        store.create(made("before"))
        with store.engine.connect() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        limit = f"PRAGMA max_page_count={pages + 4}"  # SQLite answers as if the disk were full
        sa.event.listen(store.engine, "connect", lambda c, _: c.execute(limit))
        store.engine.dispose()
        written = 0

        def fill():
            nonlocal written
            for written in range(100):  # noqa: B007
                trail.append("run.created", principal="ana", details={"blob": "x" * 1000})

        with pytest.raises(ts.StoreError, match=r"is full; free some space") as caught:
            fill()
        assert not caught.value.damaged
        with pytest.raises(ts.StoreError, match="free some space"):
            store.create(made("during", config={"blob": "x" * 100_000}))
        assert trail.verify().ok
        assert trail.verify().n_entries == written
    with RunStore.open(state_dir=tmp_path) as store:
        assert [s.run_id for s in store.runs()] == ["before"]
        store.create(made("after"))
        AuditTrail.open(store).append("run.created", principal="ana")
        assert AuditTrail.open(store).verify().n_entries == written + 1


@pytest.mark.parametrize("kills", [4, pytest.param(40, marks=pytest.mark.medium)])
def test_kill_9_at_any_point_leaves_a_sound_store_and_a_whole_trail(kills, tmp_path):
    draw = random.Random(kills)
    said = set()
    for kill in range(kills):
        writers = [Other(writes, None, tmp_path, f"{kill}{side}") for side in "ab"]
        for writer in writers:
            assert writer.hear() == "ready"
        time.sleep(draw.uniform(0.0, 0.2))
        for writer in writers:
            writer.kill()
        for writer in writers:
            said |= set(writer.everything()) - {"ready"}
        with RunStore.open(state_dir=tmp_path) as store:
            trail = AuditTrail.open(store)
            verdict = trail.verify()
            assert verdict.ok, verdict
            assert verdict.head_seq >= verdict.n_entries - 2  # one for each writer
            assert len(store.recover()) <= 2
            assert not store.runs(status=["PENDING", "IN_PROGRESS"])
            trail.append("run.recovered", principal="system")
            assert trail.verify().head_seq == verdict.n_entries + 1
    with RunStore.open(state_dir=tmp_path) as store:
        assert said <= {s.run_id for s in store.runs("COMPLETED", limit=None)}


def test_a_store_held_by_another_process_is_passing_trouble(tmp_path, monkeypatch):
    monkeypatch.setattr(_engine, "BUSY_SECONDS", 0.1)
    file = filled(tmp_path, n=1)
    holder = sqlite3.connect(file, isolation_level=None)
    with RunStore.open(state_dir=tmp_path) as store:
        holder.execute("BEGIN IMMEDIATE")
        assert store.get("0000").run_id == "0000"  # readers do not wait
        with pytest.raises(ts.StoreError, match="locked") as caught:
            store.create(made("02"))
        assert caught.value.transient
        holder.execute("ROLLBACK")
        store.create(made("02"))
    holder.close()


def test_a_server_that_is_not_there_is_passing_trouble_and_no_password_is_shown(tmp_path):
    url = "postgresql://ana:s3cret@127.0.0.1:1/db"
    with pytest.raises(ts.StoreError, match=r"postgresql\+psycopg://ana:\*\*\*@") as caught:
        RunStore.open(url, state_dir=tmp_path)
    assert caught.value.transient
    assert "s3cret" not in str(caught.value)


@pytest.mark.medium
def test_a_lost_connection_is_passing_trouble(postgresql_url, tmp_path):
    with RunStore.open(postgresql_url, state_dir=tmp_path) as store:
        store.create(made("01"))

        def lose():
            with store.writing() as connection:
                pid = connection.scalar(sa.text("SELECT pg_backend_pid()"))
                with store.engine.connect() as other:
                    other.execute(sa.text(f"SELECT pg_terminate_backend({pid})"))
                connection.execute(sa.select(runs.c.run_id))

        with pytest.raises(ts.StoreError) as caught:
            lose()
        assert caught.value.transient
        assert store.get("01").run_id == "01"  # the next one is a new connection


@pytest.mark.parametrize(
    "url",
    ["mysql://u:s3cret@h/d", "sqlite://", "sqlite:///:memory:", "no url s3cret", "duckdb:///x"],
)
def test_other_stores_are_refused(url, tmp_path):
    with pytest.raises(ts.ParameterError, match=r"sqlite:///runs.sqlite or postgresql") as caught:
        RunStore.open(url, state_dir=tmp_path)
    assert "s3cret" not in str(caught.value)
    with pytest.raises(ts.ParameterError, match="on_corrupt"):
        RunStore.open(state_dir=tmp_path, on_corrupt="ignore")


def test_files_are_for_their_owner_alone(tmp_path):
    file = filled(tmp_path / "state", n=1)
    with RunStore.open(state_dir=tmp_path / "state") as store:
        store.create(made("x"))
        modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in file.parent.iterdir()}
    assert modes.keys() >= {"runs.sqlite", "runs.sqlite-wal", "audit.key", "audit.head"}
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_what_ended_is_forced_to_the_disk(tmp_path):
    said = []
    with RunStore.open(state_dir=tmp_path) as store:
        sa.event.listen(
            store.engine,
            "before_cursor_execute",
            lambda c, cursor, statement, *_: said.append(statement),
        )
        store.create(made("01"))
        assert "PRAGMA synchronous=FULL" in said
        said.clear()
        store.save(made("01", status="IN_PROGRESS"))
        assert "PRAGMA synchronous=NORMAL" in said
        said.clear()
        store.save(made("01", status="FAILED"))
        assert "PRAGMA synchronous=FULL" in said
        with store.reading() as connection:
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
            assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1


@pytest.mark.parametrize("missing", ["sqlalchemy", "alembic", "psutil"])
def test_without_its_packages_the_store_names_the_extra(missing):
    code = """
        import sys
        sys.modules[sys.argv[1]] = None
        import tracer_sklearn as ts
        from tracer_sklearn import service
        try:
            service.RunStore
        except ts.MissingDependencyError as error:
            print(error)
    """
    assert 'pip install "tracer-sklearn[service]"' in finished(python(code, missing))


def test_without_psycopg_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ts.MissingDependencyError, match=r"tracer-sklearn\[postgresql\]"):
        RunStore.open("postgresql://h/d", state_dir=tmp_path)


def test_the_states_of_the_service_need_no_database():
    code = """
        import sys
        from tracer_sklearn.service import PipelineConfig, RunState, RolePolicy
        print(*sys.modules)
    """
    loaded = set(finished(python(code)).split())
    assert not loaded & {"sqlalchemy", "alembic", "redis", "psycopg"}


def test_store_errors_survive_pickling():
    import pickle

    error = ts.StoreError.from_reason("S", "m", "w", "r", "a", transient=True)
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == "S: m, w: r; a."
    assert (again.where, again.reason, again.transient, again.damaged) == ("w", "r", True, False)
    assert json.dumps(again.args)
