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

    Raises
    ------
    ParameterError
        If a key or value is not legal.

    Examples
    --------
    >>> from tracer_sklearn.service import ValidationConfig
    >>> ValidationConfig(statistical_validation=False).quality_checks
    True
    """

    schema_validation: bool = True
    quality_checks: bool = True
    statistical_validation: bool = True


class PreprocessingConfig(Part):
    """Choose the four options of a blueprint; None, for each, leaves the blueprint's own default.

    Parameters
    ----------
    missing_value_strategy : {"auto", "drop", "mean", "median", "mode", "constant"} or None, \
default=None
        As in `MissingValueImputer`; with "drop" incomplete rows are removed from the data set.
    outlier_method : {"iqr", "zscore", "quantile", "mad", "none"} or None, default=None
        As in `OutlierCapper`.
    encoding_strategy : {"auto", "onehot", "label", "frequency", "target"} or None, default=None
        As in `CategoryEncoder`.
    scaling_method : {"robust", "standard", "minmax", "none"} or None, default=None
        As in `FeatureScaler`.

    Raises
    ------
    ParameterError
        If a key or value is not legal.

    Examples
    --------
    >>> from tracer_sklearn.service import PreprocessingConfig
    >>> PreprocessingConfig(scaling_method="none").model_dump(exclude_none=True)
    {'scaling_method': 'none'}
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
    completeness : float in [0, 1], default=0.95
        Least share of cells that are present.
    uniqueness : float in [0, 1], default=1.0
        Least share of rows with a key of their own.
    validity : float in [0, 1], default=0.98
        Least share of present cells that are valid.

    Raises
    ------
    ParameterError
        If a share is not in [0, 1].

    Examples
    --------
    >>> from tracer_sklearn.service import QualityThresholds
    >>> QualityThresholds(completeness=0.9)
    QualityThresholds(completeness=0.9, uniqueness=1.0, validity=0.98)
    """

    completeness: float = Field(default=0.95, ge=0.0, le=1.0)
    uniqueness: float = Field(default=1.0, ge=0.0, le=1.0)
    validity: float = Field(default=0.98, ge=0.0, le=1.0)


class RunLimits(IngestionLimits):
    """Say what a run may cost before it is stopped; `IngestionLimits` with time and memory.

    Parameters
    ----------
    max_bytes, max_ratio, max_columns, max_field_bytes, max_row_bytes, symlinks : optional
        As for `IngestionLimits`.
    timeout_seconds : float > 0, default=3600.0
        Longest time of one attempt; the worker is stopped then. An hour, because it is there for
        work that hangs. An upload has the same time to come.
    memory_mb : int > 0, default=4096
        Most memory of the worker, in MB (10^6 bytes); the worker is stopped above. A table of
        100 MB of CSV, the most that ``max_bytes`` lets in, takes about 1 GB.

    Raises
    ------
    ParameterError
        If a parameter is not in its legal set.

    Examples
    --------
    >>> from tracer_sklearn.service import RunLimits
    >>> limits = RunLimits(timeout_seconds=60)
    >>> limits.timeout_seconds, limits.memory_mb, limits.max_columns
    (60.0, 4096, 10000)
    """

    timeout_seconds: PositiveFloat = 3600.0
    memory_mb: PositiveInt = 4096


class RetentionPolicy(Part):
    """Say how long a run's results are kept; None keeps them.

    Parameters
    ----------
    outputs_days : float > 0 or None, default=None
        Days after which outputs, fitted pipelines and cached results of a run are deleted. None,
        because an output may be the only copy.
    personal_days : float > 0 or None, default=30.0
        Days after which what may hold personal values is deleted from the run's record: names of
        files, principals, excerpts of lines. Counts stay. A month, the usual answer to a request
        for erasure.

    Raises
    ------
    ParameterError
        If a number of days is not above 0.

    Notes
    -----
    Days count from the end of a run. `DataPipeline.sweep` is what deletes.

    Examples
    --------
    >>> from tracer_sklearn.service import RetentionPolicy
    >>> RetentionPolicy(outputs_days=7)
    RetentionPolicy(outputs_days=7.0, personal_days=30.0)
    """

    outputs_days: PositiveFloat | None = None
    personal_days: PositiveFloat | None = 30.0


class PipelineConfig(Part):
    """Say what `DataPipeline` does with a file; carried with the run and stored beside it.

    Parameters
    ----------
    validation_config : ValidationConfig or dict, default=ValidationConfig()
        Which checks judge the table; all of them, unless it says otherwise.
    preprocessing_config : PreprocessingConfig or dict, default=PreprocessingConfig()
        The four options of the blueprint.
    quality_thresholds : QualityThresholds or dict, default=QualityThresholds()
        Below which shares the run stops. A finding is CRITICAL then; HIGH and lower ones warn.
    fields : dict of str to str, default={}
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
        logistic regression or ridge. Boosting, because it asks for no shape of the data.
    n_splits : int >= 2, default=4
        Folds of the cross-validation, cut by time where the blueprint has dates.
    as_of_column, reference_date : str or None, default=None
        As in `customer_churn_pipeline`; other blueprints have neither.
    horizon_days : int > 0 or None, default=None
        As in `revenue_projection_pipeline` and `price_optimization_pipeline`, in days. None leaves
        their default. Churn has none.
    drift_monitor, leak_audit : {"none", "warn", "raise"}, default="warn"
        As in the blueprint's pipeline function. They warn by default: a service runs unwatched.
    limits : RunLimits or dict, default=RunLimits()
        What a run may cost.
    retention : RetentionPolicy or dict, default=RetentionPolicy()
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
        """Return everything as plain values; ``PipelineConfig(**config.to_dict())`` is equal.

        Returns
        -------
        dict
            What JSON can hold.
        """
        return self.model_dump(mode="json")
