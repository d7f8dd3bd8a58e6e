"""What is known of a run: its state, that of each stage, and the events in between."""

from __future__ import annotations

import enum
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import AwareDatetime, Field, NonNegativeInt

from tracer_sklearn.io.report import IngestionReport
from tracer_sklearn.schema._part import Part
from tracer_sklearn.stages.validation import QualityReport

__all__ = [
    "STAGES",
    "ErrorCategory",
    "FeatureEngineeringState",
    "IngestionState",
    "OutputState",
    "PreprocessingState",
    "RunEvent",
    "RunFailure",
    "RunState",
    "RunStatus",
    "StageState",
    "TrainingState",
    "ValidationState",
    "now",
]

STAGES = (
    "ingestion",
    "validation",
    "feature_engineering",
    "preprocessing",
    "training",
    "output",
)

ErrorCategory = Literal["ingestion", "validation", "compatibility", "processing"]


def now() -> datetime:
    """Return the time, in UTC."""
    return datetime.now(UTC)


class RunStatus(enum.StrEnum):
    """Where a run, or one of its stages, stands; each equals its name as text.

    Attributes
    ----------
    PENDING
        Recorded; it waits for its file or for its turn.
    IN_PROGRESS
        A worker has it.
    COMPLETED
        Everything is done; an output is in place and complete.
    FAILED
        It could not be done; the state's ``error`` says why.
    CANCELLED
        Somebody stopped it, or the service was closed.

    Examples
    --------
    >>> from tracer_sklearn.service import RunStatus
    >>> [str(status) for status in RunStatus if status.is_final]
    ['COMPLETED', 'FAILED', 'CANCELLED']
    """

    PENDING = "PENDING"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"

    @property
    def is_final(self) -> bool:
        """Whether nothing more will happen."""
        return self not in (RunStatus.PENDING, RunStatus.IN_PROGRESS)


class RunFailure(Part):
    """Why a run or a stage failed; without values of the data.

    Parameters
    ----------
    category : {"ingestion", "validation", "compatibility", "processing"}
        What kind of thing went wrong: the file, its quality, its columns, or the work itself.
    type : str
        Class of the error, as in "IngestionError"; for a stopped worker "Timeout", "MemoryLimit"
        or "WorkerLost".
    message : str
        What must hold, what was found, what to do.
    stage : str or None, default=None
        The stage in which it happened; None where it was none.
    transient : bool, default=False
        Whether the same work may succeed when it is tried again.

    Examples
    --------
    >>> from tracer_sklearn.service import RunFailure
    >>> failure = RunFailure(
    ...     category="processing", type="Timeout", message="it must end within 60 seconds."
    ... )
    >>> failure.stage, failure.transient
    (None, False)
    """

    category: ErrorCategory
    type: str
    message: str
    stage: str | None = None
    transient: bool = False


class StageState(Part):
    """One stage of a run.

    Parameters
    ----------
    status : RunStatus, default="PENDING"
        Where it stands. A stage that a run does not need stays PENDING.
    attempts : int, default=0
        How often it was begun.
    started_at : datetime or None, default=None
        When it was last begun, in UTC.
    seconds : float, default=0.0
        How long the last attempt took.
    rows_in, rows_out : int or None, default=None
        Rows of the table before and behind it.
    memory_mb : float or None, default=None
        Peak memory of the worker at its end, in MB (10^6 bytes).
    warnings : tuple of str, default=()
        What was found and did not stop it.
    error : RunFailure or None, default=None
        Why it failed.

    Notes
    -----
    The stages of a run have more: ``ingestion.report`` (an `IngestionReport`),
    ``validation.report`` (a `QualityReport`) and ``.drifted``,
    ``feature_engineering.features_created``, ``preprocessing.options`` and ``.rows_dropped``,
    ``training.model``, ``.scores``, ``.folds`` and ``.positive_label``, ``output.path``, ``.size``
    and ``.checksum``.

    Examples
    --------
    >>> from tracer_sklearn.service import StageState
    >>> stage = StageState(status="COMPLETED", attempts=1, rows_in=300, rows_out=298)
    >>> stage.status.is_final, stage.rows_in - stage.rows_out
    (True, 2)
    """

    status: RunStatus = RunStatus.PENDING
    attempts: NonNegativeInt = 0
    started_at: AwareDatetime | None = None
    seconds: float = 0.0
    rows_in: int | None = None
    rows_out: int | None = None
    memory_mb: float | None = None
    warnings: tuple[str, ...] = ()
    error: RunFailure | None = None


