"""Features of the revenue-projection blueprint."""

from tracer_sklearn.features.revenue._features import RevenueFeatures

__all__ = ["RevenueFeatures"]
