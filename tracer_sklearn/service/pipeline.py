"""The service's front: files, batches and uploads in, data sets and the account of each run out."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable
from concurrent.futures import Executor, Future
from functools import partial
from typing import Any, Self, cast

from tracer_sklearn._params import check_choice, check_integer, check_wait
from tracer_sklearn.exceptions import RunError
from tracer_sklearn.service.access import AccessPolicy
from tracer_sklearn.service.accounts import RunAccounts
from tracer_sklearn.service.config import PipelineConfig
from tracer_sklearn.service.failures import failure_of
from tracer_sklearn.service.frames import in_library
from tracer_sklearn.service.parts import Parts, opened, state_folder
from tracer_sklearn.service.plans import BLUEPRINTS
from tracer_sklearn.service.requests import (
    AnyConfig,
    AnyPath,
    AnyPreprocessing,
    Library,
    batch_item,
    check_library,
    configured,
    each_its_own,
    requested,
    same_work,
)
from tracer_sklearn.service.states import RunState, RunStatus
from tracer_sklearn.service.tasks import Finished, OnEvent, Task
from tracer_sklearn.service.transitions import error_of, failed
from tracer_sklearn.service.uploads import ByteStream, safe_name, spooled
from tracer_sklearn.service.waiting import (
    arrived,
    ended_elsewhere,
    in_loop,
    refuse_elsewhere,
    unhindered,
)

__all__ = ["DataPipeline"]


_STARTING = threading.Lock()


class DataPipeline(RunAccounts):
    """Run blueprints over files, batches and uploads, and keep the account of every run.

    Use it where files arrive by themselves: ``await pipeline.process_file(path, "customer_churn")``
    gives the data set and the account of the run. In a notebook the blueprint's own pipeline is
    simpler. It starts with its first call and may be used without ``async with``; its workers end
    with the process.

    Parameters
    ----------
    config : PipelineConfig, dict or None, default=None
        What runs do unless a call says otherwise. None for the defaults.
    max_concurrent_pipelines : int >= 1, default=3
        Runs at once, each in a worker of up to ``limits.memory_mb``; more wait.
    enable_monitoring : bool, default=True
        Whether metrics are kept and runs are logged.
    state_dir : path or None, default=None
        Folder of the run store, the audit trail, the cache and fitted pipelines. None for
        ``TRACER_STATE_DIR``, or the user's folder for such things.
    store_url : str or None, default=None
        Database of the runs, for SQLAlchemy. None for a SQLite file in the state folder.
    cache_url : str or None, default="auto"
        Where results of earlier runs are kept: "auto" for the state folder, a ``redis://`` URL,
        or None for nowhere.
    executor : concurrent.futures.Executor or None, default=None
        Where workers are driven, as ``Client.get_executor()`` of Dask; all its machines must see
        the state folder and the files. None for this machine.
    access_policy : callable or None, default=None
        ``(principal, action, blueprint) -> bool``; actions are "process", "read", "cancel",
        "audit" and "retention". None allows everything.
    principal : str, default="local"
        On whose behalf calls are made that do not say.
    on_event : callable or None, default=None
        Gets every `RunEvent`, in the event loop of the call.

    Raises
    ------
    ParameterError
        By the first call, if a parameter is not legal; by every call, if an argument is not.
    AccessDeniedError
        By calls that take a ``principal``, if the access policy says no; the audit trail notes it.
    StoreError
        By every call, if the state folder or the database cannot be used.

    Examples
    --------
    >>> import asyncio, tempfile
    >>> from tracer_sklearn.service import DataPipeline
    >>> async def main(folder):
    ...     async with DataPipeline({"n_splits": 5}, state_dir=folder) as pipeline:
    ...         return await pipeline.runs(status="FAILED"), (await pipeline.verify_audit()).ok
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     asyncio.run(main(folder))
    ([], True)
    """

    def __init__(
        self,
        config: AnyConfig = None,
        *,
        max_concurrent_pipelines: int = 3,
        enable_monitoring: bool = True,
        state_dir: AnyPath | None = None,
        store_url: str | None = None,
        cache_url: str | None = "auto",
        executor: Executor | None = None,
        access_policy: AccessPolicy | None = None,
        principal: str = "local",
        on_event: OnEvent | None = None,
    ) -> None:
        self.config = config
        self.max_concurrent_pipelines = max_concurrent_pipelines
        self.enable_monitoring = enable_monitoring
        self.state_dir = state_dir
        self.store_url = store_url
        self.cache_url = cache_url
        self.executor = executor
        self.access_policy = access_policy
        self.principal = principal
        self.on_event = on_event
        self._parts: dict[str, Parts] = {}

    # ------------------------------------------------------------------------------ its life

    async def __aenter__(self) -> Self:
        await self._started()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    async def close(self, timeout_seconds: float = 0.0) -> None:
        """Cancel what is under way, after a time, and let the workers go; a later call starts anew.

        Parameters
        ----------
        timeout_seconds : float >= 0, default=0.0
            How long runs may take to end by themselves; 0 cancels at once.

        Raises
        ------
        ParameterError
            If ``timeout_seconds`` is negative or no finite number; nothing is closed then.
        """
        check_wait("DataPipeline.close", "timeout_seconds", timeout_seconds)
        parts = self._parts.pop("parts", None)
        if parts is not None:
            await asyncio.to_thread(parts.close, timeout_seconds)

    async def _started(self) -> Parts:
        parts = self._parts.get("parts")
        return await asyncio.to_thread(self._start) if parts is None else parts

    def _start(self) -> Parts:
        with _STARTING:
            if "parts" in self._parts:
                return self._parts["parts"]
            parts = opened(
                configured(PipelineConfig(), self.config),
                state_folder(self.state_dir),
                store_url=self.store_url,
                cache_url=self.cache_url,
                executor=self.executor,
                max_concurrent=self.max_concurrent_pipelines,
                monitors=self.enable_monitoring,
            )
            self._parts["parts"] = parts
            return parts

    # ------------------------------------------------------------------------------ runs

    async def process_file(
        self,
        file_path: AnyPath,
        blueprint_name: str,
        *,
        config: AnyConfig = None,
        preprocessing_config: AnyPreprocessing = None,
        fitted: AnyPath | None = None,
        target_column: str | None = None,
        output: AnyPath | None = None,
        principal: str | None = None,
        correlation_id: str | None = None,
        on_event: OnEvent | None = None,
        as_: Library = "pandas",
    ) -> tuple[Any, RunState]:
        """Run a blueprint over a file.

        Parameters
        ----------
        file_path : path
            The file: CSV, Parquet, Arrow or JSON lines, compressed or not.
        blueprint_name : {"customer_churn", "revenue_projection", "price_optimization"}
            Which blueprint.
        config : PipelineConfig, dict or None, default=None
            What to do. A dict changes the pipeline's own configuration; None keeps it.
        preprocessing_config : PreprocessingConfig, dict or None, default=None
            The four options of the blueprint, in place of those in the configuration.
        fitted : path or None, default=None
            A saved pipeline, as ``state.pipeline_path``, to score the file with. None fits one.
        target_column : str or None, default=None
            The outcome; it makes the run cross-validate and fit a model.
        output : path or None, default=None
            Where the data set is written, by its ending: .parquet, .csv or .arrow. None for
            nowhere.
        principal : str or None, default=None
            On whose behalf; None for the pipeline's own.
        correlation_id : str or None, default=None
            Ties runs together in the records; None for the run's id.
        on_event : callable or None, default=None
            Gets every `RunEvent` of the run, in this event loop.
        as_ : {"pandas", "polars", "arrow"} or None, default="pandas"
            The library of the data set; None for no data set, where ``output`` is enough.

        Returns
        -------
        data : DataFrame of shape (n_rows, n_features)
            The data set; None where ``as_`` is.
        state : RunState
            The account of the run.

        Raises
        ------
        RunError
            If the run fails or is cancelled; with ``state``, and the error as its cause.
        ParameterError
            If an argument is not legal; nothing has begun then.
        AccessDeniedError
            If the access policy says no; likewise.
        """
        check_library(as_)
        parts = await self._started()
        task = await asyncio.to_thread(
            self._task,
            parts,
            file_path=file_path,
            blueprint_name=blueprint_name,
            config=config,
            preprocessing_config=preprocessing_config,
            fitted=fitted,
            target_column=target_column,
            output=output,
            principal=principal,
            correlation_id=correlation_id,
            on_event=in_loop(self.on_event, on_event),
        )
        return await self._run(parts, task, as_)

    async def process_batch(
        self,
        items: Iterable[Any],
        *,
        max_concurrent: int | None = None,
        config: AnyConfig = None,
        preprocessing_config: AnyPreprocessing = None,
        fitted: AnyPath | None = None,
        target_column: str | None = None,
        principal: str | None = None,
        correlation_id: str | None = None,
        on_event: OnEvent | None = None,
        as_: Library = "pandas",
    ) -> list[tuple[Any, RunState]]:
        """Run blueprints over several files; one that fails stops no other.

        Parameters
        ----------
        items : iterable of (file_path, blueprint_name) or dict
            The files. A dict may also hold ``config``, ``preprocessing_config``, ``fitted``,
            ``target_column`` and ``output`` of its own. What stands there twice runs once.
        max_concurrent : int >= 1 or None, default=None
            Runs of this batch at once, if that is less than the pipeline's own number.
        config, preprocessing_config, fitted, target_column, principal : optional
            As for `process_file`, for all items.
        correlation_id : str or None, default=None
            Ties the runs together; None for the id of the first.
        on_event, as_ : optional
            As for `process_file`, for all items.

        Returns
        -------
        list of (data or None, RunState)
            In the order of the items. Where the run failed, there is no data, and
            ``state.error`` says why.

        Raises
        ------
        ParameterError, AccessDeniedError
            As for `process_file`; one item is enough, and nothing has begun then.
        """
        check_library(as_)
        if max_concurrent is not None:
            check_integer("DataPipeline", "max_concurrent", max_concurrent, low=1)
        parts = await self._started()
        same = {
            "config": config,
            "preprocessing_config": preprocessing_config,
            "fitted": fitted,
            "target_column": target_column,
            "principal": principal,
            "on_event": in_loop(self.on_event, on_event),
        }

        def prepared() -> list[Task]:
            tasks: list[Task] = []
            for item in items:
                shared = correlation_id or (tasks[0].state.run_id if tasks else None)
                given = {**same, **batch_item(item), "correlation_id": shared}
                tasks.append(self._task(parts, **given))
            return tasks

        tasks = await asyncio.to_thread(prepared)
        gate = asyncio.Semaphore(max_concurrent or self.max_concurrent_pipelines)

        async def one(task: Task) -> tuple[Any, RunState]:
            async with gate:
                try:
                    return await self._run(parts, task, as_)
                except RunError as error:
                    return None, cast(RunState, error.state)
                except Exception as error:  # the store did not take it; the others it may
                    return None, failed(task.state, failure_of(error, None))

        keys = [same_work(task) for task in tasks]
        unique = dict(zip(reversed(keys), reversed(tasks), strict=True))
        async with asyncio.TaskGroup() as group:
            running = {key: group.create_task(one(task)) for key, task in reversed(unique.items())}
        return each_its_own([running[key].result() for key in keys], as_)

    async def process_stream(
        self,
        file_stream: ByteStream,
        filename: str,
        blueprint_name: str,
        content_length: int | None = None,
        *,
        config: AnyConfig = None,
        preprocessing_config: AnyPreprocessing = None,
        fitted: AnyPath | None = None,
        target_column: str | None = None,
        output: AnyPath | None = None,
        principal: str | None = None,
        correlation_id: str | None = None,
        on_event: OnEvent | None = None,
        as_: Library = "pandas",
    ) -> tuple[Any, RunState]:
        """Run a blueprint over an upload, which is kept in a private file meanwhile.

        Parameters
        ----------
        file_stream : stream of bytes
            An async iterator of bytes, something with ``read(n)``, plain or awaited, or bytes.
        filename : str
            As the client sent it. Only a safe base name is kept.
        blueprint_name : str
            As for `process_file`.
        content_length : int >= 0 or None, default=None
            How many bytes were announced; None where nobody said. More or fewer fail the run.
        config, preprocessing_config, fitted, target_column, output, principal : optional
            As for `process_file`.
        correlation_id, on_event, as_ : optional
            As for `process_file`.

        Returns
        -------
        data, state : DataFrame and RunState
            As for `process_file`.

        Raises
        ------
        RunError, ParameterError, AccessDeniedError
            As for `process_file`; an upload that does not come whole fails the run.
        """
        check_library(as_)
        parts = await self._started()
        task = await asyncio.to_thread(
            self._task,
            parts,
            file_path=safe_name(filename),
            blueprint_name=blueprint_name,
            config=config,
            preprocessing_config=preprocessing_config,
            fitted=fitted,
            target_column=target_column,
            output=output,
            principal=principal,
            correlation_id=correlation_id,
            on_event=in_loop(self.on_event, on_event),
            is_upload=True,
            content_length=content_length,
        )
        future = await asyncio.to_thread(parts.orchestrator.announce, task)
        run_id = task.state.run_id
        coming = partial(spooled, file_stream, filename, content_length=content_length)
        await arrived(parts.orchestrator, task, future, parts.state_dir / "work" / run_id, coming)
        return await self._ended(parts, run_id, future, as_)

    async def submit_file(
        self,
        file_path: AnyPath,
        blueprint_name: str,
        *,
        config: AnyConfig = None,
        preprocessing_config: AnyPreprocessing = None,
        fitted: AnyPath | None = None,
        target_column: str | None = None,
        output: AnyPath | None = None,
        principal: str | None = None,
        correlation_id: str | None = None,
        on_event: OnEvent | None = None,
    ) -> str:
        """Begin a run and return at once; `wait`, `events` and `cancel` take what is returned.

        Parameters
        ----------
        file_path, blueprint_name : path and str
            As for `process_file`.
        config, preprocessing_config, fitted, target_column, output, principal : optional
            As for `process_file`.
        correlation_id, on_event : optional
            As for `process_file`.

        Returns
        -------
        str
            The run's id.

        Raises
        ------
        ParameterError, AccessDeniedError
            As for `process_file`. How the run ends is told by `wait`.
        """
        parts = await self._started()
        task = await asyncio.to_thread(
            self._task,
            parts,
            file_path=file_path,
            blueprint_name=blueprint_name,
            config=config,
            preprocessing_config=preprocessing_config,
            fitted=fitted,
            target_column=target_column,
            output=output,
            principal=principal,
            correlation_id=correlation_id,
            on_event=in_loop(self.on_event, on_event),
        )
        await asyncio.to_thread(parts.orchestrator.submit, task)
        return task.state.run_id

    async def wait(
        self, run_id: str, *, as_: Library = "pandas", principal: str | None = None
    ) -> tuple[Any, RunState]:
        """Wait for the end of a run, and return or raise what `process_file` would.

        The data sets of the last fifty are held, and only once: give ``output`` where they must
        last. Of a run of another process or pipeline object there is the account only.

        Parameters
        ----------
        run_id : str
            The run.
        as_, principal : optional
            As for `process_file`.

        Returns
        -------
        data, state : DataFrame or None, and RunState
            As for `process_file`; None where the data set is not held.

        Raises
        ------
        RunError, ParameterError, AccessDeniedError
            As for `process_file`, and a `ParameterError` if there is no such run.
        """
        check_library(as_)
        parts = await self._started()
        await self._allow_for(parts, "read", run_id, principal)
        await ended_elsewhere(parts.orchestrator, run_id)
        future = await asyncio.to_thread(parts.orchestrator.future, run_id)
        return await self._ended(parts, run_id, future, as_, cancels=False)

    async def cancel(self, run_id: str, *, principal: str | None = None) -> bool:
        """Stop a run wherever it is, and leave nothing of it.

        Parameters
        ----------
        run_id : str
            The run.
        principal : optional
            As for `process_file`.

        Returns
        -------
        bool
            Whether it is CANCELLED now; not where it had ended before.

        Raises
        ------
        RunError
            If the run is another process's or pipeline object's, where it can be stopped.
        ParameterError, AccessDeniedError
            As for `run`.
        """
        parts = await self._started()
        await self._allow_for(parts, "cancel", run_id, principal)
        await refuse_elsewhere(parts.orchestrator, run_id)
        await asyncio.to_thread(parts.orchestrator.cancel, run_id)
        future = await asyncio.to_thread(parts.orchestrator.future, run_id)
        done = await asyncio.shield(asyncio.wrap_future(future))
        return done.state.status is RunStatus.CANCELLED

    # ------------------------------------------------------------------------------ inside

    def _task(
        self,
        parts: Parts,
        *,
        blueprint_name: str,
        principal: str | None = None,
        config: AnyConfig = None,
        preprocessing_config: AnyPreprocessing = None,
        target_column: str | None = None,
        **options: Any,
    ) -> Task:
        who = self.principal if principal is None else principal
        check_choice("DataPipeline", "blueprint_name", blueprint_name, BLUEPRINTS)
        self._allow(parts, "process", blueprint_name, who)  # before anything is looked at for them
        return requested(
            blueprint_name=blueprint_name,
            config=configured(parts.config, config, preprocessing_config, target_column),
            principal=who,
            **options,
        )

    async def _run(self, parts: Parts, task: Task, as_: Library) -> tuple[Any, RunState]:
        submitted = asyncio.ensure_future(asyncio.to_thread(parts.orchestrator.submit, task))
        try:
            future = await asyncio.shield(submitted)
        except asyncio.CancelledError:
            await asyncio.wait({submitted})
            await unhindered(asyncio.to_thread(parts.orchestrator.cancel, task.state.run_id))
            raise
        return await self._ended(parts, task.state.run_id, future, as_)

    async def _ended(
        self,
        parts: Parts,
        run_id: str,
        future: Future[Finished],
        as_: Library,
        *,
        cancels: bool = True,
    ) -> tuple[Any, RunState]:
        """Wait for the end; where the waiting task is cancelled, the run is, too."""
        try:
            done = await asyncio.shield(asyncio.wrap_future(future))
        except asyncio.CancelledError:
            if cancels:
                await unhindered(asyncio.to_thread(parts.orchestrator.cancel, run_id))
                await unhindered(asyncio.to_thread(future.result, 5.0))
            raise
        parts.orchestrator.release(run_id)
        if done.state.status is not RunStatus.COMPLETED:
            raise error_of(done.state)
        if as_ is None or done.data is None:
            return None, done.state
        return await asyncio.to_thread(in_library, done.data, as_), done.state
