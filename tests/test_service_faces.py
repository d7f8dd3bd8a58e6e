"""The async faces add scheduling and limits, never another result."""

from __future__ import annotations

import asyncio
import gzip
import inspect
import io
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import tracer_sklearn as ts
from tracer_sklearn import service
from tracer_sklearn.exceptions import IngestionError, InputTypeError, ParameterError
from tracer_sklearn.schema import default_registry
from tracer_sklearn.service import (
    DataIngestionService,
    DataPipeline,
    DataPreprocessingService,
    DataValidationService,
    aread_csv,
    services,
)

CSV = b"id;price;since\n1;2,50;31.01.2024\n2;3,75;01.02.2024\n"


@pytest.fixture(autouse=True)
def temporary(tmp_path_factory: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files go; it must be empty whenever a call is over."""
    folder: Path = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


async def _stream(data: bytes = CSV, size: int = 7) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        await asyncio.sleep(0)
        yield data[start : start + size]


class _Upload:
    def __init__(self, filename: str | None, data: bytes = CSV) -> None:
        self.filename = filename
        self._file = io.BytesIO(data)
        self.asked: list[int] = []

    async def read(self, n: int = -1) -> bytes:
        self.asked.append(n)
        return self._file.read(n)


def _zip(data: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", data)
    return file.getvalue()


# ----------------------------------------------------------------------------------- reading


@pytest.mark.parametrize("kind", ["path", "bytes", "file", "async", "upload", "iterator"])
def test_aread_csv_reads_what_read_csv_reads(kind: str, tmp_path: Path, temporary: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(CSV)
    source = {
        "path": lambda: path,
        "bytes": lambda: CSV,
        "file": lambda: io.BytesIO(CSV),
        "async": _stream,
        "upload": lambda: _Upload("a.csv"),
        "iterator": lambda: iter([CSV[:5], CSV[5:]]),
    }[kind]()
    frame, report = asyncio.run(aread_csv(source, decimal=","))
    expected, _ = ts.read_csv(CSV, decimal=",")
    pd.testing.assert_frame_equal(frame, expected)
    assert report.lines.rows == 2
    assert not list(temporary.iterdir())


@pytest.mark.parametrize(
    ("source", "filename", "name"),
    [
        (_Upload("../../up.csv"), None, "up.csv"),
        (_Upload("up.csv"), "C:\\named.csv", "named.csv"),
        (_Upload(None), None, "upload"),
        (_stream(), "jan\r\n.csv", "jan.csv"),
    ],
)
def test_an_upload_is_called_by_its_safe_name(source: Any, filename: str, name: str) -> None:
    service = DataIngestionService()
    assert asyncio.run(service.ingest_stream(source, filename)).report.source == name


def test_errors_name_the_upload_and_no_folder_of_the_server(temporary: Path) -> None:
    for call in (
        lambda: aread_csv(_stream(b""), filename="../up.csv"),
        lambda: DataIngestionService().ingest_stream(_stream(b"%PDF-1.7 etc"), "../up.csv"),
        lambda: aread_csv(_stream(), filename="up.csv", content_length=3),
        lambda: aread_csv(_stream(), filename="up.csv", limits=ts.IngestionLimits(max_bytes=9)),
    ):
        with pytest.raises(IngestionError, match=r"^up\.csv: ") as caught:
            asyncio.run(call())
        assert caught.value.path == "up.csv"
        assert str(temporary) not in str(caught.value)
        assert not list(temporary.iterdir())


def test_options_of_the_reader_are_handed_on() -> None:
    frame, _ = asyncio.run(aread_csv(_stream(), columns=["price"], as_="polars"))
    assert frame.columns == ["price"]
    frame, _ = asyncio.run(DataIngestionService().ingest_file(CSV, columns=["id"], as_="arrow"))
    assert frame.column_names == ["id"]


def test_limits_may_be_a_mapping(temporary: Path) -> None:
    service = DataIngestionService()

    def calls(limits: Any) -> list[Any]:
        return [
            lambda: aread_csv(CSV, limits=limits),
            lambda: aread_csv(_stream(), limits=limits),
            lambda: service.ingest_file(CSV, limits=limits),
            lambda: service.ingest_stream(_stream(), limits=limits),
        ]

    for call in calls({"max_columns": 2}):
        with pytest.raises(IngestionError, match="more than 2 columns"):
            asyncio.run(call())
    for call in calls({"max_colums": 2}):
        with pytest.raises(ParameterError, match=r"`max_colums` .* did you mean 'max_columns'"):
            asyncio.run(call())
    for call in calls({"max_columns": 3}):
        assert asyncio.run(call()).frame.shape == (2, 3)
    for call in calls(7):
        with pytest.raises(ParameterError, match="`limits` must be an IngestionLimits, a mapping"):
            asyncio.run(call())
    assert not list(temporary.iterdir())


def _faces() -> list[Any]:
    """Every public function and method of the service that takes arguments by name."""
    found = []
    for name in service.__all__:
        face = getattr(service, name)
        if inspect.isclass(face) and face.__module__.startswith("tracer_sklearn.service."):
            methods = {n: m for n, m in vars(face).items() if not n.startswith("_")}
            if issubclass(face, DataPipeline):
                methods |= {n: getattr(face, n) for n in dir(face) if not n.startswith("_")}
            found += [m for m in methods.values() if inspect.isfunction(m)]
        elif inspect.isfunction(face):
            found.append(face)
    return found


@pytest.mark.parametrize("face", _faces(), ids=lambda face: face.__qualname__)
def test_an_unknown_keyword_is_refused_by_the_face_itself(face: Any) -> None:
    kinds = {p.kind for p in inspect.signature(face).parameters.values()}
    own = {"DataPreprocessingService.fit", "DataPreprocessingService.fit_transform"}
    passes_on = face.__qualname__ in own  # to the function of a blueprint that is named only then
    assert (inspect.Parameter.VAR_KEYWORD in kinds) is passes_on
    if not passes_on:
        name = face.__name__.strip("_")
        with pytest.raises(TypeError, match=rf"{name}\(\) got an unexpected keyword argument"):
            face(nope=1)


def test_options_of_a_call_come_before_those_of_the_preprocessing_service() -> None:
    X, _ = ts.datasets.make_customer_churn(60, random_state=0)
    face = DataPreprocessingService({"scaling_method": "none"})
    fitted = asyncio.run(face.fit(X, "customer_churn", scaling_method="minmax"))
    assert fitted.named_steps["scale"].method == "minmax"
    with pytest.raises(TypeError, match=r"customer_churn_pipeline\(\) got an unexpected .* 'nope'"):
        asyncio.run(face.fit(X, "customer_churn", nope=1))


def test_the_size_counts_after_decompression(temporary: Path) -> None:
    packed = gzip.compress(CSV * 1000)
    service = DataIngestionService(max_file_size=10_000)
    assert len(packed) < 10_000 < len(CSV * 1000)
    for call in (
        lambda: service.ingest_file(packed),
        lambda: service.ingest_stream(_stream(packed), "a.csv.gz"),
        lambda: service.ingest_file(packed, limits=ts.IngestionLimits(max_bytes=10**9)),
    ):
        with pytest.raises(IngestionError, match="more than 10,000 bytes after decompression"):
            asyncio.run(call())
    assert not list(temporary.iterdir())


@pytest.mark.parametrize(("kind", "pack"), [("gzip", gzip.compress), ("zip", _zip)])
def test_compression_can_be_refused(kind: str, pack: Any) -> None:
    packed = pack(CSV)
    assert len(asyncio.run(DataIngestionService().ingest_file(packed)).frame) == 2
    service = DataIngestionService(enable_compression=False)
    for call in (
        lambda: service.ingest_file(packed),
        lambda: service.ingest_stream(_stream(packed), "a.csv"),
    ):
        with pytest.raises(IngestionError, match=rf"it is compressed \({kind}\)"):
            asyncio.run(call())
    assert len(asyncio.run(service.ingest_file(CSV)).frame) == 2
    assert len(asyncio.run(service.ingest_stream(_stream())).frame) == 2


def test_a_stream_is_asked_for_chunks() -> None:
    upload = _Upload("a.csv")
    asyncio.run(DataIngestionService(chunk_size=16).ingest_stream(upload))
    assert set(upload.asked) == {16}


def test_what_belongs_elsewhere_is_refused() -> None:
    with pytest.raises(InputTypeError, match="give a stream to ingest_stream"):
        asyncio.run(DataIngestionService().ingest_file(io.BytesIO(CSV)))  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match="DataIngestionService: `max_file_size`"):
        asyncio.run(DataIngestionService(max_file_size=0).ingest_file(CSV))
    for wrong, must in (
        ({"chunk_size": 0}, "`chunk_size` must be an integer >= 1, got 0"),
        ({"enable_compression": "no"}, "`enable_compression` must be True or False, got 'no'"),
    ):
        for asked in (
            DataIngestionService(**wrong).ingest_stream(_stream()),  # type: ignore[arg-type]
            DataIngestionService(**wrong).ingest_file(CSV),  # type: ignore[arg-type]
        ):
            with pytest.raises(ParameterError, match=f"^DataIngestionService: {must}"):
                asyncio.run(asked)


def test_the_loop_runs_on_and_a_cancel_leaves_nothing(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = threading.Event()

    def slow(*arguments: Any, **options: Any) -> Any:
        begun.set()
        time.sleep(0.2)
        return ts.read_csv(*arguments, **options)

    monkeypatch.setattr(services, "read_csv", slow)

    async def cancelled() -> None:
        task = asyncio.create_task(aread_csv(_stream(), filename="a.csv"))
        while not begun.is_set():
            await asyncio.sleep(0.001)
        assert list(temporary.iterdir())
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not list(temporary.iterdir())

    asyncio.run(cancelled())


# --------------------------------------------------------------------- judging and preparing


@pytest.fixture(scope="module")
def churn() -> tuple[pd.DataFrame, Any]:
    return ts.datasets.make_customer_churn(300, random_state=0)


def test_validation_judges_as_the_validator(churn: tuple[pd.DataFrame, Any]) -> None:
    X, _ = churn
    broken = X.assign(support_tickets=-1.0).rename(columns={"customer_id": "CustID"})
    service = DataValidationService()
    report = asyncio.run(
        service.validate(broken, "customer_churn", fields={"customer_id": "CustID"})
    )
    schema = default_registry.get("customer_churn").renamed({"customer_id": "CustID"})
    assert report.model_dump(exclude={"timings"}) == ts.DataValidator(schema).report(
        broken
    ).model_dump(exclude={"timings"})
    assert report.of("HIGH")


def test_groups_of_checks_and_thresholds_are_those_of_the_configuration(
    churn: tuple[pd.DataFrame, Any],
) -> None:
    X, _ = churn
    gaps = X.assign(last_activity_date=X["last_activity_date"].where(X.index % 10 > 0))
    strict = asyncio.run(DataValidationService().validate(gaps, "customer_churn"))
    loose = DataValidationService(
        {"statistical_validation": False}, {"completeness": 0.5, "validity": 0.5}
    )
    lax = asyncio.run(loose.validate(gaps, "customer_churn"))
    assert strict.of("CRITICAL")
    assert not lax.of("CRITICAL")
    with pytest.raises(ParameterError, match="did you mean 'completeness'"):
        asyncio.run(DataValidationService(None, {"completenes": 1}).validate(X, "customer_churn"))
    nothing = dict.fromkeys(
        ("schema_validation", "quality_checks", "statistical_validation"), False
    )
    with pytest.raises(ParameterError, match="`checks`"):
        asyncio.run(DataValidationService(nothing).validate(X, "customer_churn"))


def test_compatibility_is_asked_beside_the_loop(churn: tuple[pd.DataFrame, Any]) -> None:
    report = asyncio.run(DataValidationService().check_compatibility(churn[0]))
    assert report == ts.check_compatibility(churn[0])


def test_preprocessing_is_the_pipeline_of_the_blueprint(churn: tuple[pd.DataFrame, Any]) -> None:
    X, y = churn
    options = {"encoding_strategy": "onehot", "scaling_method": "standard"}
    service = DataPreprocessingService(options)
    data, pipeline = asyncio.run(service.fit_transform(X, "customer_churn", y))
    expected = ts.customer_churn_pipeline(**options)
    pd.testing.assert_frame_equal(data, expected.fit_transform(X, y))
    later = X.head(20)
    pd.testing.assert_frame_equal(
        asyncio.run(service.transform(later, pipeline)), expected.transform(later)
    )
    alone = asyncio.run(service.fit(X, "customer_churn", y))
    pd.testing.assert_frame_equal(alone.transform(later), expected.transform(later))


def test_wrong_options_are_refused_with_the_nearest(churn: tuple[pd.DataFrame, Any]) -> None:
    with pytest.raises(ParameterError, match="did you mean 'median'"):
        asyncio.run(
            DataPreprocessingService({"missing_value_strategy": "medain"}).fit(
                churn[0], "customer_churn"
            )
        )
    with pytest.raises(ParameterError, match="did you mean 'customer_churn'"):
        asyncio.run(DataPreprocessingService().fit(churn[0], "customer_chrun"))


def test_a_system_that_is_no_posix_is_named() -> None:
    """In a process of its own, which finds no such modules, as on Windows."""
    script = """
        import sys
        import psutil  # which finds its own way on every system
        sys.modules["fcntl"] = sys.modules["resource"] = None
        import tracer_sklearn as ts
        from tracer_sklearn.service import AuditTrail, PipelineConfig, RunStore, aread_csv
        from tracer_sklearn.service import DataIngestionService  # what needs no locks is there
        for name in ("DataPipeline", "PipelineOrchestrator"):
            try:
                getattr(ts.service, name)
            except ts.MissingDependencyError as error:
                print(error)
        """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    said = done.stdout.splitlines()
    assert len(said) == 2
    assert all(line.startswith("DataPipeline: the system must be a POSIX one") for line in said)
