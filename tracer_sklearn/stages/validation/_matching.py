"""Which column of a frame is which field of a schema: by name, kind and values."""

from __future__ import annotations

import datetime as dt
import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from tracer_sklearn.schema import BlueprintSchema, FieldSpec
from tracer_sklearn.schema._part import spelling
from tracer_sklearn.schema._proposal import words_of

ACCEPTED = 0.6
# a name this close is meant, whatever the column holds
_NAMED = 0.75
_ONLY_ONE = 0.5
_TYPO = 0.85

# How well a column of the one kind can be read as a field of the other.
_READS: Mapping[str, Mapping[str, float]] = {
    "identifier": {"identifier": 1.0, "count": 0.9, "category": 0.8, "number": 0.3},
    "datetime": {"datetime": 1.0},
    "number": {"number": 1.0, "count": 0.95},
    "count": {"count": 1.0, "number": 0.8, "flag": 0.7},
    "category": {"category": 1.0, "flag": 0.9, "identifier": 0.7, "count": 0.7},
    "flag": {"flag": 1.0, "count": 0.5, "category": 0.5},
}

_CANONICAL = {
    word: meaning
    for meaning, words in {
        "account": "acct acc",
        "customer": "cust client clnt user member subscriber household shopper buyer patron",
        "date": "dt dte day ts timestamp datetime time on at",
        "id": "identifier key code no nr nbr number num uuid guid",
        "count": "cnt counts freq frequency times",
        "quantity": "qty quantities units unit pieces pcs volume",
        "amount": "amt sum value val",
        "total": "tot overall cumulative lifetime life",
        "revenue": "rev sales sale turnover income proceeds",
        "product": "prod item sku article art goods merchandise material",
        "price": "prc cost pricing",
        "average": "avg mean",
        "ticket": "case complaint complain request call incident",
        "support": "service helpdesk care",
        "created": (
            "create creation opened open registered registration register reg joined join signup "
            "signed start started since onboarded onboarding enrolled enrolment activation sign up"
        ),
        "activity": (
            "active login logon seen visit visited purchase purchased order ordered transaction "
            "txn trx action used bought interaction engagement session"
        ),
        "last": "latest recent newest prev previous",
        "usage": "use uses sessions logins events",
        "plan": "tier package tariff subscription sub membership",
        "store": "shop outlet branch location loc site",
        "category": "cat group grp class family department dept segment",
        "competitor": "comp rival competition market",
        "spend": "spent spending spendings",
    }.items()
    for word in words.split()
}
# words that a name without any mark between them may be cut into, such as CLIENTNUMBER; of
# shorter ones other words are made: valid, daytime
_CUTTABLE = {word for word in (*_CANONICAL, *_CANONICAL.values()) if len(word) > 3} | {"id"}
_DECISIVE = {"last", "first", "created", "competitor", "label", "end", "average", "max", "min"}
_WEAK = {"date", "id", "count", "amount", "total", "type", "name", "of", "the", "is", "my"}
_COUNTED = {"n", "num", "no", "nr", "nb", "number", "count", "cnt"}


@dataclass(frozen=True)
class Match:
    """A column that may be a field."""

    column: str
    confidence: float
    reason: str


@dataclass(frozen=True)
class Candidate:
    """What is known of a column before any schema is looked at.

    Attributes
    ----------
    name : str
        Its name in the frame.
    kind : str
        What it seems to hold, as a kind of `FieldSpec`.
    values : narwhals.Series or None
        Its rows, where its dtype lets bounds be compared.
    """

    name: str
    kind: str
    values: nw.Series[Any] | None = None


def match_fields(
    schema: BlueprintSchema, candidates: Sequence[Candidate]
) -> tuple[dict[str, Match], dict[str, Match]]:
    """Give every field the column that is most likely meant, each column once.

    Parameters
    ----------
    schema : BlueprintSchema
        The fields.
    candidates : sequence of Candidate
        The columns.

    Returns
    -------
    matched : dict of str to Match
        By field, those above the limit of confidence.
    wrong : dict of str to Match
        By field without a column: one of its name that holds something else.
    """
    from scipy.optimize import linear_sum_assignment  # a tenth of a second, for those who ask

    fields = schema.fields
    confidence, names = _tables(schema, candidates)
    matched: dict[str, Match] = {}
    if candidates:
        for i, j in zip(*linear_sum_assignment(confidence, maximize=True), strict=True):
            if confidence[i, j] >= ACCEPTED:
                reason = _reason(fields[i], candidates[j], names[i, j])
                matched[fields[i].name] = Match(candidates[j].name, confidence[i, j], reason)
    _take_the_only_one(schema, candidates, matched)
    taken = {match.column for match in matched.values()}
    wrong: dict[str, Match] = {}
    for i, field in enumerate(fields):
        if field.name in matched:
            continue
        for j, candidate in enumerate(candidates):
            if candidate.name not in taken and names[i, j] >= _NAMED:
                reason = f"holds a {candidate.kind}, the field is a {field.kind}"
                wrong[field.name] = Match(candidate.name, float(names[i, j]), reason)
    return matched, wrong


