"""Every error and warning of the package.

::

    TracerError(Exception)
    ├── ParameterError(TracerError, ValueError)
    ├── InputTypeError(TracerError, TypeError)
    ├── SchemaError(TracerError, ValueError)
    ├── DataError(TracerError, ValueError)
    │   ├── QualityError
    │   │   └── MissingFieldsError(QualityError, SchemaError)
    │   └── StaleReferenceDateError
    ├── IngestionError(TracerError, ValueError)
    ├── MissingDependencyError(TracerError, ImportError)
    ├── RunError(TracerError, RuntimeError)
    ├── StoreError(TracerError, RuntimeError)
    └── AccessDeniedError(TracerError, PermissionError)

    TracerWarning(UserWarning)
    ├── DataQualityWarning
    ├── UnseenCategoryWarning
    ├── ConstantColumnWarning
    ├── ReferenceDateWarning
    └── HorizonWarning

Each message reads *who: what must hold, what was found; what to do*, and each error
survives pickling with its attributes.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Any

__all__ = [
    "AccessDeniedError",
    "ConstantColumnWarning",
    "DataError",
    "DataQualityWarning",
    "HorizonWarning",
    "IngestionError",
    "InputTypeError",
    "MissingDependencyError",
    "MissingFieldsError",
    "ParameterError",
    "QualityError",
    "ReferenceDateWarning",
    "RunError",
    "SchemaError",
    "StaleReferenceDateError",
    "StoreError",
    "TracerError",
    "TracerWarning",
    "UnseenCategoryWarning",
]


class TracerError(Exception):
    """Base of every error raised by the package."""

    # Exceptions rebuild themselves from `args`; keyword-only attributes travel in the state.
    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.args), self.__dict__


def _rebuild(cls: type[TracerError], args: tuple[Any, ...]) -> TracerError:
    error = cls.__new__(cls)
    error.args = args
    return error


class ParameterError(TracerError, ValueError):
    """A constructor parameter is outside its legal set; raised by ``fit``.

    Attributes
    ----------
    stage : str or None
        Class name of the stage.
    parameter : str or None
        Name of the parameter.
    value : object
        What was found.
    """

    def __init__(
        self,
        message: str,
        *,
        stage: str | None = None,
        parameter: str | None = None,
        value: object = None,
    ) -> None:
        super().__init__(message)
        self.stage = stage
        self.parameter = parameter
        self.value = value


class InputTypeError(TracerError, TypeError):
    """The container handed in is of a kind that cannot be used here.

    Attributes
    ----------
    stage : str or None
        Class name of the stage.
    received : str or None
        Qualified name of the received type.
    """

    def __init__(
        self, message: str, *, stage: str | None = None, received: str | None = None
    ) -> None:
        super().__init__(message)
        self.stage = stage
        self.received = received


class SchemaError(TracerError, ValueError):
    """Columns are missing, unexpected or of another kind than at fit.

    Attributes
    ----------
    missing, unexpected, changed : tuple of str
        The columns concerned.
    """

    def __init__(
        self,
        message: str,
        *,
        missing: Iterable[str] = (),
        unexpected: Iterable[str] = (),
        changed: Iterable[str] = (),
    ) -> None:
        super().__init__(message)
        self.missing = tuple(missing)
        self.unexpected = tuple(unexpected)
        self.changed = tuple(changed)

    @classmethod
    def from_missing(
        cls, stage: str, missing: Sequence[str], available: Sequence[str]
    ) -> SchemaError:
        """Phrase the error for columns that are not there, with the nearest names that are."""
        parts = []
        for name in missing:
            near = nearest(name, available)
            parts.append(f"{_shown(name)} (nearest: {near})" if near else _shown(name))
        shown = ", ".join(map(_shown, available[:20])) + (", ..." if len(available) > 20 else "")
        return cls(
            f"{stage}: every column it reads must be present, missing: {', '.join(parts)}; "
            f"rename or add the column. Present: {shown or 'no columns'}.",
            missing=missing,
        )


class DataError(TracerError, ValueError):
    """Values break a rule that a stage depends on.

    Attributes
    ----------
    column : str or None
        The column concerned.
    rule : str or None
        Short name of the broken rule.
    n_rows : int or None
        How many rows break it.
    examples : tuple
        A few offending values, only where the caller allowed values to be shown.
    """

    def __init__(
        self,
        message: str,
        *,
        column: str | None = None,
        rule: str | None = None,
        n_rows: int | None = None,
        examples: Iterable[object] = (),
    ) -> None:
        super().__init__(message)
        self.column = column
        self.rule = rule
        self.n_rows = n_rows
        self.examples = tuple(examples)


class QualityError(DataError):
    """A table cannot carry a model: a threshold of its quality is missed.

    Attributes
    ----------
    report : QualityReport or None
        Everything that was found, the findings that did not fail included.
    """

    def __init__(self, message: str, *, report: object = None, **attributes: Any) -> None:
        super().__init__(message, **attributes)
        self.report = report


class MissingFieldsError(QualityError, SchemaError):
    """Fields that a blueprint cannot do without are not in the frame.

    It is a `SchemaError`, with ``missing``, and a `QualityError`, with ``report``.
    """

    def __init__(self, message: str, *, missing: Iterable[str] = (), report: object = None) -> None:
        QualityError.__init__(self, message, report=report, rule="missing_required")
        self.missing = tuple(missing)
        self.unexpected = ()
        self.changed = ()


class StaleReferenceDateError(DataError):
    """Too many rows lie after the reference date: the date is older than the data.

    Attributes
    ----------
    reference_date, newest : datetime.date or None
        The date in force and the newest date found.
    """

    def __init__(
        self,
        message: str,
        *,
        reference_date: object = None,
        newest: object = None,
        **attributes: Any,
    ) -> None:
        super().__init__(message, **attributes)
        self.reference_date = reference_date
        self.newest = newest


class IngestionError(TracerError, ValueError):
    """A file cannot be read as a table, or reading it would cost more than the limits allow.

    Attributes
    ----------
    path : str or None
        The file, or "<bytes>" and "<file>" for what has no path.
    line : int or None
        Number of the line concerned, counted from 1, where there is one.
    reason : str
        What is wrong, in a few words, without the path.
    """

    def __init__(
        self, message: str, *, path: str | None = None, line: int | None = None, reason: str = ""
    ) -> None:
        super().__init__(message)
        self.path = path
        self.line = line
        self.reason = reason

    @classmethod
    def from_reason(
        cls, path: str, reason: str, advice: str, *, line: int | None = None
    ) -> IngestionError:
        """Phrase the error from the file, what is wrong with it and what can be done."""
        where = f"{path}, line {line}" if line is not None else path
        return cls(f"{where}: {reason}; {advice}.", path=path, line=line, reason=reason)


class MissingDependencyError(TracerError, ImportError):
    """An optional package is not installed; the message names the extra to install."""

    @classmethod
    def from_extra(cls, feature: str, extra: str) -> MissingDependencyError:
        """Phrase the error for a feature that lives behind an extra."""
        return cls(
            f"{feature}: its optional packages must be installed, they were not found; "
            f'run `pip install "tracer-sklearn[{extra}]"`.'
        )


class RunError(TracerError, RuntimeError):
    """A run of the service did not complete.

    Attributes
    ----------
    run_id : str or None
        The run.
    stage : str or None
        The stage in which it ended.
    state : RunState or None
        Everything known of the run.
    """

    def __init__(
        self,
        message: str,
        *,
        run_id: str | None = None,
        stage: str | None = None,
        state: object = None,
    ) -> None:
        super().__init__(message)
        self.run_id = run_id
        self.stage = stage
        self.state = state


class StoreError(TracerError, RuntimeError):
    """What the service keeps cannot be read or written.

    Attributes
    ----------
    where : str or None
        The file, folder or server, without its password.
    reason : str
        What is wrong, in a few words.
    transient : bool
        Whether the same may succeed when it is tried again: a server that is gone for a moment, a
        store that another process holds.
    damaged : bool
        Whether the content is broken, so that only a copy helps.
    """

    def __init__(
        self,
        message: str,
        *,
        where: str | None = None,
        reason: str = "",
        transient: bool = False,
        damaged: bool = False,
    ) -> None:
        super().__init__(message)
        self.where = where
        self.reason = reason
        self.transient = transient
        self.damaged = damaged

    @classmethod
    def from_reason(
        cls,
        who: str,
        must: str,
        where: str,
        reason: str,
        advice: str,
        *,
        transient: bool = False,
        damaged: bool = False,
    ) -> StoreError:
        """Phrase the error: what must hold, where and what was found, what can be done."""
        return cls(
            f"{who}: {must}, {where}: {reason}; {advice}.",
            where=where,
            reason=reason,
            transient=transient,
            damaged=damaged,
        )


class AccessDeniedError(TracerError, PermissionError):
    """The access policy does not let a principal do this.

    Attributes
    ----------
    principal, action : str or None
        Who wanted to do what.
    blueprint : str or None
        To runs of which blueprint; None where one run was asked for, of which nothing is told.
    """

    def __init__(
        self,
        message: str,
        *,
        principal: str | None = None,
        action: str | None = None,
        blueprint: str | None = None,
    ) -> None:
        super().__init__(message)
        self.principal = principal
        self.action = action
        self.blueprint = blueprint


class TracerWarning(UserWarning):
    """Base of every warning issued by the package."""


class DataQualityWarning(TracerWarning):
    """Values were found that a stage had to count as invalid or leave aside."""


class UnseenCategoryWarning(TracerWarning):
    """Levels arrived that were not in the training data."""


class ConstantColumnWarning(TracerWarning):
    """A column carries no information."""


class ReferenceDateWarning(TracerWarning):
    """A reference date was learnt, or rows lie after it."""


class HorizonWarning(TracerWarning):
    """Rows, or a test period, reach further ahead than what is known."""


def _shown(name: object) -> str:
    """Quote a name; the first cells of a file without header may be of any length."""
    return f"{name[:60]!r}..." if isinstance(name, str) and len(name) > 60 else repr(name)


def nearest(name: str, candidates: Iterable[str], n: int = 3) -> str:
    """Return the candidates most similar to ``name``, quoted and joined; may be empty."""
    by_folded: dict[str, str] = {}
    for candidate in candidates:
        by_folded.setdefault(candidate.casefold(), candidate)
    found = difflib.get_close_matches(name.casefold(), by_folded, n=n, cutoff=0.6)
    return ", ".join(repr(by_folded[key]) for key in found)
