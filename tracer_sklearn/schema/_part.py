"""The pydantic model under every part of a schema: frozen, closed, with the package's errors."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from tracer_sklearn._params import fail
from tracer_sklearn.exceptions import ParameterError, nearest


def repeated(names: Iterable[str]) -> list[str]:
    """Return the names that occur more than once."""
    return [name for name, count in Counter(names).items() if count > 1]


def spelling(name: str) -> str:
    """Reduce a name to its letters and digits: 'Cust ID', 'cust_id' and 'CustID' are one."""
    return "".join(character for character in name.casefold() if character.isalnum())


def _requirement(details: ErrorDetails) -> str:
    match details["type"]:
        case "missing":
            return "given"
        case "extra_forbidden":
            return "a parameter that exists"
        case "json_invalid":
            return f"valid JSON ({details['ctx']['error']})"
        case "literal_error":
            return f"one of {details['ctx']['expected']}"
        case _:
            return details["msg"].removeprefix("Input should be ").removeprefix("Value error, ")


def _printable(key: str) -> str:
    """Show a key that came from elsewhere in one line."""
    return key[:60] if key[:60].isprintable() else ascii(key[:60])


def _advice(model: type[BaseModel], details: ErrorDetails, parameter: str) -> str:
    """Name the legal key or value that is nearest to a wrong one; empty where none is near."""
    if details["type"] == "extra_forbidden":
        if near := nearest(parameter, model.model_fields, n=1):
            return f"did you mean {near}"
        for name, field in model.model_fields.items():
            inner = field.annotation
            if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
                continue
            if near := nearest(parameter, inner.model_fields, n=1):
                return f"did you mean {near} of `{name}`"
        return "it has " + ", ".join(map(repr, model.model_fields))
    if details["type"] == "literal_error" and isinstance(details["input"], str):
        legal = re.findall(r"'([^']*)'", details["ctx"]["expected"])
        near = nearest(details["input"], legal, n=1)
        return f"did you mean {near}" if near else ""
    return ""


def _parameter_error(model: type[BaseModel], who: str, error: ValidationError) -> ParameterError:
    """Phrase the first finding of pydantic as the package's own error."""
    first, *others = error.errors()
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, ParameterError):  # one of our checks, or those of a nested part
        return cause
    # The members of a union are reported one by one, all of them at the union's field.
    same = [first, *(details for details in others if details["loc"][:1] == first["loc"][:1])]
    must = " or ".join(dict.fromkeys(map(_requirement, same)))
    parameter = _printable(str(first["loc"][0])) if first["loc"] else "json_data"
    found = None if first["type"] == "missing" else first["input"]
    shown = found[:60] if isinstance(found, str) else found
    return fail(who, parameter, must, shown, _advice(model, first, parameter))


class Part(BaseModel):
    """A frozen pydantic model whose errors are the package's."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def __init__(self, **data: Any) -> None:
        try:
            super().__init__(**data)
        except ValidationError as error:
            who = type(self).__name__ + (f" {data['name']!r}" if "name" in data else "")
            raise _parameter_error(type(self), who, error) from None

    @classmethod
    def model_validate(cls, obj: Any, **options: Any) -> Self:
        """Build from a mapping; raise ParameterError where pydantic would raise its own."""
        try:
            return super().model_validate(obj, **options)
        except ValidationError as error:
            raise _parameter_error(cls, cls.__name__, error) from None

    @classmethod
    def model_validate_json(cls, json_data: str | bytes | bytearray, **options: Any) -> Self:
        """Build from JSON; raise ParameterError where pydantic would raise its own."""
        try:
            return super().model_validate_json(json_data, **options)
        except ValidationError as error:
            raise _parameter_error(cls, cls.__name__, error) from None
