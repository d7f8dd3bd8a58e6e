"""What `tracer_sklearn` offers, by name and home; read at run time, loaded on first use."""

from . import datasets, inspection
from .base import Stage
from .blueprints import (
    blueprint_pipeline,
    customer_churn_pipeline,
    price_optimization_pipeline,
    revenue_projection_pipeline,
    search_space,
)
from .exceptions import (
    AccessDeniedError,
    ConstantColumnWarning,
    DataError,
    DataQualityWarning,
    HorizonWarning,
    IngestionError,
    InputTypeError,
    MissingDependencyError,
    MissingFieldsError,
    ParameterError,
    QualityError,
    ReferenceDateWarning,
    RunError,
    SchemaError,
    StaleReferenceDateError,
    StoreError,
    TracerError,
    TracerWarning,
    UnseenCategoryWarning,
)
from .features.churn import ChurnFeatures
from .features.price import PriceFeatures
from .features.revenue import RevenueFeatures
from .io.batches import iter_csv, scan_csv
from .io.csv import Ingested, read_csv
from .io.limits import IngestionLimits
from .io.persistence import load, save
from .io.report import IngestionReport
from .io.tables import read_table
from .io.writing import write_csv
from .schema import BlueprintSchema, FieldRule, FieldSpec, SchemaRegistry
from .stages.audit import DriftMonitor, LeakAudit, LeakFinding, LeakReport, leak_audit
from .stages.encoding import CategoryEncoder
from .stages.imputation import MissingValueImputer
from .stages.outliers import OutlierCapper
from .stages.parsing import ColumnParser
from .stages.reduction import DtypeReducer
from .stages.scaling import FeatureScaler
from .stages.validation import (
    BlueprintFit,
    ColumnQuality,
    CompatibilityReport,
    DataValidator,
    FieldMatch,
    Issue,
    QualityDisplay,
    QualityReport,
    ReadinessCheck,
    check_compatibility,
)
from .tasks import metrics
from .tasks.daily import daily_revenue
from .tasks.date_splits import DateSeriesSplit, check_horizon
from .tasks.pricing import ElasticityEstimate, ElasticityReport, PriceOptimizer, elasticity_report
from .tasks.projection import make_future_frame, project
from .tasks.snapshots import SnapshotAccount, churn_label, make_snapshots, snapshot_account
from .tasks.splits import PurgedSnapshotSplit

__version__: str

__all__ = [
    "AccessDeniedError",
    "BlueprintFit",
    "BlueprintSchema",
    "CategoryEncoder",
    "ChurnFeatures",
    "ColumnParser",
    "ColumnQuality",
    "CompatibilityReport",
    "ConstantColumnWarning",
    "DataError",
    "DataQualityWarning",
    "DataValidator",
    "DateSeriesSplit",
    "DriftMonitor",
    "DtypeReducer",
    "ElasticityEstimate",
    "ElasticityReport",
    "FeatureScaler",
    "FieldMatch",
    "FieldRule",
    "FieldSpec",
    "HorizonWarning",
    "Ingested",
    "IngestionError",
    "IngestionLimits",
    "IngestionReport",
    "InputTypeError",
    "Issue",
    "LeakAudit",
    "LeakFinding",
    "LeakReport",
    "MissingDependencyError",
    "MissingFieldsError",
    "MissingValueImputer",
    "OutlierCapper",
    "ParameterError",
    "PriceFeatures",
    "PriceOptimizer",
    "PurgedSnapshotSplit",
    "QualityDisplay",
    "QualityError",
    "QualityReport",
    "ReadinessCheck",
    "ReferenceDateWarning",
    "RevenueFeatures",
    "RunError",
    "SchemaError",
    "SchemaRegistry",
    "SnapshotAccount",
    "Stage",
    "StaleReferenceDateError",
    "StoreError",
    "TracerError",
    "TracerWarning",
    "UnseenCategoryWarning",
    "__version__",
    "blueprint_pipeline",
    "check_compatibility",
    "check_horizon",
    "churn_label",
    "customer_churn_pipeline",
    "daily_revenue",
    "datasets",
    "elasticity_report",
    "inspection",
    "iter_csv",
    "leak_audit",
    "load",
    "make_future_frame",
    "make_snapshots",
    "metrics",
    "price_optimization_pipeline",
    "project",
    "read_csv",
    "read_table",
    "revenue_projection_pipeline",
    "save",
    "scan_csv",
    "search_space",
    "snapshot_account",
    "write_csv",
]
