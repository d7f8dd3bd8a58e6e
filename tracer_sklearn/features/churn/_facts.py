"""What a row says by itself, given its reference date: days, rates and conditions.

The stage adds these as helper columns, step by step; each step reads the one before.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw

from tracer_sklearn.exceptions import DataError
from tracer_sklearn.features import _expressions as ex

EPOCH = dt.date(1970, 1, 1)
_DAYS_A_MONTH = 30.4375
_FORMATS = ("%Y-%m-%d", "%Y-%m-%d %H:%M:%S")

DATES = ("last_activity", "created", "as_of")
COUNTS = ("tickets", "usage")
INPUTS = ("value", *COUNTS, "plan")


@dataclass(frozen=True)
class Reading:
    """How the columns of a frame are to be read.

    Attributes
    ----------
    stage : str
        Who reads, for messages.
    roles : dict of str to str
        The column of each role that is given.
    date_formats : dict of str to str
        The format of each date column that held text in ``fit``.
    tz : str
        The time zone whose days count.
    reference : datetime.date or None
        The date of all rows; None where each row has its own.
    moves_future : bool
        Whether an activity after the reference is taken for one on the day, else for missing.
    min_exposure_days, usage_window_days, missing_counts
        The parameters of the stage.
    """

    stage: str
    roles: Mapping[str, str]
    date_formats: Mapping[str, str]
    tz: str
    reference: dt.date | None
    moves_future: bool
    min_exposure_days: float
    usage_window_days: float | None
    missing_counts: str

    @property
    def dates(self) -> list[str]:
        """The date roles that are given."""
        return [role for role in DATES if role in self.roles]

    def day(self, frame: nw.LazyFrame[Any], role: str) -> nw.Expr:
        """Return the day number of a date role, stand-ins for missing dates included."""
        column = self.roles[role]
        date_format = self.date_formats.get(column)
        return ex.day_number(frame, column, tz=self.tz, date_format=date_format, stage=self.stage)


def learn_format(texts: nw.Series[Any], tz: str, stage: str) -> str:
    """Return the ISO format that most texts have."""
    texts = texts.cast(nw.String)
    matching = {f: int(texts.str.contains(ex.iso_pattern(f, tz)).sum()) for f in _FORMATS}
    best = max(_FORMATS, key=matching.__getitem__)
    blank = texts.str.strip_chars(" \t\r\n") == ""
    n_texts = len(texts) - texts.null_count() - int(blank.sum())
    if n_texts and not matching[best]:
        raise DataError(
            f"{stage}: texts in a date column must be ISO dates like 2024-03-31 or datetimes like "
            f"2024-03-31 18:30:00, none of {n_texts} texts of {texts.name!r} is; parse it first, "
            "with its format given.",
            column=texts.name,
            rule="ISO date",
            n_rows=n_texts,
        )
    return best


def helper(key: str) -> str:
    """Name the helper column of a fact."""
    return f"__churn_{key}__"


def of(key: str) -> nw.Expr:
    """Return the helper column of a fact."""
    return nw.col(helper(key))


def with_facts(frame: nw.LazyFrame[Any], reading: Reading) -> nw.LazyFrame[Any]:
    """Add everything that rows say by themselves."""
    dates = reading.dates
    frame = _with(frame, {f"{role}_read": reading.day(frame, role) for role in dates})
    frame = _with(frame, {role: ex.calendar_day(of(f"{role}_read")) for role in dates})
    frame = _with(frame, {**_spans(reading), **_quantities(frame, reading)})
    frame = _with(frame, {**_durations(reading), **_valid_counts(reading)})
    return _with(frame, _rates(reading))


def _with(frame: nw.LazyFrame[Any], facts: Mapping[str, nw.Expr]) -> nw.LazyFrame[Any]:
    return (
        frame.with_columns(**{helper(key): fact for key, fact in facts.items()}) if facts else frame
    )


def _spans(reading: Reading) -> dict[str, nw.Expr]:
    """Return signed days from activity and creation to the reference."""
    if reading.reference is None:
        reference = of("as_of")
    else:
        reference = nw.lit(float((reading.reference - EPOCH).days))
    spans = {"elapsed": reference - of("last_activity")}
    if "created" in reading.roles:
        spans["age"] = reference - of("created")
    return spans


def _quantities(frame: nw.LazyFrame[Any], reading: Reading) -> dict[str, nw.Expr]:
    schema = frame.collect_schema()
    given = {role: reading.roles[role] for role in INPUTS if role in reading.roles}
    return {
        role: (ex.level_of if role == "plan" else ex.number)(column, schema[column])
        for role, column in given.items()
    }


def _durations(reading: Reading) -> dict[str, nw.Expr]:
    """Return recency, tenure and the exposure that rates are divided by."""
    elapsed, age = of("elapsed"), of("age")
    moved = nw.when(elapsed < 0.0).then(nw.lit(0.0)).otherwise(elapsed)
    facts = {"recency": moved if reading.moves_future else _not_negative(elapsed)}
    if "created" in reading.roles:
        least = float(reading.min_exposure_days)
        exposure = nw.when(age < least).then(nw.lit(least)).otherwise(age)
        facts["tenure"] = _not_negative(age)
        facts["exposure"] = nw.when(age >= 0.0).then(exposure)
    return facts


def _valid_counts(reading: Reading) -> dict[str, nw.Expr]:
    fills = reading.missing_counts == "zero"
    return {
        f"valid_{role}": _not_negative(of(role).fill_null(0.0) if fills else of(role))
        for role in COUNTS
        if role in reading.roles
    }


def _rates(reading: Reading) -> dict[str, nw.Expr]:
    roles, rates = reading.roles, {}
    if "usage" in roles and reading.usage_window_days is not None:
        rates["usage_rate"] = of("valid_usage") * (1.0 / float(reading.usage_window_days))
    if "created" not in roles:
        return rates
    if "usage" in roles and reading.usage_window_days is None:
        rates["usage_rate"] = of("valid_usage") / of("exposure")
    if "value" in roles:
        rates["value_rate"] = of("value") / of("exposure")
    if "tickets" in roles:
        months = of("exposure") * (1.0 / _DAYS_A_MONTH)
        rates["support_rate"] = ex.bounded(of("valid_tickets") / months)
    return rates


def _not_negative(value: nw.Expr) -> nw.Expr:
    return nw.when(value >= 0.0).then(value)


def conditions(reading: Reading) -> dict[str, nw.Expr]:
    """Return what becomes a flag where it occurs, in the order of the output."""
    found = {"last_activity_missing": of("last_activity").is_null()}
    if "created" in reading.roles:
        found["date_order_violation"] = of("last_activity") < of("created")
    found["future_activity"] = of("elapsed") < 0.0
    return found


def date_counts(frame: nw.LazyFrame[Any], reading: Reading) -> dict[str, dict[str, nw.Expr]]:
    """Return what to count of the dates of a frame that has its facts, by column."""
    schema = frame.collect_schema()
    found: dict[str, dict[str, nw.Expr]] = {}
    for role in reading.dates:
        column = reading.roles[role]
        blank = ex.is_blank(column, schema[column])
        invalid = of(role).is_null() & ~blank
        own = found[column] = {"missing": ex.count_true(blank)}
        if ex.is_text(schema[column]):
            unreadable = of(f"{role}_read").is_null() & ~blank
            own["unparseable"] = ex.count_true(unreadable)
            invalid = invalid & ~unreadable
        own["invalid"] = ex.count_true(invalid)
    elapsed, activity = of("elapsed"), found[reading.roles["last_activity"]]
    activity["future"] = ex.count_true(elapsed < 0.0)
    activity["far_future"] = ex.count_true(elapsed < -1.0)
    activity["max_days_ahead"] = nw.when(elapsed < 0.0).then(-elapsed).max()
    return found


def counts(
    frame: nw.LazyFrame[Any], reading: Reading, unknown_plan: nw.Expr | None
) -> dict[str, dict[str, nw.Expr]]:
    """Return everything to count of a frame that has its facts, by column."""
    schema = frame.collect_schema()
    found = date_counts(frame, reading)
    if "created" in reading.roles:
        early = conditions(reading)["date_order_violation"]
        found[reading.roles["last_activity"]]["before_created"] = ex.count_true(early)
        found[reading.roles["created"]]["future"] = ex.count_true(of("age") < 0.0)
    for role in (role for role in INPUTS if role in reading.roles):
        column = reading.roles[role]
        blank = ex.is_blank(column, schema[column])
        own = found[column] = {"missing": ex.count_true(blank)}
        if role != "plan":
            own["infinite"] = ex.count_true(of(role).is_null() & ~blank)
        elif unknown_plan is not None:
            own["unknown"] = ex.count_true(unknown_plan & ~of(role).is_null())
        if role in COUNTS:
            own["negative"] = ex.count_true(of(role) < 0.0)
    return found


def flag(condition: nw.Expr) -> nw.Expr:
    """Return 1 where a condition holds and 0 elsewhere, missing included."""
    return nw.when(condition).then(nw.lit(1)).otherwise(nw.lit(0)).cast(nw.Int8)
