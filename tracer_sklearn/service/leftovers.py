"""What a run may leave on the disk, and its removal, also after a crash."""

from __future__ import annotations

import contextlib
import glob
import os
import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tracer_sklearn.exceptions import ParameterError
from tracer_sklearn.service.states import RunState, RunStatus

__all__ = ["Target", "clear_run", "clear_strays"]

# Folders of unknown runs may belong to a store of another address; a day later nobody wants them.
_STRAY_SECONDS = 86_400.0


@dataclass(frozen=True)
class Target:
    """What stood at the place of an output before a run.

    Parameters
    ----------
    path : str or None
        The place.
    was : tuple or None
        What told the file there from others; None where there was none.
    """

    path: str | None
    was: tuple[int, int, int] | None

    @classmethod
    def before(cls, path: str | None) -> Target:
        """Look at the place."""
        return cls(path, None if path is None else _identity(path))

    def restore(self) -> None:
        """Remove what a run without success put where nothing was.

        A worker may be stopped between putting its output in place and saying so. What stood
        there before is gone then; the new file is complete and stays.
        """
        if self.path is not None and self.was is None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path)


def clear_run(state: RunState, state_dir: Path, *, since: datetime | None) -> None:
    """Remove what a run leaves: its folder, and where it did not complete, all it began."""
    shutil.rmtree(state_dir / "work" / state.run_id, ignore_errors=True)
    if state.status is RunStatus.COMPLETED:
        return
    pipelines = state_dir / "pipelines"
    _remove(pipelines / f"{state.run_id}.{ending}" for ending in ("skops", "json"))
    _remove(_parts(pipelines / f"{state.run_id}.skops", None))
    _remove(_parts(pipelines / f"{state.run_id}.json", None))
    if state.output.path is not None:
        began = since or state.started_at or state.created_at
        _remove(_parts(Path(os.path.realpath(state.output.path)), began))


def clear_strays(state_dir: Path, store: Any) -> None:
    """Remove folders of runs that have ended: a process died after it recorded their end."""
    for folder in (state_dir / "work").iterdir():
        try:
            is_over = store.get(folder.name).status.is_final
        except ParameterError:
            is_over = time.time() - folder.stat().st_mtime > _STRAY_SECONDS
        if is_over:
            shutil.rmtree(folder, ignore_errors=True)


def _identity(path: str) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns


def _parts(target: Path, since: datetime | None) -> Iterable[Path]:
    """Give the unfinished files that `written_whole` makes beside a target, not older ones."""
    pattern = f".{glob.escape(target.name[:100])}.{'[0-9a-f]' * 16}.part"
    for part in target.parent.glob(pattern):
        with contextlib.suppress(FileNotFoundError):
            # two seconds: file systems keep coarse times
            if since is None or part.stat().st_mtime >= since.timestamp() - 2:
                yield part


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        with contextlib.suppress(OSError):
            path.unlink()
