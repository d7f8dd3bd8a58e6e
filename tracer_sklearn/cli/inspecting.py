"""`tracer inspect` and `tracer validate`: what a file holds, and whether it can carry a model."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from tracer_sklearn.cli.answers import (
    AsJson,
    Code,
    Debug,
    answering,
    plain_table,
    print_json,
    screen,
    shown,
)
from tracer_sklearn.cli.settings import Blueprint, ConfigFile, Fields, File, config_of

__all__ = ["inspect", "validate"]

_MOST_COLUMNS = 40
_MOST_NOTES = 5
_MOST_FINDINGS = 20
_STYLES = {"CRITICAL": "bold red", "HIGH": "red", "MEDIUM": "yellow", "LOW": "dim"}


@answering(
    "tracer inspect customers.csv",
    "tracer inspect export.csv.gz --json | jq .compatibility",
)
def inspect(
    file: File, config: ConfigFile = None, as_json: AsJson = False, debug: Debug = False
) -> None:
    """Show how a file is read, what it holds, and which blueprints it fits.

    Encoding, delimiter, header, dates and money are found; every line is accounted for.
    """
    from tracer_sklearn.io.tables import read_table
    from tracer_sklearn.stages.validation import check_compatibility

    limits = config_of(config).limits
    frame, report = read_table(file, limits=limits, as_="polars")
    fits = check_compatibility(frame)
    if as_json:
        compatibility = fits.model_dump(mode="json")
        for written, fit in zip(compatibility["blueprints"], fits.blueprints, strict=True):
            written["mapping"] = fit.mapping
        print_json({"ingestion": report.to_dict(), "compatibility": compatibility})
        return
    console = screen()
    _show_file(console, file, report)
    _show_columns(console, report)
    _show_fits(console, file, fits)


@answering(
    "tracer validate customers.csv -b customer_churn",
    "tracer validate customers.csv -b customer_churn -f customer_id=CustID --json",
)
def validate(
    file: File,
    blueprint: Blueprint,
    field: Fields = None,
    config: ConfigFile = None,
    all_findings: Annotated[
        bool, typer.Option("--all", help="Show findings of severity LOW too.")
    ] = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Judge whether a file is good enough for a blueprint; nothing is kept of it.

    It applies the checks of `tracer process`, whose thresholds can be set with --config.
    """
    settings = config_of(config, fields=field)
    report, advice = _judged(file, blueprint, settings)
    if as_json:
        print_json(report.model_dump(mode="json"))
    else:
        show_quality(screen(), report, everything=all_findings)
        if advice:
            screen().print(Text.assemble(("Perhaps: ", "bold"), shown(advice)), soft_wrap=True)
    if not report.passed:
        raise typer.Exit(Code.REFUSED)


def show_quality(console: Console, report: Any, *, everything: bool = False) -> None:
    """Show the verdict on a table and its findings, worst first; those of LOW when asked."""
    verdict = ("passed", "bold green") if report.passed else ("failed", "bold red")
    facts = f": score {report.score:.1f} of 100, {report.n_rows:,} rows of {report.n_columns:,}"
    console.print(Text.assemble(verdict, facts, " columns"))
    parts = ("completeness", "validity", "uniqueness")
    console.print("  " + ", ".join(f"{name} {getattr(report, name):.1%}" for name in parts))
    issues = [issue for issue in report.issues if everything or issue.severity != "LOW"]
    if issues:
        table = plain_table(
            "\nFindings", "severity", "column", "rows", "what", right=["rows"], whole=["severity"]
        )
        for issue in issues if everything else issues[:_MOST_FINDINGS]:
            table.add_row(
                Text(issue.severity, _STYLES[issue.severity]),
                shown(issue.column or ""),
                f"{issue.count:,}",
                Text.assemble(shown(issue.message), (f"; {shown(issue.remedy)}.", "dim")),
            )
        console.print(table)
    if everything:
        return
    n_low = len(report.of("LOW"))
    if (n_more := len(issues) - _MOST_FINDINGS) > 0:
        console.print(f"  ... and {n_more} more, with --all.", style="dim")
    if n_low:
        console.print(f"  {n_low} findings of severity LOW, with --all.", style="dim")


# ------------------------------------------------------------------------------ inspecting


def _show_file(console: Console, file: Path, report: Any) -> None:
    console.print(shown(file), style="bold", soft_wrap=True)
    for title, text in _facts(report):
        console.print(Text.assemble((f"  {title:9}", "dim"), shown(text)))
    for fate, notes in report.lines.notes.items():
        for note in notes[:_MOST_NOTES]:
            fated = "" if fate in ("above", "footer") else f" {fate.replace('_', ' ')}"
            said = f"line {note.line}{fated}: {note.reason} [{note.excerpt}]"
            console.print(Text.assemble("  ", (shown(said).plain, "yellow")))
        n_more = getattr(report.lines, fate, len(notes)) - _MOST_NOTES
        if n_more > 0:
            console.print(f"  ... and {n_more:,} more.", style="dim")


