"""Where bytes come from: a path, an object in memory or an open file, read under limits.

Everything that reads a table reads it through :func:`open_source`. A source can be read more
than once, tells its compression by its content and stops a decompression bomb while it unfolds.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import IO, Literal, Self

from tracer_sklearn.exceptions import IngestionError, InputTypeError
from tracer_sklearn.io._compression import (
    FAULTS,
    HEAD_BYTES,
    Compression,
    Format,
    Read,
    compression_of,
    damage,
    decompressor,
    foreign_kind,
    format_of,
)
from tracer_sklearn.io.limits import RATIO_COUNTS_AFTER, AnyLimits, IngestionLimits, limits_of

CHUNK_BYTES = 1 << 20
_SPOOL_IN_MEMORY = 8 << 20
# a file from so many bytes on is read by two threads
_SHARED_BYTES = 16 << 20

AnySource = str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes]


def open_source(
    source: AnySource,
    limits: AnyLimits = None,
    *,
    checksum: Literal["on_request", "while_reading"] = "on_request",
) -> Source:
    """Open a path, bytes or a binary file for reading under limits; use it in a ``with`` block.

    A path has to lead to a regular file, which is seen before it is opened. A file object is
    read from its position on, to its end, and is not closed; one that cannot seek is copied to
    a temporary file. ``checksum="while_reading"`` hashes the stored bytes of the first whole
    pass of :meth:`Source.chunks`, which spares another pass over a file larger than the cache.
    """
    limits = limits_of(limits)
    if isinstance(source, bytes | bytearray | memoryview):
        stored: _Stored = _Bytes(source)
    elif isinstance(source, str | os.PathLike):
        stored = _open_path(os.fspath(source), limits)
    else:
        stored = _open_object(source, limits)
    try:
        return Source(stored, limits, hashes=checksum == "while_reading")
    except BaseException:
        stored.close()
        raise


def regular_bytes(path: str | os.PathLike[str]) -> bytes:
    """Return the bytes of a regular file; refuse, and never wait for, anything else."""
    stored = _open_path(os.fspath(path), IngestionLimits())
    try:
        data = stored.read_all()
        stored.refuse_change()
        return data
    finally:
        stored.close()


class Source:
    """Bytes that can be read more than once, whole or in chunks.

    Attributes
    ----------
    name : str
        What messages call it: the path, "<bytes>" or "<file>".
    size : int
        Number of stored bytes, before decompression.
    compression : {"none", "gzip", "zstd", "bz2", "xz", "zip"}
        Decided by the content, never by the name.
    limits : IngestionLimits
    """

    def __init__(self, stored: _Stored, limits: IngestionLimits, *, hashes: bool) -> None:
        self._stored = stored
        self._digest: str | None = None
        self._hashes = hashes
        self._hashing: Future[str] | None = None
        self._is_closed = False
        self.limits = limits
        self.name = stored.name
        self.size = stored.size
        head = stored.read_at(0, HEAD_BYTES)
        self.compression: Compression = compression_of(head)
        if self.compression == "none":
            self._refuse_foreign(head)
            self._refuse_more_than(self.size)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close what was opened here; an object that was handed in stays open."""
        self._is_closed = True
        if self._hashing is not None:
            self._hashing.exception()  # it reads from what is closed now
        self._stored.close()

    def chunks(self, size: int = CHUNK_BYTES) -> Iterator[bytes]:
        """Yield the decompressed bytes from the start, ``size`` at a time but for the last.

        Each call is a new pass. Raises IngestionError when a limit is passed, when compressed
        bytes are damaged, and at the end when the file changed while it was read.
        """
        raw = _RawReader(self._stored, hashes=self._hashes and self._digest is None)
        read = self._guarded(raw)
        total = 0
        while data := _full(read, size):
            if total == 0 and self.compression != "none":
                self._refuse_nested(data)
            total += len(data)
            yield data
        self._stored.refuse_change()
        self._digest = self._digest or raw.digest()

    def format(self) -> Format:
        """Name the format that the decompressed bytes begin with."""
        return format_of(next(self.chunks(HEAD_BYTES), b""))

    def read(self) -> bytes:
        """Return all decompressed bytes; a thread computes the checksum from now on."""
        if self.compression == "none":
            data = self._stored.read_all()
            self._stored.refuse_change()
            self._hash_ahead(lambda: self._hash_of(data))
            return data
        self._hash_ahead(self._hash)
        whole = io.BytesIO()
        for chunk in self.chunks():
            whole.write(chunk)
        return whole.getvalue()

    def _hash_ahead(self, work: Callable[[], str]) -> None:
        pool = ThreadPoolExecutor(1, thread_name_prefix="tracer-checksum")
        self._hashing = pool.submit(work)
        pool.shutdown(wait=False)

    def checksum(self) -> str:
        """Return the SHA-256 of the stored bytes as hexadecimal digits, computed once."""
        if self._digest is None:
            self._digest = self._hash() if self._hashing is None else self._hashing.result()
        return self._digest

    def _hash_of(self, data: bytes) -> str:
        digest = hashlib.sha256()
        view = memoryview(data)
        for start in range(0, len(view), CHUNK_BYTES):
            if self._is_closed:
                break
            digest.update(view[start : start + CHUNK_BYTES])
        return digest.hexdigest()

    def _hash(self) -> str:
        raw = _RawReader(self._stored, hashes=True)
        while not self._is_closed and raw.read(CHUNK_BYTES):
            pass
        self._stored.refuse_change()
        return raw.digest() or ""

    def _guarded(self, raw: _RawReader) -> Read:
        """Return the decompressor's read, under the limits and with errors that name the file."""
        total = 0
        read: Read | None = None
        limits = self.limits

        def guarded(n: int) -> bytes:
            nonlocal total, read
            try:
                if read is None:
                    read = decompressor(raw, self.compression, self.name)
                data = read(n)
            except FAULTS as error:
                reason = damage(error)
                if self.compression == "none" or not reason:
                    raise
                raise IngestionError.from_reason(
                    self.name, f"{reason} ({self.compression})", "fetch the file again"
                ) from error
            except (NotImplementedError, RuntimeError) as error:  # zipfile on what it cannot read
                raise IngestionError.from_reason(
                    self.name, f"the zip archive cannot be read ({error})", "unpack it first"
                ) from error
            total += len(data)
            self._refuse_more_than(total)
            if (
                self.compression != "none"
                and limits.max_ratio is not None
                and total > RATIO_COUNTS_AFTER
                and total > limits.max_ratio * max(raw.consumed, 1)
            ):
                raise IngestionError.from_reason(
                    self.name,
                    f"it unfolds to more than {limits.max_ratio:g} times its stored size "
                    f"({self.compression}), as decompression bombs do",
                    "raise `max_ratio` of the limits if you trust it",
                )
            return data

        return guarded

    def _refuse_more_than(self, total: int) -> None:
        most = self.limits.max_bytes
        if most is not None and total > most:
            unfolded = "" if self.compression == "none" else " after decompression"
            raise IngestionError.from_reason(
                self.name,
                f"it holds more than {most:,} bytes{unfolded}",
                "raise `max_bytes` of the limits, or read it in batches with `iter_csv`",
            )

    def _refuse_foreign(self, head: bytes) -> None:
        if kind := foreign_kind(head):
            raise IngestionError.from_reason(
                self.name, f"it is {kind}, not a table", "export the table as CSV"
            )

    def _refuse_nested(self, head: bytes) -> None:
        self._refuse_foreign(head)
        if (inner := compression_of(head)) != "none":
            raise IngestionError.from_reason(
                self.name, f"it is compressed twice ({self.compression}, {inner})", "unpack it once"
            )


