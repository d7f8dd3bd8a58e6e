"""The rules of a validation once more, in slow plain Python over rows as dicts."""

from __future__ import annotations

import datetime as dt
import itertools
import math
import re
import statistics
from collections import Counter
from fractions import Fraction
from typing import Any

OPERATORS = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
}


def is_missing(cell: Any) -> bool:
    return cell is None or (isinstance(cell, float) and math.isnan(cell))


def broken_rules(spec: Any, cell: Any) -> set[str]:
    """The rules of a field that one cell of the right type breaks."""
    if is_missing(cell):
        return set()
    found = set()
    if isinstance(cell, float) and math.isinf(cell):
        found.add("infinite")
    if isinstance(cell, dt.datetime):
        cell = cell.date()
    if spec is None:
        return found
    if spec.min is not None and cell < spec.min:
        found.add("below_min")
    if spec.max is not None and cell > spec.max:
        found.add("above_max")
    if spec.kind == "count" and isinstance(cell, float) and math.isfinite(cell) and cell % 1:
        found.add("not_whole")
    if spec.kind == "flag" and not isinstance(cell, bool) and cell not in (0, 1):
        found.add("not_a_flag")
    if spec.pattern is not None and not re.search(spec.pattern, cell):
        found.add("pattern")
    if spec.allowed is not None and cell not in spec.allowed:
        found.add("not_allowed")
    return found


def cell_counts(schema: Any, rows: list[dict[str, Any]]) -> dict[tuple[str, str], int]:
    """How many cells break each rule, by rule and column."""
    fields = {spec.name: spec for spec in schema.fields} if schema else {}
    found: Counter[tuple[str, str]] = Counter()
    for row in rows:
        for name, cell in row.items():
            for rule in broken_rules(fields.get(name), cell):
                found[rule, name] += 1
    return dict(found)


def _valid(schema: Any, row: dict[str, Any], name: str) -> bool:
    return not is_missing(row[name]) and not broken_rules(schema.field(name), row[name])


def _day(cell: Any) -> Any:
    return cell.date() if isinstance(cell, dt.datetime) else cell


def rows_breaking(schema: Any, rows: list[dict[str, Any]]) -> dict[str, int]:
    """How many rows break each rule between two valid fields, by the rule's text."""
    found = {}
    for rule in schema.rules:
        if rows and rule.left in rows[0] and rule.right in rows[0]:
            found[str(rule)] = sum(_breaks(schema, rule, row) for row in rows)
    return found


def _breaks(schema: Any, rule: Any, row: dict[str, Any]) -> bool:
    if not (_valid(schema, row, rule.left) and _valid(schema, row, rule.right)):
        return False
    return not OPERATORS[rule.relation](_day(row[rule.left]), _day(row[rule.right]))


def unnamed_rows(schema: Any, rows: list[dict[str, Any]], key: list[str]) -> int:
    """Rows that repeat a key, or have an incomplete or invalid one."""
    if not key:
        return 0
    seen = set()
    for row in rows:
        if all(_valid(schema, row, name) for name in key):
            seen.add(tuple(_day(row[name]) for name in key))
    return len(rows) - len(seen)


def score(schema: Any, rows: list[dict[str, Any]], key: list[str]) -> float:
    """40 completeness + 30 validity + 30 uniqueness, exactly."""
    n = len(rows)
    names = [name for name in rows[0] if name in schema.names]
    absent = [name for name in schema.required if name not in rows[0]]
    cells = n * (len(names) + len(absent))
    missing = n * len(absent) + sum(is_missing(row[name]) for row in rows for name in names)
    invalid = sum(bool(broken_rules(schema.field(c), row[c])) for row in rows for c in names)
    compared = [r for r in schema.rules if r.left in rows[0] and r.right in rows[0]]
    breaking = sum(any(_breaks(schema, rule, row) for rule in compared) for row in rows)
    units = cells + (n if compared else 0)
    return float(
        40 * (1 - Fraction(missing, cells))
        + 30 * (1 - Fraction(invalid + breaking, units))
        + 30 * (1 - Fraction(unnamed_rows(schema, rows, key), n))
    )


def duplicate_rows(rows: list[dict[str, Any]]) -> int:
    seen = {tuple(None if is_missing(cell) else cell for cell in row.values()) for row in rows}
    return len(rows) - len(seen)


def top_share(cells: list[Any]) -> float:
    present = [cell for cell in cells if not is_missing(cell)]
    return max(Counter(present).values()) / len(present) if present else 0.0


def beyond_fences(cells: list[Any]) -> int:
    values = sorted(c for c in cells if not is_missing(c) and math.isfinite(c))
    if len(values) < 2:
        return 0
    first, third = _quantile(values, 0.25), _quantile(values, 0.75)
    reach = 1.5 * (third - first)
    return sum(v < first - reach or v > third + reach for v in values) if reach > 0 else 0


def _quantile(ordered: list[float], p: float) -> float:
    at = p * (len(ordered) - 1)
    low, high = math.floor(at), math.ceil(at)
    share = at - low
    if ordered[low] == ordered[high]:
        return ordered[low]
    return ordered[low] * (1 - share) + ordered[high] * share


def beyond_three_deviations(cells: list[Any]) -> int:
    values = [c for c in cells if not is_missing(c) and math.isfinite(c)]
    if len(values) < 30:
        return 0
    exact = [Fraction(v) for v in values]
    centre = statistics.mean(exact)
    variance = statistics.pvariance(exact)
    if not variance:
        return 0
    # squares of exact fractions: nothing is rounded, and the edge itself is inside
    return sum((v - centre) ** 2 > 9 * variance * (1 + Fraction(2, 10**9)) for v in exact)


def respelt_rows(cells: list[Any]) -> int:
    counts = Counter(cell for cell in cells if cell is not None)
    groups: dict[str, list[int]] = {}
    for level, rows in counts.items():
        plain = " ".join(level.casefold().replace("_", " ").split())
        inner = re.sub(r"(?<=\w)-+(?=\w)", " ", plain)
        groups.setdefault(inner, []).append(rows)
    return sum(sum(sizes) - max(sizes) for key, sizes in groups.items() if key)


def numbers_in(cells: list[Any]) -> int:
    def reads(text: str) -> bool:
        try:
            float(text)
        except ValueError:
            return False
        return text.strip().lower().lstrip("+-")[:1] not in ("n", "i") and "_" not in text

    return sum(reads(cell) for cell in cells if cell is not None)


def wide_gaps(days_by_series: dict[Any, list[dt.date]]) -> tuple[int, int, int]:
    """How many spaces exceed 1.5 times the usual one, the usual one, and the widest."""
    spaces: list[int] = []
    for days in days_by_series.values():
        ordered = sorted(set(days))
        spaces += [(b - a).days for a, b in itertools.pairwise(ordered)]
    if not spaces:
        return 0, 0, 0
    ordered_spaces = sorted(spaces)
    usual = ordered_spaces[math.ceil(0.9 * (len(spaces) - 1))]
    return sum(space > 1.5 * usual for space in spaces), usual, max(spaces)
