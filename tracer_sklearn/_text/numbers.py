"""Numbers and money in text: which cells are numbers in a given style, and their values."""

from __future__ import annotations

from dataclasses import replace

import narwhals.stable.v2 as nw
import polars as pl

from tracer_sklearn._text.format import ColumnFormat
from tracer_sklearn._text.missing import any_of, escape

_DOLLARS = ("$", "US$", "USD", "$US", "U$S")
_CURRENCIES: tuple[tuple[str, ...], ...] = (
    _DOLLARS,
    ("€", "EUR", "Euro", "Euros", "euro", "euros", "EURO"),
    ("£", "GBP", "£GB"),
    ("CHF", "Fr", "Fr.", "SFr", "SFr.", "sFr."),
    ("¥", "￥", "JPY", "円"),
    ("CNY", "RMB", "元", "CN¥"),
    ("₹", "INR", "Rs", "Rs.", "RS.", "₨"),
    ("R$", "BRL"),
    ("A$", "AU$", "AUD"),
    ("C$", "CA$", "CAD"),
    ("NZ$", "NZD"),
    ("HK$", "HKD"),
    ("S$", "SGD"),
    ("MX$", "MXN"),
    ("kr", "kr.", "Kr", "Kr.", "SEK", "NOK", "DKK"),
    ("zł", "zl", "PLN"),
    ("Kč", "Kc", "CZK"),
    ("Ft", "HUF"),
    ("lei", "RON"),
    ("лв", "лв.", "BGN"),
    ("₽", "руб", "руб.", "RUB"),
    ("₺", "TL", "TRY"),
    ("₴", "UAH"),
    ("₩", "KRW", "원"),
    ("₪", "ILS", "NIS"),
    ("฿", "THB"),
    ("₫", "VND"),
    ("₱", "PHP"),
    ("₦", "NGN"),
    ("ZAR",),
    ("AED",),
    ("SAR",),
    ("IDR", "Rp", "Rp."),
    ("MYR", "RM"),
    ("TWD", "NT$"),
    ("ARS",),
    ("CLP",),
    ("COP",),
    ("EGP",),
    ("₿", "BTC"),
)
EVERY_CURRENCY = any_of(word for group in _CURRENCIES for word in group)
_CURRENCY_OF = {word.rstrip(".").casefold(): group for group in _CURRENCIES for word in group}
_SCALES = (
    *(("k", 3), ("tsd", 3), ("m", 6), ("mn", 6), ("mm", 6), ("mio", 6), ("mln", 6)),
    *(("b", 9), ("bn", 9), ("mrd", 9), ("mld", 9)),
)
_POWER_OF = dict(_SCALES)
# alone in a column these may as well be metres, minutes or bytes
_DOUBTFUL_SCALES = {"m", "b", "mm"}
_LETTERS = {word for word, _ in _SCALES if len(word) == 1}

STYLES = (
    *((".", ""), (",", ""), (".", ","), (",", ".")),
    *((".", " "), (",", " "), (".", "'"), (",", "'")),
)
_GAPS = " \u00a0\u2007\u2009\u202f"
_GAP = f"[{_GAPS}]"
_MINUS = "[-−]"
# in prices a dash behind the decimal mark stands for two zeros: CHF 12.-
_DASH = "[-–—−]{1,2}"
_MARKS = {" ": _GAP, "'": "['’´`]", ",": ",", ".": r"\."}

# trimmed cells of a currency and dashes, as Excel writes the amount of nothing: "$ -"
NO_AMOUNT = f"^(?i:(?:{EVERY_CURRENCY}){_GAP}*[-–—−]+|[-–—−]+{_GAP}*(?:{EVERY_CURRENCY}))$"

# integers of up to 15 digits are exact in every engine and in Float64
_WHOLE_DIGITS = 15
# anything that could leave the range of Float64 is no number to us
_MAX_LENGTH = 60
_EXPONENT = r"e[+-]?0{0,3}[0-9]{1,2}|e-0{0,3}[12][0-9]{2}|e\+?0{0,3}[12][0-9]{2}"


