"""What many runs say together: trends, rates and throughput, as plain rows."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, case, func, select

from tracer_sklearn.service.states import RunStatus
from tracer_sklearn.service.store._tables import runs

Row = dict[str, Any]

# Places of "2026-11-28T20", the hour in UTC, that name the period.
PERIODS = {"hour": 13, "day": 10, "month": 7}


def quality_trend(
    connection: Connection,
    period: str,
    which: ColumnElement[bool],
) -> list[Row]:
    """Return the mean and the least quality score of each period and blueprint, oldest first."""
    when = func.substr(runs.c.hour, 1, PERIODS[period]).label("period")
    query = (
        select(
            when,
            runs.c.blueprint,
            func.count().label("n_runs"),
            func.avg(runs.c.score).label("score"),
            func.min(runs.c.score).label("score_min"),
            func.avg(runs.c.completeness).label("completeness"),
            func.avg(runs.c.validity).label("validity"),
            func.avg(runs.c.uniqueness).label("uniqueness"),
        )
        .where(which, runs.c.score.is_not(None))
        .group_by(when, runs.c.blueprint)
        .order_by(when, runs.c.blueprint)
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def error_rates(
    connection: Connection,
    which: ColumnElement[bool],
) -> list[Row]:
    """Return how many of a blueprint's ended runs failed, and of what; most frequent first."""
    ended = runs.c.status.in_([status.value for status in RunStatus if status.is_final])
    counted = select(runs.c.blueprint, func.count().label("n")).where(which, ended)
    totals = {r.blueprint: r.n for r in connection.execute(counted.group_by(runs.c.blueprint))}
    n_failed = func.count().label("n_failed")
    query = (
        select(
            runs.c.blueprint,
            runs.c.error_category.label("category"),
            runs.c.error_type.label("type"),
            n_failed,
        )
        .where(which, runs.c.status == RunStatus.FAILED.value)
        .group_by(runs.c.blueprint, runs.c.error_category, runs.c.error_type)
        .order_by(n_failed.desc(), runs.c.blueprint, runs.c.error_category, runs.c.error_type)
    )
    rows = []
    for row in connection.execute(query).mappings():
        n_runs = totals[row["blueprint"]]
        rows.append({**row, "n_runs": n_runs, "rate": row["n_failed"] / n_runs})
    return rows


def throughput(
    connection: Connection,
    period: str,
    which: ColumnElement[bool],
) -> list[Row]:
    """Return files, rows, bytes and seconds of work of each period, oldest first.

    Only completed runs count, and of those that the cache answered only their number: nobody read
    their rows again.
    """
    when = func.substr(runs.c.hour, 1, PERIODS[period]).label("period")

    def worked(column: Any) -> Any:
        return func.coalesce(func.sum(case((runs.c.from_cache, 0), else_=column)), 0)

    query = (
        select(
            when,
            runs.c.blueprint,
            func.count().label("files"),
            func.sum(case((runs.c.from_cache, 1), else_=0)).label("from_cache"),
            worked(runs.c.rows_read).label("rows"),
            worked(runs.c.source_bytes).label("bytes"),
            worked(runs.c.seconds).label("seconds"),
        )
        .where(which, runs.c.status == RunStatus.COMPLETED.value)
        .group_by(when, runs.c.blueprint)
        .order_by(when, runs.c.blueprint)
    )
    rows = []
    for row in connection.execute(query).mappings():
        counts = {name: int(row[name]) for name in ("files", "from_cache", "rows", "bytes")}
        seconds = float(row["seconds"])
        rate = counts["rows"] / seconds if seconds > 0 else None
        rows.append({**row, **counts, "seconds": seconds, "rows_per_second": rate})
    return rows
