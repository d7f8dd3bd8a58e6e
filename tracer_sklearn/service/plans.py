"""From a configuration to a blueprint's pipeline, and to the columns that a run may read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tracer_sklearn.blueprints import blueprint_pipeline
from tracer_sklearn.exceptions import ParameterError, nearest
from tracer_sklearn.schema import BlueprintSchema, default_registry
from tracer_sklearn.service.config import PipelineConfig

__all__ = [
    "BLUEPRINTS",
    "CLASSES",
    "check_blueprint",
    "features_and_target",
    "pipeline_for",
    "schema_for",
]

# which arguments of the configuration the pipeline function of a blueprint takes
BLUEPRINTS: dict[str, tuple[str, ...]] = {
    "customer_churn": ("as_of_column", "reference_date"),
    "price_optimization": ("horizon_days",),
    "revenue_projection": ("horizon_days",),
}
CLASSES = frozenset({"customer_churn"})  # whose target is one of two classes
_OPTIONAL = ("as_of_column", "reference_date", "horizon_days")
_CHECKS = {
    "schema_validation": "schema",
    "quality_checks": "quality",
    "statistical_validation": "statistical",
}


def check_blueprint(name: str, config: PipelineConfig) -> None:
    """Refuse a blueprint that does not exist, and options that it does not have."""
    if name not in BLUEPRINTS:
        near = nearest(str(name), BLUEPRINTS)
        raise ParameterError(
            f"DataPipeline: `blueprint_name` must be one of {', '.join(map(repr, BLUEPRINTS))}, "
            f"got {name!r}; " + (f"did you mean {near}?" if near else "choose one of them."),
            parameter="blueprint_name",
            value=name,
        )
    idle = [o for o in _OPTIONAL if getattr(config, o) is not None and o not in BLUEPRINTS[name]]
    if idle:
        raise ParameterError(
            f"DataPipeline: options must belong to the blueprint, {name!r} has no {idle[0]!r}; "
            "leave it out.",
            parameter=idle[0],
            value=getattr(config, idle[0]),
        )
    if config.positive_label is not None and name not in CLASSES:
        raise ParameterError(
            f"DataPipeline: `positive_label` must belong to a target of two classes, that of "
            f"{name!r} is a number; leave it out.",
            parameter="positive_label",
            value=config.positive_label,
        )
    pipeline_for(name, config, None)  # it checks the names in `fields`


def pipeline_for(name: str, config: PipelineConfig, estimator: Any) -> Any:
    """Return the unfitted pipeline of a blueprint."""
    options: dict[str, Any] = {
        option: value
        for option in BLUEPRINTS[name]
        if (value := getattr(config, option)) is not None
    }
    options |= config.preprocessing_config.model_dump(exclude_none=True)
    leak_audit = config.leak_audit if config.target_column is not None else "none"
    pipeline = blueprint_pipeline(
        name,
        estimator,
        fields=config.fields or None,
        drift_monitor=config.drift_monitor,
        leak_audit=leak_audit,
        **options,
    )
    checks = tuple(
        check for flag, check in _CHECKS.items() if getattr(config.validation_config, flag)
    )
    if not checks:
        return pipeline.set_params(validate="passthrough")
    limits = config.quality_thresholds
    # the run itself says what becomes of the findings
    return pipeline.set_params(
        validate__checks=checks,
        validate__min_completeness=limits.completeness,
        validate__min_uniqueness=limits.uniqueness,
        validate__min_validity=limits.validity,
        validate__on_fail="report",
    )


def schema_for(name: str, config: PipelineConfig) -> BlueprintSchema:
    """Return the schema of a blueprint in the names of the file."""
    fields = dict(config.fields)
    if config.as_of_column is not None:
        fields["as_of"] = config.as_of_column
    return default_registry.get(name).renamed(fields)


def features_and_target(
    names: Sequence[str], name: str, config: PipelineConfig
) -> tuple[list[str], list[str]]:
    """Return the columns of a file that the pipeline gets, and all that are read.

    A target that is a field of the blueprint, such as the revenue, stays among them: the features
    of later rows come from it. Any other target is kept away.
    """
    schema = schema_for(name, config)
    allowed = {*schema.names, *config.extra_columns}
    if config.target_column is not None and config.target_column not in schema.fit_only:
        allowed.discard(config.target_column)
    features = [column for column in names if column in allowed]
    also = {*features, *config.keep_columns, config.target_column}
    return features, [column for column in names if column in also]
