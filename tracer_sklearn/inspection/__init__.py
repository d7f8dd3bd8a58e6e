"""What an analyst looks at: displays of predictions, importance, and a report to pass on."""

from tracer_sklearn.inspection.calibration import CalibrationOverTimeDisplay, ReliabilityDisplay
from tracer_sklearn.inspection.importance import GroupedImportanceDisplay
from tracer_sklearn.inspection.plots import CumulativeGainsDisplay, ScoreDistributionDisplay
from tracer_sklearn.inspection.report import churn_report

__all__ = [
    "CalibrationOverTimeDisplay",
    "CumulativeGainsDisplay",
    "GroupedImportanceDisplay",
    "ReliabilityDisplay",
    "ScoreDistributionDisplay",
    "churn_report",
]
