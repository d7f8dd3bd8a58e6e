"""What a file may cost before it is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, PositiveInt

from tracer_sklearn._params import fail
from tracer_sklearn.schema._part import Part

MIB = 1 << 20

# Small files of one repeated word compress 1000:1 and hurt nobody.
RATIO_COUNTS_AFTER = 10 * MIB


class IngestionLimits(Part):
    """Say what a file may cost before reading it is refused.

    The defaults stop decompression bombs, endless quotes and files of a million columns while
    they are read, before they fill the memory. Raise one when a file that you trust needs it;
    a file larger than the memory belongs to :func:`scan_csv` or :func:`iter_csv`, which set no
    limit of total size.

    Parameters
    ----------
    max_bytes : int or None, default=100000000
        Most bytes of the file, counted after decompression. 100 MB, because a table read whole
        takes several times its size in memory. None for no limit.
    max_ratio : float or None, default=100.0
        Most decompressed bytes for each stored byte, once 10 MiB are decompressed. Real tables
        stay below 50, bombs lie around 1,000. None for no limit.
    max_columns : int, default=10000
        Most columns of a table. Wider ones are a wrong delimiter far more often than a table.
    max_field_bytes : int, default=1048576
        Most bytes of one cell, 1 MiB. A quote that is never closed makes longer ones.
    max_row_bytes : int, default=16777216
        Most bytes of one row, 16 MiB.
    symlinks : {"follow", "refuse"}, default="follow"
        Whether a path may be a symbolic link. "refuse" where the paths come from others, as in
        a folder of uploads: a link would lead out of it.

    Raises
    ------
    ParameterError
        If a parameter is not in its legal set.

    Notes
    -----
    Whatever its limits, a file is only read when it is a regular file: a FIFO, a device, a
    socket or a directory is refused without opening it.

    Examples
    --------
    >>> import tracer_sklearn as ts
    >>> ts.IngestionLimits(max_bytes=2_000_000_000).max_columns
    10000
    """

    max_bytes: PositiveInt | None = 100_000_000
    max_ratio: float | None = Field(default=100.0, ge=1.0)
    max_columns: PositiveInt = 10_000
    max_field_bytes: PositiveInt = MIB
    max_row_bytes: PositiveInt = 16 * MIB
    symlinks: Literal["follow", "refuse"] = "follow"


AnyLimits = IngestionLimits | Mapping[str, Any] | None


def limits_of(given: object, *, default: IngestionLimits | None = None) -> IngestionLimits:
    """Return the limits of a call; what a mapping does not say is as in the default."""
    default = IngestionLimits() if default is None else default
    if given is None:
        return default
    if isinstance(given, IngestionLimits):
        return given
    if isinstance(given, Mapping):
        named = {str(name): value for name, value in given.items()}
        return IngestionLimits(**{**default.model_dump(), **named})
    must = "an IngestionLimits, a mapping of its parameters or None"
    raise fail("IngestionLimits", "limits", must, given, "pass IngestionLimits(max_bytes=...)")
