"""What `tracer_sklearn.service` offers, by name and home; loaded on first use."""

from .config import (
    PipelineConfig,
    PreprocessingConfig,
    QualityThresholds,
    RetentionPolicy,
    RunLimits,
    ValidationConfig,
)
from .logs import configure_logs
from .metrics import MetricsServer, ServiceMetrics
from .states import RunEvent, RunFailure, RunState, RunStatus, StageState

__all__ = [
    "MetricsServer",
    "PipelineConfig",
    "PreprocessingConfig",
    "QualityThresholds",
    "RetentionPolicy",
    "RunEvent",
    "RunFailure",
    "RunLimits",
    "RunState",
    "RunStatus",
    "ServiceMetrics",
    "StageState",
    "ValidationConfig",
    "configure_logs",
]
