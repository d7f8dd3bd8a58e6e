"""What happens to runs, told by threads and heard by any event loop."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from tracer_sklearn.service.states import RunEvent

__all__ = ["EventLog"]

_Listener = tuple[asyncio.AbstractEventLoop, "asyncio.Queue[RunEvent | None]"]


@dataclass(eq=False)
class _Channel:
    told: list[RunEvent] = field(default_factory=list)
    listeners: list[_Listener] = field(default_factory=list)
    is_over: bool = False


@dataclass(eq=False)
class EventLog:
    """The events of the runs under way and of the last ones that ended.

    Parameters
    ----------
    kept : int, default=50
        Ended runs whose events are kept for those who ask late. They hold the reports of stages.
    """

    kept: int = 50
    _channels: OrderedDict[str, _Channel] = field(default_factory=OrderedDict, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def open(self, run_id: str) -> None:
        """Begin to keep the events of a run."""
        with self._lock:
            self._channels[run_id] = _Channel()

    def tell(self, event: RunEvent) -> None:
        """Tell an event to all who listen, from any thread."""
        with self._lock:
            channel = self._channels.get(event.run_id)
            if channel is None or channel.is_over:
                return
            channel.told.append(event)
            for loop, waiting in channel.listeners:
                _put(loop, waiting, event)

    def end(self, run_id: str) -> None:
        """End the events of a run; nothing more is told."""
        with self._lock:
            channel = self._channels.get(run_id)
            if channel is None or channel.is_over:
                return
            channel.is_over = True
            for loop, waiting in channel.listeners:
                _put(loop, waiting, None)
            channel.listeners.clear()
            ended = [name for name, each in self._channels.items() if each.is_over]
            for name in ended[: max(0, len(ended) - self.kept)]:
                del self._channels[name]

    def knows(self, run_id: str) -> bool:
        """Whether the events of a run are here."""
        with self._lock:
            return run_id in self._channels

    async def follow(self, run_id: str) -> AsyncIterator[RunEvent]:
        """Give what has happened to a run, then what happens, until it ends."""
        waiting: asyncio.Queue[RunEvent | None] = asyncio.Queue()
        listener = (asyncio.get_running_loop(), waiting)
        with self._lock:
            channel = self._channels.get(run_id)
            if channel is None:
                return
            past, is_over = list(channel.told), channel.is_over
            if not is_over:
                channel.listeners.append(listener)
        try:
            for event in past:
                yield event
            while not is_over:
                heard = await waiting.get()
                if heard is None:
                    break
                yield heard
        finally:
            with self._lock, contextlib.suppress(ValueError):
                channel.listeners.remove(listener)


def _put(
    loop: asyncio.AbstractEventLoop,
    waiting: asyncio.Queue[RunEvent | None],
    event: RunEvent | None,
) -> None:
    with contextlib.suppress(RuntimeError):  # a loop that has ended listens no more
        loop.call_soon_threadsafe(waiting.put_nowait, event)
