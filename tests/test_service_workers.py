"""Worker processes: their answers, their limits, and their ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from service_faults import PERFORM, write_spec

from tracer_sklearn.service.config import PipelineConfig
from tracer_sklearn.service.jobs import Job, Outcome
from tracer_sklearn.service.workers import WorkerPool

TESTS = str(Path(__file__).parent)
ROOT = str(Path(__file__).parents[1])
PATHS = {"PYTHONPATH": os.pathsep.join((ROOT, TESTS))}


# each starts processes that import half of the ecosystem
pytestmark = pytest.mark.medium


@pytest.fixture
def pool() -> Iterator[WorkerPool]:
    pool = WorkerPool(size=2, perform=PERFORM, environment=PATHS)
    yield pool
    pool.close()


def run(
    pool: WorkerPool,
    source: Path,
    *,
    heard: list[tuple[str, str]] | None = None,
    cancelled: Callable[[], bool] = lambda: False,
    timeout_seconds: float = 120.0,
    memory_mb: float = 4000.0,
) -> Outcome:
    folder = source.parent / "folder"
    folder.mkdir(exist_ok=True)
    job = Job(
        run_id="run",
        blueprint="customer_churn",
        source=str(source),
        source_name=source.name,
        config=PipelineConfig(),
        folder=str(folder),
    )
    return pool.run(
        job.model_dump_json(),
        on_stage=lambda name, state: None if heard is None else heard.append((name, state)),
        cancelled=cancelled,
        timeout_seconds=timeout_seconds,
        memory_mb=memory_mb,
    )


def wait_for(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_a_worker_is_used_again_and_prints_disturb_nobody(pool: WorkerPool, tmp_path: Path) -> None:
    heard: list[tuple[str, str]] = []
    outcome = run(pool, write_spec(tmp_path / "a", "print"), heard=heard)
    assert outcome.error is None
    assert outcome.data_path is not None
    assert [name for name, _ in heard[::2]] == [
        "ingestion", "validation", "feature_engineering", "preprocessing", "output",
    ]  # fmt: skip
    (pid,) = pool.pids
    began = time.monotonic()
    for _ in range(50):  # the answer and the next "ready" often come in one piece
        assert run(pool, tmp_path / "a").error is None
    assert time.monotonic() - began < 60
    assert pool.pids == [pid]


@pytest.mark.parametrize(
    ("do", "how"), [("kill", "was ended by SIGKILL"), ("exit", "exited with 7")]
)
def test_a_lost_worker_is_transient_and_replaced(
    pool: WorkerPool, tmp_path: Path, do: str, how: str
) -> None:
    outcome = run(pool, write_spec(tmp_path / "a", do))
    assert outcome.error is not None
    assert (outcome.error.type, outcome.error.transient) == ("WorkerLost", True)
    assert how in outcome.error.message
    assert pool.pids == []
    assert run(pool, write_spec(tmp_path / "b")).error is None


def test_a_worker_that_died_at_rest_is_replaced(pool: WorkerPool, tmp_path: Path) -> None:
    run(pool, write_spec(tmp_path / "a"))
    (pid,) = pool.pids
    os.kill(pid, signal.SIGKILL)
    assert wait_for(lambda: gone(pid))
    assert run(pool, tmp_path / "a").error is None
    assert pid not in pool.pids


def test_a_worker_that_dies_before_it_takes_the_job_is_replaced(
    pool: WorkerPool, tmp_path: Path
) -> None:
    run(pool, write_spec(tmp_path / "a"))
    (pid,) = pool.pids
    os.kill(pid, signal.SIGSTOP)  # it lives, but will never read what it is sent
    killer = threading.Timer(1.0, os.kill, (pid, signal.SIGKILL))
    killer.start()
    assert run(pool, tmp_path / "a").error is None
    assert pid not in pool.pids


def test_a_timeout_stops_the_worker_and_what_it_started(pool: WorkerPool, tmp_path: Path) -> None:
    run(pool, write_spec(tmp_path / "a"))
    (pid,) = pool.pids
    note = tmp_path / "child"
    began = time.monotonic()
    outcome = run(pool, write_spec(tmp_path / "b", "child", note=str(note)), timeout_seconds=1.0)
    assert time.monotonic() - began < 3
    assert outcome.error is not None
    assert (outcome.error.type, outcome.error.transient) == ("Timeout", False)
    assert "limits.timeout_seconds" in outcome.error.message
    assert gone(pid)
    assert wait_for(lambda: gone(int(note.read_text())))


def test_too_much_memory_stops_the_worker(pool: WorkerPool, tmp_path: Path) -> None:
    outcome = run(pool, write_spec(tmp_path / "a", "eat"), memory_mb=600)
    assert outcome.error is not None
    assert (outcome.error.type, outcome.error.transient) == ("MemoryLimit", False)
    assert pool.pids == []


def test_a_cancel_stops_the_worker(pool: WorkerPool, tmp_path: Path) -> None:
    run(pool, write_spec(tmp_path / "a"))
    (pid,) = pool.pids
    stop = threading.Event()
    threading.Timer(0.5, stop.set).start()
    began = time.monotonic()
    outcome = run(pool, write_spec(tmp_path / "b", "sleep"), cancelled=stop.is_set)
    assert time.monotonic() - began < 2
    assert outcome.error is not None
    assert outcome.error.type == "Cancelled"
    assert gone(pid)


def test_a_closed_pool_starts_nothing(pool: WorkerPool, tmp_path: Path) -> None:
    pool.warm()
    (pid,) = pool.pids
    pool.close()
    assert gone(pid)
    outcome = run(pool, write_spec(tmp_path / "a"))
    assert outcome.error is not None
    assert outcome.error.type == "Cancelled"
    assert pool.pids == []


def test_an_error_that_nobody_accounted_for_shows_no_values(tmp_path: Path) -> None:
    pool = WorkerPool(perform="service_faults:raises", environment=PATHS)
    outcome = run(pool, write_spec(tmp_path / "a"))
    pool.close()
    assert outcome.error is not None
    assert outcome.error.type == "ValueError"
    assert "secret-value" not in outcome.model_dump_json()


def test_workers_are_replaced_after_their_jobs_and_when_they_grew(tmp_path: Path) -> None:
    seen: list[tuple[int, float, float]] = []
    pool = WorkerPool(
        perform=PERFORM,
        environment=PATHS,
        jobs_per_worker=2,
        on_worker=lambda *said: seen.append(said),
    )
    source = write_spec(tmp_path / "a")
    run(pool, source)
    (first,) = pool.pids
    run(pool, source)
    assert pool.pids == []
    assert gone(first)
    pool.jobs_per_worker, pool.rest_mb = 100, 250.0
    run(pool, write_spec(tmp_path / "b", "leak"))
    run(pool, tmp_path / "b")  # 100 MB more than it began with, then 200
    run(pool, tmp_path / "b")
    (grown,) = pool.pids
    run(pool, source)
    run(pool, source)
    pool.close()
    assert len(seen) == 7
    assert all(number == 0 and memory > 20 and cpu > 0 for number, memory, cpu in seen)
    assert gone(grown)
    assert max(memory for _, memory, _ in seen) < 700


@pytest.mark.parametrize("how", ["killed", "ended"])
def test_workers_end_with_their_process(tmp_path: Path, how: str) -> None:
    source = write_spec(tmp_path / "a", "sleep")
    script = tmp_path / "parent.py"
    script.write_text(
        textwrap.dedent(f"""
            import threading, time, sys
            from pathlib import Path
            sys.path[:0] = [{TESTS!r}]
            from test_service_workers import run, WorkerPool, PERFORM, PATHS
            pool = WorkerPool(perform=PERFORM, environment=PATHS)
            pool.warm()
            busy = threading.Thread(target=run, args=(pool, Path({str(source)!r})), daemon=True)
            busy.start()
            time.sleep(0.2)
            print(*pool.pids, flush=True)
            if {how!r} == "killed":
                time.sleep(60)
        """)
    )
    parent = subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **PATHS},
    )
    assert parent.stdout is not None
    pids = [int(pid) for pid in parent.stdout.readline().split()]
    assert pids
    if how == "killed":
        parent.kill()
    parent.wait(60)
    parent.stdout.close()
    assert wait_for(lambda: all(map(gone, pids)))
