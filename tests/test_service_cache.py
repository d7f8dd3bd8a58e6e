"""The result cache: what comes back is what was stored, or nothing."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import pickle
import stat
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest

import tracer_sklearn as ts
from tracer_sklearn.service import CachedResult, PipelineConfig, _entries, cache_key, open_cache
from tracer_sklearn.service.states import now

KEY = "ab" * 32
RESULT = CachedResult('{"run_id":"01"}', b"ARROW1" * 100, b"skops", b'{"sha256":"00"}')


@pytest.fixture(params=["folder", pytest.param("redis", marks=pytest.mark.medium)])
def cache_url(request):
    return "auto" if request.param == "folder" else request.getfixturevalue("redis_url")


@pytest.fixture
def cache(cache_url, tmp_path):
    opened = open_cache(cache_url, tmp_path)
    yield opened
    opened.close()


def key_of(i):
    return f"{i:064x}"


def bytes_of(cache, key):
    if hasattr(cache, "folder"):
        return (cache.folder / f"{key}.entry").read_bytes()
    return cache.client.get(cache._name(f"entry:{key}"))


def overwrite(cache, key, content):
    if hasattr(cache, "folder"):
        (cache.folder / f"{key}.entry").write_bytes(content)
    else:
        cache.client.set(cache._name(f"entry:{key}"), content)


def test_what_was_stored_comes_back(cache, cache_url, tmp_path):
    assert cache.get(KEY) is None
    assert cache.put(KEY, RESULT)
    other = open_cache(cache_url, tmp_path)
    found = other.get(KEY)
    other.close()
    assert found.outcome == RESULT.outcome
    assert (bytes(found.frame), bytes(found.pipeline), bytes(found.manifest)) == (
        RESULT.frame,
        RESULT.pipeline,
        RESULT.manifest,
    )
    assert cache.put(KEY, CachedResult('{"run_id":"02"}', frame=b""))  # replaced
    found = cache.get(KEY)
    assert (found.outcome, bytes(found.frame), found.pipeline) == ('{"run_id":"02"}', b"", None)
    assert cache.stats == {
        "hits": 1,
        "misses": 1,
        "stored": 2,
        "refused": 0,
        "damaged": 0,
        "errors": 0,
    }


def test_files_are_stored_by_their_paths(cache, tmp_path):
    frame = tmp_path / "data.arrow"
    frame.write_bytes(os.urandom(3_000_000))
    assert cache.put(KEY, CachedResult(RESULT.outcome, frame=frame))
    assert bytes(cache.get(KEY).frame) == frame.read_bytes()


@pytest.mark.parametrize("at", [0, 20, 60, 200, -40, -1])
def test_a_damaged_entry_is_a_miss_and_is_deleted(cache, at):
    cache.put(KEY, RESULT)
    content = bytearray(bytes_of(cache, KEY))
    content[at] ^= 1
    overwrite(cache, KEY, bytes(content))
    assert cache.get(KEY) is None
    assert cache.stats["damaged"] == 1
    assert cache.get(KEY) is None
    assert cache.stats["damaged"] == 1
    assert cache.put(KEY, RESULT)
    assert cache.get(KEY) is not None


@pytest.mark.parametrize("damage", ["changed", "torn", "longer", "lost"])
def test_a_damaged_frame_is_a_miss_and_is_deleted(tmp_path, damage):
    cache = open_cache("auto", tmp_path)
    cache.put(KEY, RESULT)
    frame = cache.folder / f"{KEY}.frame"
    content = {
        "changed": b"arrow1" + RESULT.frame[6:],
        "torn": RESULT.frame[:-1],
        "longer": RESULT.frame + b"1",
    }
    if damage == "lost":
        frame.unlink()
    else:
        frame.write_bytes(content[damage])
    assert cache.get(KEY) is None
    assert cache.stats["damaged"] == 1
    assert not list(cache.folder.iterdir())


def test_a_frame_whose_file_is_removed_or_replaced_stays(cache, tmp_path):
    frame = tmp_path / "data.arrow"
    frame.write_bytes(b"first")
    cache.put(KEY, CachedResult(RESULT.outcome, frame=frame))
    (tmp_path / "other").write_bytes(b"other")
    os.replace(tmp_path / "other", frame)
    assert bytes(cache.get(KEY).frame) == b"first"
    frame.unlink()
    assert bytes(cache.get(KEY).frame) == b"first"


def test_a_frame_on_another_disk_is_copied(tmp_path, monkeypatch):
    cache = open_cache("auto", tmp_path / "state")
    frame = tmp_path / "data.arrow"
    frame.write_bytes(RESULT.frame)

    def elsewhere(*_):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", elsewhere)
    assert cache.put(KEY, CachedResult(RESULT.outcome, frame=frame))
    frame.write_bytes(b"something else")
    assert bytes(cache.get(KEY).frame) == RESULT.frame


@pytest.mark.parametrize("size", [0, 1, 31, 32, 40, 100, -1])
def test_a_torn_entry_is_a_miss(cache, size):
    cache.put(KEY, RESULT)
    overwrite(cache, KEY, bytes_of(cache, KEY)[:size])
    assert cache.get(KEY) is None
    assert not cache.delete(KEY)


def test_nothing_is_ever_unpickled(cache):
    class Bomb:
        def __reduce__(self):
            return pytest.fail, ("unpickled",)

    overwrite(cache, KEY, pickle.dumps(Bomb()))
    assert cache.get(KEY) is None


def test_an_entry_made_without_the_key_or_for_another_is_a_miss(cache):
    forged = b"".join(_entries.packed(KEY, RESULT, b"another key"))
    overwrite(cache, KEY, forged)
    assert cache.get(KEY) is None
    cache.put(KEY, RESULT)
    overwrite(cache, key_of(1), bytes_of(cache, KEY))  # renamed
    assert cache.get(key_of(1)) is None
    assert cache.get(KEY) is not None
    # the label is its own, what follows is not
    whole = b"".join(_entries.packed(KEY, RESULT, cache.secret))
    for changed in (whole[:-1], whole + b"x", whole[:-1] + bytes([whole[-1] ^ 1])):
        overwrite(cache, KEY, changed)
        assert cache.get(KEY) is None
    overwrite(cache, KEY, b"TRACER-RESULT-2\n" + (10**5).to_bytes(8, "big") + b"[" * 10**5)
    assert cache.get(KEY) is None


def test_a_frame_of_another_digest_is_a_miss(cache):
    digest = hashlib.sha256(RESULT.frame).hexdigest()
    assert cache.put(KEY, dataclasses.replace(RESULT, frame_checksum=digest))
    assert cache.get(KEY) == RESULT
    cache.put(KEY, dataclasses.replace(RESULT, frame_checksum="0" * 64))
    assert cache.get(KEY) is None


def test_the_longest_unused_go_first(cache_url, tmp_path):
    cache = open_cache(cache_url, tmp_path, max_bytes=5000)
    big = CachedResult('{"run_id":"01"}', b"x" * 1200)
    for i in range(3):
        cache.put(key_of(i), big)
        time.sleep(0.01)
    assert cache.get(key_of(0)) is not None
    time.sleep(0.01)
    cache.put(key_of(3), big)
    assert [cache.get(key_of(i)) is not None for i in range(4)] == [True, False, True, True]
    assert not cache.put(key_of(4), CachedResult(big.outcome, b"x" * 5001))
    assert not cache.put(key_of(4), CachedResult(big.outcome, b"x" * 4950))  # with its label
    assert cache.get(key_of(0)) is not None
    cache.close()


def test_entries_are_deleted_by_key_by_age_and_by_run(cache):
    for i in range(4):
        cache.put(key_of(i), CachedResult(json.dumps({"run_id": f"run-{i % 2}"})))
    assert cache.delete(key_of(0))
    assert not cache.delete(key_of(0))
    assert cache.delete_runs(["run-1", "another"]) == 2
    assert cache.delete_runs([]) == 0
    assert [cache.get(key_of(i)) is not None for i in range(4)] == [False, False, True, False]
    assert cache.delete_older(now() - timedelta(days=1)) == 0
    assert cache.delete_older(now() + timedelta(days=1)) == 1
    assert cache.get(key_of(2)) is None


@pytest.mark.parametrize("key", ["", "../../etc/passwd", "AB" * 32, "ab" * 31, KEY + "\n", None])
def test_keys_are_those_of_cache_key(cache, key):
    with pytest.raises(ts.ParameterError, match="made by cache_key"):
        cache.get(key)


def test_the_key_holds_what_decides():
    base = (7, "00", "customer_churn", {}, "1.0")
    first = cache_key(*base)
    assert first == cache_key(7, "00", "customer_churn", PipelineConfig(), "1.0")
    assert first == cache_key(*base[:3], {"retention": {"outputs_days": 1}}, "1.0")
    others = {
        cache_key(8, *base[1:]),
        cache_key(7, "01", *base[2:]),
        cache_key(7, "00", "price_optimization", {}, "1.0"),
        cache_key(*base[:3], {"keep_columns": ["a"]}, "1.0"),
        cache_key(*base[:4], "1.1"),
        cache_key(*base, "00"),
    }
    assert len(others | {first}) == 7


def test_a_size_that_no_result_has_needs_no_look_at_the_file(cache):
    key = cache_key(1234, "00" * 32, "customer_churn", {}, "1.0")
    assert not cache.may_hold(1234)
    cache.put(key, RESULT)
    assert cache.may_hold(1234)
    assert not cache.may_hold(1235)
    assert not cache.may_hold(0x1234)
    cache.delete(key)
    assert not cache.may_hold(1234)
    with pytest.raises(ts.ParameterError, match="`size` must be an integer >= 0"):
        cache.may_hold(-1)


def test_no_cache_keeps_nothing(tmp_path):
    cache = open_cache(None, tmp_path)
    assert not cache.put(KEY, RESULT)
    assert cache.get(KEY) is None
    assert not cache.delete(KEY)
    assert cache.delete_runs({"01"}) == cache.delete_older(now()) == 0
    cache.close()
    assert not list(tmp_path.iterdir())


def test_files_appear_whole_and_for_their_owner_alone(tmp_path, monkeypatch):
    cache = open_cache("auto", tmp_path)
    cache.put(KEY, RESULT)
    files = sorted(cache.folder.iterdir())
    assert [file.name for file in files] == [f"{KEY}.entry", f"{KEY}.frame"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    before = [file.read_bytes() for file in files]

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        assert not cache.put(KEY, CachedResult('{"run_id":"02"}', frame=b"other"))
    assert cache.stats["errors"] == 1
    assert [p.read_bytes() for p in sorted(cache.folder.iterdir())] == before


def test_a_frame_whose_entry_cannot_be_placed_does_not_stay(tmp_path, monkeypatch):
    cache = open_cache("auto", tmp_path)
    real = os.replace

    def full(part, path):
        if path.suffix == ".entry":
            raise OSError(28, "No space left on device")
        real(part, path)

    monkeypatch.setattr(os, "replace", full)
    assert not cache.put(KEY, RESULT)
    assert not list(cache.folder.iterdir())


@pytest.mark.parametrize("forged", [{"run_id": ["01"]}, {"key": 7}, {"stored_at": "2020-01-01"}])
def test_a_forged_label_does_not_keep_an_erasure_from_its_work(tmp_path, forged):
    cache = open_cache("auto", tmp_path)
    facts = {"key": KEY, "run_id": "02", "stored_at": now().isoformat()}
    label = json.dumps({**facts, "sizes": {}, "checksums": {}, **forged}).encode()
    start = _entries._MAGIC + len(label).to_bytes(8, "big") + label
    (cache.folder / f"{KEY}.entry").write_bytes(start)
    cache.put(key_of(1), RESULT)
    assert cache.delete_older(now() - timedelta(days=1)) == 0
    assert cache.delete_runs({"01"}) == 1
    assert not list(cache.folder.iterdir())


def test_a_result_without_frame_takes_the_frame_of_the_one_before_with_it(cache):
    cache.put(KEY, RESULT)
    cache.put(KEY, CachedResult('{"run_id":"02"}'))
    if hasattr(cache, "folder"):
        assert [path.suffix for path in cache.folder.iterdir()] == [".entry"]
    else:
        assert cache.client.get(cache._name(f"frame:{KEY}")) is None
    assert cache.get(KEY).frame is None


@pytest.mark.medium
@pytest.mark.parametrize("label", ["no JSON", "[1, 2]", '["01", "2020-01-01", 7]', "[" * 99_999])
def test_a_damaged_label_in_redis_does_not_keep_an_erasure_from_its_work(
    redis_url, tmp_path, label
):
    cache = open_cache(redis_url, tmp_path)
    cache.put(KEY, RESULT)
    cache.client.hset(cache._name("labels"), KEY, label)
    cache.client.hset(cache._name("labels"), b"\xff", "[]")
    assert cache.put(key_of(1), RESULT)
    assert cache.delete_runs({"01"}) == 1
    assert cache.client.keys("*") == []
    cache.close()


def test_an_entry_that_cannot_be_deleted_is_told_and_keeps_no_other(tmp_path, monkeypatch):
    cache = open_cache("auto", tmp_path)
    for i in range(5):
        cache.put(key_of(i), RESULT)
    real = Path.unlink

    def denied(path, missing_ok=False):
        if path.name == f"{key_of(2)}.entry":
            raise PermissionError(13, "Permission denied")
        real(path, missing_ok=missing_ok)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", denied)
        with pytest.raises(ts.StoreError, match=r"what is due must be deleted.*1 entries stay"):
            cache.delete_runs({"01"})
    assert [file.name for file in cache.folder.iterdir()] == [f"{key_of(2)}.entry"]
    assert cache.delete_runs({"01"}) == 1


def test_a_look_at_the_labels_is_no_use_of_an_entry(tmp_path):
    cache = open_cache("auto", tmp_path, max_bytes=2_900)
    result = CachedResult(RESULT.outcome, frame=b"x" * 900)
    for i in (1, 2):
        cache.put(key_of(i), result)
    for i, seconds in ((1, 20), (2, 10)):  # as files are that nobody read since they were made
        stored = time.time() - seconds
        os.utime(cache.folder / f"{key_of(i)}.entry", (stored - 1, stored))
    cache.get(key_of(1))
    assert cache.delete_runs({"another"}) == 0
    # what a file system notes of a reading; not every one does
    os.utime(cache.folder / f"{key_of(2)}.entry", (time.time() + 1, time.time() - 10))
    cache.put(key_of(3), result)
    assert sorted(f.stem for f in cache.folder.glob("*.entry")) == [key_of(1), key_of(3)]


def test_a_folder_that_cannot_be_read_is_a_miss(tmp_path, monkeypatch):
    cache = open_cache("auto", tmp_path)
    cache.put(KEY, RESULT)

    def denied(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", denied)
    assert cache.get(KEY) is None
    monkeypatch.setattr(Path, "unlink", denied)
    assert not cache.delete(KEY)
    assert cache.stats["errors"] == 2


def test_strays_of_the_folder_are_cleared(tmp_path):
    first = open_cache("auto", tmp_path)
    names = {f"{kind}-{n}": n for kind in ("old", "young") for n in (7, 8)}
    parts = [first.folder / f".{name}.part" for name in names]
    frames = [first.folder / f"{n:x}{name}.frame" for name, n in names.items()]  # of no entry
    for stray in (*parts, *frames):
        stray.write_bytes(b"x")
        if "old" in stray.name:
            os.utime(stray, (1, 1))
    first.put(KEY, RESULT)
    assert not [file for file in first.folder.iterdir() if "old" in file.name]
    assert len([file for file in first.folder.iterdir() if "young" in file.name]) == 4
    (first.folder / f"{key_of(9)}.entry").write_bytes(b"no label")
    assert first.delete_runs(["01"]) == 1
    assert not [file for file in first.folder.iterdir() if "young" not in file.name]


def test_a_state_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ts.StoreError, match="must be writable"):
        open_cache("auto", tmp_path / "file" / "below")


@pytest.mark.parametrize("url", ["memcached://h", "s3cret", "redis://u:s3cret@h:port/0"])
def test_other_caches_are_refused(url, tmp_path):
    with pytest.raises(ts.ParameterError, match="redis://host:6379/0") as caught:
        open_cache(url, tmp_path)
    assert ":s3cret" not in str(caught.value)


def test_without_redis_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(ts.MissingDependencyError, match=r"tracer-sklearn\[redis\]"):
        open_cache("redis://h", tmp_path)


def test_a_redis_that_is_not_there_is_a_miss(tmp_path):
    cache = open_cache("redis://127.0.0.1:1/0", tmp_path)
    assert not cache.put(KEY, RESULT)
    assert cache.get(KEY) is None
    assert not cache.delete(KEY)
    assert not cache.may_hold(7)
    assert cache.stats["errors"] == 4
    with pytest.raises(ts.StoreError, match="must be deleted, the cache: it does not answer"):
        cache.delete_older(now())
    cache.close()


@pytest.mark.medium
def test_what_redis_dropped_by_itself_is_forgotten(redis_url, tmp_path):
    cache = open_cache(redis_url, tmp_path)
    cache.put(KEY, RESULT)
    cache.client.delete(cache._name(f"entry:{KEY}"))
    assert cache.get(KEY) is None
    assert cache.client.keys("*") == []
    cache.close()


@pytest.mark.medium
def test_folders_of_different_keys_do_not_meet_in_redis(redis_url, tmp_path):
    first, second = (open_cache(redis_url, tmp_path / name) for name in "ab")
    first.put(KEY, RESULT)
    assert second.get(KEY) is None
    assert first.get(KEY) is not None
    assert second.stats["damaged"] == 0
    first.close()
    second.close()


@pytest.mark.parametrize(
    "outcome",
    ["no JSON", "", "[1]", "7", "\ud800", None, b"{}", "[" * 99_999],
    ids=["no JSON", "empty", "list", "number", "half a pair", "none", "bytes", "deep"],
)
def test_a_result_is_the_state_of_a_run(cache, outcome):
    with pytest.raises(
        ts.ParameterError, match="`outcome` must be the state of a run as JSON, got"
    ):
        cache.put(KEY, CachedResult(outcome))
    assert cache.get(KEY) is None


def test_a_result_is_made_of_bytes_and_files(cache):
    with pytest.raises(
        ts.ParameterError, match=r"^ResultCache\.put: `result` must be a CachedResult"
    ):
        cache.put(KEY, {"run_id": "01"})
    with pytest.raises(ts.ParameterError, match="`frame` must be bytes, memoryview, Path or None"):
        cache.put(KEY, CachedResult("{}", frame="data.arrow"))


def test_the_age_of_what_is_deleted_is_a_moment(cache):
    assert cache.put(KEY, RESULT)
    local = now().astimezone().replace(tzinfo=None)
    assert cache.delete_older(local - timedelta(minutes=1)) == 0
    with pytest.raises(ts.ParameterError, match="`than` must be a datetime, got '2024'"):
        cache.delete_older("2024")
    assert cache.delete_older(local + timedelta(minutes=1)) == 1
