"""What every display needs: checked outcomes and scores, groups of rows, and axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import pandas as pd

from tracer_sklearn._frame import enter_target
from tracer_sklearn._params import fail
from tracer_sklearn.exceptions import DataError, InputTypeError, MissingDependencyError

_Z95 = 1.959963984540054
REFERENCE = "reference"


def axes_for(who: str, ax: Any) -> Any:
    """Return the axes to draw on; new ones where none are given."""
    if ax is not None:
        return ax
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise MissingDependencyError.from_extra(who, "plots") from error
    return plt.subplots()[1]


def draw_reference(ax: Any, x: Sequence[float], y: Sequence[float], label: str) -> None:
    """Draw what a model is compared with, once on axes that several models share."""
    if any(line.get_gid() == REFERENCE for line in ax.lines):
        return
    ax.plot(x, y, color="C7", linestyle=(0, (4, 3)), linewidth=1.2, label=label, gid=REFERENCE)


def plain(text: object) -> str:
    """Keep matplotlib from reading a name such as ``$cost$`` as a formula."""
    return str(text).replace("$", r"\$")


def outcomes_and_scores(
    who: str, y_true: Any, y_score: Any, pos_label: Any
) -> tuple[np.ndarray, np.ndarray]:
    """Return which rows churned, and their scores as finite floats."""
    truth = _one_dimensional(who, "y_true", enter_target(y_true, len(y_true), stage=who))
    raw = _one_dimensional(who, "scores", enter_target(y_score, len(truth), stage=who))
    if not len(truth):
        raise DataError(f"{who}: at least one row is needed, found none.", rule="rows", n_rows=0)
    try:
        scores = raw.astype(np.float64)
    except (TypeError, ValueError):
        raise DataError(
            f"{who}: scores must be numbers, found {raw.dtype}; pass predicted scores second.",
            rule="numeric",
        ) from None
    unknown = int(pd.isna(truth).sum()) + int((~np.isfinite(scores)).sum())
    if unknown:
        raise DataError(
            f"{who}: y_true and scores must be known and finite in every row, found {unknown} that "
            "are not; drop those rows or find out why the model gives none.",
            rule="missing",
            n_rows=unknown,
        )
    return _churned(who, truth, pos_label), scores


def require_both_outcomes(who: str, churned: np.ndarray) -> None:
    """Refuse rows of one outcome only, where the figure would be empty."""
    if churned.all() or not churned.any():
        found = "only churners" if churned.any() else "no churner"
        raise DataError(
            f"{who}: y_true must hold both outcomes, found {found} in {len(churned)} rows; use a "
            "longer test period.",
            rule="one_class",
            n_rows=len(churned),
        )


def require_probabilities(who: str, scores: np.ndarray) -> None:
    """Refuse scores that cannot be compared with a rate."""
    outside = int(((scores < 0) | (scores > 1)).sum())
    if outside:
        raise DataError(
            f"{who}: y_prob must hold probabilities in [0, 1], found others in {outside} rows; use "
            "predict_proba, not decision_function.",
            rule="probability",
            n_rows=outside,
        )


class PredictionDisplay:
    """What the displays of one model's predictions have in common."""

    _wants = "scores"

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any, y: Any, *, pos_label: Any = None, **options: Any
    ) -> Self:
        """Draw what a fitted classifier predicts for rows that it has not seen.

        Parameters
        ----------
        estimator : fitted binary classifier
            With ``predict_proba``, or ``decision_function`` where ranks are enough.
        X : {array-like, frame} of shape (n, n_columns)
            Rows that were not used to fit it.
        y : array-like of shape (n,)
            Their outcomes.
        pos_label : object, default=None
            The label of a churner. None takes the second class.
        **options
            As in ``from_predictions``; ``name`` is the estimator's class unless given.

        Returns
        -------
        display : object
            The drawn display.

        Raises
        ------
        InputTypeError
            If the estimator is no fitted binary classifier, or lacks ``predict_proba``.
        ParameterError
            If `pos_label` is no class of it.
        """
        who = cls.__name__
        classes = list(getattr(estimator, "classes_", []))
        if len(classes) != 2:
            raise InputTypeError(
                f"{who}: the estimator must be a fitted binary classifier, found "
                f"{type(estimator).__name__} with {len(classes)} classes; fit it on two outcomes.",
                stage=who,
                received=type(estimator).__qualname__,
            )
        if pos_label is not None and pos_label not in classes:
            raise fail(who, "pos_label", f"one of the classes {classes!r}", pos_label)
        positive = 1 if pos_label is None else classes.index(pos_label)
        scores = _scores_of(who, estimator, X, positive, cls._wants)
        options = {"name": type(estimator).__name__, **options}
        drawn: Self = cls.from_predictions(  # type: ignore[attr-defined]
            y, scores, pos_label=classes[positive], **options
        )
        return drawn


