"""What a validation found, for a reader in a notebook and for a machine as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict

from tracer_sklearn.exceptions import InputTypeError
from tracer_sklearn.stages.validation._html import report_as_html

if TYPE_CHECKING:
    from tracer_sklearn.stages.validation._display import QualityDisplay

Severity = Literal["CRITICAL", "HIGH", "MEDIUM", "LOW"]
SEVERITIES: tuple[Severity, ...] = ("CRITICAL", "HIGH", "MEDIUM", "LOW")
_PARTS = ("score", "completeness", "validity", "uniqueness")


class Issue(BaseModel):
    """One finding about a table.

    Parameters
    ----------
    severity : {"CRITICAL", "HIGH", "MEDIUM", "LOW"}
        CRITICAL fails a table by itself, too many HIGH do, MEDIUM and LOW are for reading.
    rule : str
        Short name of the rule, such as "below_min" or "key_not_unique".
    column : str or None, default=None
        The column concerned; None where it is the table.
    count : int
        How many rows or cells.
    share : float
        Their share of the rows, in [0, 1].
    message : str
        What must hold and what was found. It bears no value of the table.
    remedy : str
        What to do.
    examples : tuple of str, default=()
        Shapes of up to three cells, masked: letters are a, digits are 9.

    Examples
    --------
    >>> import pandas as pd
    >>> import tracer_sklearn as ts
    >>> X = pd.DataFrame({"spend": [1.0, float("inf"), 3.0]})
    >>> issue = ts.DataValidator(on_fail="warn", min_score=0).report(X).issues[0]
    >>> issue.severity, issue.rule, issue.column, issue.count
    ('HIGH', 'infinite', 'spend', 1)
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    severity: Severity
    rule: str
    column: str | None = None
    count: int
    share: float
    message: str
    remedy: str
    examples: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.severity} {self.rule}: {self.message}; {self.remedy}."


