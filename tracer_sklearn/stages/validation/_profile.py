"""The figures of a frame that its judgement rests on: one aggregate pass, and a short second."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import narwhals.stable.v2 as nw
import numpy as np
import polars as pl

from tracer_sklearn._statistics import finite_values, mean, quantiles, spread
from tracer_sklearn._text import mask
from tracer_sklearn.schema import BlueprintSchema, FieldRule
from tracer_sklearn.stages.validation._columns import Column, any_of, key_of
from tracer_sklearn.stages.validation._levels import Levels, levels_of

_MAX_EXAMPLES = 3
_FENCE = 1.5
_MAX_Z = 3.0
_MIN_ROWS_FOR_Z = 30
# a boundary that rounding cannot cross: the order of rows must not decide
_TOLERANCE = 1.0 + 1e-9
_LARGEST_EXACT = 2.0**53


@dataclass
class ColumnProfile:
    """The figures of one column.

    Attributes
    ----------
    n_missing, n_invalid : int
        Cells that hold nothing; that break a rule.
    broken : dict of str to int
        Cells that break each rule.
    examples : dict of str to tuple of str
        Masked shapes of a few of them.
    n_repeated : int
        Cells that repeat another one, where the field must be unique.
    top_share : float
        Share of the most common value among those present; 0.0 where it was not asked for.
    n_beyond_fences, n_beyond_z : int
        Finite values beyond 1.5 IQR; more than three standard deviations from the mean.
    levels : Levels or None
        What the distinct values of text show.
    """

    n_missing: int = 0
    n_invalid: int = 0
    broken: dict[str, int] = field(default_factory=dict)
    examples: dict[str, tuple[str, ...]] = field(default_factory=dict)
    n_repeated: int = 0
    top_share: float = 0.0
    n_beyond_fences: int = 0
    n_beyond_z: int = 0
    levels: Levels | None = None


@dataclass
class Gaps:
    """Spaces between the dates of the series of a frame, in days."""

    n: int
    usual: int
    longest: int


@dataclass
class Profile:
    """The figures of a frame."""

    n_rows: int
    columns: dict[str, ColumnProfile]
    rules: list[tuple[FieldRule, int]]
    n_breaking_rules: int
    key: list[str]
    n_keyless: int
    n_repeated_keys: int
    n_duplicates: int = 0
    gaps: Gaps | None = None


def profile_of(
    table: pl.DataFrame,
    columns: Sequence[Column],
    schema: BlueprintSchema | None,
    *,
    unreadable: Collection[str] = (),
    statistical: bool = True,
) -> Profile:
    """Measure a frame.

    Parameters
    ----------
    table : polars.DataFrame
        The rows.
    columns : sequence of Column
        Its columns.
    schema : BlueprintSchema or None
        Key and rules between fields.
    unreadable : collection of str, default=()
        Further columns, of cells that could not be read: a key with one of them names no row.
    statistical : bool, default=True
        Whether constants, outliers, spellings and gaps are measured.
    """
    found = _counted(table, columns)
    n_rows = int(found["n_rows"])
    figures = {column.name: _read(i, column, found, n_rows) for i, column in enumerate(columns)}
    # what breaks no rule need not be filtered again
    sound = {name for name, f in figures.items() if not f.n_missing and not f.n_invalid}
    by_name = {column.name: column for column in columns}
    key = key_of(schema, [*by_name, *unreadable]) if schema is not None else []
    rules = _rules_between(schema, by_name, sound) if schema is not None else []
    found |= _rows_breaking(table, rules)
    keys = _usable_keys(table, by_name, key, sound)
    keyed = len(keys) if key else n_rows
    profile = Profile(
        n_rows=n_rows,
        columns=figures,
        rules=[(rule, int(found[f"rule:{i}"] or 0)) for i, (rule, _) in enumerate(rules)],
        n_breaking_rules=int(found["rules"] or 0) if rules else 0,
        key=key,
        n_keyless=n_rows - keyed,
        n_repeated_keys=keyed - _n_distinct(keys) if key else 0,
    )
    _add_examples(table, columns, profile)
    # rows with keys of their own are no duplicates
    if not key or profile.n_keyless or profile.n_repeated_keys:
        profile.n_duplicates = _duplicates(table, columns)
    if statistical:
        for column in columns:
            _add_statistics(table[column.name], column, profile.columns[column.name])
        if schema is not None:
            profile.gaps = _gaps(table, by_name, schema)
    return profile


def _counted(table: pl.DataFrame, columns: Sequence[Column]) -> dict[str, int]:
    """Return the figures of every column by itself."""
    wanted = [pl.len().alias("n_rows")]
    for i, column in enumerate(columns):
        wanted += _counts(i, column)
    return table.lazy().select(wanted).collect().row(0, named=True)


def _rows_breaking(
    table: pl.DataFrame, rules: Sequence[tuple[FieldRule, pl.Expr]]
) -> dict[str, int]:
    """Return how many rows break each rule between fields, and any of them."""
    wanted = [broken.sum().alias(f"rule:{i}") for i, (_, broken) in enumerate(rules)]
    wanted.append(any_of(broken for _, broken in rules).sum().alias("rules"))
    return table.lazy().select(wanted).collect().row(0, named=True)


def _usable_keys(
    table: pl.DataFrame, columns: dict[str, Column], key: Sequence[str], sound: set[str]
) -> pl.DataFrame:
    readable = [name for name in key if name in columns]
    if len(readable) < len(key):
        table = table.head(0)
    unsound = [columns[name].usable for name in readable if name not in sound]
    rows = table.lazy()
    if unsound:
        rows = rows.filter(pl.all_horizontal(unsound))
    return rows.select(columns[name].value.alias(name) for name in readable).collect()


def _n_distinct(keys: pl.DataFrame) -> int:
    """Count the distinct rows; rows of distinct hashes are distinct, which is fast to see."""
    hashes = np.sort(keys.hash_rows().to_numpy())
    if np.all(hashes[1:] != hashes[:-1]):
        return len(keys)
    return keys.n_unique()


def _counts(i: int, column: Column) -> list[pl.Expr]:
    counts = [column.present.sum().alias(f"{i}:present")]
    counts += [broken.sum().alias(f"{i}:{rule}") for rule, broken in column.rules.items()]
    if len(column.rules) > 1:
        counts.append(column.invalid.sum().alias(f"{i}:any"))
    if column.field is not None and column.field.unique:
        once = pl.col(column.name).filter(column.present).n_unique()
        counts.append(once.alias(f"{i}:once"))
    return counts


def _read(i: int, column: Column, found: dict[str, int], n_rows: int) -> ColumnProfile:
    broken = {rule: int(found[f"{i}:{rule}"]) for rule in column.rules}
    present = int(found[f"{i}:present"])
    return ColumnProfile(
        n_missing=n_rows - present,
        n_invalid=int(found.get(f"{i}:any", sum(broken.values()))),
        broken=broken,
        n_repeated=present - int(found[f"{i}:once"]) if f"{i}:once" in found else 0,
    )


def _rules_between(
    schema: BlueprintSchema, columns: dict[str, Column], sound: set[str]
) -> list[tuple[FieldRule, pl.Expr]]:
    """Return which rows break which rule, among those whose two cells are valid by themselves."""
    rules = []
    for rule in schema.rules:
        left, right = columns.get(rule.left), columns.get(rule.right)
        if left is None or right is None or {"mistyped"} & {*left.rules, *right.rules}:
            continue
        broken = ~_holds(left.value, rule.relation, right.value).fill_null(value=True)
        for column in (left, right):
            if column.name not in sound:
                broken &= column.usable
        rules.append((rule, broken))
    return rules


def _holds(left: pl.Expr, relation: str, right: pl.Expr) -> pl.Expr:
    match relation:
        case "<":
            return left < right
        case "<=":
            return left <= right
        case ">":
            return left > right
        case ">=":
            return left >= right
        case "==":
            return left == right
        case _:
            return left != right


def _add_examples(table: pl.DataFrame, columns: Sequence[Column], profile: Profile) -> None:
    queries, owners = [], []
    for column in columns:
        found = profile.columns[column.name]
        for rule, condition in column.rules.items():
            if found.broken[rule] and column.kind != "other":
                cells = pl.col(column.name)
                if column.kind == "date":
                    cells = column.value
                query = table.lazy().filter(condition).select(cells.unique().sort().head(50))
                queries.append(query)
                owners.append((found, rule))
    for (found, rule), shown in zip(owners, pl.collect_all(queries), strict=True):
        shapes = {mask(_as_text(value)) for value in shown.to_series().to_list()}
        found.examples[rule] = tuple(sorted(shapes)[:_MAX_EXAMPLES])


def _as_text(value: object) -> str:
    # one text for 5 and 5.0: plain pandas has no integers with gaps
    return f"{value:g}" if isinstance(value, float | int) else str(value)


def _duplicates(table: pl.DataFrame, columns: Sequence[Column]) -> int:
    plain = [column.name for column in columns if column.kind != "other"]
    if not plain or table.height < 2:
        return 0
    floats = pl.selectors.float()
    return table.height - table.select(plain).with_columns(floats.fill_nan(None)).n_unique()


def _add_statistics(series: pl.Series, column: Column, found: ColumnProfile) -> None:
    n_present = len(series) - found.n_missing
    if not n_present:
        return
    if column.kind == "number" or column.kind == "flag":
        values = finite_values(nw.from_native(series, series_only=True))
        if not len(values):
            return
        first, middle, third = quantiles(values, (0.25, 0.5, 0.75))
        found.top_share = _top_share(values, middle, n_present)
        if column.kind == "number" and not _is_named(column):
            found.n_beyond_fences = _beyond_fences(values, first, third)
            found.n_beyond_z = _beyond_deviations(values)
    elif column.kind == "date":
        days = series.drop_nulls().to_physical().cast(pl.Float64).to_numpy()
        found.top_share = _top_share(days, quantiles(days, (0.5,))[0], n_present)
    elif column.kind == "text":
        found.levels = levels_of(series.cast(pl.String), is_name=_is_named(column))
        found.top_share = found.levels.n_most_common / n_present


def _is_named(column: Column) -> bool:
    return column.field is not None and column.field.kind == "identifier"


def _top_share(values: np.ndarray, middle: float, n_present: int) -> float:
    """Return the share of the median, which is the most common value wherever one is in half."""
    if abs(middle) >= _LARGEST_EXACT:  # whole numbers near it fall together as floats
        return 0.0
    return float(np.count_nonzero(values == middle)) / n_present


def _beyond_fences(values: np.ndarray, first: float, third: float) -> int:
    """Count the values beyond 1.5 IQR."""
    reach = _FENCE * (third - first)
    if not (0.0 < reach < np.inf):
        return 0
    return int(np.count_nonzero((values < first - reach) | (values > third + reach)))


def _beyond_deviations(values: np.ndarray) -> int:
    """Count the values with |z| > 3, which needs 30 values."""
    if len(values) < _MIN_ROWS_FOR_Z:
        return 0
    limit = _MAX_Z * spread(values) * _TOLERANCE
    if not (0.0 < limit < np.inf):
        return 0
    centre = mean(values)
    return int(np.count_nonzero((values < centre - limit) | (values > centre + limit)))


def _gaps(table: pl.DataFrame, columns: dict[str, Column], schema: BlueprintSchema) -> Gaps | None:
    """Measure the gaps of series; a schema is of series where its target is one of its fields.

    The usual spacing is the ninth decile of all: shops that close on Sundays, or weekends, have
    no gap every week.
    """
    if schema.target not in schema.names:
        return None
    key = key_of(schema, columns)
    dates = [name for name in key if schema.field(name).kind == "datetime"]
    if len(dates) != 1 or "mistyped" in columns[dates[0]].rules:
        return None
    groups = [pl.col(name) for name in key if name != dates[0]]
    day = pl.col("day").diff().dt.total_days()
    spaces = (
        table.lazy()
        .filter(columns[dates[0]].usable)
        .select(*groups, columns[dates[0]].value.alias("day"))
        .unique()
        .sort("day")
        .select(day.over(groups) if groups else day)
        .collect()["day"]
        .drop_nulls()
    )
    if not len(spaces):
        return None
    usual = int(spaces.quantile(0.9, "higher") or 0)
    wide = spaces.filter(spaces > 1.5 * usual)
    return Gaps(len(wide), usual, max(spaces.to_list()))
