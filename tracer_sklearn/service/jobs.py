"""What crosses the boundary to a worker: a job goes in, an outcome comes back, both as JSON."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import field_serializer

from tracer_sklearn.schema._part import Part
from tracer_sklearn.service.config import PipelineConfig
from tracer_sklearn.service.sources import Stamp
from tracer_sklearn.service.states import (
    FeatureEngineeringState,
    IngestionState,
    OutputState,
    PreprocessingState,
    RunFailure,
    StageState,
    TrainingState,
    ValidationState,
)

__all__ = ["Emit", "Job", "Outcome"]

Emit = Callable[[str, StageState], None]


class Job(Part):
    """One attempt at a run, as a worker gets it.

    Parameters
    ----------
    run_id : str
        The run.
    blueprint : str
        Which blueprint.
    source : str
        Path of the file.
    source_name : str
        How the file is called in messages.
    source_stamp : tuple of (int, int) or None
        What `stamp_of` said of it when the run began, and must say when it is read; None where
        nobody looked.
    config : PipelineConfig
        What to do.
    fitted : str or None
        A saved pipeline to score with.
    output : str or None
        Where the data set is written, by its ending: .parquet, .csv or .arrow.
    folder : str
        The run's own folder, where the worker leaves `Outcome.data_path`.
    pipeline_path : str or None
        Where the fitted pipeline is saved; None where the run scores with ``fitted``.
    attempt : int
        Which attempt this is, from 1.
    """

    run_id: str
    blueprint: str
    source: str
    source_name: str
    source_stamp: Stamp | None = None
    config: PipelineConfig
    fitted: str | None = None
    output: str | None = None
    folder: str
    pipeline_path: str | None = None
    attempt: int = 1

    @field_serializer("config")
    def _as_given(self, config: PipelineConfig) -> dict[str, Any]:
        # what was said counts when a fitted pipeline scores; defaults would look as if said
        return config.model_dump(mode="json", exclude_unset=True)


class Outcome(Part):
    """What became of an attempt.

    Parameters
    ----------
    error : RunFailure or None
        Why it failed; None where everything is done.
    ingestion, validation, feature_engineering, preprocessing, training, output : StageState
        The stages as they ended.
    data_path : str or None
        The data set, an Arrow file in the run's folder.
    data_checksum : str or None
        Its SHA-256.
    pipeline_path : str or None
        The saved pipeline.
    source_checksum : str or None
        SHA-256 of the bytes that were read.
    source_bytes : int or None
        How many they were.
    """

    error: RunFailure | None = None
    ingestion: IngestionState = IngestionState()
    validation: ValidationState = ValidationState()
    feature_engineering: FeatureEngineeringState = FeatureEngineeringState()
    preprocessing: PreprocessingState = PreprocessingState()
    training: TrainingState = TrainingState()
    output: OutputState = OutputState()
    data_path: str | None = None
    data_checksum: str | None = None
    pipeline_path: str | None = None
    source_checksum: str | None = None
    source_bytes: int | None = None
