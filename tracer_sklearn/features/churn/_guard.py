"""What fit and transform say about the dates of rows in memory."""

from __future__ import annotations

import datetime as dt
import warnings
from collections.abc import Mapping

from tracer_sklearn.exceptions import (
    DataQualityWarning,
    ReferenceDateWarning,
    StaleReferenceDateError,
)
from tracer_sklearn.features.churn._facts import Reading

_GUARD_ROWS = 20
_GUARD_SHARE = 0.05


def inspect_future(reading: Reading, policy: str, activity: Mapping[str, int], n_rows: int) -> None:
    """Warn or raise, as the policy says, where activities lie after the reference."""
    if policy == "raise" and activity["future"]:
        raise _stale(reading, activity, n_rows, "future")
    if policy == "guard" and activity["far_future"]:
        error = _stale(reading, activity, n_rows, "far_future")
        if n_rows >= _GUARD_ROWS and activity["far_future"] > _GUARD_SHARE * n_rows:
            raise error
        warnings.warn(str(error), ReferenceDateWarning, stacklevel=2)


def inspect_dates(reading: Reading, counts: Mapping[str, Mapping[str, int]], n_rows: int) -> None:
    """Warn where texts have another format than in fit, or where no date can be used."""
    as_of = reading.roles.get("as_of")
    if as_of is not None and counts[as_of]["missing"] == n_rows > 0:
        warnings.warn(
            f"{reading.stage}: rows must bear the date of their snapshot, {as_of!r} is missing in "
            f"all {n_rows}; what is computed from it is missing too, fill the column.",
            DataQualityWarning,
            stacklevel=2,
        )
    for column in (reading.roles[role] for role in reading.dates):
        found = counts[column]
        unreadable = found.get("unparseable", 0)
        if unreadable:
            warnings.warn(
                f"{reading.stage}: texts of {column!r} must have the format of fit, "
                f"{reading.date_formats[column]!r}, {unreadable} of {n_rows} have another and are "
                "taken as missing; parse the column first.",
                DataQualityWarning,
                stacklevel=2,
            )
        all_invalid = 0 < found["invalid"] == n_rows - found["missing"]
        if n_rows >= _GUARD_ROWS and all_invalid:
            warnings.warn(
                f"{reading.stage}: dates must lie between 1900-01-02 and 2199-12-31, no date of "
                f"{column!r} does; check its unit (numbers count days since 1970-01-01).",
                DataQualityWarning,
                stacklevel=2,
            )


def _stale(
    reading: Reading, activity: Mapping[str, int], n_rows: int, what: str
) -> StaleReferenceDateError:
    column, furthest = reading.roles["last_activity"], activity["max_days_ahead"]
    late = "more than a day after" if what == "far_future" else "after"
    date, newest = reading.reference, None
    if date is None:
        as_of = reading.roles["as_of"]
        found = f"their {as_of!r}, by up to {furthest} days"
        remedy = f"check how {as_of!r} was made: it is older than what the rows know"
    else:
        newest = date + dt.timedelta(days=furthest)
        found = f"{date}, the newest on {newest}"
        remedy = (
            "give the date of these rows by set_params(reference_date=...), or row by row in "
            "an as-of column"
        )
    return StaleReferenceDateError(
        f"{reading.stage}: activity must lie before the reference date, {activity[what]} of "
        f"{n_rows} rows have {column!r} {late} {found}; {remedy}.",
        reference_date=date,
        newest=newest,
        column=column,
        rule="reference date",
        n_rows=activity[what],
    )
