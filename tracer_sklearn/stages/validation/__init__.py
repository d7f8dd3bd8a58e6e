"""Can a table carry a model: validators that change nothing, and what they found."""

from tracer_sklearn.stages.validation._compatibility import (
    BlueprintFit,
    CompatibilityReport,
    FieldMatch,
    check_compatibility,
)
from tracer_sklearn.stages.validation._display import QualityDisplay
from tracer_sklearn.stages.validation._readiness import ReadinessCheck
from tracer_sklearn.stages.validation._report import ColumnQuality, Issue, QualityReport
from tracer_sklearn.stages.validation._validator import DataValidator

__all__ = [
    "BlueprintFit",
    "ColumnQuality",
    "CompatibilityReport",
    "DataValidator",
    "FieldMatch",
    "Issue",
    "QualityDisplay",
    "QualityReport",
    "ReadinessCheck",
    "check_compatibility",
]
