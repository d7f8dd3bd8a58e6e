"""In CI a skip fails the run, unless the real files are what is absent."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

ABSENT_ENGINE = """
    import pytest

    @pytest.mark.skip(reason="duckdb is not installed")
    def test_engine(): ...

    def test_other(): ...
"""
ABSENT_MODULE = """
    import pytest

    pytest.importorskip("not_installed_anywhere")
"""
ABSENT_FILES = """
    import pytest

    def test_real_file():
        pytest.skip("TRACER_TEST_DATA: telco.csv is absent")
"""


@pytest.fixture
def run(pytester, monkeypatch):
    plugin = Path(__file__).with_name("_ci_skips.py").read_text(encoding="utf-8")

    def run(*tests, **environment):
        for name in ("CI", "TRACER_CI", "PYTEST_ADDOPTS"):
            monkeypatch.delenv(name, raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        pytester.makeconftest(plugin)
        pytester.makepyfile(**{f"test_{number}": test for number, test in enumerate(tests)})
        # A process of its own: plugins of this run would count the inner tests as theirs.
        return pytester.runpytest_subprocess("-p", "no:cacheprovider")

    return run


@pytest.mark.parametrize("variable", ["CI", "TRACER_CI"])
def test_a_skip_fails_in_ci_and_is_named(run, variable):
    result = run(ABSENT_ENGINE, **{variable: "true"})
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*test_engine: duckdb is not installed", "*1 passed, 1 skipped*"])


def test_a_module_skipped_at_import_fails_in_ci(run):
    assert run("def test_other(): ...", ABSENT_MODULE, CI="1").ret == pytest.ExitCode.TESTS_FAILED


def test_absent_real_files_are_accepted_in_ci(run):
    assert run(ABSENT_FILES, CI="true").ret == pytest.ExitCode.OK


@pytest.mark.parametrize("environment", [{}, {"CI": "false"}, {"TRACER_CI": "0"}])
def test_a_skip_is_only_a_skip_at_a_desk(run, environment):
    assert run(ABSENT_ENGINE, **environment).ret == pytest.ExitCode.OK
