"""`tracer process`, `train` and `score`: a blueprint over a file, with an account of the run."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from tracer_sklearn.cli.answers import (
    AsJson,
    Debug,
    answering,
    plain_table,
    print_json,
    screen,
    shown,
)
from tracer_sklearn.cli.progress import following
from tracer_sklearn.cli.settings import (
    Blueprint,
    Columns,
    ConfigFile,
    Encoding,
    Fields,
    File,
    Missing,
    Outliers,
    Scaling,
    StateDir,
    StoreUrl,
    config_of,
)
from tracer_sklearn.exceptions import RunError

__all__ = ["process", "score", "show_run", "train"]

_STYLES = {"COMPLETED": "green", "FAILED": "red", "CANCELLED": "yellow"}

Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        dir_okay=False,
        show_default=False,
        help="Where the data set is written: .parquet, .csv or .arrow.",
    ),
]
NoCache = Annotated[
    bool,
    typer.Option(
        "--no-cache",
        rich_help_panel="Runs",
        help="Work even where the same file was processed in the same way before.",
    ),
]


@answering(
    "tracer process customers.csv -b customer_churn -o features.parquet",
    "tracer process crm.csv -b customer_churn -f customer_id=CustID",
)
def process(
    file: File,
    blueprint: Blueprint,
    output: Output = None,
    field: Fields = None,
    keep: Columns = None,
    missing: Missing = None,
    outliers: Outliers = None,
    encoding: Encoding = None,
    scaling: Scaling = None,
    config: ConfigFile = None,
    state_dir: StateDir = None,
    store_url: StoreUrl = None,
    no_cache: NoCache = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Turn a file into a data set of features, and keep the fitted pipeline.

    Findings of severity HIGH and lower warn; a CRITICAL one stops the run.
    """
    settings = config_of(
        config,
        fields=field,
        missing=missing,
        outliers=outliers,
        encoding=encoding,
        scaling=scaling,
        keep_columns=keep,
    )
    state = _run(
        file,
        blueprint,
        settings,
        as_json=as_json,
        service=_service(state_dir, store_url, no_cache),
        output=output,
    )
    if not as_json and state.pipeline_path is not None:
        _tell(screen(), "pipeline", state.pipeline_path)
        _tell(screen(), "next", f"tracer score LATER.csv --pipeline {state.pipeline_path}")


