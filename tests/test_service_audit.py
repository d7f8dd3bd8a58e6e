"""The audit trail: what was done to it is found."""

from __future__ import annotations

import json
import os
import random
import shutil
import stat
import threading
import time
from datetime import timedelta

import pytest
import sqlalchemy as sa
from service_processes import Other, writes

import tracer_sklearn as ts
from tracer_sklearn.service import AuditTrail, RunStore, _anchor, keys
from tracer_sklearn.service.audit import ERASED
from tracer_sklearn.service.keys import derived, state_key
from tracer_sklearn.service.states import now
from tracer_sklearn.service.store._tables import audit as table

GUARDS = {
    "sqlite": [
        "DROP TRIGGER tracer_audit_no_delete",
        "DROP TRIGGER tracer_audit_no_update",
        "DROP TRIGGER tracer_audit_no_replace",
    ],
    "postgresql": ["ALTER TABLE tracer_audit DISABLE TRIGGER USER"],
}


@pytest.fixture
def store(store_url, tmp_path):
    with RunStore.open(store_url, state_dir=tmp_path / "state") as opened:
        yield opened


@pytest.fixture
def trail(store):
    trail = AuditTrail.open(store)
    for i in range(1, 11):
        trail.append(
            "run.completed",
            run_id=f"run-{i % 3}",
            principal="ana",
            blueprint="customer_churn",
            details={"rows": i, "share": 0.5, "ok": True, "none": None, "source": "Zoë's.csv"},
        )
    return trail


def unguarded(trail):
    """Take the database's guards away, as somebody who owns it can."""
    with trail.store.writing() as connection:
        for statement in GUARDS[connection.dialect.name]:
            connection.execute(sa.text(statement))


def tampered(trail, *statements):
    unguarded(trail)
    with trail.store.writing() as connection:
        for statement in statements:
            assert connection.execute(statement).rowcount > 0
    return trail.verify()


def test_entries_come_back_in_order(trail):
    entries = trail.entries()
    assert [entry.seq for entry in entries] == list(range(1, 11))
    first = entries[0]
    assert (first.action, first.run_id, first.principal) == ("run.completed", "run-1", "ana")
    assert first.blueprint == "customer_churn"
    assert first.details == {"rows": 1, "share": 0.5, "ok": True, "none": None}
    assert first.personal == {"source": "Zoë's.csv"}
    assert abs(now() - first.at) < timedelta(minutes=1)
    assert [e.seq for e in trail.entries(run_id="run-0")] == [3, 6, 9]
    assert [e.seq for e in trail.entries(after=7, limit=2)] == [8, 9]
    assert trail.entries(action="run.failed") == []
    verdict = trail.verify()
    assert verdict.ok
    assert (verdict.n_entries, verdict.head_seq, verdict.first_broken) == (10, 10, None)


def test_an_empty_trail_is_whole(store):
    assert AuditTrail.open(store).verify().ok


def test_a_trail_goes_on_after_it_was_opened_again(trail, store):
    again = AuditTrail.open(store)
    assert again.append("x", principal="bo") == 11
    assert trail.append("x", principal="bo") == 12
    assert again.verify().ok


def test_what_is_personal_is_not_in_the_chain(trail):
    with trail.store.reading() as connection:
        for row in connection.execute(sa.select(table)).mappings():
            chained = {k: v for k, v in row.items() if k not in ("personal", "personal_salt")}
            assert "ana" not in json.dumps(chained)
            assert ".csv" not in json.dumps(chained)


def test_equal_names_look_different(trail):
    with trail.store.reading() as connection:
        macs = connection.scalars(sa.select(table.c.personal_mac)).all()
    assert len(set(macs)) == 10


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("at", "2020-01-01T00:00:00.000000+00:00"),
        ("action", "run.failed"),
        ("run_id", "other"),
        ("run_id", None),
        ("blueprint", "price_optimization"),
        ("details", '{"rows":99}'),
        ("personal", '{"principal":"bo"}'),
        ("personal_salt", "00"),
        ("personal_mac", "00"),
        ("key_id", "00"),
        ("previous", "0" * 64),
        ("mac", "00"),
    ],
)
def test_a_changed_value_is_found(trail, column, value):
    verdict = tampered(trail, sa.update(table).where(table.c.seq == 4).values({column: value}))
    assert not verdict.ok
    assert verdict.first_broken == 4
    assert "entry 4" in verdict.reason


