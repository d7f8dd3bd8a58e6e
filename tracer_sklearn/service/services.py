"""One step at a time: async faces of reading, judging and preprocessing, without runs."""

from __future__ import annotations

import asyncio
import io
import os
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

from sklearn.pipeline import Pipeline

from tracer_sklearn._params import check_flag, check_integer
from tracer_sklearn.blueprints import blueprint_pipeline
from tracer_sklearn.exceptions import IngestionError, InputTypeError
from tracer_sklearn.io._source import open_source
from tracer_sklearn.io.csv import Ingested, read_csv
from tracer_sklearn.io.limits import AnyLimits, IngestionLimits, limits_of
from tracer_sklearn.io.tables import TEXT_OPTIONS, read_table
from tracer_sklearn.schema import default_registry
from tracer_sklearn.service.config import PreprocessingConfig, QualityThresholds, ValidationConfig
from tracer_sklearn.service.uploads import ByteStream, finished, safe_name, spooled
from tracer_sklearn.stages.validation import (
    CompatibilityReport,
    DataValidator,
    QualityReport,
    check_compatibility,
)

__all__ = [
    "DataIngestionService",
    "DataPreprocessingService",
    "DataValidationService",
    "aread_csv",
]

_CHECKS = {
    "schema_validation": "schema",
    "quality_checks": "quality",
    "statistical_validation": "statistical",
}


async def aread_csv(
    source: ByteStream | str | os.PathLike[str],
    *,
    filename: str | None = None,
    content_length: int | None = None,
    schema: Any = None,
    encoding: str = "auto",
    delimiter: str = "auto",
    header: str | int | None = "auto",
    decimal: str = "auto",
    columns: Sequence[str] | Callable[[list[str]], Sequence[str]] | None = None,
    on_bad_lines: str = "set_aside",
    limits: AnyLimits = None,
    as_: str = "pandas",
) -> Ingested:
    r"""Read a table as `read_csv` does, without holding up the event loop.

    Use it in a handler or a notebook that does other things meanwhile. It runs in a thread of
    this process; for many files, or files of strangers, `DataPipeline` has processes with limits.

    Parameters
    ----------
    source : path, bytes or stream of bytes
        What `read_csv` reads, and an async stream: an async iterator of bytes, or an object whose
        ``read(n)`` is awaited, such as an ``UploadFile`` of FastAPI. A stream is first written to
        a private temporary file, under the limits, which is removed whatever happens.
    filename : str or None, default=None
        How a stream is called in the report and in messages; None for its own ``filename`` where
        it has one. Reduced by `safe_name`.
    content_length : int or None, default=None
        How many bytes a stream must have; None where nobody said.
    schema, encoding, delimiter, header, decimal, columns, on_bad_lines, limits, as_ : optional
        As for `read_csv`.

    Returns
    -------
    Ingested
        ``frame`` and ``report``.

    Raises
    ------
    IngestionError
        As `read_csv`; also if a stream is longer or shorter than announced.
    InputTypeError
        If a stream yields something else than bytes.
    ParameterError
        As `read_csv`.

    Examples
    --------
    >>> import asyncio
    >>> from tracer_sklearn.service import aread_csv
    >>> async def upload():
    ...     yield b"id;price\n"
    ...     yield b"1;2,50\n2;3,75\n"
    >>> frame, report = asyncio.run(aread_csv(upload(), filename="prices.csv"))
    >>> frame["price"].tolist(), report.source
    ([2.5, 3.75], 'prices.csv')
    """
    options = {
        "schema": schema,
        "encoding": encoding,
        "delimiter": delimiter,
        "header": header,
        "decimal": decimal,
        "columns": columns,
        "on_bad_lines": on_bad_lines,
        "limits": limits,
        "as_": as_,
    }
    if _is_stored(source):
        return await asyncio.to_thread(read_csv, source, **options)  # type: ignore[arg-type]
    name = _name_of(source, filename)
    async with _spooled(source, name, limits, content_length) as path:
        return await asyncio.to_thread(_read_named, read_csv, path, name, options)


