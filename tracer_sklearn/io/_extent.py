"""Where the table of a file starts and ends, seen from its blank lines."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import dropwhile, takewhile

from tracer_sklearn.io._cells import (
    clean_cells,
    is_blank,
    is_rule,
    is_year,
    look,
    looks_of,
    stripped,
)
from tracer_sklearn.io._records import Record

# so many lines may stand above a table
MOST_ABOVE = 60
# a key, its value and perhaps a unit
_KEY_CELLS = 3


def end_of_first_table(records: Sequence[Record]) -> int:
    """Return where the first of stacked tables ends, or 0 where nothing says that it is one.

    It has names over a column of numbers or dates, at least five rows, all as wide as its
    names, and is no small block of parameters above the data; the table after the blank line
    has another width, names where the first one holds numbers or dates, and as even rows.
    """
    start = next((at for at, record in enumerate(records) if not is_blank(record.cells)), 0)
    first = list(takewhile(lambda record: not is_blank(record.cells), records[start:]))
    end = start + len(first)
    rest = list(dropwhile(lambda record: is_blank(record.cells), records[end:]))
    below = list(takewhile(lambda record: not is_blank(record.cells), rest))
    if len(first) < 6 or len(below) < 2 or len(below) > 5 * len(first):
        return 0
    names, others = first[0].cells, below[0].cells
    width = len(names)
    even = {len(record.cells) for record in first} == {width}
    even = even and {len(record.cells) for record in below} == {len(others)}
    named = all(look(cell) == "text" for cell in [*names, *others])
    if not (even and named and 1 < width != len(others) > 1):
        return 0
    looks, _ = looks_of([record.cells for record in first[1:]], width)
    return end if any(looks[: len(others)]) else 0


def end_of_preamble(records: Sequence[Record]) -> int:
    """Return where the names stand below lines of keys and values, or 0 where there are none.

    However short the table is: each line above has a few cells, at most half as many as there are
    names, and the row below them holds a number or a date. Without a blank line between, one of
    the lines must have a key with a colon or a value that is no name, or they may be names over
    names.
    """
    seen: list[list[str]] = []
    for at, record in enumerate(records[:MOST_ABOVE]):
        if is_blank(record.cells) or is_rule(record.cells):
            continue
        names = clean_cells(stripped(record.cells))
        if seen and len(names) > 2 and all(look(cell) == "text" for cell in names):
            below = (row.cells for row in records[at + 1 :] if not is_blank(row.cells))
            row = next((cells for cells in below if not is_rule(cells)), [])
            if _is_row_of(row, record.cells):
                apart = is_blank(records[at - 1].cells)
                most = min(_KEY_CELLS, len(names) // 2)
                if apart:
                    return at if all(sum(map(bool, line)) <= most for line in seen) else 0
                # groups over names reach as far as these
                narrow = all(len(line) <= most for line in seen)
                return at if narrow and any(map(_is_key, seen)) else 0
        seen.append(names)
    return 0


def _is_row_of(row: Sequence[str], names: Sequence[str]) -> bool:
    """Tell a row about as wide as names of text and half full, with a number or a date."""
    looks = [look(cell) for cell in row]
    held = len(looks) - looks.count("empty")
    typed = looks.count("number") + looks.count("date")
    return abs(len(row) - len(names)) <= 1 and 2 * held >= len(stripped(names)) and typed > 0


def _is_key(line: Sequence[str]) -> bool:
    """Tell a key with its value from names that reach over others."""
    told = [cell for cell in line[1:2] if look(cell) in ("number", "date") and not is_year(cell)]
    return line[0].endswith(":") or (line[0] != "" and bool(told))
