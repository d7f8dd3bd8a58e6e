"""What `tracer_sklearn.service` offers, by name and home; loaded on first use."""

from .access import RolePolicy
from .audit import AuditEntry, AuditTrail, AuditVerdict
from .cache import CachedResult, ResultCache, cache_key, open_cache
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
from .orchestrator import PipelineOrchestrator
from .pipeline import DataPipeline
from .retention import Swept
from .services import (
    DataIngestionService,
    DataPreprocessingService,
    DataValidationService,
    aread_csv,
)
from .states import RunEvent, RunFailure, RunState, RunStatus, StageState
from .store import RunStore
from .tracing import RunTracer
from .uploads import safe_name, spooled

__all__ = [
    "AuditEntry",
    "AuditTrail",
    "AuditVerdict",
    "CachedResult",
    "DataIngestionService",
    "DataPipeline",
    "DataPreprocessingService",
    "DataValidationService",
    "MetricsServer",
    "PipelineConfig",
    "PipelineOrchestrator",
    "PreprocessingConfig",
    "QualityThresholds",
    "ResultCache",
    "RetentionPolicy",
    "RolePolicy",
    "RunEvent",
    "RunFailure",
    "RunLimits",
    "RunState",
    "RunStatus",
    "RunStore",
    "RunTracer",
    "ServiceMetrics",
    "StageState",
    "Swept",
    "ValidationConfig",
    "aread_csv",
    "cache_key",
    "configure_logs",
    "open_cache",
    "safe_name",
    "spooled",
]
