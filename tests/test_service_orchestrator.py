"""Runs from their start to their end, with work that goes wrong where it is asked to."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import multiprocessing
import os
import shutil
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from service_faults import PERFORM, write_spec
from service_processes import made
from test_service_workers import PATHS, gone, wait_for

from tracer_sklearn.exceptions import ParameterError, RunError, StoreError
from tracer_sklearn.service import machinery
from tracer_sklearn.service.audit import AuditTrail
from tracer_sklearn.service.config import PipelineConfig
from tracer_sklearn.service.executors import run_by_executor, run_in_worker
from tracer_sklearn.service.jobs import Job, Outcome
from tracer_sklearn.service.leftovers import clear_attempt
from tracer_sklearn.service.locks import Cancelled, output_lock
from tracer_sklearn.service.orchestrator import PipelineOrchestrator
from tracer_sklearn.service.requests import requested
from tracer_sklearn.service.states import STAGES, RunEvent, RunState, RunStatus, now
from tracer_sklearn.service.store import RunStore
from tracer_sklearn.service.tasks import Finished, Task
from tracer_sklearn.service.transitions import error_of
from tracer_sklearn.service.waiting import arrived, ended_elsewhere, refuse_elsewhere

WANTED = [name for name in STAGES if name != "training"]


class Bench:
    """An orchestrator with a real store and a real trail."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.folder = folder
        self.state_dir = folder / "state"
        self.store = RunStore.open(state_dir=self.state_dir)
        self.audit = AuditTrail.open(self.store)
        self.heard: list[RunEvent] = []
        options = {"first_wait_seconds": 0.05, "perform": PERFORM, **options}
        self.orchestrator = PipelineOrchestrator(
            options.pop("store", self.store),
            self.audit,
            state_dir=self.state_dir,
            observers=[lambda event, state: self.heard.append(event)],
            **options,
        )
        self.orchestrator.start()

    def task(self, do: str = "nothing", *, output: Path | None = None, **spec: Any) -> Task:
        limits = spec.pop("limits", {})
        source = write_spec(self.folder / f"{len(list(self.folder.iterdir()))}.csv", do, **spec)
        config = PipelineConfig(limits=limits, target_column=spec.get("target"))
        return requested(source, "customer_churn", config=config, output=output, principal="ana")

    def submit(self, do: str = "nothing", **spec: Any) -> tuple[str, Future[Finished]]:
        task = self.task(do, **spec)
        return task.state.run_id, self.orchestrator.submit(task)

    def run(self, do: str = "nothing", **spec: Any) -> RunState:
        return self.submit(do, **spec)[1].result(180).state

    def reaches(self, run_id: str, stage: str) -> bool:
        return wait_for(
            lambda: any(e.run_id == run_id and e.stage == stage for e in list(self.heard)), 120
        )

    def check(self, state: RunState) -> None:
        """What holds after every run."""
        assert self.store.get(state.run_id) == state
        assert list((self.state_dir / "work").iterdir()) == []
        assert list((self.state_dir / "locks").iterdir()) == []
        assert not list(self.folder.rglob("*.part"))
        if state.status is not RunStatus.COMPLETED:
            assert not list((self.state_dir / "pipelines").glob(f"{state.run_id}*"))
        assert self.audit.verify().ok
        actions = [entry.action for entry in self.audit.entries(run_id=state.run_id)]
        assert actions[0] == "run.created"
        assert actions[-1] == f"run.{state.status.lower()}"

    def close(self) -> None:
        self.orchestrator.close()
        self.store.close()


