"""What Prometheus is shown, asked for as it asks: over HTTP."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request

import prometheus_client
import pytest
from prometheus_client.parser import text_string_to_metric_families

import tracer_sklearn as ts
from tracer_sklearn.service import RunEvent, RunFailure, RunState, ServiceMetrics
from tracer_sklearn.service.states import now


def run(run_id="r", **known):
    return RunState(
        **{
            "run_id": run_id,
            "correlation_id": "c",
            "blueprint": "customer_churn",
            "source": "ana.csv",
            "created_at": now(),
            "package_version": "0",
            **known,
        }
    )


def event(kind="run", status="COMPLETED", stage=None):
    return RunEvent(run_id="r", at=now(), kind=kind, status=status, stage=stage)


def completed(run_id="r", **known):
    known = {
        "status": "COMPLETED",
        "seconds": 2.0,
        "source_bytes": 1000,
        "ingestion": {"rows_out": 50},
        "output": {"rows_out": 45},
        **known,
    }
    return run(run_id, **known)


def failed(run_id="r", type="IngestionError", category="ingestion"):
    error = RunFailure(category=category, type=type, message="ana owes 12.34")
    return run(run_id, status="FAILED", error=error, seconds=0.1)


def samples(page):
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


def value(metrics, name, **labels):
    return samples(metrics.text()).get((name, tuple(sorted(labels.items()))))


CHURN = {"blueprint": "customer_churn"}


def test_runs_files_and_rows_are_counted():
    metrics = ServiceMetrics()
    for run_id in "ab":
        metrics.observe(run(run_id, status="IN_PROGRESS"))
    assert value(metrics, "tracer_runs_in_progress", **CHURN) == 2
    metrics.observe(completed("a"))
    metrics.observe(failed("b"))
    metrics.observe(run("c", status="CANCELLED"))
    assert value(metrics, "tracer_runs_in_progress", **CHURN) == 0
    for status in ("COMPLETED", "FAILED", "CANCELLED"):
        assert value(metrics, "tracer_runs_total", status=status, **CHURN) == 1
    assert value(metrics, "tracer_run_seconds_sum", **CHURN) == pytest.approx(2.1)
    assert value(metrics, "tracer_rows_total", direction="in", **CHURN) == 50
    assert value(metrics, "tracer_rows_total", direction="out", **CHURN) == 45
    assert value(metrics, "tracer_source_bytes_total", **CHURN) == 1000
    wrong = {"category": "ingestion", "type": "IngestionError"}
    assert value(metrics, "tracer_errors_total", **wrong, **CHURN) == 1


def test_a_run_is_counted_once_however_often_it_is_told():
    metrics = ServiceMetrics()
    for _ in range(3):
        metrics.observe(completed(from_cache=True))
        metrics.observe_event(event(), completed(from_cache=True))
    assert value(metrics, "tracer_runs_total", status="COMPLETED", **CHURN) == 1
    assert value(metrics, "tracer_cache_hits_total", **CHURN) == 1


def test_stages_are_timed_when_they_end():
    X, _ = ts.datasets.make_customer_churn(60, random_state=0)
    report = ts.DataValidator("customer_churn").fit(X).report_
    state = run(validation={"seconds": 0.3, "memory_mb": 300.0, "report": report})
    metrics = ServiceMetrics()
    metrics.observe_event(event("stage", "IN_PROGRESS", "validation"), state)
    metrics.observe_event(event("stage", "COMPLETED", "validation"), state)
    metrics.observe_event(event("stage", "FAILED", "training"), state)
    done = {"stage": "validation", "status": "COMPLETED", **CHURN}
    assert value(metrics, "tracer_stage_seconds_count", **done) == 1
    assert value(metrics, "tracer_stage_seconds_sum", **done) == pytest.approx(0.3)
    assert value(metrics, "tracer_stage_memory_bytes_sum", stage="validation", **CHURN) == 3e8
    assert value(metrics, "tracer_last_quality_score", **CHURN) == pytest.approx(report.score)
    assert value(metrics, "tracer_quality_score_count", **CHURN) == 1
    assert value(metrics, "tracer_quality_score_bucket", le="50.0", **CHURN) == 0


def test_retries_are_counted_by_what_caused_them():
    metrics = ServiceMetrics()
    metrics.observe_event(event("retry", "IN_PROGRESS"), failed(type="WorkerLost"))
    metrics.observe_event(event("retry", "IN_PROGRESS"), run())
    assert value(metrics, "tracer_retries_total", type="WorkerLost", **CHURN) == 1
    assert value(metrics, "tracer_retries_total", type="other", **CHURN) == 1


def test_workers_show_memory_and_time():
    metrics = ServiceMetrics()
    metrics.observe_worker(0, memory_mb=250.0, cpu_seconds=3.5)
    assert value(metrics, "tracer_worker_memory_bytes", worker="0") == 250e6
    assert value(metrics, "tracer_worker_cpu_seconds", worker="0") == 3.5


def test_two_pipelines_do_not_clash_and_a_shared_registry_is_said():
    first, second = ServiceMetrics(), ServiceMetrics()
    first.observe(completed())
    assert value(second, "tracer_runs_total", status="COMPLETED", **CHURN) is None
    shared = prometheus_client.CollectorRegistry()
    ServiceMetrics(shared).observe(completed())
    assert b"tracer_runs_total" in prometheus_client.generate_latest(shared)
    with pytest.raises(ts.ParameterError, match="share one ServiceMetrics"):
        ServiceMetrics(shared).text()


def test_labels_stay_few_and_name_nobody():
    metrics = ServiceMetrics()
    for place in range(300):
        metrics.observe(failed(f"run-{place}", type=f"Error{place}"))
        metrics.observe(completed(f"more-{place}", blueprint=f"blueprint_{place}"))
        metrics.observe_worker(place, memory_mb=1.0, cpu_seconds=1.0)
    page = metrics.text()
    kinds = {labels for name, labels in samples(page) if name == "tracer_errors_total"}
    assert len(kinds) <= 51
    assert value(metrics, "tracer_errors_total", category="ingestion", type="other", **CHURN) == 250
    assert len(page.splitlines()) < 5000
    for private in ("ana", "run-", "more-", "12.34"):
        assert private not in page


def test_it_may_be_told_from_many_threads():
    metrics = ServiceMetrics()

    def tell(thread):
        for place in range(200):
            metrics.observe(run(f"{thread}-{place}", status="IN_PROGRESS"))
            metrics.observe(completed(f"{thread}-{place}"))

    threads = [threading.Thread(target=tell, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert value(metrics, "tracer_runs_total", status="COMPLETED", **CHURN) == 1600
    assert value(metrics, "tracer_runs_in_progress", **CHURN) == 0


def test_prometheus_is_answered_until_the_server_is_closed():
    metrics = ServiceMetrics()
    metrics.observe(completed())
    with metrics.serve() as server:
        assert server.url == f"http://127.0.0.1:{server.port}/metrics"
        with urllib.request.urlopen(server.url, timeout=10) as answer:
            assert answer.status == 200
            assert answer.headers["Content-Type"].startswith("text/plain")
            page = answer.read().decode()
        assert ("tracer_runs_total", (*CHURN.items(), ("status", "COMPLETED"))) in samples(page)
        assert "process_cpu_seconds_total" in page
        with metrics.serve() as second:
            assert second.port != server.port
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(server.url, timeout=5)
    with metrics.serve(server.port) as again:  # the port is free
        assert again.port == server.port


def test_a_taken_port_and_a_wrong_one_are_said():
    metrics = ServiceMetrics()
    with metrics.serve() as server, pytest.raises(OSError, match="in use"):
        metrics.serve(server.port)
    with pytest.raises(ts.ParameterError, match="`port` must be an integer in"):
        metrics.serve(70_000)
