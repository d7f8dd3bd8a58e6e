"""Every public stage, on every engine, and under scikit-learn's own checks."""

from __future__ import annotations

import pytest
from cases import Case, cases
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks

from tracer_sklearn.testing import all_stages, check_stage, example_stages

CASES = cases()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_stage_keeps_the_contract(case: Case, engine: str) -> None:
    passed = check_stage(case.stage, case.frame, case.y, engines=[engine])
    is_plain = case.frame.columns == [f"x{i}" for i in range(case.frame.width)]
    assert bool(passed) == (engine != "numpy" or is_plain)


def test_every_public_stage_has_a_case_and_an_example() -> None:
    public = set(all_stages())
    assert {type(case.stage) for case in CASES} == public
    assert {type(stage) for stage in example_stages()} == public


@parametrize_with_checks(example_stages())
def test_scikit_learn_checks(estimator, check) -> None:
    check(estimator)  # one that skips itself fails in CI, like every skip


@pytest.mark.parametrize("stage", example_stages(), ids=repr)
def test_scikit_learn_has_all_its_checks_for_a_stage(stage) -> None:
    checks = [check for _, check in estimator_checks_generator(stage, legacy=True)]
    assert len(checks) >= 46
