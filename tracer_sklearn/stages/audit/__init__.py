"""Auditing: features that tell the target, and rows that no longer look like the training rows."""

from tracer_sklearn.stages.audit._drift import DriftMonitor

__all__ = ["DriftMonitor"]
