"""The audit itself: which rows are looked at, by which detectors, in which order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from tracer_sklearn._frame import missing_cells
from tracer_sklearn.schema import fit_only_fields
from tracer_sklearn.stages.audit._arithmetic import (
    formed,
    level_findings,
    pair_findings,
    sum_findings,
)
from tracer_sklearn.stages.audit._columns import Column, column_of, days_of, sampled_rows
from tracer_sklearn.stages.audit._findings import LeakFinding, LeakReport, in_order
from tracer_sklearn.stages.audit._sequence import (
    News,
    Panel,
    key_candidates,
    moves_together,
    news_of,
    panel_of,
    sequence_findings,
)
from tracer_sklearn.stages.audit._single import (
    Bounds,
    correlation,
    name_finding,
    strength_of,
    value_findings,
)
from tracer_sklearn.stages.audit._strength import Target, best_by_chance, folds_of, target_of
from tracer_sklearn.stages.audit._whole import (
    identifiers,
    late_dates,
    sorted_rows,
    target_means,
)

__all__ = ["Question", "audited"]

_TRIALS_A_COLUMN = 4
_MOVES = 0.2  # from one half, in either direction
_FEW_LEVELS = 16
_SAME = 1 - 1e-9


@dataclass(frozen=True)
class Question:
    """What an audit is asked.

    Attributes
    ----------
    error_above, warn_above : float
        Bounds of the concordance.
    as_of, date : ndarray of shape (n_rows,) or None
        Snapshot date of each row and date of its period, as days since 1970-01-01.
    as_of_name : str
        What messages call the snapshot date.
    dates_of_rows : tuple of str
        Columns that hold these dates; they are not features.
    """

    error_above: float
    warn_above: float
    as_of: np.ndarray | None
    date: np.ndarray | None
    as_of_name: str
    dates_of_rows: tuple[str, ...]


def audited(
    frame: nw.DataFrame[Any],
    y: np.ndarray | None,
    question: Question,
    rng: np.random.Generator,
) -> LeakReport:
    """Audit the columns of a frame.

    Parameters
    ----------
    frame : narwhals.DataFrame
        All rows.
    y : ndarray of shape (n_rows,) or None
        Their target.
    question : Question
        Bounds and dates.
    rng : numpy.random.Generator
        Chooses rows and folds.
    """
    known = np.arange(len(frame)) if y is None else np.flatnonzero(_has_target(y))
    plain = None if y is None else _plain(y[known])
    target = None if plain is None else target_of(plain)
    sample = sampled_rows(target, len(known), rng)
    rows = known[sample]
    names = [name for name in frame.columns if name not in question.dates_of_rows]
    some = frame.select(names)[rows.tolist()] if names else frame.head(0)
    columns = [_aged(column_of(some[name]), question, rows) for name in names]
    strengths: dict[str, float] = dict.fromkeys(names, 0.5)
    findings: list[LeakFinding] = []
    if target is not None and plain is not None:
        truth = plain.astype(np.float64) if target.kind == "number" else target.codes
        with np.errstate(all="ignore"):  # what giants overflow to is not finite, and left out
            findings += _told(
                frame, columns, strengths, target, truth, known, sample, question, rng
            )
    findings += _dates(frame, question)
    findings += identifiers(frame, columns)
    by_nature = fit_only_fields()
    for column in columns:
        if column.name in by_nature:
            continue
        named = name_finding(column, None if target is None else strengths[column.name])
        if named is not None:
            findings.append(named)
    return LeakReport(
        target="none" if target is None else target.kind,
        n_rows=len(frame),
        n_sampled=len(rows),
        error_above=question.error_above,
        warn_above=question.warn_above,
        strengths=strengths,
        findings=in_order(findings),
    )


def _has_target(y: np.ndarray) -> np.ndarray:
    known = ~missing_cells(y)
    if y.dtype.kind == "f":
        known &= np.isfinite(y)
    return known


def _plain(y: np.ndarray) -> np.ndarray:
    """Return an array of objects that are all numbers as numbers, dates as numbers of days."""
    if y.dtype.kind in "mM":
        return y.astype("int64").astype(np.float64)
    if y.dtype.kind != "O":
        return y
    if all(isinstance(value, bool | int | float | np.number | np.bool_) for value in y[:1000]):
        try:
            return y.astype(np.float64)
        except (TypeError, ValueError):
            return y
    return y


def _aged(column: Column, question: Question, rows: np.ndarray) -> Column:
    """Return a date column as its age at the snapshot date, where there is one."""
    if column.kind != "date" or question.as_of is None or column.values is None:
        return column
    ages = column.values - question.as_of[rows]
    return Column(column.name, "date", ages, None, column.missing)


def _dates(frame: nw.DataFrame[Any], question: Question) -> Iterator[LeakFinding]:
    if question.as_of is None:
        return
    # the end of the label window lies after the snapshot by its nature
    aside = {*question.dates_of_rows, *fit_only_fields()}
    days = {
        name: days_of(frame[name])
        for name, dtype in frame.schema.items()
        if dtype in (nw.Date, nw.Datetime) and name not in aside
    }
    yield from late_dates(days, question.as_of, question.as_of_name)


def _told(
    frame: nw.DataFrame[Any],
    columns: Sequence[Column],
    strengths: dict[str, float],
    target: Target,
    truth: np.ndarray,
    known: np.ndarray,
    sample: np.ndarray,
    question: Question,
    rng: np.random.Generator,
) -> Iterator[LeakFinding]:
    """Measure every column against the target; fill in ``strengths`` on the way."""
    some = target.at(sample)
    folds = folds_of(len(sample), rng)
    chance = best_by_chance(some, _TRIALS_A_COLUMN * len(columns))
    bounds = Bounds(question.error_above, question.warn_above, chance)
    weights = _weights(target, some)
    found: list[LeakFinding] = []
    for column in columns:
        strengths[column.name] = strength_of(column, some, folds)
        found += value_findings(column, some, strengths[column.name], weights, bounds)
    numbers = {column.name: column.values for column in columns if column.values is not None}
    panel = None
    if target.kind == "number" and question.date is not None:
        keys = frame.select(key_candidates(frame.select(list(strengths))))
        keys = keys if len(known) == len(frame) else keys[known.tolist()]
        panel = panel_of(keys, question.date[known], rng)
    news = None if panel is None else news_of(panel, target.codes[panel.rows])
    if panel is not None:
        found = [_levelled(finding, frame, panel, news, known, target) for finding in found]
    blamed = {finding.columns[0] for finding in found if finding.severity == "error"}
    series: dict[str, np.ndarray] = {}
    if panel is not None:
        series = {n: _cells(frame, n, known[panel.rows]) for n in numbers if n not in blamed}
        late = list(sequence_findings(panel, news, series, target.codes[panel.rows]))
        blamed |= {finding.columns[0] for finding in late if finding.severity == "error"}
        found += late
    rest = {name: values for name, values in numbers.items() if name not in blamed}

    def confirmed(left: str, right: str, sign: str) -> bool:
        if panel is None:
            return True
        values = formed(series, left, right, sign)[1]
        return _tells_news(news, values, target.codes[panel.rows])

    if target.kind != "classes":
        found += target_means(frame, columns, truth, known)
        pairs = pair_findings(rest, strengths, some, question.error_above, rng, confirmed)
        found += pairs
        if target.kind == "number" and not pairs:
            # of many columns those that tell most by themselves
            leading = sorted(rest, key=lambda name: -strengths[name])
            if panel is None:
                found += sum_findings({n: rest[n] for n in leading}, some.codes)
            else:
                within = panel.series[1:] == panel.series[:-1]
                of_rows = target.codes[panel.rows]
                found += sum_findings({n: series[n] for n in leading}, of_rows, within)
    few = {column.name: codes for column in columns if (codes := _few_levels(column)) is not None}
    few = {name: codes for name, codes in few.items() if name not in blamed}
    found += level_findings(few, strengths, some, question.error_above, folds)
    found += sorted_rows(sample, some, question.warn_above)
    yield from found


def _few_levels(column: Column) -> np.ndarray | None:
    """Return codes from 0 on of a column of few levels, a gap being one of them."""
    cells = column.levels if column.levels is not None else column.values
    if cells is None or column.kind == "date":
        return None
    distinct, codes = np.unique(cells, return_inverse=True)
    return codes if 1 < len(distinct) <= _FEW_LEVELS else None


def _tells_news(news: News | None, values: np.ndarray, truth: np.ndarray) -> bool:
    """Tell a column that knows more of a series than its past does; without a past, any may."""
    if news is None:
        return True
    now, _ = moves_together(news, values, truth)
    return abs(now - 0.5) > _MOVES


def _weights(target: Target, some: Target) -> np.ndarray:
    """Return how many rows of the frame each sampled row stands for."""
    if target.kind == "number":
        return np.full(len(some.codes), len(target.codes) / len(some.codes))
    all_rows = np.bincount(target.codes.astype(np.int64))
    rows = np.bincount(some.codes.astype(np.int64), minlength=len(all_rows))
    weights: np.ndarray = (all_rows / np.maximum(rows, 1))[some.codes.astype(np.int64)]
    return weights


def _cells(frame: nw.DataFrame[Any], name: str, rows: np.ndarray) -> np.ndarray:
    values = column_of(frame[name][rows.tolist()]).values
    return np.full(len(rows), np.nan) if values is None else values


def _levelled(
    finding: LeakFinding,
    frame: nw.DataFrame[Any],
    panel: Panel,
    news: News | None,
    known: np.ndarray,
    target: Target,
) -> LeakFinding:
    """Turn a suspicion into a note where a column knows the level or trend of its series only."""
    if finding.detector not in ("association", "copy"):
        return finding
    values = _cells(frame, finding.columns[0], known[panel.rows])
    truth = target.codes[panel.rows]
    usable = np.isfinite(values)
    if abs(correlation(values[usable], truth[usable])) > _SAME:
        return finding
    if _tells_news(news, values, truth):
        return finding
    return finding.model_copy(
        update={
            "severity": "note",
            "detector": "association",
            "message": f"{finding.columns[0]!r} tells the target by the level of its series "
            f"(concordance {finding.strength:.3f}); their changes do not go together.",
            "remedy": "Nothing, if it is a past value.",
        }
    )
