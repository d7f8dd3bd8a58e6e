"""What was made, given back in the library, index and order that came in."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Literal

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import sklearn

from tracer_sklearn._frame._crossing import side_by_side
from tracer_sklearn._frame._entering import Container, Entered, Kind
from tracer_sklearn.exceptions import InputTypeError, SchemaError


def container_of(estimator: Any) -> Container:
    """Return the output container asked for by ``set_output`` or scikit-learn's configuration."""
    config = getattr(estimator, "_sklearn_output_config", {})
    chosen: Container = config.get("transform", sklearn.get_config()["transform_output"])
    return chosen


def leave(
    entered: Entered, made: pl.DataFrame, names_out: Sequence[str], container: Container
) -> Any:
    """Give back the frame that came in with the columns that a stage made.

    Parameters
    ----------
    entered : Entered
        What came in, in memory.
    made : polars.DataFrame
        The made columns; those of ``names_out`` that are not among them pass unchanged.
    names_out : sequence of str
        Which columns leave, in which order.
    container : {"default", "pandas", "polars"}
        The library that the result shall have; default: the one that came in.
    """
    kind: Kind = entered.kind if container == "default" else container
    if kind == "pandas":
        return _leave_pandas(entered, made, names_out)
    if kind == "polars":
        fresh = set(made.columns)
        kept = entered.cross([name for name in names_out if name not in fresh])
        return side_by_side([(made if name in fresh else kept)[name] for name in names_out])
    if kind == "pyarrow":
        return _leave_pyarrow(entered, made, names_out)
    return _leave_numpy(entered, made, names_out)


def leave_lazy(
    entered: Entered,
    frame: nw.LazyFrame[Any],
    made: Mapping[str, nw.Expr],
    names_out: Sequence[str],
    container: Container,
) -> Any:
    """Extend the plan of a lazy frame, helper columns and all, by the made ones; nothing runs."""
    _refuse_container(entered, container)
    if not isinstance(entered.native, pl.LazyFrame):
        _refuse_case_twins(entered, [*frame.collect_schema().names(), *made])
    columns = [made[name].alias(name) if name in made else nw.col(name) for name in names_out]
    return frame.select(*columns).to_native()


def leave_gathered(entered: Entered, table: pl.DataFrame, container: Container) -> Any:
    """Give rows that had to be gathered back as the lazy kind of frame that came in."""
    _refuse_container(entered, container)
    if isinstance(entered.native, pl.LazyFrame):
        return table.lazy()
    _refuse_case_twins(entered, table.columns)
    import duckdb

    # a connection of its own: that of the relation cannot be asked for
    return duckdb.connect().from_arrow(table.to_arrow())


def _refuse_container(entered: Entered, container: Container) -> None:
    if container != "default":
        raise InputTypeError(
            f"{entered.stage}: set_output(transform={container!r}) asks for rows in memory, X is "
            "lazy and stays where it is; collect it first, or use set_output(transform='default').",
            stage=entered.stage,
            received=type(entered.native).__qualname__,
        )


def _refuse_case_twins(entered: Entered, names: Iterable[str]) -> None:
    """Refuse names that differ by case only: SQL engines would give one column under both."""
    seen: dict[bytes, str] = {}
    for name in names:
        twin = seen.setdefault(name.encode().lower(), name)  # bytes: SQL folds ASCII letters only
        if twin != name:
            engine = type(entered.native).__qualname__
            raise SchemaError(
                f"{entered.stage}: columns must differ by more than upper and lower case on an "
                f"engine that ignores it ({engine}), {twin!r} and {name!r} do not; bring names and "
                "levels to one case before fit, or transform rows in memory.",
                unexpected=[twin, name],
            )


def _leave_numpy(entered: Entered, made: pl.DataFrame, names_out: Sequence[str]) -> np.ndarray:
    lent = _Lent()
    fresh = {name: _to_numpy(made[name], lent) for name in made.columns}
    columns = [
        fresh[name] if name in fresh else entered.native[:, entered.names.index(name)]
        for name in names_out
    ]
    if any(column.dtype.kind in "OSUM" for column in columns):
        out = np.empty((entered.n_rows, len(columns)), dtype=object)
    else:
        out = np.empty(
            (entered.n_rows, len(columns)), dtype=np.result_type(*columns) if columns else float
        )
    for position, column in enumerate(columns):
        out[:, position] = column
    return out