class IngestionState(StageState):
    """The stage that reads the file.

    Parameters
    ----------
    report : IngestionReport or None
        How the file was read. See `StageState` for the other parameters.
    """

    report: IngestionReport | None = None


class ValidationState(StageState):
    """The stage that judges the table.

    Parameters
    ----------
    report : QualityReport or None
        What was found. See `StageState` for the other parameters.
    drifted : tuple of str
        When a fitted pipeline scores: columns that no longer look like the training rows.
    """

    report: QualityReport | None = None
    drifted: tuple[str, ...] = ()


class FeatureEngineeringState(StageState):
    """The stage that makes the blueprint's features.

    Parameters
    ----------
    features_created : tuple of str
        Columns that were not in the file. See `StageState` for the other parameters.
    """

    features_created: tuple[str, ...] = ()


class PreprocessingState(StageState):
    """The stage of imputation, capping, encoding and scaling.

    Parameters
    ----------
    options : dict of str to str
        The four options that were in force. See `StageState` for the other parameters.
    rows_dropped : int, default=0
        Rows that ``missing_value_strategy="drop"`` removed.
    """

    options: dict[str, str] = Field(default_factory=dict)
    rows_dropped: int = 0


class TrainingState(StageState):
    """The stage that cross-validates and fits a model, where a target is named.

    Parameters
    ----------
    model : str or None
        Class of the model.
    scores : dict of str to tuple of float
        Metric to its value on each fold, as scikit-learn's scorers return them. See `StageState`
        for the other parameters.
    folds : str or None
        The splitter that made the folds.
    positive_label : str or None
        Of a target with two classes, the value that was coded as 1 and that ``probability`` is of.
    """

    model: str | None = None
    scores: dict[str, tuple[float, ...]] = Field(default_factory=dict)
    folds: str | None = None
    positive_label: str | None = None


class OutputState(StageState):
    """The stage that writes what came out.

    Parameters
    ----------
    path : str or None
        The file that was asked for. See `StageState` for the other parameters.
    size : int or None
        Its bytes.
    checksum : str or None
        Its SHA-256.
    """

    path: str | None = None
    size: int | None = None
    checksum: str | None = None


