"""Tracer: from a raw business CSV to leak-free, model-ready features, as plain scikit-learn."""

import importlib

from tracer_sklearn import datasets
from tracer_sklearn.base import Stage
from tracer_sklearn.blueprints import blueprint_pipeline, customer_churn_pipeline, search_space
from tracer_sklearn.exceptions import (
    ConstantColumnWarning,
    DataError,
    DataQualityWarning,
    IngestionError,
    InputTypeError,
    MissingDependencyError,
    MissingFieldsError,
    ParameterError,
    QualityError,
    ReferenceDateWarning,
    SchemaError,
    StaleReferenceDateError,
    TracerError,
    TracerWarning,
    UnseenCategoryWarning,
)
from tracer_sklearn.features.churn import ChurnFeatures
from tracer_sklearn.io.csv import Ingested, read_csv
from tracer_sklearn.io.limits import IngestionLimits
from tracer_sklearn.io.report import IngestionReport
from tracer_sklearn.io.writing import write_csv
from tracer_sklearn.schema import BlueprintSchema, FieldRule, FieldSpec, SchemaRegistry
from tracer_sklearn.stages.audit import DriftMonitor
from tracer_sklearn.stages.encoding import CategoryEncoder
from tracer_sklearn.stages.imputation import MissingValueImputer
from tracer_sklearn.stages.outliers import OutlierCapper
from tracer_sklearn.stages.parsing import ColumnParser
from tracer_sklearn.stages.reduction import DtypeReducer
from tracer_sklearn.stages.scaling import FeatureScaler
from tracer_sklearn.stages.validation import (
    ColumnQuality,
    DataValidator,
    Issue,
    QualityDisplay,
    QualityReport,
)
from tracer_sklearn.tasks.snapshots import (
    SnapshotAccount,
    churn_label,
    make_snapshots,
    snapshot_account,
)
from tracer_sklearn.tasks.splits import PurgedSnapshotSplit

__version__ = "0.1.0"

__all__ = [
    "BlueprintSchema",
    "CategoryEncoder",
    "ChurnFeatures",
    "ColumnParser",
    "ColumnQuality",
    "ConstantColumnWarning",
    "DataError",
    "DataQualityWarning",
    "DataValidator",
    "DriftMonitor",
    "DtypeReducer",
    "FeatureScaler",
    "FieldRule",
    "FieldSpec",
    "Ingested",
    "IngestionError",
    "IngestionLimits",
    "IngestionReport",
    "InputTypeError",
    "Issue",
    "MissingDependencyError",
    "MissingFieldsError",
    "MissingValueImputer",
    "OutlierCapper",
    "ParameterError",
    "PurgedSnapshotSplit",
    "QualityDisplay",
    "QualityError",
    "QualityReport",
    "ReferenceDateWarning",
    "SchemaError",
    "SchemaRegistry",
    "SnapshotAccount",
    "Stage",
    "StaleReferenceDateError",
    "TracerError",
    "TracerWarning",
    "UnseenCategoryWarning",
    "__version__",
    "blueprint_pipeline",
    "churn_label",
    "customer_churn_pipeline",
    "datasets",
    "inspection",
    "make_snapshots",
    "metrics",
    "read_csv",
    "search_space",
    "snapshot_account",
    "write_csv",
]


def __getattr__(name: str) -> object:
    # these load half of scikit-learn, and rich: only for those who ask
    late = {"inspection": "tracer_sklearn.inspection", "metrics": "tracer_sklearn.tasks.metrics"}
    if name in late:
        return importlib.import_module(late[name])
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
