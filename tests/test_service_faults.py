"""Kills, failing disks and files that change: what a run promises holds whatever happens."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import psutil
import pytest
from test_service_workers import PATHS, gone, wait_for

import tracer_sklearn as ts
from tracer_sklearn.exceptions import RunError
from tracer_sklearn.io import _source
from tracer_sklearn.service import DataPipeline, PipelineConfig, RunStore
from tracer_sklearn.service.audit import AuditTrail
from tracer_sklearn.service.jobs import Job
from tracer_sklearn.service.sources import stamp_of
from tracer_sklearn.service.states import RunStatus
from tracer_sklearn.service.work import perform

pytestmark = pytest.mark.filterwarnings("ignore::tracer_sklearn.exceptions.TracerWarning")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("source") / "customers.csv"
    X, _ = ts.datasets.make_customer_churn(100, random_state=0)
    X.to_csv(path, index=False)
    return path


def whole(output: Path, digest: str) -> bool:
    """Whether the output is absent or complete, and nothing half written is beside it."""
    if list(output.parent.glob(".*.part")):
        return False
    return not output.exists() or hashlib.sha256(output.read_bytes()).hexdigest() == digest


@pytest.fixture(scope="module")
def expected(source: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Digest of the output that an undisturbed run writes."""
    folder = tmp_path_factory.mktemp("expected")
    outcome = perform(_job(source, folder), lambda name, state: None)
    assert outcome.error is None
    assert outcome.output.checksum is not None
    return outcome.output.checksum


def _job(source: Path, folder: Path, **options: Any) -> Job:
    (folder / "work").mkdir(exist_ok=True)
    return Job(
        run_id="run",
        blueprint="customer_churn",
        source=str(source),
        source_name=source.name,
        config=PipelineConfig(**options),
        output=str(folder / "made.parquet"),
        folder=str(folder / "work"),
        pipeline_path=str(folder / "fitted.skops"),
    )


# ------------------------------------------------------------------------------ kills


def _killed_at_random(n: int, seed: int, source: Path, digest: str, folder: Path) -> dict[str, int]:
    """Kill the worker at random points of a run, n times; count how the runs ended."""
    rng = random.Random(seed)
    output = folder / "out" / "made.parquet"
    output.parent.mkdir()
    ends: dict[str, int] = {}

    async def begun(pipeline: DataPipeline) -> str:
        output.unlink(missing_ok=True)
        began = asyncio.Event()
        run_id = await pipeline.submit_file(
            source,
            "customer_churn",
            output=output,
            on_event=lambda event: began.set() if event.stage else None,
        )
        await began.wait()
        return run_id

    async def duration(pipeline: DataPipeline) -> float:
        run_id = await begun(pipeline)
        start = time.monotonic()
        await pipeline.wait(run_id, as_=None)
        return time.monotonic() - start

    async def one(pipeline: DataPipeline, longest: float) -> None:
        run_id = await begun(pipeline)
        await asyncio.sleep(rng.uniform(0, longest))
        parts = pipeline._parts["parts"]
        for pid in parts.orchestrator.worker_pids:
            os.kill(pid, signal.SIGKILL)
        try:
            _, state = await pipeline.wait(run_id, as_=None)
        except RunError as error:
            state = error.state  # type: ignore[assignment]
        if state.attempts > 1:
            ends["again"] = ends.get("again", 0) + 1
        ends[state.status] = ends.get(state.status, 0) + 1
        assert whole(output, digest)
        assert output.exists() is (state.status is RunStatus.COMPLETED)
        assert parts.store.get(run_id).status is state.status
        assert list((folder / "state" / "work").iterdir()) == []

    async def main() -> None:
        pipeline = DataPipeline(
            state_dir=folder / "state", max_concurrent_pipelines=1, cache_url=None
        )
        longest = min([await duration(pipeline) for _ in range(3)])
        for _ in range(n):
            await one(pipeline, longest)
        assert (await pipeline.verify_audit()).ok
        await pipeline.close()

    asyncio.run(main())
    return ends


