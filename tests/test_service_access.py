"""Who may do what."""

from __future__ import annotations

import pytest

import tracer_sklearn as ts
from tracer_sklearn.service import AuditTrail, RolePolicy, RunStore
from tracer_sklearn.service.access import ACTIONS, check_access

POLICY = RolePolicy(
    roles={"ana": "analyst", "eve": {"auditor", "analyst"}, "root": "admin", "*": "guest"},
    rules={
        "analyst": {("process", "customer_churn"), ("read", "*")},
        "auditor": {("audit", "*")},
        "admin": {("*", "*")},
        "guest": {("*", "price_optimization")},
    },
)


@pytest.mark.parametrize(
    ("principal", "action", "blueprint", "allowed"),
    [
        ("ana", "process", "customer_churn", True),
        ("ana", "process", "price_optimization", False),
        ("ana", "process", None, False),
        ("ana", "read", "price_optimization", True),
        ("ana", "read", None, True),
        ("ana", "audit", None, False),
        ("eve", "audit", None, True),
        ("eve", "process", "customer_churn", True),
        ("eve", "cancel", "customer_churn", False),
        ("root", "retention", None, True),
        ("somebody", "cancel", "price_optimization", True),
        ("somebody", "read", "customer_churn", False),
        ("somebody", "read", None, False),
        ("", "read", None, False),
        ("ANA", "read", None, False),
    ],
)
def test_rules_decide(principal, action, blueprint, allowed):
    assert POLICY(principal, action, blueprint) is allowed


def test_a_principal_that_is_not_named_may_do_nothing():
    policy = RolePolicy(roles={"ana": "a"}, rules={"a": {("*", "*")}})
    assert not any(policy("bo", action, None) for action in ACTIONS)


def test_wrong_rules_are_refused():
    with pytest.raises(ts.ParameterError, match="did you mean 'process'"):
        RolePolicy(roles={}, rules={"a": {("proces", "*")}})
    with pytest.raises(ts.ParameterError, match="did you mean 'analyst'"):
        RolePolicy(roles={"ana": "analist"}, rules={"analyst": {("read", "*")}})
    with pytest.raises(ts.ParameterError, match="`rules` must be"):
        RolePolicy(roles={}, rules={"a": "read"})


@pytest.fixture
def trail(tmp_path):
    with RunStore.open(state_dir=tmp_path) as store:
        yield AuditTrail.open(store)


def test_a_denial_is_an_error_and_an_entry(trail):
    check_access(POLICY, trail, "ana", "process", "customer_churn")
    assert trail.entries() == []
    with pytest.raises(ts.AccessDeniedError, match="must allow 'bo' to 'process'") as caught:
        check_access(POLICY, trail, "bo", "process", "customer_churn", run_id="01")
    assert isinstance(caught.value, PermissionError)
    assert (caught.value.principal, caught.value.action) == ("bo", "process")
    assert caught.value.blueprint == "customer_churn"
    [entry] = trail.entries()
    assert (entry.action, entry.principal, entry.run_id) == ("access.denied", "bo", "01")
    assert entry.details == {"wanted": "process", "policy_failed": False}
    assert trail.verify().ok


@pytest.mark.parametrize("answer", [False, None, 1, "yes", ["x"]])
def test_only_true_is_a_yes(answer):
    with pytest.raises(ts.AccessDeniedError, match="no blueprint in particular"):
        check_access(lambda *_: answer, None, "ana", "audit")


def test_a_policy_that_fails_is_a_no(trail):
    def fails(principal, action, blueprint):
        raise ConnectionError("directory is down")

    with pytest.raises(ts.AccessDeniedError, match="failed with ConnectionError") as caught:
        check_access(fails, trail, "ana", "read")
    assert isinstance(caught.value.__cause__, ConnectionError)
    assert trail.entries()[0].details["policy_failed"] is True


def test_without_a_policy_everything_is_allowed():
    check_access(None, None, "ana", "read")
    with pytest.raises(ts.ParameterError, match="did you mean 'read'"):
        check_access(None, None, "ana", "reed")
