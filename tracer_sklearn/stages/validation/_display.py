"""A plot of the quality of every column."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from tracer_sklearn.exceptions import MissingDependencyError

if TYPE_CHECKING:
    from tracer_sklearn.stages.validation._report import QualityReport

_MOST_SHOWN = 40


class QualityDisplay:
    """Completeness and validity of every column, as bars.

    Made by `QualityReport.plot`; make it yourself to draw figures that come from elsewhere.

    Parameters
    ----------
    names : list of str
        The columns, first on top.
    complete : ndarray of shape (n_columns,)
        Share of the cells that hold something.
    valid : ndarray of shape (n_columns,)
        Share of the cells that hold something and break no rule.
    score : float
        Overall score for the title.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it is drawn, after `plot`.
    figure_ : matplotlib Figure
        The figure of ``ax_``.

    Examples
    --------
    >>> import pandas as pd
    >>> import tracer_sklearn as ts
    >>> X = pd.DataFrame({"spend": [1.0, None, float("inf"), 4.0], "visits": [1, 2, 3, 4]})
    >>> display = ts.DataValidator(on_fail="warn").report(X).plot()
    >>> display.complete.tolist(), display.valid.tolist()
    ([0.75, 1.0], [0.5, 1.0])
    """

    def __init__(
        self, names: list[str], complete: np.ndarray, valid: np.ndarray, score: float
    ) -> None:
        self.names = names
        self.complete = complete
        self.valid = valid
        self.score = score

    @classmethod
    def from_report(cls, report: QualityReport) -> Self:
        """Take the figures of a report: the 40 columns with the fewest valid cells, in order.

        Parameters
        ----------
        report : QualityReport
            The report.

        Returns
        -------
        display : QualityDisplay
            Ready to draw.
        """
        complete = np.array([column.completeness for column in report.columns])
        valid = complete * np.array([column.validity for column in report.columns])
        shown = np.sort(np.argsort(valid, kind="stable")[:_MOST_SHOWN])
        names = [report.columns[i].name for i in shown]
        return cls(names, complete[shown], valid[shown], report.score)

    def plot(self, ax: Any = None) -> Self:
        """Draw the bars.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw. None makes a new figure.

        Returns
        -------
        display : QualityDisplay
            The display, with ``ax_`` and ``figure_``.

        Raises
        ------
        MissingDependencyError
            If matplotlib is not installed.
        """
        if ax is None:
            try:
                import matplotlib.pyplot as plt
            except ImportError as error:
                raise MissingDependencyError.from_extra("QualityDisplay", "plots") from error
            height = 1.2 + 0.3 * len(self.names)
            _, ax = plt.subplots(figsize=(7.0, height), layout="constrained")
        at = np.arange(len(self.names))
        ax.barh(at, self.complete, color="C1", alpha=0.5, label="present, breaks a rule")
        ax.barh(at, self.valid, color="C0", label="present and valid")
        # a dollar would begin a formula
        ax.set_yticks(at, [name.replace("$", r"\$") for name in self.names])
        ax.invert_yaxis()
        ax.set(xlim=(0, 1), xlabel="share of the rows", title=f"Quality {self.score:.1f} of 100")
        ax.legend(loc="lower left", frameon=True)
        self.ax_, self.figure_ = ax, ax.figure
        return self
