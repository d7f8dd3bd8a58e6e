"""`tracer runs` and `tracer audit`: the account of what was done."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from tracer_sklearn.cli.answers import (
    AsJson,
    Code,
    Debug,
    answering,
    plain_table,
    print_json,
    refuse,
    screen,
    shown,
)
from tracer_sklearn.cli.running import show_run
from tracer_sklearn.cli.settings import StateDir, StoreUrl
from tracer_sklearn.exceptions import ParameterError, TracerError

__all__ = ["audit", "runs"]

_STYLES = {"COMPLETED": "green", "FAILED": "red", "CANCELLED": "yellow", "IN_PROGRESS": "cyan"}
_AGO = re.compile(r"(\d{1,5})([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_SHORTEST_ID = 13  # the milliseconds of a UUID of version 7
_WIDE = 100
# what of the figures a terminal has room for; --json has all
_FIGURES = {
    "throughput": ("period", "blueprint", "files", "from_cache", "rows", "rows_per_second"),
    "quality": ("period", "blueprint", "n_runs", "score", "score_min", "completeness", "validity"),
    "errors": ("blueprint", "category", "type", "n_failed", "n_runs", "rate"),
}
_HEADINGS = {
    "from_cache": "cached",
    "rows_per_second": "rows/s",
    "n_runs": "runs",
    "n_failed": "failed",
    "score_min": "lowest",
}

runs = typer.Typer(invoke_without_command=True)
audit = typer.Typer(no_args_is_help=True, help="The audit trail.")

_Status = Annotated[
    list[str] | None,
    typer.Option(
        "--status",
        metavar="STATUS",
        show_default=False,
        help="PENDING, IN_PROGRESS, COMPLETED, FAILED or CANCELLED; may be repeated.",
    ),
]
_OfBlueprint = Annotated[
    str | None,
    typer.Option("--blueprint", "-b", metavar="NAME", show_default=False, help="Of this one."),
]
_OfPrincipal = Annotated[
    str | None,
    typer.Option("--principal", metavar="NAME", show_default=False, help="On behalf of this one."),
]
_Since = Annotated[
    str | None,
    typer.Option(
        "--since",
        metavar="WHEN",
        show_default=False,
        help="From then on: 2024-05-31, 2024-05-31T18:00, or 30m, 12h, 7d, 2w ago.",
    ),
]


@runs.callback()
@answering(
    "tracer runs --status FAILED --since 7d",
    "tracer runs show 019aca1f-1d2e",
    "tracer runs summary --since 30d",
)
def list_runs(
    context: typer.Context,
    status: _Status = None,
    blueprint: _OfBlueprint = None,
    principal: _OfPrincipal = None,
    since: _Since = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most so many.")] = 20,
    state_dir: StateDir = None,
    store_url: StoreUrl = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """List runs, the newest first; `tracer runs show ID` tells all about one."""
    if context.invoked_subcommand is not None:
        context.obj = (state_dir, store_url)
        return
    wanted, moment = [each.upper() for each in status or []] or None, _moment(since)
    with _store(state_dir, store_url) as store:
        _recover(store)
        found = store.runs(wanted, blueprint, moment, principal=principal, limit=limit)
    if as_json:
        print_json([state.model_dump(mode="json") for state in found])
        return
    if not found:
        screen().print("No runs.")
        return
    _show_runs(found)


@runs.command("show")
@answering()
def show(
    context: typer.Context,
    run_id: Annotated[
        str, typer.Argument(metavar="ID", help="Its id, or the first characters of it.")
    ],
    state_dir: StateDir = None,
    store_url: StoreUrl = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Tell everything about a run: stages, findings, and why it failed."""
    with _store(*_chosen(context, state_dir, store_url)) as store:
        _recover(store)
        state = _found(store, run_id)
    if as_json:
        print_json(state.model_dump(mode="json"))
        return
    console = screen()
    show_run(console, state)
    if state.error is not None:
        error = state.error
        console.print(
            Text.assemble(
                (f"\n{error.type}", "bold red"),
                f" ({error.category}{f', in {error.stage}' if error.stage else ''}): ",
                shown(error.message),
            )
        )


