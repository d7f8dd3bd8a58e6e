"""The stage that fills missing values."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from tracer_sklearn._frame import Entered, enter, enter_target, keep_rows
from tracer_sklearn._numbers import count_unusable
from tracer_sklearn._params import check_choice, check_columns, check_real, fail, is_number
from tracer_sklearn._statistics import finite_values, is_flag
from tracer_sklearn.base import Counts, Stage
from tracer_sklearn.exceptions import (
    ConstantColumnWarning,
    DataError,
    DataQualityWarning,
    InputTypeError,
    SchemaError,
)
from tracer_sklearn.stages.imputation._estimators import (
    CONSTANT_FILLERS,
    TRIAL_ROWS,
    check_strategy,
    filled_by,
    keeps_what_is_there,
    simple_numbers,
    simple_texts,
    taken_over,
    title,
    to_pandas,
)
from tracer_sklearn.stages.imputation._expressions import Marks, filled_up, was_missing
from tracer_sklearn.stages.imputation._fills import (
    DEFAULTS,
    LEARN,
    Fill,
    count_missing,
    is_complete,
    kept_whole,
    mode,
    percent,
    plain,
)

__all__ = ["MissingValueImputer"]

_INDICATORS = ("auto", "all", "none")


class MissingValueImputer(Stage):
    r"""Fill missing cells with what the training rows say, and mark where they were.

    Use it after features were computed and before a model that cannot take missing values. Trees
    that handle missing values themselves may do as well without it; dates are for the feature
    generators and are never filled.

    Parameters
    ----------
    columns : list of str, callable or None, default=None
        Columns to fill and to mark. None takes every column.
    strategy : str, dict or estimator, default="auto"
        One of:

        - ``"auto"``: numbers take the median where the absolute skewness exceeds 1 or more than
          1 % of the values lie beyond 3 interquartile ranges, else the mean; text, categories
          and flags take the mode where at most 5 % is missing, else the level ``"missing"``
          (flags: the mode). A numeric column of zeros and ones is a flag. The default, because
          it needs no knowledge of the columns. Categories that are numbers (codes in a pandas
          category or an Arrow dictionary) take the mode: a mean of codes is no category.
        - ``"mean"``, ``"median"``: of numbers; other columns follow ``auto``.
        - ``"mode"``: the most frequent value, of several the smallest.
        - ``"constant"``: `fill_value`.
        - ``"drop"``: learn from complete rows only. `transform` keeps every row and fills with
          the median (other kinds: the mode) of the complete rows; `transform_x_y` removes the
          incomplete ones, as `feature_engine.pipeline.Pipeline` does in training.
        - a dict from column to one of these; columns that it does not name follow ``auto``.
        - an estimator: feature-engine's imputers, scikit-learn's ``SimpleImputer``,
          ``KNNImputer``, ``IterativeImputer``, or another that fills numbers and keeps all else.
          It is cloned. What fills with one value a column is read out and then runs on every
          engine; any other works on rows in memory and refuses lazy frames. Columns that the
          estimator does not serve follow ``auto``.
    fill_value : number, str, bool, dict or None, default=None
        For ``"constant"``. A single value serves the columns of its kind; a dict gives columns
        their own. Where none is given: 0, ``"missing"`` or False.
    indicator : {"auto", "all", "none"}, default="auto"
        Which columns get a second one, ``<column>__was_missing`` (Int8, 1 where the cell was
        missing). ``auto``: where at least `min_indicator_share` of the training rows is missing
        and no identical indicator or flag exists among the columns read; ``all``: every column;
        ``none``: no column. Auto is the default because what is missing often tells something.
    min_indicator_share : float in [0, 1], default=0.01
        Fraction of missing training rows from which ``auto`` makes an indicator; below one in a
        hundred a model can learn little from it.

    Attributes
    ----------
    columns_ : list of str
        Columns that the stage reads.
    fill_values_ : dict of str to number, str or bool
        What missing cells become.
    indicators_ : dict of str to str
        Name of the indicator of each column that has one.
    choices_ : dict of str to str
        Per column what was decided, with the figure that decided; likewise per indicator.
    required_columns_ : list of str
        Columns in which a missing cell makes `transform_x_y` remove the row (``"drop"`` only).
    estimator_ : object
        The fitted clone, only where it works on rows in memory.
    counts_ : dict of str to dict of str to int
        ``missing`` (null and NaN) and ``infinite`` cells of the training data.

    Raises
    ------
    ParameterError
        By ``fit``, for a value outside its legal set, or a `fill_value` of the wrong kind.
    SchemaError
        If a named column is missing.
    InputTypeError
        By ``transform``, for a lazy frame where the estimator needs rows in memory.

    Warns
    -----
    ConstantColumnWarning
        By ``fit``, for columns without any value: numbers become 0, text ``"missing"``, flags
        False, and the column stays.
    DataQualityWarning
        By ``fit``, where ``mode`` fills a numeric column that is no flag (a linear model takes
        the most frequent number for a typical one), or where ``drop`` finds no complete row.

    Notes
    -----
    Null, NaN and ±inf all count as missing. Columns complete in training are filled as well, for
    the rows to come.

    Dtypes survive. The one exception is a fill that an integer column cannot hold, which is
    known after ``fit`` and the same on every engine: a fraction (the median 1.5 of integers with
    missing cells) makes it Float64, an integer outside the range makes it Int64. An integer
    column that is complete in training keeps its dtype: its fill is rounded, half to even. Enum
    and pandas categories gain the level that they lack.

    Skewness is :math:`g_1 = m_3 / m_2^{3/2}`; "beyond" means outside
    :math:`[q_1 - 3\,IQR,\ q_3 + 3\,IQR]`. Only training rows are used, so a cross-validated
    pipeline does not leak. Cost: linear in the rows; the estimators' own where one is given.

    References
    ----------
    Van Buuren (2018), Flexible Imputation of Missing Data, doi 10.1201/9780429492259. Josse et
    al. (2024), doi 10.1007/s00362-024-01550-4, on constant imputation before a flexible model.

    Examples
    --------
    >>> import pandas as pd
    >>> from tracer_sklearn import MissingValueImputer
    >>> X = pd.DataFrame({"spend": [10.0, None, 30.0, 20.0], "plan": ["pro", "pro", None, "free"]})
    >>> imputer = MissingValueImputer().fit(X)
    >>> imputer.transform(X)
       spend     plan  spend__was_missing  plan__was_missing
    0   10.0      pro                   0                  0
    1   20.0      pro                   1                  0
    2   30.0  missing                   0                  1
    3   20.0     free                   0                  0
    >>> imputer.choices_["plan"]
    "own level 'missing': 25 % missing, above 5 %"
    """

    def __init__(
        self,
        columns: Any = None,
        *,
        strategy: Any = "auto",
        fill_value: Any = None,
        indicator: str = "auto",
        min_indicator_share: float = 0.01,
    ) -> None:
        self.columns = columns
        self.strategy = strategy
        self.fill_value = fill_value
        self.indicator = indicator
        self.min_indicator_share = min_indicator_share

    def transform_x_y(self, X: Any, y: Any) -> tuple[Any, Any]:
        """Transform training rows and, with ``strategy="drop"``, remove the incomplete ones.

        The protocol of `feature_engine.pipeline.Pipeline`, which calls it in training only.

        Parameters
        ----------
        X : {array-like, pandas, Polars or PyArrow frame} of shape (n_rows, n_columns)
            Training rows, in memory.
        y : array-like of shape (n_rows,)
            Their target, of any kind.

        Returns
        -------
        X_new : frame of the kind that came in, of shape (n_kept, n_columns_out)
            The kept rows, transformed, with their index.
        y_new : object of the kind that came in, of shape (n_kept,)
            The target of the same rows.

        Raises
        ------
        InputTypeError
            For a lazy frame, whose rows have no order to align y with.
        DataError
            If no row is complete.
        """
        check_is_fitted(self, "columns_")
        entered = self._bind_names(enter(X, stage=self._name))
        if entered.is_lazy:
            raise InputTypeError(
                f"{self._name}: transform_x_y needs rows in memory to align y, X is lazy; "
                "collect it first.",
                stage=self._name,
                received=type(X).__qualname__,
            )
        enter_target(y, entered.n_rows, stage=self._name)
        if not self.required_columns_:
            return self.transform(X), y
        frame = nw.from_native(entered.cross(self.required_columns_))
        complete = frame.select(complete=is_complete(frame))["complete"].to_numpy()
        if not complete.any():
            raise DataError(
                f"{self._name}: strategy='drop' must leave a row, all {entered.n_rows} miss a "
                f"value in {self.required_columns_!r}; fill some columns by another strategy.",
                rule="complete rows",
                n_rows=entered.n_rows,
            )
        return self.transform(keep_rows(X, complete)), keep_rows(y, complete)

    # -- hooks ----------------------------------------------------------------------------

    @property
    def _needs_rows(self) -> str | None:
        fitted = getattr(self, "estimator_", None)
        return None if fitted is None else f"strategy={type(fitted).__name__}"

    def _check_params(self) -> None:
        check_columns(self._name, "columns", self.columns)
        check_strategy(self._name, self.strategy)
        _check_fill_value(self._name, self.fill_value)
        check_choice(self._name, "indicator", self.indicator, _INDICATORS)
        check_real(self._name, "min_indicator_share", self.min_indicator_share, low=0.0, high=1.0)

    def _fits(self, name: str, dtype: nw.dtypes.DType) -> bool:  # noqa: ARG002
        return not dtype.is_nested()

    def _bound(self, entered: Entered) -> list[str]:
        columns = super()._bound(entered)
        schema, crossed = entered.schema(), entered.cross(columns).schema
        self._codes_ = [
            name
            for name in columns
            if schema[name] in (nw.Categorical, nw.Enum) and crossed[name].is_numeric()
        ]
        return columns

    def _learn(self, frame: nw.DataFrame[Any], y: np.ndarray | None) -> None:
        missing = count_missing(frame)
        filled = [name for name in self.columns_ if self._kinds_[name] in DEFAULTS]
        hollow = [name for name in filled if missing[name] == len(frame)]
        strategies = self._strategies()
        self.required_columns_ = [
            name
            for name in self.columns_
            if strategies[name] == "drop" and missing[name] < len(frame)
        ]
        self._refuse_idle_fill_value([name for name in filled if strategies[name] == "constant"])
        complete = self._complete(frame)
        constants, by_row = self._fit_estimator(frame, hollow, y)
        self.choices_ = {name: f"not filled: a {self._kinds_[name]}" for name in self.columns_}
        fills: dict[str, Fill] = {}
        for name in filled:
            strategy = strategies[name]
            if name in by_row:
                self.choices_[name] = f"row by row: {type(self.strategy).__name__}"
                continue
            if strategy == "constant":
                fills[name] = self._constant(name)
            elif name in hollow:
                fills[name] = Fill(DEFAULTS[self._kinds_[name]], "no value in training")
            else:
                fill = constants.get(name)
                rows = complete if strategy == "drop" else frame
                if fill is None and name in self._codes_:
                    fill = Fill(mode(rows[name]), "mode: numbers that name categories")
                if fill is None:
                    learn = LEARN[self._kinds_[name]]
                    fill = learn(rows[name], strategy, missing[name] / len(frame))
                fills[name] = kept_whole(fill, frame[name].dtype, missing[name])
            self.choices_[name] = fills[name].reason
        self.fill_values_ = {name: fill.value for name, fill in fills.items()}
        self._warn(hollow, [name for name in filled if strategies[name] == "mode"], frame)
        self._choose_indicators(frame, missing)

    def _apply(self, frame: nw.LazyFrame[Any]) -> Mapping[str, nw.Expr]:
        schema = frame.collect_schema()
        made = {
            name: filled_up(name, dtype, self.fill_values_[name])
            for name, dtype in schema.items()
            if name in self.fill_values_
        }
        for name, indicator in self.indicators_.items():
            if name in schema:
                made[indicator] = was_missing(name, schema[name])
        return made

    def _apply_rows(self, table: Any) -> Any:
        frame = nw.from_native(table, eager_only=True)
        filled = filled_by(self.estimator_, frame.select(*self._by_row_))
        made = self._apply(frame.lazy())
        others = [frame.select(**made)] if made else []
        return nw.concat([filled, *others], how="horizontal").to_native()

    def _count(self, frame: nw.LazyFrame[Any]) -> Counts:
        return count_unusable(frame)

    # -- learning -------------------------------------------------------------------------

    def _strategies(self) -> dict[str, str]:
        if isinstance(self.fill_value, Mapping):
            self._require(list(self.fill_value), self.columns_)
        if isinstance(self.strategy, str):
            return dict.fromkeys(self.columns_, self.strategy)
        named = self.strategy if isinstance(self.strategy, Mapping) else {}
        self._require(list(named), self.columns_)
        return {name: named.get(name, "auto") for name in self.columns_}

    def _complete(self, frame: nw.DataFrame[Any]) -> nw.DataFrame[Any]:
        """Return the rows that ``drop`` learns from."""
        if not self.required_columns_:
            return frame
        complete = frame.filter(is_complete(frame.select(*self.required_columns_)))
        if len(complete):
            return complete
        warnings.warn(
            f"{self._name}: strategy='drop' learns from complete rows, none of {len(frame)} is; "
            "it learns from all of them; fill some columns by another strategy.",
            DataQualityWarning,
            stacklevel=5,
        )
        return frame

    def _fit_estimator(
        self, frame: nw.DataFrame[Any], hollow: Sequence[str], y: np.ndarray | None
    ) -> tuple[dict[str, Fill], list[str]]:
        """Fit the user's estimator; return its constants, and what it fills row by row."""
        if isinstance(self.strategy, str | Mapping):
            return {}, []
        full = {name: kind for name, kind in self._kinds_.items() if name not in hollow}
        numbers = [name for name, kind in full.items() if kind == "number"]
        texts = [name for name, kind in full.items() if kind == "text"]
        known_as = title(self.strategy)
        if known_as == "sklearn.SimpleImputer":
            constants = simple_texts(self.strategy, frame.select(*texts))
            return constants | simple_numbers(self.strategy, frame.select(*numbers)), []
        names = numbers + texts if known_as.startswith("feature_engine.") else numbers
        if not names:
            return {}, []
        try:
            fitted = clone(self.strategy).fit(to_pandas(frame.select(*names)), y)
        except (ValueError, TypeError) as error:
            raise DataError(
                f"{self._name}: strategy={known_as.partition('.')[2]} must be able to learn from "
                f"columns {names!r}, it said: {error}; leave columns out by `columns`, or choose "
                "another strategy.",
                rule="learnable",
            ) from error
        if known_as in CONSTANT_FILLERS:
            found = fitted.imputer_dict_.items()
            return {name: taken_over(fitted, value) for name, value in found}, []
        if not keeps_what_is_there(fitted, frame.select(*names).head(TRIAL_ROWS)):
            must = "an estimator that fills missing cells and keeps rows, columns and other cells"
            raise fail(self._name, "strategy", must, self.strategy, "make it a step of its own")
        self.estimator_ = fitted
        self._by_row_ = names
        return {}, names

    def _refuse_idle_fill_value(self, names: Sequence[str]) -> None:
        given = self.fill_value
        if given is None or isinstance(given, Mapping) or not names:
            return
        kinds = {self._kinds_[name] for name in names}
        if not any(_is_of_kind(given, kind) for kind in kinds):
            must = f"of the kind of a column to fill ({', '.join(sorted(kinds))})"
            raise fail(self._name, "fill_value", must, given)

    def _constant(self, name: str) -> Fill:
        kind, given = self._kinds_[name], self.fill_value
        if isinstance(given, Mapping):
            given = given.get(name)
            if given is not None and not _is_of_kind(given, kind):
                must = f"a {kind} for column {name!r}"
                raise fail(self._name, "fill_value", must, self.fill_value)
        if given is None or not _is_of_kind(given, kind):
            default = DEFAULTS[kind]
            return Fill(default, f"constant {default!r}, the default of a {kind}")
        value = bool(given) if kind == "flag" else plain(given)
        return Fill(value, f"constant {value!r}, as given")

    def _warn(
        self, hollow: Sequence[str], by_mode: Sequence[str], frame: nw.DataFrame[Any]
    ) -> None:
        if hollow:
            filled = {name: self.fill_values_[name] for name in hollow}
            warnings.warn(
                f"{self._name}: a column must hold a value to learn from, {list(hollow)!r} "
                f"hold none and are filled with {filled!r}; drop them if that is their nature.",
                ConstantColumnWarning,
                stacklevel=5,
            )
        numbers = [
            name
            for name in by_mode
            if self._kinds_[name] == "number"
            and name not in (*hollow, *self._codes_)
            and not is_flag(finite_values(frame[name]))
        ]
        if numbers:
            warnings.warn(
                f"{self._name}: strategy='mode' suits categories, {numbers!r} are numbers, whose "
                "most frequent value need not be a typical one; prefer 'median' before a linear "
                "model.",
                DataQualityWarning,
                stacklevel=5,
            )

    def _choose_indicators(self, frame: nw.DataFrame[Any], missing: Mapping[str, int]) -> None:
        self.indicators_: dict[str, str] = {}
        least = self.min_indicator_share
        marks = Marks(frame, missing)
        for name, count in missing.items():
            share = count / len(frame)
            indicator = f"{name}__was_missing"
            twin = None
            if self.indicator == "none":
                why = "not made: indicator='none'"
            elif self.indicator == "auto" and not (count and share >= least):
                why = f"not made: {percent(share)} missing, an indicator needs {percent(least)}"
            elif self.indicator == "auto" and (twin := marks.twin(name, self.indicators_)):
                why = f"not made: identical to that of {twin!r}"
            else:
                why = f"made: {percent(share)} missing"
                self._refuse_taken(indicator, name)
                self.indicators_[name] = indicator
            self.choices_[indicator] = why

    def _refuse_taken(self, indicator: str, name: str) -> None:
        if indicator in self.columns_:
            raise SchemaError(
                f"{self._name}: a generated column must not bear the name of an existing one, the "
                f"indicator of {name!r} meets {indicator!r}; rename that column in X, or set "
                "indicator='none'.",
                unexpected=[indicator],
            )


def _check_fill_value(stage: str, fill_value: Any) -> None:
    single = list(fill_value.values()) if isinstance(fill_value, Mapping) else [fill_value]
    for value in single:
        legal = value is None or isinstance(value, str | bool | np.bool_)
        if not legal and not (is_number(value) and math.isfinite(value)):
            must = "None, a finite number, a string, a bool, or a dict from column to such a value"
            raise fail(stage, "fill_value", must, fill_value)


def _is_of_kind(value: Any, kind: str) -> bool:
    if kind == "text":
        return isinstance(value, str)
    if kind == "flag":
        return isinstance(value, bool | np.bool_) or (is_number(value) and value in (0, 1))
    return is_number(value)
