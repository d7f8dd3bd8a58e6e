"""Files that are made to hurt are refused, soon and in little memory."""

from __future__ import annotations

import gzip
import subprocess
import sys
import time

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
