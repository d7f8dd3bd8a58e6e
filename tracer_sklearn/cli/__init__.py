"""The command ``tracer``; typer and rich are imported when it runs, not before."""

from __future__ import annotations

import sys

from tracer_sklearn.exceptions import MissingDependencyError

__all__ = ["main"]


def main() -> None:
    """Run the command line.

    Without its optional packages it says in one sentence which extra to install, and exits
    with code 1.
    """
    try:
        from tracer_sklearn.cli.app import app
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"rich", "typer"}:
            raise
        extra = "demo" if sys.argv[1:2] == ["demo"] else "service"
        sys.stderr.write(f"{MissingDependencyError.from_extra('tracer', extra)}\n")
        raise SystemExit(1) from None
    app(prog_name="tracer")
