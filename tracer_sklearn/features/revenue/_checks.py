"""Checks of the stage's parameters, and of the kinds of columns that roles can have."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from tracer_sklearn._params import check_choice, check_column, check_integer, check_zone, fail
from tracer_sklearn.exceptions import DataQualityWarning, SchemaError
from tracer_sklearn.features.revenue._calendar import holiday_days

__all__ = ["check_kinds", "check_parameters", "warn_of_short_windows"]

_KINDS = {
    "date": ("date", "text", "number"),
    "revenue": ("number", "flag"),
    "customers": ("number", "flag"),
    "series": ("text", "number", "flag", "date"),
}
_MEANT = {
    "date": "dates, datetimes, ISO texts or day numbers",
    "revenue": "numbers",
    "customers": "numbers",
    "series": "names or numbers of series",
}
_PARAMETERS = {
    "date": "date_column",
    "revenue": "revenue_column",
    "customers": "customer_count_column",
    "series": "series_column",
}
_CHOICES = {
    "growth": ("window", "point", "symmetric"),
    "seasonal_encoding": ("ordinal", "onehot", "cyclical", "fourier"),
    "missing_dates": ("skip", "zero"),
    "duplicates": ("raise", "sum", "mean", "last"),
}


def check_parameters(stage: str, parameters: Mapping[str, Any]) -> None:
    """Raise ParameterError for an illegal parameter."""
    taken: dict[str, str] = {}
    for role, parameter in _PARAMETERS.items():
        column = parameters[parameter]
        check_column(stage, parameter, column, optional=role in ("customers", "series"))
        if column is not None and taken.setdefault(column, parameter) != parameter:
            must = f"another column than `{taken[column]}`"
            raise fail(stage, parameter, must, column, "give each role its own column")
    check_integer(stage, "horizon_days", parameters["horizon_days"], low=0)
    _check_days(stage, "windows", parameters["windows"], least=1)
    _check_days(stage, "growth_windows", parameters["growth_windows"], least=0)
    for parameter, choices in _CHOICES.items():
        check_choice(stage, parameter, parameters[parameter], choices)
    if isinstance(parameters["seasonal_lags"], str):
        check_choice(stage, "seasonal_lags", parameters["seasonal_lags"], ("auto", "none"))
    else:
        _check_days(stage, "seasonal_lags", parameters["seasonal_lags"], least=1)
    if isinstance(parameters["season_length"], str):
        check_choice(stage, "season_length", parameters["season_length"], ("auto",))
    else:
        check_integer(stage, "season_length", parameters["season_length"], low=2)
    holidays = parameters["holidays"]
    if holidays is not None and not callable(holidays):
        holiday_days(holidays, stage)
    if parameters["keep_last_days"] is not None:
        check_integer(stage, "keep_last_days", parameters["keep_last_days"], low=1)
    check_zone(stage, parameters["tz"])


def _check_days(stage: str, parameter: str, value: Any, *, least: int) -> None:
    must = "a list or tuple of distinct whole numbers of at least 1"
    if not isinstance(value, list | tuple) or len(value) < least:
        raise fail(stage, parameter, must, value)
    for item in value:
        check_integer(stage, parameter, item, low=1)
    if len(set(value)) < len(value):
        raise fail(stage, parameter, must, value, "name each once")


def check_kinds(stage: str, roles: Mapping[str, str], kinds: Mapping[str, str]) -> None:
    """Require of every column that is read a kind that its role can have."""
    for role, column in roles.items():
        if kinds[column] not in _KINDS[role]:
            raise SchemaError(
                f"{stage}: the column of `{_PARAMETERS[role]}` must hold {_MEANT[role]}, "
                f"{column!r} holds values of kind {kinds[column]}; convert it first.",
                changed=[column],
            )


def warn_of_short_windows(stage: str, names: Sequence[str], spacing_days: int) -> None:
    """Warn of windows that are shorter than the distance of the dates."""
    short = [name for name in names if _width(name) < spacing_days]
    if short:
        warnings.warn(
            f"{stage}: windows should be no shorter than the distance of the dates, which is about "
            f"{spacing_days} days; mostly empty are {', '.join(short)}; give longer `windows` and "
            "`growth_windows`.",
            DataQualityWarning,
            stacklevel=2,
        )


def _width(name: str) -> float:
    """Return the days of a window by the name of its column; infinite for any other column."""
    kind, _, last = name.rpartition("_")
    is_window = kind.endswith(("_ma", "_growth", "_volatility", "_cv")) and last[:-1].isdigit()
    return float(last[:-1]) if is_window else float("inf")
