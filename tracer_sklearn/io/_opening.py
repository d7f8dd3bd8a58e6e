"""Opening a file as a table: encoding, dialect and shape from its first lines."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from tracer_sklearn.exceptions import IngestionError
from tracer_sklearn.io._account import Account, lines_of
from tracer_sklearn.io._blocks import BLOCK_BYTES, SMALL_BLOCK_BYTES, Block, Cutter, line_chunks
from tracer_sklearn.io._body import RULE, Body, Fail
from tracer_sklearn.io._cells import is_blank, is_rule
from tracer_sklearn.io._records import Record, records_of
from tracer_sklearn.io._rows import Convert, Piece, pieces_of
from tracer_sklearn.io._shape import Shape, find_shape
from tracer_sklearn.io._source import Source
from tracer_sklearn.io._wrapped import is_wrapped, unwrapped_chunks
from tracer_sklearn.io.dialect import (
    DELIMITERS,
    Dialect,
    announced_delimiter,
    detect_dialect,
    line_end_of,
)
from tracer_sklearn.io.encoding import EncodingGuess, detect_encoding, to_utf8, utf8_chunks
from tracer_sklearn.io.limits import IngestionLimits

# the dialect, the header and the looks of columns are found in so many bytes
_SAMPLE_BYTES = 128 << 10


@dataclass(frozen=True)
class Words:
    """What the user said about a file; "auto" finds out.

    Attributes
    ----------
    encoding, delimiter, decimal : str
        As in `read_csv`.
    header : str, int or None
        "auto", the line of the header, or None where there is none.
    on_bad_lines : str
        "set_aside" or "error".
    wanted : tuple of str
        Names of columns that are known to be there.
    """

    encoding: str = "auto"
    delimiter: str = "auto"
    header: str | int | None = "auto"
    decimal: Literal["auto", ".", ","] = "auto"
    on_bad_lines: str = "set_aside"
    wanted: tuple[str, ...] = ()


@dataclass
class Opened:
    """A table in a file: what was decided, and its rows as text.

    Attributes
    ----------
    source, guess, dialect, shape
        What was decided.
    decimal : str
        The decimal mark, or empty.
    account : Account
        Complete when the rows were read to the end.
    timings : dict of str to float
        Seconds by step.
    """

    source: Source
    guess: EncodingGuess
    dialect: Dialect
    shape: Shape
    decimal: Literal["", ".", ","]
    account: Account
    timings: dict[str, float]
    _body: Body = field(repr=False)
    _chunks: Iterator[bytes] = field(repr=False)
    _first_line: int = 1
    _start: int = 0
    _block_bytes: int = BLOCK_BYTES

    def pieces(self, convert: Convert | None = None) -> Iterator[Piece]:
        """Yield the rows, once; what ``convert`` does to text is done in threads."""
        cutter = Cutter(
            self._chunks,
            self.dialect,
            self.source.limits,
            self.source.name,
            self._first_line,
            self._block_bytes,
            self._start,
        )
        return pieces_of(self._counted(cutter), self._body, self.dialect, convert)

    def _counted(self, blocks: Iterable[Block]) -> Iterator[Block]:
        for block in blocks:
            self.account.lines += block.n_lines
            yield block


def open_table(source: Source, words: Words, *, whole: bool) -> Opened:
    """Decide how a file is read.

    Parameters
    ----------
    source : Source
        The file.
    words : Words
        What the user said.
    whole : bool
        Whether the file is held in memory at once, or read twice in chunks: once for its
        encoding, once for its rows.
    """
    began = time.perf_counter()
    if (found := source.format()) != "text":
        raise IngestionError.from_reason(
            source.name, f"it is a file of {found}, not text", "read it with `read_table`"
        )
    if whole:
        data = source.read()
        read = time.perf_counter()
        guess = detect_encoding(data, encoding=words.encoding, name=source.name)
        text = to_utf8(data, guess, name=source.name)
        del data
        raw: Iterator[bytes] = iter((text,))
    else:
        read = began
        guess = detect_encoding(source.chunks(), encoding=words.encoding, name=source.name)
        raw = utf8_chunks(source, guess)
    decoded = time.perf_counter()
    head, raw = _head(raw, source.limits)
    line_end = line_end_of(head)
    chunks = line_chunks(raw, line_end)
    sample, chunks = _sample(chunks, source)
    given = None if words.delimiter == "auto" else words.delimiter
    if wraps_lines := is_wrapped(sample, given):
        chunks = unwrapped_chunks(chunks, source.limits.max_row_bytes)
        sample, chunks = _sample(chunks, source)
    text_of_sample = sample.decode("utf-8", "replace")
    announced = announced_delimiter(text_of_sample)
    delimiter = announced if given is None else given
    dialect = detect_dialect(text_of_sample, delimiter=delimiter, line_end=line_end)
    dialect = dialect.model_copy(update={"wraps_lines": wraps_lines})
    records = list(records_of(text_of_sample, dialect))
    if not any(not is_blank(record.cells) for record in records):
        raise IngestionError.from_reason(
            source.name, "it holds no table, not even a header", "export it again"
        )
    if isinstance(words.header, int) and words.header > lines_of(records):
        raise _no_header(source, words.header, records, sample, chunks)
    hints = 0 if announced is None else 1
    shape = find_shape(
        records[hints:],
        header=words.header,
        wanted=words.wanted,
        delimiter=dialect.delimiter,
        quoted=_are_quoted(text_of_sample, dialect.quote),
    )
    shape = replace(shape, before=shape.before + hints)
    if shape.width > source.limits.max_columns:
        wide = (r.line for r in records if len(r.cells) > source.limits.max_columns)
        raise _too_wide(source, source.limits, next(wide))
    account = Account()
    first = _above(records, shape, account)
    decimal = shape.decimal if words.decimal == "auto" else words.decimal
    decided = time.perf_counter()
    return Opened(
        source,
        guess,
        dialect,
        shape,
        decimal,
        account,
        {"read": read - began, "encoding": decoded - read, "detection": decided - decoded},
        Body(
            shape,
            account,
            _failing(source) if words.on_bad_lines == "error" else None,
            next((r for r in records if r.line >= first and not is_blank(r.cells)), None),
        ),
        chunks,
        first,
        _start_of(first, sample),
        BLOCK_BYTES if whole else SMALL_BLOCK_BYTES,
    )


def _are_quoted(sample: str, quote: str) -> bool:
    """Tell lines of which nearly all begin with a quote."""
    lines = [line for line in sample.split("\n") if line.strip()]
    return sum(line.startswith(quote) for line in lines) >= 0.9 * len(lines)


def _chained(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from rest


def _head(chunks: Iterator[bytes], limits: IngestionLimits) -> tuple[bytes, Iterator[bytes]]:
    """Return the beginning of a stream, at least a sample with a line end, and all of it."""
    parts: list[bytes] = []
    size, ended = 0, False
    for chunk in chunks:
        parts.append(chunk)
        size += len(chunk)
        ended = ended or b"\n" in chunk or b"\r" in chunk[:-2]
        if (size >= _SAMPLE_BYTES and ended) or size > limits.max_row_bytes:
            break
    head = b"".join(parts)
    return head[:_SAMPLE_BYTES], _chained(head, chunks)


def _sample(chunks: Iterator[bytes], source: Source) -> tuple[bytes, Iterator[bytes]]:
    """Return whole lines from the beginning, and the whole stream."""
    first = next(chunks, b"")
    parts = [first]
    size = len(first)
    ended = b"\n" in first
    for chunk in chunks:
        parts.append(chunk)
        size += len(chunk)
        ended = ended or b"\n" in chunk
        if (size >= _SAMPLE_BYTES and ended) or size > source.limits.max_row_bytes:
            break
    head = b"".join(parts)
    following = next(chunks, b"")
    if len(head) > _SAMPLE_BYTES or following:
        cut = head.rfind(b"\n", 0, _SAMPLE_BYTES) + 1
        cut = cut or head.find(b"\n") + 1 or len(head)
    else:
        cut = len(head)
    sample = head[:cut]
    if cut > _SAMPLE_BYTES // 2:
        _refuse_wide(sample, source)
    return sample, _chained(head, _chained(following, chunks))


def _refuse_wide(sample: bytes, source: Source) -> None:
    """Refuse lines that no table has before they are split by every delimiter."""
    limits = source.limits
    lines = sample.split(b"\n")
    longest = max(lines, key=len)
    line = lines.index(longest) + 1
    if len(longest) > limits.max_row_bytes:
        raise IngestionError.from_reason(
            source.name,
            f"a row of more than {limits.max_row_bytes:,} bytes",
            "raise `max_row_bytes` of the limits",
            line=line,
        )
    if len(longest) > limits.max_columns:
        bare = re.sub(rb'"[^"]*"', b"", longest)
        if max(bare.count(mark.encode()) for mark in DELIMITERS[:-1]) >= limits.max_columns:
            raise _too_wide(source, limits, line)


def _too_wide(source: Source, limits: IngestionLimits, line: int) -> IngestionError:
    return IngestionError.from_reason(
        source.name,
        f"a row of more than {limits.max_columns:,} columns",
        "check the delimiter, or raise `max_columns` of the limits",
        line=line,
    )


def _no_header(
    source: Source, header: int, records: Sequence[Record], sample: bytes, chunks: Iterator[bytes]
) -> IngestionError:
    """Return the error of a header below the last line, or below those that are looked at."""
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > len(sample):
            break
    where = "in it" if size <= len(sample) else f"in the first {len(sample):,} bytes of it"
    return IngestionError.from_reason(
        source.name,
        f"`header` is {header}, but there are {lines_of(records):,} lines {where}",
        "say in which line the names stand, counted from 1, or set header='auto'",
    )


def _above(records: Sequence[Record], shape: Shape, account: Account) -> int:
    """Account for what stands above the first row; return the line after it."""
    for record in records[: shape.before]:
        if is_blank(record.cells):
            account.blank += record.n_lines
        else:
            account.above.add(record, "above the table")
    for record in shape.rules:
        drawn = is_rule(record.cells)
        account.above.add(record, RULE if drawn else "a comment below the header")
    account.header = lines_of(shape.header)
    skipped = [*records[: shape.before], *shape.header, *shape.rules]
    lines = lines_of(skipped)
    account.lines = lines
    return lines + 1


def _start_of(line: int, sample: bytes) -> int:
    """Return where a line starts, counted from 1."""
    at = 0
    for _ in range(line - 1):
        at = sample.find(b"\n", at) + 1 or len(sample)
    return at


def _failing(source: Source) -> Fail:
    def fail(record: Record, reason: str) -> IngestionError:
        return IngestionError.from_reason(
            source.name, reason, "mend the line, or set on_bad_lines='set_aside'", line=record.line
        )

    return fail
