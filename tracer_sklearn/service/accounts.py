"""What a pipeline object tells of its runs, to whom the access policy lets know."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from datetime import datetime

from sqlalchemy import select

from tracer_sklearn._params import fail
from tracer_sklearn.service.access import AccessPolicy, check_access
from tracer_sklearn.service.audit import AuditTrail, AuditVerdict
from tracer_sklearn.service.metrics import ServiceMetrics
from tracer_sklearn.service.parts import Parts
from tracer_sklearn.service.retention import Swept, sweep
from tracer_sklearn.service.states import RunEvent, RunState
from tracer_sklearn.service.store import RunStore
from tracer_sklearn.service.store._rows import storable
from tracer_sklearn.service.store._tables import runs

__all__ = ["RunAccounts"]


class RunAccounts(ABC):
    """The calls of a `DataPipeline` that ask for what is kept, and begin no run."""

    access_policy: AccessPolicy | None
    principal: str

    @abstractmethod
    async def _started(self) -> Parts: ...

    async def run(self, run_id: str, *, principal: str | None = None) -> RunState:
        """Return the account of one run.

        Parameters
        ----------
        run_id : str
            The run.
        principal : optional
            As for `process_file`.

        Returns
        -------
        RunState
            The account, as it stands now.

        Raises
        ------
        ParameterError
            If there is no such run; the nearest ones are named.
        AccessDeniedError
            If the access policy says no.
        """
        parts = await self._started()
        return await self._allow_for(parts, "read", run_id, principal)

    async def runs(
        self,
        *,
        status: str | Sequence[str] | None = None,
        blueprint: str | None = None,
        principal: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int | None = 100,
        offset: int = 0,
        correlation_id: str | None = None,
        of_principal: str | None = None,
    ) -> list[RunState]:
        """Return the accounts of runs, the newest first.

        Parameters
        ----------
        status, blueprint : optional
            As for `RunStore.runs`.
        principal : optional
            As for `process_file`. It is who asks; ``of_principal`` says whose runs.
        since, until, limit, offset, correlation_id : optional
            As for `RunStore.runs`.
        of_principal : str or None, default=None
            On behalf of this one; None for all.

        Returns
        -------
        list of RunState
            At most a hundred, unless ``limit`` says otherwise.

        Raises
        ------
        ParameterError
            If a filter is not in its legal set.
        AccessDeniedError
            If the access policy says no.
        """
        parts = await self._started()
        await asyncio.to_thread(self._allow, parts, "read", blueprint, principal)
        return await asyncio.to_thread(
            parts.store.runs,
            status=status,
            blueprint=blueprint,
            principal=of_principal,
            since=since,
            until=until,
            limit=limit,
            offset=offset,
            correlation_id=correlation_id,
        )

    async def events(self, run_id: str, *, principal: str | None = None) -> AsyncIterator[RunEvent]:
        """Give what has happened to a run, then what happens, until it ends.

        Parameters
        ----------
        run_id : str
            The run.
        principal : optional
            As for `process_file`.

        Yields
        ------
        RunEvent
            One after the other.

        Raises
        ------
        ParameterError, AccessDeniedError
            As for `run`.
        """
        parts = await self._started()
        await self._allow_for(parts, "read", run_id, principal)
        async for event in parts.orchestrator.events(run_id):
            yield event

    async def verify_audit(self, *, principal: str | None = None) -> AuditVerdict:
        """Say whether the audit trail is whole, as `AuditTrail.verify` does.

        Parameters
        ----------
        principal : optional
            As for `process_file`.

        Returns
        -------
        AuditVerdict
            Whether it is whole, and where not.
        """
        parts = await self._started()
        await asyncio.to_thread(self._allow, parts, "audit", None, principal)
        return await asyncio.to_thread(parts.audit.verify)

    async def sweep(self, *, at: datetime | None = None, principal: str | None = None) -> Swept:
        """Delete what retention policies no longer keep; call it once a day or so.

        Parameters
        ----------
        at : datetime or None, default=None
            The moment that decides what is due; None for now.
        principal : optional
            As for `process_file`.

        Returns
        -------
        Swept
            How much was deleted.
        """
        parts = await self._started()
        await asyncio.to_thread(self._allow, parts, "retention", None, principal)
        return await asyncio.to_thread(
            sweep, parts.store, parts.audit, parts.cache, parts.state_dir, at
        )

    async def metrics(self) -> ServiceMetrics | None:
        """Return the metrics.

        Returns
        -------
        ServiceMetrics or None
            What `ServiceMetrics.serve` shows; None without ``enable_monitoring``.
        """
        return (await self._started()).metrics

    async def store(self) -> RunStore:
        """Return the run store.

        Returns
        -------
        RunStore
            For its figures: quality, error rates, throughput. No access policy is asked.
        """
        return (await self._started()).store

    async def audit(self) -> AuditTrail:
        """Return the audit trail.

        Returns
        -------
        AuditTrail
            For its entries. No access policy is asked.
        """
        return (await self._started()).audit

    # ------------------------------------------------------------------------------ access

    def _allow(
        self,
        parts: Parts,
        action: str,
        blueprint: str | None,
        principal: str | None,
        run_id: str | None = None,
    ) -> None:
        who = self.principal if principal is None else principal
        check_access(self.access_policy, parts.audit, who, action, blueprint, run_id=run_id)

    async def _allow_for(
        self, parts: Parts, action: str, run_id: str, principal: str | None
    ) -> RunState:
        return await asyncio.to_thread(self._allowed_run, parts, action, run_id, principal)

    def _allowed_run(
        self, parts: Parts, action: str, run_id: str, principal: str | None
    ) -> RunState:
        """Return a run; to whom the policy says no it is all one whether there is such a run."""
        if not isinstance(run_id, str):
            raise fail("DataPipeline", "run_id", "the id of a run, a text", run_id)
        with parts.store.reading() as connection:
            asked = select(runs.c.blueprint).where(runs.c.run_id == storable(run_id))
            blueprint = connection.scalar(asked)
        self._allow(parts, action, blueprint, principal, run_id)
        return parts.store.get(run_id)