def is_currency(word: str) -> bool:
    """Tell a trimmed cell that names a currency.

    Examples
    --------
    >>> is_currency("EUR"), is_currency("Kč"), is_currency("Anna")
    (True, True, False)
    """
    return word.rstrip(".").casefold() in _CURRENCY_OF


def is_plain(format: ColumnFormat) -> bool:
    """Tell a style without marks other than a decimal one; such cells are cast as they are."""
    affixes = format.currency or format.percent or format.scales or format.signs
    return not (format.thousands or affixes)


def number_pattern(format: ColumnFormat) -> str:
    """Return the pattern of trimmed cells of at most 60 characters that are numbers."""
    decimal = _MARKS[format.decimal]
    whole = format.kind == "count"
    zeros = "0" if whole else "[0-9]"
    integer = _integer(_WHOLE_DIGITS if whole else None, padded=format.padded)
    part = "" if whole else f"|{decimal}[0-9]+"
    if is_plain(format):
        fraction = f"(?:{decimal}{zeros}*)?"
        digits = f"{integer}{fraction}{part}"
        short = _integer(8, padded=format.padded)
        scientific = "" if whole else f"|{short}{fraction}(?i:{_EXPONENT})"
        return f"^[-+]?(?:{digits}{scientific})$"
    if format.thousands:
        mark = _MARKS[format.thousands]
        # "1,23,456" groups as India does
        group = "[0-9]{2,3}" if format.thousands == "," else "[0-9]{3}"
        more = "{0,3}" if whole else "*"
        integer = f"(?:[1-9][0-9]{{0,2}}(?:{mark}{group}){more}{mark}[0-9]{{3}}|{integer})"
    before, after = "", ""
    if format.currency:
        apart, adjacent = any_of(format.currency), _adjacent(format.currency)
        before = f"(?:(?:{apart}){_GAP}+|{adjacent})?"
        after = f"(?:{_GAP}+(?:{apart})|{adjacent})?"
    if format.scales:
        after = f"{_GAP}*(?:{any_of(word for word, _ in format.scales)})?{after}"
    if format.percent:
        before, after = f"%?{_GAP}*{before}", f"{_GAP}*%?{after}"
    number = f"(?:{integer}(?:{decimal}(?:{zeros}*|{_DASH}))?{part})"
    # the dash of 12.- is no minus
    closed = f"(?:{integer}(?:{decimal}{zeros}+)?{part})"
    signed = f"(?:[-+−]?{_GAP}*{before}|{before}[-+−]?{_GAP}*){number}{after}"
    behind = f"(?:{_MINUS}|{_signs(format)})" if format.signs else _MINUS
    trailing = f"{before}{closed}{after}{_GAP}*{behind}"
    bracketed = f"{before}\\({_GAP}*{before}{number}{after}{_GAP}*\\){after}"
    return f"^(?i:{signed}|{trailing}|{bracketed})$"


def _signs(format: ColumnFormat, *, negative: bool = False) -> str:
    return any_of(word for word, sign in format.signs if sign < 0 or not negative)


def _adjacent(currency: tuple[str, ...]) -> str:
    """Return the pattern of a currency that stands directly at the digits.

    FR10 is a region and no amount in francs, but Fr10 is one: units count as they are written.
    """
    units = [word for word in currency if _is_unit(word)]
    others = any_of(word for word in currency if not _is_unit(word))
    if not units:
        return f"(?:{others})"
    exact = f"(?-i:{any_of(units)})"
    return f"(?:{others}|{exact})" if others else exact


def _is_unit(word: str) -> bool:
    """Tell a currency of letters that is no code of capitals: Rs and kr, but neither USD nor $."""
    return word.rstrip(".").isalpha() and word.upper() != word.lower() and not word.isupper()


def _is_code(word: str) -> bool:
    """Tell a currency of capital letters: USD and TL, but neither R$ nor 円."""
    return word.rstrip(".").isalpha() and word.isupper()


def _is_doubtful(word: str) -> bool:
    """Tell a code that may as well be a word or the beginning of an identifier."""
    return len(word) < 3 or word in _WORDS


