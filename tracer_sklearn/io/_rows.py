"""From blocks to tables of text, in order: clean blocks by a fast reader, all others by hand."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from tracer_sklearn._text.missing import SPACES
from tracer_sklearn._text.plain import bytes_of
from tracer_sklearn.io._blocks import Block
from tracer_sklearn.io._body import Body
from tracer_sklearn.io._cells import is_rule
from tracer_sklearn.io._records import Record, records_of
from tracer_sklearn.io.dialect import Dialect

# the cells of a line that is drawn, or that hold nothing
_DRAWN = rf"^[{SPACES}]*[-=:+_]*[{SPACES}]*$"
# the bytes that they begin with
_DRAWN_FIRST = np.zeros(256, dtype=bool)
_DRAWN_FIRST[[sign.encode()[0] for sign in (*"-=:+_", *SPACES)]] = True

THREADS = min(8, os.cpu_count() or 1)


@dataclass
class Piece:
    """Rows of the table as text, or as the clean block they came from and what it became."""

    rows: int
    table: pa.Table | None = None
    block: Block | None = None
    made: Any = None


Convert = Callable[[pa.Table], Any]


def pieces_of(
    blocks: Iterable[Block], body: Body, dialect: Dialect, convert: Convert | None = None
) -> Iterator[Piece]:
    """Yield all rows of the table, in order, and account for every line.

    Clean blocks come as text, or as what ``convert`` makes of it in threads.
    """
    shape = body.shape
    places = [f"{place}" for place in range(shape.width)]

    def records(block: Block) -> Iterable[Record]:
        if block.records is not None:
            return block.records
        return records_of(str(block.data, "utf-8", "replace"), dialect, block.line)

    def parse(block: Block) -> Piece | None:
        if block.records is not None:
            return None
        table = read_text(block, dialect, places)
        if table is None or not _is_plain(table, shape.found):
            return None
        if convert is None:
            return Piece(table.num_rows, table)
        return Piece(table.num_rows, block=block, made=convert(table))

    def by_hand(rows: list[list[str]]) -> Iterator[Piece]:
        if rows:
            yield Piece(len(rows), _as_table(rows, places))

    for block, piece in _in_order(blocks, parse):
        if piece is None or not body.passes_blocks:
            yield from by_hand(body.feed(records(block)))
            continue
        yield from by_hand(body.release())
        body.pass_block(block.n_records, block.n_lines, partial(records, block))
        yield piece
    yield from by_hand(body.close())


def read_text(
    block: Block, dialect: Dialect, places: Sequence[str], wanted: Sequence[str] | None = None
) -> pa.Table | None:
    """Read a clean block as text; None where its rows are not all as wide as the table."""
    names = list(places)
    try:
        table = pa.csv.read_csv(
            pa.BufferReader(block.data),
            read_options=pa.csv.ReadOptions(
                use_threads=False, block_size=len(block.data) + 1, column_names=names
            ),
            parse_options=pa.csv.ParseOptions(
                delimiter=dialect.delimiter,
                quote_char=dialect.quote if block.quoted else False,
                double_quote=block.quoted,
                escape_char=False,
                newlines_in_values=block.quoted,
            ),
            convert_options=pa.csv.ConvertOptions(
                check_utf8=False,
                column_types=dict.fromkeys(names, pa.string()),
                strings_can_be_null=False,
                quoted_strings_can_be_null=False,
                include_columns=list(wanted) if wanted is not None else None,
            ),
        )
    except pa.ArrowInvalid:
        return None
    return table if table.num_rows == block.n_records else None


def _in_order(
    blocks: Iterable[Block], work: Callable[[Block], Piece | None]
) -> Iterator[tuple[Block, Piece | None]]:
    """Work on a few blocks ahead, in threads; the order stays."""
    with ThreadPoolExecutor(THREADS, thread_name_prefix="tracer-csv") as pool:
        ahead: deque[tuple[Block, Future[Piece | None]]] = deque()
        try:
            for block in blocks:
                ahead.append((block, pool.submit(work, block)))
                if len(ahead) > THREADS:
                    first, future = ahead.popleft()
                    yield first, future.result()
            while ahead:
                first, future = ahead.popleft()
                yield first, future.result()
        finally:
            for _, future in ahead:
                future.cancel()


def _is_plain(table: pa.Table, header: Sequence[str]) -> bool:
    """Tell text without empty rows, without lines that are drawn, and without the header again."""
    named = next((place for place, name in enumerate(header) if name), None)
    if named is not None and pc.any(pc.equal(table.column(named), header[named])).as_py():
        return False
    if table.num_columns > 1 and _has_rules(table):
        return False
    empty = None
    for column in table.columns:
        blank = pc.less_equal(pc.binary_length(column), 0)
        if not pc.any(blank).as_py():
            return True
        empty = blank if empty is None else pc.and_(empty, blank)
    return empty is None or not pc.any(empty).as_py()


def _has_rules(table: pa.Table) -> bool:
    """Tell text in which `is_rule` may find a line, from the columns that rule it out first."""
    # a look at one byte takes a tenth of the time of the pattern
    drawn = table.filter(_mask_of(table.column(0), _DRAWN_FIRST))
    for column in range(table.num_columns):
        if not drawn.num_rows:
            return False
        drawn = drawn.filter(pc.match_substring_regex(drawn.column(column), _DRAWN))
    return any(is_rule(row.values(), least=3) for row in drawn.to_pylist())


def _mask_of(cells: pa.ChunkedArray, first: np.ndarray) -> pa.Array:
    """Tell the cells that are empty or begin with one of some bytes."""
    data, bounds = bytes_of(pa.concat_arrays(cells.chunks))
    found = np.diff(bounds) == 0
    if len(data):
        found |= first[data.take(bounds[:-1], mode="clip")]
    return pa.array(found)


def _as_table(rows: Sequence[Sequence[str]], places: Sequence[str]) -> pa.Table:
    columns = zip(*rows, strict=True)
    return pa.table(
        {
            place: pa.array(column, pa.string())
            for place, column in zip(places, columns, strict=True)
        }
    )
