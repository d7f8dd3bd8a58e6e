"""Features of time series that know the target of their own period, or of a later one."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from tracer_sklearn.stages.audit._findings import LeakFinding
from tracer_sklearn.stages.audit._strength import concordance

__all__ = [
    "News",
    "Panel",
    "key_candidates",
    "moves_together",
    "news_of",
    "panel_of",
    "sequence_findings",
]

_ROWS = 10_000
_KEY_ROWS = 20_000
_MOST_KEYS = 6
_RAGGED = 4  # of the periods at hand a series has at least a quarter
_FEWEST_PERIODS = 8
_FEWEST_ROWS = 50
_PAST = 100
_FUTURE = 15
_ROWS_A_TERM = 4
_EXPLAINED = 0.999
_ROUNDING = 1e-6
_FORETELLING = 5
# between decisions (discounts: up to .658) and outcomes (parts of the quantity: from .666) of the
# two real panels that the tests hold it to
_TOGETHER = 0.662
_TOGETHER_NOTE = 0.6


@dataclass(frozen=True)
class Panel:
    """Rows of whole series in the order of time.

    Attributes
    ----------
    rows : ndarray of shape (n,)
        Positions in the frame, series after series, each in the order of time.
    series : ndarray of shape (n,)
        Number of the series.
    """

    rows: np.ndarray
    series: np.ndarray


def panel_of(frame: nw.DataFrame[Any], days: np.ndarray, rng: np.random.Generator) -> Panel | None:
    """Find what tells series apart, and choose some of them; None where there are none.

    Parameters
    ----------
    frame : narwhals.DataFrame
        Columns that may name a series.
    days : ndarray of shape (n_rows,)
        Date of each row.
    rng : numpy.random.Generator
        Chooses the series.
    """
    dates, dated = np.unique(days, return_inverse=True)
    if len(dates) == len(days):
        return _in_order(np.arange(len(days)), np.zeros(len(days), dtype=np.int64), days, rng)
    if len(dates) < _FEWEST_PERIODS or not frame.columns:
        return None
    sizes = np.bincount(dated)
    chosen = rng.permutation(len(dates))
    chosen = chosen[: int(np.searchsorted(np.cumsum(sizes[chosen]), _KEY_ROWS)) + 1]
    rows = np.flatnonzero(np.isin(dated, chosen))
    key = _key_of(frame[rows.tolist()], dated[rows], len(chosen))
    if key is None:
        return None
    rows = _some_series(frame, rows, key, rng)
    return _in_order(rows, _numbered(frame[rows.tolist()], key), days[rows], rng)


def _in_order(
    rows: np.ndarray, series: np.ndarray, days: np.ndarray, rng: np.random.Generator
) -> Panel | None:
    """Order the rows of some whole series, long enough to have a past."""
    known = np.isfinite(days)
    rows, series, days = rows[known], series[known], days[known]
    sizes = np.bincount(series)
    order = rng.permutation(np.flatnonzero(sizes >= _FEWEST_PERIODS))
    if not len(order):
        return None
    last = int(np.searchsorted(np.cumsum(sizes[order]), _ROWS)) + 1
    kept = np.isin(series, order[:last])
    rows, series, days = rows[kept], series[kept], days[kept]
    # of one endless series, the newest part
    places = np.lexsort((days, series))[-2 * _ROWS :]
    return Panel(rows[places], series[places])


def key_candidates(frame: nw.DataFrame[Any]) -> list[str]:
    """Name the columns that may tell series apart: the first of text, then of whole numbers."""
    text = (nw.String, nw.Categorical, nw.Enum, nw.Boolean)
    named = [name for name, dtype in frame.schema.items() if dtype in text]
    numbered = [name for name, dtype in frame.schema.items() if dtype.is_integer()]
    return [*named, *numbered][:_MOST_KEYS]


def _key_of(some: nw.DataFrame[Any], dated: np.ndarray, n_dates: int) -> tuple[str, ...] | None:
    """Return the columns that, with the date, name each row of some dates once."""
    codes = {name: _coded(some[name]) for name in some.columns}
    pairs = itertools.combinations(some.columns, 2)
    for key in [*((name,) for name in some.columns), *pairs, tuple(some.columns)]:
        cells = set(zip(*(codes[name] for name in key), strict=True))
        # a number that differs from row to row names rows, not series
        if len(cells) * n_dates > _RAGGED * len(some):
            continue
        if len({*zip(dated.tolist(), *(codes[name] for name in key), strict=True)}) == len(some):
            return key
    return None


def _some_series(
    frame: nw.DataFrame[Any], rows: np.ndarray, key: tuple[str, ...], rng: np.random.Generator
) -> np.ndarray:
    """Return the rows of all series that bear some levels of the key, enough to measure on."""
    named = frame.select(key)[rows.tolist()].unique(maintain_order=True)
    wanted = max(1, math.ceil(2 * _ROWS * len(named) / len(frame)))
    if wanted >= len(named):
        return np.arange(len(frame))
    levels = named[np.sort(rng.permutation(len(named))[:wanted]).tolist()]
    chosen = [nw.col(name).is_in(levels[name].to_list()) for name in key]
    kept = frame.select(nw.all_horizontal(*chosen, ignore_nulls=True).alias("kept"))["kept"]
    return np.flatnonzero(kept.to_numpy())


def _coded(series: nw.Series[Any]) -> list[Any]:
    return (series.cast(nw.String) if not series.dtype.is_integer() else series).to_list()


def _numbered(frame: nw.DataFrame[Any], key: tuple[str, ...]) -> np.ndarray:
    cells = list(zip(*(_coded(frame[name]) for name in key), strict=True))
    numbers = {cell: i for i, cell in enumerate(dict.fromkeys(cells))}
    return np.fromiter(map(numbers.__getitem__, cells), dtype=np.int64, count=len(cells))


# -- measures --------------------------------------------------------------------------------


@dataclass(frozen=True)
class News:
    """What past targets do not foretell of a target.

    Without that a past value would seem to move with the target, or against it: the last target
    is part of both changes, and that of a year ago has the same season.

    Attributes
    ----------
    panel : Panel
        The rows.
    at : ndarray of shape (n,)
        Places in the panel that have a past.
    past : ndarray of shape (n, n_lags)
        The targets before them.
    space : ndarray of shape (n, rank)
        Orthonormal basis of the past.
    unforetold : ndarray of shape (n,)
        What it does not hold of the target.
    """

    panel: Panel
    at: np.ndarray
    past: np.ndarray
    space: np.ndarray
    unforetold: np.ndarray


def news_of(panel: Panel, truth: np.ndarray) -> News | None:
    """Compute what is new in each target; None where the series are too short."""
    lags = max(_reach(panel)[0], _FORETELLING)
    at = np.arange(lags + 1, len(truth))
    at = at[panel.series[at] == panel.series[at - lags - 1]]
    past = truth[at[:, None] - np.arange(1, lags + 1)[None, :]]
    known = np.isfinite(past).all(axis=1) & np.isfinite(truth[at])
    at, past = at[known][-_ROWS // 2 :], past[known][-_ROWS // 2 :]
    if len(at) < _FEWEST_ROWS:
        return None
    space = _space(panel, at, past)
    return News(panel, at, past, space, _outside(space, panel, at, truth[at]))


def moves_together(news: News, values: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Return how well changes of a column tell news of the target: now, and one period older.

    Above .5 they move with one another, below against.

    Parameters
    ----------
    news : News
        What is new in the target.
    values, truth : ndarray of shape (n,)
        Column and target of all rows of the panel.
    """
    at, space, unforetold = news.at, news.space, news.unforetold
    change, older = values[at] - values[at - 1], values[at - 1] - values[at - 2]
    known = np.isfinite(change) & np.isfinite(older)
    if known.sum() < _FEWEST_ROWS:
        return 0.5, 0.5
    if not known.all():
        at, change, older = at[known], change[known], older[known]
        space = _space(news.panel, at, news.past[known])
        unforetold = _outside(space, news.panel, at, truth[at])
    moves = (_outside(space, news.panel, at, moved) for moved in (change, older))
    now, before = (concordance(move, unforetold, is_number=True) for move in moves)
    return now, before


