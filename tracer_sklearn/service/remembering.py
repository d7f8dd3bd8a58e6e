"""Results of earlier runs: the same bytes, with the same options, are not worked through again."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tracer_sklearn.io._atomic import written_whole
from tracer_sklearn.service.cache import CachedResult, ResultCache, cache_key
from tracer_sklearn.service.frames import data_set
from tracer_sklearn.service.outputs import write_output
from tracer_sklearn.service.retention import without_personal
from tracer_sklearn.service.sources import checksum_of
from tracer_sklearn.service.states import STAGES, RunState, RunStatus, now
from tracer_sklearn.service.tasks import Finished, Task

__all__ = ["ResultMemory"]

DATA_FILE = "data.arrow"
# Runs whose fitted pipeline is known as it was before the work; of those that fail nobody asks.
_LOCK = threading.Lock()
_SEEN = 1000


@dataclass(frozen=True)
class _Fitted:
    """A fitted pipeline as it was at one moment: its digest, and the facts of its two files."""

    checksum: str
    facts: tuple[tuple[int, ...], ...]

    @classmethod
    def seen(cls, path: str) -> _Fitted | None:
        """Look at it; None where it cannot be read, or changes meanwhile."""
        before = _facts(path)
        checksum = checksum_of(path, None, lambda: None)
        if checksum is None or before is None or _facts(path) != before:
            return None  # the worker says what is wrong with it
        return cls(checksum, before)


def _facts(path: str) -> tuple[tuple[int, ...], ...] | None:
    facts = []
    for file in (Path(path), Path(path).with_suffix(".json")):  # the pipeline and its manifest
        try:
            found = file.stat()
        except OSError:
            return None
        facts.append(
            (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
        )
    return tuple(facts)


class ResultMemory:
    """Recall results from a cache, and keep new ones in it.

    Parameters
    ----------
    cache : ResultCache
        Where they are kept.
    state_dir : path
        The state folder, with the working folders and fitted pipelines of runs.
    """

    def __init__(self, cache: ResultCache, state_dir: Path) -> None:
        self.cache = cache
        self.state_dir = state_dir
        self._fitted: dict[str, _Fitted] = {}

    def recall(self, task: Task, state: RunState, check: Callable[[], None]) -> Finished | None:
        """Return the result of the same work, as that of this run; None where there is none.

        The file is read for its checksum only where a result may be there; ``check`` is asked
        meanwhile, and what it raises is passed on.
        """
        fitted = None
        if state.fitted is not None:
            fitted = _Fitted.seen(state.fitted)
            if fitted is None:
                return None
            with _LOCK:
                self._fitted[state.run_id] = fitted
                while len(self._fitted) > _SEEN:
                    self._fitted.pop(next(iter(self._fitted)))
        state = self._with_source(task, state, check)
        key = self._key(task, state, fitted)
        found = None if key is None else self.cache.get(key)
        if found is None or found.frame is None:
            return None
        earlier = RunState.model_validate_json(found.outcome)
        data = data_set(found.frame)
        changes: dict[str, Any] = {name: getattr(earlier, name) for name in STAGES}
        report = earlier.ingestion.report
        if report is not None:  # the same bytes, under this run's name
            named = {"report": report.model_copy(update={"source": state.source})}
            changes["ingestion"] = earlier.ingestion.model_copy(update=named)
        written: dict[str, Any] = {"path": None, "size": None, "checksum": None}
        if state.output.path is not None:
            size, checksum = write_output(data, state.output.path)
            written = {"path": state.output.path, "size": size, "checksum": checksum}
        changes["output"] = earlier.output.model_copy(update=written)
        if found.pipeline is not None and found.manifest is not None:
            path = self.state_dir / "pipelines" / f"{state.run_id}.skops"
            for file, content in (
                (path, found.pipeline),
                (path.with_suffix(".json"), found.manifest),
            ):
                with written_whole("DataPipeline", file) as out:
                    out.write(content)  # type: ignore[arg-type]
            changes["pipeline_path"] = str(path)
        end = now()
        changes |= {
            "status": RunStatus.COMPLETED,
            "finished_at": end,
            "seconds": (end - (state.started_at or end)).total_seconds(),
            "from_cache": True,
        }
        return Finished(state.model_copy(update=changes), data)

    def remember(self, task: Task, done: Finished) -> None:
        """Keep the result of a run, whose working folder is still there.

        A fitted pipeline may be replaced during the work, and nobody knows then which one made the
        result: it is kept only where the files are, after the work, those of before.
        """
        fitted = None
        if done.state.fitted is not None:
            with _LOCK:
                fitted = self._fitted.pop(done.state.run_id, None)
            if fitted is None or _Fitted.seen(done.state.fitted) != fitted:
                return
        key = self._key(task, done.state, fitted)
        frame = self.state_dir / "work" / done.state.run_id / DATA_FILE
        if key is None or not frame.is_file():
            return
        path = done.state.pipeline_path
        self.cache.put(
            key,
            CachedResult(
                outcome=without_personal(done.state).model_dump_json(),
                frame=frame,
                frame_checksum=done.data_checksum,
                pipeline=None if path is None else Path(path),
                manifest=None if path is None else Path(path).with_suffix(".json"),
            ),
        )

    def _with_source(self, task: Task, state: RunState, check: Callable[[], None]) -> RunState:
        """Return the state with the size and checksum of the file, where they are worth it."""
        try:
            size = os.stat(task.path).st_size
        except OSError:  # the worker says why the file cannot be read
            return state
        if not self.cache.may_hold(size):
            return state
        checksum = checksum_of(task.path, task.config.limits.max_bytes, check)
        return state.model_copy(update={"source_bytes": size, "source_checksum": checksum})

    @staticmethod
    def _key(task: Task, state: RunState, fitted: _Fitted | None) -> str | None:
        if state.source_checksum is None or state.source_bytes is None:
            return None
        return cache_key(
            state.source_bytes,
            state.source_checksum,
            state.blueprint,
            task.config,
            state.package_version,
            None if fitted is None else fitted.checksum,
        )
