"""What the distinct values of a column of text show: blanks, mixed types, spellings."""

from __future__ import annotations

import re
from dataclasses import dataclass

import polars as pl

# Levels that are compared in spelling; more are names, and free text.
_MOST_LEVELS = 1_000
_MIXED = (0.05, 0.95)
_NUMBER = r"^\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?\s*$"


@dataclass(frozen=True)
class Levels:
    """The distinct values of a column, counted.

    Attributes
    ----------
    n_most_common : int
        Rows of the most common value; 0 where none can be in 99 % of them.
    n_blank : int
        Cells of nothing but white space.
    n_numbers : int
        Cells that read as a number.
    n_respelt : int
        Rows whose level differs from a more common one by case, punctuation or spaces only.
    n_spellings : int
        How many such levels there are.
    """

    n_most_common: int
    n_blank: int
    n_numbers: int
    n_respelt: int = 0
    n_spellings: int = 0

    def is_mixed(self, n_present: int) -> bool:
        """Tell a column in which both numbers and words are common."""
        share = self.n_numbers / max(n_present - self.n_blank, 1)
        return _MIXED[0] <= share <= _MIXED[1]


def levels_of(text: pl.Series, *, is_name: bool) -> Levels:
    """Count the distinct values of a column of text.

    Parameters
    ----------
    text : polars.Series
        Strings.
    is_name : bool
        Whether the values name rows or entities: their spelling and type are their own.
    """
    text = text.drop_nulls()
    if text.is_empty():
        return Levels(0, 0, 0)
    if is_name:
        same = len(text) if text.min() == text.max() else 0
        return Levels(same, int((text.str.strip_chars() == "").sum()), 0)
    # more levels than this leave no room for one that is in 99 % of the rows
    if text.n_unique() > max(_MOST_LEVELS, 0.01 * len(text) + 1):
        counted = text.to_frame("level").with_columns(rows=pl.lit(1))
        n_most_common = 0
    else:
        counted = text.alias("level").value_counts(name="rows")
        n_most_common = int(counted["rows"].max())  # type: ignore[arg-type]
    level = pl.col("level")
    found = counted.select(
        pl.col("rows").filter(level.str.strip_chars() == "").sum().alias("blank"),
        pl.col("rows").filter(level.str.contains(_NUMBER)).sum().alias("numbers"),
    ).row(0)
    n_respelt = n_spellings = 0
    if n_most_common and counted.height <= _MOST_LEVELS:
        n_respelt, n_spellings = _respelt(counted)
    return Levels(n_most_common, int(found[0]), int(found[1]), n_respelt, n_spellings)


def _respelt(counted: pl.DataFrame) -> tuple[int, int]:
    groups: dict[str, list[int]] = {}
    for level, rows in counted.rows():
        groups.setdefault(_spelling(level), []).append(rows)
    several = [sizes for key, sizes in groups.items() if key and len(sizes) > 1]
    rarer = [size for sizes in several for size in sorted(sizes)[:-1]]
    return sum(rarer), len(rarer)


def _spelling(level: str) -> str:
    # only between letters or digits: -5 is not another spelling of 5
    return re.sub(r"(?<=\w)[\s_-]+(?=\w)", " ", level.casefold().strip()).replace("_", " ")
