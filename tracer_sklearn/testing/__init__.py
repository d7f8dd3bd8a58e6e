"""The contract of a stage, as checks that run on our stages and on yours.

`check_stage` runs a stage on every engine and compares; `example_stages` are instances that
scikit-learn's own ``check_estimator`` must pass without an expected failure. Nothing but tests
imports this module.
"""

from tracer_sklearn.testing._contract import check_stage
from tracer_sklearn.testing._engines import ENGINES, to_engine
from tracer_sklearn.testing._examples import all_stages, example_stages

__all__ = ["ENGINES", "all_stages", "check_stage", "example_stages", "to_engine"]
