"""The template of every stage: what scikit-learn asks for, written once."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import polars as pl
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from tracer_sklearn._frame import (
    Entered,
    container_of,
    enter,
    enter_target,
    gather,
    leave,
    leave_gathered,
    leave_lazy,
    pick_columns,
)
from tracer_sklearn._params import check_choice, check_columns
from tracer_sklearn._plan import Build, Plan
from tracer_sklearn.exceptions import InputTypeError, SchemaError
from tracer_sklearn.schema import fit_only_fields

__all__ = ["Stage"]

Counts = Mapping[str, Mapping[str, nw.Expr]]
Count = Callable[[nw.LazyFrame[Any]], Counts]
Apply = Callable[[nw.LazyFrame[Any]], Mapping[str, nw.Expr]]
_MAX_PLANS = 16


class Stage(TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):  # type: ignore[misc,call-arg]
    """Base class of the package's transformers, and of your own.

    A stage learns plain values from rows in memory and applies them as narwhals expressions on
    any engine. Derive from it when a transformation keeps every row and can be written as
    expressions over the columns of one frame; for anything else scikit-learn's own base classes
    serve better. A subclass stores its parameters in ``__init__`` and writes up to seven hooks:

    ``_check_params()``
        Raise `ParameterError` for illegal parameters. Called by ``fit``.
    ``_bind(schema)``
        Return the names of the columns that the stage reads. The default takes the ``columns``
        parameter, or every column for which ``_fits`` is true.
    ``_learn(frame, y)``
        Set attributes that end in an underscore, as plain values, from a narwhals frame in
        memory that holds the bound columns.
    ``_prepare(frame)``
        Return the frame with helper columns, step by step, where expressions would repeat long
        parts of one another. ``_apply`` and ``_count`` read them; none leaves.
    ``_apply(frame)``
        Return the made columns as a dict of narwhals expressions. ``frame`` is lazy and may lack
        a column that only ``fit`` needs. Never collect, never depend on other rows.
    ``_names_out(names, made)``
        Return which columns leave, in order. The default keeps what came in and appends the rest.
    ``_count(frame)``
        Return what `report` counts: for each column a dict of aggregating expressions.

    Attributes
    ----------
    columns_ : list of str
        Columns that the stage reads.
    counts_ : dict of str to dict of str to int
        What `report` counts, for the training data.
    n_features_in_ : int
        Number of columns seen in ``fit``.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Their names; only where the input had names.

    Examples
    --------
    >>> import narwhals.stable.v2 as nw
    >>> import pandas as pd
    >>> from tracer_sklearn import Stage
    >>> class Centre(Stage):
    ...     def __init__(self, columns=None):
    ...         self.columns = columns
    ...     def _learn(self, frame, y):
    ...         self.means_ = {name: frame[name].mean() for name in self.columns_}
    ...     def _apply(self, frame):
    ...         return {name: nw.col(name) - self.means_[name] for name in frame.columns}
    >>> Centre(["a"]).fit_transform(pd.DataFrame({"a": [1.0, 3.0], "b": [5, 6]}))
         a  b
    0 -1.0  5
    1  1.0  6
    """

    #: Kinds of column that the stage can read: number, flag, text, date, duration; all if empty.
    _reads_kinds: ClassVar[tuple[str, ...]] = ()

    #: Whether the rows at hand decide on dtypes; lazy frames, whose schema is fixed, keep theirs.
    _dtypes_follow_rows: ClassVar[bool] = False

    #: Whether ``transform`` needs rows of the past and so collects a lazy frame, once.
    _gathers: ClassVar[bool] = False

    # -- hooks ----------------------------------------------------------------------------

    def _check_params(self) -> None:
        """Raise ParameterError for illegal parameters."""

    def _fits(self, name: str, dtype: nw.dtypes.DType) -> bool:  # noqa: ARG002
        """Tell whether ``columns=None`` includes this column."""
        return bool(dtype.is_numeric())

    def _bind(self, schema: Mapping[str, nw.dtypes.DType]) -> list[str]:
        """Return the names of the columns that the stage reads."""
        columns = getattr(self, "columns", None)
        if columns is None:
            return [name for name, dtype in schema.items() if self._fits(name, dtype)]
        names = list(columns)
        self._require(names, list(schema))
        return names

    def _learn(self, frame: nw.DataFrame[Any], y: np.ndarray | None) -> None:
        """Set the fitted attributes."""

    def _prepare(self, frame: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
        """Return the frame with helper columns, which `_apply` and `_count` read."""
        return frame

    def _apply(self, frame: nw.LazyFrame[Any]) -> Mapping[str, nw.Expr]:  # noqa: ARG002
        """Return the made columns."""
        return {}

    @property
    def _needs_rows(self) -> str | None:
        """Name what needs rows in memory; lazy frames are then refused, ``_apply_rows`` serves."""
        return None

    def _apply_rows(self, table: pl.DataFrame) -> pl.DataFrame:
        """Return the made columns of rows in memory, where no expression can say them."""
        raise NotImplementedError

    def _names_out(self, names: Sequence[str], made: Sequence[str]) -> list[str]:
        """Return which columns leave, in order."""
        known = set(names)
        return [*names, *(name for name in made if name not in known)]

    def _count(self, frame: nw.LazyFrame[Any]) -> Counts:  # noqa: ARG002
        """Return what `report` counts, as aggregating expressions by column and name."""
        return {}

    def _watch(self, frame: nw.LazyFrame[Any]) -> Counts:
        """Return the part of `_count` that `_inspect` needs in ``transform``; by default all."""
        return self._count(frame)

    def _inspect(self, counts: Mapping[str, Mapping[str, int]], n_rows: int) -> None:
        """Warn or raise about rows in memory, in ``fit`` and ``transform``; lazy ones never come.

        ``fit_transform`` comes here once.
        """

    def _same_kind(self, name: str, fitted: str, found: str) -> bool:  # noqa: ARG002
        """Tell whether a column of another kind than at fit can still be served."""
        return fitted == found

    # -- scikit-learn ---------------------------------------------------------------------

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn from rows in memory.

        Parameters
        ----------
        X : {array-like, pandas, Polars or PyArrow frame, lazy frame} of shape (n_rows, n_columns)
            Training rows. A lazy frame is gathered once.
        y : array-like of shape (n_rows,), default=None
            Target; used by supervised strategies only.

        Returns
        -------
        self : object
            The fitted stage.

        Raises
        ------
        ParameterError
            If a parameter is outside its legal set.
        SchemaError
            If columns are missing, duplicated or collide with a generated name.
        InputTypeError
            If the container or the kind of a column cannot be served.
        """
        self._fit(X, y)
        return self

    def fit_transform(self, X: Any, y: Any = None) -> Any:
        """Fit, and transform the same rows; a lazy frame is gathered once and comes back as Polars.

        Parameters
        ----------
        X : {array-like, pandas, Polars or PyArrow frame, lazy frame} of shape (n_rows, n_columns)
            Training rows.
        y : array-like of shape (n_rows,), default=None
            Target; used by supervised strategies only.

        Returns
        -------
        X_new : frame of the kind that came in
            The transformed rows, in their order and with their index.
        """
        return self._transform(self._fit(X, y), self._apply)

    def transform(self, X: Any) -> Any:
        """Apply what was learnt.

        Parameters
        ----------
        X : {array-like, pandas, Polars or PyArrow frame, lazy frame} of shape (n_rows, n_columns)
            Rows to transform; zero and one row are fine. Columns may stand in any order and
            leave in that of ``fit``; those that ``fit`` has not seen come after them.

        Returns
        -------
        X_new : frame of the kind that came in
            The same rows in the same order, with the same index; lazy frames stay lazy and
            promise rows, not order.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the stage is not fitted.
        SchemaError
            If a column seen in ``fit`` is missing or of another kind.
        """
        return self._through(X, self._apply)

    def report(self, X: Any) -> pd.DataFrame:
        """Count, for any frame, what the stage would change or cannot use.

        Parameters
        ----------
        X : {array-like, pandas, Polars or PyArrow frame, lazy frame} of shape (n_rows, n_columns)
            Rows to look at; a lazy frame is answered by one query.

        Returns
        -------
        counts : pandas.DataFrame of shape (n_bound_columns, n_counts)
            One row a column, one integer column a count; ``counts.attrs["n_rows"]`` has the
            number of rows.
        """
        check_is_fitted(self, "columns_")
        entered = self._bind_names(enter(X, stage=self._name))
        present = self._present(entered)
        if entered.is_lazy:
            frame = nw.from_native(entered.native).lazy()
            if present:
                frame = self._counting(frame.select(*present), self._count)
            else:
                frame = frame.select(nw.len().alias("n_rows"))
            counted = frame.collect("polars").to_native()
            counts, n_rows = _nested(counted), counted["n_rows"].item()
        else:
            counts = self._count_rows(entered.cross(present), self._count)
            n_rows = entered.n_rows
        out = pd.DataFrame.from_dict(counts, orient="index")
        out = out.fillna(0).astype("int64").rename_axis("column")
        out.attrs["n_rows"] = n_rows
        return out

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Name the columns that leave.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names for a stage fitted on arrays; must equal ``feature_names_in_`` otherwise.

        Returns
        -------
        names : ndarray of shape (n_columns_out,), dtype object
            Output names in order.
        """
        check_is_fitted(self, "columns_")
        names = list(self._names_out_)
        if input_features is not None:
            given = [str(name) for name in input_features]
            if len(given) != len(self._names_in_):
                raise ValueError(
                    f"{self._name}: input_features should have length equal to number of features "
                    f"({len(self._names_in_)}), got {len(given)}"
                )
            if hasattr(self, "feature_names_in_"):
                if given != list(self._names_in_):
                    raise ValueError(
                        f"{self._name}: input_features is not equal to feature_names_in_"
                    )
            else:
                renamed = dict(zip(self._names_in_, given, strict=True))
                names = [renamed.get(name, name) for name in names]
        return np.asarray(names, dtype=object)

    def set_output(self, *, transform: str | None = None) -> Self:
        """Choose the container of the output.

        Parameters
        ----------
        transform : {"default", "pandas", "polars", None}, default=None
            ``"default"`` gives back the library that came in; None changes nothing.

        Returns
        -------
        self : object
            The stage.
        """
        if transform is not None:
            check_choice(self._name, "transform", transform, ("default", "pandas", "polars"))
            # clone copies this attribute and no other
            self._sklearn_output_config = {"transform": transform}
        return self

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        if "_plans_" in state:
            state["_plans_"] = {}  # queries cannot travel; they are prepared anew where they run
        return state

    # -- the template ---------------------------------------------------------------------

    @property
    def _name(self) -> str:
        return type(self).__name__

    def _fit(self, X: Any, y: Any, **extras: Any) -> Entered:
        """Learn everything; return the entered rows for ``fit_transform``."""
        self._check_params()
        entered = enter(X, stage=self._name, min_rows=1)
        if entered.is_lazy:
            if y is not None:
                raise InputTypeError(
                    f"{self._name}: y must belong to rows in memory, X is lazy and its rows have "
                    "no order; collect X first, then fit with y.",
                    stage=self._name,
                    received=type(X).__qualname__,
                )
            entered = gather(entered)
            if entered.n_rows == 0:
                raise SchemaError(
                    f"{self._name}: fit needs at least one row, the lazy frame gave none; "
                    "check its filters."
                )
        target = None if y is None else enter_target(y, entered.n_rows, stage=self._name)
        self._forget()
        try:
            self._plans_: dict[Any, Plan] = {}
            self._names_in_ = list(entered.names)
            self.n_features_in_ = len(entered.names)
            if entered.named:
                self.feature_names_in_ = np.asarray(entered.names, dtype=object)
            self.columns_ = self._bound(entered)
            table = entered.cross(self.columns_)
            # a column of nulls without a type is a number column that holds nothing
            table = table.with_columns(pl.col(pl.Null).cast(pl.Float64))
            frame = nw.from_native(table)
            self._kinds_ = {name: _kind(dtype) for name, dtype in frame.schema.items()}
            self._refuse_kinds()
            self._learn(frame, target, **extras)
            made = self._made(table.clear(), self._apply).columns
            self._refuse_collisions(made, entered.names)
            self._names_out_ = self._names_out(entered.names, made)
            if "counts_" not in vars(self):  # what ``_learn`` has counted on its way
                self.counts_ = self._count_rows(table, self._count)
            self._inspect(self.counts_, entered.n_rows)
        except BaseException:
            self._forget()  # half a fit must not serve
            raise
        return entered

    def _forget(self) -> None:
        # everything learnt ends in an underscore; scikit-learn keeps state of its own beside it
        for name in [name for name in vars(self) if name.endswith("_")]:
            delattr(self, name)

    def _bound(self, entered: Entered) -> list[str]:
        columns = getattr(self, "columns", None)
        if not callable(columns):
            return self._bind(entered.schema())
        names = pick_columns(entered, columns)
        check_columns(self._name, "columns", names)
        self._require(names, entered.names)
        return names

    def _require(self, names: Sequence[str], available: Sequence[str]) -> None:
        known = set(available)
        missing = [name for name in names if name not in known]
        if missing:
            raise SchemaError.from_missing(self._name, missing, list(available))

    def _refuse_kinds(self) -> None:
        if not self._reads_kinds:
            return
        odd = {n: kind for n, kind in self._kinds_.items() if kind not in self._reads_kinds}
        if odd:
            shown = ", ".join(f"{name!r} is {kind}" for name, kind in odd.items())
            raise SchemaError(
                f"{self._name}: its columns must be of kind {' or '.join(self._reads_kinds)}, "
                f"{shown}; convert them or leave them out of `columns`.",
                changed=odd,
            )

    def _refuse_collisions(self, made: Sequence[str], names: Sequence[str]) -> None:
        bound, known = set(self.columns_), set(names)
        taken = [name for name in made if name in known and name not in bound]
        if taken:
            raise SchemaError(
                f"{self._name}: a generated column must not bear the name of an existing one, "
                f"the generated {taken!r} meet existing columns {taken!r}; rename those in X.",
                unexpected=taken,
            )

    def _bind_names(self, entered: Entered) -> Entered:
        """Match what comes to ``transform`` with the names of ``fit``."""
        has_names = hasattr(self, "feature_names_in_")
        if entered.named and has_names:
            optional = fit_only_fields() | self._optional_columns()
            known = set(entered.names)
            missing = [n for n in self._names_in_ if n not in known and n not in optional]
            if missing:
                raise SchemaError.from_missing(self._name, missing, entered.names)
            # a model behind this stage wants the columns in the order that it has learnt
            return entered.in_order(self._names_in_)
        if len(entered.names) != self.n_features_in_:
            raise SchemaError(
                f"X has {len(entered.names)} features, but {self._name} is expecting "
                f"{self.n_features_in_} features as input; give the columns of fit."
            )
        if entered.named != has_names:
            without = "X was given without" if has_names else "was fitted without"
            warnings.warn(
                f"{self._name}: columns are bound by name, {without} feature names; "
                "they are taken in the order of fit.",
                UserWarning,
                stacklevel=3,
            )
        return entered.renamed(self._names_in_)

    def _optional_columns(self) -> set[str]:
        """Return columns, besides the schemas' fit-only fields, that ``transform`` can miss."""
        return set()

    def _present(self, entered: Entered) -> list[str]:
        known = set(entered.names)
        return [name for name in self.columns_ if name in known]

    def _through(self, X: Any, apply: Apply) -> Any:
        """Take a frame in, make the columns that ``apply`` names, and give it back."""
        check_is_fitted(self, "columns_")
        entered = self._bind_names(enter(X, stage=self._name))
        if not entered.is_lazy:
            if type(self)._inspect is not Stage._inspect:
                counts = self._count_rows(entered.cross(self._present(entered)), self._watch)
                self._inspect(counts, entered.n_rows)
            return self._transform(entered, apply)
        self._check_params()  # they may have been set anew since fit
        if self._gathers:
            rows = self._transform(gather(entered), apply)
            return leave_gathered(entered, rows, container_of(self))
        if self._needs_rows is not None:
            raise InputTypeError(
                f"{self._name}: {self._needs_rows} needs rows in memory, X is lazy "
                f"({type(entered.native).__qualname__}); collect it first, or choose a strategy "
                "that works value by value.",
                stage=self._name,
                received=type(entered.native).__qualname__,
            )
        frame = nw.from_native(entered.native).lazy()
        present = self._present(entered)
        # narwhals cannot select no columns
        made = apply(self._prepare(self._conform(frame.select(*present)))) if present else {}
        self._refuse_collisions(list(made), entered.names)
        names_out = self._names_out(entered.names, list(made))
        return leave_lazy(entered, self._prepare(frame), made, names_out, container_of(self))

    def _transform(self, entered: Entered, apply: Apply) -> Any:
        table = entered.cross(self._present(entered))
        return self._leave(entered, self._made(table, apply))

    def _leave(self, entered: Entered, made: pl.DataFrame) -> Any:
        self._refuse_collisions(made.columns, entered.names)
        names_out = self._names_out(entered.names, made.columns)
        return leave(entered, made, names_out, container_of(self))

    def _made(self, table: pl.DataFrame, apply: Apply) -> pl.DataFrame:
        """Return the made columns of rows in memory."""
        if not table.width:
            return table
        if self._needs_rows is not None:
            given = nw.from_native(table).lazy()
            frame = self._conform(given)
            return self._apply_rows(table if frame is given else frame.collect().to_native())

        nothing = nw.from_native(pl.LazyFrame())

        def build(frame: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
            frame = self._prepare(self._conform(frame))
            made = apply(frame)
            return frame.select(**made) if made else nothing

        return self._plan(apply.__name__, table.schema, build).run(table)

    # -- prepared queries -----------------------------------------------------------------

    def _conform(self, frame: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
        """Refuse columns of another kind than at fit; type those that hold nothing."""
        changed, casts = [], []
        for name, dtype in frame.collect_schema().items():
            found, fitted = _kind(dtype), self._kinds_[name]
            if found == "empty":
                casts.append(nw.col(name).cast(_DTYPE_OF_KIND[fitted]))
            elif not self._same_kind(name, fitted, found):
                changed.append((name, fitted, found))
        if changed:
            shown = ", ".join(f"{n!r} was {fitted} and is {found}" for n, fitted, found in changed)
            raise SchemaError(
                f"{self._name}: columns must be of the kind seen in fit, {shown}; convert them "
                "as in training, or fit again.",
                changed=[name for name, _, _ in changed],
            )
        return frame.with_columns(*casts) if casts else frame

    def _counting(self, frame: nw.LazyFrame[Any], count: Count) -> nw.LazyFrame[Any]:
        frame = self._prepare(self._conform(frame))
        counts = [
            expression.cast(nw.Int64).alias(f"{what}:{column}")
            for column, found in count(frame).items()
            for what, expression in found.items()
        ]
        return frame.select(*counts, nw.len().cast(nw.Int64).alias("n_rows"))

    def _plan(self, purpose: str, schema: pl.Schema, build: Build) -> Plan:
        """Return the prepared query of a purpose and a schema, preparing it where it is new.

        A query prepared under other parameters is prepared anew: some may be set without refit.
        """
        key = (purpose, *schema.items())
        parameters = {k: v for k, v in vars(self).items() if not k.startswith("_") and k[-1] != "_"}
        plan = self._plans_.get(key)
        if plan is None or not plan.is_for(parameters):
            self._check_params()
            if len(self._plans_) >= _MAX_PLANS:
                self._plans_.clear()
            plan = self._plans_[key] = Plan(schema, build, parameters)
        return plan

    def _count_rows(self, table: pl.DataFrame, count: Count) -> dict[str, dict[str, int]]:
        if not table.width:
            return {}

        def build(frame: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
            return self._counting(frame, count)

        return _nested(self._plan(count.__name__, table.schema, build).run(table))


def _nested(counted: pl.DataFrame) -> dict[str, dict[str, int]]:
    """Turn the one row of a counting query into counts by column."""
    counts: dict[str, dict[str, int]] = {}
    for key, value in counted.row(0, named=True).items():
        what, separator, column = key.partition(":")
        if separator:
            counts.setdefault(column, {})[what] = int(value or 0)
    return counts


_DTYPE_OF_KIND: dict[str, Any] = {
    "number": nw.Float64,
    "flag": nw.Boolean,
    "text": nw.String,
    "date": nw.Datetime("us"),
    "duration": nw.Duration("us"),
}


def _kind(dtype: Any) -> str:
    """Name the kind of a narwhals dtype: what can stand in for what between fit and transform."""
    if dtype.is_numeric():
        return "number"
    if dtype == nw.Boolean:
        return "flag"
    if dtype in (nw.String, nw.Categorical, nw.Enum):
        return "text"
    if dtype in (nw.Date, nw.Datetime):
        return "date"
    if dtype == nw.Duration:
        return "duration"
    # a column of nulls has no dtype; lists, times of day and the like are kinds of their own
    return "empty" if dtype == nw.Unknown else type(dtype).__name__.lower()
