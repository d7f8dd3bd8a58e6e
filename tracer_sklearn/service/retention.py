"""What was kept long enough is deleted, and the audit trail says so."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, and_, select, update

from tracer_sklearn._params import check_moment
from tracer_sklearn.exceptions import StoreError
from tracer_sklearn.io.report import IngestionReport, LineReport
from tracer_sklearn.service._folder_cache import FolderCache
from tracer_sklearn.service.audit import AuditTrail
from tracer_sklearn.service.cache import ResultCache
from tracer_sklearn.service.config import RetentionPolicy
from tracer_sklearn.service.states import RunFailure, RunState, RunStatus, now
from tracer_sklearn.service.store._rows import as_row
from tracer_sklearn.service.store._tables import audit as audit_table
from tracer_sklearn.service.store._tables import runs
from tracer_sklearn.service.store.runs import RunStore

__all__ = ["Swept", "remove_strays", "sweep", "without_personal"]

_LOGGER = logging.getLogger("tracer_sklearn.service")

ERASED = "(erased)"
PRINCIPAL = "system"
_UNKNOWN_SECONDS = 3600.0
_FINAL = [status.value for status in RunStatus if status.is_final]


@dataclass(frozen=True)
class Swept:
    """What `DataPipeline.sweep` deleted.

    Parameters
    ----------
    outputs : int, default=0
        Files of data sets and fitted pipelines.
    kept : int, default=0
        Files of data sets that were due, but are no longer what the run wrote, or are also those
        of a later run.
    failed : int, default=0
        Runs whose files or cached results could not be deleted; they stay due.
    cached : int, default=0
        Entries of the result cache.
    personal : int, default=0
        Runs whose personal values were erased.
    entries : int, default=0
        Entries of the audit trail whose personal values were erased.

    Examples
    --------
    >>> from tracer_sklearn.service import Swept
    >>> swept = Swept(outputs=2, failed=1)
    >>> f"{swept.outputs} files deleted, of {swept.failed} run they could not be"
    '2 files deleted, of 1 run they could not be'
    """

    outputs: int = 0
    kept: int = 0
    failed: int = 0
    cached: int = 0
    personal: int = 0
    entries: int = 0


def sweep(
    store: RunStore,
    audit: AuditTrail,
    cache: ResultCache | None,
    state_dir: str | os.PathLike[str],
    at: datetime | None = None,
) -> Swept:
    """Delete what the runs' retention policies no longer keep.

    Call it once a day or so. It may be interrupted: what it had not finished is due again.

    Parameters
    ----------
    store : RunStore
        The runs.
    audit : AuditTrail
        Where each deletion is noted, as "retention.outputs" and "retention.personal".
    cache : ResultCache or None
        The cached results. What another one left in the state folder, before it was given up, is
        looked through as well.
    state_dir : path
        The state folder.
    at : datetime or None, default=None
        The moment that decides what is due; None for now. Without a time zone it is local time.

    Returns
    -------
    Swept
        How much was deleted.

    Raises
    ------
    ParameterError
        If ``at`` is no datetime; nothing is deleted then.

    Notes
    -----
    The file of a data set is deleted only while it is, by its checksum, what the run wrote, and no
    later run wrote the same path: it may be somebody else's by now. Entries of the audit trail that
    belong to no run have no policy; the default one of `RetentionPolicy` holds for them.
    """
    moment = now() if at is None else check_moment("DataPipeline.sweep", "at", at)
    folder = Path(state_dir).absolute()
    caches = _caches(cache, folder)
    outputs, kept, failed, cached = _sweep_outputs(store, audit, caches, folder, moment)
    personal, entries, carrying, carried = _sweep_personal(store, audit, caches, moment)
    failed, cached = failed | carrying, cached + carried
    entries += _erase_later_entries(audit, moment)
    remove_strays(store, folder)
    if store.engine.dialect.name == "sqlite":  # what was erased is in its log until then
        with suppress(sqlite3.Error), closing(store.engine.raw_connection()) as raw:
            raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return Swept(outputs, kept, len(failed), cached, personal, entries)


def _sweep_outputs(
    store: RunStore, audit: AuditTrail, caches: list[ResultCache], folder: Path, moment: datetime
) -> tuple[int, int, set[str], int]:
    outputs = kept = 0
    failed: set[str] = set()
    due = and_(runs.c.outputs_due_at <= moment, runs.c.outputs_deleted_at.is_(None))
    ids = {state.run_id for state in _due(store, due)}
    cached = _uncached(caches, ids)
    if cached is None:
        return 0, 0, ids, 0
    for state in _due(store, due):
        if state.run_id not in ids:  # it ended just now: what is cached of it is still there
            continue
        try:
            deleted, spared = _delete_outputs(store, folder, state, moment)
        except OSError:  # it stays due
            failed.add(state.run_id)
            continue
        outputs, kept = outputs + deleted, kept + spared
        with audit.writing() as writer:
            writer.append(
                "retention.outputs",
                run_id=state.run_id,
                principal=PRINCIPAL,
                blueprint=state.blueprint,
                details={"files": deleted, "kept": spared},
            )
            of_run = runs.c.run_id == state.run_id
            erased = select(runs.c.personal_deleted_at).where(of_run)
            left = state.model_copy(update={"pipeline_path": None})
            if writer.connection.scalar(erased) is not None:
                left = without_personal(left)
            row = as_row(left)
            values = {name: row[name] for name in ("state", "output_path")}
            writer.connection.execute(
                update(runs).where(of_run).values(**values, outputs_deleted_at=moment)
            )
    return outputs, kept, failed, cached


def _caches(cache: ResultCache | None, folder: Path) -> list[ResultCache]:
    here = folder / "cache"
    found = [] if cache is None else [cache]
    if not isinstance(cache, FolderCache) and here.is_dir():
        found.append(FolderCache(here, secret=b"", max_bytes=0))  # to delete, no key is needed
    return found


def _uncached(caches: list[ResultCache], run_ids: set[str]) -> int | None:
    """Delete the cached results of runs, before anything says that they are gone.

    None where that fails: the runs stay due.
    """
    try:
        return sum(cache.delete_runs(run_ids) for cache in caches)
    except StoreError as error:
        _LOGGER.warning("cached results stay, and their runs stay due: %s", error)
        return None


def _sweep_personal(
    store: RunStore, audit: AuditTrail, caches: list[ResultCache], moment: datetime
) -> tuple[int, int, set[str], int]:
    personal = entries = 0
    due = and_(runs.c.personal_due_at <= moment, runs.c.personal_deleted_at.is_(None))
    carrying = {state.run_id for state in _due(store, due) if _carries(state)}
    cached = _uncached(caches, carrying)
    freed = set() if cached is None else carrying
    for state in _due(store, due):
        if _carries(state) and state.run_id not in freed:  # failed, or ended just now
            continue
        with audit.writing() as writer:
            of_run = runs.c.run_id == state.run_id
            asked = select(runs.c.outputs_due_at, runs.c.outputs_deleted_at).where(of_run)
            outputs = writer.connection.execute(asked).one()
            # the path is needed for as long as the file is to be deleted
            waits = outputs.outputs_due_at is not None and outputs.outputs_deleted_at is None
            row = as_row(without_personal(state, keep_output=waits))
            values = {name: row[name] for name in ("state", "principal", "output_path")}
            writer.connection.execute(
                update(runs).where(of_run).values(**values, personal_deleted_at=moment)
            )
            entries += writer.erase(run_id=state.run_id)
            personal += 1
    return personal, entries, carrying - freed, cached or 0


def _carries(state: RunState) -> bool:
    """Tell whether what is cached of a run has columns that may be personal."""
    return bool(state.config.get("keep_columns"))


def without_personal(state: RunState, *, keep_output: bool = False) -> RunState:
    """Return a run's state without what may be personal; counts stay.

    Erased are the principal, the names of files (also in messages), excerpts and shapes of lines
    and cells, and the least and largest values of columns. Messages name files, never principals.

    Parameters
    ----------
    state : RunState
        The state.
    keep_output : bool, default=False
        Whether the path of the data set stays, because the file is still to be deleted.
    """
    names: set[str] = set()
    for path in (state.source, state.output.path, state.fitted):
        if path is not None:
            for name in (path, os.path.basename(path)):
                names |= {name, repr(name)[1:-1]}  # as messages quote them
    names -= {"", ERASED}
    longest_first = sorted(names, key=lambda name: (-len(name), name))
    known = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)")

    def clean(text: str) -> str:
        return known.sub(ERASED, text) if longest_first else text

    changes: dict[str, Any] = {
        "source": ERASED,
        "principal": ERASED,
        "fitted": None if state.fitted is None else ERASED,
        "error": _clean_failure(state.error, clean),
    }
    for name, stage in state.stages.items():
        cleaned: dict[str, Any] = {
            "warnings": tuple(map(clean, stage.warnings)),
            "error": _clean_failure(stage.error, clean),
        }
        changes[name] = stage.model_copy(update=cleaned)
    if (report := state.ingestion.report) is not None:
        update_of = {"report": _clean_ingestion(report)}
        changes["ingestion"] = changes["ingestion"].model_copy(update=update_of)
    if (judged := state.validation.report) is not None:
        issues = tuple(issue.model_copy(update={"examples": ()}) for issue in judged.issues)
        kept = {"report": judged.model_copy(update={"issues": issues})}
        changes["validation"] = changes["validation"].model_copy(update=kept)
    if not keep_output and state.output.path is not None:
        changes["output"] = changes["output"].model_copy(update={"path": ERASED})
    return state.model_copy(update=changes)


def remove_strays(store: RunStore, state_dir: str | os.PathLike[str]) -> list[Path]:
    """Delete what dead processes left: folders of work, and half-written files.

    Call it at start-up, after `RunStore.recover`. Folders of runs that ended go at once; those of
    runs that the store does not know, half-written files, and cached frames without their entry,
    after an hour: they may be about to be made.

    Parameters
    ----------
    store : RunStore
        The runs.
    state_dir : path
        The state folder.

    Returns
    -------
    list of Path
        What was deleted.
    """
    folder = Path(state_dir).absolute()
    removed = []
    old = time.time() - _UNKNOWN_SECONDS
    strays = {path.name: path for path in _listed(folder / "work")}
    with store.reading() as connection:
        asked = select(runs.c.run_id, runs.c.status).where(runs.c.run_id.in_(list(strays)))
        known = {row.run_id: row.status for row in connection.execute(asked)}
    for name, path in strays.items():
        if known[name] in _FINAL if name in known else _changed(path) < old:
            removed.append(path)
    for kind in ("cache", "pipelines", "."):
        for path in _listed(folder / kind):
            begun = path.suffix == ".part" and path.name.startswith(".")
            alone = path.suffix == ".frame" and not path.with_suffix(".entry").exists()
            if (begun or alone) and _changed(path) < old:
                removed.append(path)
    return [path for path in removed if _is_gone(path)]


def _due(store: RunStore, condition: ColumnElement[bool]) -> Iterator[RunState]:
    """Yield ended runs, a batch at a time; what happens to them takes them off the list."""
    query = select(runs.c.run_id, runs.c.state).where(condition, runs.c.status.in_(_FINAL))
    last = ""
    while True:
        with store.reading() as connection:
            batch = connection.execute(
                query.where(runs.c.run_id > last).order_by(runs.c.run_id).limit(100)
            ).all()
        if not batch:
            return
        for run_id, text in batch:
            yield RunState.model_validate_json(text)
            last = run_id


def _delete_outputs(
    store: RunStore, folder: Path, state: RunState, moment: datetime
) -> tuple[int, int]:
    deleted = kept = 0
    path = state.output.path
    if path is not None and os.path.isfile(path):
        with store.reading() as connection:
            later = connection.scalar(
                select(runs.c.run_id)
                .where(
                    runs.c.output_path == path,
                    runs.c.run_id != state.run_id,
                    runs.c.status == RunStatus.COMPLETED.value,
                    runs.c.created_at >= state.created_at,
                    runs.c.outputs_due_at.is_(None) | (runs.c.outputs_due_at > moment),
                )
                .limit(1)
            )
        if later is None and state.output.checksum == _sha256(path):
            os.unlink(path)
            deleted += 1
        else:
            kept += 1
    if state.pipeline_path is not None:
        pipeline = Path(state.pipeline_path).absolute()
        if pipeline.parent == folder / "pipelines":
            for file in (pipeline, pipeline.with_suffix(".json")):
                if file.exists():
                    file.unlink()
                    deleted += 1
    work = folder / "work" / state.run_id
    if work.parent == folder / "work" and work.is_dir():
        _remove(work)
    return deleted, kept


def _erase_later_entries(audit: AuditTrail, moment: datetime) -> int:
    """Erase by age what no run's policy reaches: entries of no run, and of runs erased before."""
    days = RetentionPolicy().personal_days
    assert days is not None
    before = moment - timedelta(days=days)
    n = audit.erase(before=before)
    late = (
        select(audit_table.c.run_id)
        .join(runs, runs.c.run_id == audit_table.c.run_id)
        .where(
            audit_table.c.personal.is_not(None),
            audit_table.c.action != "retention.personal",
            audit_table.c.at < before.isoformat(timespec="microseconds"),
            runs.c.personal_deleted_at.is_not(None),
        )
        .distinct()
    )
    with audit.store.reading() as connection:
        due = connection.scalars(late).all()
    return n + sum(audit.erase(run_id=run_id) for run_id in due)


def _clean_failure(error: RunFailure | None, clean: Callable[[str], str]) -> RunFailure | None:
    if error is None:
        return None
    return error.model_copy(update={"message": clean(error.message)})


def _clean_ingestion(report: IngestionReport) -> IngestionReport:
    lines: LineReport = report.lines
    notes = {
        fate: [note.model_copy(update={"excerpt": ""}) for note in kept]
        for fate, kept in lines.notes.items()
    }
    columns = {
        name: column.model_copy(
            update={"examples": [], "minimum": None, "maximum": None, "pattern": ""}
        )
        for name, column in report.columns.items()
    }
    changes = {
        "source": ERASED,
        "lines": lines.model_copy(update={"notes": notes}),
        "columns": columns,
    }
    return report.model_copy(update=changes)


def _sha256(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def _changed(path: Path) -> float:
    try:
        return path.lstat().st_mtime
    except FileNotFoundError:
        return time.time()


def _is_gone(path: Path) -> bool:
    """Remove a stray; the service starts also where one of them cannot be."""
    with suppress(OSError):
        _remove(path)
    return not os.path.lexists(path)


def _remove(path: Path) -> None:
    with suppress(FileNotFoundError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()
