"""What a run may leave on the disk, and its removal, also after a crash."""

from __future__ import annotations

import contextlib
import glob
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tracer_sklearn.service.locks import Cancelled, output_lock
from tracer_sklearn.service.states import RunState, RunStatus

__all__ = ["Target", "clear_dead", "clear_run"]


@dataclass(frozen=True)
class Target:
    """What stood at the place of an output before a run.

    Parameters
    ----------
    path : str or None
        The place.
    was_there : bool
        Whether a file stood there.
    """

    path: str | None
    was_there: bool

    @classmethod
    def before(cls, path: str | None) -> Target:
        """Look at the place."""
        return cls(path, path is not None and os.path.lexists(path))

    def restore(self) -> None:
        """Remove what a run without success left; the lock of the output must be held.

        A worker may be stopped between putting its output in place and saying so. What stood
        there before is gone then; the new file is complete and stays.
        """
        if self.path is None:
            return
        _remove(_parts(Path(os.path.realpath(self.path))))
        if not self.was_there:
            _remove([Path(self.path)])


def clear_attempt(state: RunState, state_dir: Path) -> None:
    """Remove files that a lost worker left unfinished; the lock of the output must be held."""
    if state.output.path is not None:
        _remove(_parts(Path(os.path.realpath(state.output.path))))
    _remove(_parts(state_dir / "pipelines" / f"{state.run_id}.skops"))
    _remove(_parts(state_dir / "pipelines" / f"{state.run_id}.json"))
    _remove((state_dir / "work" / state.run_id).glob(".*.part"))


def clear_run(state: RunState, state_dir: Path) -> None:
    """Remove a run's folder, and where it did not complete, the pipeline that it began."""
    shutil.rmtree(state_dir / "work" / state.run_id, ignore_errors=True)
    if state.status is RunStatus.COMPLETED:
        return
    for ending in ("skops", "json"):
        path = state_dir / "pipelines" / f"{state.run_id}.{ending}"
        _remove([path, *_parts(path)])


def clear_dead(state: RunState, state_dir: Path) -> None:
    """Remove all that a run of a dead process left; a complete output stays."""
    clear_run(state, state_dir)
    if state.output.path is not None:
        # where another run holds the lock, that one is at work on the same output now
        with (
            contextlib.suppress(Cancelled),
            output_lock(state_dir / "locks", state.output.path, lambda: True),
        ):
            _remove(_parts(Path(os.path.realpath(state.output.path))))


def _parts(target: Path) -> Iterable[Path]:
    """Give the unfinished files that `written_whole` makes beside a target."""
    pattern = f".{glob.escape(target.name[:100])}.{'[0-9a-f]' * 16}.part"
    return list(target.parent.glob(pattern))


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        with contextlib.suppress(OSError):
            path.unlink()
