"""Names of columns: unique, trimmed, never empty, with what stood in the file remembered."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tracer_sklearn._text.missing import SPACES, unwrapped_cell
from tracer_sklearn.io._cells import is_blank

_WHITE = re.compile(f"[{SPACES}]*[\r\n\t][{SPACES}]*")
# no frame, terminal or database takes them in a name
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def join_header(rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """Join the rows of a header into one name for each column.

    A cell of an upper row reaches over the empty ones to its right, up to the next cell of its
    row, where a row below has a name for them, as merged cells do.

    Examples
    --------
    >>> join_header([["", "Sales", "", "Costs"], ["Region", "2023", "2024", "2023"]], 4)
    ['Region', 'Sales 2023', 'Sales 2024', 'Costs 2023']
    """
    grid = [[_clean(cell) for cell in [*row[:width], *[""] * (width - len(row))]] for row in rows]
    for at, row in enumerate(grid[:-1]):
        below = grid[at + 1 :]
        last = ""
        for column in range(width):
            if row[column]:
                last = row[column]
            elif last and any(lower[column] for lower in below):
                row[column] = last
    return [
        " ".join(dict.fromkeys(row[column] for row in grid if row[column]))
        for column in range(width)
    ]


def unique_names(found: Sequence[str]) -> list[str]:
    """Make names unique: a repeated one gets a number, a missing one is called after its place.

    Control characters are left out.

    Examples
    --------
    >>> unique_names(["id", " total ", "", "id"])
    ['id', 'total', 'column_3', 'id_2']
    """
    cleaned = [_clean(_CONTROLS.sub("", _clean(name))) for name in found]
    taken = set(cleaned)
    seen: set[str] = set()
    names = []
    for place, cell in enumerate(cleaned, start=1):
        name = cell or f"column_{place}"
        if (cell and name in seen) or (not cell and name in taken | seen):
            number = 2
            while f"{name}_{number}" in taken | seen:
                number += 1
            name = f"{name}_{number}"
        seen.add(name)
        names.append(name)
    return names


def repeated_names(found: Sequence[str], names: Sequence[str]) -> dict[str, str]:
    """Return which columns `unique_names` called otherwise, because another one has their name.

    Examples
    --------
    >>> repeated_names(["id", "", "id"], ["id", "column_2", "id_2"])
    {'id_2': 'id'}
    """
    cleaned = [_clean(_CONTROLS.sub("", _clean(name))) for name in found]
    pairs = zip(names, cleaned, strict=True)
    return {name: cell for name, cell in pairs if cell and name != cell}


def is_header_again(cells: Sequence[str], header: Sequence[str]) -> bool:
    """Tell a record that repeats the header, as files that were put together have."""
    return (
        len(cells) >= len(header)
        and not is_blank(list(header))
        and [_clean(cell) for cell in cells[: len(header)]] == list(header)
        and is_blank(list(cells[len(header) :]))
    )


def _clean(cell: str) -> str:
    return _WHITE.sub(" ", unwrapped_cell(cell.strip(SPACES))).strip(SPACES)
