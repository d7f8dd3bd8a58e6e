"""Which encoding text has, and its bytes as UTF-8.

The ladder: a byte order mark; UTF-16 by where its NUL bytes stand; strict UTF-8 over the whole
of the data; then a code page, by what the words become in each and by chardet; CP1252 last.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa

from tracer_sklearn.exceptions import IngestionError, ParameterError
from tracer_sklearn.io._code_pages import Words
from tracer_sklearn.io._source import Source
from tracer_sklearn.schema._part import Part

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16 LE, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_UTF8 = ("ascii", "utf-8")

_WINDOW_BYTES = 1 << 20


class EncodingGuess(Part):
    r"""What was decided about the encoding of a text, how surely, and why.

    Parameters
    ----------
    name : str
        Name of the codec, as Python knows it.
    confidence : float
        From 0 to 1. 1 for what bytes prove or the user said.
    runner_up : str or None, default=None
        The next best, where there was a choice.
    runner_up_confidence : float or None, default=None
        From 0 to 1.
    bom : bool, default=False
        Whether the text starts with a byte order mark, which is not part of it.
    cut_bytes : int, default=0
        Bytes of a character that the very end of the data cuts off; it is read as U+FFFD.
    mixed : bool, default=False
        Whether the text is UTF-8 but for some bytes, which are read as CP1252.
    reason : str, default=""
        What decided.

    Examples
    --------
    >>> from tracer_sklearn.io.encoding import detect_encoding
    >>> detect_encoding("naïve;5\n".encode("utf-8")).name
    'utf-8'
    """

    name: str
    confidence: float
    runner_up: str | None = None
    runner_up_confidence: float | None = None
    bom: bool = False
    cut_bytes: int = 0
    mixed: bool = False
    reason: str = ""


_ASCII = EncodingGuess(name="ascii", confidence=1.0, reason="every byte is ASCII")


def detect_encoding(
    data: bytes | Iterable[bytes], *, encoding: str = "auto", name: str = "<bytes>"
) -> EncodingGuess:
    """Decide the encoding of a whole text, given at once or in chunks.

    All of the data is looked at, since the first byte that is not ASCII may come last; chunks
    are not kept. An ``encoding`` other than "auto" is the user's word and wins, over a byte
    order mark too, and is only checked when the text is converted. Bytes that are no text in any
    encoding are an IngestionError with ``name`` as the path.
    """
    if encoding != "auto":
        head = data[:4] if isinstance(data, bytes) else next(iter(data), b"")[:4]
        return _users_word(encoding, head)
    if isinstance(data, bytes):
        if data.isascii() and b"\0" not in data[:_WINDOW_BYTES]:
            return _ASCII
        data = _windows(data)
    evidence = _Evidence()
    for window in _even(data):
        evidence.add(window)
    if evidence.is_binary():
        raise IngestionError.from_reason(
            name, "its bytes are not text", "export the table as CSV, or name its `encoding`"
        )
    return evidence.guess()


def to_utf8(data: bytes, guess: EncodingGuess, *, name: str = "<bytes>") -> bytes:
    """Return text as UTF-8 without its byte order mark; the same object when it is that."""
    if not guess.bom and not guess.cut_bytes and _passes_unchanged(data, guess):
        return data
    return b"".join(_converted((data,), guess, name))


def utf8_chunks(
    source: Source, guess: EncodingGuess, *, size: int = _WINDOW_BYTES
) -> Iterator[bytes]:
    """Yield the text of a source as UTF-8, without its byte order mark.

    A chunk may end inside a character.
    """
    return _converted(source.chunks(size), guess, source.name)


def _windows(data: bytes) -> Iterator[bytes]:
    return (data[at : at + _WINDOW_BYTES] for at in range(0, len(data), _WINDOW_BYTES))


def _even(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Cut a stream at the same places however it arrives: the guess must not depend on it."""
    held: list[bytes] = []
    length = 0
    for chunk in chunks:
        held.append(chunk)
        length += len(chunk)
        if length >= _WINDOW_BYTES:
            joined = held[0] if len(held) == 1 else b"".join(held)
            whole = length - length % _WINDOW_BYTES
            yield from _windows(joined[:whole])
            held, length = [joined[whole:]], length - whole
    if length:
        yield b"".join(held)


# ------------------------------------------------------------------------------- conversion


def _passes_unchanged(data: bytes, guess: EncodingGuess) -> bool:
    """Tell whether the text is UTF-8 already; a guess is, a user may be wrong."""
    if guess.name not in _UTF8:
        return False
    return data.isascii() or (guess.name == "utf-8" and not guess.mixed and _valid_utf8(data))