def _integer(digits: int | None, *, padded: bool) -> str:
    """Return the pattern of up to so many digits; 01067 is no number, its zero would be lost."""
    if padded:
        return f"[0-9]{{1,{digits}}}" if digits else "[0-9]+"
    return f"(?:0|[1-9][0-9]{f'{{0,{digits - 1}}}' if digits else '*'})"


def fits_number(text: nw.Expr, format: ColumnFormat) -> nw.Expr:
    """Tell which trimmed cells are numbers in this style."""
    fits = text.str.contains(number_pattern(format)) & (text.str.len_chars() <= _MAX_LENGTH)
    # a share without its sign could be 5 or 0.05
    return fits & text.str.contains("%", literal=True) if format.percent else fits


def number(text: nw.Expr, format: ColumnFormat) -> nw.Expr:
    """Return the values of trimmed cells that fit; rounded once, from the decimal notation."""
    if is_plain(format):
        return _cast(text, format)
    text = _undashed(text, format)
    power = _power(text, format)
    kept = _bare(text, format)
    size = _cast(kept if power is None else nw.concat_str(kept, power), format)
    debits = _signs(format, negative=True)
    negative = text.str.contains(f"[(−-]|(?i:{debits})$" if debits else "[(−-]")
    return nw.when(negative).then(size * -1).otherwise(size)


def _undashed(text: nw.Expr, format: ColumnFormat) -> nw.Expr:
    """Take away currencies with a decimal mark in them, and dashes that stand for decimals."""
    dotted = [word for word in format.currency if format.decimal in word]
    if dotted:
        text = text.str.replace_all(f"(?i:{any_of(dotted)})", "")
    return text.str.replace_all(f"{_MARKS[format.decimal]}{_DASH}", format.decimal)


def _bare(text: nw.Expr, format: ColumnFormat) -> nw.Expr:
    """Return digits and decimal mark only; everything else stands at the ends or is a mark."""
    words = "".join((*format.currency, *(word for word, _ in (*format.scales, *format.signs))))
    around = {*words.upper(), *words.lower(), *"()+-−%", *_GAPS} - {format.decimal}
    text = text.str.strip_chars("".join(sorted(around)))
    if format.thousands in (",", "."):
        return text.str.replace_all(format.thousands, "", literal=True)
    return text.str.replace_all(_MARKS[format.thousands], "") if format.thousands else text


def _cast(text: nw.Expr, format: ColumnFormat) -> nw.Expr:
    if format.decimal == ",":
        text = text.str.replace_all(",", ".", literal=True)
    values = text.cast(nw.Float64)
    return values.cast(nw.Int64) if format.kind == "count" else values


def _power(text: nw.Expr, format: ColumnFormat) -> nw.Expr | None:
    """Return the power of ten that a cell's suffixes stand for, as the tail of its notation."""
    if not format.scales:
        return nw.lit("e-2") if format.percent else None
    shift = -2 if format.percent else 0
    power = nw.lit(f"e{shift}")
    for exponent in sorted({exponent for _, exponent in format.scales}):
        words = any_of(word for word, found in format.scales if found == exponent)
        follows = "(?:$|[^a-z])"
        power = (
            nw.when(text.str.contains(f"(?i:[0-9.,]{_GAP}*(?:{words}){follows})"))
            .then(nw.lit(f"e{exponent + shift}"))
            .otherwise(power)
        )
    return power


# -- learning ------------------------------------------------------------------------------


