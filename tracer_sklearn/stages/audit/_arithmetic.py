"""Columns that make the target together: products, ratios, differences, sums."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from tracer_sklearn.stages.audit._findings import LeakFinding
from tracer_sklearn.stages.audit._strength import Target, best_by_chance, monotone, ranks_of, told

__all__ = ["formed", "level_findings", "pair_findings", "sum_findings"]

_SCREEN_ROWS = 400
_SCREENED = 0.9
_MOST_PAIRED = 40
_LEADING = 8
_MOST_PARTNERS = 400
_MOST_LEVELLED = 15
_MOST_FINDINGS = 5
_FEWEST_ROWS = 50
_GAPS = 0.3
_EXPLAINED = 0.9999
_ROWS_A_TERM = 5
_MOST_TERMS = 60
_SIGNS = ("*", "/", "-", "+")

_REMEDY = (
    "One of them is known only with the outcome: drop it, or take its value of an earlier period."
)

Arrays = Mapping[str, np.ndarray]
Confirm = Callable[[str, str, str], bool]


def pair_findings(
    columns: Arrays,
    strengths: Mapping[str, float],
    target: Target,
    error_above: float,
    rng: np.random.Generator,
    confirmed: Confirm,
) -> list[LeakFinding]:
    """Find two columns whose product, ratio, difference or sum tells the target.

    All pairs are screened on few rows by ranks, the best are measured on all sampled rows.

    Parameters
    ----------
    columns : mapping of str to ndarray of shape (n,)
        Numbers, NaN where missing.
    strengths : mapping of str to float
        What each tells by itself.
    target : Target
        The target of the same rows, of two classes or numbers.
    error_above : float
        Concordance beyond which a pair is a finding.
    rng : numpy.random.Generator
        Chooses the rows to screen on.
    confirmed : callable
        Tells of two columns and a sign whether they do more than follow a common trend.
    """
    names = _paired(columns, strengths)
    if len(names) < 2 or len(target.codes) < _FEWEST_ROWS:
        return []
    n_trials = len(_SIGNS) * len(names) * (len(names) - 1) // 2
    floor = max(error_above, best_by_chance(target, n_trials))
    found = []
    for _, left, right, sign in sorted(_screened(columns, names, target, rng), reverse=True):
        formula, values = formed(columns, left, right, sign)
        usable = np.isfinite(values)
        if usable.mean() < 1 - 2 * _GAPS:
            continue
        strength = monotone(values[usable], target.at(usable))
        alone = max(strengths[left], strengths[right])
        better = strength > floor and 1 - strength < (1 - alone) / 2
        if better and confirmed(left, right, sign):
            found.append((strength, left, right, formula))
        if len(found) == _MOST_FINDINGS:
            break
    return [
        LeakFinding(
            columns=(left, right),
            detector="arithmetic",
            severity="error",
            strength=strength,
            message=f"{formula} tells the target (concordance {strength:.3f}), neither column "
            "does alone.",
            remedy=_REMEDY,
        )
        for strength, left, right, formula in found
    ]


def _paired(columns: Arrays, strengths: Mapping[str, float]) -> list[str]:
    """Return the columns to pair, the strongest first; constants and sparse ones are left out."""
    usable = []
    for name, values in columns.items():
        cells = values[np.isfinite(values)]
        if len(cells) >= (1 - _GAPS) * len(values) and len(cells) and cells.min() < cells.max():
            usable.append(name)
    return sorted(usable, key=lambda name: -strengths[name])[:_MOST_PARTNERS]


def _screened(
    columns: Arrays, names: Sequence[str], target: Target, rng: np.random.Generator
) -> Iterator[tuple[float, str, str, str]]:
    """Yield pairs that look promising on few rows, with their score."""
    rows = _screening_rows(target, rng)
    table = np.column_stack([columns[name][rows] for name in names])
    table[~np.isfinite(table)] = np.nan
    table = np.where(np.isnan(table), np.nanmedian(table, axis=0), table)
    truth = ranks_of(target.codes[rows])
    truth -= truth.mean()
    best = np.sort(truth) @ (np.arange(len(rows)) - (len(rows) - 1) / 2)
    leading = range(len(names) if len(names) <= _MOST_PAIRED else _LEADING)
    for i in leading:
        others = table[:, i + 1 :]
        if not others.shape[1]:
            continue
        with np.errstate(all="ignore"):
            formed = {
                "*": table[:, [i]] * others,
                "/": table[:, [i]] / others,
                "-": table[:, [i]] - others,
                "+": table[:, [i]] + others,
            }
        for sign, values in formed.items():
            order = np.argsort(np.nan_to_num(values), axis=0, kind="stable")
            ranks = np.argsort(order, axis=0) - (len(rows) - 1) / 2
            scores = np.abs(truth @ ranks) / best
            for j in np.flatnonzero(scores > _SCREENED).tolist():
                yield float(scores[j]), names[i], names[i + 1 + j], sign


def _screening_rows(target: Target, rng: np.random.Generator) -> np.ndarray:
    """Return shuffled rows, half of each class, so that equal values are in no telling order."""
    if target.kind == "number":
        return rng.permutation(len(target.codes))[:_SCREEN_ROWS]
    each = [rng.permutation(np.flatnonzero(target.codes == k)) for k in (0.0, 1.0)]
    return rng.permutation(np.concatenate([rows[: _SCREEN_ROWS // 2] for rows in each]))


def formed(columns: Arrays, left: str, right: str, sign: str) -> tuple[str, np.ndarray]:
    """Return the words for two columns and a sign, and the values that they make."""
    a, b = columns[left], columns[right]
    with np.errstate(all="ignore"):
        if sign == "*":
            values = a * b
        elif sign == "/":
            values = a / b
        else:
            values = a - b if sign == "-" else a + b
    return f"{left!r} {'×' if sign == '*' else sign} {right!r}", values


# -- levels together -------------------------------------------------------------------------


def level_findings(
    levels: Mapping[str, np.ndarray],
    strengths: Mapping[str, float],
    target: Target,
    error_above: float,
    folds: np.ndarray,
) -> list[LeakFinding]:
    """Find two columns of few levels that tell the target together, such as an exclusive or.

    Parameters
    ----------
    levels : mapping of str to ndarray of shape (n,)
        Codes from 0 on.
    strengths : mapping of str to float
        What each tells by itself.
    target : Target
        The target of the same rows.
    error_above : float
        Concordance beyond which a pair is a finding.
    folds : ndarray of shape (n,)
        A fold for each row.
    """
    names = sorted(levels, key=lambda name: -strengths[name])[:_MOST_LEVELLED]
    if len(target.codes) < _FEWEST_ROWS:
        return []
    found = []
    pairs = list(itertools.combinations(names, 2))
    floor = max(error_above, best_by_chance(target, len(pairs)))
    for left, right in pairs:
        both = levels[left] * (int(levels[right].max()) + 1) + levels[right]
        strength = told(both, target, folds)
        alone = max(strengths[left], strengths[right])
        if strength > floor and 1 - strength < (1 - alone) / 2:
            found.append(
                LeakFinding(
                    columns=(left, right),
                    detector="combination",
                    severity="error",
                    strength=strength,
                    message=f"{left!r} and {right!r} together tell the target (concordance "
                    f"{strength:.3f}), neither column does alone.",
                    remedy=_REMEDY,
                )
            )
    return found[:_MOST_FINDINGS]


# -- sums and products of several ------------------------------------------------------------


def sum_findings(
    columns: Arrays, truth: np.ndarray, within: np.ndarray | None = None
) -> list[LeakFinding]:
    """Find columns of which the target is a weighted sum, or a product of powers.

    Parameters
    ----------
    columns : mapping of str to ndarray of shape (n,)
        Numbers, NaN where missing.
    truth : ndarray of shape (n,)
        The target of the same rows, numbers.
    within : ndarray of shape (n - 1,) or None, default=None
        Whether a row follows on that before it in one series. Where it is given, changes are
        compared: what is a sum is one in its changes too, and a common trend is none.
    """
    found = []
    members = _needed(_terms(_changes(columns, within)), _change(truth, within))
    if members:
        found.append(_summed(members, "a weighted sum of"))
    if (truth > 0).mean() > 1 - _GAPS:
        with np.errstate(all="ignore"):
            logs = {
                name: np.log(values)
                for name, values in columns.items()
                if (values > 0).mean() > 1 - _GAPS
            }
            log_truth = np.log(truth)
        members = _needed(_terms(_changes(logs, within)), _change(log_truth, within))
        if members:
            found.append(_summed(members, "a product or ratio of"))
    return found


def _changes(columns: Arrays, within: np.ndarray | None) -> dict[str, np.ndarray]:
    return {name: _change(values, within) for name, values in columns.items()}


def _change(values: np.ndarray, within: np.ndarray | None) -> np.ndarray:
    if within is None:
        return values
    with np.errstate(all="ignore"):
        return np.where(within, np.diff(values), np.nan)


def _summed(members: Sequence[str], what: str) -> LeakFinding:
    listed = ", ".join(map(repr, members))
    return LeakFinding(
        columns=tuple(members),
        detector="sum",
        severity="error",
        strength=1.0,
        message=f"The target is {what} {listed}.",
        remedy=_REMEDY,
    )


def _terms(columns: Arrays) -> dict[str, np.ndarray]:
    """Return the columns that can be summed."""
    usable = {}
    for name, values in columns.items():
        cells = values[np.isfinite(values)]
        if len(cells) >= (1 - 2 * _GAPS) * len(values) and len(cells) and cells.min() < cells.max():
            usable[name] = values
    return dict(itertools.islice(usable.items(), _MOST_TERMS))


def _needed(columns: Arrays, truth: np.ndarray) -> list[str]:
    """Return the fewest columns that still explain the target; empty where none do."""
    names = list(columns)
    if len(names) < 2:
        return []
    table = np.column_stack([columns[name] for name in names])
    rows = np.isfinite(table).all(axis=1) & np.isfinite(truth)
    if rows.sum() < max(_FEWEST_ROWS, _ROWS_A_TERM * len(names)):
        return []
    table, truth = table[rows], truth[rows]
    with np.errstate(over="ignore"):
        spread = table.std(axis=0)
    steady = (spread > 0) & np.isfinite(spread)
    names = list(itertools.compress(names, steady))
    table = (table[:, steady] - table[:, steady].mean(axis=0)) / spread[steady]
    truth = truth - truth.mean()
    if not truth.any() or not _explained(table, truth):
        return []
    keep = list(range(len(names)))
    for i in range(len(names)):
        fewer = [k for k in keep if k != i]
        if fewer and _explained(table[:, fewer], truth):
            keep = fewer
    return [names[k] for k in keep] if len(keep) > 1 else []


def _explained(table: np.ndarray, truth: np.ndarray) -> bool:
    weights, *_ = np.linalg.lstsq(table, truth, rcond=None)
    rest = truth - table @ weights
    return float(rest @ rest) <= (1 - _EXPLAINED) * float(truth @ truth)
