"""The door: the one place where a stage meets arrays, dataframe libraries and containers.

A frame *enters* as it is; only the columns that a stage reads are *crossed* into Polars,
without copying where the memory allows it; what the stage made *leaves* in the library,
index and row order that came in. Lazy frames are never run here, except by `gather`.
"""

from tracer_sklearn._frame._entering import (
    Entered,
    enter,
    enter_target,
    gather,
    keep_rows,
    missing_cells,
    pick_columns,
)
from tracer_sklearn._frame._leaving import container_of, leave, leave_gathered, leave_lazy

__all__ = [
    "Entered",
    "container_of",
    "enter",
    "enter_target",
    "gather",
    "keep_rows",
    "leave",
    "leave_gathered",
    "leave_lazy",
    "missing_cells",
    "pick_columns",
]
