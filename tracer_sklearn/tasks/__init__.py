"""What stands around a model: snapshots of events, splitters over time, and metrics."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach(__name__, submodules=["metrics"])
