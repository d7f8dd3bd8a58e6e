"""How commands answer: on which stream, with which exit code, and how an error is told."""

from __future__ import annotations

import functools
import inspect
import json
import sys
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn, ParamSpec

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tracer_sklearn.exceptions import (
    DataError,
    IngestionError,
    ParameterError,
    RunError,
    SchemaError,
    TracerError,
    TracerWarning,
)

__all__ = [
    "CODES",
    "AsJson",
    "Code",
    "Debug",
    "answering",
    "plain_table",
    "print_json",
    "refuse",
    "screen",
    "shown",
]

_MOST_WARNINGS = 10
# errors that blame the data: not a disk, nor a mistake of ours
_REFUSALS = {
    "DataError",
    "IngestionError",
    "MissingFieldsError",
    "QualityError",
    "SchemaError",
    "StaleReferenceDateError",
}

P = ParamSpec("P")


class Code(IntEnum):
    """What the exit code says."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    REFUSED = 3
    INTERRUPTED = 130


CODES = """Exit codes: 0 done; 1 failed; 2 wrong usage; 3 the data was looked at and does not pass \
(no table, not good enough, columns missing); 130 interrupted."""

AsJson = Annotated[
    bool, typer.Option("--json", help="Write JSON to standard output, and nothing else.")
]
Debug = Annotated[bool, typer.Option("--debug", help="Show the whole trace of an error.")]


def screen(*, errors: bool = False) -> Console:
    """Return the console of standard output, or of standard error."""
    return Console(stderr=errors, highlight=False)


def shown(value: object) -> Text:
    """Return a value as it may be shown: no markup, nothing that a terminal would obey."""
    return Text("".join(c if c.isprintable() else repr(c)[1:-1] for c in str(value)))


def plain_table(
    title: str, *headings: str, right: Iterable[str] = (), whole: Iterable[str] = ()
) -> Table:
    """Return an empty table in the one style that all commands use.

    Parameters
    ----------
    title : str
        What stands above it.
    *headings : str
        One for each column.
    right : iterable of str, default=()
        Columns of numbers.
    whole : iterable of str, default=()
        Columns that are never broken into lines; those of numbers are neither.
    """
    table = Table(
        title=title or None,
        title_justify="left",
        title_style="bold",
        box=None,
        padding=(0, 2, 0, 0),
        pad_edge=False,
    )
    numbers = set(right)
    unbroken = {*numbers, *whole}
    for heading in headings:
        table.add_column(
            heading,
            justify="right" if heading in numbers else "left",
            header_style="dim",
            no_wrap=heading in unbroken,
            overflow="fold",
        )
    return table


def print_json(content: Any) -> None:
    """Write JSON to standard output, in ASCII, so that no name of a column reaches a terminal."""
    sys.stdout.write(json.dumps(content, indent=2, default=str) + "\n")


def refuse(message: str, code: Code = Code.FAILED) -> NoReturn:
    """Say on standard error why nothing comes, and end."""
    screen(errors=True).print(shown(message), soft_wrap=True)
    raise typer.Exit(code)


def answering(*examples: str) -> Callable[[Callable[P, None]], Callable[P, None]]:
    """Let a command answer an error with one paragraph, or with ``--debug`` the trace too.

    Its help gets the examples, and what the exit codes say. Warnings of the package are told when
    the command is over, one line each; others are for developers.

    Parameters
    ----------
    *examples : str
        Command lines.
    """

    def wrapped(command: Callable[P, None]) -> Callable[P, None]:
        @functools.wraps(command)
        def answered(*args: P.args, **kwargs: P.kwargs) -> None:
            debug = bool(kwargs.get("debug"))
            try:
                with _warnings_told():
                    command(*args, **kwargs)
            except (typer.Exit, typer.Abort, typer.BadParameter):
                raise
            except KeyboardInterrupt:
                refuse("tracer: interrupted; what was begun is cancelled.", Code.INTERRUPTED)
            except Exception as error:
                if debug:
                    traceback.print_exc()
                refuse(_paragraph(error, debug=debug), code_of(error))

        lines = "".join(f"\n    {line}" for line in examples)
        block = f"\n\n\b\nExamples:{lines}" if examples else ""
        answered.__doc__ = f"{inspect.cleandoc(command.__doc__ or '')}{block}\n\n{CODES}"
        return answered

    return wrapped


def code_of(error: BaseException) -> Code:
    """Return the exit code of an error."""
    if isinstance(error, RunError):
        failure = getattr(error.state, "error", None)
        refused = failure is not None and failure.type in _REFUSALS
        return Code.REFUSED if refused else Code.FAILED
    if isinstance(error, IngestionError | SchemaError | DataError):
        return Code.REFUSED
    return Code.USAGE if isinstance(error, ParameterError) else Code.FAILED


def _paragraph(error: BaseException, *, debug: bool) -> str:
    if isinstance(error, TracerError):
        return str(error)
    if isinstance(error, OSError) and error.errno is not None:
        where = "" if error.filename is None else f" {Path(str(error.filename))}"
        return f"tracer: the file system must serve{where}, it said: {error.strerror}; see to that."
    advice = "" if debug else " run it again with --debug for the trace, and"
    return (
        f"tracer: a command must end in a result, found {type(error).__name__}: {error};{advice} "
        "report it if the data is in order."
    )


@contextmanager
def _warnings_told() -> Iterator[None]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            yield
        finally:
            said = dict.fromkeys(
                str(each.message) for each in caught if issubclass(each.category, TracerWarning)
            )
            tell_warnings(said)


def tell_warnings(said: Iterable[str]) -> None:
    """Tell what was found and did not stop the work, on standard error."""
    console, messages = screen(errors=True), list(said)
    for message in messages[:_MOST_WARNINGS]:
        console.print(Text.assemble(("Warning: ", "yellow"), shown(message)), soft_wrap=True)
    if len(messages) > _MOST_WARNINGS:
        console.print(f"... and {len(messages) - _MOST_WARNINGS} further warnings.")