@pytest.mark.medium
def test_workers_killed_at_random_points(source: Path, expected: str, tmp_path: Path) -> None:
    ends = _killed_at_random(3, 0, source, expected, tmp_path)
    assert ends[RunStatus.COMPLETED] == 3  # each was tried again


@pytest.mark.scale
def test_workers_killed_at_two_hundred_random_points(
    source: Path, expected: str, tmp_path: Path
) -> None:
    ends = _killed_at_random(200, 1, source, expected, tmp_path)
    assert ends[RunStatus.COMPLETED] == 200
    assert ends["again"] > 100


_SERVICE = """
    import asyncio, sys
    from tracer_sklearn.service import DataPipeline
    async def main():
        async with DataPipeline(state_dir=sys.argv[1], cache_url=None) as pipeline:
            print(*pipeline._parts["parts"].orchestrator.worker_pids, flush=True)
            await pipeline.process_file(sys.argv[2], "customer_churn", output=sys.argv[3])
            print("done", flush=True)
    asyncio.run(main())
"""


def _service_killed(
    source: Path, digest: str, folder: Path, wait_seconds: float, state_dir: Path
) -> None:
    """Kill the whole service during a run; everything must hold after the next start."""
    output = folder / "made.parquet"
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(_SERVICE), state_dir, source, output],
        stdout=subprocess.PIPE,
        env={**os.environ, **PATHS},
    )
    assert process.stdout is not None
    pids = [int(pid) for pid in process.stdout.readline().split()]
    time.sleep(wait_seconds)
    process.kill()
    process.wait()
    process.stdout.close()
    assert wait_for(lambda: all(map(gone, pids)))

    async def again() -> None:
        async with DataPipeline(state_dir=state_dir, cache_url=None) as pipeline:
            for state in await pipeline.runs():
                assert state.status.is_final
                if state.status is RunStatus.COMPLETED:
                    assert output.exists()
            assert whole(output, digest)
            assert list((state_dir / "work").iterdir()) == []
            assert (await pipeline.verify_audit()).ok
            await pipeline.process_file(source, "customer_churn", output=output)
        assert hashlib.sha256(output.read_bytes()).hexdigest() == digest

    asyncio.run(again())


@pytest.mark.medium
@pytest.mark.parametrize("wait_seconds", [0.0, 2.0, 4.0])
def test_the_service_killed_during_a_run(
    source: Path, expected: str, tmp_path: Path, wait_seconds: float
) -> None:
    _service_killed(source, expected, tmp_path, wait_seconds, tmp_path / "state")


@pytest.mark.scale
def test_the_service_killed_at_twenty_points(source: Path, expected: str, tmp_path: Path) -> None:
    rng = random.Random(0)
    for _ in range(20):
        _service_killed(source, expected, tmp_path, rng.uniform(0, 5), tmp_path / "state")


# ------------------------------------------------------------------------------ failing disks


class _Disk:
    """Calls of the system that fail from the n-th on, or at the n-th alone."""

    def __init__(self, patch: pytest.MonkeyPatch, name: str, n: int, number: int) -> None:
        self.calls = 0
        real: Callable[..., Any] = getattr(os, name)

        def call(*arguments: Any, **options: Any) -> Any:
            self.calls += 1
            if self.calls == n:
                raise OSError(number, os.strerror(number))
            return real(*arguments, **options)

        patch.setattr(os, name, call)


@pytest.mark.medium
@pytest.mark.parametrize("name", ["fsync", "replace", "open"])
@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
def test_every_call_that_may_fail(
    source: Path, expected: str, tmp_path: Path, name: str, number: int
) -> None:
    """Let the n-th fsync, rename and opening fail, for every n, until a run has no n-th one."""
    output = tmp_path / "made.parquet"
    failed = 0
    for n in range(1, 50):
        output.unlink(missing_ok=True)
        with pytest.MonkeyPatch.context() as patch:
            disk = _Disk(patch, name, n, number)
            outcome = perform(_job(source, tmp_path), lambda name, state: None)
        assert whole(output, expected)
        assert not list(tmp_path.rglob("*.part"))
        if outcome.error is None:
            assert output.exists()
        else:
            failed += 1
            assert outcome.error.transient is (number == errno.EIO)
        if disk.calls < n:
            assert outcome.error is None
            break
    else:
        pytest.fail("a run must come to an end of its calls")
    assert failed >= 3 or name == "open"


