"""Dates and times in text: which cells are dates in a given format, and their values.

A format is compiled to a pattern that knows the calendar (no 30th of February, leap years
included), so that a cell which fits can be handed to the strict parser of any engine.
"""

from __future__ import annotations

import datetime as dt
import re

import narwhals.stable.v2 as nw

from tracer_sklearn._text.format import ColumnFormat
from tracer_sklearn._text.missing import any_of, escape
from tracer_sklearn._text.months import ENGLISH, ENGLISH_FULL, WEEKDAYS, in_english, words_of

SERIALS = ("epoch_s", "epoch_ms", "excel")
_EPOCH = dt.datetime(1970, 1, 1)
# Excel counts from here, for every day after its fictitious 29 February 1900
_EXCEL_EPOCH = dt.datetime(1899, 12, 30)
# both ends of what every library can hold: years 1678 to 2261
_SERIAL_RANGE = {
    "epoch_s": (-9_214_560_000, 9_214_646_400),
    "epoch_ms": (-9_214_560_000_000, 9_214_646_400_000),
    "excel": (61, 132_200),
}

_MILLISECONDS = {"epoch_s": 1000.0, "epoch_ms": 1.0, "excel": 86_400_000.0}

# 2024010100, as weather services write the hours of measurements
_FULL_HOURS = "%Y%m%d%H"
_DIRECTIVE = re.compile(r"%[A-Za-z]")
_LEAP_TENS = "0[48]|[2468][048]|[13579][26]"
_YEAR = {"%Y": "[1-9][0-9]{3}", "%y": "[0-9]{2}"}
_LEAP_YEAR = {
    "%Y": f"[1-9][0-9](?:{_LEAP_TENS})|(?:[2468][048]|[13579][26])00",
    "%y": f"00|{_LEAP_TENS}",
}
_CLOCK = {
    "%H": "(?:[01]?[0-9]|2[0-3])",
    "%I": "(?:0?[1-9]|1[0-2])",
    "%M": "[0-5][0-9]",
    "%S": "[0-5][0-9]",
    "%f": "[0-9]{1,9}",
    "%p": "(?i:am|pm)",
    "%z": "(?:Z|z|UTC|GMT|[+-](?:0[0-9]|1[0-4])(?::?[0-5][0-9])?)",
}
# what comes before the date, and is not compared with it
_WEEKDAY = f"(?i:{any_of(WEEKDAYS)})"
LEGAL = {*_YEAR, *_CLOCK, "%m", "%b", "%B", "%d", "%a"}
_DIGIT_FIELDS = LEGAL - {"%a", "%b", "%B", "%p", "%z"}
_LONG, _SHORT = (1, 3, 5, 7, 8, 10, 12), (4, 6, 9, 11)
# months, days, years: every date of the Gregorian calendar is in one of the four
_CALENDAR = (
    (_LONG, "0?[1-9]|[12][0-9]|3[01]", _YEAR),
    (_SHORT, "0?[1-9]|[12][0-9]|30", _YEAR),
    ((2,), "0?[1-9]|1[0-9]|2[0-8]", _YEAR),
    ((2,), "29", _LEAP_YEAR),
)


def directives(template: str) -> list[str]:
    """Return the directives of a date format, in order."""
    return _DIRECTIVE.findall(template)


def is_timed(template: str) -> bool:
    """Tell whether a date format has a time of day."""
    return "%H" in template or "%I" in template


def illegal_reason(template: str) -> str:
    """Say why a date format cannot be used, or return an empty string."""
    if template in SERIALS:
        return ""
    found = directives(template)
    unknown = sorted(set(found) - LEGAL)
    if unknown:
        return f"{unknown[0]} is not one of {' '.join(sorted(LEGAL))}"
    if len(set(found)) < len(found):
        return "a directive stands twice"
    years, months = {"%Y", "%y"} & {*found}, {"%m", "%b", "%B"} & {*found}
    if len(years) != 1 or len(months) != 1:
        return "it needs one year and one month"
    if is_timed(template) != ("%M" in found) and template != _FULL_HOURS:
        return "hours and minutes go together"
    if ("%I" in found) != ("%p" in found) or {"%H", "%I"} <= {*found}:
        return "%I goes with %p, %H alone"
    if "%a" in template and not re.match("%a[., ]+%", template):
        return "%a comes first, with points, commas or blanks behind it"
    if "%" in _DIRECTIVE.sub("", template):
        return "a lone % stands in it"
    return ""


