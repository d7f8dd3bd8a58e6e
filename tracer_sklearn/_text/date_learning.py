"""Finding the date format of a column: one order of day and month for all of its cells."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import polars as pl

from tracer_sklearn._text.dates import date_pattern, is_timed
from tracer_sklearn._text.format import ColumnFormat, Kind
from tracer_sklearn._text.months import ENGLISH, MONTHS, WEEKDAYS, language_of, words_of

_SAMPLE = 2000
_MAX_TEMPLATES = 12
# the other order may occur in this share of the telling cells and count as a mistake
_MAX_CONTRADICTION = 0.02
# so many dates of which one number is 1 are beginnings of months
_LEAST_BEGINNINGS = 12
# so many numbers do not all look like times by chance, each of which does so in 200 cases
_TELLING_CELLS = 2
# no epochs are guessed all of which come after 2033
_LATEST = 2.0e9

_TIME = re.compile(
    r"(?P<gap>[ T]|, )(?P<hour>[0-9]{1,2})(?P<mark>[:.h])[0-9]{2}"
    r"(?P<seconds>(?P=mark)[0-9]{2}(?P<fraction>\.[0-9]{1,9})?)?"
    r"(?P<half> ?[AaPp][Mm])?(?P<zone> ?(?:[Zz]|UTC|GMT|[+-][0-9]{2}:?[0-9]{2}|[+-][0-9]{2}))?$"
)
# a number with a sign: no date begins with one
_SIGNED = re.compile(r"[\W_]*[-+\u2212]")
_TOKEN = re.compile(r"[0-9]+|[^\W\d_]+|[\W_]+")
# of times of day, shares and amounts
_SIGNS_OF_OTHERS = re.compile("[:%$€£¥]")
_CONNECTORS = {"de", "of", "del", "di", *"年月日년월일"}
# 20240105T101112Z, the basic format of ISO 8601
_BASIC = re.compile("[0-9]{8}T[0-9]{6}(?P<zone>Z|[+-][0-9]{2}:?[0-9]{2}|[+-][0-9]{2})?")
_WEEKDAY = re.compile(
    f"(?:{'|'.join(sorted(WEEKDAYS, key=len, reverse=True))})([., ]+)(?=\\w)", re.I
)
_ALL_MONTH_WORDS = {word for language in MONTHS for word in words_of(language)}
_NAME_WORD = re.compile(r"[^\W\d_]+")
_CAMEL = re.compile(r"(?<=[a-zà-þ])(?=[A-ZÀ-Þ])|(?<=[A-Z])(?=[A-Z][a-z])")
_OF_TIME = re.compile(
    r"dates?|times?|(?:date|time)(?:time|stamp)s?|stamps?|(?:created|updated|modified)(?:at|on)?"
    r"|(?:order|birth|start|end|due|ship|invoice|sales?|purchase|payment|sign|signup|hire|join"
    r"|event|post|trans|transaction|delivery|release|create|created|update|updated|modified|expiry"
    r"|begin|booking|visit|value|login|access)(?:date|time|datetime|timestamp)s?"
    r"|date(?:of[a-z]+|created|added|updated|modified|joined)|.*datum|fechas?|fecha.*"
)
# days in the language of those who write them with points
_OF_DAYS = re.compile(
    ".*tag|valuta|wertstellung|eingang|ausgang|beginn|ende|von|bis|geb|geboren|fällig.*|lieferung"
)
# of measured times, which numbers with decimals may be
_OF_MEASURES = {
    *("ms", "us", "ns", "sec", "secs", "response", "reaction", "lap", "cpu", "total", "run"),
    *("wait", "processing"),
}
# at the end of a name, or between other words
_SHORT_OF_TIME = {"at", "ts", "dt"}
_OF_NO_TIME = {
    *("id", "ids", "no", "nr", "num", "number", "numbers", "count", "counts", "value", "values"),
    *("amount", "amounts", "by", "nummer", "anzahl", "wert", "betrag", "code", "qty", "quantity"),
}
_OF_CLOCKS = {
    *("time", "times", "hour", "zeit", "uhrzeit", "heure", "hora", "ora", "orario", "tijd", "tid"),
    *("klockslag", "klokkeslæt", "klokkeslett", "aika", "kellonaika", "godzina", "czas", "čas"),
}
_OF_DURATIONS = {
    *("elapsed", "duration", "since", "until", "till", "days", "weeks", "months", "years"),
    *("hours", "minutes", "seconds", "tage", "stunden", "minuten", "sekunden", "dauer", "seit"),
}
# dates that are numbers, and those of them that may be a day with a number behind it
_OF_DIGITS = ("%Y%m%d", "%Y%m%d%H%M%S", "%Y%m%d%H%M", "%Y%m%d%H", "%m.%Y", "%Y.%m")
_PERHAPS_COUNTED = {"%Y%m%d%H%M", "%Y%m%d%H"}
# 14.30.59, of which the 8th of May 2000 may be written in the same way
_DOTTED_CLOCK = r"^(?:[01]?[0-9]|2[0-3])\.[0-5][0-9]\.([0-5][0-9])$"
_OF_MONTHS = {"month", "months", "monat", "monate", "maand", "mois", "mes", "period", "periode"}


def speaks_of_time(name: str) -> bool:
    """Tell whether the words of a column's name say that its numbers are moments.

    Examples
    --------
    >>> [speaks_of_time(name) for name in ("order_date", "createdAt", "Bestelldatum", "ts")]
    [True, True, True, True]
    >>> [speaks_of_time(name) for name in ("candidate_id", "runtime", "created_by", "update_count")]
    [False, False, False, False]
    """
    words = _words_of(name)
    if not words or words[-1] in _OF_NO_TIME:
        return False
    short = words[-1] in _SHORT_OF_TIME or bool(_SHORT_OF_TIME & {*words[1:]})
    last_update = words[-2:] == ["last", "update"]
    return short or last_update or any(_OF_TIME.fullmatch(word) for word in words)


def speaks_of_days(name: str) -> bool:
    """Tell whether a name that speaks of time can stand over days, as Excel counts them.

    Examples
    --------
    >>> [speaks_of_days(name) for name in ("order_date", "createdAt", "time", "days to date")]
    [True, True, False, False]
    """
    words = _words_of(name)
    if _counts_time(name):
        return False
    return speaks_of_time(" ".join(word for word in words if not _is_clock(word)))


def _counts_time(name: str) -> bool:
    """Tell a name of durations: what passed, not when."""
    return bool(_OF_DURATIONS & {*_words_of(name)})


def _measures(name: str) -> bool:
    return _counts_time(name) or bool(_OF_MEASURES & {*_words_of(name)})


def _is_clock(word: str) -> bool:
    clock = word in _OF_CLOCKS or word == "ts" or word.endswith(("time", "times"))
    return clock and not word.endswith(("datetime", "datetimes"))


def speaks_of_clocks(name: str) -> bool:
    """Tell whether a word of a column's name stands for the time of day."""
    return bool(_OF_CLOCKS & {*_words_of(name)})


