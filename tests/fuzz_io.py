"""Bytes that nobody foresaw: whatever is read is a table with an exact account, or is refused.

``python tests/fuzz_io.py 1000000 --seed 7 --workers 2`` runs as many inputs, and keeps each one
that breaks something under ``fuzz_failures/``. The medium tier runs 10,000.
"""

from __future__ import annotations

import argparse
import bz2
import concurrent.futures
import contextlib
import faulthandler
import gzip
import hashlib
import lzma
import multiprocessing
import os
import random
import resource
import sys
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa

import tracer_sklearn as ts
from tracer_sklearn.io._opening import Words, open_table
from tracer_sklearn.io._source import open_source

MIB = 1 << 20
LIMITS = ts.IngestionLimits(max_bytes=64 * MIB)
SLOWEST_SECONDS = 5.0  # the mark for hostile files, under coverage and beside another worker
WATCHDOG_SECONDS = 30.0

SEEDS = [
    b"id,since,spend\n1,2024-01-31,12.50\n2,2024-02-01,7.25\n3,,-1.00\n",
    "Kunden per 31.12.\r\n\r\nNr;Umsatz;seit\r\n007;1.234,50 €;31.01.2024\r\n".encode("cp1252"),
    b'name,note\n"Smith, J","two\nlines"\n"O""Brien",x\n',
    "Naïve;Größe;Œuvre\n1;2;3\n".encode(),
    "a\tb\tc\n1\t2\t3\n".encode("utf-16"),
    "a;b\nä;ö\n".encode("utf-16-le"),
    b"a, b, c\n1, 2, 3\n4, 5, 6\n",
    b"a|b|c\r1|2|3\r4|5|6\r",
    b"x y z\n1 2 3\n",
    b"2024-01-01,5\n2024-01-02,6\n2024-01-03,7\n",
    b",,Q1,,Q2,\nregion,shop,net,gross,net,gross\nN,1,10,12,11,13\n\nTotal,,10,12,11,13\n",
    b"a,b\n1,2\n\n\nc,d,e\n3,4,5\n6,7,8\n",
    b"a,b,\n1,2,\n3,4,\n",
    b"a,a,b \n1,2,3\n4,5\n6,7,8,9\n",
    b"v\n141.93K\n(1,234)\nCHF 1'234\n-5%\nNULL\n#N/A\n",
    b"d\n1-Oct-08\n31/12/1999\n1955/1/1\n20240131\n1706659200\n",
    b'{"a": 1}\n{"a": 2}\n',
    b"sep=;\na;b\n1;2\n",
    b"\xef\xbb\xbfa,b\n1,2\n",
    "氏名,年\n田中,5\n".encode("cp932"),
]
TOKENS = [
    *(bytes([byte]) for byte in b"\"',;|\t \r\n\0\\=+-@#%$()[]{}.:/"),
    b"\r\r\n",
    b'""',
    b'"""',
    b'","',
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"\xfe\xff",
    b"\x1f\x8b\x08",
    b"PK\x03\x04",
    b"(\xb5/\xfd",
    b"BZh91AY&SY",
    b"\xfd7zXZ\x00",
    b"\xe2\x82",
    b"\xf0\x9f\x98\x80",
    b"\xed\xa0\x80",
    b"\x80",
    b"1e999",
    b"-0",
    b"9" * 40,
    b"9" * 400,
    b"0x1F",
    b"NaN",
    b"inf",
    b"1,234.5",
    b"1.234,5",
    b"31.02.2024",
    b"29/02/2023",
    b"0000-00-00",
    b"99999-12-31",
    b"2024-01-01T00:00:00+99:99",
    b"24:61",
    b"true",
    b"Total",
    b",,,,,,,,,,",
    b"\n" * 20,
]


def corpus(folder: str | None = None) -> list[bytes]:
    """Return the seeds, and the beginnings of the real files of a folder."""
    folder = folder or os.environ.get("TRACER_TEST_DATA", "../shared/data")
    real = sorted(Path(folder).parent.glob("messy/*.csv"))
    heads = [path.read_bytes()[:1500] for path in real]
    return [*SEEDS, *heads]


def mutated(draw: random.Random, seeds: list[bytes]) -> bytes:
    """Return a seed after a few changes, or bytes from nowhere."""
    if draw.random() < 0.04:
        return draw.randbytes(draw.randrange(200))
    data = bytearray(draw.choice(seeds))
    for _ in range(draw.choice((1, 1, 2, 3, 5, 9))):
        at = draw.randrange(len(data) + 1)
        end = min(len(data), at + int(draw.expovariate(0.1)) + 1)
        match draw.randrange(9):
            case 0:
                data[at:at] = draw.choice(TOKENS)
            case 1:
                data[at:end] = draw.choice(TOKENS)
            case 2:
                del data[at:end]
            case 3:
                data[at:at] = data[at:end] * draw.choice((1, 2, 30))
            case 4:
                data[at:end] = draw.randbytes(end - at)
            case 5:
                other = draw.choice(seeds)
                cut = draw.randrange(len(other) + 1)
                data[at:] = other[cut:]
            case 6:
                old, new = draw.choice(TOKENS), draw.choice(TOKENS)
                data = bytearray(bytes(data).replace(old, new, draw.choice((1, 3, 50))))
            case 7:
                del data[at:]
            case _:
                data += data[:end]
        del data[20_000:]
    return bytes(data)


