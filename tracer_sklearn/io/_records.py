"""Cutting text into records and cells, exactly and in linear time; the slow way of reading."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tracer_sklearn.io.dialect import Dialect

# a quote that is still open after so many lines was meant to be open
_HEALABLE_LINES = 50
# a quote that takes in so many rows was not meant to be open
_TELLING_ROWS = 3
_MANY_ROWS = 50


class Record(NamedTuple):
    """One record of a file: where it starts, how many lines it takes, and its cells."""

    line: int
    n_lines: int
    cells: list[str]


class Lexer:
    """Cuts lines into records; keeps a record that is still open between calls.

    A quote opens a cell only at its start, a doubled (or escaped) quote stands for itself, line
    feeds inside quotes belong to the cell. An opening quote was a stray one where text follows
    the closing quote of a cell that spans lines, or where all of several lines within it have
    about as many tabs as its own: it is taken as a character, and the lines are cut again.
    """

    def __init__(self, dialect: Dialect, first_line: int = 1) -> None:
        self.dialect = dialect
        self.first_line = first_line
        self._line = first_line
        self._start = first_line
        self._lines: list[str] = []
        self._cells: list[str] = []
        self._parts: list[str] = []
        self._rows = 0
        self._n_tabs = 0
        self._is_open = False

    @property
    def next_line(self) -> int:
        """Number of the line that comes next."""
        return self._line

    @property
    def open_line(self) -> int | None:
        """Line in which a quote was opened that is not closed yet."""
        return self._start if self._is_open else None

    @property
    def open_bytes(self) -> int:
        """Bytes of the record that is not complete yet."""
        return sum(len(line.encode()) + 1 for line in self._lines) if self._is_open else 0

    def feed(self, text: str) -> Iterator[Record]:
        """Cut whole lines (each ends with a line feed but perhaps the last one of a file)."""
        lines = text.split("\n")
        if lines[-1] == "":
            lines.pop()
        delimiter, quote = self.dialect.delimiter, self.dialect.quote
        simple = not self.dialect.skips_blanks
        for line in lines:
            if simple and not self._is_open and quote not in line:
                yield Record(self._line, 1, line.split(delimiter))
                self._line += 1
                continue
            yield from self._one(line)

    def finish(self) -> Iterator[Record]:
        """Cut the lines of a quote that is open at the end of the file, where they are rows."""
        while self._is_open and self._rows:
            lines, self._is_open = self._lines, False
            yield Record(self._start, 1, lines[0].split(self.dialect.delimiter))
            self._line = self._start + 1
            for line in lines[1:]:
                yield from self._one(line)

    def _one(self, line: str) -> Iterator[Record]:
        waiting = [line]
        while waiting:
            line = waiting.pop()
            if not self._is_open:
                self._start, self._lines, self._cells, self._rows = self._line, [], [], 0
                self._n_tabs = line.count("\t") if self.dialect.delimiter == "\t" else 0
            self._lines.append(line)
            self._line += 1
            n_cells = len(self._cells)
            closed_well = self._cut(line)
            n_lines = len(self._lines)
            self._rows += n_lines > 1 and self._is_row(line, len(self._cells) - n_cells)
            # a table within a text has a text around it, unless it is a long one
            least = _MANY_ROWS if self._is_open else _TELLING_ROWS
            holds_rows = self._rows >= max(least, n_lines - 1)
            if self._is_open and not holds_rows:
                continue
            if holds_rows or (not closed_well and 1 < n_lines <= _HEALABLE_LINES):
                # a stray quote: its line stands alone, those below are cut anew
                waiting += reversed(self._lines[1:])
                yield Record(self._start, 1, self._lines[0].split(self.dialect.delimiter))
                self._line, self._is_open = self._start + 1, False
                continue
            # a quoted nothing is a missing cell, a line of nothing is a blank line
            cells = [" "] if self._cells == [""] and line else self._cells
            yield Record(self._start, n_lines, cells)

    def _is_row(self, line: str, n_ended: int) -> bool:
        """Tell a line that is a row by itself, all of it within a cell that was opened above.

        Files with tabs often have no quoting at all, and texts in them begin with quotes; but
        texts of several lines hardly ever have as many tabs in each.
        """
        is_within = n_ended == 0 or (n_ended == 1 and not self._is_open)
        n_tabs = line.count("\t") if self._n_tabs > 1 else 0
        # the last cell may be left out
        alike = n_tabs > 1 and abs(n_tabs - self._n_tabs) <= 1
        return alike and is_within and not line.isspace()

    def _cut(self, line: str) -> bool:
        """Cut one more line of the current record; tell whether its quotes closed well."""
        delimiter, quote = self.dialect.delimiter, self.dialect.quote
        skips = self.dialect.skips_blanks
        at, well, opened = 0, True, -1
        if skips and delimiter == " " and not self._is_open:
            line = line.strip(" ")
        while True:
            if not self._is_open:
                start = at
                if skips:
                    while line.startswith(" ", start):
                        start += 1
                if line.startswith(quote, start):
                    self._is_open, self._parts, at = True, [], start + len(quote)
                    opened = start
                else:
                    end = line.find(delimiter, start if delimiter == " " else at)
                    self._cells.append(line[start : end if end >= 0 else None])
                    if end < 0:
                        return well
                    at = end + len(delimiter)
                    continue
            end = self._closing(line, at)
            if end < 0:
                return True
            self._is_open = False
            following = line.find(delimiter, end)
            tail = line[end : following if following >= 0 else None]
            cell = "".join(self._parts)
            if tail.strip(" \t"):
                well = False
                # "So", he said: where the quotes hold nothing together, they belong to the text
                loose = opened >= 0 and delimiter not in cell
                cell = line[opened:end] + tail if loose else cell + tail
            self._cells.append(cell)
            opened = -1
            if following < 0:
                return well
            at = following + len(delimiter)

    def _closing(self, line: str, at: int) -> int:
        """Collect the content of an open cell; return where its closing quote ends, or -1."""
        quote, escape = self.dialect.quote, self.dialect.escape
        while True:
            end = line.find(quote, at)
            if escape:
                slash = line.find(escape, at, end if end >= 0 else None)
                if slash >= 0:
                    self._parts += (line[at:slash], line[slash + 1 : slash + 2])
                    at = slash + 2
                    continue
            if end < 0:
                self._parts.append(f"{line[at:]}\n")
                return -1
            if line.startswith(quote, end + 1):
                self._parts.append(line[at : end + 1])
                at = end + 2
                continue
            self._parts.append(line[at:end])
            return end + 1


def records_of(text: str, dialect: Dialect, first_line: int = 1) -> Iterator[Record]:
    """Cut a sample of whole lines into records; one that is open at the end is left out."""
    return Lexer(dialect, first_line).feed(text)
