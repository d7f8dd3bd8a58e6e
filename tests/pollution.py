"""Clean tables, written as files that businesses export; what a reader must make of each.

A `File` is a table on its way to bytes: cells as text, the dialect, and what stands around it.
Each pollution changes a `File` in one way and says how many lines of which fate it adds.
"""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import io
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import polars as pl

NAMES = ("id", "since", "city", "spend", "visits", "active")
CITIES = ("Köln", "Paris", "Malmö", "São Paulo", "Leeds", "Zürich", "Straße 5")


def clean(rows: int = 120, seed: int = 0) -> pl.DataFrame:
    """A table of every ordinary kind, without missing cells in the first and last rows."""
    draw = random.Random(seed)
    day = dt.datetime(2023, 1, 1)
    return pl.DataFrame(
        {
            "id": [f"K{1000 + n}" for n in range(rows)],
            "since": [day + dt.timedelta(days=draw.randrange(700)) for _ in range(rows)],
            "city": [draw.choice(CITIES) for _ in range(rows)],
            "spend": [round(draw.uniform(-500, 9000), 2) + 0.005 * 0 for _ in range(rows)],
            "visits": [draw.randrange(0, 5000) for _ in range(rows)],
            "active": [draw.random() < 0.5 for _ in range(rows)],
        },
        schema_overrides={"since": pl.Datetime("us")},
    )


def _money(value: float) -> str:
    return f"{value:.2f}"


@dataclass
class File:
    """A table on its way to bytes."""

    table: pl.DataFrame
    delimiter: str = ","
    quote: str = '"'
    quoting: str = "needed"
    line_end: str = "\n"
    encoding: str = "utf-8"
    decimal: str = "."
    date: str = "%Y-%m-%d"
    flags: tuple[str, str] = ("yes", "no")
    money: Callable[[float], str] = _money
    missing: str = ""
    names: list[str] = field(default_factory=lambda: list(NAMES))
    has_header: bool = True
    above: list[str] = field(default_factory=list)
    below: list[str] = field(default_factory=list)
    final_end: bool = True
    wrap: Callable[[bytes], bytes] = bytes
    # applied to the list of records (lists of cells, header first), and to the lines of text
    on_records: list[Callable[[list[list[str]]], list[list[str]]]] = field(default_factory=list)
    on_lines: list[Callable[[list[str]], list[str]]] = field(default_factory=list)
    expected: Counter[str] = field(default_factory=Counter)
    options: dict[str, object] = field(default_factory=dict)
    touched: set[str] = field(default_factory=set)

    def continued(self) -> int:
        """Lines beyond the first one of rows whose cells hold line breaks."""
        return int(self.table["city"].str.count_matches("\n").sum())

    def cells(self) -> list[list[str]]:
        rows = [list(self.names)] if self.has_header else []
        for row in self.table.iter_rows():
            made = []
            for value in row:
                if value is None:
                    made.append(self.missing)
                elif isinstance(value, bool):
                    made.append(self.flags[0] if value else self.flags[1])
                elif isinstance(value, dt.datetime):
                    made.append(value.strftime(self.date))
                elif isinstance(value, float):
                    made.append(self.money(value).replace(".", self.decimal))
                else:
                    made.append(str(value))
            rows.append(made)
        for change in self.on_records:
            rows = change(rows)
        return rows

    def to_bytes(self) -> bytes:
        lines = []
        for row in self.cells():
            bare = self.delimiter.strip(" ") or " "
            text = io.StringIO()
            writer = csv.writer(
                text,
                delimiter=bare,
                quotechar=self.quote,
                quoting=csv.QUOTE_ALL if self.quoting == "all" else csv.QUOTE_MINIMAL,
                lineterminator="\n",
            )
            writer.writerow(row)
            line = text.getvalue()[:-1]
            if self.delimiter == ", ":
                line = ", ".join(_quoted(cell, bare) for cell in row)
            lines.append(line)
        for alter in self.on_lines:
            lines = alter(lines)
        lines = [*self.above, *lines, *self.below]
        text_all = "\n".join(lines) + ("\n" if self.final_end else "")
        return self.wrap(text_all.replace("\n", self.line_end).encode(self.encoding))


def _quoted(cell: str, mark: str) -> str:
    return '"' + cell.replace('"', '""') + '"' if set(cell) & {mark, '"', "\n"} else cell


POLLUTIONS: dict[str, Callable[[File], None]] = {}


def pollution(function: Callable[[File], None]) -> Callable[[File], None]:
    POLLUTIONS[function.__name__] = function
    return function