def learn_affixes(values: pl.DataFrame) -> tuple[ColumnFormat, str] | None:
    """Find currency, percent and scale suffixes among distinct trimmed cells.

    Parameters
    ----------
    values : polars.DataFrame
        Columns ``text`` and ``rows``.

    Returns
    -------
    format, why : ColumnFormat, str
        A number format without marks yet, which takes leading zeros; None where two currencies
        meet.
    """
    signs = _learn_signs(values["text"])
    ends = f"{_GAP}*(?i:{any_of(word for word, _ in signs)})$"
    bare = pl.col("text").str.replace_all(ends, "") if signs else pl.col("text")
    noise = rf"[0-9.,'’´`()+−–—%{escape('-')}]|{_GAP}"
    left = values.lazy().select(left=bare.str.replace_all(noise, ""), rows="rows", text="text")
    tokens = left.group_by("left").agg(pl.col("rows").sum()).sort("left").collect()
    percent = values.filter(pl.col("text").str.contains("%", literal=True))["rows"].sum()
    currencies: dict[tuple[str, ...], int] = {}
    scales: dict[str, int] = {}
    letters_alone = True
    for token, rows in tokens.iter_rows():
        currency, scale = _split_token(token)
        if currency:
            currencies[currency] = currencies.get(currency, 0) + rows
        if scale:
            scales[scale] = scales.get(scale, 0) + rows
            letters_alone &= scale in _LETTERS and not currency
    if len(currencies) > 1:
        return None
    if letters_alone and not _scale_amounts(values["text"]):
        scales = {}
    found = ColumnFormat("number", padded=True, signs=signs)
    why = [f"signs behind numbers: {' '.join(word for word, _ in signs)}"] if signs else []
    if currencies:
        found = replace(found, currency=next(iter(currencies)))
        why.append(f"currency {found.currency[0]}")
    if scales and not set(scales) <= _DOUBTFUL_SCALES:
        found = replace(found, scales=_SCALES)
        why.append(f"suffixes {sorted(scales)}")
    elif scales and currencies:
        found = replace(found, scales=_SCALES)
        why.append(f"suffixes {sorted(scales)} beside a currency")
    if percent > values["rows"].sum() / 2:
        found = replace(found, percent=True)
        why.append(f"percent signs in {percent} rows")
    return found, ", ".join(why)


# credit and debit as banks write them, in English and in German (Haben and Soll)
_SIDES = ((("cr", 1), ("dr", -1)), (("h", 1), ("s", -1)))


def _learn_signs(text: pl.Series) -> tuple[tuple[str, int], ...]:
    """Return the marks behind numbers that give their sign.

    Credit and debit must both occur, on all amounts, and with decimals: 5 Cr alone are crores,
    8 H hours, and 5 S and 7 H sizes. 18+ means at least 18; 1.50+ is a sum where 2.50- occurs.
    """
    sums = [f"[0-9][.,][0-9]+{_GAP}*{sign}$" for sign in (r"\+", _MINUS)]
    if all(text.str.contains(signed).any() for signed in sums):
        return (("+", 1),)
    held = text.filter(~text.str.contains("^0(?:[.,]0*)?$"))
    for sides in _SIDES:
        both = all(
            held.str.contains(f"[.,][0-9]{{2}}{_GAP}*(?i:{word})$").any() for word, _ in sides
        )
        words = any_of(word for word, _ in sides)
        # 8.00 H may be hours where decimals have points
        german = words != any_of("hs") or held.str.contains(f",[0-9]{{2}}{_GAP}*(?i:[hs])$|'").any()
        if both and german and held.str.contains(f"[0-9]{_GAP}*(?i:{words})$").all():
            return sides
    return ()


def _scale_amounts(text: pl.Series) -> bool:
    """Tell letters that scale numbers, 141.93K, from those of the house numbers 5, 7B and 9K."""
    letters = any_of(_LETTERS)
    if text.str.contains(f"[0-9][.,][0-9]+{_GAP}*(?i:{letters})(?:$|[^a-zA-Z0-9])").any():
        return True
    thousands, millions = (text.str.contains(f"[0-9](?i:{letter})$").any() for letter in ("k", "m"))
    bare = text.filter(text.str.contains("^[0-9]+$"))
    if thousands and millions and not bare.str.contains("^[0-9]{4}").any():
        return True  # followers: 850, 12K and 3M
    zero = "^[-+−]?0(?:[.,]0*)?$"
    return bool(text.str.contains(f"[0-9]{_GAP}*(?i:{letters})(?:$|[^a-zA-Z0-9])|{zero}").all())


