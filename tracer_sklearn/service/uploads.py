"""Uploads: names that lead nowhere, and streams that become private files under limits."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import os
import re
import secrets
import unicodedata
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import IO, Any, Protocol

from tracer_sklearn._params import check_integer
from tracer_sklearn.exceptions import IngestionError, InputTypeError
from tracer_sklearn.io.limits import AnyLimits, limits_of

__all__ = ["ByteStream", "safe_name", "spooled"]

_CHUNK_BYTES = 1 << 20

_NAMELESS = "upload"
# File systems allow 255; the file of an upload gets a prefix, its output another ending.
_LONGEST_NAME = 180
_LONGEST_ENDING = 16
_DRIVE = re.compile(r"^[A-Za-z]:")
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d) *(\.|$)", re.I)
_PUNCTUATION = frozenset(" ._-()")


def safe_name(filename: str | None) -> str:
    r"""Reduce the name that came with an upload to one that is safe on every system.

    What is left are letters, digits, spaces and ``. _ - ( )`` of the last part of a path. It is
    the name of a file in the folder it is joined to, never an option, a hidden file, a device of
    Windows or a text with marks that turn it round; at most 180 bytes long, never empty.

    Parameters
    ----------
    filename : str or None
        As the client sent it.

    Returns
    -------
    str
        "upload" where nothing is left. Reducing a reduced name changes nothing.

    Notes
    -----
    Different names may become one: it is for messages and endings, not an identity.

    Examples
    --------
    >>> from tracer_sklearn.service import safe_name
    >>> safe_name("../../etc/cron.d/jan.csv"), safe_name("C:\\data\\con.csv"), safe_name("..")
    ('jan.csv', '_con.csv', 'upload')
    """
    # Invisible characters first, so that they do not keep a sign and its accent apart.
    name = unicodedata.normalize("NFKC", "".join(filter(_is_visible, filename or "")))
    name = "".join(filter(_is_visible, name))
    name = re.split(r"[/\\]", name.rstrip("/\\"))[-1]
    name = _DRIVE.sub("", name)
    name = "".join(sign if _is_plain(sign) else "_" for sign in name)
    name = name.lstrip(" .-").rstrip(" .")
    if not name.strip(" ._-()"):
        return _NAMELESS
    return _shortened(f"_{name}" if _RESERVED.match(name) else name)


def _is_visible(sign: str) -> bool:
    """Whether it is neither control, direction mark, half of a pair, nor unassigned."""
    return unicodedata.category(sign)[0] != "C" and unicodedata.category(sign) not in ("Zl", "Zp")


def _is_plain(sign: str) -> bool:
    return unicodedata.category(sign)[0] in "LMN" or sign in _PUNCTUATION


def _shortened(name: str) -> str:
    """Cut the middle out, so that the ending stays."""
    if len(name.encode()) <= _LONGEST_NAME:
        return name
    stem, ending = os.path.splitext(name)
    if len(ending.encode()) > _LONGEST_ENDING:
        stem, ending = name, ""
    kept = stem.encode()[: _LONGEST_NAME - len(ending.encode())].decode(errors="ignore")
    return kept.rstrip(" .") + ending


class _Reader(Protocol):
    """What FastAPI, Starlette and aiohttp hand to a handler."""

    def read(self, n: int, /) -> Awaitable[bytes]: ...


ByteStream = AsyncIterable[bytes] | _Reader | IO[bytes] | Iterable[bytes] | bytes


async def spooled(
    file_stream: ByteStream,
    filename: str | None,
    folder: str | os.PathLike[str],
    *,
    limits: AnyLimits = None,
    content_length: int | None = None,
    chunk_size: int = _CHUNK_BYTES,
) -> Path:
    r"""Write a stream to a private file, chunk by chunk, under limits, beside the event loop.

    Parameters
    ----------
    file_stream : stream of bytes
        An async iterator of bytes, an object whose ``read(n)`` is awaited (an ``UploadFile`` of
        FastAPI, a stream of aiohttp), a binary file, an iterator of bytes, or bytes. The last
        three are read in a thread. It is not closed.
    filename : str or None
        As the client sent it; reduced by `safe_name`.
    folder : path
        Where the file is made; it must exist.
    limits : IngestionLimits, mapping or None, default=None
        ``max_bytes`` is the most that is taken, here of the bytes as they come; what they unfold
        to is counted by the reader. None for the defaults.
    content_length : int or None, default=None
        How many bytes were announced; None where nobody said.
    chunk_size : int >= 1, default=1048576
        How many bytes ``read`` is asked for at once, 1 MiB: as many as are written at a time.

    Returns
    -------
    pathlib.Path
        The file, readable by this user only. On an error, or when the task is cancelled, it is
        removed.

    Raises
    ------
    IngestionError
        If more bytes come than the limit or than announced, or fewer than announced.
    InputTypeError
        If it is no stream of bytes.
    ParameterError
        If ``limits``, ``content_length`` or ``chunk_size`` is not legal.

    Examples
    --------
    >>> import asyncio, tempfile
    >>> from tracer_sklearn.service import spooled
    >>> async def upload():
    ...     yield b"id;price\n"
    ...     yield b"1;2,50\n"
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = asyncio.run(spooled(upload(), "../up.csv", folder, content_length=16))
    ...     path.parent.samefile(folder), path.name[-6:], path.read_bytes()
    (True, 'up.csv', b'id;price\n1;2,50\n')
    """
    name = safe_name(filename)
    most = limits_of(limits).max_bytes
    check_integer("upload", "chunk_size", chunk_size, low=1)
    if content_length is not None:
        check_integer("upload", "content_length", content_length, low=0)
        _refuse_more(name, content_length, most, None)
    file = _PrivateFile(os.path.join(os.fspath(folder), f"upload-{secrets.token_hex(8)}-{name}"))
    try:
        await finished(file.open)
        total = 0
        waiting: list[bytes] = []
        held = 0
        async for chunk in _chunks(file_stream, name, chunk_size):
            total += len(chunk)
            _refuse_more(name, total, most, content_length)
            waiting.append(chunk)
            held += len(chunk)
            if held >= _CHUNK_BYTES:  # a thread for each 64 kB of a socket would cost more
                await finished(file.write, waiting)
                waiting, held = [], 0
        await finished(file.write, waiting)
        await finished(file.close)
        if content_length is not None and total < content_length:
            raise IngestionError.from_reason(
                name, f"it ended after {total:,} of {content_length:,} bytes", "send it again"
            )
    except BaseException:
        await finished(file.discard)
        raise
    return Path(file.path)


def _refuse_more(name: str, total: int, most: int | None, announced: int | None) -> None:
    if most is not None and total > most:
        raise IngestionError.from_reason(
            name,
            f"it holds more than {most:,} bytes",
            "send less at once, or raise `max_bytes` of the limits",
        )
    if announced is not None and total > announced:
        raise IngestionError.from_reason(
            name, f"more bytes came than the {announced:,} announced", "send its true length"
        )


class _PrivateFile:
    """A new file of this user; what its methods did is known here, whoever was cancelled."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._file: IO[bytes] | None = None

    def open(self) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        self._file = os.fdopen(os.open(self.path, flags, 0o600), "wb", buffering=0)

    def write(self, chunks: list[bytes]) -> None:
        assert self._file is not None
        rest = memoryview(b"".join(chunks))
        while rest:  # a write may take less than it is given
            rest = rest[self._file.write(rest) :]

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def discard(self) -> None:
        if self._file is not None:  # otherwise nothing was made, or it is not ours
            with contextlib.suppress(OSError):
                self._file.close()
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path)


