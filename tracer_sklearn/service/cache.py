"""The result cache: a file that was seen before is answered at once."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
import os
import secrets
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from tracer_sklearn._params import check_integer, check_moment, fail
from tracer_sklearn.exceptions import MissingDependencyError, StoreError
from tracer_sklearn.service._entries import (
    PARTS,
    CachedResult,
    Content,
    Label,
    check_key,
    check_result,
    packed,
    read_label,
    size_of,
    unpacked,
)
from tracer_sklearn.service.config import PipelineConfig
from tracer_sklearn.service.keys import derived, state_key
from tracer_sklearn.service.states import now

__all__ = [
    "CachedResult",
    "FolderCache",
    "NoCache",
    "RedisCache",
    "ResultCache",
    "cache_key",
    "open_cache",
]

MAX_BYTES = 2_000_000_000
_ENDING = ".entry"
# A result is only as good as the libraries that made it.
_MADE_WITH = ("numpy", "polars", "scikit-learn")
_ABANDONED_SECONDS = 3600.0
_REDIS_LONGEST = 512 * 1024 * 1024  # of a value, by its protocol
_REDIS_SECONDS = 10.0


def cache_key(
    checksum: str,
    blueprint: str,
    config: PipelineConfig | Mapping[str, Any],
    package_version: str,
    fitted_checksum: str | None = None,
) -> str:
    """Name the result that a file gives.

    Parameters
    ----------
    checksum : str
        SHA-256 of the file as stored.
    blueprint : str
        Which blueprint.
    config : PipelineConfig or dict
        What is done with it. Its ``retention`` does not count, because it changes no result.
    package_version : str
        Of tracer-sklearn; the versions of the libraries below are added.
    fitted_checksum : str or None, default=None
        SHA-256 of the pipeline that scores the file; None where it is fitted on the file.

    Returns
    -------
    str
        64 hexadecimal digits.

    Raises
    ------
    ParameterError
        If ``config`` is a dict with a key or value that is not legal.

    Examples
    --------
    >>> from tracer_sklearn.service import cache_key
    >>> def key(config):
    ...     return cache_key("0" * 64, "customer_churn", config, "1.0.0")
    >>> key({"n_splits": 5}) == key({}), key({"retention": {"outputs_days": 7}}) == key({})
    (False, True)
    """
    if not isinstance(config, PipelineConfig):
        config = PipelineConfig(**config)
    made_with = {name: importlib.metadata.version(name) for name in _MADE_WITH}
    decides = {name: part for name, part in config.to_dict().items() if name != "retention"}
    facts = [checksum, blueprint, decides, package_version, fitted_checksum, made_with]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def open_cache(
    url: str | None = "auto",
    state_dir: str | os.PathLike[str] = ".",
    *,
    max_bytes: int = MAX_BYTES,
    key: bytes | None = None,
) -> ResultCache:
    """Open the cache of a state folder.

    Parameters
    ----------
    url : str or None, default="auto"
        "auto" for the folder ``cache`` in the state folder; ``redis://host:port/0`` for a Redis
        server; None for no cache.
    state_dir : path, default="."
        The state folder, whose key tells its own entries from others.
    max_bytes : int, default=2000000000
        Most bytes of all entries, 2 GB; those longest unused go first.
    key : bytes or None, default=None
        The key of the state folder, where it is at hand. None reads it, or makes it.

    Returns
    -------
    ResultCache
        The cache. That of ``url=None`` stores nothing and finds nothing.

    Raises
    ------
    ParameterError
        If ``url`` or ``max_bytes`` is not legal, or ``TRACER_AUDIT_KEY`` is no key.
    StoreError
        If the state folder cannot be written.
    MissingDependencyError
        If the URL is of Redis, and redis is not installed.

    Examples
    --------
    >>> import tempfile
    >>> from tracer_sklearn.service import cache_key, open_cache
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     cache = open_cache(state_dir=folder)
    ...     print(cache.get(cache_key("0" * 64, "customer_churn", {}, "1.0.0")))
    None
    """
    check_integer("ResultCache", "max_bytes", max_bytes, low=1)
    if url is None:
        return NoCache(b"", max_bytes)
    must = "'auto', None or a URL such as redis://host:6379/0"
    folder = Path(state_dir).absolute()
    if url != "auto" and not str(url).startswith(("redis://", "rediss://", "unix://")):
        raise fail("ResultCache", "url", must, str(url).partition("@")[2] or url)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        secret = derived(state_key(folder) if key is None else key, "cache")
        if url == "auto":
            (folder / "cache").mkdir(mode=0o700, exist_ok=True)
            return FolderCache(folder / "cache", secret, max_bytes)
    except OSError as error:
        raise StoreError.from_reason(
            "ResultCache",
            "the state folder must be writable",
            str(folder),
            error.strerror or str(error),
            "let this user write there, or name another state folder",
        ) from error
    try:
        import redis
    except ImportError as error:
        raise MissingDependencyError.from_extra("ResultCache on Redis", "redis") from error
    try:
        client = redis.Redis.from_url(
            url, socket_connect_timeout=_REDIS_SECONDS, socket_timeout=_REDIS_SECONDS
        )
    except ValueError:
        raise fail("ResultCache", "url", must, "another text") from None
    return RedisCache(client, secret, max_bytes)


class ResultCache(ABC):
    """Keep results by key; `open_cache` opens one.

    It never fails a run: what cannot be read, is damaged or was made without the key is a miss,
    and what cannot be stored is not stored. `stats` counts both.

    Parameters
    ----------
    secret : bytes
        The key that entries are made with.
    max_bytes : int
        Most bytes of all entries.

    Raises
    ------
    ParameterError
        By every method that takes a key, if `cache_key` made no such key.

    Examples
    --------
    >>> import tempfile
    >>> from tracer_sklearn.service import CachedResult, cache_key, open_cache
    >>> key = cache_key("0" * 64, "customer_churn", {}, "1.0.0")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     cache = open_cache(state_dir=folder)
    ...     before = cache.get(key)
    ...     stored = cache.put(key, CachedResult('{"run_id": "01"}'))
    ...     stats = cache.stats
    ...     deleted = cache.delete_runs({"01"})
    >>> before, stored, stats["misses"], stats["stored"], deleted
    (None, True, 1, 1, 1)
    """

    def __init__(self, secret: bytes, max_bytes: int) -> None:
        self.secret = secret
        self.max_bytes = max_bytes
        self._counts: dict[str, int] = {}

    @property
    def stats(self) -> dict[str, int]:
        """How often, since it was opened: hits, misses, stored, refused, damaged, errors."""
        names = ("hits", "misses", "stored", "refused", "damaged", "errors")
        return {name: self._counts.get(name, 0) for name in names}

    def get(self, key: str) -> CachedResult | None:
        """Look a result up; a damaged one is deleted.

        Parameters
        ----------
        key : str
            As `cache_key` makes it.

        Returns
        -------
        CachedResult or None
            The result; None where there is none.
        """
        check_key(key)
        content: Content | None = None
        with self._spared():
            content = self._read(key)
        if content is None:
            self._count("misses")
            return None
        result = unpacked(key, content, self.secret)
        if result is None:
            self._count("damaged")
            self._count("misses")
            self.delete(key)
            return None
        self._count("hits")
        return result

    def put(self, key: str, result: CachedResult) -> bool:
        """Store a result; where there is no room, those longest unused go.

        Parameters
        ----------
        key : str
            As `cache_key` makes it.
        result : CachedResult
            The result.

        Returns
        -------
        bool
            Whether it is stored; not where it is larger than ``max_bytes``, or where disk or server
            refuse it.

        Raises
        ------
        ParameterError
            If ``key`` is none of `cache_key`, or ``result`` no `CachedResult` of a state in JSON
            and of bytes or files.
        """
        check_key(key)
        check_result(result)
        stored = False
        with self._spared():
            parts = (getattr(result, name) for name in PARTS[1:])
            size = len(result.outcome) + sum(map(size_of, parts))
            if size <= self.max_bytes:
                stored = self._write(key, result)
        self._count("stored" if stored else "refused")
        return stored

    def delete(self, key: str) -> bool:
        """Delete an entry.

        Parameters
        ----------
        key : str
            As `cache_key` makes it.

        Returns
        -------
        bool
            Whether there was one.
        """
        check_key(key)
        found = False
        with self._spared():
            found |= self._remove(key)
        return found

    def delete_older(self, than: datetime) -> int:
        """Delete entries stored before a moment.

        Parameters
        ----------
        than : datetime
            The moment. Without a time zone it is local time.

        Returns
        -------
        int
            How many there were.

        Raises
        ------
        ParameterError
            If ``than`` is no datetime.
        """
        moment = check_moment("ResultCache.delete_older", "than", than)
        return self._delete_where(lambda label: label.stored_at < moment)

    def delete_runs(self, run_ids: Collection[str]) -> int:
        """Delete what some runs made.

        Parameters
        ----------
        run_ids : collection of str
            The runs.

        Returns
        -------
        int
            How many entries there were.
        """
        ids = set(run_ids)
        return self._delete_where(lambda label: label.run_id in ids) if ids else 0

    def _delete_where(self, due: Any) -> int:
        n = 0
        with self._spared():
            for label in self._labels():
                n += due(label) and self._remove(label.key)
        return n

    def close(self) -> None:  # noqa: B027
        """Let go of connections, where there are any."""

    def _count(self, name: str) -> None:
        self._counts[name] = self._counts.get(name, 0) + 1

    @contextlib.contextmanager
    def _spared(self) -> Iterator[None]:
        """Count a failure of disk or server instead of passing it on."""
        try:
            yield
        except OSError:
            self._count("errors")

    @abstractmethod
    def _read(self, key: str) -> Content | None: ...

    @abstractmethod
    def _write(self, key: str, result: CachedResult) -> bool: ...

    @abstractmethod
    def _remove(self, key: str) -> bool: ...

    @abstractmethod
    def _labels(self) -> Iterator[Label]: ...


class NoCache(ResultCache):
    """Keep nothing."""

    def _read(self, key: str) -> Content | None:  # noqa: ARG002
        return None

    def _write(self, key: str, result: CachedResult) -> bool:  # noqa: ARG002
        return False

    def _remove(self, key: str) -> bool:  # noqa: ARG002
        return False

    def _labels(self) -> Iterator[Label]:
        return iter(())


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
        self.folder = folder
        self.secret = secret
        self.max_bytes = max_bytes
        self._counts: dict[str, int] = {}
        self._sizes: dict[str, int] = {}

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}{_ENDING}"

    def _read(self, key: str) -> Content | None:
        path = self._path(key)
        try:
            content = path.read_bytes()
            # the time of use, which says who goes first; the time of storing stays
            os.utime(path, ns=(time.time_ns(), path.stat().st_mtime_ns))
        except FileNotFoundError:
            return None
        return content

    def _write(self, key: str, result: CachedResult) -> bool:
        part = self.folder / f".{key}.{secrets.token_hex(8)}.part"
        size = 0
        try:
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                for chunk in packed(key, result, self.secret):
                    size += len(chunk)
                    file.write(chunk)
            if size > self.max_bytes:
                return False
            os.replace(part, self._path(key))
        finally:
            part.unlink(missing_ok=True)
        self._make_room(key, size)
        return True

    def _make_room(self, key: str, size: int) -> None:
        """Look through the folder at first, now and then, and when the bound may be passed."""
        with _tidying:
            known = self._sizes
            scans = not known or len(known) % 100 == 0
            known[key] = size
            if not scans and sum(known.values()) <= self.max_bytes:
                return
            files = []
            for entry in os.scandir(self.folder):
                with contextlib.suppress(FileNotFoundError):
                    facts = entry.stat()
                    if entry.name.endswith(_ENDING):
                        files.append((facts.st_atime_ns, entry.name, facts.st_size))
                    elif facts.st_mtime < time.time() - _ABANDONED_SECONDS:
                        os.unlink(entry.path)  # of a process that died
            known.clear()
            total = sum(size for _, _, size in files)
            for _, name, size in sorted(files):
                if total > self.max_bytes and name != f"{key}{_ENDING}":
                    (self.folder / name).unlink(missing_ok=True)
                    total -= size
                else:
                    known[name.removesuffix(_ENDING)] = size

    def _remove(self, key: str) -> bool:
        self._sizes.pop(key, None)
        try:
            self._path(key).unlink()
        except FileNotFoundError:
            return False
        return True

    def _labels(self) -> Iterator[Label]:
        for path in list(self.folder.glob(f"*{_ENDING}")):
            label = read_label(path)
            if label is None or self._path(label.key) != path:
                path.unlink(missing_ok=True)
                self._count("damaged")
            else:
                yield label


class RedisCache(ResultCache):
    """Keep results in Redis; see `ResultCache`.

    Several hosts share entries when they share the key (``TRACER_AUDIT_KEY``); otherwise each has
    its own. Redis keeps no value above 512 MB.

    Parameters
    ----------
    client : redis.Redis
        The connection.
    secret, max_bytes : bytes and int
        As in `ResultCache`.
    """

    def __init__(self, client: Any, secret: bytes, max_bytes: int) -> None:
        self.client = client
        self.secret = secret
        self.max_bytes = max_bytes
        self._counts: dict[str, int] = {}

    def _name(self, kind: str) -> str:
        # the braces keep everything of one cache on one node of a cluster
        return f"{{tracer:{derived(self.secret, 'name').hex()[:16]}}}:{kind}"

    @contextlib.contextmanager
    def _spared(self) -> Iterator[None]:
        import redis

        try:
            yield
        except (redis.RedisError, OSError):
            self._count("errors")

    def _read(self, key: str) -> Content | None:
        content: bytes | None = self.client.get(self._name(f"entry:{key}"))
        if content is None:
            self._remove(key)  # the server may have dropped it by itself
            return None
        self.client.zadd(self._name("used"), {key: now().timestamp()}, xx=True)
        return content

    def _write(self, key: str, result: CachedResult) -> bool:
        content = b"".join(packed(key, result, self.secret))
        if len(content) > min(self.max_bytes, _REDIS_LONGEST):
            return False
        run_id = json.loads(result.outcome).get("run_id", "")
        label = json.dumps([run_id, now().isoformat(), len(content)])
        with self.client.pipeline(transaction=True) as pipe:
            pipe.set(self._name(f"entry:{key}"), content)
            pipe.zadd(self._name("used"), {key: now().timestamp()})
            pipe.hset(self._name("labels"), key, label)
            pipe.execute()
        total = sum(label.sizes["all"] for label in self._labels())
        while total > self.max_bytes:
            oldest = self.client.zrange(self._name("used"), 0, 0)
            if not oldest or oldest[0].decode() == key:
                break
            total -= self._size(oldest[0].decode())
            self._remove(oldest[0].decode())
        return True

    def _size(self, key: str) -> int:
        found = self.client.hget(self._name("labels"), key)
        return 0 if found is None else int(json.loads(found)[2])

    def _remove(self, key: str) -> bool:
        with self.client.pipeline(transaction=True) as pipe:
            pipe.delete(self._name(f"entry:{key}"))
            pipe.zrem(self._name("used"), key)
            pipe.hdel(self._name("labels"), key)
            return bool(pipe.execute()[0])

    def _labels(self) -> Iterator[Label]:
        for key, text in self.client.hgetall(self._name("labels")).items():
            run_id, stored_at, size = json.loads(text)
            yield Label(
                key.decode(), run_id, datetime.fromisoformat(stored_at), {"all": size}, starts=0
            )

    def close(self) -> None:
        """Let go of connections."""
        self.client.close()


_tidying = threading.Lock()
