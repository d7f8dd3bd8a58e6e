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
from tracer_sklearn.service.orchestrator import PipelineOrchestrator
from tracer_sklearn.service.states import RunEvent
from tracer_sklearn.service.tasks import Finished, OnEvent, Task

__all__ = ["arrived", "in_loop", "unhindered"]


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
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
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


async def unhindered(awaitable: Any) -> None:
    """Await to the end, also where this task is cancelled meanwhile."""
    work = asyncio.ensure_future(awaitable)
    while not work.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait({work})
    with contextlib.suppress(Exception):
        work.result()