def rate_interval(positives: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the 95 % Wilson interval of each rate, clipped to [0, 1]."""
    rate = positives / sizes
    z2 = _Z95 * _Z95
    centre = (rate + z2 / (2 * sizes)) / (1 + z2 / sizes)
    half = _Z95 * np.sqrt(rate * (1 - rate) / sizes + z2 / (4 * sizes * sizes)) / (1 + z2 / sizes)
    return np.clip(centre - half, 0.0, 1.0), np.clip(centre + half, 0.0, 1.0)


def equal_groups(scores: np.ndarray, n_groups: int) -> np.ndarray:
    """Group rows by quantiles of their score, numbered from 0; ties stay together."""
    inner = np.quantile(scores, np.arange(1, n_groups) / n_groups)
    groups = np.searchsorted(np.unique(inner), scores, side="left")
    return np.unique(groups, return_inverse=True)[1]


def mean_by(groups: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the mean of the values in each group, in the order of the groups."""
    return np.bincount(groups, weights=values) / np.bincount(groups)


def percent_axis(axis: Any) -> None:
    """Label an axis of shares with per cent."""
    from matplotlib.ticker import PercentFormatter

    axis.set_major_formatter(PercentFormatter(1.0, decimals=None, symbol=" %"))


def nice_ceiling(value: float) -> float:
    """Round up to the next twentieth, to end an axis of shares on a tick."""
    return min(math.ceil(value * 20) / 20, 1.0)


def _scores_of(who: str, estimator: Any, X: Any, positive: int, wants: str) -> np.ndarray:
    if hasattr(estimator, "predict_proba"):
        return np.asarray(np.asarray(estimator.predict_proba(X))[:, positive])
    if wants == "scores" and hasattr(estimator, "decision_function"):
        decision = np.asarray(estimator.decision_function(X))
        return decision if positive == 1 else -decision
    raise InputTypeError(
        f"{who}: the estimator must have predict_proba, {type(estimator).__name__} has not; wrap "
        "it in sklearn.calibration.CalibratedClassifierCV.",
        stage=who,
        received=type(estimator).__qualname__,
    )


def _one_dimensional(who: str, name: str, values: np.ndarray) -> np.ndarray:
    if values.ndim != 1:
        raise DataError(
            f"{who}: {name} must have one value a row, found shape {values.shape}; take one "
            "column, for example `predict_proba(X)[:, 1]`.",
            rule="one_dimensional",
        )
    return values


def _churned(who: str, truth: np.ndarray, pos_label: Any) -> np.ndarray:
    labels = pd.unique(truth).tolist()
    if len(labels) > 2:
        raise DataError(
            f"{who}: y_true must have two labels, found {len(labels)}; bring it to 0 and 1.",
            rule="binary",
        )
    if pos_label is None:
        if not (set(labels) <= {0, 1} or set(labels) <= {-1, 1}):
            must = f"the label of a churner where labels are not 0 and 1 (they are {labels!r})"
            raise fail(who, "pos_label", must, None)
        pos_label = 1
    elif len(labels) == 2 and pos_label not in labels:
        raise fail(who, "pos_label", f"one of the labels {labels!r}", pos_label)
    return np.asarray(truth == pos_label)
