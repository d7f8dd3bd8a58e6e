"""From a configuration to a blueprint's pipeline, and to the columns that a run may read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

from tracer_sklearn._params import check_choice
from tracer_sklearn.blueprints import blueprint_pipeline
from tracer_sklearn.exceptions import ParameterError, SchemaError
from tracer_sklearn.features.churn import ChurnFeatures
from tracer_sklearn.features.price import PriceFeatures
from tracer_sklearn.features.revenue import RevenueFeatures
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
_STEPS = ("parse", "validate", "drift", "features", "leak", "impute", "cap", "encode", "scale")
_MAY_LACK = {"drift", "leak"}
_GENERATORS: dict[type, str] = {
    ChurnFeatures: "customer_churn",
    PriceFeatures: "price_optimization",
    RevenueFeatures: "revenue_projection",
}
_CHECKS = {
    "schema_validation": "schema",
    "quality_checks": "quality",
    "statistical_validation": "statistical",
}


def check_blueprint(name: str, config: PipelineConfig) -> None:
    """Refuse a blueprint that does not exist, and options that it does not have."""
    check_choice("DataPipeline", "blueprint_name", name, BLUEPRINTS)
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


def blueprint_of(pipeline: Any) -> str:
    """Return which blueprint made a fitted pipeline; raise SchemaError where none did."""
    steps: list[tuple[str, Any]] = getattr(pipeline, "steps", [])
    names = [name for name, _ in steps if name != "model"]
    whole = [name for name in _STEPS if name not in _MAY_LACK or name in names]
    ends = not steps or "model" not in dict(steps) or steps[-1][0] == "model"
    if names == whole and ends:
        found = _GENERATORS.get(type(dict(steps)["features"]))
        if found is not None:
            return found
    raise SchemaError(
        "DataPipeline: `fitted` must be the pipeline of a blueprint with all of its steps, it is "
        "not; process or train a file to get one."
    )


def apply_scoring(pipeline: Any, config: PipelineConfig) -> None:
    """Set in a loaded pipeline what scoring can honour; what was not said stays as fitted."""
    steps, default = dict(pipeline.steps), PipelineConfig()
    no_checks = not any(config.validation_config.model_dump().values())
    if config.reference_date is not None:
        if getattr(steps["features"], "reference_date_", None) is None:
            _refuse("reference_date", config, "its rows bear the date of their own snapshot")
        steps["features"].set_params(reference_date=config.reference_date)
    validator = steps["validate"]
    for part in ("quality_thresholds", "validation_config"):
        unmet = getattr(config, part) != getattr(default, part)
        if validator == "passthrough" and part in config.model_fields_set and unmet:
            if no_checks:
                continue
            _refuse(part, config, "it was fitted without checks")
    if validator != "passthrough":
        limits = config.quality_thresholds
        validator.set_params(
            **{f"min_{name}": getattr(limits, name) for name in limits.model_fields_set}
        )
        said = config.validation_config
        checks = tuple(
            check
            for flag, check in _CHECKS.items()
            if (getattr(said, flag) if flag in said.model_fields_set else check in validator.checks)
        )
        if checks:
            validator.set_params(checks=checks)
        else:
            pipeline.set_params(validate="passthrough")
    if "drift_monitor" in config.model_fields_set:
        if "drift" in steps:
            if config.drift_monitor == "none":
                pipeline.set_params(drift="passthrough")
            else:
                steps["drift"].set_params(on_drift=config.drift_monitor)
        elif config.drift_monitor == "raise":
            _refuse("drift_monitor", config, "it was fitted without a monitor")


def _refuse(name: str, config: PipelineConfig, reason: str) -> NoReturn:
    raise ParameterError(
        f"DataPipeline: `{name}` must fit the fitted pipeline, {reason}; leave it out.",
        parameter=name,
        value=getattr(config, name),
    )


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