class ColumnQuality(BaseModel):
    """The figures of one column of a `QualityReport`.

    Parameters
    ----------
    name : str
        Its name in the frame.
    kind : str
        What its dtype can hold: number, flag, text, date or other.
    field : str or None
        The kind of its field in the schema; None where it has none.
    critical : bool
        Whether the blueprint stands or falls with it.
    n_missing, n_invalid : int
        Cells that hold nothing; that break a rule.
    n_outliers : int
        Values beyond 1.5 IQR; 0 where it is not a number or was not asked for.
    completeness, validity : float
        Share of the cells that hold something; of those, the share that breaks no rule.

    Examples
    --------
    >>> import pandas as pd
    >>> import tracer_sklearn as ts
    >>> column = ts.DataValidator().report(pd.DataFrame({"spend": [1.0, None]})).columns[0]
    >>> column.name, column.n_missing, column.completeness
    ('spend', 1, 0.5)
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    kind: str
    field: str | None
    critical: bool
    n_missing: int
    n_invalid: int
    n_outliers: int
    completeness: float
    validity: float


class QualityReport(BaseModel):
    """What `DataValidator` found in a table.

    In a notebook it shows itself; ``to_frame`` and ``to_json`` are for programs, `compare` for
    trends. It holds counts, names of columns and masked shapes of cells, no values.

    Parameters
    ----------
    blueprint : str or None
        Name and version of the schema, as in "customer_churn 1"; None without one.
    n_rows, n_columns : int
        Size of the table.
    key : tuple of str
        The columns that were judged as key.
    score : float
        ``40 completeness + 30 validity + 30 uniqueness``, from 0 to 100.
    completeness, validity, uniqueness : float
        The parts of the score, in [0, 1]; see the notes of `DataValidator`.
    thresholds : dict of str to float
        The thresholds in force.
    passed : bool
        Whether nothing is CRITICAL and not too much HIGH.
    issues : tuple of Issue
        The findings, worst first, then in the order of the columns.
    columns : tuple of ColumnQuality
        The figures of every column, in order.

    See Also
    --------
    DataValidator : Makes it.

    Examples
    --------
    >>> import tracer_sklearn as ts
    >>> X, _ = ts.datasets.make_customer_churn(300, random_state=0)
    >>> report = ts.DataValidator("customer_churn").fit(X).report_
    >>> report.passed, report.key
    (True, ('customer_id', 'as_of'))
    >>> ts.QualityReport.model_validate_json(report.to_json()) == report
    True
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    blueprint: str | None
    n_rows: int
    n_columns: int
    key: tuple[str, ...]
    score: float
    completeness: float
    validity: float
    uniqueness: float
    thresholds: dict[str, float]
    passed: bool
    issues: tuple[Issue, ...]
    columns: tuple[ColumnQuality, ...]

    def of(self, severity: Severity) -> tuple[Issue, ...]:
        """Return the findings of one severity.

        Parameters
        ----------
        severity : {"CRITICAL", "HIGH", "MEDIUM", "LOW"}
            Which ones.

        Returns
        -------
        tuple of Issue
            In the order of `issues`.
        """
        return tuple(issue for issue in self.issues if issue.severity == severity)

    def to_frame(self) -> pd.DataFrame:
        """Return the findings as a pandas frame, one row each, worst first.

        Returns
        -------
        pandas.DataFrame
            With the parts of an `Issue`.
        """
        rows = [issue.model_dump() for issue in self.issues]
        return pd.DataFrame(rows, columns=list(Issue.model_fields))

    def to_json(self) -> str:
        """Return everything as JSON; ``QualityReport.model_validate_json`` reads it back.

        Returns
        -------
        str
            Indented.
        """
        return self.model_dump_json(indent=2)

    def plot(self, ax: Any = None) -> QualityDisplay:
        """Draw completeness and validity of every column.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw. None makes a new figure.

        Returns
        -------
        display : QualityDisplay
            The drawn display, with ``ax_`` and ``figure_``.

        Raises
        ------
        MissingDependencyError
            If matplotlib is not installed.
        """
        from tracer_sklearn.stages.validation._display import QualityDisplay

        return QualityDisplay.from_report(self).plot(ax)

    def compare(self, earlier: Any) -> pd.DataFrame:
        """Set the report beside one of an earlier day, for trends.

        Parameters
        ----------
        earlier : QualityReport
            The report of the earlier table.

        Returns
        -------
        changes : pandas.DataFrame
            Indexed by ``column`` ("" for the table) and ``measure``, with the columns
            ``earlier``, ``now`` and ``change``: the parts of the score, completeness and
            validity of every column, and the share of each finding (0 where there is none).
            A column that only one of the two has is NaN in the other.

        Raises
        ------
        InputTypeError
            If `earlier` is no report.

        Examples
        --------
        >>> import pandas as pd
        >>> import tracer_sklearn as ts
        >>> validator = ts.DataValidator(on_fail="warn")
        >>> monday = validator.report(pd.DataFrame({"spend": [1.0, 2.0, 3.0, 4.0]}))
        >>> tuesday = validator.report(pd.DataFrame({"spend": [1.0, None, 3.0, 4.0]}))
        >>> float(tuesday.compare(monday).loc[("spend", "completeness"), "change"])
        -0.25
        """
        if not isinstance(earlier, QualityReport):
            received = type(earlier).__qualname__
            raise InputTypeError(
                f"QualityReport: `earlier` must be a QualityReport, got {received}; make one with "
                "DataValidator(...).report(X).",
                stage="QualityReport",
                received=received,
            )
        now, then = self._measures(), earlier._measures()
        for mine, others in ((now, earlier), (then, self)):
            known = {column.name for column in others.columns} & set(mine.names)
            other = then if mine is now else now
            for column, measure in mine.values:
                # a finding that is not there is one of no rows
                if measure.startswith("issue: ") and (column in known or not column):
                    other.values.setdefault((column, measure), 0.0)
        index = pd.MultiIndex.from_tuples(
            list(dict.fromkeys([*now.values, *then.values])), names=["column", "measure"]
        )
        changes = pd.DataFrame(
            {
                "earlier": [then.values.get(at, float("nan")) for at in index],
                "now": [now.values.get(at, float("nan")) for at in index],
            },
            index=index,
        )
        return changes.assign(change=changes["now"] - changes["earlier"])

    def _measures(self) -> _Measures:
        values = {("", part): float(getattr(self, part)) for part in _PARTS}
        for column in self.columns:
            values[column.name, "completeness"] = column.completeness
            values[column.name, "validity"] = column.validity
        for issue in self.issues:
            at = issue.column or "", f"issue: {issue.rule}"
            values[at] = values.get(at, 0.0) + issue.share
        return _Measures([column.name for column in self.columns], values)

    def __str__(self) -> str:
        counts = ", ".join(f"{len(self.of(s))} {s}" for s in SEVERITIES if self.of(s))
        verdict = "passed" if self.passed else "failed"
        return (
            f"{verdict} with a score of {self.score:.1f}: {self.n_rows:,} rows, "
            f"{self.n_columns:,} columns; findings: {counts or 'none'}"
        )

    def _repr_html_(self) -> str:
        return report_as_html(self)


class _Measures:
    """The figures of a report by column and measure."""

    def __init__(self, names: list[str], values: dict[tuple[str, str], float]) -> None:
        self.names = names
        self.values = values
