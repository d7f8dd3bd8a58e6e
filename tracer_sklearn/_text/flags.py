"""Yes and no in several languages."""

from __future__ import annotations

import narwhals.stable.v2 as nw
import polars as pl

from tracer_sklearn._text.format import ColumnFormat

# language: words of yes, words of no
_WORDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "en": (("yes", "y", "true", "t", "on"), ("no", "n", "false", "f", "off")),
    "de": (("ja", "j", "wahr", "an"), ("nein", "n", "falsch", "aus")),
    "fr": (("oui", "o", "vrai", "v"), ("non", "n", "faux", "f")),
    "es": (("sí", "si", "s", "verdadero", "v"), ("no", "n", "falso", "f")),
    "it": (("sì", "si", "s", "vero", "v"), ("no", "n", "falso", "f")),
    "nl": (("ja", "j", "waar"), ("nee", "neen", "n", "onwaar")),
    "pt": (("sim", "s", "verdadeiro", "v"), ("não", "nao", "n", "falso", "f")),
    "pl": (("tak", "t", "prawda"), ("nie", "n", "fałsz", "falsz")),
    "sv": (("ja", "j", "sant"), ("nej", "n", "falskt")),
    "da": (("ja", "j", "sand"), ("nej", "n", "falsk")),
    "fi": (("kyllä", "kylla", "k", "tosi"), ("ei", "e", "epätosi")),
    "cs": (("ano", "a", "pravda"), ("ne", "n", "nepravda")),
    "tr": (("evet", "e", "doğru"), ("hayır", "hayir", "h", "yanlış")),
}
_DIGITS = ("1", "0")
# how programs write a truth value: one of them alone is one as well
_OF_PROGRAMS = {"true", "false"}
# pairs of letters that a column of categories is unlikely to hold; S and N may be south and north
_LETTERS = ({"y", "n"}, {"t", "f"}, {"j", "n"})


def learn_flag(words: list[str], *, asked: bool) -> ColumnFormat | None:
    """Return the flag that distinct cells are, or None.

    Parameters
    ----------
    words : list of str
        Distinct trimmed cells in lower case.
    asked : bool
        Whether the column is known to be a flag; then 0 and 1, single letters of every language
        and a single word will do.
    """
    found = set(words) - set(_DIGITS)
    if not found:
        if asked:
            return ColumnFormat("flag", true=("yes", "true", "1"), false=("no", "false", "0"))
        return None
    for true, false in _WORDS.values():
        if not found <= {*true, *false}:
            continue
        both = found & set(true) and found & set(false)
        letters = all(len(word) == 1 for word in found)
        told = (both and (not letters or found in _LETTERS)) or found <= _OF_PROGRAMS
        if asked or told:
            return ColumnFormat("flag", true=(*true, _DIGITS[0]), false=(*false, _DIGITS[1]))
    return None


def flag_words(format: ColumnFormat) -> dict[str, bool]:
    """Return the truth of every word."""
    return dict.fromkeys(format.true, True) | dict.fromkeys(format.false, False)


def fits_flag(text: nw.Expr, format: ColumnFormat) -> nw.Expr:
    """Tell which trimmed cells are words of the flag."""
    return text.str.to_lowercase().is_in([*format.true, *format.false])


def flag(text: nw.Expr, format: ColumnFormat) -> nw.Expr:
    """Return the truth of trimmed cells; null for any other word."""
    return text.str.to_lowercase().replace_strict(
        flag_words(format), default=None, return_dtype=nw.Boolean
    )


def distinct_words(text: pl.Series) -> list[str]:
    """Return distinct cells in lower case."""
    return text.str.to_lowercase().unique().sort().to_list()
