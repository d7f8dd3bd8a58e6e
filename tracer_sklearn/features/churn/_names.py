"""Roles, features and flags of ChurnFeatures, by name."""

from __future__ import annotations

from tracer_sklearn.features.churn._facts import DATES, INPUTS

HIDDEN = ("customer", *DATES, "label_end")
ROLES = (*HIDDEN, *INPUTS)
READ = (*DATES, *INPUTS)
FEATURES = (
    "days_since_last_activity",
    "account_tenure_days",
    "daily_value_rate",
    "support_intensity",
    "feature_usage_rate",
    "activity_recency_score",
    "value_tier",
    "plan_value_score",
    "engagement_score",
)
OCCURRING = ("last_activity_missing", "date_order_violation", "future_activity")
FLAGS = ("plan_unknown", *OCCURRING)

DIRECT = {
    "days_since_last_activity": "recency",
    "account_tenure_days": "tenure",
    "daily_value_rate": "value_rate",
    "support_intensity": "support_rate",
    "feature_usage_rate": "usage_rate",
}
PARTS = {
    "recency": "recency",
    "usage": "usage_rate",
    "value": "value_rate",
    "support": "support_rate",
}
