"""What one column tells: the target, by its value, its gaps, its levels, its name."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from tracer_sklearn.stages.audit._columns import Column
from tracer_sklearn.stages.audit._findings import LeakFinding, Severity
from tracer_sklearn.stages.audit._strength import (
    Target,
    best_by_chance,
    codes_of,
    monotone,
    told,
)

__all__ = ["Bounds", "name_finding", "strength_of", "value_findings"]

_COPY = 0.999
_NAME_STRENGTH = 0.8
_PURE = 0.99
_PURE_ROWS = 30
_FEW_LEVELS = 20
_PRESENT_SHARE = 0.05
_MANY_LEVELS = 0.5
_ENDING = 2

# word beginnings that speak of the outcome or of what is written down after it
_OUTCOMES = re.compile(
    r"(churn|cancel|terminat|closed|closure|reason|status|score|cltv|deactivat|attrition|unsubscri"
    r"|outcome|label|target|lost|lapsed|winback)",
)
# what ChurnFeatures makes of the past
_PAST_SCORES = {"activity_recency_score", "engagement_score", "plan_value_score"}
_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")


class Bounds:
    """Which strength is an error, which a warning, and which is no more than chance.

    Parameters
    ----------
    error_above, warn_above : float
        Concordance beyond which a finding is an error, or a warning.
    chance : float
        Concordance that chance reaches among all columns.
    """

    def __init__(self, error_above: float, warn_above: float, chance: float) -> None:
        self.error_above = error_above
        self.warn_above = warn_above
        self.chance = chance

    def severity(self, strength: float) -> Severity | None:
        """Return the severity of a strength, None where it is none."""
        if strength <= self.chance:
            return None
        if strength > self.error_above:
            return "error"
        return "warning" if strength > self.warn_above else None


def strength_of(column: Column, target: Target, folds: np.ndarray) -> float:
    """Return how well a column tells the target, by whatever shape: 0.5 not at all."""
    found = [0.5]
    if column.levels is not None:
        found.append(told(column.levels, target, folds))
        found += [told(codes, target, folds) for codes in _parts_of_text(column)]
    if column.values is not None:
        found.append(told(codes_of(column.values), target, folds))
        present = np.isfinite(column.values)
        n_present = int(present.sum())
        if n_present > max(_PURE_ROWS, _PRESENT_SHARE * len(present)):
            some = target.at(present)
            order = monotone(column.values[present], some)
            # few present rows reach high values by chance
            if n_present == len(present) or order > best_by_chance(some, 1000):
                found.append(order)
    return max(found)


def _parts_of_text(column: Column) -> Iterator[np.ndarray]:
    """Yield codes of how identifiers begin and end, and of their length."""
    assert column.levels is not None
    if column.texts is None or column.levels.max(initial=-1) < _MANY_LEVELS * len(column.levels):
        return
    cells = [cell or "" for cell in column.texts]
    yield np.unique([cell[:_ENDING] for cell in cells], return_inverse=True)[1]
    yield np.unique([cell[-_ENDING:] for cell in cells], return_inverse=True)[1]
    yield np.array([len(cell) for cell in cells])


def value_findings(
    column: Column,
    target: Target,
    strength: float,
    weights: np.ndarray,
    bounds: Bounds,
) -> Iterator[LeakFinding]:
    """Yield what the cells of one column give away.

    Parameters
    ----------
    column : Column
        The sampled cells.
    target : Target
        The target of the same rows.
    strength : float
        `strength_of` the column.
    weights : ndarray of shape (n,)
        How many rows of the frame each sampled row stands for.
    bounds : Bounds
        What counts.
    """
    gaps = monotone(column.missing.astype(float), target) if column.missing.any() else 0.5
    severity = bounds.severity(gaps)
    if severity is not None:
        yield LeakFinding(
            columns=(column.name,),
            detector="missingness",
            severity=severity,
            strength=gaps,
            message=f"Whether {column.name!r} is missing tells the target ({_shown(gaps)}).",
            remedy="It is filled in after the outcome: drop the column, or take its value as of "
            "the snapshot date.",
        )
        return
    severity = bounds.severity(strength)
    if _is_copy(column, target) and strength > bounds.chance:
        yield LeakFinding(
            columns=(column.name,),
            detector="copy",
            severity="error",
            strength=strength,
            message=f"{column.name!r} is the target, or a straight-line function of it.",
            remedy="Drop it, unless a step takes its past from it and leaves it out itself.",
        )
    elif severity is not None:
        yield LeakFinding(
            columns=(column.name,),
            detector="association",
            severity=severity,
            strength=strength,
            message=f"{column.name!r} alone tells the target ({_shown(strength)}).",
            remedy="Find out when its value is written: what is known only after the outcome has "
            "to go, or be taken as of the snapshot date.",
        )
    else:
        yield from _pure(column, target, weights)


def _is_copy(column: Column, target: Target) -> bool:
    if target.kind != "number":
        return _is_renamed_class(column, target)
    if column.values is None:
        return False
    present = np.isfinite(column.values)
    if present.mean() < _PRESENT_SHARE:
        return False
    return abs(correlation(column.values[present], target.codes[present])) > _COPY


def _is_renamed_class(column: Column, target: Target) -> bool:
    """Tell a column whose levels and the classes are one to one."""
    codes = column.levels if column.levels is not None else column.values
    if codes is None or column.missing.any():
        return False
    pairs = np.unique(np.column_stack([codes, target.codes]), axis=0)
    if not np.isfinite(pairs).all():
        return False
    n_left, n_right = len(np.unique(pairs[:, 0])), len(np.unique(pairs[:, 1]))
    return len(pairs) == n_left == n_right


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Return Pearson's correlation; 0.0 where a side is constant."""
    with np.errstate(all="ignore"):
        a, b = a - a.mean(), b - b.mean()
        scale = np.sqrt((a @ a) * (b @ b))
        found = float(a @ b / scale) if scale > 0 else 0.0
    return found if np.isfinite(found) else 0.0


