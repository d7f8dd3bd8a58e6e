"""Columns in their plainest notation, converted fast, with a proof of what would be learnt.

`learn_format` looks at every distinct cell of a column, which takes longer than reading it.
Where every cell is empty, or made of digits with at most a sign and a point, or is an ISO date
of one length, the answer is known without: that is what is proven here, block by block, from
the bytes of the cells. Whatever could change the answer gives None, and the column is learnt.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tracer_sklearn._text.date_learning import SERIAL_NAME
from tracer_sklearn._text.format import ColumnFormat

_LONGEST_NUMBER = 40
_MOST = 10**15
_ZERO, _NINE, _POINT, _MINUS, _SLASH = b"09.-/"
_SHAPES = {10: "%Y-%m-%d", 19: "%Y-%m-%d %H:%M:%S"}


def plain_numbers(cells: pa.Array, decimal: str = "") -> pa.Array | None:
    """Return the numbers of cells of digits; integers where none has a decimal mark.

    Parameters
    ----------
    cells : pyarrow.StringArray
        Without nulls.
    decimal : {"", ".", ","}, default=""
        The decimal mark of the file, where it is known.
    """
    if decimal == ",":
        if pc.any(pc.match_substring(cells, ".")).as_py():
            return None
        cells = pc.replace_substring(cells, ",", ".")
    data, starts, ends = _bytes_of(cells)
    lengths = ends - starts
    if not len(data):
        return pa.nulls(len(cells), pa.int64())
    if int(lengths.max()) > _LONGEST_NUMBER:
        return None
    if data.min() < _MINUS or data.max() > _NINE or (data == _SLASH).any():
        return None
    held = lengths > 0
    if _has_leading_zero(data, starts if held.all() else starts[held], ends):
        return None
    whole = not (data == _POINT).any()
    try:
        made = pc.cast(_without_empty(cells, held), pa.int64() if whole else pa.float64())
    except pa.ArrowInvalid:
        return None
    ends_of_range = pc.min_max(made).as_py()
    if max(abs(ends_of_range["min"]), abs(ends_of_range["max"])) >= _MOST:
        return None
    return made


def number_format(name: str, blocks: Sequence[pa.Array], decimal: str = "") -> ColumnFormat | None:
    """Return the format that is learnt from a column of plain numbers, or None if it is unsure.

    Parameters
    ----------
    name : str
        Name of the column.
    blocks : sequence of pyarrow.Array
        What `plain_numbers` gave for each of its parts.
    decimal : {"", ".", ","}, default=""
        The decimal mark of the file, where it is known.
    """
    mark = decimal or "."
    if SERIAL_NAME.search(name):
        return None  # its numbers may be moments
    held = [block for block in blocks if block.null_count < len(block)]
    if not held:
        return None
    ranges = [pc.min_max(block).as_py() for block in held]
    low, high = min(r["min"] for r in ranges), max(r["max"] for r in ranges)
    if any(pa.types.is_floating(block.type) for block in held):
        # months and years with a point between them
        unsure = (low >= 1900 and high < 2100) or (low >= 1 and high < 13)
        return None if unsure else ColumnFormat("number", decimal=mark)
    if high >= 10**13 or (high >= 10_000_000 and _share_of_dates(held) > 0.5):
        return None
    return ColumnFormat("count", decimal=mark)


def plain_moments(cells: pa.Array) -> tuple[pa.Array, str] | None:
    """Return the moments of ISO dates or times of one length, and their format.

    Parameters
    ----------
    cells : pyarrow.StringArray
        Without nulls.
    """
    data, starts, ends = _bytes_of(cells)
    lengths = ends - starts
    held = lengths > 0
    if not held.any():
        return pa.nulls(len(cells), pa.timestamp("us")), ""
    first, length = starts[held], int(lengths.max())
    if length not in _SHAPES or int(lengths[held].min()) != length:
        return None
    years = data[first]
    if years.min() <= _ZERO or years.max() > _NINE:
        return None
    template = _SHAPES[length]
    if length == 19:
        gaps = data[first + 10]
        gap = chr(gaps[0])
        if gap not in " T" or (gaps != gaps[0]).any():
            return None
        template = template.replace(" ", gap)
    try:
        made = pc.cast(_without_empty(cells, held), pa.timestamp("us"))
    except pa.ArrowInvalid:
        return None
    return made, template


def _bytes_of(cells: pa.Array) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the bytes of all cells, and where each starts and ends in them."""
    _, offsets, buffer = cells.buffers()
    bounds = np.frombuffer(offsets, dtype=np.int32)[cells.offset : cells.offset + len(cells) + 1]
    if not len(cells) or buffer is None:
        nothing = np.zeros(len(cells), dtype=np.int32)
        return np.zeros(0, dtype=np.uint8), nothing, nothing
    data = np.frombuffer(buffer, dtype=np.uint8)[bounds[0] : bounds[-1]]
    bounds = bounds - bounds[0]
    return data, bounds[:-1], bounds[1:]


def _has_leading_zero(data: np.ndarray, first: np.ndarray, ends: np.ndarray) -> bool:
    """Tell cells such as 007, which are names; those of nothing but a sign may count too."""
    if data.min() == _MINUS:
        first = np.minimum(first + (data[first] == _MINUS), len(data) - 1)
    zeros = first[data[first] == _ZERO]
    if not len(zeros):
        return False
    zeros = zeros[data[np.minimum(zeros + 1, len(data) - 1)] >= _ZERO]
    # the digit may be the first one of the next cell
    return bool((zeros + 1 < ends[np.searchsorted(ends, zeros, "right")]).any())


def _without_empty(cells: pa.Array, held: np.ndarray) -> pa.Array:
    if held.all():
        return cells
    return pc.if_else(pa.array(held), cells, pa.scalar(None, pa.string()))


def _share_of_dates(blocks: Sequence[pa.Array]) -> float:
    """Return the share of numbers that could be dates such as 20240131."""
    dates = total = 0
    for block in blocks:
        numbers = block.drop_null().to_numpy(zero_copy_only=False)
        month, day = numbers // 100 % 100, numbers % 100
        fits = (numbers >= 10_000_101) & (numbers <= 99_991_231) & (month >= 1) & (month <= 12)
        dates += int(np.count_nonzero(fits & (day >= 1) & (day <= 31)))
        total += len(numbers)
    return dates / max(1, total)
