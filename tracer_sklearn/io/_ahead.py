"""Rows are read while the file still is: text whose encoding is found on the way."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from tracer_sklearn.exceptions import IngestionError
from tracer_sklearn.io._source import Source
from tracer_sklearn.io.encoding import EncodingGuess, detect_encoding, to_utf8

# a part of the file; what is smaller is read at once
AHEAD_BYTES = 16 << 20
_WINDOW_BYTES = 1 << 20

_T = TypeVar("_T")


class TextAhead:
    """The text of a whole file as UTF-8, in large parts.

    Bytes of ASCII are the same text in every encoding that begins with them, so these are given
    as they come. From the first other byte on, what is left waits for the guess, which looks at
    all bytes of the file.

    Attributes
    ----------
    guess : EncodingGuess or None
        Known when the last part was given, if not before.
    timings : dict of str to float
        Seconds of reading and of finding the encoding.
    """

    def __init__(self, source: Source, encoding: str) -> None:
        self._source = source
        self._encoding = encoding
        self.guess: EncodingGuess | None = None
        self.timings = {"read": 0.0, "encoding": 0.0}

    def parts(self) -> Iterator[bytes]:
        """Yield the text."""
        source = self._source
        n_parts = source.size // AHEAD_BYTES if source.compression == "none" else 0
        if n_parts < 2 or self._encoding != "auto" or source.is_in_memory:
            yield self._decoded(self._timed(source.read), b"")
            return
        chunks = source.chunks(-(-source.size // n_parts))
        given: list[bytes] = []
        while chunk := self._timed(lambda: next(chunks, b"")):
            plain = chunk.isascii() and (given or b"\0" not in chunk[:_WINDOW_BYTES])
            if not plain:
                rest = self._timed(lambda: list(chunks))
                yield self._decoded(b"".join([*given, chunk, *rest]), b"".join(given))
                return
            given.append(chunk)
            yield chunk
        self.guess = detect_encoding(b"", name=source.name)

    def _timed(self, read: Callable[[], _T]) -> _T:
        began = time.perf_counter()
        found = read()
        self.timings["read"] += time.perf_counter() - began
        return found

    def _decoded(self, data: bytes, given: bytes) -> bytes:
        """Return the text after what was given."""
        began = time.perf_counter()
        name = self._source.name
        self.guess = detect_encoding(data, encoding=self._encoding, name=name)
        text = to_utf8(data, self.guess, name=name)
        if not text.startswith(given):
            raise IngestionError.from_reason(
                name, "its encoding changes on the way", "export the table again"
            )
        self.timings["encoding"] += time.perf_counter() - began
        return text[len(given) :] if given else text
