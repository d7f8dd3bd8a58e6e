"""What the parameters of the optimizer must be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tracer_sklearn._params import check_choice, check_column, check_integer, check_real, fail

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