def _pure(column: Column, target: Target, weights: np.ndarray) -> Iterator[LeakFinding]:
    """Yield a level, or the gaps, whose rows all have the rarer class."""
    if target.kind != "binary":
        return
    rare = target.codes if weights @ target.codes <= weights.sum() / 2 else 1.0 - target.codes
    if column.levels is not None:
        codes = column.levels
    elif column.values is not None:
        values = np.where(column.missing, np.inf, column.values)
        distinct, codes = np.unique(values, return_inverse=True)
        if len(distinct) > _FEW_LEVELS:
            codes = column.missing.astype(np.int64)
    else:
        codes = column.missing.astype(np.int64)
    _, codes = np.unique(codes, return_inverse=True)
    rows = np.bincount(codes)
    purity = np.bincount(codes, weights * rare) / np.bincount(codes, weights)
    pure = np.flatnonzero((rows >= _PURE_ROWS) & (purity >= _PURE))
    if len(pure) == 0 or len(rows) == 1:
        return
    share = float(np.isin(codes, pure) @ (weights * rare) / (weights @ rare))
    yield LeakFinding(
        columns=(column.name,),
        detector="pure_level",
        severity="warning",
        strength=float(purity[pure].max()),
        message=f"One value of {column.name!r}, or its absence, stands in rows of the rarer class "
        f"only, {share:.0%} of that class.",
        remedy="Find out when this value is written; if it is after the outcome, drop it.",
    )


def name_finding(column: Column, strength: float | None) -> LeakFinding | None:
    """Return a finding where the name speaks of the outcome."""
    words = [word.lower() for word in _WORDS.findall(column.name)]
    spoken = next((word for word in words if _OUTCOMES.match(word)), None)
    if spoken is None or column.name in _PAST_SCORES:
        return None
    strong = strength is not None and strength > _NAME_STRENGTH
    return LeakFinding(
        columns=(column.name,),
        detector="name",
        severity="warning" if strong else "note",
        strength=strength,
        message=f"The name {column.name!r} speaks of an outcome"
        + (f", and the column tells the target ({_shown(strength)})." if strong else "."),  # type: ignore[arg-type]
        remedy="Make sure that it was known at the snapshot date.",
    )


def _shown(strength: float) -> str:
    return f"concordance {strength:.3f}"
