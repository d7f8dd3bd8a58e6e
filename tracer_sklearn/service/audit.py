"""The audit trail: entries that follow one another, and show it when one was touched."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from sqlalchemy import Connection, CursorResult, and_, func, insert, select, text, update
from sqlalchemy.exc import IntegrityError

from tracer_sklearn._params import check_integer, check_moment, check_text
from tracer_sklearn.exceptions import ParameterError, StoreError
from tracer_sklearn.service._anchor import Anchor, Mark
from tracer_sklearn.service._walk import ERASED, START, AuditVerdict, Walk, code_of
from tracer_sklearn.service.keys import derived, keyed, state_key
from tracer_sklearn.service.states import now
from tracer_sklearn.service.store._rows import storable
from tracer_sklearn.service.store._tables import audit
from tracer_sklearn.service.store.runs import AUDIT_HEAD, RunStore

__all__ = ["AuditEntry", "AuditTrail", "AuditVerdict"]

Details = Mapping[str, str | int | float | bool | None]

WHO = "AuditTrail"
PERSONAL_DETAILS = frozenset(
    {"error", "file", "filename", "message", "output", "path", "principal", "reason", "source",
     "source_name"}
)  # fmt: skip

_LOCK = 0x7261_6365_0002


@dataclass(frozen=True)
class AuditEntry:
    """One entry of the trail; `AuditTrail.entries` gives them.

    Parameters
    ----------
    seq : int
        Its place, from 1.
    at : datetime
        When, in UTC.
    action : str
        What was done, such as "run.completed" or "access.denied".
    run_id, blueprint : str or None
        To which run, of which blueprint.
    principal : str or None
        On whose behalf; None where it was erased.
    details : dict
        Further facts.
    personal : dict or None
        Further facts that may be personal, such as the name of a file; None where erased.

    Examples
    --------
    >>> import tempfile
    >>> from tracer_sklearn.service import AuditTrail, RunStore
    >>> with tempfile.TemporaryDirectory() as folder, RunStore.open(state_dir=folder) as store:
    ...     trail = AuditTrail.open(store)
    ...     _ = trail.append("run.failed", run_id="01", principal="ana", personal={"file": "a.csv"})
    ...     entry = trail.entries(run_id="01")[0]
    >>> entry.seq, entry.action, entry.principal, entry.personal
    (1, 'run.failed', 'ana', {'file': 'a.csv'})
    """

    seq: int
    at: datetime
    action: str
    run_id: str | None
    blueprint: str | None
    principal: str | None
    details: dict[str, Any]
    personal: dict[str, Any] | None


class AuditTrail:
    """Append to a trail that shows what was done to it; `AuditTrail.open` opens one.

    Every entry carries its number, and an HMAC over its content and the entry before it, so that a
    changed, missing, moved or added entry is found by whoever has the key. How far the trail has
    come stands in a file beside the store, too, so that a cut tail is found. The database refuses
    changes by itself, as far as whoever is at it obeys triggers. Not a protection from somebody
    with the key, or who puts the whole state folder back to an older day: for that, note
    `AuditVerdict.head_seq` and ``head_mac`` somewhere else.

    Parameters
    ----------
    store : RunStore
        The store that the entries are in.
    key : bytes
        The key. `AuditTrail.open` takes that of ``TRACER_AUDIT_KEY``, or of the file
        ``audit.key`` in the state folder.

    Raises
    ------
    StoreError
        By every method, if the store does not answer, or does not take what is written.

    Notes
    -----
    What may be personal is not in the chain but beside it, where it can be erased; the chain holds
    its HMAC with a salt that is erased together with it. An entry may lack it only where a later
    entry of the trail says so. Personal are the principal, and details by the names "error",
    "file", "filename", "message", "output", "path", "principal", "reason", "source" and
    "source_name".

    Examples
    --------
    >>> import tempfile
    >>> from tracer_sklearn.service import AuditTrail, RunStore
    >>> with tempfile.TemporaryDirectory() as folder, RunStore.open(state_dir=folder) as store:
    ...     trail = AuditTrail.open(store)
    ...     _ = trail.append("run.started", run_id="01", principal="ana", details={"rows": 3})
    ...     trail.verify().ok, trail.entries()[0].principal
    (True, 'ana')
    """

    def __init__(self, store: RunStore, key: bytes) -> None:
        self.store = store
        self.key = key

    @classmethod
    def open(cls, store: RunStore) -> AuditTrail:
        """Open the trail of a store; its key and its anchor are made with its first opening.

        Parameters
        ----------
        store : RunStore
            The store that the entries are in.

        Returns
        -------
        AuditTrail
            The trail. Where a damaged store was set aside, its first entry says so.

        Raises
        ------
        StoreError
            If the trail was begun, but its key is missing or is another one.
        ParameterError
            If ``TRACER_AUDIT_KEY`` is no key.
        """
        with store.reading() as connection:
            last = _last(connection)
        trail = cls(store, state_key(store.state_dir, make=last is None))
        if last is not None and last.key_id != trail.key_id:
            raise StoreError.from_reason(
                WHO,
                "the trail must be continued with the key it was begun with",
                store.where,
                "its last entry was made with another one",
                "put back the file audit.key, or set TRACER_AUDIT_KEY to the key",
            )
        if last is None:
            trail._anchor.begin()
        if store.put_aside:
            names = ", ".join(path.name for path in store.put_aside)
            trail.append("store.set_aside", principal="system", details={"files": names})
        return trail

    @property
    def key_id(self) -> str:
        """A name of the key that does not give it away, 16 hexadecimal digits."""
        return derived(self.key, "key id").hex()[:16]

    @property
    def _anchor(self) -> Anchor:
        return Anchor(self.store.state_dir / AUDIT_HEAD, derived(self.key, "head"))

    # ------------------------------------------------------------------------- appending

    def append(
        self,
        action: str,
        *,
        run_id: str | None = None,
        principal: str,
        blueprint: str | None = None,
        details: Details | None = None,
        personal: Details | None = None,
    ) -> int:
        """Append an entry, and return its number; it is on the disk then.

        Parameters
        ----------
        action : str
            What was done, such as "run.completed".
        run_id : str or None, default=None
            To which run; None where it belongs to none.
        principal : str
            On whose behalf; it can be erased later.
        blueprint : str or None, default=None
            Of which blueprint.
        details : dict or None, default=None
            Further facts, for as long as the trail lives: texts, finite numbers, booleans or None
            by name. Those whose names are personal, see the notes of the class, are taken as
            ``personal``.
        personal : dict or None, default=None
            Further facts of these kinds that can be erased later.

        Returns
        -------
        int
            The place of the entry.

        Raises
        ------
        ParameterError
            If a fact is of another kind, or another argument is no text.
        """
        with self.writing() as writer:
            return writer.append(
                action,
                run_id=run_id,
                principal=principal,
                blueprint=blueprint,
                details=details,
                personal=personal,
            )

    @contextmanager
    def writing(self) -> Iterator[AuditWriter]:
        """Give a transaction of the store in which entries are appended along with other changes.

        One process at a time is in here. The anchor follows when the transaction is kept: it may
        lag behind the entries, when the process dies in between, but never leads.

        Yields
        ------
        AuditWriter
            Has `append` and `erase` of the trail, and the transaction as ``connection``. An error
            within the block takes everything back.
        """
        with self._anchor.held() as anchor:
            with self.store.writing() as connection:
                if connection.dialect.name == "postgresql":
                    connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
                writer = AuditWriter(self, connection)
                yield writer
                mark = anchor.read()
                # An anchor that the trail contradicts is evidence, and stays.
                sound = mark is not None and self._holds(connection, mark)
            if writer.newest is not None and sound:
                anchor.write(writer.newest)

    def _holds(self, connection: Connection, mark: Mark) -> bool:
        if mark.seq == 0:
            return True
        found = connection.scalar(select(audit.c.mac).where(audit.c.seq == mark.seq))
        return found == mark.mac

    def erase(
        self,
        *,
        run_id: str | None = None,
        before: datetime | None = None,
        principal: str = "system",
    ) -> int:
        """Erase what is personal in the entries of a run, or in older ones that are of no run.

        An entry says so, in the same transaction.

        Parameters
        ----------
        run_id : str or None, default=None
            The run. Either this or ``before`` is given.
        before : datetime or None, default=None
            The moment up to which entries that are of no run lose it. Without a time zone it is
            local time.
        principal : str, default="system"
            On whose behalf.

        Returns
        -------
        int
            How many entries lost something.

        Raises
        ------
        ParameterError
            If both or neither of ``run_id`` and ``before`` are given, or ``before`` is no datetime.
        """
        with self.writing() as writer:
            return writer.erase(run_id=run_id, before=before, principal=principal)

    # --------------------------------------------------------------------------- reading

    def entries(
        self,
        *,
        run_id: str | None = None,
        action: str | None = None,
        after: int = 0,
        limit: int | None = 1000,
    ) -> list[AuditEntry]:
        """Return entries in their order.

        Parameters
        ----------
        run_id, action : str or None, default=None
            Of this run; of this kind. None for all.
        after : int >= 0, default=0
            Only entries behind this place.
        limit : int >= 0 or None, default=1000
            At most so many, because a trail grows for years; None for all.

        Returns
        -------
        list of AuditEntry
            Empty where there is none.

        Raises
        ------
        ParameterError
            If ``after`` or ``limit`` is negative or no integer, or ``run_id`` or ``action`` no
            text.
        """
        who = f"{WHO}.entries"
        check_integer(who, "after", after, low=0)
        if limit is not None:
            check_integer(who, "limit", limit, low=0)
        check_text(who, "run_id", run_id, optional=True)
        check_text(who, "action", action, optional=True)
        query = select(audit).where(audit.c.seq > after).order_by(audit.c.seq).limit(limit)
        if run_id is not None:
            query = query.where(audit.c.run_id == storable(run_id))
        if action is not None:
            query = query.where(audit.c.action == storable(action))
        with self.store.reading() as connection:
            return [_entry(row) for row in connection.execute(query)]

    def verify(self) -> AuditVerdict:
        """Look at every entry, and say whether the trail is whole; it takes time with its length.

        Found are: an entry that was changed, added, removed or moved; a tail that was cut; what is
        personal that was changed, or erased without an entry that says so; and an anchor that is
        missing or was made without the key. An anchor that lags is no fault.

        Returns
        -------
        AuditVerdict
            Whether it is whole, and where not.
        """
        anchor = self._anchor
        mark = anchor.peek()  # before the entries: they only become more
        walk = Walk(self.key, self.key_id)
        with self.store.reading() as connection:
            query = select(audit).order_by(audit.c.seq)
            with connection.execute(query, execution_options={"yield_per": 2000}) as rows:
                for row in rows:
                    if not walk.passes(row, mark):
                        break
        return walk.verdict(mark, anchor)


class AuditWriter:
    """Append entries within one transaction of the store; see `AuditTrail.writing`."""

    newest: Mark | None = None

    def __init__(self, trail: AuditTrail, connection: Connection) -> None:
        self.trail = trail
        self.connection = connection

    def append(
        self,
        action: str,
        *,
        run_id: str | None = None,
        principal: str,
        blueprint: str | None = None,
        details: Details | None = None,
        personal: Details | None = None,
    ) -> int:
        """Append an entry, and return its number."""
        check_text(WHO, "action", action)
        check_text(WHO, "principal", principal)
        check_text(WHO, "run_id", run_id, optional=True)  # 7 would come back as "7": a broken chain
        check_text(WHO, "blueprint", blueprint, optional=True)
        facts = dict(details or {})
        beside = {name: facts.pop(name) for name in sorted(PERSONAL_DETAILS & facts.keys())}
        beside |= dict(personal or {})
        beside["principal"] = principal
        last = _last(self.connection)
        salt = secrets.token_hex(16)
        held = _canonical(beside)
        key = self.trail.key
        row: dict[str, Any] = {
            "seq": 1 if last is None else last.seq + 1,
            "at": now().astimezone(UTC).isoformat(timespec="microseconds"),
            "action": storable(action),
            "run_id": storable(run_id),
            "blueprint": storable(blueprint),
            "details": _canonical(facts),
            "personal_mac": keyed(key, f"{salt}{held}".encode()),
            "key_id": self.trail.key_id,
            "previous": START if last is None else last.mac,
        }
        row["mac"] = code_of(key, row)
        try:
            self.connection.execute(insert(audit).values(**row, personal=held, personal_salt=salt))
        except IntegrityError as error:  # somebody writes without the lock
            raise StoreError.from_reason(
                WHO,
                "entries must be appended one by one",
                self.trail.store.where,
                f"entry {row['seq']} came into being meanwhile",
                "try again",
                transient=True,
            ) from error
        self.newest = Mark(row["seq"], row["mac"])
        return cast(int, row["seq"])

    def erase(
        self,
        *,
        run_id: str | None = None,
        before: datetime | None = None,
        principal: str = "system",
    ) -> int:
        """Erase what is personal in the entries of a run, or in older ones that are of no run."""
        if (run_id is None) == (before is None):
            raise ParameterError(
                f"{WHO}.erase: one of `run_id` and `before` must be given, got {run_id!r} and "
                f"{before!r}; erase by run, or by age."
            )
        due = update(audit).where(audit.c.personal.is_not(None))
        if before is not None:
            moment = check_moment(f"{WHO}.erase", "before", before).isoformat(
                timespec="microseconds"
            )
            newest = self.connection.scalar(
                select(func.max(audit.c.seq)).where(audit.c.at < moment)
            )
            if newest is None:
                return 0
            of_no_run = and_(audit.c.run_id.is_(None), audit.c.action != ERASED)
            covered = and_(of_no_run, audit.c.seq <= newest)
            facts: dict[str, Any] = {"up_to": newest}
        else:
            covered = and_(audit.c.run_id == run_id)
            facts = {}
        wiped = cast(
            CursorResult[Any],
            self.connection.execute(due.where(covered).values(personal=None, personal_salt=None)),
        ).rowcount
        if wiped:
            facts["entries"] = wiped
            self.append(ERASED, run_id=run_id, principal=principal, details=facts)
        return wiped


def _last(connection: Connection) -> Any:
    return connection.execute(select(audit).order_by(audit.c.seq.desc()).limit(1)).first()


def _canonical(facts: Mapping[str, Any]) -> str:
    """Write facts in the one way that they can be written; ASCII, so that any store keeps it."""
    try:
        return json.dumps(facts, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ParameterError(
            f"{WHO}: `details` must be texts, finite numbers, booleans or None by name, "
            f"{error}; turn the value into a text.",
            parameter="details",
        ) from error


def _entry(row: Any) -> AuditEntry:
    personal = None if row.personal is None else json.loads(row.personal)
    return AuditEntry(
        seq=row.seq,
        at=datetime.fromisoformat(row.at),
        action=row.action,
        run_id=row.run_id,
        blueprint=row.blueprint,
        principal=None if personal is None else personal.pop("principal"),
        details=json.loads(row.details),
        personal=personal,
    )