def _full(read: Read, size: int) -> bytes:
    """Read until ``size`` bytes are there or the end is: decompressors return what they have."""
    data = read(size)
    if len(data) == size or not data:
        return data
    parts = [data]
    missing = size - len(data)
    while missing and (data := read(missing)):
        parts.append(data)
        missing -= len(data)
    return b"".join(parts)


class _Stored:
    """Stored bytes under a name, readable at any position from any thread."""

    name: str
    size: int

    def read_at(self, position: int, n: int) -> bytes:
        raise NotImplementedError

    def read_all(self) -> bytes:
        return self.read_at(0, self.size)

    def refuse_change(self) -> None:
        """Raise when the file is no longer the one that was opened."""

    def close(self) -> None:
        """Close what was opened here."""


class _Bytes(_Stored):
    def __init__(self, data: bytes | bytearray | memoryview) -> None:
        self.name = "<bytes>"
        self._data = data
        self._view = memoryview(data).cast("B")
        self.size = self._view.nbytes

    def read_at(self, position: int, n: int) -> bytes:
        return bytes(self._view[position : position + n])

    def read_all(self) -> bytes:
        return self._data if isinstance(self._data, bytes) else bytes(self._view)


class _File(_Stored):
    """An open file that seeks, from ``origin`` on."""

    def __init__(self, file: IO[bytes], name: str, *, owned: bool, origin: int = 0) -> None:
        self.name = name
        self._file = file
        self._owned = owned
        self._origin = origin
        self._reads_anywhere = owned and isinstance(file, io.FileIO) and hasattr(os, "preadv")
        self._lock = threading.Lock()
        self._stamp = self._look()
        self.size = max(0, file.seek(0, os.SEEK_END) - origin)

    def read_at(self, position: int, n: int) -> bytes:
        if self._reads_anywhere:
            # nobody waits for anybody: it is hashed while it is read
            return os.pread(self._file.fileno(), n, self._origin + position)
        with self._lock:
            self._file.seek(self._origin + position)
            return self._file.read(n) or b""

    def read_all(self) -> bytes:
        if self._reads_anywhere and self.size >= _SHARED_BYTES:
            return self._read_together()
        parts: list[bytes] = []
        done = 0
        # one call of the system gives 2 GiB at most
        while done < self.size and (part := self.read_at(done, self.size - done)):
            parts.append(part)
            done += len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _read_together(self) -> bytes:
        """Read it in two threads: most of the time goes into waiting for new memory."""
        whole = io.BytesIO(bytes(self.size))
        half = -(-self.size // 2)
        with whole.getbuffer() as room, ThreadPoolExecutor(2) as pool:
            parts = [(room[:half], 0), (room[half:], half)]
            sizes = list(pool.map(self._fill, *zip(*parts, strict=True)))
            for part, _ in parts:
                part.release()
        if sum(sizes) < self.size:
            raise self._changed()
        return whole.getvalue()  # the buffer itself, not a copy

    def _fill(self, room: memoryview, position: int) -> int:
        """Read into a part of memory, and return how much there was."""
        done = 0
        while done < len(room):
            with room[done:] as rest:
                n = os.preadv(self._file.fileno(), [rest], self._origin + position + done)
            if not n:
                break
            done += n
        return done

    def refuse_change(self) -> None:
        if self._look() != self._stamp:
            raise self._changed()

    def _changed(self) -> IngestionError:
        return IngestionError.from_reason(
            self.name, "it changed while it was read", "read it again when it is complete"
        )

    def close(self) -> None:
        if self._owned:
            self._file.close()

    def _look(self) -> tuple[int, int] | None:
        try:
            found = os.fstat(self._file.fileno())
        except (OSError, AttributeError, ValueError):  # not a file of the operating system
            return None
        return found.st_size, found.st_mtime_ns


class _RawReader(io.RawIOBase):
    """One pass over stored bytes, which counts and may hash what it reads."""

    def __init__(self, stored: _Stored, *, hashes: bool) -> None:
        self._stored = stored
        self._position = 0
        self._hash = hashlib.sha256() if hashes else None
        self._hashed = 0
        self.consumed = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._stored.size}
        self._position = max(0, start[whence] + offset)
        return self._position

    def read(self, n: int | None = -1) -> bytes:
        n = self._stored.size - self._position if n is None or n < 0 else n
        data = self._stored.read_at(self._position, n) if n > 0 else b""
        if self._hash is not None and self._position == self._hashed:
            self._hash.update(data)
            self._hashed += len(data)
        self._position += len(data)
        self.consumed += len(data)
        return data

    def digest(self) -> str | None:
        """Return the checksum when every stored byte was read, in order."""
        if self._hash is None or self._hashed != self._stored.size:
            return None
        return self._hash.hexdigest()


