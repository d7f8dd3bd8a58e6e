"""What was kept long enough is deleted, and the audit trail says so."""

from __future__ import annotations

import hashlib
import json
import os
import time
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from service_processes import made

import tracer_sklearn as ts
from tracer_sklearn.service import (
    AuditTrail,
    CachedResult,
    PipelineConfig,
    RunFailure,
    RunStore,
    open_cache,
)
from tracer_sklearn.service.retention import ERASED, Swept, remove_strays, sweep, without_personal
from tracer_sklearn.service.states import IngestionState, OutputState, ValidationState, now

SECRET = "zoe-secret"


@pytest.fixture
def kept(store_url, tmp_path):
    """Store, trail and cache of one state folder."""
    folder = tmp_path / "state"
    with RunStore.open(store_url, state_dir=folder) as store:
        trail = AuditTrail.open(store)
        yield store, trail, open_cache("auto", folder), folder


def run(
    kept,
    run_id,
    *,
    days_ago=0.0,
    output=None,
    outputs_days=None,
    personal_days=30.0,
    keep_columns=(),
    **more,
):
    """A completed run with everything that it leaves behind."""
    store, trail, cache, folder = kept
    for name in ("pipelines", "work"):
        (folder / name).mkdir(exist_ok=True)
    pipeline = folder / "pipelines" / f"{run_id}.skops"
    pipeline.write_bytes(b"skops")
    pipeline.with_suffix(".json").write_bytes(b"{}")
    content = run_id.encode()
    if output is not None:
        output.write_bytes(content)
    policy = {"outputs_days": outputs_days, "personal_days": personal_days}
    ended = now() - timedelta(days=days_ago)
    state = made(
        run_id,
        status="COMPLETED",
        source=f"/home/{SECRET}/list.csv",
        principal=SECRET,
        created_at=ended,
        finished_at=ended,
        pipeline_path=str(pipeline),
        output=OutputState(
            path=None if output is None else str(output),
            checksum=hashlib.sha256(content).hexdigest(),
        ),
        config=PipelineConfig(retention=policy, keep_columns=keep_columns).to_dict(),
        **more,
    )
    store.create(state)
    trail.append("run.completed", run_id=run_id, principal=SECRET, details={"source": SECRET})
    cache.put(hashlib.sha256(content).hexdigest(), CachedResult(json.dumps({"run_id": run_id})))
    return state


def in_cache(cache, run_id):
    return cache.get(hashlib.sha256(run_id.encode()).hexdigest()) is not None


def dump(store):
    with store.reading() as connection:
        tables = ("tracer_runs", "tracer_audit")
        return "".join(str(connection.execute(sa.text(f"SELECT * FROM {t}")).all()) for t in tables)


@pytest.mark.parametrize(
    "kind", [{"outputs_days": 2}, {"personal_days": 2, "keep_columns": ("customer_id",)}]
)
def test_a_run_that_becomes_due_during_a_sweep_waits_for_the_next(kept, kind, monkeypatch):
    store, _, cache, _ = kept
    run(kept, "first", days_ago=3, **kind)
    delete_runs = type(cache).delete_runs

    def late(self, ids):
        deleted = delete_runs(self, ids)
        if ids:
            monkeypatch.undo()
            run(kept, "late", days_ago=3, **kind)
        return deleted

    monkeypatch.setattr(type(cache), "delete_runs", late)
    sweep(*kept)
    # what the cache holds of it nobody deleted: nothing may say so
    assert in_cache(cache, "late")
    assert store.get("late").principal == SECRET
    assert store.get("late").pipeline_path is not None
    sweep(*kept)
    assert not in_cache(cache, "late")
    late = store.get("late")
    assert late.pipeline_path is None if "outputs_days" in kind else late.principal == "(erased)"


def test_runs_stay_due_while_the_cache_does_not_delete(kept, tmp_path, monkeypatch):
    store, _, cache, _ = kept
    output = tmp_path / "old.parquet"
    run(kept, "old", days_ago=3, output=output, outputs_days=2)
    run(kept, "known", days_ago=3, personal_days=2, keep_columns=("customer_id",))
    run(kept, "other", days_ago=3, personal_days=2)

    def gone(_):
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(type(cache), "_remove", lambda _, key: gone(key))
        assert sweep(*kept) == Swept(failed=2, personal=1, entries=1)
    assert output.exists()
    assert store.get("known").principal == SECRET
    assert in_cache(cache, "known")
    assert sweep(*kept) == Swept(outputs=3, cached=2, personal=1, entries=1)
    assert not in_cache(cache, "known")
    assert store.get("known").principal == ERASED


