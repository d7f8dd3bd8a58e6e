"""Price features: what was known of a product's demand and prices before a date."""

from tracer_sklearn.features.price._features import PriceFeatures

__all__ = ["PriceFeatures"]
