"""Which blueprints a frame can serve, and under which names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import narwhals.stable.v2 as nw
import pandas as pd
from pydantic import BaseModel, ConfigDict

from tracer_sklearn._params import fail
from tracer_sklearn.exceptions import InputTypeError
from tracer_sklearn.schema import BlueprintSchema, SchemaRegistry, default_registry
from tracer_sklearn.schema._proposal import proposed_kind
from tracer_sklearn.stages.validation._html import escaped, framed
from tracer_sklearn.stages.validation._matching import Candidate, Match, match_fields

_WHO = "check_compatibility"
_ROWS = 10_000
# of the blueprints whose pipelines are functions of the package
_WITH_PIPELINE = ("customer_churn", "revenue_projection", "price_optimization")
# what their pipelines read only where it is named, whatever its name
_NAMED_ONLY = {
    "revenue_projection": {"series"},
    "price_optimization": {"store", "category", "competitor_price"},
}


class FieldMatch(BaseModel):
    """A field of a blueprint and the column that seems to be it.

    Parameters
    ----------
    field : str
        Name of the field.
    required : bool
        Whether the blueprint cannot run without it.
    status : {"found", "missing", "wrong_kind"}
        Whether a column was found; wrong_kind: one of that name holds something else.
    column : str or None
        The column.
    confidence : float
        How sure it is, in [0, 1]; 0 where nothing was found.
    reason : str
        What decided.

    Examples
    --------
    >>> import pandas as pd
    >>> import tracer_sklearn as ts
    >>> frame = pd.DataFrame({"last_login": ["2024-03-01", "2024-02-11"]})
    >>> fit = ts.check_compatibility(frame)["customer_churn"]
    >>> [(m.field, m.column) for m in fit.fields if m.status == "found"]
    [('last_activity_date', 'last_login')]
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    field: str
    required: bool
    status: str
    column: str | None = None
    confidence: float = 0.0
    reason: str = ""


class BlueprintFit(BaseModel):
    """How a frame fits one blueprint.

    Parameters
    ----------
    blueprint : str
        Name of the blueprint.
    version : int
        Version of its schema.
    can_run : bool
        Whether every required field was found.
    confidence : float
        Mean confidence of the required fields, in [0, 1]; halved where one is missing.
    fields : tuple of FieldMatch
        Every field of the schema, in order.
    code : str
        A line of Python that builds what runs; a comment where nothing can run.

    Examples
    --------
    >>> import pandas as pd
    >>> import tracer_sklearn as ts
    >>> frame = pd.DataFrame({"last_login": ["2024-03-01", "2024-02-11"]})
    >>> print(ts.check_compatibility(frame)["customer_churn"].code)
    ts.customer_churn_pipeline(fields={'last_activity_date': 'last_login'})
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    blueprint: str
    version: int
    can_run: bool
    confidence: float
    fields: tuple[FieldMatch, ...]
    code: str

    @property
    def mapping(self) -> dict[str, str]:
        """The ``fields=`` of the pipeline: columns that it would not find by their names."""
        found = {m.field: m.column for m in self.fields if m.status == "found" and m.column}
        named = _NAMED_ONLY.get(self.blueprint, set())
        return {
            field: column for field, column in found.items() if field != column or field in named
        }

    @property
    def missing(self) -> tuple[str, ...]:
        """The required fields for which there is no column."""
        return tuple(m.field for m in self.fields if m.required and m.status != "found")


class CompatibilityReport(BaseModel):
    """Which blueprints a frame can serve, best first.

    Parameters
    ----------
    columns : tuple of str
        The columns of the frame.
    blueprints : tuple of BlueprintFit
        Every registered blueprint: those that can run first, then by confidence.

    See Also
    --------
    check_compatibility : Makes it.

    Examples
    --------
    >>> import tracer_sklearn as ts
    >>> X, _ = ts.datasets.make_customer_churn(100, random_state=0)
    >>> report = ts.check_compatibility(X.rename(columns={"customer_id": "CustID"}))
    >>> report.best.blueprint, report.best.mapping
    ('customer_churn', {'customer_id': 'CustID'})
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    columns: tuple[str, ...]
    blueprints: tuple[BlueprintFit, ...]

    @property
    def best(self) -> BlueprintFit:
        """The first of `blueprints`."""
        return self.blueprints[0]

    def __getitem__(self, blueprint: str) -> BlueprintFit:
        for fit in self.blueprints:
            if fit.blueprint == blueprint:
                return fit
        names = [fit.blueprint for fit in self.blueprints]
        raise fail("CompatibilityReport", "blueprint", f"one of {names}", blueprint)

    def to_frame(self) -> pd.DataFrame:
        """Return one row for every blueprint and field, as a pandas frame.

        Returns
        -------
        pandas.DataFrame
            With ``blueprint``, ``can_run`` and the parts of a `FieldMatch`.
        """
        rows = [
            {"blueprint": fit.blueprint, "can_run": fit.can_run, **match.model_dump()}
            for fit in self.blueprints
            for match in fit.fields
        ]
        return pd.DataFrame(rows, columns=["blueprint", "can_run", *FieldMatch.model_fields])

    def to_json(self) -> str:
        """Return everything as JSON; ``CompatibilityReport.model_validate_json`` reads it back.

        Returns
        -------
        str
            Indented.
        """
        return self.model_dump_json(indent=2)

    def __str__(self) -> str:
        lines = []
        for fit in self.blueprints:
            verdict = "can run" if fit.can_run else f"lacks {', '.join(fit.missing)}"
            lines.append(f"{fit.blueprint}: {verdict} (confidence {fit.confidence:.2f})")
            lines += [f"  {fit.code}"] if fit.can_run else []
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return framed("".join(map(_fit_as_html, self.blueprints)))


