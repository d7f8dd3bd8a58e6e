"""What each column of a frame is judged as, and the expressions that say which cells fail."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import polars as pl

from tracer_sklearn.schema import BlueprintSchema, FieldSpec

ValueKind = Literal["number", "flag", "text", "date", "other"]

_READ_AS: Mapping[str, tuple[ValueKind, ...]] = {
    "number": ("number", "flag"),
    "count": ("number", "flag"),
    "datetime": ("date", "text"),
    "identifier": ("text", "number"),
    "category": ("text", "number", "flag"),
    "flag": ("flag", "number"),
}
_FEW_LEVELS = 8
_ISO_DAY = 10  # characters of 2024-03-31


@dataclasses.dataclass(frozen=True)
class Column:
    """One column under judgement.

    Attributes
    ----------
    name : str
        Its name in the frame.
    kind : {"number", "flag", "text", "date", "other"}
        What its dtype can hold.
    field : FieldSpec or None
        What the schema says about it.
    critical : bool
        Whether the blueprint stands or falls with it: a required field, or part of the key.
    present, value : polars.Expr
        Whether a cell holds something; the cells as the field's rules read them.
    rules : dict of str to polars.Expr
        Which cells break a rule, by its name; never null.
    """

    name: str
    kind: ValueKind
    field: FieldSpec | None
    critical: bool
    present: pl.Expr
    value: pl.Expr
    rules: Mapping[str, pl.Expr] = dataclasses.field(default_factory=dict)

    @property
    def invalid(self) -> pl.Expr:
        """Tell which cells break any rule."""
        return any_of(self.rules.values())

    @property
    def usable(self) -> pl.Expr:
        """Tell which cells hold something that breaks no rule."""
        return self.present & ~self.invalid


def any_of(conditions: Iterable[pl.Expr]) -> pl.Expr:
    """Tell where any of the conditions holds; none never does."""
    found = pl.lit(False)
    for condition in conditions:
        found = found | condition
    return found


def value_kind(dtype: pl.DataType) -> ValueKind:
    """Name what a dtype can hold."""
    if dtype.is_numeric():
        return "number"
    if dtype == pl.Boolean:
        return "flag"
    if isinstance(dtype, pl.String | pl.Categorical | pl.Enum):
        return "text"
    return "date" if isinstance(dtype, pl.Date | pl.Datetime) else "other"


def columns_of(dtypes: Mapping[str, pl.DataType], schema: BlueprintSchema | None) -> list[Column]:
    """Describe every column of a frame.

    Parameters
    ----------
    dtypes : mapping of str to polars.DataType
        The columns, in order.
    schema : BlueprintSchema or None
        What is known about them.
    """
    fields = {} if schema is None else {spec.name: spec for spec in schema.fields}
    critical = set() if schema is None else {*schema.required, *key_of(schema, dtypes)}
    return [
        _column(name, dtype, fields.get(name), name in critical) for name, dtype in dtypes.items()
    ]


def key_of(schema: BlueprintSchema, names: Iterable[str]) -> list[str]:
    """Return the fields of the key that a frame has; none where it lacks an identifier of it."""
    known = set(names)
    lost = [n for n in schema.key if schema.field(n).kind == "identifier" and n not in known]
    return [] if lost else [name for name in schema.key if name in known]


def _column(name: str, dtype: pl.DataType, spec: FieldSpec | None, critical: bool) -> Column:
    kind = value_kind(dtype)
    cells = pl.col(name)
    present = cells.is_not_null()
    broken: dict[str, pl.Expr] = {}
    if dtype.is_float():
        present &= cells.is_not_nan()
        broken["infinite"] = cells.is_infinite()
    elif dtype.is_decimal():
        cells = cells.cast(pl.Float64)
    elif kind == "text" and dtype != pl.String:
        cells = cells.cast(pl.String)
    if kind == "date":
        cells = _day(cells, dtype)
    if spec is None:
        return Column(name, kind, spec, critical, present, cells, _whole(broken))
    # a column of nothing has no kind to be wrong
    if kind not in _READ_AS[spec.kind] and dtype != pl.Null:
        broken = {"mistyped": present}
        return Column(name, kind, spec, critical, present, cells, _whole(broken))
    if spec.kind == "datetime" and kind == "text":
        cells = cells.str.head(_ISO_DAY).str.to_date("%Y-%m-%d", strict=False)
        broken["unparseable"] = present & cells.is_null()
    broken |= _field_rules(spec, kind, cells, dtype)
    return Column(name, kind, spec, critical, present, cells, _whole(broken))


def _whole(broken: Mapping[str, pl.Expr]) -> dict[str, pl.Expr]:
    return {rule: condition.fill_null(value=False) for rule, condition in broken.items()}


def _day(cells: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Floor moments to days, as the generators do: to compare hours would find faults in none."""
    if isinstance(dtype, pl.Datetime):
        if dtype.time_zone is not None:
            cells = cells.dt.convert_time_zone("UTC")
        return cells.dt.date()
    return cells


def _field_rules(
    spec: FieldSpec, kind: ValueKind, cells: pl.Expr, dtype: pl.DataType
) -> dict[str, pl.Expr]:
    broken: dict[str, pl.Expr] = {}
    if kind == "flag" and spec.kind in ("number", "count"):
        cells = cells.cast(pl.Int8)
    # NaN is greater than any bound to Polars, and is missing to us
    bounded = cells.fill_nan(None) if dtype.is_float() else cells
    if spec.min is not None:
        broken["below_min"] = bounded < pl.lit(spec.min)
    if spec.max is not None:
        broken["above_max"] = bounded > pl.lit(spec.max)
    if spec.kind == "count" and dtype.is_float():
        broken["not_whole"] = bounded.is_finite() & (bounded != bounded.round(0))
    if spec.kind == "flag" and kind == "number":
        broken["not_a_flag"] = (bounded != 0) & (bounded != 1)
    text = cells if kind == "text" else _as_text(bounded, dtype)
    if spec.pattern is not None:
        broken["pattern"] = ~text.str.contains(spec.pattern)
    if spec.allowed is not None:
        broken["not_allowed"] = ~_is_one_of(text, spec.allowed)
    return broken


def _is_one_of(text: pl.Expr, allowed: Sequence[str]) -> pl.Expr:
    # to compare short strings is several times as fast as to look them up
    if len(allowed) <= _FEW_LEVELS:
        return any_of(text == level for level in allowed)
    return text.is_in(list(allowed))


def _as_text(cells: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Write numbers as text; 17 for 17.0, since plain pandas has no integers with gaps."""
    if not dtype.is_float():
        return cells.cast(pl.String)
    whole = cells.cast(pl.Int64, strict=False)
    return pl.when(whole == cells).then(whole.cast(pl.String)).otherwise(cells.cast(pl.String))
