"""The model of a run: which one, cross-validated how, and judged by what."""

from __future__ import annotations

import datetime as dt
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, cross_validate

from tracer_sklearn.exceptions import DataError
from tracer_sklearn.service.config import PipelineConfig
from tracer_sklearn.service.plans import CLASSES
from tracer_sklearn.tasks.date_splits import DateSeriesSplit
from tracer_sklearn.tasks.metrics import top_decile_lift_scorer, wape_scorer
from tracer_sklearn.tasks.splits import PurgedSnapshotSplit

__all__ = ["Folds", "Target", "folds_for", "model_for", "scores_of", "target_of"]

_TEST_SPAN_DAYS = 28
_STAYED = frozenset({"stayed", "retained", "active", "kept", "loyal", "current", "not churned"})
# what is to be predicted of a churn target, and what may stand against it
_OPPOSITES: dict[str, frozenset[str]] = {
    "true": frozenset({"false"}),
    "t": frozenset({"f"}),
    "yes": frozenset({"no"}),
    "y": frozenset({"n"}),
    "1": frozenset({"0"}),
    **dict.fromkeys(("churned", "lost", "cancelled", "canceled", "left", "inactive"), _STAYED),
    "churn": _STAYED | {"no churn"},
}


class Folds(NamedTuple):
    """A splitter, what it is called, what there is to say against it, and groups of rows."""

    splitter: Any
    name: str
    warnings: tuple[str, ...] = ()
    groups: np.ndarray | None = None


class Target(NamedTuple):
    """The outcome of every row, and of two classes the one that is 1."""

    y: np.ndarray
    positive: str | None = None


def model_for(blueprint: str, config: PipelineConfig) -> Any:
    """Return the unfitted model of a blueprint."""
    if blueprint in CLASSES:
        if config.model == "linear":
            return LogisticRegression(max_iter=1000)
        return HistGradientBoostingClassifier(random_state=0)
    return Ridge() if config.model == "linear" else HistGradientBoostingRegressor(random_state=0)


def target_of(outcome: pl.Series, blueprint: str, positive: str | None = None) -> Target:
    """Return the outcome of every row, NaN where it is not known.

    Of two classes the positive one is 1. It is named by ``positive``, or by itself: True, 1, or a
    word whose opposite is the other level. Which of any other two is meant cannot be known.
    """
    column = outcome.name
    if outcome.dtype.is_float():
        outcome = outcome.fill_nan(None)
    if blueprint not in CLASSES:
        if not (outcome.dtype.is_numeric() or outcome.dtype == pl.Boolean):
            raise DataError(
                f"DataPipeline: the target {column!r} must hold numbers, found {outcome.dtype}; "
                "name another column, or mend its cells.",
                column=column,
                rule="target",
            )
        return Target(outcome.cast(pl.Float64).fill_null(np.nan).to_numpy())
    levels: dict[Any, str] = {
        level: _normal(level) for level in outcome.drop_nulls().unique().sort().to_list()
    }
    meant = sorted(set(levels.values()))
    if len(meant) != 2:
        raise DataError(
            f"DataPipeline: the target {column!r} must tell two outcomes apart, found "
            f"{len(meant)} distinct values; name another column.",
            column=column,
            rule="target",
        )
    one = _positive(meant, positive, column)
    y = outcome.replace_strict(
        list(levels), [float(level == one) for level in levels.values()], return_dtype=pl.Float64
    )
    label = next(str(level) for level, normal in levels.items() if normal == one)
    return Target(y.fill_null(np.nan).to_numpy(), label)


def _normal(level: Any) -> str:
    """Return a level as it is compared: 1.0 is 1, and case and margins do not count."""
    if isinstance(level, float) and level.is_integer():
        level = int(level)
    return str(level).strip().casefold()