def check_compatibility(
    frame: Any, *, registry: SchemaRegistry | None = None
) -> CompatibilityReport:
    """Find out which blueprints a frame can serve, and how its columns are to be named.

    Use it on a file that is new to you: it answers with a mapping and a line of code to start
    from. It is a proposal: read the mapping before you train on it.

    Parameters
    ----------
    frame : pandas, Polars or PyArrow frame, Polars LazyFrame or DuckDB relation
        Rows with named columns, text or typed; the first 10,000 rows are looked at.
    registry : SchemaRegistry or None, default=None
        The schemas to try. None takes the package's own and those of installed packages.

    Returns
    -------
    report : CompatibilityReport
        For every blueprint whether it can run, which fields are there, missing or of another
        kind, a mapping with confidence, and code.

    Raises
    ------
    InputTypeError
        If `frame` is no frame with named columns.
    SchemaError
        If an installed package offers a blueprint without a usable schema.

    See Also
    --------
    DataValidator : Judges the values of a frame under one schema.

    Notes
    -----
    A column is a field by its name (as it is, as an alias, by its words in any form and order,
    or but for a typing error), times how well what it holds can be read as the field, times the
    share of values within the field's bounds. Every column is given away once, so that the sum of
    confidences is largest (the assignment problem), and matches below .6 are dropped. A series
    takes the only column of dates whatever its name. Cost: a fraction of a second.

    References
    ----------
    Crouse (2016), doi 10.1109/TAES.2016.140952.

    Examples
    --------
    >>> import pandas as pd
    >>> import tracer_sklearn as ts
    >>> frame = pd.DataFrame({
    ...     "CustID": ["a1", "a2", "a3"], "signup_dt": ["2023-01-05", "2023-02-01", "2023-02-07"],
    ...     "LastLogin": ["2024-03-01", "2024-02-11", "2024-01-30"], "LTV": [120.5, 80.25, 9.99],
    ... })
    >>> print(ts.check_compatibility(frame).best.code)
    ts.customer_churn_pipeline(fields={'customer_id': 'CustID', 'account_created_date': \
'signup_dt', 'last_activity_date': 'LastLogin', 'total_value': 'LTV'})
    """
    if registry is None:
        registry = default_registry
    elif not isinstance(registry, SchemaRegistry):
        raise fail(_WHO, "registry", "None or a SchemaRegistry", registry)
    rows = _first_rows(frame)
    candidates = [_candidate(rows, name) for name in rows.columns]
    fits = [_fit(registry.get(name), candidates) for name in registry.names()]
    fits.sort(key=lambda fit: (-fit.can_run, -fit.confidence, fit.blueprint))
    return CompatibilityReport(columns=tuple(rows.columns), blueprints=tuple(fits))


