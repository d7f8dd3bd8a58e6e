"""What stands around a model: snapshots of events, splitters over time, and metrics."""
