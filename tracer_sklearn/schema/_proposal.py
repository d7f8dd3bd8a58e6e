"""What a frame seems to hold, column by column, and the schema that says so."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import product
from typing import Any

import narwhals.stable.v2 as nw

from tracer_sklearn._text import learn_format
from tracer_sklearn.exceptions import InputTypeError
from tracer_sklearn.schema._fields import FieldSpec, Kind

# Above this share of distinct values text names its rows.
_IDENTIFIER_SHARE = 0.95
_MOST_LEVELS = 20
_ALWAYS_IDENTIFIERS = {"id", "uuid", "guid", "sku", "key"}
# "customer_no" names customers, "no_of_customers" counts them
_IDENTIFIERS_AT_THE_END = {"no", "nr", "num", "number"}
_KIND_OF_TEXT: dict[str, Kind] = {
    "number": "number",
    "count": "count",
    "date": "datetime",
    "datetime": "datetime",
    "flag": "flag",
}


def words_of(name: str) -> list[str]:
    """Split a name into lower-case words at punctuation, digits and capitals.

    Examples
    --------
    >>> words_of("CustID"), words_of("HTTPStatus_code2"), words_of("last login (UTC)")
    (['cust', 'id'], ['http', 'status', 'code', '2'], ['last', 'login', 'utc'])
    """
    parted = re.sub(r"([a-z])([A-Z])|([A-Z])(?=[A-Z][a-z])", r"\1\3 \2", name)
    return [word.lower() for word in re.findall(r"[^\W\d_]+|\d+", parted)]


def proposed_kind(series: nw.Series[Any]) -> Kind:
    """Say what the values of a column seem to be: its dtype decides, then what text holds."""
    dtype = series.dtype
    if dtype == nw.Boolean:
        return "flag"
    if dtype in (nw.Date, nw.Datetime):
        return "datetime"
    words = words_of(series.name)
    named_as_id = bool(set(words) & _ALWAYS_IDENTIFIERS) or (
        len(words) > 1 and words[-1] in _IDENTIFIERS_AT_THE_END
    )
    if dtype.is_numeric():
        if (named_as_id or "code" in words) and _is_whole(series):
            return "identifier"
        return "count" if _is_whole(series) else "number"
    if dtype not in (nw.String, nw.Categorical, nw.Enum):
        return "category"
    text = series.cast(nw.String)
    learnt = learn_format(text.to_polars())
    kind = "date" if learnt.ambiguous else learnt.format.kind
    if kind in _KIND_OF_TEXT:
        is_id = named_as_id and kind == "count"
        return "identifier" if is_id else _KIND_OF_TEXT[kind]
    present = text.drop_nulls()
    names_rows = len(present) > 0 and present.n_unique() > _IDENTIFIER_SHARE * len(present)
    return "identifier" if names_rows or named_as_id else "category"


def rows_of(who: str, frame: Any) -> nw.DataFrame[Any]:
    """Return a frame of any library as narwhals rows in memory; a lazy one is gathered once."""
    try:
        entered = nw.from_native(frame)
    except TypeError:
        received = f"{type(frame).__module__}.{type(frame).__qualname__}"
        raise InputTypeError(
            f"{who}: `frame` must be a pandas, Polars or PyArrow frame, a Polars LazyFrame or a "
            f"DuckDB relation, got {received}; give its columns names first.",
            stage=who,
            received=received,
        ) from None
    return entered.collect("polars") if isinstance(entered, nw.LazyFrame) else entered


def proposed_fields(frame: nw.DataFrame[Any]) -> tuple[FieldSpec, ...]:
    """Describe each column by what it holds now."""
    return tuple(_proposed_field(frame[name]) for name in frame.columns)


def _proposed_field(series: nw.Series[Any]) -> FieldSpec:
    kind = proposed_kind(series)
    options: dict[str, Any] = {}
    if series.dtype.is_numeric() and kind in ("number", "count"):
        lowest = _present(series).min()
        if lowest is not None and lowest >= 0:
            options["min"] = 0
    if kind == "category" and series.dtype in (nw.String, nw.Categorical, nw.Enum):
        levels = sorted(series.cast(nw.String).drop_nulls().unique().to_list())
        if 0 < len(levels) <= _MOST_LEVELS:
            options["allowed"] = tuple(levels)
    present = _present(series)
    return FieldSpec(
        name=series.name, kind=kind, required=0 < len(present) == len(series), **options
    )


def proposed_key(frame: nw.DataFrame[Any], fields: Sequence[FieldSpec]) -> tuple[str, ...]:
    """Find the fewest fields that name every row: an identifier, one and a date, or a date."""
    complete = [field for field in fields if field.required]
    identifiers = [field.name for field in complete if field.kind == "identifier"]
    dates = [field.name for field in complete if field.kind == "datetime"]
    groups = [field.name for field in complete if field.kind == "category"]
    candidates: list[tuple[str, ...]] = [
        *((name,) for name in identifiers),
        *product(identifiers, dates),
        *((name,) for name in dates),
        *product(groups, dates),
    ]
    for key in candidates:
        if len(frame.select(*key).unique()) == len(frame):
            return key
    return ()


def _present(series: nw.Series[Any]) -> nw.Series[Any]:
    series = series.drop_nulls()
    return series.filter(~series.is_nan()) if series.dtype.is_float() else series


def _is_whole(series: nw.Series[Any]) -> bool:
    if series.dtype.is_integer():
        return True
    values = series.drop_nulls()
    if series.dtype.is_float():
        values = values.filter(values.is_finite())
    return len(values) > 0 and bool((values == values.round(0)).all())
