"""A file that is written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from typing import IO

from tracer_sklearn._params import fail


@contextlib.contextmanager
def written_whole(who: str, target: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """Give a file that takes the place of ``target`` when the block ends without an error.

    Until then, and after a crash, whatever stood at ``target`` stands there unchanged. The
    bytes and the new entry of the folder are on the disk when the block is left. A symbolic link
    stays a link: the file that it leads to is replaced.
    """
    path = os.path.realpath(os.fspath(target))
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise fail(who, "target", "the path of a regular file", os.fspath(target))
    folder, name = os.path.split(path)
    # beside the target, since a rename is atomic within one file system only
    part = os.path.join(folder, f".{name[:100]}.{secrets.token_hex(8)}.part")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    file = os.fdopen(os.open(part, flags, 0o666), "wb")
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileNotFoundError):
            shutil.copymode(path, part)
        os.replace(part, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(part)
        raise
    _sync_folder(folder)


def _sync_folder(folder: str) -> None:
    if not hasattr(os, "O_DIRECTORY"):  # Windows has no such thing
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
