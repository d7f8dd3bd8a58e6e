"""Encoders of other libraries: asked once for each level, then applied on every engine."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.utils import get_tags

from tracer_sklearn._params import fail
from tracer_sklearn.exceptions import DataError
from tracer_sklearn.stages.encoding._crossfit import Scheme
from tracer_sklearn.stages.encoding._levels import Column, Key
from tracer_sklearn.stages.encoding._tables import Table

__all__ = [
    "Compiled",
    "as_frame",
    "check_encoder",
    "compile_encoder",
    "encode_rows",
    "fit_encoder",
    "made_dtypes",
    "needs_target",
    "out_of_fold",
]

# rows of the training data that a compiled table must reproduce
_SAMPLE = 1_000


@dataclass(frozen=True)
class Compiled:
    """What an encoder answers.

    Attributes
    ----------
    tables : dict of str to Table
        By made column.
    refuses : frozenset of {"unseen", "missing"}
        What the encoder raises on; the tables hold null there.
    """

    tables: dict[str, Table]
    refuses: frozenset[str]


def check_encoder(stage: str, encoder: Any) -> None:
    """Require an object with fit and transform that scikit-learn can clone."""
    usable = (
        not isinstance(encoder, type)
        and callable(getattr(encoder, "fit", None))
        and callable(getattr(encoder, "transform", None))
        and callable(getattr(encoder, "get_params", None))
    )
    if not usable:
        raise fail(
            stage,
            "strategy",
            "one of 'auto', 'onehot', 'label', 'frequency', 'target' or an encoder instance with "
            "fit, transform and get_params",
            encoder,
        )
    parameters = encoder.get_params(deep=False)
    for name in ("cols", "variables"):
        if parameters.get(name):
            raise fail(
                stage,
                "strategy",
                f"an encoder without `{name}` (the stage gives it one column at a time)",
                encoder,
                f"name the columns in {stage}(columns=...)",
            )


def needs_target(encoder: Any) -> bool:
    """Tell from its declaration whether an encoder cannot be fitted without y."""
    parameter = inspect.signature(encoder.fit).parameters.get("y")
    if parameter is not None and parameter.default is inspect.Parameter.empty:
        return True
    if encoder.get_params(deep=False).get("encoding_method") == "ordered":
        return True  # feature-engine's OrdinalEncoder declares y as optional
    return bool(get_tags(encoder).target_tags.required)


# -- one column as the encoders know it ----------------------------------------------------


def as_frame(name: str, column: Column) -> pd.DataFrame:
    """Return a training column as a pandas frame of its own."""
    if not column.n_missing:
        return _frame(name, _level_array(column)[column.codes], column.kind)
    levels = np.append(np.asarray(column.levels, dtype=object), np.nan)
    return _frame(name, levels[column.codes], column.kind)


def _level_array(column: Column) -> np.ndarray:
    if column.kind == "number" and column.n_missing:
        return np.asarray(column.levels, dtype=np.float64)  # as pandas holds them beside a NaN
    return np.asarray(column.levels, dtype=object if column.kind == "text" else None)


def _frame(name: str, values: Any, kind: str) -> pd.DataFrame:
    if kind == "text":
        return pd.DataFrame({name: pd.Series(values, dtype="str")})
    series = pd.Series(values)
    return pd.DataFrame({name: series.infer_objects()})


def _unseen_frames(name: str, column: Column) -> list[pd.DataFrame]:
    """Return values that the training data does not hold, unlike each other."""
    levels: Sequence[Any] = column.levels
    if column.kind == "text":
        known = set(levels)
        first, last = (levels[0], levels[-1]) if levels else ("", "")
        tries = [
            "\u2047 never seen",
            "0",
            f"{first}|{last}",
            f"{last} ",
            f"{first}{first}x",
            f"{last}".swapcase() + "~",
            "zzzzzzzz",
            "The quick brown fox",
        ]
        return [_frame(name, [value], "text") for value in tries if value not in known]
    if column.kind == "flag":
        return [_frame(name, [flag], "flag") for flag in (False, True) if flag not in levels]
    top = int(max(levels, default=0)) + 1
    return [_frame(name, [top + step], column.kind) for step in (0, 1, 5, 12, 40)]


def _missing_frame(name: str, column: Column) -> pd.DataFrame:
    return _frame(name, [None if column.kind == "text" else np.nan], column.kind)


def _unknown_frame(name: str, column: Column) -> pd.DataFrame:
    return next(iter(_unseen_frames(name, column)), _missing_frame(name, column))


# -- fitting and asking --------------------------------------------------------------------


@contextmanager
def _quiet() -> Iterator[None]:
    """Leave out what users cannot act on: pandas' future, and answers to our own questions."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "'future.no_silent_downcasting' is deprecated")
        warnings.filterwarnings("ignore", "During the encoding, NaN values were introduced")
        warnings.filterwarnings("ignore", "Found unknown categories in columns")
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        warnings.filterwarnings("ignore", category=FutureWarning)
        yield