async def finished(function: Callable[..., Any], *arguments: Any) -> Any:
    """Run in a thread, and wait for its end even when cancelled: nothing pulls a thread back."""
    # Not `to_thread`, a task of its own: a loop that ends would cancel it and not wait.
    work = asyncio.get_running_loop().run_in_executor(None, function, *arguments)
    cancelled: asyncio.CancelledError | None = None
    while not work.done():
        try:
            await asyncio.wait([work])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        work.exception()  # seen; the cancellation is what counts
        raise cancelled
    return work.result()


async def _chunks(stream: Any, name: str, size: int) -> AsyncIterator[bytes]:
    """Yield the bytes of any kind of stream; a blocking one is read in a thread."""
    if isinstance(stream, bytes | bytearray | memoryview):
        yield bytes(stream)
        return
    if isinstance(stream, str | os.PathLike):
        raise _no_stream(name, stream)
    read = getattr(stream, "read", None)
    # What iterates asynchronously also reads so, though not always by a coroutine function.
    if callable(read) and (inspect.iscoroutinefunction(read) or hasattr(stream, "__aiter__")):
        while chunk := _as_bytes(name, await read(size)):
            yield chunk
    elif hasattr(stream, "__aiter__"):
        async for chunk in stream:
            yield _as_bytes(name, chunk)
    elif callable(read) or hasattr(stream, "__iter__"):
        rest = iter(partial(read, size), b"") if callable(read) else iter(stream)
        while chunk := await asyncio.to_thread(_next_chunk, rest, name):
            yield chunk
    else:
        raise _no_stream(name, stream)


def _next_chunk(pieces: Iterator[Any], name: str) -> bytes:
    """Join pieces until a thread was worth its while; empty at the end."""
    joined = bytearray()
    for piece in pieces:
        joined += _as_bytes(name, piece)
        if len(joined) >= _CHUNK_BYTES:
            break
    return bytes(joined)


def _as_bytes(name: str, chunk: object) -> bytes:
    if isinstance(chunk, bytes | bytearray | memoryview):
        return bytes(chunk)
    raise InputTypeError(
        f"{name}: a stream must yield bytes, found {type(chunk).__qualname__}; open it with "
        "mode 'rb', or encode the text.",
        received=type(chunk).__qualname__,
    )


def _no_stream(name: str, stream: object) -> InputTypeError:
    return InputTypeError(
        f"{name}: an async or plain stream of bytes must be given, found "
        f"{type(stream).__qualname__}; pass an async iterator of bytes or something with "
        "`read(n)`, or a path to `process_file`.",
        received=type(stream).__qualname__,
    )
