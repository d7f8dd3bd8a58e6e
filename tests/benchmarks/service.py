"""Files through the service beside direct calls: `python tests/benchmarks/service.py [MB]`."""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
import warnings
from pathlib import Path

import polars as pl
from timing import table

import tracer_sklearn as ts
from tracer_sklearn.service import DataPipeline, PipelineConfig
from tracer_sklearn.service.plans import pipeline_for

# seconds of the parts of each served run, of each direct one, and of a repeated file
Measured = tuple[list[dict[str, float]], list[dict[str, float]], float]
ANY_SIZE = ts.IngestionLimits(max_bytes=None)


def write(path: Path, megabytes: int) -> None:
    """Write customers of churn, each with an id of its own."""
    X, _ = ts.datasets.make_customer_churn(10_000, random_state=0)
    part = pl.from_pandas(X)
    ids = part["customer_id"].to_list()
    with path.open("w") as file:
        block = 0
        while file.tell() < megabytes * 1e6:
            named = part.with_columns(customer_id=pl.Series([f"{block}-{each}" for each in ids]))
            file.write(named.write_csv(include_header=block == 0))
            block += 1


def direct(path: Path, folder: Path) -> dict[str, float]:
    """Seconds of reading, of the pipeline, and of what comes out as a frame and a file."""
    config = PipelineConfig()
    pipeline = pipeline_for("customer_churn", config, None)
    began = time.perf_counter()
    frame = ts.read_csv(path, limits=ANY_SIZE, as_="polars").frame
    read = time.perf_counter()
    made = pipeline.fit_transform(frame)
    fitted = time.perf_counter()
    made.write_parquet(folder / "direct.parquet")
    ts.save(pipeline, folder / "direct.skops")
    made.to_arrow().to_pandas()
    ended = time.perf_counter()
    return {"read": read - began, "pipeline": fitted - read, "write": ended - fitted}


async def _timed(path: Path, folder: Path, repeats: int) -> Measured:
    """Run the service and the direct calls, several times each and in turn.

    What else the machine does strikes both, and both read into memory that they have used before.
    """
    served, alone = [], []
    async with DataPipeline(state_dir=folder / "state", max_concurrent_pipelines=1) as pipeline:
        small = folder / "small.csv"
        write(small, 1)
        limits = {"max_bytes": None, "memory_mb": 12_000}
        await pipeline.process_file(small, "customer_churn")  # the worker is warm, as in a service
        for n in range(2 * repeats):
            # another number of folds is other work to the cache, and nothing to a run without model
            config = {"limits": limits, "n_splits": n + 5}
            began = time.perf_counter()
            _, state = await pipeline.process_file(
                path, "customer_churn", config=config, output=folder / "served.parquet"
            )
            served.append({**state.timings, "call": time.perf_counter() - began})
            assert not state.from_cache
            if n % repeats == repeats - 1:
                alone += [direct(path, folder) for _ in range(repeats)]
        began = time.perf_counter()
        _, state = await pipeline.process_file(path, "customer_churn", config=config)
        assert state.from_cache
        return served, alone, time.perf_counter() - began


def speed(megabytes: int = 100, repeats: int = 5) -> dict[str, float]:
    """Megabytes a second of the service and its overhead over direct calls, as medians."""
    with tempfile.TemporaryDirectory() as name, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        folder = Path(name)
        path = folder / "customers.csv"
        write(path, megabytes)
        size = path.stat().st_size / 1e6
        served, alone, repeated = asyncio.run(_timed(path, folder, repeats))
    calls = statistics.median(each["call"] for each in served)
    mine = statistics.median(sum(each.values()) for each in alone)
    return {
        "service, MB/s": size / calls,
        "direct, MB/s": size / mine,
        "overhead": calls / mine - 1,
        "a repeated file, seconds": repeated,
        **{f"stage {name}": took for name, took in _medians(served).items()},
        **{f"direct {name}": took for name, took in _medians(alone).items()},
    }


def _medians(runs: list[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.median(each[name] for each in runs) for name in runs[0]}


def main(megabytes: int = 100) -> None:
    measured = speed(megabytes)
    rows = {name: {"": f"{value:.2f}"} for name, value in measured.items()}
    print(table(f"a churn file of {megabytes} MB", rows))


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:]))
