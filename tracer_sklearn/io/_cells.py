"""What a cell looks like, for finding dialects, headers and footers. Values are read elsewhere."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal

from tracer_sklearn._text.missing import (
    MISSING_WORDS,
    SPACES,
    missing_pattern,
    unwrapped_cell,
)
from tracer_sklearn._text.numbers import EVERY_CURRENCY

Look = Literal["empty", "number", "date", "flag", "text"]

# most cells without one start with a digit, which rules all of them out at once
_CURRENCY = rf"(?![0-9 .,])(?:%|{EVERY_CURRENCY})\.?"
_UNIT = rf"(?:{_CURRENCY}|(?:k|tsd|mio|mln|mrd|bn|m)\.?)"
_NUMBER = re.compile(
    rf"[-+−(]*\s*(?:{_CURRENCY}\s*)?[-+−(]*\s*(?:[0-9][0-9.,'’ \u00a0\u202f]*|[.,][0-9]+)"
    rf"(?:e[-+]?[0-9]{{1,3}}|[-–—−]{{1,2}})?\s*(?:{_UNIT}\s*)?(?:{_CURRENCY}\s*)?\)?\s*[-−]?",
    re.IGNORECASE,
)
_CLOCK = r"[0-9]{1,2}[:h.][0-9]{2}(?:[:.][0-9]{2}(?:[.,][0-9]+)?)?(?:\s*[ap]\.?m\.?)?"
_DATE = re.compile(
    r"(?:[0-9]{1,4}(?P<mark>[-/.])[0-9]{1,2}(?:(?P=mark)[0-9]{1,4})?"
    r"|[0-9]{1,2}\.?[-/ .]\s?[^\W\d_]{3,10}\.?[-/ .,]\s?[0-9]{2,4}"
    r"|[^\W\d_]{3,10}\.?[- ][0-9]{1,2},?[- ][0-9]{2,4}"
    r"|[12][0-9]{3}[- ][^\W\d_]{3,10}\.?)"
    rf"(?:(?:\s|T|,\s?){_CLOCK}\s*(?:Z|UTC|GMT|[-+][0-9]{{2}}:?[0-9]{{2}})?)?",
)
_TIME = re.compile(_CLOCK, re.IGNORECASE)
_MISSING = re.compile(missing_pattern(MISSING_WORDS))
_FLAGS = frozenset(
    (
        *("yes", "no", "y", "n", "true", "false", "t", "f", "ja", "nein", "nee", "oui", "non"),
        *("si", "sí", "sì", "não", "nao", "sim", "tak", "nie", "ano", "ne"),
    )
)
_TYPED: tuple[Look, ...] = ("number", "date", "flag")
# share of a column's cells that look alike before a stray one counts as a mistake
_ALIKE = 0.75
_YEAR = re.compile("(?:19|20)[0-9]{2}")

# cells longer than this are prose
_LONGEST = 60


def look(cell: str) -> Look:
    """Tell what a cell looks like.

    Examples
    --------
    >>> [look(cell) for cell in ("1.234,50 €", "31/12/2024", "n/a", "Yes", "Anna")]
    ['number', 'date', 'empty', 'flag', 'text']
    """
    text = unwrapped_cell(cell.strip(SPACES))
    if not text or (len(text) <= _LONGEST and _MISSING.match(text)):
        return "empty"
    if len(text) > _LONGEST:
        return "text"
    if any(char.isdigit() for char in text):
        if _DATE.fullmatch(text) and not _is_decimal(text):
            return "date"
        if _NUMBER.fullmatch(text):
            return "number"
        if _TIME.fullmatch(text):
            return "date"
        return "text"
    folded = text.casefold()
    if folded in _FLAGS:
        return "flag"
    return "number" if folded.lstrip("+-") == "inf" else "text"


def is_blank(cells: list[str]) -> bool:
    """Tell a record without a single character other than white space."""
    return not any(cell and cell.strip(SPACES) for cell in cells)


def is_rule(cells: Iterable[str], *, least: int = 2) -> bool:
    """Tell a line drawn with characters, as between a header and its rows.

    Single marks are missing cells; one cell at least is ``least`` characters long.

    Examples
    --------
    >>> is_rule(["--", "----"]), is_rule([":---:", ""]), is_rule(["-", "-"])
    (True, True, False)
    """
    longest = 0
    for cell in cells:
        if cell:
            text = cell.strip(SPACES)
            if text.strip("-=:+_"):
                return False
            longest = max(longest, len(text))
    return longest >= least


def is_year(cell: str) -> bool:
    """Tell a cell that may be the name of a year's column."""
    return _YEAR.fullmatch(cell.strip(SPACES)) is not None


def _is_decimal(text: str) -> bool:
    return text.count(".") == 1 and text.replace(".", "", 1).isdigit()


def looks_of(
    body: Sequence[Sequence[str]], width: int
) -> tuple[tuple[Look | None, ...], tuple[float, ...]]:
    """Tell what the cells of each column look like, and how many hold something."""
    looks: list[Look | None] = []
    filled = []
    for column in range(width):
        seen = Counter(look(row[column]) if column < len(row) else "empty" for row in body)
        held = sum(seen.values()) - seen["empty"]
        filled.append(held / max(1, len(body)))
        best = max(_TYPED, key=lambda kind: seen[kind])
        alike = held and seen[best] >= _ALIKE * held
        looks.append(best if alike else None)
    return tuple(looks), tuple(filled)


def stripped(cells: Sequence[str]) -> Sequence[str]:
    end = len(cells)
    while end and not cells[end - 1].strip(SPACES):
        end -= 1
    return cells[:end]


def clean_cells(cells: Sequence[str]) -> list[str]:
    return [cell.strip(SPACES) for cell in cells]