def _claim(file: File, *aspects: str) -> bool:
    """Take an aspect of the file; False where another pollution has it already."""
    if file.touched & set(aspects):
        return False
    file.touched |= set(aspects)
    return True


class Clash(Exception):
    """Two pollutions that cannot be in one file."""


def claim(file: File, *aspects: str) -> None:
    if not _claim(file, *aspects):
        raise Clash


# -- encodings ---------------------------------------------------------------------------------


@pollution
def byte_order_mark(file: File) -> None:
    claim(file, "encoding")
    file.encoding = "utf-8-sig"


@pollution
def cp1252(file: File) -> None:
    claim(file, "encoding")
    file.encoding = "cp1252"


@pollution
def utf16_with_mark(file: File) -> None:
    claim(file, "encoding")
    file.encoding = "utf-16"


@pollution
def utf16_without_mark(file: File) -> None:
    claim(file, "encoding")
    file.encoding = "utf-16-le"


@pollution
def gzipped(file: File) -> None:
    claim(file, "wrap")
    file.wrap = lambda data: gzip.compress(data, mtime=0)


# -- dialects ----------------------------------------------------------------------------------


@pollution
def semicolon_and_decimal_comma(file: File) -> None:
    claim(file, "delimiter", "decimal", "money")
    file.delimiter, file.decimal = ";", ","


@pollution
def tab(file: File) -> None:
    claim(file, "delimiter")
    file.delimiter = "\t"


@pollution
def pipe(file: File) -> None:
    claim(file, "delimiter")
    file.delimiter = "|"


@pollution
def comma_and_blank(file: File) -> None:
    claim(file, "delimiter", "quoting")
    file.delimiter = ", "


@pollution
def all_quoted(file: File) -> None:
    claim(file, "quoting")
    file.quoting = "all"


@pollution
def apostrophes(file: File) -> None:
    claim(file, "quoting", "cells with quotes")
    file.quoting, file.quote = "all", "'"


@pollution
def cr_lf(file: File) -> None:
    claim(file, "line end")
    file.line_end = "\r\n"


@pollution
def cr(file: File) -> None:
    claim(file, "line end")
    file.line_end = "\r"


@pollution
def cr_cr_lf(file: File) -> None:
    claim(file, "line end")
    file.line_end = "\r\r\n"


@pollution
def no_final_line_end(file: File) -> None:
    file.final_end = False


# -- around the table --------------------------------------------------------------------------


@pollution
def titles_above(file: File) -> None:
    claim(file, "above")
    file.above = ["Customer report", "created by: the sales team", ""]
    file.expected.update(above=2, blank=1)


@pollution
def title_without_blank_line(file: File) -> None:
    claim(file, "above")
    file.above = ["Customer report of the year"]
    file.expected.update(above=1)


@pollution
def blank_lines_inside(file: File) -> None:
    def change(lines: list[str]) -> list[str]:
        return [*lines[:20], "", *lines[20:70], "", "", *lines[70:]]

    file.on_lines.append(change)
    file.expected.update(blank=3)


@pollution
def rows_of_delimiters_at_the_end(file: File) -> None:
    claim(file, "end")
    mark = file.delimiter.strip(" ") or " "
    file.on_lines.append(lambda lines: [*lines, *[mark * (len(NAMES) - 1)] * 3])
    file.touched.add("delimiter")
    file.expected.update(blank=3)


@pollution
def prose_below(file: File) -> None:
    claim(file, "below")
    file.below = ["", "Source: customer database, all rights reserved"]
    file.expected.update(blank=1, footer=1)


@pollution
def total_row(file: File) -> None:
    claim(file, "end")

    def change(rows: list[list[str]]) -> list[list[str]]:
        return [*rows, ["Total", "", "", rows[1][3], "12345", ""]]

    file.on_records.append(change)
    file.expected.update(footer=1)


@pollution
def second_table(file: File) -> None:
    claim(file, "below", "delimiter", "width")
    file.below = ["", "shop,manager", "North,Anna", "South,Bob"]
    file.expected.update(blank=1, other_tables=3)


@pollution
def header_again(file: File) -> None:
    claim(file, "header")
    file.on_records.append(lambda rows: [*rows[:60], rows[0], *rows[60:]])
    file.expected.update(set_aside=1)


# -- the header --------------------------------------------------------------------------------


@pollution
def no_header(file: File) -> None:
    claim(file, "header", "names")
    file.has_header = False
    file.names = [f"column_{n}" for n in range(1, 7)]
    file.expected.update(no_header=1)


@pollution
def padded_names(file: File) -> None:
    claim(file, "names")
    file.on_records.append(lambda rows: [[f"  {name} " for name in rows[0]], *rows[1:]])


