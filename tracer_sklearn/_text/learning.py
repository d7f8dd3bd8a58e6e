"""Learning the format of a column from all of its distinct values."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import narwhals.stable.v2 as nw
import polars as pl

from tracer_sklearn._text.date_learning import doubt_of, learn_dates, speaks_of_clocks
from tracer_sklearn._text.dates import SERIALS, directives, illegal_reason, is_timed
from tracer_sklearn._text.flags import distinct_words, learn_flag
from tracer_sklearn._text.format import KINDS, ColumnFormat, Kind
from tracer_sklearn._text.missing import (
    MISSING_DATES,
    MISSING_WORDS,
    SPACES,
    WRAPPED,
    masked_examples,
    unwrapped,
)
from tracer_sklearn._text.months import MONTHS
from tracer_sklearn._text.numbers import (
    NO_AMOUNT,
    STYLES,
    adjoining_codes,
    choose_marks,
    fitting,
    is_whole,
    learn_affixes,
    looks_like_ids,
    settle_padding,
)
from tracer_sklearn._text.parsing import failed, is_missing

# A column is of a kind although some cells do not fit, where these are few rows and few words:
# order numbers of which one in fifty is "C536379" are names, not numbers with mistakes.
_MAX_FAILING_ROWS = 0.10
_MAX_FAILING_WORDS = 0.05
_ALWAYS_WORDS = 3
_CLOCK = r"^(?:[01][0-9]|2[0-3])\.[0-5][0-9]$"
_CODE = r"^[A-Za-z]{1,4}[-_ ]?[0-9]{3,}$|^[0-9]{3,}[-_ ]?[A-Za-z]{1,3}$"


@dataclass(frozen=True)
class Learnt:
    """A learnt format with the account of it.

    Attributes
    ----------
    format : ColumnFormat
        What `apply_format` takes. Text, where the order of day, month and year is undecidable.
    why : str
        What decided, with the figure.
    n_values, n_missing, n_failures : int
        Cells that hold something, that hold nothing, and that do not fit the format.
    examples : tuple of str
        Shapes of a few cells that do not fit: letters are a, digits are 9.
    ambiguous : tuple of ColumnFormat
        The formats between which the column does not decide; empty where it does.
    """

    format: ColumnFormat
    why: str
    n_values: int
    n_missing: int
    n_failures: int = 0
    examples: tuple[str, ...] = ()
    ambiguous: tuple[ColumnFormat, ...] = ()

    @property
    def doubt(self) -> str:
        """Between what its dates do not decide: "day and month"; empty where they do."""
        return doubt_of(self.ambiguous) if self.ambiguous else ""


def learn_format(
    series: pl.Series,
    *,
    kind: Kind | None = None,
    decimal: str | None = None,
    day_first: bool | None = None,
) -> Learnt:
    """Learn how a column of text is read.

    Parameters
    ----------
    series : polars.Series
        Text; its name is a hint for numbers that may be moments.
    kind : {"number", "count", "date", "datetime", "flag", "category", "text", None}, default=None
        What the column is known to hold; None finds out.
    decimal : {".", ",", None}, default=None
        The decimal mark of the file; settles what the column leaves open.
    day_first : bool or None, default=None
        The order of day and month; settles what the column leaves open.

    Returns
    -------
    Learnt
        The frozen format and why it was chosen.

    Examples
    --------
    >>> import polars as pl
    >>> learnt = learn_format(pl.Series("day", ["13/01/2024", "02/03/2024", "n/a"]))
    >>> print(learnt.format, "|", learnt.why)
    date, %d/%m/%Y | 1 rows can be dmy but not mdy, 0 the reverse
    """
    cells = _counted(series)
    return learn_counted(
        cells,
        n_rows=series.len(),
        name=series.name,
        kind=kind,
        decimal=decimal,
        day_first=day_first,
    )


def learn_counted(
    cells: pl.DataFrame,
    *,
    n_rows: int,
    name: str,
    kind: Kind | None = None,
    decimal: str | None = None,
    day_first: bool | None = None,
) -> Learnt:
    """Learn how a column is read from its distinct trimmed cells and their counts.

    Parameters
    ----------
    cells : polars.DataFrame
        Columns ``text`` and ``rows``, without nulls, in the order of their first rows.
    n_rows : int
        Rows of the column, missing ones included.
    name : str
        Name of the column.
    kind, decimal, day_first
        As for `learn_format`.
    """
    bare, n_texts = _unwrapped(cells)
    wrapped = bare is not cells
    words, missing = _holding(bare)
    if n_texts and kind is None:
        # what is kept as text on purpose is no number: ="001" beside 2 is a name
        found = _as_text(words, f'{n_texts} cells stand as ="…": text, as in Excel')
        chosen = replace(found.format, missing=missing, wrapped=True)
        return _accounted(n_rows, words, chosen, found.why, ())
    # "$ -" is no amount among amounts, and a word among words
    amounts = words.filter(~words["text"].str.contains(NO_AMOUNT))
    found = _found(amounts, kind, name, decimal, day_first)
    if found.format.kind in ("number", "count"):
        words = amounts
    elif amounts.height < words.height:
        found = _found(words, kind, name, decimal, day_first)
    ambiguous = tuple(replace(one, missing=missing, wrapped=wrapped) for one in found.ambiguous)
    chosen = replace(found.format, missing=missing, wrapped=wrapped)
    if chosen.kind not in ("date", "datetime") and bare["text"].is_in(MISSING_DATES).any():
        # 00/00/0000 is no day among days, but something among other things
        words = bare.filter(~_cells(bare, is_missing(nw.col("text"), chosen)))
    return _accounted(n_rows, words, chosen, found.why, ambiguous)


def _found(
    words: pl.DataFrame,
    kind: Kind | None,
    name: str,
    decimal: str | None,
    day_first: bool | None,
) -> Learnt:
    if kind is None:
        return _guess(words, name, decimal, day_first)
    return _as_kind(words, kind, name, decimal, day_first)


def account_for(series: pl.Series, format: ColumnFormat, why: str) -> Learnt:
    """Return the account of a column for a format that was given, not learnt.

    Parameters
    ----------
    series : polars.Series
        Text.
    format : ColumnFormat
        How it is read.
    why : str
        Who gave it.
    """
    cells = _counted(series)
    words = cells.filter(~_cells(cells, is_missing(nw.col("text"), format)))
    return _accounted(series.len(), words, format, why, ())


def _accounted(
    n_rows: int,
    words: pl.DataFrame,
    format: ColumnFormat,
    why: str,
    ambiguous: tuple[ColumnFormat, ...],
) -> Learnt:
    if not words.height:  # most columns of a wide and sparse table
        return Learnt(format, why, n_values=0, n_missing=n_rows, ambiguous=ambiguous)
    wrong = words.filter(_cells(words, failed(nw.col("text"), format)))
    n_values = int(words["rows"].sum())
    return Learnt(
        format,
        why,
        n_values=n_values,
        n_missing=n_rows - n_values,
        n_failures=int(wrong["rows"].sum()),
        examples=masked_examples(wrong["text"]),
        ambiguous=ambiguous,
    )


def format_from(spec: Any) -> ColumnFormat | str:
    """Return the format that a user wrote down, or say what is wrong with it.

    Parameters
    ----------
    spec : ColumnFormat, dict or str
        A format, its ``to_dict()``, a date format in strptime's language, or one of "epoch_s",
        "epoch_ms", "excel".

    Returns
    -------
    ColumnFormat or str
        The format; a string says why there is none.
    """
    if isinstance(spec, dict):
        try:
            spec = ColumnFormat.from_dict(spec)
        except (TypeError, ValueError) as error:
            return str(error)
    if isinstance(spec, ColumnFormat):
        return _fault(spec) or spec
    if not isinstance(spec, str):
        return f"{type(spec).__name__} is neither a ColumnFormat nor a string"
    timed = is_timed(spec) or spec in SERIALS
    kind: Kind = "datetime" if timed else "date"
    format = ColumnFormat(kind, formats=(spec,), zoned="%z" in directives(spec))
    return _fault(format) or format


def _fault(format: ColumnFormat) -> str:
    """Say what is wrong with a format, or return an empty string."""
    if format.kind not in KINDS:
        return f"kind {format.kind!r} is not one of {KINDS}"
    if (format.decimal, format.thousands) not in STYLES:
        return f"no numbers are written with {format.decimal!r} and {format.thousands!r}"
    if format.months not in ("", *MONTHS):
        return f"months in {format.months!r} are not known"
    if len(format.formats) > 1 and set(format.formats) & set(SERIALS):
        return f"{' and '.join(format.formats)} do not go together"
    return next(filter(None, map(illegal_reason, format.formats)), "")


def _counted(series: pl.Series) -> pl.DataFrame:
    """Count the distinct trimmed cells."""
    return (
        series.alias("text")
        .cast(pl.String)
        .to_frame()
        .lazy()
        .select(text=pl.col("text").str.strip_chars(SPACES))
        .drop_nulls()
        .group_by("text", maintain_order=True)
        .agg(rows=pl.len())
        .collect()
    )


def _unwrapped(cells: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Return the distinct cells without the formula of ="001", and how many rows hold one."""
    # the look at two characters takes a tenth of the time of the pattern
    if not cells["text"].str.starts_with('="').any():
        return cells, 0
    texts = cells["text"].str.contains(WRAPPED) & (cells["text"] != '=""')
    bare = nw.from_native(cells).with_columns(text=unwrapped(nw.col("text"))).to_native()
    merged = bare.group_by("text", maintain_order=True).agg(pl.col("rows").sum())
    return merged, int(cells["rows"].filter(texts).sum())