@pytest.mark.parametrize("seq", [1, 5, 9])
def test_a_deleted_entry_is_found(trail, seq):
    verdict = tampered(trail, sa.delete(table).where(table.c.seq == seq))
    assert (verdict.ok, verdict.first_broken) == (False, seq)
    assert verdict.reason == f"entry {seq} is missing"


def test_a_gap_that_was_closed_is_found(trail):
    verdict = tampered(
        trail,
        sa.delete(table).where(table.c.seq == 5),
        sa.update(table).where(table.c.seq == 6).values(seq=5),
    )
    assert (verdict.ok, verdict.first_broken) == (False, 5)


def test_entries_that_changed_places_are_found(trail):
    verdict = tampered(
        trail,
        sa.update(table).where(table.c.seq == 3).values(seq=99),
        sa.update(table).where(table.c.seq == 4).values(seq=3),
        sa.update(table).where(table.c.seq == 99).values(seq=4),
    )
    assert (verdict.ok, verdict.first_broken) == (False, 3)


@pytest.mark.parametrize("left", [9, 4, 0])
def test_a_cut_tail_is_found_and_stays_found(trail, left):
    verdict = tampered(trail, sa.delete(table).where(table.c.seq > left))
    assert (verdict.ok, verdict.first_broken, verdict.n_entries) == (False, left + 1, left)
    assert f"the last {10 - left} entries are missing" in verdict.reason
    for _ in range(12):  # work goes on, past the place where the trail was cut
        trail.append("x", principal="ana")
    verdict = trail.verify()
    assert not verdict.ok
    assert verdict.first_broken in (10, left + 1)
    assert verdict.head_seq == 10  # the evidence


def test_an_entry_made_without_the_key_is_found(trail, store, monkeypatch):
    monkeypatch.setattr(AuditTrail, "key_id", trail.key_id)
    forger = AuditTrail(store, b"some other key.............")
    forger.append("run.completed", principal="ana")
    verdict = trail.verify()
    assert (verdict.ok, verdict.first_broken, verdict.reason) == (
        False,
        11,
        "entry 11 was changed",
    )
    assert verdict.head_seq == 10  # nor could it move the anchor


def test_a_missing_anchor_is_found_and_not_made_again(trail, store):
    (store.state_dir / "audit.head").unlink()
    for _ in range(2):
        verdict = AuditTrail.open(store).verify()
        assert not verdict.ok
        assert "audit.head is missing" in verdict.reason
        trail.append("x", principal="ana")


@pytest.mark.parametrize("content", [b"", b'[99, "00"] 00\n', b"\xff" * 512])
def test_an_anchor_made_without_the_key_is_found(trail, store, content):
    (store.state_dir / "audit.head").write_bytes(content)
    trail.append("x", principal="ana")
    verdict = trail.verify()
    assert not verdict.ok
    assert "audit.head is damaged" in verdict.reason


@pytest.mark.parametrize("place", [0, 1])
def test_one_torn_write_of_the_anchor_is_no_fault(trail, store, place):
    head = store.state_dir / "audit.head"
    content = bytearray(head.read_bytes())
    content[256 * place + 100 : 256 * place + 200] = bytes(100)
    head.write_bytes(content)
    verdict = trail.verify()
    assert verdict.ok
    assert verdict.head_seq in (9, 10)
    trail.append("x", principal="ana")
    assert trail.verify().head_seq == 11


def test_an_anchor_that_lags_is_no_fault(trail, store):
    head = store.state_dir / "audit.head"
    before = head.read_bytes()
    trail.append("x", principal="ana")
    head.write_bytes(before)  # as if the process had died in between
    verdict = trail.verify()
    assert verdict.ok
    assert "lags by 1" in verdict.reason
    trail.append("x", principal="ana")
    assert trail.verify().head_seq == 12