# each starts processes that import half of the ecosystem
pytestmark = pytest.mark.medium


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """One for all tests that leave it as it was: starting workers takes time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", PATHS["PYTHONPATH"])
        bench = Bench(tmp_path_factory.mktemp("shared"), max_concurrent=2)
        yield bench
        bench.close()


@pytest.fixture
def paths(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", PATHS["PYTHONPATH"])


async def _events(orchestrator: PipelineOrchestrator, run_id: str) -> list[RunEvent]:
    return [event async for event in orchestrator.events(run_id)]


# ------------------------------------------------------------------------------ what goes well


def test_a_run_is_recorded_from_its_start_to_its_end(shared: Bench, tmp_path: Path) -> None:
    output = tmp_path / "made.parquet"
    run_id, future = shared.submit(output=output)
    done = future.result(180)
    state = done.state
    assert state.status is RunStatus.COMPLETED
    assert done.data["n"].to_list() == [1, 1, 1]  # mapped: its file is gone
    assert output.stat().st_size == state.output.size
    assert state.attempts == 1
    assert state.output.path == str(output)
    assert [name for name in WANTED if state.stages[name].status is RunStatus.COMPLETED] == WANTED
    assert state.training.status is RunStatus.PENDING
    assert state.started_at is not None
    assert state.finished_at is not None
    assert 0 < state.seconds < 30
    shared.check(state)
    mine = [event for event in shared.heard if event.run_id == run_id]
    assert [(e.kind, e.stage, str(e.status)) for e in mine] == [
        ("run", None, "PENDING"),
        ("run", None, "IN_PROGRESS"),
        *(("stage", name, status) for name in WANTED for status in ("IN_PROGRESS", "COMPLETED")),
        ("run", None, "COMPLETED"),
    ]
    shares = [event.share for event in mine]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0.0, 1.0)
    assert asyncio.run(_events(shared.orchestrator, run_id)) == mine  # whoever comes late


def test_events_are_heard_while_they_happen(shared: Bench) -> None:
    async def listen() -> list[RunEvent]:
        run_id, _ = await asyncio.to_thread(shared.submit, "sleep", seconds=0.5)
        first, second = await asyncio.gather(
            _events(shared.orchestrator, run_id), _events(shared.orchestrator, run_id)
        )
        assert first == second
        async for event in shared.orchestrator.events(run_id):
            assert event.status is RunStatus.PENDING
            break  # who goes away early disturbs nobody
        return first

    heard = asyncio.run(listen())
    assert heard[-1].status is RunStatus.COMPLETED


def test_events_of_a_run_of_long_ago_are_its_end(shared: Bench) -> None:
    state = shared.run()
    log = shared.orchestrator._machinery().events
    log.kept = 0
    shared.run()
    log.kept = 50
    (event,) = asyncio.run(_events(shared.orchestrator, state.run_id))
    assert event.status is RunStatus.COMPLETED
    shared.orchestrator.release(state.run_id)
    assert shared.orchestrator.future(state.run_id).result().state == state
    with pytest.raises(ParameterError):
        asyncio.run(_events(shared.orchestrator, "nobody"))


def test_no_more_runs_than_allowed_at_once(shared: Bench, tmp_path: Path) -> None:
    note = tmp_path / "note"
    futures = [shared.submit("note", note=str(note))[1] for _ in range(5)]
    assert {future.result(180).state.status for future in futures} == {RunStatus.COMPLETED}
    steps = sorted(tuple(map(float, line.split())) for line in note.read_text().splitlines())
    at_once = [sum(step for _, step in steps[: n + 1]) for n in range(len(steps))]
    assert max(at_once) <= 2


# ------------------------------------------------------------------------------ what goes wrong


@pytest.mark.parametrize("do", ["oserror", "memory", "kill"])
def test_what_may_pass_is_tried_again(shared: Bench, do: str) -> None:
    run_id, future = shared.submit(do, errno=errno.EIO, until=1)
    state = future.result(180).state
    assert (state.status, state.attempts) == (RunStatus.COMPLETED, 2)
    assert state.error is None
    assert state.validation.error is None
    assert [e.kind for e in shared.heard if e.run_id == run_id].count("retry") == 1
    assert "run.retried" in [e.action for e in shared.audit.entries(run_id=run_id)]
    shared.check(state)


def test_what_does_not_pass_ends_after_some_attempts(shared: Bench, tmp_path: Path) -> None:
    output = tmp_path / "made.parquet"
    state = shared.run("oserror", errno=errno.EIO, output=output, at="output")
    assert (state.status, state.attempts) == (RunStatus.FAILED, 3)
    assert state.error is not None
    assert (state.error.type, state.error.stage) == ("OSError", "output")
    assert state.output.status is RunStatus.FAILED
    assert not output.exists()
    shared.check(state)


@pytest.mark.parametrize(
    ("do", "number"), [("oserror", errno.ENOSPC), ("oserror", errno.EACCES), ("raise", 0)]
)
def test_what_will_not_pass_is_not_tried_again(shared: Bench, do: str, number: int) -> None:
    state = shared.run(do, errno=number)
    assert (state.status, state.attempts) == (RunStatus.FAILED, 1)
    assert "secret-value" not in state.model_dump_json()
    shared.check(state)


def test_a_timeout_ends_the_run_and_its_worker(shared: Bench) -> None:
    shared.run()
    before = set(shared.orchestrator.worker_pids)
    began = time.monotonic()
    state = shared.run("sleep", limits={"timeout_seconds": 0.5})
    assert time.monotonic() - began < 4
    assert state.error is not None
    assert (state.error.type, state.error.stage, state.attempts) == ("Timeout", "validation", 1)
    assert state.validation.status is RunStatus.FAILED
    assert len([pid for pid in before if gone(pid)]) == 1
    shared.check(state)


# ------------------------------------------------------------------------------ cancelling


@pytest.mark.parametrize("stage", WANTED)
def test_a_run_is_cancelled_in_every_stage(shared: Bench, tmp_path: Path, stage: str) -> None:
    run_id, future = shared.submit("part", at=stage, output=tmp_path / "made.parquet")
    assert shared.reaches(run_id, stage)
    assert wait_for(lambda: bool(list(tmp_path.glob(".*.part"))), 60)
    began = time.monotonic()
    assert shared.orchestrator.cancel(run_id)
    state = future.result(5).state
    assert time.monotonic() - began < 2
    assert state.status is RunStatus.CANCELLED
    assert state.stages[stage].status is RunStatus.CANCELLED
    assert state.error is not None
    assert state.error.type == "Cancelled"
    assert list(tmp_path.iterdir()) == []
    shared.check(state)


def test_what_a_killed_worker_left_unfinished_goes_with_the_next_attempt(
    shared: Bench, tmp_path: Path
) -> None:
    output = tmp_path / "made.parquet"
    state = shared.run("killed part", at="output", until=1, output=output)
    assert (state.status, state.attempts) == (RunStatus.COMPLETED, 2)
    assert list(tmp_path.iterdir()) == [output]
    assert not list((shared.state_dir / "pipelines").glob(".*.part"))
    shared.check(state)


def test_half_a_data_set_makes_room_for_the_next_attempt(tmp_path: Path) -> None:
    state = made("r")
    part = tmp_path / "work" / "r" / f".data.arrow.{'0' * 16}.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"half")
    clear_attempt(state, tmp_path)
    assert list(part.parent.iterdir()) == []


@pytest.mark.parametrize("was", [b"old", None])
def test_a_run_is_cancelled_behind_the_rename(
    shared: Bench, tmp_path: Path, was: bytes | None
) -> None:
    output = tmp_path / "made.parquet"
    if was is not None:
        output.write_bytes(was)
    run_id, future = shared.submit("replaced", at="output", output=output)
    assert wait_for(lambda: output.exists() and output.read_bytes() == b"new", 120)
    shared.orchestrator.cancel(run_id)
    assert future.result(5).state.status is RunStatus.CANCELLED
    assert output.exists() is (was is not None)  # complete, or gone


def test_a_run_is_cancelled_while_it_waits(shared: Bench) -> None:
    busy = [shared.submit("sleep")[0] for _ in range(2)]
    run_id, future = shared.submit()
    assert all(shared.reaches(other, "validation") for other in busy)  # two at once
    assert shared.store.get(run_id).status is RunStatus.PENDING
    assert shared.orchestrator.cancel(run_id, "nobody wants it.")
    state = future.result(1).state
    assert state.status is RunStatus.CANCELLED
    assert state.error is not None
    assert state.error.message == "nobody wants it."
    for other in busy:
        shared.orchestrator.cancel(other)
        shared.orchestrator.future(other).result(5)
    shared.check(state)
    assert not shared.orchestrator.cancel(run_id)  # it is over


def test_a_run_is_cancelled_between_attempts(paths: None, tmp_path: Path) -> None:
    bench = Bench(tmp_path, first_wait_seconds=30.0)
    run_id, future = bench.submit("oserror", errno=errno.EIO)
    assert wait_for(lambda: any(event.kind == "retry" for event in bench.heard), 120)
    bench.orchestrator.cancel(run_id)
    state = future.result(2).state
    assert (state.status, state.attempts) == (RunStatus.CANCELLED, 1)
    bench.check(state)
    bench.close()


# ------------------------------------------------------------------------------ one output


def test_two_runs_for_one_output_come_one_after_the_other(shared: Bench, tmp_path: Path) -> None:
    note, output = tmp_path / "note", tmp_path / "made.csv"
    link = tmp_path / "link.csv"
    link.symlink_to(output)
    futures = [
        shared.submit("note", note=str(note), output=path, n=n, rows=20_000)[1]
        for n, path in enumerate((output, link))
    ]
    states = [future.result(180).state for future in futures]
    assert {state.status for state in states} == {RunStatus.COMPLETED}
    steps = [line.split()[1] for line in note.read_text().splitlines()]
    assert steps == ["1", "-1"] * 2
    assert len(set(output.read_text().splitlines()[1:])) == 1
    shared.check(states[0])


def test_the_lock_of_an_output_holds_between_processes(tmp_path: Path) -> None:
    target = str(tmp_path / "made.csv")
    script = textwrap.dedent(f"""
        import sys
        from pathlib import Path
        from tracer_sklearn.service.locks import output_lock
        with output_lock(Path({str(tmp_path / "locks")!r}), {target!r}, lambda: False):
            print("held", flush=True)
            sys.stdin.read()
    """)
    other = subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, **PATHS},
    )
    assert other.stdout is not None
    assert other.stdin is not None
    assert other.stdout.readline() == b"held\n"
    with pytest.raises(Cancelled), output_lock(tmp_path / "locks", target, lambda: True):
        pass
    got = threading.Event()

    def wait() -> None:
        with output_lock(tmp_path / "locks", target, lambda: False):
            got.set()

    waiting = threading.Thread(target=wait)
    waiting.start()
    assert not got.wait(0.2)
    other.kill()  # the lock of a dead process is free
    assert got.wait(5)
    waiting.join()
    other.wait()
    other.stdin.close()
    other.stdout.close()
    assert list((tmp_path / "locks").iterdir()) == []


def test_a_lock_file_that_was_removed_meanwhile_is_no_lock(tmp_path: Path) -> None:
    order: list[int] = []

    def work(number: int) -> None:
        with output_lock(tmp_path / "locks", "made.csv", lambda: False):
            order.append(number)
            time.sleep(0.01)
            order.append(number)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert order[::2] == order[1::2]


# ------------------------------------------------------------------------------ starts and ends


def test_closing_cancels_what_does_not_end_in_time(paths: None, tmp_path: Path) -> None:
    bench = Bench(tmp_path, max_concurrent=1)
    first, ending = bench.submit("sleep", seconds=0.5)
    _, hanging = bench.submit("sleep")
    third, waiting = bench.submit()
    assert bench.reaches(first, "validation")
    pids = bench.orchestrator.worker_pids
    began = time.monotonic()
    bench.orchestrator.close(3.0)
    assert time.monotonic() - began < 8
    assert ending.result(0).state.status is RunStatus.COMPLETED
    assert hanging.result(0).state.status is RunStatus.CANCELLED
    assert waiting.result(0).state.status is RunStatus.CANCELLED
    assert bench.store.get(third).error.message == "the service was closed."
    assert all(map(gone, pids))
    with pytest.raises(RunError, match="must be started"):
        bench.submit()
    bench.store.close()


def test_parameters_are_checked_at_the_start(tmp_path: Path) -> None:
    for bad in ({"max_concurrent": 0}, {"attempts": 0}):
        with pytest.raises(ParameterError), RunStore.open(state_dir=tmp_path) as store:
            PipelineOrchestrator(store, state_dir=tmp_path, **bad).start()


def test_the_runs_of_a_killed_process_fail_and_leave_nothing(paths: None, tmp_path: Path) -> None:
    output = tmp_path / "out" / "made.parquet"
    output.parent.mkdir()
    script = textwrap.dedent(f"""
        import sys, time
        from pathlib import Path
        from test_service_orchestrator import Bench
        bench = Bench(Path({str(tmp_path)!r}), max_concurrent=1)
        run_id, _ = bench.submit("part", at="output", output=Path({str(output)!r}))
        waiting, _ = bench.submit()
        while not list(Path({str(output.parent)!r}).glob(".*.part")):
            time.sleep(0.02)
        print(run_id, waiting, *bench.orchestrator.worker_pids, flush=True)
        time.sleep(60)
    """)
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, env={**os.environ, **PATHS}
    )
    assert process.stdout is not None
    run_id, waiting, *pids = process.stdout.readline().decode().split()
    process.kill()
    process.wait()
    process.stdout.close()
    assert wait_for(lambda: all(gone(int(pid)) for pid in pids))
    bench = Bench(tmp_path)
    for each in (run_id, waiting):
        state = bench.store.get(each)
        assert state.status is RunStatus.FAILED
        entries = bench.audit.entries(run_id=each)
        assert entries[-1].action == "run.recovered"
    assert list(output.parent.iterdir()) == []
    assert list((tmp_path / "state" / "work").iterdir()) == []
    assert bench.audit.verify().ok
    bench.close()


class Failing:
    """A store that fails at some calls of `save`."""

    def __init__(self, store: RunStore, fails: Any) -> None:
        self.store, self.fails = store, fails

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    def save(self, state: RunState) -> None:
        if self.fails(state):
            raise OSError(errno.EIO, "injected")
        self.store.save(state)


def test_what_cannot_be_recorded_is_not_completed(paths: None, tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    output = tmp_path / "made.parquet"
    broken = threading.Event()
    broken.set()
    machinery = bench.orchestrator._machinery()
    machinery.store = Failing(bench.store, lambda state: broken.is_set() and state.status.is_final)
    state = bench.run(output=output)
    assert state.status is RunStatus.FAILED
    assert not output.exists()
    assert bench.store.get(state.run_id).status is RunStatus.IN_PROGRESS  # for a while
    broken.clear()
    machinery.record_unrecorded()
    bench.check(state)
    bench.close()


def test_a_run_whose_beginning_cannot_be_noted_ends_as_failed(
    paths: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path)
    task = bench.task()
    with monkeypatch.context() as patch:
        patch.setattr(AuditTrail, "append", mock.Mock(side_effect=StoreError("no room")))
        with pytest.raises(StoreError, match="no room"):
            bench.orchestrator.submit(task)
    assert bench.store.get(task.state.run_id).status is RunStatus.FAILED
    bench.orchestrator._machinery().record_unrecorded()
    actions = [entry.action for entry in bench.audit.entries(run_id=task.state.run_id)]
    assert actions == ["run.failed"]
    bench.close()


# ------------------------------------------------------------------------------ executors


@contextlib.contextmanager
def _executor(kind: str) -> Iterator[Any]:
    if kind == "threads":
        with ThreadPoolExecutor(2) as executor:
            yield executor
    elif kind == "processes":
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(2, mp_context=context) as executor:
            yield executor
    else:
        from distributed import Client, LocalCluster

        with (
            LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
            Client(cluster) as client,
            client.get_executor() as executor,
        ):
            yield executor


@pytest.mark.parametrize(
    "kind",
    [
        "threads",
        pytest.param("processes", marks=pytest.mark.medium),
        pytest.param(
            "dask", marks=[pytest.mark.medium, pytest.mark.filterwarnings("ignore::Warning")]
        ),
    ],
)
def test_executors_run_stop_and_limit(paths: None, tmp_path: Path, kind: str) -> None:
    with _executor(kind) as executor:
        bench = Bench(tmp_path, executor=executor)
        done = bench.submit(output=tmp_path / "made.parquet")[1].result(180)
        assert done.state.status is RunStatus.COMPLETED
        assert done.data["n"].to_list() == [1, 1, 1]
        names = [e.stage for e in bench.heard if e.stage and e.status is RunStatus.COMPLETED]
        assert names == WANTED
        bench.check(done.state)

        run_id, future = bench.submit("part", output=tmp_path / "other.parquet")
        assert bench.reaches(run_id, "validation")
        began = time.monotonic()
        bench.orchestrator.cancel(run_id)
        state = future.result(5).state
        assert time.monotonic() - began < 2
        assert state.status is RunStatus.CANCELLED
        bench.check(state)

        state = bench.run("sleep", limits={"timeout_seconds": 0.5})
        assert state.error is not None
        assert state.error.type == "Timeout"
        state = bench.run("kill", until=1)
        assert (state.status, state.attempts) == (RunStatus.COMPLETED, 2)
        bench.check(state)
        bench.close()


@pytest.mark.parametrize("where", ["callback", "observer", "store"])
def test_the_future_of_a_run_holds_it_whatever_happens(
    tmp_path: Path, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exits(*_: Any) -> None:
        if threading.current_thread() is not threading.main_thread():
            raise SystemExit(3)

    with ThreadPoolExecutor(1) as executor:  # which is never asked
        bench = Bench(tmp_path, executor=executor, max_concurrent=1)
        orchestrator = bench.orchestrator
        if where == "observer":
            orchestrator.observers.append(exits)
        elif where == "store":
            monkeypatch.setattr(bench.store, "save", exits)
        for _ in range(2):  # the thread is there for the next one, too
            task = replace(bench.task(), on_event=exits if where == "callback" else None)
            done = orchestrator.submit(task).result(30)
            assert done.state.status is RunStatus.FAILED
            assert done.state.error is not None
            assert asyncio.run(_events(orchestrator, done.state.run_id))[-1].run_id
            assert orchestrator.future(done.state.run_id).result(0).state == done.state
        monkeypatch.undo()
        bench.close()


def test_an_executor_that_breaks_is_a_lost_worker(paths: None, tmp_path: Path) -> None:
    class Broken(ThreadPoolExecutor):
        def submit(self, *args: Any, **options: Any) -> Any:
            future: Future[str] = Future()
            future.set_exception(ConnectionError("gone"))
            return future

    with Broken(1) as executor:
        bench = Bench(tmp_path, executor=executor, attempts=2)
        state = bench.run()
        assert state.error is not None
        assert (state.error.type, state.attempts) == ("WorkerLost", 2)
        bench.check(state)
        bench.close()


def test_a_job_that_ends_while_its_events_are_read_has_ended(tmp_path: Path) -> None:
    told = tmp_path / "told-1.jsonl"
    told.write_text('["output", "{}"]\n')
    answer: Future[str] = Future()

    class Slow(ThreadPoolExecutor):
        def submit(self, *args: Any, **options: Any) -> Any:
            return answer

    with Slow(1) as executor:
        outcome = run_by_executor(
            executor,
            "{}",
            folder=str(tmp_path),
            attempt=1,
            on_stage=lambda stage, state: answer.set_result(Outcome().model_dump_json()),
            cancelled=lambda: False,
            timeout_seconds=60.0,
            memory_mb=4000.0,
        )
    assert outcome == Outcome()


def test_a_job_whose_run_has_ended_is_not_begun(paths: None, tmp_path: Path) -> None:
    folder = tmp_path / "work"
    gone_already = run_in_worker("{}", str(folder), 1, 1.0, 1.0, PERFORM)
    assert '"Cancelled"' in gone_already
    folder.mkdir()
    job = Job(
        run_id="run",
        blueprint="customer_churn",
        source=str(write_spec(tmp_path / "a", "sleep")),
        source_name="a",
        config=PipelineConfig(),
        folder=str(folder),
    )
    answers: list[str] = []
    work = threading.Thread(
        target=lambda: answers.append(
            run_in_worker(job.model_dump_json(), str(folder), 1, 60.0, 4000.0, PERFORM)
        )
    )
    work.start()
    assert wait_for(lambda: (folder / "told-1.jsonl").exists(), 60)
    shutil.rmtree(folder)  # as the next start does after the process of the run died
    work.join(30)
    assert '"Cancelled"' in answers[0]


# ------------------------------------------------------------------------------ runs of others


def _other(bench: Bench, source: Path) -> RunState:
    """Record a run that this orchestrator was not given, of a process that lives."""
    task = requested(source, "customer_churn", config=PipelineConfig(), principal="ana")
    bench.store.create(task.state)
    return task.state


def _end(store: RunStore, state: RunState) -> None:
    begun = state.model_copy(update={"status": RunStatus.IN_PROGRESS, "started_at": now()})
    store.save(begun)
    time.sleep(1.2)
    end = {"status": RunStatus.COMPLETED, "finished_at": now(), "seconds": 1.0}
    store.save(begun.model_copy(update=end))


def test_a_run_of_another_is_followed_in_the_store(paths: None, tmp_path: Path) -> None:
    bench = Bench(tmp_path, max_concurrent=1)
    state = _other(bench, tmp_path / "jan.csv")

    async def main() -> list[RunEvent]:
        with pytest.raises(RunError, match="must be cancelled by the pipeline that it was given"):
            await refuse_elsewhere(bench.orchestrator, state.run_id)
        ends = asyncio.create_task(asyncio.to_thread(_end, bench.store, state))
        events, _ = await asyncio.gather(
            _events(bench.orchestrator, state.run_id),
            ended_elsewhere(bench.orchestrator, state.run_id),
        )
        await ends
        await refuse_elsewhere(bench.orchestrator, state.run_id)
        return events

    events = asyncio.run(main())
    assert events[-1].status is RunStatus.COMPLETED
    assert RunStatus.IN_PROGRESS in [event.status for event in events]
    assert bench.orchestrator.future(state.run_id).result(0).state.status is RunStatus.COMPLETED
    bench.close()


def test_a_run_that_goes_on_has_no_error_yet(tmp_path: Path) -> None:
    config = PipelineConfig()
    state = requested(tmp_path / "a.csv", "customer_churn", config=config, principal="a").state
    error = error_of(state)
    assert "it must have ended, it is PENDING" in str(error)
    assert error.state == state


def test_dead_processes_are_looked_for_now_and_then(
    paths: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machinery, "HEARTBEAT_SECONDS", 0.02)
    calls: list[float] = []

    class Counting(Failing):
        def recover(self) -> list[RunState]:
            calls.append(time.monotonic())
            if len(calls) == 2:
                raise OSError(errno.EIO, "injected")
            return self.store.recover()

    folder = tmp_path / "state"
    counting: Any = Counting(RunStore.open(state_dir=folder), lambda state: False)
    bench = Bench(tmp_path, max_concurrent=1, store=counting)
    assert wait_for(lambda: len(calls) >= 4)
    bench.close()
    counting.store.close()


async def _arrive(bench: Bench, coming: Any, **limits: Any) -> RunState:
    task = requested(
        "up.csv",
        "customer_churn",
        config=PipelineConfig(limits=limits),
        principal="ana",
        is_upload=True,
    )
    future = await asyncio.to_thread(bench.orchestrator.announce, task)
    folder = bench.state_dir / "work" / task.state.run_id
    await arrived(bench.orchestrator, task, future, folder, coming)
    return (await asyncio.wrap_future(future)).state


def test_an_upload_that_does_not_end_is_given_up(shared: Bench) -> None:
    ended = []

    async def coming(**_: Any) -> Path:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(True)
        raise AssertionError

    state = asyncio.run(_arrive(shared, coming, timeout_seconds=0.3))
    assert state.status is RunStatus.FAILED
    assert state.error is not None
    assert (state.error.type, state.error.stage) == ("IngestionError", "ingestion")
    assert "it did not come within 0.3 seconds" in state.error.message
    assert ended
    shared.check(state)