def _split_token(token: str) -> tuple[tuple[str, ...] | None, str]:
    """Split what is left of a cell into a currency and a scale word."""
    token = token.casefold()
    if not token or len(token) > 8:
        return None, ""
    if token in _CURRENCY_OF:
        return _CURRENCY_OF[token], ""
    if token in _POWER_OF:
        return None, token
    for word in _POWER_OF:
        for rest in (token.removeprefix(word), token.removesuffix(word)):
            if rest != token and rest in _CURRENCY_OF:
                return _CURRENCY_OF[rest], word
    return None, ""


# the known decimal mark holds for a column of which so many rows fit it
_BELIEVED = 0.9
_THREE = "^[^0-9]*[1-9][0-9]{0,2},[0-9]{3}[^0-9]*$"


def choose_marks(
    format: ColumnFormat, values: pl.DataFrame, decimal: str | None
) -> tuple[ColumnFormat, str]:
    """Choose decimal and thousands mark for the whole column.

    Parameters
    ----------
    format : ColumnFormat
        With its affixes.
    values : polars.DataFrame
        Distinct trimmed cells: columns ``text`` and ``rows``.
    decimal : {".", ",", None}
        The decimal mark of the file, where it is known; it holds where nine rows in ten fit it.
    """
    # the preference among equals: the known decimal mark, then a point, then no thousands mark
    preferred = sorted(STYLES, key=lambda style: decimal is not None and style[0] != decimal)
    styles = [replace(format, decimal=point, thousands=group) for point, group in preferred]
    total = int(values["rows"].sum())
    chosen, fits, best = styles[0], values["text"].is_null(), -1
    for style in styles:
        if style.decimal != decimal and chosen.decimal == decimal and best >= _BELIEVED * total:
            break
        fit = fitting(values["text"], style)
        share = int(values["rows"].filter(fit).sum())
        if share > best:
            chosen, fits, best = style, fit, share
        if best == total:
            break
    thousands = replace(format, decimal=".", thousands=",")
    if chosen.decimal == "," and not chosen.thousands:
        text = values["text"].filter(fits)
        grouped = text.filter(text.str.contains(",", literal=True))
        ungrouped = text.filter(~text.str.contains(",", literal=True))
        whole = not ungrouped.str.contains("[0-9]{4}").any()
        if decimal != "," and whole and grouped.str.contains(_THREE).all():
            return thousands, "every comma stands before three digits: taken as thousands mark"
        return chosen, "commas taken as decimal marks"
    by_file = (chosen.decimal, chosen.thousands, decimal) == (",", ".", ",")
    if by_file and not values["text"].filter(fits).str.contains(",", literal=True).any():
        return chosen, "points taken as thousands marks: the file's decimal mark is a comma"
    return chosen, ""


def fitting(text: pl.Series, format: ColumnFormat) -> pl.Series:
    """Tell which trimmed cells in memory are numbers in this style."""
    frame = nw.from_native(text.alias("text").to_frame())
    fits: pl.Series = frame.select(fits=fits_number(nw.col("text"), format)).to_native()["fits"]
    return fits


def settle_padding(format: ColumnFormat, text: pl.Series) -> ColumnFormat:
    """Return the format without leading zeros, unless cells that fit it have some."""
    strict = replace(format, padded=False)
    padded = fitting(text, format) & ~fitting(text, strict)
    return replace(format, padded=bool(padded.any()))


def is_whole(text: pl.Series, format: ColumnFormat) -> bool:
    """Tell whether no cell that fits the style has a decimal mark, a percent sign or a suffix."""
    if format.percent or format.scales:
        return False
    # "1.0" has decimals; it is read as a whole number only where that is asked for
    mark = _MARKS[format.decimal]
    kept = text.str.replace_all(f"(?i:{any_of(format.currency)})", "") if format.currency else text
    whole = fitting(text, replace(format, kind="count"))
    return bool((whole & ~kept.str.contains(f"{mark}|[eE]")).all())


