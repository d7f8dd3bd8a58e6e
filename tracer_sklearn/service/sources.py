"""What is known of a file before a worker reads it: a stamp, and its digest where needed."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable

__all__ = ["Stamp", "checksum_of", "stamp_of"]

# size in bytes, and time of the last change in nanoseconds
Stamp = tuple[int, int]

_CHUNK_BYTES = 1 << 22


def stamp_of(path: str) -> Stamp | None:
    """Return what changes when a file is written to; None where nobody can look."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


def checksum_of(path: str, most: int | None, check: Callable[[], None]) -> str | None:
    """Return the SHA-256 of a regular file; None where the reader would refuse it anyway.

    Parameters
    ----------
    path : str
        The file.
    most : int or None
        Most bytes that are read.
    check : callable
        Asked between chunks; what it raises is passed on.
    """
    try:
        # what is no regular file may block for ever, so it is not even opened
        if not stat.S_ISREG(os.stat(path).st_mode):
            return None
        digest, total = hashlib.sha256(), 0
        with open(path, "rb", buffering=0) as file:
            while chunk := file.read(_CHUNK_BYTES):
                check()
                total += len(chunk)
                if most is not None and total > most:
                    return None
                digest.update(chunk)
    except OSError:
        return None
    return digest.hexdigest()
