"""The stage that judges whether a table can carry a model."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import polars as pl
from sklearn.utils.validation import check_is_fitted

from tracer_sklearn._frame import Entered, enter, gather
from tracer_sklearn._params import check_choice, check_integer, check_real, fail
from tracer_sklearn.base import Counts, Stage
from tracer_sklearn.exceptions import (
    DataQualityWarning,
    InputTypeError,
    MissingFieldsError,
    QualityError,
)
from tracer_sklearn.schema import BlueprintSchema, default_registry
from tracer_sklearn.stages.validation._columns import columns_of
from tracer_sklearn.stages.validation._findings import Absent, Thresholds, judged
from tracer_sklearn.stages.validation._profile import profile_of
from tracer_sklearn.stages.validation._report import Issue, QualityReport

_CHECKS = ("schema", "quality", "statistical")
_ON_FAIL = ("raise", "warn", "report")
# a share of fewer rows says nothing
_FEW_ROWS = 20
_MOST_NAMED = 5

_log = logging.getLogger("tracer_sklearn.validation")


class DataValidator(Stage):
    """Judge whether a table can carry a model; hand it on unchanged.

    Put it before everything that learns, or call it once on a new file. It looks for fields that
    are missing or of the wrong kind, incomplete critical columns, repeated keys, values outside
    their bounds, patterns and levels, broken rules between fields, duplicates, constant columns,
    outliers, mixed types, misspelt levels and gaps in series. It mends nothing: `ColumnParser`,
    `MissingValueImputer` and `OutlierCapper` do.

    Parameters
    ----------
    schema : BlueprintSchema, str or None, default=None
        What the table must hold: a schema, or the name of a registered one, such as
        "customer_churn". None, because much can be found without: then no column is critical,
        there is no key and no bound.
    checks : tuple of str, default=("schema", "quality", "statistical")
        Which groups of findings count, of these three. All by default; leave out "statistical"
        to save time on large tables.
    min_completeness : float, default=0.95
        In [0, 1]. Least share of present cells; CRITICAL for required fields and the key.
    min_uniqueness : float, default=1.0
        In [0, 1]. Least share of rows that the key names alone; CRITICAL. On the key, not on the
        customer: one customer has a row at every snapshot.
    min_validity : float, default=0.98
        In [0, 1]. Least share of the present cells of a column that break no rule; CRITICAL for
        required fields and the key, HIGH for others.
    min_score : float, default=80
        In [0, 100]. Least score; CRITICAL.
    max_high : int, default=5
        At least 0. So many HIGH findings warn; more fail.
    on_fail : {"raise", "warn", "report"}, default="raise"
        What ``fit`` does with a table that fails: an error, a warning, or nothing but the
        report. The prebuilt pipelines warn, because a fold that raises would spoil a search. A
        missing required field is an error always.

    Attributes
    ----------
    report_ : QualityReport
        What was found in the training rows.
    columns_ : list of str
        The columns that could be read.
    unreadable_ : dict of str to str
        Columns of pandas frames whose cells are of several kinds, and what they hold.
    findings_ : dict
        ``report_`` as plain values, which is what is saved.
    counts_ : dict of str to dict of str to int
        Missing and invalid cells of the training rows, by column.
    n_features_in_ : int
        Number of columns seen in ``fit``.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Their names; only where the input had names.

    Raises
    ------
    ParameterError
        By ``fit``, for an illegal parameter.
    QualityError
        By ``fit``, where something is CRITICAL or too much is HIGH and ``on_fail="raise"``; its
        ``report`` holds all findings.
    MissingFieldsError
        By ``fit``, where a required field is missing; it is a `QualityError` and a `SchemaError`.

    Warns
    -----
    DataQualityWarning
        By ``fit``, for HIGH findings, or a failure with ``on_fail="warn"``; by ``transform`` of 20
        rows or more in memory, where a critical column is below its limits and worse than it was
        in training.

    See Also
    --------
    ReadinessCheck : The last look before the model.
    check_compatibility : Which blueprint a table fits, and how to name its columns.

    Notes
    -----
    With :math:`n` rows and :math:`k` fields that are present or required (without a schema: all
    columns), ``score = 40 completeness + 30 validity + 30 uniqueness``: completeness is the share
    of the :math:`n k` cells that hold something; validity is one less the share of cells that
    break a rule of their field and of rows whose valid cells break a rule between fields;
    uniqueness is the share of rows that a complete and valid key names alone, the first of each
    key included, and 1 without a key. So no good cell can be broken or cleared and the score
    rise. Thresholds are conjunctive: a high score hides no critical column.

    Null and NaN are missing, and so are all cells of a column in ``unreadable_``. Infinite values
    break a rule everywhere. Dates are compared by day. A constant column is one in which one
    value has a share of 1 (near-constant: .99). Quartiles are linear (Hyndman and Fan's type 7),
    :math:`|z| > 3` needs 30 values. Gaps are looked for where the target is a field of the
    schema, and are wider than 1.5 times the ninth decile of all spaces between dates. MEDIUM and
    LOW findings are logged to "tracer_sklearn.validation" at level INFO, by name and count.

    All engines give the same report: the rules run in Polars, patterns on its linear-time regular
    expressions. ``report(X)`` really checks lazy frames, in one query that brings the rows into
    memory; ``transform`` leaves them lazy and unchecked. Cost: linear in the rows, one pass of
    aggregates and a short second one. Rows are judged, never used to learn, so nothing leaks.

    References
    ----------
    Hyndman & Fan (1996), doi 10.2307/2684934.

    Examples
    --------
    >>> import tracer_sklearn as ts
    >>> X, _ = ts.datasets.make_customer_churn(300, random_state=0)
    >>> validator = ts.DataValidator("customer_churn").fit(X)
    >>> validator.report_.passed, round(validator.report_.score, 1)
    (True, 99.6)
    >>> broken = X.assign(support_tickets=-1.0)
    >>> print(validator.report(broken).issues[0].message)
    cells of 'support_tickets' must be at least 0, 1,800 do not
    """

    def __init__(
        self,
        schema: Any = None,
        *,
        checks: Any = ("schema", "quality", "statistical"),
        min_completeness: float = 0.95,
        min_uniqueness: float = 1.0,
        min_validity: float = 0.98,
        min_score: float = 80,
        max_high: int = 5,
        on_fail: str = "raise",
    ) -> None:
        self.schema = schema
        self.checks = checks
        self.min_completeness = min_completeness
        self.min_uniqueness = min_uniqueness
        self.min_validity = min_validity
        self.min_score = min_score
        self.max_high = max_high
        self.on_fail = on_fail

    def report(self, X: Any) -> QualityReport:  # type: ignore[override]
        """Judge any frame; raise and warn about nothing that is found in it.

        Parameters
        ----------
        X : {array-like, pandas, Polars or PyArrow frame, lazy frame} of shape (n_rows, n_columns)
            Rows to judge; a lazy frame is gathered by one query. The validator need not be
            fitted. Fields that only ``fit`` needs may be missing.

        Returns
        -------
        report : QualityReport
            Everything that was found.
        """
        self._check_params()
        entered = enter(X, stage=self._name)
        if entered.is_lazy:
            entered = gather(entered)
        readable, unreadable = _readable(entered)
        return self._judge(entered.cross(readable), unreadable, training=False)

    # -- the template ------------------------------------------------------------------------

    def _check_params(self) -> None:
        self._resolved()
        checks = self.checks
        known = isinstance(checks, list | tuple) and all(check in _CHECKS for check in checks)
        if not known or len(set(checks)) != len(checks) or not checks:
            must = f"a tuple of some of {', '.join(map(repr, _CHECKS))}, each once"
            raise fail(self._name, "checks", must, checks)
        for parameter in ("min_completeness", "min_uniqueness", "min_validity"):
            check_real(self._name, parameter, getattr(self, parameter), low=0.0, high=1.0)
        check_real(self._name, "min_score", self.min_score, low=0.0, high=100.0)
        check_integer(self._name, "max_high", self.max_high, low=0)
        check_choice(self._name, "on_fail", self.on_fail, _ON_FAIL)

    def _resolved(self) -> BlueprintSchema | None:
        if self.schema is None or isinstance(self.schema, BlueprintSchema):
            return self.schema
        if isinstance(self.schema, str):
            return default_registry.get(self.schema)
        must = "None, a BlueprintSchema, or the name of a registered one"
        raise fail(self._name, "schema", must, self.schema)

    @property
    def report_(self) -> QualityReport:
        """What was found in the training rows."""
        check_is_fitted(self, "findings_")
        return QualityReport.model_validate(self.findings_)

    def _bound(self, entered: Entered) -> list[str]:
        readable, self.unreadable_ = _readable(entered)
        return readable

    def _optional_columns(self) -> set[str]:
        # what passes is for the stages behind to ask for: they know whether they need it
        schema = self._resolved()
        needed = set() if schema is None else set(schema.required) - set(schema.fit_only)
        return set(self._names_in_) - needed

    def _learn(self, frame: nw.DataFrame[Any], y: np.ndarray | None) -> None:  # noqa: ARG002
        report = self._judge(frame.to_native(), self.unreadable_, training=True)
        self._settle(report)
        # plain values: they can be saved without trust in a class
        self.findings_ = report.model_dump(mode="json")
        self.counts_ = {
            column.name: {"missing": column.n_missing, "invalid": column.n_invalid}
            for column in report.columns
        }

    def _count(self, frame: nw.LazyFrame[Any]) -> Counts:
        """Count what is cheap: missing and infinite cells, and those outside their bounds."""
        schema = self._resolved()
        fields = {} if schema is None else {spec.name: spec for spec in schema.fields}
        counts = {}
        for name, dtype in frame.collect_schema().items():
            cells = nw.col(name)
            missing, invalid = cells.is_null(), []
            if dtype.is_float():
                missing = missing | cells.is_nan().fill_null(value=False)
                invalid.append(~cells.is_finite())
            if name in fields and dtype.is_numeric():
                low, high = fields[name].min, fields[name].max
                invalid += [cells < low] if isinstance(low, int | float) else []
                invalid += [cells > high] if isinstance(high, int | float) else []
            counts[name] = {"missing": missing.sum(), "invalid": nw.lit(0)}
            if invalid:
                broken = nw.any_horizontal(*invalid, ignore_nulls=True) & ~missing
                counts[name]["invalid"] = broken.sum()
        return counts

    def _inspect(self, counts: Mapping[str, Mapping[str, int]], n_rows: int) -> None:
        # in fit nothing is worse than in training, and all has been said
        if n_rows < _FEW_ROWS:
            return
        trained = {column.name: column for column in self.report_.columns}
        worse = []
        for name, found in counts.items():
            column = trained[name]
            present = n_rows - found["missing"]
            complete = present / n_rows
            valid = 1.0 - found["invalid"] / present if present else 1.0
            if column.critical and complete < min(self.min_completeness, column.completeness):
                worse.append(f"{name!r} is {complete:.1%} complete")
            if column.field and valid < min(self.min_validity, column.validity):
                worse.append(f"{name!r} is {valid:.1%} valid")
        if worse:
            warnings.warn(
                f"{self._name}: columns should be as good as in training, {_listed(worse)}; look "
                "at report(X) before you trust what is predicted.",
                DataQualityWarning,
                stacklevel=4,
            )

    # -- judging -----------------------------------------------------------------------------

    def _judge(
        self, table: pl.DataFrame, unreadable: Mapping[str, str], *, training: bool
    ) -> QualityReport:
        schema = self._resolved()
        # a column of nulls without a type is a number column that holds nothing
        table = table.with_columns(pl.col(pl.Null).cast(pl.Float64))
        columns = columns_of(table.schema, schema)
        statistical = "statistical" in self.checks
        profile = profile_of(table, columns, schema, unreadable=unreadable, statistical=statistical)
        absent = Absent(unreadable=unreadable)
        if schema is not None:
            known = {*table.columns, *unreadable}
            wanted = [spec for spec in schema.fields if spec.name not in known]
            absent = Absent(
                required=[s.name for s in wanted if s.required and (training or not s.fit_only)],
                optional=[s.name for s in wanted if not s.required and not s.fit_only],
                unreadable=unreadable,
            )
        limits = Thresholds(
            self.min_completeness,
            self.min_uniqueness,
            self.min_validity,
            self.min_score,
            self.max_high,
        )
        return judged(profile, columns, schema, absent, limits, self.checks)

    def _settle(self, report: QualityReport) -> None:
        """Raise, warn and log, as the report deserves."""
        missing = [issue for issue in report.issues if issue.rule == "missing_required"]
        if missing:
            raise MissingFieldsError(
                f"{self._name}: every required field must be present, missing: "
                f"{', '.join(f'{issue.column!r} ({issue.remedy})' for issue in missing)}. "
                f"Present: {_listed([repr(column.name) for column in report.columns])}.",
                missing=[str(issue.column) for issue in missing],
                report=report,
            )
        failing = [*report.of("CRITICAL"), *report.of("HIGH")]
        if not report.passed and self.on_fail == "raise":
            raise QualityError(
                self._told("the table must pass, it fails", report, failing),
                report=report,
                column=failing[0].column,
                rule=failing[0].rule,
                n_rows=failing[0].count,
            )
        if failing and self.on_fail != "report":
            what = "the table should pass" if report.passed else "the table must pass, it fails"
            warnings.warn(self._told(what, report, failing), DataQualityWarning, stacklevel=6)
        for issue in (*report.of("MEDIUM"), *report.of("LOW")):
            _log.info(
                "%s: %s %s in %r: %d",
                self._name,
                issue.severity,
                issue.rule,
                issue.column,
                issue.count,
            )

    def _told(self, what: str, report: QualityReport, failing: list[Issue]) -> str:
        found = _listed([f"{issue.severity} {issue.message}" for issue in failing])
        return (
            f"{self._name}: {what} (score {report.score:.1f}), found: {found}; "
            f"{failing[0].remedy}, and read the whole report."
        )


def _readable(entered: Entered) -> tuple[list[str], dict[str, str]]:
    """Return the columns whose cells are of one kind, and what the others hold."""
    readable: list[str] = []
    unreadable: dict[str, str] = {}
    if not entered.named:
        return entered.names, unreadable  # an array of several kinds is an error of its maker
    for name in entered.names:
        try:
            entered.cross([name])
        except InputTypeError as error:
            unreadable[name] = error.received or "several kinds"
        else:
            readable.append(name)
    return readable, unreadable


def _listed(parts: list[str]) -> str:
    shown = ", ".join(parts[:_MOST_NAMED])
    return shown + (f" and {len(parts) - _MOST_NAMED} more" if len(parts) > _MOST_NAMED else "")
