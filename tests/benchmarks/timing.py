"""How the benchmarks measure: interleaved repetitions, best of each, in one process."""

from __future__ import annotations

import gc
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

_IN_A_ROW = 3


def best_times(tasks: Mapping[str, Callable[[], Any]], repeats: int = 5) -> dict[str, float]:
    """Seconds of each task, the best of several rounds.

    The tasks take turns, so that a slow spell of a shared machine hits all of them, and each runs
    a few times in a row at its turn: the first run pays for the memory that its neighbours gave
    back to the system, which on a virtual machine costs more than the work itself.
    """
    best = dict.fromkeys(tasks, float("inf"))
    for _ in range(repeats):
        for name, task in tasks.items():
            gc.collect()
            for _ in range(_IN_A_ROW):
                start = time.perf_counter()
                result = task()
                best[name] = min(best[name], time.perf_counter() - start)
                del result
    return best


def table(title: str, rows: Mapping[str, Mapping[str, str]]) -> str:
    """A Markdown table of rows that share their columns."""
    columns = list(next(iter(rows.values())))
    lines = [
        f"| {title} | " + " | ".join(columns) + " |",
        "|---|" + "---:|" * len(columns),
    ]
    lines += [f"| {name} | " + " | ".join(cells.values()) + " |" for name, cells in rows.items()]
    return "\n".join(lines)


def in_new_process(code: str) -> str:
    """Standard output of a snippet in a fresh interpreter."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=3600
    )
    return done.stdout
