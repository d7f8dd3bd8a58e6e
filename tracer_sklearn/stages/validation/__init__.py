"""Can a table carry a model: validators that change nothing, and what they found."""

from tracer_sklearn.stages.validation._display import QualityDisplay
from tracer_sklearn.stages.validation._report import ColumnQuality, Issue, QualityReport
from tracer_sklearn.stages.validation._validator import DataValidator

__all__ = ["ColumnQuality", "DataValidator", "Issue", "QualityDisplay", "QualityReport"]
