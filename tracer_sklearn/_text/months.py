"""Names of months in several languages, and of weekdays."""

from __future__ import annotations

import narwhals.stable.v2 as nw

ENGLISH = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
ENGLISH_FULL = (
    *("january", "february", "march", "april", "may", "june", "july", "august"),
    *("september", "october", "november", "december"),
)

# English and German ones; in French "mar" would be a month as well
WEEKDAYS = (
    *("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"),
    *("mon", "tue", "tues", "wed", "thu", "thur", "thurs", "fri", "sat", "sun"),
    *("montag", "dienstag", "mittwoch", "donnerstag", "freitag", "samstag", "sonnabend"),
    *("sonntag", "mo", "di", "mi", "do", "fr", "sa", "so"),
)

# language: for each month the words that name it, in lower case
MONTHS: dict[str, tuple[tuple[str, ...], ...]] = {
    language: tuple(tuple(words.split("/")) for words in names.split())
    for language, names in {
        "en": "january/jan february/feb march/mar april/apr may june/jun july/jul august/aug "
        "september/sept/sep october/oct november/nov december/dec",
        "de": "januar/jänner/jan februar/feber/feb märz/maerz/mrz/mär april/apr mai juni/jun "
        "juli/jul august/aug september/sept/sep oktober/okt november/nov dezember/dez",
        "fr": "janvier/janv/jan février/fevrier/févr/fevr/fév/fev mars/mar avril/avr mai juin "
        "juillet/juil août/aout/aoû septembre/sept/sep octobre/oct novembre/nov "
        "décembre/decembre/déc/dec",
        "es": "enero/ene febrero/feb marzo/mar abril/abr mayo/may junio/jun julio/jul agosto/ago "
        "septiembre/setiembre/sept/sep/set octubre/oct noviembre/nov diciembre/dic",
        "it": "gennaio/gen febbraio/feb marzo/mar aprile/apr maggio/mag giugno/giu luglio/lug "
        "agosto/ago settembre/sett/set ottobre/ott novembre/nov dicembre/dic",
        "nl": "januari/jan februari/feb maart/mrt april/apr mei juni/jun juli/jul augustus/aug "
        "september/sept/sep oktober/okt november/nov december/dec",
        "pt": "janeiro/jan fevereiro/fev março/marco/mar abril/abr maio/mai junho/jun julho/jul "
        "agosto/ago setembro/set outubro/out novembro/nov dezembro/dez",
        "pl": "stycznia/styczeń/sty lutego/luty/lut marca/marzec/mar kwietnia/kwiecień/kwi "
        "maja/maj czerwca/czerwiec/cze lipca/lipiec/lip sierpnia/sierpień/sie "
        "września/wrzesień/wrz października/październik/paź listopada/listopad/lis "
        "grudnia/grudzień/gru",
        "sv": "januari/jan februari/feb mars/mar april/apr maj juni/jun juli/jul augusti/aug "
        "september/sept/sep oktober/okt november/nov december/dec",
    }.items()
}


def words_of(language: str) -> dict[str, int]:
    """Return the months by word, longest words first."""
    words = {word: month for month, names in enumerate(MONTHS[language], start=1) for word in names}
    return dict(sorted(words.items(), key=lambda item: -len(item[0])))


def language_of(words: set[str]) -> str | None:
    """Return the first language that knows all of the words; "" where plain English does."""
    if words <= {*ENGLISH, *ENGLISH_FULL}:
        return ""
    return next((known for known in MONTHS if words <= set(words_of(known))), None)


def in_english(text: nw.Expr, language: str) -> nw.Expr:
    """Replace month names by English ones of three letters.

    The replacements are capitals among small letters, so that none is replaced again.
    """
    text = text.str.to_lowercase()
    for word, month in words_of(language).items():
        text = text.str.replace_all(word, ENGLISH[month - 1].upper(), literal=True)
    return text
