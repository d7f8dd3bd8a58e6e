"""Worker processes: started, driven through one job, watched, stopped, and used again."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tracer_sklearn
from tracer_sklearn.exceptions import MissingDependencyError
from tracer_sklearn.service.jobs import Outcome
from tracer_sklearn.service.states import RunFailure

__all__ = ["StageHeard", "Worker", "WorkerPool", "stopped"]

# How often a worker is looked at: a cancel waits this long at most.
GLANCE_SECONDS = 0.05
# Importing everything takes two seconds, on a machine with other things to do ten times as long.
START_SECONDS = 120.0

StageHeard = Callable[[str, str], None]  # name of the stage, its state as JSON


def stopped(kind: str, message: str, *, transient: bool = False) -> Outcome:
    """Return the outcome of an attempt that did not end by itself."""
    return Outcome(
        error=RunFailure(category="processing", type=kind, message=message, transient=transient)
    )


@dataclass(eq=False)
class Worker:
    """One process, which does one job at a time.

    Parameters
    ----------
    process : subprocess.Popen
        The process, with pipes for its input and output, in a session of its own.
    number : int, default=0
        Its place among those that live at once.

    Attributes
    ----------
    jobs : int
        Jobs that it said it took.
    """

    process: subprocess.Popen[bytes]
    number: int = 0
    jobs: int = field(default=0, init=False)
    _lines: deque[bytes] = field(default_factory=deque, init=False)
    _rest: bytes = field(default=b"", init=False)
    _is_ready: bool = field(default=False, init=False)

    @classmethod
    def start(
        cls,
        number: int = 0,
        *,
        perform: str | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Worker:
        """Start one; it imports what jobs need before it says that it is ready."""
        command = [sys.executable, "-P", "-m", "tracer_sklearn.service.worker"]
        command += ["--parent", str(os.getpid())]
        if perform is not None:
            command += ["--perform", perform]
        return cls(_spawned(command, _environment() | dict(environment or {})), number)

    @property
    def is_alive(self) -> bool:
        """Whether the process runs."""
        return self.process.poll() is None

    def kill(self) -> None:
        """Stop it and whatever it started, now."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(5)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    def rss_mb(self) -> float:
        """Return the memory that it holds now, in MB; 0 when it has ended."""
        psutil = _psutil()
        try:
            return float(psutil.Process(self.process.pid).memory_info().rss) / 1e6
        except psutil.Error:
            return 0.0

    def cpu_seconds(self) -> float:
        """Return the seconds of computing that it has used; 0 when it has ended."""
        psutil = _psutil()
        try:
            used = psutil.Process(self.process.pid).cpu_times()
        except psutil.Error:
            return 0.0
        return float(used.user + used.system)

    def run(
        self,
        job: str,
        *,
        on_stage: StageHeard,
        cancelled: Callable[[], bool],
        timeout_seconds: float,
        memory_mb: float,
    ) -> Outcome:
        """Do one job, and stop the process where it must be stopped.

        The outcome is the worker's own, or has an error of type "Cancelled", "Timeout",
        "MemoryLimit" (the worker is dead then) or "WorkerLost" (it died by itself).
        """
        outcome = self.wait_until_ready(cancelled)
        if outcome is None:
            self._is_ready = False
            outcome = self._sent(job)
        if outcome is None:
            outcome = self._followed(on_stage, cancelled, timeout_seconds, memory_mb)
        if outcome.error is not None and outcome.error.type in _STOPPED:
            self.kill()
        return outcome

    def wait_until_ready(self, cancelled: Callable[[], bool]) -> Outcome | None:
        """Wait until it takes a job; return why it does not, or None."""
        deadline = time.monotonic() + START_SECONDS
        while not self._is_ready:
            for message in self._messages():
                self._is_ready |= "ready" in message
            if self._is_ready:
                break
            if cancelled():
                return _cancelled()
            if not self.is_alive or time.monotonic() > deadline:
                return self._lost()
        return None

    def _sent(self, job: str) -> Outcome | None:
        pipe = self.process.stdin
        assert pipe is not None
        try:
            pipe.write(job.encode() + b"\n")
            pipe.flush()
        except OSError:
            return self._lost()
        return None

    def _followed(
        self,
        on_stage: StageHeard,
        cancelled: Callable[[], bool],
        timeout_seconds: float,
        memory_mb: float,
    ) -> Outcome:
        deadline = time.monotonic() + timeout_seconds
        look_again = 0.0
        while True:
            was_alive = self.is_alive  # asked before reading: what it said last is still read
            for message in self._messages():
                if "taken" in message:
                    self.jobs += 1
                elif "stage" in message:
                    on_stage(message["stage"], message["state"])
                elif "outcome" in message:
                    return Outcome.model_validate_json(message["outcome"])
            if not was_alive:
                return self._lost()
            if cancelled():
                return _cancelled()
            now = time.monotonic()
            if now > deadline:
                return stopped(
                    "Timeout",
                    f"run: an attempt must end within {timeout_seconds:g} seconds, it did not and "
                    "was stopped; raise limits.timeout_seconds, or split the file.",
                )
            if now > look_again:
                look_again = now + GLANCE_SECONDS
                held = self.rss_mb()
                # Not transient: the limit is the worker's own, its neighbours do not count.
                if held > memory_mb:
                    return stopped(
                        "MemoryLimit",
                        f"run: the worker must stay below {memory_mb:g} MB, it held {held:.0f} MB "
                        "and was stopped; raise limits.memory_mb, or split the file.",
                    )

    def _messages(self) -> Iterator[dict[str, Any]]:
        """Give what it has said, waiting for it no longer than a glance.

        What is not taken from here stays for the next time.
        """
        if not self._lines:
            self._listen()
        while self._lines:
            yield json.loads(self._lines.popleft())

    def _listen(self) -> None:
        pipe = self.process.stdout
        assert pipe is not None
        with selectors.DefaultSelector() as selector:
            selector.register(pipe, selectors.EVENT_READ)
            if not selector.select(GLANCE_SECONDS):
                return
        said = os.read(pipe.fileno(), 1 << 16)
        if not said:  # closed: it is ending
            time.sleep(0.005)
            return
        *whole, self._rest = (self._rest + said).split(b"\n")
        self._lines.extend(whole)

    def _lost(self) -> Outcome:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(1)
        code = self.process.returncode
        how = "did not start in time"
        if code is not None:
            how = f"was ended by {_signal_name(-code)}" if code < 0 else f"exited with {code}"
        return stopped(
            "WorkerLost",
            f"run: the worker must live until it answers, it {how}; if it comes again, look for "
            "what ends it (the system's memory killer, an administrator).",
            transient=True,
        )


