"""Where a plan stands in the hierarchy of plans: given, built in, or learnt from value."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw

from tracer_sklearn.features.churn._facts import helper, of

_PLAN_ORDER = (
    "free",
    "trial",
    "basic",
    "starter",
    "standard",
    "plus",
    "pro",
    "business",
    "premium",
    "enterprise",
)
_MIN_LEVEL_ROWS = 20


@dataclass(frozen=True)
class Level:
    """A plan in the training data: how many rows, how many with a value rate, their median."""

    name: Any
    n_rows: int
    n_rates: int
    median_rate: float | None


def levels_of(rows: nw.DataFrame[Any]) -> list[Level]:
    """Describe the plans of the training data, sorted by name."""
    plan, rate = of("plan"), of("value_rate")
    if helper("value_rate") not in rows.columns:
        rows = rows.with_columns(nw.lit(None, nw.Float64).alias(helper("value_rate")))
    grouped = rows.filter(~plan.is_null()).group_by(helper("plan"))
    table = grouped.agg(nw.len().alias("n"), rate.count().alias("r"), rate.median().alias("m"))
    return [Level(*row) for row in table.sort(helper("plan")).iter_rows()]


def plan_scores(
    hierarchy: Any, levels: Sequence[Level], overall: float | None
) -> tuple[dict[Any, float], str]:
    """Return the score of each known plan and how it came about; no score, why not."""
    if isinstance(hierarchy, dict):
        scores = {normal(level): float(score) for level, score in hierarchy.items()}
        return scores, "scores: given"
    if hierarchy is not None:
        return _spaced([[normal(level)] for level in hierarchy]), "order: given"
    names = [level.name for level in levels]
    if not names:
        return {}, "absent: no plan to learn from"
    if set(names) <= set(_PLAN_ORDER):
        ordered = [name for name in _PLAN_ORDER if name in names]
        return _spaced([[name] for name in ordered]), f"order built in: {' < '.join(ordered)}"
    if overall is None:
        return {}, "absent: plans are not all in the built-in order and no value rate ranks them"
    return _ranked(levels, overall)


def _ranked(levels: Sequence[Level], overall: float) -> tuple[dict[Any, float], str]:
    """Order plans by median value rate; those with few rates take the overall median."""
    medians = {
        level.name: overall
        if level.median_rate is None or level.n_rates < _MIN_LEVEL_ROWS
        else level.median_rate
        for level in levels
    }
    places: dict[float, list[Any]] = {median: [] for median in sorted(medians.values())}
    for name, median in medians.items():
        places[median].append(name)
    shown = ", ".join(f"{names} {median:.6g}" for median, names in places.items())
    return _spaced(list(places.values())), f"order learnt from median daily_value_rate: {shown}"


def _spaced(places: Sequence[Iterable[Any]]) -> dict[Any, float]:
    """Spread the places of a hierarchy evenly over [0, 1]; levels of one place share its score."""
    if len(places) == 1:
        return dict.fromkeys(places[0], 0.5)
    top = len(places) - 1
    return {level: place / top for place, found in enumerate(places) for level in found}


def mean_score(scores: Mapping[Any, float], levels: Sequence[Level]) -> float:
    """Return the mean score of the training rows with a known plan (of the plans without any)."""
    known = [(scores[level.name], level.n_rows) for level in levels if level.name in scores]
    pairs = known or [(score, 1) for score in scores.values()]
    return math.fsum(score * n for score, n in pairs) / sum(n for _, n in pairs)


def normal(level: Any) -> Any:
    """Write a plan as `level_of` does."""
    return level.strip(" \t\r\n").lower() if isinstance(level, str) else float(level)
