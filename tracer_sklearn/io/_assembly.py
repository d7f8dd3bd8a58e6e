"""Whole columns from blocks of text: converted where the answer is proven, learnt where not.

What a column becomes never depends on which way it took: the proofs of `_text.plain` give what
learning from all cells would give, and counted words are all cells.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from tracer_sklearn._text import (
    ColumnFormat,
    Learnt,
    account_for,
    apply_format,
    learn_counted,
    learn_format,
)
from tracer_sklearn._text.missing import SPACES
from tracer_sklearn._text.plain import Numbers, number_format, plain_moments, plain_numbers
from tracer_sklearn.io._asked import Wish
from tracer_sklearn.io._rows import THREADS, Piece, read_text
from tracer_sklearn.io._shape import Shape
from tracer_sklearn.io.dialect import Dialect

# words are counted where a block has few of them, which its first rows tell
_FEW = 0.25
_FIRST = 2_000


@dataclass
class Made:
    """What the cells of one block were converted to: one of three, or nothing.

    Attributes
    ----------
    numbers : Numbers or None
        Numbers that are proven.
    moments : pyarrow.Array or None
        Moments that are proven.
    template : str
        The format of the moments; empty where there are none.
    words : pyarrow.DictionaryArray or None
        The cells, each distinct one once.
    cell : str
        The first cell that holds something.
    """

    numbers: Numbers | None = None
    moments: pa.Array | None = None
    template: str = ""
    words: pa.DictionaryArray | None = None
    cell: str = ""


@dataclass
class Column:
    """A column whose rows are all there: how it is learnt, and what a format makes of it."""

    learn: Callable[[bool | None], Learnt]
    apply: Callable[[ColumnFormat], pl.Series]
    cell: str = ""


@dataclass
class Assembly:
    """Puts the columns of a table together from its pieces.

    Attributes
    ----------
    shape, dialect
        What was found.
    decimal : str
        The decimal mark, or empty.
    wishes : dict of str to Wish
        What is known of columns.
    chosen : list of str
        The columns to read.
    """

    shape: Shape
    dialect: Dialect
    decimal: str
    wishes: dict[str, Wish]
    chosen: list[str]
    _pieces: list[Piece] = field(default_factory=list)

    def convert(self, table: pa.Table) -> dict[int, Made]:
        """Convert the cells of a block as far as that is proven; runs in threads."""
        return {
            place: _made(
                table.column(place),
                self.shape.looks[place] if not self._is_known(name) else None,
                decimal=self.decimal,
            )
            for place, name in enumerate(self.shape.names)
            if name in self.chosen
        }

    def gather(self, pieces: Iterable[Piece]) -> dict[str, Column]:
        """Read all pieces, and return the columns by name."""
        self._pieces = list(pieces)
        with ThreadPoolExecutor(THREADS) as pool:
            places = {
                place: name for place, name in enumerate(self.shape.names) if name in self.chosen
            }
            made = {place: [self._of(piece, place) for piece in self._pieces] for place in places}
            columns = pool.map(lambda place: self._proven(places[place], made[place]), places)
            found = dict(zip(places.values(), columns, strict=True))
            open_places = [place for place, name in places.items() if found[name] is None]
            texts = self._texts(open_places, pool)
            for place in open_places:
                cell = next((one.cell for one in made[place] if one.cell), "")
                found[places[place]] = self._learnt(places[place], texts[place], cell)
        return {name: column for name, column in found.items() if column is not None}

    def _of(self, piece: Piece, place: int) -> Made:
        if piece.made is None:
            piece.made = self.convert(piece.table)
        made: Made = piece.made[place]
        return made

    def _is_known(self, name: str) -> bool:
        wish = self.wishes.get(name, Wish())
        return wish.format is not None or wish.kind is not None

    def _proven(self, name: str, made: Sequence[Made]) -> Column | None:
        """Return a column from what its blocks were converted to; None where that does not do."""
        rows = sum(piece.rows for piece in self._pieces)
        cell = next((one.cell for one in made if one.cell), "")
        blocks = [one.numbers for one in made if one.numbers is not None]
        if blocks and len(blocks) == len(made):
            format = number_format(name, blocks, self.decimal)
            if format is not None:
                dtype = pa.int64() if format.kind == "count" else pa.float64()
                parts = [block.values for block in blocks]
                # a cast to the same type copies
                parts = [part if part.type == dtype else pc.cast(part, dtype) for part in parts]
                values = pa.chunked_array(parts, dtype)
                return _fixed(name, values, format, "every cell is a plain number", cell)
        templates = {one.template for one in made if one.template}
        if len(templates) == 1 and all(one.moments is not None for one in made):
            (template,) = templates
            kind = "datetime" if "%H" in template else "date"
            moments = pa.chunked_array([one.moments for one in made], pa.timestamp("us"))
            format = ColumnFormat(kind, formats=(template,))  # type: ignore[arg-type]
            return _fixed(name, moments, format, f"read by {template}", cell)
        if made and all(one.words is not None for one in made):
            return self._from_words(name, [one.words for one in made], rows, cell)
        return None

    def _from_words(
        self, name: str, blocks: Sequence[pa.DictionaryArray], rows: int, cell: str
    ) -> Column:
        parts = [
            pl.DataFrame(
                {
                    "word": pl.Series(block.dictionary, dtype=pl.String),
                    "rows": np.bincount(block.indices.to_numpy(), minlength=len(block.dictionary)),
                }
            )
            for block in blocks
        ]
        every = pl.concat(parts).group_by("word", maintain_order=True).agg(pl.col("rows").sum())
        codes = pl.concat([part.select("word") for part in parts]).join(
            every.select("word").with_row_index("code"),
            on="word",
            how="left",
            maintain_order="left",
        )["code"]
        bounds = np.cumsum([0, *(part.height for part in parts)])
        trimmed = (
            every.select(text=pl.col("word").str.strip_chars(SPACES), rows=pl.col("rows"))
            .group_by("text", maintain_order=True)
            .agg(pl.col("rows").cast(pl.UInt32).sum())
        )
        wish = self.wishes.get(name, Wish())

        def learn(day_first: bool | None) -> Learnt:
            if wish.format is not None:
                # the account of one cell for each row
                spread = every["word"].repeat_by(every["rows"]).explode()
                return account_for(spread.alias(name), wish.format, "frozen by `schema`")
            return learn_counted(
                trimmed,
                n_rows=rows,
                name=name,
                kind=wish.kind,
                decimal=self.decimal or None,
                day_first=day_first,
            )

        def apply(format: ColumnFormat) -> pl.Series:
            values = apply_format(every["word"], format).gather(codes)
            rows = [
                values.slice(low, high - low).gather(pl.Series(block.indices))
                for low, high, block in zip(bounds, bounds[1:], blocks, strict=False)
            ]
            return pl.concat(rows).alias(name)

        return Column(learn, apply, cell)

    def _learnt(self, name: str, text: pl.Series, cell: str) -> Column:
        text = text.alias(name)
        wish = self.wishes.get(name, Wish())

        def learn(day_first: bool | None) -> Learnt:
            if wish.format is not None:
                return account_for(text, wish.format, "frozen by `schema`")
            return learn_format(
                text, kind=wish.kind, decimal=self.decimal or None, day_first=day_first
            )

        return Column(learn, lambda format: apply_format(text, format), cell)

    def _texts(self, places: Sequence[int], pool: ThreadPoolExecutor) -> dict[int, pl.Series]:
        """Read some columns of all pieces again, as text."""
        if not places:
            return {}
        wanted = [str(place) for place in places]
        every = [str(place) for place in range(self.shape.width)]

        def read(piece: Piece) -> pa.Table:
            if piece.block is not None:
                table = read_text(piece.block, self.dialect, every, wanted)
            else:
                table = piece.table
            assert table is not None  # it was read before
            return table.select(wanted)

        tables = list(pool.map(read, self._pieces))
        if not tables:
            return {place: pl.Series(dtype=pl.String) for place in places}
        frame = pl.from_arrow(pa.concat_tables(tables))
        assert isinstance(frame, pl.DataFrame)
        return {place: frame[str(place)] for place in places}


def _made(cells: pa.ChunkedArray, expected: str | None, *, decimal: str) -> Made:
    """Convert the cells of a block, first to what they are expected to be."""
    array = cells.chunk(0) if cells.num_chunks == 1 else pa.concat_arrays(cells.chunks)
    made = Made(cell=_first(array))
    if expected == "number":
        made.numbers = plain_numbers(array, decimal)
    elif expected == "date":
        moments = plain_moments(array)
        if moments is not None:
            made.moments, made.template = moments
    if made.numbers is None and made.moments is None:
        few = max(50, int(_FEW * len(array)))
        head = array.slice(0, _FIRST)
        if len(head) < _FIRST or pc.count_distinct(head).as_py() <= _FEW * _FIRST:
            words = pc.dictionary_encode(array)
            made.words = words if len(words.dictionary) <= max(few, _FIRST) else None
    return made


def _first(array: pa.Array) -> str:
    for at in range(min(len(array), 100)):
        cell = array[at].as_py().strip(SPACES)
        if cell:
            return str(cell)
    held = pc.filter(array, pc.greater(pc.binary_length(array), 0))
    return str(held[0].as_py()).strip(SPACES) if len(held) else ""


def _fixed(name: str, values: pa.ChunkedArray, format: ColumnFormat, why: str, cell: str) -> Column:
    series = pl.from_arrow(values, rechunk=False)  # together they would be copied
    assert isinstance(series, pl.Series)
    series = series.alias(name)
    missing = series.null_count()
    learnt = Learnt(format, why, n_values=series.len() - missing, n_missing=missing)
    return Column(lambda _: learnt, lambda _: series, cell)
