"""iter_csv and scan_csv: the table of read_csv, in bounded memory, every line accounted for."""

from __future__ import annotations

import gzip
import io
import subprocess
import sys
import warnings

import pandas as pd
import polars as pl
import pytest
from pollution import POLLUTIONS, File, clean

import tracer_sklearn as ts
from tracer_sklearn.exceptions import (
    DataQualityWarning,
    IngestionError,
    InputTypeError,
    ParameterError,
    SchemaError,
)


def polluted(name: str) -> bytes:
    file = File(clean())
    POLLUTIONS[name](file)
    return file.to_bytes()


def read_in_batches(data, **options):
    with ts.iter_csv(data, as_="polars", **options) as batches:
        frames = list(batches)
    return frames, batches.report


@pytest.mark.parametrize("name", POLLUTIONS)
def test_batches_together_are_the_table(name):
    data = polluted(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataQualityWarning)
        whole, account = ts.read_csv(data, as_="polars")
        frames, report = read_in_batches(data, rows=50)
        scanned = ts.scan_csv(data).collect()
    assert pl.concat(frames).equals(whole)
    assert [frame.height for frame in frames] == [50, 50, 20]
    assert scanned.equals(whole)
    assert report.lines == account.lines
    assert report.checksum == account.checksum
    told = ("kind", "missing", "failures", "minimum", "maximum", "original")
    for column in whole.columns:
        one, other = report.columns[column], account.columns[column]
        assert [getattr(one, what) for what in told] == [getattr(other, what) for what in told]


def test_batches_are_frames_of_the_library_asked_for():
    data = b"n,t\n1,a\n2,b\n3,c\n"
    batches = ts.iter_csv(data, rows=2)
    assert isinstance(next(batches), pd.DataFrame)
    batches.close()
    assert list(batches) == []
    with pytest.raises(ParameterError, match="rows"):
        ts.iter_csv(data, rows=0)


def test_a_header_alone_gives_one_empty_batch():
    (frame,), report = read_in_batches(b"id,name\n")
    assert frame.columns == ["id", "name"]
    assert frame.height == report.lines.rows == 0


def test_cells_that_do_not_fit_further_down_are_counted(monkeypatch):
    monkeypatch.setattr("tracer_sklearn.io._batching.LEARNING_ROWS", 100)
    data = "n,x\n" + "".join(f"{n},1\n" for n in range(110)) + "1.5,2\na9,3\na8,3\n" + "7,8\n" * 9
    with pytest.warns(DataQualityWarning, match="3 cells of column 'n' do not fit"):
        frames, report = read_in_batches(data.encode(), rows=20)
    assert sum(frame.height for frame in frames) == report.lines.rows == 122
    assert (report.columns["n"].failures, report.columns["n"].missing) == (3, 3)
    assert {str(frame.schema) for frame in frames} == {str(frames[0].schema)}


def test_a_nameless_column_that_fills_up_is_refused(monkeypatch):
    monkeypatch.setattr("tracer_sklearn.io._batching.LEARNING_ROWS", 100)
    data = ("a,b,\n" + "1,2,\n" * 200 + "1,2,3\n" + "1,2,\n" * 80).encode()
    with pytest.raises(IngestionError, match="column 3 has no name"):
        read_in_batches(data, rows=50)
    frames, _ = read_in_batches(data, rows=50, columns=["a", "column_3"])
    assert pl.concat(frames)["column_3"].drop_nulls().to_list() == ["3"]


def test_file_objects_are_read_and_stay_open():
    file = io.BytesIO(gzip.compress(b"n\n1\n2\n"))
    frames, report = read_in_batches(file)
    assert pl.concat(frames)["n"].to_list() == [1, 2]
    assert report.compression == "gzip"
    assert not file.closed


def test_a_scan_is_lazy_and_types_what_is_needed():
    data = b"n,t,day\n1,a,2024-01-01\n2,b,2024-01-02\n3,a,2024-01-03\n"
    scan = ts.scan_csv(data)
    assert isinstance(scan, pl.LazyFrame)
    assert scan.collect_schema() == {"n": pl.Int64, "t": pl.String, "day": pl.Datetime("us")}
    assert scan.filter(pl.col("t") == "a").select(pl.col("n").sum()).collect().item() == 4
    assert scan.head(2).collect().height == 2
    assert scan.select("day").collect().columns == ["day"]
    assert ts.scan_csv(data, columns=["t", "n"]).collect().columns == ["t", "n"]
    with pytest.raises(SchemaError):
        ts.scan_csv(data, columns=["m"])
    with pytest.raises(InputTypeError, match="scan_csv"):
        ts.scan_csv(io.BytesIO(data))


def test_a_scan_feeds_a_pipeline():
    data = b"plan,spend\npro,1\nbasic,2\npro,\nbasic,4\n"
    fitted = ts.MissingValueImputer().fit(ts.read_csv(data, as_="polars").frame)
    lazy = fitted.transform(ts.scan_csv(data))
    assert lazy.collect()["spend"].null_count() == 0


MEMORY = """
import gzip, sys, threading, os
import pandas, polars, pyarrow.csv
from tracer_sklearn import iter_csv
def peak():
    # a child's ru_maxrss starts at its parent's, this does not
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024
gigabytes = float(sys.argv[1])
before = peak()
block = b"".join(
    b"%d,2024-%02d-%02d,2024-01-01 %02d:%02d:00,%d.%02d,%d,%s,c%d\\n"
    % (n, n % 12 + 1, n % 28 + 1, n % 24, n % 60, n % 977, n % 100, n % 7, b"pro", n % 50)
    for n in range(20_000)
)
read, write = os.pipe()
copies = int(gigabytes * 1e9 / len(block))
def feed():
    raw = os.fdopen(write, "wb")
    with raw, gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=1) as out:
        out.write(b"id,day,seen,spend,visits,plan,city\\n")
        for _ in range(copies):
            out.write(block)
threading.Thread(target=feed, daemon=True).start()
rows = 0
with os.fdopen(read, "rb") as source, iter_csv(source) as batches:
    for batch in batches:
        rows += len(batch)
lines = batches.report.lines
assert rows == lines.rows == copies * 20_000 and lines.total == rows + 1
print(peak() - before)
"""


def _memory(gigabytes: float) -> float:
    """Mebibytes at the peak, beside what the imports take."""
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, str(gigabytes)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return float(done.stdout)


@pytest.mark.medium
def test_half_a_gigabyte_in_bounded_memory():
    assert _memory(0.5) < 300


@pytest.mark.scale
def test_five_gigabytes_in_bounded_memory():
    assert _memory(5.0) < 300
