"""Rows as frames of every engine."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

from tracer_sklearn.exceptions import (
    MissingDependencyError,
)

ENGINES = (
    "pandas",
    "pandas-nullable",
    "pandas-arrow",
    "numpy",
    "polars",
    "polars-lazy",
    "pyarrow",
    "duckdb",
)


def to_engine(frame: pl.DataFrame, engine: str) -> Any:
    """Return a Polars frame as a frame of the named engine.

    The pandas kinds carry a shuffled index with duplicates; ``numpy`` gives a float array where
    every column is numeric and an object array otherwise.

    Parameters
    ----------
    frame : polars.DataFrame
        The rows.
    engine : str
        One of `ENGINES`.
    """
    if engine == "polars":
        return frame
    if engine == "polars-lazy":
        return frame.lazy()
    if engine == "pyarrow":
        return frame.to_arrow()
    if engine == "numpy":
        return _to_numpy(frame)
    if engine == "duckdb":
        try:
            import duckdb
        except ImportError:
            raise MissingDependencyError.from_extra("testing: engine 'duckdb'", "duckdb") from None
        # a connection of its own: the default one is shared by the whole process
        return duckdb.connect().from_arrow(frame.to_arrow())
    if engine == "pandas":
        out = frame.to_pandas()
    elif engine == "pandas-arrow":
        out = frame.to_arrow().to_pandas(types_mapper=pd.ArrowDtype)
    else:
        out = frame.to_arrow().to_pandas(types_mapper=_NULLABLE.get)
    rng = np.random.default_rng(len(frame))
    return out.set_axis(rng.integers(0, max(1, len(frame) // 2), len(frame)), axis=0)


_NULLABLE: dict[Any, Any] = {
    pa.int8(): pd.Int8Dtype(),
    pa.int16(): pd.Int16Dtype(),
    pa.int32(): pd.Int32Dtype(),
    pa.int64(): pd.Int64Dtype(),
    pa.uint8(): pd.UInt8Dtype(),
    pa.float32(): pd.Float32Dtype(),
    pa.float64(): pd.Float64Dtype(),
    pa.bool_(): pd.BooleanDtype(),
    pa.large_string(): pd.StringDtype(),
    pa.string_view(): pd.StringDtype(),
}


def _to_numpy(frame: pl.DataFrame) -> np.ndarray:
    if all(dtype.is_numeric() for dtype in frame.dtypes):
        return frame.to_numpy(writable=True)
    out = np.empty(frame.shape, dtype=object)
    for position, column in enumerate(frame.iter_columns()):
        out[:, position] = column.to_list()
    return out