def _as_cp1252(error: UnicodeError) -> tuple[str, int]:
    """Read the bytes that are not UTF-8 as what they almost certainly are."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    bad = error.object[error.start : error.end]
    try:
        return bad.decode("cp1252"), error.end
    except UnicodeDecodeError:
        return bad.decode("iso8859-1"), error.end


codecs.register_error("tracer_sklearn.cp1252", _as_cp1252)


def _converted(chunks: Iterable[bytes], guess: EncodingGuess, name: str) -> Iterator[bytes]:
    """Decode and encode a window at a time: the text in between takes up to four times more."""
    errors = "tracer_sklearn.cp1252" if guess.mixed else "strict"
    decoder = codecs.getincrementaldecoder(guess.name)(errors)
    skip = len(_mark_of(guess.name)) if guess.bom else 0
    lines = 1
    for chunk in chunks:
        for window in _windows(chunk[skip:] if skip else chunk):
            if guess.name in _UTF8 and not decoder.getstate()[0] and window.isascii():
                yield window
                lines += _line_ends(window)
                continue
            try:
                text = _fast(window, guess.name) or decoder.decode(window).encode()
            except UnicodeError as error:
                raise _undecodable(name, guess, lines, error) from None
            lines += _line_ends(text)
            yield text
        skip = max(0, skip - len(chunk))
    if decoder.getstate()[0]:
        yield "\ufffd".encode()


# CP1252 is Latin-1, which converts at the speed of memory, but for these.
_MOVED = {
    chr(byte).encode(): bytes([byte]).decode("cp1252").encode()
    for byte in range(0x80, 0xA0)
    if byte not in (0x81, 0x8D, 0x8F, 0x90, 0x9D)
}


def _fast(window: bytes, name: str) -> bytes:
    """Convert the usual code page ten times faster than its codec; b"" where only that can."""
    if name != "cp1252":
        return b""
    values = np.frombuffer(window, dtype=np.uint8)
    present = np.flatnonzero(np.bincount(values[(values & 0xE0) == 0x80], minlength=0xA0))
    moved = [chr(byte).encode() for byte in present.tolist()]
    text = window.decode("iso8859-1").encode()
    if not all(sequence in _MOVED for sequence in moved):
        return b""
    for sequence in moved:
        text = text.replace(sequence, _MOVED[sequence])
    return text


def _line_ends(text: bytes) -> int:
    return text.count(b"\n") or text.count(b"\r")


def _undecodable(
    name: str, guess: EncodingGuess, lines: int, error: UnicodeError
) -> IngestionError:
    line = lines
    found = "a byte"
    if isinstance(error, UnicodeDecodeError):
        line += _line_ends(error.object[: error.start].decode(guess.name, "ignore").encode())
        found = f"the byte 0x{error.object[error.start]:02x}"
    return IngestionError.from_reason(
        name,
        f"{found} is not {guess.name}",
        "give the right `encoding`, or leave it at 'auto'",
        line=line,
    )


# ------------------------------------------------------------------------------- the ladder


class _Evidence:
    """What a pass over chunks of any size finds out, in bounded memory."""

    def __init__(self) -> None:
        self._head = b""
        self._length = 0
        self._certain: EncodingGuess | None = None
        self._ascii = True
        self._utf8 = True
        self._carry = b""
        self._words = Words()

    def add(self, chunk: bytes) -> None:
        self._length += len(chunk)
        if self._certain is not None:
            return
        if len(self._head) < _WINDOW_BYTES:
            self._head += chunk[: _WINDOW_BYTES - len(self._head)]
            if len(self._head) == _WINDOW_BYTES:
                self._certain = _utf16(self._head)
        if not chunk.isascii() or self._carry:
            self._ascii = False
            self._look_at(chunk)

    def _look_at(self, chunk: bytes) -> None:
        if self._utf8:
            joined = self._carry + chunk
            cut = _cut_bytes(joined)
            self._utf8 = _valid_utf8(joined[: len(joined) - cut])
            self._carry = joined[len(joined) - cut :] if self._utf8 else b""
        if not (self._utf8 and self._words.enough):
            self._words.add(chunk)

    def is_binary(self) -> bool:
        """Tell what no encoding makes text of, from control characters."""
        certain = self._certain or _utf16(self._head)
        return not (certain or self._ascii or self._utf8) and self._words.has_controls()

    def guess(self) -> EncodingGuess:
        certain = self._certain or _utf16(self._head)
        if certain is not None:
            cut = self._length % (4 if "32" in certain.name else 2)
            return certain.model_copy(update={"cut_bytes": cut})
        if self._ascii:
            return _ASCII
        bom = self._head.startswith(codecs.BOM_UTF8)
        if self._utf8 or bom:
            return _utf8_guess(len(self._carry), bom=bom)
        found = self._words.verdict()
        mixed = found.name == "utf-8"
        return EncodingGuess(
            name=found.name,
            confidence=found.confidence,
            runner_up=found.runner_up,
            runner_up_confidence=None if found.runner_up is None else 1 - found.confidence,
            mixed=mixed,
            reason=found.reason,
        )


def _mark_of(name: str) -> bytes:
    return next((mark for mark, codec in _MARKS if codec == name), b"")


def _marked(head: bytes) -> EncodingGuess | None:
    for mark, codec in _MARKS:
        if head.startswith(mark):
            return EncodingGuess(name=codec, confidence=1.0, bom=True, reason="byte order mark")
    return None


def _utf16(head: bytes) -> EncodingGuess | None:
    marked = _marked(head)
    if marked is not None and marked.name == "utf-8":
        return None  # it is checked all the same
    return marked or _utf16_by_nuls(head)


def _utf16_by_nuls(head: bytes) -> EncodingGuess | None:
    """Recognise UTF-16 without a mark: ASCII characters have their NUL all on one side.

    Stray NUL bytes in other text are told apart by the line ends, which have one too.
    """
    values = np.frombuffer(head[: len(head) // 2 * 2], dtype=np.uint8).reshape(-1, 2)
    if not len(values):
        return None
    even, odd = (int(np.count_nonzero(values[:, side] == 0)) for side in (0, 1))
    name, most, least = ("utf-16-le", odd, even) if odd > even else ("utf-16-be", even, odd)
    if most < 0.02 * len(values) or least > 0.1 * most:
        return None
    low, high = (values[:, 0], values[:, 1]) if odd > even else (values[:, 1], values[:, 0])
    if most < 0.5 * len(values):  # few ASCII characters: line ends are the surest
        ends = np.isin(low, (0x0A, 0x0D))
        paired = int(np.count_nonzero(ends & (high == 0)))
        if paired <= int(np.count_nonzero(ends)) - paired:
            return None
    return EncodingGuess(
        name=name, confidence=min(1.0, 0.9 + most / len(values) / 10), reason="NUL bytes"
    )


def _utf8_guess(cut: int, *, bom: bool) -> EncodingGuess:
    reason = "byte order mark" if bom else "all of it is valid UTF-8"
    ending = f"; the last character is cut off after {cut} bytes" if cut else ""
    return EncodingGuess(
        name="utf-8", confidence=1.0, bom=bom, cut_bytes=cut, reason=reason + ending
    )


def _valid_utf8(data: bytes) -> bool:
    """Validate without building the text, ten times as fast as decoding."""
    offsets = pa.py_buffer(np.array([0, len(data)], dtype=np.int64))
    text = pa.Array.from_buffers(pa.large_string(), 1, [None, offsets, pa.py_buffer(data)])
    try:
        text.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _cut_bytes(data: bytes) -> int:
    """Count the bytes at the end that begin a character of UTF-8 without finishing it."""
    for back in range(1, min(3, len(data)) + 1):
        if data[-back] >= 0xC0:
            try:
                _, whole = codecs.utf_8_decode(data[-back:], "strict", False)
            except UnicodeDecodeError:
                return 0
            return back - whole
    return 0


def _users_word(encoding: str, head: bytes) -> EncodingGuess:
    try:
        found = codecs.lookup(encoding)
        "".encode(found.name)
    except LookupError:
        raise ParameterError(
            f"read: `encoding` must be 'auto' or a text codec of Python, found {encoding!r}; "
            "write it like 'cp1252' or 'utf-16'.",
            parameter="encoding",
            value=encoding,
        ) from None
    name = {"utf-8-sig": "utf-8", "utf-16": "utf-16-le", "utf-32": "utf-32-le"}.get(
        found.name, found.name
    )
    if found.name in ("utf-16", "utf-32"):
        marked = _marked(head)
        if marked is not None and marked.name.startswith(found.name):
            name = marked.name
    mark = _mark_of(name)
    return EncodingGuess(
        name=name,
        confidence=1.0,
        bom=bool(mark) and head.startswith(mark),
        reason="given by the user",
    )
