"""What a run shall do: a blueprint's options, thresholds, limits and retention."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, PositiveFloat, PositiveInt, field_validator

from tracer_sklearn._params import fail
from tracer_sklearn.io.limits import IngestionLimits
from tracer_sklearn.schema._part import Part, repeated

__all__ = [
    "PipelineConfig",
    "PreprocessingConfig",
    "QualityThresholds",
    "RetentionPolicy",
    "RunLimits",
    "ValidationConfig",
]


class ValidationConfig(Part):
    """Say which groups of checks judge a table.

    Parameters
    ----------
    schema_validation : bool, default=True
        Columns, types and rules of the blueprint's schema.
    quality_checks : bool, default=True
        Missing, invalid and repeated values.
    statistical_validation : bool, default=True
        Outliers, constants and mixed spellings; columns that no longer look as in training.
    """

    schema_validation: bool = True
    quality_checks: bool = True
    statistical_validation: bool = True


class PreprocessingConfig(Part):
    """Choose the four options of a blueprint; None leaves the blueprint's own default.

    Parameters
    ----------
    missing_value_strategy : {"auto", "drop", "mean", "median", "mode", "constant"} or None
        As in `MissingValueImputer`; with "drop" incomplete rows are removed from the data set.
    outlier_method : {"iqr", "zscore", "quantile", "mad", "none"} or None
        As in `OutlierCapper`.
    encoding_strategy : {"auto", "onehot", "label", "frequency", "target"} or None
        As in `CategoryEncoder`.
    scaling_method : {"robust", "standard", "minmax", "none"} or None
        As in `FeatureScaler`.
    """

    missing_value_strategy: Literal["auto", "drop", "mean", "median", "mode", "constant"] | None = (
        None
    )
    outlier_method: Literal["iqr", "zscore", "quantile", "mad", "none"] | None = None
    encoding_strategy: Literal["auto", "onehot", "label", "frequency", "target"] | None = None
    scaling_method: Literal["robust", "standard", "minmax", "none"] | None = None


class QualityThresholds(Part):
    """Say below which shares a table cannot carry a model; the defaults are `DataValidator`'s.

    Parameters
    ----------
    completeness : float, default=0.95
        Least share of cells that are present.
    uniqueness : float, default=1.0
        Least share of rows with a key of their own.
    validity : float, default=0.98
        Least share of present cells that are valid.
    """

    completeness: float = Field(default=0.95, ge=0.0, le=1.0)
    uniqueness: float = Field(default=1.0, ge=0.0, le=1.0)
    validity: float = Field(default=0.98, ge=0.0, le=1.0)


class RunLimits(IngestionLimits):
    """Say what a run may cost before it is stopped; `IngestionLimits` with time and memory.

    Parameters
    ----------
    timeout_seconds : float, default=3600.0
        Longest time of one attempt; the worker is stopped then.
    memory_mb : int, default=4096
        Most memory of the worker, in MB (10^6 bytes); the worker is stopped above. A table of
        100 MB of CSV takes about 1 GB.
    """

    timeout_seconds: PositiveFloat = 3600.0
    memory_mb: PositiveInt = 4096


class RetentionPolicy(Part):
    """Say how long a run's results are kept; None keeps them.

    Parameters
    ----------
    outputs_days : float or None, default=None
        Days after which outputs, fitted pipelines and cached results of a run are deleted.
    personal_days : float or None, default=30.0
        Days after which what may hold personal values is deleted from the run's record: names of
        files, principals, excerpts of lines. Counts stay. A month, the usual answer to a request
        for erasure.
    """

    outputs_days: PositiveFloat | None = None
    personal_days: PositiveFloat | None = 30.0


class PipelineConfig(Part):
    """Say what `DataPipeline` does with a file; carried with the run and stored beside it.

    Parameters
    ----------
    validation_config : ValidationConfig or dict
        Which checks judge the table.
    preprocessing_config : PreprocessingConfig or dict
        The four options of the blueprint.
    quality_thresholds : QualityThresholds or dict
        Below which shares the run stops. A finding is CRITICAL then; HIGH and lower ones warn.
    fields : dict of str to str
        The blueprint's field names to the file's column names, for those that differ.
    extra_columns : tuple of str, default=()
        Columns besides the blueprint's fields that become features. Nothing else is read.
    keep_columns : tuple of str, default=()
        Columns that are carried beside the features into the data set, as they were read, such as
        the identifier that predictions are joined by. Empty, because they are personal.
    target_column : str or None, default=None
        The outcome; it makes the run cross-validate and fit a model.
    positive_label : str or None, default=None
        Which of the two values of a churn target is to be predicted; case does not count. None
        knows True, 1 and words with an opposite, such as "yes" and "no" or "churned" and
        "stayed"; any other two values are refused, because a guess could be the wrong way round.
    model : {"boosting", "linear"}, default="boosting"
        Which model, where there is a target: scikit-learn's histogram gradient boosting, or a
        logistic regression or ridge.
    n_splits : int, default=4
        Folds of the cross-validation, cut by time where the blueprint has dates.
    as_of_column, reference_date, horizon_days : optional
        Arguments of the blueprint's pipeline function, under their own names.
    drift_monitor, leak_audit : {"none", "warn", "raise"}, default="warn"
        Likewise. They warn by default: a service runs unwatched.
    limits : RunLimits or dict
        What a run may cost.
    retention : RetentionPolicy or dict
        How long results are kept.

    Raises
    ------
    ParameterError
        If a key or value is not legal; the nearest legal one is named.

    Examples
    --------
    >>> from tracer_sklearn.service import PipelineConfig
    >>> config = PipelineConfig(fields={"customer_id": "CustID"}, limits={"timeout_seconds": 60})
    >>> config.limits.timeout_seconds, config.limits.max_bytes
    (60.0, 100000000)
    """

    validation_config: ValidationConfig = ValidationConfig()
    preprocessing_config: PreprocessingConfig = PreprocessingConfig()
    quality_thresholds: QualityThresholds = QualityThresholds()
    fields: dict[str, str] = Field(default_factory=dict)
    extra_columns: tuple[str, ...] = ()
    keep_columns: tuple[str, ...] = ()
    target_column: str | None = None
    positive_label: str | None = None
    model: Literal["boosting", "linear"] = "boosting"
    n_splits: int = Field(default=4, ge=2)
    as_of_column: str | None = None
    reference_date: str | None = None
    horizon_days: PositiveInt | None = None
    drift_monitor: Literal["none", "warn", "raise"] = "warn"
    leak_audit: Literal["none", "warn", "raise"] = "warn"
    limits: RunLimits = RunLimits()
    retention: RetentionPolicy = RetentionPolicy()

    @field_validator("extra_columns", "keep_columns")
    @classmethod
    def _each_once(cls, names: tuple[str, ...], info: Any) -> tuple[str, ...]:
        if twice := repeated(names):
            must = "columns, each once"
            raise fail(cls.__name__, info.field_name, must, twice, "leave out the repeated ones")
        return names

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values; ``PipelineConfig(**config.to_dict())`` is equal."""
        return self.model_dump(mode="json")
