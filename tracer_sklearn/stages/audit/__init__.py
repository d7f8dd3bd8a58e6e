"""Auditing: features that tell the target, and rows that no longer look like the training rows."""

from tracer_sklearn.stages.audit._drift import DriftMonitor
from tracer_sklearn.stages.audit._findings import LeakFinding, LeakReport
from tracer_sklearn.stages.audit._leak import LeakAudit, leak_audit

__all__ = ["DriftMonitor", "LeakAudit", "LeakFinding", "LeakReport", "leak_audit"]
