"""How far the audit trail has come, in a file of its own."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tracer_sklearn.exceptions import StoreError
from tracer_sklearn.service.keys import keyed, written_once
from tracer_sklearn.service.store._engine import BUSY_SECONDS, phrased

try:
    import fcntl
except ImportError:  # Windows, where one process is to write
    HAS_LOCKS = False
else:
    HAS_LOCKS = True

# Two places that are written in turn: whatever becomes of one write, the other one is whole.
_PLACE = 256


@dataclass(frozen=True)
class Mark:
    """An entry, by its number and its code."""

    seq: int
    mac: str


@dataclass(frozen=True)
class Anchor:
    """The file ``audit.head``.

    It is written in place, under a lock on itself, after the entries that it names are on the
    disk. It is not forced to the disk: it survives the death of processes, and after a failure of
    the power it may lag by the last seconds, but it never leads.
    """

    path: Path
    key: bytes

    def begin(self) -> None:
        """Make the file of a trail without entries; one that is there is kept."""
        with phrased(str(self.path)):
            if not self.path.exists():
                written_once(self.path, self._place(Mark(0, "")) * 2)

    @contextlib.contextmanager
    def held(self) -> Iterator[OpenAnchor]:
        """Give the file for reading and writing; nobody else has it meanwhile.

        A file that is missing is not made again: its absence is to be found.
        """
        with phrased(str(self.path)):
            try:
                descriptor = os.open(self.path, os.O_RDWR)
            except FileNotFoundError:
                descriptor = None
        if descriptor is None:
            yield OpenAnchor(self, None)
            return
        try:
            _lock(descriptor, str(self.path))
            yield OpenAnchor(self, descriptor)
        finally:
            os.close(descriptor)

    def peek(self) -> Mark | None:
        """Return the newest mark; None where there is no file, or none made with the key."""
        with self.held() as anchor:
            return anchor.read()

    def _place(self, mark: Mark) -> bytes:
        facts = json.dumps([mark.seq, mark.mac])
        return f"{facts} {keyed(self.key, facts.encode())}".ljust(_PLACE - 1).encode() + b"\n"

    def _mark(self, place: bytes) -> Mark | None:
        facts, _, code = place.decode("ascii", "replace").strip().rpartition(" ")
        if keyed(self.key, facts.encode()) != code:
            return None
        seq, mac = json.loads(facts)
        return Mark(seq, mac)


def _lock(descriptor: int, where: str) -> None:
    if not HAS_LOCKS:
        return
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > until:
                raise StoreError.from_reason(
                    "AuditTrail",
                    "the trail must be free for the next entry",
                    where,
                    f"another process has held it for {BUSY_SECONDS} s",
                    "see what that process waits for",
                    transient=True,
                ) from None
            time.sleep(0.002)


@dataclass(frozen=True)
class OpenAnchor:
    """The file, held."""

    anchor: Anchor
    descriptor: int | None

    def _marks(self) -> list[Mark | None]:
        if self.descriptor is None:
            return [None, None]
        content = os.pread(self.descriptor, 2 * _PLACE, 0)
        return [self.anchor._mark(content[at : at + _PLACE]) for at in (0, _PLACE)]

    def read(self) -> Mark | None:
        """Return the newest mark; None where there is none made with the key."""
        found = [mark for mark in self._marks() if mark is not None]
        return max(found, key=lambda mark: mark.seq, default=None)

    def write(self, mark: Mark) -> None:
        """Write a mark over the older one of the two."""
        if self.descriptor is None:
            return
        first, second = self._marks()
        older_is_second = second is None or (first is not None and second.seq < first.seq)
        with phrased(str(self.anchor.path)):
            os.pwrite(self.descriptor, self.anchor._place(mark), _PLACE * older_is_second)
