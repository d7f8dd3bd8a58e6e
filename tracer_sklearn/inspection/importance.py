"""Permutation importance of groups of columns that say the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import polars as pl
from sklearn.metrics import check_scoring
from sklearn.utils import check_random_state

from tracer_sklearn._frame import Entered, enter, enter_target, leave
from tracer_sklearn._params import check_integer, fail
from tracer_sklearn.exceptions import InputTypeError, SchemaError
from tracer_sklearn.inspection._outcomes import axes_for, plain

__all__ = ["GroupedImportanceDisplay"]


class GroupedImportanceDisplay:
    """Importance of groups of columns: what a model loses when a group is shuffled together.

    Use it to learn what a model lives on. Columns that tell the same story, such as a recency
    and its score, hide each other when they are shuffled one by one: put them into one group.
    It says what the model uses, not what causes churn.

    Parameters
    ----------
    losses : dict of str to ndarray of shape (n_repeats,)
        By group, how much lower the score is after shuffling; may be negative by chance.
    metric : str
        Name of the score, for the axis.
    name : str or None, default=None
        Name of the model for the title.

    Attributes
    ----------
    ranking : list of str
        Groups by falling mean loss.
    ax_ : matplotlib Axes
        Where it is drawn, after `plot`.
    figure_ : matplotlib Figure
        The figure of ``ax_``.

    Notes
    -----
    Shuffle the features of a time-aware pipeline, not its raw columns: a date that moves to
    another row's snapshot may lie in that row's future. Split the fitted pipeline behind its step
    ``features``. Cost: ``n_repeats`` predictions a group.

    References
    ----------
    Fisher, Rudin & Dominici (2019), arXiv 1801.01489; Au et al. (2022), doi
    10.1007/s10618-022-00840-5, on groups.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn.linear_model import LogisticRegression
    >>> from tracer_sklearn.inspection import GroupedImportanceDisplay
    >>> X = pd.DataFrame({"a": [0.0, 1.0] * 50, "b": [1.0, 2.0, 3.0, 4.0] * 25})
    >>> y = X["a"].astype(int)
    >>> model = LogisticRegression().fit(X, y)
    >>> display = GroupedImportanceDisplay.from_estimator(model, X, y, random_state=0)
    >>> display.ranking
    ['a', 'b']
    """

    #: Groups that are drawn at most.
    most_shown: ClassVar[int] = 20

    def __init__(
        self, losses: Mapping[str, np.ndarray], *, metric: str, name: str | None = None
    ) -> None:
        self.losses = losses
        self.metric = metric
        self.name = name

    @property
    def ranking(self) -> list[str]:
        """Return the groups by falling mean loss."""
        return sorted(self.losses, key=lambda group: -float(np.mean(self.losses[group])))

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        groups: Mapping[str, Sequence[str]] | None = None,
        scoring: str = "roc_auc",
        n_repeats: int = 5,
        random_state: Any = None,
        name: str | None = None,
        ax: Any = None,
    ) -> Self:
        """Shuffle each group of columns and draw what the score loses.

        Parameters
        ----------
        estimator : fitted estimator
            What is to be explained.
        X : pandas.DataFrame, polars.DataFrame, pyarrow.Table or array of shape (n, n_columns)
            Rows that were not used to fit it.
        y : array-like of shape (n,)
            Their outcomes.
        groups : mapping of str to list of str or None, default=None
            Names of groups to the columns that are shuffled together. Columns that no group
            names are left alone. None: every column is a group of its own.
        scoring : str, default="roc_auc"
            Name of a scikit-learn score; higher is better.
        n_repeats : int, default=5
            Shuffles of each group, at least 1.
        random_state : int, RandomState instance or None, default=None
            Seed of the shuffles.
        name : str or None, default=None
            Name of the model for the title.
        ax : matplotlib Axes or None, default=None
            Where to draw. None makes a new figure.

        Returns
        -------
        display : GroupedImportanceDisplay
            The drawn display.

        Raises
        ------
        ParameterError
            If `groups` is empty, or `n_repeats` is no positive integer.
        InputTypeError
            If X is lazy.
        SchemaError
            If a group names a column that X lacks.
        MissingDependencyError
            If matplotlib is not installed.
        """
        who = cls.__name__
        check_integer(who, "n_repeats", n_repeats, low=1)
        entered = enter(X, stage=who)
        if entered.is_lazy:
            raise InputTypeError(
                f"{who}: X must be in memory to be shuffled, found a lazy frame; collect it first.",
                stage=who,
                received=type(X).__qualname__,
            )
        groups = _groups(who, groups, entered.names)
        score = check_scoring(estimator, scoring=scoring)
        target = enter_target(y, entered.n_rows, stage=who)
        rng = check_random_state(random_state)
        before = score(estimator, X, target)
        losses = {}
        for group, columns in groups.items():
            table = entered.cross(columns)
            after = [
                score(estimator, _with(entered, table[rng.permutation(entered.n_rows)]), target)
                for _ in range(n_repeats)
            ]
            losses[group] = before - np.asarray(after)
        return cls(losses, metric=scoring, name=name).plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw the groups, the most important one on top; at most twenty.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw. None makes a new figure.

        Returns
        -------
        display : GroupedImportanceDisplay
            The display, with ``ax_`` and ``figure_``.
        """
        ax = axes_for(type(self).__name__, ax)
        shown = self.ranking[: self.most_shown]
        for place, group in enumerate(shown):
            loss = np.asarray(self.losses[group])
            ax.barh(place, loss.mean(), color="C0", height=0.62)
            ax.hlines(place, loss.min(), loss.max(), color="C7", linewidth=1.5)
        ax.axvline(0, color="C7", linewidth=0.8)
        ax.set_yticks(range(len(shown)), [plain(group) for group in shown])
        ax.set_ylim(len(shown) - 0.5, -0.5)
        ax.set_xlabel(f"{plain(self.metric)} lost when shuffled")
        if self.name is not None:
            ax.set_title(plain(self.name))
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _with(entered: Entered, shuffled: pl.DataFrame) -> Any:
    return leave(entered, shuffled, entered.names, "default")


def _groups(
    who: str, groups: Mapping[str, Sequence[str]] | None, names: Sequence[str]
) -> dict[str, list[str]]:
    if groups is None:
        return {name: [name] for name in names}
    if not groups or not all(groups.values()):
        raise fail(who, "groups", "None or a mapping of names to columns, none empty", groups)
    known = set(names)
    missing = [name for columns in groups.values() for name in columns if name not in known]
    if missing:
        raise SchemaError.from_missing(who, missing, names)
    return {group: list(columns) for group, columns in groups.items()}