def _leave_pyarrow(entered: Entered, made: pl.DataFrame, names_out: Sequence[str]) -> pa.Table:
    columns = []
    for name in names_out:
        if name not in made.columns:
            columns.append(entered.native.column(name))
            continue
        column = made[name].to_arrow()
        if name in entered.names and made[name].dtype == entered.cross([name])[name].dtype:
            came = entered.native.schema.field(name).type
            if not pa.types.is_decimal(came):
                column = _as_it_came(column, came)
        columns.append(column)
    return pa.table(columns, names=list(names_out))


def _as_it_came(column: pa.Array, dtype: pa.DataType) -> pa.Array:
    if pa.types.is_dictionary(dtype) and not pa.types.is_dictionary(column.type):
        return column.cast(dtype.value_type).dictionary_encode().cast(dtype)
    return column.cast(dtype)


def _leave_pandas(entered: Entered, made: pl.DataFrame, names_out: Sequence[str]) -> pd.DataFrame:
    if entered.kind != "pandas":
        index = pd.RangeIndex(entered.n_rows)
        kept = entered.cross([name for name in names_out if name not in made.columns])
        lent = _Lent(kept.iter_columns())
        columns = {
            name: _to_pandas((made if name in made.columns else kept)[name], "numpy", lent)
            for name in names_out
        }
        return pd.DataFrame(columns, index=index, copy=False)
    frame = entered.native
    dtypes = entered._dtypes
    flavour = _flavour(dtypes.values())
    fresh = set(made.columns)
    lent = _Lent(entered._crossed.values())
    out: dict[str, Any] = {}
    for name in names_out:
        crossed = entered._crossed.get(name)
        if name not in fresh:
            out[name] = frame[name]
        elif crossed is not None and _keeps_dtype(made[name], crossed, dtypes[name]):
            out[name] = _to_pandas_like(made[name], dtypes[name], lent)
        else:
            own = flavour if crossed is None else _flavour([dtypes[name]])
            out[name] = _to_pandas(made[name], own, lent)
    return pd.DataFrame(out, index=frame.index, copy=False)


def _keeps_dtype(made: pl.Series, crossed: pl.Series, dtype: Any) -> bool:
    if isinstance(dtype, pd.CategoricalDtype):
        # texts made of numbered categories are no levels among those numbers
        texts = (pl.String, pl.Enum, pl.Categorical)
        return made.dtype == crossed.dtype or (made.dtype in texts and crossed.dtype in texts)
    if isinstance(dtype, pd.ArrowDtype) and pa.types.is_decimal(dtype.pyarrow_dtype):
        return False  # what is computed from decimals is a float, which they would round
    return made.dtype == crossed.dtype


def _flavour(dtypes: Collection[Any]) -> Literal["numpy", "nullable", "arrow"]:
    """Name the family of dtypes that new columns take: that of the columns they come from."""
    if dtypes and all(isinstance(dtype, pd.ArrowDtype) for dtype in dtypes):
        return "arrow"
    masked = ("Int", "UInt", "Float", "boolean")
    if any(not isinstance(d, np.dtype) and str(d).startswith(masked) for d in dtypes):
        return "nullable"
    return "numpy"


class _Lent:
    """Lend the memory of freshly made columns to NumPy, writable and without a copy.

    Polars hands its memory out read-only, because others may share it. A made column is ours
    alone, unless an expression gave back the very buffer that came in (as ``fill_null`` does
    where nothing is null) or one buffer twice: those are copied.
    """

    def __init__(self, crossed: Iterable[pl.Series] = ()) -> None:
        self._taken = {
            _address(column.to_arrow())
            for column in crossed
            if column.dtype.is_numeric() and column.n_chunks() == 1 and len(column)
        }

    def lend(self, series: pl.Series) -> np.ndarray:
        """Return a numeric column without nulls as an array that may be written to."""
        column = series.rechunk().to_arrow()
        address = _address(column)
        if address in self._taken:
            return series.to_numpy().copy()
        self._taken.add(address)
        return np.asarray(_Buffer(column, address))


