"""Checks of the encoder's own parameters and of the names that it makes."""

from __future__ import annotations

import numbers
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from sklearn.utils import check_random_state as to_random_state

from tracer_sklearn._params import check_integer, check_real, fail, is_number
from tracer_sklearn.exceptions import DataError, SchemaError
from tracer_sklearn.stages.encoding._levels import Column, Key, as_key

__all__ = [
    "check_cv",
    "check_ordered",
    "check_orders",
    "check_random_state",
    "check_smooth",
    "given_order",
    "refuse_twins",
]


def check_orders(stage: str, orders: Any) -> None:
    """Require None or a dict of column name to distinct levels."""
    must = "None or a dict of column name to a list of distinct levels, lowest first"
    if orders is None:
        return
    if not isinstance(orders, Mapping):
        raise fail(stage, "orders", must, orders)
    for name, levels in orders.items():
        proper = isinstance(levels, list | tuple) and levels
        plain = proper and all(isinstance(level, Hashable) for level in levels)
        if not isinstance(name, str) or not plain or len(set(levels)) != len(levels):
            raise fail(stage, "orders", must, orders)


def check_smooth(stage: str, smooth: Any) -> None:
    """Require "auto" or a number of rows."""
    if is_number(smooth):
        check_real(stage, "smooth", smooth, low=0.0)
    elif not (isinstance(smooth, str) and smooth == "auto"):
        raise fail(stage, "smooth", "'auto' or a number >= 0", smooth)


def check_cv(stage: str, cv: Any) -> None:
    """Require an integer, a splitter or a list of splits."""
    if isinstance(cv, numbers.Number):
        check_integer(stage, "cv", cv, low=2)
    elif not (hasattr(cv, "split") and not isinstance(cv, str)) and not isinstance(cv, list):
        raise fail(stage, "cv", "an integer >= 2, a splitter or a list of (train, test)", cv)


def check_random_state(stage: str, random_state: Any) -> None:
    """Require what scikit-learn takes for a seed."""
    try:
        to_random_state(random_state)
    except ValueError:
        raise fail(
            stage, "random_state", "None, an integer >= 0 or a RandomState", random_state
        ) from None


def check_ordered(
    stage: str, orders: Mapping[str, Sequence[Any]] | None, columns: Sequence[str]
) -> None:
    """Require that known orders are about columns that are encoded."""
    unknown = [name for name in orders or {} if name not in columns]
    if unknown:
        listed = ", ".join(map(repr, columns))
        raise fail(stage, "orders", f"about columns that are encoded ({listed})", unknown)


def refuse_twins(stage: str, made: Mapping[str, Sequence[str]], columns: Sequence[str]) -> None:
    """Refuse made columns that bear one name, or that of another column that was read."""
    makers: dict[str, str] = {}
    for name, outs in made.items():
        for out in outs:
            other = makers.setdefault(out, name)
            if other == name and out in columns and out != name:
                other = out
            if other != name:
                raise SchemaError(
                    f"{stage}: a made column must bear a name of its own, {out!r} comes from "
                    f"columns {other!r} and {name!r}; rename one of them in X.",
                    unexpected=[out],
                )


def given_order(
    stage: str, name: str, column: Column, orders: Mapping[str, Sequence[Any]] | None
) -> list[Key] | None:
    """Return the keys of a given order; every training level must be in it."""
    if orders is None or name not in orders:
        return None
    try:
        keys = [as_key(level, column.kind) for level in orders[name]]
    except (TypeError, ValueError):
        keys = []
    lacking = [
        level for level, key in zip(column.levels, column.keys, strict=True) if key not in set(keys)
    ]
    if lacking:
        raise DataError(
            f"{stage}: `orders` must name every training level of column {name!r}, "
            f"{len(lacking)} of {column.n_levels} are not in {list(orders[name])!r}; add them.",
            column=name,
            rule="orders",
            n_rows=int(sum(column.counts[column.levels.index(level)] for level in lacking)),
        )
    return keys
