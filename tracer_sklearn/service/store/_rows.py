"""A run's state as a row: the account as JSON, and beside it what is asked for."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic_core import PydanticSerializationError

from tracer_sklearn.service.config import RetentionPolicy
from tracer_sklearn.service.states import RunState


def as_row(state: RunState) -> dict[str, Any]:
    """Return the columns of `runs` that follow from a state."""
    report, error = state.validation.report, state.error
    policy = RetentionPolicy(**state.config.get("retention", {}))
    row = {
        "run_id": state.run_id,
        "correlation_id": state.correlation_id,
        "blueprint": state.blueprint,
        "status": state.status.value,
        "principal": state.principal,
        "created_at": state.created_at,
        "hour": state.created_at.astimezone(UTC).strftime("%Y-%m-%dT%H"),
        "finished_at": state.finished_at,
        "seconds": state.seconds,
        "source_bytes": state.source_bytes,
        "rows_read": state.ingestion.rows_out,
        "rows_made": state.preprocessing.rows_out,
        "score": None if report is None else report.score,
        "completeness": None if report is None else report.completeness,
        "validity": None if report is None else report.validity,
        "uniqueness": None if report is None else report.uniqueness,
        "error_category": None if error is None else error.category,
        "error_type": None if error is None else error.type,
        "error_stage": None if error is None else error.stage,
        "from_cache": state.from_cache,
        "output_path": state.output.path,
        "outputs_due_at": _due(state, policy.outputs_days),
        "personal_due_at": _due(state, policy.personal_days),
        "state": as_json(state),
    }
    return {name: storable(value) for name, value in row.items()}


def as_json(state: RunState) -> str:
    """Write a state; names of files that are no Unicode text are escaped."""
    try:
        return state.model_dump_json()
    except PydanticSerializationError:
        plain = json.dumps(state.model_dump(mode="python"), default=str)
        return json.dumps(_cleaned(json.loads(plain)))


def storable(value: Any) -> Any:
    """Return a text as every database takes it: without NUL and lone surrogates."""
    if not isinstance(value, str):
        return value
    return value.encode("utf-8", "backslashreplace").decode("utf-8").replace("\x00", "\\x00")


def _cleaned(value: Any) -> Any:
    if isinstance(value, dict):
        return {storable(key): _cleaned(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_cleaned(item) for item in value]
    return storable(value)


def _due(state: RunState, days: float | None) -> datetime | None:
    if days is None or state.finished_at is None:
        return None
    try:
        return state.finished_at + timedelta(days=days)
    except OverflowError:  # later than the calendar knows
        return None
