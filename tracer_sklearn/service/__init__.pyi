"""What `tracer_sklearn.service` offers, by name and home; loaded on first use."""

from .audit import AuditEntry, AuditTrail, AuditVerdict
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
from .services import (
    DataIngestionService,
    DataPreprocessingService,
    DataValidationService,
    aread_csv,
)
from .states import RunEvent, RunFailure, RunState, RunStatus, StageState
from .store import RunStore
from .uploads import safe_name, spooled

__all__ = [
    "AuditEntry",
    "AuditTrail",
    "AuditVerdict",
    "DataIngestionService",
    "DataPreprocessingService",
    "DataValidationService",
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
    "RunStore",
    "ServiceMetrics",
    "StageState",
    "ValidationConfig",
    "aread_csv",
    "configure_logs",
    "safe_name",
    "spooled",
]
