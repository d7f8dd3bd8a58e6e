"""Which code page a text has whose bytes prove nothing: neither UTF-8 nor UTF-16.

Every one of a dozen encodings makes *some* text of the same bytes. Three things tell them apart:
the characters that all of the bytes become must exist; words must look like words, so a sign
between two letters or a capital after a small letter speaks against a reading; and chardet ranks
what is left by the languages that it knows. CP1252 is taken unless another reading is clearly
better: four in five files that are not UTF-8 are CP1252, and a few names decide little.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# In the order of trust, since many bytes mean the same in several of them.
_EUROPEAN = (
    "cp1252",
    "iso8859-1",
    "iso8859-15",
    "cp1250",
    "iso8859-2",
    "cp850",
    "mac-roman",
    "cp852",
    "cp437",
    "cp858",
    "mac-latin2",
    "iso8859-16",
)
# Text of other scripts is easily told from European: its letters come in runs.
_OTHER_SCRIPTS = (
    "gb18030",
    "big5hkscs",
    "cp932",
    "euc_jis_2004",
    "cp949",
    "cp1251",
    "koi8-r",
    "koi8-u",
    "iso8859-5",
    "cp866",
    "mac-cyrillic",
    "cp1253",
    "iso8859-7",
    "cp1255",
    "iso8859-8",
    "cp1256",
    "iso8859-6",
    "cp874",
)

# How much better than CP1252 another reading has to score, and how well: with less, French
# names become Czech ones. The test's labelled set has the cases on both sides.
_CLEARLY_BETTER = 1.8
_FEW_WORDS, _BETTER_OF_FEW = 20, 2.7
_BETTER_OF_ONE = 8.0
_LEAST_SCORE = 0.02
_FAULTS_FORGIVEN = 0.02  # of the bytes that are not ASCII

_NEIGHBOURS = 0.2  # share of the bytes that are not ASCII which follow another such
_OTHER_SCRIPT_BYTES = 8 << 10  # chardet's probes of Asian encodings take 5 us a byte

# What text of every kind has now and then left out; in random bytes they are 9 %.
_CONTROLS = [byte for byte in range(1, 32) if byte not in b"\t\n\v\f\r\x1a\x1b"]
_MOST_CONTROLS = 0.03

_MOSTLY_UTF8 = 0.5  # hardly a word of a code page is UTF-8 by chance

_MOST_SEEN = 20_000  # words looked at, of which many are the same
_MOST_OF_WINDOW = 2_000  # spread over it
_MOST_BYTES = 96 << 10  # of different words, which bounds the time of what follows
_WORD_BYTES = 2_000


class Verdict(NamedTuple):
    """A code page, how sure it is, the next best, and what decided."""

    name: str
    confidence: float
    runner_up: str | None
    reason: str


class Words:
    """Distinct words with bytes that are not ASCII, of a stream; and which such bytes it has.

    The number of words is bounded; of the bytes, all are seen.
    """

    def __init__(self) -> None:
        self._words: Counter[bytes] = Counter()
        self._seen = self._bytes = 0
        self._counts = np.zeros(256, dtype=np.int64)

    def add(self, window: bytes) -> None:
        """Take in a further part of the text."""
        values = np.frombuffer(window, dtype=np.uint8)
        self._counts += np.bincount(values, minlength=256)
        if self.enough:
            return
        accents = np.flatnonzero(values >= 0x80)
        ends = np.concatenate(([-1], np.flatnonzero(_ENDS_WORD[values]), [len(values)]))
        after, first = np.unique(np.searchsorted(ends, accents), return_index=True)
        # from a word's start, or the characters of Asian encodings fall apart
        starts = np.maximum(ends[after - 1] + 1, accents[first] - _WORD_BYTES // 2)
        step = len(starts) // _MOST_OF_WINDOW + 1
        for start, end in zip(starts[::step].tolist(), ends[after][::step].tolist(), strict=True):
            self._keep(window[start : min(start + _WORD_BYTES, end)])

    def _keep(self, word: bytes) -> None:
        if not self.enough:
            self._seen += 1
            self._bytes += len(word) * (word not in self._words)
            self._words[word] += 1

    @property
    def enough(self) -> bool:
        """Whether more words would not be looked at."""
        return self._bytes >= _MOST_BYTES or self._seen >= _MOST_SEEN

    def has_controls(self) -> bool:
        """Tell whether control characters are more than accidents, as in compressed data."""
        return bool(self._counts[_CONTROLS].sum() > _MOST_CONTROLS * self._counts.sum())

    def verdict(self) -> Verdict:
        """Decide the code page, or that the text is UTF-8 but for some bytes."""
        valid = [word for word in self._words if _is_utf8(word)]
        share = len(valid) / max(1, len(self._words))
        # one name in many rows is one word
        seen = sum(self._words[word] for word in valid) / max(1, self._seen)
        if (share := max(share, seen)) > _MOSTLY_UTF8:
            return Verdict("utf-8", round(share, 3), "cp1252", "UTF-8, and bytes of CP1252 in it")
        text = b"\n" + b"\n".join(self._words) + b"\n"
        letters = bytes((np.flatnonzero(self._counts[128:]) + 128).tolist())
        return _other_script(text) or _european(text, letters, len(self._words))


def _is_utf8(word: bytes) -> bool:
    try:
        word.decode()
    except UnicodeDecodeError:
        return False
    return True


_ENDS_WORD = np.zeros(256, dtype=bool)
_ENDS_WORD[[*range(0x21), *b'",;']] = True


def _ranked(text: bytes, candidates: tuple[str, ...]) -> dict[str, float]:
    # half a second of import that only text of this kind has to pay
    import chardet

    found = chardet.detect_all(
        text,
        ignore_threshold=True,
        max_bytes=len(text) + 1,
        compat_names=False,
        include_encodings=candidates,
        no_match_encoding=candidates[0],
    )
    scores: dict[str, float] = {}
    for one in found:
        scores.setdefault(str(one["encoding"]), float(one["confidence"]))
    return scores


# ------------------------------------------------------------------------------ other scripts

_BEYOND_LATIN = re.compile(r"[\u0370-\u1dff\u2e80-\ufaff]")
_IN_A_RUN = re.compile(r"[\u0370-\u1dff\u2e80-\ufaff]{2,}")
_LATIN_WITHIN = re.compile(r"[\u0370-\u052f][A-Za-z]|[A-Za-z][\u0370-\u052f]")
_CONTROL = re.compile(r"[\u0080-\u009f]")
_BESIDE_LATIN = re.compile(
    r"[A-Za-z][\u0370-\u1dff\u2e80-\ufaff]|[\u0370-\u1dff\u2e80-\ufaff][A-Za-z]"
)


def _other_script(text: bytes) -> Verdict | None:
    """Recognise Cyrillic, Greek, Asian and other text, whose letters come in runs.

    An accented letter of European text, alone or with the letter after it, makes a character
    of those scripts too, but a lone one amid Latin letters.
    """
    high = np.frombuffer(text, dtype=np.uint8) >= 0x80
    if np.count_nonzero(high[1:] & high[:-1]) < _NEIGHBOURS * np.count_nonzero(high):
        return None
    text = text[:_OTHER_SCRIPT_BYTES]
    fitting = []
    for name, score in _ranked(text, _OTHER_SCRIPTS).items():
        read = text.decode(name, "replace")
        # no text has control characters, nor Latin letters within Cyrillic and Greek words
        if _CONTROL.search(read) or len(_LATIN_WITHIN.findall(read)) > 0.02 * len(read):
            continue
        beyond = len(_BEYOND_LATIN.findall(read))
        in_runs = sum(map(len, _IN_A_RUN.findall(read)))
        beside = len(_BESIDE_LATIN.findall(read))
        lost = read.count("\ufffd")
        if in_runs >= 6 and in_runs > 0.8 * beyond > 2 * beside and lost <= 0.01 * beyond:
            fitting.append((name, score))
    if not fitting:
        return None
    (name, score), *others = fitting
    runner_up, second = others[0] if others else (None, 0.0)
    return Verdict(name, _share(score, second), runner_up, "letters in runs, ranked by chardet")


# ----------------------------------------------------------------------------------- European


def _european(text: bytes, letters: bytes, words: int) -> Verdict:
    shouted = _is_shouted(text)
    scores = _shouted_scores(text) if shouted else _ranked(text, _EUROPEAN)
    possible = _readings(letters, scores)
    if not possible:
        return Verdict("iso8859-1", 0.1, None, "no code page has all of its bytes")
    fitting = _plausible(text, possible)
    ranked = sorted(possible, key=lambda name: (name not in fitting, -possible[name]))
    best = ranked[0]
    usual = fitting.get("cp1252")
    reason = "plausible words, ranked by chardet"
    if usual is not None and best != "cp1252":
        better = _BETTER_OF_FEW if shouted or words < _FEW_WORDS else _CLEARLY_BETTER
        better = better if words > 1 else _BETTER_OF_ONE
        if fitting[best] < max(better * usual, _LEAST_SCORE):
            best, reason = "cp1252", "nothing is clearly better"
    runner_up = next((name for name in ranked if name != best), None)
    score = fitting[best] * (_CLEARLY_BETTER if best == "cp1252" else 1.0)
    return Verdict(best, _share(score, fitting.get(runner_up or "", 0.0)), runner_up, reason)


def _is_shouted(text: bytes) -> bool:
    large, small = (sum(map(text.count, letters)) for letters in _FREQUENT)
    return large > small


_FREQUENT = ((b"A", b"E", b"I", b"N", b"R", b"S", b"T"), (b"a", b"e", b"i", b"n", b"r", b"s", b"t"))


def _shouted_scores(text: bytes) -> dict[str, float]:
    """Score text in capitals by its small letters, by which chardet knows languages."""
    scores = {}
    for name in _EUROPEAN:
        small = text.decode(name, "replace").lower().encode(name, "ignore")
        scores[name] = _ranked(small, (name,)).get(name, 0.0)
    return scores


def _share(score: float, second: float) -> float:
    total = score + second
    return round(min(0.95, score / total), 3) if total > 0 else 0.1


def _readings(letters: bytes, scores: dict[str, float]) -> dict[str, float]:
    """Return the code pages that have all of the bytes, each with its score.

    Those that read the bytes alike are one, under the first of their names.
    """
    names: dict[str, str] = {}
    merged: dict[str, float] = {}
    for name in _EUROPEAN:
        try:
            reading = letters.decode(name)
        except UnicodeDecodeError:
            continue
        first = names.setdefault(reading, name)
        merged[first] = max(merged.get(first, 0.0), scores.get(name, 0.0))
    return merged


def _plausible(text: bytes, possible: dict[str, float]) -> dict[str, float]:
    """Return those in which the fewest characters stand where no language has them."""
    values = np.frombuffer(text, dtype=np.uint8)
    faults = {name: _faults(values, name) for name in possible}
    most = min(faults.values()) + _FAULTS_FORGIVEN * np.count_nonzero(values >= 0x80)
    return {name: score for name, score in possible.items() if faults[name] <= most}


_OTHER, _DIGIT, _SMALL, _CAPITAL, _SMALL_ACCENT, _CAPITAL_ACCENT, _SIGN, _NEVER = range(8)
_INSIDE_WORDS = "’·‑ªº\xa0\xad"


@lru_cache
def _classes(name: str) -> NDArray[np.uint8]:
    """Return the class of character that each byte is in a code page."""
    return np.array(
        [_class_of(bytes([byte]).decode(name, "replace")) for byte in range(256)], dtype=np.uint8
    )


def _class_of(character: str) -> int:
    if character.isascii():
        if character.isdigit():
            return _DIGIT
        return _OTHER if not character.isalpha() else _SMALL + character.isupper()
    if character == "¤" or (not character.isprintable() and character not in "\xa0\xad"):
        return _NEVER
    if "\u2500" <= character <= "\u25ff":  # boxes and blocks
        return _NEVER
    if character in _INSIDE_WORDS or character in "ßµ":
        return _OTHER
    if character.isalpha():
        return _CAPITAL_ACCENT if character.isupper() else _SMALL_ACCENT
    return _SIGN


def _faults(values: NDArray[np.uint8], name: str) -> int:
    """Count the characters that stand where no language has them."""
    classes = _classes(name)[values]
    before, here, after = classes[:-2], classes[1:-1], classes[2:]
    letter = (classes >= _SMALL) & (classes <= _CAPITAL_ACCENT)
    small = (before == _SMALL) | (before == _SMALL_ACCENT)
    accent = (here == _SMALL_ACCENT) | (here == _CAPITAL_ACCENT)
    return int(
        np.count_nonzero(here == _NEVER)
        + np.count_nonzero((here == _SIGN) & letter[:-2] & letter[2:])
        + np.count_nonzero((here == _CAPITAL_ACCENT) & small)
        + np.count_nonzero((here == _SMALL_ACCENT) & (before == _CAPITAL) & (after == _CAPITAL))
        + np.count_nonzero(accent & ((before == _DIGIT) | (after == _DIGIT)))
    )
