"""Spans of runs, as an application with OpenTelemetry sees them."""

from __future__ import annotations

import sys
from datetime import timedelta

import pytest

from tracer_sklearn.service import RunEvent, RunState, RunTracer
from tracer_sklearn.service.states import RunFailure, StageState, now

sdk = pytest.importorskip("opentelemetry.sdk.trace", reason="opentelemetry-sdk is not installed")


@pytest.fixture
def exported():
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter, provider = InMemorySpanExporter(), sdk.TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield provider, exporter
    provider.shutdown()


def run(**known):
    return RunState(
        **{
            "run_id": "r",
            "correlation_id": "batch-7",
            "blueprint": "customer_churn",
            "source": "ana.csv",
            "principal": "ana",
            "created_at": now(),
            "package_version": "0",
            **known,
        }
    )


def tell(tracer, state, kind="run", status="IN_PROGRESS", stage=None):
    tracer.observe_event(
        RunEvent(run_id="r", at=now(), kind=kind, status=status, stage=stage), state
    )


def test_stages_are_spans_within_that_of_their_run(exported):
    provider, exporter = exported
    tracer = RunTracer(provider)
    begun = now() - timedelta(seconds=3)
    stage = StageState(status="COMPLETED", started_at=begun, seconds=1.5, rows_in=9)
    state = run(preprocessing=stage.model_dump())
    tell(tracer, run(), status="PENDING")
    tell(tracer, run())
    tell(tracer, state, "stage", "IN_PROGRESS", "preprocessing")
    tell(tracer, state, "stage", "COMPLETED", "preprocessing")
    tell(tracer, state, "retry")
    error = RunFailure(category="processing", type="Timeout", message="ana owes 12.34")
    tell(tracer, run(status="FAILED", error=error, seconds=4.0), status="FAILED")
    inner, outer = exporter.get_finished_spans()
    assert (inner.name, outer.name) == ("preprocessing", "run")
    assert inner.parent.span_id == outer.context.span_id
    assert inner.end_time - inner.start_time == pytest.approx(1.5e9, abs=2e3)
    assert inner.attributes["tracer.rows_in"] == 9
    assert outer.attributes["tracer.correlation_id"] == "batch-7"
    assert (outer.status.is_ok, outer.status.description) == (False, "Timeout")
    assert [event.name for event in outer.events] == ["retry"]
    assert not any(secret in outer.to_json() + inner.to_json() for secret in ("ana", "12.34"))


def test_what_was_not_begun_here_is_left_alone(exported):
    provider, exporter = exported
    tracer = RunTracer(provider)
    tell(tracer, run(status="COMPLETED"), status="COMPLETED")
    tell(tracer, run(), "stage", "COMPLETED", "training")
    assert exporter.get_finished_spans() == ()


def test_without_the_package_it_does_nothing(monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    tracer = RunTracer()
    assert not tracer.is_active
    tell(tracer, run())
    tell(tracer, run(status="COMPLETED"), status="COMPLETED")
