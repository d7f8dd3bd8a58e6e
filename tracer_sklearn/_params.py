"""Checks of constructor parameters, called in ``fit``; each failure is a ParameterError."""

from __future__ import annotations

import datetime as dt
import math
import numbers
import threading
import zoneinfo
from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeGuard

import numpy as np

from tracer_sklearn.exceptions import ParameterError, nearest

Columns = Sequence[str] | Callable[[Any], Sequence[str]] | None


def fail(stage: str, parameter: str, must: str, value: object, advice: str = "") -> ParameterError:
    """Build the error of one parameter: what must hold, what was found, what to do."""
    return ParameterError(
        f"{stage}: `{parameter}` must be {must}, got {value!r}; "
        f"{advice or f'set {parameter} to a legal value'}.",
        stage=stage,
        parameter=parameter,
        value=value,
    )


def is_number(value: Any) -> TypeGuard[float]:
    """Tell a real number; booleans are not numbers here."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool | np.bool_)


def check_choice(stage: str, parameter: str, value: object, choices: Collection[str]) -> None:
    """Require a string of a closed set."""
    if isinstance(value, str) and value in choices:
        return
    listed = ", ".join(repr(choice) for choice in choices)
    near = nearest(value, choices, n=1) if isinstance(value, str) else ""
    raise fail(stage, parameter, f"one of {listed}", value, f"did you mean {near}" if near else "")


def check_real(
    stage: str,
    parameter: str,
    value: object,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    low_open: bool = False,
    high_open: bool = False,
) -> None:
    """Require a finite real number in an interval; booleans are not numbers."""
    if is_number(value) and math.isfinite(value):
        above = value > low if low_open else value >= low
        below = value < high if high_open else value <= high
        if above and below:
            return
    interval = f"{'(' if low_open else '['}{low}, {high}{')' if high_open else ']'}"
    raise fail(stage, parameter, f"a finite number in {interval}", value)


def check_wait(stage: str, parameter: str, value: object) -> None:
    """Require a number of seconds that a thread can wait for."""
    check_real(stage, parameter, value, low=0.0, high=threading.TIMEOUT_MAX)


def check_integer(
    stage: str, parameter: str, value: Any, *, low: int, high: int | None = None
) -> None:
    """Require an integer in a closed range; booleans are not integers."""
    integral = isinstance(value, numbers.Integral) and is_number(value)
    if integral and value >= low and (high is None or value <= high):
        return
    bounds = f">= {low}" if high is None else f"in [{low}, {high}]"
    raise fail(stage, parameter, f"an integer {bounds}", value)


def check_columns(stage: str, parameter: str, value: object) -> None:
    """Require None, a list or tuple of distinct names, or a callable frame -> names."""
    if value is None or callable(value):
        return
    must = "None, a list of distinct column names, or a callable frame -> names"
    if not isinstance(value, list | tuple) or not all(isinstance(name, str) for name in value):
        raise fail(stage, parameter, must, value)
    if len(set(value)) != len(value):
        raise fail(stage, parameter, must, value, "name each column once")


def check_column(stage: str, parameter: str, value: object, *, optional: bool = False) -> None:
    """Require the name of one column (or None where that is legal)."""
    if (optional and value is None) or (isinstance(value, str) and value):
        return
    raise fail(stage, parameter, "a column name" + (" or None" if optional else ""), value)


def check_date(stage: str, parameter: str, value: object) -> dt.date | None:
    """Require None, an ISO date string, a date or a datetime without surprises; return the date.

    A time-zone-aware datetime is refused: the caller converts it first, because which day it
    falls on depends on the zone.
    """
    if value is None:
        return None
    if isinstance(value, dt.datetime):  # pandas.Timestamp included
        if value == value and value.tzinfo is None:
            return dt.date(value.year, value.month, value.day)
    elif isinstance(value, dt.date):
        return value
    elif isinstance(value, str):
        try:
            return dt.date.fromisoformat(value)
        except ValueError:
            pass
    raise fail(
        stage, parameter, "None, a date, a naive datetime or an ISO string like '2024-03-31'", value
    )


def check_zone(stage: str, value: Any) -> None:
    """Require the name of a time zone."""
    try:
        zoneinfo.ZoneInfo(value)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, TypeError, AttributeError, OSError):
        must = "the name of a time zone, such as 'UTC' or 'Europe/Berlin'"
        raise fail(stage, "tz", must, value) from None


def check_text(stage: str, parameter: str, value: object, *, optional: bool = False) -> None:
    """Require a text (or None where that is legal)."""
    if not isinstance(value, str) and not (optional and value is None):
        raise fail(stage, parameter, "a text" + (" or None" if optional else ""), value)


def check_flag(stage: str, parameter: str, value: object) -> None:
    """Require True or False: a text such as "no" would count as True."""
    if not isinstance(value, bool | np.bool_):
        raise fail(stage, parameter, "True or False", value)


def check_moment(stage: str, parameter: str, value: Any) -> dt.datetime:
    """Require a datetime, and return it in UTC; one without a time zone is local time."""
    try:
        if isinstance(value, dt.datetime) and value == value:  # NaT is a datetime, too
            return value.astimezone(dt.UTC)
    except (OverflowError, OSError, ValueError, TypeError):  # no moment of the calendar in UTC
        pass
    advice = "pass datetime(2024, 3, 31, tzinfo=UTC), or datetime.fromisoformat(text)"
    raise fail(stage, parameter, "a datetime", value, advice)
