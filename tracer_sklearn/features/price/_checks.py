"""What parameters and columns must be, and what the training rows give reason to warn of."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tracer_sklearn._params import (
    check_choice,
    check_column,
    check_integer,
    check_real,
    check_zone,
    fail,
)
from tracer_sklearn.exceptions import DataQualityWarning, SchemaError
from tracer_sklearn.features.price import _names

_CHOICES = {
    "method": ("loglog", "poisson"),
    "seasonal_control": ("auto", "fourier", "none"),
    "competitor_timing": ("contemporaneous", "lagged"),
    "target": ("quantity", "none"),
    "duplicates": ("raise", "sum", "mean", "last"),
}
_CENTURY = 36_525
_ZERO_SHARE = 0.05


def check_parameters(who: str, given: Mapping[str, Any]) -> None:
    """Require legal parameters of `PriceFeatures`."""
    for role, parameter in _names.PARAMETERS.items():
        check_column(who, parameter, given[parameter], optional=role not in ("price", "date"))
    promotions = given["promo_columns"]
    if promotions is not None and not (
        isinstance(promotions, list | tuple)
        and all(isinstance(name, str) and name for name in promotions)
        and len(set(promotions)) == len(promotions)
    ):
        raise fail(who, "promo_columns", "None or a list of distinct column names", promotions)
    check_integer(who, "horizon_days", given["horizon_days"], low=0, high=_CENTURY)
    windows, must = given["windows"], "a tuple of ascending numbers of days"
    if not isinstance(windows, list | tuple) or not windows:
        raise fail(who, "windows", must, windows)
    for days in windows:
        check_integer(who, "windows", days, low=1, high=_CENTURY)
    if list(windows) != sorted(set(windows)):
        raise fail(who, "windows", must, windows)
    if given["elasticity_window_days"] is not None:
        length = given["elasticity_window_days"]
        check_integer(who, "elasticity_window_days", length, low=1, high=_CENTURY)
    if isinstance(given["kappa"], str):
        check_choice(who, "kappa", given["kappa"], ("eb",))
    else:
        check_real(who, "kappa", given["kappa"], low=0)
    if given["prior_elasticity"] is not None:
        check_real(who, "prior_elasticity", given["prior_elasticity"])
    for parameter, choices in _CHOICES.items():
        check_choice(who, parameter, given[parameter], choices)
    check_zone(who, given["tz"])


def check_kinds(
    who: str, roles: Mapping[str, str], promotions: Sequence[str], kinds: Mapping[str, str]
) -> None:
    """Require of every column that is read a kind that its role can have."""
    columns = [roles[role] for role in ("price", "quantity", "competitor") if role in roles]
    legal = dict.fromkeys([*columns, *promotions], ("number", "flag"))
    legal.setdefault(roles["date"], ("date", "number"))
    for column, allowed in legal.items():
        if kinds[column] not in allowed:
            raise SchemaError(
                f"{who}: column {column!r} must hold values of kind {' or '.join(allowed)}, it "
                f"holds {kinds[column]}; convert it first, for example with `ColumnParser`.",
                changed=[column],
            )


def warn_of_zeros(who: str, quantity: np.ndarray) -> None:
    """Warn where logs would leave out a good part of the rows."""
    known = quantity[~np.isnan(quantity)]
    share = float((known == 0).mean()) if len(known) else 0.0
    if share > _ZERO_SHARE:
        warnings.warn(
            f"{who}: logs leave out rows without a sale, {share:.0%} of the quantities are 0, and "
            "elasticities come out too flat; use method='poisson', or aggregate to longer periods.",
            DataQualityWarning,
            stacklevel=2,
        )


def warn_of_short_windows(who: str, names: Sequence[str], spacing: float | None) -> None:
    """Warn of windows that are shorter than the distance of the dates."""
    lengths = {name: re.search(r"_([0-9]+)d$", name) for name in names}
    short = [name for name, found in lengths.items() if found and int(found[1]) < (spacing or 0)]
    if short:
        warnings.warn(
            f"{who}: windows must be as long as the {spacing:g} days between the dates of a series "
            f"to hold one, those of {short!r} are not; set `windows`, or leave these columns out.",
            DataQualityWarning,
            stacklevel=2,
        )
