"""Counting what becomes of every line of a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tracer_sklearn._text import mask
from tracer_sklearn.io._records import Record

# notes are kept for so many lines of a kind; the counts are always exact
MOST_NOTES = 1_000


@dataclass(frozen=True, slots=True)
class Note:
    """One record that was not taken as it stood."""

    line: int
    n_lines: int
    reason: str
    excerpt: str


@dataclass
class Notes:
    """Records of one fate: how many, how many lines, and what is said of the first ones."""

    records: int = 0
    lines: int = 0
    kept: list[Note] = field(default_factory=list)

    def add(self, record: Record, reason: str) -> None:
        """Count a record and say why."""
        self.records += 1
        self.lines += record.n_lines
        if len(self.kept) < MOST_NOTES:
            excerpt = mask(" | ".join(cell[:40] for cell in record.cells[:12]))
            self.kept.append(Note(record.line, record.n_lines, reason, excerpt))


@dataclass
class OtherTable:
    """A table below the one that is read."""

    line: int
    names: list[str]
    n_lines: int = 0
    n_records: int = 0


@dataclass
class Account:
    """What became of every line: ``lines`` is the sum of all the others, always."""

    lines: int = 0
    header: int = 0
    blank: int = 0
    rows: int = 0
    # lines beyond the first one of rows whose cells hold line breaks
    continued: int = 0
    above: Notes = field(default_factory=Notes)
    padded: Notes = field(default_factory=Notes)
    cut: Notes = field(default_factory=Notes)
    set_aside: Notes = field(default_factory=Notes)
    footer: Notes = field(default_factory=Notes)
    tables: list[OtherTable] = field(default_factory=list)

    def add_rows(self, rows: int, lines: int) -> None:
        """Count rows that were taken, and the lines they stood on."""
        self.rows += rows
        self.continued += lines - rows

    def named(self) -> int:
        """Return the number of lines that are accounted for."""
        return (
            self.header
            + self.blank
            + self.rows
            + self.continued
            + sum(notes.lines for notes in (self.above, self.set_aside, self.footer))
            + sum(table.n_lines for table in self.tables)
        )


def lines_of(records: Sequence[Record]) -> int:
    """Return how many lines records stand on."""
    return sum(record.n_lines for record in records)
