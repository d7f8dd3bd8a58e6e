"""Parsing of dirty text, and smaller dtypes."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from tracer_sklearn._params import check_choice, check_columns, check_real, fail
from tracer_sklearn._text import (
    KINDS,
    ColumnFormat,
    Learnt,
    account_for,
    failed,
    format_from,
    from_numbers,
    is_missing,
    learn_format,
    parsed,
)
from tracer_sklearn.base import Counts, Stage
from tracer_sklearn.exceptions import DataError, DataQualityWarning

__all__ = ["ColumnParser"]

_ON_FAILURE = ("missing", "raise")
_ON_AMBIGUOUS = ("error", "day_first", "month_first", "text")
_DAY_FIRST = {"day_first": True, "month_first": False}
_TEXT = ("text", "category")
# what the kinds of a schema are in text
_KIND_OF_FIELD = {"identifier": "text"}


class ColumnParser(Stage):
    """Turn columns of dirty text into dates, numbers, counts and flags.

    Use it as the first step of every pipeline that reads business files: it works from a frame
    of nothing but strings. Columns that have a type already pass unchanged, so it costs nothing
    where the reader has done the work. Do not use it on free text that should stay as it is:
    name the other columns then.

    Parameters
    ----------
    columns : list of str, callable or None, default=None
        Columns to parse. None takes every column of text (strings and categories).
    schema : BlueprintSchema, mapping of str to kind, or None, default=None
        What columns are known to hold, by name. A kind is "number", "count", "datetime",
        "flag", "category", "identifier" (stays text), or an object with an attribute ``kind``,
        such as a `FieldSpec`. None, because most columns speak for themselves. A column whose
        kind is known is parsed as that kind however many cells fail.
    formats : mapping of str to format, or None, default=None
        How columns are read, by name; goes before the schema and before what is learnt. A format
        is a kind as above or "text" or "date", a date format in strptime's language
        ("%d/%m/%Y"), "epoch_s", "epoch_ms" or "excel" (these and "%Y%m%d" also read columns of
        numbers), or an entry of ``formats_`` of another parser or of the report of a file. Such an
        entry also freezes how text is read later into a column that is typed in ``fit``.
    on_failure : {"missing", "raise"}, default="missing"
        A cell that does not fit its column's format becomes missing and is counted, or is an
        error in ``fit`` and for rows in memory (lazy frames always get missing cells).
        ``missing`` because one bad cell in a file should not stop it, and is counted.
    on_ambiguous_dates : {"error", "day_first", "month_first", "text"}, default="error"
        What to do with a column such as 01/02/2024, 03/04/2024, in which nothing decides
        between day and month. An error by default: no guess is better than a coin.
    max_failure_share : float, default=0.02
        In [0, 1]. Past this share of cells that hold something but do not fit, ``fit``
        and ``transform`` of rows in memory warn. The default lets single typing errors pass.

    Attributes
    ----------
    columns_ : list of str
        The columns it looks at.
    formats_ : dict of str to ColumnFormat
        The frozen format of every column of text.
    failures_ : dict of str to int
        Cells of the training data that held something that did not fit.
    examples_ : dict of str to tuple of str
        Shapes of up to three of them, masked: letters are a, digits are 9.
    choices_ : dict of str to str
        Per column what was decided, and the figure that decided.
    counts_ : dict of str to dict of str to int
        Missing cells and failures of the training data.

    Raises
    ------
    ParameterError
        By ``fit``, for an illegal parameter or format.
    DataError
        By ``fit``, where day and month are undecidable and ``on_ambiguous_dates="error"``; where
        a cell fails and ``on_failure="raise"`` (also by ``transform`` of rows in memory).
    SchemaError
        If a named column is missing.

    Warns
    -----
    DataQualityWarning
        By ``fit`` and by ``transform`` of rows in memory, past ``max_failure_share``.

    Notes
    -----
    The format of a column is learnt from all of its distinct values in ``fit`` and never guessed
    again. A kind is taken where at most 10 % of the rows and 5 % of the distinct values do not
    fit; numbers with leading zeros or more than 15 digits, and columns where some cells are codes
    of letters and digits, stay text. One order of day and month holds for a whole column; 5 % is
    read as 0.05; 0 and 1 alone are a count, not a flag, since a 2 may follow. Numbers are rounded
    once, from their decimal notation. Dates are timestamps at midnight; cells with a UTC offset
    come out in UTC, on DuckDB under the connection's time zone. Plain pandas has no integers with
    gaps: there a count with missing cells is float64. Every expression is guarded by a
    pattern that knows the calendar, so nothing fails on lazy frames, and all engines agree.

    Missing are null, blank cells, marks such as NULL, NA, n/a, nil, #N/A, and runs of - * . ? #.
    A numeric code such as -200 is not guessed to be missing. Cost: linear in the rows, about
    0.1 to 0.3 seconds for a million cells. Only training rows decide, so nothing leaks.

    Examples
    --------
    >>> import pandas as pd
    >>> from tracer_sklearn import ColumnParser
    >>> X = pd.DataFrame({
    ...     "customer": ["00017", "00018", "00019"],
    ...     "since": ["31/01/2023", "01/02/2023", "n/a"],
    ...     "spend": ["1.234,50 €", "-", "(7,00 €)"],
    ...     "active": ["yes", "no", "Yes"],
    ... })
    >>> parser = ColumnParser().fit(X)
    >>> parser.transform(X)
      customer      since   spend  active
    0    00017 2023-01-31  1234.5    True
    1    00018 2023-02-01     NaN   False
    2    00019        NaT    -7.0    True
    >>> parser.choices_["customer"]
    'text: identifiers: leading zeros'
    """

    def __init__(
        self,
        columns: Any = None,
        *,
        schema: Any = None,
        formats: Any = None,
        on_failure: str = "missing",
        on_ambiguous_dates: str = "error",
        max_failure_share: float = 0.02,
    ) -> None:
        self.columns = columns
        self.schema = schema
        self.formats = formats
        self.on_failure = on_failure
        self.on_ambiguous_dates = on_ambiguous_dates
        self.max_failure_share = max_failure_share

    def _check_params(self) -> None:
        check_columns(self._name, "columns", self.columns)
        check_choice(self._name, "on_failure", self.on_failure, _ON_FAILURE)
        check_choice(self._name, "on_ambiguous_dates", self.on_ambiguous_dates, _ON_AMBIGUOUS)
        check_real(self._name, "max_failure_share", self.max_failure_share, low=0.0, high=1.0)
        self._given()

    def _fits(self, name: str, dtype: nw.dtypes.DType) -> bool:  # noqa: ARG002
        return _is_text(dtype)

    def _bind(self, schema: Mapping[str, nw.dtypes.DType]) -> list[str]:
        asked = list(self.formats or ())
        self._require(asked, list(schema))
        bound = {*super()._bind(schema), *asked}
        return [name for name in schema if name in bound]

    def _learn(self, frame: nw.DataFrame[Any], y: np.ndarray | None) -> None:  # noqa: ARG002
        self.formats_: dict[str, ColumnFormat] = {}
        self.failures_: dict[str, int] = {}
        self.examples_: dict[str, tuple[str, ...]] = {}
        self.choices_: dict[str, str] = {}
        given = self._given()
        for name, dtype in frame.schema.items():
            spec = given.get(name)
            if not _is_text(dtype):
                self._take_typed(name, dtype, spec)
                continue
            learnt = self._learnt(frame[name].to_native(), spec)
            self.formats_[name] = learnt.format
            self.failures_[name] = learnt.n_failures
            if learnt.examples:
                self.examples_[name] = learnt.examples
            self.choices_[name] = f"{learnt.format}: {learnt.why}"

    def _apply(self, frame: nw.LazyFrame[Any]) -> Mapping[str, nw.Expr]:
        sql = not frame.implementation.is_polars()
        made = {}
        for name, dtype in frame.collect_schema().items():
            format = self.formats_.get(name)
            if format is None:
                continue
            if dtype.is_numeric():
                moments = from_numbers(nw.col(name), format, dtype)
                if moments is not None:
                    made[name] = moments
            elif _is_text(dtype) and (dtype == nw.String or format.kind not in _TEXT):
                made[name] = parsed(_as_text(name, dtype), format, sql=sql)
        return made

    def _count(self, frame: nw.LazyFrame[Any]) -> Counts:
        counts = {}
        for name, dtype in frame.collect_schema().items():
            format = self.formats_.get(name)
            column = nw.col(name)
            nothing = column.is_null()
            if dtype.is_float():
                nothing |= column.is_nan().fill_null(False)
            counts[name] = {"missing": nothing.sum(), "failures": nw.lit(0)}
            if format is None:
                continue
            if _is_text(dtype):
                text = _as_text(name, dtype)
                counts[name]["missing"] = is_missing(text, format).sum()
                counts[name]["failures"] = failed(text, format).sum()
            elif dtype.is_numeric():
                moments = from_numbers(column, format, dtype)
                if moments is not None:
                    counts[name]["failures"] = (moments.is_null() & ~nothing).sum()
        return counts

    def _inspect(self, counts: Mapping[str, Mapping[str, int]], n_rows: int) -> None:
        for name, found in counts.items():
            n_failures, n_values = found["failures"], n_rows - found["missing"]
            if n_failures and self.on_failure == "raise":
                raise self._failure(name, n_failures, n_values)
            if n_failures > self.max_failure_share * n_values:
                warnings.warn(
                    f"{self._name}: at most {self.max_failure_share:.1%} of the cells that hold "
                    f"something should fail to parse, {n_failures} of {n_values} in column "
                    f"{name!r} do not fit the format learnt in fit ({self.formats_[name]}) and "
                    "are missing now; count them with report(X), and mend the source, set "
                    "`formats`, or fit again.",
                    DataQualityWarning,
                    stacklevel=4,
                )

    def _same_kind(self, name: str, fitted: str, found: str) -> bool:
        if fitted == found:
            return True
        format = self.formats_.get(name)
        if format is None:
            return False
        typed = {"number": "number", "count": "number", "flag": "flag"}.get(format.kind, "date")
        return format.kind not in _TEXT and found in ("text", typed)

    def _optional_columns(self) -> set[str]:
        # what passes unread is for the stages behind to ask for: they know whether they need it
        return set(self._names_in_) - set(self.formats_)

    # -- what the user said ------------------------------------------------------------------

    def _given(self) -> dict[str, ColumnFormat | str]:
        """Return the kinds and formats that were given, by column."""
        given: dict[str, ColumnFormat | str] = {}
        must = "None, a schema, or a mapping of columns to kinds"
        kinds = _kinds(self.schema)
        if kinds is None:
            raise fail(self._name, "schema", must, self.schema)
        for name, kind in kinds.items():
            found = _KIND_OF_FIELD.get(kind, kind) if isinstance(kind, str) else None
            if found not in KINDS:
                raise fail(self._name, "schema", must, {name: kind}, f"use one of {KINDS}")
            given[name] = found
        if self.formats is None:
            return given
        if not isinstance(self.formats, Mapping):
            raise fail(self._name, "formats", "a mapping of columns to formats", self.formats)
        for name, spec in self.formats.items():
            named = _KIND_OF_FIELD.get(spec, spec) if isinstance(spec, str) else ""
            format = named if named in KINDS else format_from(spec)
            if isinstance(format, str) and format not in KINDS:
                must = f"a mapping of columns to kinds or date formats ({format})"
                raise fail(self._name, "formats", must, {name: spec}, f"use one of {KINDS}")
            given[name] = format
        return given

    def _learnt(self, series: Any, spec: ColumnFormat | str | None) -> Learnt:
        if isinstance(spec, ColumnFormat):
            return account_for(series, spec, "as given in `formats`")
        day_first = _DAY_FIRST.get(self.on_ambiguous_dates)
        learnt = learn_format(series, kind=spec, day_first=day_first)  # type: ignore[arg-type]
        if learnt.ambiguous and self.on_ambiguous_dates != "text":
            orders = " and ".join(repr(one.formats[0]) for one in learnt.ambiguous)
            raise DataError(
                f"{self._name}: the order of {learnt.doubt} must be decidable from the column, "
                f"all dates of {series.name!r} can be read by {orders}; give "
                f"formats={{{series.name!r}: {learnt.ambiguous[0].formats[0]!r}}} or set "
                "`on_ambiguous_dates`.",
                column=series.name,
                rule="ambiguous_dates",
                n_rows=learnt.n_values,
            )
        return learnt

    def _take_typed(
        self, name: str, dtype: nw.dtypes.DType, spec: ColumnFormat | str | None
    ) -> None:
        self.failures_[name] = 0
        self.choices_[name] = f"has a type already ({dtype}): passes unchanged"
        if isinstance(spec, ColumnFormat):
            # rows that come as text later are read as those that were typed before
            self.formats_[name] = spec
            if dtype.is_numeric() and from_numbers(nw.col(name), spec, dtype) is not None:
                self.choices_[name] = f"{spec}: as given in `formats`"

    def _failure(self, name: str, n_failures: int, n_values: int) -> DataError:
        return DataError(
            f"{self._name}: every cell that holds something must fit its column's format, "
            f"{n_failures} of {n_values} in column {name!r} do not fit {self.formats_[name]}; "
            "mend the source, set `formats`, or set on_failure='missing'.",
            column=name,
            rule="unparseable",
            n_rows=n_failures,
        )


def _is_text(dtype: Any) -> bool:
    return dtype in (nw.String, nw.Categorical, nw.Enum)


def _as_text(name: str, dtype: Any) -> nw.Expr:
    return nw.col(name) if dtype == nw.String else nw.col(name).cast(nw.String)


def _kinds(schema: Any) -> dict[str, Any] | None:
    """Return the kinds of columns, whatever form the schema has; None where it is none."""
    if schema is None:
        return {}
    if isinstance(schema, Mapping):
        return {name: getattr(field, "kind", field) for name, field in schema.items()}
    fields = getattr(schema, "fields", None)
    return None if fields is None else {field.name: field.kind for field in fields}