class DataIngestionService:
    r"""Read files and uploads into tables, beside the event loop and under limits.

    The first step of `DataPipeline`, for those who want only this one.

    Parameters
    ----------
    max_file_size : int, default=104857600
        Most bytes of a file, counted after decompression. 100 MiB, because a table read whole
        takes several times its size in memory.
    chunk_size : int, default=8192
        Bytes that a stream is asked for at once; small, so that an upload is refused early.
    enable_compression : bool, default=True
        Whether gzip, zstd, bz2, xz and zip are read. False where clients have no reason to
        compress: nothing unfolds then.

    Examples
    --------
    >>> import asyncio
    >>> from tracer_sklearn.service import DataIngestionService
    >>> service = DataIngestionService(max_file_size=1_000_000)
    >>> frame, report = asyncio.run(service.ingest_file(b"id,price\n1,2.50\n"))
    >>> report.columns["price"].kind
    'number'
    """

    def __init__(
        self,
        max_file_size: int = 100 * 1024 * 1024,
        chunk_size: int = 8192,
        enable_compression: bool = True,
    ) -> None:
        self.max_file_size = max_file_size
        self.chunk_size = chunk_size
        self.enable_compression = enable_compression

    async def ingest_file(
        self,
        file_path: str | os.PathLike[str] | bytes,
        *,
        schema: Any = None,
        encoding: str = "auto",
        delimiter: str = "auto",
        header: str | int | None = "auto",
        decimal: str = "auto",
        columns: Sequence[str] | Callable[[list[str]], Sequence[str]] | None = None,
        on_bad_lines: str = "set_aside",
        limits: AnyLimits = None,
        as_: Literal["pandas", "polars", "arrow"] = "pandas",
    ) -> Ingested:
        """Read a file of any format that `read_table` knows.

        Parameters
        ----------
        file_path : path or bytes
            The file, or its content.
        schema : optional
            As for `read_table`.
        encoding, delimiter, header, decimal : optional
            As for `read_csv`, for text only.
        columns : optional
            As for `read_table`.
        on_bad_lines : optional
            As for `read_csv`, for text only.
        limits : optional
            As for `read_table`, but for ``max_bytes``, which is that of the service.
        as_ : optional
            As for `read_table`.

        Returns
        -------
        Ingested
            ``frame`` and ``report``.

        Raises
        ------
        IngestionError
            If the file cannot be read, passes a limit, or is compressed and must not be.
        InputTypeError
            If it is neither a path nor bytes.
        ParameterError
            If an option, or a parameter of the service, is not legal.
        """
        if not isinstance(file_path, str | os.PathLike | bytes | bytearray | memoryview):
            raise InputTypeError(
                "DataIngestionService: ingest_file needs a path or bytes, found "
                f"{type(file_path).__qualname__}; give a stream to ingest_stream.",
                received=type(file_path).__qualname__,
            )
        text = _text_options(encoding, delimiter, header, decimal, on_bad_lines)
        own = self._limits(limits)
        return await asyncio.to_thread(
            self._read, file_path, schema=schema, columns=columns, limits=own, as_=as_, **text
        )

    async def ingest_stream(
        self,
        file_stream: ByteStream,
        filename: str | None = None,
        content_length: int | None = None,
        *,
        schema: Any = None,
        encoding: str = "auto",
        delimiter: str = "auto",
        header: str | int | None = "auto",
        decimal: str = "auto",
        columns: Sequence[str] | Callable[[list[str]], Sequence[str]] | None = None,
        on_bad_lines: str = "set_aside",
        limits: AnyLimits = None,
        as_: Literal["pandas", "polars", "arrow"] = "pandas",
    ) -> Ingested:
        """Read an upload, which passes through a private temporary file.

        Parameters
        ----------
        file_stream : stream of bytes
            As for `spooled`: async or not, an iterator or something with ``read(n)``.
        filename : str or None, default=None
            As the client sent it; None for the stream's own ``filename`` where it has one.
        content_length : int or None, default=None
            How many bytes were announced; None where nobody said.
        schema, encoding, delimiter, header, decimal, columns : optional
            As for `ingest_file`.
        on_bad_lines, limits, as_ : optional
            As for `ingest_file`.

        Returns
        -------
        Ingested
            ``frame`` and ``report``, which calls the source by its safe name.

        Raises
        ------
        IngestionError
            As for `ingest_file`; also if more or fewer bytes come than announced.
        InputTypeError
            If it is no stream of bytes.
        ParameterError
            As for `ingest_file`.
        """
        own = self._limits(limits)
        options = {"schema": schema, "columns": columns, "limits": own, "as_": as_}
        options |= _text_options(encoding, delimiter, header, decimal, on_bad_lines)
        name = _name_of(file_stream, filename)
        async with _spooled(file_stream, name, own, content_length, self.chunk_size) as path:
            return await asyncio.to_thread(_read_named, self._read, path, name, options)

    def _limits(self, limits: AnyLimits) -> IngestionLimits:
        who = type(self).__name__
        check_integer(who, "max_file_size", self.max_file_size, low=1)
        check_integer(who, "chunk_size", self.chunk_size, low=1)
        check_flag(who, "enable_compression", self.enable_compression)
        return limits_of(limits).model_copy(update={"max_bytes": self.max_file_size})

    def _read(self, source: Any, *, limits: IngestionLimits, **options: Any) -> Ingested:
        if not self.enable_compression:
            with open_source(source, limits) as opened:
                if opened.compression != "none":
                    raise IngestionError.from_reason(
                        opened.name,
                        f"it is compressed ({opened.compression}), which is not accepted here",
                        "unpack it first, or set `enable_compression=True`",
                    )
            if isinstance(source, _Upload):
                source.seek(0)
        return read_table(source, limits=limits, **options)