def date_pattern(template: str, months: str = "") -> str:
    """Return the pattern of trimmed cells that are dates in this format."""
    parts = re.split(f"({_DIRECTIVE.pattern})", template)
    cases = _CALENDAR if "%d" in template else ((tuple(range(1, 13)), "", _YEAR),)
    return f"^(?:{'|'.join(_one_case(parts, months, *case) for case in cases)})$"


def _one_case(
    parts: list[str], months: str, of_months: tuple[int, ...], days: str, years: dict[str, str]
) -> str:
    out = []
    for at, part in enumerate(parts):
        adjacent = _touches_digits(parts, at)
        if part in years:
            out.append(f"(?:{years[part]})")
        elif part == "%m":
            numbers = (f"{'0' if adjacent else '0?'}{m}" if m < 10 else f"{m}" for m in of_months)
            out.append(f"(?:{'|'.join(numbers)})")
        elif part in ("%b", "%B"):
            out.append(f"(?i:{_month_words(part, months, of_months)})")
        elif part == "%d":
            out.append(f"(?:{days.replace('0?', '0') if adjacent else days})")
        elif part == "%a":
            out.append(_WEEKDAY)
        elif part == "%H" and adjacent:
            out.append("(?:[01][0-9]|2[0-3])")
        else:
            out.append(_CLOCK.get(part) or escape(part))
    if "%p" in parts:
        # fractions before AM and PM cannot be cut to what SQL engines read
        return "".join(out).replace(_CLOCK["%f"], "[0-9]{1,6}")
    return "".join(out)


def _touches_digits(parts: list[str], at: int) -> bool:
    """Tell whether a field stands beside another number without a separator; it is full-width."""
    before = at > 1 and parts[at - 1] == "" and parts[at - 2] in _DIGIT_FIELDS
    after = at + 2 < len(parts) and parts[at + 1] == "" and parts[at + 2] in _DIGIT_FIELDS
    return before or after


def _month_words(directive: str, months: str, of_months: tuple[int, ...]) -> str:
    if months:
        return any_of(word for word, month in words_of(months).items() if month in of_months)
    names = ENGLISH if directive == "%b" else ENGLISH_FULL
    return any_of(names[month - 1] for month in of_months)


def fits_date(text: nw.Expr, format: ColumnFormat) -> nw.Expr:
    """Tell which trimmed cells are dates in one of the formats."""
    if not format.formats:
        return text.is_null() & ~text.is_null()
    if format.formats[0] in SERIALS:
        return _fits_serial(text, format.formats[0])
    patterns = (date_pattern(template, format.months) for template in format.formats)
    return text.str.contains("|".join(patterns))


def date(text: nw.Expr, format: ColumnFormat, *, sql: bool) -> nw.Expr:
    """Return the moments of trimmed cells; null for those that fit no format.

    Parameters
    ----------
    text : narwhals.Expr
        Trimmed cells.
    format : ColumnFormat
        Of kind "date" or "datetime".
    sql : bool
        Whether the engine parses as SQL engines do; fractions of a second are spelt otherwise
        in Polars.
    """
    dtype = nw.Datetime("us", "UTC" if format.zoned else None)
    if not format.formats:
        return nw.lit(None, dtype=dtype)
    if format.formats[0] in SERIALS:
        return _since(_serial_number(text), format.formats[0])
    moments = [
        _moment(
            nw.when(text.str.contains(date_pattern(template, format.months))).then(text),
            template,
            format,
            sql=sql,
        )
        for template in format.formats
    ]
    return moments[0] if len(moments) == 1 else nw.coalesce(*moments)


