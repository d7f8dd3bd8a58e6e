"""Tables whose lines are one quoted cell each, as spreadsheets save a CSV they did not split."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tracer_sklearn.io._cells import is_blank, look
from tracer_sklearn.io._records import records_of
from tracer_sklearn.io.dialect import detect_dialect

# two cells may be a place and its country, or a name and a first name
_LEAST_WIDTH = 3
# so many bytes are unwrapped at once
_PART_BYTES = 1 << 20
_WRAPPED = re.compile(rb'^"((?:[^"\n]++|"")*+)"$', re.MULTILINE)


def is_wrapped(sample: bytes, delimiter: str | None) -> bool:
    """Tell lines that are one quoted cell each, in which all cells of a row stand.

    The first line may stand without quotes. Within the quotes there are at least three cells in
    each line, as many in all of them; texts with commas, after which blanks stand, and numbers
    with them are cells of their own, and so are lists of words.

    Parameters
    ----------
    sample : bytes
        Whole lines from the beginning of a file, with line feeds.
    delimiter : str or None
        The delimiter, where it is known.
    """
    others = [line for line in sample.split(b"\n") if line.strip()][1:]
    # nearly all files are told by their second line
    if not others or not all(map(_WRAPPED.fullmatch, others)):
        return False
    text = unwrapped(sample).decode("utf-8", "replace")
    if all(look(line) in ("number", "date") for line in text.split("\n") if line.strip()):
        return False
    dialect = detect_dialect(text, delimiter=delimiter)
    if dialect.skips_blanks or dialect.delimiter == " ":
        return False
    rows = [record.cells for record in records_of(text, dialect) if not is_blank(record.cells)]
    widths = {len(cells) for cells in rows}
    # lists of words may be as long in all lines
    bare = not _WRAPPED.fullmatch(next(line for line in sample.split(b"\n") if line.strip()))
    typed = any(look(cell) in ("number", "date") for cells in rows[1:] for cell in cells)
    even = len(widths) == 1 and min(widths) >= _LEAST_WIDTH
    return even and (bare or typed or b'""' in sample)


def unwrapped(text: bytes) -> bytes:
    r"""Take the quotes off lines that are one quoted cell; doubled ones within become single.

    Examples
    --------
    >>> unwrapped(b'id,name,n\n"1,""Ann"",5"\n2,"Bob",7\n')
    b'id,name,n\n1,"Ann",5\n2,"Bob",7\n'
    """
    return _WRAPPED.sub(lambda found: found[1].replace(b'""', b'"'), text)


def unwrapped_chunks(chunks: Iterator[bytes], longest: int) -> Iterator[bytes]:
    """Unwrap a stream; a line of more than ``longest`` bytes, which is refused, stays as it is."""
    parts: list[bytes] = []
    size = 0
    for chunk in chunks:
        for at in range(0, len(chunk), _PART_BYTES):
            part = chunk[at : at + _PART_BYTES]
            end = part.rfind(b"\n") + 1
            if end:
                yield unwrapped(b"".join([*parts, part[:end]]))
                parts, size = [], 0
            parts.append(part[end:])
            size += len(part) - end
            if size > longest:
                yield b"".join(parts)
                parts, size = [], 0
    if size:
        yield unwrapped(b"".join(parts))
