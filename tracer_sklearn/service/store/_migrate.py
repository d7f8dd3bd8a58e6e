"""A store is brought to this package's version when it is opened."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, inspect, text

from tracer_sklearn.exceptions import StoreError

NEWEST = "0001"
VERSION_TABLE = "tracer_schema"
# Of the transaction that changes the tables; any number does, as long as it stays.
LOCK = 0x7261_6365_0001

# alembic's `op` is global to the process
_one_at_a_time = threading.Lock()


def found_version(connection: Connection) -> str | None:
    """Return the version of the store; None of an empty one."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    found = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()
    return None if found is None else str(found)


def migrate(reading: Engine, writing: Engine, where: str) -> None:
    """Bring a store to the newest version, or refuse one that is newer.

    Two processes may do so at once: the second waits for the first one's transaction and finds
    the work done. A step that fails, or a process that dies, leaves the old version.
    """
    with reading.begin() as connection:
        if found_version(connection) == NEWEST:  # the usual case takes no lock
            return
    with _one_at_a_time, writing.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text(f"SELECT pg_advisory_xact_lock({LOCK})"))
        _upgrade(connection, where)


def _upgrade(connection: Connection, where: str) -> None:
    from alembic.operations import Operations
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory(str(Path(__file__).parent / "migrations"))
    known = {script.revision for script in scripts.walk_revisions()}
    found = found_version(connection)
    if found is not None and found not in known:
        raise StoreError.from_reason(
            "RunStore",
            f"the store must be of a version that this package knows (up to {NEWEST})",
            where,
            f"version {found} was found",
            "a newer tracer-sklearn wrote it: upgrade the package",
        )

    def steps(revision: Any, _context: Any) -> Any:
        # an empty store is at () or None, by alembic's version
        return scripts._upgrade_revs("head", revision or None)  # type: ignore[arg-type]

    options = {"fn": steps, "version_table": VERSION_TABLE}
    context = MigrationContext.configure(connection, opts=options)
    with Operations.context(context):
        context.run_migrations()