def _positive(levels: list[str], positive: str | None, column: str) -> str:
    """Return which of two levels is the outcome that is to be predicted."""
    if positive is not None:
        named = _normal(positive)
        if named not in levels:
            raise DataError(
                f"DataPipeline: `positive_label` must be one of the two values of the target "
                f"{column!r}, it is neither; set it to the one that is to be predicted.",
                column=column,
                rule="target",
            )
        return named
    for one, other in (levels, levels[::-1]):
        if other in _OPPOSITES.get(one, ()):
            return one
    raise DataError(
        f"DataPipeline: of the two values of the target {column!r} it must be known which one is "
        "to be predicted, neither says so as True, 1, 'yes' or 'churned' do; set `positive_label` "
        "to it.",
        column=column,
        rule="target",
    )


def folds_for(frame: pl.DataFrame, blueprint: str, config: PipelineConfig) -> Folds:
    """Return how rows are split: by time wherever they have one."""
    if blueprint not in CLASSES:
        date = config.fields.get("date", "date")
        span = _span(frame[date], config)
        splitter = DateSeriesSplit(config.n_splits, test_span_days=span, date_column=date)
        return Folds(splitter, f"{config.n_splits} blocks of {span} days, each after its training")
    as_of = config.as_of_column or config.fields.get("as_of", "as_of")
    label_end = config.fields.get("label_end", "label_end")
    dated = as_of in frame.columns and frame[as_of].n_unique() > config.n_splits
    if dated and label_end in frame.columns:
        purged = PurgedSnapshotSplit(config.n_splits, time_column=as_of, label_end_column=label_end)
        return Folds(purged, f"{config.n_splits} blocks of later snapshots, labels purged")
    shuffled: Any = StratifiedKFold(config.n_splits, shuffle=True, random_state=0)
    name, groups = f"{config.n_splits} shuffled folds", None
    customer = config.fields.get("customer_id", "customer_id")
    if customer in frame.columns:  # what is known of a customer must not be tested on them
        shuffled = StratifiedGroupKFold(config.n_splits, shuffle=True, random_state=0)
        name += f", each {customer!r} in one of them"
        groups = frame[customer].cast(pl.String).fill_null("").to_numpy()
    reason = (
        f"there is no column {label_end!r} to purge labels by"
        if dated
        else f"there are too few snapshot dates for {config.n_splits} blocks"
    )
    return Folds(
        shuffled,
        name,
        (
            f"DataPipeline: folds should lie one after the other in time, {reason}, so they are "
            "shuffled and the scores say nothing about later months; add snapshots with "
            "`make_snapshots`.",
        ),
        groups,
    )


def scores_of(
    pipeline: Any, X: pl.DataFrame, y: np.ndarray, folds: Folds, blueprint: str
) -> dict[str, tuple[float, ...]]:
    """Return each metric on each fold; every fold fits the whole pipeline."""
    scoring: dict[str, Any] = (
        {
            "roc_auc": "roc_auc",
            "neg_brier_score": "neg_brier_score",
            "top_decile_lift": top_decile_lift_scorer,
        }
        if blueprint in CLASSES
        else {
            "neg_mean_absolute_error": "neg_mean_absolute_error",
            "r2": "r2",
            "wape": wape_scorer,
        }
    )
    found = cross_validate(
        pipeline,
        X,
        y,
        groups=folds.groups,
        cv=folds.splitter,
        scoring=scoring,
        error_score="raise",
    )
    return {name: tuple(float(score) for score in found[f"test_{name}"]) for name in scoring}


def _span(dates: pl.Series, config: PipelineConfig) -> int:
    """Return the days of a test block: four weeks, or less where the history is short."""
    days = dates.cast(pl.Date).drop_nulls()
    first, last = days.min(), days.max()
    if not (isinstance(first, dt.date) and isinstance(last, dt.date)):
        raise DataError(
            f"DataPipeline: column {dates.name!r} must hold dates to split by, it holds none; "
            "map the date with `fields`.",
            column=dates.name,
            rule="dates",
        )
    return max(1, min(_TEST_SPAN_DAYS, ((last - first).days + 1) // (config.n_splits + 2)))
