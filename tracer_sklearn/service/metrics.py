"""What runs cost and how they end, counted for Prometheus."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from tracer_sklearn._params import check_integer, fail
from tracer_sklearn.exceptions import MissingDependencyError
from tracer_sklearn.service.states import RunEvent, RunState, RunStatus

__all__ = ["MetricsServer", "ServiceMetrics"]

_SECONDS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600)
_SCORES = (50, 60, 70, 80, 85, 90, 95, 98, 99, 100)
_BYTES = tuple(1e6 * size for size in (100, 250, 500, 1000, 2000, 4000, 8000, 16000))
# Distinct values of one label before the rest is called "other": a scraper keeps a series for
# each for ever, and the class of an error may come from anybody's code.
_MOST_VALUES = 50
_MOST_ENDED = 10_000  # runs that are remembered as counted

_making = threading.Lock()


class ServiceMetrics:
    """Count runs, stages, errors and workers, and show them to Prometheus.

    Use one for a `DataPipeline`, which makes its own and counts by itself; make one to share a
    registry with an application that has metrics of its own.

    Parameters
    ----------
    registry : prometheus_client.CollectorRegistry or None, default=None
        Where the metrics are registered. None makes a registry of its own, so that two pipelines
        in a process do not clash; ``prometheus_client.REGISTRY`` joins those of the application.

    Raises
    ------
    MissingDependencyError
        On first use, if prometheus-client is not installed.
    ParameterError
        On first use, if the registry has such metrics already: of another `ServiceMetrics`.

    Notes
    -----
    Names begin with ``tracer_``. Labels are of few values: blueprint, stage, status, category
    and type of an error, number of a worker; never a file, run or principal. A label takes 50
    values, others are counted as "other". All methods may be called from any thread.

    Examples
    --------
    >>> from tracer_sklearn.service import ServiceMetrics
    >>> metrics = ServiceMetrics()
    >>> metrics.observe_worker(0, memory_mb=250.0, cpu_seconds=1.5)
    >>> [line for line in metrics.text().splitlines() if line.startswith("tracer_worker")]
    ['tracer_worker_memory_bytes{worker="0"} 2.5e+08', 'tracer_worker_cpu_seconds{worker="0"} 1.5']
    """

    def __init__(self, registry: Any = None) -> None:
        self.registry = registry
        self._made: list[_Instruments] = []

    def observe(self, state: RunState) -> None:
        """Count a run as it stands now: under way, or ended.

        Call it as often as you like: a run is counted once, when it has ended.

        Parameters
        ----------
        state : RunState
            The run.
        """
        made = self._instruments()
        blueprint = made.bounded("blueprint", state.blueprint)
        with made.lock:
            if state.status is RunStatus.IN_PROGRESS:
                made.under_way[state.run_id] = blueprint
            else:
                made.under_way.pop(state.run_id, None)
            count = sum(1 for each in made.under_way.values() if each == blueprint)
            made.in_progress.labels(blueprint).set(count)
            if not state.status.is_final or state.run_id in made.ended:
                return
            made.ended[state.run_id] = None
            if len(made.ended) > _MOST_ENDED:
                made.ended.pop(next(iter(made.ended)))
        made.runs.labels(blueprint, state.status.value).inc()
        if state.seconds is not None:
            made.run_seconds.labels(blueprint).observe(state.seconds)
        if state.error is not None and state.status is RunStatus.FAILED:
            kind = made.bounded("type", state.error.type)
            made.errors.labels(blueprint, state.error.category, kind).inc()
        if state.from_cache:
            made.cached.labels(blueprint).inc()
        if state.status is not RunStatus.COMPLETED:
            return
        made.bytes.labels(blueprint).inc(state.source_bytes or 0)
        made.rows.labels(blueprint, "in").inc(state.ingestion.rows_out or 0)
        made.rows.labels(blueprint, "out").inc(state.output.rows_out or 0)

    def observe_event(self, event: RunEvent, state: RunState) -> None:
        """Count what happened to a run: a stage that ended, another attempt, the run itself.

        Parameters
        ----------
        event : RunEvent
            What happened.
        state : RunState
            The run as it stands now.
        """
        if event.kind == "run":
            self.observe(state)
            return
        made = self._instruments()
        blueprint = made.bounded("blueprint", state.blueprint)
        if event.kind == "retry":
            kind = "other" if state.error is None else made.bounded("type", state.error.type)
            made.retries.labels(blueprint, kind).inc()
        elif event.stage is not None and event.status.is_final:
            stage = getattr(state, event.stage)
            made.stage_seconds.labels(blueprint, event.stage, event.status.value).observe(
                stage.seconds
            )
            if stage.memory_mb is not None:
                made.stage_memory.labels(blueprint, event.stage).observe(1e6 * stage.memory_mb)
            if event.stage == "validation" and stage.report is not None:
                made.score.labels(blueprint).observe(stage.report.score)
                made.last_score.labels(blueprint).set(stage.report.score)

    def observe_worker(self, worker: int, *, memory_mb: float, cpu_seconds: float) -> None:
        """Show what a worker holds and has used.

        Parameters
        ----------
        worker : int
            Its number among those that run at once, from 0.
        memory_mb : float
            What it holds now, in MB (10^6 bytes); 0 when it has ended.
        cpu_seconds : float
            What the process has used since it was started, in seconds of computing.
        """
        made = self._instruments()
        number = made.bounded("worker", str(worker))
        made.worker_memory.labels(number).set(1e6 * memory_mb)
        made.worker_cpu.labels(number).set(cpu_seconds)

    def serve(self, port: int = 0, addr: str = "127.0.0.1") -> MetricsServer:
        """Answer requests for ``/metrics`` until the server is closed.

        Parameters
        ----------
        port : int, default=0
            The port; 0 takes a free one, which is ``port`` of the server.
        addr : str, default="127.0.0.1"
            The address to listen on. That of this machine alone by default: the page tells how
            much business is done, and has no password.

        Returns
        -------
        server : MetricsServer
            With ``url``, and ``close()``; a context manager too.

        Raises
        ------
        ParameterError
            If ``port`` is no number from 0 to 65535.
        OSError
            If the port is taken.
        """
        check_integer("ServiceMetrics.serve", "port", port, low=0, high=65535)
        client = _client()
        server, thread = client.start_http_server(
            port, addr=addr, registry=self._instruments().registry
        )
        return MetricsServer(server, thread)

    def text(self) -> str:
        """Return all metrics as the page ``/metrics`` shows them.

        Returns
        -------
        str
            The text format of Prometheus.
        """
        page: bytes = _client().generate_latest(self._instruments().registry)
        return page.decode()

    def _instruments(self) -> _Instruments:
        with _making:
            if not self._made:
                registry = self.registry
                if registry is None:
                    registry = _own_registry()
                try:
                    self._made.append(_Instruments.on(registry))
                except ValueError as error:  # prometheus-client's word for a name that is taken
                    raise fail(
                        "ServiceMetrics",
                        "registry",
                        f"without the metrics of Tracer ({error})",
                        registry,
                        "share one ServiceMetrics between the pipelines",
                    ) from None
            return self._made[0]


@dataclass(eq=False)
class MetricsServer:
    """A server of ``/metrics`` on a thread of its own; `ServiceMetrics.serve` starts one.

    It is a context manager, too, and closed when the block is left.

    Parameters
    ----------
    server : socketserver.BaseServer
        The server.
    thread : threading.Thread
        The thread that it answers on; it ends with the process.

    Examples
    --------
    >>> from urllib.request import urlopen
    >>> from tracer_sklearn.service import ServiceMetrics
    >>> with ServiceMetrics().serve() as server:
    ...     page = urlopen(server.url).read().decode()
    >>> "tracer_runs_in_progress" in page
    True
    """

    server: Any
    thread: threading.Thread

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self.server.server_address[1])

    @property
    def url(self) -> str:
        """Where the metrics are."""
        host = str(self.server.server_address[0])
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}/metrics"

    def close(self) -> None:
        """Stop answering and free the port."""
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


@dataclass(eq=False)
class _Instruments:
    """The metrics of one registry."""

    registry: Any
    runs: Any
    in_progress: Any
    run_seconds: Any
    stage_seconds: Any
    stage_memory: Any
    errors: Any
    retries: Any
    cached: Any
    rows: Any
    bytes: Any
    score: Any
    last_score: Any
    worker_memory: Any
    worker_cpu: Any
    lock: threading.Lock
    under_way: dict[str, str]
    ended: dict[str, None]
    seen: dict[str, set[str]]

    @classmethod
    def on(cls, registry: Any) -> _Instruments:
        client = _client()

        def counter(name: str, says: str, *labels: str) -> Any:
            return client.Counter(f"tracer_{name}", says, labels, registry=registry)

        def gauge(name: str, says: str, *labels: str) -> Any:
            return client.Gauge(f"tracer_{name}", says, labels, registry=registry)

        def histogram(name: str, says: str, buckets: tuple[float, ...], *labels: str) -> Any:
            return client.Histogram(
                f"tracer_{name}", says, labels, registry=registry, buckets=buckets
            )

        return cls(
            registry=registry,
            runs=counter("runs", "Runs that have ended, one a file.", "blueprint", "status"),
            in_progress=gauge("runs_in_progress", "Runs under way.", "blueprint"),
            run_seconds=histogram(
                "run_seconds", "From start to end of a run.", _SECONDS, "blueprint"
            ),
            stage_seconds=histogram(
                "stage_seconds",
                "Time of a stage, one attempt.",
                _SECONDS,
                "blueprint",
                "stage",
                "status",
            ),
            stage_memory=histogram(
                "stage_memory_bytes",
                "Peak memory of the worker at the end of a stage.",
                _BYTES,
                "blueprint",
                "stage",
            ),
            errors=counter("errors", "Runs that failed.", "blueprint", "category", "type"),
            retries=counter("retries", "Further attempts at runs.", "blueprint", "type"),
            cached=counter("cache_hits", "Runs answered by an earlier result.", "blueprint"),
            rows=counter(
                "rows", "Rows read and rows of the data sets made.", "blueprint", "direction"
            ),
            bytes=counter("source_bytes", "Bytes of the files of completed runs.", "blueprint"),
            score=histogram(
                "quality_score", "Quality scores of tables, 0 to 100.", _SCORES, "blueprint"
            ),
            last_score=gauge(
                "last_quality_score", "Quality score of the latest table.", "blueprint"
            ),
            worker_memory=gauge("worker_memory_bytes", "Memory of a worker now.", "worker"),
            worker_cpu=gauge("worker_cpu_seconds", "CPU time of a worker process.", "worker"),
            lock=threading.Lock(),
            under_way={},
            ended={},
            seen={},
        )

    def bounded(self, label: str, value: str) -> str:
        """Return the value, or "other" once the label has had its share of values."""
        with self.lock:
            seen = self.seen.setdefault(label, set())
            if value in seen:
                return value
            if len(seen) >= _MOST_VALUES or len(value) > 100:
                return "other"
            seen.add(value)
            return value


def _own_registry() -> Any:
    """Return a registry that also has the CPU and memory of this process."""
    client = _client()
    registry = client.CollectorRegistry()
    client.ProcessCollector(registry=registry)
    return registry


def _client() -> Any:
    try:
        import prometheus_client
    except ModuleNotFoundError:
        raise MissingDependencyError.from_extra("ServiceMetrics", "service") from None
    return prometheus_client
