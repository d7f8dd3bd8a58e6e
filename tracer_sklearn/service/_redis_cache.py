"""The result cache of several machines: a Redis server."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from tracer_sklearn.service._entries import CachedResult, Content, Label, chunks_of, packed
from tracer_sklearn.service._result_cache import ResultCache
from tracer_sklearn.service.keys import derived
from tracer_sklearn.service.states import now

_KINDS = ("entry", "frame")
_LONGEST = 512 * 1024 * 1024  # of a value, by its protocol


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
        super().__init__(secret, max_bytes)
        self.client = client

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

    def _has_any(self, prefix: str) -> bool:
        some = self.client.hscan_iter(self._name("labels"), match=f"{prefix}*", count=1000)
        return next(some, None) is not None

    def _read(self, key: str) -> tuple[Content, Content | None] | None:
        names = [self._name(f"{kind}:{key}") for kind in _KINDS]
        entry, frame = self.client.mget(names)
        if entry is None:
            self._remove(key)  # the server may have dropped it by itself
            return None
        self.client.zadd(self._name("used"), {key: now().timestamp()}, xx=True)
        return entry, frame

    def _write(self, key: str, result: CachedResult) -> bool:
        entry = b"".join(packed(key, result, self.secret))
        frame = None if result.frame is None else b"".join(chunks_of(result.frame))
        size = len(entry) + len(frame or b"")
        if size > self.max_bytes or max(len(entry), len(frame or b"")) > _LONGEST:
            return False
        run_id = json.loads(result.outcome).get("run_id", "")
        label = json.dumps([run_id, now().isoformat(), size])
        with self.client.pipeline(transaction=True) as pipe:
            for kind, content in zip(_KINDS, (entry, frame), strict=True):
                name = self._name(f"{kind}:{key}")
                # an earlier result of this key may have had a frame
                pipe.delete(name) if content is None else pipe.set(name, content)
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
        text = self.client.hget(self._name("labels"), key)
        label = None if text is None else _label(key, text)
        return 0 if label is None else label.sizes["all"]

    def _remove(self, key: str) -> bool:
        with self.client.pipeline(transaction=True) as pipe:
            pipe.delete(*(self._name(f"{kind}:{key}") for kind in _KINDS))
            pipe.zrem(self._name("used"), key)
            pipe.hdel(self._name("labels"), key)
            return bool(pipe.execute()[0])

    def _labels(self) -> Iterator[Label]:
        for key, text in self.client.hgetall(self._name("labels")).items():
            label = _label(key.decode(errors="replace"), text)
            if label is None:
                self.client.hdel(self._name("labels"), key)
                self._remove(key.decode(errors="replace"))
                self._count("damaged")
            else:
                yield label

    def close(self) -> None:
        """Let go of connections."""
        self.client.close()


def _label(key: str, text: bytes) -> Label | None:
    """Return what is told of an entry without reading it; None where that is damaged."""
    try:
        run_id, stored_at, size = json.loads(text)
        moment = datetime.fromisoformat(stored_at)
    except (ValueError, TypeError, RecursionError):
        return None
    if not (isinstance(run_id, str) and isinstance(size, int) and moment.tzinfo):
        return None
    return Label(key, run_id, moment, {"all": size}, {}, ends=0)
