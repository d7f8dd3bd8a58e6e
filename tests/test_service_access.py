"""Who may do what."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

import tracer_sklearn as ts
from tracer_sklearn.service import AuditTrail, DataPipeline, RolePolicy, RunState, RunStore
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
    with pytest.raises(
        ts.ParameterError, match="got 'customer_chrun'; did you mean 'customer_churn'"
    ):
        RolePolicy(roles={}, rules={"a": {("process", "customer_chrun")}})
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
        check_access(POLICY, trail, "bo", "process", "customer_churn")
    assert isinstance(caught.value, PermissionError)
    assert (caught.value.principal, caught.value.action) == ("bo", "process")
    assert caught.value.blueprint == "customer_churn"
    with pytest.raises(ts.AccessDeniedError, match="for run '01'"):
        check_access(POLICY, trail, "bo", "read", "customer_churn", run_id="01")
    entry, of_run = trail.entries()
    assert (entry.action, entry.principal, entry.run_id) == ("access.denied", "bo", None)
    assert (of_run.run_id, of_run.blueprint) == ("01", "customer_churn")
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


def _run(run_id, blueprint):
    return RunState(
        run_id=run_id,
        correlation_id=run_id,
        blueprint=blueprint,
        source="a.csv",
        principal="ana",
        created_at=datetime(2026, 1, 5, tzinfo=UTC),
        package_version=ts.__version__,
    )


async def _all_events(pipeline, run_id, principal):
    return [event async for event in pipeline.events(run_id, principal=principal)]


VERBS = {
    "run": DataPipeline.run,
    "wait": DataPipeline.wait,
    "cancel": DataPipeline.cancel,
    "events": _all_events,
}


async def _said(pipeline, verb, run_id):
    """Return the error that somebody without rights gets, without the id that was asked for."""
    with pytest.raises(ts.AccessDeniedError) as caught:
        await VERBS[verb](pipeline, run_id, principal="bo")
    error = caught.value
    assert error.__context__ is None
    return str(error).replace(run_id, "..."), error.blueprint


@pytest.mark.parametrize("verb", VERBS)
def test_who_may_not_ask_does_not_learn_whether_there_is_a_run(verb, tmp_path):
    with RunStore.open(state_dir=tmp_path) as store:
        store.create(_run("01", "customer_churn"))
    policy = RolePolicy(
        roles={"bo": "guest", "ana": "all"},
        rules={"guest": {("read", "price_optimization")}, "all": {("*", "*")}},
    )

    async def main():
        pipeline = DataPipeline(
            state_dir=tmp_path, access_policy=policy, cache_url=None, enable_monitoring=False
        )
        async with pipeline:
            said = [await _said(pipeline, verb, run_id) for run_id in ("01", "02", "../03")]
            assert said[0] == said[1] == said[2]
            with pytest.raises(ts.ParameterError, match="must be that of a run, got '02'"):
                await pipeline.run("02", principal="ana")
            with pytest.raises(ts.ParameterError, match="the id of a run, a text, got 7"):
                await pipeline.run(7, principal="bo")
            for whose, found in (("ana", ["01"]), ("bo", []), (None, ["01"])):
                asked = await pipeline.runs(principal="ana", of_principal=whose)
                assert [state.run_id for state in asked] == found
            with pytest.raises(ts.ParameterError, match="`principal` must be a text or None"):
                await pipeline.runs(principal="ana", of_principal=7)
            denied = (await pipeline.audit()).entries(action="access.denied")
            assert [entry.run_id for entry in denied] == ["01", "02", "../03"]
            assert (await pipeline.verify_audit(principal="ana")).ok

    asyncio.run(main())


def _batch(pipeline, path, name, output):
    item = {"file_path": path, "blueprint_name": name, "output": output}
    return pipeline.process_batch([item])


def _upload(pipeline, path, name, output):
    return pipeline.process_stream(b"a;b\n1;2\n", path, name, output=output)


@pytest.mark.parametrize(
    "call", [DataPipeline.process_file, DataPipeline.submit_file, _upload, _batch]
)
def test_who_may_not_process_does_not_learn_which_folders_there_are(call, tmp_path):
    async def main():
        pipeline = DataPipeline(state_dir=tmp_path, access_policy=lambda *_: False, cache_url=None)
        async with pipeline:
            for output in (tmp_path, tmp_path / "none" / "a.csv", tmp_path / "a.csv"):
                with pytest.raises(ts.AccessDeniedError, match="for blueprint 'customer_churn'"):
                    await call(pipeline, "a.csv", "customer_churn", output=output)
            assert (await pipeline.store()).count() == 0

    asyncio.run(main())