class DataValidationService:
    """Judge tables beside the event loop.

    The second step of `DataPipeline`, for those who want only this one. It judges and raises
    nothing about what it finds.

    Parameters
    ----------
    validation_config : ValidationConfig, dict or None, default=None
        Which groups of checks; None for all.
    quality_thresholds : QualityThresholds, dict or None, default=None
        Below which shares a finding is CRITICAL; None for the defaults of `DataValidator`.

    Examples
    --------
    >>> import asyncio
    >>> import tracer_sklearn as ts
    >>> from tracer_sklearn.service import DataValidationService
    >>> X, _ = ts.datasets.make_customer_churn(300, random_state=0)
    >>> service = DataValidationService(quality_thresholds={"completeness": 0.9})
    >>> report = asyncio.run(service.validate(X, "customer_churn"))
    >>> report.passed, asyncio.run(service.check_compatibility(X)).best.blueprint
    (True, 'customer_churn')
    """

    def __init__(
        self,
        validation_config: ValidationConfig | Mapping[str, bool] | None = None,
        quality_thresholds: QualityThresholds | Mapping[str, float] | None = None,
    ) -> None:
        self.validation_config = validation_config
        self.quality_thresholds = quality_thresholds

    async def validate(
        self, frame: Any, blueprint_name: str, *, fields: Mapping[str, str] | None = None
    ) -> QualityReport:
        """Judge a table by the schema of a blueprint.

        Parameters
        ----------
        frame : {array-like, pandas, Polars or PyArrow frame, lazy frame} of shape \
(n_rows, n_columns)
            Rows to judge.
        blueprint_name : str
            A registered schema, such as "customer_churn".
        fields : mapping of str to str or None, default=None
            The schema's names to those of the frame, where they differ.

        Returns
        -------
        report : QualityReport
            Everything that was found.

        Raises
        ------
        ParameterError
            If no schema has this name, ``fields`` does not fit it, or a part of the service's
            configuration is not legal.
        InputTypeError
            If it is no table.
        """
        config = ValidationConfig.model_validate(self.validation_config or {})
        least = QualityThresholds.model_validate(self.quality_thresholds or {})
        validator = DataValidator(
            default_registry.get(blueprint_name).renamed(fields),
            checks=tuple(check for name, check in _CHECKS.items() if getattr(config, name)),
            min_completeness=least.completeness,
            min_uniqueness=least.uniqueness,
            min_validity=least.validity,
        )
        return await asyncio.to_thread(validator.report, frame)

    async def check_compatibility(self, frame: Any) -> CompatibilityReport:
        """Find out which blueprints a table can serve, as `tracer_sklearn.check_compatibility`.

        Parameters
        ----------
        frame : {pandas, Polars or PyArrow frame, Polars LazyFrame, DuckDB relation} of shape \
(n_rows, n_columns)
            Rows with named columns.

        Returns
        -------
        report : CompatibilityReport
            For every blueprint whether it can run, and with which mapping of names.

        Raises
        ------
        InputTypeError
            If it is no frame with named columns.
        """
        return await asyncio.to_thread(check_compatibility, frame)