def _for_column(encoder: Any, name: str, *, is_text: bool) -> Any:
    """Return an unfitted copy that works on this column, whatever it holds."""
    fresh = clone(encoder)
    parameters = fresh.get_params(deep=False)
    changes: dict[str, Any] = {
        selector: [name] for selector in ("cols", "variables") if selector in parameters
    }
    if parameters.get("ignore_format") is False and not is_text:
        changes["ignore_format"] = True
    # category_encoders decides in its constructor which columns to take: set_params is too late
    return type(fresh)(**{**parameters, **changes}) if changes else fresh


def fit_encoder(stage: str, encoder: Any, X: pd.DataFrame, y: np.ndarray | None) -> Any:
    """Fit a clone of an encoder on the one column of a frame."""
    name = X.columns[0]
    fitted = _for_column(encoder, name, is_text=isinstance(X[name].dtype, pd.StringDtype))
    try:
        with _quiet():
            # not every fit returns its encoder
            fitted.fit(X) if y is None else fitted.fit(X, pd.Series(y, name="y"))
            return fitted
    except Exception as error:
        raise DataError(
            f"{stage}: {type(encoder).__name__} must be able to learn column {name!r}, it raised "
            f"{type(error).__name__}: {error}; change its parameters or the column.",
            column=name,
            rule="encoder",
        ) from error


def encode_rows(
    fitted: Any, name: str, column: Column, dtypes: Mapping[str, str]
) -> dict[str, list[Any]]:
    """Return what an encoder that is no table makes of rows in memory."""
    made = _encoded(fitted, as_frame(name, column))
    return {out: _plain(made[out], dtype) for out, dtype in dtypes.items()}


def made_dtypes(fitted: Any, name: str, column: Column) -> dict[str, str]:
    """Name the columns that an encoder makes, with their dtypes."""
    sample = _encoded(fitted, as_frame(name, column).head(_SAMPLE))
    return {str(out): _dtype_of(sample[out]) for out in sample}


def _encoded(fitted: Any, X: pd.DataFrame) -> pd.DataFrame:
    """Return what a fitted encoder makes of one column, under names that begin with its name."""
    name = str(X.columns[0])
    with _quiet():
        out = fitted.transform(X)
    if hasattr(out, "toarray"):
        out = out.toarray()
    if not isinstance(out, pd.DataFrame):
        values = np.asarray(out)
        values = values.reshape(len(X), -1)
        frame = pd.DataFrame(values, columns=_names_of(fitted, name, values.shape[1]))
    else:
        frame = out.reset_index(drop=True)
    frame.columns = pd.Index([_prefixed(str(made), name) for made in frame.columns])
    return frame.infer_objects()


def _names_of(fitted: Any, name: str, width: int) -> list[str]:
    try:
        names = [str(made) for made in fitted.get_feature_names_out([name])]
    except (AttributeError, TypeError, ValueError):
        names = []
    if len(names) == width:
        return names
    return [name] if width == 1 else [f"{name}_{position}" for position in range(width)]


def _prefixed(made: str, name: str) -> str:
    return made if made == name or made.startswith(f"{name}_") else f"{name}_{made}"


def _answers(fitted: Any, X: pd.DataFrame) -> pd.DataFrame | None:
    """Return what the encoder makes of values it may refuse; None where it does."""
    try:
        return _encoded(fitted, X)
    except (ValueError, TypeError, KeyError):
        return None


