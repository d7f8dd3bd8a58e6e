"""Reading CSV beside pyarrow and pandas: `python tests/benchmarks/reading.py [megabytes]`."""

from __future__ import annotations

import gzip
import io
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow.csv
from timing import best_times, in_new_process, table

import tracer_sklearn as ts
from tracer_sklearn.io._opening import Words, open_table
from tracer_sklearn.io._source import open_source

ANY_SIZE = ts.IngestionLimits(max_bytes=None)
DATES = ["created", "last_seen"]
REAL = Path(os.environ.get("TRACER_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))


def customers(rows: int, seed: int = 0) -> pl.DataFrame:
    """Eight columns of customers, two of them dates."""
    draw = np.random.default_rng(seed)
    seconds = draw.integers(15_000 * 86_400, 19_700 * 86_400, rows) * 1_000_000
    return pl.DataFrame(
        {
            "customer_id": np.arange(10_000_000, 10_000_000 + rows),
            "created": pl.Series(draw.integers(14_000, 19_700, rows)).cast(pl.Int32).cast(pl.Date),
            "last_seen": pl.Series(seconds).cast(pl.Datetime("us")),
            "total": np.round(draw.gamma(2, 100, rows), 2),
            "tickets": draw.poisson(3, rows),
            "share": np.round(draw.random(rows), 4),
            "plan": np.array(["basic", "pro", "enterprise", "trial"])[draw.integers(0, 4, rows)],
            "country": np.array(["United Kingdom", "France", "Spain"])[draw.integers(0, 3, rows)],
        }
    )


def write(path: Path, megabytes: int) -> None:
    """Write a clean file of about this size."""
    part = customers(200_000)
    part.head(0).write_csv(path)
    text = part.write_csv(include_header=False, datetime_format="%Y-%m-%d %H:%M:%S").encode()
    with path.open("ab") as file:
        for _ in range(max(1, round(megabytes * 1e6 / len(text)))):
            file.write(text)


def speed(path: Path, repeats: int = 3) -> dict[str, float]:
    """Megabytes a second of each reader, typed."""
    tasks: dict[str, Callable[[], Any]] = {
        "pyarrow": lambda: pyarrow.csv.read_csv(path),
        "Tracer": lambda: ts.read_csv(path, as_="polars", limits=ANY_SIZE),
        "pandas": lambda: pd.read_csv(path, parse_dates=DATES),
    }
    megabytes = path.stat().st_size / 1e6
    return {name: megabytes / took for name, took in best_times(tasks, repeats).items()}


def detection(path: Path) -> float:
    """Milliseconds to decide how a file is read."""
    data = path.read_bytes()[:1_000_000]
    best = float("inf")
    for _ in range(5):
        with open_source(data) as source:
            start = time.perf_counter()
            open_table(source, Words(), whole=True)
            best = min(best, time.perf_counter() - start)
    return 1000 * best


def awkward(path: Path) -> dict[str, float]:
    """Megabytes a second of files that are not plain."""
    text = pl.read_csv(path, n_rows=300_000, infer_schema=False)
    plain = text.write_csv()
    comma = text.with_columns(pl.col("total", "share").str.replace(".", ",", literal=True))
    lines = plain.split("\n")[:-1]
    short = [line if n % 7 else line.rpartition(",")[0] for n, line in enumerate(lines[1:])]
    files = {
        "every cell quoted": text.write_csv(quote_style="always"),
        "CR LF": plain.replace("\n", "\r\n"),
        "semicolons and decimal commas": comma.write_csv(separator=";"),
        "customer_id is text": text.with_columns("K" + pl.col("customer_id")).write_csv(),
        "every seventh row is short": "\n".join([lines[0], *short, ""]),
    }
    found = {}
    for name, written in files.items():
        data = written.encode()
        start = time.perf_counter()
        ts.read_csv(data, as_="polars", limits=ANY_SIZE)
        found[name] = len(data) / 1e6 / (time.perf_counter() - start)
    return found


def memory() -> dict[str, tuple[float, float]]:
    """Megabytes of `pandas.read_csv`, and in the types that the report names."""
    found = {}
    generated = customers(1_000_000).write_csv(datetime_format="%Y-%m-%d %H:%M:%S").encode()
    sources: dict[str, Any] = {"generated customers": generated}
    for name in ("online_retail.csv.gz", "telco_customer_churn_ibm.csv"):
        if (REAL / name).exists():
            sources[name] = REAL / name
    for name, source in sources.items():
        report = ts.read_csv(source, as_="polars", limits=ANY_SIZE).report
        if isinstance(source, bytes):
            with tempfile.NamedTemporaryFile(suffix=".csv") as file:
                file.write(source)
                file.flush()
                peer = pd.read_csv(file.name)
        else:
            peer = pd.read_csv(source)
        found[name] = (peer.memory_usage(deep=True).sum() / 1e6, report.memory_after / 1e6)
    return found


HOSTED = """
import sys
import pandas, polars, pyarrow.csv
sys.path.insert(0, {here!r})
import reading
from tracer_sklearn import iter_csv
def peak():
    # a child's ru_maxrss starts at its parent's, this does not
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024
source = {source}
before = peak()
rows = 0
for batch in iter_csv(source):
    rows += len(batch)
print(peak() - before)
"""


class Compressed(io.RawIOBase):
    """A gzip file of about so many megabytes, made while it is read: one part over and over."""

    def __init__(self, megabytes: int) -> None:
        part = customers(200_000)
        head = part.head(0).write_csv().encode()
        text = part.write_csv(include_header=False, datetime_format="%Y-%m-%d %H:%M:%S").encode()
        self._part = gzip.compress(text, 1)
        self._held = gzip.compress(head)
        self._left = round(megabytes * 1e6 / len(text))

    def readable(self) -> bool:
        return True

    def read(self, n: int = -1) -> bytes:
        if not self._held and self._left:
            self._held, self._left = self._part, self._left - 1
        n = len(self._held) if n < 0 else n
        data, self._held = self._held[:n], self._held[n:]
        return data


def batch_memory(path: Path) -> float:
    """Mebibytes that `iter_csv` takes beside the imports."""
    code = HOSTED.format(source=repr(str(path)), here=str(Path(__file__).parent))
    return float(in_new_process(code))


def compressed_batch_memory(megabytes: int) -> float:
    """Mebibytes that `iter_csv` takes on a compressed file of so many megabytes."""
    source = f"reading.Compressed({megabytes})"
    return float(in_new_process(HOSTED.format(source=source, here=str(Path(__file__).parent))))


def main(megabytes: int = 500) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clean.csv"
        write(path, megabytes)
        rates = speed(path)
        rows = {
            name: {"MB/s": f"{rate:.0f}", "times pyarrow": f"{rate / rates['pyarrow']:.2f}"}
            for name, rate in rates.items()
        }
        print(table(f"clean file of {megabytes} MB", rows), end="\n\n")
        rest = {name: {"MB/s": f"{rate:.0f}"} for name, rate in awkward(path).items()}
        print(table("Tracer on other files", rest), end="\n\n")
        print(f"Detection on 1 MB: {detection(path):.0f} ms", end="\n\n")
        print(f"iter_csv takes {batch_memory(path):.0f} MiB beside the imports", end="\n\n")
    kept = {
        name: {"pandas, MB": f"{peer:.1f}", "reduced, MB": f"{mine:.1f}",
               "saved": f"{1 - mine / peer:.0%}"}
        for name, (peer, mine) in memory().items()
    }  # fmt: skip
    print(table("memory", kept))


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:]))
