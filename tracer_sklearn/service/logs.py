"""What a run says to a log: one JSON object a line, with counts and never with values.

Nothing is written until somebody asks: the lines go to the standard logger
``tracer_sklearn.service``, which has no handler of its own but the one of `configure_logs`.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from collections.abc import Mapping, MutableMapping
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from tracer_sklearn._params import check_choice, fail
from tracer_sklearn.exceptions import MissingDependencyError
from tracer_sklearn.service.keys import derived, keyed
from tracer_sklearn.service.states import (
    FeatureEngineeringState,
    IngestionState,
    OutputState,
    PreprocessingState,
    RunEvent,
    RunFailure,
    RunState,
    RunStatus,
    StageState,
    TrainingState,
    ValidationState,
    now,
)
from tracer_sklearn.stages.validation import QualityReport

if TYPE_CHECKING:
    from structlog.stdlib import BoundLogger

__all__ = [
    "LOGGER",
    "configure_logs",
    "facts_of_run",
    "facts_of_stage",
    "hashed",
    "log_event",
    "log_notice",
    "run_logger",
]

LOGGER = "tracer_sklearn.service"
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
_IS_LINE = "is_line_of_tracer"  # an attribute of records
_LONGEST = 200  # characters of a text: an id of a request, not a document

_logger = logging.getLogger(LOGGER)
_logger.addHandler(logging.NullHandler())

Facts = dict[str, Any]


class _Formatter(logging.Formatter):
    """Writes every record as a JSON line; of an exception its class and place, as it may quote."""

    def format(self, record: logging.LogRecord) -> str:
        if getattr(record, _IS_LINE, False):
            return record.getMessage()
        said: Facts = {
            "at": _stamp(datetime.fromtimestamp(record.created, UTC)),
            "level": record.levelname.lower(),
            "event": "service.note",
            "note": record.getMessage(),
        }
        if record.exc_info and record.exc_info[0] is not None:
            said["error_type"] = record.exc_info[0].__name__
            frames = traceback.extract_tb(record.exc_info[2])
            if frames:
                said["error_at"] = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}"
        return json.dumps(_tame(said), ensure_ascii=True)


class _Handler(logging.StreamHandler[Any]):
    """The handler of `configure_logs`, told from those of others by its class."""


def configure_logs(stream: IO[str] | None = None, *, level: str = "INFO") -> logging.Handler:
    """Write what runs do as JSON lines.

    Use it once, where the application starts. An application with a logging set-up of its own
    needs it not: the lines are messages of the standard logger ``tracer_sklearn.service``.

    Parameters
    ----------
    stream : text file or None, default=None
        Where to write; None for standard error, so that standard output stays the program's.
    level : {"DEBUG", "INFO", "WARNING", "ERROR"}, default="INFO"
        The least level that is written: DEBUG adds the beginning of every stage, WARNING leaves
        retries, cancellations and failures.

    Returns
    -------
    handler : logging.Handler
        What writes; ``logging.getLogger("tracer_sklearn.service").removeHandler(handler)`` ends
        it.

    Raises
    ------
    ParameterError
        If `level` is not one of these.
    MissingDependencyError
        If structlog is not installed.

    Notes
    -----
    A line has the time (``at``, UTC), ``level``, ``event``, the ids of the run and of what it
    belongs to, the blueprint, and what is known by then: stage, attempt, seconds, rows, memory,
    score, counts of findings, category and type of an error. It bears no value of a table, no
    message of an error, and no name of a column, because the first row of a file without header
    is taken for names. Principals and names of files are keyed hashes (HMAC-SHA-256), equal in
    all lines of one state directory and not to be guessed without its key. Everything but
    printable ASCII is escaped, so that no id forges a line.

    A second call takes the place of the first. The lines then go nowhere else.

    Examples
    --------
    >>> import io, json, logging
    >>> from tracer_sklearn.service import configure_logs
    >>> from tracer_sklearn.service.logs import log_notice
    >>> lines = io.StringIO()
    >>> handler = configure_logs(lines)
    >>> log_notice("retention.swept", runs=3)
    >>> json.loads(lines.getvalue())["runs"]
    3
    >>> logging.getLogger("tracer_sklearn.service").removeHandler(handler)
    """
    check_choice("configure_logs", "level", level, _LEVELS)
    _structlog("configure_logs")
    for earlier in [each for each in _logger.handlers if isinstance(each, _Handler)]:
        _logger.removeHandler(earlier)
    handler = _Handler(sys.stderr if stream is None else stream)
    handler.setFormatter(_Formatter())
    _logger.addHandler(handler)
    _logger.setLevel(level)
    _logger.propagate = False
    return handler


def run_logger(state: RunState, *, key: bytes | None = None) -> BoundLogger:
    """Return a structlog logger that says with every line which run it is about.

    Parameters
    ----------
    state : RunState
        The run.
    key : bytes or None, default=None
        The key of the state directory. None leaves principal and file out.
    """
    bound: Facts = {
        "run_id": state.run_id,
        "correlation_id": state.correlation_id,
        "blueprint": state.blueprint,
    }
    if key is not None:
        bound |= {"principal": hashed(state.principal, key), "file": hashed(state.source, key)}
    return _bound_logger(bound)


def log_event(event: RunEvent, state: RunState, *, key: bytes | None = None) -> None:
    """Log something that happened to a run.

    Parameters
    ----------
    event : RunEvent
        What happened.
    state : RunState
        The run as it stands now.
    key : bytes or None, default=None
        The key of the state directory. None leaves principal and file out.
    """
    level = _level_of(event)
    if not _logger.isEnabledFor(level):  # before anything is computed: most runs log nothing
        return
    facts = facts_of_run(state) if event.stage is None else _facts_of_event(event, state)
    name = f"{event.kind}.{event.status.lower()}" if event.kind != "retry" else "run.retry"
    run_logger(state, key=key).log(level, name, at=_stamp(event.at), **facts)


def log_notice(
    name: str,
    *,
    level: str = "INFO",
    key: bytes | None = None,
    identifiers: Mapping[str, str] | None = None,
    **counts: float | bool | None,
) -> None:
    """Log something that belongs to no single run: a sweep, a recovery, a refused access.

    Parameters
    ----------
    name : str
        What happened, as in "retention.swept".
    level : {"DEBUG", "INFO", "WARNING", "ERROR"}, default="INFO"
        How much it matters.
    key : bytes or None, default=None
        The key of the state directory. None leaves `identifiers` out.
    identifiers : dict of str to str or None, default=None
        What is logged as keyed hashes only.
    **counts : int, float, bool or None
        What is logged as it is. Text is refused: it could be a value.

    Raises
    ------
    ParameterError
        If a count is text, or the level is not one of these.
    """
    check_choice("log_notice", "level", level, _LEVELS)
    for count, value in counts.items():
        if value is not None and not isinstance(value, bool | int | float):
            raise fail("log_notice", count, "a number, a boolean or None", type(value).__name__)
    facts: Facts = dict(counts)
    if key is not None and identifiers:
        facts |= {field: hashed(value, key) for field, value in identifiers.items()}
    _bound_logger({}).log(logging.getLevelNamesMapping()[level], name, **facts)


def hashed(identifier: str, key: bytes) -> str:
    """Return a keyed hash of something personal: the same for the same key, else telling nothing.

    The key proper is derived, so that hashes in a log are no seals of the audit trail.
    """
    return keyed(derived(key, "logs"), identifier.encode("utf-8", "surrogatepass"))[:16]


# ------------------------------------------------------------------------- what is said


def facts_of_run(state: RunState) -> Facts:
    """Return what may be said of a run as a whole: counts, durations, closed sets of words."""
    facts: Facts = {
        "status": state.status.value,
        "attempts": state.attempts,
        "bytes": state.source_bytes,
        "rows_in": state.ingestion.rows_out,
        "rows_out": state.output.rows_out,
        "seconds": _rounded(state.seconds),
        "from_cache": state.from_cache,
        "scoring": state.fitted is not None,
    }
    if state.validation.report is not None:
        facts["score"] = round(state.validation.report.score, 2)
    return _known(facts) | _facts_of_error(state.error)


def facts_of_stage(stage: StageState) -> Facts:
    """Return what may be said of a stage."""
    facts: Facts = {
        "status": stage.status.value,
        "attempts": stage.attempts,
        "rows_in": stage.rows_in,
        "rows_out": stage.rows_out,
        "memory_mb": _rounded(stage.memory_mb, 1),
        "warnings": len(stage.warnings),
    }
    if stage.status.is_final:
        facts["seconds"] = _rounded(stage.seconds)
    match stage:
        case IngestionState(report=report) if report is not None:
            facts |= {
                "bytes": report.size,
                "columns": len(report.columns),
                "lines": report.lines.total,
                "lines_set_aside": report.lines.set_aside,
                "lines_mended": report.lines.padded + report.lines.cut,
                "cells_not_fitting": sum(c.failures for c in report.columns.values()),
            }
        case ValidationState(report=report):
            facts |= {} if report is None else _facts_of_report(report)
            facts["columns_drifted"] = len(stage.drifted)
        case FeatureEngineeringState():
            facts["features_created"] = len(stage.features_created)
        case PreprocessingState():
            facts["rows_dropped"] = stage.rows_dropped
        case TrainingState():
            means = ((name, sum(s) / len(s)) for name, s in stage.scores.items() if s)
            facts["scores"] = {name: round(mean, 4) for name, mean in means} or None
        case OutputState():
            facts["bytes"] = stage.size
        case _:
            pass
    return _known(facts) | _facts_of_error(stage.error)


def _facts_of_report(report: QualityReport) -> Facts:
    return {
        "score": round(report.score, 2),
        "passed": report.passed,
        "completeness": round(report.completeness, 4),
        "validity": round(report.validity, 4),
        "uniqueness": round(report.uniqueness, 4),
        "findings": len(report.issues),
        "critical": len(report.of("CRITICAL")),
        "high": len(report.of("HIGH")),
    }


def _facts_of_event(event: RunEvent, state: RunState) -> Facts:
    assert event.stage is not None
    if event.kind == "retry":
        return {"stage": event.stage, **facts_of_run(state)}
    return {"stage": event.stage, **facts_of_stage(getattr(state, event.stage))}


def _facts_of_error(error: RunFailure | None) -> Facts:
    # Not its message: an error of another library may quote a cell.
    if error is None:
        return {}
    return _known(
        {
            "error_category": error.category,
            "error_type": error.type,
            "error_stage": error.stage,
            "transient": error.transient,
        }
    )


def _level_of(event: RunEvent) -> int:
    if event.kind == "retry" or event.status is RunStatus.CANCELLED:
        return logging.WARNING
    if event.status is RunStatus.FAILED:
        return logging.ERROR
    if event.kind == "stage" and not event.status.is_final:
        return logging.DEBUG
    return logging.INFO


def _known(facts: Facts) -> Facts:
    return {name: value for name, value in facts.items() if value is not None}


def _rounded(value: float | None, digits: int = 4) -> float | None:
    return None if value is None else round(value, digits)


def _stamp(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds")


# ------------------------------------------------------------------------- how it is written


def _bound_logger(bound: Facts) -> BoundLogger:
    structlog = _structlog("run_logger")
    logger: BoundLogger = structlog.wrap_logger(
        _logger,
        # its own, so that neither reads or changes the structlog set-up of an application
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.add_log_level,
            _timed,
            _tamed,
            structlog.processors.JSONRenderer(ensure_ascii=True, allow_nan=False),
            _marked,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        context_class=dict,
        cache_logger_on_first_use=False,
    ).bind(**bound)
    return logger


def _timed(_logger: Any, _method: str, said: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Put time, level and event first, for people who read the lines."""
    at = said.pop("at", None) or _stamp(now())
    first = {"at": at, "level": said.pop("level"), "event": said.pop("event")}
    return {**first, **said}


def _marked(_logger: Any, _method: str, line: str) -> tuple[tuple[str], dict[str, Any]]:
    """Hand the line to `logging`, told from plain messages on the same logger."""
    return (line,), {"extra": {_IS_LINE: True}}


def _tamed(_logger: Any, _method: str, said: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Shorten texts, and make them and numbers what JSON can write and a terminal can show."""
    return {str(name): _tame(value) for name, value in said.items()}


def _tame(value: Any) -> Any:
    if isinstance(value, str):
        cut = value if len(value) <= _LONGEST else value[:_LONGEST] + "..."
        return cut.replace("\x7f", "\\x7f")  # the one control character that JSON leaves as it is
    if isinstance(value, float):
        return value if abs(value) < float("inf") else str(value)
    if isinstance(value, Mapping):
        return {_tame(str(name)): _tame(each) for name, each in value.items()}
    if value is None or isinstance(value, bool | int):
        return value
    return type(value).__name__  # an object may show its values


def _structlog(who: str) -> Any:
    try:
        import structlog
    except ModuleNotFoundError:
        raise MissingDependencyError.from_extra(who, "service") from None
    return structlog
