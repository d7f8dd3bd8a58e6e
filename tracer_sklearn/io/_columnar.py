"""Tables that say their own types: Parquet, Arrow IPC and JSON lines, under limits."""

from __future__ import annotations

import codecs
import io
import json
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from tracer_sklearn.exceptions import IngestionError
from tracer_sklearn.io._compression import Format
from tracer_sklearn.io._source import Source
from tracer_sklearn.io.limits import RATIO_COUNTS_AFTER

_BATCH_ROWS = 65_536
_DEEPEST = 64  # lists and records in a value of JSON


def read_columnar(source: Source, format: Format) -> tuple[pa.Table, int]:
    """Read a table, and count its blank lines; what cannot be read is an IngestionError."""
    data = source.read()
    if format == "json":
        raise _fault(source, "it is one JSON document", "write one record per line (JSON lines)")
    read = {"parquet": _parquet, "arrow": _arrow}.get(format, _json_lines)
    try:
        table = read(data, source)
        # In a hostile file names and texts may be no text.
        table = table.rename_columns(table.column_names)
        table.validate(full=True)
    except (pa.ArrowException, OSError, UnicodeDecodeError, pl.exceptions.PolarsError) as error:
        raise _fault(source, f"its {format} data are damaged", "fetch the file again") from error
    return table, _blank_lines(data) if format == "jsonl" else 0


def _blank_lines(data: bytes) -> int:
    return len(re.findall(rb"^[ \t\r]*+\n", data, re.MULTILINE))


def _fault(source: Source, reason: str, advice: str, *, line: int | None = None) -> IngestionError:
    return IngestionError.from_reason(source.name, reason, advice, line=line)


class _Meter:
    """Counts what a table takes in memory, against the limits."""

    def __init__(self, source: Source, stored: int) -> None:
        self._source = source
        self._stored = stored
        self._total = 0

    def refuse_width(self, columns: int) -> None:
        most = self._source.limits.max_columns
        if columns > most:
            advice = "raise `max_columns` of the limits"
            raise _fault(self._source, f"it has more than {most:,} columns", advice)

    def add(self, n_bytes: int) -> None:
        self._total += n_bytes
        limits = self._source.limits
        if limits.max_bytes is not None and self._total > limits.max_bytes:
            raise _fault(
                self._source,
                f"it holds more than {limits.max_bytes:,} bytes of values",
                "raise `max_bytes` of the limits",
            )
        ratio = limits.max_ratio
        if ratio and self._total > max(RATIO_COUNTS_AFTER, ratio * self._stored):
            raise _fault(
                self._source,
                f"it unfolds to more than {ratio:g} times its stored size",
                "raise `max_ratio` of the limits if you trust it",
            )


def _parquet(data: bytes, source: Source) -> pa.Table:
    """Read a batch at a time, text as the codes it is stored as, so that a bomb is seen first."""
    import pyarrow.parquet as pq  # only who reads it waits for it

    meter = _Meter(source, len(data))
    file = pq.ParquetFile(pa.BufferReader(data))
    schema = file.schema_arrow
    meter.refuse_width(file.metadata.num_columns)
    coded = [field.name for field in schema if _is_text(field.type)]
    file = pq.ParquetFile(pa.BufferReader(data), read_dictionary=coded)
    batches = []
    for batch in file.iter_batches(_BATCH_ROWS):
        meter.add(sum(map(_unfolded, batch.columns)))
        batches.append(batch)
    table = pa.Table.from_batches(batches, file.schema_arrow)
    return table.cast(schema)


def _is_text(kind: pa.DataType) -> bool:
    return any(is_kind(kind) for is_kind in _TEXT_KINDS)


_TEXT_KINDS = (
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_binary,
    pa.types.is_large_binary,
)


def _unfolded(column: pa.Array) -> int:
    """Return the bytes of a column when no value shares its text with another."""
    if not isinstance(column, pa.DictionaryArray):
        return int(column.nbytes)
    lengths = pc.binary_length(column.dictionary)
    return int(pc.sum(lengths.take(column.indices)).as_py() or 0) + 4 * len(column)


def _arrow(data: bytes, source: Source) -> pa.Table:
    if data.startswith(b"FEA1"):
        raise _fault(source, "it is Feather of version 1", "write it as Feather 2 or Parquet")
    meter = _Meter(source, len(data))
    buffer = pa.BufferReader(data)
    if data.startswith(b"ARROW1"):
        file = pa.ipc.open_file(buffer)
        schema = file.schema
        batches: Iterator[pa.RecordBatch] = map(file.get_batch, range(file.num_record_batches))
    else:
        stream = pa.ipc.open_stream(buffer)
        schema, batches = stream.schema, iter(stream)
    meter.refuse_width(len(schema))
    kept = []
    for batch in batches:
        batch.validate(full=True)  # before anything follows its offsets
        meter.add(batch.nbytes)
        kept.append(batch)
    return pa.Table.from_batches(kept, schema)


# --------------------------------------------------------------------------------- JSON lines


def _json_lines(data: bytes, source: Source) -> pa.Table:
    limits = source.limits
    data = data.removeprefix(codecs.BOM_UTF8)
    ends = np.flatnonzero(np.frombuffer(data, dtype=np.uint8) == 0x0A)
    edges = np.concatenate(([-1], ends, [len(data)]))
    longest = int(np.argmax(np.diff(edges)))
    if edges[longest + 1] - edges[longest] > limits.max_row_bytes:
        reason = f"a row of more than {limits.max_row_bytes:,} bytes"
        raise _fault(source, reason, "raise `max_row_bytes` of the limits", line=longest + 1)
    keys: set[bytes] = set()
    for found in re.finditer(rb'"((?:[^"\\\n]|\\.)*+)"\s*+:', data):
        keys.add(found[1])
        if len(keys) > limits.max_columns:  # with those of nested records, which are no columns
            _Meter(source, len(data)).refuse_width(len(keys))
    for line, (start, end) in enumerate(zip(edges[:-1] + 1, edges[1:], strict=True), start=1):
        text = data[start:end]
        if text.count(b"[") + text.count(b"{") > _DEEPEST and _depth(text) > _DEEPEST:
            reason = f"values are nested more than {_DEEPEST} deep"
            raise _fault(source, reason, "flatten the records", line=line)
    try:
        frame = pl.read_ndjson(io.BytesIO(data), infer_schema_length=None)
    except pl.exceptions.PolarsError as error:
        bad = _first_bad_line(data)
        reason = "the records do not make one table" if bad is None else "the line is no record"
        raise _fault(source, reason, "mend the line", line=bad) from error
    for name, dtype in frame.schema.items():
        if dtype in (pl.Int128, pl.UInt128):
            reason = f"column {name!r} holds integers of more than 64 bits"
            raise _fault(source, reason, "write them as text")
    return frame.to_arrow()


def _depth(text: bytes) -> int:
    """Return how deep brackets are nested, strings left out."""
    bare = re.sub(rb'"(?:[^"\\]|\\.)*+"', b"", text)
    values = np.frombuffer(bare, dtype=np.uint8)
    steps = np.isin(values, (0x5B, 0x7B)).astype(np.int64) - np.isin(values, (0x5D, 0x7D))
    return int(np.cumsum(steps).max(initial=0))


def _first_bad_line(data: bytes) -> int | None:
    for line, text in enumerate(data.split(b"\n"), start=1):
        try:
            found: Any = json.loads(text) if text.strip() else {}
        except ValueError:
            return line
        if not isinstance(found, dict):
            return line
    return None
