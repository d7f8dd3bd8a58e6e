"""The result cache: a file that was seen before is answered at once."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tracer_sklearn._params import check_integer, fail
from tracer_sklearn.exceptions import MissingDependencyError, StoreError
from tracer_sklearn.service._entries import CachedResult
from tracer_sklearn.service._folder_cache import FolderCache
from tracer_sklearn.service._redis_cache import RedisCache
from tracer_sklearn.service._result_cache import NoCache, ResultCache, size_prefix
from tracer_sklearn.service.config import PipelineConfig
from tracer_sklearn.service.keys import derived, state_key

__all__ = ["CachedResult", "ResultCache", "cache_key", "open_cache"]

MAX_BYTES = 2_000_000_000
# A result is only as good as the libraries that made it.
_MADE_WITH = ("numpy", "polars", "scikit-learn")
_REDIS_SECONDS = 10.0


def cache_key(
    size: int,
    checksum: str,
    blueprint: str,
    config: PipelineConfig | Mapping[str, Any],
    package_version: str,
    fitted_checksum: str | None = None,
) -> str:
    """Name the result that a file gives.

    Parameters
    ----------
    size : int >= 0
        Bytes of the file as stored.
    checksum : str
        Their SHA-256.
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
        64 hexadecimal digits. Those of the size come first, so that `ResultCache.may_hold` can tell
        a file that is surely new without reading it.

    Raises
    ------
    ParameterError
        If ``size`` is no integer >= 0, or ``config`` is a dict with a key or value that is not
        legal.

    Examples
    --------
    >>> from tracer_sklearn.service import cache_key
    >>> def key(config):
    ...     return cache_key(1024, "0" * 64, "customer_churn", config, "1.0.0")
    >>> key({"n_splits": 5}) == key({}), key({"retention": {"outputs_days": 7}}) == key({})
    (False, True)
    """
    if not isinstance(config, PipelineConfig):
        config = PipelineConfig(**config)
    made_with = {name: importlib.metadata.version(name) for name in _MADE_WITH}
    decides = {name: part for name, part in config.to_dict().items() if name != "retention"}
    facts = [checksum, blueprint, decides, package_version, fitted_checksum, made_with]
    prefix = size_prefix(size)
    return prefix + hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[12:]


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
    ...     print(cache.get(cache_key(1024, "0" * 64, "customer_churn", {}, "1.0.0")))
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
