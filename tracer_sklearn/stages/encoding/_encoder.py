"""Encoding of category columns."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

import narwhals.stable.v2 as nw
import numpy as np

from tracer_sklearn._frame import Entered
from tracer_sklearn._params import check_choice, check_columns, check_integer, check_real
from tracer_sklearn.base import Counts, Stage
from tracer_sklearn.exceptions import (
    ConstantColumnWarning,
    DataError,
    DataQualityWarning,
    SchemaError,
    UnseenCategoryWarning,
)
from tracer_sklearn.stages.encoding._checks import (
    check_cv,
    check_ordered,
    check_orders,
    check_random_state,
    check_smooth,
    given_order,
    refuse_twins,
)
from tracer_sklearn.stages.encoding._choice import choose, warn_of_values_as_text
from tracer_sklearn.stages.encoding._crossfit import Training, cross_fitted
from tracer_sklearn.stages.encoding._foreign import (
    as_frame,
    check_encoder,
    compile_encoder,
    encode_rows,
    fit_encoder,
    made_dtypes,
    needs_target,
    out_of_fold,
)
from tracer_sklearn.stages.encoding._levels import Column, Key, Level, is_level, key_of, read_column
from tracer_sklearn.stages.encoding._tables import (
    Table,
    frequency_table,
    label_table,
    look_up,
    onehot_tables,
    pooled_levels,
    target_tables,
    under_policy,
)
from tracer_sklearn.stages.encoding._target import Target, read_target

__all__ = ["CategoryEncoder"]

_STRATEGIES = ("auto", "onehot", "label", "frequency", "target")
_ON_UNSEEN = ("other", "missing", "error")
_ON_MISSING = ("level", "missing", "error")
# unseen cells are worth a warning above this share of at least so many rows
_MANY_UNSEEN, _FEWEST_ROWS = 0.05, 20


# scikit-learn would wrap this class's own fit_transform; the door has the container in hand
class CategoryEncoder(Stage, auto_wrap_output_keys=None):  # type: ignore[call-arg]
    r"""Turn category columns into numbers, by one strategy or by the number of their levels.

    Use it before any model that wants numbers. Do not use it for free text (it is dropped by
    ``auto``), for dates (derive parts first), or where the model handles categories itself.

    Parameters
    ----------
    columns : list of str, callable or None, default=None
        Columns to encode. None takes every column of strings or categories; numbers and flags
        are encoded where they are named.
    strategy : {"auto", "onehot", "label", "frequency", "target"} or encoder, default="auto"
        ``auto`` decides for each column by the table in Notes. ``onehot`` makes a column of 0
        and 1 for each level. ``label`` makes one column of codes, in sorted order or in that of
        ``orders``. ``frequency`` gives each level its share of the training rows. ``target``
        gives it the shrunken mean of y, cross-fitted in ``fit_transform``. An instance of an
        encoder (category_encoders, feature-engine, scikit-learn, your own) is fitted on each
        column by itself.
    max_onehot : int, default=10
        Most levels that ``auto`` encodes one-hot; more columns cost more than they tell.
    min_level_share : float in [0, 1), default=0.01
        One-hot levels with a smaller share of the training rows are pooled in ``__other``.
    on_unseen : {"other", "missing", "error"}, default="other"
        A level that training did not see: the strategy's own answer for it (one-hot
        ``<column>__other``, label -1, frequency 0, target the overall mean), or that of a
        missing cell, or a DataError. Unseen levels are normal in production, so they do not
        stop it by default; they are counted.
    on_missing : {"level", "missing", "error"}, default="level"
        A missing cell: a level of its own (one-hot ``<column>__missing`` where training had
        some, label -2, frequency and target like any level), or missing in every made column,
        or a DataError. That a cell is missing often tells something, hence the default.
    orders : dict of str to list, default=None
        Known orders, lowest level first: ``{"size": ["S", "M", "L"]}``. Under ``auto`` and
        ``label`` such a column becomes its position, from 0; other strategies have no order.
    smooth : "auto" or float >= 0, default="auto"
        Shrinkage of ``target``: empirical Bayes, or the number of rows that the overall mean
        weighs.
    cv : int >= 2, splitter or list of (train, test), default=5
        Folds of the cross-fit. An integer deals shuffled rows (stratified for classes).
    random_state : int, RandomState or None, default=None
        Seed of the shuffle.

    Attributes
    ----------
    columns_ : list of str
        The columns that were looked at.
    choices_ : dict of str to str
        Per column what was decided, with the figure that decided.
    levels_ : dict of str to list
        Training levels in order.
    tables_ : dict of str to dict
        Per column and made column what each level, unseen levels and missing cells become.
    encoders_ : dict of str to encoder
        Fitted encoders of columns whose answers do not depend on the value alone.
    refused_ : dict of str to list of {"unseen", "missing"}
        Per column the cells that raise.
    made_ : dict of str to list of str
        Per column the columns that took its place.
    target_type_ : {"binary", "multiclass", "continuous"} or None
        How y was understood; None where no strategy used it.
    classes_ : list
        Sorted classes of y. Two classes: the encoding is the share of the last one.
    counts_ : dict of str to dict of str to int
        Missing, unseen and pooled cells of the training data.

    Raises
    ------
    ParameterError
        By ``fit``, for illegal parameters.
    DataError
        By ``fit``, where y is needed and is absent, incomplete or of mixed kinds, where levels
        lack in ``orders``, or where an encoder raises; by ``transform`` under "error".
    SchemaError
        If a named column is missing or holds dates, or if two made columns bear one name.
    InputTypeError
        For lazy frames where rows in memory are needed.

    Warns
    -----
    UnseenCategoryWarning
        By ``transform`` of rows in memory, where unseen cells exceed 5 % of at least 20 rows;
        `report` counts them always.
    DataQualityWarning
        By ``fit``, where ``auto`` drops a column of text that is more than 95 % distinct.
    ConstantColumnWarning
        By ``fit``, where every level is rarer than ``min_level_share``.

    Notes
    -----
    ``auto``, in this order: order known → label in that order; up to two levels → label; up to
    ``max_onehot`` → onehot; more than 95 % of the cells distinct text → dropped; else target
    where y was given, frequency where not. Missing is not counted as a level here.

    Target encoding [1]_: with n rows, mean m and variance s² of y within a level, and mean
    :math:`\mu` and variance :math:`\tau^2` of y overall, the level becomes
    :math:`\lambda m + (1 - \lambda)\mu` with :math:`\lambda = n\tau^2 / (n\tau^2 + s^2)`, or
    :math:`n / (n + smooth)`. Text, flags, two whole numbers and up to ten distinct integers in
    y are classes; everything else is a number (convert class codes or counts to say otherwise:
    strings are always classes, floats with more than two values always numbers). More than two
    classes give one column ``<column>_<class>`` each.

    *Leakage.* A row that helped to compute its own feature tells the model its y. So
    ``fit_transform`` encodes each training row from other rows, while ``transform`` uses all
    training rows: ``fit(X, y).transform(X)`` and ``fit_transform(X, y)`` differ by design, and
    only the second may train a model (a Pipeline does so). ``groups=`` keeps rows of one group
    out of each other's encoding. ``times=`` lets a row learn from strictly earlier times only
    (blocks of whole times where there are more than 50; it takes the place of ``cv``). The rows
    of the first block have no past; they all take the mean of y over their own block: a constant
    of the right size that tells nothing about their differences and nothing of later rows,
    which the overall mean would. Supervised encoders of other libraries are cross-fitted
    likewise.

    *Encoders of other libraries* are asked once for each training level, for a missing cell and
    for unseen values. Where the answer depends on the value alone, the table is applied on
    every engine; where it does not (hashing and similarity of unseen values), rows in memory
    are served and lazy frames refused. What the encoder raises on is a DataError here.

    Whole numbers and equal floats are one level (1 and 1.0); NaN, null and ±inf are missing.
    With ``on_missing="missing"`` made columns are Float64; else one-hot is Int8, label Int32.
    Cost: linear in the rows; a look-up of 100,000 levels is a DuckDB query of 6 MB.

    References
    ----------
    .. [1] Micci-Barreca (2001), doi 10.1145/507533.507538.

    Examples
    --------
    >>> import pandas as pd
    >>> from tracer_sklearn import CategoryEncoder
    >>> plans, ads = ["basic", "pro", "trial", "pro"], ["no", "yes", "no", None]
    >>> X = pd.DataFrame({"plan": plans, "ads": ads})
    >>> encoder = CategoryEncoder().fit(X)
    >>> encoder.transform(pd.DataFrame({"plan": ["pro", "gold"], "ads": ["yes", None]}))
       plan_basic  plan_pro  plan_trial  plan__other  ads
    0           0         1           0            0    1
    1           0         0           0            1   -2
    >>> encoder.choices_["ads"]
    'label: 2 levels'
    """

    def __init__(
        self,
        columns: Any = None,
        *,
        strategy: Any = "auto",
        max_onehot: int = 10,
        min_level_share: float = 0.01,
        on_unseen: str = "other",
        on_missing: str = "level",
        orders: Mapping[str, Sequence[Any]] | None = None,
        smooth: float | str = "auto",
        cv: Any = 5,
        random_state: Any = None,
    ) -> None:
        self.columns = columns
        self.strategy = strategy
        self.max_onehot = max_onehot
        self.min_level_share = min_level_share
        self.on_unseen = on_unseen
        self.on_missing = on_missing
        self.orders = orders
        self.smooth = smooth
        self.cv = cv
        self.random_state = random_state

    # -- scikit-learn ---------------------------------------------------------------------

    def fit(self, X: Any, y: Any = None, *, groups: Any = None, times: Any = None) -> Self:  # noqa: ARG002
        """Learn levels and encodings from all training rows.

        Parameters
        ----------
        X : {array-like, pandas, Polars or PyArrow frame, lazy frame} of shape (n_rows, n_columns)
            Training rows. A lazy frame is gathered once; it cannot have a y.
        y : array-like of shape (n_rows,), default=None
            Strings, flags, integers or floats; needed by supervised strategies.
        groups, times : array-like of shape (n_rows,), default=None
            Used by ``fit_transform``; here so that metadata routing can ask for them.

        Returns
        -------
        self : object
            The fitted stage.
        """
        self._fit(X, y)
        return self

    def fit_transform(self, X: Any, y: Any = None, *, groups: Any = None, times: Any = None) -> Any:
        """Fit, and encode the training rows so that no row has helped to encode itself.

        Supervised columns differ from ``fit(X, y).transform(X)`` by design; see Notes.

        Parameters
        ----------
        X : {array-like, pandas, Polars or PyArrow frame, lazy frame} of shape (n_rows, n_columns)
            Training rows.
        y : array-like of shape (n_rows,), default=None
            Target; needed by supervised strategies.
        groups : array-like of shape (n_rows,), default=None
            Rows of one group never learn from each other.
        times : array-like of shape (n_rows,), default=None
            Dates or numbers: a row learns from strictly earlier rows only.

        Returns
        -------
        X_new : frame of the kind that came in
            The encoded rows, in their order and with their index.
        """
        training = Training(X, groups, times)
        entered = self._fit(X, y, training=training)
        rest = [name for name in self._present(entered) if name not in training.made]
        made = self._made(entered.cross(rest), self._apply)
        fresh = [series for columns in training.made.values() for series in columns]
        return self._leave(entered, _beside(made, fresh))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.categorical = True
        tags.target_tags.required = self.strategy == "target" or (
            hasattr(self.strategy, "fit")
            and not isinstance(self.strategy, type)
            and needs_target(self.strategy)
        )
        return tags

    # -- hooks ----------------------------------------------------------------------------

    def _check_params(self) -> None:
        check_columns(self._name, "columns", self.columns)
        if isinstance(self.strategy, str):
            check_choice(self._name, "strategy", self.strategy, _STRATEGIES)
        else:
            check_encoder(self._name, self.strategy)
        check_integer(self._name, "max_onehot", self.max_onehot, low=0)
        check_real(
            self._name, "min_level_share", self.min_level_share, low=0.0, high=1.0, high_open=True
        )
        check_choice(self._name, "on_unseen", self.on_unseen, _ON_UNSEEN)
        check_choice(self._name, "on_missing", self.on_missing, _ON_MISSING)
        check_orders(self._name, self.orders)
        check_smooth(self._name, self.smooth)
        check_cv(self._name, self.cv)
        check_random_state(self._name, self.random_state)

    def _fits(self, name: str, dtype: nw.dtypes.DType) -> bool:  # noqa: ARG002
        # a column without any value has no dtype, and may hold text tomorrow
        return dtype in (nw.String, nw.Categorical, nw.Enum, nw.Object, nw.Unknown)

    def _bound(self, entered: Entered) -> list[str]:
        names = super()._bound(entered)
        if self.columns is not None:
            return names
        # columns without a dtype of their own may hold numbers, flags or dates, and pandas
        # categories may be dates: nobody said that they are categories to encode
        schema = entered.schema()
        doubtful = [name for name in names if schema[name] not in (nw.String, nw.Enum)]
        found = nw.from_native(entered.cross(doubtful)).schema
        return [
            name
            for name in names
            if name not in found
            or self._fits(name, found[name])
            or (schema[name] == nw.Categorical and is_level(found[name]))
        ]

    def _same_kind(self, name: str, fitted: str, found: str) -> bool:
        if name in self.levels_ and not self.levels_[name]:
            return True  # fitted on missing cells only: whatever comes is unseen
        return fitted == found or {fitted, found} == {"number", "flag"}

    @property
    def _needs_rows(self) -> str | None:
        if self.encoders_:
            return f"the encoder {type(self.strategy).__name__}"
        if any(self.refused_.values()):
            return "refusing unseen or missing cells"
        return None

    def _learn(
        self,
        frame: nw.DataFrame[Any],
        y: np.ndarray | None,
        training: Training | None = None,
    ) -> None:
        self.choices_: dict[str, str] = {}
        self.levels_: dict[str, list[Level]] = {}
        self.made_: dict[str, list[str]] = {}
        self.counts_: dict[str, dict[str, int]] = {}
        self.tables_: dict[str, dict[str, Table]] = {}
        self.encoders_: dict[str, Any] = {}
        self.refused_: dict[str, list[str]] = {}
        self.target_type_: str | None = None
        self.classes_: list[Any] = []
        self._keys_: dict[str, list[Key]] = {}
        self._key_kinds_: dict[str, str] = {}
        self._pooled_: dict[str, list[Key]] = {}
        self._encoder_dtypes_: dict[str, dict[str, str]] = {}
        check_ordered(self._name, self.orders, self.columns_)
        self._target_: Target | None = None
        if self.columns is None:
            warn_of_values_as_text(self._name, frame)
        for name in self.columns_:
            column = self._read(name, frame[name])
            chosen, reason = self._choose(name, column, y)
            self.choices_[name] = f"{chosen}: {reason}"
            if chosen == "onehot":
                tables = self._onehot(name, column)
            elif chosen == "label":
                tables = {
                    name: label_table(column, given_order(self._name, name, column, self.orders))
                }
            elif chosen == "frequency":
                tables = {name: frequency_table(column)}
            elif chosen == "target":
                tables = self._target(name, column, y, training)
            elif chosen == "dropped":
                tables = {}
            else:
                tables = self._foreign(name, column, y, training)
            self.tables_[name] = {
                out: under_policy(table, self.on_unseen, self.on_missing)
                for out, table in tables.items()
            }
            self.made_.setdefault(name, list(tables))
        refuse_twins(self._name, self.made_, self.columns_)
        del self._target_

    def _apply(self, frame: nw.LazyFrame[Any]) -> Mapping[str, nw.Expr]:
        return {
            out: look_up(self._key(name, dtype), table)
            for name, dtype in frame.collect_schema().items()
            for out, table in self.tables_.get(name, {}).items()
        }

    def _apply_rows(self, table: Any) -> Any:
        frame = nw.from_native(table)
        made = self._apply(frame.lazy())
        encoded = [
            series
            for name in frame.columns
            if name in self.encoders_
            for series in self._encode(name, frame[name])
        ]
        return _beside(frame.select(**made).to_native() if made else table.select(), encoded)

    def _names_out(self, names: Sequence[str], made: Sequence[str]) -> list[str]:  # noqa: ARG002
        return [out for name in names for out in self.made_.get(name, [name])]

    def _count(self, frame: nw.LazyFrame[Any]) -> Counts:
        counts = {}
        for name, dtype in frame.collect_schema().items():
            if name not in self.levels_:
                continue
            key = self._key(name, dtype)
            seen = key.is_in(self._keys_[name]) if self._keys_[name] else nw.lit(False)
            pooled = key.is_in(self._pooled_[name]).sum() if name in self._pooled_ else nw.lit(0)
            counts[name] = {
                "missing": key.is_null().sum(),
                "unseen": (~key.is_null() & ~seen).sum(),
                "pooled": pooled,
            }
        return counts

    def _inspect(self, counts: Mapping[str, Mapping[str, int]], n_rows: int) -> None:
        for name, refused in self.refused_.items():
            for what in refused:
                if name in counts and counts[name][what]:
                    raise self._refusal(name, what, counts[name][what])
        many = {
            name: found["unseen"]
            for name, found in counts.items()
            if n_rows >= _FEWEST_ROWS and found["unseen"] > _MANY_UNSEEN * n_rows
        }
        if many:
            shown = ", ".join(f"{name!r} in {count} rows" for name, count in many.items())
            warnings.warn(
                f"{self._name}: levels should be those of training, found others in more than "
                f"{_MANY_UNSEEN:.0%} of {n_rows} rows: {shown}; see report(X), and fit again if "
                "they have come to stay.",
                UnseenCategoryWarning,
                stacklevel=2,
            )

    # -- learning one column --------------------------------------------------------------

    def _read(self, name: str, series: nw.Series[Any]) -> Column:
        if not is_level(series.dtype):
            raise SchemaError(
                f"{self._name}: columns to encode must hold text, numbers or flags, {name!r} "
                f"holds {series.dtype}; derive parts such as the month first, or leave it out.",
                changed=[name],
            )
        column = read_column(series)
        self.levels_[name], self._keys_[name] = column.levels, column.keys
        self._key_kinds_[name] = column.kind
        self.counts_[name] = {"missing": column.n_missing, "unseen": 0, "pooled": 0}
        policies = {"unseen": self.on_unseen, "missing": self.on_missing}
        self.refused_[name] = [what for what, policy in policies.items() if policy == "error"]
        if column.n_missing and self.on_missing == "error":
            raise self._refusal(name, "missing", column.n_missing)
        return column

    def _refusal(self, name: str, what: str, count: int) -> DataError:
        cells = "levels that training did not see" if what == "unseen" else "missing cells"
        because = (
            f"on_{what}='error'"
            if getattr(self, f"on_{what}") == "error"
            else f"{type(self.strategy).__name__} raises on them"
        )
        return DataError(
            f"{self._name}: column {name!r} must not hold {cells}, found {count} ({because}); "
            f"correct them, or choose another policy for {what} cells.",
            column=name,
            rule=what,
            n_rows=count,
        )

    def _key(self, name: str, dtype: Any) -> nw.Expr:
        return key_of(name, dtype, self._key_kinds_[name])

    def _choose(self, name: str, column: Column, y: np.ndarray | None) -> tuple[str, str]:
        """Return the strategy of a column and the figure that decided."""
        if not isinstance(self.strategy, str):
            return type(self.strategy).__name__, f"{column.n_levels} levels"
        if self.strategy != "auto":
            return self.strategy, f"strategy={self.strategy!r}, {column.n_levels} levels"
        chosen, reason = choose(
            column,
            is_ordered=name in (self.orders or {}),
            max_onehot=self.max_onehot,
            has_target=y is not None,
        )
        if chosen == "dropped":
            warnings.warn(
                f"{self._name}: a category must repeat, column {name!r} has {reason}, so it is "
                "dropped as an identifier or prose; name another strategy to keep it.",
                DataQualityWarning,
                stacklevel=2,
            )
        return chosen, reason

    def _onehot(self, name: str, column: Column) -> dict[str, Table]:
        pooled = pooled_levels(column, self.min_level_share)
        self._pooled_[name] = [column.keys[position] for position in sorted(pooled)]
        self.counts_[name]["pooled"] = int(column.counts[sorted(pooled)].sum())
        if pooled and len(pooled) == column.n_levels:
            warnings.warn(
                f"{self._name}: one-hot levels must not all be rare, each of the {len(pooled)} "
                f"levels of column {name!r} has less than {self.min_level_share:.2%} of the rows; "
                "lower min_level_share, or choose strategy='target' or 'frequency'.",
                ConstantColumnWarning,
                stacklevel=2,
            )
        return onehot_tables(name, column, pooled, self.on_unseen, self.on_missing)

    def _target(
        self, name: str, column: Column, y: np.ndarray | None, training: Training | None
    ) -> dict[str, Table]:
        target = self._prepared(y)
        tables = target_tables(name, column, target, self.smooth)
        if training is not None:
            scheme = training.scheme_for(self._prepared(y), y, self)
            training.made[name] = [
                self._training_column(
                    column,
                    out,
                    cross_fitted(column.codes, numbers, column.n_levels + 1, scheme, self.smooth)
                    * target.scale,
                    "Float64",
                )
                for out, numbers in zip(tables, target.columns, strict=True)
            ]
        return tables

    def _foreign(
        self, name: str, column: Column, y: np.ndarray | None, training: Training | None
    ) -> dict[str, Table]:
        supervised = needs_target(self.strategy)
        answers_to = self._prepared(y).plain(y) if supervised else None
        fitted = fit_encoder(self._name, self.strategy, as_frame(name, column), answers_to)
        compiled = compile_encoder(fitted, name, column)
        if compiled is None:
            self.encoders_[name] = fitted
            dtypes = made_dtypes(fitted, name, column)
            self._encoder_dtypes_[name] = dtypes
            self.made_[name] = list(dtypes)
        else:
            dtypes = {out: table["dtype"] for out, table in compiled.tables.items()}
            self.refused_[name] = sorted({*self.refused_[name], *compiled.refuses})
        if answers_to is not None and training is not None:
            scheme = training.scheme_for(self._prepared(y), y, self)
            made = out_of_fold(self._name, self.strategy, name, column, answers_to, scheme, dtypes)
            training.made[name] = [
                self._training_column(column, out, made[out], dtype)
                for out, dtype in dtypes.items()
            ]
        return {} if compiled is None else compiled.tables

    def _prepared(self, y: np.ndarray | None) -> Target:
        if self._target_ is None:
            self._target_ = read_target(y, self._name)
            self.target_type_, self.classes_ = self._target_.kind, self._target_.classes
        return self._target_

    def _training_column(self, column: Column, out: str, values: Any, dtype: str) -> nw.Series[Any]:
        """Return a training column of its own, missing where the policy says so."""
        made = nw.new_series(out, values, getattr(nw, dtype), backend="polars")
        if self.on_missing == "missing":
            known = column.codes != column.n_levels
            frame = nw.from_dict({out: made, "known?": known}, backend="polars")
            made = frame.select(nw.when(nw.col("known?")).then(nw.col(out)).alias(out))[out]
        return made

    def _encode(self, name: str, series: nw.Series[Any]) -> list[nw.Series[Any]]:
        dtypes = self._encoder_dtypes_[name]
        column = read_column(series)
        if any(isinstance(level, float) for level in self.levels_[name]):
            column = replace(column, levels=[float(level) for level in column.levels])
        made: Mapping[str, Any] = {out: [] for out in dtypes}
        if len(series):
            made = encode_rows(self.encoders_[name], name, column, dtypes)
        return [
            self._training_column(column, out, made[out], dtype) for out, dtype in dtypes.items()
        ]


def _beside(made: Any, fresh: Sequence[nw.Series[Any]]) -> Any:
    """Put training columns beside what the tables made (Polars, inside the door)."""
    if not fresh:
        return made
    together = nw.from_dict({series.name: series for series in fresh})
    if made.width:
        together = nw.concat([nw.from_native(made), together], how="horizontal")
    return together.to_native()