def test_a_transaction_that_fails_leaves_trail_and_anchor(trail):
    def fails():
        with trail.writing() as writer:
            writer.append("x", principal="ana")
            raise KeyError("something else")

    with pytest.raises(KeyError):
        fails()
    verdict = trail.verify()
    assert verdict.ok
    assert (verdict.n_entries, verdict.head_seq) == (10, 10)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM tracer_audit WHERE seq = 10",
        "UPDATE tracer_audit SET action = 'x' WHERE seq = 2",
        "UPDATE tracer_audit SET personal = '{}' WHERE seq = 2",
        "UPDATE tracer_audit SET seq = 77 WHERE seq = 10",
        "INSERT INTO tracer_audit SELECT 77, at, action, run_id, blueprint, details, personal, "
        "personal_salt, personal_mac, key_id, previous, mac FROM tracer_audit WHERE seq = 2",
    ],
)
def test_the_database_refuses_changes_by_itself(trail, statement):
    with (
        pytest.raises(ts.StoreError, match="entries of the audit trail"),
        trail.store.writing() as c,
    ):
        c.execute(sa.text(statement))
    assert trail.verify().ok


def test_the_database_refuses_its_own_ways_round(trail):
    backend = trail.store.engine.dialect.name
    ways = {
        "sqlite": "INSERT OR REPLACE INTO tracer_audit SELECT * FROM tracer_audit WHERE seq = 10",
        "postgresql": "TRUNCATE tracer_audit",
    }
    with (
        pytest.raises(ts.StoreError, match="entries of the audit trail"),
        trail.store.writing() as c,
    ):
        c.execute(sa.text(ways[backend]))


# ------------------------------------------------------------------------------- erasure


def test_erasing_a_run_keeps_the_trail_whole(trail):
    assert trail.erase(run_id="run-1") == 4
    entries = trail.entries()
    gone = [e for e in entries if e.run_id == "run-1" and e.action != ERASED]
    assert {(e.principal, e.personal) for e in gone} == {(None, None)}
    assert [e.details["rows"] for e in gone] == [1, 4, 7, 10]
    kept = [e for e in entries if e.run_id == "run-2"]
    assert {e.principal for e in kept} == {"ana"}
    assert (entries[-1].action, entries[-1].details["entries"]) == (ERASED, 4)
    assert trail.verify().ok
    assert trail.erase(run_id="nobody") == 0
    with trail.store.reading() as connection:
        salts = connection.scalars(
            sa.select(table.c.personal_salt).where(table.c.run_id == "run-1", table.c.seq <= 10)
        ).all()
    assert set(salts) == {None}  # with the salt, names could be tried out


def test_erasing_by_age_touches_what_belongs_to_no_run(trail):
    trail.append("access.denied", principal="bo")
    moment = now() + timedelta(seconds=1)
    assert trail.erase(before=moment - timedelta(days=1)) == 0
    assert trail.erase(before=moment) == 1
    assert trail.entries(action="access.denied")[0].principal is None
    assert trail.entries()[0].principal == "ana"
    assert trail.erase(before=moment) == 0
    assert trail.verify().ok
    with pytest.raises(ts.ParameterError, match="one of `run_id` and `before`"):
        trail.erase()


@pytest.mark.parametrize("seq", [2, 10])
def test_an_erasure_without_an_entry_is_found(trail, seq):
    trail.erase(run_id="run-0")
    wiped = sa.update(table).where(table.c.seq == seq)
    verdict = tampered(trail, wiped.values(personal=None, personal_salt=None))
    assert (verdict.ok, verdict.first_broken) == (False, seq)
    assert "no entry says so" in verdict.reason


