"""Spans of runs and their stages for OpenTelemetry, where it is installed."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from typing import Any

from tracer_sklearn.service.logs import facts_of_run, facts_of_stage
from tracer_sklearn.service.states import RunEvent, RunState, RunStatus, StageState

__all__ = ["RunTracer"]

_NAME = "tracer_sklearn.service"
_creating = threading.Lock()


class RunTracer:
    """Make a span of each run, and of each attempt at a stage within it.

    A `DataPipeline` has one and feeds it; make one where runs are driven by a
    `PipelineOrchestrator` alone. Without the package opentelemetry-api it does nothing, without a
    provider set up by the application its spans go nowhere.

    Parameters
    ----------
    provider : opentelemetry.trace.TracerProvider or None, default=None
        What makes the spans; None for that of the application.

    Notes
    -----
    Spans are named "run" and after the stages. Their attributes begin with ``tracer.`` and are
    what a log line says: ids, blueprint, counts, durations, classes of errors; no values, no
    names of files.

    Examples
    --------
    >>> from tracer_sklearn.service import RunTracer
    >>> RunTracer().is_active in (True, False)
    True
    """

    def __init__(self, provider: Any = None) -> None:
        self.provider = provider
        self._spans: dict[str, Any] = {}

    @property
    def is_active(self) -> bool:
        """Whether OpenTelemetry is installed."""
        return _opentelemetry() is not None

    def observe_event(self, event: RunEvent, state: RunState) -> None:
        """Begin or end the span of a run, or add that of a stage that has ended.

        Parameters
        ----------
        event : RunEvent
            What happened.
        state : RunState
            The run as it stands now.
        """
        trace = _opentelemetry()
        if trace is None:
            return
        if event.kind == "run" and not event.status.is_final:
            self._begin(trace, event, state)
        elif event.kind == "run":
            with _creating:
                span = self._spans.pop(state.run_id, None)
            if span is not None:
                _describe(trace, span, facts_of_run(state), event.status)
                span.end(_nanoseconds(event.at))
        elif event.kind == "retry":
            if (span := self._spans.get(state.run_id)) is not None:
                span.add_event("retry", {"tracer.attempts": state.attempts})
        elif event.stage is not None and event.status.is_final:
            self._add(trace, event, getattr(state, event.stage))

    def _begin(self, trace: Any, event: RunEvent, state: RunState) -> None:
        with _creating:
            if state.run_id in self._spans:
                return
            self._spans[state.run_id] = self._tracer(trace).start_span(
                "run",
                start_time=_nanoseconds(event.at),
                attributes={
                    "tracer.run_id": state.run_id,
                    "tracer.correlation_id": state.correlation_id,
                    "tracer.blueprint": state.blueprint,
                },
            )

    def _add(self, trace: Any, event: RunEvent, stage: StageState) -> None:
        """Add the span of a stage afterwards: it ran in another process."""
        run = self._spans.get(event.run_id)
        if run is None or stage.started_at is None:
            return
        span = self._tracer(trace).start_span(
            event.stage,
            context=trace.set_span_in_context(run),
            start_time=_nanoseconds(stage.started_at),
        )
        _describe(trace, span, facts_of_stage(stage), event.status)
        span.end(_nanoseconds(stage.started_at + timedelta(seconds=stage.seconds)))

    def _tracer(self, trace: Any) -> Any:
        return trace.get_tracer(_NAME, tracer_provider=self.provider)


def _describe(trace: Any, span: Any, facts: dict[str, Any], status: RunStatus) -> None:
    for name, value in facts.items():
        if isinstance(value, str | bool | int | float):  # scores by name are no attribute
            span.set_attribute(f"tracer.{name}", value)
    if status is RunStatus.FAILED:
        span.set_status(trace.StatusCode.ERROR, str(facts.get("error_type", "")))


def _nanoseconds(at: datetime) -> int:
    return round(at.timestamp() * 1e6) * 1000


def _opentelemetry() -> Any:
    try:
        from opentelemetry import trace
    except ModuleNotFoundError:
        return None
    return trace
