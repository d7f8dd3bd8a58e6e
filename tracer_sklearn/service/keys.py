"""The key of the state folder: what only its owner can compute."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
from pathlib import Path

from tracer_sklearn.exceptions import ParameterError, StoreError

__all__ = ["derived", "keyed", "state_key"]

ENVIRONMENT = "TRACER_AUDIT_KEY"
KEY_FILE = "audit.key"
_LEAST = 16
_MADE = 32


def state_key(state_dir: str | os.PathLike[str], *, make: bool = True) -> bytes:
    """Return the key from the environment, or that of the state folder.

    Parameters
    ----------
    state_dir : path
        The folder, which is there.
    make : bool, default=True
        Whether to make a key where there is none. It is readable by its owner alone, and of two
        processes that make one at once, both use the first.

    Raises
    ------
    ParameterError
        If ``TRACER_AUDIT_KEY`` is not a key.
    StoreError
        If the key cannot be read, or is not there and none is to be made.
    """
    given = os.environ.get(ENVIRONMENT)
    if given is not None:
        return _parsed(given, f"the environment variable {ENVIRONMENT}")
    path = Path(state_dir) / KEY_FILE
    try:
        if make and not path.exists():
            written_once(path, secrets.token_hex(_MADE).encode())
        return _parsed(path.read_text("ascii", "replace"), str(path))
    except FileNotFoundError:
        reason = "the file is not there"
    except OSError as error:
        reason = error.strerror or type(error).__name__
    raise StoreError.from_reason(
        "AuditTrail",
        "the key of the trail must be readable",
        str(path),
        reason,
        f"put back its copy, or set {ENVIRONMENT} to the key in hexadecimal digits",
    )


def derived(key: bytes, purpose: str) -> bytes:
    """Return a key for one purpose, from which the others cannot be found."""
    return hmac.digest(key, f"tracer {purpose}".encode(), hashlib.sha256)


def keyed(key: bytes, content: bytes) -> str:
    """Return the HMAC of a content, in hexadecimal digits."""
    return hmac.digest(key, content, hashlib.sha256).hex()


def written_once(path: Path, content: bytes) -> None:
    """Write a file of its owner's that nobody sees half written; one that is there is kept."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(part, path)  # unlike a rename, this never replaces
    finally:
        part.unlink(missing_ok=True)


def _parsed(text: str, where: str) -> bytes:
    try:
        key = bytes.fromhex(text.strip())
    except ValueError:
        key = b""
    if len(key) < _LEAST:  # neither the text nor its length is shown
        raise ParameterError(
            f"AuditTrail: the key must be at least {2 * _LEAST} hexadecimal digits, {where} holds "
            f"something else; put back its copy, or make one with `openssl rand -hex {_MADE}`.",
            parameter="key",
        )
    return key