def _words_of(name: str) -> list[str]:
    return [word.casefold() for word in _NAME_WORD.findall(_CAMEL.sub("_", name))]


@dataclass(frozen=True)
class Dates:
    """What a column of dates may be: one format, or several that fit equally well."""

    formats: tuple[ColumnFormat, ...]
    why: str


def learn_dates(
    values: pl.DataFrame, *, name: str, day_first: bool | None, asked: bool
) -> Dates | None:
    """Return the date format of distinct trimmed cells, or None.

    Parameters
    ----------
    values : polars.DataFrame
        Columns ``text`` and ``rows``.
    name : str
        Name of the column; it must speak of time before numbers are taken as moments.
    day_first : bool or None
        Settles the order of day and month where the column leaves it open.
    asked : bool
        Whether the column is known to hold dates.
    """
    numeric = _learn_numeric(values, name=name, asked=asked)
    if numeric is not None:
        return numeric
    if _are_spans_of_years(values["text"]) and not asked:
        return None
    step = max(1, values.height // _SAMPLE)
    sampled = values["text"].gather_every(step)
    if not asked:
        # numbers that are dates were found above; 1.2345 and 1,2345 are not January of 2345
        sampled = sampled.filter(~sampled.str.contains(r"^[0-9]+[.,][0-9]+$"))
    sample = sampled.to_list()
    found, words = _templates(sample)
    if not found:
        return None
    language = language_of(words)
    if language is None:
        return None
    base = ColumnFormat("date", months=language)
    fits = {
        template: values["text"].str.contains(date_pattern(template, language))
        for template, _ in found.most_common(_MAX_TEMPLATES)
    }
    fits = _one_kind_of_zone({t: fit for t, fit in fits.items() if fit.any()}, values["rows"])
    if not fits:
        return None
    if not asked and _are_times_of_day(values, _any(fits), name):
        return None
    by_order: dict[str, dict[str, pl.Series]] = {}
    for template, fit in fits.items():
        by_order.setdefault(_order(template), {})[template] = fit
    free = by_order.pop("", {})
    if not by_order:
        return Dates((_finished(base, free, values["rows"]),), "")
    chosen, why = _choose_order(by_order, values, day_first, name)
    return Dates(
        tuple(_finished(base, free | by_order[order], values["rows"]) for order in chosen), why
    )


def _learn_numeric(values: pl.DataFrame, *, name: str, asked: bool) -> Dates | None:
    """Read numbers as dates where they cannot well be anything else."""
    likely = asked or speaks_of_time(name)
    text = values["text"]
    digits = text.filter(text.str.contains(r"^[0-9]+(?:\.[0-9]+)?$"))
    if digits.len() < text.len() and not asked:
        return None
    for template in _OF_DIGITS:
        fit = digits.str.contains(date_pattern(template)) & digits.str.contains(
            r"^(?:0[1-9]|1[0-2])\.(?:19|20)[0-9]{2}$" if template == "%m.%Y" else "^(?:19|20)"
        )
        if template == "%Y.%m":
            fit &= digits.str.contains(r"\.(?:0[1-9]|1[0-2])$")
        # 1999.10 and 12.2024 are decimals too, 01.2024 is none
        decimals = "." in template and not digits.str.contains(r"^0[0-9]").any()
        if decimals and not (likely or _OF_MONTHS & {*_words_of(name)}):
            continue
        # 2024010101 is the first invoice of a day where no name speaks of time
        if template in _PERHAPS_COUNTED and not likely:
            continue
        # a few of eight digits may look like dates by chance (seven in a thousand do)
        if digits.len() and fit.all() and (likely or digits.len() > 1):
            kind: Kind = "datetime" if is_timed(template) else "date"
            return Dates((ColumnFormat(kind, formats=(template,)),), "every number is a date")
    if not likely or not digits.len():
        return None
    numbers = digits.cast(pl.Float64)
    whole = bool((numbers == numbers.floor()).all())
    # a time of day as a share of it
    fine = bool(digits.str.contains(r"\.[0-9]{4}").any())
    low, high = float(numbers.min()), float(numbers.max())  # type: ignore[arg-type]
    hours = digits.str.contains(date_pattern("%Y%m%d%H")).all()
    minutes = digits.len() >= _TELLING_CELLS
    minutes = minutes and digits.str.contains(date_pattern("%y%m%d%H%M")).all()
    if not asked and (hours or minutes):
        return None  # 2104051215 may be noon of a day, 1501051530 half past three on one
    # the years 2000 to 2050 where it is guessed, 1970 to 2200 where dates were asked for
    spans = {
        "epoch_s": (0.9466848e9, 2.5245e9, 0.0, 7.258e9),
        "epoch_ms": (0.9466848e12, 2.5245e12, 1e11, 7.258e12),
        "excel": (36_526.0, 54_789.0, 61.0, 109_575.0),
    }
    for unit in ("epoch_ms", "excel", "epoch_s"):
        first, last, asked_first, asked_last = spans[unit]
        if asked:
            first, last = asked_first, asked_last
        elif unit == "excel" and not (speaks_of_days(name) or (fine and not _measures(name))):
            continue
        elif unit != "excel" and low > _LATEST * (1e3 if unit == "epoch_ms" else 1):
            continue  # 2401051530 is rather a day of 2024
        if first <= low and high <= last:
            kind = "date" if unit == "excel" and whole else "datetime"
            why = f"numbers from {low:.0f} to {high:.0f} taken as {unit}"
            return Dates((ColumnFormat(kind, formats=(unit,)),), why)
    return None


def _are_spans_of_years(text: pl.Series) -> bool:
    """Tell cells such as 2010-11, the year that ends in 2011, from months."""
    years = "^[0-9]{2}([0-9]{2})[-/]([0-9]{2})$"
    first, second = (text.str.extract(years, group).cast(pl.Int64) for group in (1, 2))
    return bool((second == (first + 1) % 100).fill_null(False).all())


def _are_times_of_day(values: pl.DataFrame, dates: pl.Series, name: str) -> bool:
    """Tell times written with points from dates, some of which many of them could be."""
    seconds = values["text"].str.extract(_DOTTED_CLOCK)
    clocks = int(values["rows"].filter(seconds.is_not_null()).sum())
    fit = int(values["rows"].filter(dates).sum())
    if clocks != fit:
        return clocks > fit
    return speaks_of_clocks(name) or (not speaks_of_time(name) and bool((seconds == "00").all()))


def _templates(sample: list[str]) -> tuple[Counter[str], set[str]]:
    """Count the date formats that cells of a sample could have, and collect their month names."""
    found: Counter[str] = Counter()
    words: set[str] = set()
    for text in sample:
        templates, word = templates_of(text)
        found.update(templates)
        if templates and word:
            words.add(word)
    return found, words


def templates_of(text: str) -> tuple[list[str], str]:
    """Return every date format that a cell could have, and its month name.

    Examples
    --------
    >>> templates_of("1/2/2024 8:26")
    (['%d/%m/%Y %H:%M', '%m/%d/%Y %H:%M'], '')
    >>> templates_of("1-Oct-08")
    (['%d-%b-%y'], 'oct')
    >>> templates_of("-1.5000"), templates_of("08:05:00")
    (([], ''), ([], ''))
    """
    if not 6 <= len(text) <= 50 or _SIGNED.match(text):
        return [], ""
    basic = _BASIC.fullmatch(text)
    if basic is not None:
        return ["%Y%m%dT%H%M%S%z" if basic["zone"] else "%Y%m%dT%H%M%S"], ""
    weekday = _WEEKDAY.match(text)
    start = f"%a{weekday[1]}" if weekday else ""
    text = text[weekday.end() :] if weekday else text
    time = _TIME.search(text)
    clock = ""
    if time is not None:
        mark = time["mark"]
        clock = f"{time['gap']}{'%I' if time['half'] else '%H'}{mark}%M"
        clock += f"{mark}%S" if time["seconds"] else ""
        clock += ".%f" if time["fraction"] else ""
        clock += time["half"].replace(time["half"].strip(), "%p") if time["half"] else ""
        clock += time["zone"].replace(time["zone"].strip(), "%z") if time["zone"] else ""
        text = text[: time.start()]
    tokens = _TOKEN.findall(text)
    shapes, word = [], ""
    for token in tokens:
        folded = token.casefold()
        if token.isdigit():
            shapes.append(str(len(token)))
        elif folded in _ALL_MONTH_WORDS and not word:
            word = folded
            shapes.append("b")
        elif _SIGNS_OF_OTHERS.search(token) or (token[0].isalpha() and folded not in _CONNECTORS):
            return [], ""  # 08:05:00 is a time of day, not the 8th of May
        else:
            shapes.append("")
    fields = [shape for shape in shapes if shape]
    templates = []
    for order in _orders(fields, word):
        # FR 10 2024 is no month, and years of two digits before 年 count from an emperor
        if (weekday and "%d" not in order) or ("年" in text and "%Y" not in order):
            continue
        directives = iter(order)
        parts = (
            next(directives) if shape else token
            for token, shape in zip(tokens, shapes, strict=True)
        )
        templates.append(start + "".join(parts) + clock)
    return templates, word


def _orders(fields: list[str], word: str) -> list[tuple[str, ...]]:
    """Return the orders that fields of these lengths can have."""
    short = [field in ("1", "2") for field in fields]
    name = "%b" if word in ENGLISH else "%B"
    if fields in (["8"], ["14"]):
        return [("%Y%m%d",)] if fields == ["8"] else [("%Y%m%d%H%M%S",)]
    if len(fields) == 2:
        orders = {
            ("4", "2"): ("%Y", "%m"), ("4", "1"): ("%Y", "%m"), ("2", "4"): ("%m", "%Y"),
            ("1", "4"): ("%m", "%Y"), ("b", "4"): (name, "%Y"), ("4", "b"): ("%Y", name),
            ("b", "2"): (name, "%y"),
        }  # fmt: skip
        order = orders.get((fields[0], fields[1]))
        return [order] if order else []
    if len(fields) != 3:
        return []
    if "b" in fields:
        at = fields.index("b")
        year = fields[2] if at < 2 else ""
        if at == 1 and short[0] and year in ("2", "4"):
            return [("%d", name, "%Y" if year == "4" else "%y")]
        if at == 0 and short[1] and year in ("2", "4"):
            return [(name, "%d", "%Y" if year == "4" else "%y")]
        if at == 1 and fields[0] == "4" and short[2]:
            return [("%Y", name, "%d")]
        return []
    if fields[0] == "4" and short[1] and short[2]:
        return [("%Y", "%m", "%d")]
    if short[0] and short[1] and fields[2] == "4":
        return [("%d", "%m", "%Y"), ("%m", "%d", "%Y")]
    orders_of_three: list[tuple[str, ...]] = []
    if short[0] and short[1] and fields[2] == "2":
        orders_of_three = [("%d", "%m", "%y"), ("%m", "%d", "%y")]
    if fields[0] == "2" and all(short):
        orders_of_three.append(("%y", "%m", "%d"))
    return orders_of_three


def _order(template: str) -> str:
    """Name the order of a format's numbers where another one would read the same cells."""
    fields = "".join(re.findall(r"%([dmyYb])", template.replace("%B", "%b")))
    return fields.lower() if fields in ("dmY", "mdY", "dmy", "mdy", "ymd") else ""


def _one_kind_of_zone(fits: dict[str, pl.Series], rows: pl.Series) -> dict[str, pl.Series]:
    """Keep the formats with an offset or those without, whichever more rows fit."""
    weight = {True: 0, False: 0}
    for template, fit in fits.items():
        weight["%z" in template] += int(rows.filter(fit).sum())
    zoned = weight[True] > weight[False]
    return {template: fit for template, fit in fits.items() if ("%z" in template) == zoned}


def _any(fits: dict[str, pl.Series]) -> pl.Series:
    return pl.select(pl.any_horizontal(*fits.values())).to_series()


def _choose_order(
    by_order: dict[str, dict[str, pl.Series]],
    values: pl.DataFrame,
    day_first: bool | None,
    name: str,
) -> tuple[list[str], str]:
    """Return the order that the whole column decides for, or all that it leaves open."""
    rows = values["rows"]
    fits = {order: _any(found) for order, found in by_order.items()}
    weight = {order: int(rows.filter(fit).sum()) for order, fit in fits.items()}
    best, *others = sorted(fits, key=lambda order: -weight[order])
    open_orders = [best]
    why = []
    for other in others:
        years_last = other == "ymd" and _years_last(values["text"].filter(fits[best]))
        if years_last:
            why.append(years_last)
            continue
        for_best = int(rows.filter(fits[best] & ~fits[other]).sum())
        against = int(rows.filter(fits[other] & ~fits[best]).sum())
        if against > _MAX_CONTRADICTION * for_best or for_best == 0:
            open_orders.append(other)
            why.append(f"{for_best} rows can only be {best}, {against} only {other}")
        else:
            why.append(f"{for_best} rows can be {best} but not {other}, {against} the reverse")
    if len(open_orders) > 1 and day_first is not None:
        wanted = "dmy" if day_first else "mdy"
        if wanted in open_orders:
            return [wanted], f"{', '.join(why)}; {wanted} as was asked for"
    if {*open_orders} == {"dmy", "mdy"} and (fits["dmy"] == fits["mdy"]).all():
        text = values["text"].filter(fits["dmy"])
        order, beginnings = _month_beginnings(text)
        if order:
            return [order], beginnings
    if "dmy" in open_orders and len(open_orders) > 1:
        days_first = not (_any(fits) & ~fits["dmy"]).any()
        if days_first and _are_dotted(values["text"].filter(fits["dmy"]), name):
            return ["dmy"], "points between its numbers: the day comes first"
    return open_orders, ", ".join(why)


def doubt_of(formats: Sequence[ColumnFormat]) -> str:
    """Say between what the formats that fit a column equally well do not decide.

    Examples
    --------
    >>> doubt_of([ColumnFormat("date", formats=(f,)) for f in ("%d-%m-%y", "%y-%m-%d")])
    'day and year'
    """
    orders = {_order(template) for one in formats for template in one.formats} - {""}
    firsts = {"d": "day", "m": "month", "y": "year"}
    *others, last = [word for letter, word in firsts.items() if any(o[0] == letter for o in orders)]
    return f"{', '.join(others)} and {last}"


def _month_beginnings(text: pl.Series) -> tuple[str, str]:
    """Return the order of dates of which one number is 1 throughout, and why; "" where it is not.

    Such a number is the day: who notes the first of each month does so all year, while nobody
    notes only days of January, and in several years none but the first twelve.
    """
    number = "^([0-9]+)[^0-9]+([0-9]+)[^0-9]+([0-9]+)"
    parts = [text.str.extract(number, group).cast(pl.Int64) for group in (1, 2, 3)]
    first, second, years = (part.n_unique() for part in parts)
    at, months = (0, second) if first == 1 else (1, first)
    if parts[at].n_unique() > 1 or parts[at][0] != 1 or months < 3 or years < 2:
        return "", ""
    if text.n_unique() < _LEAST_BEGINNINGS:
        return "", ""
    place = ("first", "second")[at]
    return ("dmy", "mdy")[at], f"the {place} number is 1 in all of {years} years: it is the day"


def _are_dotted(text: pl.Series, name: str) -> bool:
    """Tell dates such as 10.09.2024: no locale of the CLDR writes the month first with points.

    Hungary and Korea write the year first, but hardly ever with two digits. Versions and chapters
    such as 10.09.24 are no dates, unless the name speaks of time or a clock stands behind.
    """
    days = speaks_of_time(name) or any(_OF_DAYS.fullmatch(word) for word in _words_of(name))
    year = "[0-9]{2}" if days else "(?:[0-9]{4}|[0-9]{2}[ T,]+[0-9]{1,2}[:h])"
    return bool(text.str.contains(rf"^[^0-9]*[0-9]{{1,2}}\.[0-9]{{1,2}}\.{year}").all())


def _years_last(text: pl.Series) -> str:
    """Say why the last of three numbers of two digits is the year; "" where it may be the first.

    A last number that varies less than the first is the year: days vary more than years. The
    reverse proves nothing, as dates of month beginnings all start with 01.
    """
    first = text.str.extract("^([0-9]+)").n_unique()
    last = text.str.extract("^[0-9]+[^0-9]+[0-9]+[^0-9]+([0-9]+)").n_unique()
    if last >= first:
        return ""
    return f"the last number takes {last} values, the first {first}: the last is the year"


def _finished(base: ColumnFormat, fits: dict[str, pl.Series], rows: pl.Series) -> ColumnFormat:
    """Keep the formats that read cells which no better one reads, the commonest first."""
    kept: list[str] = []
    left = pl.repeat(True, rows.len(), dtype=pl.Boolean, eager=True)
    pending = dict(fits)
    while pending:
        gains = {template: int(rows.filter(fit & left).sum()) for template, fit in pending.items()}
        best = max(gains, key=lambda template: (gains[template], template))
        if not gains[best]:
            break
        kept.append(best)
        left &= ~pending.pop(best)
    timed = any(map(is_timed, kept))
    return replace(
        base,
        kind="datetime" if timed else "date",
        formats=tuple(kept),
        zoned=any("%z" in template for template in kept),
    )
