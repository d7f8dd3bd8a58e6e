"""Tables of any format, told by their content."""

from __future__ import annotations

import contextlib
import datetime as dt
import gzip
import io
import json
import time
import warnings
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tracer_sklearn as ts

TABLE = pa.table(
    {
        "id": [1, None, 3],
        "name": ["Köln", None, "=1+1"],
        "day": [dt.date(2024, 1, 1), dt.date(2024, 2, 1), None],
        "at": pa.array([1, 2, None], pa.timestamp("us", "UTC")),
        "price": [Decimal("1.20"), Decimal("-3.00"), None],
        "tags": [["a"], [], None],
        "level": pa.array(["x", "y", "x"]).dictionary_encode(),
        "flag": [True, False, None],
        "raw": [b"1", None, b"\xff"],
        "small": pa.array([1, 2, 3], pa.int8()),
        "share": pa.array([0.5, None, 2.0], pa.float32()),
    }
)


def parquet(table=TABLE, **options):
    file = io.BytesIO()
    pq.write_table(table, file, **options)
    return file.getvalue()


def arrow_file(table=TABLE, **options):
    file = io.BytesIO()
    feather.write_feather(table, file, **options)
    return file.getvalue()


def arrow_stream(table=TABLE):
    file = io.BytesIO()
    with pa.ipc.new_stream(file, table.schema) as sink:
        sink.write_table(table)
    return file.getvalue()


BINARY = {
    "parquet": parquet(),
    "parquet-zstd": parquet(compression="zstd"),
    "parquet-plain": parquet(use_dictionary=False, compression="none", store_schema=False),
    "arrow-lz4": arrow_file(compression="lz4"),
    "arrow-none": arrow_file(compression="uncompressed"),
    "arrow-stream": arrow_stream(),
    "parquet-gzip": gzip.compress(parquet()),
}


@pytest.mark.parametrize("kind", BINARY)
@pytest.mark.parametrize("way", ["bytes", "path", "file"])
def test_binary_formats_keep_their_types(tmp_path, kind, way):
    path = tmp_path / "table.csv"  # the name decides nothing
    path.write_bytes(BINARY[kind])
    with path.open("rb") as file:
        source = {"bytes": BINARY[kind], "path": path, "file": file}[way]
        frame, report = ts.read_table(source, as_="polars")
    expected = pl.from_arrow(TABLE)
    if kind == "parquet-plain":  # only the Arrow schema says that a column is coded
        expected = expected.with_columns(pl.col("level").cast(pl.String))
    assert frame.cast({"level": pl.String}).equals(expected.cast({"level": pl.String}))
    assert frame.schema == expected.schema
    assert report.format == kind.partition("-")[0]
    assert (report.encoding, report.dialect) == (None, None)
    assert report.lines.rows == 3
    kinds = {name: column.kind for name, column in report.columns.items()}
    assert kinds == {
        "id": "count",
        "name": "text",
        "day": "date",
        "at": "datetime",
        "price": "number",
        "tags": "text",
        "level": "text" if kind == "parquet-plain" else "category",
        "flag": "flag",
        "raw": "text",
        "small": "count",
        "share": "number",
    }
    assert report.columns["id"].missing == 1
    assert len(report.checksum) == 64
    assert "format" in str(report)
    assert "<table>" in report._repr_html_()
    assert json.dumps(report.to_dict())
    assert set(report.formats_) == set(TABLE.column_names)


def test_the_library_that_was_asked_for():
    table = TABLE.select(["id", "share"])
    assert isinstance(ts.read_table(parquet(table)).frame, pd.DataFrame)
    assert ts.read_table(parquet(table), as_="arrow").frame.to_pydict() == table.to_pydict()


def test_json_lines():
    data = b'\xef\xbb\xbf{"a": 1, "b": "x"}\r\n\r\n{"b": "y", "c": [1]}\n{"a": 2.5}'
    frame, report = ts.read_table(data, as_="polars")
    assert frame.to_dicts() == [
        {"a": 1.0, "b": "x", "c": None},
        {"a": None, "b": "y", "c": [1]},
        {"a": 2.5, "b": None, "c": None},
    ]
    assert report.format == "jsonl"
    assert report.columns["a"].missing == 1


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "n": st.one_of(st.none(), st.integers(-(2**53), 2**53)),
                "x": st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False)),
                "s": st.one_of(st.none(), st.text(st.characters(codec="utf-8"), max_size=9)),
                "f": st.one_of(st.none(), st.booleans()),
            }
        ),
        min_size=1,
        max_size=9,
    )
)
def test_any_records_read_back(records):
    data = "".join(json.dumps(record) + "\n" for record in records).encode()
    assert ts.read_table(data, as_="polars").frame.to_dicts() == records


def test_text_goes_to_read_csv():
    data = "Nr;Umsatz\n007;1.234,50 €\n008;-\n".encode("cp1252")
    frame, report = ts.read_table(data, as_="polars")
    expected = ts.read_csv(data, as_="polars")
    assert frame.equals(expected.frame)
    assert report.format == "text"
    assert report.lines == expected.report.lines
    assert ts.read_table(b"1,2\n3,4\n", header=None, as_="polars").frame.height == 2


def test_columns_are_chosen_and_missed():
    frame, report = ts.read_table(parquet(), columns=["share", "id"], as_="polars")
    assert frame.columns == list(report.columns) == ["share", "id"]
    with pytest.raises(ts.SchemaError, match="'nam' \\(nearest: 'name'\\)"):
        ts.read_table(parquet(), columns=["nam"])


