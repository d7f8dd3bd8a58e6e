"""Files that are made to hurt are refused, soon and in little memory."""

from __future__ import annotations

import gzip
import subprocess
import sys
import time
from unittest import mock

import pytest

import tracer_sklearn as ts
from tracer_sklearn.exceptions import IngestionError

MIB = 1 << 20

HOSTILE = {
    "a million columns": (lambda: b",".join(b"c%d" % n for n in range(10**6)), "columns"),
    "twenty megabytes of commas": (lambda: b"," * (20 * 10**6), "columns|bytes"),
    "a number of a million digits": (lambda: b"a,b\n1," + b"9" * 10**6 + b"\n2,3\n", "digits"),
    "a quote that is never closed": (lambda: b'a,b\n1,"x\n' + b"2,y\n" * 1000, "never closed"),
    "a large quote that is never closed": (
        lambda: b'a,b\n1,"x\n' + b"2,y\n" * (5 * MIB),
        "not closed|bytes",
    ),
    "a cell of more than a mebibyte": (
        lambda: b'a,b\n1,"' + b"x" * (MIB + 1) + b'"\n',
        "a cell of more than",
    ),
    "a row of more than sixteen mebibytes": (
        lambda: b"a,b\n" + b",".join([b"x" * MIB] * 17) + b"\n",
        "a row of more than",
    ),
    "rows that grow too wide": (lambda: b"a,b\n" + b"1,2\n" * 99 + b"," * 10**5, "columns"),
    "too many bytes": (lambda: gzip.compress(b"a,b\n" + b"1,2\n" * (26 * 10**6), 1), "bytes"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused_in_time(name):
    make, reason = HOSTILE[name]
    data = make()
    began = time.perf_counter()
    with pytest.raises(IngestionError, match=reason):
        ts.read_csv(data)
    assert time.perf_counter() - began < 5


def test_the_line_of_a_quote_that_is_never_closed_is_named():
    with pytest.raises(IngestionError) as caught:
        ts.read_csv(b'a,b\n1,x\n2,"y\n3,z\n')
    assert caught.value.line == 3
    assert "never closed" in caught.value.reason


def test_limits_are_the_users():
    wide = b",".join(b"c%d" % n for n in range(300)) + b"\n" + b",".join([b"1"] * 300) + b"\n"
    assert ts.read_csv(wide).frame.shape == (1, 300)
    with pytest.raises(IngestionError, match="200 columns"):
        ts.read_csv(wide, limits=ts.IngestionLimits(max_columns=200))
    long = b"a,b\n1," + b"x" * 5000 + b"\n"
    with pytest.raises(IngestionError, match="4,000 bytes"):
        ts.read_csv(long, limits=ts.IngestionLimits(max_field_bytes=4000))


@pytest.mark.parametrize("quoted", [False, True])
@pytest.mark.parametrize("below", [0, 4_000])
def test_a_row_that_is_too_long_is_refused_and_named_wherever_it_stands(below, quoted):
    first = b'"1",2\n' if quoted else b"1,2\n"
    for size, refused in ((1_498, False), (1_499, True)):
        data = b"a,b\n" + first * 4_000 + b"1," + b"z" * size + b"\n" + b"1,2\n" * below
        limits = ts.IngestionLimits(max_row_bytes=1_500)
        with mock.patch("tracer_sklearn.io._opening.BLOCK_BYTES", 4_096):
            if not refused:
                assert ts.read_csv(data, limits=limits).frame.shape == (4_001 + below, 2)
                continue
            with pytest.raises(IngestionError, match="a row of more than 1,500 bytes") as caught:
                ts.read_csv(data, limits=limits)
            assert caught.value.line == 4_002


def test_a_row_that_is_too_long_is_named_in_lines_cut_one_by_one():
    data = b"a,b\n" + b"1,2\n" * 4_000 + b'1,x"y\n' * 9 + b"1," + b"z" * 1_500 + b"\n1,2\n"
    with pytest.raises(IngestionError, match="a row of more than") as caught:
        ts.read_csv(data, limits=ts.IngestionLimits(max_row_bytes=1_500))
    assert caught.value.line == 4_011


@pytest.mark.parametrize("below", [0, 4_000])
@pytest.mark.parametrize(
    "row", [b"1," + b"z" * 1_500, b'1,"' + b"y\n" * 750 + b'"'], ids=["one line", "many lines"]
)
def test_lines_are_counted_where_cells_hold_line_breaks(row, below):
    data = b"a,b\n" + b'1,"x\ny"\n' * 4_000 + row + b"\n" + b"1,2\n" * below
    for limits in ({"max_row_bytes": 1_400}, {"max_field_bytes": 1_400}):
        with (
            mock.patch("tracer_sklearn.io._opening.BLOCK_BYTES", 4_096),
            pytest.raises(IngestionError, match="of more than 1,400 bytes") as caught,
        ):
            ts.read_csv(data, limits=limits)
        assert caught.value.line == 8_002


def test_lines_are_counted_to_a_row_that_never_ends():
    data = b"a,b\n" + b'1,"x\ny"\n' * 1_000 + b"1," + b"z" * 30_000 + b"\n1,2\n"
    with (
        mock.patch("tracer_sklearn.io._opening.BLOCK_BYTES", 4_096),
        pytest.raises(IngestionError, match="a row of more than") as caught,
    ):
        ts.read_csv(data, limits={"max_row_bytes": 5_000})
    assert caught.value.line == 2_002


def test_the_widest_line_of_the_first_ones_is_named():
    data = b"a,b\n" + b"1,2\n" * 20 + b"," * 200_000 + b"\n1,2\n"
    with pytest.raises(IngestionError, match="columns") as caught:
        ts.read_csv(data)
    assert caught.value.line == 22


@pytest.mark.parametrize("below", [0, 4_000])
@pytest.mark.parametrize("held", ["é" * 600, "é\n" * 400, 'é"' * 400])
def test_limits_are_bytes_not_characters(held, below):
    size = len(held.encode())
    cell = held.replace('"', '""')
    data = "a,b\n1,2\n" + f'1,"{cell}"\n' + "1,2\n" * below
    with mock.patch("tracer_sklearn.io._opening.BLOCK_BYTES", 4_096):
        read = ts.read_csv(data.encode(), limits={"max_field_bytes": size})
        assert read.frame.shape == (2 + below, 2)
        with pytest.raises(IngestionError, match="a cell of more than") as caught:
            ts.read_csv(data.encode(), limits={"max_field_bytes": size - 1})
    assert caught.value.line == 3


def test_a_quote_is_open_for_so_many_bytes():
    data = ('a,b\n1,x"y\n2,"' + "é\n" * 1_500).encode()
    for limit, reason in ((4_400, "not closed within 4,400"), (4_600, "never closed")):
        with pytest.raises(IngestionError, match=reason):
            ts.read_csv(data, limits={"max_field_bytes": limit})


def test_endless_digits_are_refused_where_wide_rows_are_allowed():
    limits = ts.IngestionLimits(max_columns=10**6, max_field_bytes=10**6)
    data = b"a,b\n" + b"1,2\n" * 200_000 + b"1," + b"9" * 150_000 + b"\n" + b"1,2\n" * 200_000
    with (
        mock.patch("tracer_sklearn.io._opening.BLOCK_BYTES", 400_000),
        pytest.raises(IngestionError, match="100,000 digits") as caught,
    ):
        ts.read_csv(data, limits=limits)
    assert caught.value.line == 200_002


SCRIPT = """
import sys, time
import pandas, polars, pyarrow.csv
from tracer_sklearn import IngestionError, read_csv
def peak():
    # a child's ru_maxrss starts at its parent's, this does not
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024
before, began = peak(), time.perf_counter()
try:
    read_csv(sys.argv[1])
except IngestionError:
    print(peak() - before, time.perf_counter() - began)
"""


@pytest.mark.medium
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_take_little_memory(name, tmp_path):
    make, _ = HOSTILE[name]
    path = tmp_path / "hostile.csv"
    path.write_bytes(make())
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(path)], capture_output=True, text=True, check=True
    )
    mebibytes, seconds = map(float, done.stdout.split())
    assert mebibytes < 256
    assert seconds < 5