class _Buffer:
    """The memory of an Arrow column, in NumPy's array interface; keeps the column alive."""

    def __init__(self, column: pa.Array, address: int) -> None:
        self.column = column
        self.__array_interface__ = {
            "data": (address, False),
            "shape": (len(column),),
            "typestr": np.dtype(column.type.to_pandas_dtype()).str,
            "version": 3,
        }


def _address(column: pa.Array) -> int:
    start: int = column.buffers()[1].address
    return start + int(column.offset) * int(column.type.bit_width) // 8


# `fill_null` is three times as fast as `to_numpy` on many rows, and a query of 80 µs on one.
_FEW_ROWS = 10_000


def _to_numpy(series: pl.Series, lent: _Lent) -> np.ndarray:
    if series.dtype == pl.Null:
        return np.full(len(series), np.nan)
    if series.dtype.is_float() and series.null_count():
        if len(series) < _FEW_ROWS:
            return series.to_numpy(writable=True)
        series = series.fill_null(float("nan"))
    if series.dtype.is_numeric() and not series.null_count() and len(series):
        return lent.lend(series)
    if isinstance(series.dtype, pl.Boolean | pl.Enum | pl.Categorical | pl.String):
        values = series.to_list()
        as_flags = series.dtype == pl.Boolean and not series.null_count()
        return np.array(values, dtype=bool if as_flags else object)
    return series.to_numpy(writable=True)


def _to_pandas(series: pl.Series, flavour: str, lent: _Lent) -> Any:
    if flavour == "arrow":
        column = series.to_arrow()
        if pa.types.is_dictionary(column.type):
            column = column.cast(pa.large_string())
        return pd.arrays.ArrowExtensionArray(pa.chunked_array([column]))
    if flavour == "nullable" and (series.dtype.is_numeric() or series.dtype == pl.Boolean):
        name = "boolean" if series.dtype == pl.Boolean else str(series.dtype)
        dtype: Any = pd.api.types.pandas_dtype(name)
        return dtype.__from_arrow__(series.to_arrow()).copy()
    if isinstance(series.dtype, pl.Enum | pl.Categorical):
        return pd.Categorical(series.to_list(), categories=_levels(series))
    if isinstance(series.dtype, pl.String):
        return pd.array(series.to_list(), dtype="str")
    if isinstance(series.dtype, pl.Datetime) and series.dtype.time_zone:
        return series.to_pandas().array
    if isinstance(series.dtype, pl.Date):
        return series.cast(pl.Datetime("us")).to_numpy(writable=True)
    return _to_numpy(series, lent)


def _levels(series: pl.Series) -> list[str]:
    if isinstance(series.dtype, pl.Enum):
        return series.dtype.categories.to_list()
    return series.cast(pl.String).drop_nulls().unique().sort().to_list()


def _to_pandas_like(series: pl.Series, dtype: Any, lent: _Lent) -> Any:
    """Give a column that kept its kind the very pandas dtype that it came with."""
    if isinstance(dtype, pd.CategoricalDtype):
        values = (
            series.cast(pl.String) if isinstance(series.dtype, pl.Enum | pl.Categorical) else series
        )
        known = list(dtype.categories)
        seen = set(known)
        new = [v for v in values.drop_nulls().unique(maintain_order=True) if v not in seen]
        return pd.Categorical(values.to_list(), categories=known + new, ordered=dtype.ordered)
    if isinstance(dtype, np.dtype):
        if dtype.kind == "M":
            return series.to_numpy(writable=True).astype(dtype, copy=False)
        return _to_numpy(series, lent)
    arrow = series.to_arrow()
    if isinstance(dtype, pd.ArrowDtype):
        arrow = arrow.cast(dtype.pyarrow_dtype)
        return pd.arrays.ArrowExtensionArray(pa.chunked_array([arrow]))
    if hasattr(dtype, "__from_arrow__"):
        return dtype.__from_arrow__(arrow).copy()
    return pd.array(series.to_list(), dtype=dtype)
