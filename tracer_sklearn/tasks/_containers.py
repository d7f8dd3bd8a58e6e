"""Giving made tables to the caller in the library that the caller uses."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

from tracer_sklearn._frame import enter, leave

Library = Literal["pandas", "polars", "pyarrow"]
LIBRARIES: tuple[Library, ...] = ("pandas", "polars", "pyarrow")


def frame_in(frame: pl.DataFrame, library: str) -> Any:
    """Return a table in a library; a pandas frame has a fresh RangeIndex."""
    if library == "pyarrow":
        return frame.to_arrow()
    if library == "polars":
        return frame
    return leave(enter(frame, stage="frame_in"), pl.DataFrame(), frame.columns, "pandas")


def labels_in(labels: np.ndarray, library: str) -> Any:
    """Return labels as the column type of a library, named ``churn`` where columns have names."""
    if library == "pyarrow":
        return pa.chunked_array([pa.array(labels)])
    if library == "polars":
        return pl.Series("churn", labels)
    return pd.Series(labels, name="churn")