def test_an_erasure_excuses_no_later_entry(trail):
    trail.erase(run_id="run-1")
    late = trail.append("run.read", run_id="run-1", principal="bo")
    wiped = sa.update(table).where(table.c.seq == late)
    verdict = tampered(trail, wiped.values(personal=None, personal_salt=None))
    assert (verdict.ok, verdict.first_broken) == (False, late)


# ------------------------------------------------------------------------------- the key


def test_the_key_is_made_once_and_for_its_owner_alone(tmp_path):
    keys_made = []
    threads = [
        threading.Thread(target=lambda: keys_made.append(state_key(tmp_path))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys_made) == 8
    assert len(set(keys_made)) == 1
    assert len(keys_made[0]) == 32
    assert [p.name for p in tmp_path.iterdir()] == ["audit.key"]
    assert stat.S_IMODE((tmp_path / "audit.key").stat().st_mode) == 0o600


def test_the_environment_holds_another_key(tmp_path, monkeypatch):
    monkeypatch.setenv("TRACER_AUDIT_KEY", "ab" * 16)
    assert state_key(tmp_path) == b"\xab" * 16
    assert not list(tmp_path.iterdir())
    for wrong in ("", "ab", "no key s3cret", "zz" * 32):
        monkeypatch.setenv("TRACER_AUDIT_KEY", wrong)
        with pytest.raises(ts.ParameterError, match="32 hexadecimal digits") as caught:
            state_key(tmp_path)
        assert "s3cret" not in str(caught.value)


def test_keys_for_different_purposes_differ():
    assert derived(b"k" * 32, "cache") != derived(b"k" * 32, "head") != b"k" * 32


def test_a_lost_or_other_key_is_refused_before_anything_is_appended(trail, store, monkeypatch):
    key = store.state_dir / "audit.key"
    with monkeypatch.context() as patch:
        patch.setenv("TRACER_AUDIT_KEY", "cd" * 32)
        with pytest.raises(ts.StoreError, match="continued with the key it was begun with"):
            AuditTrail.open(store)
    kept = key.read_bytes()
    key.unlink()
    with pytest.raises(ts.StoreError, match="put back its copy"):
        AuditTrail.open(store)
    assert not key.exists()
    key.write_text("half a ke")
    with pytest.raises(ts.ParameterError, match="hexadecimal digits"):
        AuditTrail.open(store)
    key.write_bytes(kept)
    assert AuditTrail.open(store).verify().ok


def test_a_key_that_may_not_be_read_is_said(tmp_path, monkeypatch):
    def denied(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(keys.Path, "read_text", denied)
    with pytest.raises(ts.StoreError, match="Permission denied; put back"):
        state_key(tmp_path)


# ----------------------------------------------------------------------- many at one time


def test_two_processes_keep_one_chain(store, store_url, tmp_path):
    trail = AuditTrail.open(store)
    others = [Other(writes, store_url, tmp_path / "state", name, 15) for name in "abc"]
    for other in others:
        assert len(other.everything()) == 16
        assert other.process.exitcode == 0
    verdict = trail.verify()
    assert verdict.ok, verdict
    assert verdict.n_entries == verdict.head_seq == 3 * 15 * 2


def test_threads_keep_one_chain(store):
    trail = AuditTrail.open(store)
    threads = [
        threading.Thread(target=lambda: [trail.append("x", principal="ana") for _ in range(10)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    verdict = trail.verify()
    assert verdict.ok
    assert verdict.n_entries == verdict.head_seq == 40


def test_hosts_with_anchors_of_their_own_share_a_trail(trail, store_url, tmp_path, monkeypatch):
    """As on PostgreSQL, where each host has its own state folder."""
    key = trail.key.hex()
    monkeypatch.setenv("TRACER_AUDIT_KEY", key)
    (tmp_path / "host").mkdir()
    # the second host begins before the first entry, as hosts do
    shutil.copy(tmp_path / "state" / "audit.head", tmp_path / "host" / "audit.head")
    with RunStore.open(store_url, state_dir=tmp_path / "host") as store:
        other = AuditTrail.open(store)
        other.append("x", principal="bo")
        trail.append("x", principal="ana")
        other.append("x", principal="bo")
        assert (trail.verify().head_seq, trail.verify().ok) == (12, True)
        assert (other.verify().head_seq, other.verify().ok) == (13, True)
        tampered(trail, sa.delete(table).where(table.c.seq == 13))
        assert trail.verify().ok  # it cannot know
        assert not other.verify().ok


def test_a_trail_held_by_another_process_is_passing_trouble(trail, store, monkeypatch):
    fcntl = pytest.importorskip("fcntl")
    monkeypatch.setattr(_anchor, "BUSY_SECONDS", 0.05)
    descriptor = os.open(store.state_dir / "audit.head", os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    with pytest.raises(ts.StoreError, match="another process has held it") as caught:
        trail.append("x", principal="ana")
    assert caught.value.transient
    os.close(descriptor)
    assert trail.append("x", principal="ana") == 11


def test_details_must_be_plain(trail):
    for wrong in (float("nan"), {1, 2}, object()):
        with pytest.raises(ts.ParameterError, match="texts, finite numbers"):
            trail.append("x", principal="ana", details={"wrong": wrong})
    strange = os.fsdecode(b"\xe9\x00")
    trail.append("x", principal=strange, details={"a": strange, "source": strange})
    entry = trail.entries()[-1]
    assert (entry.principal, entry.details["a"]) == (strange, strange)
    assert trail.verify().ok


@pytest.mark.parametrize("seed", range(5))
def test_any_change_of_a_file_of_bytes_is_found_or_harmless(seed, tmp_path):
    """Flip one byte of the entries' texts in the file itself."""
    with RunStore.open(state_dir=tmp_path) as store:
        trail = AuditTrail.open(store)
        for i in range(20):
            trail.append("run.completed", run_id="r", principal="ana", details={"rows": i})
        before = trail.entries()
    file = tmp_path / "runs.sqlite"
    content = bytearray(file.read_bytes())
    draw = random.Random(seed)
    places = [i for i in range(len(content)) if content[i : i + 13] == b"run.completed"]
    content[draw.choice(places) + draw.randrange(13)] ^= 1
    file.write_bytes(content)
    with RunStore.open(state_dir=tmp_path) as store:
        trail = AuditTrail.open(store)
        verdict = trail.verify()
        assert verdict.ok is (trail.entries() == before)
        assert not verdict.ok


@pytest.mark.scale
def test_two_hundred_thousand_entries_are_verified_within_two_minutes(tmp_path):
    with RunStore.open(state_dir=tmp_path) as store:
        trail = AuditTrail.open(store)
        with trail.writing() as writer:
            for i in range(200_000):
                writer.append("x", run_id=f"{i}", principal="ana", details={"rows": i})
        began = time.perf_counter()
        assert trail.verify().ok
        took = time.perf_counter() - began
        print(f"\nverify: {200_000 / took:,.0f} entries/s")
        assert took < 120


@pytest.mark.parametrize("limit", [-1, "5", True, 2.5])
def test_a_limit_is_a_number_of_entries(trail, limit):
    with pytest.raises(ts.ParameterError, match=r"^AuditTrail\.entries: `limit` must be an"):
        trail.entries(limit=limit)
    assert trail.entries(limit=0) == []
    assert len(trail.entries(limit=None)) == 10
    with pytest.raises(ts.ParameterError, match="`run_id` must be a text or None, got 7"):
        trail.entries(run_id=7)


def test_what_is_no_text_never_breaks_the_chain(trail):
    for wrong in ({"run_id": 7}, {"blueprint": 7}, {"principal": None}, {"action": 7}):
        with pytest.raises(ts.ParameterError, match=f"`{next(iter(wrong))}` must be a text"):
            trail.append(**{"action": "run.failed", "principal": "ana", **wrong})
    assert trail.verify().ok


def test_the_age_of_what_is_erased_is_a_moment(trail):
    with pytest.raises(ts.ParameterError, match=r"^AuditTrail\.erase: `before` must be a datetime"):
        trail.erase(before="2024")
