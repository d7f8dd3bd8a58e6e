"""The schema of the customer-churn blueprint."""

from __future__ import annotations

from typing import Any

from tracer_sklearn.schema._blueprint import BlueprintSchema
from tracer_sklearn.schema._calendar import EARLIEST, LATEST
from tracer_sklearn.schema._fields import FieldRule, FieldSpec

_ALIASES = {
    "customer_id": """
        cust_id cust_no customer customer_number customer_no client_id account_id user_id
        member_id subscriber_id household_id shopper_id
    """,
    "as_of": """
        as_of_date snapshot snapshot_date observation_date reference_date cutoff_date scoring_date
    """,
    "label_end": "label_end_date outcome_end outcome_date target_end",
    "account_created_date": """
        account_created created_at created_date date_created created signup_dt signup_date signup
        registration_date registered_at join_date joined_at customer_since member_since start_date
        activation_date first_purchase_date first_order_date
    """,
    "last_activity_date": """
        last_activity last_activity_dt last_active last_active_date last_seen last_login
        last_login_date last_visit last_visit_date last_purchase last_purchase_date last_order
        last_order_date last_transaction_date
    """,
    # Not CLV or CLTV: they usually predict the future, and total_value is the past.
    "total_value": """
        LTV lifetime_value lifetime_spend total_spend total_spent total_revenue total_sales
        total_charges total_amount monetary
    """,
    "support_tickets": """
        tickets ticket_count num_tickets n_tickets tickets_opened support_cases support_calls
        support_requests service_calls complaints customer_service_calls
    """,
    "feature_usage_count": """
        feature_usage usage usage_count sessions session_count num_sessions logins login_count
        events event_count
    """,
    "plan_type": """
        plan plan_name tier subscription subscription_type subscription_plan tariff tariff_plan
        package membership
    """,
}


def _field(name: str, description: str, **options: Any) -> FieldSpec:
    aliases = tuple(_ALIASES[name].split())
    return FieldSpec(name=name, description=description, aliases=aliases, **options)


def _date(name: str, description: str, **options: Any) -> FieldSpec:
    return _field(name, description, kind="datetime", min=EARLIEST, max=LATEST, **options)


CUSTOMER_CHURN = BlueprintSchema(
    name="customer_churn",
    description="One row per customer and snapshot date, with what was known before that date.",
    fields=(
        _field("customer_id", "The customer; never a feature.", kind="identifier"),
        _date("as_of", "Start of the snapshot day: features use what happened before it."),
        _date(
            "label_end",
            "First day after the label window; known for training rows only.",
            fit_only=True,
        ),
        _date("account_created_date", "Day on which the account was opened."),
        _date("last_activity_date", "Newest activity before the snapshot.", required=True),
        _field(
            "total_value",
            "Value of the customer until the snapshot; refunds may make it negative.",
            kind="number",
            unit="currency",
        ),
        _field(
            "support_tickets",
            "Support requests until the snapshot.",
            kind="count",
            min=0,
            unit="tickets",
        ),
        _field(
            "feature_usage_count",
            "Uses of the product until the snapshot, or in a fixed window before it.",
            kind="count",
            min=0,
            unit="uses",
        ),
        _field("plan_type", "Plan in force at the snapshot.", kind="category"),
    ),
    key=("customer_id", "as_of"),
    rules=(
        FieldRule(
            left="account_created_date",
            relation="<=",
            right="last_activity_date",
            description="Nobody is active before the account exists.",
        ),
        FieldRule(
            left="as_of",
            relation="<",
            right="label_end",
            description="The label window lies after the snapshot.",
        ),
    ),
    target="churned",
)
