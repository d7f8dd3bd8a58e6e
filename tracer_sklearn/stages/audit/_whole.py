"""What only the whole frame tells: late dates, identifiers, encoded targets, sorted rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from tracer_sklearn.stages.audit._columns import Column
from tracer_sklearn.stages.audit._findings import LeakFinding
from tracer_sklearn.stages.audit._strength import Target, monotone

__all__ = ["identifiers", "late_dates", "sorted_rows", "target_means"]

_IDENTIFIER_SHARE = 0.95
_FEWEST_FOR_IDENTIFIER = 50
_FEWEST_GROUPS = 5
_MOST_ENCODED = 10
_CLOSE = 1e-3
_ENCODED = 0.99
_NO_DATE_FROM = 84_006.0  # 2200-01-01 in days since 1970: such dates mean "none"


def late_dates(
    days: Mapping[str, np.ndarray], as_of: np.ndarray, as_of_name: str
) -> Iterator[LeakFinding]:
    """Yield date columns with days after the snapshot date of their row.

    Parameters
    ----------
    days : mapping of str to ndarray of shape (n,)
        Dates as days since 1970-01-01; NaN is missing.
    as_of : ndarray of shape (n,)
        The snapshot date of each row.
    as_of_name : str
        What to call it.
    """
    start = np.floor(as_of)
    for name, values in days.items():
        with np.errstate(invalid="ignore"):
            late = int(((np.floor(values) > start) & (values < _NO_DATE_FROM)).sum())
        if late:
            yield LeakFinding(
                columns=(name,),
                detector="date_after",
                severity="warning",
                strength=None,
                message=f"{name!r} lies after {as_of_name} in {late:,} rows.",
                remedy="Take it from what was known at the snapshot date; a date that was planned "
                "by then, such as the end of a contract, may stay.",
            )


def identifiers(frame: nw.DataFrame[Any], columns: Sequence[Column]) -> Iterator[LeakFinding]:
    """Yield text that hardly ever repeats: what looks so in the sample is counted in the frame."""
    for column in columns:
        if column.kind != "text" or column.levels is None:
            continue
        present = column.levels[column.levels >= 0]
        few = len(present) < _FEWEST_FOR_IDENTIFIER
        if few or len(np.unique(present)) <= _IDENTIFIER_SHARE * len(present):
            continue
        cells = frame[column.name].drop_nulls()
        if cells.n_unique() > _IDENTIFIER_SHARE * len(cells):
            yield LeakFinding(
                columns=(column.name,),
                detector="identifier",
                severity="note",
                message=f"{column.name!r} hardly ever repeats: it looks like an identifier.",
                remedy="Leave it out; a model can only memorise it.",
            )


def sorted_rows(rows: np.ndarray, target: Target, warn_above: float) -> Iterator[LeakFinding]:
    """Yield a note where the position in the frame tells the target."""
    if len(rows) < _FEWEST_FOR_IDENTIFIER:
        return
    strength = monotone(rows.astype(float), target)
    if strength > warn_above:
        yield LeakFinding(
            columns=(),
            detector="row_order",
            severity="note",
            strength=strength,
            message=f"The rows are in the order of the target (concordance {strength:.3f}).",
            remedy="Shuffle before folds that cut by position; a number given out in this order "
            "tells the target.",
        )


# -- encoded targets -------------------------------------------------------------------------


def target_means(
    frame: nw.DataFrame[Any], columns: Sequence[Column], y: np.ndarray, known: np.ndarray
) -> Iterator[LeakFinding]:
    """Yield numbers that are the mean target of the rows that share them, shrunk or not.

    Parameters
    ----------
    frame : narwhals.DataFrame
        All rows.
    columns : sequence of Column
        The sampled cells, which say where to look.
    y : ndarray of shape (n_known,)
        The target as numbers, of the rows that have one.
    known : ndarray of shape (n_known,)
        Positions of these rows.
    """
    low, high = y.min(), y.max()
    looked_at = 0
    for column in columns:
        values = column.values
        if column.kind != "number" or values is None or not _may_be_means(values, low, high):
            continue
        looked_at += 1
        if looked_at > _MOST_ENCODED:
            return
        cells = frame[column.name].cast(nw.Float64).to_numpy()[known]
        usable = np.isfinite(cells)
        if _are_means(cells[usable], y[usable]):
            yield LeakFinding(
                columns=(column.name,),
                detector="target_mean",
                severity="error",
                strength=None,
                message=f"{column.name!r} is the mean target of the rows that share its value.",
                remedy="Encode the target from other folds: CategoryEncoder(strategy='target') in "
                "the pipeline.",
            )


def _may_be_means(values: np.ndarray, low: float, high: float) -> bool:
    cells = values[np.isfinite(values)]
    if len(cells) < _FEWEST_FOR_IDENTIFIER or cells.min() < low or cells.max() > high:
        return False
    distinct = np.unique(cells)
    is_whole = bool(np.all(distinct == np.round(distinct)))
    return not is_whole and _FEWEST_GROUPS <= len(distinct) <= len(cells) // 2


def _are_means(values: np.ndarray, y: np.ndarray) -> bool:
    distinct, group = np.unique(values, return_inverse=True)
    if not _FEWEST_GROUPS <= len(distinct) <= len(values) // 2:
        return False
    rows = np.bincount(group).astype(float)
    means = np.bincount(group, y) / rows
    prior = float(y.mean())
    shrinkages = [rows / (rows + m) for m in (0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 300.0)]
    shrinkages.append(1 / (1 + np.exp(-np.clip((rows - 20) / 10, -50, 50))))
    close = _CLOSE * float(np.ptp(y))
    for share in shrinkages:
        expected = share * means + (1 - share) * prior
        if rows @ (np.abs(distinct - expected) <= close) >= _ENCODED * len(values):
            return True
    return False
