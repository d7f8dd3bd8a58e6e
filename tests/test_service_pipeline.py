"""`DataPipeline`: the calls of the documentation as they are written, with the real work."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from test_service_workers import gone

import tracer_sklearn as ts
from tracer_sklearn.exceptions import (
    AccessDeniedError,
    IngestionError,
    ParameterError,
    RunError,
    SchemaError,
)
from tracer_sklearn.service import DataPipeline, PipelineConfig
from tracer_sklearn.service.parts import state_folder
from tracer_sklearn.service.states import RunEvent, RunStatus

pytestmark = pytest.mark.filterwarnings("ignore::tracer_sklearn.exceptions.TracerWarning")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    for name, seed in (("customers", 0), ("jan", 1), ("feb", 2), ("data", 3)):
        X, _ = ts.datasets.make_customer_churn(150, random_state=seed)
        X.to_csv(folder / f"{name}.csv", index=False)
    X, y = ts.datasets.make_customer_churn(300, random_state=4)
    X.assign(churned=y).to_csv(folder / "labelled.csv", index=False)
    revenue, _ = ts.datasets.make_daily_revenue(n_days=200, random_state=0)
    revenue.to_csv(folder / "revenue.csv", index=False)
    (folder / "broken.csv").write_text("a,b\n1,2\n")
    return folder


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DataPipeline]:
    """One for all: it works in any event loop, and starting workers takes time."""
    pipeline = DataPipeline(
        max_concurrent_pipelines=2, state_dir=tmp_path_factory.mktemp("state"), cache_url=None
    )
    yield pipeline
    asyncio.run(pipeline.close())


@pytest.mark.medium
def test_the_snippets(files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(files)
    monkeypatch.setenv("TRACER_STATE_DIR", str(tmp_path))
    size = (files / "jan.csv").stat().st_size

    async def upload_of(name: str) -> AsyncIterator[bytes]:
        with open(name, "rb") as file:
            while chunk := file.read(1000):
                yield chunk

    async def main() -> None:
        pipeline = DataPipeline(max_concurrent_pipelines=3, enable_monitoring=True)
        data, state = await pipeline.process_file(
            file_path="customers.csv", blueprint_name="customer_churn"
        )
        assert state.status == "COMPLETED"
        assert "days_since_last_activity" in state.feature_engineering.features_created
        assert state.validation.report.score > 50
        assert set(state.timings) == {
            "ingestion", "validation", "feature_engineering", "preprocessing", "output", "total",
        }  # fmt: skip

        config = {
            "missing_value_strategy": "auto",
            "outlier_method": "iqr",
            "encoding_strategy": "auto",
            "scaling_method": "robust",
        }
        data, state = await pipeline.process_file(
            "data.csv", "customer_churn", preprocessing_config=config
        )
        assert state.preprocessing.options == config
        X = pd.read_csv("data.csv")
        assert len(data) == len(X)
        assert state.pipeline.transform(ts.read_csv("data.csv").frame).shape == data.shape

        results = await pipeline.process_batch(
            [
                ("jan.csv", "customer_churn"),
                ("feb.csv", "customer_churn"),
                ("revenue.csv", "revenue_projection"),
            ],
            max_concurrent=3,
        )
        assert [state.blueprint for _, state in results] == [
            "customer_churn", "customer_churn", "revenue_projection",
        ]  # fmt: skip
        assert {str(state.status) for _, state in results} == {"COMPLETED"}
        assert len({state.correlation_id for _, state in results}) == 1

        upload = upload_of("jan.csv")
        data, state = await pipeline.process_stream(
            file_stream=upload,
            filename="up.csv",
            blueprint_name="customer_churn",
            content_length=size,
        )
        assert state.source == "up.csv"
        assert state.from_cache  # these bytes came in the batch
        pd.testing.assert_frame_equal(data, results[0][0])

        assert (await pipeline.verify_audit()).ok
        assert len(await pipeline.runs(status="COMPLETED", blueprint="customer_churn")) == 5
        await pipeline.close()

    asyncio.run(main())


@pytest.mark.medium
def test_a_script_needs_no_main_guard(files: Path, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(f"""
            import asyncio
            from tracer_sklearn.service import DataPipeline
            pipeline = DataPipeline(state_dir={str(tmp_path / "state")!r})
            work = pipeline.process_file({str(files / "jan.csv")!r}, "customer_churn", as_="polars")
            data, state = asyncio.run(work)
            print(data.height, state.status, *pipeline._parts["parts"].orchestrator.worker_pids)
        """)
    )
    run = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=True, timeout=300
    )
    rows, status, *pids = run.stdout.split()
    assert (int(rows) > 0, status) == (True, "COMPLETED")
    assert pids
    assert all(gone(int(pid)) for pid in pids)
    assert not run.stderr


def test_scoring_gives_the_columns_of_the_fit(
    pipeline: DataPipeline, files: Path, tmp_path: Path
) -> None:
    output = tmp_path / "scores.csv"
    data, state = asyncio.run(pipeline.process_file(files / "jan.csv", "customer_churn"))
    scored, later = asyncio.run(
        pipeline.process_file(
            files / "feb.csv", "customer_churn", fitted=state.pipeline_path, output=output
        )
    )
    assert list(scored.columns) == list(data.columns)
    assert later.pipeline_path is None
    assert later.fitted == state.pipeline_path
    assert pd.read_csv(output).shape == scored.shape
    assert later.output.path == str(output)


@pytest.mark.parametrize(
    ("wrong", "must"),
    [
        ({"executor": 3}, r"`executor` must be a concurrent\.futures\.Executor or None, got 3"),
        ({"enable_monitoring": "x"}, "`enable_monitoring` must be True or False, got 'x'"),
    ],
)
def test_a_wrong_parameter_is_refused_before_anything_is_made(
    tmp_path: Path, wrong: Any, must: str
) -> None:
    pipeline = DataPipeline(state_dir=tmp_path / "state", **wrong)
    with pytest.raises(ParameterError, match=f"^DataPipeline: {must}"):
        asyncio.run(pipeline.runs())
    assert not (tmp_path / "state").exists()


def test_a_target_trains_a_model(pipeline: DataPipeline, files: Path) -> None:
    _, state = asyncio.run(
        pipeline.process_file(files / "labelled.csv", "customer_churn", target_column="churned")
    )
    assert state.training.status == "COMPLETED"
    assert state.training.scores
    assert state.config["target_column"] == "churned"
    assert hasattr(state.pipeline, "predict")


@pytest.mark.parametrize(
    ("as_", "kind"), [("pandas", pd.DataFrame), ("polars", pl.DataFrame), ("arrow", pa.Table)]
)
def test_the_library_of_the_data(pipeline: DataPipeline, files: Path, as_: Any, kind: type) -> None:
    data, _ = asyncio.run(pipeline.process_file(files / "jan.csv", "customer_churn", as_=as_))
    assert type(data) is kind
    if as_ == "pandas":
        data.iloc[0, 0] = 0.0  # writable


def test_a_failed_run_raises_with_its_account(pipeline: DataPipeline, files: Path) -> None:
    with pytest.raises(RunError, match="in validation") as caught:
        asyncio.run(pipeline.process_file(files / "broken.csv", "customer_churn"))
    error = caught.value
    assert error.stage == "validation"
    assert error.state.status is RunStatus.FAILED  # type: ignore[attr-defined]
    assert error.run_id == error.state.run_id  # type: ignore[attr-defined]
    assert error.state.error.category == "compatibility"  # type: ignore[attr-defined]
    assert isinstance(error.__cause__, SchemaError)
    with pytest.raises(RunError) as caught:
        asyncio.run(pipeline.process_file(files / "none.csv", "customer_churn"))
    assert isinstance(caught.value.__cause__, FileNotFoundError)
    assert asyncio.run(pipeline.run(str(error.run_id))) == error.state


def test_a_batch_keeps_its_order_and_runs_doubles_once(
    pipeline: DataPipeline, files: Path, tmp_path: Path
) -> None:
    link = tmp_path / "link.csv"
    link.symlink_to(files / "jan.csv")
    heard: list[RunEvent] = []
    results = asyncio.run(
        pipeline.process_batch(
            [
                (files / "jan.csv", "customer_churn"),
                (files / "broken.csv", "customer_churn"),
                (str(link), "customer_churn"),
                {"file_path": files / "jan.csv", "blueprint_name": "customer_churn",
                 "output": tmp_path / "jan.parquet"},
            ],
            on_event=heard.append,
        )
    )  # fmt: skip
    states = [state for _, state in results]
    assert [str(state.status) for state in states] == [
        "COMPLETED", "FAILED", "COMPLETED", "COMPLETED",
    ]  # fmt: skip
    assert states[0] == states[2]
    assert states[0].run_id != states[3].run_id
    assert len({event.run_id for event in heard}) == 3
    assert results[1][0] is None
    results[0][0].iloc[0, 0] = -77.0  # a copy of its own
    assert results[2][0].iloc[0, 0] != -77.0
    assert (tmp_path / "jan.parquet").exists()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ({"blueprint_name": "customer_chum"}, "'customer_churn'"),
        ({"config": {"limit": {}}}, "limits"),
        ({"preprocessing_config": {"scaling_method": "robusd"}}, "robust"),
        ({"output": "made.xlsx"}, "parquet"),
        ({"as_": "spark"}, "as_"),
        ({"file_path": b"bytes"}, "process_stream"),
        ({"on_event": 3}, "on_event"),
        ({"config": {"horizon_days": 3}}, "horizon_days"),
    ],
)
def test_what_cannot_be_meant_begins_nothing(
    pipeline: DataPipeline, call: dict[str, Any], words: str
) -> None:
    before = len(asyncio.run(pipeline.runs()))
    with pytest.raises(ParameterError, match=words):
        asyncio.run(
            pipeline.process_file(
                **{"file_path": "a.csv", "blueprint_name": "customer_churn", **call}
            )
        )
    assert len(asyncio.run(pipeline.runs())) == before


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ("a.csv", "items"),
        ({"file_path": "a.csv"}, "blueprint_name"),
        ({"path": "a.csv", "blueprint_name": "customer_churn"}, "file_path"),
    ],
)
def test_items_of_a_batch_are_checked(pipeline: DataPipeline, item: Any, words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        asyncio.run(pipeline.process_batch([item]))
    with pytest.raises(ParameterError, match="max_concurrent"):
        asyncio.run(pipeline.process_batch([], max_concurrent=0))
    assert asyncio.run(pipeline.process_batch([])) == []


def test_runs_in_the_background(pipeline: DataPipeline, files: Path) -> None:
    heard: list[RunEvent] = []

    async def later(event: RunEvent) -> None:
        await asyncio.sleep(0)
        heard.append(event)

    async def main() -> tuple[str, list[RunEvent]]:
        run_id = await pipeline.submit_file(files / "jan.csv", "customer_churn", on_event=later)
        return run_id, [event async for event in pipeline.events(run_id)]

    run_id, events = asyncio.run(main())
    assert events[-1].status is RunStatus.COMPLETED
    assert heard == events[: len(heard)]
    assert len(heard) >= len(events) - 1  # the last may come with the end of the loop
    data, state = asyncio.run(pipeline.wait(run_id))  # in another loop
    assert len(data) > 0
    assert state.run_id == run_id
    assert asyncio.run(pipeline.wait(run_id))[0] is None  # it was fetched
    assert asyncio.run(pipeline.cancel(run_id)) is False
    assert events[0].at <= events[-1].at


def test_whoever_gives_up_waiting_cancels_the_run(pipeline: DataPipeline, files: Path) -> None:
    async def main() -> str:
        started = asyncio.Event()
        seen: list[str] = []

        def note(event: RunEvent) -> None:
            seen.append(event.run_id)
            if event.stage is not None:
                started.set()

        work = asyncio.create_task(
            pipeline.process_file(files / "data.csv", "customer_churn", on_event=note)
        )
        await started.wait()
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        return seen[0]

    run_id = asyncio.run(main())
    assert asyncio.run(pipeline.run(run_id)).status is RunStatus.CANCELLED


@pytest.mark.parametrize("how", ["too long", "too short", "broken", "no stream", "cancelled"])
def test_uploads_that_do_not_come_whole(pipeline: DataPipeline, files: Path, how: str) -> None:
    content = (files / "jan.csv").read_bytes()

    async def stream() -> AsyncIterator[bytes]:
        yield content[:500]
        if how == "broken":
            raise ConnectionResetError("peer")
        if how == "cancelled":
            (state,) = await pipeline.runs(status="PENDING")
            assert await pipeline.cancel(state.run_id)
            await asyncio.sleep(60)
        yield content[500:]

    length = {"too long": len(content) - 1, "too short": len(content) + 1}.get(how)
    given: Any = 3 if how == "no stream" else stream()
    began = time.monotonic()
    with pytest.raises(RunError) as caught:
        asyncio.run(
            pipeline.process_stream(given, "../jan.csv", "customer_churn", content_length=length)
        )
    assert time.monotonic() - began < 30
    state: Any = caught.value.state
    expected = RunStatus.CANCELLED if how == "cancelled" else RunStatus.FAILED
    assert state.status is expected
    assert state.source == "jan.csv"
    assert state.ingestion.report is None
    if how in ("too long", "too short"):
        assert isinstance(caught.value.__cause__, IngestionError)
    folder = Path(pipeline.state_dir or "") / "work"
    assert list(folder.iterdir()) == []


def test_results_are_remembered(files: Path, tmp_path: Path) -> None:
    output = tmp_path / "made.parquet"
    second, third = tmp_path / "second.parquet", tmp_path / "third.parquet"
    pipeline = DataPipeline(state_dir=tmp_path / "state", max_concurrent_pipelines=1)

    async def main() -> None:
        first, made = await pipeline.process_file(
            files / "jan.csv", "customer_churn", output=output
        )
        assert not made.from_cache
        data, state = await pipeline.process_file(
            files / "jan.csv", "customer_churn", output=second
        )
        assert state.from_cache
        assert state.run_id != made.run_id
        assert state.seconds < 2
        pd.testing.assert_frame_equal(data, first)
        assert second.read_bytes() == output.read_bytes()
        assert state.output.checksum == made.output.checksum
        assert state.pipeline.transform(ts.read_csv(files / "jan.csv").frame).shape == data.shape
        assert state.pipeline_path != made.pipeline_path
        assert state.ingestion.report.source == str(files / "jan.csv")
        assert state.validation.report == made.validation.report
        assert state.source_bytes == made.source_bytes
        # other options are other work, and so is another file
        for change in (
            {"preprocessing_config": {"scaling_method": "standard"}},
            {"fitted": made.pipeline_path},
        ):
            _, other = await pipeline.process_file(
                files / "jan.csv", "customer_churn", output=third, **change
            )
            assert not other.from_cache
        assert (await pipeline.metrics()) is not None
        assert "tracer_runs" in (await pipeline.metrics()).text()  # type: ignore[union-attr]
        assert (await pipeline.store()).throughput()
        assert (await pipeline.sweep()).outputs == 0
        assert await pipeline.runs(principal="local")
        await pipeline.close()

    asyncio.run(main())


def test_the_policy_decides(files: Path, tmp_path: Path) -> None:
    allowed = {("ana", "process"), ("ana", "read"), ("aud", "audit")}
    pipeline = DataPipeline(
        state_dir=tmp_path,
        access_policy=lambda who, action, blueprint: (who, action) in allowed,
        principal="eve",
        cache_url=None,
        enable_monitoring=False,
    )

    async def main() -> None:
        path = files / "jan.csv"
        with pytest.raises(AccessDeniedError, match="'eve'"):
            await pipeline.process_file(path, "customer_churn")
        with pytest.raises(AccessDeniedError):
            await pipeline.process_batch([(path, "customer_churn")])
        run_id = await pipeline.submit_file(path, "customer_churn", principal="ana")
        with pytest.raises(AccessDeniedError):
            await pipeline.cancel(run_id)
        with pytest.raises(AccessDeniedError):
            [event async for event in pipeline.events(run_id)]
        with pytest.raises(AccessDeniedError):
            await pipeline.run(run_id)
        with pytest.raises(AccessDeniedError):
            await pipeline.runs()
        with pytest.raises(AccessDeniedError):
            await pipeline.sweep()
        with pytest.raises(AccessDeniedError):
            await pipeline.wait(run_id)
        assert (await pipeline.run(run_id, principal="ana")).principal == "ana"
        await pipeline.wait(run_id, principal="ana")
        assert (await pipeline.verify_audit(principal="aud")).ok
        denied = (await pipeline.audit()).entries(action="access.denied")
        assert len(denied) == 8
        assert await pipeline.metrics() is None
        await pipeline.close()

    asyncio.run(main())


def test_where_the_state_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACER_STATE_DIR", str(tmp_path / "there"))
    assert state_folder() == tmp_path / "there"
    assert state_folder(tmp_path) == tmp_path
    monkeypatch.delenv("TRACER_STATE_DIR")
    assert state_folder().name == "tracer"


def test_a_configuration_for_all_runs(files: Path, tmp_path: Path) -> None:
    async def main() -> None:
        config = PipelineConfig(preprocessing_config={"scaling_method": "none"})
        async with DataPipeline(config, state_dir=tmp_path, cache_url=None) as pipeline:
            _, state = await pipeline.process_file(
                files / "jan.csv", "customer_churn", config={"limits": {"timeout_seconds": 99}}
            )
        assert state.preprocessing.options["scaling_method"] == "none"
        assert state.config["limits"]["timeout_seconds"] == 99

    asyncio.run(main())