def _holding(cells: pl.DataFrame) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Return the cells that hold something; choose the missing marks."""
    if not cells.height:
        return cells, MISSING_WORDS
    nothing = _cells(cells, is_missing(nw.col("text"), ColumnFormat("date")))
    held = cells.filter(~nothing)
    missing: tuple[str, ...] = MISSING_WORDS
    codes = held["text"].str.contains("^[A-Z]{2}$")
    na = cells.filter(pl.col("text") == "NA")
    if held.height >= 3 and codes.sum() > 0.8 * held.height:
        # among codes of two capitals NA is one of them, be it in later rows: Namibia, North America
        missing = tuple(word for word in MISSING_WORDS if word != "na")
        held = pl.concat([held, na])
    return held, missing


def _cells(words: pl.DataFrame, condition: nw.Expr) -> pl.Series:
    """Tell for which distinct cells a condition holds."""
    told: pl.Series = nw.from_native(words).select(told=condition).to_native()["told"]
    return told


def _learnt(format: ColumnFormat, why: str, ambiguous: tuple[ColumnFormat, ...] = ()) -> Learnt:
    return Learnt(format, why, 0, 0, ambiguous=ambiguous)


def _guess(words: pl.DataFrame, name: str, decimal: str | None, day_first: bool | None) -> Learnt:
    """Try flags, dates, numbers; text is what is left."""
    if not words.height:
        return _learnt(ColumnFormat("text"), "no cell holds anything")
    if words.height <= 30:
        flag = learn_flag(distinct_words(words["text"]), asked=False)
        if flag is not None:
            return _learnt(flag, f"only words of yes and no ({words.height} distinct)")
    # without a digit it is neither a number nor a date
    telling = words.filter(pl.col("text").str.contains("[0-9]"))
    if int(telling["rows"].sum()) >= (1 - _MAX_FAILING_ROWS) * int(words["rows"].sum()):
        dates = learn_dates(words, name=name, day_first=day_first, asked=False)
        if dates is not None and _accept(words, *dates.formats):
            return _from_dates(dates.formats, dates.why)
        text = words["text"]
        padded = speaks_of_clocks(name) and text.str.contains("^0[0-9]").any()
        if padded and text.str.contains(_CLOCK).all():
            return _as_text(words, "times of day, written with a point")
        number = _learn_number(words, decimal)
        if isinstance(number, Learnt):
            return number
        if dates is not None:
            return _as_text(words, f"too many cells do not fit {dates.formats[0].formats[0]!r}")
        return _as_text(words, number)
    return _as_text(words, "most cells have no digit")


def _as_kind(
    words: pl.DataFrame, kind: Kind, name: str, decimal: str | None, day_first: bool | None
) -> Learnt:
    """Learn the format of a column whose kind is known, however many cells do not fit."""
    if kind in ("category", "text"):
        return _learnt(ColumnFormat(kind), f"{kind} as was asked for")
    if kind == "flag":
        flag = learn_flag(distinct_words(words["text"]), asked=True)
        english = ColumnFormat("flag", true=("yes", "true", "1"), false=("no", "false", "0"))
        return _learnt(flag or english, "flag as was asked for")
    if kind in ("date", "datetime"):
        dates = learn_dates(words, name=name, day_first=day_first, asked=True)
        if dates is None:
            return _learnt(ColumnFormat(kind, formats=("%Y-%m-%d",)), "no cell is a date: ISO")
        return _from_dates(dates.formats, dates.why or "date as was asked for")
    format, why = _number_style(words, decimal) or (ColumnFormat("number"), "two currencies")
    numbers = words["text"].filter(fitting(words["text"], format))
    if kind == "count" or (numbers.len() and is_whole(numbers, format)):
        format = replace(format, kind="count")
    format = settle_padding(format, words["text"])
    return _learnt(format, f"{kind} as was asked for; {why}".rstrip("; "))


def _from_dates(formats: tuple[ColumnFormat, ...], why: str) -> Learnt:
    if len(formats) > 1:
        why = f"order of {doubt_of(formats)} undecidable: {why}"
        return _learnt(ColumnFormat("text"), why, formats)
    return _learnt(formats[0], why or f"read by {' or '.join(formats[0].formats)}")


def _as_text(words: pl.DataFrame, why: str) -> Learnt:
    repeated = int(words["rows"].sum()) >= 2 * words.height
    return _learnt(ColumnFormat("category" if repeated else "text"), why)


def _learn_number(words: pl.DataFrame, decimal: str | None) -> Learnt | str:
    """Return the number format of the column, or why it has none."""
    style = _number_style(words, decimal)
    if style is None:
        return "amounts in several currencies"
    format, why = style
    ids = looks_like_ids(words["text"]) or adjoining_codes(words, format)
    if ids:
        return f"identifiers: {ids}"
    if not _accept(words, format):
        return "too many cells are no numbers"
    numbers = words["text"].filter(fitting(words["text"], format))
    if is_whole(numbers, format):
        others = words["text"].filter(~fitting(words["text"], format))
        if others.str.contains(_CODE).any():
            return "identifiers: some cells are codes of letters and digits"
        format = replace(format, kind="count")
    # 00 among many numbers fails as the slip that it is, and 0012 next month as well
    format = settle_padding(format, words["text"].filter(~words["text"].str.contains("^[-+]?0+$")))
    return _learnt(format, why or f"read as numbers ({words.height} distinct)")


def _number_style(words: pl.DataFrame, decimal: str | None) -> tuple[ColumnFormat, str] | None:
    plain = ColumnFormat("number", padded=True)
    if decimal != "," and fitting(words["text"], plain).all():
        return plain, ""
    affixes = learn_affixes(words)
    if affixes is None:
        return None
    format, why = affixes
    format, marks = choose_marks(format, words, decimal)
    return format, ", ".join(part for part in (why, marks) if part)


def _accept(words: pl.DataFrame, *formats: ColumnFormat) -> bool:
    """Tell whether few enough rows and words fit none of the formats."""
    misfit = pl.all_horizontal(*(_cells(words, failed(nw.col("text"), f)) for f in formats))
    wrong = words.filter(misfit)
    rows = int(wrong["rows"].sum())
    allowed = max(_ALWAYS_WORDS, int(_MAX_FAILING_WORDS * words.height))
    return rows <= _MAX_FAILING_ROWS * int(words["rows"].sum()) and wrong.height <= allowed
