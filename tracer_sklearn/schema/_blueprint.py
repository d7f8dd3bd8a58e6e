"""The table that a blueprint reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

from pydantic import model_validator

from tracer_sklearn._params import fail
from tracer_sklearn.exceptions import ParameterError, SchemaError, nearest
from tracer_sklearn.schema._fields import NUMERIC, FieldRule, FieldSpec
from tracer_sklearn.schema._part import Part, repeated, spelling
from tracer_sklearn.schema._proposal import proposed_fields, proposed_key, rows_of


def _hint(name: object, known: Sequence[str]) -> str:
    near = nearest(name, known) if isinstance(name, str) else ""
    return f"did you mean {near}" if near else f"use one of {list(known)}"


def _as_mapping(who: str, columns: object) -> Mapping[Any, Any]:
    if columns is None:
        return {}
    if not isinstance(columns, Mapping):
        raise fail(who, "fields", "None or a dict {field: column}", columns, "pass a dict")
    return columns


class BlueprintSchema(Part):
    """Describe the table that a blueprint reads.

    Use it to say which columns a blueprint of your own needs, and to map the names of a user's
    frame to the fields (:meth:`bind`). It holds no data and no code, only what can be JSON.

    Parameters
    ----------
    name : str
        Name of the blueprint in snake_case, such as "customer_churn".
    version : int, default=1
        At least 1; raise it whenever a field or a rule changes its meaning. A whole number,
        because versions are then ordered without a parser.
    fields : tuple of FieldSpec
        The fields in the order of the documentation, at least one.
    key : tuple of str, default=()
        The fields that together name a row. A row is judged by those of them that are present.
    rules : tuple of FieldRule, default=()
        What must hold between two fields of a row.
    target : str or None, default=None
        What is predicted: a field, when the blueprint reads it too, else the name of ``y``.
    description : str, default=""
        One sentence: what a row of the table is.

    Raises
    ------
    ParameterError
        When an argument is outside its legal set; when two fields answer to one name or alias;
        when the key or a rule speaks of a field that is not there or not comparable.

    See Also
    --------
    SchemaRegistry : Find a schema by its name.

    Examples
    --------
    >>> from tracer_sklearn.schema import BlueprintSchema, FieldSpec
    >>> visits = BlueprintSchema(
    ...     name="visit_forecast",
    ...     fields=(
    ...         FieldSpec(name="date", kind="datetime", required=True),
    ...         FieldSpec(name="visits", kind="count", min=0, required=True, fit_only=True),
    ...     ),
    ...     key=("date",),
    ...     target="visits",
    ... )
    >>> visits.required, visits.fit_only
    (('date', 'visits'), ('visits',))
    >>> BlueprintSchema.model_validate_json(visits.model_dump_json()) == visits
    True
    """

    name: str
    version: int = 1
    fields: tuple[FieldSpec, ...]
    key: tuple[str, ...] = ()
    rules: tuple[FieldRule, ...] = ()
    target: str | None = None
    description: str = ""

    @model_validator(mode="after")
    def _check_parts(self) -> Self:
        if not (self.name.isidentifier() and self.name == self.name.lower()):
            raise self._error("name", "in snake_case", self.name, "rename it")
        if self.version < 1:
            raise self._error("version", "at least 1", self.version, "count from 1")
        if not self.fields:
            raise self._error("fields", "at least one field", self.fields, "add one")
        self._check_names()
        self._check_key()
        self._check_rules()
        return self

    def _check_names(self) -> None:
        owners: dict[str, int] = {}
        for number, field in enumerate(self.fields):
            for name in (field.name, *field.aliases):
                owner = owners.setdefault(spelling(name) or name, number)
                if owner != number:
                    must = "fields that share no name or alias"
                    advice = f"leave it to {self.fields[owner].name!r} or {field.name!r}"
                    raise self._error("fields", must, name, advice)

    def _check_key(self) -> None:
        if repeated(self.key):
            raise self._error("key", "names of fields, each once", self.key, "drop one")
        for name in self.key:
            if self._known("key", name).fit_only:
                raise self._error("key", "fields that every row has", name, "it is fit_only")

    def _check_rules(self) -> None:
        for rule in self.rules:
            left, right = self._known("rules", rule.left), self._known("rules", rule.right)
            if left.kind != right.kind and not {left.kind, right.kind} <= set(NUMERIC):
                advice = f"compare like with like, not a {left.kind} with a {right.kind}"
                raise self._error("rules", "between fields of one kind", str(rule), advice)

    def _known(self, parameter: str, name: str) -> FieldSpec:
        for field in self.fields:
            if field.name == name:
                return field
        raise self._error(parameter, "about fields of the schema", name, _hint(name, self.names))

    def _error(self, parameter: str, must: str, value: object, advice: str) -> ParameterError:
        return fail(f"BlueprintSchema {self.name!r}", parameter, must, value, advice)

    @classmethod
    def from_frame(cls, frame: Any, *, name: str = "table") -> Self:
        """Propose a schema for a frame: read it, correct it, keep it as JSON.

        Use it once, on rows that are known to be good, to start a schema of your own. What it
        says is what these rows hold, which is a guess about what later rows may hold.

        Parameters
        ----------
        frame : pandas, Polars or PyArrow frame, Polars LazyFrame or DuckDB relation
            Rows with named columns; a lazy frame is gathered once.
        name : str, default="table"
            Name of the blueprint in snake_case.

        Returns
        -------
        BlueprintSchema
            A field for every column. Required are those in which nothing is missing; numbers
            that are never negative are bounded by 0; up to 20 levels are the allowed ones; the
            key is the smallest set of an identifier, a category and a date that names each row.

        Raises
        ------
        InputTypeError
            When `frame` is no frame with named columns.
        ParameterError
            When two columns differ by case and punctuation only, or `name` is not snake_case.

        Notes
        -----
        Text is read as `ColumnParser` would read it, over all its distinct values. Cost: linear
        in the rows, about a second for a million rows of ten columns.

        Examples
        --------
        >>> import pandas as pd
        >>> from tracer_sklearn.schema import BlueprintSchema
        >>> visits = pd.DataFrame({"day": ["2024-03-01", "2024-03-02"], "visits": [3, 0]})
        >>> schema = BlueprintSchema.from_frame(visits, name="visits")
        >>> [(field.name, field.kind, field.min) for field in schema.fields], schema.key
        ([('day', 'datetime', None), ('visits', 'count', 0)], ('day',))
        """
        rows = rows_of("BlueprintSchema.from_frame", frame)
        fields = proposed_fields(rows)
        return cls(name=name, fields=fields, key=proposed_key(rows, fields))

    def renamed(self, columns: Mapping[str, str] | None = None) -> Self:
        """Return the schema in the names of the user's columns.

        Parameters
        ----------
        columns : mapping of str to str, or None, default=None
            The columns that are named otherwise than their field, as in :meth:`bind`.

        Returns
        -------
        BlueprintSchema
            The same schema with every field, key, rule and target under its column's name. An
            alias that is another field's column now is left out.

        Raises
        ------
        ParameterError
            As :meth:`bind`; and when two columns differ by case and punctuation only.

        Examples
        --------
        >>> from tracer_sklearn.schema import CUSTOMER_CHURN
        >>> CUSTOMER_CHURN.renamed({"customer_id": "CustID"}).key
        ('CustID', 'as_of')
        """
        bound = self.bind(columns)
        taken = {spelling(column) for column in bound.values()}
        fields = tuple(
            {
                **field.model_dump(),
                "name": bound[field.name],
                "aliases": tuple(a for a in field.aliases if spelling(a) not in taken),
            }
            for field in self.fields
        )
        rules = tuple(
            {**rule.model_dump(), "left": bound[rule.left], "right": bound[rule.right]}
            for rule in self.rules
        )
        return type(self).model_validate(
            {
                **self.model_dump(),
                "fields": fields,
                "key": tuple(bound[name] for name in self.key),
                "rules": rules,
                "target": bound.get(self.target, self.target) if self.target else self.target,
            }
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the fields, in order."""
        return tuple(field.name for field in self.fields)

    @property
    def required(self) -> tuple[str, ...]:
        """The names of the fields without which the blueprint cannot run."""
        return tuple(field.name for field in self.fields if field.required)

    @property
    def fit_only(self) -> tuple[str, ...]:
        """The names of the fields that ``transform`` does without."""
        return tuple(field.name for field in self.fields if field.fit_only)

    def field(self, name: str) -> FieldSpec:
        """Return the field of that name.

        Parameters
        ----------
        name : str
            A field's own name; aliases do not count.

        Returns
        -------
        FieldSpec
            The field.

        Raises
        ------
        SchemaError
            When there is none, with the nearest names.

        Examples
        --------
        >>> from tracer_sklearn.schema import CUSTOMER_CHURN
        >>> CUSTOMER_CHURN.field("support_tickets").kind
        'count'
        """
        for field in self.fields:
            if field.name == name:
                return field
        raise SchemaError(
            f"{self.name}: the field must be one of its schema's, got {name!r}; "
            f"{_hint(name, self.names)}.",
            unexpected=(name,),
        )

    def bind(self, columns: Mapping[str, str] | None = None) -> dict[str, str]:
        """Map every field to the column of the user's frame that holds it.

        Parameters
        ----------
        columns : mapping of str to str, or None, default=None
            The columns that are named otherwise than their field, ``{field: column}``. None,
            because a frame in the schema's own names needs no map.

        Returns
        -------
        dict of str to str
            A column for every field, in the order of the fields.

        Raises
        ------
        ParameterError
            When a field is unknown (with the nearest names), a column is not a name, or two
            fields would be read from one column.

        Examples
        --------
        >>> from tracer_sklearn.schema import CUSTOMER_CHURN
        >>> bound = CUSTOMER_CHURN.bind({"customer_id": "CustID", "total_value": "LTV"})
        >>> bound["customer_id"], bound["plan_type"]
        ('CustID', 'plan_type')
        """
        columns = _as_mapping(self.name, columns)
        for name, column in columns.items():
            if name not in self.names:
                must = "a dict whose keys are fields of the schema"
                raise fail(self.name, "fields", must, name, _hint(name, self.names))
            if not isinstance(column, str) or not column:
                must = f"a dict that gives {name!r} the name of a column"
                raise fail(self.name, "fields", must, column, "pass a string")
        bound = {name: columns.get(name, name) for name in self.names}
        if shared := repeated(bound.values()):
            fields = [name for name, column in bound.items() if column == shared[0]]
            must = "a dict that gives every field a column of its own"
            advice = f"map the fields {fields} to different columns"
            raise fail(self.name, "fields", must, shared[0], advice)
        return bound
