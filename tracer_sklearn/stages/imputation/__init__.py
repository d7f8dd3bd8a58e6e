"""Filling of missing values."""

from tracer_sklearn.stages.imputation._imputer import MissingValueImputer

__all__ = ["MissingValueImputer"]
