"""Uploads become private files of safe names, whatever comes and whenever it stops."""

from __future__ import annotations

import asyncio
import io
import os
import re
import stat
import time
import unicodedata
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracer_sklearn.exceptions import IngestionError, InputTypeError, ParameterError
from tracer_sklearn.io.limits import IngestionLimits
from tracer_sklearn.service import safe_name, spooled
from tracer_sklearn.service import uploads as module

# ------------------------------------------------------------------------------------- names

HOSTILE = {
    "../../etc/passwd": "passwd",
    "..\\..\\windows\\win.ini": "win.ini",
    "/etc/cron.d/job": "job",
    "C:\\data\\jan.csv": "jan.csv",
    "C:jan.csv": "jan.csv",
    "\\\\host\\share\\jan.csv": "jan.csv",
    "jan.csv/": "jan.csv",
    "a/..": "upload",
    ".": "upload",
    "..": "upload",
    "...": "upload",
    "": "upload",
    "   ": "upload",
    ".htaccess": "htaccess",
    "-rf.csv": "rf.csv",
    "--output=x.csv": "output_x.csv",
    "a.csv\x00.png": "a.csv.png",
    "\x00": "upload",
    "a\r\nSet-Cookie: b.csv": "aSet-Cookie_ b.csv",
    "a\n2026-01-01 ERROR root\x1b[31m.csv": "a2026-01-01 ERROR root_31m.csv",
    "CON": "_CON",
    "nul.csv": "_nul.csv",
    "com1.tar.gz": "_com1.tar.gz",
    "COM¹.csv": "_COM1.csv",
    "aux .csv": "_aux .csv",
    "jan.csv::$DATA": "jan.csv___DATA",
    "jan.csv. . ": "jan.csv",
    "．．／．．／jan.csv": "jan.csv",  # full-width dots and slashes
    "‥/jan.csv": "jan.csv",  # a two-dot leader
    "jan\u202evsc.exe": "janvsc.exe",  # the rest would show from right to left
    "j\u200ba\ufeffn.csv": "jan.csv",
    "jan∕feb⁄mar.csv": "jan_feb_mar.csv",  # signs that look like slashes
    "\ud800jan.csv": "jan.csv",  # half of a surrogate pair
    "=cmd|' /C calc'!A0.csv": "C calc__A0.csv",
    "<script>alert(1)</script>.csv": "script_.csv",
    "a;rm -rf ~;$(id)`id`.csv": "a_rm -rf ___(id)_id_.csv",
    "%2e%2e%2fjan.csv": "_2e_2e_2fjan.csv",
    "jan\u2028feb.csv": "janfeb.csv",
}
KEPT = ["jan.csv", "Kunden 2024 (neu).csv.gz", "Umsätze.csv", "客户.csv", "данные_1.csv", "a-b.csv"]


@pytest.mark.parametrize(("name", "safe"), HOSTILE.items(), ids=map(ascii, HOSTILE))
def test_hostile_names_are_reduced(name: str, safe: str) -> None:
    assert safe_name(name) == safe


@pytest.mark.parametrize("name", KEPT)
def test_honest_names_stay(name: str) -> None:
    assert safe_name(name) == name


def test_no_name_and_long_names() -> None:
    assert safe_name(None) == "upload"
    assert safe_name("ä" * 300 + ".csv.gz") == "ä" * 88 + ".gz"
    assert safe_name("a." + "b" * 300) == "a." + "b" * 178


@given(st.text(max_size=400) | st.text("./\\ :-_con1\x00\u202e\u0301Å．", max_size=260))
def test_whatever_comes_is_a_plain_file_of_its_folder(name: str) -> None:
    safe = safe_name(name)
    assert safe_name(safe) == safe
    assert 0 < len(safe.encode()) <= 180
    assert os.path.normpath(os.path.join("folder", safe)) == f"folder/{safe}"
    assert not re.search(r'[/\\:*?"<>|\s]', safe.replace(" ", "")), safe
    assert safe[0] not in " .-"
    assert safe[-1] not in " ."
    assert not any(
        unicodedata.category(sign).startswith(("C", "Z")) for sign in safe.replace(" ", "")
    )


