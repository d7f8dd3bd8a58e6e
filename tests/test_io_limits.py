"""Files that are made to hurt, before they are text: refused within 5 s and 256 MiB."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import subprocess
import sys
import zipfile

import pyarrow as pa
import pytest

import tracer_sklearn as ts
from tracer_sklearn.io.limits import limits_of

GIB = 1 << 30
MIB = 1 << 20


def zip_bomb(path):
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("zeros.csv", "w") as member,
    ):
        for _ in range(GIB // MIB):
            member.write(bytes(MIB))


def stream_bomb(opener):
    def make(path):
        with opener(path, "wb") as file:
            for _ in range(GIB // MIB):
                file.write(bytes(MIB))

    return make


def zstd_bomb(path):
    with pa.OSFile(str(path), "wb") as file, pa.CompressedOutputStream(file, "zstd") as sink:
        for _ in range(GIB // MIB):
            sink.write(bytes(MIB))


def xz_of_a_huge_dictionary(path):
    """What its header asks for is 1.5 GiB of memory."""
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 3 << 29}]
    path.write_bytes(lzma.compress(b"a,b\n1,2\n", filters=filters))


def nested_zip(path):
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", b"a,b\n" * MIB)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("inner.zip", inner.getvalue())


def zip_of_many(path):
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(60_000):
            archive.writestr(f"{number}.csv", b"")


def plain_zeros(path):
    with path.open("wb") as file:
        file.truncate(10 * GIB)


HOSTILE = {
    "gzip bomb": (stream_bomb(gzip.open), "100 times"),
    "bz2 bomb": (stream_bomb(bz2.open), "100 times"),
    "xz bomb": (stream_bomb(lzma.open), "100 times"),
    "zstd bomb": (zstd_bomb, "100 times"),
    "zip bomb": (zip_bomb, "100 times"),
    "zip in a zip": (nested_zip, "compressed twice"),
    "zip of 60,000 files": (zip_of_many, "thousands of files"),
    "xz of a huge dictionary": (xz_of_a_huge_dictionary, "damaged"),
    "ten gibibytes of nothing": (plain_zeros, "more than 100,000,000 bytes"),
    "FIFO": (os.mkfifo, "a FIFO"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "a device"),
}

READ = """
import resource, sys, time
import tracer_sklearn as ts

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

before, start = peak(), time.perf_counter()
try:
    getattr(ts, sys.argv[2])(sys.argv[1])
except ts.IngestionError as error:
    print(time.perf_counter() - start, peak() - before, error, sep="\\n")
"""


@pytest.mark.medium
@pytest.mark.parametrize("reader", ["read_csv", "read_table"])
@pytest.mark.parametrize("name", HOSTILE)
def test_refused_in_time_and_memory(tmp_path, name, reader):
    make, says = HOSTILE[name]
    path = tmp_path / "hostile.csv"
    make(path)
    run = subprocess.run(
        [sys.executable, "-c", READ, str(path), reader],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    seconds, memory, message = run.stdout.split("\n", 2)
    assert says in message
    assert str(path) in message
    assert float(seconds) < 5
    assert int(memory) < 256 * MIB


@pytest.mark.parametrize("read", [ts.read_csv, ts.read_table, ts.iter_csv, ts.scan_csv])
def test_limits_may_be_a_mapping(read):
    assert read(b"a;b\n1;2\n", limits={"max_columns": 2}) is not None
    with pytest.raises(ts.IngestionError, match="more than 1 columns"):
        read(b"a;b\n1;2\n", limits={"max_columns": 1})
    for limits, words in (
        ({"max_colums": 2}, "`max_colums` must be a parameter that exists, .* 'max_columns'"),
        ({7: 2}, "`7` must be a parameter that exists"),
        ({"max_columns": 0}, "`max_columns` must be greater than 0, got 0"),
        (2, "`limits` must be an IngestionLimits, a mapping of its parameters or None, got 2"),
    ):
        with pytest.raises(ts.ParameterError, match=f"^IngestionLimits: {words}"):
            read(b"a;b\n1;2\n", limits=limits)


def test_what_a_mapping_does_not_say_is_as_without_it():
    unlimited = ts.IngestionLimits(max_bytes=None)
    assert limits_of({"max_columns": 7}, default=unlimited).max_bytes is None
    assert limits_of({"max_columns": 7}) == ts.IngestionLimits(max_columns=7)
    assert limits_of({}) == limits_of(None) == ts.IngestionLimits()
