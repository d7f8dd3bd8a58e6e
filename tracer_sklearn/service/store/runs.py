"""The run store: what was done, by whom, and how it ended."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, Engine, and_, delete, func, insert, select, update

from tracer_sklearn._params import check_choice, check_integer, check_real
from tracer_sklearn.exceptions import ParameterError, RunError, StoreError, nearest
from tracer_sklearn.service.states import STAGES, RunFailure, RunState, RunStatus, now
from tracer_sklearn.service.store import _figures
from tracer_sklearn.service.store._asked import among, asked
from tracer_sklearn.service.store._engine import (
    WHO,
    WRITES,
    chosen_url,
    damaged,
    made_engine,
    phrased,
    prepare_sqlite,
    set_aside,
    shown,
)
from tracer_sklearn.service.store._migrate import migrate
from tracer_sklearn.service.store._owners import Owner, is_alive
from tracer_sklearn.service.store._rows import as_row, storable
from tracer_sklearn.service.store._tables import processes, runs

__all__ = ["RunStore"]

# The audit trail's anchor, which lies beside the store; see `tracer_sklearn.service.audit`.
AUDIT_HEAD = "audit.head"

_FINAL = tuple(status.value for status in RunStatus if status.is_final)


class RunStore:
    """Keep the account of every run; `RunStore.open` opens one.

    Use it to ask for runs outside of a `DataPipeline`, which keeps one of its own. It may be used
    by several threads and processes at once. Not on a network folder: SQLite's locks do not hold
    there; give PostgreSQL's URL instead.

    Parameters
    ----------
    engine : sqlalchemy.Engine
        Where the tables are.
    state_dir : Path
        The state folder, for what is kept in files.
    where : str
        The file or the server, as errors name it.
    put_aside : tuple of Path, default=()
        The files of a damaged store that this one replaces; empty as a rule.

    Raises
    ------
    StoreError
        By every method, if the store does not answer, is full or is damaged.
    ParameterError
        By every method, if an argument is not in its legal set.

    Notes
    -----
    Moments are datetimes. One without a time zone is local time; those that are returned are in
    UTC.

    Examples
    --------
    >>> import tempfile
    >>> from tracer_sklearn.service import RunStore
    >>> with tempfile.TemporaryDirectory() as folder, RunStore.open(state_dir=folder) as store:
    ...     store.runs(status="FAILED")
    []
    """

    def __init__(
        self, engine: Engine, state_dir: Path, where: str, put_aside: tuple[Path, ...] = ()
    ) -> None:
        self.engine = engine
        self.state_dir = state_dir
        self.where = where
        self.put_aside = put_aside
        self._owners: dict[int, Owner] = {}

    # -------------------------------------------------------------------------- opening

    @classmethod
    def open(
        cls,
        url: str | None = None,
        *,
        state_dir: str | os.PathLike[str],
        on_corrupt: Literal["raise", "set_aside"] = "raise",
    ) -> RunStore:
        """Open a store; make it where there is none, and bring an older one to this version.

        Parameters
        ----------
        url : str or None, default=None
            ``sqlite:///path`` or ``postgresql://user@host/name``; None for ``runs.sqlite`` in the
            state folder.
        state_dir : path
            The state folder; made, for its owner alone, where it is not there.
        on_corrupt : {"raise", "set_aside"}, default="raise"
            What to do with a SQLite file that cannot be read. "set_aside" renames it, with the
            anchor of its audit trail, to a name that ends in ``.corrupt-`` and the time, and
            begins a new one; never by itself, because what it holds may be restored.

        Returns
        -------
        RunStore
            The store, which is a context manager, too.

        Raises
        ------
        ParameterError
            If the URL is not of SQLite or PostgreSQL, or ``on_corrupt`` is none of these.
        StoreError
            If the store cannot be opened, is damaged, or was written by a newer version.
        MissingDependencyError
            If the URL is of PostgreSQL, and psycopg is not installed.
        """
        check_choice(WHO, "on_corrupt", on_corrupt, ("raise", "set_aside"))
        folder = Path(state_dir).absolute()
        chosen = chosen_url(url, folder)
        where = shown(chosen)
        with phrased(str(folder)):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        moved: tuple[Path, ...] = ()
        if chosen.get_backend_name() == "sqlite":
            file = Path(str(chosen.database)).absolute()
            chosen, where = chosen.set(database=str(file)), str(file)
            anchor = folder / AUDIT_HEAD
            try:
                # looked at first: a store that is being made has its file before its anchor
                if anchor.exists() and not (file.exists() and file.stat().st_size):
                    raise damaged(where, "it is gone or empty, but its audit trail was begun")
                return cls._opened(chosen, folder, where)
            except StoreError as error:
                if not (error.damaged and on_corrupt == "set_aside"):
                    raise
            with phrased(where):
                moved = tuple(set_aside(file, [anchor]))
        return cls._opened(chosen, folder, where, moved)

    @classmethod
    def _opened(cls, url: Any, folder: Path, where: str, moved: tuple[Path, ...] = ()) -> RunStore:
        engine = made_engine(url)
        try:
            with phrased(where):
                if engine.dialect.name == "sqlite":
                    file = Path(where)
                    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                    prepare_sqlite(engine, file)
                migrate(engine, engine.execution_options(**{WRITES: "durable"}), where)
        except BaseException:
            engine.dispose()
            raise
        return cls(engine, folder, where, moved)

    def close(self) -> None:
        """Let go of all connections; used again, the store opens new ones."""
        with suppress(StoreError), self.writing() as connection:
            owner = self._owners.pop(os.getpid(), None)
            if owner is not None and not self._works(connection, owner):
                connection.execute(delete(processes).where(processes.c.owner_id == owner.owner_id))
        self.engine.dispose()

    def __enter__(self) -> RunStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a connection in a transaction that sees one moment of the store.

        Yields
        ------
        sqlalchemy.Connection
            For statements that only read.
        """
        with phrased(self.where), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def writing(self, *, durable: bool = True) -> Iterator[Connection]:
        """Give a connection in a transaction that is kept whole or not at all.

        Parameters
        ----------
        durable : bool, default=True
            Whether it is on the disk when the block is left. One that is not may be lost when the
            power fails, up to the next that is, but not when processes die.

        Yields
        ------
        sqlalchemy.Connection
            For statements that write. An error within the block takes everything back.
        """
        writer = self.engine.execution_options(**{WRITES: "durable" if durable else "quick"})
        with phrased(self.where), writer.begin() as connection:
            yield connection

    # ----------------------------------------------------------------------------- runs

    def create(self, state: RunState) -> None:
        """Begin the account of a run, in the name of this process.

        Parameters
        ----------
        state : RunState
            The run, with an id of its own.

        Raises
        ------
        ParameterError
            If there is a run of this name.
        """
        row = as_row(state)
        with self.writing() as connection:
            owner = self._claimed(connection)
            if connection.scalar(select(runs.c.run_id).where(runs.c.run_id == row["run_id"])):
                raise ParameterError(
                    f"{WHO}: `run_id` must be new, {state.run_id!r} is there; save() changes it.",
                    parameter="run_id",
                    value=state.run_id,
                )
            connection.execute(insert(runs).values(**row, owner_id=owner.owner_id))

    def save(self, state: RunState) -> None:
        """Write where a run stands now.

        How it ended is on the disk when this returns; progress may be lost when the power fails,
        when the run is lost as well.

        Parameters
        ----------
        state : RunState
            All that is known of the run; it takes the place of what was written before.

        Raises
        ------
        ParameterError
            If there is no such run.
        RunError
            If the run ended before, as others saw it, and would not be ended any more; or if its
            personal values were erased.
        """
        row = as_row(state)
        name = row.pop("run_id")
        allowed: ColumnElement[bool] = runs.c.personal_deleted_at.is_(None)
        if not state.status.is_final:
            allowed = and_(allowed, runs.c.status.not_in(_FINAL))
        with self.writing(durable=state.status.is_final) as connection:
            done = connection.execute(
                update(runs).where(runs.c.run_id == name, allowed).values(row)
            )
            if done.rowcount:
                return
            found = connection.scalar(select(runs.c.status).where(runs.c.run_id == name))
            if found is None:
                raise self._unknown(connection, state.run_id)
        raise RunError(
            f"{WHO}: a run must stay as it ended, {state.run_id} is {found} and was to become "
            f"{state.status.value}; it was given up or erased meanwhile: run it again.",
            run_id=state.run_id,
            state=state,
        )

    def get(self, run_id: str) -> RunState:
        """Return what is known of a run.

        Parameters
        ----------
        run_id : str
            The run.

        Returns
        -------
        RunState
            As it was last written.

        Raises
        ------
        ParameterError
            If there is no such run; the nearest ones are named.
        """
        with self.reading() as connection:
            found = connection.scalar(select(runs.c.state).where(runs.c.run_id == storable(run_id)))
            if found is None:
                raise self._unknown(connection, run_id)
        return RunState.model_validate_json(found)

    def runs(
        self,
        status: str | Sequence[str] | None = None,
        blueprint: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        principal: str | None = None,
        limit: int | None = 100,
        offset: int = 0,
        *,
        correlation_id: str | None = None,
    ) -> list[RunState]:
        """Return runs, the newest first.

        Parameters
        ----------
        status : str, list of str or None, default=None
            PENDING, IN_PROGRESS, COMPLETED, FAILED or CANCELLED; None for all.
        blueprint : str or None, default=None
            Of this blueprint; None for all.
        since, until : datetime or None, default=None
            Created at this moment or later, and before that one; None for no bound.
        principal : str or None, default=None
            On behalf of this one; None for all.
        limit : int >= 0 or None, default=100
            At most so many, because an account may be large; None for all.
        offset : int >= 0, default=0
            How many of the newest are passed over.
        correlation_id : str or None, default=None
            Of this batch or request; None for all.

        Returns
        -------
        list of RunState
            Empty where there is none.
        """
        if limit is not None:
            check_integer(f"{WHO}.runs", "limit", limit, low=0)
        check_integer(f"{WHO}.runs", "offset", offset, low=0)
        which = asked(
            f"{WHO}.runs",
            status=status,
            blueprint=blueprint,
            principal=principal,
            correlation_id=correlation_id,
            since=since,
            until=until,
        )
        query = select(runs.c.state).where(*which)
        query = query.order_by(runs.c.created_at.desc(), runs.c.run_id.desc())
        with self.reading() as connection:
            found = connection.scalars(query.limit(limit).offset(offset)).all()
        return [RunState.model_validate_json(text) for text in found]

    def count(
        self,
        status: str | Sequence[str] | None = None,
        blueprint: str | None = None,
        principal: str | None = None,
    ) -> int:
        """Return how many runs there are.

        Parameters
        ----------
        status : str, list of str or None, default=None
            As for `runs`.
        blueprint : str or None, default=None
            Of this blueprint; None for all.
        principal : str or None, default=None
            On behalf of this one; None for all.

        Returns
        -------
        int
            Their number.
        """
        which = asked(f"{WHO}.count", status=status, blueprint=blueprint, principal=principal)
        with self.reading() as connection:
            return connection.scalar(select(func.count()).select_from(runs).where(*which)) or 0

    def _unknown(self, connection: Connection, run_id: str) -> ParameterError:
        newest = select(runs.c.run_id).order_by(runs.c.created_at.desc()).limit(1000)
        near = nearest(str(run_id), connection.scalars(newest))
        advice = f"nearest: {near}" if near else "runs() lists them"
        return ParameterError(
            f"{WHO}: `run_id` must be that of a run, got {run_id!r}; {advice}.",
            parameter="run_id",
            value=run_id,
        )

    # ------------------------------------------------------------------ living and dead

    def claim_process(self) -> str:
        """Say that this process works on runs.

        Returns
        -------
        str
            The name that it is known by.
        """
        with self.writing() as connection:
            return self._claimed(connection).owner_id

    def heartbeat(self) -> None:
        """Say that this process lives; call it every ten seconds while runs are in progress."""
        with self.writing(durable=False) as connection:
            mine = processes.c.owner_id == self._claimed(connection).owner_id
            moment = self._moment(connection)
            connection.execute(update(processes).where(mine).values(heartbeat_at=moment))

    def recover(self, silence_seconds: float = 60.0) -> list[RunState]:
        """Mark the unfinished runs of processes that are no more as FAILED, and return them.

        Call it at start-up, and now and then: a process on another machine is only known to be
        dead by its silence.

        Parameters
        ----------
        silence_seconds : float >= 0, default=60.0
            How long a process of another machine may say nothing; six heartbeats.

        Returns
        -------
        list of RunState
            The runs as they are now; empty where no process had died.
        """
        check_real(f"{WHO}.recover", "silence_seconds", silence_seconds, low=0.0)
        silence = timedelta(seconds=silence_seconds)
        ended = []
        with self.writing() as connection:
            moment = self._moment(connection)
            query = select(processes)
            if connection.dialect.name == "postgresql":
                query = query.with_for_update(skip_locked=True)
            mine = self._owners.get(os.getpid())
            for row in connection.execute(query).mappings().all():
                known = mine is not None and row["owner_id"] == mine.owner_id
                if known or is_alive(row, moment, silence):
                    continue
                unfinished = select(runs.c.state).where(
                    runs.c.owner_id == row["owner_id"], runs.c.status.not_in(_FINAL)
                )
                for text in connection.scalars(unfinished).all():
                    state = _given_up(RunState.model_validate_json(text), row, now())
                    values = as_row(state)
                    connection.execute(
                        update(runs).where(runs.c.run_id == values.pop("run_id")).values(values)
                    )
                    ended.append(state)
                gone = processes.c.owner_id == row["owner_id"]
                connection.execute(delete(processes).where(gone))
        return ended

    def _claimed(self, connection: Connection) -> Owner:
        pid = os.getpid()  # another one after a fork
        with _claiming:
            if pid not in self._owners:
                self._owners[pid] = Owner.this_process()
            owner = self._owners[pid]
        # The row may be gone: its transaction failed, or others took this process for dead.
        row = {**vars(owner), "heartbeat_at": self._moment(connection)}
        mine = select(processes.c.pid).where(processes.c.owner_id == owner.owner_id)
        if connection.scalar(mine) is None:
            connection.execute(insert(processes).values(row))
        return owner

    @staticmethod
    def _works(connection: Connection, owner: Owner) -> bool:
        mine = and_(runs.c.owner_id == owner.owner_id, runs.c.status.not_in(_FINAL))
        return connection.scalar(select(runs.c.run_id).where(mine).limit(1)) is not None

    @staticmethod
    def _moment(connection: Connection) -> datetime:
        """Return the time by the clock that all users of the store share."""
        if connection.dialect.name == "postgresql":
            found = connection.scalar(select(func.clock_timestamp()))
            assert isinstance(found, datetime)
            return found
        return now()

    # -------------------------------------------------------------------------- figures

    def quality_trend(
        self,
        blueprint: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        *,
        period: Literal["hour", "day", "month"] = "day",
        principal: str | None = None,
    ) -> list[dict[str, Any]]:
        """Return how good the tables of each period and blueprint were, the oldest first.

        Parameters
        ----------
        blueprint, since, until : optional
            As for `runs`.
        period : {"hour", "day", "month"}, default="day"
            What is put together, in UTC.
        principal : optional
            As for `runs`.

        Returns
        -------
        list of dict
            With ``period``, ``blueprint``, ``n_runs``, ``score`` and ``score_min`` (the mean and
            the least, 0 to 100), ``completeness``, ``validity`` and ``uniqueness`` (means, shares
            in [0, 1]). Runs that were not judged do not count.
        """
        check_choice(f"{WHO}.quality_trend", "period", period, _figures.PERIODS)
        which = among(f"{WHO}.quality_trend", blueprint, since, until, principal)
        with self.reading() as connection:
            return _figures.quality_trend(connection, period, which)

    def error_rates(
        self,
        blueprint: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        *,
        principal: str | None = None,
    ) -> list[dict[str, Any]]:
        """Return what fails how often, the most frequent first.

        Parameters
        ----------
        blueprint, since, until, principal : optional
            As for `runs`.

        Returns
        -------
        list of dict
            With ``blueprint``, ``category`` and ``type`` of the error, ``n_failed``, ``n_runs``
            (runs of the blueprint that have ended) and ``rate``, their quotient in [0, 1].
        """
        which = among(f"{WHO}.error_rates", blueprint, since, until, principal)
        with self.reading() as connection:
            return _figures.error_rates(connection, which)

    def throughput(
        self,
        blueprint: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        *,
        period: Literal["hour", "day", "month"] = "day",
        principal: str | None = None,
    ) -> list[dict[str, Any]]:
        """Return what was completed in each period, the oldest first.

        Parameters
        ----------
        blueprint, since, until : optional
            As for `runs`.
        period : optional
            As for `quality_trend`.
        principal : optional
            As for `runs`.

        Returns
        -------
        list of dict
            With ``period``, ``blueprint``, ``files``, ``from_cache`` (files that an earlier result
            answered), ``rows`` read, ``bytes``, ``seconds`` and ``rows_per_second`` of the others.
        """
        check_choice(f"{WHO}.throughput", "period", period, _figures.PERIODS)
        which = among(f"{WHO}.throughput", blueprint, since, until, principal)
        with self.reading() as connection:
            return _figures.throughput(connection, period, which)


_claiming = threading.Lock()


def _given_up(state: RunState, owner: Any, at: datetime) -> RunState:
    """Return the state of a run whose process is no more."""
    stage = next(
        (name for name, s in state.stages.items() if s.status is RunStatus.IN_PROGRESS), None
    )
    failure = RunFailure(
        category="processing",
        type="ProcessLost",
        message=f"Run: its process must live until it ends, process {owner['pid']} of "
        f"{owner['host'].partition('/')[0]} was gone; run it again.",
        stage=stage,
        transient=True,
    )
    changes: dict[str, Any] = {"status": RunStatus.FAILED, "error": failure, "finished_at": at}
    if state.started_at is not None:
        changes["seconds"] = max(0.0, (at - state.started_at).total_seconds())
    if stage is not None and stage in STAGES:
        broken = {"status": RunStatus.FAILED, "error": failure}
        changes[stage] = state.stages[stage].model_copy(update=broken)
    return state.model_copy(update=changes)
