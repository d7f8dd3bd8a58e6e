"""What stands for "nothing" in a text cell, and how cells are trimmed and masked."""

from __future__ import annotations

import re
from collections.abc import Iterable

import narwhals.stable.v2 as nw
import polars as pl

# engines disagree on what white space is, so it is spelt out
SPACES = " \t\r\n\f\v\u00a0\u2007\u2009\u200b\u202f\u3000\ufeff"

MISSING_WORDS = (
    *("na", "n/a", "n.a.", "#n/a", "#na", "<na>", "nan", "-nan", "nat", "null", "(null)", "none"),
    *("nil", "\\n", "missing", "(missing)", "(blank)", "(empty)", "not available", "n/d", "s/d"),
    *("k.a.", "k. a.", "n.v.t.", "n. v. t.", "b.d.", "1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan"),
    *("#div/0!", "#ref!", "#value!", "#name?", "#num!", "#null!"),
)
MISSING_DATES = ("0000-00-00", "0000-00-00 00:00:00", "00/00/0000", "00.00.0000", "00000000")

# dashes, stars, dots, question marks and Excel's "####", of any length, and nothing at all
_MISSING_RUNS = r"[-–—]*|\*+|\.+|\?+|_+|#+"


def escape(text: str) -> str:
    """Escape a literal for a regular expression that Rust's and Google's engines both read."""
    return "".join("\\" + char if char in r"\.+*?()|[]{}^$-" else char for char in text)


def any_of(words: Iterable[str]) -> str:
    """Return a pattern of alternatives, longest first."""
    return "|".join(escape(word) for word in sorted(set(words), key=lambda w: (-len(w), w)))


def missing_pattern(words: Iterable[str]) -> str:
    """Return the pattern of trimmed cells that hold nothing."""
    return f"^(?i:{_MISSING_RUNS}|{any_of(words)})$"


def trimmed(column: nw.Expr) -> nw.Expr:
    """Return the column without white space around its cells."""
    return column.str.strip_chars(SPACES)


# trimmed cells that are a formula of nothing but text, as Excel writes and reads them
WRAPPED = '^="(?:[^"]|"")*"$'


def unwrapped(text: nw.Expr) -> nw.Expr:
    """Return trimmed cells such as ="001" without what keeps them text in Excel."""
    inner = text.str.replace_all('^="|"$', "").str.replace_all('""', '"', literal=True)
    return nw.when(text.str.contains(WRAPPED)).then(trimmed(inner)).otherwise(text)


def unwrapped_cell(text: str) -> str:
    """Return one trimmed cell as `unwrapped` returns a column.

    Examples
    --------
    >>> unwrapped_cell('="001"'), unwrapped_cell("=A1")
    ('001', '=A1')
    """
    if text.startswith('="') and re.match(WRAPPED, text):
        return text[2:-1].replace('""', '"').strip(SPACES)
    return text


def mask(text: str) -> str:
    """Return the shape of a cell: letters become a, digits become 9; at most 40 characters.

    Examples
    --------
    >>> mask("Anna, 12.5")
    'aaaa, 99.9'
    """
    shape = "".join("a" if c.isalpha() else "9" if c.isdigit() else c for c in text[:40])
    return "".join(c if c.isprintable() else "?" for c in shape)


def masked_examples(values: pl.Series, n: int = 3) -> tuple[str, ...]:
    """Return the shapes of a few cells, each once, in a fixed order."""
    return tuple(sorted({mask(value) for value in values.sort().head(50).to_list()})[:n])
