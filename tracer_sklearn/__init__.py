"""Tracer: from a raw business CSV to leak-free, model-ready features, as plain scikit-learn."""

import lazy_loader as _lazy

__version__ = "0.1.0"

# The public names stand in __init__.pyi, for type checkers as for us; each is loaded on first use.
__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
__all__ = sorted([*__all__, "__version__"])
