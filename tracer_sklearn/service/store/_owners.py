"""Which process works on a run, and whether it still lives."""

from __future__ import annotations

import os
import platform
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path

import psutil
from sqlalchemy import RowMapping

# psutil derives start times from the clock of the machine, which may be set meanwhile.
_SAME_START = 2.0


@lru_cache(maxsize=1)
def this_host() -> str:
    """Name where process ids mean something: a host and, on Linux, a namespace of process ids."""
    try:
        space = os.readlink("/proc/self/ns/pid")
    except OSError:
        space = ""
    return f"{platform.node()}/{space}"


@lru_cache(maxsize=1)
def this_boot() -> str:
    """Name the time since the machine was started; empty where it has no name."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return ""


@dataclass(frozen=True)
class Owner:
    """A process, as others find it."""

    owner_id: str
    host: str
    boot: str
    pid: int
    started: float

    @classmethod
    def this_process(cls) -> Owner:
        """Describe the process that asks."""
        pid = os.getpid()
        started = psutil.Process(pid).create_time()
        return cls(uuid.uuid4().hex, this_host(), this_boot(), pid, started)


def is_alive(row: RowMapping, now: datetime, silence: timedelta) -> bool:
    """Tell whether the process of a row of `processes` still works.

    On its own machine it is looked for; on another one it must have been heard of within
    ``silence``. A process id that is taken, but by a process of another start time, was reused, or
    the clock was set: the silence decides.
    """
    heard: bool = now - row["heartbeat_at"] <= silence
    if row["host"] != this_host():
        return heard
    if row["boot"] != this_boot():
        return False
    try:
        process = psutil.Process(row["pid"])
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        started = process.create_time()
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return heard
    return heard or bool(abs(started - row["started"]) <= _SAME_START)