def _tables(
    schema: BlueprintSchema, candidates: Sequence[Candidate]
) -> tuple[np.ndarray, np.ndarray]:
    shape = (len(schema.fields), len(candidates))
    confidence, names = np.zeros(shape), np.zeros(shape)
    for i, field in enumerate(schema.fields):
        for j, candidate in enumerate(candidates):
            names[i, j] = name_likeness(field, candidate.name)
            kinds = _READS[field.kind].get(candidate.kind, 0.0)
            confidence[i, j] = names[i, j] * kinds
            if confidence[i, j] >= ACCEPTED:
                confidence[i, j] *= _share_in_bounds(field, candidate)
    return confidence, names


def _reason(field: FieldSpec, candidate: Candidate, likeness: float) -> str:
    if candidate.name == field.name:
        return "same name"
    if field.answers_to(candidate.name):
        return "known alias"
    return f"similar name ({likeness:.0%})"


def _take_the_only_one(
    schema: BlueprintSchema, candidates: Sequence[Candidate], matched: dict[str, Match]
) -> None:
    """Give a required date the only column of dates, whatever it is called."""
    dates = [candidate for candidate in candidates if candidate.kind == "datetime"]
    wanted = [field for field in schema.fields if field.kind == "datetime" and field.required]
    if len(dates) != 1 or len(wanted) != 1 or wanted[0].name in matched:
        return
    if schema.target in schema.names:  # a series has one date; other tables have several meanings
        reason = "the only column of dates"
        matched[wanted[0].name] = Match(dates[0].name, _ONLY_ONE, reason)


def name_likeness(field: FieldSpec, name: str) -> float:
    """Say how sure it is that a name means a field, in [0, 1].

    Examples
    --------
    >>> from tracer_sklearn.schema import CUSTOMER_CHURN
    >>> name_likeness(CUSTOMER_CHURN.field("customer_id"), "CustID")
    0.97
    """
    return _likeness((field.name, *field.aliases), name)


@lru_cache(maxsize=65_536)
def _likeness(names: tuple[str, ...], name: str) -> float:
    if name == names[0]:
        return 1.0
    letters, meaning = _letters(name), _meaning(name)
    if letters and letters in map(_letters, names):
        return 0.97
    likeness = 0.0
    for known in names:
        other = _meaning(known)
        if meaning and meaning == other:
            return 0.92
        likeness = max(likeness, 0.9 * _overlap(meaning, other))
        if _may_be_a_typo(letters, _letters(known)):
            ratio = difflib.SequenceMatcher(None, letters, _letters(known)).ratio()
            likeness = max(likeness, 0.9 * ratio if ratio >= _TYPO else 0.0)
    return likeness


@lru_cache(maxsize=4096)
def _letters(name: str) -> str:
    return spelling(name)


def _may_be_a_typo(letters: str, known: str) -> bool:
    """Tell, fast, whether two spellings can be alike: of about one length, from about one set."""
    shorter, longer = sorted((len(letters), len(known)))
    if shorter < 5 or 2.0 * shorter < _TYPO * (shorter + longer):
        return False
    return len(set(letters) ^ set(known)) <= 4


@lru_cache(maxsize=4096)
def _meaning(name: str) -> frozenset[str]:
    """Reduce a name to the words that matter, each in one form."""
    words = words_of(name.replace("#", " count ").replace("%", " percent "))
    words = [word for word in words if not word.isdigit()]
    if len(words) == 1:
        words = _cut(words[0])
    if len(words) > 1 and words[0] in _COUNTED:
        words = ["count", *words[1:]]
    elif len(words) > 1 and words[-1] in ("n", "count", "cnt", "counts"):
        words = [*words[:-1], "count"]
    singular = [_CANONICAL.get(word, word) for word in words]
    singular = [
        _CANONICAL.get(word[:-1], word[:-1]) if len(word) > 3 and word.endswith("s") else word
        for word in singular
    ]
    return frozenset(singular)


def _cut(word: str) -> list[str]:
    """Cut a word that is not known into two that are, the first as long as may be."""
    if word not in _CUTTABLE:
        for at in range(len(word) - 2, 3, -1):
            if word[:at] in _CUTTABLE and word[at:] in _CUTTABLE:
                return [word[:at], word[at:]]
    return [word]


def _overlap(left: frozenset[str], right: frozenset[str]) -> float:
    """Return Dice's coefficient of two sets of words; some weigh more than others."""
    both = sum(map(_weight, left & right))
    total = sum(map(_weight, left)) + sum(map(_weight, right))
    return 2.0 * both / total if total else 0.0


def _weight(word: str) -> float:
    return 3.0 if word in _DECISIVE else 0.5 if word in _WEAK else 1.0


def _share_in_bounds(field: FieldSpec, candidate: Candidate) -> float:
    """Return the share of values within the field's bounds, where they can be compared."""
    values = candidate.values
    if values is None or (field.min is None and field.max is None):
        return 1.0
    numeric = values.dtype.is_numeric()
    bounds = [bound for bound in (field.min, field.max) if bound is not None]
    if isinstance(bounds[0], dt.date) == numeric:
        return 1.0
    present = values.drop_nulls()
    if values.dtype.is_float():
        present = present.filter(~present.is_nan())
    if not len(present):
        return 1.0
    legal = ~present.is_null()
    if field.min is not None:
        legal = legal & (present >= _bound(field.min))
    if field.max is not None:
        legal = legal & (present <= _bound(field.max))
    return float(legal.sum()) / len(present)


def _bound(bound: Any) -> Any:
    return dt.datetime(bound.year, bound.month, bound.day) if isinstance(bound, dt.date) else bound
