"""Which encoding text has, and its bytes as UTF-8.

The ladder: a byte order mark; UTF-16 by where its NUL bytes stand; strict UTF-8 over the whole
of the data; the multi-byte encodings of East Asia where the text looks like it; chardet over
the whole of the data, among the encodings of Western and Central Europe; CP1252.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa

from tracer_sklearn.exceptions import IngestionError, ParameterError
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

# For chardet: the candidates, with what is said when none fits in front.
_EUROPEAN = (
    "cp1252",
    "iso8859-1",
    "iso8859-15",
    "cp1250",
    "iso8859-2",
    "iso8859-16",
    "cp437",
    "cp850",
    "cp852",
    "cp858",
    "mac-roman",
    "mac-latin2",
)
_EAST_ASIAN = ("gb18030", "big5hkscs", "cp932", "euc_jis_2004", "cp949", "euc_kr")

_WINDOW_BYTES = 1 << 20
_SAMPLE_BYTES = 4 << 20  # of a stream, chardet sees at most this much text around its accents
_CONTEXT_BYTES = 64


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
    reason: str = ""


_ASCII = EncodingGuess(name="ascii", confidence=1.0, reason="every byte is ASCII")


def detect_encoding(data: bytes | Iterable[bytes], *, encoding: str = "auto") -> EncodingGuess:
    """Decide the encoding of a whole text, given at once or in chunks.

    All of the data is looked at, since the first byte that is not ASCII may come last; chunks
    are not kept. An ``encoding`` other than "auto" is the user's word and wins, over a byte
    order mark too, and is only checked when the text is converted.
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
    return evidence.guess()


def to_utf8(data: bytes, guess: EncodingGuess, *, name: str = "<bytes>") -> bytes:
    """Return text as UTF-8 without its byte order mark; the same object when it is that."""
    if guess.name in _UTF8 and not guess.bom and not guess.cut_bytes and _as_said(data, guess):
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


def _as_said(data: bytes, guess: EncodingGuess) -> bool:
    """Tell whether text that passes unchanged is what the guess says; a user may be wrong."""
    return data.isascii() or (guess.name == "utf-8" and _valid_utf8(data))


def _converted(chunks: Iterable[bytes], guess: EncodingGuess, name: str) -> Iterator[bytes]:
    """Decode and encode a window at a time: the text in between takes up to four times more."""
    decoder = codecs.getincrementaldecoder(guess.name)("strict")
    skip = len(_mark_of(guess.name)) if guess.bom else 0
    lines = 1
    for chunk in chunks:
        for window in _windows(chunk[skip:] if skip else chunk):
            if guess.name in _UTF8 and not decoder.getstate()[0] and window.isascii():
                yield window
                lines += window.count(b"\n")
                continue
            try:
                text = decoder.decode(window).encode()
            except UnicodeError as error:
                raise _undecodable(name, guess, lines, error) from None
            lines += text.count(b"\n")
            yield text
        skip = max(0, skip - len(chunk))
    if decoder.getstate()[0]:
        yield "\ufffd".encode()


def _undecodable(
    name: str, guess: EncodingGuess, lines: int, error: UnicodeError
) -> IngestionError:
    line = lines
    found = "a byte"
    if isinstance(error, UnicodeDecodeError):
        before = error.object[: error.start].decode(guess.name, "ignore")
        line += before.count("\n")
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
        self._counts = np.zeros(256, dtype=np.int64)
        self._sample: list[bytes] = []
        self._sampled = 0

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
        values = np.frombuffer(chunk, dtype=np.uint8)
        self._counts += np.bincount(values, minlength=256)
        if self._sampled < _SAMPLE_BYTES:
            self._sample.append(_around_accents(values)[: _SAMPLE_BYTES - self._sampled])
            self._sampled += len(self._sample[-1])

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
        return _legacy(b"".join(self._sample), np.flatnonzero(self._counts[128:]) + 128)


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
    ends = np.isin(low, (0x0A, 0x0D))
    stray = np.isin(high, (0x0A, 0x0D)) & (low != 0)
    paired = int(np.count_nonzero(ends & (high == 0)))
    misplaced = int(np.count_nonzero(ends & (high != 0))) + int(np.count_nonzero(stray))
    if paired < misplaced or (not paired and most < 0.4 * len(values)):
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
        byte = data[-back]
        if byte >= 0xC0:
            needed = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return back if byte < 0xF5 and back < needed else 0
        if byte < 0x80:
            return 0
    return 0


def _around_accents(values: np.ndarray) -> bytes:
    """Return the text around bytes that are not ASCII; what lies between tells nothing."""
    near = np.zeros(len(values) + 1, dtype=np.int32)
    accents = np.flatnonzero(values >= 0x80)
    np.add.at(near, np.maximum(accents - _CONTEXT_BYTES, 0), 1)
    np.add.at(near, np.minimum(accents + _CONTEXT_BYTES, len(values)), -1)
    return values[np.cumsum(near)[:-1] > 0].tobytes()


def _legacy(sample: bytes, high: np.ndarray) -> EncodingGuess:
    """Decide among the encodings whose bytes prove nothing."""
    if guess := _east_asian(sample):
        return guess
    letters = bytes(high.tolist())
    ranked: dict[str, float] = {}  # by what the text becomes: the first name of each is enough
    readings: dict[str, str] = {}
    for name, sure in _ranked(sample, _EUROPEAN):
        if (reading := _decoded(letters, name)) is not None:
            ranked.setdefault(readings.setdefault(reading, name), sure)
    usual = _decoded(letters, "cp1252")
    if not ranked:
        name = "iso8859-1" if usual is None else "cp1252"
        return EncodingGuess(name=name, confidence=0.1, reason="nothing else fits")
    (name, sure), *others = ranked.items()
    if usual is not None and readings[_decoded(letters, name) or ""] == readings.get(usual):
        name = "cp1252"
    runner_up, second = others[0] if others else (None, None)
    return EncodingGuess(
        name=name,
        confidence=sure,
        runner_up=runner_up,
        runner_up_confidence=second,
        reason="chardet",
    )


def _ranked(sample: bytes, candidates: tuple[str, ...]) -> list[tuple[str, float]]:
    import chardet

    found = chardet.detect_all(
        sample,
        ignore_threshold=True,
        max_bytes=len(sample) + 1,
        compat_names=False,
        include_encodings=candidates,
        no_match_encoding=candidates[0],
    )
    return [(str(one["encoding"]), float(one["confidence"])) for one in found if one["encoding"]]


def _decoded(data: bytes, name: str) -> str | None:
    try:
        return data.decode(name)
    except UnicodeDecodeError:
        return None


_BETWEEN_LETTERS = re.compile(r"[A-Za-z][^\x00-\xff]|[^\x00-\xff][A-Za-z]")
_ASIAN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")


def _east_asian(sample: bytes) -> EncodingGuess | None:
    """Recognise multi-byte text, whose characters come in runs.

    An accented letter and the letter after it make a valid pair in most of these encodings,
    but then a lone one, amid Latin letters.
    """
    ranked = _ranked(sample, _EAST_ASIAN)
    for name, sure in ranked:
        text = sample.decode(name, "replace")
        asian = len(_ASIAN.findall(text))
        amid = len(_BETWEEN_LETTERS.findall(text))
        if asian >= 2 and amid < 0.3 * asian and text.count("\ufffd") <= 0.01 * asian:
            return EncodingGuess(
                name=name, confidence=sure, reason="chardet, and characters that come in runs"
            )
    return None


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
