"""Features of the customer-churn blueprint: one row per customer and snapshot date."""

from tracer_sklearn.features.churn._features import ChurnFeatures

__all__ = ["ChurnFeatures"]
