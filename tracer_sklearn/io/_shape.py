"""Where the table stands in a file: titles, header, first row, width and what columns hold."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import dropwhile, pairwise, takewhile
from typing import Literal

from tracer_sklearn._text.missing import SPACES
from tracer_sklearn._text.numbers import is_currency
from tracer_sklearn.io._cells import (
    Look,
    clean_cells,
    is_blank,
    is_rule,
    is_year,
    look,
    looks_of,
    stripped,
)
from tracer_sklearn.io._decimal_mark import decimal_mark
from tracer_sklearn.io._extent import MOST_ABOVE, end_of_first_table, end_of_preamble
from tracer_sklearn.io._names import join_header, unique_names
from tracer_sklearn.io._records import Record
from tracer_sklearn.io._wider import (
    are_names_too_few,
    cells_beyond,
    comments_below_names,
    has_row_names,
)

_MOST_ROWS = 150
_MADE = re.compile("column_[0-9]+")
_PLAIN = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?")
# in so many rows the first value of a column that repeats would repeat as well
_TELLING_ROWS = 20
# so many numbers of a row are hardly ever in equal steps
_TELLING_NUMBERS = 5


@dataclass(frozen=True)
class Shape:
    """Where the table stands and what its columns look like.

    Attributes
    ----------
    width : int
        Number of columns.
    header : tuple of Record
        The records of the header; empty where there is none.
    before : int
        Number of records above the header, or above the first row where there is none.
    found, names : list of str
        Names as they stand in the file, joined over the rows of the header; names made unique.
    looks : tuple of str or None
        What the cells of each column look like; None where they are free text or unknown.
    filled : tuple of float
        Share of cells that hold something.
    decimal : str
        "," or "." where the cells of the file give it away, else empty.
    rules : tuple of Record
        The records between the header and the first row: comments, lines drawn with characters.
    beyond_header : int
        Number of cells that rows have more than the header, where some of them hold something.
    """

    width: int
    header: tuple[Record, ...] = ()
    before: int = 0
    found: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    looks: tuple[Look | None, ...] = ()
    filled: tuple[float, ...] = ()
    decimal: Literal["", ".", ","] = ""
    rules: tuple[Record, ...] = ()
    beyond_header: int = 0

    def agrees(self, cells: Sequence[str]) -> tuple[int, int]:
        """Count the cells that look like their typed column, and those that do not."""
        good = bad = 0
        for cell, expected in zip(cells, self.looks, strict=False):
            if expected is not None:
                seen = look(cell)
                if seen != "empty":
                    good += seen == expected
                    bad += seen != expected
        return good, bad


def find_shape(
    records: Sequence[Record],
    *,
    header: str | int | None = "auto",
    wanted: Sequence[str] = (),
    delimiter: str = ";",
    quoted: bool = False,
) -> Shape:
    """Find the table in the first records of a file.

    Parameters
    ----------
    records : sequence of Record
        The first ones, complete.
    header : "auto", int or None, default="auto"
        The line in which the header stands, counted from 1; None where there is none.
    wanted : sequence of str, default=()
        Names of columns that are known to be there.
    delimiter : str, default=";"
        What separates cells; commas are no decimal marks beside it unless cells show some.
    quoted : bool, default=False
        Whether lines begin with quotes.
    """
    if header is not None and (comments := comments_below_names(records)):
        lines = {comment.line for comment in comments}
        others = [record for record in records if record.line not in lines]
        shape = find_shape(others, header=header, wanted=wanted, delimiter=delimiter, quoted=quoted)
        last = shape.header[-1] if shape.header else None
        if last is not None and last.line + last.n_lines == comments[0].line:
            return replace(shape, rules=(*comments, *shape.rules))
    rows = [record for record in records if not is_blank(record.cells)]
    if not rows:
        return Shape(width=0, before=len(records))
    rows = [record for record in rows if not is_rule(record.cells)] or rows
    if header == "auto" and wanted and _are_of_no_header(records, wanted):
        # unless this file has begun to send one, of words over what is none
        sent = find_shape(records, delimiter=delimiter, quoted=quoted)
        words = all(look(cell) == "text" for record in sent.header for cell in record.cells)
        header = "auto" if sent.header and any(sent.looks) and words else None
    elif header == "auto" and wanted:
        # names may take several rows, or stand below a preamble
        unasked = find_shape(records, delimiter=delimiter, quoted=quoted)
        if {*map(_folded, wanted)} <= {*map(_folded, unasked.names)}:
            return unasked
    elif header == "auto":
        if end := end_of_first_table(records):
            records = records[:end]
            rows = [record for record in rows if record.line <= records[-1].line]
        elif start := end_of_preamble(records):
            below = find_shape(records[start:], delimiter=delimiter, quoted=quoted)
            return replace(below, before=below.before + start)
    width = _width(rows)
    body = [record.cells for record in rows if len(record.cells) == width][:_MOST_ROWS]
    # names may come again, as on printed pages; they tell nothing of the columns
    body[1:] = [cells for cells in body[1:] if cells != body[0]]
    # the first full record may be the header, or the first two
    double = len(body) > 2 and (_are_names_over_names(*body[:2]) or _are_units(*body[:2]))
    looks, filled = looks_of(body[2 if double else 1 :] or body, width)
    if len(body) == 1:  # "y" and "n" may be names
        looks = tuple(None if seen == "flag" else seen for seen in looks)
    draft = Shape(width=width, looks=looks, filled=filled)
    if isinstance(header, int):
        start = next((i for i, r in enumerate(records) if r.line >= header), len(records))
        head = list(records[start : start + 1])
    elif header is None:
        start, head = _first_row(records, draft), []
    else:
        start, head = _find_header(records, draft, wanted)
        if not head and are_names_too_few(records[start:], width, looks):
            head = [records[start]]
    levels = _index_names(head, records[start + len(head) :]) if header == "auto" else 0
    if levels:
        head.append(records[start + len(head)])
    # a header may be wider than the rows, whose last empty cells were dropped
    rows_from = start + len(head)
    rules = list(takewhile(lambda record: is_rule(record.cells), records[rows_from:]))
    rows_from += len(rules)
    if header == "auto" and head:
        width = _width_below(records[rows_from:], head[-1]) or width
    tops = [len(stripped(record.cells)) for record in head]
    row_names = has_row_names(head, records[rows_from:], width, "" if quoted else delimiter)
    width = max(width, *tops) if tops else width
    cells = [["", *record.cells] if row_names else record.cells for record in head]
    # what stands above the names of index columns names the rows of the header
    cells[:-1] = [[*[""] * levels, *row[levels:]] for row in cells[:-1]]
    found = join_header(cells, width) if head else [""] * width
    body = [r.cells for r in records[rows_from:] if not is_blank(r.cells)]
    body = [cells for cells in body if not is_rule(cells, least=3)][:_MOST_ROWS]
    if width != draft.width or len(head) != 1 or start:
        looks, filled = looks_of([row for row in body if abs(len(row) - width) <= 1] or body, width)
    return Shape(
        width=width,
        header=tuple(head),
        before=start,
        found=found,
        names=unique_names(found),
        looks=looks,
        filled=filled,
        decimal=decimal_mark(body, looks, delimiter),
        rules=tuple(rules),
        beyond_header=0 if row_names else cells_beyond(head, body, width),
    )


def _width(rows: Sequence[Record]) -> int:
    """Return the width of most records; of those that are wider than one where there are many."""
    widths = Counter(len(record.cells) for record in rows)
    best = max(widths, key=lambda width: (widths[width] * (1 - 0.9 * (width == 1)), width))
    if best == 1 or widths[best] >= 2 or len(widths) == 1:
        return best
    return max(widths, key=lambda width: (widths[width], width))


def _width_below(records: Sequence[Record], head: Record) -> int | None:
    """Return the width of the header where all rows up to the first blank line agree with it.

    Where tables are stacked, the widest of them must not decide on the first.
    """
    rows = list(takewhile(lambda record: not is_blank(record.cells), records))
    agree = len(rows) < len(records) and {len(row.cells) for row in rows} == {len(head.cells)}
    return len(head.cells) if agree and len(rows) > 1 else None


def _find_header(
    records: Sequence[Record], draft: Shape, wanted: Sequence[str]
) -> tuple[int, list[Record]]:
    """Return where the header starts (or the first row, where there is none) and its records."""
    known = _by_names(records, wanted)
    if known is not None:
        return known, [records[known]]
    runs: list[list[int]] = []
    previous = -2
    for at, record in enumerate(records):
        if is_blank(record.cells) or is_rule(record.cells):
            continue
        verdict = _is_heading(record, draft, seen=bool(runs))
        if verdict is None and not runs and _counts_columns(record, records[at + 1 :], draft):
            return at, [record]
        above = records[at - 1] if previous == at - 1 >= 0 else None
        below = records[at + 1 :]
        if (
            verdict is None
            and _is_merged(record, draft)
            and _years_over_names(record, below, draft)
        ):
            verdict = True
        if verdict is None and _counts_years(record, above, below, draft):
            run = runs.pop() if above is not None else []
            runs.append([*run, at])
            break
        if verdict is None and _years_over_names(record, below, draft):
            verdict = True
        names_so_far = [records[i] for i in runs[-1]] if runs else []
        if (
            verdict is None
            and all(_is_short(one, draft) for one in names_so_far)
            and _describes_file(record, below, draft)
        ):
            verdict = False
        if verdict and above is not None and _is_row_below_names(record, above, draft):
            verdict = None
        if verdict is None:
            break
        if verdict:
            if at == previous + 1:
                runs[-1].append(at)
            else:
                runs.append([at])
            previous = at
    if runs:
        run = runs[-1]
        while len(run) > 1 and _is_title(records[run[0]], records[run[-1]], draft):
            run = run[1:]
        return run[0], [records[at] for at in run]
    start = _first_row(records, draft)
    if start < len(records) and not any(draft.looks) and _looks_named(records, start):
        return start, [records[start]]
    return start, []


def _are_of_no_header(records: Sequence[Record], wanted: Sequence[str]) -> bool:
    """Tell names that an earlier file got because it had none, and that this one does not have."""
    made = all(_MADE.fullmatch(name) for name in wanted)
    return made and _by_names(records, wanted) is None


def _by_names(records: Sequence[Record], wanted: Sequence[str]) -> int | None:
    """Return the record that holds most of the known names."""
    folded = {_folded(name) for name in wanted}
    if not folded:
        return None
    best, most = None, 0
    for at, record in enumerate(records):
        hits = len(folded & {_folded(cell) for cell in record.cells})
        if hits > most:
            best, most = at, hits
    return best if most >= max(1, min(2, len(folded))) else None


def _folded(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).casefold()


def _is_heading(record: Record, draft: Shape, *, seen: bool) -> bool | None:
    """Tell a record of names (True), one that says nothing (False), or a row (None)."""
    good, bad = draft.agrees(record.cells)
    if good > bad or (good and seen):
        # names may happen to look like their column, and a title may start with a number
        return None if len(stripped(record.cells)) > 1 or draft.width == 1 else False
    return bad > 0 and (draft.width == 1 or len(record.cells) > 1)


def _is_row_below_names(record: Record, above: Record, draft: Shape) -> bool:
    """Tell a first row in which one cell is no number or date from names below names.

    The record above names every column, each by another name, or all but that of row names; a
    currency where numbers are expected is a unit.
    """
    names, cells = clean_cells(above.cells), clean_cells(record.cells)
    if not 1 < draft.width == len(names) == len(cells) or not cells[0]:
        return False
    named = names if draft.width == 2 else names[1:]
    complete = all(named) and len({*names}) == len(names)
    told = [cell for cell in cells if cell]
    odd = [cell for cell, expected in zip(cells, draft.looks, strict=True) if expected is not None]
    units = len({*told}) < len(told) or any(is_currency(cell.strip("()[]")) for cell in odd)
    return complete and not units and draft.agrees(cells) == (0, 1)


def _describes_file(record: Record, below: Sequence[Record], draft: Shape) -> bool:
    """Tell a line of another width than the table's above its names, such as a key and its value.

    The names stand right below it, or below further lines of a few cells.
    """
    if len(record.cells) == draft.width or len(below) < 2:
        return False
    if len(below[0].cells) == draft.width:
        return bool(_is_heading(below[0], draft, seen=False))
    if not _is_short(record, draft):
        return False
    wide = (row for row in below[:MOST_ABOVE] if abs(len(row.cells) - draft.width) <= 1)
    names = next((row for row in wide if not is_blank(row.cells)), None)
    return names is not None and bool(_is_heading(names, draft, seen=False))


def _is_short(record: Record, draft: Shape) -> bool:
    """Tell a record of one or two cells where the table has at least twice as many columns."""
    return len(stripped(record.cells)) <= 2 and draft.width > 3


def _counts_years(
    record: Record, above: Record | None, below: Sequence[Record], draft: Shape
) -> bool:
    """Tell a record whose numbers are the years that name the columns.

    They are no names where a heading above gives each column one of its own, and where the
    rows below hold years as well.
    """
    cells, looks = record.cells, draft.looks
    places = [at for at in _numbers(draft) if at < len(cells) and look(cells[at]) != "empty"]
    if len(places) < 2 or not all(is_year(cells[at]) for at in places):
        return False
    years = [int(cells[at].strip(SPACES)) for at in places]
    steps = {later - earlier for earlier, later in pairwise(years)}
    held = [row.cells[at] for row in below for at in places if len(row.cells) == len(looks)]
    held = [cell for cell in held if look(cell) != "empty"]
    in_turn = above is None and steps in ({1}, {-1})
    if sum(map(is_year, held)) > 0.5 * len(held) and not in_turn:
        return False
    if above is not None and len(stripped(above.cells)) > 1:
        upper = clean_cells(above.cells)
        over = [upper[at] if at < len(upper) else "" for at in places]
        if "" not in over and len({*over}) == len(over):
            return False
        if over[0] and len({*zip(_spread(over), years, strict=True)}) == len(over):
            return True
    return _are_in_turn([cells[at].strip(SPACES) for at in places])


def _counts_columns(record: Record, below: Sequence[Record], draft: Shape) -> bool:
    """Tell a record that counts columns.

    It counts those of numbers behind a name: 1, 2, 3, 4, as months are, or in equal steps that no
    row has; or all of them from 0, as pandas does where nobody named them, perhaps behind an index
    or before further names.
    """
    if len(record.cells) != draft.width:
        return False
    cells = clean_cells(record.cells)
    places = _numbers(draft)
    counted = [cells[at].lstrip("0") for at in places]
    if len(places) >= 4 and 0 not in places and counted == _count(1, len(places)):
        return True
    rows = [clean_cells(row.cells) for row in below if len(row.cells) == draft.width]
    if not cells[0]:
        return cells[1:] == _count(0, draft.width - 1) and all(row[0] for row in rows)
    named = len(list(dropwhile(str.isdigit, cells)))
    numbers = cells[: len(cells) - named]
    # a row of data may hold 0, 1, 2 in this order, where others hold them in another one
    others = {cell for row in rows for cell in row[: len(numbers)]} - {*numbers}
    if len(numbers) > 2 and numbers == _count(0, len(numbers)) and others:
        names = range(len(numbers), len(cells))
        whole = all(cell.isdigit() for row in rows for cell in row[: len(numbers)])
        return (len(numbers) > 3 or not whole) and all(
            look(cells[at]) == "text" and (not whole or draft.looks[at] is not None) for at in names
        )
    return _is_scale(cells, draft.looks) and not any(_is_scale(row, draft.looks) for row in rows)


def _is_scale(cells: Sequence[str], looks: Sequence[Look | None]) -> bool:
    """Tell a name and numbers in equal steps, such as hours or speeds, perhaps before names.

    A few numbers do only where a name stands over values of another kind: rows have such, too.
    """
    if look(cells[0]) != "text":
        return False
    numbers = list(takewhile(lambda cell: _PLAIN.fullmatch(cell), cells[1:]))
    others = range(1 + len(numbers), len(cells))
    if any(look(cells[at]) != "text" for at in others):
        return False
    named = looks[0] is not None or any(looks[at] is not None for at in others)
    if len(numbers) < (3 if named else _TELLING_NUMBERS):
        return False
    steps = {round(float(later) - float(one), 9) for one, later in pairwise(numbers)}
    return len(steps) == 1 and steps.pop() > 0


def _count(first: int, n: int) -> list[str]:
    return [str(number) for number in range(first, first + n)]


def _numbers(draft: Shape) -> list[int]:
    return [at for at, expected in enumerate(draft.looks) if expected == "number"]


def _spread(cells: Sequence[str]) -> list[str]:
    """Let cells reach over the empty ones to their right, as merged cells do."""
    last, out = "", []
    for cell in cells:
        last = cell or last
        out.append(last)
    return out


def _is_merged(record: Record, draft: Shape) -> bool:
    """Tell a record in which several columns of numbers share a cell."""
    over = [record.cells[at].strip(SPACES) for at in _numbers(draft) if at < len(record.cells)]
    return "" in over[1:] or len({*over}) < len(over)


def _years_over_names(record: Record, below: Sequence[Record], draft: Shape) -> bool:
    """Tell the upper row of a header: years, each over some of the names in the row below."""
    if not below:
        return False
    upper = [
        cell
        for cell, expected in zip(record.cells, draft.looks, strict=False)
        if cell.strip(SPACES) and (expected is not None or look(cell) != "text")
    ]
    good, bad = draft.agrees(below[0].cells)
    return len(upper) > 1 and all(map(is_year, upper)) and bad > 1 and not good


def _are_names_over_names(upper: Sequence[str], lower: Sequence[str]) -> bool:
    """Tell merged cells over names that come again, so that only both together name a column."""
    upper, lower = clean_cells(upper), clean_cells(lower)
    named = [at for at, cell in enumerate(lower) if cell and any(upper[: at + 1])]
    over = [upper[at] for at in named]
    names = [lower[at] for at in named]
    if not all(look(cell) == "text" or is_year(cell) for cell in [*names, *filter(None, over)]):
        return False
    again = len({*names}) < len(names) and ("" in over or len({*over}) < len(over))
    return again and len({*zip(_spread(over), names, strict=True)}) == len(names)


def _are_units(upper: Sequence[str], lower: Sequence[str]) -> bool:
    """Tell units under names: a word under each but the first."""
    units = clean_cells(lower)
    named = all(look(cell) == "text" for cell in [*upper, *units[1:]])
    return named and len(units) > 2 and not units[0]


def _index_names(head: Sequence[Record], below: Sequence[Record]) -> int:
    """Count the columns that the row below a header names, as pandas names those of an index.

    It does so below several rows of names only: elsewhere such a row is one of missing values. Its
    cells stand at the left, where the header has no names or, above the first of them, names of
    its own rows; a line like it further down is one of several that divide the rows.
    """
    if len(head) < 2 or len(below) < 2:
        return 0
    cells = clean_cells(below[0].cells)
    n = sum(map(bool, cells))
    rows = [clean_cells(record.cells) for record in head]
    if not 0 < n < len(cells) or not all(look(cell) == "text" for cell in cells[:n]):
        return 0
    if {len(row) for row in rows} != {len(cells)} or not all(rows[-1][n:]):
        return 0
    free = not any(any(row[1:n]) for row in rows)
    # one name below another may as well be the first line that divides the rows
    free = free and (n > 1 or not any(row[0] for row in rows) or bool(rows[-1][0]))
    others = [record.cells for record in below[1:] if len(record.cells) == len(cells)]
    alike = any(is_blank(other[n:]) and not is_blank(other) for other in others)
    return n if free and not alike else 0


def _is_title(record: Record, last: Record, draft: Shape) -> bool:
    """Tell a title above a header: one cell at the left, or a single cell alone."""
    held = [at for at, cell in enumerate(record.cells) if cell.strip(SPACES)]
    below = len(stripped(last.cells))
    if draft.width > 2 and below > 1 and (held == [0] or len(record.cells) == 1):
        return True
    # what describes the file has cells as it needs them, numbers among them
    told = [cell for cell in record.cells if look(cell) == "number" and not is_year(cell)]
    if told and len(record.cells) != len(last.cells):
        return True
    # commas of a sentence: names over names reach over the table, leave out cells or come again
    cells = [cell.strip(SPACES) for cell in record.cells]
    return (
        len(cells) < min(below, draft.width)
        and len(held) == len(cells) == len(set(cells))
        and not all(map(is_year, cells))
    )


def _first_row(records: Sequence[Record], draft: Shape) -> int:
    """Return the first record of the table's width that is no title."""
    for at, record in enumerate(records):
        held = sum(bool(cell.strip(SPACES)) for cell in record.cells)
        near = abs(len(record.cells) - draft.width) <= 1
        full = draft.width <= 2 and len(record.cells) >= draft.width
        if is_rule(record.cells):
            continue
        if near and held and (held > 1 or full or draft.agrees(record.cells)[0]):
            return at
    return len(records)


