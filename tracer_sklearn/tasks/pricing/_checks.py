"""What the optimizer must be given, and what it warns of."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from tracer_sklearn._params import check_choice, check_column, check_integer, check_real, fail
from tracer_sklearn.exceptions import DataQualityWarning
from tracer_sklearn.tasks.pricing._reading import Prices

_DEMANDS = ("model", "constant_elasticity", "semilog")


def check_parameters(who: str, given: Mapping[str, Any]) -> None:
    """Require legal parameters of `PriceOptimizer`."""
    if given["estimator"] is not None and not hasattr(given["estimator"], "fit"):
        raise fail(who, "estimator", "a regressor or None", given["estimator"])
    check_column(who, "price_column", given["price_column"])
    for name in ("product_column", "date_column", "cost_column"):
        check_column(who, name, given[name], optional=True)
    if not callable(given["objective"]):
        check_choice(who, "objective", given["objective"], ("revenue", "profit"))
    if given["objective"] == "profit" and given["cost_column"] is None:
        must = "the name of a column for objective='profit'"
        raise fail(who, "cost_column", must, None, "name the column with the cost of a unit")
    _check_bounds(who, given["bounds"])
    change = given["max_change"]
    check_real(who, "max_change", change, low=0, high=1, low_open=True, high_open=True)
    check_integer(who, "grid", given["grid"], low=3)
    _check_endings(who, given["price_endings"])
    check_choice(who, "demand", given["demand"], _DEMANDS)
    check_integer(who, "n_bootstrap", given["n_bootstrap"], low=0)
    check_choice(who, "risk", given["risk"], ("mean", "lower"))
    check_integer(who, "min_price_levels", given["min_price_levels"], low=2)


def _check_bounds(who: str, bounds: Any) -> None:
    if isinstance(bounds, str):
        check_choice(who, "bounds", bounds, ("observed",))
        return
    pairs = list(bounds.values()) if isinstance(bounds, Mapping) else [bounds]
    must = "'observed', a pair (low, high) of factors, or a dict product -> (low, high)"
    for pair in pairs:
        if not isinstance(pair, list | tuple | np.ndarray) or len(pair) != 2:
            raise fail(who, "bounds", must, bounds)
        for end in pair:
            check_real(who, "bounds", end, low=0)
        if not pair[0] <= pair[1]:
            raise fail(who, "bounds", f"{must} with low <= high", bounds)


def _check_endings(who: str, endings: Any) -> None:
    if endings is None:
        return
    if not isinstance(endings, list | tuple) or not endings:
        raise fail(who, "price_endings", "None or a tuple of endings in [0, 1)", endings)
    for ending in endings:
        check_real(who, "price_endings", ending, low=0, high=1, high_open=True)


def asked_prices(who: str, prices: Any) -> np.ndarray:
    """Require prices, and return them as floats."""
    must = "one or more finite prices above 0"
    given = np.asarray(prices)
    try:
        asked: np.ndarray = given.astype(float).ravel()
    except (TypeError, ValueError):
        raise fail(who, "prices", must, prices) from None
    legal = np.isfinite(asked) & (asked > 0)
    if given.dtype.kind not in "iufO" or not len(asked) or not legal.all():
        raise fail(who, "prices", must, prices)
    return asked


def warn_of_gaps(who: str, needed: Mapping[str, np.ndarray]) -> np.ndarray:
    """Warn of rows that lack what a recommendation needs, and tell which rows have it all."""
    complete = np.ones(len(next(iter(needed.values()))), dtype=bool)
    for what, values in needed.items():
        lacking = np.isnan(values)
        complete &= ~lacking
        if lacking.any():
            warnings.warn(
                f"{who}: each row must have {what} to have a recommendation, "
                f"{int(lacking.sum())} of {len(lacking)} rows have none and the status "
                "'extrapolation'; fill it in, or leave these rows out.",
                DataQualityWarning,
                stacklevel=3,
            )
    return complete


def warn_of_far_prices(
    who: str, tried: np.ndarray, codes: np.ndarray, prices: Prices, max_change: float
) -> None:
    """Warn of prices, of shape (n_prices, n_rows), that training can say nothing about."""
    low, high = prices.least[codes] * (1 - max_change), prices.most[codes] * (1 + max_change)
    n_far = int((~((tried >= low) & (tried <= high))).sum())
    if n_far:
        warnings.warn(
            f"{who}: prices must be within `max_change` of those that a product had in training, "
            f"{n_far} of {tried.size} points of the curve are not, or are of an unknown product, "
            "and are a guess; ask for prices nearer to those, and for products of training.",
            DataQualityWarning,
            stacklevel=3,
        )
