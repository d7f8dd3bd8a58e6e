"""Prices: what to ask, how sure one can be, and what the data cannot say."""

from tracer_sklearn.tasks.pricing._endogeneity import (
    ElasticityEstimate,
    ElasticityReport,
    elasticity_report,
)
from tracer_sklearn.tasks.pricing._optimizer import PriceOptimizer

__all__ = ["ElasticityEstimate", "ElasticityReport", "PriceOptimizer", "elasticity_report"]