def compile_encoder(fitted: Any, name: str, column: Column) -> Compiled | None:
    """Return an encoder's answers as tables, or None where they do not depend on the value alone.

    It is asked for each level, for a missing cell and for several unseen values. The answers are
    its own where all unseen values get the same one and the rows of a training sample get what
    the tables say.
    """
    levels = _encoded(fitted, _frame(name, _level_array(column), column.kind))
    missing = _answers(fitted, _missing_frame(name, column))
    others = [_answers(fitted, frame) for frame in _unseen_frames(name, column)]
    unseen = others[0] if others else missing
    for other in others:
        if not _same(unseen, other):
            return None
    refuses = {what for what, found in (("unseen", unseen), ("missing", missing)) if found is None}
    if not others:
        refuses.discard("unseen")
    blank = pd.DataFrame({made: [np.nan] for made in levels.columns})
    answers = pd.concat(
        [levels, blank if unseen is None else unseen, blank if missing is None else missing],
        ignore_index=True,
    )
    if not _reproduces(fitted, name, column, answers):
        return None
    tables = {str(made): _table(column.keys, answers[made]) for made in answers}
    return Compiled(tables, frozenset(refuses))


def _same(left: pd.DataFrame | None, right: pd.DataFrame | None) -> bool:
    if left is None or right is None:
        return left is right
    return bool(left.astype(object).equals(right.astype(object)))


def _reproduces(fitted: Any, name: str, column: Column, answers: pd.DataFrame) -> bool:
    step = max(1, column.n_rows // _SAMPLE)
    sample = np.arange(0, column.n_rows, step)
    found = _encoded(fitted, as_frame(name, column).iloc[sample].reset_index(drop=True))
    codes = column.codes[sample]
    # the last row of the answers is the missing cell, one after the unseen value
    rows = np.where(codes == column.n_levels, column.n_levels + 1, codes)
    said = answers.iloc[rows].reset_index(drop=True)
    return list(found.columns) == list(said.columns) and all(
        _equal(found[made], said[made]) for made in found.columns
    )


def _equal(left: pd.Series, right: pd.Series) -> bool:
    here, there = left.isna().to_numpy(), right.isna().to_numpy()
    if not np.array_equal(here, there):
        return False
    return bool(np.all(left.to_numpy(dtype=object)[~here] == right.to_numpy(dtype=object)[~here]))


def _table(keys: list[Key], answers: pd.Series) -> Table:
    dtype = _dtype_of(answers)
    *values, unseen, missing = _plain(answers, dtype)
    return Table(keys=keys, values=values, unseen=unseen, missing=missing, dtype=dtype)


def _plain(answers: pd.Series, dtype: str) -> list[Any]:
    convert = {"Int64": int, "Boolean": bool, "Float64": float}.get(dtype, str)
    return [
        None if lost else convert(value)
        for value, lost in zip(answers.tolist(), answers.isna().tolist(), strict=True)
    ]


def _dtype_of(values: pd.Series) -> str:
    """Name the dtype that serves the answers of an encoder on every engine."""
    kind = values.dtype.kind if isinstance(values.dtype, np.dtype) else "O"
    if kind in "iu":
        return "Int64"
    return {"f": "Float64", "b": "Boolean"}.get(kind, "String")


# -- training columns that do not leak -----------------------------------------------------


def out_of_fold(
    stage: str,
    encoder: Any,
    name: str,
    column: Column,
    y: np.ndarray,
    scheme: Scheme,
    dtypes: Mapping[str, str],
) -> dict[str, list[Any]]:
    """Return what encoders fitted without the row's own part make of every training row."""
    X = as_frame(name, column)
    pieces = []
    for learn, encode in scheme.pairs():
        rows = encode if not len(learn) else learn
        fitted = fit_encoder(stage, encoder, X.iloc[rows].reset_index(drop=True), y[rows])
        asked = X.iloc[encode].reset_index(drop=True)
        # no past to learn from: its rows all take the answer for a value that nobody saw
        if not len(learn):
            asked = pd.concat([_unknown_frame(name, column)] * len(encode), ignore_index=True)
        try:
            piece = _encoded(fitted, asked)
        except Exception as error:
            raise DataError(
                f"{stage}: {type(encoder).__name__} must encode every part of column {name!r} "
                f"from the others, it raised {type(error).__name__}: {error}; let it accept "
                "unseen values, or pool rare ones first.",
                column=name,
                rule="encoder",
            ) from error
        pieces.append(piece.set_index(encode))
    made = pd.concat(pieces).sort_index()
    lacking = [out for out in dtypes if out not in made]
    if lacking:
        raise DataError(
            f"{stage}: {type(encoder).__name__} must make the same columns from every part of "
            f"column {name!r}, {lacking!r} are absent; let it keep invariant columns.",
            column=name,
            rule="encoder",
        )
    return {out: _plain(made[out], dtype) for out, dtype in dtypes.items()}
