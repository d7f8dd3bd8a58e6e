"""The frozen description of how a column of text is read."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self, get_args

from tracer_sklearn._text.missing import MISSING_WORDS

Kind = Literal["number", "count", "date", "datetime", "flag", "category", "text"]
KINDS: tuple[Kind, ...] = get_args(Kind)


def _listed(value: Any) -> Any:
    return [_listed(part) for part in value] if isinstance(value, tuple) else value


@dataclass(frozen=True, repr=False)
class ColumnFormat:
    """How the cells of one column are read: plain values, frozen, equal by value, JSON-able.

    Parameters
    ----------
    kind : {"number", "count", "date", "datetime", "flag", "category", "text"}
        What comes out: Float64, Int64 (whole numbers of either sign), microsecond timestamps
        (dates are at midnight), Boolean, or trimmed text.
    decimal, thousands : str
        The decimal mark, "." or ","; the thousands mark, one of "", ",", ".", " ", "'", where a
        blank also stands for the non-breaking and narrow ones and an apostrophe for both kinds.
    currency : tuple of str
        Spellings of the one currency that may stand before or after a number.
    percent : bool
        Every cell carries a percent sign; 5% is read as 0.05.
    scales : tuple of (str, int)
        Suffixes that multiply, with their power of ten: ("K", 3).
    signs : tuple of (str, int)
        Marks behind a number that give its sign, beside a minus: ("dr", -1), ("+", 1).
    formats : tuple of str
        Date formats in strptime's language, tried in order, or one of "epoch_s", "epoch_ms",
        "excel". Fractions of a second are ``.%f`` (1-9 digits, kept to the microsecond).
    zoned : bool
        The cells carry a UTC offset; what comes out is in UTC and knows it.
    months : str
        Language of month names other than plain English ones: "de", "fr", ... or "".
    last_year : int
        Two-digit years fall into the hundred years that end here.
    true, false : tuple of str
        Words of a flag, in lower case.
    missing : tuple of str
        Words that stand for nothing, in lower case. Blank cells and runs of ``-``, ``*``, ``.``,
        ``?``, ``_`` and ``#`` always do.
    padded : bool
        Numbers may begin with zeros, as 007.50 does; otherwise such a cell does not fit, since a
        name of digits would lose its zeros.
    wrapped : bool
        Cells may stand as ``="001"``, the formula by which text stays text in Excel; they are
        read as what is between the quotes.
    """

    kind: Kind
    decimal: str = "."
    thousands: str = ""
    currency: tuple[str, ...] = ()
    percent: bool = False
    scales: tuple[tuple[str, int], ...] = ()
    formats: tuple[str, ...] = ()
    zoned: bool = False
    months: str = ""
    last_year: int = 2068
    true: tuple[str, ...] = ()
    false: tuple[str, ...] = ()
    missing: tuple[str, ...] = MISSING_WORDS
    padded: bool = False
    wrapped: bool = False
    signs: tuple[tuple[str, int], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, equal to what JSON gives back."""
        return {name: _listed(value) for name, value in dataclasses.asdict(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Rebuild a format from plain values, as JSON gives them back."""
        known = dict(values)
        for name in ("currency", "formats", "true", "false", "missing"):
            if name in known:
                known[name] = tuple(known[name])
        for name in ("scales", "signs"):
            if name in known:
                known[name] = tuple((str(word), int(power)) for word, power in known[name])
        return cls(**known)

    def __repr__(self) -> str:
        """Show what differs from the defaults: pipelines that hold formats stay readable."""
        said = (
            f"{field.name}={value!r}"
            for field in dataclasses.fields(self)
            if (value := getattr(self, field.name)) != field.default
        )
        return f"ColumnFormat({', '.join(said)})"

    def __str__(self) -> str:
        """Describe the format in a few words, for accounts and messages."""
        parts: list[str] = [self.kind]
        if self.kind in ("number", "count"):
            parts += [f"decimal {self.decimal!r}"]
            parts += [f"thousands {self.thousands!r}"] if self.thousands else []
            parts += [f"currency {self.currency[0]}"] if self.currency else []
            parts += ["percent"] if self.percent else []
            parts += ["scaled by suffix"] if self.scales else []
            parts += [f"signs {' '.join(word for word, _ in self.signs)}"] if self.signs else []
            parts += ["padded with zeros"] if self.padded else []
        elif self.kind in ("date", "datetime"):
            parts += [" or ".join(self.formats)]
            parts += [f"months in {self.months!r}"] if self.months else []
            parts += ["in UTC"] if self.zoned else []
        elif self.kind == "flag":
            parts += [f"{'/'.join(self.true)} against {'/'.join(self.false)}"]
        parts += ['taken out of ="…"'] if self.wrapped else []
        return ", ".join(parts)