_STOPPED = {"Cancelled", "Timeout", "MemoryLimit", "WorkerLost"}


def _is_lost(outcome: Outcome) -> bool:
    return outcome.error is not None and outcome.error.type == "WorkerLost"


def _cancelled() -> Outcome:
    return stopped("Cancelled", "run: it was cancelled.")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


@dataclass(eq=False)
class WorkerPool:
    """Workers that are used again, as many as run at once.

    Parameters
    ----------
    size : int, default=3
        Most workers that are kept while they rest.
    jobs_per_worker : int, default=100
        Jobs after which a worker is replaced: what libraries leak goes with it.
    rest_mb : float, default=700.0
        Memory in MB that a worker may hold at rest; one with more is replaced.
    perform : str or None, default=None
        ``module:function`` in place of `work.perform`, for tests.
    environment : dict of str to str
        Further variables for the workers.
    on_worker : callable or None, default=None
        Gets the number of a worker, its memory in MB and its seconds of computing after each job.
    """

    size: int = 3
    jobs_per_worker: int = 100
    rest_mb: float = 700.0
    perform: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    on_worker: Callable[[int, float, float], object] | None = None
    _resting: list[Worker] = field(default_factory=list, init=False)
    _working: set[Worker] = field(default_factory=set, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _is_closed: bool = field(default=False, init=False)

    @property
    def pids(self) -> list[int]:
        """Processes of its workers."""
        with self._lock:
            return [worker.process.pid for worker in (*self._resting, *self._working)]

    def warm(self) -> None:
        """Start a worker before it is needed, where there is none."""
        with self._lock:
            if not (self._is_closed or self._resting or self._working):
                self._resting.append(self._started())

    def run(
        self,
        job: str,
        *,
        on_stage: StageHeard,
        cancelled: Callable[[], bool],
        timeout_seconds: float,
        memory_mb: float,
    ) -> Outcome:
        """Do one job in a worker; see `Worker.run`."""
        while True:
            worker = self._taken()
            if worker is None:
                return _cancelled()
            n_done = worker.jobs
            try:
                outcome = worker.run(
                    job,
                    on_stage=on_stage,
                    cancelled=cancelled,
                    timeout_seconds=timeout_seconds,
                    memory_mb=memory_mb,
                )
            except BaseException:  # of a listener; nobody hears the end of the job
                self._dismissed(worker)
                raise
            never_took_it = worker.jobs == n_done > 0
            if not (never_took_it and _is_lost(outcome)) or cancelled():
                break
            self._dismissed(worker)  # it died at rest, also when the job was sent meanwhile
        if self.on_worker is not None:
            self.on_worker(worker.number, worker.rss_mb(), worker.cpu_seconds())
        self._put_back(worker)
        return outcome

    def close(self) -> None:
        """Stop all workers."""
        with self._lock:
            self._is_closed = True
            working = list(self._working)
        self.dismiss_resting()
        for worker in working:
            worker.kill()

    def dismiss_resting(self) -> None:
        """Stop the workers that rest; those at work go on."""
        with self._lock:
            resting, self._resting = self._resting, []
        for worker in resting:
            worker.kill()

    def _started(self) -> Worker:
        taken = {worker.number for worker in (*self._resting, *self._working)}
        number = next(n for n in range(len(taken) + 1) if n not in taken)
        return Worker.start(number, perform=self.perform, environment=self.environment)

    def _taken(self) -> Worker | None:
        while True:
            with self._lock:
                if self._is_closed:
                    return None
                worker = self._resting.pop() if self._resting else self._started()
                self._working.add(worker)
            if worker.is_alive and not self._is_bloated(worker):
                return worker
            self._dismissed(worker)

    def _is_bloated(self, worker: Worker) -> bool:
        if worker.jobs == 0 or worker.rss_mb() <= self.rest_mb:
            return False
        worker.wait_until_ready(lambda: False)  # it may be giving memory back just now
        return worker.rss_mb() > self.rest_mb

    def _put_back(self, worker: Worker) -> None:
        with self._lock:
            keep = (
                not self._is_closed
                and worker.is_alive
                and worker.jobs < self.jobs_per_worker
                and len(self._resting) < self.size
            )
            if keep:
                self._working.discard(worker)
                self._resting.append(worker)
        if not keep:
            self._dismissed(worker)

    def _dismissed(self, worker: Worker) -> None:
        with self._lock:
            self._working.discard(worker)
        worker.kill()


# --------------------------------------------------------------------------------- starting them


def _environment() -> dict[str, str]:
    variables = dict(os.environ)
    root = Path(tracer_sklearn.__file__).resolve().parents[1]
    if root.name not in ("site-packages", "dist-packages"):  # a checkout: tell where it is
        known = variables.get("PYTHONPATH", "")
        variables["PYTHONPATH"] = os.pathsep.join(filter(None, (str(root), known)))
    return variables


_SPAWNER: dict[int, queue.SimpleQueue[tuple[list[str], dict[str, str], Future[Any]]]] = {}
_SPAWNER_LOCK = threading.Lock()


def _spawned(command: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """Start a process from a thread that lives as long as this process.

    Linux sends the signal of a parent's death when the *thread* that started the child ends.
    """
    with _SPAWNER_LOCK:
        orders = _SPAWNER.get(os.getpid())
        if orders is None:  # the first, or the first after a fork, which copies no threads
            orders = _SPAWNER[os.getpid()] = queue.SimpleQueue()
            threading.Thread(
                target=_spawn_forever, args=(orders,), name="tracer-spawner", daemon=True
            ).start()
    answer: Future[subprocess.Popen[bytes]] = Future()
    orders.put((command, environment, answer))
    return answer.result()


def _spawn_forever(
    orders: queue.SimpleQueue[tuple[list[str], dict[str, str], Future[Any]]],
) -> None:
    while True:
        command, environment, answer = orders.get()
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # what libraries print there may hold values
                env=environment,
                start_new_session=True,
            )
        except BaseException as error:
            answer.set_exception(error)
        else:
            answer.set_result(process)


def _psutil() -> Any:
    try:
        import psutil
    except ModuleNotFoundError:
        raise MissingDependencyError.from_extra("service", "service") from None
    return psutil
