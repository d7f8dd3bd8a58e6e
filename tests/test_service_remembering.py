"""A result is kept only under the pipeline that made it."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from service_processes import made

from tracer_sklearn.service import remembering
from tracer_sklearn.service.cache import open_cache
from tracer_sklearn.service.config import PipelineConfig
from tracer_sklearn.service.remembering import DATA_FILE, ResultMemory
from tracer_sklearn.service.states import RunState, RunStatus, now
from tracer_sklearn.service.tasks import Finished, Task

SOURCE = b"a,b\n1,2\n"


def unhindered() -> None:
    pass


@pytest.fixture
def memory(tmp_path: Path) -> ResultMemory:
    folder = tmp_path / "state"
    folder.mkdir()
    (folder / "in.csv").write_bytes(SOURCE)
    return ResultMemory(open_cache("auto", folder), folder)


@pytest.fixture
def fitted(tmp_path: Path) -> Path:
    path = tmp_path / "fit.skops"
    path.write_bytes(b"first")
    path.with_suffix(".json").write_text('{"sha256": "1"}')
    return path


def started(memory: ResultMemory, fitted: Path | None, run_id: str = "r") -> tuple[Task, RunState]:
    state = made(
        run_id,
        source_bytes=len(SOURCE),
        source_checksum=hashlib.sha256(SOURCE).hexdigest(),
        fitted=None if fitted is None else str(fitted),
        started_at=now(),
    )
    folder = memory.state_dir / "work" / run_id
    folder.mkdir(parents=True, exist_ok=True)
    pl.DataFrame({"x": [1.0]}).write_ipc(folder / DATA_FILE)
    return Task(state, str(memory.state_dir / "in.csv"), PipelineConfig()), state


def completed(state: RunState) -> Finished:
    return Finished(state.model_copy(update={"status": RunStatus.COMPLETED, "finished_at": now()}))


def replace_pipeline(path: Path) -> None:
    other = path.with_name("other.skops")
    other.write_bytes(b"other")
    os.replace(other, path)


def replace_and_bring_back(path: Path) -> None:
    content, facts = path.read_bytes(), path.stat()
    path.with_name("back.skops").write_bytes(content)
    os.utime(path.with_name("back.skops"), ns=(facts.st_atime_ns, facts.st_mtime_ns))
    replace_pipeline(path)
    os.replace(path.with_name("back.skops"), path)


def replace_manifest(path: Path) -> None:
    path.with_suffix(".json").write_text('{"sha256": "22"}')


def remove_manifest(path: Path) -> None:
    path.with_suffix(".json").unlink()


@pytest.mark.parametrize("fits", [True, False])
def test_what_did_not_change_is_remembered(memory: ResultMemory, fitted: Path, fits: bool) -> None:
    task, state = started(memory, None if fits else fitted)
    assert memory.recall(task, state, unhindered) is None
    memory.remember(task, completed(state))
    found = memory.recall(*started(memory, None if fits else fitted, "again"), unhindered)
    assert found is not None
    assert found.state.from_cache


@pytest.mark.parametrize(
    "change", [replace_pipeline, replace_and_bring_back, replace_manifest, remove_manifest]
)
def test_a_pipeline_that_was_replaced_meanwhile_is_not_remembered(
    memory: ResultMemory, fitted: Path, change: Any
) -> None:
    task, state = started(memory, fitted)
    assert memory.recall(task, state, unhindered) is None
    change(fitted)
    memory.remember(task, completed(state))
    assert memory.cache.stats["stored"] == 0
    assert memory.recall(*started(memory, fitted, "again"), unhindered) is None


def test_a_pipeline_that_was_not_seen_before_is_not_remembered(
    memory: ResultMemory, fitted: Path
) -> None:
    task, state = started(memory, fitted)
    memory.remember(task, completed(state))
    assert memory.cache.stats["stored"] == 0


def test_a_pipeline_that_changes_while_it_is_read_is_not_known(
    memory: ResultMemory, fitted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = remembering.checksum_of

    def slow(path: str, *rest: Any) -> str | None:
        digest = real(path, *rest)
        replace_pipeline(Path(path))
        return digest

    task, state = started(memory, fitted)
    with monkeypatch.context() as patch:
        patch.setattr(remembering, "checksum_of", slow)
        assert memory.recall(task, state, unhindered) is None
    memory.remember(task, completed(state))
    assert memory.cache.stats["stored"] == 0


def test_runs_that_failed_are_forgotten(
    memory: ResultMemory, fitted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remembering, "_SEEN", 2)
    for number in range(5):
        memory.recall(*started(memory, fitted, f"r{number}"), unhindered)
    assert list(memory._fitted) == ["r3", "r4"]
