"""What every result cache does, wherever it keeps the entries."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator
from datetime import datetime

from tracer_sklearn._params import check_integer, check_moment
from tracer_sklearn.exceptions import StoreError
from tracer_sklearn.service._entries import (
    PARTS,
    CachedResult,
    Content,
    Label,
    check_key,
    check_result,
    size_of,
    unpacked,
)


def size_prefix(size: int) -> str:
    """Return how the keys of a file of this size begin."""
    check_integer("cache_key", "size", size, low=0)
    return f"{size:012x}"[-12:]


class ResultCache(ABC):
    """Keep results by key; `open_cache` opens one.

    It never fails a run: what cannot be read, is damaged or was made without the key is a miss,
    and what cannot be stored is not stored. `stats` counts both. Only `delete_runs` and
    `delete_older` tell of a failure, because data stays then that must not.

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
    >>> key = cache_key(1024, "0" * 64, "customer_churn", {}, "1.0.0")
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
        found: tuple[Content, Content | None] | None = None
        with self._spared():
            found = self._read(key)
        if found is None:
            self._count("misses")
            return None
        result = unpacked(key, *found, self.secret)
        if result is None:
            self._count("damaged")
            self._count("misses")
            self.delete(key)
            return None
        self._count("hits")
        return result

    def may_hold(self, size: int) -> bool:
        """Tell whether there may be a result of a file of this size; it is not read for that.

        Parameters
        ----------
        size : int >= 0
            Bytes of the file as stored.

        Returns
        -------
        bool
            False where there surely is none.

        Raises
        ------
        ParameterError
            If ``size`` is no integer >= 0.
        """
        prefix = size_prefix(size)
        found = False
        with self._spared():
            found |= self._has_any(prefix)
        return found

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
        StoreError
            As for `delete_runs`.
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

        Raises
        ------
        StoreError
            If some of them may still be there, because disk or server refuse; the others are gone.
        """
        ids = set(run_ids)
        return self._delete_where(lambda label: label.run_id in ids) if ids else 0

    def _delete_where(self, due: Callable[[Label], bool]) -> int:
        n = 0
        found: list[str] | None = None
        with self._spared():
            found = [label.key for label in self._labels() if due(label)]
        left = set(found or ())
        for key in found or ():
            with self._spared():
                n += self._remove(key)
                left.remove(key)
        if found is None or left:  # unlike a run, an erasure must not go on as if it were done
            raise StoreError.from_reason(
                "ResultCache",
                "what is due must be deleted",
                "the cache",
                "it does not answer" if found is None else f"{len(left)} entries stay",
                "see to its folder or server, then sweep again",
                transient=True,
            )
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
    def _has_any(self, prefix: str) -> bool: ...

    @abstractmethod
    def _read(self, key: str) -> tuple[Content, Content | None] | None: ...

    @abstractmethod
    def _write(self, key: str, result: CachedResult) -> bool: ...

    @abstractmethod
    def _remove(self, key: str) -> bool: ...

    @abstractmethod
    def _labels(self) -> Iterator[Label]: ...


class NoCache(ResultCache):
    """Keep nothing."""

    def _has_any(self, prefix: str) -> bool:  # noqa: ARG002
        return False

    def _read(self, key: str) -> None:  # noqa: ARG002
        return None

    def _write(self, key: str, result: CachedResult) -> bool:  # noqa: ARG002
        return False

    def _remove(self, key: str) -> bool:  # noqa: ARG002
        return False

    def _labels(self) -> Iterator[Label]:
        return iter(())