def _moment(text: nw.Expr, template: str, format: ColumnFormat, *, sql: bool) -> nw.Expr:
    if template.startswith("%a"):
        text = text.str.replace_all(f"^{_WEEKDAY}[., ]+", "")
        template = re.sub("^%a[., ]+", "", template)
    if format.months:
        text, template = in_english(text, format.months), template.replace("%B", "%b")
    if "%z" in template:
        text = text.str.replace_all("(?:Z|z|UTC|GMT)$", "+0000")
        hours_only = text.str.contains("[+-][0-9]{2}$")
        text = nw.when(hours_only).then(nw.concat_str(text, nw.lit("00"))).otherwise(text)
    if "%d" not in template:
        text, template = nw.concat_str(text, nw.lit(" 1")), f"{template} %d"
    if template == _FULL_HOURS:
        text, template = nw.concat_str(text, nw.lit("00")), f"{template}%M"
    if ".%f" in template and sql:
        text, template = _to_microseconds(text, template)
    elif ".%f" in template:
        template = template.replace(".%f", "%.f")
    moment = text.str.to_datetime(format=template)
    return _in_the_century(moment, format.last_year) if "%y" in template else moment


def _to_microseconds(text: nw.Expr, template: str) -> tuple[nw.Expr, str]:
    """Cut fractions of a second to the six digits that SQL engines read."""
    if "%p" in template:
        return text, template
    clock, zone = text, None
    if "%z" in template:
        template = template.replace(" %z", "%z")
        clock = text.str.replace_all(" *[+-][0-9]{2}:?[0-9]{2}$", "")
        zone = text.str.slice(-6).str.replace_all("^[0-9]", "")
    for surplus in (3, 2, 1):
        cut = clock.str.replace_all(f"[0-9]{{{surplus}}}$", "")
        too_long = clock.str.contains(rf"\.[0-9]{{{6 + surplus}}}$")
        clock = nw.when(too_long).then(cut).otherwise(clock)
    return (clock if zone is None else nw.concat_str(clock, zone)), template


def _in_the_century(moment: nw.Expr, last_year: int) -> nw.Expr:
    """Move years of two digits into the hundred years that end with ``last_year``."""
    too_late = moment.dt.year() > last_year
    moment = nw.when(too_late).then(moment.dt.offset_by("-100y")).otherwise(moment)
    too_early = moment.dt.year() <= last_year - 100
    return nw.when(too_early).then(moment.dt.offset_by("100y")).otherwise(moment)


# -- numbers as moments ----------------------------------------------------------------------


def reads_numbers(format: ColumnFormat) -> bool:
    """Tell whether a format can read columns of numbers: serials, and digits such as 20240131."""
    return format.kind in ("date", "datetime") and all(
        template in SERIALS or not _DIRECTIVE.sub("", template) for template in format.formats
    )


def from_numbers(column: nw.Expr, format: ColumnFormat, dtype: nw.dtypes.DType) -> nw.Expr | None:
    """Return the moments of a column of numbers; None where the format reads text only."""
    if not reads_numbers(format):
        return None
    if format.formats[0] in SERIALS:
        return _since(column, format.formats[0])
    digits = column.abs() < 1e15
    if dtype.is_float():
        digits &= column == column.floor()
    return date(nw.when(digits).then(column).cast(nw.Int64).cast(nw.String), format, sql=False)


def _fits_serial(text: nw.Expr, unit: str) -> nw.Expr:
    value = _serial_number(text)
    low, high = _SERIAL_RANGE[unit]
    return ((value >= low) & (value <= high)).fill_null(False)


def _serial_number(text: nw.Expr) -> nw.Expr:
    shaped = text.str.contains(r"^-?[0-9]{1,13}(?:\.[0-9]{0,20})?$")
    return nw.when(shaped).then(text).cast(nw.Float64)


def _since(numbers: nw.Expr, unit: str) -> nw.Expr:
    """Return the moments of numbers counted since an epoch; null outside the years 1678 to 2261.

    Days, seconds and microseconds are added apart: DuckDB multiplies intervals by 32 bits only.
    """
    value = numbers.cast(nw.Float64)
    low, high = _SERIAL_RANGE[unit]
    value = nw.when((value >= low) & (value <= high)).then(value)
    # a serial day holds milliseconds at best, the rest is rounding noise; engines round halves
    # differently, so the floor is taken
    ticks = (value * _MILLISECONDS[unit] + 0.5).floor().cast(nw.Int64)
    days, rest = ticks // 86_400_000, ticks % 86_400_000
    return (
        nw.lit(_EXCEL_EPOCH if unit == "excel" else _EPOCH)
        + nw.lit(dt.timedelta(days=1)) * days
        + nw.lit(dt.timedelta(milliseconds=1)) * rest
    )
