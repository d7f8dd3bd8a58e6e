"""Which runs are asked for: filters are checked, and become conditions of a query."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, and_

from tracer_sklearn._params import check_choice, check_moment, check_text, fail
from tracer_sklearn.service.states import RunStatus
from tracer_sklearn.service.store._rows import storable
from tracer_sklearn.service.store._tables import runs

_STATUSES = [status.value for status in RunStatus]


def asked(
    who: str,
    *,
    status: str | Sequence[str] | None = None,
    blueprint: str | None = None,
    principal: str | None = None,
    correlation_id: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[ColumnElement[bool]]:
    """Return the conditions of these filters; None asks for all."""
    found: list[ColumnElement[bool]] = []
    if status is not None:
        found.append(runs.c.status.in_(_statuses(who, status)))
    for name, value in (
        ("blueprint", blueprint),
        ("principal", principal),
        ("correlation_id", correlation_id),
    ):
        check_text(who, name, value, optional=True)
        if value is not None:
            found.append(runs.c[name] == storable(value))
    if since is not None:
        found.append(runs.c.created_at >= check_moment(who, "since", since))
    if until is not None:
        found.append(runs.c.created_at < check_moment(who, "until", until))
    return found


def among(
    who: str,
    blueprint: str | None,
    since: datetime | None,
    until: datetime | None,
    principal: str | None,
) -> ColumnElement[bool]:
    """Return one condition of the filters that figures have."""
    return and_(
        True, *asked(who, blueprint=blueprint, principal=principal, since=since, until=until)
    )


def _statuses(who: str, status: str | Sequence[str]) -> list[str]:
    if not isinstance(status, Iterable):
        raise fail(who, "status", "one of or a list of " + ", ".join(_STATUSES), status)
    wanted = [status] if isinstance(status, str) else list(status)
    for one in wanted:
        check_choice(who, "status", one, _STATUSES)
    return [str(one) for one in wanted]
