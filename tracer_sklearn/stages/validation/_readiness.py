"""The last look before the model."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import polars as pl

from tracer_sklearn._params import check_choice
from tracer_sklearn.base import Counts, Stage
from tracer_sklearn.exceptions import DataQualityWarning, QualityError

_ON_FAIL = ("raise", "warn")
_MOST_NAMED = 5
# between the name of a column and what a stage made of it, as in "plan_type__pro"
_MADE_OF = "__"
# no training row is there, unless a level was rare: CategoryEncoder keeps it for unseen ones
_KEPT_FOR_UNSEEN = "__other"


class ReadinessCheck(Stage):
    """Make sure that a model can take the table; hand it on unchanged.

    Put it before the model, where an error should name a column instead of a position: every
    column must be a number or a flag, without missing or infinite cells, vary, and differ from
    the others. `DataValidator` judges raw tables; this one judges features.

    Parameters
    ----------
    on_fail : {"raise", "warn"}, default="raise"
        What to do with a table that is not ready. An error by default: few models forgive.

    Attributes
    ----------
    findings_ : dict of str to str
        What broke readiness in the training rows, by column; empty where nothing did.
    columns_ : list of str
        All columns.
    counts_ : dict of str to dict of str to int
        Missing and infinite cells of the training rows, by column.
    n_features_in_ : int
        Number of columns seen in ``fit``.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Their names; only where the input had names.

    Raises
    ------
    ParameterError
        By ``fit``, for an illegal parameter.
    QualityError
        By ``fit`` and by ``transform`` of rows in memory, where ``on_fail="raise"``.
    SchemaError
        If two columns bear one name.

    Warns
    -----
    DataQualityWarning
        In the same cases, where ``on_fail="warn"``.

    See Also
    --------
    DataValidator : Judges the raw table.

    Notes
    -----
    Kinds, missing and infinite cells are looked for in every table in memory; constant and equal
    columns in training rows only, from two rows on, because a batch may be of one kind of
    customer; the ``__other`` columns that `CategoryEncoder` keeps for unseen levels may be both.
    Lazy frames pass unread: ``report(X)`` counts. The source of a column is what stands
    before ``__`` in its name, as the package's stages write it. Cost: linear in the cells. Nothing
    is learnt, so nothing leaks.

    Examples
    --------
    >>> import pandas as pd
    >>> from tracer_sklearn import ReadinessCheck
    >>> X = pd.DataFrame({"spend": [1.0, 2.0, 3.0], "plan_type__pro": [0.0, None, 1.0]})
    >>> ReadinessCheck().fit(X)
    Traceback (most recent call last):
        ...
    tracer_sklearn.exceptions.QualityError: ReadinessCheck: every column must be ready for a model,
    'plan_type__pro' (made of 'plan_type') has 1 missing (NaN or null) cells; impute it before the
    model.
    """

    def __init__(self, *, on_fail: str = "raise") -> None:
        self.on_fail = on_fail

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = self.on_fail != "raise"
        return tags

    def _check_params(self) -> None:
        check_choice(self._name, "on_fail", self.on_fail, _ON_FAIL)

    def _fits(self, name: str, dtype: nw.dtypes.DType) -> bool:  # noqa: ARG002
        return True

    def _learn(self, frame: nw.DataFrame[Any], y: np.ndarray | None) -> None:  # noqa: ARG002
        self.findings_: dict[str, str] = {}
        table: pl.DataFrame = frame.to_native()
        ready = [name for name, kind in self._kinds_.items() if kind in ("number", "flag")]
        varied = table.select([name for name in ready if not name.endswith(_KEPT_FOR_UNSEEN)])
        if table.height > 1:
            self.findings_ |= dict(_constant(varied))
            self.findings_ |= dict(_alike(varied))
        for name, kind in self._kinds_.items():
            if name not in ready:
                self.findings_[name] = f"is {kind}, no number; encode it, or drop it"

    def _count(self, frame: nw.LazyFrame[Any]) -> Counts:
        counts = {}
        for name, dtype in frame.collect_schema().items():
            cells = nw.col(name)
            counts[name] = {"missing": cells.is_null().sum(), "infinite": nw.lit(0)}
            if dtype.is_float():
                nothing = cells.is_null() | cells.is_nan().fill_null(value=False)
                counts[name] = {
                    "missing": nothing.sum(),
                    "infinite": (~cells.is_finite() & ~nothing).fill_null(value=False).sum(),
                }
        return counts

    def _inspect(self, counts: Mapping[str, Mapping[str, int]], n_rows: int) -> None:  # noqa: ARG002
        broken: dict[str, str] = {}
        for name, found in counts.items():
            if found["missing"]:
                broken[name] = (
                    f"has {found['missing']:,} missing (NaN or null) cells; impute it before the "
                    "model"
                )
            elif found["infinite"]:
                broken[name] = f"has {found['infinite']:,} infinite (inf) cells; cap or clear them"
        if counts is self.counts_:  # in fit, where the rows at hand are the training rows
            self.findings_ = broken = {**self.findings_, **broken}
        if broken:
            self._say(broken, counts)

    def _say(self, broken: Mapping[str, str], counts: Mapping[str, Mapping[str, int]]) -> None:
        first = next(iter(broken))
        told = ", ".join(
            f"{name!r}{_source(name)} {what}" for name, what in list(broken.items())[:_MOST_NAMED]
        )
        more = f" and {len(broken) - _MOST_NAMED} more" if len(broken) > _MOST_NAMED else ""
        message = f"{self._name}: every column must be ready for a model, {told}{more}."
        if self.on_fail == "raise":
            n_rows = sum(counts.get(first, {}).values())
            raise QualityError(message, column=first, rule="ready", n_rows=n_rows)
        warnings.warn(message, DataQualityWarning, stacklevel=5)


def _source(name: str) -> str:
    source, made, _ = name.partition(_MADE_OF)
    return f" (made of {source!r})" if made and source else ""


def _constant(table: pl.DataFrame) -> Iterator[tuple[str, str]]:
    for series in table:
        values = series.drop_nulls()
        values = values.drop_nans() if values.dtype.is_float() else values
        if len(values) and values.min() == values.max():
            yield series.name, "is constant; drop it"


def _alike(table: pl.DataFrame) -> Iterator[tuple[str, str]]:
    """Find columns that repeat an earlier one, cell by cell."""
    seen: dict[tuple[Any, ...], list[pl.Series]] = {}
    for series in table:
        values = series.cast(pl.Float64).fill_nan(None)
        # equal columns agree in these; the cells decide
        marks = (values.null_count(), values.min(), values.max(), *values.head(3).to_list())
        earlier = seen.setdefault(marks, [])
        twin = next((other for other in earlier if other.equals(values, null_equal=True)), None)
        if twin is None:
            earlier.append(values)
        else:
            yield series.name, f"repeats {twin.name!r} cell by cell; drop one of them"