@answering(
    "tracer train customers.csv -b customer_churn -t churned -s churn.skops",
    "tracer train sales.csv -b revenue_projection -t revenue --model linear",
)
def train(
    file: File,
    blueprint: Blueprint,
    target: Annotated[
        str,
        typer.Option(
            "--target",
            "-t",
            metavar="COLUMN",
            show_default=False,
            help="The outcome to learn; missing outcomes are left out and counted.",
        ),
    ],
    save: Annotated[
        Path | None,
        typer.Option(
            "--save",
            "-s",
            metavar="FILE.skops",
            dir_okay=False,
            show_default=False,
            help="Where the fitted pipeline is put, with its manifest beside it.",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="KIND", show_default=False, help="boosting or linear."),
    ] = None,
    splits: Annotated[
        int | None,
        typer.Option("--splits", min=2, show_default=False, help="Folds; 4 by default."),
    ] = None,
    output: Output = None,
    field: Fields = None,
    missing: Missing = None,
    outliers: Outliers = None,
    encoding: Encoding = None,
    scaling: Scaling = None,
    config: ConfigFile = None,
    state_dir: StateDir = None,
    store_url: StoreUrl = None,
    no_cache: NoCache = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Cross-validate a model on a file, in time where it has dates, and fit it on all rows."""
    if save is not None and save.suffix != ".skops":
        raise typer.BadParameter(f"must end in .skops, got {save.name!r}.", param_hint="--save")
    settings = config_of(
        config,
        fields=field,
        missing=missing,
        outliers=outliers,
        encoding=encoding,
        scaling=scaling,
        target_column=target,
        model=model,
        n_splits=splits,
    )
    state = _run(
        file,
        blueprint,
        settings,
        as_json=as_json,
        service=_service(state_dir, store_url, no_cache),
        output=output,
    )
    kept = state.pipeline_path
    if save is not None:
        _copy_pipeline(kept, save)
        kept = str(save)
    if not as_json:
        _tell(screen(), "pipeline", kept)
        _tell(screen(), "next", f"tracer score LATER.csv --pipeline {kept} -o scores.csv")


@answering(
    "tracer score june.csv -p churn.skops -o scores.csv --keep customer_id",
)
def score(
    file: File,
    pipeline: Annotated[
        Path,
        typer.Option(
            "--pipeline",
            "-p",
            metavar="FILE.skops",
            exists=True,
            dir_okay=False,
            show_default=False,
            help="A fitted pipeline, of `tracer train`, `tracer process` or `ts.save`.",
        ),
    ],
    output: Output = None,
    keep: Columns = None,
    config: ConfigFile = None,
    state_dir: StateDir = None,
    store_url: StoreUrl = None,
    no_cache: NoCache = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Apply a fitted pipeline to a later file: the same columns, and predictions of its model.

    Columns that no longer look like the training rows are named as drifted.
    """
    settings = config_of(config, keep_columns=keep)
    _run(
        file,
        _blueprint_of(pipeline),
        settings,
        as_json=as_json,
        service=_service(state_dir, store_url, no_cache),
        output=output,
        fitted=pipeline,
    )


# ---------------------------------------------------------------------------------- running


def _service(state_dir: Path | None, store_url: str | None, no_cache: bool) -> dict[str, Any]:
    chosen: dict[str, Any] = {"state_dir": state_dir, "store_url": store_url}
    return chosen | ({"cache_url": None} if no_cache else {})


def _run(
    file: Path,
    blueprint: str,
    config: Any,
    *,
    as_json: bool,
    service: Mapping[str, Any],
    **options: Any,
) -> Any:
    """Run a file, show how it went, and return the state; raise RunError where it failed."""
    from tracer_sklearn.service import DataPipeline

    async def run(tell: Any) -> Any:
        async with DataPipeline(max_concurrent_pipelines=1, **service) as pipeline:
            _, state = await pipeline.process_file(
                file, blueprint, config=config, on_event=tell, **options
            )
            return state

    console = Console(stderr=True, quiet=as_json)
    try:
        with following(console) as tell:
            state = asyncio.run(run(tell))
    except RunError as error:
        state = error.state
        if state is not None:
            _present(state, as_json)
            failure = getattr(state, "error", None)
            if failure is not None and failure.category == "compatibility" and not as_json:
                hint = f"`tracer inspect {shlex.quote(str(file))}` shows which -f options it needs."
                console.print(shown(hint), soft_wrap=True)
        raise
    _present(state, as_json)
    return state


def _present(state: Any, as_json: bool) -> None:
    if as_json:
        print_json(state.model_dump(mode="json"))
    else:
        show_run(screen(), state)


def _blueprint_of(pipeline: Path) -> str:
    """Return which blueprint made a saved pipeline."""
    from tracer_sklearn.io.persistence import load
    from tracer_sklearn.service.plans import blueprint_of

    return blueprint_of(load(pipeline))


def _copy_pipeline(made: str, target: Path) -> None:
    from tracer_sklearn.io.persistence import load, save

    save(load(made), target)  # read as it will be read: a copy that cannot be loaded is none


# ---------------------------------------------------------------------------------- showing


def show_run(console: Console, state: Any) -> None:
    """Show everything about a run that a person wants to know."""
    status = (str(state.status), f"bold {_STYLES.get(state.status, 'cyan')}")
    console.print(
        Text.assemble(status, f"  {state.blueprint}  ", shown(state.source)), soft_wrap=True
    )
    for title, text in _facts(state):
        _tell(console, title, text)
    begun = {name: stage for name, stage in state.stages.items() if stage.attempts}
    if begun:
        table = plain_table(
            "\nStages",
            "stage",
            "status",
            "seconds",
            "rows",
            "MB",
            right=["seconds", "rows", "MB"],
            whole=["stage", "status"],
        )
        for name, stage in begun.items():
            table.add_row(
                name.replace("_", " "),
                Text(str(stage.status), _STYLES.get(stage.status, "")),
                f"{stage.seconds:.2f}",
                _rows(stage),
                "" if stage.memory_mb is None else f"{stage.memory_mb:,.0f}",
            )
        console.print(table)
    _show_scores(console, state.training)
    said = [text for stage in begun.values() for text in stage.warnings]
    for text in said[:10]:
        console.print(Text.assemble(("Warning: ", "yellow"), shown(text)))
    if len(said) > 10:
        console.print(f"... and {len(said) - 10} further warnings, all with --json.", style="dim")
    if state.validation.drifted:
        names = ", ".join(state.validation.drifted)
        console.print(Text.assemble(("Drifted: ", "yellow"), shown(names)))


def _facts(state: Any) -> Iterator[tuple[str, str]]:
    yield "run", state.run_id
    if state.seconds is not None:
        attempts = f", {state.attempts} attempts" if state.attempts > 1 else ""
        cached = ", remembered from an earlier run" if state.from_cache else ""
        yield "took", f"{state.seconds:.2f} s{attempts}{cached}"
    if (report := state.validation.report) is not None:
        counts = [f"{len(report.of(s))} {s}" for s in ("CRITICAL", "HIGH", "MEDIUM", "LOW")]
        found = ", ".join(count for count in counts if not count.startswith("0 "))
        yield "quality", f"{report.score:.1f} of 100" + (f"; {found}" if found else "")
    if created := state.feature_engineering.features_created:
        more = f" and {len(created) - 6} more" if len(created) > 6 else ""
        yield "features", f"{len(created)}: {', '.join(created[:6])}{more}"
    if state.preprocessing.rows_dropped:
        yield "dropped", f"{state.preprocessing.rows_dropped:,} incomplete rows"
    if state.output.path is not None and state.output.size is not None:
        yield "output", f"{state.output.path}, {state.output.size:,} bytes"


def _show_scores(console: Console, training: Any) -> None:
    if not training.scores:
        return
    folds = f", {training.folds}" if training.folds else ""
    console.print(Text.assemble("\n", (f"{training.model}{folds}", "bold")), soft_wrap=True)
    table = plain_table("", "score", "mean", "each fold", right=["mean"])
    for name, values in training.scores.items():
        mean = sum(values) / len(values)
        table.add_row(shown(name), f"{mean:.4g}", ", ".join(f"{value:.4g}" for value in values))
    console.print(table)


def _rows(stage: Any) -> str:
    before, after = stage.rows_in, stage.rows_out
    if after is None or before == after:
        return "" if before is None else f"{before:,}"
    return f"{after:,}" if before is None else f"{before:,} to {after:,}"


def _tell(console: Console, title: str, text: str | None) -> None:
    if text is not None:
        console.print(Text.assemble((f"  {title:9}", "dim"), shown(text)), soft_wrap=True)
