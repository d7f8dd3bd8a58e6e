"""From rows of text to a typed table with its report."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import polars as pl
import pyarrow as pa

from tracer_sklearn._text import Learnt
from tracer_sklearn.exceptions import DataQualityWarning
from tracer_sklearn.io._account import Account, Notes
from tracer_sklearn.io._asked import Asked
from tracer_sklearn.io._assembly import Assembly, Column
from tracer_sklearn.io._columns import (
    column_bytes,
    describe,
    orders_of,
    reduced_bytes,
    settled_order,
)
from tracer_sklearn.io._names import repeated_names
from tracer_sklearn.io._opening import Opened
from tracer_sklearn.io._rows import THREADS, Piece
from tracer_sklearn.io._shape import Shape
from tracer_sklearn.io.report import (
    ColumnReport,
    IngestionReport,
    LineNote,
    LineReport,
    TableNote,
)

_MAX_FAILURE_SHARE = 0.02
_MOST_NAMED = 5


@dataclass(frozen=True)
class Learning:
    """How the columns of a table are read, by name.

    Attributes
    ----------
    learnt : dict of str to Learnt
        Formats and accounts of the columns, in the order of the file.
    places : dict of str to str
        Their names in frames of text.
    dropped : tuple of int
        Places, from 0, of columns without name and content.
    """

    learnt: dict[str, Learnt]
    places: dict[str, str]
    dropped: tuple[int, ...]

    def only(self, names: Sequence[str]) -> Learning:
        """Return the same for some of the columns."""
        kept = {name: place for name, place in self.places.items() if name in names}
        return Learning({name: self.learnt[name] for name in kept}, kept, self.dropped)

    @property
    def undecided(self) -> dict[str, str]:
        """Columns of dates in which nothing decides what comes first, and between what."""
        return doubts_of(self.learnt)


def doubts_of(learnt: Mapping[str, Learnt]) -> dict[str, str]:
    """Return the columns of dates that are undecidable, with what nothing decides between."""
    return {name: one.doubt for name, one in learnt.items() if one.ambiguous}


def learn_columns(text: pl.DataFrame, opened: Opened, asked: Asked) -> Learning:
    """Learn the formats of all columns that were asked for from frames of text."""
    shape = opened.shape
    table = text.to_arrow().cast(text_schema(shape.width))
    pieces = [Piece(text.height, table)] if text.height else []
    found = _assembly(opened, asked).gather(pieces)
    learnt, dropped = _learnt(found, shape, asked)
    places = {name: str(place) for place, name in enumerate(shape.names) if name in learnt}
    return Learning(learnt, places, dropped)


def text_schema(width: int) -> pa.Schema:
    """Return the schema of tables of text, whose columns are called by their places."""
    return pa.schema([(str(place), pa.string()) for place in range(width)])


def _assembly(opened: Opened, asked: Asked) -> Assembly:
    chosen = asked.chosen(opened.shape.names)
    return Assembly(opened.shape, opened.dialect, opened.decimal, asked.wishes, chosen)


def _learnt(
    found: Mapping[str, Column], shape: Shape, asked: Asked
) -> tuple[dict[str, Learnt], tuple[int, ...]]:
    """Return what is learnt of each column, and the places of those without name and content."""
    learnt = {name: column.learn(None) for name, column in found.items()}
    dropped = tuple(
        place
        for place, name in enumerate(shape.names)
        if not shape.found[place]
        and asked.columns is None
        and name in learnt
        and not learnt[name].n_values
    )
    for place in dropped:
        del learnt[shape.names[place]]
    # what one column of dates leaves open, others that are written alike may settle
    orders = orders_of(one.format for one in learnt.values())
    for name in [name for name, one in learnt.items() if one.ambiguous]:
        order = settled_order(learnt[name].ambiguous, orders)
        if order is not None:
            learnt[name] = found[name].learn(order)
    return learnt, dropped


def typed(opened: Opened, asked: Asked) -> tuple[pl.DataFrame, IngestionReport]:
    """Read all rows of a table and type its columns."""
    began = time.perf_counter()
    shape = opened.shape
    assembly = _assembly(opened, asked)
    found = assembly.gather(opened.pieces(assembly.convert))
    read = time.perf_counter()
    learnt, dropped = _learnt(found, shape, asked)
    typed_at = time.perf_counter()

    def finished(name: str) -> tuple[pl.Series, ColumnReport, int, int]:
        column, one = found[name], learnt[name]
        values = column.apply(one.format)
        account = describe(values, one, column.cell, shape.found[shape.names.index(name)])
        return values, account, column_bytes(values), reduced_bytes(values, account)

    with ThreadPoolExecutor(THREADS) as pool:
        made = dict(zip(learnt, pool.map(finished, learnt), strict=True))
    columns = {name: account for name, (_, account, _, _) in made.items()}
    frame = pl.DataFrame([made[name][0] for name in assembly.chosen if name in made])
    before = sum(size for _, _, size, _ in made.values())
    after = sum(size for _, _, _, size in made.values())
    opened.timings |= {
        "rows": read - began,
        "types": typed_at - read,
        "statistics": time.perf_counter() - typed_at,
    }
    report = report_of(opened, columns, dropped, before, after)
    warn(asked.who, report, doubts_of(learnt))
    return frame, report


def as_text(tables: Sequence[pa.Table], width: int) -> pl.DataFrame:
    """Put tables of text together."""
    if not tables:
        return pl.DataFrame(schema={str(place): pl.String for place in range(width)})
    frame = pl.from_arrow(pa.concat_tables(tables))
    assert isinstance(frame, pl.DataFrame)
    return frame


def as_library(frame: pl.DataFrame, library: str) -> Any:
    """Return a frame of the library that was asked for."""
    if library == "polars":
        return frame
    return frame.to_arrow() if library == "arrow" else frame.to_arrow().to_pandas()


def report_of(
    opened: Opened,
    columns: Mapping[str, ColumnReport],
    dropped: Sequence[int],
    before: int,
    after: int,
) -> IngestionReport:
    """Return the account of a file."""
    began = time.perf_counter()
    checksum = opened.source.checksum()
    opened.timings["checksum"] = time.perf_counter() - began
    return IngestionReport(
        source=opened.source.name,
        size=opened.source.size,
        compression=opened.source.compression,
        checksum=checksum,
        encoding=opened.guess,
        dialect=opened.dialect,
        decimal=opened.decimal,
        header_lines=[
            line for r in opened.shape.header for line in range(r.line, r.line + r.n_lines)
        ],
        beyond_header=opened.shape.beyond_header,
        lines=_lines(opened.account),
        columns=dict(columns),
        repeated_columns=repeated_names(opened.shape.found, opened.shape.names),
        dropped_columns=[place + 1 for place in dropped],
        memory_before=before,
        memory_after=min(before, after),
        timings=dict(opened.timings),
    )


def warn(who: str, report: IngestionReport, undecided: Mapping[str, str]) -> None:
    """Warn of what was lost: rows, names, cells past a share, and dates that nothing decides."""
    said = []
    if report.beyond_header:
        said.append(_beyond_header(report))
    if report.lines.set_aside:
        said.append(f"{report.lines.set_aside} lines could not be used as rows")
    said += [
        f"another table starts in line {table.line}" for table in report.lines.tables[:_MOST_NAMED]
    ]
    failing = [
        c
        for c in report.columns.values()
        if c.failures > _MAX_FAILURE_SHARE * (c.failures + report.lines.rows - c.missing)
    ]
    said += [
        f"{c.failures} cells of column {c.name!r} do not fit ({c.kind}) and are missing now"
        for c in failing[:_MOST_NAMED]
    ]
    if len(failing) > _MOST_NAMED:
        said.append(f"so do cells of {len(failing) - _MOST_NAMED} further columns")
    said += [
        f"nothing decides between {doubt} in column {name!r}: it stays text"
        for name, doubt in list(undecided.items())[:_MOST_NAMED]
    ]
    if said:
        warnings.warn(
            f"{who}: every line and cell of {report.source} should be usable, but "
            f"{'; '.join(said)}. See the report, mend the file, or say how it is read.",
            DataQualityWarning,
            stacklevel=4,
        )


def _beyond_header(report: IngestionReport) -> str:
    """Say what to do about rows that are wider than their header."""
    cells = "a cell" if report.beyond_header == 1 else f"{report.beyond_header} cells"
    mark = report.dialect.delimiter if report.dialect is not None else ","
    return (
        f"rows have {cells} more than the header, so that the last columns have no names and "
        f"others may have a wrong one (a {mark!r} within a cell that is not quoted makes it: "
        "export with quotes or another delimiter; or complete the header)"
    )


def first_cell(text: pl.Series, values: pl.Series) -> str:
    """Return the first cell that holds something."""
    at = values.is_not_null().arg_max()
    return "" if at is None or values[at] is None else str(text[at]).strip()


def _lines(account: Account) -> LineReport:
    def notes(found: Notes) -> list[LineNote]:
        return [LineNote(line=n.line, reason=n.reason, excerpt=n.excerpt) for n in found.kept]

    kept = {
        "above": account.above,
        "padded": account.padded,
        "cut": account.cut,
        "set_aside": account.set_aside,
        "footer": account.footer,
    }
    return LineReport(
        total=account.lines,
        rows=account.rows,
        continued=account.continued,
        header=account.header,
        above=account.above.lines,
        blank=account.blank,
        set_aside=account.set_aside.lines,
        footer=account.footer.lines,
        other_tables=sum(table.n_lines for table in account.tables),
        padded=account.padded.records,
        cut=account.cut.records,
        notes={fate: notes(found) for fate, found in kept.items() if found.records},
        tables=[TableNote(line=t.line, n_lines=t.n_lines, names=t.names) for t in account.tables],
    )
