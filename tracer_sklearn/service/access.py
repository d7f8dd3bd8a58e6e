"""Who may do what: an access policy decides by principal, action and blueprint."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Literal

from pydantic import field_validator

from tracer_sklearn._params import check_choice
from tracer_sklearn.exceptions import AccessDeniedError
from tracer_sklearn.schema._part import Part
from tracer_sklearn.service.plans import BLUEPRINTS

if TYPE_CHECKING:
    from tracer_sklearn.service.audit import AuditTrail

__all__ = ["ACTIONS", "AccessPolicy", "RolePolicy", "check_access"]

Action = Literal["process", "read", "cancel", "audit", "retention"]
ACTIONS = ("process", "read", "cancel", "audit", "retention")

AccessPolicy = Callable[[str, str, str | None], bool]
"""What decides: called with principal, action and blueprint (or None), it answers True or False."""


class RolePolicy(Part):
    """Allow what the rules of a principal's roles name, and nothing else.

    Use it as ``access_policy=`` of a `DataPipeline`. Not where somebody else decides: any function
    of principal, action and blueprint is a policy.

    Parameters
    ----------
    roles : dict of str to str or set of str
        Principal to role or roles. The principal "*" stands for everybody who is not named.
    rules : dict of str to set of tuple
        Role to pairs of an action and a blueprint. "*" stands for every action, or every blueprint
        and what belongs to none. Actions are "process", "read", "cancel", "audit" and "retention".

    Raises
    ------
    ParameterError
        If a rule names an unknown action or blueprint, or a role has no rules.

    Examples
    --------
    >>> from tracer_sklearn.service import RolePolicy
    >>> policy = RolePolicy(
    ...     roles={"ana": "analyst"},
    ...     rules={"analyst": {("process", "customer_churn"), ("read", "*")}},
    ... )
    >>> policy("ana", "process", "customer_churn"), policy("bo", "read", "customer_churn")
    (True, False)
    """

    roles: dict[str, str | frozenset[str]]
    rules: dict[str, frozenset[tuple[str, str]]]

    @field_validator("rules")
    @classmethod
    def _known(
        cls, rules: Mapping[str, Iterable[tuple[str, str]]]
    ) -> Mapping[str, Iterable[tuple[str, str]]]:
        for pairs in rules.values():
            for action, blueprint in sorted(pairs):
                check_choice("RolePolicy", "rules", action, (*ACTIONS, "*"))
                check_choice("RolePolicy", "rules", blueprint, (*BLUEPRINTS, "*"))
        return rules

    def model_post_init(self, _context: object) -> None:
        """Refuse roles that nothing is known of: they would be denied everything, silently."""
        for held in self.roles.values():
            for role in sorted({held} if isinstance(held, str) else held):
                check_choice("RolePolicy", "roles", role, sorted(self.rules))

    def __call__(self, principal: str, action: str, blueprint: str | None) -> bool:
        """Tell whether a principal may do this."""
        held = self.roles.get(principal, self.roles.get("*", frozenset()))
        wanted = {
            (act, which) for act in (action, "*") for which in ("*", blueprint) if which is not None
        }
        return any(
            wanted & self.rules[role] for role in ({held} if isinstance(held, str) else held)
        )


def check_access(
    policy: AccessPolicy | None,
    audit: AuditTrail | None,
    principal: str,
    action: str,
    blueprint: str | None = None,
    *,
    run_id: str | None = None,
) -> None:
    """Ask the policy, and refuse with an error and an entry of the audit trail.

    Whatever is not a plain True is a no: a policy that raises, or answers something else, must not
    open the door.

    Parameters
    ----------
    policy : callable or None
        The policy; None allows everything.
    audit : AuditTrail or None
        Where a refusal is noted.
    principal, action, blueprint : str, str and str or None
        Who wants to do what, to runs of which blueprint.
    run_id : str or None, default=None
        To which run. The error names it in place of the blueprint then: whoever may not ask for a
        run does not learn whether there is one, and of which blueprint.

    Raises
    ------
    AccessDeniedError
        If the policy does not allow it.
    """
    check_choice("AccessPolicy", "action", action, ACTIONS)
    if policy is None:
        return
    cause: Exception | None = None
    answer: object = False
    try:
        answer = policy(principal, action, blueprint)
    except Exception as error:
        cause = error
    if answer is True:
        return
    if audit is not None:
        audit.append(
            "access.denied",
            run_id=run_id,
            principal=principal,
            blueprint=blueprint,
            details={"wanted": action, "policy_failed": cause is not None},
        )
    found = "it does not" if cause is None else f"it failed with {type(cause).__name__}"
    raise AccessDeniedError(
        f"AccessPolicy: the policy must allow {principal!r} to {action!r} for "
        f"{_shown(blueprint, run_id)}, {found}; ask whoever keeps the policy.",
        principal=principal,
        action=action,
        blueprint=blueprint if run_id is None else None,
    ) from cause


def _shown(blueprint: str | None, run_id: str | None) -> str:
    if run_id is not None:
        return f"run {run_id!r}"
    return "no blueprint in particular" if blueprint is None else f"blueprint {blueprint!r}"
