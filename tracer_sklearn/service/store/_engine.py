"""Connections: how SQLite and PostgreSQL are opened, and what their failures mean."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, exc, make_url

from tracer_sklearn._params import fail
from tracer_sklearn.exceptions import MissingDependencyError, StoreError

WHO = "RunStore"
BUSY_SECONDS = 30
WRITES = "tracer_writes"

_DAMAGE = ("not a database", "malformed", "disk image", "unsupported file format")
# Told by the driver only in words.
_PASSING = ("locked", "busy", "timeout", "timed out")
ADVICE_OF_DAMAGE = (
    "stop every process that uses it and put back a copy, or open it with "
    "on_corrupt='set_aside', which keeps the file under another name and begins a new store"
)


def chosen_url(url: str | None, state_dir: Path) -> URL:
    """Return where the store lives; by default a file in the state folder."""
    if url is None:
        return URL.create("sqlite", database=str(state_dir / "runs.sqlite"))
    must = "a URL such as sqlite:///runs.sqlite or postgresql://user@host/name"
    try:
        made = make_url(url)
    except exc.ArgumentError:
        # the text is not shown: it may hold a password
        raise fail(WHO, "url", must, "another text") from None
    backend = made.get_backend_name()
    if backend == "sqlite" and made.database and made.database != ":memory:":
        return made.set(drivername="sqlite")
    if backend in ("postgresql", "postgres"):
        return made.set(drivername="postgresql+psycopg")
    raise fail(WHO, "url", must, made.render_as_string(hide_password=True))


def shown(url: URL) -> str:
    """Return the file, or the URL without its password."""
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    return url.render_as_string(hide_password=True)


def made_engine(url: URL) -> Engine:
    """Return an engine whose connections wait, check foreign keys and lose nothing."""
    if url.get_backend_name() == "sqlite":
        engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS})
        event.listen(engine, "connect", _configure_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    try:
        engine = create_engine(
            url,
            pool_pre_ping=True,
            connect_args={"connect_timeout": 10, "application_name": "tracer"},
        )
    except ModuleNotFoundError as error:
        raise MissingDependencyError.from_extra("RunStore on PostgreSQL", "postgresql") from error
    event.listen(engine, "begin", _begin_postgresql)
    return engine


def _configure_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    # The driver would begin transactions by itself, late and never immediate.
    connection.isolation_level = None
    for pragma in (
        f"busy_timeout={BUSY_SECONDS * 1000}",
        "foreign_keys=ON",
        "secure_delete=ON",  # what retention erases is not left in free pages
        "synchronous=FULL",
        "fullfsync=ON",  # macOS: an fsync that reaches the disk
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(WRITES)
    if writes is None:
        connection.exec_driver_sql("BEGIN")
        return
    # With WAL, NORMAL may lose the last commits when the power fails, FULL costs one fsync each.
    # A run that its caller saw COMPLETED must stay so; progress need not.
    synchronous = "FULL" if writes == "durable" else "NORMAL"
    connection.exec_driver_sql(f"PRAGMA synchronous={synchronous}")
    # A transaction that reads first and writes later cannot wait for another writer: it fails.
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _begin_postgresql(connection: Connection) -> None:
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{BUSY_SECONDS}s'")
    if connection.get_execution_options().get(WRITES) == "quick":
        connection.exec_driver_sql("SET LOCAL synchronous_commit = off")


def prepare_sqlite(engine: Engine, path: Path) -> None:
    """Make the file if it is not there, look whether it is sound, and turn on WAL."""
    # for the owner alone: it holds names of files and people. -wal and -shm get the same mode
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    with engine.connect() as connection:
        raw = connection.connection.driver_connection
        assert isinstance(raw, sqlite3.Connection)
        found = raw.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise damaged(str(path), str(found))
        # Unlike other statements, this one does not wait for a process that does the same.
        until = time.monotonic() + BUSY_SECONDS
        while True:
            try:
                raw.execute("PRAGMA journal_mode=WAL")
                return
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > until:
                    raise
                time.sleep(0.02)


def damaged(where: str, reason: str) -> StoreError:
    """Phrase the error of a store whose content is broken."""
    return StoreError.from_reason(
        WHO, "the store must be readable", where, reason, ADVICE_OF_DAMAGE, damaged=True
    )


@contextmanager
def phrased(where: str) -> Iterator[None]:
    """Raise StoreError for whatever the database or the disk answers."""
    try:
        yield
    except exc.DBAPIError as error:
        raise _store_error(where, error.orig or error, lost=error.connection_invalidated) from error
    except (exc.SQLAlchemyError, sqlite3.Error, OSError) as error:
        raise _store_error(where, error, lost=isinstance(error, exc.TimeoutError)) from error


def _store_error(where: str, error: BaseException, *, lost: bool) -> StoreError:
    reason = " ".join(str(error).split()) or type(error).__name__
    if any(words in reason for words in _DAMAGE):
        return damaged(where, reason)
    if "disk is full" in reason or "No space left" in reason or "Disk full" in reason:
        advice = "free some space on its disk and try again"
    elif "readonly" in reason or "unable to open" in reason or isinstance(error, PermissionError):
        advice = (
            "let this user read and write the file and its folder, or name another state folder"
        )
    else:
        advice = "see whether its disk or server answers, and try again"
    # psycopg tells a lost or absent server by this class
    operational = type(error).__name__ in ("OperationalError", "LockNotAvailable", "AdminShutdown")
    server = where.startswith("postgresql") and operational
    passing = lost or server or any(words in reason for words in _PASSING)
    must = "the store must be readable and writable"
    return StoreError.from_reason(WHO, must, where, reason, advice, transient=passing)


def set_aside(path: Path, companions: list[Path]) -> list[Path]:
    """Give a damaged store, and what belongs to it, names that nobody uses."""
    mark = datetime.now(UTC).strftime("corrupt-%Y%m%dT%H%M%S%f")
    files = [path, *(path.with_name(path.name + end) for end in ("-wal", "-shm", "-journal"))]
    moved = []
    for file in (*files, *companions):
        if file.exists():
            target = file.with_name(f"{file.name}.{mark}")
            shutil.move(file, target)
            moved.append(target)
    return moved
