"""What a cached result is, and the bytes that it is kept as."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tracer_sklearn._params import fail
from tracer_sklearn.service.states import now

Content = bytes | memoryview
Part = Content | Path | None

PARTS = ("outcome", "pipeline", "manifest", "frame")
_BESIDE = "frame"
_MAGIC = b"TRACER-RESULT-2\n"
_LENGTH = 8
_CODE = 32
_CHUNK = 1 << 20
_KEY = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class CachedResult:
    """What a run made, as bytes; never pickled objects.

    Parameters
    ----------
    outcome : str
        The run's state as JSON, without what is personal.
    frame : bytes, memoryview, Path or None, default=None
        The data set in Arrow's or Parquet's format. A path stands for the file's content: a folder
        links to it where it can, so it must not be changed any more, only replaced or removed.
        `ResultCache.get` returns memory.
    pipeline, manifest : bytes, memoryview, Path or None, default=None
        The saved pipeline and its manifest.
    frame_checksum : str or None, default=None
        SHA-256 of the frame, where it is known; None computes it. With a wrong one the entry counts
        as damaged.

    Examples
    --------
    >>> import tempfile
    >>> from tracer_sklearn.service import CachedResult, cache_key, open_cache
    >>> key = cache_key(1024, "0" * 64, "customer_churn", {}, "1.0.0")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     cache = open_cache(state_dir=folder)
    ...     stored = cache.put(key, CachedResult('{"run_id": "01"}', frame=b"ARROW1..."))
    ...     found = cache.get(key)
    >>> stored, found.outcome, bytes(found.frame), found.pipeline
    (True, '{"run_id": "01"}', b'ARROW1...', None)
    """

    outcome: str
    frame: Part = None
    pipeline: Part = None
    manifest: Part = None
    frame_checksum: str | None = None


@dataclass(frozen=True)
class Label:
    """What an entry says of itself before its content."""

    key: str
    run_id: str
    stored_at: datetime
    sizes: dict[str, int]
    checksums: dict[str, str]
    ends: int


def check_key(key: object) -> None:
    """Require a key as `cache_key` makes them: it becomes the name of a file."""
    if not (isinstance(key, str) and _KEY.fullmatch(key)):
        raise fail("ResultCache", "key", "made by cache_key", key)


def check_result(result: object) -> None:
    """Require what `packed` can write: a state as JSON, and parts that are bytes or files."""
    who = "ResultCache.put"
    if not isinstance(result, CachedResult):
        raise fail(who, "result", "a CachedResult", result, "make one of the state and the files")
    try:
        result.outcome.encode()
        state = json.loads(result.outcome)
    except (AttributeError, ValueError, RecursionError):
        state = None
    if not isinstance(state, dict):
        must = "the state of a run as JSON"
        raise fail(who, "outcome", must, _short(result.outcome), "give state.model_dump_json()")
    for name in PARTS[1:]:
        part = getattr(result, name)
        if part is not None and not isinstance(part, bytes | bytearray | memoryview | Path):
            raise fail(who, name, "bytes, memoryview, Path or None", _short(part))


def _short(value: object) -> object:
    return value[:60] if isinstance(value, str) else type(value).__name__


def size_of(part: Part) -> int:
    """Return how many bytes a part has."""
    if part is None:
        return 0
    return part.stat().st_size if isinstance(part, Path) else len(part)


def packed(key: str, result: CachedResult, secret: bytes) -> Iterator[Content]:
    """Yield the bytes of an entry: a label with the digest of each part, a code, and the parts.

    The frame is kept beside them, where it need not be copied. The code is keyed: whoever can
    write to the cache, but has not the key, cannot make an entry.
    """
    parts: dict[str, Content | Path] = {"outcome": result.outcome.encode()}
    parts |= {name: part for name in PARTS[1:] if (part := getattr(result, name)) is not None}
    known = {"frame": result.frame_checksum}
    label = json.dumps(
        {
            "key": key,
            "run_id": json.loads(result.outcome).get("run_id", ""),
            "stored_at": now().isoformat(),
            "sizes": {name: size_of(part) for name, part in parts.items()},
            "checksums": {
                name: known.get(name) or _checksum(chunks_of(part)) for name, part in parts.items()
            },
        }
    ).encode()
    start = _MAGIC + len(label).to_bytes(_LENGTH, "big") + label
    yield start + hmac.digest(secret, start, "sha256")
    for name, part in parts.items():
        if name != _BESIDE:
            yield from chunks_of(part)


def chunks_of(part: Content | Path) -> Iterator[Content]:
    """Yield the bytes of a part."""
    if isinstance(part, Path):
        with part.open("rb") as file:
            while chunk := file.read(_CHUNK):
                yield chunk
    else:
        yield part


def _checksum(chunks: Iterable[Content]) -> str:
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
    return digest.hexdigest()


def label_of(start: Content) -> Label | None:
    """Read the label at the start of an entry; None where there is none."""
    try:
        if bytes(start[: len(_MAGIC)]) != _MAGIC:
            return None
        at = len(_MAGIC) + _LENGTH
        end = at + int.from_bytes(start[len(_MAGIC) : at], "big")
        facts = json.loads(bytes(start[at:end]))
        key, run_id = facts["key"], facts["run_id"]
        stored_at = datetime.fromisoformat(facts["stored_at"])
        # who looks for what is due believes these without a key
        if not (isinstance(key, str) and isinstance(run_id, str) and stored_at.tzinfo):
            return None
        return Label(key, run_id, stored_at, facts["sizes"], facts["checksums"], end)
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None


def unpacked(key: str, entry: Content, frame: Content | None, secret: bytes) -> CachedResult | None:
    """Return what an entry holds; None unless it is whole, made with the key, and for this key."""
    view = memoryview(entry)
    label = label_of(view)
    if label is None or label.key != key:
        return None
    at = label.ends + _CODE
    code = hmac.digest(secret, view[: label.ends], "sha256")
    # what the label says is believed from here on
    if not hmac.compare_digest(code, view[label.ends : at]):
        return None
    parts: dict[str, Content] = {}
    for name, size in label.sizes.items():
        if name != _BESIDE:
            parts[name] = view[at : at + size]
            at += size
        elif frame is None:
            return None
        else:
            parts[name] = frame
    whole = all(_checksum([part]) == label.checksums[name] for name, part in parts.items())
    if at != len(view) or not whole:
        return None
    return CachedResult(
        bytes(parts["outcome"]).decode(),
        parts.get("frame"),
        parts.get("pipeline"),
        parts.get("manifest"),
    )


def read_label(path: str | os.PathLike[str]) -> Label | None:
    """Read the label of an entry's file."""
    try:
        with open(path, "rb") as file:
            return label_of(file.read(8192))
    except OSError:
        return None
