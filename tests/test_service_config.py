"""The configuration of a run: what is wrong is refused, with what was probably meant."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tracer_sklearn import IngestionLimits
from tracer_sklearn.exceptions import ParameterError
from tracer_sklearn.schema import FieldSpec
from tracer_sklearn.service import (
    PipelineConfig,
    PreprocessingConfig,
    QualityThresholds,
    RetentionPolicy,
    RunLimits,
    ValidationConfig,
)

WRONG_KEYS = [
    (
        {"preprocessing_config": {"missing_value_stratgy": "auto"}},
        "PreprocessingConfig",
        "missing_value_stratgy",
        "did you mean 'missing_value_strategy'.",
    ),
    (
        {"preprocesing_config": {}},
        "PipelineConfig",
        "preprocesing_config",
        "did you mean 'preprocessing_config'.",
    ),
    ({"limits": {"timeout": 5}}, "RunLimits", "timeout", "did you mean 'timeout_seconds'."),
    ({"limits": {"Max_Bytes": 5}}, "RunLimits", "Max_Bytes", "did you mean 'max_bytes'."),
    (
        {"retention": {"output_days": 5}},
        "RetentionPolicy",
        "output_days",
        "did you mean 'outputs_days'.",
    ),
    (
        {"validation_config": {"schema_validaton": True}},
        "ValidationConfig",
        "schema_validaton",
        "did you mean 'schema_validation'.",
    ),
    (
        {"outlier_method": "iqr"},
        "PipelineConfig",
        "outlier_method",
        "did you mean 'outlier_method' of `preprocessing_config`.",
    ),
    (
        {"quality_thresholds": {"xyz": 1}},
        "QualityThresholds",
        "xyz",
        "it has 'completeness', 'uniqueness', 'validity'.",
    ),
]

WRONG_VALUES = [
    (
        {"preprocessing_config": {"missing_value_strategy": "medain"}},
        "PreprocessingConfig",
        "missing_value_strategy",
        "got 'medain'; did you mean 'median'.",
    ),
    ({"model": "boost"}, "PipelineConfig", "model", "got 'boost'; did you mean 'boosting'."),
    ({"leak_audit": "Warn"}, "PipelineConfig", "leak_audit", "did you mean 'warn'."),
    ({"limits": {"symlinks": "refused"}}, "RunLimits", "symlinks", "did you mean 'refuse'."),
    ({"model": "xgb"}, "PipelineConfig", "model", "set model to a legal value."),
    ({"model": 5}, "PipelineConfig", "model", "must be one of 'boosting' or 'linear', got 5"),
    (
        {"quality_thresholds": {"completeness": 95}},
        "QualityThresholds",
        "completeness",
        "less than or equal to 1, got 95",
    ),
    ({"limits": {"timeout_seconds": 0}}, "RunLimits", "timeout_seconds", "greater than 0, got 0"),
    ({"limits": {"memory_mb": "much"}}, "RunLimits", "memory_mb", "a valid integer"),
    ({"n_splits": 1}, "PipelineConfig", "n_splits", "greater than or equal to 2, got 1"),
    ({"keep_columns": ["a", "a"]}, "PipelineConfig", "keep_columns", "each once, got ['a']"),
    ({"extra_columns": ["a", "a"]}, "PipelineConfig", "extra_columns", "each once, got ['a']"),
    ({"retention": 30}, "PipelineConfig", "retention", "a valid dictionary"),
]


def _check(wrong: dict[str, Any], who: str, parameter: str, says: str) -> None:
    for build in (
        lambda: PipelineConfig(**wrong),
        lambda: PipelineConfig.model_validate(wrong),
        lambda: PipelineConfig.model_validate_json(json.dumps(wrong)),
    ):
        with pytest.raises(ParameterError) as caught:
            build()
        message = str(caught.value)
        assert message.startswith(f"{who}: `{parameter}` must be ")
        assert says in message
        assert caught.value.parameter == parameter


@pytest.mark.parametrize(("wrong", "who", "parameter", "says"), WRONG_KEYS)
def test_a_wrong_key_names_the_nearest(
    wrong: dict[str, Any], who: str, parameter: str, says: str
) -> None:
    _check(wrong, who, parameter, says)


@pytest.mark.parametrize(("wrong", "who", "parameter", "says"), WRONG_VALUES)
def test_a_wrong_value_names_the_nearest(
    wrong: dict[str, Any], who: str, parameter: str, says: str
) -> None:
    _check(wrong, who, parameter, says)


def test_other_parts_name_the_nearest_too() -> None:
    with pytest.raises(ParameterError, match="did you mean 'max_columns'"):
        IngestionLimits(max_column=5)  # type: ignore[call-arg]
    with pytest.raises(ParameterError, match=r"FieldSpec 'f': `kind` .* did you mean 'number'"):
        FieldSpec(name="f", kind="numbr")  # type: ignore[arg-type]


def test_a_hostile_key_stays_one_short_line() -> None:
    with pytest.raises(ParameterError) as caught:
        PipelineConfig(**{"a\n2026 ERROR \x1b[31m" + "x" * 5000: 1})
    assert str(caught.value).startswith(r"PipelineConfig: `'a\n2026 ERROR \x1b[31mxxx")
    assert len(str(caught.value)) < 600


FULL = {
    "validation_config": {
        "schema_validation": True,
        "quality_checks": True,
        "statistical_validation": False,
    },
    "preprocessing_config": {
        "missing_value_strategy": "drop",
        "outlier_method": "iqr",
        "encoding_strategy": "auto",
        "scaling_method": "robust",
    },
    "quality_thresholds": {"completeness": 0.9, "uniqueness": 1.0, "validity": 0.98},
    "fields": {"customer_id": "CustID"},
    "target_column": "churned",
    "retention": {"outputs_days": 90},
    "limits": {"max_bytes": 5_000, "timeout_seconds": 60},
}


def test_the_parts_may_be_given_as_dicts() -> None:
    config = PipelineConfig(**FULL)
    assert config.validation_config == ValidationConfig(statistical_validation=False)
    assert config.preprocessing_config == PreprocessingConfig(**FULL["preprocessing_config"])
    assert config.quality_thresholds == QualityThresholds(completeness=0.9)
    assert config.retention == RetentionPolicy(outputs_days=90, personal_days=30)
    assert config.limits == RunLimits(max_bytes=5_000, timeout_seconds=60)


def test_it_survives_json_and_to_dict() -> None:
    for config in (PipelineConfig(), PipelineConfig(**FULL)):
        assert PipelineConfig(**config.to_dict()) == config
        assert PipelineConfig.model_validate_json(config.model_dump_json()) == config
        assert json.loads(json.dumps(config.to_dict())) == config.to_dict()
