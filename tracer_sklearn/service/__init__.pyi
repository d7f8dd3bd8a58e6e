"""What `tracer_sklearn.service` offers, by name and home; loaded on first use."""

from .config import (
    PipelineConfig,
    PreprocessingConfig,
    QualityThresholds,
    RetentionPolicy,
    RunLimits,
    ValidationConfig,
)
from .services import (
    DataIngestionService,
    DataPreprocessingService,
    DataValidationService,
    aread_csv,
)
from .states import RunEvent, RunFailure, RunState, RunStatus, StageState
from .uploads import safe_name, spooled

__all__ = [
    "DataIngestionService",
    "DataPreprocessingService",
    "DataValidationService",
    "PipelineConfig",
    "PreprocessingConfig",
    "QualityThresholds",
    "RetentionPolicy",
    "RunEvent",
    "RunFailure",
    "RunLimits",
    "RunState",
    "RunStatus",
    "StageState",
    "ValidationConfig",
    "aread_csv",
    "safe_name",
    "spooled",
]
