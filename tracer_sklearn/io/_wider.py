"""Lines of another width than the header above them: rows that are wider, and comments."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import takewhile

from tracer_sklearn._text.missing import SPACES
from tracer_sklearn.io._cells import Look, clean_cells, is_blank, look
from tracer_sklearn.io._records import Record

# share of the rows that must be alike for telling that a comma splits a cell of theirs
_SPLIT = 0.9
_HALVES = tuple(
    (re.compile(rf"[^\w.,]{{0,3}}{whole}"), re.compile(rf"{rest}\s?\D{{0,4}}"))
    for whole, rest in (
        (r"[0-9]+(?:\.[0-9]{3})*", "[0-9]{2}"),  # 12,50
        ("[1-9][0-9]{0,2}", r"[0-9]{3}(?:\.[0-9]+)?"),  # 1,250.00
    )
)


def comments_below_names(records: Sequence[Record]) -> list[Record]:
    """Return the lines that begin with # right below names, where no row further down does.

    Some of them have another width than the names, or hold nothing else: a row may begin so too.
    """
    marked = [_is_marked(record) for record in records]
    at = next((at for at in range(1, len(records)) if marked[at] and not marked[at - 1]), 0)
    comments = list(takewhile(_is_marked, records[at:]))
    rest = records[at + len(comments) :]
    if not at or any(map(_is_marked, rest)) or all(is_blank(record.cells) for record in rest):
        return []
    names = records[at - 1].cells
    other = [len(comment.cells) != len(names) for comment in comments]
    words = [comment.cells[0].strip(SPACES).lstrip("#") for comment in comments]
    told = all(
        is_other or not word or word[0] in SPACES
        for is_other, word in zip(other, words, strict=True)
    )
    return comments if len(names) > 1 and any(other) and told else []


def _is_marked(record: Record) -> bool:
    return record.cells[0].lstrip(SPACES).startswith("#")


def are_names_too_few(records: Sequence[Record], width: int, looks: Sequence[Look | None]) -> bool:
    """Tell names over all columns but the last one, a typed one; all rows below have it."""
    first, *others = [record.cells for record in records if not is_blank(record.cells)] or [[]]
    names = clean_cells(first)
    if len(names) != width - 1 or len(others) < 2 or looks[-1] is None:
        return False
    even = {len(cells) for cells in others} == {width}
    below = {cell.strip(SPACES) for cells in others for cell in cells}
    named = len({*names}) == len(names) and {look(name) for name in names} <= {"text", "flag"}
    return even and named and not below & {*names}


def has_row_names(
    head: Sequence[Record], rows: Sequence[Record], width: int, unquoted: str
) -> bool:
    """Tell a file whose rows start with a name that the header does not know, as R writes them.

    All rows have such names, and none comes again. A comma in a cell without quotes makes rows
    wider than the header as well: then their last cell is the one too many. ``unquoted`` is the
    delimiter where texts have no quotes around them.
    """
    if len(head) != 1 or len(head[0].cells) != width - 1 or width < 3:
        return False
    wide = [clean_cells(row.cells) for row in rows if len(row.cells) == width]
    names = [cells[0] for cells in wide]
    filled = sum(bool(cells[-1]) for cells in wide)
    narrow = sum(len(row.cells) == width - 1 for row in rows)
    if not all(names) or len({*names}) < len(names):
        return False
    if 2 * filled <= len(wide) or narrow > (1 - _SPLIT) * len(wide):
        return False
    counted = names == [str(number) for number in range(1, len(names) + 1)]
    return unquoted != "," or not (
        any(_is_split_number(wide, at) for at in range(counted, width - 1))
        or _has_text_behind_blanks([row.cells for row in rows if len(row.cells) == width])
    )


def _is_split_number(rows: Sequence[Sequence[str]], at: int) -> bool:
    """Tell numbers that a decimal comma, or one between thousands, cuts into two cells."""
    return any(
        sum(bool(whole.fullmatch(row[at]) and rest.fullmatch(row[at + 1])) for row in rows)
        >= _SPLIT * len(rows)
        for whole, rest in _HALVES
    )


def _has_text_behind_blanks(rows: Sequence[Sequence[str]]) -> bool:
    """Tell a column of texts that begin with a blank, as behind a comma of prose; others do not."""
    behind = [all(row[at].startswith(" ") for row in rows) for at in range(1, len(rows[0]))]
    texts = (
        any(look(row[at]) == "text" for row in rows) for at, is_so in enumerate(behind, 1) if is_so
    )
    return any(texts) and not all(behind)


def cells_beyond(head: Sequence[Record], body: Sequence[Sequence[str]], width: int) -> int:
    """Count the cells that rows have more than a header of one record."""
    if len(head) != 1 or not any(not is_blank(list(cells[len(head[0].cells) :])) for cells in body):
        return 0
    return max(0, width - len(head[0].cells))
