"""Encoding of category columns."""

from tracer_sklearn.stages.encoding._encoder import CategoryEncoder

__all__ = ["CategoryEncoder"]