@runs.command("summary")
@answering()
def summary(
    context: typer.Context,
    blueprint: _OfBlueprint = None,
    principal: _OfPrincipal = None,
    since: _Since = None,
    state_dir: StateDir = None,
    store_url: StoreUrl = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Sum up by day what was done, how good the data was, and what failed."""
    moment = _moment(since)
    with _store(*_chosen(context, state_dir, store_url)) as store:
        _recover(store)
        figures = {
            "throughput": store.throughput(blueprint, moment, principal=principal),
            "quality": store.quality_trend(blueprint, moment, principal=principal),
            "errors": store.error_rates(blueprint, moment, principal=principal),
        }
    if as_json:
        print_json(figures)
        return
    if not any(figures.values()):
        screen().print("No runs.")
        return
    for title, rows in figures.items():
        if rows:
            _show_figures(title, rows)


@audit.command("verify")
@answering()
def verify(
    state_dir: StateDir = None,
    store_url: StoreUrl = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Say whether the audit trail is whole: every entry there, in its place, as it was written."""
    import dataclasses

    from tracer_sklearn.service import AuditTrail
    from tracer_sklearn.service.keys import state_key

    with _store(state_dir, store_url) as store:
        verdict = AuditTrail(store, state_key(store.state_dir, make=False)).verify()
    if as_json:
        print_json(dataclasses.asdict(verdict))
    else:
        said = ("whole", "bold green") if verdict.ok else ("broken", "bold red")
        screen().print(Text.assemble(said, ": ", shown(verdict.reason)), soft_wrap=True)
    if not verdict.ok:
        raise typer.Exit(Code.REFUSED)


# ---------------------------------------------------------------------------- the store


@contextmanager
def _store(state_dir: Path | None, store_url: str | None) -> Iterator[Any]:
    """Open the store; it is not made by looking at it."""
    from tracer_sklearn.service import RunStore
    from tracer_sklearn.service.parts import state_folder

    folder = state_folder(state_dir)
    if store_url is None and not (folder / "runs.sqlite").exists():
        refuse(
            f"tracer: an account of runs must be in {folder}, there is none; name its folder with "
            "--state-dir, or begin one with `tracer process`."
        )
    with RunStore.open(store_url, state_dir=folder) as store:
        yield store


def _recover(store: Any) -> None:
    """Mark runs of dead processes FAILED: nothing goes on in them."""
    from tracer_sklearn.service import AuditTrail
    from tracer_sklearn.service.machinery import recovered

    with suppress(TracerError, OSError):  # who may only read is shown what is written
        recovered(store, AuditTrail.open(store), store.state_dir)


def _chosen(
    context: typer.Context, state_dir: Path | None, store_url: str | None
) -> tuple[Path | None, str | None]:
    """Return the options of a command, or those given before its name."""
    before: tuple[Path | None, str | None] = context.obj or (None, None)
    return state_dir or before[0], store_url or before[1]


def _found(store: Any, run_id: str) -> Any:
    """Return the run with this id, or the only one whose id begins so."""
    if len(run_id) < 36:
        begins = [s for s in store.runs(limit=None) if s.run_id.startswith(run_id.lower())]
        if len(begins) == 1:
            return begins[0]
        if begins:
            shown_ids = ", ".join(state.run_id for state in begins[:5])
            raise ParameterError(
                f"tracer runs show: an id must begin like one run's only, {run_id!r} fits "
                f"{len(begins)}: {shown_ids}{', ...' if len(begins) > 5 else ''}; give more of it.",
                parameter="run_id",
                value=run_id,
            )
    return store.get(run_id)


def _moment(text: str | None) -> dt.datetime | None:
    """Read a date, a moment or a span before now; a naive one is of the local time zone."""
    if text is None:
        return None
    if (span := _AGO.fullmatch(text.strip())) is not None:
        return dt.datetime.now(dt.UTC) - dt.timedelta(**{_UNITS[span[2]]: int(span[1])})
    try:
        return dt.datetime.fromisoformat(text.strip()).astimezone()
    except ValueError:
        raise typer.BadParameter(
            f"must be like 2024-05-31, 2024-05-31T18:00 or 7d, got {text!r}.", param_hint="--since"
        ) from None


def _telling_length(ids: Sequence[str]) -> int:
    """Return how many characters tell these ids apart."""
    for length in range(_SHORTEST_ID, 36):
        if len({run_id[:length] for run_id in ids}) == len(set(ids)):
            return length
    return 36


def _show_runs(found: Sequence[Any]) -> None:
    console = screen()
    length = _telling_length([state.run_id for state in found])
    columns = ["run", "created", "status", "blueprint", "file", "rows", "score", "seconds"]
    if console.width < _WIDE:
        columns = columns[:6]
    whole = [name for name in columns if name != "file"]
    table = plain_table("", *columns, right=["rows", "score", "seconds"], whole=whole)
    for state in found:
        report = state.validation.report
        rows = state.output.rows_out or state.ingestion.rows_out
        cells = (
            state.run_id[:length],
            f"{state.created_at.astimezone():%m-%d %H:%M}",
            Text(str(state.status), _STYLES.get(state.status, "")),
            state.blueprint,
            shown(Path(state.source).name),
            "" if rows is None else f"{rows:,}",
            "" if report is None else f"{report.score:.1f}",
            "" if state.seconds is None else f"{state.seconds:.1f}",
        )
        table.add_row(*cells[: len(columns)])
    console.print(table)


def _show_figures(title: str, rows: Sequence[dict[str, Any]]) -> None:
    names = _FIGURES[title]
    headings = {name: _HEADINGS.get(name, name.replace("_", " ")) for name in names}
    texts = ("period", "blueprint", "category", "type")
    table = plain_table(
        f"\n{title.capitalize()}",
        *headings.values(),
        right=[headings[name] for name in names if name not in texts],
        whole=["period", "blueprint"],
    )
    for row in rows:
        table.add_row(*(shown(_figure(name, row[name])) for name in names))
    screen().print(table)


def _figure(name: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.1%}" if name in ("rate", "completeness", "validity") else f"{value:,.1f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
