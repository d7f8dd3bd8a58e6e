"""The account of a file: what was decided, what was read, and what could not be used."""

from __future__ import annotations

import html
from typing import Any, Literal

from pydantic import Field

from tracer_sklearn._text import ColumnFormat
from tracer_sklearn.io._compression import Format
from tracer_sklearn.io.dialect import Dialect
from tracer_sklearn.io.encoding import EncodingGuess
from tracer_sklearn.schema._part import Part

__all__ = ["ColumnReport", "IngestionReport", "LineNote", "LineReport", "TableNote"]


class LineNote(Part):
    """One line that was not taken as it stood.

    Parameters
    ----------
    line : int
        Number of its first line in the file, counted from 1.
    reason : str
        What was wrong.
    excerpt : str
        Its shape: letters are a, digits are 9.
    """

    line: int
    reason: str
    excerpt: str


class TableNote(Part):
    """A table below the one that was read.

    Parameters
    ----------
    line : int
        Where it starts, counted from 1.
    n_lines : int
        Its lines, header and titles included.
    names : list of str
        What stands in its header.
    """

    line: int
    n_lines: int
    names: list[str]


class LineReport(Part):
    """What became of every line: ``total`` is the sum of the fields up to ``other_tables``.

    Parameters
    ----------
    total : int
        Lines of the file.
    rows : int
        Rows of the table, mended ones included.
    continued : int
        Further lines of rows whose cells hold line breaks.
    header, above, blank : int
        Lines of the header, of titles above the table, and without content.
    set_aside : int
        Lines that could not be used as rows.
    footer : int
        Totals and text below the table.
    other_tables : int
        Lines of further tables.
    padded, cut : int
        Rows that had too few cells and were filled, or too many and lost the last ones.
    notes : dict of str to list of LineNote
        For "above", "padded", "cut", "set_aside" and "footer": the first thousand of each.
    tables : list of TableNote
        The further tables.
    """

    total: int
    rows: int
    continued: int = 0
    header: int = 0
    above: int = 0
    blank: int = 0
    set_aside: int = 0
    footer: int = 0
    other_tables: int = 0
    padded: int = 0
    cut: int = 0
    notes: dict[str, list[LineNote]] = Field(default_factory=dict)
    tables: list[TableNote] = Field(default_factory=list)


class ColumnReport(Part):
    """What one column holds.

    Parameters
    ----------
    name, original : str
        Its name, and what stood in the header.
    kind : str
        "number", "count", "date", "datetime", "flag", "category" or "text".
    format : dict
        How its cells were read, as `ColumnFormat.to_dict` gives it.
    why : str
        What decided, with the figure.
    nullable : bool
        Whether cells are missing.
    missing, missing_share : int and float
        Cells that hold nothing, as a number and as a share of the rows.
    failures : int
        Cells that hold something that does not fit the format; they are missing too.
    examples : list of str
        Shapes of up to three of them.
    minimum, maximum : int, float, str or None
        Of numbers and dates (in ISO notation); None for text.
    distinct : int
        Distinct values.
    distinct_rows : int
        Number of rows among which they were counted: the first ones of a large table.
    pattern : str
        Shape of a cell: letters are a, digits are 9.
    """

    name: str
    original: str
    kind: str
    format: dict[str, Any]
    why: str = ""
    nullable: bool = False
    missing: int = 0
    missing_share: float = 0.0
    failures: int = 0
    examples: list[str] = Field(default_factory=list)
    minimum: int | float | str | None = None
    maximum: int | float | str | None = None
    distinct: int = 0
    distinct_rows: int = 0
    pattern: str = ""


