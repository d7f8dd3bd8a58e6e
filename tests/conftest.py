from __future__ import annotations

import os
from pathlib import Path

# scikit-learn skips one of its checks without it; SciPy reads it once, when first imported
os.environ.setdefault("SCIPY_ARRAY_API", "1")
# two thread pools on two cores wait for one another: gradient boosting takes ten times as long
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from hypothesis import HealthCheck, settings

from tracer_sklearn.testing import ENGINES

pytest_plugins = ["tests._ci_skips", "tests.service_servers"]

settings.register_profile(
    "tracer",
    deadline=None,  # two busy cores make single examples slow now and then
    max_examples=50,
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
    # a change is judged by its own examples; new ones are looked for wherever developers work
    derandomize="TRACER_CI" in os.environ,
)
settings.load_profile("tracer")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--engines",
        default=",".join(ENGINES),
        help="comma-separated engines that the contract runs on: " + ", ".join(ENGINES),
    )


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """Let marks of speed and memory have the machine for themselves."""
    return 0 if config.option.markexpr == "scale" else None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "engine" in metafunc.fixturenames:
        chosen = metafunc.config.getoption("--engines").split(",")
        unknown = set(chosen) - set(ENGINES)
        if unknown:
            raise pytest.UsageError(f"--engines: unknown {sorted(unknown)}, know {ENGINES}")
        metafunc.parametrize("engine", chosen)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of the real files; a test that needs them skips where they are absent."""
    default = Path(__file__).resolve().parents[1].parent / "shared" / "data"
    folder = Path(os.environ.get("TRACER_TEST_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"TRACER_TEST_DATA: no folder of real files at {folder}")
    return folder
