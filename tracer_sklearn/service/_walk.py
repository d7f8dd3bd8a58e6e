"""The audit trail looked at from its first entry to its last: whether it is whole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tracer_sklearn.service._anchor import Anchor, Mark
from tracer_sklearn.service.keys import keyed

ERASED = "retention.personal"
START = "0" * 64


@dataclass(frozen=True)
class AuditVerdict:
    """Whether the trail is whole; `AuditTrail.verify` finds out.

    Parameters
    ----------
    ok : bool
        Whether every entry is there, in its place, and as it was written.
    n_entries : int
        How many there are.
    first_broken : int or None, default=None
        Place of the first entry that is missing or was touched.
    reason : str, default=""
        What was found; for people.
    head_seq : int or None, default=None
        How far the anchor beside the store had come. It may lag behind the entries by those whose
        process died in between; noted elsewhere together with `head_mac` it shows even that store
        and anchor were both put back to an older day.
    head_mac : str or None, default=None
        The code of that entry.

    Examples
    --------
    >>> import tempfile
    >>> from tracer_sklearn.service import AuditTrail, RunStore
    >>> with tempfile.TemporaryDirectory() as folder, RunStore.open(state_dir=folder) as store:
    ...     trail = AuditTrail.open(store)
    ...     for action in ("run.created", "run.started"):
    ...         _ = trail.append(action, run_id="01", principal="ana")
    ...     verdict = trail.verify()
    >>> verdict.ok, verdict.n_entries, verdict.reason
    (True, 2, '2 entries, each as it was written')
    """

    ok: bool
    n_entries: int
    first_broken: int | None = None
    reason: str = ""
    head_seq: int | None = None
    head_mac: str | None = None


class Walk:
    """One pass over the entries."""

    def __init__(self, key: bytes, key_id: str) -> None:
        self.key = key
        self.key_id = key_id
        self.n = 0
        self.previous = START
        self.broken: int | None = None
        self.reason = ""
        self.lacking: dict[int, str | None] = {}  # entries without what was personal, and their run

    def passes(self, row: Any, mark: Mark | None) -> bool:
        expected = self.n + 1
        if row.seq != expected:
            return self._fails(expected, f"entry {expected} is missing")
        self.n = expected
        if row.previous != self.previous:
            return self._fails(expected, f"entry {expected} does not follow the one before it")
        if row.key_id != self.key_id:
            return self._fails(expected, f"entry {expected} was made with another key")
        if row.mac != code_of(self.key, row._mapping):
            return self._fails(expected, f"entry {expected} was changed")
        if row.personal is None:
            self.lacking[row.seq] = row.run_id
        elif keyed(self.key, f"{row.personal_salt}{row.personal}".encode()) != row.personal_mac:
            return self._fails(expected, f"what is personal in entry {expected} was changed")
        if mark is not None and mark.seq == expected and mark.mac != row.mac:
            return self._fails(expected, f"entry {expected} is not the one that audit.head names")
        if row.action == ERASED:
            self._excuse(row)
        self.previous = row.mac
        return True

    def _excuse(self, row: Any) -> None:
        """Take from the list what this entry says was erased."""
        up_to = json.loads(row.details).get("up_to", row.seq)
        covered = [
            seq for seq, run_id in self.lacking.items() if run_id == row.run_id and seq <= up_to
        ]
        for seq in covered:
            del self.lacking[seq]

    def _fails(self, seq: int, reason: str) -> bool:
        self.broken, self.reason = seq, reason
        return False

    def verdict(self, mark: Mark | None, anchor: Anchor) -> AuditVerdict:
        if self.broken is None:
            if self.lacking:
                first = min(self.lacking)
                reason = f"what is personal in entry {first} was erased, and no entry says so"
                self._fails(first, reason)
            elif mark is None and anchor.path.exists():
                self._fails(self.n, "audit.head is damaged, or was made without the key")
            elif mark is None and self.n:
                self._fails(self.n, "audit.head is missing: whether the tail was cut is unknown")
            elif mark is not None and mark.seq > self.n:
                cut = mark.seq - self.n
                self._fails(self.n + 1, f"the last {cut} entries are missing: the tail was cut")
        seq, mac = (None, None) if mark is None else (mark.seq, mark.mac)
        if self.broken is not None:
            return AuditVerdict(False, self.n, self.broken, self.reason, seq, mac)
        said = f"{self.n} entries, each as it was written"
        if mark is not None and mark.seq < self.n:
            said += f"; audit.head lags by {self.n - mark.seq}, as after a crash"
        return AuditVerdict(True, self.n, None, said, seq, mac)


def code_of(key: bytes, row: Mapping[str, Any]) -> str:
    """Return the code of an entry, which covers that of the one before it."""
    chained = [
        row[name]
        for name in ("seq", "at", "action", "run_id", "blueprint", "details", "personal_mac",
                     "key_id", "previous")
    ]  # fmt: skip
    return keyed(key, json.dumps(chained).encode())