class _FailingFile:
    """A file whose n-th write, of all files, fails."""

    writes = 0

    def __init__(self, file: Any, n: int, number: int) -> None:
        self.file, self.n, self.number = file, n, number

    def write(self, data: Any) -> int:
        _FailingFile.writes += 1
        if _FailingFile.writes == self.n:
            raise OSError(self.number, os.strerror(self.number))
        return int(self.file.write(data))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)

    def __enter__(self) -> _FailingFile:
        self.file.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.file.__exit__(*error)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.file)


@pytest.mark.medium
@pytest.mark.parametrize("ending", ["parquet", "csv", "arrow"])
def test_every_write_that_may_fail(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    output = tmp_path / f"made.{ending}"
    job = _job(source, tmp_path).model_copy(update={"output": str(output)})
    real = os.fdopen
    digest = perform(job, lambda name, state: None).output.checksum
    assert digest is not None
    for n in range(1, 400):
        output.unlink()
        _FailingFile.writes = 0
        monkeypatch.setattr(
            os, "fdopen", lambda *a, n=n, **k: _FailingFile(real(*a, **k), n, errno.ENOSPC)
        )
        outcome = perform(job, lambda name, state: None)
        monkeypatch.undo()
        assert whole(output, digest)
        if _FailingFile.writes < n:
            assert outcome.error is None
            break
        assert outcome.error is not None
        assert not output.exists()
        output.touch()
    else:
        pytest.fail("a run must come to an end of its writes")
    assert n > 3


_FULL_DISK = """
    import resource, signal, sys
    from pathlib import Path
    from test_service_faults import _job, perform
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    source, folder, ending = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    output = folder / f"made.{ending}"
    for size in map(int, sys.argv[4:]):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
        job = _job(source, folder).model_copy(update={"output": str(output)})
        outcome = perform(job, lambda name, state: None)
        assert outcome.error is not None, size
        assert not outcome.error.transient
        assert not list(folder.rglob("*.part")), size
        assert not output.exists(), size
"""


@pytest.mark.medium
@pytest.mark.parametrize("ending", ["parquet", "csv", "arrow"])
def test_a_disk_that_is_full_at_any_byte(source: Path, tmp_path: Path, ending: str) -> None:
    """The system itself refuses to let files grow, also those that native code writes."""
    output = tmp_path / f"made.{ending}"
    job = _job(source, tmp_path).model_copy(update={"output": str(output)})
    assert perform(job, lambda name, state: None).error is None
    size = output.stat().st_size
    output.unlink()
    sizes = [0, 1, *(size * part // 10 for part in range(1, 10)), size - 1]
    script = [sys.executable, "-c", textwrap.dedent(_FULL_DISK), source, tmp_path, ending]
    done = subprocess.run(
        [*script, *map(str, sizes)],
        env={**os.environ, **PATHS},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.medium
@pytest.mark.parametrize("where", ["output", "folder", "pipeline"])
def test_folders_that_cannot_be_written(source: Path, tmp_path: Path, where: str) -> None:
    job = _job(source, tmp_path)
    missing = str(tmp_path / "none" / "made.parquet")
    change = {
        "output": {"output": missing},
        "folder": {"folder": str(tmp_path / "none")},
        "pipeline": {"pipeline_path": str(tmp_path / "none" / "fitted.skops")},
    }[where]
    outcome = perform(job.model_copy(update=change), lambda name, state: None)
    assert outcome.error is not None
    assert outcome.error.stage == "output"
    assert not outcome.error.transient
    if where != "output":
        assert not (tmp_path / "made.parquet").exists()


@pytest.mark.medium
@pytest.mark.parametrize("where", ["source", "output"])
def test_a_denied_file(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """As when another user owns it; patched, because the tests may be run by root."""
    job = _job(source, tmp_path)
    real = os.open
    denied = source.name if where == "source" else ".made.parquet"

    def opened(path: Any, *arguments: Any, **options: Any) -> int:
        if denied in str(path):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return real(path, *arguments, **options)

    monkeypatch.setattr(os, "open", opened)
    outcome = perform(job, lambda name, state: None)
    assert outcome.error is not None
    assert not outcome.error.transient
    assert outcome.error.stage == ("ingestion" if where == "source" else "output")


# ------------------------------------------------------------------------------ changing sources


@pytest.mark.medium
@pytest.mark.parametrize("how", ["rewritten", "truncated", "appended"])
def test_a_source_that_changed_since_it_was_looked_at(
    source: Path, tmp_path: Path, how: str
) -> None:
    path = tmp_path / "customers.csv"
    content = source.read_bytes()
    path.write_bytes(content)
    job = _job(path, tmp_path).model_copy(update={"source_stamp": stamp_of(str(path))})
    changed = {
        "rewritten": content.replace(b"1", b"2"),
        "truncated": content[: len(content) // 2],
        "appended": content + content.splitlines(keepends=True)[-1],
    }[how]
    path.write_bytes(changed)
    outcome = perform(job, lambda name, state: None)
    assert outcome.error is not None
    assert outcome.error.category == "ingestion"
    assert "changed" in outcome.error.message
    assert not (tmp_path / "made.parquet").exists()


@pytest.mark.medium
@pytest.mark.parametrize("how", ["rewritten", "truncated", "appended"])
@pytest.mark.parametrize("after", [1, 2, 3])
def test_a_source_that_changes_while_it_is_read(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str, after: int
) -> None:
    path = tmp_path / "customers.csv"
    path.write_bytes(source.read_bytes())
    real = _source._File.read_at
    reads = 0

    def read_at(file: Any, *arguments: Any) -> bytes:
        nonlocal reads
        data: bytes = real(file, *arguments)
        reads += 1
        if reads == after:
            with path.open("r+b") as other:
                if how == "truncated":
                    other.truncate(file.size // 2)
                other.seek(0, os.SEEK_END if how == "appended" else os.SEEK_SET)
                other.write(b"x")
        return data

    monkeypatch.setattr(_source._File, "read_at", read_at)
    outcome = perform(_job(path, tmp_path), lambda name, state: None)
    assert reads >= after
    assert outcome.error is not None
    assert outcome.error.category == "ingestion"
    assert "changed while it was read" in outcome.error.message
    assert not (tmp_path / "made.parquet").exists()


# ------------------------------------------------------------------------------ many and large


def _batch_of(n: int, n_broken: int, folder: Path) -> tuple[list[Any], float]:
    X, _ = ts.datasets.make_customer_churn(60, random_state=0)
    text = X.to_csv(index=False)
    header, *lines = text.splitlines(keepends=True)
    broken = set(range(7, n, n // n_broken)[:n_broken])
    items = []
    for number in range(n):
        path = folder / f"{number}.csv"
        rows = lines[number % 7 :]
        path.write_text("a,b\n1,2\n" if number in broken else header + "".join(rows))
        items.append((path, "customer_churn"))

    async def main() -> tuple[list[Any], float]:
        held: list[float] = []
        async with DataPipeline(
            state_dir=folder / "state", max_concurrent_pipelines=2, cache_url=None
        ) as pipeline:
            orchestrator = pipeline._parts["parts"].orchestrator
            over = threading.Event()

            def watch() -> None:
                me = psutil.Process()
                while not over.wait(0.2):
                    rss = me.memory_info().rss
                    for pid in orchestrator.worker_pids:
                        if psutil.pid_exists(pid):
                            try:
                                rss += psutil.Process(pid).memory_info().rss
                            except psutil.NoSuchProcess:
                                continue
                    held.append(rss / 1e6)

            await pipeline.process_batch(items[:6])  # all is loaded
            watcher = threading.Thread(target=watch)
            watcher.start()
            results = await pipeline.process_batch(items)
            over.set()
            watcher.join()
            assert (await pipeline.verify_audit()).ok
        first, last = held[: max(1, len(held) // 10)], held[-max(1, len(held) // 10) :]
        return results, float(np.median(last) - np.median(first))

    return asyncio.run(main())


def _check_batch(results: list[Any], n_broken: int) -> None:
    failed = [state for data, state in results if data is None]
    assert len(failed) == n_broken
    assert {state.status for state in failed} == {RunStatus.FAILED}
    assert {state.error.category for state in failed} == {"compatibility"}
    done = [state for data, state in results if data is not None]
    assert {state.status for state in done} == {RunStatus.COMPLETED}


@pytest.mark.medium
def test_a_hundred_small_files(tmp_path: Path) -> None:
    results, grown = _batch_of(100, 2, tmp_path)
    _check_batch(results, 2)
    print(f"memory grew by {grown:.0f} MB")
    assert grown < 50  # 18 MB were measured, nearly all of it the results that are held here


@pytest.mark.scale
def test_a_thousand_small_files(tmp_path: Path) -> None:
    results, grown = _batch_of(1000, 20, tmp_path)
    _check_batch(results, 20)
    print(f"memory grew by {grown:.0f} MB")
    assert grown < 150  # 94 MB were measured; a thousand results alone take up to 147 MB


def _large(path: Path, megabytes: int) -> Path:
    """Write customers, each with an id of its own."""
    X, _ = ts.datasets.make_customer_churn(2_000, random_state=0)
    part = pl.from_pandas(X)
    ids = part["customer_id"].cast(pl.String)

    def block(number: int) -> bytes:
        named = part.with_columns(customer_id=pl.lit(f"{number}-") + ids)
        return named.write_csv(include_header=number == 0).encode()

    with path.open("wb") as file:
        number, text = 0, block(0)
        while file.tell() + len(text) <= megabytes * 1_000_000:
            file.write(text)
            number, text = number + 1, block(number + 1)
    return path


async def _lags(work: Awaitable[Any]) -> tuple[Any, list[float]]:
    lags: list[float] = []

    async def tick() -> None:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(0.005)
            lags.append(time.perf_counter() - began - 0.005)

    ticking = asyncio.create_task(tick())
    try:
        return await work, lags
    finally:
        ticking.cancel()


@pytest.mark.parametrize(
    "megabytes",
    [pytest.param(10, marks=pytest.mark.medium), pytest.param(99, marks=pytest.mark.scale)],
)
def test_the_loop_is_never_blocked(tmp_path: Path, megabytes: int) -> None:
    source = _large(tmp_path / "large.csv", megabytes)

    async def main() -> list[float]:
        config = {"limits": {"memory_mb": 8000}}
        async with DataPipeline(config, state_dir=tmp_path / "state") as pipeline:
            _, lags = await _lags(
                pipeline.process_file(source, "customer_churn", output=tmp_path / "made.parquet")
            )
        return lags

    _, idle = asyncio.run(_lags(asyncio.sleep(3)))
    lags = asyncio.run(main())
    p99 = float(np.quantile(lags, 0.99))
    # other tests keep the machine busy in the medium tier: what they cost is not ours
    noise = float(np.quantile(idle, 0.99)) if megabytes < 99 else 0.0
    print(f"{megabytes} MB: p99 {1000 * p99:.1f} ms, max {1000 * max(lags):.1f} ms")
    assert p99 <= 0.050 + 3 * noise
    assert len(lags) > 100


@pytest.mark.medium
def test_the_store_of_another_process_is_shared(source: Path, tmp_path: Path) -> None:
    """A second service on the same state folder takes no run of the first for dead."""

    async def main() -> None:
        first = DataPipeline(state_dir=tmp_path, cache_url=None, max_concurrent_pipelines=1)
        run_id = await first.submit_file(source, "customer_churn")
        with RunStore.open(state_dir=tmp_path) as store:
            assert store.recover() == []
            assert AuditTrail.open(store).verify().ok
        _, state = await first.wait(run_id, as_=None)
        assert state.status is RunStatus.COMPLETED
        await first.close()

    asyncio.run(main())
