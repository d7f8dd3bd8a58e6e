"""Between event loops and threads: callbacks that are called in a loop, and waits to the end."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from tracer_sklearn._params import fail
from tracer_sklearn.exceptions import IngestionError, RunError
from tracer_sklearn.service.orchestrator import PipelineOrchestrator
from tracer_sklearn.service.states import RunEvent
from tracer_sklearn.service.tasks import Finished, OnEvent, Task

__all__ = ["arrived", "ended_elsewhere", "in_loop", "refuse_elsewhere", "unhindered"]

POLL_SECONDS = 0.5


def in_loop(*callbacks: OnEvent | None) -> OnEvent | None:
    """Return a callback for threads that has the given ones called in this event loop."""
    wanted = [callback for callback in callbacks if callback is not None]
    for callback in wanted:
        if not callable(callback):
            raise fail("DataPipeline", "on_event", "a callable that takes a RunEvent", callback)
    if not wanted:
        return None
    loop = asyncio.get_running_loop()
    under_way: set[asyncio.Future[Any]] = set()  # the loop itself holds them only weakly

    def called(event: RunEvent) -> None:
        for callback in wanted:
            answer = callback(event)
            if inspect.isawaitable(answer):
                work = asyncio.ensure_future(answer)
                under_way.add(work)
                work.add_done_callback(under_way.discard)

    def hand_over(event: RunEvent) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(called, event)

    return hand_over


async def arrived(
    orchestrator: PipelineOrchestrator,
    task: Task,
    future: Future[Finished],
    folder: Path,
    coming: Callable[..., Coroutine[Any, Any, Path]],
) -> None:
    """Take in the upload of an announced task and let it run; a cancel of the run ends the upload.

    ``coming`` writes the upload into a folder, under limits, and returns the file.
    """
    run_id = task.state.run_id
    try:
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True, mode=0o700)
        upload = asyncio.ensure_future(coming(folder=folder, limits=task.config.limits))
        try:
            both: set[asyncio.Future[Any]] = {upload, asyncio.wrap_future(future)}
            seconds = task.config.limits.timeout_seconds
            async with asyncio.timeout(seconds):
                await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        except TimeoutError:
            raise IngestionError.from_reason(
                task.state.source,
                f"it did not come within {seconds:g} seconds",
                "send it faster, or raise `timeout_seconds` of the limits",
            ) from None
        finally:
            if not upload.done():
                upload.cancel()
                await asyncio.wait({upload})
        if not upload.cancelled():
            await asyncio.to_thread(orchestrator.enqueue, run_id, str(upload.result()))
    except asyncio.CancelledError:
        await unhindered(asyncio.to_thread(orchestrator.cancel, run_id))
        raise
    except Exception as error:
        await asyncio.to_thread(orchestrator.give_up, run_id, error)


async def ended_elsewhere(orchestrator: PipelineOrchestrator, run_id: str) -> None:
    """Wait while another process, or another pipeline object, works on a run."""
    while await asyncio.to_thread(orchestrator.elsewhere, run_id) is not None:
        await asyncio.sleep(POLL_SECONDS)


async def refuse_elsewhere(orchestrator: PipelineOrchestrator, run_id: str) -> None:
    """Refuse to stop what another process, or another pipeline object, works on."""
    state = await asyncio.to_thread(orchestrator.elsewhere, run_id)
    if state is not None:
        raise RunError(
            f"DataPipeline: a run must be cancelled by the pipeline that it was given to, {run_id} "
            f"is {state.status} in another process or pipeline object; cancel it there, or end "
            "that process.",
            run_id=run_id,
            state=state,
        )


async def unhindered(awaitable: Any) -> None:
    """Await to the end, also where this task is cancelled meanwhile."""
    work = asyncio.ensure_future(awaitable)
    while not work.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait({work})
    with contextlib.suppress(Exception):
        work.result()
