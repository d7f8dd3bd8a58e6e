"""Which columns of a frame a step takes; picklable, unlike lambdas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw


@dataclass(frozen=True)
class Present:
    """Choose, of some names, those that a frame has; picklable, unlike a lambda.

    Parameters
    ----------
    names : tuple of str
        The names, in the order in which they are returned.

    Examples
    --------
    >>> import polars as pl
    >>> from tracer_sklearn.blueprints import Present
    >>> Present(("a", "b"))(pl.DataFrame({"b": [1], "c": [2]}))
    ['b']
    """

    names: tuple[str, ...]

    def __call__(self, frame: Any) -> list[str]:
        """Return the names that ``frame`` has."""
        columns = set(nw.from_native(frame).collect_schema().names())
        return [name for name in self.names if name in columns]


@dataclass(frozen=True)
class Watchable:
    """Choose numbers, flags and text, but for some names; picklable, unlike a lambda.

    Parameters
    ----------
    unwatched : tuple of str
        Columns that move by nature, such as running numbers.

    Examples
    --------
    >>> import polars as pl
    >>> from tracer_sklearn.blueprints import Watchable
    >>> Watchable(("id",))(pl.DataFrame({"id": [1], "spend": [2.5]}))
    ['spend']
    """

    unwatched: tuple[str, ...]

    def __call__(self, frame: Any) -> list[str]:
        """Return the columns of ``frame`` that a `DriftMonitor` can watch."""
        schema = nw.from_native(frame).collect_schema()
        watched = [n for n, d in schema.items() if d.is_numeric() or d in _WATCHED_DTYPES]
        return [name for name in watched if name not in self.unwatched]


_WATCHED_DTYPES = (nw.Boolean, nw.String, nw.Categorical, nw.Enum)
