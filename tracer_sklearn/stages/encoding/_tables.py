"""What each strategy learns: for every made column a table from levels to values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict

import narwhals.stable.v2 as nw
import numpy as np

from tracer_sklearn.stages.encoding._levels import Column, Key
from tracer_sklearn.stages.encoding._target import Target, moments, shrunken

__all__ = [
    "Table",
    "frequency_table",
    "label_table",
    "look_up",
    "onehot_tables",
    "pooled_levels",
    "target_tables",
    "under_policy",
]

_UNSEEN_CODE, _MISSING_CODE = -1, -2


class Table(TypedDict):
    """One made column, in plain values: a value a level, one for unseen, one for missing cells."""

    keys: Sequence[Key]
    values: Sequence[Any]
    unseen: Any
    missing: Any
    dtype: str


def pooled_levels(column: Column, min_share: float) -> set[int]:
    """Return the positions of the levels that are too rare for a column of their own."""
    shares = column.counts[:-1] / column.n_rows
    return set(np.flatnonzero(shares < min_share).tolist())


def onehot_tables(
    name: str, column: Column, pooled: set[int], on_unseen: str, on_missing: str
) -> dict[str, Table]:
    """Return one column of zeros and ones a level; their sum is 1 in every row."""
    tables = {}
    kept = [position for position in range(column.n_levels) if position not in pooled]
    for position in kept:
        tables[f"{name}_{column.levels[position]}"] = _flag([column.keys[position]], [1])
    of_missing = on_missing == "level" and (column.n_missing > 0 or on_unseen == "missing")
    if pooled or on_unseen == "other":
        values = [int(position in pooled) for position in range(column.n_levels)]
        missing = int(not of_missing)
        tables[f"{name}__other"] = _flag(column.keys, values, unseen=1, missing=missing)
    if of_missing:
        tables[f"{name}__missing"] = _flag(column.keys, [0] * column.n_levels, missing=1)
    return tables


def _flag(keys: Sequence[Key], values: list[int], unseen: int = 0, missing: int = 0) -> Table:
    return Table(keys=keys, values=values, unseen=unseen, missing=missing, dtype="Int8")


def label_table(column: Column, order: Sequence[Key] | None) -> Table:
    """Return the position of each level, sorted or in a given order."""
    keys = column.keys if order is None else order
    return Table(
        keys=keys,
        values=list(range(len(keys))),
        unseen=_UNSEEN_CODE,
        missing=_MISSING_CODE,
        dtype="Int32",
    )


def frequency_table(column: Column) -> Table:
    """Return the share of the training rows of each level."""
    *shares, missing = (column.counts / column.n_rows).tolist()
    return Table(keys=column.keys, values=shares, unseen=0.0, missing=missing, dtype="Float64")


def target_tables(
    name: str, column: Column, target: Target, smooth: float | str
) -> dict[str, Table]:
    """Return the shrunken mean of the target of each level; one column a class beyond two."""
    tables = {}
    for out, numbers in zip(target_names(name, target), target.columns, strict=True):
        learnt = moments(column.codes, numbers, column.n_levels + 1)
        encodings, prior = shrunken(learnt, smooth)
        *values, missing = (encodings * target.scale).tolist()
        tables[out] = Table(
            keys=column.keys,
            values=values,
            unseen=prior * target.scale,
            missing=missing,
            dtype="Float64",
        )
    return tables


def target_names(name: str, target: Target) -> list[str]:
    """Name the columns that target encoding makes."""
    if target.kind != "multiclass":
        return [name]
    return [f"{name}_{label}" for label in target.classes]


def under_policy(table: Table, on_unseen: str, on_missing: str) -> Table:
    """Apply the policies for missing cells and unseen levels to what a strategy would say."""
    missing, dtype = table["missing"], table["dtype"]
    if on_missing == "missing":
        missing = None
        dtype = "String" if dtype == "String" else "Float64"
    unseen = missing if on_unseen == "missing" else table["unseen"]
    return Table(
        keys=table["keys"], values=table["values"], unseen=unseen, missing=missing, dtype=dtype
    )


def look_up(key: nw.Expr, table: Table) -> nw.Expr:
    """Return for each cell what the table holds for it."""
    dtype = getattr(nw, table["dtype"])
    unseen = nw.lit(table["unseen"], dtype=dtype)
    pairs = zip(table["keys"], table["values"], strict=True)
    # levels that are worth what unseen ones are need no place in the query
    found = {level: value for level, value in pairs if value != table["unseen"]}
    distinct = set(found.values())
    if len(distinct) > 1:
        known = key.replace_strict(
            list(found), list(found.values()), default=unseen, return_dtype=dtype
        )
    elif found:
        known = nw.when(key.is_in(list(found))).then(nw.lit(distinct.pop(), dtype=dtype))
        known = known.otherwise(unseen)
    else:
        known = unseen
    missing = nw.lit(table["missing"], dtype=dtype)
    return nw.when(key.is_null()).then(missing).otherwise(known).cast(dtype)
