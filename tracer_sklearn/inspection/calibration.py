"""Displays of whether predicted probabilities can be believed, now and over time."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from tracer_sklearn._frame import enter_target
from tracer_sklearn._params import check_integer
from tracer_sklearn.exceptions import DataError
from tracer_sklearn.inspection._outcomes import (
    PredictionDisplay,
    axes_for,
    draw_reference,
    equal_groups,
    mean_by,
    nice_ceiling,
    outcomes_and_scores,
    percent_axis,
    plain,
    rate_interval,
    require_probabilities,
)

__all__ = ["CalibrationOverTimeDisplay", "ReliabilityDisplay"]


class ReliabilityDisplay(PredictionDisplay):
    """Reliability diagram: whether of those with a predicted 20 % really 20 % churn.

    Use it before a probability enters a budget or an offer. Against scikit-learn's
    `CalibrationDisplay` it groups by quantiles, so that every point has the same weight, and
    shows the 95 % interval of each observed rate.

    Parameters
    ----------
    mean_predicted, observed : ndarray of shape (n_groups,)
        Mean predicted probability and share of churners in each group, by rising prediction.
    lower, upper : ndarray of shape (n_groups,)
        95 % Wilson interval of ``observed``.
    n_rows : ndarray of shape (n_groups,)
        Rows in each group.
    name : str or None, default=None
        Name of the model for the legend.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it is drawn, after `plot`.
    figure_ : matplotlib Figure
        The figure of ``ax_``.

    Notes
    -----
    Equal predictions stay in one group, so there can be fewer groups than asked for. Cost: one
    sort.

    References
    ----------
    Wilson (1927), doi 10.1080/01621459.1927.10502953; Van Calster et al. (2019), doi
    10.1186/s12916-019-1466-7.

    Examples
    --------
    >>> from tracer_sklearn.inspection import ReliabilityDisplay
    >>> display = ReliabilityDisplay.from_predictions(
    ...     [0, 0, 1, 0, 1, 1], [0.1, 0.1, 0.1, 0.8, 0.8, 0.8], n_groups=2)
    >>> display.observed.round(3).tolist(), display.n_rows.tolist()
    ([0.333, 0.667], [3, 3])
    """

    _wants = "probabilities"

    def __init__(
        self,
        mean_predicted: np.ndarray,
        observed: np.ndarray,
        lower: np.ndarray,
        upper: np.ndarray,
        n_rows: np.ndarray,
        *,
        name: str | None = None,
    ) -> None:
        self.mean_predicted = mean_predicted
        self.observed = observed
        self.lower = lower
        self.upper = upper
        self.n_rows = n_rows
        self.name = name

    @classmethod
    def from_predictions(
        cls,
        y_true: Any,
        y_prob: Any,
        *,
        n_groups: int = 10,
        pos_label: Any = None,
        name: str | None = None,
        ax: Any = None,
        **line: Any,
    ) -> Self:
        """Draw the diagram of predicted probabilities.

        Parameters
        ----------
        y_true : array-like of shape (n,)
            The outcomes.
        y_prob : array-like of shape (n,)
            Probabilities of churn, in [0, 1].
        n_groups : int, default=10
            Groups of about equal size, at least 1; ten is the convention.
        pos_label : object, default=None
            The label of a churner. None takes 1, for labels that are Boolean, 0/1 or -1/1.
        name : str or None, default=None
            Name of the model for the legend.
        ax : matplotlib Axes or None, default=None
            Where to draw. None makes a new figure.
        **line
            Passed to `matplotlib.axes.Axes.plot`.

        Returns
        -------
        display : ReliabilityDisplay
            The drawn display.

        Raises
        ------
        DataError
            If values are missing or no probabilities.
        MissingDependencyError
            If matplotlib is not installed.
        """
        who = cls.__name__
        check_integer(who, "n_groups", n_groups, low=1)
        churned, scores = outcomes_and_scores(who, y_true, y_prob, pos_label)
        require_probabilities(who, scores)
        groups = equal_groups(scores, n_groups)
        sizes = np.bincount(groups)
        lower, upper = rate_interval(np.bincount(groups, weights=churned), sizes)
        display = cls(
            mean_by(groups, scores), mean_by(groups, churned), lower, upper, sizes, name=name
        )
        return display.plot(ax, **line)

    def plot(self, ax: Any = None, **line: Any) -> Self:
        """Draw the diagram; several models may share the axes.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw. None makes a new figure.
        **line
            Passed to `matplotlib.axes.Axes.plot`.

        Returns
        -------
        display : ReliabilityDisplay
            The display, with ``ax_`` and ``figure_``.
        """
        ax = axes_for(type(self).__name__, ax)
        shared = ax.get_xlim()[1] if ax.lines else 0.0
        top = max(nice_ceiling(float(max(self.upper.max(), self.mean_predicted.max()))), shared)
        draw_reference(ax, [0, 1], [0, 1], "perfect")
        label = None if self.name is None else plain(self.name)
        style = {"label": label, "marker": "o", "markersize": 5, "linewidth": 1.5, **line}
        (drawn,) = ax.plot(self.mean_predicted, self.observed, **style)
        ax.vlines(self.mean_predicted, self.lower, self.upper, color=drawn.get_color(), alpha=0.45)
        ax.set(
            xlabel="predicted probability, mean of group",
            ylabel="share that churned",
            xlim=(0, top),
            ylim=(0, top),
        )
        percent_axis(ax.xaxis)
        percent_axis(ax.yaxis)
        ax.legend(loc="upper left", frameon=False)
        self.ax_, self.figure_ = ax, ax.figure
        return self


class CalibrationOverTimeDisplay:
    """Mean prediction against the observed churn rate, snapshot by snapshot.

    Use it to find a model that has gone stale: a reference date that stands still leaves the AUC
    as it is and shows here at once.

    Parameters
    ----------
    times : ndarray of shape (n_times,)
        Snapshot dates, rising.
    mean_predicted, observed : ndarray of shape (n_times,)
        Mean prediction and share of churners at each.
    lower, upper : ndarray of shape (n_times,)
        95 % Wilson interval of ``observed``.
    name : str or None, default=None
        Name of the model for the legend.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it is drawn, after `plot`.
    figure_ : matplotlib Figure
        The figure of ``ax_``.

    Examples
    --------
    >>> import numpy as np
    >>> from tracer_sklearn.inspection import CalibrationOverTimeDisplay
    >>> dates = np.array(["2024-01-01", "2024-01-01", "2024-02-01"], dtype="datetime64[D]")
    >>> display = CalibrationOverTimeDisplay.from_predictions([0, 1, 0], [0.2, 0.4, 0.3], dates)
    >>> display.mean_predicted.round(2).tolist(), display.observed.tolist()
    ([0.3, 0.3], [0.5, 0.0])
    """

    def __init__(
        self,
        times: np.ndarray,
        mean_predicted: np.ndarray,
        observed: np.ndarray,
        lower: np.ndarray,
        upper: np.ndarray,
        *,
        name: str | None = None,
    ) -> None:
        self.times = times
        self.mean_predicted = mean_predicted
        self.observed = observed
        self.lower = lower
        self.upper = upper
        self.name = name

    @classmethod
    def from_predictions(
        cls,
        y_true: Any,
        y_prob: Any,
        times: Any,
        *,
        pos_label: Any = None,
        name: str | None = None,
        ax: Any = None,
        **line: Any,
    ) -> Self:
        """Draw predicted probabilities over time.

        Parameters
        ----------
        y_true : array-like of shape (n,)
            The outcomes.
        y_prob : array-like of shape (n,)
            Probabilities of churn, in [0, 1].
        times : array-like of shape (n,)
            Snapshot date of each row: dates, datetimes or numbers.
        pos_label : object, default=None
            The label of a churner. None takes 1, for labels that are Boolean, 0/1 or -1/1.
        name : str or None, default=None
            Name of the model for the legend.
        ax : matplotlib Axes or None, default=None
            Where to draw. None makes a new figure.
        **line
            Passed to `matplotlib.axes.Axes.plot`, for the predictions.

        Returns
        -------
        display : CalibrationOverTimeDisplay
            The drawn display.

        Raises
        ------
        DataError
            If values are missing, no probabilities, or times that are no dates.
        MissingDependencyError
            If matplotlib is not installed.
        """
        who = cls.__name__
        churned, scores = outcomes_and_scores(who, y_true, y_prob, pos_label)
        require_probabilities(who, scores)
        dates, groups = np.unique(_dates(who, times, len(scores)), return_inverse=True)
        sizes = np.bincount(groups)
        lower, upper = rate_interval(np.bincount(groups, weights=churned), sizes)
        display = cls(
            dates, mean_by(groups, scores), mean_by(groups, churned), lower, upper, name=name
        )
        return display.plot(ax, **line)

    def plot(self, ax: Any = None, **line: Any) -> Self:
        """Draw observed and predicted rates; several models may share the axes.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw. None makes a new figure.
        **line
            Passed to `matplotlib.axes.Axes.plot`, for the predictions.

        Returns
        -------
        display : CalibrationOverTimeDisplay
            The display, with ``ax_`` and ``figure_``.
        """
        ax = axes_for(type(self).__name__, ax)
        if not ax.lines:
            ax.vlines(self.times, self.lower, self.upper, color="C7", alpha=0.6)
            style = {"color": "C7", "linestyle": "none", "marker": "o", "markersize": 6}
            ax.plot(self.times, self.observed, label="observed", **style)
        label = "predicted" if self.name is None else plain(self.name)
        ax.plot(self.times, self.mean_predicted, **{"label": label, "linewidth": 2.0, **line})
        ax.set_ylim(0, max(1.25 * float(max(self.upper.max(), self.mean_predicted.max())), 0.01))
        ax.set(xlabel="snapshot", ylabel="churn rate")
        percent_axis(ax.yaxis)
        if self.times.dtype.kind == "M":
            _date_axis(ax)
        ax.legend(loc="lower right", frameon=False)
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _dates(who: str, times: Any, n_rows: int) -> np.ndarray:
    values = enter_target(times, n_rows, stage=who)
    if values.dtype == object:
        try:
            values = values.astype("datetime64[D]")
        except (TypeError, ValueError):
            raise DataError(
                f"{who}: times must be dates or numbers, found other objects; parse them first.",
                rule="date",
            ) from None
    if values.dtype.kind not in "Miuf":
        raise DataError(
            f"{who}: times must be dates or numbers, found {values.dtype}; parse them first.",
            rule="date",
        )
    unknown = int(np.isnan(values).sum())
    if unknown:
        raise DataError(
            f"{who}: times must be known in every row, found {unknown} missing; drop those rows.",
            rule="missing",
            n_rows=unknown,
        )
    return values


def _date_axis(ax: Any) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(minticks=3, maxticks=7)  # type: ignore[no-untyped-call]
    ax.xaxis.set_major_locator(locator)
    formatter = ConciseDateFormatter(locator)  # type: ignore[no-untyped-call]
    ax.xaxis.set_major_formatter(formatter)
