"""The decimal mark of a file, from what its numbers give away."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Literal

from tracer_sklearn.io._cells import Look, look

# amounts of countries that write points, and of accountants
_OF_POINTS = re.compile("[$£¥₹()]|USD|GBP|INR|JPY|CNY|Rs")


def decimal_mark(
    body: Sequence[Sequence[str]], looks: Sequence[Look | None], delimiter: str
) -> Literal["", ".", ","]:
    """Return the decimal mark that numbers of the file give away.

    Numbers such as 1.234 show a thousands mark where they are many, no column of theirs has
    1234 too, and no number has other decimals. In a file with commas between its cells they do
    not: whoever writes decimals with commas separates cells by something else, mostly by
    semicolons. Beside other delimiters a column of theirs must have a number such as 987 as well.
    Numbers such as 1,234 that fill a column are decimals between semicolons, for the same reason,
    unless they are amounts of countries that write points, or all end with a zero.
    """
    points = commas = 0
    open_commas, uneven, held = Counter[int](), Counter[int](), Counter[int]()
    grouped, long, short = Counter[int](), Counter[int](), Counter[int]()
    for row in body:
        for column, (cell, expected) in enumerate(zip(row, looks, strict=False)):
            if expected != "number" or len(row) < len(looks) - 1 or look(cell) != "number":
                continue
            digits = re.sub(r"[^0-9.,]", "", cell)
            held[column] += digits != "0"
            if re.fullmatch(r"[0-9]{1,3}(?:\.[0-9]{3})*,[0-9]+", digits):
                is_open = bool(re.fullmatch(r"[1-9][0-9]{0,2},[0-9]{3}", digits))
                commas += not is_open
                if is_open:
                    open_commas[column] += not _OF_POINTS.search(cell)
                    uneven[column] += not digits.endswith("0")
            elif re.fullmatch(r"[1-9][0-9]{0,2}(?:\.[0-9]{3})+", digits):
                grouped[column] += 1
                commas += digits.count(".") > 1
            elif re.fullmatch(r"[1-9][0-9]{0,2}(?:,[0-9]{2,3})+,[0-9]{3}(?:\.[0-9]*)?", digits):
                points += 1
            elif re.fullmatch(r"[0-9]*,[0-9]+", digits):
                commas += 1
            elif "." in digits:
                points += 1
            else:
                long[column] += len(digits) > 3
                short[column] += 1 <= len(digits) <= 3
    if commas and commas > 4 * points:
        return ","
    if points > 4 * commas:
        return "."
    if delimiter == "," or points or any(long[column] for column in grouped):
        return ""
    # 987 among them is no decimal of three digits
    full = [count == held[column] for column, count in open_commas.items()]
    if delimiter == ";" and full and all(full) and uneven.total() and not grouped:
        return ","
    mixed = short.total() if delimiter == ";" else any(short[column] for column in grouped)
    return "," if grouped.total() >= 3 and mixed else ""