def _first_rows(frame: Any) -> nw.DataFrame[Any]:
    try:
        entered = nw.from_native(frame)
    except TypeError:
        received = f"{type(frame).__module__}.{type(frame).__qualname__}"
        raise InputTypeError(
            f"{_WHO}: `frame` must be a pandas, Polars or PyArrow frame, a Polars LazyFrame or a "
            f"DuckDB relation, got {received}; give its columns names first.",
            stage=_WHO,
            received=received,
        ) from None
    head = entered.head(_ROWS)
    return head.collect("polars") if isinstance(head, nw.LazyFrame) else head


def _candidate(rows: nw.DataFrame[Any], name: str) -> Candidate:
    series = rows[name]
    typed = series.dtype.is_numeric() or series.dtype == nw.Datetime
    naive = getattr(series.dtype, "time_zone", None) is None
    return Candidate(name, proposed_kind(series), series if typed and naive else None)


def _fit(schema: BlueprintSchema, candidates: Sequence[Candidate]) -> BlueprintFit:
    matched, wrong = match_fields(schema, candidates)
    required = [matched[name].confidence if name in matched else 0.0 for name in schema.required]
    can_run = all(required)
    mean = sum(required) / len(required) if required else 1.0
    matches = tuple(
        _field_match(field.name, field.required, matched.get(field.name), wrong.get(field.name))
        for field in schema.fields
    )
    fit = BlueprintFit(
        blueprint=schema.name,
        version=schema.version,
        can_run=can_run,
        confidence=round(mean if can_run else mean / 2, 4),
        fields=matches,
        code="",
    )
    return fit.model_copy(update={"code": _code(fit)})


def _field_match(
    field: str, required: bool, match: Match | None, wrong: Match | None
) -> FieldMatch:
    found = match or wrong
    if found is None:
        return FieldMatch(field=field, required=required, status="missing")
    return FieldMatch(
        field=field,
        required=required,
        status="found" if match else "wrong_kind",
        column=found.column,
        confidence=round(float(match.confidence), 4) if match else 0.0,
        reason=found.reason,
    )


def _code(fit: BlueprintFit) -> str:
    if not fit.can_run:
        return f"# {fit.blueprint} cannot run: no column for {', '.join(fit.missing)}"
    mapping = fit.mapping
    if fit.blueprint in _WITH_PIPELINE:
        given = f"fields={mapping!r}" if mapping else ""
        return f"ts.{fit.blueprint}_pipeline({given})"
    schema = f"ts.schema.default_registry.get({fit.blueprint!r}, {fit.version})"
    given = f".renamed({mapping!r})" if mapping else ""
    return f"ts.DataValidator({schema}{given})"


def _fit_as_html(fit: BlueprintFit) -> str:
    verdict = "passed" if fit.can_run else "failed"
    says = "can run" if fit.can_run else "cannot run"
    return (
        f"<header><strong>{100 * fit.confidence:.0f}</strong><div><h3>{escaped(fit.blueprint)}</h3>"
        f'<p><em class="{verdict}">{says}</em></p></div></header>'
        '<div class="scroll"><table><thead><tr><th>field</th><th>column</th>'
        f'<th class="num">confidence</th><th>why</th></tr></thead><tbody>{_rows(fit.fields)}'
        f"</tbody></table></div><p><code>{escaped(fit.code)}</code></p>"
    )


def _rows(matches: Iterable[FieldMatch]) -> str:
    return "".join(
        f"<tr><td>{escaped(match.field)}{'&#8239;*' if match.required else ''}</td>"
        f"<td>{escaped(match.column or '–')}</td>"
        f'<td class="num">{match.confidence:.2f}</td>'
        f"<td>{escaped(match.reason or match.status)}</td></tr>"
        for match in matches
    )