class DataPreprocessingService:
    """Fit and apply a blueprint's pipeline beside the event loop.

    The last step of `DataPipeline`, for those who want only this one. What it fits is the
    blueprint's own `Pipeline`.

    Parameters
    ----------
    preprocessing_config : PreprocessingConfig, dict or None, default=None
        The four options of the blueprint; None for its defaults.

    Notes
    -----
    Pipelines keep every row. ``missing_value_strategy="drop"`` marks rows for
    `MissingValueImputer.transform_x_y` only; `DataPipeline` calls it.

    Examples
    --------
    >>> import asyncio
    >>> import tracer_sklearn as ts
    >>> from tracer_sklearn.service import DataPreprocessingService
    >>> X, y = ts.datasets.make_customer_churn(300, random_state=0)
    >>> service = DataPreprocessingService({"scaling_method": "none"})
    >>> data, pipeline = asyncio.run(service.fit_transform(X, "customer_churn", y))
    >>> data.equals(asyncio.run(service.transform(X, pipeline)))
    True
    """

    def __init__(
        self, preprocessing_config: PreprocessingConfig | Mapping[str, Any] | None = None
    ) -> None:
        self.preprocessing_config = preprocessing_config

    async def fit_transform(
        self, frame: Any, blueprint_name: str, y: Any = None, **options: Any
    ) -> tuple[Any, Pipeline]:
        """Fit the pipeline of a blueprint and return the processed rows with it.

        Parameters
        ----------
        frame : {pandas, Polars or PyArrow frame, lazy frame} of shape (n_rows, n_columns)
            Training rows, with the blueprint's fields.
        blueprint_name : {"customer_churn", "price_optimization", "revenue_projection"}
            The blueprint.
        y : array-like of shape (n_rows,) or None, default=None
            The outcome, where an option needs it.
        **options
            Arguments of the blueprint's pipeline function, such as ``fields``. They come before
            ``preprocessing_config``.

        Returns
        -------
        data : frame of shape (n_rows, n_features)
            The processed rows, in the library that was given; lazy ones are gathered.
        pipeline : sklearn.pipeline.Pipeline
            Fitted.

        Raises
        ------
        ParameterError
            If no blueprint has this name, or an option is not legal.
        TypeError
            If the blueprint's pipeline function has no such argument.
        TracerError
            What the stages raise of a table that they cannot serve, such as a `SchemaError`.
        """
        pipeline = self._pipeline(blueprint_name, options)
        data = await asyncio.to_thread(pipeline.fit_transform, frame, y)
        return data, pipeline

    async def fit(self, frame: Any, blueprint_name: str, y: Any = None, **options: Any) -> Pipeline:
        """Fit the pipeline of a blueprint.

        Parameters
        ----------
        frame, blueprint_name : frame of shape (n_rows, n_columns) and str
            As for `fit_transform`.
        y : optional
            As for `fit_transform`.
        **options
            As for `fit_transform`.

        Returns
        -------
        pipeline : sklearn.pipeline.Pipeline
            Fitted.

        Raises
        ------
        ParameterError, TracerError
            As for `fit_transform`.
        """
        pipeline = self._pipeline(blueprint_name, options)
        return await asyncio.to_thread(pipeline.fit, frame, y)

    async def transform(self, frame: Any, pipeline: Any) -> Any:
        """Apply a fitted pipeline.

        Parameters
        ----------
        frame : {pandas, Polars or PyArrow frame, lazy frame} of shape (n_rows, n_columns)
            Rows with the columns of the training rows.
        pipeline : sklearn.pipeline.Pipeline
            What `fit` returned.

        Returns
        -------
        data : frame of shape (n_rows, n_features)
            The processed rows, of the kind that was given: lazy ones stay lazy.

        Raises
        ------
        SchemaError
            If a column of the training rows is missing.
        """
        return await asyncio.to_thread(pipeline.transform, frame)

    def _pipeline(self, blueprint_name: str, options: Mapping[str, Any]) -> Pipeline:
        config = PreprocessingConfig.model_validate(self.preprocessing_config or {})
        chosen = {**config.model_dump(exclude_none=True), **options}
        return blueprint_pipeline(blueprint_name, **chosen)


def _text_options(
    encoding: str, delimiter: str, header: str | int | None, decimal: str, on_bad_lines: str
) -> dict[str, Any]:
    """Return what says how text is written; `read_table` refuses it for other formats."""
    given = {
        "encoding": encoding,
        "delimiter": delimiter,
        "header": header,
        "decimal": decimal,
        "on_bad_lines": on_bad_lines,
    }
    return {name: value for name, value in given.items() if value != TEXT_OPTIONS[name]}


def _is_stored(source: Any) -> bool:
    """Whether a thread can read it as it is: a path, bytes, or a file that blocks."""
    if isinstance(source, str | os.PathLike | bytes | bytearray | memoryview):
        return True
    return isinstance(source, io.IOBase)


def _name_of(stream: Any, filename: str | None) -> str:
    own = getattr(stream, "filename", None)
    return safe_name(filename or (own if isinstance(own, str) else None))


@asynccontextmanager
async def _spooled(
    stream: Any,
    name: str,
    limits: AnyLimits,
    content_length: int | None,
    chunk_size: int = 1 << 20,
) -> AsyncIterator[Path]:
    """Give the private file of a stream; remove it and its folder when the block is left."""
    folder = tempfile.TemporaryDirectory(prefix="tracer-")  # in a thread, a cancel would lose it
    try:
        yield await spooled(
            stream,
            name,
            folder.name,
            limits=limits,
            content_length=content_length,
            chunk_size=chunk_size,
        )
    finally:
        await finished(folder.cleanup)


def _read_named(
    read: Callable[..., Ingested], path: Path, name: str, options: dict[str, Any]
) -> Ingested:
    """Read an upload that is called by its own name in the report and in errors."""
    with _Upload(path) as file:
        file.name = name
        return read(file, **options)


class _Upload(io.FileIO):
    """A file whose name is not its path."""

    name: str
