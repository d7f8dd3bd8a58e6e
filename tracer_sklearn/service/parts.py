"""The parts of a started `DataPipeline`, opened together and closed together."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

from tracer_sklearn._params import check_flag, check_integer
from tracer_sklearn.exceptions import MissingDependencyError
from tracer_sklearn.service.audit import AuditTrail
from tracer_sklearn.service.cache import ResultCache, open_cache
from tracer_sklearn.service.config import PipelineConfig
from tracer_sklearn.service.executors import check_executor
from tracer_sklearn.service.logs import log_event
from tracer_sklearn.service.metrics import ServiceMetrics
from tracer_sklearn.service.orchestrator import PipelineOrchestrator
from tracer_sklearn.service.remembering import ResultMemory
from tracer_sklearn.service.retention import remove_strays
from tracer_sklearn.service.states import RunEvent, RunState
from tracer_sklearn.service.store import RunStore
from tracer_sklearn.service.tracing import RunTracer

__all__ = ["Parts", "opened", "state_folder"]


def state_folder(state_dir: str | os.PathLike[str] | None = None) -> Path:
    """Return the folder of the service's state.

    It is the one that is given, that of the environment variable ``TRACER_STATE_DIR``, or the
    place that the system has for such things.
    """
    chosen = os.environ.get("TRACER_STATE_DIR") if state_dir is None else state_dir
    if chosen:
        return Path(chosen).absolute()
    try:
        import platformdirs
    except ModuleNotFoundError:
        raise MissingDependencyError.from_extra("DataPipeline", "service") from None
    return Path(platformdirs.user_state_dir("tracer"))


@dataclass(frozen=True)
class Parts:
    """What is there while a `DataPipeline` is started."""

    config: PipelineConfig
    state_dir: Path
    store: RunStore
    audit: AuditTrail
    cache: ResultCache
    metrics: ServiceMetrics | None
    orchestrator: PipelineOrchestrator

    def close(self, timeout_seconds: float) -> None:
        """End the runs and let go of everything."""
        self.orchestrator.close(timeout_seconds)
        self.cache.close()
        self.store.close()


def opened(
    config: PipelineConfig,
    folder: Path,
    *,
    store_url: str | None,
    cache_url: str | None,
    executor: Executor | None,
    max_concurrent: int,
    monitors: bool,
) -> Parts:
    """Open everything, clear what dead processes left, and take runs."""
    check_integer("DataPipeline", "max_concurrent_pipelines", max_concurrent, low=1)
    check_flag("DataPipeline", "enable_monitoring", monitors)
    check_executor("DataPipeline", executor)
    store = RunStore.open(store_url, state_dir=folder)
    try:
        audit = AuditTrail.open(store)
        cache = open_cache(cache_url, folder, key=audit.key)
        metrics = ServiceMetrics() if monitors else None

        def log(event: RunEvent, state: RunState) -> None:
            log_event(event, state, key=audit.key)

        orchestrator = PipelineOrchestrator(
            store,
            audit,
            state_dir=folder,
            max_concurrent=max_concurrent,
            executor=executor,
            memory=None if cache_url is None else ResultMemory(cache, folder),
            observers=()
            if metrics is None
            else (metrics.observe_event, log, RunTracer().observe_event),
            on_worker=None if metrics is None else _gauge(metrics),
        )
        orchestrator.start()
        remove_strays(store, folder)
    except BaseException:
        store.close()
        raise
    return Parts(config, folder, store, audit, cache, metrics, orchestrator)


def _gauge(metrics: ServiceMetrics) -> Callable[[int, float, float], None]:
    def observe(number: int, memory_mb: float, cpu_seconds: float) -> None:
        metrics.observe_worker(number, memory_mb=memory_mb, cpu_seconds=cpu_seconds)

    return observe
