"""Work that goes wrong as its source file asks for; runs in workers in place of `work.perform`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl

from tracer_sklearn.service.jobs import Emit, Job, Outcome
from tracer_sklearn.service.outputs import write_output
from tracer_sklearn.service.recording import Recorder, StageError
from tracer_sklearn.service.states import STAGES

PERFORM = "service_faults:perform"


def write_spec(path: Path, do: str = "nothing", **spec: object) -> Path:
    """Write a source that asks for a fault."""
    path.write_text(json.dumps({"do": do, **spec}))
    return path


def perform(job: Job, emit: Emit) -> Outcome:
    """Go through the stages; at the one that is asked for, do what is asked for."""
    spec = json.loads(Path(job.source).read_text())
    recorder = Recorder(emit, job.attempt)
    known: dict[str, object] = {}
    try:
        for name in STAGES:
            if name == "training" and job.config.target_column is None:
                continue
            with recorder.stage(name) as found:
                if name == spec.get("at", "validation") and job.attempt <= spec.get("until", 99):
                    _do(spec, job)
                if name == "output":
                    data = pl.DataFrame({"n": [spec.get("n", 1)] * spec.get("rows", 3)})
                    path = os.path.join(job.folder, "data.arrow")
                    data.write_ipc(path, compression="uncompressed")
                    known["data_path"] = path
                    if job.output is not None:
                        size, checksum = write_output(data, job.output)
                        found |= {"path": job.output, "size": size, "checksum": checksum}
    except StageError:
        pass
    return recorder.outcome(**known)


def _do(spec: dict[str, object], job: Job) -> None:
    match spec["do"]:
        case "sleep":
            time.sleep(float(spec.get("seconds", 60)))  # type: ignore[arg-type]
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "exit":
            os._exit(7)
        case "eat":
            held = []
            while True:
                held.append(bytearray(b"x" * 20_000_000))
                time.sleep(0.01)
        case "print":
            print('{"outcome": "a lie"}', flush=True)
            os.write(1, b'{"ready": 1}\n')
            sys.stderr.write("noise\n")
            sys.__stdout__.write("noise\n")
        case "child":
            child = subprocess.Popen(["sleep", "60"])
            Path(str(spec["note"])).write_text(str(child.pid))
            time.sleep(60)
        case "killed part":
            for target in (job.output, job.pipeline_path):
                folder, name = os.path.split(str(target))
                Path(folder, f".{name}.{'0' * 16}.part").write_bytes(b"half")
            os.kill(os.getpid(), signal.SIGKILL)
        case "part":  # as a worker that is stopped while it writes
            name = os.path.basename(str(job.output))
            part = Path(str(job.output)).with_name(f".{name}.{'0' * 16}.part")
            part.write_bytes(b"half")
            time.sleep(60)
        case "replaced":  # as one that is stopped between the rename and its answer
            Path(str(job.output)).write_bytes(b"new")
            time.sleep(60)
        case "leak":  # memory that no collection gives back
            _LEAKED.append(bytearray(b"x" * 100_000_000))
        case "oserror":
            raise OSError(spec["errno"], "injected", "file")
        case "memory":
            raise MemoryError
        case "raise":
            raise ValueError("secret-value")
        case "note":  # when it began and when it ended
            with open(str(spec["note"]), "a") as file:
                file.write(f"{time.time()} 1\n")
            time.sleep(float(spec.get("seconds", 0.3)))  # type: ignore[arg-type]
            with open(str(spec["note"]), "a") as file:
                file.write(f"{time.time()} -1\n")


_LEAKED: list[bytearray] = []


def raises(job: Job, emit: Emit) -> Outcome:
    """Break the promise of never raising."""
    raise ValueError("secret-value")
