"""The account of every run, in a SQLite file or in PostgreSQL."""

from tracer_sklearn.exceptions import MissingDependencyError

try:
    import alembic  # noqa: F401
    import psutil  # noqa: F401
    import sqlalchemy  # noqa: F401
except ImportError as error:
    raise MissingDependencyError.from_extra("The run store", "service") from error

from tracer_sklearn.service.store.runs import RunStore

__all__ = ["RunStore"]
