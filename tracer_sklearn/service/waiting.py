"""Between event loops and threads: callbacks that are called in a loop, and waits to the end."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from typing import Any

from tracer_sklearn._params import fail
from tracer_sklearn.service.states import RunEvent
from tracer_sklearn.service.tasks import OnEvent

__all__ = ["in_loop", "unhindered"]


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


async def unhindered(awaitable: Any) -> None:
    """Await to the end, also where this task is cancelled meanwhile."""
    work = asyncio.ensure_future(awaitable)
    while not work.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait({work})
    with contextlib.suppress(Exception):
        work.result()
