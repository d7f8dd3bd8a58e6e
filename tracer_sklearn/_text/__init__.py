"""Parsers of dirty text: numbers, money, dates, flags. One truth for files and for stages.

A column's format is learnt once, from all of its distinct values (`learn_format`), and is a
frozen plain value from then on (`ColumnFormat`). Applying it (`apply_format` on rows in memory,
`parsed` as an expression on any engine) never guesses: a pattern says which cells fit, all
others are missing, and `failed` counts those that held something.
"""

from tracer_sklearn._text.dates import from_numbers
from tracer_sklearn._text.format import KINDS, ColumnFormat, Kind
from tracer_sklearn._text.learning import (
    Learnt,
    account_for,
    format_from,
    learn_counted,
    learn_format,
)
from tracer_sklearn._text.missing import mask
from tracer_sklearn._text.parsing import apply_format, failed, is_missing, parsed

__all__ = [
    "KINDS",
    "ColumnFormat",
    "Kind",
    "Learnt",
    "account_for",
    "apply_format",
    "failed",
    "format_from",
    "from_numbers",
    "is_missing",
    "learn_counted",
    "learn_format",
    "mask",
    "parsed",
]
