"""One field of a blueprint, and a relation between two of them."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal, NoReturn, Self

from pydantic import BeforeValidator, Strict, StrictFloat, StrictInt, model_validator
from pydantic_core import SchemaError as PatternError
from pydantic_core import SchemaValidator, core_schema

from tracer_sklearn._params import fail
from tracer_sklearn.exceptions import ParameterError
from tracer_sklearn.schema._part import Part, repeated, spelling

Kind = Literal["identifier", "datetime", "number", "count", "category", "flag"]
Relation = Literal["<", "<=", "==", "!=", ">=", ">"]

NUMERIC: tuple[Kind, ...] = ("number", "count")
_TEXTUAL: tuple[Kind, ...] = ("identifier", "category")


def _iso_date(value: object) -> object:
    # Pydantic alone takes "0" for 1970-01-01.
    if not isinstance(value, str):
        return value
    try:
        return dt.date.fromisoformat(value)
    except ValueError:
        raise ValueError("an ISO date like '2024-03-31'") from None


Bound = StrictInt | StrictFloat | Annotated[dt.date, Strict(), BeforeValidator(_iso_date)]


def _pattern_fault(pattern: str) -> str:
    """Say why Rust's regex crate, the linear-time engine that Polars runs, refuses a pattern.

    It is only compiled, and never by Python's `re`, which some patterns hang.
    """
    try:
        SchemaValidator(core_schema.str_schema(pattern=pattern, regex_engine="rust-regex"))
    except PatternError as error:
        return str(error).strip().splitlines()[-1].strip()
    return ""


class FieldSpec(Part):
    """Describe one field of a blueprint: what it holds and which values are legal.

    Write one for each column that a blueprint of your own reads. It describes; it does not
    check a frame.

    Parameters
    ----------
    name : str
        Name of the field, and of its column unless the user maps another one. Not empty.
    kind : {"identifier", "datetime", "number", "count", "category", "flag"}
        What the values mean. A count is a number of things that happened, a flag is yes or no.
    required : bool, default=False
        Whether the blueprint cannot run without the field. False, because a blueprint leaves
        out the features of a field that is not there.
    unique : bool, default=False
        Whether no value may occur twice. A key of several columns belongs to
        :class:`BlueprintSchema` instead.
    min, max : int, float, datetime.date or None, default=None
        Closed bounds of a legal value: numbers for numbers and counts, dates for datetimes,
        None elsewhere and where there is no bound.
    pattern : str or None, default=None
        Regular expression found somewhere in every legal value of an identifier or category
        (write ``^...$`` for the whole of it), in the syntax of the linear-time Rust engine:
        no look-around, no back references.
    allowed : tuple of str or None, default=None
        Closed set of legal values of an identifier or category.
    unit : str or None, default=None
        Unit of a number or count, such as "EUR" or "tickets".
    description : str, default=""
        One sentence for the reader of a report.
    aliases : tuple of str, default=()
        Other names under which the field is met; case and punctuation do not count.
    fit_only : bool, default=False
        Whether the field is known for training rows only, such as the end of a label window or
        the target of a series. Every stage accepts its absence in ``transform``; `required`
        then speaks of ``fit``.

    Raises
    ------
    ParameterError
        When an argument is outside its legal set, a bound does not fit the kind, `min` exceeds
        `max`, or `pattern` does not compile.

    Notes
    -----
    Missing values are legal in every field; how many there may be is a matter of the validator.

    Examples
    --------
    >>> from tracer_sklearn.schema import FieldSpec
    >>> tickets = FieldSpec(name="support_tickets", kind="count", min=0, unit="tickets")
    >>> tickets.required, tickets.max
    (False, None)
    >>> FieldSpec(name="plan", kind="category", min=0)
    Traceback (most recent call last):
        ...
    tracer_sklearn.exceptions.ParameterError: FieldSpec 'plan': `min` must be None for a category,
    got 0; bounds belong to datetimes, numbers and counts.
    """

    name: str
    kind: Kind
    required: bool = False
    unique: bool = False
    min: Bound | None = None
    max: Bound | None = None
    pattern: str | None = None
    allowed: tuple[str, ...] | None = None
    unit: str | None = None
    description: str = ""
    aliases: tuple[str, ...] = ()
    fit_only: bool = False

    @model_validator(mode="after")
    def _check_parts(self) -> Self:
        if not self.name.strip():
            raise self._error("name", "a name", self.name, "name the field")
        for parameter, bound in (("min", self.min), ("max", self.max)):
            if bound is not None:
                self._check_bound(parameter, bound)
        # Both bounds are of one family by now.
        if self.min is not None and self.max is not None and self.min > self.max:  # type: ignore[operator]
            raise self._error("min", f"at most `max` ({self.max!r})", self.min, "swap the two")
        self._check_text_rules()
        if self.unit is not None and self.kind not in NUMERIC:
            self._refuse("unit", self.unit, "units belong to numbers and counts")
        spellings = [spelling(alias) for alias in self.aliases]
        if not all(spellings) or repeated([spelling(self.name), *spellings]):
            must = "names that differ from each other and from the field's in letters or digits"
            raise self._error("aliases", must, self.aliases, "keep one of each spelling")
        return self

    def answers_to(self, name: str) -> bool:
        """Tell whether a column's name is the field's, or an alias, case and punctuation aside.

        Parameters
        ----------
        name : str
            The name of a column.

        Returns
        -------
        bool
            Whether it is.

        Examples
        --------
        >>> from tracer_sklearn.schema import CUSTOMER_CHURN
        >>> CUSTOMER_CHURN.field("customer_id").answers_to("Cust ID")
        True
        """
        letters = spelling(name)
        if not letters:
            return name == self.name
        return letters in {spelling(known) for known in (self.name, *self.aliases)}

    def _check_bound(self, parameter: str, bound: Bound) -> None:
        if self.kind != "datetime" and self.kind not in NUMERIC:
            self._refuse(parameter, bound, "bounds belong to datetimes, numbers and counts")
        if isinstance(bound, dt.date) != (self.kind == "datetime"):
            wanted = "a date" if self.kind == "datetime" else "a number"
            raise self._error(parameter, f"{wanted} for a {self.kind}", bound, f"give {wanted}")

    def _check_text_rules(self) -> None:
        for parameter, rule in (("pattern", self.pattern), ("allowed", self.allowed)):
            if rule is not None and self.kind not in _TEXTUAL:
                self._refuse(parameter, rule, "it belongs to identifiers and categories")
        if self.pattern is not None and (reason := _pattern_fault(self.pattern)):
            must = f"a regular expression of the linear-time engine ({reason})"
            advice = "write it without look-around and back references"
            raise self._error("pattern", must, self.pattern, advice)
        if self.allowed is not None and (not self.allowed or repeated(self.allowed)):
            must = "None or at least one value, each once"
            raise self._error("allowed", must, self.allowed, "list each value once")

    def _refuse(self, parameter: str, value: object, advice: str) -> NoReturn:
        raise self._error(parameter, f"None for a {self.kind}", value, advice)

    def _error(self, parameter: str, must: str, value: object, advice: str) -> ParameterError:
        return fail(f"FieldSpec {self.name!r}", parameter, must, value, advice)


class FieldRule(Part):
    """State a relation that two fields of one row must keep.

    Parameters
    ----------
    left : str
        Name of a field of the schema.
    relation : {"<", "<=", "==", "!=", ">=", ">"}
        What holds between them, read from left to right.
    right : str
        Name of another field.
    description : str, default=""
        One sentence for the reader of a report.

    Raises
    ------
    ParameterError
        When an argument is outside its legal set, or a field is compared with itself.

    Notes
    -----
    A row in which either value is missing keeps every rule.

    Examples
    --------
    >>> from tracer_sklearn.schema import FieldRule
    >>> rule = FieldRule(
    ...     left="account_created_date", relation="<=", right="last_activity_date"
    ... )
    >>> print(rule)
    account_created_date <= last_activity_date
    """

    left: str
    relation: Relation
    right: str
    description: str = ""

    @model_validator(mode="after")
    def _check_parts(self) -> Self:
        if self.left == self.right:
            raise fail("FieldRule", "right", "another field than `left`", self.right, "name two")
        return self

    def __str__(self) -> str:
        return f"{self.left} {self.relation} {self.right}"