@pytest.mark.parametrize("other", [None, "none"])
def test_what_a_folder_of_before_holds_is_erased_too(kept, tmp_path, other):
    store, trail, cache, folder = kept
    run(kept, "known", days_ago=3, personal_days=2, keep_columns=("customer_id",))
    now_used = None if other is None else open_cache(None, folder)
    assert sweep(store, trail, now_used, folder) == Swept(personal=1, entries=1, cached=1)
    assert not in_cache(cache, "known")


def test_a_sweep_erases_frames_that_belong_to_no_entry(kept):
    cache = kept[2]
    run(kept, "young")
    cache.put("ab" * 32, CachedResult("{}", frame=b"of an entry"))
    old = time.time() - 7200
    for name in (f"{'cd' * 32}.frame", ".begun.00ff.part", f"{'ab' * 32}.frame"):
        path = cache.folder / name
        path.touch()
        os.utime(path, (old, old))
    sweep(*kept)
    assert in_cache(cache, "young")
    assert cache.get("ab" * 32) is not None
    assert not [p for p in cache.folder.iterdir() if p.suffix == ".part" or p.stem == "cd" * 32]


def test_a_stray_that_cannot_be_removed_stops_nothing(kept, monkeypatch):
    store, _, _, folder = kept
    old = time.time() - 7200
    strays = [folder / f".{name}.00ff.part" for name in "ab"]
    for path in strays:
        path.touch()
        os.utime(path, (old, old))
    real = Path.unlink

    def denied(path, missing_ok=False):
        if path == strays[0]:
            raise PermissionError(1, "Operation not permitted")
        real(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", denied)
    assert remove_strays(store, folder) == strays[1:]


def test_outputs_go_when_they_are_due_and_not_before(kept, tmp_path):
    store, trail, cache, folder = kept
    old, young, forever = (tmp_path / f"{name}.parquet" for name in ("old", "young", "forever"))
    run(kept, "old", days_ago=3, output=old, outputs_days=2)
    run(kept, "young", days_ago=1, output=young, outputs_days=2)
    run(kept, "forever", days_ago=999, output=forever, personal_days=None)
    assert sweep(*kept) == Swept(outputs=3, cached=1)
    assert not old.exists()
    assert young.exists()
    assert forever.exists()
    assert sorted(p.name for p in (folder / "pipelines").iterdir()) == [
        "forever.json",
        "forever.skops",
        "young.json",
        "young.skops",
    ]
    assert [in_cache(cache, name) for name in ("old", "young", "forever")] == [False, True, True]
    assert store.get("old").pipeline_path is None
    assert store.get("old").output.path == str(old)
    [entry] = trail.entries(action="retention.outputs")
    assert (entry.run_id, entry.principal) == ("old", "system")
    assert entry.details == {"files": 3, "kept": 0}
    assert sweep(*kept) == Swept()  # nothing is due twice
    assert sweep(*kept, now() + timedelta(days=2)).outputs == 3
    assert trail.verify().ok


def test_the_moment_of_a_sweep_is_a_datetime(kept):
    run(kept, "old", days_ago=3, outputs_days=2)
    for at in ("2024", 7, date(2024, 3, 31)):
        with pytest.raises(
            ts.ParameterError, match=r"^DataPipeline\.sweep: `at` must be a datetime"
        ):
            sweep(*kept, at)
    assert sweep(*kept, datetime.now()).cached == 1


def test_a_file_that_is_no_longer_the_runs_is_kept(kept, tmp_path):
    target = tmp_path / "nightly.parquet"
    run(kept, "monday", days_ago=3, output=target, outputs_days=2)
    target.write_bytes(b"somebody else's")
    assert sweep(*kept) == Swept(outputs=2, kept=1, cached=1)
    assert target.read_bytes() == b"somebody else's"


def test_a_file_that_a_later_run_made_again_is_kept(kept, tmp_path):
    store, _, _, _ = kept
    target = tmp_path / "nightly.parquet"
    first = run(kept, "monday", days_ago=3, output=target, outputs_days=2)
    second = first.model_copy(
        update={"run_id": "tuesday", "finished_at": now(), "created_at": now()}
    )
    store.create(second)
    assert sweep(*kept).kept == 1
    assert target.exists()
    assert sweep(*kept, now() + timedelta(days=3)).outputs == 1
    assert not target.exists()


def test_pipelines_elsewhere_are_not_ours_to_delete(kept, tmp_path):
    store, _, _, folder = kept
    mine = tmp_path / "mine.skops"
    mine.write_bytes(b"x")
    (folder / "work" / "other").mkdir(parents=True)
    state = run(kept, "old", days_ago=3, outputs_days=2)
    store.save(state.model_copy(update={"pipeline_path": str(mine)}))
    sweep(*kept)
    assert mine.exists()


def test_a_file_that_cannot_be_deleted_stays_due(kept, tmp_path, monkeypatch):
    target = tmp_path / "a.parquet"
    run(kept, "old", days_ago=3, output=target, outputs_days=2)

    def denied(*_):
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", denied)
        assert sweep(*kept) == Swept(failed=1)
    assert sweep(*kept).outputs == 3


def test_nothing_personal_is_left_anywhere(kept, tmp_path):
    store, trail, _, _ = kept
    failure = RunFailure(
        category="ingestion", type="E", message=f"/home/{SECRET}/list.csv: list.csv is broken"
    )
    report = ts.read_csv(f"id,who\n1,{SECRET}\n2,{SECRET}x\n1,2,3\n".encode()).report
    judged = ts.DataValidator(None, on_fail="report")
    frame = ts.datasets.make_customer_churn(100, random_state=0)[0]
    quality = judged.fit(frame).report(frame)
    quality = quality.model_copy(
        update={
            "issues": tuple(
                issue.model_copy(update={"examples": (SECRET,)}) for issue in quality.issues
            )
        }
    )
    more = {
        "ingestion": IngestionState(
            report=report.model_copy(update={"source": f"/home/{SECRET}/list.csv"}),
            rows_out=2,
            warnings=(f"list.csv of {SECRET}",),
            error=failure,
        ),
        "validation": ValidationState(report=quality),
        "error": failure,
        "fitted": f"/{SECRET}.skops",
    }
    run(kept, "old", days_ago=31, output=tmp_path / SECRET, **more)
    run(kept, "young", days_ago=29)
    assert dump(store).count("'old'") > 0
    swept = sweep(*kept)
    assert (swept.personal, swept.entries, swept.outputs) == (1, 1, 0)
    left = store.get("old")
    text = left.model_dump_json()
    assert SECRET not in text
    assert "list.csv" not in text
    assert left.source == left.principal == left.output.path == left.fitted == ERASED
    assert left.error.message == f"{ERASED}: {ERASED} is broken"
    assert left.ingestion.report.lines.cut == report.lines.cut == 1
    assert left.ingestion.rows_out == 2
    assert left.ingestion.report.columns["who"].distinct == report.columns["who"].distinct
    assert left.validation.report.score == quality.score
    assert store.runs(principal=SECRET) == [store.get("young")]
    old = trail.entries(run_id="old")
    assert (old[0].action, old[0].principal, old[0].personal) == ("run.completed", None, None)
    assert old[1].action == "retention.personal"
    assert trail.verify().ok
    assert sweep(*kept) == Swept()
    assert sweep(*kept, now() + timedelta(days=2)).personal == 1
    assert SECRET not in dump(store)
    assert trail.verify().ok
    with pytest.raises(ts.RunError, match="erased"):
        store.save(left)


def test_erased_bytes_are_not_left_in_the_files_of_the_store(tmp_path):
    folder = tmp_path / "state"
    with RunStore.open(state_dir=folder) as store:
        kept = store, AuditTrail.open(store), open_cache("auto", folder), folder
        run(kept, "old", days_ago=31)
        assert sweep(*kept).personal == 1
        for path in folder.glob("runs.sqlite*"):
            assert SECRET.encode() not in path.read_bytes(), path.name


def test_columns_that_were_carried_along_leave_the_cache_too(kept):
    cache = kept[2]
    run(kept, "carried", days_ago=31, keep_columns=("name",))
    run(kept, "plain", days_ago=31)
    run(kept, "young", days_ago=29, keep_columns=("name",))
    assert sweep(*kept) == Swept(personal=2, entries=2, cached=1)
    names = ("carried", "plain", "young")
    assert [in_cache(cache, name) for name in names] == [False, True, True]
    run(kept, "without", days_ago=31, keep_columns=("name",))
    store, trail, _, folder = kept
    assert sweep(store, trail, None, folder).personal == 1


@pytest.mark.parametrize(
    ("source", "message", "cleaned"),
    [
        ("/in/a.csv", "the table of a.csv needs rows", "the table of (erased) needs rows"),
        ("/in/a.csv", "'/in/a.csv' is torn", "'(erased)' is torn"),
        ("/in/a.csv", "data.csv and a.csv2 are others", "data.csv and a.csv2 are others"),
        ("/in/x\ny.csv", r"file 'x\ny.csv' is torn", "file '(erased)' is torn"),
        ("/in/rows", "rows.csv: arrows, rows", "(erased).csv: arrows, (erased)"),
        ("", "nothing to erase", "nothing to erase"),
    ],
)
def test_messages_stay_readable_without_names(source, message, cleaned):
    failure = RunFailure(category="ingestion", type="E", message=message)
    for principal in ("e", "a", "needs", "local"):
        state = made("r", source=source, principal=principal, error=failure)
        assert without_personal(state).error.message == cleaned
        again = without_personal(without_personal(state))
        assert again.error.message == cleaned


def test_a_path_is_kept_for_as_long_as_its_file_is(kept, tmp_path):
    store, _, _, _ = kept
    target = tmp_path / f"{SECRET}.parquet"
    run(kept, "old", days_ago=31, output=target, outputs_days=60)
    assert sweep(*kept).personal == 1
    assert store.get("old").output.path == str(target)
    assert store.get("old").source == ERASED
    assert sweep(*kept, now() + timedelta(days=40)).outputs == 3
    assert not target.exists()
    assert store.get("old").output.path == ERASED
    assert SECRET not in dump(store)


def test_entries_of_no_run_and_late_ones_are_erased_by_age(kept):
    store, trail, _, _ = kept
    run(kept, "old", days_ago=31)
    trail.append("access.denied", principal=SECRET)
    sweep(*kept)
    trail.append("run.read", run_id="old", principal=SECRET)
    assert SECRET in dump(store)
    assert sweep(*kept, now() + timedelta(days=29)) == Swept()
    # these two, and who asked for the erasure of the run
    assert sweep(*kept, now() + timedelta(days=31)).entries == 3
    assert SECRET not in dump(store)
    assert trail.verify().ok
    n = trail.verify().n_entries
    assert sweep(*kept, now() + timedelta(days=99)) == Swept()
    assert trail.verify().n_entries == n  # an erasure does not call for the next


def test_runs_in_progress_are_left_alone(kept):
    store, _, _, _ = kept
    store.create(made("01", status="IN_PROGRESS", created_at=now() - timedelta(days=99)))
    assert sweep(*kept, now() + timedelta(days=999)) == Swept()
    assert store.get("01").source == "a.csv"


def test_many_runs_are_swept_in_batches(kept):
    for i in range(120):
        kept[0].create(made(f"{i:03}", status="FAILED", finished_at=now() - timedelta(days=40)))
    assert sweep(kept[0], kept[1], None, kept[3]).personal == 120


def test_days_beyond_the_calendar_are_for_ever(kept):
    run(kept, "old", outputs_days=1e12, personal_days=1e12)
    assert sweep(*kept, now() + timedelta(days=9999)) == Swept()


def test_a_state_with_nothing_in_it_can_be_erased():
    state = made("01", source="")
    assert without_personal(state).source == ERASED


def test_strays_of_dead_runs_are_removed(kept):
    store, _, _, folder = kept
    for name in ("done", "going", "unknown-old", "unknown-young"):
        (folder / "work" / name / "deep").mkdir(parents=True)
        (folder / "work" / name / "deep" / "file").write_bytes(b"x")
    store.create(made("done", status="FAILED"))
    store.create(made("going", status="IN_PROGRESS"))
    (folder / "pipelines").mkdir()
    parts = [folder / "pipelines" / ".a.skops.00.part", folder / "cache" / ".b.part"]
    for part in parts:
        part.write_bytes(b"x")
    (folder / "cache" / "not-a-part").write_bytes(b"x")
    old = time.time() - 7200
    for path in (folder / "work" / "unknown-old", parts[0]):
        os.utime(path, (old, old))
    removed = {Path(path).name for path in remove_strays(store, folder)}
    assert removed == {"done", "unknown-old", parts[0].name}
    assert sorted(p.name for p in (folder / "work").iterdir()) == ["going", "unknown-young"]
    assert parts[1].exists()
    assert remove_strays(store, folder) == []


def test_a_link_in_the_folder_of_work_leads_nowhere(kept, tmp_path):
    store, _, _, folder = kept
    store.create(made("done", status="FAILED"))
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_bytes(b"x")
    (folder / "work").mkdir()
    (folder / "work" / "done").symlink_to(precious)
    remove_strays(store, folder)
    assert not (folder / "work" / "done").exists()
    assert (precious / "file").exists()