def _outside(space: np.ndarray, panel: Panel, rows: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the part of values, less the mean of their series, that a space does not hold."""
    centred = _centred(panel, rows, values)[:, 0]
    rest: np.ndarray = centred - space @ (space.T @ centred)
    # what is left of a part of the space is rounding, whose order says nothing
    rest[np.abs(rest) < 1e-9 * np.abs(centred).max(initial=0.0)] = 0.0
    return rest


def sequence_findings(
    panel: Panel, news: News | None, columns: Mapping[str, np.ndarray], truth: np.ndarray
) -> Iterator[LeakFinding]:
    """Yield columns that hold the target of their own or a later period.

    Parameters
    ----------
    panel : Panel
        The rows.
    news : News or None
        What is new in the target.
    columns : mapping of str to ndarray of shape (n,)
        Numbers of these rows.
    truth : ndarray of shape (n,)
        Target of these rows.
    """
    windows = dict(_windows(panel, columns, truth))
    for name, values in columns.items():
        if name in windows:
            yield LeakFinding(
                columns=(name,),
                detector="window",
                severity="error",
                strength=windows[name],
                message=f"{name!r} is computed from the target of its own period or of later ones.",
                remedy="Let its window end before the row's date, by the horizon.",
            )
            continue
        if news is None:
            continue
        now, older = moves_together(news, values, truth)
        strength = max(now, 1.0 - now)
        if strength > _TOGETHER_NOTE and strength - abs(older - 0.5) - 0.5 > (strength - 0.5) / 2:
            # a price moves against the demand of its period, and is known beforehand
            yield LeakFinding(
                columns=(name,),
                detector="same_row",
                severity="warning" if now > _TOGETHER else "note",
                strength=strength,
                message=f"{name!r} moves {'with' if now > 0.5 else 'against'} the target of the "
                f"same period (concordance {strength:.3f}), hardly with that of the next.",
                remedy="If it is an outcome of that period, use its past; if it is a decision "
                "known beforehand, such as a price, keep it.",
            )


def _windows(
    panel: Panel, columns: Mapping[str, np.ndarray], truth: np.ndarray
) -> Iterator[tuple[str, float]]:
    """Yield columns that are weighted sums of targets, own or later ones among them."""
    past, future = _reach(panel)
    if not past:
        return
    n = len(truth)
    middle = np.arange(past, n - future)
    middle = middle[panel.series[middle - past] == panel.series[middle + future]]
    steps = np.arange(-past, future + 1)
    design = truth[middle[:, None] + steps[None, :]]
    rows = np.isfinite(design).all(axis=1)
    middle, design = middle[rows], design[rows]
    if len(middle) < max(_FEWEST_ROWS, _ROWS_A_TERM * len(steps)):
        return
    before = design[:, steps < 0]
    spaces = [_space(panel, middle, part) for part in (before, design)]
    for name, values in columns.items():
        for made in (values[middle], values[middle] - values[middle - 1]):
            if not np.isfinite(made).all():
                continue
            known, all_ = (_share_in(space, panel, middle, made) for space in spaces)
            if all_ > _EXPLAINED and 1 - known > 10 * max(1 - all_, _ROUNDING):
                yield name, min(all_, 1.0)
                break


def _reach(panel: Panel) -> tuple[int, int]:
    """Return how many periods before and after a row fit into the series."""
    _, sizes = np.unique(panel.series, return_counts=True)
    typical = int(np.median(sizes))
    few = len(panel.rows) // (2 * _ROWS_A_TERM)
    return min(_PAST, typical // 4, few), min(_FUTURE, typical // 10, few // 4)


def _centred(panel: Panel, rows: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return values, to scale, less the mean of their series, which any feature may know."""
    _, series = np.unique(panel.series[rows], return_inverse=True)
    counts = np.bincount(series)
    columns = values.reshape(len(values), -1)
    # neither a space nor an order depends on the scale, but squares of giants overflow
    columns = columns / np.maximum(np.abs(columns).max(axis=0, initial=0.0), np.finfo(float).tiny)
    sums = np.stack([np.bincount(series, column) for column in columns.T], axis=1)
    centred: np.ndarray = columns - (sums / counts[:, None])[series]
    return centred


def _space(panel: Panel, rows: np.ndarray, design: np.ndarray) -> np.ndarray:
    """Return an orthonormal basis of the columns of a design."""
    basis, weights = np.linalg.qr(_centred(panel, rows, design))
    sizes = np.abs(np.diag(weights))
    kept: np.ndarray = basis[:, sizes > sizes.max(initial=0.0) * 1e-9]
    return kept


def _share_in(space: np.ndarray, panel: Panel, rows: np.ndarray, values: np.ndarray) -> float:
    """Return the share of the variance of values that the space explains."""
    centred = _centred(panel, rows, values)[:, 0]
    total = float(centred @ centred)
    if total <= 1e-20 * len(values):
        return 0.0
    inside = space.T @ centred
    return float(inside @ inside) / total