def adjoining_codes(words: pl.DataFrame, format: ColumnFormat) -> str:
    """Say why amounts such as TL101 may be codes, or return an empty string.

    A column of amounts shows decimals or grouped thousands somewhere, or a blank or a symbol
    at most numbers.
    """
    codes = any_of(word for word in format.currency if _is_code(word) and _is_doubtful(word))
    letters = any_of(word for word in format.currency if _is_code(word) or _is_unit(word))
    text = words["text"]
    if not letters:
        return ""
    if text.str.contains(f"^[^0-9]*(?i:{letters})[-+−(]?0[0-9]").any():
        return "leading zeros"
    if text.str.contains(f"^[^0-9]*(?i:{letters})[-+−(]?[0-9]{{{_WHOLE_DIGITS + 1},}}").any():
        return f"whole numbers of more than {_WHOLE_DIGITS} digits"
    if not codes:
        return ""
    # in front of digits: 25TL is an amount
    adjoining = text.str.contains(f"^[^0-9]*(?i:{codes})[-+−(]?[0-9]")
    units = any_of(word for word in format.currency if _is_unit(word))
    if units:  # Rs.100 is none of the codes RS.100
        adjoining &= ~text.str.contains(f"(?:^|[^a-zA-Z])(?:{units})[-+−(]?[0-9]")
    if not adjoining.any():
        return ""
    amounts = text.filter(fitting(text, format))
    if format.thousands or amounts.str.contains(f"[0-9]{_MARKS[format.decimal]}").any():
        return ""
    named = text.str.contains(f"(?i:{any_of(format.currency)})")
    if words["rows"].filter(adjoining).sum() < words["rows"].filter(named & ~adjoining).sum():
        return ""
    return "letters directly at digits, and no cell shows decimals or thousands"


# codes of currencies that are words
_WORDS = {"TRY", "ALL", "TOP", "CAD", "COP"}
# share of cells such as 00 that may be slips
_SLIPS = 0.1
# no measurements of one column lie further apart
_WIDEST = 1e15
# 030 123 456 and 012.345.678, but not 0.123 and 0,123
_GROUPED_ZERO = rf"^[-+]?0[0-9]*(?:(?:[{_GAPS}'’´`][0-9]+)+|(?:\.[0-9]+){{2,}}|(?:,[0-9]+){{2,}})$"
# 001.2024 is a period of a ledger, of which there are up to 16 in a year
_PERIOD = r"^0(?:0[1-9]|1[0-6])\.(?:19|20)[0-9]{2}$"
_GROUPED_PHONE = rf"^\+[0-9]+(?:(?:{_GAP}[0-9]+)+|(?:\.[0-9]+){{2,}})$"


def looks_like_ids(text: pl.Series) -> str:
    """Say why numbers must stay text, or return an empty string."""
    padded = text.filter(text.str.contains(f"^[-+]?0[0-9]+$|{_GROUPED_ZERO}"))
    # 00 is a slip among many numbers of any length, a code among a few or among those of two digits
    slips = padded.str.contains("^0+$").all() and text.str.len_chars().n_unique() > 2
    if padded.len() and not (slips and padded.len() <= _SLIPS * text.len()):
        return "leading zeros"
    if text.str.contains(_PERIOD).all():
        return "periods of years"
    if text.str.contains(f"^[-+]?[0-9]{{{_WHOLE_DIGITS + 1},}}$").any():
        return f"whole numbers of more than {_WHOLE_DIGITS} digits"
    if text.str.contains(r"^\+[0-9]{7,}$").any():
        return "phone numbers"
    # +1 234 beside -567 is a change
    if text.str.contains(_GROUPED_PHONE).any() and not text.str.contains("^[-−]").any():
        return "phone numbers"
    return "codes with an E" if _are_codes_with_e(text) else ""


def _are_codes_with_e(text: pl.Series) -> bool:
    """Tell 12E45 among article numbers from a measurement."""
    text = text.filter(text.str.contains("[0-9]"))
    coded = text.str.contains("^[-+]?[0-9]+[eE][0-9]+$")
    if not coded.any():
        return False
    others = text.filter(~coded)
    if others.len() and others.str.contains("^[-+]?[0-9]+$").all():
        return True
    sizes = text.cast(pl.Float64, strict=False).abs().drop_nulls().to_numpy()
    sizes = sizes[sizes > 0]
    return bool(len(sizes)) and bool(sizes.max() / _WIDEST > sizes.min())
