"""A pytest plugin: real PostgreSQL and Redis servers, on loopback, for as long as the tests run.

The binaries are Debian's (``apt-get install postgresql redis-server``; `.ci/run` does it). Each
xdist worker that needs a server starts its own, on a free port and in a folder of its own.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from pathlib import Path

import pytest

_START_SECONDS = 60.0


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _binary(name):
    found = shutil.which(name)
    if found is None:
        debian = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
        found = str(debian[-1]) if debian else None
    if found is None:
        pytest.skip(f"{name} is not installed: apt-get install postgresql redis-server")
    return found


def _unprivileged():
    """Arguments of subprocess for a user whom PostgreSQL serves: it refuses root."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            user = pwd.getpwnam(name)
            return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    raise RuntimeError("PostgreSQL refuses to run as root, and there is no other user")


@contextlib.contextmanager
def _running(command, log, is_up, **options):
    with open(log, "wb") as out:
        server = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, **options
        )
    try:
        until = time.monotonic() + _START_SECONDS
        while not is_up():
            if server.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"{command[0]} did not start:\n{Path(log).read_text()}")
            time.sleep(0.05)
        yield server
    finally:
        server.send_signal(signal.SIGINT)  # PostgreSQL: without waiting for clients
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


@pytest.fixture(scope="session")
def _postgresql():
    import psycopg

    initdb, postgres = _binary("initdb"), _binary("postgres")
    as_user = _unprivileged()
    folder = Path(tempfile.mkdtemp(prefix="tracer-postgresql-"))
    if as_user:
        os.chown(folder, as_user["user"], as_user["group"])
    data = folder / "data"
    port = _free_port()
    try:
        subprocess.run(
            [initdb, "-D", data, "-U", "tracer", "-A", "trust", "-E", "UTF8", "--no-sync"],
            check=True,
            capture_output=True,
            cwd=folder,
            **as_user,
        )

        def is_up():
            with contextlib.suppress(psycopg.OperationalError):
                psycopg.connect(f"postgresql://tracer@127.0.0.1:{port}/postgres").close()
                return True

        command = [postgres, "-D", data, "-p", str(port), "-k", ""]
        command += ["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]
        with _running(command, folder / "log", is_up, cwd=folder, **as_user):
            yield port
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgresql_url(_postgresql):
    """URL of an empty place in a real server."""
    import psycopg

    # a schema is made in a moment, a database is not
    name = f"t_{uuid.uuid4().hex}"
    server = f"postgresql://tracer@127.0.0.1:{_postgresql}/postgres"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}")
    yield f"{server}?options=-csearch_path%3D{name}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP SCHEMA {name} CASCADE")


@pytest.fixture(scope="session")
def _redis():
    import redis

    binary = _binary("redis-server")
    folder = Path(tempfile.mkdtemp(prefix="tracer-redis-"))
    port = _free_port()
    try:

        def is_up():
            with contextlib.suppress(redis.ConnectionError), redis.Redis(port=port) as client:
                return client.ping()

        command = [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
        command += ["--appendonly", "no", "--dir", str(folder)]
        with _running(command, folder / "log", is_up, cwd=folder):
            yield port
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def redis_url(_redis):
    """URL of an empty, real server."""
    import redis

    with redis.Redis(port=_redis) as client:
        client.flushall()
    return f"redis://127.0.0.1:{_redis}/0"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.medium)])
def store_url(request, tmp_path):
    """URL of an empty store, on each database."""
    if request.param == "postgresql":
        return request.getfixturevalue("postgresql_url")
    return f"sqlite:///{tmp_path}/state/runs.sqlite"
