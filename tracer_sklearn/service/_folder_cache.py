"""The result cache of one machine: a folder of files."""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from tracer_sklearn.service._entries import (
    CachedResult,
    Content,
    Label,
    chunks_of,
    packed,
    read_label,
    size_of,
)
from tracer_sklearn.service._result_cache import ResultCache

_ENDING = ".entry"
_BESIDE = ".frame"
_ABANDONED_SECONDS = 3600.0
_tidying = threading.Lock()


class FolderCache(ResultCache):
    """Keep results as files of a folder; see `ResultCache`.

    A file appears whole or not at all. It is not forced to the disk: after a failure of the power
    a torn one is a miss.

    Parameters
    ----------
    folder : Path
        The folder.
    secret, max_bytes : bytes and int
        As in `ResultCache`.
    """

    def __init__(self, folder: Path, secret: bytes, max_bytes: int) -> None:
        super().__init__(secret, max_bytes)
        self.folder = folder
        self._sizes: dict[str, int] = {}

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}{_ENDING}"

    def _has_any(self, prefix: str) -> bool:
        return any(name.startswith(prefix) for name in os.listdir(self.folder))

    def _read(self, key: str) -> tuple[Content, Content | None] | None:
        path = self._path(key)
        try:
            entry = path.read_bytes()
            os.utime(path)  # the time of use, which says who goes first
        except FileNotFoundError:
            return None
        frame = path.with_suffix(_BESIDE)
        # not mapped: what is checked now might be another thing when it is used
        return entry, frame.read_bytes() if frame.exists() else None

    def _write(self, key: str, result: CachedResult) -> bool:
        entry = b"".join(packed(key, result, self.secret))
        size = len(entry) + size_of(result.frame)
        if size > self.max_bytes:
            return False
        path = self._path(key)
        beside = path.with_suffix(_BESIDE)
        if result.frame is None:
            beside.unlink(missing_ok=True)
        else:  # before the entry, which says that it is there
            self._place(beside, result.frame)
        try:
            self._place(path, entry)
        except OSError:
            beside.unlink(missing_ok=True)  # without its entry nobody finds it
            raise
        self._make_room(key, size)
        return True

    def _place(self, path: Path, content: Content | Path) -> None:
        """Let a file appear whole; one that lies on the same disk already is not copied."""
        part = self.folder / f".{path.stem}.{secrets.token_hex(8)}.part"
        try:
            if not (isinstance(content, Path) and _is_linked(content, part)):
                descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with os.fdopen(descriptor, "wb") as file:
                    file.writelines(chunks_of(content))
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)

    def _make_room(self, key: str, size: int) -> None:
        """Look through the folder at first, now and then, and when the bound may be passed."""
        with _tidying:
            known = self._sizes
            scans = not known or len(known) % 100 == 0
            known[key] = size
            if not scans and sum(known.values()) <= self.max_bytes:
                return
            used: dict[str, int] = {}
            sizes: dict[str, int] = {}
            strays = []
            for file in os.scandir(self.folder):
                with contextlib.suppress(FileNotFoundError):
                    facts = file.stat()
                    name, ending = os.path.splitext(file.name)
                    if ending in (_ENDING, _BESIDE):
                        sizes[name] = sizes.get(name, 0) + facts.st_size
                    if ending == _ENDING:
                        used[name] = facts.st_mtime_ns
                    elif facts.st_mtime < time.time() - _ABANDONED_SECONDS:
                        strays.append((name, ending))
            for name, ending in strays:  # of a process that died
                if ending != _BESIDE or name not in used:
                    (self.folder / f"{name}{ending}").unlink(missing_ok=True)
            known.clear()
            known.update((name, sizes[name]) for name in used)
            total = sum(known.values())
            for name in sorted(used, key=lambda name: used[name]):
                if total <= self.max_bytes:
                    break
                if name != key:
                    total -= known[name]
                    self._remove(name)

    def _remove(self, key: str) -> bool:
        self._sizes.pop(key, None)
        return _is_removed(self._path(key))

    def _labels(self) -> Iterator[Label]:
        for path in list(self.folder.glob(f"*{_ENDING}")):
            label = read_label(path)
            if label is None or self._path(label.key) != path:
                with self._spared():
                    _is_removed(path)
                self._count("damaged")
            else:
                yield label


def _is_removed(path: Path) -> bool:
    """Remove an entry; its frame first, which nobody finds without it. False where none was."""
    path.with_suffix(_BESIDE).unlink(missing_ok=True)
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    return True


def _is_linked(file: Path, name: Path) -> bool:
    """Give a file another name; False where the system or the disk cannot."""
    try:
        os.link(os.path.realpath(file), name)
    except OSError:
        return False
    return True
