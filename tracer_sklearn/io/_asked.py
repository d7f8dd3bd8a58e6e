"""What the user asked of a reader, checked: words about the file, and wishes for columns."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tracer_sklearn._params import check_choice, check_columns, fail
from tracer_sklearn._text import KINDS, ColumnFormat
from tracer_sklearn._text.format import Kind
from tracer_sklearn.exceptions import SchemaError
from tracer_sklearn.io._opening import Words
from tracer_sklearn.schema import fit_only_fields

Choose = Callable[[list[str]], Iterable[str]]
LIBRARIES = ("pandas", "polars", "arrow")


@dataclass(frozen=True)
class Wish:
    """What is known of a column before it is read.

    Attributes
    ----------
    format : ColumnFormat or None
        How it is read, frozen.
    kind : str or None
        What it holds.
    """

    format: ColumnFormat | None = None
    kind: Kind | None = None


@dataclass(frozen=True)
class Asked:
    """All that a call asked for.

    Attributes
    ----------
    who : str
        Name of the function, for errors.
    words : Words
        What was said about the file.
    wishes : dict of str to Wish
        What is known of columns.
    columns : tuple of str, callable or None
        The columns to read, or what chooses them from those that are there.
    required : tuple of str
        Columns that must be there.
    library : str
        What the frame belongs to.
    """

    who: str
    words: Words
    wishes: dict[str, Wish] = field(default_factory=dict)
    columns: tuple[str, ...] | Choose | None = None
    required: tuple[str, ...] = ()
    library: str = "pandas"

    def chosen(self, names: Sequence[str]) -> list[str]:
        """Return the columns to read of those that are there; raise where one is missing."""
        columns = self._called(names) if callable(self.columns) else self.columns
        missing = [name for name in (*(columns or ()), *self.required) if name not in names]
        if missing:
            raise SchemaError.from_missing(self.who, list(dict.fromkeys(missing)), names)
        return list(names if columns is None else columns)

    def _called(self, names: Sequence[str]) -> list[str]:
        """Return what the callable chooses, checked as a list would be."""
        assert callable(self.columns)
        chosen: Any = self.columns(list(names))
        if isinstance(chosen, str) or not isinstance(chosen, Iterable):
            must = "a callable that returns a list of distinct column names"
            raise fail(self.who, "columns", must, chosen)
        columns = list(chosen)
        check_columns(self.who, "columns", columns)
        return columns


def asked(
    who: str,
    *,
    schema: Any,
    encoding: str,
    delimiter: str,
    header: str | int | None,
    decimal: str,
    columns: Sequence[str] | Choose | None,
    on_bad_lines: str,
    library: str,
) -> Asked:
    """Check the arguments of a reader."""
    check_choice(who, "decimal", decimal, ("auto", ".", ","))
    check_choice(who, "on_bad_lines", on_bad_lines, ("set_aside", "error"))
    check_choice(who, "as_", library, LIBRARIES)
    check_columns(who, "columns", columns)
    _check_encoding(who, encoding)
    bare = delimiter.strip(" ") or " " if isinstance(delimiter, str) and delimiter else ""
    if delimiter != "auto" and (len(bare) != 1 or bare in '"\r\n' or not bare.isascii()):
        must = "'auto' or one character, such as ',', ';', '\\t', '|', ' ' or ', '"
        raise fail(who, "delimiter", must, delimiter)
    whole = isinstance(header, int) and not isinstance(header, bool) and header >= 1
    if not (header is None or header == "auto" or whole):
        must = "'auto', None, or the number of a line, from 1"
        raise fail(who, "header", must, header)
    wishes, required = _wishes(who, schema)
    named = () if columns is None or callable(columns) else tuple(columns)
    wanted = (*wishes, *named)
    return Asked(
        who,
        Words(encoding, delimiter, header, decimal, on_bad_lines, wanted),  # type: ignore[arg-type]
        wishes,
        columns if columns is None or callable(columns) else named,
        required if columns is None else (),
        library,
    )


def _check_encoding(who: str, encoding: object) -> None:
    if encoding == "auto":
        return
    try:
        codecs.lookup(encoding)  # type: ignore[arg-type]
    except (LookupError, TypeError):
        raise fail(who, "encoding", "'auto' or an encoding that Python knows", encoding) from None


def _wishes(who: str, schema: Any) -> tuple[dict[str, Wish], tuple[str, ...]]:
    """Return what a schema, a fitted parser or a report of another file says of columns."""
    if schema is None:
        return {}, ()
    must = "None, a schema, a mapping of columns to kinds, a fitted ColumnParser or a report"
    formats = getattr(schema, "formats_", None)
    if isinstance(formats, Mapping):
        late = fit_only_fields()
        required = tuple(name for name in formats if name not in late)
        return {name: Wish(format=format) for name, format in formats.items()}, required
    if isinstance(schema, Mapping):
        kinds = {name: getattr(spec, "kind", spec) for name, spec in schema.items()}
        required = tuple(kinds)
    elif hasattr(schema, "fields"):
        kinds = {spec.name: spec.kind for spec in schema.fields}
        required = ()
    else:
        raise fail(who, "schema", must, schema, "fit the parser first, or give another")
    wishes = {}
    for name, said in kinds.items():
        if isinstance(said, ColumnFormat):
            wishes[name] = Wish(format=said)
            continue
        kind = "text" if said == "identifier" else said
        if kind not in KINDS:
            raise fail(who, "schema", must, {name: said}, f"use one of {KINDS}")
        wishes[name] = Wish(kind=kind)
    return wishes, required
