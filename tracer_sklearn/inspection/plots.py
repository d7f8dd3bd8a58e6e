"""Displays of how a model ranks: cumulative gains, lift and the distribution of scores."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from tracer_sklearn._params import check_choice, check_integer
from tracer_sklearn.inspection._outcomes import (
    PredictionDisplay,
    axes_for,
    draw_reference,
    outcomes_and_scores,
    percent_axis,
    plain,
    require_both_outcomes,
)

__all__ = ["CumulativeGainsDisplay", "ScoreDistributionDisplay"]

_KINDS = ("gains", "lift")


class CumulativeGainsDisplay(PredictionDisplay):
    """Cumulative gains and lift: how many churners a campaign of each size reaches.

    Use it to choose the size of a campaign and to compare models by ranking. It looks at ranks
    only: `ReliabilityDisplay` tells whether the probabilities can be believed.

    Parameters
    ----------
    share_contacted : ndarray of shape (n_points,)
        Share of the customers contacted, highest scores first; from 0 to 1.
    share_captured : ndarray of shape (n_points,)
        Share of all churners among them; from 0 to 1.
    base_rate : float
        Share of churners among all customers.
    name : str or None, default=None
        Name of the model for the legend.

    Attributes
    ----------
    lift : ndarray of shape (n_points - 1,)
        ``share_captured / share_contacted`` from the second point on.
    ax_ : matplotlib Axes
        Where the curve is drawn, after `plot`.
    figure_ : matplotlib Figure
        The figure of ``ax_``.

    See Also
    --------
    tracer_sklearn.tasks.metrics.top_decile_lift : The lift at 10 % as a number.

    Notes
    -----
    Rows with equal scores make one straight piece, which is the expectation over their random
    order: the curve does not depend on the order of rows. Cost: one sort.

    Examples
    --------
    >>> from tracer_sklearn.inspection import CumulativeGainsDisplay
    >>> display = CumulativeGainsDisplay.from_predictions([0, 1, 0, 1], [0.1, 0.8, 0.3, 0.2])
    >>> display.share_captured.tolist()
    [0.0, 0.5, 0.5, 1.0, 1.0]
    """

    def __init__(
        self,
        share_contacted: np.ndarray,
        share_captured: np.ndarray,
        base_rate: float,
        *,
        name: str | None = None,
    ) -> None:
        self.share_contacted = share_contacted
        self.share_captured = share_captured
        self.base_rate = base_rate
        self.name = name

    @property
    def lift(self) -> np.ndarray:
        """Return how many times the base rate the churn rate among those contacted is."""
        return np.asarray(self.share_captured[1:] / self.share_contacted[1:])

    @classmethod
    def from_predictions(
        cls,
        y_true: Any,
        y_score: Any,
        *,
        pos_label: Any = None,
        name: str | None = None,
        kind: str = "gains",
        ax: Any = None,
        **line: Any,
    ) -> Self:
        """Draw the curve of scores.

        Parameters
        ----------
        y_true : array-like of shape (n,)
            The outcomes.
        y_score : array-like of shape (n,)
            Scores or probabilities of churn; higher is riskier.
        pos_label : object, default=None
            The label of a churner. None takes 1, for labels that are Boolean, 0/1 or -1/1.
        name : str or None, default=None
            Name of the model for the legend.
        kind : {"gains", "lift"}, default="gains"
            Share of the churners reached, or how many times better than chance that is.
        ax : matplotlib Axes or None, default=None
            Where to draw. None makes a new figure.
        **line
            Passed to `matplotlib.axes.Axes.plot`.

        Returns
        -------
        display : CumulativeGainsDisplay
            The drawn display.

        Raises
        ------
        DataError
            If values are missing, or only one outcome occurs.
        MissingDependencyError
            If matplotlib is not installed.
        """
        who = cls.__name__
        churned, scores = outcomes_and_scores(who, y_true, y_score, pos_label)
        require_both_outcomes(who, churned)
        order = np.argsort(-scores, kind="stable")
        last_of_tie = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
        captured = np.cumsum(churned[order])[last_of_tie] / churned.sum()
        contacted = (last_of_tie + 1) / len(scores)
        display = cls(
            np.append(0.0, contacted),
            np.append(0.0, captured),
            float(churned.mean()),
            name=name,
        )
        return display.plot(ax, kind=kind, **line)

    def plot(self, ax: Any = None, *, kind: str = "gains", **line: Any) -> Self:
        """Draw the curve; several models may share the axes.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw. None makes a new figure.
        kind : {"gains", "lift"}, default="gains"
            Share of the churners reached, or how many times better than chance that is. The
            lift of less than 1 % of the customers is not drawn: it is noise.
        **line
            Passed to `matplotlib.axes.Axes.plot`.

        Returns
        -------
        display : CumulativeGainsDisplay
            The display, with ``ax_`` and ``figure_``.
        """
        check_choice(type(self).__name__, "kind", kind, _KINDS)
        ax = axes_for(type(self).__name__, ax)
        if kind == "gains":
            draw_reference(ax, [0, 1], [0, 1], "at random")
            x, y = self.share_contacted, self.share_captured
            ax.set(ylabel="churners reached", xlim=(0, 1), ylim=(0, 1.01))
            percent_axis(ax.yaxis)
        else:
            draw_reference(ax, [0, 1], [1, 1], "at random")
            drawn = self.share_contacted[1:] >= 0.01
            x, y = self.share_contacted[1:][drawn], self.lift[drawn]
            ax.set(ylabel="lift over the base rate", xlim=(0, 1))
        label = None if self.name is None else plain(self.name)
        ax.plot(x, y, **{"label": label, "linewidth": 2.0, **line})
        ax.set_xlabel("customers contacted, highest score first")
        percent_axis(ax.xaxis)
        ax.legend(loc="lower right" if kind == "gains" else "upper right", frameon=False)
        self.ax_, self.figure_ = ax, ax.figure
        return self


class ScoreDistributionDisplay(PredictionDisplay):
    """Distribution of the scores of those who churned and those who stayed.

    Use it to see where a threshold could lie and how many customers it would reach. It shows one
    model; for several draw several axes.

    Parameters
    ----------
    bin_edges : ndarray of shape (n_bins + 1,)
        Edges of the bins of scores.
    churned, stayed : ndarray of shape (n_bins,)
        Share of those who churned (stayed) whose score falls into each bin; each sums to 1.
    name : str or None, default=None
        Name of the model for the title.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it is drawn, after `plot`.
    figure_ : matplotlib Figure
        The figure of ``ax_``.

    Examples
    --------
    >>> from tracer_sklearn.inspection import ScoreDistributionDisplay
    >>> display = ScoreDistributionDisplay.from_predictions(
    ...     [0, 0, 1, 1], [0.0, 0.2, 0.6, 1.0], n_bins=2)
    >>> display.churned.tolist(), display.stayed.tolist()
    ([0.0, 1.0], [1.0, 0.0])
    """

    def __init__(
        self,
        bin_edges: np.ndarray,
        churned: np.ndarray,
        stayed: np.ndarray,
        *,
        name: str | None = None,
    ) -> None:
        self.bin_edges = bin_edges
        self.churned = churned
        self.stayed = stayed
        self.name = name

    @classmethod
    def from_predictions(
        cls,
        y_true: Any,
        y_score: Any,
        *,
        n_bins: int = 40,
        pos_label: Any = None,
        name: str | None = None,
        ax: Any = None,
    ) -> Self:
        """Draw the distribution of scores by outcome.

        Parameters
        ----------
        y_true : array-like of shape (n,)
            The outcomes; both must occur.
        y_score : array-like of shape (n,)
            Scores or probabilities of churn.
        n_bins : int, default=40
            Bins of equal width over the range of the scores, at least 1.
        pos_label : object, default=None
            The label of a churner. None takes 1, for labels that are Boolean, 0/1 or -1/1.
        name : str or None, default=None
            Name of the model for the title.
        ax : matplotlib Axes or None, default=None
            Where to draw. None makes a new figure.

        Returns
        -------
        display : ScoreDistributionDisplay
            The drawn display.

        Raises
        ------
        DataError
            If values are missing, or only one outcome occurs.
        MissingDependencyError
            If matplotlib is not installed.
        """
        who = cls.__name__
        check_integer(who, "n_bins", n_bins, low=1)
        churned, scores = outcomes_and_scores(who, y_true, y_score, pos_label)
        require_both_outcomes(who, churned)
        edges = np.histogram_bin_edges(scores, bins=n_bins)
        counts = [np.histogram(scores[rows], bins=edges)[0] for rows in (churned, ~churned)]
        shares = [count / count.sum() for count in counts]
        return cls(edges, shares[0], shares[1], name=name).plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw the two distributions.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw. None makes a new figure.

        Returns
        -------
        display : ScoreDistributionDisplay
            The display, with ``ax_`` and ``figure_``.
        """
        ax = axes_for(type(self).__name__, ax)
        for shares, label, color in (
            (self.stayed, "stayed", "C0"),
            (self.churned, "churned", "C1"),
        ):
            ax.stairs(shares, self.bin_edges, fill=True, color=color, alpha=0.3)
            ax.stairs(shares, self.bin_edges, color=color, linewidth=1.5, label=label)
        ax.set(xlabel="predicted score", ylabel="share of that outcome")
        percent_axis(ax.yaxis)
        if self.name is not None:
            ax.set_title(plain(self.name))
        ax.legend(loc="upper right", frameon=False)
        self.ax_, self.figure_ = ax, ax.figure
        return self
