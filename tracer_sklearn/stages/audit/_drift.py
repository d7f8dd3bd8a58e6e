"""Watching whether the data of today still look like those of the training."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from typing import Any, NamedTuple

import narwhals.stable.v2 as nw
import numpy as np

from tracer_sklearn._numbers import count_unusable
from tracer_sklearn._params import check_choice, check_columns, check_integer, check_real
from tracer_sklearn.base import Counts, Stage
from tracer_sklearn.exceptions import DataError, DataQualityWarning
from tracer_sklearn.stages.audit._distances import (
    chance_of_gap,
    chance_of_psi,
    largest_gap,
    pooled,
    stability_index,
)
from tracer_sklearn.stages.audit._reference import (
    Reference,
    cells_from,
    cells_of,
    count_cells,
    reference_of,
)

__all__ = ["DriftMonitor"]

_FALSE_ALARMS = 0.01  # of a whole table in which nothing has moved
_MEASURES = 4
_IDENTIFIER_SHARE = 0.95
_FEWEST_FOR_IDENTIFIER = 50
_SHOWN = 10


class Drift(NamedTuple):
    """The measures of one column, each with its limit."""

    psi: float
    psi_limit: float
    ks: float
    ks_limit: float
    unusable_share: float
    unusable_change: float
    unseen_share: float
    unseen_limit: float
    share_limit: float

    @property
    def found(self) -> list[str]:
        """Name the measures beyond their limits; NaN is beyond none."""
        beyond = {
            "psi": self.psi > self.psi_limit,
            "ks": self.ks > self.ks_limit,
            "missing": abs(self.unusable_change) > self.share_limit,
            "unseen": self.unseen_share > self.unseen_limit,
        }
        return [name for name, is_beyond in beyond.items() if is_beyond]


class DriftMonitor(Stage):
    r"""Pass rows through, and warn when they no longer look like the training rows.

    Put it where raw columns enter a pipeline that scores batches for months. It keeps a small
    reference of each training column (quantiles, shares of levels, the share of missing cells)
    and compares batches of rows in memory with it; `report` compares any frame. It judges the
    inputs, not the model: a drift need not hurt, and a model can grow worse without one. It is
    of no use on single rows, nor on columns that move by nature, such as dates and running
    numbers; compute an age first, or leave them out.

    Parameters
    ----------
    columns : list of str, callable or None, default=None
        Columns to watch. None takes every number, flag and text column. Of these, and of what a
        callable chooses, text that hardly ever repeats (identifiers) is left out.
    max_psi : float > 0, default=0.2
        Population stability index beyond which a column has drifted; .1 and .25 are the
        customary bounds of a moderate and a large shift.
    max_ks : float in (0, 1], default=0.1
        Largest distance of two cumulative distributions beyond which a number has drifted; the
        same bound serves the change of the share of missing cells and the share of unseen ones,
        because for a column of two values the distance is the change of the share.
    min_rows : int >= 1, default=100
        Fewest rows of a batch that is judged; smaller ones say too little.
    on_drift : {"warn", "raise", "none"}, default="warn"
        What ``transform`` of rows in memory does about drift; ``none`` leaves it to `report`.

    Attributes
    ----------
    columns_ : list of str
        Columns that the stage watches.
    reference_ : dict of str to dict
        What is kept of each training column, as plain numbers and strings; levels of text are
        kept as they are (at most 1,000 a column).
    choices_ : dict of str to str
        Per column how it is watched, or why not.
    counts_ : dict of str to dict of str to int
        ``missing``, ``infinite`` and ``unseen`` cells of the training data.

    Raises
    ------
    ParameterError
        By ``fit``, for a value outside its legal set.
    SchemaError
        If a column is missing, or is neither number, flag nor text.
    DataError
        By ``transform``, for a drift, with ``on_drift="raise"``; ``column`` is the worst one.

    Warns
    -----
    DataQualityWarning
        By ``transform``, naming the columns that drifted and by what.

    Notes
    -----
    With training shares :math:`p_i` and shares :math:`q_i` at hand, half a cell added to each
    bin, :math:`\mathrm{PSI} = \sum_i (q_i - p_i) \ln (q_i / p_i)`. Bins are tenths of the
    training rows; single values where there are at most 20, and levels, from 1 % on. Smaller
    ones are merged, numbers with their neighbours and levels with all other small and unseen
    ones, until both sides expect 10 cells in each.
    :math:`\mathrm{KS} = \max_x |F(x) - G(x)|` is taken at the training twentieths, the ends, and
    at both sides of frequent values: exact for columns of at most 20 values, elsewhere below the
    exact distance by at most the twentieth that lies between two cuts. Missing and infinite
    cells take no part in PSI and KS; their share is compared by itself. *Unseen* are levels that
    training did not hold, and numbers beyond its ends by more than single precision. Of more
    than 1,000 levels a thousand are kept, chosen by a checksum of their text; what is gone of
    their share is taken for the share of unseen cells.

    Chance moves small batches beyond fixed bounds, and a wide table gives it many occasions. So
    the limit of each measure is its bound or, where that is larger, what chance exceeds in one
    of :math:`m/0.01` cases, m being four times the number of columns: of all batches in which
    nothing has moved, at most one in a hundred raises an alarm. With n training cells and b at
    hand, these are :math:`(1/n + 1/b)\,\chi^2_{B-1}` for a PSI of B bins, and
    :math:`\sqrt{\ln(2/\alpha)\,(1/n + 1/b)/2}` for gaps; to the limit of unseen cells comes the
    share of training levels that occurred once, which estimates the mass of the levels not seen.
    Rows are taken for independent: many rows of few customers move more than these limits allow.

    Only training rows are learnt from. Cost: linear in the rows, one query for all columns.

    References
    ----------
    Yurdakul & Naranjo (2020), doi 10.21314/JRMV.2020.227, for the distribution of the index.
    Wei & Dudley (2012), doi 10.1016/j.spl.2011.11.012, for the bound of the gap. Good (1953), doi
    10.1093/biomet/40.3-4.237, for the mass of unseen levels.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from tracer_sklearn import DriftMonitor
    >>> rng = np.random.default_rng(0)
    >>> train = pd.DataFrame({"spend": rng.lognormal(3, 1, 2000), "plan": ["a", "b"] * 1000})
    >>> later = pd.DataFrame({"spend": rng.lognormal(4, 1, 500), "plan": ["a", "c"] * 250})
    >>> monitor = DriftMonitor(on_drift="none").fit(train)
    >>> monitor.report(later)["drift"].to_dict()
    {'spend': 'psi, ks', 'plan': 'unseen'}
    >>> monitor.report(train)["drift"].to_dict()
    {'spend': '', 'plan': ''}
    """

    _reads_kinds = ("number", "flag", "text")

    def __init__(
        self,
        columns: Any = None,
        *,
        max_psi: float = 0.2,
        max_ks: float = 0.1,
        min_rows: int = 100,
        on_drift: str = "warn",
    ) -> None:
        self.columns = columns
        self.max_psi = max_psi
        self.max_ks = max_ks
        self.min_rows = min_rows
        self.on_drift = on_drift

    def _check_params(self) -> None:
        check_columns(self._name, "columns", self.columns)
        check_real(self._name, "max_psi", self.max_psi, low=0.0, low_open=True)
        check_real(self._name, "max_ks", self.max_ks, low=0.0, high=1.0, low_open=True)
        check_integer(self._name, "min_rows", self.min_rows, low=1)
        check_choice(self._name, "on_drift", self.on_drift, ("warn", "raise", "none"))

    def _fits(self, name: str, dtype: nw.dtypes.DType) -> bool:  # noqa: ARG002
        is_text = dtype in (nw.String, nw.Categorical, nw.Enum)
        return bool(dtype.is_numeric()) or dtype == nw.Boolean or is_text

    def _learn(self, frame: nw.DataFrame[Any], y: np.ndarray | None) -> None:  # noqa: ARG002
        self.reference_: dict[str, Reference] = {}
        self.choices_: dict[str, str] = {}
        watched = []
        for name in self.columns_:
            if not isinstance(self.columns, list | tuple) and _is_identifier(frame[name]):
                self.choices_[name] = "not watched: text that hardly ever repeats"
                continue
            reference = self.reference_[name] = reference_of(frame[name])
            self.choices_[name] = _shown(reference)
            watched.append(name)
        self.columns_ = watched
        counted = self._count_rows(frame.select(watched).to_native(), count_unusable)
        # what training holds is not unseen, and not to be compared with itself
        self.counts_ = {name: {**counts, "unseen": 0} for name, counts in counted.items()}

    def _count(self, frame: nw.LazyFrame[Any]) -> Counts:
        return {
            name: count_cells(name, dtype, self.reference_[name])
            for name, dtype in frame.collect_schema().items()
        }

    def _watch(self, frame: nw.LazyFrame[Any]) -> Counts:
        return {} if self.on_drift == "none" else self._count(frame)

    def _inspect(self, counts: Mapping[str, Mapping[str, int]], n_rows: int) -> None:
        if counts is self.counts_ or self.on_drift == "none" or n_rows < self.min_rows:
            return
        drifts = {name: self._drift(name, found, n_rows) for name, found in counts.items()}
        moved = {name: drift for name, drift in drifts.items() if drift.found}
        if not moved:
            return
        worst = sorted(moved, key=lambda name: _excess(moved[name]), reverse=True)
        shown = "; ".join(f"{name!r}: {_described(moved[name])}" for name in worst[:_SHOWN])
        if len(worst) > _SHOWN:
            shown += f"; and {len(worst) - _SHOWN} more"
        message = (
            f"{self._name}: rows must be distributed as in training, {len(worst)} of "
            f"{len(drifts)} columns are not ({shown}); look at report(X), then fit again or mend "
            "the source."
        )
        if self.on_drift == "raise":
            raise DataError(message, column=worst[0], rule="drift", n_rows=n_rows)
        warnings.warn(message, DataQualityWarning, stacklevel=4)

    def report(self, X: Any) -> Any:
        """Compare any frame with the training rows, whatever ``on_drift`` says.

        Parameters
        ----------
        X : {array-like, pandas, Polars or PyArrow frame, lazy frame} of shape (n_rows, n_columns)
            Rows to look at; a lazy frame is answered by one query.

        Returns
        -------
        drift : pandas.DataFrame of shape (n_watched_columns, 13)
            One row a column: ``missing``, ``infinite`` and ``unseen`` cells; ``psi`` and ``ks``
            with their limits (NaN where there is nothing to compare); ``missing_share`` of
            missing and infinite cells and ``missing_change`` since training with ``share_limit``;
            ``unseen_share`` with ``unseen_limit``; and ``drift``, the names of the measures
            beyond their limits, empty where there are none or the frame has fewer than
            ``min_rows`` rows. ``drift.attrs["n_rows"]`` has the number of rows.
        """
        counted = super().report(X)
        n_rows = counted.attrs["n_rows"]
        rows: dict[str, list[Any]] = {name: [] for name in _REPORT}
        for name in counted.index:
            counts = counted.loc[name].to_dict()
            drift = self._drift(name, counts, n_rows)
            present = cells_from(self.reference_[name], counts, n_rows).present
            unseen = round(drift.unseen_share * present) if drift.unseen_share > 0 else 0
            values = (
                counts["missing"],
                counts["infinite"],
                unseen,
                *drift,
                ", ".join(drift.found) if n_rows >= self.min_rows else "",
            )
            for key, value in zip(_REPORT, values, strict=True):
                rows[key].append(value)
        out = nw.from_dict(rows, backend="pandas").to_native().set_axis(counted.index, axis=0)
        out.attrs["n_rows"] = n_rows
        return out

    def _drift(self, name: str, counts: Mapping[str, int], n_rows: int) -> Drift:
        reference = self.reference_[name]
        then, now = cells_of(reference), cells_from(reference, counts, n_rows)
        level = _FALSE_ALARMS / (_MEASURES * len(self.reference_))
        psi = ks = unseen = change = share = math.nan
        psi_limit = ks_limit = unseen_limit = share_limit = math.nan
        if n_rows:
            share = now.unusable / n_rows
            change = share - then.unusable / then.n_rows
            share_limit = max(self.max_ks, chance_of_gap(then.n_rows, n_rows, level))
        if then.present and now.present:
            is_number = bool(reference["cuts"])
            merged = pooled(then.bins, now.bins, reference["bin_share"], ordered=is_number)
            psi = stability_index(*merged)
            of_psi = chance_of_psi(then.present, now.present, len(merged[0]), level)
            psi_limit = max(self.max_psi, of_psi)
            chance = chance_of_gap(then.present, now.present, level)
            gap = max(self.max_ks, chance)
            if is_number:
                ks, ks_limit = largest_gap(then.bins, now.bins), gap
            # of many levels some are kept: how many of their cells are gone tells of all
            kept = reference["n_known"] / then.present
            unseen = 1 - (now.present - now.unseen) / now.present / kept
            if kept < 1:
                gap = max(self.max_ks, 2 * chance * math.sqrt((1 - kept) / kept))
            unseen_limit = gap + reference["singles"] / then.present
        return Drift(psi, psi_limit, ks, ks_limit, share, change, unseen, unseen_limit, share_limit)


_REPORT = (
    "missing",
    "infinite",
    "unseen",
    "psi",
    "psi_limit",
    "ks",
    "ks_limit",
    "missing_share",
    "missing_change",
    "unseen_share",
    "unseen_limit",
    "share_limit",
    "drift",
)


def _is_identifier(series: nw.Series[Any]) -> bool:
    if series.dtype.is_numeric() or series.dtype == nw.Boolean:
        return False
    values = series.drop_nulls()
    if len(values) < _FEWEST_FOR_IDENTIFIER:
        return False
    return values.n_unique() > _IDENTIFIER_SHARE * len(values)


def _shown(reference: Reference) -> str:
    if reference["cuts"]:
        return f"watched at {len(reference['cuts'])} cuts"
    if not reference["levels"]:
        return "watched for cells that are no longer missing"
    return (
        f"watched by its {len(reference['levels'])} most frequent levels, "
        f"and by {len(reference['known'])} for unseen ones"
    )


def _excess(drift: Drift) -> float:
    """Return the largest multiple of its limit that a measure reaches."""
    pairs = (
        (drift.psi, drift.psi_limit),
        (drift.ks, drift.ks_limit),
        (abs(drift.unusable_change), drift.share_limit),
        (drift.unseen_share, drift.unseen_limit),
    )
    return max((value / limit for value, limit in pairs if value == value), default=0.0)


def _described(drift: Drift) -> str:
    words = {
        "psi": f"PSI {drift.psi:.2f} > {drift.psi_limit:.2f}",
        "ks": f"KS {drift.ks:.2f} > {drift.ks_limit:.2f}",
        "missing": f"missing share {drift.unusable_change:+.2f}",
        "unseen": f"{drift.unseen_share:.0%} unseen",
    }
    return ", ".join(words[name] for name in drift.found)
