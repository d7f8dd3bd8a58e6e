"""What may come in, under which names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
from sklearn.utils import check_array

from tracer_sklearn._frame._crossing import (
    array_to_polars,
    arrow_to_polars,
    pandas_to_polars,
    side_by_side,
)
from tracer_sklearn.exceptions import InputTypeError, SchemaError

Kind = Literal["numpy", "pandas", "polars", "pyarrow", "lazy"]
Container = Literal["default", "pandas", "polars"]

ACCEPTED = (
    "a 2-D NumPy array, a pandas, Polars or PyArrow frame, a Polars LazyFrame or a DuckDB relation"
)


@dataclass(frozen=True)
class Entered:
    """A frame inside the door.

    Attributes
    ----------
    native : object
        What came in; a pandas frame without column names carries ``x0 ... xn`` here.
    kind : str
        Which branch of the door serves it.
    names : list of str
        Column names, in order.
    named : bool
        Whether the caller gave the names (arrays have none: ``x0 ... xn``).
    """

    native: Any
    kind: Kind
    names: list[str]
    named: bool
    stage: str
    _crossed: dict[str, pl.Series] = field(default_factory=dict, repr=False)
    _dtypes: dict[str, Any] = field(default_factory=dict, repr=False)  # of crossed pandas columns

    @property
    def is_lazy(self) -> bool:
        return self.kind == "lazy"

    @property
    def n_rows(self) -> int:
        return self.native.num_rows if self.kind == "pyarrow" else len(self.native)

    def schema(self) -> dict[str, nw.dtypes.DType]:
        """Return the narwhals dtype of every column; runs nothing on lazy frames."""
        if self.kind == "numpy":
            table = nw.from_native(self.cross(self.names))
            return dict(table.schema)
        return dict(nw.from_native(self.native).collect_schema())

    def renamed(self, names: Sequence[str]) -> Entered:
        """Return the same frame under other names, position by position."""
        if list(names) == self.names:
            return self
        native = self.native
        if self.kind == "pandas":
            native = native.set_axis(list(names), axis=1)
        elif self.kind == "pyarrow":
            native = native.rename_columns(list(names))
        elif self.kind in ("polars", "lazy"):
            mapping = dict(zip(self.names, names, strict=True))
            native = nw.from_native(native).rename(mapping).to_native()
        return replace(self, native=native, names=list(names), _crossed={}, _dtypes={})

    def in_order(self, names: Sequence[str]) -> Entered:
        """Return the same frame with the given names first, those of them that it has."""
        found, first = set(self.names), set(names)
        ordered = [name for name in names if name in found]
        ordered += [name for name in self.names if name not in first]
        return self if ordered == self.names else replace(self, names=ordered)

    def cross(self, names: Sequence[str]) -> pl.DataFrame:
        """Return the named columns as a Polars frame, sharing memory where possible."""
        if self.kind == "polars":
            # `select` runs a query, which costs ten times as much as taking columns
            taken: pl.DataFrame = self.native[list(names)] if names else self.native.select([])
            return taken
        for name in names:
            if name not in self._crossed:
                self._crossed[name] = self._cross_one(name)
        # a frame of no columns still has rows, which no Polars frame can say
        return side_by_side([self._crossed[name] for name in names])

    def _cross_one(self, name: str) -> pl.Series:
        if self.kind == "numpy":
            values = self.native[:, self.names.index(name)]
            return array_to_polars(name, values, self.stage)
        if self.kind == "pandas":
            column = self.native[name]
            self._dtypes[name] = column.dtype
            return pandas_to_polars(name, column, self.stage)
        return arrow_to_polars(name, self.native.column(name), self.stage)


def enter(X: Any, *, stage: str, min_rows: int = 0) -> Entered:
    """Let a frame in, or say why not.

    Parameters
    ----------
    X : object
        Any of the accepted containers.
    stage : str
        Name of the asking stage, for messages.
    min_rows : int, default=0
        Fewest rows an in-memory frame may have (1 in ``fit``).

    Raises
    ------
    InputTypeError
        If the container is of another kind, is sparse, or its columns have several levels.
    SchemaError
        If two columns bear one name.
    ValueError
        From scikit-learn, for arrays of the wrong shape.
    """
    if nw.dependencies.is_narwhals_dataframe(X) or nw.dependencies.is_narwhals_lazyframe(X):
        return enter(X.to_native(), stage=stage, min_rows=min_rows)
    if isinstance(X, pd.DataFrame):
        entered = _enter_pandas(X, stage)
    elif isinstance(X, pl.DataFrame):
        _refuse_patterns(X.columns, stage)
        entered = Entered(X, "polars", list(X.columns), True, stage)
    elif isinstance(X, pl.LazyFrame):
        names = X.collect_schema().names()
        _refuse_patterns(names, stage)
        return Entered(X, "lazy", names, True, stage)
    elif isinstance(X, pa.Table | pa.RecordBatch):
        table = pa.Table.from_batches([X]) if isinstance(X, pa.RecordBatch) else X
        _check_names(table.column_names, stage)
        entered = Entered(table, "pyarrow", list(table.column_names), True, stage)
    elif nw.dependencies.is_duckdb_relation(X):
        _check_names(X.columns, stage)
        return Entered(X, "lazy", list(X.columns), True, stage)
    elif isinstance(X, pd.Series | pl.Series | str | bytes | Mapping) or _is_foreign_frame(X):
        received = f"{type(X).__module__}.{type(X).__qualname__}"
        raise InputTypeError(
            f"{stage}: X must be {ACCEPTED}, got {received}; convert it first.",
            stage=stage,
            received=received,
        )
    else:
        _refuse_masked_cells(X, stage)
        array = check_array(
            X,
            dtype=None,
            ensure_all_finite=False,
            ensure_min_samples=min_rows,
            estimator=stage,
            input_name="X",
        )
        return Entered(array, "numpy", [f"x{i}" for i in range(array.shape[1])], False, stage)
    if entered.n_rows < min_rows or not entered.names:
        shape = (entered.n_rows, len(entered.names))
        raise SchemaError(
            f"{stage}: fit needs at least one row and one column, found shape {shape}; "
            "check the step or the file that made this frame."
        )
    return entered


def _refuse_masked_cells(X: Any, stage: str) -> None:
    """Refuse what scikit-learn would take for data in silence: the values under a mask."""
    if np.ma.is_masked(X):
        raise InputTypeError(
            f"{stage}: missing cells of X must be NaN or None, found an array with "
            f"{int(np.ma.getmaskarray(X).sum())} masked cells; "
            "use `X.astype(float).filled(numpy.nan)`.",
            stage=stage,
            received="numpy.ma.MaskedArray",
        )


def enter_target(y: Any, n_rows: int, *, stage: str) -> np.ndarray:
    """Return the target as an array, whatever library holds it; one value (or row) a row of X."""
    if isinstance(y, pa.ChunkedArray | pa.Array):
        y = y.to_numpy(zero_copy_only=False)
    elif isinstance(y, pl.Series | pl.DataFrame | pd.Series | pd.DataFrame):
        y = y.to_numpy()
    target = np.asarray(y)
    if target.ndim == 0 or len(target) != n_rows:
        raise ValueError(
            f"{stage}: X and y must have the same number of rows, found {n_rows} and "
            f"{'a scalar' if target.ndim == 0 else len(target)}; "
            "inconsistent numbers of samples: take both from one table."
        )
    return target


def keep_rows(rows: Any, kept: np.ndarray) -> Any:
    """Return the rows where ``kept`` is true, of a frame, a column, an array or a list."""
    if isinstance(rows, nw.DataFrame | nw.Series):
        rows = rows.to_native()
    if isinstance(rows, pl.DataFrame | pl.Series):
        return rows.filter(pl.Series(kept))
    if isinstance(rows, pa.Table | pa.RecordBatch | pa.ChunkedArray | pa.Array):
        return rows.filter(pa.array(kept))
    if isinstance(rows, pd.DataFrame | pd.Series | pd.Index | np.ndarray):
        return rows[kept]
    return [row for row, keep in zip(rows, kept, strict=True) if keep]


def missing_cells(values: np.ndarray) -> np.ndarray:
    """Tell, cell by cell, what any library writes for a missing value."""
    return np.asarray(pd.isna(values))


def _is_foreign_frame(X: Any) -> bool:
    """Tell a frame of a library that the door does not serve, before NumPy objectifies it."""
    return not hasattr(X, "__array__") and (
        hasattr(X, "__narwhals_dataframe__")
        or hasattr(X, "__dataframe__")
        or nw.dependencies.is_dask_dataframe(X)
        or nw.dependencies.is_ibis_table(X)
        or nw.dependencies.is_pyspark_dataframe(X)
        or nw.dependencies.is_pyspark_connect_dataframe(X)
    )


def _enter_pandas(X: pd.DataFrame, stage: str) -> Entered:
    if isinstance(X.columns, pd.MultiIndex):
        raise InputTypeError(
            f"{stage}: columns must have one level, found {X.columns.nlevels}; "
            "flatten them, for example with `X.columns = ['_'.join(c) for c in X.columns]`.",
            stage=stage,
            received="pandas.DataFrame with MultiIndex columns",
        )
    is_text = [isinstance(label, str) for label in X.columns]
    if all(is_text):
        names = list(X.columns)
        _check_names(names, stage)
        return Entered(X, "pandas", names, True, stage)
    if any(is_text):
        odd = [label for label, text in zip(X.columns, is_text, strict=True) if not text]
        raise InputTypeError(
            f"{stage}: column names must all be strings or none of them, found {odd[:5]!r} "
            "among strings; convert them with `X.columns = X.columns.astype(str)`.",
            stage=stage,
            received="pandas.DataFrame with mixed column labels",
        )
    names = [f"x{i}" for i in range(X.shape[1])]
    return Entered(X.set_axis(names, axis=1), "pandas", names, False, stage)


def _check_names(names: Sequence[str], stage: str) -> None:
    _refuse_patterns(names, stage)
    if len(set(names)) == len(names):
        return
    positions: dict[str, list[int]] = {}
    for position, name in enumerate(names):
        positions.setdefault(name, []).append(position)
    twice = {name: at for name, at in positions.items() if len(at) > 1}
    shown = ", ".join(f"{name!r} at positions {at}" for name, at in twice.items())
    raise SchemaError(
        f"{stage}: column names must be unique, found {shown}; rename one of each.",
        unexpected=twice,
    )


def _refuse_patterns(names: Sequence[str], stage: str) -> None:
    """Refuse names that Polars takes for patterns of other names, whatever they are meant to be."""
    patterns = [n for n in names if n == "*" or (n.startswith("^") and n.endswith("$"))]
    if patterns:
        raise SchemaError(
            f"{stage}: a column must not be named '*' nor start with '^' and end with '$', which "
            f"engines take for a pattern of names, found {patterns!r}; rename it.",
            unexpected=patterns,
        )


def gather(entered: Entered) -> Entered:
    """Run a lazy frame once and let its rows in as Polars."""
    if not isinstance(entered.native, pl.LazyFrame):
        _refuse_intervals(entered)
    native = nw.from_native(entered.native).collect("polars").to_native()
    return replace(entered, native=native, kind="polars", _crossed={}, _dtypes={})


def _refuse_intervals(entered: Entered) -> None:
    """Refuse what only SQL can hold: spans of months, days and nanoseconds at once."""
    types = zip(entered.names, entered.native.types, strict=True)
    found = [name for name, dtype in types if str(dtype) == "INTERVAL"]
    if found:
        raise InputTypeError(
            f"{entered.stage}: fit needs columns that rows in memory can hold, {found!r} are of "
            "type INTERVAL; make numbers of them, for example with `epoch(...) / 86400`, or leave "
            "them out of the query.",
            stage=entered.stage,
            received="INTERVAL",
        )


def pick_columns(entered: Entered, chooser: Any) -> list[str]:
    """Ask a user's callable for names; it sees the frame that came in (arrays as Polars)."""
    frame = entered.cross(entered.names) if entered.kind == "numpy" else entered.native
    chosen = chooser(frame)
    # the letters of a name are no names
    return [chosen] if isinstance(chosen, str) else list(chosen)