def packed(draw: random.Random, data: bytes) -> bytes:
    """Compress now and then, and damage some of it."""
    if draw.random() > 0.06:
        return data
    pack = draw.choice(
        (
            gzip.compress,
            bz2.compress,
            lambda raw: lzma.compress(raw, preset=0),
            lambda raw: pa.compress(raw, "zstd", asbytes=True),
        )
    )
    stored = bytearray(pack(data))
    if draw.random() < 0.5:
        stored[draw.randrange(len(stored))] ^= 1 << draw.randrange(8)
    return bytes(stored)


def inputs(seed: int, count: int) -> Iterator[bytes]:
    """Yield the inputs of a seed, the same in every run."""
    draw = random.Random(seed)
    seeds = corpus()
    for _ in range(count):
        yield packed(draw, mutated(draw, seeds))


def check_account(report: ts.IngestionReport) -> None:
    """Lines in = rows out + everything named in the report."""
    lines = report.lines
    fates = ("rows", "continued", "header", "above", "blank", "set_aside", "footer", "other_tables")
    assert lines.total == sum(getattr(lines, fate) for fate in fates), lines
    assert report.to_dict()
    assert str(report)


def typed(data: bytes) -> None:
    """Read a table as a user does, and check its account."""
    frame, report = ts.read_csv(data, limits=LIMITS, as_="polars")
    check_account(report)
    assert frame.height == report.lines.rows or not frame.width
    assert frame.columns == list(report.columns)


def as_text(data: bytes) -> None:
    """Read the rows of a table without their types, which take most of the time."""
    with open_source(data, LIMITS) as source:
        opened = open_table(source, Words(), whole=True)
        rows = sum(piece.rows for piece in opened.pieces())
        assert rows == opened.account.rows
        assert source.checksum()


def in_batches(data: bytes) -> None:
    """Read a table a few rows at a time; its account must be as exact."""
    with ts.iter_csv(data, rows=5, limits=LIMITS, as_="polars") as batches:
        rows = sum(batch.height for batch in batches)
        check_account(batches.report)
    assert rows == batches.report.lines.rows


def outcome(data: bytes, read: Callable[[bytes], None] = typed) -> str:
    """Read one input; return "read" or "refused", or raise what must not happen."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ts.DataQualityWarning)
        try:
            read(data)
        except ts.IngestionError as error:
            refusal = error
        else:
            return "read"
    assert refusal.path == "<bytes>"
    assert refusal.reason
    return "refused"


def attempt(data: bytes, read: Callable[[bytes], None] = typed) -> tuple[str, float]:
    """Read one input; return what became of it, and the seconds of processor that it took."""
    started = time.process_time()
    faulthandler.dump_traceback_later(WATCHDOG_SECONDS, exit=True)
    try:
        found = outcome(data, read)
    except Exception:
        found = traceback.format_exc()
    finally:
        faulthandler.cancel_dump_traceback_later()
    return found, time.process_time() - started


def peak_memory() -> int:
    """Return the most memory that this process has had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def hunt(job: tuple[int, int, str, float, int]) -> Counter[str]:
    """Run a share of the inputs; keep those that break something."""
    seed, count, folder, until, every = job
    found: Counter[str] = Counter()
    current = Path(folder) / f"current-{os.getpid()}"  # what the watchdog's victim leaves
    for number, data in enumerate(inputs(seed, count if time.time() < until else 0)):
        current.write_bytes(data)
        result, seconds = attempt(data, {0: typed, 1: in_batches}.get(number % every, as_text))
        if seconds > SLOWEST_SECONDS and result in ("read", "refused"):
            result = f"slow: {seconds:.1f} s"
        found[result if result in ("read", "refused") else "broken"] += 1
        if result not in ("read", "refused"):
            name = Path(folder) / hashlib.sha256(data).hexdigest()[:16]
            name.write_bytes(data)
            name.with_suffix(".txt").write_text(result)
        if time.time() > until:
            break
    current.unlink(missing_ok=True)
    found["peak MiB"] = peak_memory() // MIB
    return found


def main() -> int:
    """Hunt with several processes."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--failures", default="fuzz_failures")
    parser.add_argument("--typed-every", type=int, default=1, help="the others are read as text")
    parser.add_argument("--minutes", type=float, default=1e6)
    asked = parser.parse_args()
    Path(asked.failures).mkdir(exist_ok=True)
    size = 2_000
    until = time.time() + 60 * asked.minutes
    jobs = [
        (
            asked.seed + number,
            min(size, asked.count - number * size),
            asked.failures,
            until,
            asked.typed_every,
        )
        for number in range(-(-asked.count // size))
    ]
    total: Counter[str] = Counter()
    peak = 0
    started = time.perf_counter()
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(asked.workers, mp_context=context) as pool:
        for found in pool.map(hunt, jobs):
            peak = max(peak, found.pop("peak MiB"))
            total += found
            done = total["read"] + total["refused"] + total["broken"]
            print(f"\r{done:,} inputs, {total['broken']} broken", end="", file=sys.stderr)
    print(dict(total), f"peak {peak} MiB, {time.perf_counter() - started:.0f} s")
    return int(total["broken"] > 0)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())