# ----------------------------------------------------------------------------------- streams

CONTENT = bytes(range(256)) * 10_000  # more than two chunks


def _pieces(data: bytes = CONTENT, size: int = 70_001) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def _async_pieces(data: bytes = CONTENT) -> AsyncIterator[bytes]:
    for piece in _pieces(data):
        await asyncio.sleep(0)
        yield piece


class _Upload:
    """As FastAPI hands it in: an awaited read, no iteration."""

    def __init__(self, data: bytes = CONTENT) -> None:
        self._file = io.BytesIO(data)

    async def read(self, n: int = -1) -> bytes:
        return self._file.read(n)


class _Lines(_Upload):
    """As aiohttp's stream: read returns a future, iteration gives lines."""

    def read(self, n: int = -1) -> asyncio.Future[bytes]:  # type: ignore[override]
        future = asyncio.get_running_loop().create_future()
        future.set_result(self._file.read(n))
        return future

    def __aiter__(self) -> AsyncIterator[bytes]:
        raise AssertionError("read is the surer way")


class _OneByte(io.RawIOBase):
    """A raw file that gives less than it is asked for."""

    def __init__(self, data: bytes) -> None:
        self._rest = data

    def read(self, n: int | None = -1) -> bytes:
        piece, self._rest = self._rest[:100_000], self._rest[100_000:]
        return piece


STREAMS = {
    "async iterator": _async_pieces,
    "async read": _Upload,
    "read that returns a future": _Lines,
    "binary file": lambda: io.BytesIO(CONTENT),
    "raw file": lambda: _OneByte(CONTENT),
    "iterator": _pieces,
    "list": lambda: list(_pieces()),
    "views": lambda: [memoryview(bytearray(piece)) for piece in _pieces()],
    "bytes": lambda: CONTENT,
}


def _spool(stream: object, folder: Path, name: str = "jan.csv", **options: object) -> Path:
    return asyncio.run(spooled(stream, name, folder, **options))  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", STREAMS)
def test_every_kind_of_stream_becomes_a_private_file(kind: str, tmp_path: Path) -> None:
    path = _spool(STREAMS[kind](), tmp_path, "../jan.csv", content_length=len(CONTENT))
    assert path.read_bytes() == CONTENT
    assert path.parent == tmp_path
    assert path.name.endswith("-jan.csv")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_two_uploads_of_one_name_do_not_meet(tmp_path: Path) -> None:
    async def both() -> list[Path]:
        return await asyncio.gather(
            spooled(b"a", "x.csv", tmp_path), spooled(b"b", "x.csv", tmp_path)
        )

    assert [path.read_bytes() for path in asyncio.run(both())] == [b"a", b"b"]


def test_an_empty_stream_is_an_empty_file(tmp_path: Path) -> None:
    assert _spool([], tmp_path, content_length=0).read_bytes() == b""


@pytest.mark.parametrize("kind", STREAMS)
@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"content_length": len(CONTENT) - 1}, "more bytes came than the 2,559,999 announced"),
        ({"content_length": len(CONTENT) + 1}, "ended after 2,560,000 of 2,560,001 bytes"),
        ({"limits": IngestionLimits(max_bytes=2_000_000)}, "holds more than 2,000,000 bytes"),
    ],
    ids=["more", "fewer", "limit"],
)
def test_wrong_lengths_are_refused_and_leave_nothing(
    kind: str, options: dict[str, object], reason: str, tmp_path: Path
) -> None:
    with pytest.raises(IngestionError, match=reason) as caught:
        _spool(STREAMS[kind](), tmp_path, **options)
    assert caught.value.path == "jan.csv"
    assert not list(tmp_path.iterdir())


def test_an_announced_length_above_the_limit_is_refused_unread(tmp_path: Path) -> None:
    def unread() -> Iterator[bytes]:
        raise AssertionError("read")
        yield b""

    with pytest.raises(IngestionError, match="holds more than 100,000,000 bytes"):
        _spool(unread(), tmp_path, content_length=100_000_001)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("length", [-1, True, 1.5])
