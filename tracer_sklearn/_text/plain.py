"""Columns in their plainest notation, converted fast, with a proof of what would be learnt.

`learn_format` looks at every distinct cell of a column, which takes longer than reading it.
Where every cell is empty, or made of digits with at most a sign and a point, or is an ISO date
of one length, the answer is known without: that is what is proven here, block by block, from
the bytes of the cells. Whatever could change the answer gives None, and the column is learnt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tracer_sklearn._text.date_learning import speaks_of_time
from tracer_sklearn._text.format import ColumnFormat

_LONGEST_NUMBER = 40
_MOST = 10**15
_ZERO, _NINE, _POINT, _MINUS, _SLASH = b"09.-/"
_SHAPES = {10: "%Y-%m-%d", 19: "%Y-%m-%d %H:%M:%S"}


@dataclass(frozen=True)
class Numbers:
    """Numbers of plain cells.

    Attributes
    ----------
    values : pyarrow.Array
        Integers where no cell has a decimal mark; null where a cell is empty.
    low, high : float or None
        The least and the greatest one; None where all cells are empty.
    """

    values: pa.Array
    low: float | None = None
    high: float | None = None


def plain_numbers(cells: pa.Array, decimal: str = "") -> Numbers | None:
    """Return the numbers of cells of digits.

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
    data, bounds = bytes_of(cells)
    if not len(data):
        return Numbers(pa.nulls(len(cells), pa.int64()))
    lengths = np.diff(bounds)
    if int(lengths.max()) > _LONGEST_NUMBER:
        return None
    first, last = data.min(), data.max()
    if first < _MINUS or last > _NINE or (data == _SLASH).any():
        return None
    full = int(lengths.min()) > 0
    whole = first != _POINT and not (data == _POINT).any()
    if not whole:
        starts = bounds[:-1] if full else bounds[:-1][lengths > 0]
        if _has_leading_zero(data, starts, bounds[1:]):
            return None
    kept = cells if full else _without_empty(cells, lengths > 0)
    try:
        made = pc.cast(kept, pa.int64() if whole else pa.float64())
    except pa.ArrowInvalid:
        return None
    held = (made.drop_null() if made.null_count else made).to_numpy()
    low, high = held.min().item(), held.max().item()  # a tenth of the time of Arrow's
    if max(abs(low), abs(high)) >= _MOST:
        return None
    if whole and _digits_of(made, low, high) != len(data):
        return None  # cells such as 007 are longer than their numbers
    return Numbers(made, low, high)


def number_format(name: str, blocks: Sequence[Numbers], decimal: str = "") -> ColumnFormat | None:
    """Return the format that is learnt from a column of plain numbers, or None if it is unsure.

    Parameters
    ----------
    name : str
        Name of the column.
    blocks : sequence of Numbers
        What `plain_numbers` gave for each of its parts.
    decimal : {"", ".", ","}, default=""
        The decimal mark of the file, where it is known.
    """
    mark = decimal or "."
    if speaks_of_time(name):
        return None  # its numbers may be moments
    held = [block for block in blocks if block.low is not None]
    if not held:
        return None
    low = min(block.low for block in held if block.low is not None)
    high = max(block.high for block in held if block.high is not None)
    if high >= 10**13 or (high >= 10_000_000 and _are_dates([block.values for block in held])):
        return None  # dates such as 20240131, be there a 9.5 among them
    if any(pa.types.is_floating(block.values.type) for block in held):
        # months and years with a point between them
        unsure = (low >= 1900 and high < 2100) or (low >= 1 and high < 13)
        return None if unsure else ColumnFormat("number", decimal=mark)
    return ColumnFormat("count", decimal=mark)


def plain_moments(cells: pa.Array) -> tuple[pa.Array, str] | None:
    """Return the moments of ISO dates or times of one length, and their format.

    Parameters
    ----------
    cells : pyarrow.StringArray
        Without nulls.
    """
    data, bounds = bytes_of(cells)
    if not len(data):
        return pa.nulls(len(cells), pa.timestamp("us")), ""
    lengths = np.diff(bounds)
    length = int(lengths.max())
    held = lengths > 0
    full = bool(held.all())
    if length not in _SHAPES or int(lengths.min() if full else lengths[held].min()) != length:
        return None
    rows = data.reshape(-1, length)
    years = rows[:, 0]
    if years.min() <= _ZERO or years.max() > _NINE:
        return None
    template = _SHAPES[length]
    if length == 19:
        gaps = rows[:, 10]
        gap = chr(gaps[0])
        if gap not in " T" or (gaps != gaps[0]).any():
            return None
        template = template.replace(" ", gap)
    try:
        made = pc.cast(cells if full else _without_empty(cells, held), pa.timestamp("us"))
    except pa.ArrowInvalid:
        return None
    return made, template


def bytes_of(cells: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Return the bytes of all cells, and where each starts in them, and the last ends."""
    _, offsets, buffer = cells.buffers()
    bounds = np.frombuffer(offsets, dtype=np.int32)[cells.offset : cells.offset + len(cells) + 1]
    if not len(cells) or buffer is None:
        return np.zeros(0, dtype=np.uint8), np.zeros(len(cells) + 1, dtype=np.int32)
    data = np.frombuffer(buffer, dtype=np.uint8)[bounds[0] : bounds[-1]]
    return data, bounds - bounds[0] if bounds[0] else bounds


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
    return pc.if_else(pa.array(held), cells, pa.scalar(None, pa.string()))


def _digits_of(numbers: pa.Array, low: int, high: int) -> int:
    """Return how many characters the numbers take, written without leading zeros."""
    n: int = len(numbers) - numbers.null_count
    least, most = len(str(abs(low))), len(str(abs(high)))
    if low >= 0 and least == most:
        return n * most
    values = (numbers.drop_null() if numbers.null_count else numbers).to_numpy()
    size = n
    if low < 0:
        size += int(np.count_nonzero(values < 0))
        values = np.abs(values)
    for digits in range(1, max(least, most)):
        size += int(np.count_nonzero(values >= 10**digits))
    return size


def _are_dates(blocks: Sequence[pa.Array]) -> bool:
    """Tell whether more than half of the numbers could be dates such as 20240131."""
    total: int = sum(len(block) - block.null_count for block in blocks)
    dates = others = 0
    for block in blocks:
        numbers = block.drop_null().to_numpy()
        numbers = numbers[(numbers >= 10_000_101) & (numbers <= 99_991_231)].astype(np.uint32)
        others += len(block) - block.null_count - len(numbers)
        # NumPy divides by a constant much faster than it takes the rest of it
        month_day = numbers - numbers // 10_000 * 10_000
        month_day = month_day[(month_day >= 101) & (month_day <= 1231)]
        month, day = month_day // 100, month_day % 100
        fits = int(np.count_nonzero((day >= 1) & (day <= 31) & (month <= 12)))
        dates += fits
        others += len(numbers) - fits
        if 2 * dates > total or 2 * others >= total:
            break
    return 2 * dates > total
