"""How far a run is, on a terminal, as its events tell."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from tracer_sklearn.service.states import RunEvent

__all__ = ["following"]

_SAYS = {
    "ingestion": "read the file",
    "validation": "judge the table",
    "feature_engineering": "make the features",
    "preprocessing": "impute, cap, encode, scale",
    "training": "cross-validate and fit",
    "output": "write the result",
}


@contextmanager
def following(console: Console) -> Iterator[Callable[[RunEvent], None]]:
    """Give what is to be told of the events of a run; it shows a bar, on a terminal only."""
    if not console.is_terminal:
        yield lambda _event: None
        return
    columns = (
        TextColumn("{task.description:28}", markup=False),
        BarColumn(bar_width=30),
        TaskProgressColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("start a worker", total=1.0)

        def tell(event: RunEvent) -> None:
            says: str | None = None
            if event.kind == "retry":
                says = "try again"
            elif event.kind == "stage" and not event.status.is_final:
                says = _SAYS.get(event.stage or "", event.stage or "")
            progress.update(task, completed=event.share, description=says)

        yield tell
