"""What cannot be meant is refused before anything begins."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from tracer_sklearn.exceptions import ParameterError, RunError
from tracer_sklearn.service import DataPipeline, PipelineOrchestrator, RunStore
from tracer_sklearn.service.config import PipelineConfig
from tracer_sklearn.service.requests import configured, requested


def task(file_path: Any, *, config: dict[str, Any] | None = None, **more: Any) -> Any:
    chosen = PipelineConfig(**(config or {}))
    return requested(file_path, "customer_churn", config=chosen, principal="ana", **more)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "jan.csv"
    path.write_text("a,b\n1,2\n")
    return path


@pytest.mark.parametrize("how", ["same", "dots", "symlink", "link to the source", "hard link"])
def test_the_output_is_never_the_source(source: Path, how: str) -> None:
    output, given = source.with_name("out.csv"), source
    if how == "same":
        output = source
    elif how == "dots":
        output = source.parent / ".." / source.parent.name / source.name
    elif how == "symlink":
        output.symlink_to(source)
    elif how == "link to the source":
        given = source.with_name("link.csv")
        given.symlink_to(source)
        output = source
    else:
        os.link(source, output)
    with pytest.raises(ParameterError, match="`output` must be another file than `file_path`"):
        task(given, output=output)


def test_the_output_is_never_the_fitted_pipeline(source: Path) -> None:
    fitted = source.with_name("fit.skops")
    fitted.write_bytes(b"fitted")
    os.link(fitted, source.with_name("out.csv"))
    with pytest.raises(ParameterError, match="another file than `fitted`"):
        task(source, fitted=fitted, output=source.with_name("out.csv"))


def test_the_output_is_a_file_in_a_folder_that_exists(source: Path) -> None:
    folder = source.with_name("folder.csv")
    folder.mkdir()
    with pytest.raises(ParameterError, match="add a file name"):
        task(source, output=folder)
    with pytest.raises(ParameterError, match="in a folder that exists"):
        task(source, output=source.parent / "none" / "out.csv")
    assert not (source.parent / "none").exists()
    there = source.with_name("there.csv")
    there.write_text("earlier")
    assert task(source, output=there).state.output.path == str(there.resolve())


def test_the_name_of_an_upload_is_not_that_of_a_file_here(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(source.parent)
    assert task("jan.csv", output="jan.csv", is_upload=True).state.source == "jan.csv"


class OfBytes:
    def __fspath__(self) -> bytes:
        return b"jan.csv"


@pytest.mark.parametrize("name", ["", "  ", "a\0b.csv", "a\udc80.csv", OfBytes()])
@pytest.mark.parametrize("parameter", ["file_path", "fitted", "output"])
def test_names_that_no_file_has(source: Path, parameter: str, name: Any) -> None:
    given = {"file_path": source, parameter: name}
    with pytest.raises(ParameterError, match=f"`{parameter}` must be"):
        task(**given)


def test_dates_and_lengths_are_checked_before(source: Path) -> None:
    with pytest.raises(ParameterError, match="reference_date"):
        task(source, config={"reference_date": "2024-02-30"})
    assert task(source, config={"reference_date": "2024-02-29"})
    for length in (-1, 1.5, True, "12"):
        with pytest.raises(ParameterError, match="content_length"):
            task("jan.csv", is_upload=True, content_length=length)
    assert task("jan.csv", is_upload=True, content_length=0)


@pytest.mark.parametrize("seconds", [-1, -0.001, float("nan"), float("inf"), True, "1", None, 1e12])
def test_nobody_waits_less_than_no_time(tmp_path: Path, seconds: Any) -> None:
    pipeline = DataPipeline(state_dir=tmp_path)
    with pytest.raises(ParameterError, match=r"^DataPipeline\.close: `timeout_seconds` must be"):
        asyncio.run(pipeline.close(seconds))
    with RunStore.open(state_dir=tmp_path) as store:
        orchestrator = PipelineOrchestrator(store, state_dir=tmp_path)
        with pytest.raises(ParameterError, match=r"^PipelineOrchestrator\.close: `timeout"):
            orchestrator.close(seconds)
        for name in ("first_wait_seconds", "longest_wait_seconds"):
            with pytest.raises(ParameterError, match=f"^PipelineOrchestrator: `{name}` must be"):
                PipelineOrchestrator(store, state_dir=tmp_path, **{name: seconds}).start()


@pytest.mark.parametrize("number", [0, -1, 1.5, True, "3"])
def test_the_number_of_runs_at_once_is_called_as_the_caller_knows_it(
    tmp_path: Path, number: Any
) -> None:
    pipeline = DataPipeline(state_dir=tmp_path / "state", max_concurrent_pipelines=number)
    with pytest.raises(ParameterError, match=r"^DataPipeline: `max_concurrent_pipelines` must be"):
        asyncio.run(pipeline.runs())
    assert not (tmp_path / "state").exists()


def test_an_orchestrator_that_is_not_started_says_so(source: Path) -> None:
    with RunStore.open(state_dir=source.parent) as store:
        orchestrator = PipelineOrchestrator(store, state_dir=source.parent)
        for call in (
            lambda: orchestrator.submit(task(source)),
            lambda: orchestrator.future("01"),
            lambda: orchestrator.cancel("01"),
        ):
            with pytest.raises(RunError, match="it must be started, it is not; call `start` first"):
                call()


@pytest.mark.parametrize("wrong", [5, [], "x", {1: 2}])
def test_options_are_named(wrong):
    for parameter in ("config", "preprocessing_config"):
        with pytest.raises(ParameterError, match=f"`{parameter}` must be a mapping of options"):
            configured(PipelineConfig(), **{parameter: wrong})
