"""Find schemas by name and version, those of installed packages included."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import metadata

from tracer_sklearn._params import fail
from tracer_sklearn.exceptions import SchemaError, nearest
from tracer_sklearn.schema._blueprint import BlueprintSchema

_WHO = "SchemaRegistry"


def _entry_point_error(
    name: str, found: str, advice: str, points: Iterable[metadata.EntryPoint]
) -> SchemaError:
    sources = ", ".join(point.dist.name if point.dist else point.value for point in points)
    return SchemaError(
        f"{_WHO}: the entry point {name!r} must hold the BlueprintSchema of that name, "
        f"found {found} (from {sources}); {advice}."
    )


class SchemaRegistry:
    """Keep the schemas of the blueprints and find them by name and version.

    :data:`default_registry` holds the package's own. Make another one for tests, or to keep the
    schemas of two projects apart.

    Parameters
    ----------
    entry_point_group : str or None, default=None
        Group of entry points that offer further schemas, each under its blueprint's name. None,
        because a registry of one's own should not change with what else is installed; the
        default registry reads "tracer_sklearn.blueprints".

    Notes
    -----
    Entry points are listed only when asked and loaded only when their name is looked up, so an
    installed blueprint costs nothing until it is used. A name registered here wins over an entry
    point of that name: installing a package cannot change a blueprint that is already in use.

    Examples
    --------
    >>> from tracer_sklearn.schema import BlueprintSchema, FieldSpec, SchemaRegistry
    >>> registry = SchemaRegistry()
    >>> registry.register(
    ...     BlueprintSchema(name="visits", fields=(FieldSpec(name="date", kind="datetime"),))
    ... )
    >>> registry.names()
    ('visits',)
    >>> registry.get("visit")
    Traceback (most recent call last):
        ...
    tracer_sklearn.exceptions.ParameterError: SchemaRegistry: `name` must be a registered
    blueprint, got 'visit'; did you mean 'visits'.
    """

    def __init__(self, *, entry_point_group: str | None = None) -> None:
        self.entry_point_group = entry_point_group
        self._schemas: dict[str, dict[int, BlueprintSchema]] = {}

    def register(self, schema: BlueprintSchema) -> None:
        """Add a schema; adding an equal one again changes nothing.

        Parameters
        ----------
        schema : BlueprintSchema
            The schema, known from now on by its name and version.

        Raises
        ------
        ParameterError
            When it is no schema, or another schema of that name and version is registered.
        """
        if not isinstance(schema, BlueprintSchema):
            raise fail(_WHO, "schema", "a BlueprintSchema", schema, "build one from its fields")
        versions = self._schemas.setdefault(schema.name, {})
        if versions.setdefault(schema.version, schema) != schema:
            raise fail(
                _WHO,
                "schema",
                "new under its name and version",
                f"{schema.name} version {schema.version}",
                f"a different one is registered, so set version={max(versions) + 1}",
            )

    def names(self) -> tuple[str, ...]:
        """Return the names that :meth:`get` knows; loads nothing.

        Returns
        -------
        tuple of str
            Sorted.
        """
        return tuple(sorted({*self._schemas, *(point.name for point in self._entry_points())}))

    def get(self, name: str, version: int | None = None) -> BlueprintSchema:
        """Return the schema of a blueprint.

        Parameters
        ----------
        name : str
            Name of the blueprint.
        version : int or None, default=None
            Its version. None takes the newest, which is what a new model wants.

        Returns
        -------
        BlueprintSchema
            The schema.

        Raises
        ------
        ParameterError
            When the name (with the nearest ones) or the version is unknown.
        SchemaError
            When an installed package offers the name but no usable schema.

        Examples
        --------
        >>> from tracer_sklearn.schema import default_registry
        >>> default_registry.get("customer_churn").key
        ('customer_id', 'as_of')
        """
        if not isinstance(name, str):
            raise fail(_WHO, "name", "a registered blueprint", name, f"use one of {self.names()}")
        if name not in self._schemas:
            self._load(name)
        versions = self._schemas[name]
        if version is None:
            return versions[max(versions)]
        if version not in versions:
            advice = f"use one of {sorted(versions)}, or None for the newest"
            raise fail(_WHO, "version", f"a registered version of {name}", version, advice)
        return versions[version]

    def fit_only_fields(self) -> frozenset[str]:
        """Return the names of the fit-only fields of all schemas held; loads nothing.

        Returns
        -------
        frozenset of str
            Such as the outcome, which no row has that is to be scored.
        """
        schemas = (schema for versions in self._schemas.values() for schema in versions.values())
        return frozenset(name for schema in schemas for name in schema.fit_only)

    def _entry_points(self) -> tuple[metadata.EntryPoint, ...]:
        if self.entry_point_group is None:
            return ()
        return tuple(metadata.entry_points(group=self.entry_point_group))

    def _load(self, name: str) -> None:
        points = [point for point in self._entry_points() if point.name == name]
        if not points:
            known = self.names()
            near = nearest(name, known)
            advice = f"did you mean {near}" if near else f"use one of {list(known)}"
            raise fail(_WHO, "name", "a registered blueprint", name, advice)
        if len(points) > 1:
            raise _entry_point_error(
                name, f"{len(points)} packages that offer it", "uninstall all but one", points
            )
        try:
            schema = points[0].load()
        except Exception as error:
            found = f"{type(error).__name__}: {error}"
            raise _entry_point_error(name, found, "repair or uninstall it", points) from error
        if not isinstance(schema, BlueprintSchema) or schema.name != name:
            raise _entry_point_error(name, repr(schema), "repair or uninstall it", points)
        self.register(schema)