@pollution
def duplicate_names(file: File) -> None:
    claim(file, "names")
    file.names = ["id", "since", "id", "spend", "visits", "id"]
    file.expected.update(renamed=1)


@pollution
def nameless_column(file: File) -> None:
    claim(file, "names")
    file.names = ["id", "since", "", "spend", "visits", "active"]
    file.expected.update(renamed=1)


@pollution
def header_of_two_rows(file: File) -> None:
    claim(file, "header", "names")
    upper = ["", "", "", "Money", "", ""]
    file.on_records.append(lambda rows: [upper, *rows])
    file.expected.update(header=1, renamed=1)


# -- widths ------------------------------------------------------------------------------------


@pollution
def trailing_delimiters(file: File) -> None:
    claim(file, "width")
    file.on_records.append(lambda rows: [[*row, ""] for row in rows])


@pollution
def rows_too_short(file: File) -> None:
    claim(file, "width")
    short_ones = pl.int_range(pl.len()).is_in([30, 50, 90])
    file.table = file.table.with_columns(active=pl.when(~short_ones).then("active"))

    def change(rows: list[list[str]]) -> list[list[str]]:
        first = int(file.has_header)
        short = {at + first for at in (30, 50, 90)}
        return [row[:-1] if at in short else row for at, row in enumerate(rows)]

    file.on_records.insert(0, change)
    file.expected.update(padded=3)


@pollution
def rows_too_long(file: File) -> None:
    claim(file, "width")

    def change(rows: list[list[str]]) -> list[list[str]]:
        first = int(file.has_header)
        return [
            [*row, "x"] if at in (31 + first, 80 + first) else row for at, row in enumerate(rows)
        ]

    file.on_records.insert(0, change)
    file.expected.update(cut=2)


# -- cells -------------------------------------------------------------------------------------


def _put_in_city(file: File, text: str, every: int) -> None:
    there = pl.int_range(pl.len()) % every == 3
    file.table = file.table.with_columns(city=pl.when(there).then(pl.lit(text)).otherwise("city"))


@pollution
def quoted_line_breaks(file: File) -> None:
    claim(file, "city")
    _put_in_city(file, "two\nlines", every=10)


@pollution
def quotes_in_cells(file: File) -> None:
    claim(file, "city", "cells with quotes")
    _put_in_city(file, 'the "Old" Port', every=7)


@pollution
def delimiters_in_cells(file: File) -> None:
    claim(file, "city")
    _put_in_city(file, "Bern, CH; east", every=5)


@pollution
def missing_marks(file: File) -> None:
    claim(file, "missing")
    file.missing = "n/a"
    holes = pl.int_range(pl.len()) % 11 == 4
    file.table = file.table.with_columns(
        pl.when(~holes).then(pl.col(name)) for name in ("since", "spend", "visits", "city")
    )


@pollution
def empty_cells(file: File) -> None:
    claim(file, "missing")
    holes = pl.int_range(pl.len()) % 13 == 4
    file.table = file.table.with_columns(
        pl.when(~holes).then(pl.col(name)) for name in ("since", "spend", "visits", "city")
    )


@pollution
def money_with_thousands(file: File) -> None:
    claim(file, "money", "decimal")
    file.money = lambda value: f"${value:,.2f}" if value >= 0 else f"(${-value:,.2f})"


@pollution
def money_as_in_germany(file: File) -> None:
    claim(file, "money", "decimal")
    file.money = lambda v: f"{v:,.2f}".translate(str.maketrans(",.", ".,")) + " €"


@pollution
def day_first_dates(file: File) -> None:
    claim(file, "date")
    file.date = "%d/%m/%Y"


@pollution
def month_first_dates(file: File) -> None:
    claim(file, "date")
    file.date = "%m/%d/%Y"


@pollution
def dates_with_month_names(file: File) -> None:
    claim(file, "date")
    file.date = "%d-%b-%y"


@pollution
def padded_cells(file: File) -> None:
    claim(file, "quoting")
    file.on_records.append(lambda rows: [rows[0], *([f"  {c} " for c in r] for r in rows[1:])])


def expected_names(file: File) -> list[str]:
    """What the columns are called after reading."""
    seen: Counter[str] = Counter()
    names = []
    upper = ["", "", "", "Money", "Money", "Money"]
    for place, name in enumerate(file.names, start=1):
        if "header" in file.touched and file.expected["header"]:
            name = f"{upper[place - 1]} {name}".strip()
        name = name or f"column_{place}"
        seen[name] += 1
        names.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return names