class IngestionReport(Part):
    r"""Everything that was decided about a file, and everything that could not be used.

    It displays itself as HTML in a notebook, prints as text, and is plain data: ``to_dict()``
    and ``model_dump_json()``. Given as ``schema=`` to a reader it freezes the formats of all
    columns, so that the next file is read as this one was.

    Parameters
    ----------
    source : str
        The path, "<bytes>" or "<file>".
    size : int
        Stored bytes.
    compression : str
        "none", "gzip", "zstd", "bz2", "xz" or "zip".
    format : {"text", "parquet", "arrow", "jsonl"}, default="text"
        What the content is.
    checksum : str
        SHA-256 of the stored bytes.
    encoding : EncodingGuess or None
        The encoding, how sure it is, and the runner-up; None where there is no text.
    dialect : Dialect or None
        Delimiter, quotes, escapes, line ends, and whether whole lines stand in quotes; None where
        there is no text.
    decimal : str
        The decimal mark that was given or that numbers gave away; empty where they did not.
    header_lines : list of int
        Lines of the header, counted from 1; empty where there is none.
    beyond_header : int
        Cells that rows have more than the header, and that hold something: their columns have no
        names. Other names may stand over a wrong column where a cell holds a comma without quotes.
    lines : LineReport
        What became of every line.
    columns : dict of str to ColumnReport
        What each column holds, by name.
    repeated_columns : dict of str to str
        Columns whose name another one had before them: what they are called here, and the name in
        the header. Also those that were not read.
    dropped_columns : list of int
        Places (from 1) of columns without name and content, as trailing delimiters make them.
    memory_before, memory_after : int
        Bytes of the table as it is, and in the smallest types that lose nothing, which
        `DtypeReducer` gives it.
    timings : dict of str to float
        Seconds of each step.

    Examples
    --------
    >>> import tracer_sklearn as ts
    >>> report = ts.read_csv(b"id;price\n1;2,50\n2;3,75\n;;\n").report
    >>> report.dialect.delimiter, report.columns["price"].kind, report.lines.blank
    (';', 'number', 1)
    """

    source: str
    size: int
    compression: str = "none"
    format: Format = "text"
    checksum: str = ""
    encoding: EncodingGuess | None = None
    dialect: Dialect | None = None
    decimal: Literal["", ".", ","] = ""
    header_lines: list[int] = Field(default_factory=list)
    beyond_header: int = 0
    lines: LineReport
    columns: dict[str, ColumnReport] = Field(default_factory=dict)
    repeated_columns: dict[str, str] = Field(default_factory=dict)
    dropped_columns: list[int] = Field(default_factory=list)
    memory_before: int = 0
    memory_after: int = 0
    timings: dict[str, float] = Field(default_factory=dict)

    @property
    def formats_(self) -> dict[str, ColumnFormat]:
        """The formats of the columns, frozen."""
        return {name: ColumnFormat.from_dict(c.format) for name, c in self.columns.items()}

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON.

        Returns
        -------
        dict
            By the names of the parameters.
        """
        return self.model_dump(mode="json")

    def __str__(self) -> str:
        """Print the account as a few lines of text."""
        said = [f"{title}: {text}" for title, text in self._facts()]
        said += [
            f"  {c.name}: {c.kind}, {c.missing_share:.1%} missing"
            + (f", {c.failures} cells do not fit {c.examples}" if c.failures else "")
            for c in self.columns.values()
        ]
        said += [
            f"  line {note.line}, {fate}: {note.reason} [{note.excerpt}]"
            for fate, notes in self.lines.notes.items()
            for note in notes[:5]
        ]
        return "\n".join(said)

    def _facts(self) -> list[tuple[str, str]]:
        """Return what is said of the file as a whole."""
        lines = self.lines
        fates = ("continued", "header", "above", "blank", "set_aside", "footer", "other_tables")
        parts = [f"{getattr(lines, f):,} {f.replace('_', ' ')}" for f in fates if getattr(lines, f)]
        mends = (("padded", lines.padded), ("cut", lines.cut))
        mended = [f"{n:,} {what}" for what, n in mends if n]
        facts = [
            ("source", f"{self.source}, {self.size:,} bytes, {self.compression} compression"),
            ("sha256", self.checksum),
            *self._facts_of_text(),
            (
                "lines",
                f"{lines.total:,} = {lines.rows:,} rows"
                + (f" ({', '.join(mended)})" if mended else "")
                + "".join(f" + {part}" for part in parts),
            ),
            ("columns", f"{len(self.columns)}"),
        ]
        if self.beyond_header:
            facts.append(("beyond the header", f"{self.beyond_header} cells of each row"))
        if lines.tables:
            tables = (f"line {t.line}: {', '.join(t.names[:5])}" for t in lines.tables)
            facts.append(("other tables", "; ".join(tables)))
        if self.memory_before:
            facts.append(
                ("memory", f"{self.memory_before:,} bytes, {self.memory_after:,} when reduced")
            )
        return facts

    def _facts_of_text(self) -> list[tuple[str, str]]:
        guess, dialect = self.encoding, self.dialect
        if guess is None or dialect is None:
            return [("format", self.format)]
        rival = f", then {guess.runner_up}" if guess.runner_up else ""
        written = (
            f"delimiter {dialect.delimiter!r}, quote {dialect.quote!r}, "
            f"line end {dialect.line_end!r}"
        )
        written += ", whole lines in quotes" if dialect.wraps_lines else ""
        written += f", decimal {self.decimal!r}" if self.decimal else ""
        return [
            ("encoding", f"{guess.name} ({guess.confidence:.0%}{rival})"),
            ("dialect", written),
        ]

    def _repr_html_(self) -> str:
        """Show the account as tables; every name and value is escaped."""

        def row(cells: list[str], tag: str = "td") -> str:
            return f"<tr>{''.join(f'<{tag}>{html.escape(c)}</{tag}>' for c in cells)}</tr>"

        facts = "".join(row([title, text]) for title, text in self._facts())
        head = ["column", "kind", "missing", "failures", "min", "max", "distinct", "pattern", "why"]
        columns = "".join(
            row(
                [
                    c.name,
                    c.kind,
                    f"{c.missing_share:.1%}",
                    f"{c.failures}",
                    "" if c.minimum is None else str(c.minimum),
                    "" if c.maximum is None else str(c.maximum),
                    f"{c.distinct}",
                    c.pattern,
                    c.why,
                ]
            )
            for c in self.columns.values()
        )
        notes = "".join(
            row([f"{note.line}", fate.replace("_", " "), note.reason, note.excerpt])
            for fate, kept in self.lines.notes.items()
            for note in kept[:20]
        )
        parts = [f"<table>{facts}</table>", f"<table>{row(head, 'th')}{columns}</table>"]
        if notes:
            parts.append(
                f"<table>{row(['line', 'fate', 'reason', 'excerpt'], 'th')}{notes}</table>"
            )
        return "".join(parts)