def test_a_schema_parses_the_text_that_other_formats_hold():
    text = pl.DataFrame({"spend": ["1.234,50 €", "7,00 €"], "n": [1, 2]})
    first = ts.read_csv("spend;n\n1.234,50 €;1\n8,00 €;2\n".encode()).report
    frame, report = ts.read_table(parquet(text.to_arrow()), schema=first, as_="polars")
    assert frame.to_dicts() == [{"spend": 1234.5, "n": 1}, {"spend": 7.0, "n": 2}]
    assert report.columns["spend"].format == first.columns["spend"].format
    untouched = ts.read_table(parquet(text.to_arrow()), as_="polars").frame
    assert untouched.equals(text)


def test_names_become_unique():
    table = pa.table([[1], [2]], names=["a", "a"])
    frame, report = ts.read_table(arrow_stream(table), as_="polars")
    assert frame.columns == ["a", "a_2"]
    assert report.columns["a_2"].original == "a"


def test_no_rows():
    frame, report = ts.read_table(parquet(TABLE.slice(0, 0)), as_="polars")
    assert frame.shape == (0, 11)
    assert report.lines.rows == 0


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"PAR1" + b"x" * 100, "parquet data are damaged"),
        (parquet()[:-30], "parquet data are damaged"),
        (b"ARROW1\0\0" + b"x" * 100, "arrow data are damaged"),
        (arrow_file()[:-40], "arrow data are damaged"),
        (b"\xff\xff\xff\xff" + b"x" * 100, "arrow data are damaged"),
        (b"FEA1" + b"x" * 100, "Feather of version 1"),
        (b'[{"a": 1}]', "one JSON document"),
        (b'{"a": 1}\n{"a": \n', "line 2: the line is no record"),
        (b'{"a": 1}\n[1]\n', "line 2: the line is no record"),
        (b'{\n  "a": 1\n}\n', "line 1: the line is no record"),
        (b'{"a": 1}\n\n{"a": ' + b"[" * 10**5 + b"\n", "line 3: values are nested"),
        (b"{" + b",".join(b'"k%d": 1' % n for n in range(10**4 + 1)) + b"}\n", "10,000 columns"),
        (b'{"a": "' + b"x" * (17 << 20) + b'"}\n', "line 1: a row of more than"),
    ],
)
def test_what_is_damaged_or_too_large_is_refused_soon(data, says):
    start = time.perf_counter()
    with pytest.raises(ts.IngestionError, match=says) as caught:
        ts.read_table(data)
    assert caught.value.path == "<bytes>"
    assert time.perf_counter() - start < 5


def test_one_text_a_million_times_is_refused_before_it_unfolds():
    codes = pa.DictionaryArray.from_arrays(
        pa.array(np.zeros(20_000_000, dtype=np.int32)), pa.array(["x" * 1000])
    )
    bomb = parquet(pa.table({"a": codes}), store_schema=False)
    assert len(bomb) < 3 << 20
    before = pa.total_allocated_bytes()
    with pytest.raises(ts.IngestionError, match="bytes of values"):
        ts.read_table(bomb)
    assert pa.total_allocated_bytes() - before < 64 << 20


def test_a_wide_table_is_refused():
    wide = pa.table({f"c{n}": [n] for n in range(60)})
    for data in (parquet(wide), arrow_file(wide)):
        with pytest.raises(ts.IngestionError, match="50 columns"):
            ts.read_table(data, limits=ts.IngestionLimits(max_columns=50))


@given(st.sampled_from(sorted(BINARY)), st.data())
def test_damaged_files_are_read_or_refused(kind, data):
    stored = bytearray(BINARY[kind])
    for _ in range(data.draw(st.integers(1, 4))):
        stored[data.draw(st.integers(0, len(stored) - 1))] = data.draw(st.integers(0, 255))
    with warnings.catch_warnings(), contextlib.suppress(ts.IngestionError):
        warnings.simplefilter("ignore", ts.DataQualityWarning)  # it may have become text
        frame, report = ts.read_table(bytes(stored), as_="polars")
        assert frame.height == report.lines.rows


def test_dates_that_no_calendar_has_are_refused():
    table = pa.table({"day": pa.array([10**8], pa.int32()).cast(pa.date32())})
    for data in (parquet(table), arrow_file(table)):
        with pytest.raises(ts.IngestionError, match="no frame has"):
            ts.read_table(data)


def test_options_of_text_are_for_text():
    with pytest.raises(ts.ParameterError, match="`delimiter`"):
        ts.read_table(parquet(), delimiter=";")
    with pytest.raises(TypeError, match="'sep'"):
        ts.read_table(b"a,b\n1,2\n", sep=";")


@pytest.mark.parametrize("kind", ["parquet", "arrow-lz4", "arrow-stream", "parquet-gzip"])
def test_read_csv_says_who_reads_them(kind):
    with pytest.raises(ts.IngestionError, match="`read_table`"):
        ts.read_csv(BINARY[kind])


@pytest.mark.parametrize("data", [b'{"a": 1}\n{"a": 2}\n', b'[{"a": 1}]', b' {"a": 1}'])
def test_read_csv_makes_no_column_of_json(data):
    with pytest.raises(ts.IngestionError, match="`read_table`"):
        ts.read_csv(data)


def test_blank_lines_of_json_are_counted():
    lines = ts.read_table(b'\n{"a": 1}\n \t\n\n{"a": 2}\n').report.lines
    assert (lines.total, lines.rows, lines.blank) == (5, 2, 3)


def test_integers_of_json_that_no_type_holds_are_named():
    with pytest.raises(ts.IngestionError, match="column 'id' holds integers of more than 64 bits"):
        ts.read_table(b'{"id": 1}\n{"id": 9223372036854775808}\n')
