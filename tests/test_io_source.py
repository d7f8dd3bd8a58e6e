"""Stored bytes: every container and compression reads back, what must not be read is refused."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import os
import pickle
import socket
import tarfile
import threading
import time
import zipfile

import pyarrow as pa
import pytest

import tracer_sklearn as ts
from tracer_sklearn.io._source import open_source

TABLE = b"".join(b"%d,name %d,%d.5\n" % (row, row % 97, row * 7) for row in range(60_000))


def zipped(data, *names, method=zipfile.ZIP_DEFLATED):
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", method) as archive:
        for name in names or ("table.csv",):
            archive.writestr(name, data)
    return whole.getvalue()


PACKED = {
    "none": TABLE,
    "gzip": gzip.compress(TABLE, 1),
    "bz2": bz2.compress(TABLE, 1),
    "xz": lzma.compress(TABLE, preset=0),
    "zstd": pa.compress(TABLE, "zstd", asbytes=True),
    "zip": zipped(TABLE),
}


class Unseekable(io.RawIOBase):
    def __init__(self, data):
        self._data = io.BytesIO(data)

    def readable(self):
        return True

    def readinto(self, target):
        return self._data.readinto(target)


@pytest.fixture(params=["path", "str", "bytes", "memoryview", "seekable", "unseekable", "opened"])
def container(request, tmp_path):
    def contain(data):
        path = tmp_path / "table.csv"  # the name never says the compression
        path.write_bytes(data)
        match request.param:
            case "path":
                return path
            case "str":
                return str(path)
            case "bytes":
                return data
            case "memoryview":
                return memoryview(data)
            case "seekable":
                return io.BytesIO(data)
            case "unseekable":
                return Unseekable(data)
            case "opened":
                file = path.open("rb")
                request.addfinalizer(file.close)
                return file

    return contain


@pytest.mark.parametrize("compression", PACKED)
def test_reads_back_in_every_way_and_more_than_once(container, compression):
    stored = PACKED[compression]
    with open_source(container(stored)) as source:
        assert source.compression == compression
        assert source.size == len(stored)
        chunks = list(source.chunks(100_003))
        assert {len(chunk) for chunk in chunks[:-1]} == {100_003}
        assert b"".join(chunks) == TABLE
        assert source.read() == TABLE
        assert b"".join(source.chunks()) == TABLE
        assert source.checksum() == hashlib.sha256(stored).hexdigest()


@pytest.mark.parametrize("compression", PACKED)
def test_passes_do_not_disturb_each_other(container, compression):
    with open_source(container(PACKED[compression])) as source:
        pairs = list(zip(source.chunks(), source.chunks(), strict=True))
        assert b"".join(one for one, _ in pairs) == TABLE
        assert b"".join(two for _, two in pairs) == TABLE


@pytest.mark.parametrize(
    "compression", sorted(set(PACKED) - {"zip"})
)  # its directory is read first
def test_checksum_of_the_pass_is_that_of_the_bytes(tmp_path, monkeypatch, compression):
    path = tmp_path / "table"
    path.write_bytes(PACKED[compression])
    with open_source(path, checksum="while_reading") as source:
        for _ in source.chunks():
            pass
        monkeypatch.setattr(source._stored, "read_at", None)  # not read again
        assert source.checksum() == hashlib.sha256(PACKED[compression]).hexdigest()


@pytest.mark.parametrize("compression", PACKED)
def test_empty(container, compression):
    stored = {
        "none": b"",
        "gzip": gzip.compress(b""),
        "bz2": bz2.compress(b""),
        "xz": lzma.compress(b""),
        "zstd": pa.compress(b"", "zstd", asbytes=True),
        "zip": zipped(b""),
    }[compression]
    with open_source(container(stored)) as source:
        assert source.compression == compression
        assert source.read() == b""
        assert list(source.chunks()) == []


@pytest.mark.parametrize("compression", ["gzip", "bz2", "xz", "zstd"])
def test_streams_one_after_another_are_one_text(compression):
    with open_source(PACKED[compression] * 2) as source:
        assert source.read() == TABLE * 2


@pytest.mark.parametrize("compression", sorted(set(PACKED) - {"none"}))
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_cut_data_are_an_error_that_names_the_file(tmp_path, compression, share):
    stored = PACKED[compression]
    path = tmp_path / "cut"
    path.write_bytes(stored[: max(16, int(len(stored) * share))])
    with (
        open_source(path) as source,
        pytest.raises(ts.IngestionError, match=r"too early|damaged") as caught,
    ):
        source.read()
    assert caught.value.path == str(path)


@pytest.mark.parametrize("compression", ["gzip", "bz2", "xz", "zip"])  # zstd checks on request
def test_damaged_data_are_an_error(compression):
    stored = bytearray(PACKED[compression])
    middle = len(stored) // 2
    stored[middle : middle + 64] = bytes(64)
    with open_source(bytes(stored)) as source, pytest.raises(ts.IngestionError, match="damaged"):
        source.read()


def test_file_object_is_read_from_its_position_and_stays_open():
    file = io.BytesIO(b"skipped\na,b\n1,2\n")
    file.readline()
    with open_source(file) as source:
        assert source.read() == b"a,b\n1,2\n"
        assert b"".join(source.chunks(3)) == b"a,b\n1,2\n"
    assert not file.closed


@pytest.mark.parametrize("text", [io.StringIO("a,b\n"), None])
def test_text_files_are_refused(tmp_path, text):
    path = tmp_path / "table.csv"
    path.write_text("a,b\n")
    with text or path.open() as file, pytest.raises(ts.InputTypeError, match="'rb'"):
        open_source(file)


def test_other_objects_are_refused():
    with pytest.raises(ts.InputTypeError, match="found list"):
        open_source([b"a,b\n"])


def test_a_missing_file_is_what_python_says_it_is(tmp_path):
    with pytest.raises(FileNotFoundError):
        open_source(tmp_path / "none.csv")


# ----------------------------------------------------------------------------- irregular files


@pytest.fixture
def irregular(request, tmp_path):
    path = tmp_path / "it"
    match request.param:
        case "a FIFO":
            os.mkfifo(path)
        case "a directory":
            path.mkdir()
        case "a socket":
            server = socket.socket(socket.AF_UNIX)
            server.bind(str(path))
            yield request.param, str(path)
            server.close()
            return
        case "a device":
            path = "/dev/zero"
    yield request.param, str(path)


@pytest.mark.parametrize(
    "irregular", ["a FIFO", "a directory", "a socket", "a device"], indirect=True
)
def test_irregular_files_are_refused_at_once_without_opening(irregular, monkeypatch):
    kind, path = irregular
    monkeypatch.setattr(os, "open", None)
    times = []
    for _ in range(3):  # a busy machine may pause once
        start = time.perf_counter()
        with pytest.raises(ts.IngestionError, match=f"regular file, it is {kind}"):
            open_source(path)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.05


def test_a_fifo_that_takes_the_place_of_a_file_does_not_block(tmp_path, monkeypatch):
    path = tmp_path / "table.csv"
    path.write_bytes(b"a\n")
    regular = os.stat(path)
    path.unlink()
    os.mkfifo(path)
    monkeypatch.setattr(os, "stat", lambda *_, **__: regular)
    with pytest.raises(ts.IngestionError, match="a FIFO"):
        open_source(path)


def test_an_open_device_is_refused_and_an_open_pipe_is_read():
    with open("/dev/zero", "rb") as zero, pytest.raises(ts.IngestionError, match="a device"):
        open_source(zero)
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as pipe:
        os.write(writing, b"a,b\n1,2\n")
        os.close(writing)
        with open_source(pipe) as source:
            assert source.read() == b"a,b\n1,2\n"


def test_links_follow_the_policy(tmp_path):
    (tmp_path / "table.csv").write_bytes(b"a\n")
    link = tmp_path / "link.csv"
    link.symlink_to(tmp_path / "table.csv")
    with open_source(link) as source:
        assert source.read() == b"a\n"
    with pytest.raises(ts.IngestionError, match="symbolic link"):
        open_source(link, ts.IngestionLimits(symlinks="refuse"))


# --------------------------------------------------------------------------------------- limits


@pytest.mark.parametrize("compression", PACKED)
def test_size_is_counted_in_decompressed_bytes(container, compression):
    exact = ts.IngestionLimits(max_bytes=len(TABLE))
    with open_source(container(PACKED[compression]), exact) as source:
        assert source.read() == TABLE
    short = ts.IngestionLimits(max_bytes=len(TABLE) - 1)

    def read():
        with open_source(container(PACKED[compression]), short) as source:
            source.read()

    with pytest.raises(ts.IngestionError, match=r"more than .* bytes.*max_bytes"):
        read()


@pytest.mark.parametrize("compression", ["gzip", "bz2", "xz", "zstd", "zip"])
def test_a_bomb_is_refused_by_its_ratio_and_honest_zeros_are_not(compression):
    pack = {
        "gzip": gzip.compress,
        "bz2": bz2.compress,
        "xz": lzma.compress,
        "zstd": lambda data: pa.compress(data, "zstd", asbytes=True),
        "zip": zipped,
    }[compression]
    with open_source(pack(bytes(10 << 20))) as source:
        assert len(source.read()) == 10 << 20
    bomb = pack(bytes(12 << 20))
    with open_source(bomb) as source, pytest.raises(ts.IngestionError, match="100 times"):
        source.read()
    with open_source(bomb, ts.IngestionLimits(max_ratio=None)) as source:
        assert len(source.read()) == 12 << 20


def test_bad_limits_are_parameter_errors():
    with pytest.raises(ts.ParameterError, match="`max_bytes`"):
        ts.IngestionLimits(max_bytes=0)
    with pytest.raises(ts.ParameterError, match="`symlinks`"):
        ts.IngestionLimits(symlinks="maybe")


# --------------------------------------------------------------------------- what is no table


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (zipped(b"a\n", "a.csv", "b.csv"), "holds 2 files \\('a.csv', 'b.csv'\\)"),
        (zipped(b"a\n", "[Content_Types].xml", "xl/workbook.xml"), "Excel workbook"),
        (zipped(b"a\n", "folder/"), "holds no file"),
        (zipped(b"a\n", *(f"{n:0100}.csv" for n in range(8000))), "thousands of files"),
        (zipped(b"a\n", method=zipfile.ZIP_BZIP2), "compression method 12"),
        (gzip.compress(PACKED["xz"]), r"compressed twice \(gzip, xz\)"),
        (zipped(PACKED["zip"]), r"compressed twice \(zip, zip\)"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(512), "old Excel workbook"),
        (b"%PDF-1.7\n", "PDF"),
    ],
)
def test_archives_and_documents_are_refused_by_what_they_are(data, says):
    def read():
        with open_source(data) as source:
            source.read()

    with pytest.raises(ts.IngestionError, match=says):
        read()


def test_an_encrypted_archive_is_refused():
    stored = bytearray(zipped(b"a\n1\n"))
    for signature, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        stored[stored.find(signature) + at] |= 1
    with open_source(bytes(stored)) as source, pytest.raises(ts.IngestionError, match="encrypted"):
        source.read()


def test_a_tar_archive_is_refused_even_compressed():
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w:gz") as archive:
        archive.addfile(tarfile.TarInfo("a.csv"))
    with (
        open_source(whole.getvalue()) as source,
        pytest.raises(ts.IngestionError, match="tar archive"),
    ):
        source.read()


def test_forks_of_the_mac_finder_do_not_count():
    with open_source(zipped(b"a\n1\n", "t/", "t/a.csv", "__MACOSX/t/._a.csv")) as source:
        assert source.read() == b"a\n1\n"


# ------------------------------------------------------------------------------------- changes


@pytest.mark.parametrize("change", ["append", "truncate", "rewrite"])
@pytest.mark.parametrize("way", ["read", "chunks", "checksum"])
def test_a_file_that_changes_while_it_is_read_is_an_error(tmp_path, change, way):
    path = tmp_path / "table.csv"
    path.write_bytes(TABLE)
    os.utime(path, ns=(0, 0))
    with open_source(path) as source:
        match change:
            case "append":
                with path.open("ab") as file:
                    file.write(b"1,2,3\n")
            case "truncate":
                os.truncate(path, 1000)
            case "rewrite":
                path.write_bytes(TABLE[::-1])
        with pytest.raises(ts.IngestionError, match="changed while"):
            list(source.chunks()) if way == "chunks" else getattr(source, way)()


def test_a_file_replaced_by_another_is_read_as_it_was(tmp_path):
    path = tmp_path / "table.csv"
    path.write_bytes(TABLE)
    with open_source(path) as source:
        (tmp_path / "new").write_bytes(b"other\n")
        (tmp_path / "new").replace(path)
        assert source.read() == TABLE
        assert source.checksum() == hashlib.sha256(TABLE).hexdigest()


def test_checksum_in_another_thread(tmp_path):
    path = tmp_path / "table.csv"
    path.write_bytes(TABLE)
    found = []
    with open_source(path) as source:
        thread = threading.Thread(target=lambda: found.append(source.checksum()))
        thread.start()
        assert b"".join(source.chunks(1000)) == TABLE
        thread.join()
    assert found == [hashlib.sha256(TABLE).hexdigest()]


def test_the_error_carries_its_parts_through_pickling():
    error = ts.IngestionError.from_reason("a.csv", "it is cut", "fetch it again", line=7)
    assert str(error) == "a.csv, line 7: it is cut; fetch it again."
    copy = pickle.loads(pickle.dumps(error))
    assert (copy.path, copy.line, copy.reason) == ("a.csv", 7, "it is cut")
    assert isinstance(copy, ValueError)


def test_gzip_that_is_padded_with_zeros():
    padded = gzip.compress(b"a,b\n1,2\n") + bytes(512)
    assert ts.read_csv(padded).frame.to_dict("list") == {"a": [1], "b": [2]}
    with pytest.raises(ts.IngestionError, match="damaged"):
        ts.read_csv(padded + b"x")


@pytest.mark.parametrize(
    "data",
    [
        b"<html><table><tr><td>1</td></tr></table></html>",
        b'\xef\xbb\xbf\n<?xml version="1.0"?><rows/>',
        b"<!DOCTYPE html>\n<html></html>",
        lzma.compress(b"a,b\n1,2\n", lzma.FORMAT_ALONE),
    ],
    ids=["html", "xml", "doctype", "lzma"],
)
def test_what_is_no_table_of_text_is_refused(data):
    with pytest.raises(ts.IngestionError, match="export the table as CSV"):
        ts.read_csv(data)
