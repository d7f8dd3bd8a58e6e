"""The model of a run: which one, cross-validated how, and judged by what."""

from __future__ import annotations

import datetime as dt
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import StratifiedKFold, cross_validate

from tracer_sklearn.exceptions import DataError
from tracer_sklearn.service.config import PipelineConfig
from tracer_sklearn.tasks.date_splits import DateSeriesSplit
from tracer_sklearn.tasks.metrics import top_decile_lift_scorer, wape_scorer
from tracer_sklearn.tasks.splits import PurgedSnapshotSplit

__all__ = ["Folds", "folds_for", "model_for", "scores_of", "target_of"]

_CLASSES = {"customer_churn"}
_TEST_SPAN_DAYS = 28


class Folds(NamedTuple):
    """A splitter, what it is called, and what there is to say against it."""

    splitter: Any
    name: str
    warnings: tuple[str, ...] = ()


def model_for(blueprint: str, config: PipelineConfig) -> Any:
    """Return the unfitted model of a blueprint."""
    if blueprint in _CLASSES:
        if config.model == "linear":
            return LogisticRegression(max_iter=1000)
        return HistGradientBoostingClassifier(random_state=0)
    return Ridge() if config.model == "linear" else HistGradientBoostingRegressor(random_state=0)


def target_of(frame: pl.DataFrame, blueprint: str, column: str) -> np.ndarray:
    """Return the outcome of every row, NaN where it is not known."""
    outcome = frame[column]
    if blueprint not in _CLASSES:
        if not (outcome.dtype.is_numeric() or outcome.dtype == pl.Boolean):
            raise DataError(
                f"DataPipeline: the target {column!r} must hold numbers, found {outcome.dtype}; "
                "name another column, or mend its cells.",
                column=column,
                rule="target",
            )
        return outcome.cast(pl.Float64).to_numpy()
    levels = sorted(outcome.drop_nulls().unique().to_list())
    if len(levels) != 2:
        raise DataError(
            f"DataPipeline: the target {column!r} must tell two outcomes apart, found "
            f"{len(levels)} distinct values; name another column.",
            column=column,
            rule="target",
        )
    return outcome.replace_strict(levels, [0.0, 1.0], return_dtype=pl.Float64).to_numpy()


def folds_for(frame: pl.DataFrame, blueprint: str, config: PipelineConfig) -> Folds:
    """Return how rows are split: by time wherever they have one."""
    if blueprint not in _CLASSES:
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
    shuffled = StratifiedKFold(config.n_splits, shuffle=True, random_state=0)
    reason = (
        f"there is no column {label_end!r} to purge labels by"
        if dated
        else f"there are too few snapshot dates for {config.n_splits} blocks"
    )
    return Folds(
        shuffled,
        f"{config.n_splits} shuffled folds",
        (
            f"DataPipeline: folds should lie one after the other in time, {reason}, so they are "
            "shuffled and the scores say nothing about later months; add snapshots with "
            "`make_snapshots`.",
        ),
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
        if blueprint in _CLASSES
        else {
            "neg_mean_absolute_error": "neg_mean_absolute_error",
            "r2": "r2",
            "wape": wape_scorer,
        }
    )
    found = cross_validate(pipeline, X, y, cv=folds.splitter, scoring=scoring, error_score="raise")
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
