"""The user's estimators as strategies: checked, read out, or run on rows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
from sklearn.base import clone

from tracer_sklearn._numbers import finite
from tracer_sklearn._params import check_choice, fail, is_number
from tracer_sklearn.stages.imputation._fills import Fill, mode, plain

STRATEGIES = ("auto", "mean", "median", "mode", "constant", "drop")

# rows that show whether an estimator only fills
TRIAL_ROWS = 100

# estimators that fill every cell of a column with one value
CONSTANT_FILLERS = (
    "sklearn.SimpleImputer",
    "feature_engine.ArbitraryNumberImputer",
    "feature_engine.CategoricalImputer",
    "feature_engine.EndTailImputer",
    "feature_engine.MeanMedianImputer",
)
# estimators whose purpose is a parameter of this stage
_REPLACED = {
    "sklearn.MissingIndicator": "use `indicator`",
    "feature_engine.AddMissingIndicator": "use `indicator`",
    "feature_engine.DropMissingData": "use strategy='drop'",
}


def check_strategy(stage: str, strategy: Any) -> None:
    if isinstance(strategy, str):
        check_choice(stage, "strategy", strategy, STRATEGIES)
        return
    if isinstance(strategy, Mapping):
        for name, single in strategy.items():
            if not isinstance(name, str) or single not in STRATEGIES:
                must = f"a dict from column name to one of {', '.join(map(repr, STRATEGIES))}"
                raise fail(stage, "strategy", must, strategy, f"change the entry {name!r}")
        return
    hooks = ("fit", "transform", "get_params")
    if isinstance(strategy, type) or not all(hasattr(strategy, hook) for hook in hooks):
        must = f"one of {', '.join(map(repr, STRATEGIES))}, a dict, or an estimator instance"
        raise fail(stage, "strategy", must, strategy)
    if (advice := _REPLACED.get(title(strategy))) is not None:
        raise fail(stage, "strategy", "an estimator that fills cells", strategy, advice)
    if getattr(strategy, "add_indicator", False):
        must = "an estimator that adds no columns"
        raise fail(stage, "strategy", must, strategy, "set add_indicator=False, use `indicator`")
    sentinel = getattr(strategy, "missing_values", math.nan)
    if isinstance(sentinel, str) or (is_number(sentinel) and sentinel == sentinel):
        must = "an estimator whose missing_values is NaN"
        advice = f"turn {sentinel!r} into a missing value first, for example with X.replace"
        raise fail(stage, "strategy", must, strategy, advice)


def title(estimator: Any) -> str:
    kind = type(estimator)
    return f"{kind.__module__.partition('.')[0]}.{kind.__name__}"


def taken_over(estimator: Any, value: Any) -> Fill:
    return Fill(plain(value), f"read out of {type(estimator).__name__}")


def simple_numbers(imputer: Any, frame: nw.DataFrame[Any]) -> dict[str, Fill]:
    if not frame.columns:
        return {}
    if imputer.strategy == "constant":
        given = 0 if imputer.fill_value is None else imputer.fill_value
        found = [given] * len(frame.columns) if is_number(given) else []
    else:
        found = clone(imputer).fit(to_pandas(frame)).statistics_
    return {
        name: taken_over(imputer, value)
        for name, value in zip(frame.columns, found, strict=bool(len(found)))
    }


def simple_texts(imputer: Any, frame: nw.DataFrame[Any]) -> dict[str, Fill]:
    if imputer.strategy == "most_frequent":
        return {name: taken_over(imputer, mode(frame[name])) for name in frame.columns}
    given = "missing_value" if imputer.fill_value is None else imputer.fill_value
    if imputer.strategy == "constant" and isinstance(given, str):
        return dict.fromkeys(frame.columns, taken_over(imputer, given))
    return {}


def to_pandas(frame: nw.DataFrame[Any]) -> Any:
    """Hand over numbers as float64 with NaN, and text, as the estimators know them."""
    columns = []
    for name, dtype in frame.schema.items():
        if dtype.is_numeric():
            column = finite(name, dtype).cast(nw.Float64)
        else:
            column = nw.col(name).cast(nw.String)
        columns.append(column.alias(name))
    return frame.select(*columns).to_pandas()


def keeps_what_is_there(estimator: Any, frame: nw.DataFrame[Any]) -> bool:
    given = to_pandas(frame)
    found = estimator.transform(given)
    if getattr(found, "shape", None) != given.shape:
        return False
    there = given.notna().to_numpy()
    before, after = (np.asarray(cells, dtype=object)[there] for cells in (given, found))
    return bool(np.all(before == after))


def filled_by(estimator: Any, frame: nw.DataFrame[Any]) -> nw.DataFrame[Any]:
    """Send rows through the estimator; integers leave as Float64, other dtypes survive."""
    names = frame.columns
    if len(frame):
        found = estimator.transform(to_pandas(frame))
        columns = found if hasattr(found, "columns") else dict(zip(names, found.T, strict=True))
    else:
        columns = {name: [] for name in names}
    filled = []
    for name, dtype in frame.schema.items():
        if dtype.is_numeric():
            values: Any = np.asarray(columns[name], dtype=float)
            kept = dtype if dtype.is_float() else nw.Float64()
        else:
            values, kept = list(columns[name]), dtype
        raw = nw.Float64() if dtype.is_numeric() else nw.String()
        filled.append(nw.new_series(name, values, raw, backend=frame.implementation).cast(kept))
    return frame.select(*filled)