class RunState(Part):
    """Everything known of one run; the same in memory, in the store and as JSON.

    Parameters
    ----------
    run_id : str
        Its name, unique and in the order of time (UUID version 7 or a ULID).
    correlation_id : str
        Ties the run to a batch or to the request it came with; the run's own id by default.
    blueprint : str
        Which blueprint.
    source : str
        The file or the safe name of the upload.
    status : RunStatus, default="PENDING"
        Where it stands.
    principal : str, default="local"
        On whose behalf.
    created_at : datetime
        When it was asked for, in UTC.
    started_at, finished_at : datetime or None, default=None
        When, in UTC.
    attempts : int, default=0
        How often the work was begun.
    source_bytes : int or None, default=None
        Size of the file as stored.
    source_checksum : str or None, default=None
        SHA-256 of the file as stored.
    ingestion, validation, feature_engineering, preprocessing, training, output : StageState
        Its stages, in order.
    seconds : float or None, default=None
        From its start to its end.
    error : RunFailure or None, default=None
        Why it failed or was cancelled.
    pipeline_path : str or None, default=None
        The fitted pipeline, saved with its manifest.
    fitted : str or None, default=None
        The pipeline that it scored with; None where the run fitted its own.
    from_cache : bool, default=False
        Whether an earlier run's result was returned.
    config : dict, default={}
        The configuration, as JSON.
    package_version : str
        Of tracer-sklearn.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> from tracer_sklearn.service import RunState
    >>> state = RunState(
    ...     run_id="01",
    ...     correlation_id="01",
    ...     blueprint="customer_churn",
    ...     source="customers.csv",
    ...     created_at=datetime(2026, 1, 5, tzinfo=UTC),
    ...     ingestion={"status": "COMPLETED", "attempts": 1, "seconds": 0.4},
    ...     package_version="1.0.0",
    ... )
    >>> str(state.status), list(state.stages)[:2], state.timings
    ('PENDING', ['ingestion', 'validation'], {'ingestion': 0.4})
    >>> RunState.model_validate_json(state.model_dump_json()) == state
    True
    """

    run_id: str
    correlation_id: str
    blueprint: str
    source: str
    status: RunStatus = RunStatus.PENDING
    principal: str = "local"
    created_at: AwareDatetime
    started_at: AwareDatetime | None = None
    finished_at: AwareDatetime | None = None
    attempts: NonNegativeInt = 0
    source_bytes: int | None = None
    source_checksum: str | None = None
    ingestion: IngestionState = IngestionState()
    validation: ValidationState = ValidationState()
    feature_engineering: FeatureEngineeringState = FeatureEngineeringState()
    preprocessing: PreprocessingState = PreprocessingState()
    training: TrainingState = TrainingState()
    output: OutputState = OutputState()
    seconds: float | None = None
    error: RunFailure | None = None
    pipeline_path: str | None = None
    fitted: str | None = None
    from_cache: bool = False
    config: dict[str, Any] = Field(default_factory=dict)
    package_version: str

    @property
    def stages(self) -> dict[str, StageState]:
        """Return the stages by name, in order."""
        return {name: getattr(self, name) for name in STAGES}

    @property
    def timings(self) -> dict[str, float]:
        """Return the seconds of every stage that was begun, and of the run as "total"."""
        begun = {name: stage.seconds for name, stage in self.stages.items() if stage.attempts}
        return begun | ({} if self.seconds is None else {"total": self.seconds})

    @property
    def pipeline(self) -> Any:
        """Return the fitted pipeline, loaded from ``pipeline_path``; None where there is none.

        Raises
        ------
        IngestionError
            If the file or its manifest is missing or damaged, as for `tracer_sklearn.load`.
        """
        if self.pipeline_path is None:
            return None
        from tracer_sklearn.io.persistence import load

        return load(self.pipeline_path)


class RunEvent(Part):
    """Something that happened to a run.

    Parameters
    ----------
    run_id : str
        The run.
    at : datetime
        When, in UTC.
    kind : {"run", "stage", "retry"}
        What it is about: the run as a whole, one stage, or another attempt.
    status : RunStatus
        Where the run or the stage stands now.
    stage : str or None, default=None
        The stage; None where it is about the run as a whole.
    state : dict, default={}
        For a stage: its `StageState`, as JSON.
    share : float in [0, 1], default=0.0
        How much of the run is done. Each stage counts the same.
    message : str, default=""
        For people.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> from tracer_sklearn.service import RunEvent
    >>> event = RunEvent(
    ...     run_id="01",
    ...     at=datetime(2026, 1, 5, tzinfo=UTC),
    ...     kind="stage",
    ...     status="COMPLETED",
    ...     stage="ingestion",
    ...     share=0.2,
    ... )
    >>> f"{event.share:.0%} {event.stage} {event.status}"
    '20% ingestion COMPLETED'
    """

    run_id: str
    at: AwareDatetime
    kind: Literal["run", "stage", "retry"]
    status: RunStatus
    stage: str | None = None
    state: dict[str, Any] = Field(default_factory=dict)
    share: float = Field(default=0.0, ge=0.0, le=1.0)
    message: str = ""
