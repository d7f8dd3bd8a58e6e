"""Checks of the stage's own parameters, and of the kinds of columns that roles can have."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from tracer_sklearn._params import fail, is_number
from tracer_sklearn.exceptions import DataQualityWarning, SchemaError
from tracer_sklearn.features.churn._facts import DATES
from tracer_sklearn.features.churn._plans import normal

WEIGHTS = {"recency": 1.0, "usage": 1.0, "value": 1.0, "support": 0.0}
KINDS = {
    **dict.fromkeys(DATES, ("date", "text", "number")),
    **dict.fromkeys(("value", "tickets", "usage"), ("number", "flag")),
    "plan": ("text", "number", "flag"),
}
_MEANT = {
    **dict.fromkeys(DATES, "dates, datetimes, ISO texts or day numbers"),
    **dict.fromkeys(("value", "tickets", "usage"), "numbers"),
    "plan": "names or numbers of plans",
}


def check_hierarchy(stage: str, value: Any) -> None:
    """Require None, distinct plans from lowest to highest, or a score for each."""
    if value is None:
        return
    must = "None, a list of distinct plans from lowest to highest, or a dict plan to finite score"
    if not isinstance(value, list | tuple | dict) or not value:
        raise fail(stage, "plan_hierarchy", must, value)
    if not all(isinstance(level, str) or is_number(level) for level in value):
        raise fail(stage, "plan_hierarchy", must, value, "name plans by texts or numbers")
    if len({normal(level) for level in value}) < len(value):
        advice = "name each plan once; blanks around it and case do not matter"
        raise fail(stage, "plan_hierarchy", must, value, advice)
    scores = value.values() if isinstance(value, dict) else ()
    if not all(is_number(score) and math.isfinite(score) for score in scores):
        raise fail(stage, "plan_hierarchy", must, value, "give finite scores")


def check_weights(stage: str, value: Any) -> None:
    """Require None, or finite weights of known parts that are not all zero."""
    if value is None:
        return
    must = f"None or a dict with finite weights of {', '.join(map(repr, WEIGHTS))}, not all 0"
    if not isinstance(value, dict) or not set(value) <= set(WEIGHTS):
        raise fail(stage, "weights", must, value)
    weights = {**WEIGHTS, **value}.values()
    if not all(is_number(w) and math.isfinite(w) for w in weights) or not any(weights):
        raise fail(stage, "weights", must, value)


def check_kinds(stage: str, roles: Mapping[str, str], kinds: Mapping[str, str]) -> None:
    """Require of every column that is read a kind that its role can have."""
    for role in (role for role in KINDS if role in roles):
        column = roles[role]
        if kinds[column] not in KINDS[role]:
            raise SchemaError(
                f"{stage}: the column of `{role}_column` must hold {_MEANT[role]}, "
                f"{column!r} holds values of kind {kinds[column]}; convert it first.",
                changed=[column],
            )


def warn_of_dates(stage: str, columns: Sequence[str]) -> None:
    """Warn of columns of dates that have no role."""
    if columns:
        warnings.warn(
            f"{stage}: a model must not see raw dates, columns without a role hold some and are "
            f"left out: {', '.join(map(repr, columns))}; give them their role, or make numbers of "
            "what was known at the snapshot.",
            DataQualityWarning,
            stacklevel=3,
        )


def warn_of_plans(stage: str, found: Sequence[Any], known: Sequence[Any]) -> None:
    """Warn of a hierarchy that is about other plans than those of the training data."""
    if found and not set(found) & set(known):
        warnings.warn(
            f"{stage}: `plan_hierarchy` must name plans of the training data, it names {known!r} "
            f"and none of the plans found, such as {found[0]!r}; write them as the column does "
            "(text is no number).",
            DataQualityWarning,
            stacklevel=3,
        )
