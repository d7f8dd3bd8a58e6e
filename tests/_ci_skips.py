"""A pytest plugin: in CI a skipped test is a failure, so that no part goes missing unseen.

At a desk an absent engine or extra skips its tests. In CI (``CI`` or ``TRACER_CI`` set)
everything is installed, and a skip would mean that something was not run. Only the real files
may be absent: a reason that starts with ``TRACER_TEST_DATA`` is accepted.
"""

from __future__ import annotations

import os

import pytest

ACCEPTED = "TRACER_TEST_DATA"


def _in_ci():
    return any(
        os.environ.get(name, "").lower() not in ("", "0", "false") for name in ("CI", "TRACER_CI")
    )


def _reason(report):
    # A skip's longrepr is (path, line, "Skipped: reason").
    return report.longrepr[2].removeprefix("Skipped: ")


def _refused(config):
    if not _in_ci():
        return []
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter else []
    return [report for report in skipped if not _reason(report).startswith(ACCEPTED)]


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session):
    if session.exitstatus == pytest.ExitCode.OK and _refused(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter, config):
    refused = _refused(config)
    if refused:
        terminalreporter.section("skipped, which fails in CI", red=True)
        for report in refused:
            terminalreporter.line(f"{report.nodeid}: {_reason(report)}")
