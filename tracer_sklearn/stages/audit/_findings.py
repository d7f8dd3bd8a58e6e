"""What an audit for leakage found, for a person and for a machine."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any, Literal

import narwhals.stable.v2 as nw
from pydantic import BaseModel, ConfigDict, Field

__all__ = ["LeakFinding", "LeakReport", "Severity"]

Severity = Literal["error", "warning", "note"]
_ORDER: dict[str, int] = {"error": 0, "warning": 1, "note": 2}


class LeakFinding(BaseModel):
    """One suspicion of an audit for leakage.

    Parameters
    ----------
    columns : tuple of str
        The columns concerned; several for arithmetic, none for the order of the rows.
    detector : str
        What found it: ``copy``, ``association``, ``missingness``, ``pure_level``, ``target_mean``,
        ``arithmetic``, ``sum``, ``window``, ``same_row``, ``date_after``, ``name``, ``identifier``
        or ``row_order``.
    severity : {"error", "warning", "note"}
        Errors are leaks or twins of one; warnings want an explanation; notes are for reading.
    strength : float or None
        How well the columns tell the target, on the detector's scale in [0, 1]; None where there
        is nothing to measure.
    message : str
        What was found; never values of cells.
    remedy : str
        What to do.

    Examples
    --------
    >>> import pandas as pd
    >>> from tracer_sklearn import leak_audit
    >>> X = pd.DataFrame({"visits": [3, 1, 2, 4] * 25, "left": [0, 1, 1, 0] * 25})
    >>> finding = leak_audit(X, X["left"] > 0).findings[0]
    >>> finding.columns, finding.detector, finding.severity
    (('left',), 'copy', 'error')
    """

    model_config = ConfigDict(frozen=True)

    columns: tuple[str, ...]
    detector: str
    severity: Severity
    strength: float | None = None
    message: str
    remedy: str


class LeakReport(BaseModel):
    """All that an audit for leakage found.

    It shows itself in a notebook, prints as text, and serialises by ``model_dump_json()``.

    Parameters
    ----------
    target : {"none", "binary", "classes", "number"}
        What kind of target was told from the columns.
    n_rows, n_sampled : int
        Rows of the frame, and those that the measures were taken on.
    error_above, warn_above : float
        The bounds in force.
    strengths : dict of str to float
        Per column how well it tells the target by itself: 0.5 not at all, 1.0 perfectly.
    findings : tuple of LeakFinding
        Errors first, the strongest first.

    Examples
    --------
    >>> import tracer_sklearn as ts
    >>> X, y = ts.datasets.make_customer_churn(400, random_state=0)
    >>> report = ts.leak_audit(X, y)
    >>> report.errors
    ()
    >>> print(report)
    No leak found in 8 columns, 2,400 rows.
    """

    model_config = ConfigDict(frozen=True)

    target: Literal["none", "binary", "classes", "number"]
    n_rows: int
    n_sampled: int
    error_above: float
    warn_above: float
    strengths: dict[str, float] = Field(default_factory=dict)
    findings: tuple[LeakFinding, ...] = ()

    @property
    def errors(self) -> tuple[LeakFinding, ...]:
        """The findings of severity error."""
        return self._of("error")

    @property
    def warnings(self) -> tuple[LeakFinding, ...]:
        """The findings of severity warning."""
        return self._of("warning")

    @property
    def notes(self) -> tuple[LeakFinding, ...]:
        """The findings of severity note."""
        return self._of("note")

    def _of(self, severity: Severity) -> tuple[LeakFinding, ...]:
        return tuple(finding for finding in self.findings if finding.severity == severity)

    def to_frame(self) -> Any:
        """Return the findings as a table.

        Returns
        -------
        table : pandas.DataFrame of shape (n_findings, 6)
            One row a finding; ``columns`` are joined by commas.
        """
        rows: dict[str, list[Any]] = {
            "columns": [", ".join(finding.columns) for finding in self.findings],
            "detector": [finding.detector for finding in self.findings],
            "severity": [finding.severity for finding in self.findings],
            "strength": [
                float("nan") if finding.strength is None else finding.strength
                for finding in self.findings
            ],
            "message": [finding.message for finding in self.findings],
            "remedy": [finding.remedy for finding in self.findings],
        }
        return nw.from_dict(rows, backend="pandas").to_native()

    def __str__(self) -> str:
        lines = (f"{f.severity.upper()} {f.message} {f.remedy}" for f in self.findings)
        return "\n".join((self._headline(), *lines))

    def _headline(self) -> str:
        size = f"{len(self.strengths)} columns, {self.n_rows:,} rows"
        if self.target == "none":
            size += ", without a target"
        found = {word: len(self._of(word)) for word in ("error", "warning", "note")}
        if not found["error"] and not found["warning"]:
            notes = f"; {_counted(found['note'], 'note')}" if found["note"] else ""
            return f"No leak found in {size}{notes}."
        listed = ", ".join(_counted(n, word) for word, n in found.items() if n)
        return f"{listed} in {size}."

    def _repr_html_(self) -> str:
        cells = "".join(_row(finding) for finding in self.findings)
        findings = (
            "<table><thead><tr><th></th><th>columns</th><th>found</th><th>what to do</th></tr>"
            f"</thead><tbody>{cells}</tbody></table>"
            if self.findings
            else ""
        )
        ranked = sorted(self.strengths.items(), key=lambda item: (-item[1], item[0]))
        bars = "".join(_bar(name, strength, self) for name, strength in ranked[:_MOST_BARS])
        more = len(ranked) - _MOST_BARS
        rest = f"<p>and {more} weaker columns</p>" if more > 0 else ""
        measured = (
            f"<details><summary>How well each column tells the target, from {self.n_sampled:,} "
            f"sampled rows (0.5: not at all)</summary><table><tbody>{bars}</tbody></table>{rest}"
            "</details>"
            if bars and self.target != "none"
            else ""
        )
        return (
            f'<div class="tracer-leaks"><style>{_STYLE}</style>'
            f"<p><b>{_text(self._headline())}</b></p>{findings}{measured}</div>"
        )


def in_order(findings: Sequence[LeakFinding]) -> tuple[LeakFinding, ...]:
    """Return findings by severity, strength and name."""
    return tuple(
        sorted(findings, key=lambda f: (_ORDER[f.severity], -(f.strength or 0.0), f.columns))
    )


_MOST_BARS = 30

_STYLE = (
    ".tracer-leaks{font:14px/1.45 system-ui,sans-serif;color-scheme:light dark}"
    ".tracer-leaks table{border-collapse:collapse;margin:.4em 0}"
    ".tracer-leaks th,.tracer-leaks td{text-align:left;vertical-align:top;padding:.25em .7em;"
    "border-bottom:1px solid color-mix(in srgb,currentColor 20%,transparent)}"
    ".tracer-leaks code{font-family:ui-monospace,monospace;overflow-wrap:anywhere}"
    ".tracer-leaks .tag{font-weight:600;border-radius:.3em;padding:.05em .45em;color:#fff}"
    ".tracer-leaks .error{background:#b3261e}.tracer-leaks .warning{background:#8a5a00}"
    ".tracer-leaks .note{background:#5f6368}"
    ".tracer-leaks .bar{display:inline-block;height:.7em;min-width:1px;background:#3b6fb6}"
    ".tracer-leaks .bar.error{background:#b3261e}.tracer-leaks .bar.warning{background:#c98a1b}"
)


def _text(value: object) -> str:
    return html.escape(str(value), quote=True)


def _counted(n: int, word: str) -> str:
    return f"{n} {word}{'' if n == 1 else 's'}"


def _row(finding: LeakFinding) -> str:
    names = ", ".join(f"<code>{_text(name)}</code>" for name in finding.columns) or "(rows)"
    return (
        f'<tr><td><span class="tag {finding.severity}">{finding.severity}</span></td>'
        f"<td>{names}</td><td>{_text(finding.message)}</td><td>{_text(finding.remedy)}</td></tr>"
    )


def _bar(name: str, strength: float, report: LeakReport) -> str:
    level = "error" if strength > report.error_above else ""
    level = level or ("warning" if strength > report.warn_above else "")
    width = max(0.0, min(1.0, 2 * strength - 1))
    return (
        f"<tr><td><code>{_text(name)}</code></td><td>{strength:.3f}</td>"
        f'<td style="width:16em"><span class="bar {level}" style="width:{100 * width:.0f}%">'
        "</span></td></tr>"
    )