def _facts(report: Any) -> Iterator[tuple[str, str]]:
    packed = "" if report.compression == "none" else f", {report.compression}"
    yield "size", f"{report.size:,} bytes{packed}"
    guess, dialect = report.encoding, report.dialect
    if guess is None or dialect is None:
        yield "format", report.format
    else:
        rival = f", or else {guess.runner_up}" if guess.runner_up else ""
        yield "encoding", f"{guess.name} ({guess.confidence:.0%} sure{rival})"
        decimal = f", decimal mark '{report.decimal}'" if report.decimal else ""
        delimiter = {"\t": "tab", " ": "blank"}.get(dialect.delimiter, f"'{dialect.delimiter}'")
        wraps = ", whole lines in quotes" if dialect.wraps_lines else ""
        yield "written", f"delimiter {delimiter}{decimal}{wraps}"
        where = ", ".join(map(str, report.header_lines))
        yield "header", f"line {where}" if where else "none; columns are numbered"
    yield "lines", _lines(report.lines)
    for table in report.lines.tables:
        names = ", ".join(table.names[:5])
        yield "not read", f"another table at line {table.line}, {table.n_lines:,} lines: {names}"


def _lines(lines: Any) -> str:
    """Write the sum of all lines, as they are accounted for."""
    fates = ("continued", "header", "above", "blank", "set_aside", "footer", "other_tables")
    parts = [f"{lines.rows:,} rows"]
    parts += [f"{n:,} {f.replace('_', ' ')}" for f in fates if (n := getattr(lines, f))]
    mended = [f"{n:,} {what}" for what in ("padded", "cut") if (n := getattr(lines, what))]
    return f"{lines.total:,} = " + " + ".join(parts) + (f" ({', '.join(mended)})" if mended else "")


def _show_columns(console: Console, report: Any) -> None:
    table = plain_table(
        f"\n{len(report.columns):,} columns",
        "name",
        "kind",
        "missing",
        "unfit",
        "distinct",
        "holds",
        right=["missing", "unfit", "distinct"],
        whole=["kind"],
    )
    for column in list(report.columns.values())[:_MOST_COLUMNS]:
        table.add_row(
            shown(column.name),
            column.kind,
            f"{column.missing_share:.1%}" if column.missing else "",
            Text(f"{column.failures:,}", "yellow") if column.failures else "",
            f"{column.distinct:,}",
            shown(_holds(column)),
        )
    console.print(table)
    if (more := len(report.columns) - _MOST_COLUMNS) > 0:
        console.print(f"  ... and {more:,} further columns, all with --json.", style="dim")


def _holds(column: Any) -> str:
    """Say what is in a column: a range, or the shape of a cell."""
    if column.minimum is None or column.kind == "flag":
        return f"like {column.pattern}" if column.pattern else ""
    low, high = _short(column.minimum), _short(column.maximum)
    return low if low == high else f"{low} to {high}"


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value).removesuffix("T00:00:00")


def _show_fits(console: Console, file: Path, fits: Any) -> None:
    table = plain_table("\nBlueprints", "name", "fits", "columns", whole=["name", "fits"])
    for fit in fits.blueprints:
        verdict = ("yes", "green") if fit.can_run else ("no", "red")
        table.add_row(fit.blueprint, Text(*verdict), shown(_columns_of(fit)))
    console.print(table)
    best = fits.best
    if best.can_run:
        command = ["tracer", "process", str(file), "-b", best.blueprint]
        command += [part for pair in _pairs(best.mapping) for part in ("-f", pair)]
        said = Text.assemble(("\nNext: ", "bold"), shown(shlex.join(command)))
        console.print(said, soft_wrap=True)


def _columns_of(fit: Any) -> str:
    """Say which columns would be which fields, surest first, or what is missing."""
    found = sorted(
        (match for match in fit.fields if match.status == "found"),
        key=lambda match: (-match.required, -match.confidence),
    )
    said = [
        match.field if match.field == match.column else f"{match.field}={match.column}"
        for match in found
    ]
    lacks = f"lacks {', '.join(fit.missing)}" if fit.missing else ""
    return "; ".join(part for part in (lacks, ", ".join(said)) if part)


def _pairs(mapping: Mapping[str, str]) -> list[str]:
    return [f"{field}={column}" for field, column in mapping.items()]


# ------------------------------------------------------------------------------- validating


def _judged(file: Path, blueprint: str, config: Any) -> tuple[Any, str]:
    """Return the report that a run would make, and which columns may be the missing fields."""
    from tracer_sklearn.io.tables import read_table
    from tracer_sklearn.service.plans import (
        check_blueprint,
        features_and_target,
        pipeline_for,
        schema_for,
    )
    from tracer_sklearn.stages.validation import DataValidator, check_compatibility

    check_blueprint(blueprint, config)

    def choose(names: list[str]) -> list[str]:
        return features_and_target(names, blueprint, config)[0]

    frame, read = read_table(file, columns=choose, limits=config.limits, as_="polars")
    steps = pipeline_for(blueprint, config, None).named_steps
    schema = schema_for(blueprint, config)
    missing = [name for name in schema.required if name not in frame.columns]
    if missing:  # the stages before the validator cannot do without them
        whole, _ = read_table(file, limits=config.limits, as_="polars")
        fit = check_compatibility(whole)[blueprint]
        advice = " ".join(f"-f {shlex.quote(pair)}" for pair in _pairs(fit.mapping))
        report = DataValidator(schema).report(whole)
        return report, advice if fit.can_run else ""
    if steps["validate"] == "passthrough":
        raise typer.BadParameter("must leave at least one check on.", param_hint="--config")
    parse = steps["parse"].set_params(formats=read.formats_)
    return steps["validate"].report(parse.fit_transform(frame)), ""