def _refuse_irregular(name: str, mode: int) -> None:
    if not stat.S_ISREG(mode):
        kind = {
            stat.S_IFDIR: "a directory",
            stat.S_IFIFO: "a FIFO",
            stat.S_IFSOCK: "a socket",
            stat.S_IFCHR: "a device",
            stat.S_IFBLK: "a device",
            stat.S_IFLNK: "a symbolic link",
        }.get(stat.S_IFMT(mode), "something else")
        raise IngestionError.from_reason(
            name, f"it must be a regular file, it is {kind}", "give the path of a file"
        )


def _open_path(path: str, limits: IngestionLimits) -> _Stored:
    follows = limits.symlinks == "follow"
    _refuse_irregular(path, os.stat(path, follow_symlinks=follows).st_mode)
    # Between the look and the opening a FIFO may take the file's place; opening it must not block.
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
    if not follows:
        flags |= getattr(os, "O_NOFOLLOW", 0)
    file = os.fdopen(os.open(path, flags), "rb", buffering=0)
    try:
        _refuse_irregular(path, os.fstat(file.fileno()).st_mode)
        return _File(file, path, owned=True)
    except BaseException:
        file.close()
        raise


def _open_object(source: IO[bytes], limits: IngestionLimits) -> _Stored:
    if not hasattr(source, "read"):
        raise InputTypeError(
            "read: a path, bytes or a binary file must be given, found "
            f"{type(source).__qualname__}; pass one of these.",
            received=type(source).__qualname__,
        )
    empty: object = source.read(0)
    if isinstance(empty, str):
        raise InputTypeError(
            "read: a file must be open for bytes, found one open for text, whose encoding is "
            "already decided; open it with mode 'rb', or encode the text and pass bytes.",
            received=type(source).__qualname__,
        )
    name = getattr(source, "name", None)
    name = name if isinstance(name, str) and name else "<file>"
    try:
        mode = os.fstat(source.fileno()).st_mode
    except (OSError, AttributeError, ValueError):  # not a file of the operating system
        mode = stat.S_IFREG
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):  # somebody else holds the other end
        _refuse_irregular(name, mode)
    if not getattr(source, "seekable", lambda: False)():
        return _File(_spooled(source, name, limits), name, owned=True)
    return _File(source, name, owned=False, origin=source.tell())


def _spooled(source: IO[bytes], name: str, limits: IngestionLimits) -> IO[bytes]:
    spool: IO[bytes] = tempfile.SpooledTemporaryFile(_SPOOL_IN_MEMORY)  # noqa: SIM115
    try:
        total = 0
        while data := source.read(CHUNK_BYTES):
            total += len(data)
            if limits.max_bytes is not None and total > limits.max_bytes:
                raise IngestionError.from_reason(
                    name,
                    f"it holds more than {limits.max_bytes:,} bytes",
                    "raise `max_bytes` of the limits, or read it in batches with `iter_csv`",
                )
            spool.write(data)
    except BaseException:
        spool.close()
        raise
    return spool