def _looks_named(records: Sequence[Record], start: int) -> bool:
    """Tell a first record of names where all columns are text: no name comes again below it.

    One may, as the country ID below "ID" does, where values of another column repeat but not its
    first one.
    """
    names = clean_cells(records[start].cells)
    below = [record.cells for record in records[start + 1 :] if not is_blank(record.cells)]
    below = [clean_cells(cells) for cells in below if not is_rule(cells)]
    typed = [name for name in names if look(name) in ("number", "date")]
    if typed and not (len(typed) > 1 and all(map(is_year, typed)) and _are_in_turn(typed)):
        return False
    held = [name for name in names if name]
    if len(set(held)) < len(held) or len(held) < 0.5 * len(names):
        return not below
    columns = [[row[at] for row in below if at < len(row)] for at in range(len(names))]
    again = [name in column for name, column in zip(names, columns, strict=True) if name]
    if not any(again):
        return True
    others = [column for name, column in zip(names, columns, strict=True) if name not in column]
    return sum(again) == 1 and any(
        len(column) >= _TELLING_ROWS and len({*column}) <= 0.5 * len(column) for column in others
    )


def _are_in_turn(years: Sequence[str]) -> bool:
    steps = {int(later) > int(earlier) for earlier, later in pairwise(years)}
    equal = len({*years}) < len(years)
    return len(steps) == 1 and not equal
