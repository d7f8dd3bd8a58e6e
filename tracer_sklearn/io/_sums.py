"""Rows that add up the others: totals that no word tells, or whose word alone proves nothing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Literal

from tracer_sklearn._text.missing import SPACES
from tracer_sklearn.io._cells import look

# cells longer than this hold no amounts
_LONGEST = 40
_GROUPED = re.compile(r"[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]*)?")


def adds_up(
    total: Sequence[str], rows: Sequence[Sequence[str]], decimal: Literal["", ".", ","]
) -> bool:
    """Tell whether each number of a row is the exact sum of its column.

    There are at least two rows, and a column in which two of them are not zero: the sum of one
    number is that number.

    Examples
    --------
    >>> adds_up(["", "30.5"], [["", "10"], ["7", "20.5"]], "")
    True
    """
    telling = False
    for at, cell in enumerate(total):
        if look(cell) == "empty":
            continue
        amounts = [amount_of(row[at], decimal) for row in rows]
        found = [amount for amount in amounts if amount is not None]
        if len(found) < len(amounts) or amount_of(cell, decimal) != sum(found):
            return False
        telling = telling or sum(map(bool, found)) > 1
    return telling


def is_statistic(cell: str, cells: Sequence[str], decimal: Literal["", ".", ","]) -> bool:
    """Tell the mean, rounded, the median, an end or the count of the numbers of a column.

    Examples
    --------
    >>> is_statistic("3.3", ["1", "", "2", "7"], ""), is_statistic("5", ["1", "", "2", "7"], "")
    (True, False)
    """
    amounts = [amount_of(other, decimal) for other in cells if look(other) != "empty"]
    found = sorted(amount for amount in amounts if amount is not None)
    value = amount_of(cell, decimal) if look(cell) != "empty" else None
    if value is None or len(found) < 2:
        return False
    half = Decimal(5).scaleb(-1 - max(0, -int(value.as_tuple().exponent)))
    middle = (found[(len(found) - 1) // 2] + found[len(found) // 2]) / 2
    if value in (found[0], found[-1], Decimal(len(found)), Decimal(len(cells))):
        return True
    mean = sum(found, Decimal(0)) / len(found)
    return any(abs(value - other) <= half for other in (mean, middle))


def amount_of(cell: str, decimal: Literal["", ".", ","]) -> Decimal | None:
    """Return the number in a cell, exactly; zero for an empty one, None where it is unsure."""
    seen = look(cell)
    if seen == "empty":
        return Decimal(0)
    digits = re.sub("[^0-9.,]", "", cell.strip(SPACES)).rstrip(".,")
    if seen != "number" or len(cell) > _LONGEST or not digits:
        return None
    if decimal == "," or (not decimal and re.fullmatch("[0-9]*,[0-9]{1,2}", digits)):
        digits = digits.replace(".", "").replace(",", ".")
    elif "," in digits:
        if not _GROUPED.fullmatch(digits):
            return None
        digits = digits.replace(",", "")
    if digits.count(".") > 1 or "e" in cell.casefold():
        return None
    return Decimal(digits) * (-1 if re.search("[-−(]", cell) else 1)