def test_an_impossible_length_is_refused(length: object, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="content_length"):
        _spool(b"", tmp_path, content_length=length)


def test_an_endless_stream_ends_at_the_limit(tmp_path: Path) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield bytes(65536)

    with pytest.raises(IngestionError, match="holds more than 3,000,000 bytes"):
        _spool(endless(), tmp_path, limits=IngestionLimits(max_bytes=3_000_000))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "stream", ["text.csv", Path("x.csv"), 7, None, io.StringIO("a,b"), ["a,b"], [1]]
)
def test_what_is_no_stream_of_bytes_is_refused(stream: object, tmp_path: Path) -> None:
    with pytest.raises(InputTypeError, match=r"jan\.csv: a"):
        _spool(stream, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_stream_that_breaks_leaves_nothing(tmp_path: Path) -> None:
    async def breaks() -> AsyncIterator[bytes]:
        yield CONTENT
        raise ConnectionResetError("gone")

    with pytest.raises(ConnectionResetError):
        _spool(breaks(), tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: object, chunks: list[bytes]) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module._PrivateFile, "write", full)
    with pytest.raises(OSError, match="No space left"):
        _spool(_async_pieces(), tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_file_that_was_there_is_not_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module.secrets, "token_hex", lambda n: "0" * 2 * n)
    first = _spool(b"mine", tmp_path)
    with pytest.raises(FileExistsError):
        _spool(b"other", tmp_path)
    assert first.read_bytes() == b"mine"


@pytest.mark.parametrize("step", ["open", "write", "close", "discard"])
def test_cancelled_in_a_thread_it_leaves_nothing(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = getattr(module._PrivateFile, step)
    begun = []

    def slow(self: object, *arguments: object) -> None:
        begun.append(step)
        time.sleep(0.1)
        honest(self, *arguments)

    monkeypatch.setattr(module._PrivateFile, step, slow)

    async def cancelled() -> None:
        length = len(CONTENT) + (step == "discard")
        task = asyncio.create_task(
            spooled(_async_pieces(), "a.csv", tmp_path, content_length=length)
        )
        while not begun:
            await asyncio.sleep(0.001)
        task.cancel()
        await asyncio.sleep(0.01)
        task.cancel()  # the impatient
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    assert not list(tmp_path.iterdir())


def test_a_loop_that_ends_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = module._PrivateFile.write

    def slow(self: module._PrivateFile, chunks: list[bytes]) -> None:
        time.sleep(0.1)
        honest(self, chunks)

    monkeypatch.setattr(module._PrivateFile, "write", slow)

    async def ends() -> None:
        task = asyncio.create_task(spooled(_async_pieces(), "a.csv", tmp_path))
        await asyncio.sleep(0.05)
        assert not task.done()

    asyncio.run(ends())
    assert not list(tmp_path.iterdir())


def test_cancelled_while_it_waits_for_bytes_it_leaves_nothing(tmp_path: Path) -> None:
    async def cancelled() -> None:
        async def stalls() -> AsyncIterator[bytes]:
            yield CONTENT
            await asyncio.Event().wait()

        task = asyncio.create_task(spooled(stalls(), "a.csv", tmp_path))
        while not [path for path in tmp_path.iterdir() if path.stat().st_size]:
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    assert not list(tmp_path.iterdir())


def test_the_loop_runs_on_while_a_blocking_file_is_read(tmp_path: Path) -> None:
    class Slow(io.RawIOBase):
        left = 3

        def read(self, n: int | None = -1) -> bytes:
            time.sleep(0.1)
            self.left -= 1
            return b"x" * 10 if self.left >= 0 else b""

    async def beside() -> int:
        task = asyncio.create_task(spooled(Slow(), "a.csv", tmp_path))
        ticks = 0
        while not task.done():
            await asyncio.sleep(0.005)
            ticks += 1
        await task
        return ticks

    assert asyncio.run(beside()) > 20
