"""What other processes do to a store while tests watch; forked, with everything loaded."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import time
from multiprocessing import forkserver
from pathlib import Path

from tracer_sklearn.service.audit import AuditTrail
from tracer_sklearn.service.states import IngestionState, RunState, now
from tracer_sklearn.service.store import RunStore

_FORKS = multiprocessing.get_context("forkserver")
_HERE = Path(__file__).resolve().parent


def _server():
    """Start what forks, once, with everything loaded: each process would take seconds otherwise."""
    # It is a process of its own, and learns of the folders by the environment alone.
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(_HERE.parent), str(_HERE)])
    try:
        _FORKS.set_forkserver_preload(["service_processes", "alembic.runtime.migration"])
        forkserver.ensure_running()
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


class Other:
    """A process that runs `target(say, *arguments)`, and what it said."""

    def __init__(self, target, *arguments):
        _server()
        self.ear, mouth = _FORKS.Pipe(duplex=False)
        self.process = _FORKS.Process(target=_run, args=(target, mouth, arguments), daemon=True)
        self.process.start()
        mouth.close()
        self.said = []

    @property
    def pid(self):
        return self.process.pid

    def hear(self, seconds=120):
        assert self.ear.poll(seconds), "the other process says nothing"
        self.said.append(self.ear.recv())
        return self.said[-1]

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)

    def everything(self):
        """Wait for its end, and return all that it said."""
        with contextlib.suppress(EOFError, OSError):
            while True:
                self.said.append(self.ear.recv())
        self.process.join(120)
        assert not self.process.is_alive()
        return self.said


def _run(target, mouth, arguments):
    target(mouth.send, *arguments)


def made(run_id, **parts):
    """The state of a run."""
    parts = {"created_at": now(), "blueprint": "customer_churn", "source": "a.csv", **parts}
    return RunState(run_id=run_id, correlation_id=run_id, package_version="0", **parts)


def works(say, url, folder):
    """Have runs in every state, and do nothing more."""
    store = RunStore.open(url, state_dir=folder)
    reading = IngestionState(status="IN_PROGRESS", attempts=1)
    store.create(made("reading", status="IN_PROGRESS", started_at=now(), ingestion=reading))
    store.create(made("waiting"))
    store.create(made("done", status="COMPLETED"))
    say("ready")
    time.sleep(120)


def opens(say, url, folder, at, name):
    """Open a store at a moment, together with others, and write to it."""
    time.sleep(max(0.0, at - time.time()))
    with RunStore.open(url, state_dir=folder) as store:
        store.create(made(name))
        AuditTrail.open(store).append("run.created", principal="ana")


def writes(say, url, folder, name, n=100_000):
    """Have one run after the other, and say the name of each that is complete."""
    store = RunStore.open(url, state_dir=folder)
    trail = AuditTrail.open(store)
    say("ready")
    for i in range(n):
        run = f"{name}-{i}"
        store.create(made(run))
        trail.append("run.created", run_id=run, principal="ana", details={"source": "a.csv"})
        store.save(made(run, status="IN_PROGRESS"))
        store.save(made(run, status="COMPLETED"))
        trail.append("run.completed", run_id=run, principal="ana")
        say(run)
