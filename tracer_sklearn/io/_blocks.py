"""Cutting a stream of UTF-8 into blocks of whole records, with the limits enforced on the way.

A block whose quotes are all well placed is *clean*: a fast reader may take it. Any other is cut
into records one by one. Which of the two happens is decided here, from the bytes alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np

from tracer_sklearn.exceptions import IngestionError
from tracer_sklearn.io._records import Lexer, Record
from tracer_sklearn.io.dialect import Dialect, one_line_end
from tracer_sklearn.io.limits import IngestionLimits

BLOCK_BYTES = 8 << 20
# where memory is bounded: blocks wait for one another in threads
SMALL_BLOCK_BYTES = 1 << 20
# lines of the end of a file that are looked at one by one
_TAIL_LINES = 64
# no number has so many digits, and some readers take minutes over one
_MOST_DIGITS = 100_000
_DIGITS = re.compile(rb"[0-9]{%d}" % _MOST_DIGITS)
_TAB, _LF = 9, 10
_NOTHING = memoryview(b"")
# line feeds are counted so many bytes at a time, which stay in the cache
_COUNTED_BYTES = 256 << 10


@dataclass(frozen=True, slots=True)
class Block:
    """Whole records: as clean bytes, or one by one.

    Attributes
    ----------
    data : memoryview
        Clean text with line feeds, a part of the chunk it came in; empty where there are records.
    line, n_lines, n_records : int
        Where it starts, and its size.
    quoted : bool
        Whether there are quotes in the text.
    records : list of Record or None
        The records of a block that is not clean.
    """

    line: int
    n_lines: int
    n_records: int
    data: memoryview = _NOTHING
    quoted: bool = False
    records: list[Record] | None = None


def line_chunks(chunks: Iterator[bytes], line_end: str) -> Iterator[bytes]:
    """Turn all line ends into line feeds; a chunk never ends inside a line end."""
    carry = b""
    for chunk in chunks:
        if not carry and b"\r" not in chunk:
            yield chunk
            continue
        chunk = carry + chunk
        # CR CR LF may be cut after its first or second byte
        kept = len(chunk.rstrip(b"\r"))
        kept = max(kept, len(chunk) - 2)
        carry = chunk[kept:]
        yield one_line_end(chunk[:kept], line_end)
    if carry:
        yield one_line_end(carry, line_end)


class Cutter:
    """Cuts chunks of text with line feeds into blocks.

    Parameters
    ----------
    chunks : iterator of bytes
        UTF-8 with line feeds, of any sizes.
    dialect : Dialect
        How cells are separated.
    limits : IngestionLimits
        What a row may cost.
    name : str
        What errors call the file.
    line : int
        Number of the first line.
    block_bytes : int
        Size of a block.
    start : int
        Where the first line stands in the first chunk.
    """

    def __init__(
        self,
        chunks: Iterator[bytes],
        dialect: Dialect,
        limits: IngestionLimits,
        name: str,
        line: int = 1,
        block_bytes: int = BLOCK_BYTES,
        start: int = 0,
    ) -> None:
        self._chunks = chunks
        self._block_bytes = block_bytes
        self._dialect = dialect
        self._limits = limits
        # a row of fewer bytes passes no limit
        self._harmless = min(
            limits.max_columns, limits.max_field_bytes, limits.max_row_bytes, _MOST_DIGITS
        )
        self._name = name
        self._line = line
        self._at = start
        self._lexer: Lexer | None = None
        # what is one byte wide and doubles its quotes can be checked and read fast
        self._checkable = not (dialect.escape or dialect.skips_blanks) and dialect.quote.isascii()

    def __iter__(self) -> Iterator[Block]:
        """Yield the blocks; the last lines of the file come as records."""
        held = b""
        for data in self._gathered():
            if held:
                yield from self._blocks_of(held, last=False)
                held, self._at = held[self._at :], 0
            held = held + data if held else data
        yield from self._blocks_of(held, last=True)
        if self._lexer is not None and self._lexer.open_line is not None:
            raise self._refused(
                "a quote is opened that is never closed", "mend the line", self._lexer.open_line
            )

    def _gathered(self) -> Iterator[bytes]:
        """Yield pieces of at least a block but for the last."""
        parts: list[bytes] = []
        size = 0
        for chunk in self._chunks:
            parts.append(chunk)
            size += len(chunk)
            if size >= self._block_bytes:
                yield b"".join(parts)
                parts, size = [], 0
        if size:
            yield b"".join(parts)

    def _blocks_of(self, data: bytes, *, last: bool) -> Iterator[Block]:
        """Cut the data where it lies, from ``self._at`` on.

        At least a block is left for the next time, so that the end of the file, of which lines
        are looked at one by one, is never in two parts.
        """
        window = self._block_bytes
        while (start := self._at) < len(data):
            stop = start + window
            if stop + self._block_bytes > len(data):
                if not last:
                    return
                stop = len(data)
            yield from self._cut(data, start, stop, last=stop == len(data))
            # a record that is longer than the window is looked at with what follows
            window = self._block_bytes if self._at > start else 2 * window

    def _cut(self, data: bytes, start: int, stop: int, *, last: bool) -> Iterator[Block]:
        """Yield the whole records of a window; ``self._at`` is where the rest starts."""
        if self._lexer is None and self._checkable:
            quoted = data.find(self._dialect.quote.encode(), start, stop) >= 0
            if not (quoted or last) and self._has_short_lines(data, start, stop):
                yield self._plain(data, start, stop)
                return
            part = data[start:stop]
            ends = self._record_ends(part, quoted=quoted)
            if ends is not None:
                yield from self._clean(part, ends, quoted=quoted, last=last)
                return
        yield from self._one_by_one(data[start:stop], last=last)

    def _has_short_lines(self, data: bytes, start: int, stop: int) -> bool:
        """Tell lines without quotes of which none can pass a limit."""
        longest = self._harmless
        at = start
        while stop - at > longest:
            end = data.rfind(b"\n", at, at + longest)
            if end < 0:
                return False
            at = end + 1
        return at > start and data.find(b"\n", start, stop) >= 0

    def _plain(self, data: bytes, start: int, stop: int) -> Block:
        """Return the whole lines of a window without quotes, uncopied."""
        self._at = stop = data.rfind(b"\n", start, stop) + 1
        values = np.frombuffer(data, dtype=np.uint8)
        n_lines = sum(
            int(np.count_nonzero(values[at : min(at + _COUNTED_BYTES, stop)] == _LF))
            for at in range(start, stop, _COUNTED_BYTES)
        )
        line, self._line = self._line, self._line + n_lines
        return Block(line, n_lines, n_lines, data=memoryview(data)[start:stop])

    def _record_ends(self, data: bytes, *, quoted: bool) -> np.ndarray | None:
        """Return where records end, or None where quotes are not well placed."""
        values = np.frombuffer(data, dtype=np.uint8)
        ends = np.flatnonzero(values == _LF)
        quote, delimiter = ord(self._dialect.quote), ord(self._dialect.delimiter)
        if not quoted:
            return ends
        quotes = np.flatnonzero(values == quote)
        if len(ends):
            closed = np.searchsorted(quotes, ends) % 2 == 0
            if delimiter == _TAB and not closed.all() and self._has_quoted_tabs(values, quotes):
                return None
            ends = ends[closed]
        if not len(ends):
            return ends
        quotes = quotes[: np.searchsorted(quotes, ends[-1])]
        opening, closing = quotes[0::2], quotes[1::2]
        before = values[opening - 1]
        good = (before == delimiter) | (before == _LF) | (opening == 0)
        # the second of a doubled quote opens nothing
        good[1:] |= opening[1:] == closing[:-1] + 1
        after = values[closing + 1]
        well = (after == delimiter) | (after == _LF) | (after == quote)
        return ends if bool(good.all()) and bool(well.all()) else None

    def _has_quoted_tabs(self, values: np.ndarray, quotes: np.ndarray) -> bool:
        """Tell tabs within quotes, which may be those of whole rows: see `Lexer`."""
        tabs = np.flatnonzero(values == _TAB)
        return bool((np.searchsorted(quotes, tabs) % 2).any())

    def _clean(self, data: bytes, ends: np.ndarray, *, quoted: bool, last: bool) -> Iterator[Block]:
        self._check_rows(data, ends)
        if last:
            # footers are found one by one
            ends = ends[: max(0, len(ends) - _TAIL_LINES)]
        cut = int(ends[-1]) + 1 if len(ends) else 0
        rest = b"" if last else data[cut:]
        if len(rest) > self._limits.max_row_bytes:
            raise self._refused(
                f"a row of more than {self._limits.max_row_bytes:,} bytes",
                "close its quote, or raise `max_row_bytes` of the limits",
                self._line + data.count(b"\n", 0, cut),
            )
        self._at += cut
        if cut:
            n_lines = data.count(b"\n", 0, cut) if quoted else len(ends)
            text = memoryview(data)[:cut]
            yield Block(self._line, n_lines, len(ends), data=text, quoted=quoted)
            self._line += n_lines
        if last:
            yield from self._one_by_one(data[cut:], last=True)

    def _one_by_one(self, data: bytes, *, last: bool) -> Iterator[Block]:
        cut = len(data) if last else data.rfind(b"\n") + 1
        self._at += cut
        if self._lexer is None:
            self._lexer = Lexer(self._dialect, self._line)
        if cut:
            longest = self._check_lines(data[:cut])
            text = data[:cut].decode("utf-8", "replace")
            records = []
            cut_records = self._lexer.feed(text)
            for record in chain(cut_records, self._lexer.finish()) if last else cut_records:
                self._check_record(record, longest)
                records.append(record)
            self._line = self._lexer.next_line
            if records:
                n_lines = sum(record.n_lines for record in records)
                yield Block(records[0].line, n_lines, len(records), records=records)
        still_open = self._lexer.open_line is not None
        if still_open and self._lexer.open_bytes > self._limits.max_field_bytes:
            raise self._refused(
                "a quote is opened that is not closed within "
                f"{self._limits.max_field_bytes:,} bytes",
                "mend the line, or raise `max_field_bytes` of the limits",
                self._lexer.open_line,
            )
        if not still_open:
            self._lexer = None
        if len(data) - cut > self._limits.max_row_bytes:
            raise self._row_too_long(self._line)

    # -- limits --------------------------------------------------------------------------------

    def _check_rows(self, data: bytes, ends: np.ndarray) -> None:
        """Refuse rows that are too long, too wide, or hold a cell that is too long."""
        if not len(ends):
            self._check_row(data, self._line)
            return
        lengths = np.diff(ends, prepend=-1)
        suspicious = np.flatnonzero(lengths > self._harmless)
        for at in suspicious:
            start = int(ends[at] - lengths[at] + 1)
            # cells may hold line breaks
            line = self._line + data.count(b"\n", 0, start)
            self._check_row(data[start : int(ends[at])], line)

    def _check_lines(self, data: bytes) -> int:
        """Refuse lines that no record can have; return the length of the longest."""
        values = np.frombuffer(data, dtype=np.uint8)
        ends = np.flatnonzero(values == _LF)
        lengths = np.diff(ends, prepend=-1, append=len(data)) - 1
        longest = int(lengths.max())
        if longest > self._limits.max_row_bytes:
            first = int(np.argmax(lengths > self._limits.max_row_bytes))
            raise self._row_too_long(self._line + first)
        return longest

    def _check_row(self, row: bytes, line: int) -> None:
        limits, dialect = self._limits, self._dialect
        if len(row) > limits.max_row_bytes:
            raise self._row_too_long(line)
        mark, quote = re.escape(dialect.delimiter.encode()), re.escape(dialect.quote.encode())
        in_quotes = re.compile(quote + b"[^" + quote + b"]*" + quote)
        bare = in_quotes.sub(b"", row) if dialect.quote.encode() in row else row
        if bare.count(dialect.delimiter.encode()) >= limits.max_columns:
            raise self._too_wide(line)
        if len(row) > min(limits.max_field_bytes, _MOST_DIGITS):
            quoted = b"(?:" + quote + b"[^" + quote + b"]*" + quote + b")+"
            for found in re.finditer(quoted + b"|[^" + mark + quote + b"]+", row):
                if self._size_of(found.group()) > limits.max_field_bytes:
                    raise self._cell_too_long(line)
            self._check_digits(row, line)

    def _size_of(self, cell: bytes) -> int:
        """Return the bytes of a cell without the quotes around it, doubled ones counted once."""
        quote = self._dialect.quote.encode()
        if not cell.startswith(quote):
            return len(cell)
        return len(cell) - 2 - cell.count(2 * quote, 1, len(cell) - 1)

    def _check_record(self, record: Record, longest: int) -> None:
        limits = self._limits
        if len(record.cells) > limits.max_columns:
            raise self._too_wide(record.line)
        if record.n_lines > 1 or longest > min(_MOST_DIGITS, limits.max_field_bytes):
            size = 0
            for cell in record.cells:
                length = len(cell) if cell.isascii() else len(cell.encode())
                size += length
                if length > limits.max_field_bytes:
                    raise self._cell_too_long(record.line)
                if length > _MOST_DIGITS:
                    self._check_digits(cell.encode(), record.line)
            if size > limits.max_row_bytes:
                raise self._row_too_long(record.line)

    def _check_digits(self, text: bytes, line: int) -> None:
        if _DIGITS.search(text):
            raise self._refused(
                f"a number of more than {_MOST_DIGITS:,} digits", "mend the line", line
            )

    def _too_wide(self, line: int) -> IngestionError:
        return self._refused(
            f"a row of more than {self._limits.max_columns:,} columns",
            "check the delimiter, or raise `max_columns` of the limits",
            line,
        )

    def _cell_too_long(self, line: int) -> IngestionError:
        return self._refused(
            f"a cell of more than {self._limits.max_field_bytes:,} bytes",
            "close its quote, or raise `max_field_bytes` of the limits",
            line,
        )

    def _row_too_long(self, line: int) -> IngestionError:
        return self._refused(
            f"a row of more than {self._limits.max_row_bytes:,} bytes",
            "close its quote, or raise `max_row_bytes` of the limits",
            line,
        )

    def _refused(self, reason: str, advice: str, line: int | None) -> IngestionError:
        return IngestionError.from_reason(self._name, reason, advice, line=line)
