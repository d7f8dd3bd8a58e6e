"""A quality report as a piece of HTML that needs nothing beside itself."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tracer_sklearn.stages.validation._report import ColumnQuality, Issue, QualityReport

_MOST_ISSUES = 100
_MOST_COLUMNS = 60


def escaped(value: object) -> str:
    """Make any value harmless between tags and inside quoted attributes."""
    return html.escape(str(value), quote=True)


def report_as_html(report: QualityReport) -> str:
    """Return the report as one element: score, parts, findings and a bar for every column."""
    verdict = "passed" if report.passed else "failed"
    title = "Data quality" if report.blueprint is None else f"Data quality: {report.blueprint}"
    parts = [
        ("Completeness", report.completeness),
        ("Validity", report.validity),
        ("Uniqueness", report.uniqueness),
    ]
    tiles = "".join(
        f"<div><b>{100 * value:.1f}&#8239;%</b><span>{name}</span>{_bar(value)}</div>"
        for name, value in parts
    )
    size = f"{report.n_rows:,} rows, {report.n_columns:,} columns"
    key = f", key {escaped(' + '.join(report.key))}" if report.key else ""
    return framed(
        f"<header><strong>{report.score:.1f}</strong><div><h3>{escaped(title)}</h3>"
        f'<p><em class="{verdict}">{verdict}</em> {size}{key}</p></div></header>'
        f'<div class="tiles">{tiles}</div>'
        f"{_issues(report.issues)}{_columns(report.columns)}"
    )


def framed(content: str) -> str:
    """Put content into an element with its own style, dark where the page is."""
    return f'<div class="tracer-quality"><style>{_CSS}</style>{content}</div>'


def _issues(issues: tuple[Issue, ...]) -> str:
    if not issues:
        return "<p>No findings.</p>"
    rows = "".join(
        f'<tr><td><em class="{issue.severity.lower()}">{issue.severity}</em></td>'
        f"<td>{escaped(issue.column or '')}</td><td>{escaped(issue.rule)}</td>"
        f'<td class="num">{issue.count:,}</td><td class="num">{100 * issue.share:.2f}&#8239;%</td>'
        f"<td>{escaped(issue.message)}. <i>{escaped(issue.remedy)}.</i>{_examples(issue)}</td></tr>"
        for issue in issues[:_MOST_ISSUES]
    )
    return (
        '<div class="scroll"><table><thead><tr><th>severity</th><th>column</th><th>rule</th>'
        '<th class="num">count</th><th class="num">share</th><th>finding</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div>{_more(len(issues) - _MOST_ISSUES, 'findings')}"
    )


def _examples(issue: Issue) -> str:
    if not issue.examples:
        return ""
    shown = " ".join(f"<code>{escaped(example)}</code>" for example in issue.examples)
    return f" Shapes: {shown}"


def _columns(columns: tuple[ColumnQuality, ...]) -> str:
    rows = "".join(
        f"<tr><td>{escaped(column.name)}{'&#8239;*' if column.critical else ''}</td>"
        f"<td>{escaped(column.field or column.kind)}</td>"
        f"<td>{_bar(column.completeness * column.validity, column.completeness)}</td>"
        f'<td class="num">{column.n_missing:,}</td><td class="num">{column.n_invalid:,}</td>'
        f'<td class="num">{column.n_outliers:,}</td></tr>'
        for column in columns[:_MOST_COLUMNS]
    )
    starred = "<p>* the blueprint stands or falls with it</p>"
    return (
        '<div class="scroll"><table><thead><tr><th>column</th><th>kind</th>'
        '<th>present and valid</th><th class="num">missing</th><th class="num">invalid</th>'
        f'<th class="num">beyond 1.5 IQR</th></tr></thead><tbody>{rows}</tbody></table></div>'
        f"{starred if any(column.critical for column in columns) else ''}"
        f"{_more(len(columns) - _MOST_COLUMNS, 'columns')}"
    )


def _bar(share: float, out_of: float = 0.0) -> str:
    """Draw a share, and what is present beyond it."""
    rest = max(out_of - share, 0.0)
    return (
        f'<span class="bar" role="img" aria-label="{100 * share:.1f} %">'
        f'<i style="width:{100 * share:.2f}%"></i><u style="width:{100 * rest:.2f}%"></u></span>'
    )


def _more(n: int, what: str) -> str:
    return f"<p>and {n:,} more {what}</p>" if n > 0 else ""


_DARK = """--bg: #191f28; --ink: #e7eaef; --muted: #9aa5b4; --line: #2d3541; --good: #6bb5e6;
  --bad: #ff8b84; --warn: #e8b866;"""

_CSS = f"""
.tracer-quality {{ --bg: #ffffff; --ink: #1b2330; --muted: #5d6776; --line: #e2e5ea;
  --good: #1f6f9f; --bad: #c23b4c; --warn: #96600f;
  background: var(--bg); color: var(--ink); border: 1px solid var(--line); border-radius: 10px;
  padding: 16px 20px; max-width: 1000px;
  font: 14px/1.5 system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }}
@media (prefers-color-scheme: dark) {{ .tracer-quality {{ {_DARK} }} }}
[data-jp-theme-light="false"] .tracer-quality, .vscode-dark .tracer-quality,
[data-theme="dark"] .tracer-quality {{ {_DARK} }}
.tracer-quality header {{ display: flex; gap: 20px; align-items: center; }}
.tracer-quality header strong {{ font-size: 2.4rem; line-height: 1;
  font-variant-numeric: tabular-nums; }}
.tracer-quality h3 {{ margin: 0; font-size: 1.1rem; color: inherit; }}
.tracer-quality p {{ margin: 4px 0; color: var(--muted); }}
.tracer-quality em {{ font-style: normal; font-weight: 600; color: var(--muted); }}
.tracer-quality em.passed {{ color: var(--good); }}
.tracer-quality em.failed, .tracer-quality em.critical {{ color: var(--bad); }}
.tracer-quality em.high {{ color: var(--warn); }}
.tracer-quality .tiles {{ display: grid; gap: 16px; margin: 14px 0;
  grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); }}
.tracer-quality .tiles b {{ font-size: 1.15rem; margin-right: 8px; }}
.tracer-quality .tiles span {{ color: var(--muted); }}
.tracer-quality .scroll {{ overflow-x: auto; margin-top: 12px; }}
.tracer-quality table {{ border-collapse: collapse; width: 100%; color: inherit;
  background: none; font-size: 13px; font-variant-numeric: tabular-nums; }}
.tracer-quality tr {{ background: none; }}
.tracer-quality th, .tracer-quality td {{ text-align: left; padding: 4px 12px 4px 0;
  vertical-align: top; border: 0; border-bottom: 1px solid var(--line); color: inherit;
  overflow-wrap: anywhere; }}
.tracer-quality th {{ color: var(--muted); font-weight: 600; }}
.tracer-quality .num {{ text-align: right; white-space: nowrap; }}
.tracer-quality td i {{ color: var(--muted); }}
.tracer-quality code {{ background: none; color: var(--muted); }}
.tracer-quality .bar {{ display: flex; height: 8px; min-width: 90px; margin-top: 6px;
  background: var(--line); border-radius: 4px; overflow: hidden; }}
.tracer-quality .bar i {{ background: var(--good); }}
.tracer-quality .bar u {{ background: var(--bad); }}
"""
