"""From figures to findings: what is wrong, how badly, and what to do."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tracer_sklearn.exceptions import nearest
from tracer_sklearn.schema import BlueprintSchema, FieldSpec
from tracer_sklearn.stages.validation._columns import Column
from tracer_sklearn.stages.validation._profile import ColumnProfile, Profile
from tracer_sklearn.stages.validation._report import (
    SEVERITIES,
    ColumnQuality,
    Issue,
    QualityReport,
    Severity,
)

_NEAR_CONSTANT = 0.99
_WEIGHTS = {"completeness": 40.0, "validity": 30.0, "uniqueness": 30.0}

# What must hold of a cell, and what to do; by rule.
_RULES: dict[str, tuple[str, str]] = {
    "infinite": ("be finite", "find the division by zero that made them, or clear them"),
    "mistyped": (
        "be stored as {stored}",
        "parse the column first, for example with ColumnParser, or map another one with `fields`",
    ),
    "unparseable": ("be ISO dates such as 2024-03-31", "parse the column with ColumnParser"),
    "below_min": ("be at least {min}", "correct them at the source, or clear them"),
    "above_max": ("be at most {max}", "correct them at the source, or clear them"),
    "not_whole": ("be whole numbers", "check the unit, or declare the field a number"),
    "not_a_flag": ("be 0 or 1", "map the values to 0 and 1"),
    "pattern": ("match the field's pattern", "correct them, or the pattern in the schema"),
    "not_allowed": ("be an allowed level", "correct them, or extend `allowed` in the schema"),
}
_STORED = {
    "number": "numbers",
    "count": "numbers",
    "datetime": "dates",
    "identifier": "text or whole numbers",
    "category": "text",
    "flag": "flags",
}


@dataclass(frozen=True)
class Thresholds:
    """The limits of a judgement, as `DataValidator` takes them."""

    min_completeness: float
    min_uniqueness: float
    min_validity: float
    min_score: float
    max_high: int


@dataclass(frozen=True)
class Absent:
    """Fields of the schema that are not in the frame, and columns that could not be read."""

    required: Sequence[str] = ()
    optional: Sequence[str] = ()
    unreadable: Mapping[str, str] | None = None


def judged(
    profile: Profile,
    columns: Sequence[Column],
    schema: BlueprintSchema | None,
    absent: Absent,
    thresholds: Thresholds,
    checks: Sequence[str],
) -> QualityReport:
    """Weigh the figures of a frame.

    Parameters
    ----------
    profile : Profile
        The figures.
    columns : sequence of Column
        What each column was judged as.
    schema : BlueprintSchema or None
        What was asked for.
    absent : Absent
        What could not be measured.
    thresholds : Thresholds
        The limits.
    checks : sequence of {"schema", "quality", "statistical"}
        Which groups of findings count.
    """
    judge = _Judge(profile, columns, schema, absent, thresholds)
    issues = list(judge.missing_required())
    if "schema" in checks:
        issues += judge.schema_issues()
    if "quality" in checks:
        issues += judge.quality_issues()
    if "statistical" in checks:
        issues += judge.statistical_issues()
    unreadable = absent.unreadable or {}
    place = {name: i for i, name in enumerate([*(c.name for c in columns), *unreadable])}
    issues.sort(key=lambda issue: (SEVERITIES.index(issue.severity), place.get(issue.column, -1)))  # type: ignore[arg-type]
    n_high = sum(issue.severity == "HIGH" for issue in issues)
    return QualityReport(
        blueprint=None if schema is None else f"{schema.name} {schema.version}",
        n_rows=profile.n_rows,
        n_columns=len(place),
        key=tuple(profile.key),
        **judge.parts,
        score=judge.score,
        thresholds={k: float(v) for k, v in vars(thresholds).items()},
        passed=n_high <= thresholds.max_high
        and all(issue.severity != "CRITICAL" for issue in issues),
        issues=tuple(issues),
        columns=tuple(judge.column_quality(column) for column in columns),
    )


def share_of(count: int, total: int, *, of_nothing: float = 0.0) -> float:
    """Divide, and say what a share of nothing is."""
    return count / total if total else of_nothing


def floored(value: float) -> str:
    """Write one decimal, rounded down: what misses a limit must not read as if it met it."""
    return f"{math.floor(round(10.0 * value, 6)) / 10.0:.1f}"


class _Judge:
    """One judgement of one frame."""

    def __init__(
        self,
        profile: Profile,
        columns: Sequence[Column],
        schema: BlueprintSchema | None,
        absent: Absent,
        thresholds: Thresholds,
    ) -> None:
        self.profile = profile
        self.columns = columns
        self.schema = schema
        self.absent = absent
        self.limits = thresholds
        self.n_rows = profile.n_rows
        self.parts = self._parts()
        self.score = sum(weight * self.parts[part] for part, weight in _WEIGHTS.items())

    def _parts(self) -> dict[str, float]:
        """Return the three parts of the score.

        No part rises, or rises by more than another falls, when a good cell is broken or cleared;
        so a missing or invalid key names no row, rules between fields look at valid cells, and a
        column that one cell made unreadable holds nothing.
        """
        counted = [c for c in self.columns if self.schema is None or c.field is not None]
        figures = [self.profile.columns[column.name] for column in counted]
        unread = self.absent.unreadable or {}
        n_absent = len(self.absent.required)
        n_absent += sum(self.schema is None or name in self.schema.names for name in unread)
        n_cells = self.n_rows * (len(counted) + n_absent)
        n_missing = sum(f.n_missing for f in figures) + n_absent * self.n_rows
        units = n_cells + (self.n_rows if self.profile.rules else 0)
        broken = sum(f.n_invalid for f in figures) + self.profile.n_breaking_rules
        unnamed = self.profile.n_keyless + self.profile.n_repeated_keys
        return {
            "completeness": 1.0 - share_of(n_missing, n_cells),
            "validity": 1.0 - share_of(broken, units),
            "uniqueness": 1.0 - share_of(unnamed, self.n_rows),
        }

    def _critical_unreadable(self) -> list[str]:
        required = () if self.schema is None else self.schema.required
        critical = {*required, *self.profile.key}
        return [name for name in self.absent.unreadable or {} if name in critical]

    def column_quality(self, column: Column) -> ColumnQuality:
        figures = self.profile.columns[column.name]
        n_present = self.n_rows - figures.n_missing
        return ColumnQuality(
            name=column.name,
            kind=column.kind,
            field=None if column.field is None else column.field.kind,
            critical=column.critical,
            n_missing=figures.n_missing,
            n_invalid=figures.n_invalid,
            n_outliers=figures.n_beyond_fences,
            completeness=share_of(n_present, self.n_rows, of_nothing=1.0),
            validity=1.0 - share_of(figures.n_invalid, n_present),
        )

    def _issue(
        self,
        severity: Severity,
        rule: str,
        column: str | None,
        count: int,
        message: str,
        remedy: str,
        examples: tuple[str, ...] = (),
    ) -> Issue:
        return Issue(
            severity=severity,
            rule=rule,
            column=column,
            count=count,
            share=share_of(count, self.n_rows),
            message=message,
            remedy=remedy,
            examples=examples,
        )

    # -- schema ------------------------------------------------------------------------------

    def missing_required(self) -> Iterator[Issue]:
        """Find the fields without which nothing can run, whatever was asked for."""
        names = [column.name for column in self.columns]
        for name in self.absent.required:
            yield self._absent("CRITICAL", "missing_required", name, names)

    def schema_issues(self) -> Iterator[Issue]:
        """Find fields that are missing or of another kind, and columns of no field."""
        names = [column.name for column in self.columns]
        if names and not self.n_rows:
            message = "a table must have rows, this one has none"
            yield self._issue("CRITICAL", "no_rows", None, 0, message, "check its filters")
        elif self.absent.unreadable and not names:  # without a readable column nothing was judged
            message = "a table must have a column of one kind of cells, this one has none"
            yield self._issue(
                "CRITICAL", "unreadable", None, 0, message, "convert each column to one kind"
            )
        for name in self.absent.optional:
            yield self._absent("LOW", "missing_optional", name, names)
        for name, reason in (self.absent.unreadable or {}).items():
            severity: Severity = "CRITICAL" if name in self._critical_unreadable() else "HIGH"
            message = f"each column must hold one kind of cells, {name!r} holds {reason}"
            remedy = "convert it to one kind, for example to text"
            yield self._issue(severity, "mixed_types", name, self.n_rows, message, remedy)
        for column in self.columns:
            yield from self._kind_issues(column)

    def _absent(self, severity: Severity, rule: str, name: str, names: Sequence[str]) -> Issue:
        near = nearest(name, names)
        must = "must be there" if severity == "CRITICAL" else "may be there"
        spec = self.schema.field(name) if self.schema is not None else None
        owner = next((n for n in names if spec is not None and spec.answers_to(n)), None)
        if owner is not None:
            remedy = f"column {owner!r} looks like it: map it with fields={{{name!r}: {owner!r}}}"
        elif near:
            remedy = f"add it, or map another column with `fields` (nearest names: {near})"
        else:
            remedy = "add it, or map another column with `fields`"
        count = self.n_rows if severity == "CRITICAL" else 0
        return self._issue(severity, rule, name, count, f"field {name!r} {must}", remedy)

    def _kind_issues(self, column: Column) -> Iterator[Issue]:
        figures = self.profile.columns[column.name]
        if figures.broken.get("mistyped"):
            yield self._broken(column, "mistyped", "CRITICAL" if column.critical else "HIGH")
        if column.kind == "other":
            message = (
                f"cells must be numbers, flags, text or dates, those of {column.name!r} are not"
            )
            remedy = "flatten or decode the column, or drop it"
            yield self._issue("MEDIUM", "unsupported", column.name, self.n_rows, message, remedy)
        if self.schema is None or column.field is not None:
            return
        near = nearest(column.name, [*self.absent.required, *self.absent.optional])
        yield self._issue(
            "LOW",
            "unknown_column",
            column.name,
            0,
            f"column {column.name!r} is no field of {self.schema.name}"
            + (f" (nearest absent fields: {near})" if near else ""),
            "nothing, if it is a feature of your own; else map it with `fields`, or drop it",
        )

    # -- quality -----------------------------------------------------------------------------

    def quality_issues(self) -> Iterator[Issue]:
        """Find what is missing, invalid or repeated, and a score below its limit."""
        for column in self.columns:
            yield from self._completeness(column)
            yield from self._validity(column)
        yield from self._between_fields()
        yield from self._uniqueness()
        if self.score < self.limits.min_score:
            parts = ", ".join(f"{part} {self.parts[part]:.1%}" for part in _WEIGHTS)
            yield self._issue(
                "CRITICAL",
                "score",
                None,
                self.n_rows,
                f"the score must be at least {self.limits.min_score:g}, it is "
                f"{floored(self.score)} ({parts})",
                "mend the findings with the largest shares first",
            )

    def _completeness(self, column: Column) -> Iterator[Issue]:
        n_missing = self.profile.columns[column.name].n_missing
        complete = 1.0 - share_of(n_missing, self.n_rows)
        if complete >= self.limits.min_completeness:
            return
        severity: Severity = "CRITICAL" if column.critical else "MEDIUM"
        if not column.critical and n_missing == self.n_rows:
            severity = "HIGH"
        yield self._issue(
            severity,
            "missing_values",
            column.name,
            n_missing,
            f"{column.name!r} must be at least {self.limits.min_completeness:.1%} complete, it is "
            f"{floored(100.0 * complete)}%",
            "find out why cells are missing; MissingValueImputer fills those of features"
            if n_missing < self.n_rows
            else "fill the column, or drop it",
        )

    def _validity(self, column: Column) -> Iterator[Issue]:
        figures = self.profile.columns[column.name]
        n_present = self.n_rows - figures.n_missing
        too_few = 1.0 - share_of(figures.n_invalid, n_present) < self.limits.min_validity
        severity: Severity = "MEDIUM"
        if too_few:
            severity = "CRITICAL" if column.critical else "HIGH"
        for rule, count in figures.broken.items():
            if count and rule != "mistyped":
                yield self._broken(column, rule, severity)
        if figures.n_repeated:
            message = f"no value of {column.name!r} may occur twice, {figures.n_repeated:,} do"
            yield self._issue(
                "HIGH", "not_unique", column.name, figures.n_repeated, message, "remove repeats"
            )

    def _broken(self, column: Column, rule: str, severity: Severity) -> Issue:
        figures: ColumnProfile = self.profile.columns[column.name]
        spec = column.field or FieldSpec(name=column.name, kind="number")
        must, remedy = _RULES[rule]
        must = must.format(min=spec.min, max=spec.max, stored=_STORED[spec.kind])
        count = figures.broken[rule]
        message = f"cells of {column.name!r} must {must}, {count:,} do not"
        if rule == "mistyped":
            message = f"cells of {column.name!r} must {must}, they are stored as {column.kind}"
        examples = figures.examples.get(rule, ())
        return self._issue(severity, rule, column.name, count, message, remedy, examples)

    def _between_fields(self) -> Iterator[Issue]:
        for rule, count in self.profile.rules:
            if not count:
                continue
            few = 1.0 - share_of(count, self.n_rows) >= self.limits.min_validity
            why = f" ({rule.description.rstrip('.')})" if rule.description else ""
            yield self._issue(
                "MEDIUM" if few else "HIGH",
                "rule_between_fields",
                rule.left,
                count,
                f"{rule} must hold in every row{why}, {count:,} rows break it",
                "check which of the two columns is wrong; rows keep both values as they are",
            )

    def _uniqueness(self) -> Iterator[Issue]:
        found = self.profile
        unnamed = found.n_keyless + found.n_repeated_keys
        if found.key and unnamed:
            fails = self.parts["uniqueness"] < self.limits.min_uniqueness
            key = " + ".join(found.key)
            yield self._issue(
                "CRITICAL" if fails else "MEDIUM",
                "key_not_unique",
                None,
                unnamed,
                f"the key ({key}) must name each row alone, {found.n_repeated_keys:,} rows repeat "
                f"one and {found.n_keyless:,} have an incomplete or invalid one",
                "remove repeated rows, or complete the key",
            )
        if found.n_duplicates:
            message = f"no row may occur twice, {found.n_duplicates:,} repeat an earlier one"
            remedy = "remove them, unless rows may be alike by chance"
            yield self._issue("MEDIUM", "duplicate_rows", None, found.n_duplicates, message, remedy)

    # -- statistical -------------------------------------------------------------------------

    def statistical_issues(self) -> Iterator[Issue]:
        """Find columns that say little, values far out, odd text, and gaps in series."""
        for column in self.columns:
            figures = self.profile.columns[column.name]
            n_present = self.n_rows - figures.n_missing
            yield from self._constant(column.name, figures, n_present)
            yield from self._outliers(column.name, figures)
            yield from self._levels(column.name, figures, n_present)
        gaps = self.profile.gaps
        if gaps is not None and gaps.n:
            yield self._issue(
                "LOW",
                "time_gaps",
                None,
                gaps.n,
                f"dates of a series should follow each other within {1.5 * gaps.usual:g} days, "
                f"{gaps.n:,} gaps are wider, the widest {gaps.longest:,} days",
                "check whether the place was closed or rows were lost",
            )

    def _constant(self, name: str, figures: ColumnProfile, n_present: int) -> Iterator[Issue]:
        if figures.top_share < _NEAR_CONSTANT or self.n_rows < 2:
            return
        same = figures.top_share == 1.0
        yield self._issue(
            "MEDIUM" if same else "LOW",
            "constant" if same else "near_constant",
            name,
            round(figures.top_share * n_present),
            f"{name!r} should vary, {figures.top_share:.2%} of its values are the same",
            "drop it, or check the filter that made it so",
        )

    def _outliers(self, name: str, figures: ColumnProfile) -> Iterator[Issue]:
        for rule, count, limit in (
            ("outliers_iqr", figures.n_beyond_fences, "1.5 interquartile ranges of the quartiles"),
            ("outliers_zscore", figures.n_beyond_z, "three standard deviations of the mean"),
        ):
            if count:
                message = f"values of {name!r} usually lie within {limit}, {count:,} do not"
                remedy = "look at them; they stay as they are, and may be the best customers"
                yield self._issue("LOW", rule, name, count, message, remedy)

    def _levels(self, name: str, figures: ColumnProfile, n_present: int) -> Iterator[Issue]:
        levels = figures.levels
        if levels is None:
            return
        if levels.n_blank:
            message = (
                f"missing cells of {name!r} should be empty, {levels.n_blank:,} are blank text"
            )
            yield self._issue(
                "LOW", "blank", name, levels.n_blank, message, "parse the column with ColumnParser"
            )
        if levels.is_mixed(n_present):
            message = (
                f"cells of {name!r} should be of one type, {levels.n_numbers:,} of {n_present:,} "
                "read as numbers"
            )
            yield self._issue(
                "MEDIUM", "mixed_types", name, levels.n_numbers, message, "find out what they mean"
            )
        if levels.n_respelt:
            message = (
                f"levels of {name!r} should be spelt in one way, {levels.n_spellings:,} differ "
                "from a more common one by case, spaces or hyphens only"
            )
            remedy = "bring them to one spelling before fit"
            yield self._issue(
                "MEDIUM", "inconsistent_spelling", name, levels.n_respelt, message, remedy
            )
