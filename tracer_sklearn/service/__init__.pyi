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
from .retention import Swept
from .states import RunEvent, RunFailure, RunState, RunStatus, StageState
from .store import RunStore

__all__ = [
    "AuditEntry",
    "AuditTrail",
    "AuditVerdict",
    "CachedResult",
    "PipelineConfig",
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
    "StageState",
    "Swept",
    "ValidationConfig",
    "cache_key",
    "open_cache",
]
