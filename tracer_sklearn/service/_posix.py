"""What only POSIX systems have, and the service needs: locks of files, and limits of processes."""

from __future__ import annotations

from tracer_sklearn.exceptions import MissingDependencyError

try:
    import fcntl
    import resource
except ModuleNotFoundError:
    raise MissingDependencyError(
        "DataPipeline: the system must be a POSIX one such as Linux or macOS, its locks of files "
        "and measures of processes were not found; run it there, on Windows in WSL or a container. "
        "Readers, stages and pipelines run here, too."
    ) from None

__all__ = ["fcntl", "resource"]
